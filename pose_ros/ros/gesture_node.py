"""gesture_node: poses in, commands for a robot out; in doubt it stands still."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import PointStamped
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, Empty, Header
from visualization_msgs.msg import MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.commands.commander import Command, Commander, State
from pose_ros.core.commands.config import Binding, CommandConfig, read_bindings
from pose_ros.core.commands.follow import find_spots
from pose_ros.core.commands.operator import Locks, people_from
from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import NAMES, GestureRecognizer, read_taught
from pose_ros.core.gestures.repetitions import movements
from pose_ros.core.gestures.targets import shown_goal
from pose_ros.core.timeline import ClockWatch, Rewinds
from pose_ros.core.types import Poses
from pose_ros.documents import parse_yaml
from pose_ros.errors import (
    DocumentError,
    OptionError,
    TransformError,
    printable,
    short,
)
from pose_ros.files import user_path
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import GestureArray
from pose_ros.pipeline import FoundGestures, GestureStage, Recognizer
from pose_ros.ros.diagnostics import Level, Notices, Report, StateLog
from pose_ros.ros.frames import FrameLookup, listen
from pose_ros.ros.markers import PointingMarkers
from pose_ros.ros.messages import gestures_to_msg, target_to_msg
from pose_ros.ros.neighbors import GestureNeighbors, Trouble
from pose_ros.ros.node import WARN_EVERY_SECONDS, ManagedNode, run
from pose_ros.ros.parameters import Checks
from pose_ros.ros.pose_input import PoseInput
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS, SWITCH_QOS
from pose_ros.ros.rep155 import HumanGestures
from pose_ros.ros.robot import Robot
from pose_ros.ros.senders import Sender, SenderSubscription, publishers
from pose_ros.ros.teaching import Teacher
from pose_ros.ros.threads import Ticker
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.nodes import GestureParameters

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

LOCK, STOP = "~/lock", "~/stop"


MakeRecognizer = Callable[[GestureParameters], Recognizer]

MAX_COMMANDS_BYTES = 64 * 1024
_BUILT_IN = (*NAMES, *POSTURE_NAMES)


def parse_commands(text: str, gestures: Collection[str] | None = _BUILT_IN) -> tuple[Binding, ...]:
    """Return what each gesture commands.

    Args:
        text: YAML, a mapping as ``read_bindings`` takes it.
        gestures: The names that are known; None: any may be one that was taught.

    Raises:
        OptionError: It is no YAML, too large, or says what cannot be.
    """
    try:
        commands = parse_yaml(text, "commands", MAX_COMMANDS_BYTES)
    except DocumentError as error:
        raise OptionError(f"{error}") from None
    return read_bindings({} if commands is None else commands, gestures)


def _check_gesture(parameter: str, name: str) -> None:
    """Refuse a gesture that is unknown; empty is none."""
    if name and name not in NAMES:
        raise OptionError(f"{parameter}: {short(name)} is no gesture; known: {', '.join(NAMES)}")


CHECKS: Checks = {
    # which gestures were taught is read when the node is configured
    "commands": partial(parse_commands, gestures=None),
    "engage": partial(_check_gesture, "engage"),
    "release": partial(_check_gesture, "release"),
}


def command_config_from(parameters: GestureParameters, *, compare_clock: bool) -> CommandConfig:
    """Return the rules of the commander.

    Args:
        parameters: Of the node.
        compare_clock: Whether the images' stamps are of the node's clock.

    Raises:
        OptionError: Two parameters do not go together.
    """
    taught = read_taught(gesture_options_from(parameters).taught)
    own = () if taught is None else (*taught.counts, *movements(taught.counts))
    names = (*_BUILT_IN, *own)
    return CommandConfig(
        **vars(parameters.command),
        limits=parameters.limits,
        bindings=parse_commands(parameters.commands, names),
        compare_clock=compare_clock,
    )


def gesture_options_from(parameters: GestureParameters) -> GestureOptions:
    """Return how gestures are recognized; a file of taught ones that is yet to be made is none.

    Raises:
        OptionError: Gestures are to be taught, and no file is named.
    """
    options = parameters.gestures
    if not parameters.teach:
        return options
    if not options.taught:
        raise OptionError("teach needs taught: the file that examples go to")
    return options if user_path(options.taught).exists() else replace(options, taught="")


def recognizer_from(parameters: GestureParameters) -> Recognizer:
    """Return the recognizer that the parameters ask for."""
    return GestureRecognizer(gesture_options_from(parameters))


class Targeting:
    """Looks up where the camera is in ``target_frame``, and publishes where people point.

    Args:
        node: For its parameters, subscriptions and publisher.
    """

    def __init__(self, node: ManagedNode[GestureParameters]) -> None:
        self._frame = node.parameters.targets.target_frame
        self.frames = listen(node)
        self._targets = node.make_publisher(PointStamped, "~/target", RESULT_QOS)
        self._markers = node.make_publisher(MarkerArray, "~/markers", RESULT_QOS)
        self._made_markers = PointingMarkers()

    def close(self) -> None:
        """End the subscriptions."""
        self.frames.close()

    def place(self, header: Any, frame: str = "") -> Float64Array | str:
        """Return (4, 4) that takes meters of an image's frame to the target frame.

        Where it is not known, return the reason.

        Args:
            header: The image's own.
            frame: Another frame than the target frame.
        """
        try:
            return self.frames.lookup(frame or self._frame, header)
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
        super().__init__("gesture", GestureParameters, CHECKS, **options)
        self._make_recognizer = make_recognizer
        self._mutex = threading.RLock()  # over commander, robot, and what was sent
        self._commander: Commander | None = None
        self._robot: Robot | None = None
        self._stage: GestureStage | None = None
        self._input: PoseInput | None = None
        self._targeting: Targeting | None = None
        self._teacher: Teacher | None = None
        self._humans: HumanGestures | None = None
        self._ticker: Ticker | None = None
        self._switches: list[SenderSubscription] = []
        self._locks = Locks()
        self._watch: GestureNeighbors | None = None
        self._notices = Notices(self.get_logger())
        self._states: Any = None
        self._gestures: Any = None
        self._published_state: tuple[State, str] | None = None
        self._state_log = StateLog(self.get_logger())
        self._sources = 0  # how often poses have begun to come from another node
        self._ends = False  # the process does
        self._unheard = ""  # why a lock or stop button cannot be heard
        self._defect = self._refusal = ""
        self._images = 0
        self._moving_clock = ClockWatch(self.now, time.monotonic)
        self._rewinds = Rewinds()
        self._rewound = False  # and that was logged since the last tick

    def acquire(self) -> None:
        """Make the publishers, and listen to lock and stop."""
        config = self._make_commander().config  # what is refused is refused at once
        actions = [binding.action for binding in config.bindings]
        self._make_recognizer(self.parameters)
        self._robot = Robot(self, actions, self._arrived)
        self._targeting = Targeting(self)
        self._states = self.make_publisher(KeyValue, "~/state", LATCHED_QOS)
        self._gestures = self.make_publisher(GestureArray, "~/gestures", RESULT_QOS)
        if self.parameters.rep155:
            self._humans = HumanGestures(
                self,
                self.parameters.id_prefix,
                engage=config.engage,
                sees_looks=self.parameters.gestures.postures,
            )
        if self.parameters.teach:
            self._teacher = Teacher(self, self._restage)
        self._watch = GestureNeighbors(self, actions)
        self._locks = Locks()
        self._notices = Notices(self.get_logger())
        for qos in SWITCH_QOS:
            self._switches += [
                self._hear(Bool, LOCK, self._on_lock, qos),
                self._hear(Empty, STOP, self._on_stop, qos),
            ]

    def _hear(
        self, kind: type, topic: str, take: Callable[[Any, Sender], None], qos: QoSProfile
    ) -> SenderSubscription:
        # that one of the three does not fit a publisher is as it should be
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        return SenderSubscription(
            *(self, kind, topic, take), damaged=self._on_damaged, qos=qos, event_callbacks=quiet
        )

    def start(self) -> None:
        """Start the timer, then let images in."""
        commander = self._make_commander()
        commander.lock(bool(self._locks.holders), self.now(), heard=False)
        self._commander, self._stage = commander, self._make_stage()
        self._published_state, self._defect, self._refusal, self._images = None, "", "", 0
        self._moving_clock.restart()
        self._rewinds.reset()
        self._ticker = Ticker(self._tick, 1.0 / self.parameters.rate, "gesture commands")
        self._sources = 0
        self._state_log.clear()
        if self._teacher is not None:
            self._teacher.start()
        self._input = PoseInput(
            self,
            self._take,
            damaged=self._damaged,
            refuse=self._refuse,
            hands=self.parameters.hands,
        )

    def stop(self) -> None:
        """Let no more images in; the last word is zero."""
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._teacher is not None:
            self._teacher.stop()
        if self._humans is not None:
            self._humans.stop()
        if self._ticker is not None:
            if not self._ticker.stop():
                self.get_logger().error("sending commands does not end; it is left behind")
            self._ticker = None
        if self._commander is not None and self._robot is not None:
            self._robot.rest(self.now())
            self._publish_state(State.DISENGAGED, "the node is not active")
        self._commander = None
        if self._targeting is not None:
            self._targeting.clear()

    def release(self) -> None:
        """Free what was made."""
        while self._switches:
            self._switches.pop().destroy()
        if self._targeting is not None:
            self._targeting.close()
            self._targeting = None
        if self._teacher is not None:
            self._teacher.close()
            self._teacher = None
        self._humans = None
        if self._robot is not None:
            self._robot.close()
            self._robot = None

    def report(self) -> Report:
        """Return the state, and what is wrong."""
        troubles: list[Trouble] = []
        listeners = ""
        if self._watch is not None:
            troubles, listeners = self._watch.look()
        with self._mutex:
            commander = self._commander
            if commander is None:
                return Report(Level.OK, "active")
            self._unheard = next((t.text for t in troubles if t.bars), "")
            values = [
                ("command state", commander.state.value),
                ("reason", commander.reason),
                ("operator", "" if commander.operator is None else str(commander.operator)),
                ("locked by", self._lockers()),
                ("cmd_vel listeners", listeners),
                ("images", str(self._images)),
                ("last error", self._defect or self._refusal),
            ]
            level, message = Level.OK, f"{commander.state.value}: {commander.reason}"
            if troubles:
                level, message = Level.WARN, troubles[0].text
            if self._refusal:
                level, message = Level.WARN, self._refusal
            if self._defect:
                level, message = Level.ERROR, self._defect
            self._defect = self._refusal = ""
            return Report(level, message, values, logged=True)

    @property
    def locked(self) -> bool:
        """Whether a publisher of the lock topic locks the robot; also before activation."""
        with self._mutex:
            return bool(self._locks.holders)

    @property
    def frames(self) -> FrameLookup:
        """Where frames are, by what it heard on /tf.

        Raises:
            RuntimeError: The node is not configured.
        """
        if self._targeting is None:
            raise RuntimeError("the node is not configured")
        return self._targeting.frames

    def hardware_id(self) -> str:
        """Return the topic of the speeds."""
        return str(self.resolve_topic_name("cmd_vel"))

    def _make_commander(self) -> Commander:
        # in a replay stamps are of the clock only where a simulation gives both
        compare = not self.parameters.allow_replay or self.simulated
        return Commander(command_config_from(self.parameters, compare_clock=compare))

    def _make_stage(self) -> GestureStage:
        parameters = self.parameters
        recognizer = self._make_recognizer(parameters)
        return GestureStage(recognizer, parameters.targets, parameters.targets.target_frame)

    def _restage(self) -> None:
        """Recognize what the file of taught gestures holds now."""
        self._stage = self._make_stage()

    def _take(self, header: Any, poses: Poses, hands: Poses | None) -> None:
        commander, targeting = self._commander, self._targeting
        if commander is None or targeting is None:
            return
        try:
            stamp = stamp_from_msg(header.stamp)
            self._check_source(commander)
            if self._rewinds.stamp(stamp):
                self._log_rewind()
            if self._teacher is not None:
                self._teacher.take(poses, hands, stamp)
            stage = self._stage
            if stage is None:
                return
            place = targeting.place(header)
            found = stage.run(poses, hands, stamp, place)
            people = people_from(poses)
            spots = {}
            if commander.config.follows:
                base, frame = self.parameters.base_frame, self.parameters.targets.target_frame
                to_base = place if base == frame else targeting.place(header, base)
                spots = find_spots(poses, to_base, place, frame, stamp)
            with self._mutex:
                self._images += 1
                commander.observe(
                    *(found.gestures, people, stamp, self.now(), found.goals), spots=spots
                )
                operator = commander.operator
            targeting.show(found, operator, header)
            targeting.mark(found, header)
            self._gestures.publish(gestures_to_msg(found.gestures, header))
            if self._humans is not None:
                self._humans.publish(poses.ids.tolist(), found.gestures, operator, header)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _check_source(self, commander: Commander) -> None:
        """Let the operator go when poses come from another node than before."""
        changes = self._input.changes if self._input is not None else 0
        if changes != self._sources:
            self._sources = changes
            with self._mutex:
                commander.stop("poses come from another node than before")
            self._restage()
            self._rewinds.reset()

    def _tick(self) -> None:
        try:
            with self._mutex:
                commander, robot = self._commander, self._robot
                if commander is None or robot is None:
                    return
                self._check_clock(commander)
                self._check_locks(commander)
                now = self.now()
                if self._rewinds.clock(now):
                    self._log_rewind()
                command = commander.tick(now)
                robot.send(command, now)
                self._publish_command(command)
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _check_clock(self, commander: Commander) -> None:
        """Bar what is not the real robot's time, and notice a clock that stands still."""
        barred = self.simulated and not self.parameters.allow_replay
        reason = "the time is a simulation's or a bag's: set allow_replay" if barred else ""
        teaching = "" if self._teacher is None else self._teacher.reason
        commander.bar("the process ends" if self._ends else reason or self._unheard or teaching)
        if self._moving_clock.stands() > self.parameters.command.timeout and not barred:
            commander.stop("the clock stands still")

    def _fail(self, error: Exception) -> None:
        """Stand still after what should not have happened."""
        line = self.log_error(error)
        try:
            with self._mutex:
                self._defect = line
                if self._commander is not None:
                    self._commander.stop(self._defect)
                if self._robot is not None:
                    self._robot.halt(self.now())
        except Exception:  # noqa: BLE001
            self.get_logger().error(f"and then:\n{traceback.format_exc()}")

    def brake(self) -> None:
        """Send zero before anything that takes longer."""
        self._ends = True
        self._tick_now()

    def survive(self, error: Exception) -> None:
        """Stand still, and go on, after what a callback of this process raised."""
        self._fail(error)

    def _damaged(self, reason: str) -> None:
        """Stand still after poses that cannot be read: they show no gesture that is held."""
        reason = printable(reason)
        with self._mutex:
            self._refusal = reason
            if self._commander is not None:
                self._commander.stop(reason)
        self.get_logger().warning(reason, throttle_duration_sec=WARN_EVERY_SECONDS)
        self._tick_now()

    def _refuse(self, reason: str, sender: str) -> None:
        """Note what another publisher than the first sends, and say it once."""
        self._refusal = printable(reason)
        self._notices.warn(("refused", sender), reason)

    def _on_lock(self, msg: Any, sender: Sender) -> None:
        there = publishers(self, LOCK)
        with self._mutex:
            before = self._locks.holders
            self._locks.hear(sender.gid, msg.data, sender.order, time.monotonic(), there)
            locked = bool(self._locks.holders)
            if self._commander is not None:
                self._commander.lock(locked, self.now())
            lockers = self._lockers()
        if self._locks.holders != before:
            self.get_logger().info(f"locked by {lockers}" if locked else "no longer locked")
        self._tick_now()

    def _lockers(self) -> str:
        """Return the names of the nodes that lock."""
        if not self._locks.holders:
            return ""
        there = publishers(self, LOCK)
        names = {
            there.get(gid, "a node that has gone" if gid else "one of several nodes")
            for gid in self._locks.holders
        }
        return printable(", ".join(sorted(names)))

    def _check_locks(self, commander: Commander) -> None:
        """Let a publisher of the lock that has fallen silent lock."""
        patience = self.parameters.command.lock_timeout
        if patience:
            self._locks.notice_silence(time.monotonic(), patience)
            if self._locks.holders:
                commander.lock(True, self.now(), heard=False)

    def _on_stop(self, _msg: Any, _sender: Sender) -> None:
        self._stop_button("stop topic")

    def _on_damaged(self, reason: str, _sender: Sender) -> None:
        """Take what cannot be read on the lock or the stop topic for a stop."""
        self._refusal = printable(reason)
        self._stop_button(self._refusal)

    def _stop_button(self, reason: str) -> None:
        with self._mutex:
            if self._commander is not None:
                self._commander.stop(reason)
        self._tick_now()

    def _tick_now(self) -> None:
        """Do not wait for the timer to stop the robot."""
        if self._ticker is not None:
            self._tick()

    def _arrived(self, reason: str) -> None:
        with self._mutex:
            if self._commander is not None:
                self._commander.finish_goal(reason)

    def _publish_command(self, command: Command) -> None:
        if self._published_state != (command.state, command.reason):
            before = self._published_state
            self._publish_state(command.state, command.reason)
            if (before is None or before[0] is not command.state) and not self._rewound:
                self._state_log.log(f"{command.state.value}: {command.reason}")
        self._rewound = False

    def _log_rewind(self) -> None:
        """Log that time went back; the state that follows from it is not logged too."""
        self._rewound = True
        self.get_logger().warning(
            f"time went back by {self._rewinds.back:.2f} s: gestures start over, and no person "
            "is engaged"
        )

    def _publish_state(self, state: State, reason: str) -> None:
        self._published_state = (state, reason)
        # a name that some message holds may be no text that ROS can send
        self._states.publish(KeyValue(key=state.value, value=printable(reason)))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [GestureNode()], args)


if __name__ == "__main__":
    sys.exit(main())
