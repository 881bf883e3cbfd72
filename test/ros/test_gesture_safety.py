"""The gesture node against its surroundings: locks, foreign publishers, damaged messages, /tf."""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, KeyValue
from geometry_msgs.msg import (
    PoseStamped,
    Quaternion,
    Transform,
    TransformStamped,
    Twist,
    TwistStamped,
    Vector3,
)
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Empty, Int8
from tf2_msgs.msg import TFMessage

from pose_ros.core.gestures.recognizer import Ray
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import PoseArray
from pose_ros.ros.diagnostics import StateLog
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.messages import header_to_msg, image_to_msg, poses_to_msg
from pose_ros.ros.neighbors import GestureNeighbors
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.source import open_synthetic
from tools.gesture_stage import COMMANDS, LATCHED, TIMEOUT, FakeRecognizer, Stage, one_person
from tools.mutation import mutated

pytestmark = pytest.mark.safety

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
    assert stage.states[-1].value == "stop topic: engage again"


def test_another_publishers_false_does_not_undo_a_lock(make: Any, elsewhere: Any) -> None:
    """Both belong to one node, so that only their ids tell them apart."""
    stage = make()
    node = elsewhere("panel")
    panel, dock = (
        node.create_publisher(Bool, "gesture/lock", 10, event_callbacks=QUIET) for _ in range(2)
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
    reported = diagnosed(stage)
    assert stage.ros.spin_until(lambda: reported("stopped: locked"))
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
    assert stage.ros.spin_until(lambda: stage.node.locked)
    node.destroy_publisher(panel)
    assert stage.ros.spin_until(lambda: stage.node.count_publishers("gesture/lock") == 1)
    for _ in range(5):
        dock.publish(Bool(data=False))
        stage.ros.spin_for(0.05)
    assert stage.node.locked
    successor = lock_of("panel_again")
    heard(stage, successor)
    successor.publish(Bool(data=False))
    assert stage.ros.spin_until(lambda: not stage.node.locked)


def test_lock_topic_of_another_type_locks_and_is_named(make: Any, elsewhere: Any) -> None:
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
    msg = poses_to_msg(one_person(), header_to_msg(stamp, "camera"), "fake", width=640, height=480)
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
    assert "distinct ids, got [7, 7]: engage again" in stage.states[-1].value
    assert stage.ros.spin_until(lambda: stage.linear() == 0.0)
    moves, states = len(stage.speeds), len(stage.states)
    stage.seen.names = ("raise_hand",)
    for _ in range(10):
        stage.poses.publish(shown(stage, stage.stamp(), ids=(7, 7)))
        stage.ros.spin_for(0.02)
        stage.show()
    assert not any(msg.twist.linear.x for msg in stage.speeds[moves:])
    assert {state.key for state in stage.states[states:]} <= {"stopped", "engaging"}


def test_zero_at_once_when_poses_cannot_be_read(make: Any) -> None:
    """Damaged bytes, where rclpy hands them over, and more people than any picture holds."""
    stage = make()
    stage.up()
    for msg in (
        shown(stage, stage.stamp(), ids=tuple(range(1000))),
        PoseArray(skeleton="martian", header=header_to_msg(1.0, "camera"), poses=[]),
    ):
        stage.drive()
        stage.poses.publish(msg)
        assert stage.ros.spin_until(stage.is_in("stopped"))
        assert "poses cannot be read" in stage.states[-1].value
        assert stage.stands()


def test_a_second_publisher_of_poses_commands_nothing_and_is_named_once(
    make: Any, elsewhere: Any, capfd: Any
) -> None:
    stage = make()
    reported = diagnosed(stage)
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
    assert stage.until(lambda: reported(words))
    assert capfd.readouterr().err.count(words) == 1


def test_two_unidentified_senders_are_both_refused(
    make: Any, elsewhere: Any, monkeypatch: Any
) -> None:
    """As with a middleware that does not name them: one publisher is known all the same."""
    monkeypatch.setattr("pose_ros.ros.senders._rcl", lambda: None)
    monkeypatch.setattr("pose_ros.ros.senders._gid", lambda _info: b"")
    stage = make()
    reported = diagnosed(stage)
    panel = elsewhere("panel")
    lock = panel.create_publisher(Bool, "gesture/lock", 10, event_callbacks=QUIET)
    stage.up()
    heard(stage, lock)
    stage.drive()
    lock.publish(Bool(data=True))
    assert stage.until(stage.is_in("stopped"), "come_here")
    dock = panel.create_publisher(Bool, "gesture/lock", 10, event_callbacks=QUIET)
    heard(stage, dock)
    for _ in range(3):
        dock.publish(Bool(data=False))
        stage.show()
    assert stage.node.locked
    panel.destroy_publisher(dock)
    assert stage.ros.spin_until(lambda: stage.node.count_publishers("gesture/lock") == 1)
    lock.publish(Bool(data=False))
    stage.drive()
    second = elsewhere("second").create_publisher(PoseArray, "/pose/poses", 10)
    heard(stage, second)
    assert stage.until(lambda: stage.linear() == 0.0, "come_here")
    words = "/second and /test publish pose/poses, and it is not known which of them sent"
    assert stage.until(lambda: reported(words), "come_here")


def test_new_publisher_of_poses_takes_over_with_no_person_engaged(make: Any) -> None:
    """As when a pose node is started again."""
    stage = make()
    stage.up()
    stage.drive()
    stage.ros.node.destroy_publisher(stage.poses)
    stage.poses = stage.ros.node.create_publisher(PoseArray, "pose/poses", 10)
    heard(stage, stage.poses)
    assert stage.until(stage.is_in("stopped"), "come_here")
    assert stage.states[-1].value == "poses come from another node than before: engage again"
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
    reported = diagnosed(stage)
    assert stage.ros.spin_until(lambda: reported(words))
    stage.ros.spin_for(1.1)
    said = capfd.readouterr().err
    assert said.count(words) == 1
    assert "/base takes /cmd_vel as" in said


def test_missing_subscriber_of_speeds_is_logged_once(
    ros: Any, capfd: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pose_ros.ros.neighbors.PATIENCE_LOOKS", 1)
    node = ros.add(GestureNode())
    assert node.autostart()
    said = ""

    def reported() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "nothing listens to /cmd_vel: start the base" in said

    assert ros.spin_until(reported)
    ros.spin_for(1.2)
    reported()
    assert said.count("nothing listens") == 1


def test_a_second_gesture_node_is_named(ros: Any) -> None:
    first = ros.add(GestureNode())
    assert first.autostart()
    second = ros.add(
        GestureNode(namespace="/other", cli_args=["--ros-args", "-r", "cmd_vel:=/cmd_vel"])
    )
    assert second.autostart()
    watch = GestureNeighbors(first, ())
    texts = lambda: [trouble.text for trouble in watch.look()[0]]  # noqa: E731
    assert ros.spin_until(lambda: any("/other/gesture commands by gestures" in t for t in texts()))
    third = ros.add(GestureNode())
    assert third.autostart()
    assert ros.spin_until(lambda: any("2 nodes are named /gesture" in t for t in texts()))


# ahead is z of the camera, up is -y; it is a meter above the floor
LEVEL = Transform(translation=Vector3(z=1.0), rotation=Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5))


def transform(**changes: Any) -> TransformStamped:
    values: dict[str, Any] = {
        "header": header_to_msg(time.time(), "base_link"),
        "child_frame_id": "camera",
        "transform": Transform(rotation=Quaternion(w=1.0), translation=Vector3()),
    }
    return TransformStamped(**(values | changes))


@pytest.mark.parametrize("topic", ["/tf", "/tf_static"])
def test_invalid_transforms_do_not_stop_the_robot_and_are_named_once(
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
    frames = stage.node.frames
    header = header_to_msg(0.0, "lens")
    header.stamp = good.header.stamp
    assert stage.ros.spin_until(lambda: np.allclose(frames.lookup("base_link", header), np.eye(4)))
    said = capfd.readouterr().err
    assert said.count(f"{topic}: camera in base_link has no place: its quaternion is") == 1
    assert said.count("a name is empty") == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that no picture gives
def test_mutated_messages_end_no_node_and_move_no_robot(ros: Any, true_poses: Any) -> None:
    """2,000 messages of every kind that the node takes, with a real recognizer behind it.

    The person makes the gesture that drives the robot, and no person has engaged.
    """
    draw = random.Random(11)
    settings: dict[str, Any] = {"commands": "t_pose: {do: twist, linear: 0.2}", "engage_time": 0.1}
    settings |= {"hold_time": 0.1, "timeout": TIMEOUT}
    node = ros.add(
        GestureNode(parameter_overrides=[Parameter(k, value=settings[k]) for k in settings])
    )
    speeds: list[Any] = ros.collect(TwistStamped, "cmd_vel", 1000)
    make = ros.node.create_publisher
    poses = make(PoseArray, "pose/poses", 10)
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    mounting = TFMessage(transforms=[transform(transform=LEVEL), transform(child_frame_id="lens")])
    tf = serialize_message(mounting)
    others = [
        (make(TFMessage, "/tf", 10), tf),
        (make(TFMessage, "/tf_static", latched), tf),
        (make(Empty, "gesture/stop", latched), serialize_message(Empty())),
        (make(Bool, "gesture/lock", latched), serialize_message(Bool(data=True))),
    ]
    assert node.autostart()
    for publisher in (poses, *(publisher for publisher, _ in others)):
        assert ros.spin_until(publisher.get_subscription_count)
    actors = {name: open_synthetic(f"synthetic:{name}") for name in ("raise_hand", "t_pose")}
    people = {name: true_poses([actor.truth(0.5)]) for name, actor in actors.items()}

    def image(gesture: str) -> PoseArray:
        header = header_to_msg(time.time(), "camera")
        return poses_to_msg(people[gesture], header, "fake", width=640, height=480)

    def moves() -> bool:
        return any(msg.twist.linear.x or msg.twist.angular.z for msg in speeds)

    def attack(rounds: int, kinds: Sequence[Any]) -> None:
        for i in range(rounds):
            publisher, data = (poses, serialize_message(image("t_pose"))), draw.choice(kinds)
            publisher, data = publisher if i % 2 else data
            publisher.publish(mutated(data, draw))
            if i % 4 == 0:
                ros.spin_for(0.001)

    attack(1500, others[:2])
    assert int(dict(node.report().values)["images"]) > 50, "they do not get through"
    attack(500, others)
    ros.spin_for(0.2)
    assert node.state == "active"
    assert not moves()
    # and it is as ready as before: with messages as they should be, it drives
    others[3][0].publish(Bool(data=False))
    assert ros.spin_until(lambda: not node.locked)
    others[1][0].publish(mounting)  # a rotation that was damaged to another one turned the world
    began = time.monotonic()
    while not moves():
        assert time.monotonic() < began + 60.0, node.report()
        gesture = "raise_hand" if (time.monotonic() - began) % 1.5 < 0.6 else "t_pose"
        poses.publish(image(gesture))
        ros.spin_for(0.03)


def test_zero_when_a_frame_that_a_goal_needs_is_lost(ros: Any, make: Any) -> None:
    """The camera's place on a moving base falls behind the images: nothing is pointed at."""
    stage = make(commands="point: {do: goal}")
    goals = ros.collect(PoseStamped, "goal_pose")
    sender = ros.node.create_publisher(TFMessage, "/tf", 100)
    place = copy.deepcopy(LEVEL)
    stage.up()
    heard(stage, sender)

    def placed(stamp: float) -> TFMessage:
        msg = transform(header=header_to_msg(stamp, "base_link"), transform=place)
        return TFMessage(transforms=[msg])

    stamp = stage.stamp

    def with_frame() -> float:
        now = float(stamp())
        sender.publish(placed(now + 0.2))
        return now

    stage.stamp = with_frame
    stage.engage()
    down = np.array([0.0, 1.0, 1.0]) / np.sqrt(2.0)
    stage.seen.ray = Ray(np.array([0.0, -0.4, 2.0]), down, 0.05, metric=True, origin_sigma=0.05)
    assert stage.until(lambda: goals, "point"), stage.states
    assert stage.until(stage.is_in("commanding"), "point")
    stage.stamp = stamp
    zeros = len(stage.speeds)
    assert stage.until(lambda: len(stage.speeds) > zeros, "point")
    assert stage.linear() == 0.0
    # the state is another topic, and may come after the speed
    words = "the newest place of camera in base_link is"
    assert stage.until(lambda: words in stage.states[-1].value, "point")
    assert stage.is_in("engaged")()
    # a quaternion of norm 0 is not a valid pose: there is no goal
    place.rotation = Quaternion(w=0.0)
    stage.stamp = with_frame
    seen, count = len(stage.seen.stamps), len(goals)
    assert stage.until(lambda: len(stage.seen.stamps) > seen + 5, "point")
    assert len(goals) == count


def test_zero_when_the_camera_freezes_though_its_stamps_rise(ros: Any, fake: Any) -> None:
    """The pose node ignores a repeated picture, and the robot stops within ``timeout``."""
    seen = FakeRecognizer()
    settings = {"commands": COMMANDS, "engage_time": 0.1, "timeout": 1.0}
    gesture = ros.add(
        GestureNode(
            make_recognizer=lambda _p: seen,
            parameter_overrides=[Parameter(k, value=v) for k, v in settings.items()],
        )
    )
    fake.find = lambda _stamp: one_person()
    pose = ros.add(PoseNode(make_estimator=lambda _p: fake))
    camera = ros.node.create_publisher(Image, "image", 10)
    speeds: list[Any] = ros.collect(TwistStamped, "cmd_vel", 1000)
    states: list[Any] = ros.collect(KeyValue, "gesture/state", LATCHED)
    assert pose.autostart()
    assert gesture.autostart()
    assert ros.spin_until(camera.get_subscription_count)
    noise = np.random.default_rng(1)
    pixels = noise.integers(0, 256, (60, 80, 3), np.uint8)
    stamps: list[float] = []

    def show(names: tuple[str, ...], *, frozen: bool = False) -> None:
        seen.names = names
        if not frozen:
            pixels[:] = noise.integers(0, 256, pixels.shape, np.uint8)
        stamps.append(time.time())
        camera.publish(image_to_msg(pixels, "rgb", header_to_msg(stamps[-1], "camera")))
        ros.spin_for(0.04)

    def moves() -> bool:
        return bool(speeds) and speeds[-1].twist.linear.x > 0.1

    def until(condition: Callable[[], Any], *names: str, frozen: bool = False) -> bool:
        def shown() -> Any:
            show(names, frozen=frozen)
            return condition()

        return bool(ros.spin_until(shown))

    assert until(lambda: states and states[-1].key == "engaged", "raise_hand")
    until(lambda: True)
    assert until(moves, "come_here"), states[-1]
    last_new = stamps[-1]
    assert until(lambda: not moves(), "come_here", frozen=True)
    moving = [msg for msg in speeds if msg.twist.linear.x]
    assert stamp_from_msg(moving[-1].header.stamp) <= last_new + 1.0 + 1e-6
    # the state is another topic, and may come after the speed
    assert until(lambda: any("timeout is 1 s" in s.value for s in states), frozen=True)
    # frozen for ever it stays so
    count = len(speeds)
    for _ in range(10):
        show(("come_here",), frozen=True)
    assert not any(msg.twist.linear.x for msg in speeds[count:])


def test_a_state_that_comes_and_goes_is_logged_once(ros: Any, capfd: Any) -> None:
    """As where poses take a hair too long: 47 times in 45 s it would be."""
    states = StateLog(ros.node.get_logger())
    for i in range(47):
        states.log(f"stopped: poses are 0.{310 + i} s old; timeout is 0.3 s")
        states.log("engaged: operator 7")
    said = capfd.readouterr().err
    assert said.count("stopped: poses are") == said.count("engaged: operator") == 1
