"""Goals of the gesture node: where a person points, in the frame of the robot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from action_msgs.srv import CancelGoal
from geometry_msgs.msg import PointStamped, PoseStamped, TransformStamped
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from pose_ros.core.gestures.recognizer import Ray
from pose_ros.messages.headers import stamp_from_msg
from tools.gesture_stage import LATCHED, Stage, client_of

pytestmark = pytest.mark.safety


@pytest.fixture
def make(ros: Any) -> Callable[..., Stage]:
    return lambda **parameters: Stage(ros, **parameters)


@pytest.fixture
def mounting() -> TransformStamped:
    """A camera 1 m above the base, that looks ahead and 30 degrees down."""
    made = TransformStamped(child_frame_id="camera")
    made.header.frame_id = "base_link"
    made.transform.translation.z = 1.0
    # z ahead, x to the right, then turned down about its own x
    level = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    turn = level * Rotation.from_euler("x", -30, degrees=True)
    q = made.transform.rotation
    q.x, q.y, q.z, q.w = turn.as_quat().tolist()
    return made


def ray_to(x: float, y: float) -> Ray:
    """Return the ray from 3 m ahead and 1.4 m up to a spot on the floor, for that camera."""
    level = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    to_camera = (level * Rotation.from_euler("x", -30, degrees=True)).inv()
    line = np.array([x, y, 0.0]) - [3.0, 0.0, 1.4]
    origin = to_camera.apply([3.0, 0.0, 0.4])
    direction = to_camera.apply(line / np.linalg.norm(line))
    return Ray(origin, direction, 0.05, metric=True, origin_sigma=0.05)


def test_goal_is_where_the_operator_points(ros: Any, make: Any, mounting: Any) -> None:
    stage = make(commands="point: {do: goal}")
    calls: list[Any] = []

    def answer(request: Any, response: Any) -> Any:
        calls.append(request.goal_info)
        return response

    ros.node.create_service(CancelGoal, "navigate_to_pose/_action/cancel_goal", answer)
    goals = ros.collect(PoseStamped, "goal_pose")
    targets = ros.collect(PointStamped, "gesture/target")
    stage.up()
    assert ros.spin_until(client_of(stage.node, "cancel_goal").service_is_ready)
    stage.engage()
    stage.seen.ray = ray_to(2.0, 1.0)
    # without a frame there is no goal, and the state has the reason
    why = lambda: "nothing on /tf says where camera is" in stage.states[-1].value  # noqa: E731
    assert stage.until(why, "point")
    assert goals == []
    assert stage.seen.ups[-1] is None
    stage.until(lambda: True)
    frames = ros.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    frames.publish(TFMessage(transforms=[mounting]))
    assert stage.until(lambda: goals, "point"), stage.states
    (goal,) = goals
    assert goal.header.frame_id == "base_link"
    assert min(abs(stamp_from_msg(goal.header.stamp) - s) for s in stage.seen.stamps) < 1e-6
    place = goal.pose.position
    assert (place.x, place.y, place.z) == pytest.approx((2.0, 1.0, 0.0), abs=1e-6)
    turned = 2.0 * np.arctan2(goal.pose.orientation.z, goal.pose.orientation.w)
    assert turned == pytest.approx(np.arctan2(1.0, 2.0))
    assert targets[-1].point == place
    # gravity, for the recognizer
    assert stage.seen.ups[-1] == pytest.approx([0.0, -np.cos(np.pi / 6), -np.sin(np.pi / 6)])
    # the robot navigates to its goal: no speeds, until the arm goes down
    speeds = len(stage.speeds)
    seen = len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > seen + 10, "point")
    assert (len(goals), len(stage.speeds), calls) == (1, speeds, [])
    assert stage.until(lambda: calls)
    # of no id and no stamp: all goals, also that which Nav2 makes of goal_pose
    assert not any(calls[0].goal_id.uuid)
    assert calls[0].stamp.sec == 0
    assert stage.linear() == 0.0


def test_pointing_at_the_horizon_gives_no_goal(ros: Any, make: Any, mounting: Any) -> None:
    stage = make(commands="point: {do: goal}")
    goals = ros.collect(PoseStamped, "goal_pose")
    stage.up()
    frames = ros.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    frames.publish(TFMessage(transforms=[mounting]))
    stage.engage()
    stage.seen.ray = ray_to(100.0, 0.0)
    assert stage.until(lambda: "horizon" in stage.states[-1].value, "point")
    assert goals == []
