"""Frames: where they are, and what sends them; tf2_ros where it is installed, else the topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

# the core loads it when it is first needed: in a node that is not to be amid a stream
import scipy.spatial.transform  # noqa: F401
from rclpy.time import Time

from pose_ros.core.camera import Float64Array
from pose_ros.core.frames import transform_matrix
from pose_ros.errors import OptionError, TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.transforms import FrameTracker
from pose_ros.ros.diagnostics import Notices
from pose_ros.ros.qos import TF_QOS, TF_STATIC_QOS

TOPIC = "/tf"


class FrameLookup(Protocol):
    """Tells where frames are."""

    def lookup(self, target: str, header: Any) -> Float64Array:
        """Return the (4, 4) transform from a header's frame to ``target`` at its stamp.

        Raises:
            TransformError: It is not known.
        """

    def close(self) -> None:
        """End the subscriptions."""


def listen(node: Any) -> FrameLookup:
    """Return what listens to /tf."""
    try:
        import tf2_ros
    except ImportError:
        return OwnFrames(node)
    return TfFrames(node, tf2_ros)


class OwnFrames:
    """Frames from the topics themselves; with no message for them nothing is known."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._tracker = FrameTracker(Notices(node.get_logger()).warn)
        self._subscriptions: list[Any] = []
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            node.get_logger().warning("nothing is known of frames: tf2_msgs is not installed")
            return
        for topic, static, qos in (("/tf", False, TF_QOS), ("/tf_static", True, TF_STATIC_QOS)):
            take = partial(self._take, static)
            self._subscriptions.append(node.create_subscription(TFMessage, topic, take, qos))

    def lookup(self, target: str, header: Any) -> Float64Array:
        """Return the transform from a header's frame at its stamp."""
        return self._tracker.lookup(target, header.frame_id, stamp_from_msg(header.stamp))

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _take(self, static: bool, msg: Any) -> None:
        self._tracker.take(msg, "/tf_static" if static else "/tf", static=static)


class TfFrames:
    """Frames from tf2_ros."""

    def __init__(self, node: Any, tf2_ros: Any) -> None:
        self._buffer = tf2_ros.Buffer()
        self._errors: Any = tf2_ros.TransformException
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def lookup(self, target: str, header: Any) -> Float64Array:
        """Return the transform from a header's frame at its stamp."""
        when = Time.from_msg(header.stamp)
        source, target = (name.removeprefix("/") for name in (header.frame_id, target))
        try:
            found = self._buffer.lookup_transform(target, source, when).transform
        except self._errors as error:
            raise TransformError(" ".join(str(error).split())) from None
        shift, turn = found.translation, found.rotation
        try:
            return transform_matrix((shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))
        except TransformError as error:
            raise TransformError(f"{source} in {target} has no place: {error}") from None

    def close(self) -> None:
        """End the subscriptions."""
        end: Callable[[], None] = self._listener.unregister
        end()


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
