"""What is known of a synthetic frame, as the messages of a rosbag2: images, TF, truth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray, Image
from pose_ros.sources.bag_types import typestore
from pose_ros.sources.truth import Truth

NANOSECONDS = 1_000_000_000
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
        time = _make("builtin_interfaces/msg/Time", *divmod(self.nanoseconds, NANOSECONDS))
        return _make("std_msgs/msg/Header", time, self.frame_id)


def image_message(
    stamp: Stamp, image: Image | FloatArray | NDArray[np.uint16], encoding: str
) -> Any:
    """Return a sensor_msgs/Image of an (H, W) or (H, W, 3) array; little-endian."""
    little = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    height, width = image.shape[:2]
    data = little.view(np.uint8).reshape(-1)
    step = data.size // height
    return _make("sensor_msgs/msg/Image", stamp.header(), height, width, encoding, 0, step, data)


def camera_info_message(stamp: Stamp, camera: Camera) -> Any:
    """Return the sensor_msgs/CameraInfo of an undistorted, rectified camera."""
    projection = np.concatenate([camera.matrix, np.zeros((3, 1))], axis=1)
    region = _make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    return _make(
        "sensor_msgs/msg/CameraInfo",
        stamp.header(),
        camera.height,
        camera.width,
        camera.distortion_model,
        np.array(camera.distortion),
        camera.matrix.ravel(),
        np.eye(3).ravel(),
        projection.ravel(),
        0,
        0,
        region,
    )


def transforms_message(transforms: Sequence[tuple[Stamp, str, Float64Array]]) -> Any:
    """Return a tf2_msgs/TFMessage.

    Args:
        transforms: Stamp with the parent frame, the child frame, and the child's pose in the
            parent: (4, 4) meters.
    """
    found = []
    for stamp, child, pose in transforms:
        shift = _make("geometry_msgs/msg/Vector3", *pose[:3, 3].tolist())
        turn = _make(
            "geometry_msgs/msg/Quaternion", *Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        )
        transform = _make("geometry_msgs/msg/Transform", shift, turn)
        found.append(_make("geometry_msgs/msg/TransformStamped", stamp.header(), child, transform))
    return _make("tf2_msgs/msg/TFMessage", found)


def poses_message(stamp: Stamp, truths: Sequence[Truth], camera: Camera) -> Any:
    """Return the pose_ros/PoseArray of all actors of whom something is before the camera.

    A joint's score is 1 in sight, 0.5 behind the person's own body, 0.25 behind something
    else or beyond the image.
    """
    poses = [_pose(truth, camera) for truth in truths if np.isfinite(truth.pixels).any()]
    skeleton = truths[0].skeleton.name
    return _make(
        "pose_ros/msg/PoseArray",
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
    return _make("std_msgs/msg/String", json.dumps({"actors": actors}, allow_nan=False))


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
    # a class variable, which types made at run time do not declare
    keypoint_type: Any = typestore().types["pose_ros/msg/Keypoint"]
    keypoints = [
        keypoint_type(
            name=name,
            x=truth.pixels[i, 0].item(),
            y=truth.pixels[i, 1].item(),
            score=scores[i].item(),
            z=depths[i].item(),
            world=_make("geometry_msgs/msg/Point", *offset[i].tolist()),
            position=_make("geometry_msgs/msg/Point", *truth.camera[i].tolist()),
            position_source=keypoint_type.SOURCE_MODEL,
            position_sigma=0.0,
        )
        for i, name in enumerate(truth.skeleton.keypoints)
    ]
    low, high = np.nanmin(truth.pixels, axis=0), np.nanmax(truth.pixels, axis=0)
    box = np.concatenate([low, high]).astype(np.float32)
    return _make(
        "pose_ros/msg/HumanPose",
        id=truth.id,
        score=1.0,
        box=box,
        label="",
        label_score=math.nan,
        keypoints=keypoints,
    )


def _make(name: str, *values: Any, **fields: Any) -> Any:
    """Return a message of a type by name, its fields by name or in their order."""
    return typestore().types[name](*values, **fields)
