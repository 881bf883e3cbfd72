"""Makes the messages of rclpy from core types.

The conversions themselves are in ``pose_ros.messages``, for any message classes; here each is
bound to rclpy's.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_ros.core.camera import Calibration
from pose_ros.core.depth import PersonCloud
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, Image, Poses
from pose_ros.errors import OptionError
from pose_ros.messages import (
    cameras,
    cdr,
    foxglove,
    gestures,
    headers,
    images,
    poses,
    transforms,
)
from pose_ros.messages import people as messages_of_people
from pose_ros.messages.people import PlacedPerson

if TYPE_CHECKING:
    import builtin_interfaces.msg
    import geometry_msgs.msg
    import sensor_msgs.msg
    import std_msgs.msg

    import pose_ros.msg


@cache
def types(kind: str) -> Callable[..., Any]:
    """Return what makes a message of a kind, such as ``std_msgs/msg/Header``."""
    package, _, name = kind.split("/")
    cls = getattr(import_module(f"{package}.msg"), name)
    numbers = [
        field
        for field, value in cls.get_fields_and_field_types().items()
        if isinstance(getattr(cls(), field), array.array)
    ]
    return partial(_make, cls, numbers) if numbers else cls


def optional_messages(package: str, otherwise: str) -> Any:
    """Return the messages of a package of ROS that may be missing.

    Args:
        package: Its name.
        otherwise: The parameter that is then to be set, and to what.

    Raises:
        OptionError: It is not installed.
    """
    try:
        return import_module(f"{package}.msg")
    except ImportError:
        parameter = otherwise.partition(" ")[0]
        raise OptionError(
            f"{parameter} needs ROS's package {package}, which is not installed: install it "
            f"(apt install ros-$ROS_DISTRO-{package.replace('_', '-')}), or set {otherwise}"
        ) from None


def _make(cls: type, numbers: list[str], **fields: Any) -> Any:
    """Make a message with sequences of numbers."""
    given = {field: fields.pop(field) for field in numbers}
    msg = cls(**fields)
    for field, values in given.items():
        own = getattr(msg, field)
        # into the message's own array: assigning any other sequence checks every value
        if len(values):
            own.frombytes(np.ascontiguousarray(values, own.typecode).data.cast("B"))
    return msg


def stamp_to_msg(seconds: float) -> builtin_interfaces.msg.Time:
    """Return a stamp.

    Args:
        seconds: Since the epoch of the clock; a float holds Unix time to about 0.25 microseconds.
    """
    return headers.stamp_to_msg(types, seconds)


def header_to_msg(seconds: float, frame_id: str) -> std_msgs.msg.Header:
    """Return the header of an image.

    Args:
        seconds: When it was taken.
        frame_id: Its TF frame.
    """
    return headers.header_to_msg(types, seconds, frame_id)


def image_to_msg(
    image: Image, channels: Channels, header: std_msgs.msg.Header
) -> sensor_msgs.msg.Image:
    """Return an image, ``rgb8`` or ``bgr8``; the data is copied once.

    Args:
        image: (H, W, 3) uint8.
        channels: ``rgb`` or ``bgr``.
        header: Taken as it is.

    Raises:
        ImageError: The array is something else.
    """
    return images.image_to_msg(types, image, channels, header)


def read_image(message: bytes) -> cdr.ImageView:
    """Read a serialized sensor_msgs/Image; its pixels stay where they are.

    Raises:
        ImageError: It is cut off, or no such message.
    """
    return cdr.read_image(types, message)


def camera_info_to_msg(
    calibration: Calibration, header: std_msgs.msg.Header
) -> sensor_msgs.msg.CameraInfo:
    """Return the CameraInfo of a camera; the header is that of the image."""
    return cameras.camera_info_to_msg(types, calibration, header)


def poses_to_msg(
    people: Poses, header: std_msgs.msg.Header, network: str, *, width: int, height: int
) -> pose_ros.msg.PoseArray:
    """Return the people of one image.

    Args:
        people: What the network found.
        header: Of the image.
        network: Name of the network.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    return poses.poses_to_msg(types, people, header, network, width=width, height=height)


def mask_to_msg(
    people: Poses, header: std_msgs.msg.Header, width: int, height: int
) -> sensor_msgs.msg.Image:
    """Return the masks of people as one image, mono8: 255 where a pixel surely is a person's."""
    return messages_of_people.mask_to_msg(types, people, header, width, height)


def cloud_to_msg(cloud: PersonCloud, header: std_msgs.msg.Header) -> sensor_msgs.msg.PointCloud2:
    """Return the points of people, with x, y and z in meters and whose each is."""
    return messages_of_people.cloud_to_msg(types, cloud, header)


def people_to_msg(placed: Iterable[PlacedPerson], header: std_msgs.msg.Header) -> Any:
    """Return a people_msgs/People of people on the ground; the header is in their frame."""
    return messages_of_people.people_to_msg(types, placed, header)


def detections_to_msg(found: Poses, header: std_msgs.msg.Header, names: Iterable[str]) -> Any:
    """Return a vision_msgs/Detection2DArray of the boxes of people; the header is the image's."""
    return messages_of_people.detections_to_msg(types, found, header, names)


def annotations_to_msg(
    found: Poses,
    header: std_msgs.msg.Header,
    labels: Mapping[int, str],
    *,
    min_score: float,
    width: int,
    height: int,
    hands: Poses | None = None,
) -> Any:
    """Return a foxglove_msgs/ImageAnnotations of people and their hands."""
    size = {"width": width, "height": height}
    return foxglove.annotations_to_msg(
        types, found, header, labels, min_score=min_score, hands=hands, **size
    )


def skeleton_to_msg(skeleton: Skeleton) -> pose_ros.msg.Skeleton:
    """Return the names, links and left-right pairs of a skeleton's keypoints."""
    return poses.skeleton_to_msg(types, skeleton)


def gestures_to_msg(
    found: Iterable[Gesture], header: std_msgs.msg.Header
) -> pose_ros.msg.GestureArray:
    """Return the gestures of all people; the header is that of the image."""
    return gestures.gestures_to_msg(types, found, header)


def target_to_msg(goal: Goal, header: std_msgs.msg.Header) -> geometry_msgs.msg.PointStamped:
    """Return where a person points; the header is in the goal's frame, with the image's stamp."""
    return gestures.target_to_msg(types, goal, header)


def goal_to_msg(goal: Goal, header: std_msgs.msg.Header) -> geometry_msgs.msg.PoseStamped:
    """Return the goal of a robot; the header is in its frame, with the image's stamp."""
    return gestures.goal_to_msg(types, goal, header)


def transforms_to_msg(
    people: Poses, header: std_msgs.msg.Header, prefix: str, min_score: float
) -> list[geometry_msgs.msg.TransformStamped]:
    """Return the frames of the people of one image, by REP-155.

    Args:
        people: Those without ``camera``, hips or shoulders have no frames.
        header: Of the image.
        prefix: Of the ids of bodies.
        min_score: Least score, in [0, 1], of a joint that gets a frame.
    """
    return transforms.transforms(types, people, header, prefix, min_score)
