"""Writes a scene, with its truth, as a rosbag2; no ROS needed.

==========================  ================================================================
``camera/image_raw``        sensor_msgs/Image, bgr8
``camera/camera_info``      sensor_msgs/CameraInfo
``camera/depth/image_raw``  sensor_msgs/Image, 16UC1 or 32FC1, registered to the image
``camera/depth/camera_info``  sensor_msgs/CameraInfo, the same
``/tf_static``              ``base_link`` -> ``camera_link`` -> the camera's optical frame
``/tf``                     ``odom`` -> ``base_link``, where the robot stands, for each image
``truth/poses``             pose_ros/PoseArray, under the image's header
``truth/scene``             std_msgs/String, JSON: height, gesture, arm, held and target of each
==========================  ================================================================

A joint's score in ``truth/poses`` is 1 in sight, 0.5 behind the person's own body, 0.25 behind
something else or beyond the image.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.writer import STORAGES, add_topic, open_bag_writer
from pose_ros.core.camera import Calibration, Camera, Float64Array
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Image, PositionSource
from pose_ros.errors import OptionError, OutputError
from pose_ros.messages.cameras import camera_info_to_msg
from pose_ros.messages.headers import HeaderMsg, header_of
from pose_ros.messages.images import array_to_msg, image_to_msg
from pose_ros.messages.transforms import transform_to_msg
from pose_ros.settings.images import OPTICAL_FRAME
from pose_ros.synthetic.depth_camera import DepthSensor, to_millimeters
from pose_ros.synthetic.source import SyntheticSource, Truth

DEPTHS = ("16UC1", "32FC1", "none")

START_SECONDS = 1_700_000_000
"""Unix time of the first image: a stamp of zero means none."""

ODOM, BASE, _LINK = "odom", "base_link", "camera_link"
_TOPICS = {
    "image": ("/camera/image_raw", "sensor_msgs/msg/Image"),
    "info": ("/camera/camera_info", "sensor_msgs/msg/CameraInfo"),
    "depth": ("/camera/depth/image_raw", "sensor_msgs/msg/Image"),
    "depth_info": ("/camera/depth/camera_info", "sensor_msgs/msg/CameraInfo"),
    "tf": ("/tf", "tf2_msgs/msg/TFMessage"),
    "tf_static": ("/tf_static", "tf2_msgs/msg/TFMessage"),
    "poses": ("/truth/poses", "pose_ros/msg/PoseArray"),
    "scene": ("/truth/scene", "std_msgs/msg/String"),
}
# x right, y down, z forward, in the axes of x forward, y left, z up (REP-103)
_OPTICAL_IN_LINK = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

NETWORK = "truth"
"""What a PoseArray of the truth names as its network."""

_IN_SIGHT, _SELF_HIDDEN, _OUT_OF_SIGHT = 1.0, 0.5, 0.25


@dataclass(frozen=True)
class BagOptions:
    """How a scene is written.

    Attributes:
        storage: ``sqlite3`` or ``mcap``.
        depth: ``16UC1`` (millimeters, 0 unknown), ``32FC1`` (meters, NaN unknown) or ``none``.
        sensor: How the depth camera errs; None: it does not.
        frame_id: Of the images.
        seconds: How long; None: one round of the scene.
    """

    storage: str = "sqlite3"
    depth: str = "16UC1"
    sensor: DepthSensor | None = field(default_factory=DepthSensor)
    frame_id: str = OPTICAL_FRAME
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.storage not in STORAGES:
            raise OptionError(f"storage must be {' or '.join(STORAGES)}, got {self.storage!r}")
        if self.depth not in DEPTHS:
            raise OptionError(f"depth must be one of {', '.join(DEPTHS)}, got {self.depth!r}")
        # written so that NaN is refused too
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise OptionError(f"seconds must be above 0, got {self.seconds}")


def write_scene_bag(
    path: Path,
    source: SyntheticSource,
    options: BagOptions = BagOptions(),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Write a scene as a rosbag2; what was begun is removed when it cannot be finished.

    Args:
        path: The bag's folder, which must not exist.
        source: The scene and its camera; not live.
        options: How it is written.
        progress: Called after each image with how many are done, and of how many.

    Returns:
        How many images it holds.

    Raises:
        OutputError: The folder exists, or cannot be written.
        OptionError: The source is live.
    """
    if source.live:
        raise OptionError("a bag is written from a recording: live=0")
    if path.exists():
        raise OutputError(f"{path} exists already; name another folder, or remove it")
    seconds = source.seconds if options.seconds is None else options.seconds
    count = max(1, round(seconds * source.fps))
    if source.length is not None:
        count = min(count, source.length)
    try:
        _write(path, source, options, count, progress)
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"{path} cannot be written: {error}") from error
        raise
    return count


