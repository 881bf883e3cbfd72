"""The gesture node in this process, with a recognizer that a test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool, Empty, String
from std_srvs.srv import Trigger

from pose_ros.core import skeletons
from pose_ros.core.commands.commander import Commander
from pose_ros.core.types import Poses
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros.messages import header_to_msg, poses_to_msg, stamp_to_msg
from tools.gesture_stage import LATCHED, SUCCESS, TIMEOUT, Stage, client_of, one_person

pytestmark = pytest.mark.safety


@pytest.fixture
def make(ros: Any) -> Callable[..., Stage]:
    return lambda **parameters: Stage(ros, **parameters)


def test_gesture_starts_a_speed_and_its_end_gives_zero(make: Any) -> None:
    stage = make()
    gestures = stage.ros.collect(GestureArray, "gesture/gestures")
    stage.up()
    stage.drive()
    assert stage.until(lambda: gestures, "come_here")
    assert [(g.name, g.person) for g in gestures[-1].gestures] == [("come_here", 7)]
    assert gestures[-1].header.frame_id == "camera"
    assert stage.speeds[-1].header.frame_id == "base_link"
    assert stage.speeds[-1].twist.angular.z == 0.0
    assert all(msg.twist.linear.x <= 0.2 + 1e-9 for msg in stage.speeds)
    assert stage.until(lambda: stage.linear() == 0.0)
    assert stage.until(stage.is_in("engaged"))


def test_twist_without_a_stamp_is_sent_if_configured(make: Any) -> None:
    stage = make(stamped=False)
    stage.up()
    stage.drive()
    assert isinstance(stage.speeds[-1], Twist)


def test_nothing_is_commanded_before_a_person_engages(make: Any) -> None:
    stage = make()
    stage.up()
    stage.until(lambda: len(stage.seen.stamps) > 20, "come_here", "wave")
    assert stage.speeds == []
    assert stage.is_in("disengaged")()


def last_nonzero(stage: Stage) -> float:
    moving = [msg for msg in stage.speeds if msg.twist.linear.x or msg.twist.angular.z]
    return stamp_from_msg(moving[-1].header.stamp)


def test_zero_when_the_images_stop(make: Any) -> None:
    """The camera hangs, or no message arrives any more."""
    stage = make()
    stage.up()
    stage.drive()
    assert stage.stands()
    # by the node's own clock: no command to move is older than the last image allows
    assert last_nonzero(stage) <= stage.seen.stamps[-1] + TIMEOUT
    assert stage.ros.spin_until(stage.is_in("disengaged"))
    assert "timeout is 1 s" in stage.states[-1].value


def test_messages_dropped_for_a_while_end_the_command(make: Any) -> None:
    stage = make()
    stage.up()
    stage.drive()
    assert stage.stands()
    seen = len(stage.seen.stamps)
    again = lambda: stage.states[-1].value == "let come_here go and make it again"  # noqa: E731
    assert stage.until(lambda: len(stage.seen.stamps) > seen + 10 and again(), "come_here")
    assert stage.linear() == 0.0
    assert stage.is_in("engaged")()
    stage.until(lambda: True)
    assert stage.until(lambda: stage.linear() > 0.0, "come_here")


def test_zero_when_the_images_stand_still(make: Any) -> None:
    stage = make()
    stage.up()
    stage.drive()
    frozen = stage.stamp()  # later than any that is still on its way
    stage.stamp = lambda: frozen
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    assert last_nonzero(stage) <= frozen + TIMEOUT
    assert stage.until(lambda: "stand still" in stage.states[-1].value, "come_here")


def test_zero_when_a_callback_hangs(make: Any) -> None:
    """What sends zero does not wait for what takes images in."""
    stage = make()
    stage.up()
    stage.drive()
    let_go = threading.Event()
    ends = [time.monotonic() + 60.0]
    stopped: list[bool] = []

    def hang() -> None:
        if not let_go.is_set():
            # no thread spins now: the state is read where it is made
            while dict(stage.node.report().values)["command state"] == "commanding":
                assert time.monotonic() < ends[0]
                time.sleep(0.01)
            stopped.append(True)
            let_go.set()

    stage.seen.act = hang
    assert stage.until(lambda: stopped, "come_here")
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")


def test_zero_on_an_exception(make: Any, capfd: Any) -> None:
    stage = make()
    health = stage.ros.collect(DiagnosticArray, "/diagnostics")
    stage.up()
    stage.drive()

    def fail() -> None:
        raise ValueError("a defect")

    stage.seen.act = fail
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert "a defect" in stage.states[-1].value
    assert "Traceback" in capfd.readouterr().err
    reported = lambda: any(  # noqa: E731
        status.level == b"\x02" and "a defect" in status.message
        for msg in health
        for status in msg.status
    )
    assert stage.until(reported)
    # it works again when it works again, from the start
    stage.seen.act = lambda: None
    stage.until(lambda: len(stage.seen.stamps), "come_here")
    assert stage.linear() == 0.0
    stage.drive()


def test_zero_when_the_commander_fails(make: Any, monkeypatch: Any) -> None:
    stage = make()
    stage.up()
    stage.drive()

    def fail(_commander: Commander, _now: float) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(Commander, "tick", fail)
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")


@pytest.mark.parametrize("way", ["deactivate", "shutdown", "close"])
def test_zero_is_the_last_message_on_shutdown(make: Any, way: str) -> None:
    stage = make()
    stage.up()
    stage.drive()
    if way == "close":
        stage.ros.close_node(stage.node)
    else:
        assert getattr(stage.node, f"trigger_{way}")() == SUCCESS
    assert stage.stands()
    count = len(stage.speeds)
    stage.until(lambda: True, "come_here")
    stage.ros.spin_for(0.3)
    assert len(stage.speeds) == count


def test_activation_after_deactivation_needs_engaging_again(make: Any) -> None:
    stage = make()
    stage.up()
    for _ in range(2):
        stage.drive()
        assert stage.node.trigger_deactivate() == SUCCESS
        assert stage.stands()
        assert stage.node.trigger_activate() == SUCCESS
        seen = len(stage.seen.stamps)
        assert stage.until(lambda s=seen: len(stage.seen.stamps) > s + 10, "come_here")
        assert stage.linear() == 0.0
    assert stage.node.trigger_deactivate() == SUCCESS
    assert stage.node.trigger_cleanup() == SUCCESS
    assert stage.node.autostart()


def test_lock_overrides_commands(make: Any) -> None:
    stage = make()
    # of the node's three subscriptions the latched one does not fit: rclpy warns of it here
    quiet = PublisherEventCallbacks(use_default_callbacks=False)
    lock = stage.ros.node.create_publisher(Bool, "gesture/lock", 10, event_callbacks=quiet)
    stage.up()
    stage.drive()
    assert stage.ros.spin_until(lock.get_subscription_count)
    lock.publish(Bool(data=True))
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    assert stage.until(stage.is_in("stopped"), "raise_hand")
    assert stage.states[-1].value == "locked"
    count = len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > count + 20, "raise_hand")
    assert stage.states[-1].value == "locked"
    lock.publish(Bool(data=False))
    stage.drive()


def test_latched_lock_published_before_start_locks(make: Any) -> None:
    stage = make()
    lock = stage.ros.node.create_publisher(Bool, "gesture/lock", LATCHED)
    lock.publish(Bool(data=True))
    assert stage.node.trigger_configure() == SUCCESS
    assert stage.ros.spin_until(lambda: stage.node.locked)
    assert stage.node.trigger_activate() == SUCCESS
    assert stage.until(lambda: len(stage.seen.stamps) > 20, "raise_hand")
    assert stage.states[-1].value == "locked"


def test_stop_topic_overrides_commands(make: Any) -> None:
    stage = make()
    quiet = PublisherEventCallbacks(use_default_callbacks=False)
    stop = stage.ros.node.create_publisher(Empty, "gesture/stop", 10, event_callbacks=quiet)
    stage.up()
    stage.drive()
    assert stage.ros.spin_until(stop.get_subscription_count)
    stop.publish(Empty())
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    assert stage.until(stage.is_in("stopped"), "come_here")
    count = len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > count + 10, "come_here")
    assert stage.is_in("stopped")()
    stage.drive()


def test_event_is_published_and_its_service_is_called(make: Any) -> None:
    stage = make()
    calls: list[Any] = []

    def answer(_request: Any, response: Any) -> Any:
        calls.append(True)
        response.success = True
        return response

    stage.ros.node.create_service(Trigger, "greet", answer)
    events = stage.ros.collect(String, "gesture/event")
    stage.up()
    client = client_of(stage.node, "greet")
    assert stage.ros.spin_until(client.service_is_ready)
    stage.engage()
    assert stage.until(lambda: events and calls, "wave")
    assert [event.data for event in events] == ["hello"]
    assert len(calls) == 1


class TestSimulatedTime:
    """A simulation's clock, or that of a bag that is played."""

    back = 0.0  # seconds by which a bag was rewound

    @pytest.fixture
    def clock(self, ros: Any) -> Any:
        return ros.node.create_publisher(Clock, "/clock", 10)

    def begin(self, make: Any, clock: Any, **parameters: Any) -> Any:
        stage = make(use_sim_time=True, **parameters)
        began = time.monotonic()

        def stamp() -> float:
            now = 1000.0 + time.monotonic() - began - self.back
            clock.publish(Clock(clock=stamp_to_msg(now)))
            return now

        stage.stamp = stamp
        stage.up()
        assert stage.ros.spin_until(clock.get_subscription_count)
        return stage

    def test_replay_commands_nothing_by_default(self, make: Any, clock: Any) -> None:
        stage = self.begin(make, clock)
        assert stage.until(lambda: len(stage.seen.stamps) > 20, "raise_hand")
        stage.until(lambda: True)
        assert stage.until(lambda: len(stage.seen.stamps) > 40, "come_here")
        assert stage.is_in("stopped")()
        assert "set allow_replay" in stage.states[-1].value
        # played again it is for the same reason
        self.back += 100.0
        assert stage.until(lambda: len(stage.seen.stamps) > 60, "come_here")
        assert {state.value for state in stage.states} == {stage.states[-1].value}
        assert stage.speeds == []

    def test_allowed_replay_commands_until_its_clock_stands_still(
        self, make: Any, clock: Any
    ) -> None:
        stage = self.begin(make, clock, allow_replay=True)
        stage.drive()
        # the player is gone: neither clock nor images
        assert stage.stands()
        assert stage.ros.spin_until(lambda: "the clock stands still" in stage.states[-1].value)

    def test_loop_of_a_bag_stops_robot_and_is_logged_once(
        self, make: Any, clock: Any, capfd: Any
    ) -> None:
        """Gesture and operator of the round before are forgotten, and nothing is made up for."""
        stage = self.begin(make, clock, allow_replay=True)
        stage.drive()
        capfd.readouterr()
        for _ in range(2):
            self.back += 100.0
            seen = len(stage.seen.stamps)
            stage.speeds.clear()
            # the gesture is held on, through the jump and after it
            assert stage.until(lambda n=seen: len(stage.seen.stamps) > n + 20, "come_here")
            assert stage.is_in("stopped")()
            assert "jumped back by" in stage.states[-1].value
            assert not any(msg.twist.linear.x for msg in stage.speeds[2:])
        said = [line for line in capfd.readouterr().err.splitlines() if "[gesture]" in line]
        assert len(said) == 2, said
        assert all("time went back by" in line for line in said)
        stage.drive()


