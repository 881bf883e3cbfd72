"""People as coordinate frames, by REP-155."""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_ros.core.body_frame import body_frame
from pose_ros.core.camera import Float64Array
from pose_ros.core.types import Pose, Poses
from pose_ros.messages.types import Types

_NO_TURN = np.array([0.0, 0.0, 0.0, 1.0])


def body_id(person: int, prefix: str) -> str:
    """Return the id of a body in the names of frames and topics, such as ``p7``.

    A part of a topic's name must begin with a letter, and REP-155 advises it for all.
    """
    return f"{prefix}{person}"


def transforms(types: Types, poses: Poses, header: Any, prefix: str, min_score: float) -> list[Any]:
    """Return the frames, TransformStamped, of the people of one image.

    Each has the root ``body_<id>`` at the mid-hips over the image's frame, x out of the
    body and z to the head, and below it ``<joint>_<id>``, with the root's axes.

    Args:
        types: Of messages.
        poses: The people; those without ``camera``, hips or shoulders have no frames.
        header: The image's own; without a frame_id there are no frames.
        prefix: Of the ids.
        min_score: Joints below this score, in [0, 1], are left out, as are those without meters.
    """
    if poses.camera is None or not header.frame_id:
        return []
    return [made for pose in poses for made in _person(types, pose, header, prefix, min_score)]


def _person(types: Types, pose: Pose, header: Any, prefix: str, min_score: float) -> list[Any]:
    frame = body_frame(pose)
    if frame is None or pose.camera is None:
        return []
    person = body_id(pose.id, prefix)
    root = f"body_{person}"
    found = [transform_to_msg(types, header, root, frame.origin, frame.rotation.as_quat())]
    valid = np.isfinite(pose.camera).all(axis=1) & (pose.keypoint_scores >= min_score)
    places = frame.to_body(pose.camera)
    below = types("std_msgs/msg/Header")(stamp=header.stamp, frame_id=root)
    for i in np.flatnonzero(valid):
        name = f"{pose.skeleton.keypoints[i]}_{person}"
        found.append(transform_to_msg(types, below, name, places[i], _NO_TURN))
    return found


def transform_to_msg(
    types: Types, header: Any, child: str, place: Float64Array, quaternion: Float64Array
) -> Any:
    """Return the TransformStamped of a frame.

    Args:
        types: Of messages.
        header: With the parent frame.
        child: The frame.
        place: (3,) meters, of its origin in the parent's axes.
        quaternion: (4,) x, y, z, w: turns its axes to the parent's.
    """
    vector, turn = types("geometry_msgs/msg/Vector3"), types("geometry_msgs/msg/Quaternion")
    shift = vector(**dict(zip("xyz", place.tolist(), strict=True)))
    rotation = turn(**dict(zip("xyzw", quaternion.tolist(), strict=True)))
    return types("geometry_msgs/msg/TransformStamped")(
        header=header,
        child_frame_id=child,
        transform=types("geometry_msgs/msg/Transform")(translation=shift, rotation=rotation),
    )
