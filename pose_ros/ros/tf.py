"""People as coordinate frames on /tf, by REP-155: through tf2_ros where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy

from pose_ros.core.body_frame import body_frame
from pose_ros.core.types import Pose, Poses
from pose_ros.errors import OptionError

TOPIC = "/tf"
TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def body_id(person: int, prefix: str) -> str:
    """Return the id of a body in the names of frames and topics, such as ``p7``.

    A part of a topic's name must begin with a letter, and REP-155 advises it for all.
    """
    return f"{prefix}{person}"


def transforms(poses: Poses, header: Any, prefix: str, min_score: float) -> list[TransformStamped]:
    """Return the frames of the people of one image.

    Each has the root ``body_<id>`` at the mid-hips over the image's frame, x out of the
    body and z to the head, and below it ``<joint>_<id>``, with the root's axes.

    Args:
        poses: The people; those without ``camera``, hips or shoulders have no frames.
        header: The image's own; without a frame_id there are no frames.
        prefix: Of the ids.
        min_score: Joints below this score, in [0, 1], are left out, as are those without meters.
    """
    if poses.camera is None or not header.frame_id:
        return []
    return [made for pose in poses for made in _person(pose, header, prefix, min_score)]


def _person(pose: Pose, header: Any, prefix: str, min_score: float) -> list[TransformStamped]:
    frame = body_frame(pose)
    if frame is None or pose.camera is None:
        return []
    person = body_id(pose.id, prefix)
    root = TransformStamped(header=header, child_frame_id=f"body_{person}")
    place, turn = root.transform.translation, root.transform.rotation
    place.x, place.y, place.z = frame.origin.tolist()
    turn.x, turn.y, turn.z, turn.w = frame.rotation.as_quat().tolist()
    found = [root]
    valid = np.isfinite(pose.camera).all(axis=1) & (pose.keypoint_scores >= min_score)
    places = frame.to_body(pose.camera).tolist()
    for i in np.flatnonzero(valid):
        joint = TransformStamped(child_frame_id=f"{pose.skeleton.keypoints[i]}_{person}")
        joint.header.stamp, joint.header.frame_id = header.stamp, root.child_frame_id
        place = joint.transform.translation
        place.x, place.y, place.z = places[i]
        found.append(joint)
    return found


def make_broadcaster(node: Any) -> Callable[[list[TransformStamped]], None]:
    """Return what sends frames on /tf until the node is cleaned up.

    Args:
        node: A ``ManagedNode``.

    Raises:
        OptionError: There is no message for /tf.
    """
    try:
        from tf2_ros import TransformBroadcaster
    except ImportError:
        return _own_broadcaster(node)
    broadcaster = TransformBroadcaster(node, TF_QOS)
    node.adopt(broadcaster.pub_tf)
    send: Callable[[list[TransformStamped]], None] = broadcaster.sendTransform
    return send


def _own_broadcaster(node: Any) -> Callable[[list[TransformStamped]], None]:
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        raise OptionError(
            "publish_tf needs the message of /tf: install ROS's package tf2_msgs (tf2_ros brings "
            "it along), or set publish_tf to false"
        ) from None
    publisher = node.adopt(node.create_publisher(TFMessage, TOPIC, TF_QOS))
    return lambda frames: publisher.publish(TFMessage(transforms=frames))