def test_a_bag_without_its_clock_commands_nothing_unless_that_is_allowed(make: Any) -> None:
    stage = make()
    stage.stamp = lambda: time.time() - 86400.0
    stage.up()
    assert stage.until(lambda: len(stage.seen.stamps) > 20, "raise_hand")
    assert stage.is_in("disengaged")()
    assert "old when their poses come" in stage.states[-1].value
    assert stage.speeds == []
    stage.node.trigger_deactivate()
    stage.node.trigger_cleanup()
    stage.node.set_parameters([Parameter("allow_replay", value=True)])
    stage.up()
    stage.drive()


def test_hands_come_with_the_poses_of_their_image(make: Any) -> None:
    stage = make(hands=True)
    hands = stage.ros.node.create_publisher(PoseArray, "pose/hands", 10)
    stage.up()
    assert stage.ros.spin_until(hands.get_subscription_count)
    skeleton = skeletons.get("blazehand21")
    header = header_to_msg(time.time(), "camera")
    stage.poses.publish(poses_to_msg(one_person(), header, "fake", width=640, height=480))
    stage.ros.spin_for(0.2)
    assert stage.seen.stamps == []
    hands.publish(poses_to_msg(Poses.empty(skeleton), header, "fake", width=640, height=480))
    assert stage.ros.spin_until(lambda: stage.seen.stamps)
    assert stage.seen.hands[0] is not None
    # hands that do not come are not waited for longer than until the next image
    stage.show()
    stage.show()
    assert stage.ros.spin_until(lambda: len(stage.seen.stamps) == 2)
    assert stage.seen.hands[1] is None


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"engage": "arms_crossed"}, "engage and release must differ"),
        ({"commands": "raise_hand: stop"}, "raise_hand engages or releases"),
        pytest.param(
            {"goal_action": True},
            "goal_action needs Nav2's package nav2_msgs",
            marks=pytest.mark.skipif(
                find_spec("nav2_msgs") is not None, reason="nav2_msgs is installed"
            ),
        ),
        ({"engage": ""}, "without one nothing would ever move"),
    ],
)
def test_impossible_parameters_leave_node_unconfigured(
    make: Any, capfd: Any, parameters: dict[str, Any], words: str
) -> None:
    stage = make(**parameters)
    assert stage.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert stage.node.state == "unconfigured"
    assert words in capfd.readouterr().err


def test_poses_of_an_unknown_skeleton_are_refused(make: Any) -> None:
    stage = make()
    health = stage.ros.collect(DiagnosticArray, "/diagnostics")
    stage.up()
    header = header_to_msg(time.time(), "camera")
    msg = poses_to_msg(one_person(), header, "fake", width=640, height=480)
    msg.skeleton = "martian"

    def reported() -> bool:
        stage.poses.publish(msg)
        return any("martian" in status.message for m in health for status in m.status)

    assert stage.ros.spin_until(reported)
    assert stage.seen.stamps == []
