"""What goes to the robot: speeds, goals and events, as messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from action_msgs.srv import CancelGoal
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.exceptions import InvalidServiceNameException
from std_msgs.msg import String
from std_srvs.srv import Trigger

from pose_ros.core.commands.commander import Command
from pose_ros.core.commands.config import Action, EventAction
from pose_ros.core.gestures.targets import Goal
from pose_ros.errors import OptionError, short
from pose_ros.ros.messages import goal_to_msg, header_to_msg
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import RESULT_QOS
from pose_ros.settings.nodes import GestureParameters

ACTION = "navigate_to_pose"
_LAST_WORD_SECONDS = 0.2  # for which the last zero may take to arrive


class Robot:
    """The publishers and clients of a configured gesture node.

    Its methods may be called from one thread after the other, not from two at once.

    Args:
        node: Whose they are.
        actions: What gestures command.
        arrived: Called, in the executor's thread, when an action has ended by itself.

    Raises:
        OptionError: ``goal_action`` is asked for, and nav2_msgs is not installed.
    """

    def __init__(
        self,
        node: ManagedNode[GestureParameters],
        actions: Iterable[Action],
        arrived: Callable[[str], None],
    ) -> None:
        parameters, make = node.parameters, node.make_publisher
        self._node, self._arrived = node, arrived
        self._stamped = parameters.stamped
        self._nav2: Any = _nav2_action() if parameters.goal_action else None
        self._cmd_vel = make(TwistStamped if self._stamped else Twist, "cmd_vel", RESULT_QOS)
        self._goals = make(PoseStamped, "goal_pose", RESULT_QOS)
        self._events = make(String, "~/event", RESULT_QOS)
        self._cancel = node.create_client(CancelGoal, f"{ACTION}/_action/cancel_goal")
        events = (action for action in actions if isinstance(action, EventAction))
        services = {event.service for event in events if event.service}
        self._triggers = {name: _trigger(node, name) for name in services}
        self._action: Any = None
        if self._nav2:
            from rclpy.action import ActionClient

            self._action = ActionClient(node, self._nav2, ACTION)
        self._moved = False
        self._driving: object = None  # the goal that the robot is on its way to

    def close(self) -> None:
        """Free what the node does not free by itself."""
        for client in (self._cancel, *self._triggers.values()):
            self._node.destroy_client(client)
        if self._action is not None:
            self._action.destroy()

    def send(self, command: Command, now: float) -> None:
        """Send what the commander says at a time, in seconds."""
        for event in command.events:
            self._send_event(event)
        if command.kind == "none":
            return
        if command.kind == "goal" and command.goal is not None:
            if self._moved:
                self._send_speeds(0.0, 0.0, now)
            self._send_goal(command.goal)
            return
        # zero goes before what may take longer
        self._send_speeds(command.linear, command.angular, now)
        self._end_goal()

    def halt(self, now: float) -> None:
        """Send zero and end the goal, whatever the commander says, if it ever moved."""
        if self._moved:
            self._send_speeds(0.0, 0.0, now)
        self._end_goal()

    def rest(self, now: float) -> None:
        """Send the last zero, and wait a moment until it has arrived."""
        if self._moved or self._driving is not None:
            self.halt(now)
            self._cmd_vel.wait_for_all_acked(Duration(seconds=_LAST_WORD_SECONDS))
            self._moved = False

    def _send_speeds(self, linear: float, angular: float, now: float) -> None:
        # the last gate: a speed that is not a finite number becomes zero
        if not (math.isfinite(linear) and math.isfinite(angular)):
            linear = angular = 0.0
        speeds = Twist()
        speeds.linear.x, speeds.angular.z = float(linear), float(angular)
        self._moved = True
        if not self._stamped:
            self._cmd_vel.publish(speeds)
            return
        header = header_to_msg(now, self._node.parameters.base_frame)
        self._cmd_vel.publish(TwistStamped(header=header, twist=speeds))

    def _send_goal(self, goal: Goal) -> None:
        msg = goal_to_msg(goal, header_to_msg(goal.stamp, goal.frame_id))
        self._driving = mine = object()
        if self._action is None:
            self._goals.publish(msg)
            return
        if not self._action.server_is_ready():
            self._node.get_logger().warning(f"no node offers {ACTION}: is Nav2 running?")
            return

        def ended(future: Any) -> None:
            if self._driving is mine:
                self._arrived(f"the goal has ended with status {future.result().status}")

        def answered(future: Any) -> None:
            handle = future.result()
            if handle.accepted and self._driving is not mine:
                handle.cancel_goal_async()  # it was called off before it was accepted
            elif handle.accepted:
                handle.get_result_async().add_done_callback(ended)
            elif self._driving is mine:
                self._arrived("the goal was refused")

        self._action.send_goal_async(self._nav2.Goal(pose=msg)).add_done_callback(answered)

    def _end_goal(self) -> None:
        if self._driving is None:
            return
        self._driving = None
        # of no id and no stamp: all goals, also one that Nav2 made of goal_pose by itself
        if self._cancel.service_is_ready():
            self._cancel.call_async(CancelGoal.Request())

    def _send_event(self, event: EventAction) -> None:
        self._events.publish(String(data=event.name))
        if not event.service:
            return
        client, warn = self._triggers[event.service], self._node.get_logger().warning
        if not client.service_is_ready():
            warn(f"event {event.name}: no node offers {event.service}")
            return

        def answered(future: Any) -> None:
            answer = future.result()
            if not answer.success:
                warn(f"event {event.name}: {event.service} says {answer.message!r}")

        client.call_async(Trigger.Request()).add_done_callback(answered)


def _trigger(node: ManagedNode[GestureParameters], service: str) -> Any:
    """Return the client of a service that an event calls.

    Raises:
        OptionError: ROS takes no such name.
    """
    try:
        return node.create_client(Trigger, service)
    except (InvalidServiceNameException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise OptionError(f"commands: service {short(service)}: {reason}") from None


def _nav2_action() -> Any:
    """Return the action that drives to a goal.

    Raises:
        OptionError: It is not installed.
    """
    try:
        from nav2_msgs.action import NavigateToPose
    except ImportError:
        raise OptionError(
            "goal_action needs Nav2's package nav2_msgs: install it, or leave goal_action out; "
            "Nav2 takes goals from the topic goal_pose too"
        ) from None
    return NavigateToPose
