"""A gesture node on a stage: a person before a camera, and a robot that listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile

from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.types import Poses
from pose_ros.msg import PoseArray
from pose_ros.ros.gesture_node import GestureNode, MakeRecognizer
from pose_ros.ros.messages import header_to_msg, poses_to_msg

SUCCESS = TransitionCallbackReturn.SUCCESS
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# a machine that tests may stop for a moment: that alone shall end no command
TIMEOUT, LOST_TIME = 1.0, 3.0
COMMANDS = """\
come_here: {do: twist, linear: 0.2}
stop: stop
wave: {do: event, name: hello, service: greet}
"""


@dataclass
class FakeRecognizer:
    """Sees person 7 make the gestures that a test sets."""

    names: Sequence[str] = ()
    ray: Ray | None = None
    ups: list[Any] = field(default_factory=list)
    act: Callable[[], None] = lambda: None
    stamps: list[float] = field(default_factory=list)
    hands: list[Poses | None] = field(default_factory=list)

    def update(self, _poses: Poses, stamp: float, *, hands: Any = None, up: Any = None) -> Any:
        """Note what is given; return what is to be seen."""
        self.stamps.append(stamp)
        self.hands.append(hands)
        self.ups.append(up)
        self.act()
        return [Gesture(name, "left", 7, "held", 0.9, 0.0, self.ray) for name in self.names]


def one_person(person: int = 7) -> Poses:
    """Return one person with a known box."""
    skeleton = skeletons.get("coco17")
    points = len(skeleton)
    return Poses(
        skeleton=skeleton,
        ids=np.array([person]),
        scores=np.array([0.9]),
        boxes=np.array([[100, 50, 200, 390]]),
        keypoints=np.full((1, points, 2), np.nan),
        keypoint_scores=np.zeros((1, points), np.float32),
    )


def client_of(node: GestureNode, service: str) -> Any:
    """Return the node's client of a service, by the end of its name."""
    (found,) = (client for client in node.clients if client.srv_name.endswith(service))
    return found


class Stage:
    """A gesture node, a person before a camera, and a robot that listens."""

    def __init__(
        self, ros: Any, *, make_recognizer: MakeRecognizer | None = None, **parameters: Any
    ) -> None:
        self.ros = ros
        self.seen = FakeRecognizer()
        given = {
            "commands": COMMANDS,
            "engage_time": 0.1,
            "timeout": TIMEOUT,
            "lost_time": LOST_TIME,
            **parameters,
        }
        simulated = given.pop("use_sim_time", False)
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        overrides.append(Parameter("use_sim_time", value=simulated))
        self.node: GestureNode = ros.add(
            GestureNode(
                make_recognizer=make_recognizer or (lambda _p: self.seen),
                parameter_overrides=overrides,
            )
        )
        kind = TwistStamped if parameters.get("stamped", True) else Twist
        self.speeds = ros.collect(kind, "cmd_vel", 1000)
        self.states = ros.collect(KeyValue, "gesture/state", LATCHED)
        self.poses = ros.node.create_publisher(PoseArray, "pose/poses", 10)
        self.stamp: Callable[[], float] = time.time
        self.people: Callable[[], Poses] = one_person

    def up(self) -> None:
        """Activate the node and wait until all have found each other."""
        _expect(self.node.autostart(), "the node does not start")
        ready = lambda: (  # noqa: E731
            self.poses.get_subscription_count() and self.node.count_subscribers("cmd_vel")
        )
        _expect(self.ros.spin_until(ready), "they do not find each other")

    def show(self) -> None:
        """Show one image, and spin until the next."""
        header = header_to_msg(self.stamp(), "camera")
        self.poses.publish(poses_to_msg(self.people(), header, "fake", width=640, height=480))
        end = time.monotonic() + 0.03
        while time.monotonic() < end:
            self.ros.executor.spin_once(timeout_sec=0.01)

    def until(self, condition: Callable[[], Any], *names: str) -> bool:
        """Show images with these gestures until the condition holds."""
        self.seen.names = names

        def shown() -> Any:
            self.show()
            return condition()

        return bool(self.ros.spin_until(shown))

    def is_in(self, state: str) -> Callable[[], bool]:
        """Return a test for whether this state came last."""
        return lambda: bool(self.states) and self.states[-1].key == state

    def engage(self) -> None:
        """Become the operator, and let the hand go."""
        _expect(self.until(self.is_in("engaged"), "raise_hand"), self.states)
        self.until(lambda: True)

    def drive(self) -> None:
        """Engage, and command until the robot moves at full speed."""
        self.engage()

        def full() -> bool:
            # where this machine has stopped for longer than the timeout, the command is made again
            last = self.states[-1]
            again = "make it again" in last.value
            lost = last.key not in ("engaged", "commanding")
            self.seen.names = () if again else ("raise_hand",) if lost else ("come_here",)
            return bool(self.speeds) and self.linear() > 0.1999

        _expect(self.until(full, "come_here"), self.states)

    def linear(self) -> float:
        """Return the last m/s."""
        last = self.speeds[-1]
        return float((last.twist if isinstance(last, TwistStamped) else last).linear.x)

    def stands(self) -> bool:
        """Wait, without an image, until zero is the last thing that was said."""
        return bool(self.ros.spin_until(lambda: self.linear() == 0.0))


def _expect(condition: bool, reported: object) -> None:
    if not condition:
        raise AssertionError(reported)
