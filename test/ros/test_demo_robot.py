"""The demo's robot over real ROS: goals, speeds that win over them, and the end of both."""

from __future__ import annotations

import math
from typing import Any

import pytest
from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import PoseStamped, TwistStamped

from pose_ros.core.commands.commander import RELEASED
from pose_ros.ros.demo import DemoRobot
from pose_ros.ros.messages import header_to_msg
from pose_ros.ros.qos import LATCHED_QOS
from pose_ros.ros.source_parameters import scene_meters
from pose_ros.synthetic.source import open_synthetic

pytestmark = pytest.mark.safety

SCENE = "synthetic:directing?camera_height=1.1&pitch=7"


def test_demo_robot_follows_goals_and_speeds_and_stops_at_their_end(ros: Any) -> None:
    robot = DemoRobot(ros.node, open_synthetic(SCENE, live=False))
    goals = ros.node.create_publisher(PoseStamped, "goal_pose", 10)
    speeds = ros.node.create_publisher(TwistStamped, "cmd_vel", 10)
    cancel = ros.node.create_client(CancelGoal, "navigate_to_pose/_action/cancel_goal")
    assert ros.spin_until(goals.get_subscription_count)
    assert ros.spin_until(speeds.get_subscription_count)
    assert ros.spin_until(cancel.service_is_ready)
    goal = PoseStamped(header=header_to_msg(8.0, "base_link"))  # the actor points at the first spot
    goal.pose.position.x, goal.pose.position.y = 1.4, 0.3
    goals.publish(goal)
    assert ros.spin_until(lambda: robot.state.x > 0.6)
    assert [errand.spot for errand in robot.errands] == [pytest.approx((1.8, 1.2))]
    # backwards: fresh speeds win
    back = TwistStamped()
    back.twist.linear.x = -0.3

    def reverses() -> bool:
        speeds.publish(back)
        return robot.state.linear < -0.2

    assert ros.spin_until(reverses)
    # and go stale
    assert ros.spin_until(lambda: robot.state.linear > 0.1)
    done = cancel.call_async(CancelGoal.Request())
    assert ros.spin_until(done.done)
    assert ros.spin_until(lambda: robot.state.linear == 0.0)
    place = (robot.state.x, robot.state.y)
    assert math.dist(place, (1.4, 0.3)) > 0.1
    assert robot.errands[-1].distance == pytest.approx(math.dist(place, (1.8, 1.2)), abs=0.02)
    goals.publish(goal)
    near = lambda: math.dist((robot.state.x, robot.state.y), (1.4, 0.3)) < 0.04  # noqa: E731
    assert ros.spin_until(near)
    assert len(robot.errands) == 1


def test_demo_ends_when_operator_releases_and_not_when_images_are_late(ros: Any) -> None:
    robot = DemoRobot(ros.node, open_synthetic(SCENE, live=False))
    goals = ros.node.create_publisher(PoseStamped, "goal_pose", 10)
    states = ros.node.create_publisher(KeyValue, "gesture/state", LATCHED_QOS)
    assert ros.spin_until(goals.get_subscription_count)
    assert ros.spin_until(states.get_subscription_count)
    goals.publish(PoseStamped(header=header_to_msg(8.0, "base_link")))
    assert ros.spin_until(lambda: robot.errands)
    late = KeyValue(key="disengaged", value="no image for 1.2 s; timeout is 1 s")
    released = KeyValue(key="disengaged", value=f"operator 0 {RELEASED}")
    for state, ends in ((late, False), (released, True), (late, False)):
        states.publish(state)
        assert ros.spin_until(lambda ends=ends: robot.let_go == ends)
        ros.spin_for(0.1)
        assert robot.let_go == ends


def test_parameters_for_meters_come_from_the_actor_and_camera_of_a_scene() -> None:
    meters = scene_meters(open_synthetic(SCENE))
    assert meters["camera_height"] == pytest.approx(1.1)
    assert meters["camera_pitch"] == pytest.approx(7.0)
    assert 1.6 < meters["person_height"] < 1.9


def test_person_height_is_not_set_for_a_scene_with_several_heights() -> None:
    assert "person_height" not in scene_meters(open_synthetic("synthetic:people"))