def _write(
    path: Path,
    source: SyntheticSource,
    options: BagOptions,
    count: int,
    progress: Callable[[int, int], None],
) -> None:
    with open_bag_writer(path, options.storage) as writer:
        topics = [name for name in _TOPICS if options.depth != "none" or "depth" not in name]
        open_topics = {name: _open(writer, name) for name in topics}
        start = START_SECONDS * NANOSECONDS
        for number in range(count):
            frame = source.read()
            if frame is None:
                raise OutputError(f"{source.name} ended after {number} of {count} images")
            now = start + round(frame.stamp * NANOSECONDS)
            header = header_of(types, now, options.frame_id)
            # TF before what needs it
            messages = {"tf": _transforms_message(now, [(ODOM, BASE, np.eye(4))])}
            messages |= _messages(source, frame.image, frame.stamp, header)
            if options.depth != "none":
                messages |= _depth_messages(source, frame.stamp, header, options)
            if number == 0:
                messages["tf_static"] = _mounting(source, now, options.frame_id)
            for name, message in messages.items():
                kind = _TOPICS[name][1]
                writer.write(open_topics[name], now, typestore().serialize_cdr(message, kind))
            progress(number + 1, count)


def _open(writer: Writer, name: str) -> Connection:
    topic, kind = _TOPICS[name]
    latched = name == "tf_static"
    return add_topic(writer, topic, kind, latched=latched, depth=1 if latched else 10)


def _messages(
    source: SyntheticSource, image: Image, stamp: float, header: HeaderMsg
) -> dict[str, Any]:
    """Return the messages of one frame by the names of ``_TOPICS``."""
    truths = source.truths(stamp)
    return {
        "info": camera_info_to_msg(types, Calibration(source.camera), header),
        "image": image_to_msg(types, image, "bgr", header),
        "poses": _poses_message(header, truths, source.camera),
        "scene": _scene_message(truths),
    }


def _depth_messages(
    source: SyntheticSource, stamp: float, header: HeaderMsg, options: BagOptions
) -> dict[str, Any]:
    """Return the depth image of one frame and its CameraInfo."""
    if options.sensor is None:
        depth = source.depth(stamp)
    else:
        depth = source.measured_depth(stamp, options.sensor)
    image = to_millimeters(depth) if options.depth == "16UC1" else depth
    return {
        "depth_info": camera_info_to_msg(types, Calibration(source.camera), header),
        "depth": array_to_msg(types, image, options.depth, header),
    }


def _mounting(source: SyntheticSource, nanoseconds: int, frame_id: str) -> Any:
    """Return where the camera is on the robot: its body, and in it the optical frame."""
    link, optical = source.view.transform, np.eye(4)
    optical[:3, :3] = _OPTICAL_IN_LINK
    link[:3, :3] = link[:3, :3] @ _OPTICAL_IN_LINK.T
    return _transforms_message(nanoseconds, [(BASE, _LINK, link), (_LINK, frame_id, optical)])


def _transforms_message(
    nanoseconds: int, transforms: Sequence[tuple[str, str, Float64Array]]
) -> Any:
    """Return a tf2_msgs/TFMessage.

    Args:
        nanoseconds: Unix time.
        transforms: The parent frame, the child frame, and the child's pose in the parent: (4, 4)
            meters.
    """
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    found = []
    for parent, child, pose in transforms:
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
        header = header_of(types, nanoseconds, parent)
        found.append(transform_to_msg(types, header, child, pose[:3, 3], turn))
    return types("tf2_msgs/msg/TFMessage")(transforms=found)


def _poses_message(header: HeaderMsg, truths: Sequence[Truth], camera: Camera) -> Any:
    """Return the pose_ros/PoseArray of all actors of which a part is before the camera.

    A joint's score is 1 in sight, 0.5 behind the person's own body, 0.25 behind something
    else or beyond the image.
    """
    poses = [_pose(truth, camera) for truth in truths if np.isfinite(truth.pixels).any()]
    skeleton = truths[0].skeleton.name
    return types("pose_ros/msg/PoseArray")(
        header=header,
        network=NETWORK,
        skeleton=skeleton,
        width=camera.width,
        height=camera.height,
        poses=poses,
    )


def _scene_message(truths: Sequence[Truth]) -> Any:
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
    no_turn = types("geometry_msgs/msg/Quaternion")(**dict.fromkeys("xyzw", math.nan))
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
            orientation=no_turn,
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
        clothes=np.full(6, np.nan, np.float32),
        velocity=types("geometry_msgs/msg/Vector3")(**dict.fromkeys("xyz", math.nan)),
        keypoints=keypoints,
    )
