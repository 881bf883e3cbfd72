"""People as coordinate frames, by REP-155."""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.frames import FrameTree
from pose_ros.core.geometry import body_frame
from pose_ros.core.orientations import joint_orientations
from pose_ros.core.types import Poses, Say
from pose_ros.errors import TransformError
from pose_ros.messages.headers import HeaderMsg, Types, stamp_from_msg

_NO_TURN = np.array([0.0, 0.0, 0.0, 1.0])


def body_id(person: int, prefix: str) -> str:
    """Return the id of a body in the names of frames and topics, such as ``p7``.

    A part of a topic's name must begin with a letter, and REP-155 advises it for all.
    """
    return f"{prefix}{person}"


def transforms(
    types: Types, poses: Poses, header: HeaderMsg, prefix: str, min_score: float
) -> list[Any]:
    """Return the frames of the people of one image as TransformStamped.

    Each has the root ``body_<id>`` at the mid-hips over the image's frame, x out of the
    body and z to the head, and below it ``<joint>_<id>``, with the axes of the bone that begins
    there (``joint_orientations``), else with the root's.

    Args:
        types: Of messages.
        poses: The people; those without ``camera``, hips or shoulders have no frames.
        header: The image's own; where its frame is empty there are no frames. A leading slash is
            left out, as tf2 does.
        prefix: Of the ids.
        min_score: Joints below this score, in [0, 1], are left out, as are those without meters.
    """
    make = types("std_msgs/msg/Header")
    frame_id = header.frame_id.lstrip("/")
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    over = make(stamp=header.stamp, frame_id=frame_id)
    found = []
    turns = joint_orientations(poses) if frame_id else None
    for n, pose in enumerate(poses if frame_id else ()):
        frame = body_frame(pose)
        if frame is None or pose.camera is None:
            continue
        person = body_id(pose.id, prefix)
        root = make(stamp=header.stamp, frame_id=f"body_{person}")
        found.append(
            transform_to_msg(types, over, root.frame_id, frame.origin, frame.rotation.as_quat())
        )
        valid = np.isfinite(pose.camera).all(axis=1) & (pose.keypoint_scores >= min_score)
        places = frame.to_body(pose.camera)
        local = np.tile(_NO_TURN, (len(places), 1))
        if turns is not None:
            turned = np.isfinite(turns[n, :, 0])
            rotation = frame.rotation.inv() * Rotation.from_quat(turns[n, turned])
            local[turned] = rotation.as_quat()
        found += [
            transform_to_msg(
                types, root, f"{pose.skeleton.keypoints[i]}_{person}", places[i], local[i]
            )
            for i in np.flatnonzero(valid).tolist()
        ]
    return found


def add_transform(tree: FrameTree, item: Any, *, static: bool) -> None:
    """Let a tree of frames know of a TransformStamped.

    Args:
        tree: That takes it in.
        item: The TransformStamped.
        static: Whether it holds at any time, as those of /tf_static.

    Raises:
        TransformError: Its numbers are no place.
    """
    place, turn = item.transform.translation, item.transform.rotation
    tree.add(
        item.header.frame_id,
        item.child_frame_id,
        (place.x, place.y, place.z),
        (turn.x, turn.y, turn.z, turn.w),
        None if static else stamp_from_msg(item.header.stamp),
    )


def transform_to_msg(
    types: Types, header: HeaderMsg, child: str, place: Float64Array, quaternion: Float64Array
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


class FrameTracker:
    """Follows where frames are by the messages of /tf and /tf_static.

    Args:
        say: Takes what is wrong, each kind of trouble once; a kind names the frame.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._tree = FrameTree()

    def take(self, message: Any, topic: str, *, static: bool) -> None:
        """Take a TFMessage.

        Args:
            message: Its transforms that make no sense are left out.
            topic: Where it came from, for what is said.
            static: Whether it holds at any time.
        """
        for item in message.transforms:
            try:
                add_transform(self._tree, item, static=static)
            except TransformError as error:
                parent, child = item.header.frame_id[:99], item.child_frame_id[:99]
                self._say(f"frame {parent} {child}", f"{topic}: {error}")

    def lookup(self, target: str, frame: str, stamp: float) -> Float64Array:
        """Return (4, 4) that takes points of a frame to the target at a time in seconds.

        Raises:
            TransformError: It is not known.
        """
        return self._tree.lookup(target, frame, stamp)
