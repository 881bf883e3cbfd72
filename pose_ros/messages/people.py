"""People as other packages' messages: for costmaps, as detections, as masks and as points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.depth import PersonCloud
from pose_ros.core.types import Poses
from pose_ros.messages.headers import HeaderMsg, Types
from pose_ros.messages.images import array_to_msg

_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("id", "<u4")])
_KINDS = {"<f4": 7, "<u4": 6}  # sensor_msgs/PointField: FLOAT32, UINT32


class PlacedPerson(NamedTuple):
    """A person on the ground.

    Attributes:
        name: Such as ``p7``, as in the names of frames.
        place: (3,) meters, of the middle of the hips.
        speed: (3,) meters a second; NaN: unknown.
        score: In [0, 1].
    """

    name: str
    place: Float64Array
    speed: Float64Array
    score: float


def people_to_msg(types: Types, people: Iterable[PlacedPerson], header: HeaderMsg) -> Any:
    """Return a people_msgs/People; the header names the frame of the places.

    Layers of costmaps calculate with the speed and know no NaN. One that is unknown is 0 there,
    and the tag ``velocity`` says ``unknown``.
    """
    point, person = types("geometry_msgs/msg/Point"), types("people_msgs/msg/Person")
    found = []
    for name, place, speed, score in people:
        known = bool(np.isfinite(speed).all())
        moves = speed if known else np.zeros(3)
        found.append(
            person(
                name=name,
                position=point(**dict(zip("xyz", map(float, place), strict=True))),
                velocity=point(**dict(zip("xyz", map(float, moves), strict=True))),
                reliability=score,
                tagnames=["velocity"],
                tags=["measured" if known else "unknown"],
            )
        )
    return types("people_msgs/msg/People")(header=header, people=found)


def detections_to_msg(types: Types, poses: Poses, header: HeaderMsg, names: Iterable[str]) -> Any:
    """Return a vision_msgs/Detection2DArray: the box of each person, in pixels.

    Args:
        types: Of messages.
        poses: The people; one whose box is unknown is left out.
        header: The image's own.
        names: The id of each detection.
    """

    def make(name: str, **fields: Any) -> Any:
        return types(f"vision_msgs/msg/{name}")(**fields)

    found = []
    for name, pose in zip(names, poses, strict=True):
        x0, y0, x1, y1 = map(float, pose.box)
        if not np.isfinite((x0, y0, x1, y1)).all():
            continue
        center = make("Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
        box = make(
            "BoundingBox2D",
            center=make("Pose2D", position=center, theta=0.0),
            size_x=x1 - x0,
            size_y=y1 - y0,
        )
        guess = make("ObjectHypothesis", class_id="person", score=float(pose.score))
        result = make("ObjectHypothesisWithPose", hypothesis=guess)
        found.append(make("Detection2D", header=header, results=[result], bbox=box, id=name))
    return make("Detection2DArray", header=header, detections=found)


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
