"""Starts what needs ROS in a process of its own, so that the command line never imports it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

from pose_ros.errors import RuntimeUnavailableError
from pose_ros.files import node_executable


def add_passed_on(parser: argparse.ArgumentParser) -> None:
    """Take every argument as it is, ``--help`` too: the node's process has the parser."""
    parser.prefix_chars = "\0"  # so that no argument looks like an option
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def become(node: str, arguments: Sequence[str]) -> int:
    """Replace this process by a node's program; it takes the signals directly.

    Raises:
        RuntimeUnavailableError: There is no ROS 2, or pose_ros was built without it.
    """
    require_ros()
    program = str(node_executable(node))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell is what we want


def require_ros() -> None:
    """Check that rclpy and our messages can be imported, without importing them.

    Raises:
        RuntimeUnavailableError: They cannot; says what to do.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise RuntimeUnavailableError(
            "no ROS 2 here: source /opt/ros/DISTRO/setup.bash, or run `make setup` in a checkout"
        )
    if importlib.util.find_spec("pose_ros.msg") is None:
        raise RuntimeUnavailableError(
            "this pose_ros was installed without its nodes, as `pip install .` does: run "
            "`make setup` in a checkout, or build it with colcon for an apt ROS"
        )
