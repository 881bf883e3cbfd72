"""``pose-ros view``: what ``pose-ros estimate`` finds, live in the viewer of Rerun."""

from __future__ import annotations

import argparse

from pose_ros.cli import estimate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments: those of ``pose-ros estimate``, and where the viewer is."""
    estimate.add_arguments(parser)
    parser.add_argument(
        "--connect", dest="viewer", default="", metavar="URL",
        help="a viewer that runs, as rerun+http://HOST:9876/proxy (default: one is started here)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the command; it ends as ``pose-ros estimate`` does."""
    return estimate.run(args)
