"""What the nodes share: parameters, guarded transitions, diagnostics, and the life of a process."""

from __future__ import annotations

import dataclasses
import logging
import math
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import (
    LifecycleNode,
    LifecycleState,
    TransitionCallbackReturn,
)
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock as ClockMessage

from pose_ros.core.timeline import ClockWatch
from pose_ros.errors import OptionError, PoseRosError
from pose_ros.ros import middleware, parameters
from pose_ros.ros.diagnostics import STALE_WARN_SECONDS, Level, Report, report_to_msg

Table = TypeVar("Table")

DIAGNOSTICS_SECONDS = 1.0
SPIN_SECONDS = 0.2
WARN_EVERY_SECONDS = 5.0
_BREATH_SECONDS = 0.01
ANOTHER_TIME_SECONDS = 3600.0
"""A stamp so far away is no latency: it is a recording's, or there is no /clock yet."""


class ManagedNode(LifecycleNode, Generic[Table]):
    """A managed node that says why a transition failed and never dies of one.

    A subclass says what to do in ``acquire`` (configure), ``start`` (activate),
    ``stop`` (deactivate) and ``release`` (clean up). ``stop`` and ``release``
    must do no harm when there is nothing to stop or to release. A PoseRosError
    in ``acquire`` or ``start`` leaves the node in the state before, any other
    exception leaves it unconfigured; both stand in the log and in /diagnostics.
    """

    def __init__(
        self,
        name: str,
        table: type[Table],
        checks: parameters.Checks = parameters.NO_CHECKS,
        **options: Any,
    ) -> None:
        """Declare the parameters.

        Args:
            name: Of the node.
            table: Its parameters.
            checks: What the node alone can check of them.
            options: Of rclpy's node.

        Raises:
            OptionError: A parameter from the command line or a file is refused.
        """
        super().__init__(name, **options)
        self._table = table
        self._state = "unconfigured"
        self._trouble = ""
        self._reported = Level.OK
        self._publishers_made: list[Any] = []
        try:
            self.parameters: Table = parameters.declare_on(self, table, checks)
        except BaseException:
            self._leave()
            raise
        self.add_on_set_parameters_callback(
            parameters.on_set(table, lambda: self._state != "unconfigured", checks)
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # not by ROS time: a replay that is paused, slow or quick is reported as any other
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(DIAGNOSTICS_SECONDS, self._diagnose, clock=steady)
        self._clock_watch = ClockWatch(self.now, time.monotonic)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Subscribe; a time before 1970 on ``/clock``, by which rclpy would raise, is refused."""
        take = callback
        if msg_type is ClockMessage:

            def take(message: ClockMessage) -> None:
                if message.clock.sec >= 0:
                    callback(message)
                else:
                    self.get_logger().warning(
                        f"{topic} says {message.clock.sec} s, a time before 1970: not taken",
                        once=True,
                    )

        return super().create_subscription(msg_type, topic, take, *args, **options)

    @property
    def state(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``."""
        return self._state

    @property
    def simulated(self) -> bool:
        """Whether the time is that of a simulation or a bag (``use_sim_time``)."""
        return bool(self.get_clock().ros_time_is_active)

    def now(self) -> float:
        """Return the ROS time in seconds; 0 while ``/clock`` is awaited."""
        return float(self.get_clock().now().nanoseconds * 1e-9)

    def age(self, stamp: float) -> float:
        """Return how many seconds ago a stamp was; NaN where it is of another time."""
        age = self.now() - stamp
        return age if abs(age) < ANOTHER_TIME_SECONDS else math.nan

    def clock_trouble(self) -> str:
        """Return in words why the ROS time stands still; empty while it does not."""
        stood = self._clock_watch.stands()
        if not self.simulated:
            return ""
        if not self.now():
            return "use_sim_time is set, and nothing has come on /clock yet"
        return "/clock stands still" if stood > STALE_WARN_SECONDS else ""

    def make_publisher(self, kind: type, topic: str, qos: QoSProfile, **options: Any) -> Any:
        """Return a publisher that lets messages through while the node is active.

        It is destroyed when the node is cleaned up. ``options`` are rclpy's.
        """
        return self.adopt(self.create_lifecycle_publisher(kind, topic, qos, **options))

    def adopt(self, publisher: Any) -> Any:
        """Return a publisher, managed or not, that is destroyed when the node is cleaned up."""
        self._publishers_made.append(publisher)
        return publisher

    def acquire(self) -> None:
        """Make what needs time or may fail: models, publishers."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """End the work; no thread goes on."""

    def release(self) -> None:
        """Free what ``acquire`` made."""

    def report(self) -> Report:
        """Return the health of the active node."""
        return Report(Level.OK, "active")

    def hardware_id(self) -> str:
        """Return what the diagnostics are about: a device, a topic."""
        return ""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and acquire."""

        def configure() -> None:
            self.parameters = parameters.read(self, self._table)
            self.acquire()
            super(ManagedNode, self).on_configure(state)

        return self._guard("configure", configure, self._free, "inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the publishers through and start."""

        def activate() -> None:
            super(ManagedNode, self).on_activate(state)
            self.start()

        def undo() -> None:
            self.stop()
            super(ManagedNode, self).on_deactivate(state)

        return self._guard("activate", activate, undo, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and close the publishers."""

        def deactivate() -> None:
            self.stop()
            super(ManagedNode, self).on_deactivate(state)

        return self._guard("deactivate", deactivate, lambda: None, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release."""

        def clean_up() -> None:
            super(ManagedNode, self).on_cleanup(state)
            self._free()

        return self._guard("clean up", clean_up, lambda: None, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop and release, from whatever state."""
        return self._guard("shut down", self._let_go, lambda: None, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop and release: an unexpected error leaves the node unconfigured, not dead."""
        try:
            self._let_go()
        except Exception:  # noqa: BLE001
            self.get_logger().error(f"and then:\n{traceback.format_exc()}")
        self._state = "unconfigured"
        self._diagnose()
        return TransitionCallbackReturn.SUCCESS

    # rclpy's services set parameters through these two methods in every distribution; a callback
    # after parameters are set, add_post_set_parameters_callback, is younger than Humble.

    def set_parameters(self, parameter_list: list[Any]) -> Any:
        """Set parameters one by one, as rclpy does, and take over what was accepted."""
        results = super().set_parameters(parameter_list)
        self._take_parameters()
        return results

    def set_parameters_atomically(self, parameter_list: list[Any]) -> Any:
        """Set all parameters or none, as rclpy does, and take over what was accepted."""
        result = super().set_parameters_atomically(parameter_list)
        self._take_parameters()
        return result

    def autostart(self) -> bool:
        """Configure and activate; return whether the node is active."""
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                return False
        return True

    def brake(self) -> None:
        """Let nothing move any more: the process ends, and other nodes may take their time."""

    def survive(self, error: Exception) -> None:
        """Go on after what a callback of this process raised, which is a defect."""
        self.log_error(error)

    def log_error(self, error: Exception) -> str:
        """Log an error, a defect with its traceback, at most every few seconds; return its line."""
        log = self.get_logger()
        # two places in the code, so that an error does not hold a defect back
        if isinstance(error, PoseRosError):
            log.error(str(error), throttle_duration_sec=WARN_EVERY_SECONDS)
            return str(error)
        text = "".join(traceback.format_exception(error))
        log.error(text, throttle_duration_sec=WARN_EVERY_SECONDS)
        return repr(error)

    def close(self) -> None:
        """Shut down in order, and leave the graph; the node is not used again."""
        self.destroy_node()

    def destroy_node(self) -> None:
        """Shut down in order, and free all that the middleware holds for this node at once.

        rclpy's own keeps the state machine, which holds the node's handle: node, callbacks and
        services refer to each other, so the participant with its threads and sockets lives
        until the garbage collector runs, and that may be after the context has shut down.
        """
        if self._state != "finalized":
            self.trigger_shutdown()
        self._leave()

    def _leave(self) -> None:
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def _let_go(self) -> None:
        self.stop()
        self._free()

    def _free(self) -> None:
        self.release()
        while self._publishers_made:
            self.destroy_lifecycle_publisher(self._publishers_made.pop())

    def _guard(
        self, what: str, act: Callable[[], None], undo: Callable[[], None], state: str
    ) -> TransitionCallbackReturn:
        """Run a transition: rclpy would swallow what it raises without a word."""
        try:
            act()
        except Exception as error:  # noqa: BLE001
            expected = isinstance(error, PoseRosError)
            self._trouble = f"cannot {what}: {error}"
            # the logger tells one place from another, and each keeps its severity
            if expected:
                self.get_logger().error(self._trouble)
            else:
                self.get_logger().error(f"cannot {what}:\n{traceback.format_exc()}")
            try:
                undo()
            except Exception:  # noqa: BLE001
                self.get_logger().error(f"and then:\n{traceback.format_exc()}")
            self._diagnose()
            return TransitionCallbackReturn.FAILURE if expected else TransitionCallbackReturn.ERROR
        self._state = state
        self._trouble = ""
        self.get_logger().info(state)
        self._diagnose()
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> Any:  # noqa: N802
        # Jazzy's rclpy lets the error of an impossible request, such as activating twice, out
        # of the service's callback, and the process ends of it. Later ones answer, as this does.
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)
        except RuntimeError as error:
            reason = str(error).split(", at ")[0]
            self.get_logger().error(f"transition {transition_id} from {self._state}: {reason}")
            return TransitionCallbackReturn.ERROR

    def _take_parameters(self) -> None:
        # a whole new struct: a thread that reads it sees the old values or the new
        try:
            self.parameters = parameters.read(self, self._table)
        except OptionError as error:  # a parameter was undeclared: the old values stay
            self.get_logger().error(f"parameters cannot be read: {error}")

    def _diagnose(self) -> None:
        if self._state == "active":
            report = self.report()
        else:
            level = Level.ERROR if self._trouble else Level.WARN
            report = Report(level, self._trouble or self._state)
        values = [("state", self._state), *report.values]
        logged = report.logged or report.noticed
        if self._state == "active" and report.level > self._reported and not logged:
            self.get_logger().warning(report.message)
        self._reported = report.level
        report = dataclasses.replace(report, values=values)
        stamp = self.get_clock().now().to_msg()
        name = f"{self.get_fully_qualified_name()[1:]}: {self.get_name()}"
        self._diagnostics.publish(report_to_msg(report, name, self.hardware_id(), stamp))


class _RosHandler(logging.Handler):
    """Passes what the layers below log, such as a camera that is lost, to a node's log."""

    def __init__(self, node: ManagedNode[Any]) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; rclpy ties a place in the code to one severity, hence two."""
        if record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())


def log_to_ros(node: ManagedNode[Any]) -> None:
    """Let a node speak for the layers below, which know nothing of ROS."""
    logger = logging.getLogger("pose_ros")
    logger.handlers = [_RosHandler(node)]
    logger.setLevel(logging.INFO)


END_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,  # a terminal or an ssh session that is gone
    signal.SIGQUIT,
    signal.SIGTSTP,  # Ctrl-Z: a process that is suspended cannot stop the robot
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""All that a user sends a process to end or suspend it, and that can be caught."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Turn Ctrl-C, SIGTERM and their like into an event: nodes end in order and with code 0.

    SIGHUP is left alone where it is ignored from the start, as under nohup.

    rclpy's own handlers invalidate the context at once, under the feet of the
    threads that publish. Once asked to end, the process hears no further signal:
    a terminal and ``ros2 launch`` both send one, and the second would come while
    Python ends and make a death of it.
    """
    stop = threading.Event()
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    caught = [number for number in END_SIGNALS if not (nohup and number is signal.SIGHUP)]
    before = [signal.signal(number, lambda *_: stop.set()) for number in caught]
    try:
        yield stop
    finally:
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, signal.SIG_IGN if stop.is_set() else handler)


def _init(args: Sequence[str] | None) -> None:
    """Start ROS.

    Raises:
        OptionError: The command line's ROS arguments cannot be read.
    """
    try:
        rclpy.init(
            args=None if args is None else list(args),
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except RuntimeError as error:
        raise OptionError(" ".join(str(error).split())) from None


def _spin_once(
    executor: SingleThreadedExecutor,
    nodes: Sequence[ManagedNode[Any]],
    companion: Companion | None,
) -> None:
    """Run what is ready; what a callback or a damaged message raises ends no node.

    rclpy raises here when it cannot take a message, and whatever a callback lets out.
    """
    try:
        executor.spin_once(timeout_sec=SPIN_SECONDS)
        if companion is not None:
            companion.step()
    except (KeyboardInterrupt, ExternalShutdownException):
        raise
    except Exception as error:  # noqa: BLE001
        for node in nodes:
            node.survive(error)
        time.sleep(_BREATH_SECONDS)  # what raises each time shall not take a whole core


class Companion(Protocol):
    """What runs beside the nodes of a process, in their executor."""

    node: Any

    def step(self) -> Any:
        """Work for a moment; called again and again."""

    def close(self) -> None:
        """Leave the graph."""


def _end(
    nodes: Sequence[ManagedNode[Any]],
    companion: Companion | None,
    executor: SingleThreadedExecutor | None,
) -> None:
    """End all, the robot first."""
    for node in nodes:
        node.brake()
    for node in reversed(nodes):
        node.close()
    if companion is not None:
        companion.close()
    if executor is not None:
        executor.shutdown()
    rclpy.try_shutdown()


def run(
    make_nodes: Callable[[], Sequence[ManagedNode[Any]]],
    args: Sequence[str] | None = None,
    *,
    autostart: bool = False,
    make_companion: Callable[[], Companion] | None = None,
) -> int:
    """Spin nodes in this process until a signal ends it.

    Args:
        make_nodes: Called once ROS is up; the nodes start in this order and end in
            the reverse.
        args: Command line, as ``sys.argv``; None takes that.
        autostart: Activate all nodes, or give up; otherwise each does as its
            parameter says, and stays there when that fails.
        make_companion: Makes what runs beside the nodes, such as a live line; None: nothing.

    Returns:
        Exit code: 0 after a signal, 1 when a node cannot be made or activated.
    """
    freed = middleware.prepare()
    nodes: Sequence[ManagedNode[Any]] = ()
    executor: SingleThreadedExecutor | None = None
    companion: Companion | None = None
    with stop_signals() as stop:
        try:
            _init(args)
            # Measured at 1280x720 and 30 Hz, 1.7 to 2.1 ms CPU a message; rclpy's experimental
            # EventsExecutor takes 1.2 to 1.4, too little to leave the one everybody runs.
            executor = SingleThreadedExecutor()
            nodes = make_nodes()
            log_to_ros(nodes[0])
            middleware.say_freed(freed)
            for node in nodes:
                executor.add_node(node)
                if (autostart or node.parameters.autostart) and not node.autostart() and autostart:
                    return 1
            if make_companion is not None:
                companion = make_companion()
                executor.add_node(companion.node)
            while not stop.is_set() and rclpy.ok():
                _spin_once(executor, nodes, companion)
        except PoseRosError as error:
            print(f"{error}", file=sys.stderr)
            return 1
        finally:
            _end(nodes, companion, executor)
    return 0
