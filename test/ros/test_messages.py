"""rclpy's messages and rosbags' are the same bytes, made by the same functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from pose_ros.bags import message_types
from pose_ros.core import skeletons
from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.types import Poses
from pose_ros.messages.cameras import camera_from_info, camera_info_to_msg
from pose_ros.messages.cdr import read_image
from pose_ros.messages.gestures import (
    gestures_from_msg,
    gestures_to_msg,
    goal_to_msg,
    target_to_msg,
)
from pose_ros.messages.headers import Types, header_of, nanoseconds_of
from pose_ros.messages.images import array_to_msg, image_from_msg, image_to_msg
from pose_ros.messages.poses import (
    poses_from_msg,
    poses_to_msg,
    skeleton_from_msg,
    skeleton_to_msg,
)
from pose_ros.messages.transforms import transforms
from pose_ros.ros import messages

NANOSECONDS = 1_700_000_000_123_456_789
BLAZEPOSE = skeletons.get("blazepose33")


def one_person() -> Poses:
    random = np.random.default_rng(3)
    world = random.normal(0.0, 0.5, (2, 33, 3))
    keypoints = random.uniform(0, 400, (2, 33, 2))
    scores = random.uniform(0.5, 1, (2, 33))
    keypoints[1, 5], scores[1, 5] = np.nan, 0.0
    return Poses(
        skeleton=BLAZEPOSE,
        ids=np.array([3, 70_000]),
        scores=np.array([0.5, 0.75]),
        boxes=random.uniform(0, 400, (2, 4)),
        keypoints=keypoints,
        keypoint_scores=scores,
        depths=random.normal(0, 9, (2, 33)),
        world=world,
        camera=world + 3.0,
    )


def header(types: Types) -> Any:
    return header_of(types, NANOSECONDS, "kamera")


def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 255, (3, 5, 3), np.uint8)


GESTURES = (
    Gesture("point", "left", 7, "held", 0.75, 1234.5, Ray([0, 1, 2], [0, 0, 1], 0.1, metric=True)),
    Gesture("wave", "", 8, "ended", 0.5, 1234.5, None),
)
GOAL = Goal((1.25, -0.5, 0.0), 2.5, "map", 1.0)
CAMERA = Calibration(Camera.from_hfov(640, 480, 60.0))
MAKERS = {
    "PoseArray": lambda t: poses_to_msg(t, one_person(), header(t), "net", width=640, height=480),
    "Skeleton": lambda t: skeleton_to_msg(t, BLAZEPOSE),
    "GestureArray": lambda t: gestures_to_msg(t, GESTURES, header(t)),
    "PointStamped": lambda t: target_to_msg(t, GOAL, header(t)),
    "PoseStamped": lambda t: goal_to_msg(t, GOAL, header(t)),
    "Image": lambda t: image_to_msg(t, image(), "rgb", header(t)),
    "CameraInfo": lambda t: camera_info_to_msg(t, CAMERA, header(t)),
}
PACKAGES = {
    **dict.fromkeys(("Image", "CameraInfo"), "sensor_msgs"),
    **dict.fromkeys(("PointStamped", "PoseStamped"), "geometry_msgs"),
}


def serialized(kind: str) -> tuple[bytes, Any]:
    """Return a message as rclpy serializes it, and its class."""
    msg = MAKERS[kind](messages.types)
    return serialize_message(msg), type(msg)


@pytest.mark.parametrize("kind", MAKERS)
def test_messages_of_bags_and_of_rclpy_serialize_alike(kind: str) -> None:
    name = f"{PACKAGES.get(kind, 'pose_ros')}/msg/{kind}"
    ours = bytes(message_types.typestore().serialize_cdr(MAKERS[kind](message_types.types), name))
    theirs, cls = serialized(kind)
    # not byte by byte: rclpy leaves padding uninitialized
    assert str(deserialize_message(ours, cls)) == str(deserialize_message(theirs, cls))
    again = message_types.typestore().deserialize_cdr(theirs, name)
    assert bytes(message_types.typestore().serialize_cdr(again, name)) == ours


def from_bag(kind: str, name: str) -> Any:
    data = message_types.typestore().serialize_cdr(MAKERS[kind](message_types.types), name)
    return message_types.typestore().deserialize_cdr(data, name)


def test_messages_of_a_bag_are_converted_without_loss() -> None:
    found = poses_from_msg(from_bag("PoseArray", "pose_ros/msg/PoseArray"))
    expected = one_person()
    for field in ("ids", "scores", "boxes", "keypoints", "keypoint_scores", "depths", "world"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    skeleton = skeleton_from_msg(from_bag("Skeleton", "pose_ros/msg/Skeleton"))
    for field in ("name", "keypoints", "links", "left_right"):
        assert getattr(skeleton, field) == getattr(BLAZEPOSE, field)
    back = gestures_from_msg(from_bag("GestureArray", "pose_ros/msg/GestureArray"))
    assert [(g.name, g.side, g.person, g.event) for g in back] == [
        (g.name, g.side, g.person, g.event) for g in GESTURES
    ]
    assert math.isclose(back[0].ray.sigma, 0.1, rel_tol=1e-6)
    info = camera_from_info(from_bag("CameraInfo", "sensor_msgs/msg/CameraInfo"))
    np.testing.assert_array_equal(info.matrix, CAMERA.camera.matrix)
    picture, channels = image_from_msg(from_bag("Image", "sensor_msgs/msg/Image"))
    np.testing.assert_array_equal(picture, image())
    assert channels == "rgb"


def test_stamp_is_exact_to_the_nanosecond() -> None:
    for types in (messages.types, message_types.types):
        assert nanoseconds_of(header(types).stamp) == NANOSECONDS


def test_an_image_of_a_bag_is_read_without_a_copy() -> None:
    msg = array_to_msg(message_types.types, np.arange(6, dtype=np.uint16).reshape(2, 3), "16UC1",
                       header(message_types.types))  # fmt: skip
    data = bytes(message_types.typestore().serialize_cdr(msg, "sensor_msgs/msg/Image"))
    view = read_image(message_types.types, data)
    assert nanoseconds_of(view.header.stamp) == NANOSECONDS
    assert (view.width, view.height, view.encoding, len(view.data)) == (3, 2, "16UC1", 12)


def test_frames_for_bags_and_for_rclpy_are_equal() -> None:
    ours, theirs = (
        transforms(types, one_person(), header(types), "p", 0.5)
        for types in (message_types.types, messages.types)
    )
    assert len(ours) == len(theirs) > 33
    for a, b in zip(ours, theirs, strict=True):
        assert (a.child_frame_id, a.header.frame_id) == (b.child_frame_id, b.header.frame_id)
        for part, axes in (("translation", "xyz"), ("rotation", "xyzw")):
            for axis in axes:
                one, other = (getattr(getattr(m.transform, part), axis) for m in (a, b))
                assert one == other
