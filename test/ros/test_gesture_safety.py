"""The gesture node against its surroundings: locks, foreign publishers, damaged messages, /tf."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Twist, TwistStamped, Vector3
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from std_msgs.msg import Bool, Empty, Int8
from tf2_msgs.msg import TFMessage

from pose_ros.msg import PoseArray
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.messages import header_to_msg, poses_to_msg
from tools.gesture_stage import Stage, somebody

QUIET = PublisherEventCallbacks(use_default_callbacks=False)
ALL_QOS = [
    QoSProfile(depth=1, reliability=reliability, durability=durability)
    for reliability in (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE)
    for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
]


@pytest.fixture
def make(ros: Any) -> Callable[..., Stage]:
    return lambda **parameters: Stage(ros, **parameters)


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Make a node as in a process of its own: ROS refuses two types on a topic of one process."""
    contexts = []

    def make_node(name: str, **options: Any) -> Any:
        context = rclpy.Context()
        rclpy.init(args=[], context=context, domain_id=int(os.environ["ROS_DOMAIN_ID"]))
        node = rclpy.create_node(name, context=context, **options)
        contexts.append((context, node))
        return node

    yield make_node
    for context, node in contexts:
        node.destroy_node()
        context.shutdown()


@pytest.fixture
def lock_of(elsewhere: Any) -> Callable[..., Any]:
    """Make a publisher of the lock, of a node of its own."""

    def make_lock(name: str, qos: Any = 10) -> Any:
        node = elsewhere(name)
        return node.create_publisher(Bool, "gesture/lock", qos, event_callbacks=QUIET)

    return make_lock


def heard(stage: Stage, publisher: Any) -> None:
    assert stage.ros.spin_until(publisher.get_subscription_count)


def diagnosed(stage: Stage) -> Callable[[str], bool]:
    health = stage.ros.collect(DiagnosticArray, "/diagnostics")
    return lambda words: any(words in status.message for msg in health for status in msg.status)


@pytest.mark.parametrize("qos", ALL_QOS, ids=lambda q: f"{q.reliability.name} {q.durability.name}")
def test_lock_and_stop_are_heard_whatever_their_qos(
    make: Any, elsewhere: Any, qos: QoSProfile
) -> None:
    stage = make()
    panel = elsewhere("panel")
    lock = panel.create_publisher(Bool, "gesture/lock", qos, event_callbacks=QUIET)
    button = panel.create_publisher(Empty, "gesture/stop", qos, event_callbacks=QUIET)
    stage.up()
    for publisher in (lock, button):
        heard(stage, publisher)
    stage.drive()
    lock.publish(Bool(data=True))
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert stage.states[-1].value == "locked"
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    lock.publish(Bool(data=False))
    stage.drive()
    button.publish(Empty())
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert stage.states[-1].value == "stop topic: engage anew"


@pytest.mark.parametrize("alike", [False, True])
def test_another_publishers_false_does_not_undo_a_lock(
    make: Any, elsewhere: Any, alike: bool
) -> None:
    """Also where both belong to one node, so that only their ids tell them apart."""
    stage = make()
    node = elsewhere("panel")
    others = node if alike else elsewhere("dock")
    panel, dock = (
        n.create_publisher(Bool, "gesture/lock", 10, event_callbacks=QUIET) for n in (node, others)
    )
    stage.up()
    for publisher in (panel, dock):
        heard(stage, publisher)
    stage.drive()
    panel.publish(Bool(data=True))
    assert stage.until(stage.is_in("stopped"), "come_here")
    seen = len(stage.seen.stamps)

    def habit() -> bool:
        dock.publish(Bool(data=False))
        return len(stage.seen.stamps) > seen + 10

    assert stage.until(habit, "raise_hand")
    assert stage.states[-1].value == "locked"
    told = diagnosed(stage)
    assert stage.ros.spin_until(lambda: told("stopped: locked"))
    panel.publish(Bool(data=False))
    stage.drive()


def test_a_lock_outlives_its_publisher_until_a_new_one_undoes_it(
    make: Any, elsewhere: Any, lock_of: Any
) -> None:
    stage = make()
    node, dock = elsewhere("panel"), lock_of("dock")
    panel = node.create_publisher(Bool, "gesture/lock", 10, event_callbacks=QUIET)
    stage.up()
    for publisher in (panel, dock):
        heard(stage, publisher)
    panel.publish(Bool(data=True))
    assert stage.ros.spin_until(lambda: stage.node._locks.holders)
    node.destroy_publisher(panel)
    assert stage.ros.spin_until(lambda: stage.node.count_publishers("gesture/lock") == 1)
    for _ in range(5):
        dock.publish(Bool(data=False))
        stage.ros.spin_for(0.05)
    assert stage.node._locks.holders
    successor = lock_of("panel_again")
    heard(stage, successor)
    successor.publish(Bool(data=False))
    assert stage.ros.spin_until(lambda: not stage.node._locks.holders)


