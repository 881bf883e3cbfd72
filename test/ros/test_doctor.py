"""``pose-ros doctor`` as a command, with a graph around it."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from pose_ros.cli import doctor
from pose_ros.cli.main import main

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(autouse=True)
def _domain(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rclpy.utilities import get_default_context

    monkeypatch.setenv("ROS_DOMAIN_ID", str(get_default_context().get_domain_id()))


def test_error_in_the_graph_is_printed_in_a_line_and_gives_exit_code_1(
    ros: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ros.node.create_publisher(Image, "image", BEST_EFFORT)
    ros.node.create_subscription(Image, "image", lambda _: None, 5)
    arguments = ["doctor", "--wait", "60", "--seconds", "0.5", "--tf", "base_link", "camera"]
    assert main([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    errors = [(f["subject"], f["cure"]) for f in found if f["severity"] == "error"]
    assert any(subject == "/image" and "best effort" in cure for subject, cure in errors)
    assert "base_link <- camera" in dict(errors)
    assert main(["doctor", "--no-graph"]) == 0


@pytest.mark.parametrize(
    ("option", "value", "range_"),
    [("--seconds", "nan", "[0.5, 600]"), ("--wait", "-1", "[0, 600]")],
)
def test_times_out_of_range_give_a_one_line_error(
    capsys: pytest.CaptureFixture[str], option: str, value: str, range_: str
) -> None:
    assert main(["doctor", f"{option}={value}"]) == 1
    assert f"{option} must be in {range_}, got {value}" in capsys.readouterr().err


def test_graph_that_cannot_be_read_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "words")
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    (finding,) = doctor.check_graph(parser.parse_args([]))
    assert finding.severity == "error"
    assert "cannot be looked at" in finding.message
