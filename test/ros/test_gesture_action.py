"""Goals as Nav2's action, where nav2_msgs is installed: sent, called off, reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TransformStamped
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from tf2_msgs.msg import TFMessage

from pose_ros.core.gestures.recognizer import Ray
from tools.gesture_stage import LATCHED, Stage

pytestmark = pytest.mark.safety

nav2 = pytest.importorskip("nav2_msgs.action", reason="nav2_msgs is not installed")


@dataclass
class Navigator:
    """Accepts goals, and drives until it is called off or the test lets it arrive."""

    goals: list[Any] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    there: bool = False

    def drive(self, handle: Any) -> Any:
        self.goals.append(handle.request.pose)
        end = time.monotonic() + 120.0
        while not handle.is_cancel_requested and not self.there and time.monotonic() < end:
            time.sleep(0.01)
        canceled = handle.is_cancel_requested
        (handle.canceled if canceled else handle.succeed)()
        self.ends.append("canceled" if canceled else "reached")
        return nav2.NavigateToPose.Result()


@pytest.fixture
def navigator(ros: Any) -> Iterator[Navigator]:
    made = Navigator()
    node = rclpy.create_node("navigator")
    server = ActionServer(
        node,
        nav2.NavigateToPose,
        "navigate_to_pose",
        made.drive,
        callback_group=ReentrantCallbackGroup(),
        cancel_callback=lambda _goal: CancelResponse.ACCEPT,
    )
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield made
    made.there = True
    executor.shutdown()
    thread.join(60.0)
    server.destroy()
    node.destroy_node()


@pytest.fixture
def stage(ros: Any, navigator: Navigator) -> Stage:
    """A person who points at the floor, 1 m ahead of a camera that looks straight down."""
    made = Stage(ros, commands="point: {do: goal}", goal_action=True)
    made.up()
    mounting = TransformStamped(child_frame_id="camera")
    mounting.header.frame_id = "base_link"
    mounting.transform.translation.z = 3.0
    mounting.transform.rotation.x, mounting.transform.rotation.w = 1.0, 0.0
    frames = ros.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    frames.publish(TFMessage(transforms=[mounting]))
    down = np.array([0.0, 0.0, 1.0])
    made.seen.ray = Ray(np.array([1.0, 0.0, 1.5]), down, 0.05, metric=True, origin_sigma=0.05)
    (action,) = (each for each in made.node.waitables if isinstance(each, ActionClient))
    assert ros.spin_until(action.server_is_ready)
    made.engage()
    return made


def test_goal_is_canceled_when_the_gesture_ends(
    ros: Any, stage: Stage, navigator: Navigator
) -> None:
    topic = ros.collect(PoseStamped, "goal_pose")
    assert stage.until(lambda: navigator.goals, "point"), stage.states
    place = navigator.goals[0].pose.position
    assert (place.x, place.y, place.z) == pytest.approx((1.0, 0.0, 0.0), abs=1e-6)
    assert stage.until(lambda: navigator.ends)
    assert navigator.ends == ["canceled"]
    assert stage.until(stage.is_in("engaged"))
    assert topic == []


def test_goal_is_canceled_on_deactivation(stage: Stage, navigator: Navigator) -> None:
    assert stage.until(lambda: navigator.goals, "point")
    stage.node.trigger_deactivate()
    assert stage.ros.spin_until(lambda: navigator.ends)
    assert navigator.ends == ["canceled"]


def test_reached_goal_ends_the_command(stage: Stage, navigator: Navigator) -> None:
    assert stage.until(lambda: navigator.goals, "point")
    navigator.there = True
    over = lambda: "make it again" in stage.states[-1].value  # noqa: E731
    assert stage.until(over, "point"), stage.states
    assert navigator.ends == ["reached"]
    count = len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > count + 10, "point")
    assert len(navigator.goals) == 1
