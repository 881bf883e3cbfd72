"""The messages of rclpy, made of core types."""

from __future__ import annotations

import array
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np

from pose_ros.messages import cameras, cdr, gestures, headers, images, poses, transforms


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


def _make(cls: type, numbers: list[str], **fields: Any) -> Any:
    """Make a message with sequences of numbers."""
    given = {field: fields.pop(field) for field in numbers}
    msg = cls(**fields)
    for field, values in given.items():
        own = getattr(msg, field)
        # into the message's own array: assigning any other sequence checks every value
        own.frombytes(np.ascontiguousarray(values, own.typecode).data.cast("B"))
    return msg


stamp_to_msg = partial(headers.stamp_to_msg, types)
header_to_msg = partial(headers.header_to_msg, types)
image_to_msg = partial(images.image_to_msg, types)
read_image = partial(cdr.read_image, types)
camera_info_to_msg = partial(cameras.camera_info_to_msg, types)
poses_to_msg = partial(poses.poses_to_msg, types)
skeleton_to_msg = partial(poses.skeleton_to_msg, types)
gestures_to_msg = partial(gestures.gestures_to_msg, types)
transforms_to_msg = partial(transforms.transforms, types)