def test_a_lock_of_another_type_lets_nothing_move_and_is_named(make: Any, elsewhere: Any) -> None:
    stage = make()
    node = elsewhere("panel", namespace="/desk")
    stage.up()
    stage.drive()
    node.create_publisher(Int8, "/gesture/lock", 10)
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert stage.states[-1].value.startswith(
        "/desk/panel publishes /gesture/lock as std_msgs/msg/Int8 and cannot be heard"
    )
    assert stage.until(lambda: stage.linear() == 0.0, "raise_hand")


def shown(stage: Stage, stamp: float, *, ids: tuple[int, ...] = (7,)) -> PoseArray:
    msg = poses_to_msg(somebody(), header_to_msg(stamp, "camera"), "fake", width=640, height=480)
    (person,) = msg.poses
    msg.poses = [
        type(person)(id=i, score=person.score, box=person.box, keypoints=person.keypoints, label="")
        for i in ids
    ]
    return msg


def test_zero_at_once_when_the_operators_id_is_there_twice(make: Any) -> None:
    """In every other message: those between are as they should be."""
    stage = make()
    stage.up()
    stage.drive()
    stage.poses.publish(shown(stage, stage.stamp(), ids=(7, 7)))
    assert stage.ros.spin_until(stage.is_in("stopped"))
    assert "distinct ids, got [7, 7]: engage anew" in stage.states[-1].value
    moves = len(stage.speeds)
    stage.seen.names = ("raise_hand",)
    for _ in range(10):
        stage.poses.publish(shown(stage, stage.stamp(), ids=(7, 7)))
        stage.ros.spin_for(0.02)
        stage.show()
    assert not any(msg.twist.linear.x for msg in stage.speeds[moves + 1 :])
    assert stage.is_in("stopped")()


def test_a_second_publisher_of_poses_commands_nothing_and_is_named_once(
    make: Any, elsewhere: Any, capfd: Any
) -> None:
    stage = make()
    told = diagnosed(stage)
    node = elsewhere("pose", namespace="/evil")
    evil = node.create_publisher(PoseArray, "/pose/poses", 10)
    stage.up()
    heard(stage, evil)
    stage.show()
    stage.seen.names = ("raise_hand",)
    seen = len(stage.seen.stamps)
    for _ in range(20):
        stage.ros.spin_for(0.02)
        evil.publish(shown(stage, stage.stamp()))
    assert len(stage.seen.stamps) == seen
    stage.drive()  # the first one goes on
    for _ in range(10):
        evil.publish(shown(stage, stage.stamp(), ids=()))
        stage.show()
    assert stage.linear() > 0.0
    words = "/evil/pose publishes pose/poses too and is refused, as /test was first"
    assert stage.until(lambda: told(words))
    assert capfd.readouterr().err.count(words) == 1


def test_another_publisher_takes_over_with_nobody_engaged(make: Any) -> None:
    """As when a pose node is started again."""
    stage = make()
    stage.up()
    stage.drive()
    stage.ros.node.destroy_publisher(stage.poses)
    stage.poses = stage.ros.node.create_publisher(PoseArray, "pose/poses", 10)
    heard(stage, stage.poses)
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert stage.states[-1].value == "poses come from another node than before: engage anew"
    stage.drive()


@pytest.mark.parametrize("stamped", [True, False])
def test_a_base_that_takes_the_other_twist_is_named_with_the_parameter(
    make: Any, elsewhere: Any, stamped: bool, capfd: Any
) -> None:
    stage = make(stamped=stamped)
    other = Twist if stamped else TwistStamped
    elsewhere("base").create_subscription(other, "cmd_vel", lambda _msg: None, 10)
    stage.up()
    words = f"set stamped to {str(not stamped).lower()}"
    told = diagnosed(stage)
    assert stage.ros.spin_until(lambda: told(words))
    stage.ros.spin_for(2.2)
    said = capfd.readouterr().err
    assert said.count(words) == 1
    assert "/base takes /cmd_vel as" in said


