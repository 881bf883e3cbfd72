"""Where people point: in the frame of the robot or of a map, as targets and as goals."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import PointStamped
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.targets import shown_goal
from pose_ros.errors import TransformError
from pose_ros.pipeline import FoundGestures
from pose_ros.ros.frames import listen
from pose_ros.ros.markers import PointingMarkers
from pose_ros.ros.messages import target_to_msg
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.outputs import RESULT_QOS
from pose_ros.settings.nodes import GestureParameters


class Targeting:
    """Looks up where the camera is in ``target_frame``, and publishes where people point.

    Args:
        node: For its parameters, subscriptions and publisher.
    """

    def __init__(self, node: ManagedNode[GestureParameters]) -> None:
        self._frame = node.parameters.targets.target_frame
        self._frames = listen(node)
        self._targets = node.make_publisher(PointStamped, "~/target", RESULT_QOS)
        self._markers = node.make_publisher(MarkerArray, "~/markers", RESULT_QOS)
        self._made_markers = PointingMarkers()

    def close(self) -> None:
        """End the subscriptions."""
        self._frames.close()

    def place(self, header: Any) -> Float64Array | str:
        """Return (4, 4) that takes meters of an image's frame to the target frame.

        Where it is not known, return the reason.

        Args:
            header: The image's own.
        """
        try:
            return self._frames.lookup(self._frame, header)
        except TransformError as error:
            return str(error)

    def show(self, found: FoundGestures, operator: int | None, header: Any) -> None:
        """Publish what the operator points at; without one, what the first person does.

        Args:
            found: Of an image.
            operator: Their id.
            header: The image's own, whose stamp the target has.
        """
        goal = shown_goal(found.goals, operator)
        if goal is not None:
            at = Header(stamp=header.stamp, frame_id=goal.frame_id)
            self._targets.publish(target_to_msg(goal, at))

    def mark(self, found: FoundGestures, header: Any) -> None:
        """Publish, while there is a subscriber, the rays of an image and what they meet."""
        if self._markers.get_subscription_count():
            markers = self._made_markers.update(found, header)
        else:
            markers = self._made_markers.clear()
        if markers.markers:
            self._markers.publish(markers)

    def clear(self) -> None:
        """Take back what would stay on display."""
        self._markers.publish(self._made_markers.clear())
