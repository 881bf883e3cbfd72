"""Outputs of the pose node whose messages may not be installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pose_ros.ros.pose_node import PoseNode


@pytest.mark.parametrize(
    ("parameter", "value", "package"),
    [
        ("people_frame", "odom", "people_msgs"),
        ("publish_detections", True, "vision_msgs"),
        ("publish_foxglove", True, "foxglove_msgs"),
    ],
)
def test_output_whose_package_is_missing_is_refused(
    ros: Any, fake: Any, capfd: Any, parameter: str, value: Any, package: str
) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    asked = [Parameter(parameter, value=value)]
    node = ros.add(PoseNode(make_estimator=lambda _parameters: fake, parameter_overrides=asked))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert f"{parameter} needs ROS's package {package}" in capfd.readouterr().err
