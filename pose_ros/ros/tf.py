"""What sends frames on /tf: tf2_ros where it is installed, and a publisher where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from pose_ros.errors import OptionError

TOPIC = "/tf"
TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def make_broadcaster(node: Any) -> Callable[[list[Any]], None]:
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
    send: Callable[[list[Any]], None] = broadcaster.sendTransform
    return send


def _own_broadcaster(node: Any) -> Callable[[list[Any]], None]:
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        raise OptionError(
            "publish_tf needs the message of /tf: install ROS's package tf2_msgs (tf2_ros brings "
            "it along), or set publish_tf to false"
        ) from None
    publisher = node.adopt(node.create_publisher(TFMessage, TOPIC, TF_QOS))
    return lambda frames: publisher.publish(TFMessage(transforms=frames))
