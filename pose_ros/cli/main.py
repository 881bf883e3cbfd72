"""The ``pose-ros`` command."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from pose_ros import __version__
from pose_ros.errors import PoseRosError

COMMANDS = {
    "estimate": "find people in pictures, videos, a camera or the synthetic actor",
    "bag": "recordings: what they hold, who is in them, and a page about that",
    "models": "list, fetch and check the networks' files",
    "demo": "camera node -> pose node on real ROS 2, with an overlay video",
    "up": "run the camera and pose nodes in one process, without ros2 launch",
    "bench": "measure this machine, against MediaPipe if asked",
    "doctor": "say what this machine has: engine, providers, models, ROS",
}
"""Each is a module of this package with ``add_arguments(parser)`` and ``run(args) -> int``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    args = _parse(arguments)
    run: Callable[[argparse.Namespace], int]
    run = importlib.import_module(f"pose_ros.cli.{args.command}").run
    try:
        return run(args)
    except PoseRosError as error:
        print(f"pose-ros {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader (head, less) went away: no more output, no traceback at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pose-ros", description="Human pose estimation, on ROS 2")
    parser.add_argument("--version", action="version", version=f"pose_ros {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            # only the command that runs is imported: `pose-ros --help` stays instant
            importlib.import_module(f"pose_ros.cli.{name}").add_arguments(command)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
