"""A robot that is commanded through real processes, one of which dies or hangs."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.parameter import Parameter

from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import PoseArray
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.share import node_executable

START_SECONDS = 90.0
# a machine that tests runs late: its images shall be in time all the same
TIMEOUT, RATE = 1.0, 20.0
# what the actor's script begins with
PARAMETERS = {
    "engage": "point",
    "engage_time": 0.0,
    "hold_time": 0.2,
    "commands": "raise_hand: {do: twist, linear: 0.2}",
    "timeout": TIMEOUT,
    "rate": RATE,
}
SOURCE = "synthetic?fps=10"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[subprocess.Popen[bytes]] = []

    def started(name: str, **parameters: Any) -> subprocess.Popen[bytes]:
        command = [str(node_executable(name)), "--ros-args", "-p", "autostart:=true"]
        command += [text for k, v in parameters.items() for text in ("-p", f"{k}:={v}")]
        with (tmp_path / f"{name}.log").open("wb") as log:
            program = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        programs.append(program)
        return program

    yield started
    for program in programs:
        program.kill()
        program.wait()


@pytest.mark.parametrize("what", ["the pose node dies", "the camera hangs"])
def test_the_robot_stands_still_when(ros: Any, start: Start, what: str) -> None:
    """Zero within the timeout and one period, by the node's clock, of the last image."""
    speeds: list[TwistStamped] = ros.collect(TwistStamped, "cmd_vel", 1000)
    poses: list[PoseArray] = ros.collect(PoseArray, "pose/poses")
    node = ros.add(
        GestureNode(parameter_overrides=[Parameter(k, value=v) for k, v in PARAMETERS.items()])
    )
    assert node.autostart()
    if what == "the pose node dies":
        pose = start("pose_node", source=SOURCE)
        end = lambda: pose.send_signal(signal.SIGKILL)  # noqa: E731
    else:
        start("pose_node")
        camera = start("camera_node", source=SOURCE)
        end = lambda: camera.send_signal(signal.SIGSTOP)  # noqa: E731
    moving = lambda: speeds and speeds[-1].twist.linear.x > 0.1  # noqa: E731
    assert ros.spin_until(moving, START_SECONDS), f"{len(poses)} images with poses"
    end()
    ended = time.time()
    assert ros.spin_until(lambda: speeds[-1].twist.linear.x == 0.0)
    ros.spin_for(0.5)
    last_image = stamp_from_msg(poses[-1].header.stamp)
    assert last_image < ended + TIMEOUT
    stamps = [(stamp_from_msg(msg.header.stamp), msg.twist.linear.x) for msg in speeds]
    last_move = max(stamp for stamp, speed in stamps if speed)
    first_zero = min(stamp for stamp, speed in stamps if stamp > last_move)
    print(
        f"last movement {last_move - last_image:.3f} s, zero {first_zero - last_image:.3f} s after"
    )
    assert last_move <= last_image + TIMEOUT
    # a period later by the timer; that it gets its turn is up to the machine
    assert first_zero <= last_image + TIMEOUT + 1.0 / RATE + 1.0
