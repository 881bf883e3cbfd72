"""``pose-ros bag``: what a recording holds, who is in it, and a page about that."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from types import ModuleType

COMMANDS = {
    "info": "what a recording holds: topics, images, gaps, cameras, and what is lost of it",
    "run": "find the people in every image of a recording, and write them as a bag",
    "report": "write a page about results in a bag, or compare two of them",
}
"""Each is a module ``bag_NAME`` of this package, as those of ``pose_ros.cli.main.COMMANDS``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's commands, each with its arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in COMMANDS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        _module(name).add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Run the command's command that was asked for; returns the exit code."""
    run_action: Callable[[argparse.Namespace], int] = _module(args.action).run
    return run_action(args)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"pose_ros.cli.bag_{name}")
