"""What is known of a synthetic frame, as the messages of a rosbag2: images, TF, truth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_ros.bags.message_types import types
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import PositionSource
from pose_ros.messages.headers import header_of
from pose_ros.messages.transforms import transform_to_msg
from pose_ros.synthetic.truth import Truth

NETWORK = "truth"
"""What a PoseArray of the truth names as its network."""

_IN_SIGHT, _SELF_HIDDEN, _OUT_OF_SIGHT = 1.0, 0.5, 0.25


@dataclass(frozen=True)
class Stamp:
    """When and in which frame; what makes a header.

    Attributes:
        nanoseconds: Unix time.
        frame_id: TF frame.
    """

    nanoseconds: int
    frame_id: str

    def header(self) -> Any:
        """Return the std_msgs/Header."""
        return header_of(types, self.nanoseconds, self.frame_id)


def transforms_message(transforms: Sequence[tuple[Stamp, str, Float64Array]]) -> Any:
    """Return a tf2_msgs/TFMessage.

    Args:
        transforms: Stamp with the parent frame, the child frame, and the child's pose in the
            parent: (4, 4) meters.
    """
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    found = []
    for stamp, child, pose in transforms:
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
        found.append(transform_to_msg(types, stamp.header(), child, pose[:3, 3], turn))
    return types("tf2_msgs/msg/TFMessage")(transforms=found)


def poses_message(stamp: Stamp, truths: Sequence[Truth], camera: Camera) -> Any:
    """Return the pose_ros/PoseArray of all actors of which a part is before the camera.

    A joint's score is 1 in sight, 0.5 behind the person's own body, 0.25 behind something
    else or beyond the image.
    """
    poses = [_pose(truth, camera) for truth in truths if np.isfinite(truth.pixels).any()]
    skeleton = truths[0].skeleton.name
    return types("pose_ros/msg/PoseArray")(
        header=stamp.header(),
        network=NETWORK,
        skeleton=skeleton,
        width=camera.width,
        height=camera.height,
        poses=poses,
    )


def scene_message(truths: Sequence[Truth]) -> Any:
    """Return a std_msgs/String of JSON: what each actor is and does; null for what is not."""
    actors = [
        {
            "id": truth.id,
            "name": truth.name,
            "height": truth.height,
            "gesture": truth.gesture,
            "arm": truth.arm,
            "held": truth.held,
            "target": None if np.isnan(truth.target).any() else truth.target.tolist(),
        }
        for truth in truths
    ]
    text = json.dumps({"actors": actors}, allow_nan=False)
    return types("std_msgs/msg/String")(data=text)


def _pose(truth: Truth, camera: Camera) -> Any:
    index = truth.skeleton.index
    hips = (truth.camera[index("left_hip")] + truth.camera[index("right_hip")]) / 2
    scores = np.where(truth.self_hidden, _SELF_HIDDEN, _IN_SIGHT)
    scores[~truth.visible] = _OUT_OF_SIGHT
    known = np.isfinite(truth.pixels).all(axis=1)
    scores[~known] = 0.0
    offset = truth.camera - hips
    # BlazePose's measure: pixels at the scale of x
    depths = offset[:, 2] * camera.matrix[0, 0] / hips[2] if hips[2] > 0 else offset[:, 2] * np.nan
    point = types("geometry_msgs/msg/Point")
    keypoints = [
        types("pose_ros/msg/Keypoint")(
            name=name,
            x=truth.pixels[i, 0].item(),
            y=truth.pixels[i, 1].item(),
            score=scores[i].item(),
            z=depths[i].item(),
            world=point(**dict(zip("xyz", offset[i].tolist(), strict=True))),
            position=point(**dict(zip("xyz", truth.camera[i].tolist(), strict=True))),
            position_source=PositionSource.MODEL,
            position_sigma=0.0,
        )
        for i, name in enumerate(truth.skeleton.keypoints)
    ]
    low, high = np.nanmin(truth.pixels, axis=0), np.nanmax(truth.pixels, axis=0)
    box = np.concatenate([low, high]).astype(np.float32)
    return types("pose_ros/msg/HumanPose")(
        id=truth.id,
        score=1.0,
        box=box,
        label="",
        label_score=math.nan,
        keypoints=keypoints,
    )
