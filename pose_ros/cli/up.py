"""``pose-ros up``: the nodes in one process, where ``ros2 launch`` is not there."""

from __future__ import annotations

import argparse

from pose_ros.cli.node_process import add_passed_on, become

add_arguments = add_passed_on


def run(args: argparse.Namespace) -> int:
    """Become that process; it does not return."""
    return become("up", args.arguments)