def test_that_nothing_listens_is_said_once(ros: Any, capfd: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("pose_ros.ros.robot_watch.PATIENCE_LOOKS", 1)
    node = ros.add(GestureNode())
    assert node.autostart()
    said = ""

    def told() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "nothing listens to /cmd_vel: start the base" in said

    assert ros.spin_until(told)
    ros.spin_for(1.2)
    told()
    assert said.count("nothing listens") == 1


def test_a_second_gesture_node_is_named(ros: Any) -> None:
    first = ros.add(GestureNode())
    assert first.autostart()
    second = ros.add(
        GestureNode(namespace="/other", cli_args=["--ros-args", "-r", "cmd_vel:=/cmd_vel"])
    )
    assert second.autostart()
    watch = first._watch
    texts = lambda: [trouble.text for trouble in watch.look()[0]]  # noqa: E731
    assert ros.spin_until(lambda: any("/other/gesture commands by gestures" in t for t in texts()))
    third = ros.add(GestureNode())
    assert third.autostart()
    assert ros.spin_until(lambda: any("2 nodes are named /gesture" in t for t in texts()))


def transform(**changes: Any) -> TransformStamped:
    values: dict[str, Any] = {
        "header": header_to_msg(time.time(), "base_link"),
        "child_frame_id": "camera",
        "transform": Transform(rotation=Quaternion(w=1.0), translation=Vector3()),
    }
    return TransformStamped(**(values | changes))


@pytest.mark.parametrize("topic", ["/tf", "/tf_static"])
def test_transforms_that_are_none_stop_nobody_and_are_named_once(
    make: Any, topic: str, capfd: Any
) -> None:
    stage = make()
    qos = QoSProfile(depth=100)
    if topic == "/tf_static":
        qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    sender = stage.ros.node.create_publisher(TFMessage, topic, qos)
    bad = [
        transform(transform=Transform(rotation=Quaternion(w=w), translation=Vector3(x=x)))
        for w, x in ((0.0, 0.0), (float("nan"), 0.0), (5e-324, 0.0), (1e200, 0.0), (1.0, 1e300))
    ]
    bad += [transform(child_frame_id=""), transform(child_frame_id="base_link")]
    good = transform(child_frame_id="lens")
    stage.up()
    heard(stage, sender)
    stage.drive()
    for _ in range(3):
        sender.publish(TFMessage(transforms=[*bad, good]))
        stage.show()
    assert stage.linear() > 0.0
    frames = stage.node._targeting._frames
    header = header_to_msg(0.0, "lens")
    header.stamp = good.header.stamp
    assert stage.ros.spin_until(lambda: np.allclose(frames.lookup("base_link", header), np.eye(4)))
    said = capfd.readouterr().err
    assert said.count(f"{topic}: camera in base_link has no place: its quaternion is") == 1
    assert said.count("a name is empty") == 1


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return serialized data with a few bytes changed, or cut, or doubled."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8])):
        place = draw.randrange(4, len(changed))
        if draw.random() < 0.5:
            changed[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])
        else:  # a number that is none, or infinite, where one may begin
            place -= place % 4
            changed[place : place + 4] = draw.choice([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff"])
    if draw.random() < 0.1:
        del changed[draw.randrange(4, len(changed)) :]
    return bytes(changed) + bytes(-len(changed) % 4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that no picture gives
def test_mutated_messages_end_no_node_and_move_no_robot(ros: Any, true_poses: Any) -> None:
    """2,000 messages of every kind that the node takes, with a real recognizer behind it."""
    from pose_ros.sources.opening import open_synthetic

    draw = random.Random(11)
    node = ros.add(GestureNode())
    speeds: list[Any] = ros.collect(TwistStamped, "cmd_vel", 1000)
    health = ros.collect(DiagnosticArray, "/diagnostics")
    make = ros.node.create_publisher
    actor = open_synthetic("synthetic:raise_hand")
    truth = actor.truth(actor.read().stamp)
    poses = poses_to_msg(
        true_poses([truth]), header_to_msg(time.time(), "camera"), "fake", width=640, height=480
    )
    tf = TFMessage(transforms=[transform(), transform(child_frame_id="lens")])
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    kinds = [
        (make(PoseArray, "pose/poses", 10), serialize_message(poses)),
        (make(TFMessage, "/tf", 10), serialize_message(tf)),
        (make(TFMessage, "/tf_static", latched), serialize_message(tf)),
        (make(Bool, "gesture/lock", latched), serialize_message(Bool(data=True))),
        (make(Empty, "gesture/stop", latched), serialize_message(Empty())),
    ]
    assert node.autostart()
    for publisher, _ in kinds:
        assert ros.spin_until(publisher.get_subscription_count)
    for i in range(2000):
        publisher, data = kinds[0] if i % 2 else draw.choice(kinds)
        publisher.publish(mutated(data, draw))
        if i % 5 == 0:
            ros.executor.spin_once(timeout_sec=0.0)
            ros.executor.spin_once(timeout_sec=0.0)
    ros.spin_for(0.3)
    assert node.state == "active"
    assert not any(msg.twist.linear.x or msg.twist.angular.z for msg in speeds)
    # it is as ready as before
    kinds[3][0].publish(Bool(data=False))
    assert ros.spin_until(lambda: not node._locks.holders)
    count = len(health)
    assert ros.spin_until(lambda: len(health) > count)
