"""gesture_node: poses in, commands for a robot out; in doubt it stands still."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from diagnostic_msgs.msg import KeyValue
from numpy.typing import ArrayLike
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool, Empty

from pose_ros.core.commands import Command, Commander, State
from pose_ros.core.gestures import Gesture, GestureRecognizer
from pose_ros.core.operators import people_from
from pose_ros.core.timeline import Rewinds
from pose_ros.core.types import Poses
from pose_ros.errors import PoseRosError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import GestureArray
from pose_ros.ros.clock_watch import ClockWatch
from pose_ros.ros.diagnostics import Level, Report
from pose_ros.ros.gesture_parameters import (
    GestureParameters,
    command_config_from,
    gesture_options_from,
)
from pose_ros.ros.messages import gestures_to_msg
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.outputs import LATCHED_QOS, RESULT_QOS
from pose_ros.ros.pose_input import PoseInput
from pose_ros.ros.robot import Robot
from pose_ros.ros.targeting import Targeting
from pose_ros.ros.ticker import Ticker

WARN_EVERY_SECONDS = 5.0
LOCK_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class Recognizer(Protocol):
    """What finds gestures, as ``GestureRecognizer``."""

    def update(
        self,
        poses: Poses,
        stamp: float,
        *,
        hands: Poses | None = None,
        up: ArrayLike | None = None,
    ) -> Sequence[Gesture]:
        """Return the gestures in an image."""


MakeRecognizer = Callable[[GestureParameters], Recognizer]


def recognizer_from(parameters: GestureParameters) -> Recognizer:
    """Return the recognizer that the parameters ask for."""
    return GestureRecognizer(gesture_options_from(parameters))


class GestureNode(ManagedNode[GestureParameters]):
    """Commands a robot by the gestures of one operator.

    What is sent is decided in a thread of its own at a steady rate, so that the robot stands
    still also when nothing comes in any more or a callback hangs.
    """

    def __init__(
        self, *, make_recognizer: MakeRecognizer = recognizer_from, **options: Any
    ) -> None:
        """Declare the parameters.

        Args:
            make_recognizer: Makes what finds the gestures.
            options: Of rclpy's node.
        """
        super().__init__("gesture", GestureParameters, **options)
        self._make_recognizer = make_recognizer
        self._mutex = threading.RLock()  # over commander, robot, and what was told
        self._commander: Commander | None = None
        self._robot: Robot | None = None
        self._recognizer: Recognizer | None = None
        self._input: PoseInput | None = None
        self._targeting: Targeting | None = None
        self._ticker: Ticker | None = None
        self._switches: list[Any] = []
        self._states: Any = None
        self._gestures: Any = None
        self._state_told: tuple[State, str] | None = None
        self._locked: bool | None = None
        self._defect = self._refusal = ""
        self._images = 0
        self._moving_clock = ClockWatch(self.now)
        self._rewinds = Rewinds()
        self._rewound = False  # and that was said since the last tick

    def acquire(self) -> None:
        """Make the publishers, and listen to lock and stop."""
        self._make_commander()  # what is refused is refused at once
        self._make_recognizer(self.parameters)
        self._robot = Robot(self, self._arrived)
        self._targeting = Targeting(self)
        self._states = self.make_publisher(KeyValue, "~/state", LATCHED_QOS)
        self._gestures = self.make_publisher(GestureArray, "~/gestures", RESULT_QOS)
        self._locked = None
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        for qos in (LOCK_QOS, LATCHED_QOS):
            # a lock that was set before this node came up is heard of where it is latched
            self._switches += [
                self.create_subscription(Bool, "~/lock", self._on_lock, qos, event_callbacks=quiet)
            ]
        self._switches.append(self.create_subscription(Empty, "~/stop", self._on_stop, LOCK_QOS))

    def start(self) -> None:
        """Start the timer, then let images in."""
        commander = self._make_commander()
        if self._locked is not None:
            commander.lock(self._locked, self.now())
        self._commander, self._recognizer = commander, self._make_recognizer(self.parameters)
        self._state_told, self._defect, self._refusal, self._images = None, "", "", 0
        self._moving_clock.restart()
        self._rewinds = Rewinds()
        self._ticker = Ticker(self._tick, 1.0 / self.parameters.rate, "gesture commands")
        self._input = PoseInput(self, self._take, self._refuse, hands=self.parameters.hands)

    def stop(self) -> None:
        """Let no more images in; the last word is zero."""
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._ticker is not None:
            if not self._ticker.stop():
                self.get_logger().error("sending commands does not end; it is left behind")
            self._ticker = None
        if self._commander is not None and self._robot is not None:
            self._robot.rest(self.now())
            self._tell(State.DISENGAGED, "the node is not active")
        self._commander = None
        if self._targeting is not None:
            self._targeting.clear()

    def release(self) -> None:
        """Free what was made."""
        while self._switches:
            self.destroy_subscription(self._switches.pop())
        if self._targeting is not None:
            self._targeting.close()
            self._targeting = None
        if self._robot is not None:
            self._robot.close()
            self._robot = None

    def report(self) -> Report:
        """Return the state, and what is wrong."""
        with self._mutex:
            commander = self._commander
            if commander is None:
                return Report(Level.OK, "active")
            values = [
                ("command state", commander.state.value),
                ("reason", commander.reason),
                ("operator", "" if commander.operator is None else str(commander.operator)),
                ("images", str(self._images)),
                ("last error", self._defect or self._refusal),
            ]
            level, message = Level.OK, f"{commander.state.value}: {commander.reason}"
            if self._refusal:
                level, message = Level.WARN, self._refusal
            if self._defect:
                level, message = Level.ERROR, self._defect
            self._defect = self._refusal = ""
            return Report(level, message, values)

    def hardware_id(self) -> str:
        """Return the topic of the speeds."""
        return str(self.resolve_topic_name("cmd_vel"))

    def _make_commander(self) -> Commander:
        # in a replay stamps are of the clock only where a simulation gives both
        compare = not self.parameters.allow_replay or self.simulated
        return Commander(command_config_from(self.parameters, compare_clock=compare))

    def _take(self, header: Any, poses: Poses, hands: Poses | None) -> None:
        commander, recognizer, targeting = self._commander, self._recognizer, self._targeting
        if commander is None or recognizer is None or targeting is None:
            return
        try:
            stamp = stamp_from_msg(header.stamp)
            if self._rewinds.stamp(stamp):
                self._say_rewind()
            gestures = recognizer.update(poses, stamp, hands=hands, up=targeting.up(header))
            goals = targeting.goals(gestures, header)
            people = people_from(poses)
            with self._mutex:
                self._images += 1
                commander.observe(gestures, people, stamp, self.now(), goals)
                operator = commander.operator
            targeting.show(goals, operator)
            targeting.mark(gestures, goals, header)
            self._gestures.publish(gestures_to_msg(gestures, header))
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _tick(self) -> None:
        try:
            with self._mutex:
                commander, robot = self._commander, self._robot
                if commander is None or robot is None:
                    return
                self._check_clock(commander)
                now = self.now()
                if self._rewinds.clock(now):
                    self._say_rewind()
                command = commander.tick(now)
                robot.send(command, now)
                self._tell_command(command)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _check_clock(self, commander: Commander) -> None:
        """Bar what is not the real robot's time, and notice a clock that stands still."""
        barred = self.simulated and not self.parameters.allow_replay
        commander.bar("the time is a simulation's or a bag's: set allow_replay" if barred else "")
        if self._moving_clock.stands() > self.parameters.timeout and not barred:
            commander.stop("the clock stands still")

    def _fail(self, error: Exception) -> None:
        """Stand still after what should not have happened."""
        expected = isinstance(error, PoseRosError)
        told = f"{error}" if expected else "".join(traceback.format_exception(error))
        self.get_logger().error(told, throttle_duration_sec=WARN_EVERY_SECONDS)
        try:
            with self._mutex:
                self._defect = f"{error}" if expected else repr(error)
                if self._commander is not None:
                    self._commander.stop(self._defect)
                if self._robot is not None:
                    self._robot.halt(self.now())
        except Exception:  # noqa: BLE001
            self.get_logger().error(f"and then:\n{traceback.format_exc()}")

    def _refuse(self, reason: str) -> None:
        self._refusal = reason
        self.get_logger().warning(reason, throttle_duration_sec=WARN_EVERY_SECONDS)

    def _on_lock(self, msg: Any) -> None:
        with self._mutex:
            self._locked = msg.data
            if self._commander is not None:
                self._commander.lock(msg.data, self.now())
        self._tick_now()

    def _on_stop(self, _msg: Any) -> None:
        with self._mutex:
            if self._commander is not None:
                self._commander.stop("stop topic")
        self._tick_now()

    def _tick_now(self) -> None:
        """Do not wait for the timer to stop the robot."""
        if self._ticker is not None:
            self._tick()

    def _arrived(self, reason: str) -> None:
        with self._mutex:
            if self._commander is not None:
                self._commander.finish_goal(reason)

    def _tell_command(self, command: Command) -> None:
        if self._state_told != (command.state, command.reason):
            before = self._state_told
            self._tell(command.state, command.reason)
            if (before is None or before[0] is not command.state) and not self._rewound:
                self.get_logger().info(f"{command.state.value}: {command.reason}")
        self._rewound = False

    def _say_rewind(self) -> None:
        """Say that time went back; the state that follows from it goes without saying."""
        self._rewound = True
        self.get_logger().warning(
            f"time went back by {self._rewinds.back:.2f} s: gestures begin anew, and nobody is "
            "engaged"
        )

    def _tell(self, state: State, reason: str) -> None:
        self._state_told = (state, reason)
        self._states.publish(KeyValue(key=state.value, value=reason))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [GestureNode()], args)


if __name__ == "__main__":
    sys.exit(main())
