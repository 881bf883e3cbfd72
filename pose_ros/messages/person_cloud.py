"""Masks and points of people as messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_ros.core.person_cloud import PersonCloud
from pose_ros.core.types import Poses
from pose_ros.messages.headers import HeaderMsg, Types
from pose_ros.messages.images import array_to_msg

_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("id", "<u4")])
_KINDS = {"<f4": 7, "<u4": 6}  # sensor_msgs/PointField: FLOAT32, UINT32


def mask_to_msg(types: Types, poses: Poses, header: HeaderMsg, width: int, height: int) -> Any:
    """Return a sensor_msgs/Image, mono8: 255 where a pixel surely is a person's, 0 where not."""
    mask = np.zeros((height, width), np.uint8)
    if poses.masks is not None and len(poses):
        mask = np.rint(poses.masks.max(axis=0) * 255).astype(np.uint8)
    return array_to_msg(types, mask, "mono8", header)


def cloud_to_msg(types: Types, cloud: PersonCloud, header: HeaderMsg) -> Any:
    """Return a sensor_msgs/PointCloud2 with the fields x, y, z (meters) and id of each point."""
    data = np.zeros(len(cloud.ids), _POINT)
    for i, axis in enumerate("xyz"):
        data[axis] = cloud.points[:, i]
    data["id"] = cloud.ids
    field = types("sensor_msgs/msg/PointField")
    offsets = {} if _POINT.fields is None else _POINT.fields
    fields = [
        field(name=name, offset=int(offset), datatype=_KINDS[kind.str], count=1)
        for name, (kind, offset, *_) in offsets.items()
    ]
    return types("sensor_msgs/msg/PointCloud2")(
        header=header,
        height=1,
        width=len(data),
        fields=fields,
        is_bigendian=False,
        point_step=_POINT.itemsize,
        row_step=_POINT.itemsize * len(data),
        data=data.view(np.uint8),
        is_dense=True,
    )
