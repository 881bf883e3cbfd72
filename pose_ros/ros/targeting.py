"""Where people point: in the frame of the robot or of a map, as targets and as goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geometry_msgs.msg import PointStamped
from visualization_msgs.msg import MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures import Gesture
from pose_ros.core.targets import Goal, Target, find_targets, goals_at, shown_goal
from pose_ros.errors import TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.ros.frames import listen
from pose_ros.ros.gesture_parameters import GestureParameters
from pose_ros.ros.messages import header_to_msg
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.outputs import RESULT_QOS
from pose_ros.ros.pointing_markers import PointingMarkers


class Targeting:
    """Meets the rays of those who point with the ground, in ``target_frame``.

    Args:
        node: For its parameters, subscriptions and publisher.
    """

    def __init__(self, node: ManagedNode[GestureParameters]) -> None:
        self._frame = node.parameters.target_frame
        self._options = node.parameters.targets
        self._frames = listen(node)
        self._targets = node.make_publisher(PointStamped, "~/target", RESULT_QOS)
        self._markers = node.make_publisher(MarkerArray, "~/markers", RESULT_QOS)
        self._made_markers = PointingMarkers()
        self._ranges: dict[int, float] = {}  # meters along the rays of the last image

    def close(self) -> None:
        """End the subscriptions."""
        self._frames.close()

    def up(self, header: Any) -> Float64Array | None:
        """Return (3,) against gravity in the axes of an image; None where it is not known."""
        try:
            up: Float64Array = self._frames.lookup(self._frame, header)[2, :3]
        except TransformError:
            return None
        return up

    def goals(self, gestures: Sequence[Gesture], header: Any) -> dict[int, Goal | str]:
        """Return where each person points, or why that is not known.

        Args:
            gestures: Those of an image.
            header: The image's own.
        """
        self._ranges = {}
        pointing = [g for g in gestures if g.ray is not None and g.event != "ended"]
        if not pointing:
            return {}
        try:
            transform = self._frames.lookup(self._frame, header)
        except TransformError as error:
            return {gesture.person: str(error) for gesture in pointing}
        targets = find_targets(pointing, transform, self._options)
        self._ranges = {
            person: target.range for person, target in targets.items() if isinstance(target, Target)
        }
        return goals_at(targets, transform, self._frame, stamp_from_msg(header.stamp))

    def show(self, goals: Mapping[int, Goal | str], operator: int | None) -> None:
        """Publish what the operator points at; without one, what somebody does."""
        goal = shown_goal(goals, operator)
        if goal is None:
            return
        msg = PointStamped(header=header_to_msg(goal.stamp, goal.frame_id))
        msg.point.x, msg.point.y, msg.point.z = goal.position
        self._targets.publish(msg)

    def mark(
        self, gestures: Sequence[Gesture], goals: Mapping[int, Goal | str], header: Any
    ) -> None:
        """Publish, while somebody looks, the rays of an image and what they meet."""
        if self._markers.get_subscription_count():
            markers = self._made_markers.update(gestures, goals, self._ranges, header)
        else:
            markers = self._made_markers.clear()
        if markers.markers:
            self._markers.publish(markers)

    def clear(self) -> None:
        """Take back what would stay on display."""
        self._markers.publish(self._made_markers.clear())
