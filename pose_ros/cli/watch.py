"""``pose-ros watch``: what the running nodes do, where there is no ``ros2`` command."""

from __future__ import annotations

import argparse

from pose_ros.cli.node_process import add_passed_on, become

add_arguments = add_passed_on


def run(args: argparse.Namespace) -> int:
    """Become that process; it does not return."""
    return become("watch", args.arguments)
