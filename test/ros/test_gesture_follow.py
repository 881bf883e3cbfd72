"""A gesture node that follows the operator, over ROS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, TransformStamped
from tf2_msgs.msg import TFMessage

from pose_ros.core.types import Poses
from tools.gesture_stage import LATCHED, Stage, one_person

pytestmark = pytest.mark.safety

CLOTHES = np.array([[0.1, 0.2, 0.6, 0.3, 0.3, 0.3]])


@pytest.fixture
def make(ros: Any) -> Callable[..., Stage]:
    return lambda **parameters: Stage(ros, **parameters)


def standing(ahead: float, left: float = 0.0) -> Poses:
    """Return a person at a place, seen by a camera in the robot's base that looks ahead."""
    person = one_person()
    camera = np.full((*person.keypoint_scores.shape, 3), np.nan)
    rows = [
        person.skeleton.index(f"{s}_{j}") for s in ("left", "right") for j in ("hip", "shoulder")
    ]
    camera[0, rows] = (-left, 0.0, ahead)
    return person.replace(camera=camera, clothes=CLOTHES)


def mount(ros: Any) -> None:
    """Send where the camera is: at the robot's base, looking ahead."""
    made = TransformStamped(child_frame_id="camera")
    made.header.frame_id = "base_link"
    q = made.transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    ros.node.create_publisher(TFMessage, "/tf_static", LATCHED).publish(
        TFMessage(transforms=[made])
    )


def test_robot_follows_at_a_distance_and_stops_when_the_person_is_lost(ros: Any, make: Any) -> None:
    stage = make(commands="thumb_up: {do: follow, distance: 1.0}", lost_time=1.0)
    stage.people = lambda: standing(3.0, 1.0)
    stage.up()
    stage.engage()
    # without frames the robot stops, and the state has the reason
    why = lambda: "nothing on /tf says where camera is" in stage.states[-1].value  # noqa: E731
    assert stage.until(why, "thumb_up")
    stage.until(lambda: True)
    mount(ros)

    def follows() -> bool:
        last = stage.states[-1].key
        stage.seen.names = ("thumb_up",) if last == "engaged" else ()
        if last in ("disengaged", "stopped"):
            stage.seen.names = ("raise_hand",)
        return bool(stage.speeds) and stage.linear() > 0.1

    assert stage.until(follows), stage.states
    assert stage.speeds[-1].twist.angular.z > 0.0
    # the gesture ends and the robot drives on; then the person is nearer than the distance
    stage.people = lambda: standing(0.7)
    assert stage.until(lambda: stage.linear() < 0.0), stage.states
    stage.people = lambda: Poses.empty(one_person().skeleton)
    assert stage.until(lambda: stage.linear() == 0.0)
    assert stage.until(lambda: stage.states[-1].key in ("stopped", "disengaged"))


def test_goals_are_in_the_target_frame(ros: Any, make: Any) -> None:
    stage = make(commands="thumb_up: {do: follow, mode: goal}")
    goals = ros.collect(PoseStamped, "goal_pose")
    stage.people = lambda: standing(4.0)
    stage.up()
    mount(ros)
    stage.engage()

    def sent() -> bool:
        stage.seen.names = ("thumb_up",) if len(stage.seen.stamps) % 20 > 5 else ()
        return bool(goals)

    assert stage.until(sent), stage.states
    assert goals[0].header.frame_id == "base_link"
    assert goals[0].pose.position.x == pytest.approx(2.5, abs=1e-5)


def test_state_names_the_reason_when_meters_are_missing(ros: Any, make: Any) -> None:
    stage = make(commands="thumb_up: {do: follow}")
    stage.people = lambda: one_person().replace(clothes=CLOTHES)
    stage.up()
    mount(ros)
    stage.engage()
    why = lambda: "not known in meters where the person is" in stage.states[-1].value  # noqa: E731

    def said() -> bool:
        stage.seen.names = ("thumb_up",) if len(stage.seen.stamps) % 20 > 5 else ()
        return why()

    assert stage.until(said), stage.states
    assert all(speed.twist.linear.x == 0.0 for speed in stage.speeds)
