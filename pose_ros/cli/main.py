"""The ``pose-ros`` command."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from pose_ros import __version__
from pose_ros.cli.terminal import (
    NotTwice,
    OneLine,
    Parser,
    end_standard_output,
    open_standard_streams,
    say,
    signals_end_cleanly,
)
from pose_ros.errors import PoseRosError

COMMANDS = {
    "estimate": "find people in pictures, videos, a camera or the synthetic actor",
    "view": "the same, live in the viewer of Rerun",
    "bag": "recordings: what they hold, who is in them, and a page about that",
    "calibrate": "find where several cameras stand, from a person or a board that they see",
    "gesture": "teach gestures by examples, and see what is taught",
    "models": "list, fetch and check the networks' files",
    "demo": "camera node -> pose node on real ROS 2, with an overlay video",
    "up": "run the camera and pose nodes in one process, without ros2 launch",
    "watch": "show what running nodes do: rates, people, gestures, the robot's speed, the overlay",
    "bench": "measure how fast a network is on this machine",
    "doctor": "say what this machine has, and what is wrong with the nodes that run",
}
"""Each is a module of this package with ``add_arguments(parser)`` and ``run(args) -> int``."""

BAG_COMMANDS = {
    "info": "what a recording holds: topics, images, gaps, cameras, and what is lost of it",
    "run": "find the people in every image of a recording, and write them as a bag",
    "anonymize": "copy a recording, with the faces or people in its images covered",
    "report": "write a page about results in a bag, or compare two of them",
}
"""Those of ``pose-ros bag``; each is such a module too, ``bag_NAME``."""

_MODULES = dict.fromkeys(("demo", "up", "watch"), "nodes")
"""Commands that share a module under another name."""


_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Of a write to an open file, which names none: a disk or a stream is at fault, not pose_ros."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    open_standard_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(message)s"))
    handler.addFilter(NotTwice())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.raiseExceptions = False  # a standard error that is gone or full is no defect of ours
    try:
        with signals_end_cleanly():
            code = _run(arguments)
        if code:
            end_standard_output()  # what went wrong is said already
        return code or _end()
    except SystemExit as error:  # --help, a usage error, or a signal
        raise SystemExit(error.code or _end()) from None


def _end() -> int:
    """Write out what the standard output still holds; 1 and a line where that is not possible."""
    lost = end_standard_output()
    if lost:
        say(f"pose-ros: {lost}")
    return 1 if lost else 0


def _run(arguments: list[str]) -> int:
    try:
        return _run_command(arguments)
    except ImportError as error:
        from pose_ros.bags.finding import reader_is_missing

        command = " ".join(["pose-ros", *arguments[:1]])
        say(f"pose-ros: {reader_is_missing(command, error)}")
        return 1


def _run_command(arguments: list[str]) -> int:
    args = _parse(arguments)
    run: Callable[[argparse.Namespace], int]
    action = getattr(args, "bag_command", "")
    run = _module(f"bag_{action}" if action else args.command).run
    try:
        return run(args)
    except PoseRosError as error:
        say(f"pose-ros {args.command}: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0  # the reader (head, less) went away
    except OSError as error:
        if error.filename is not None or error.errno not in _WRITE_ERRORS:
            raise
        say(f"pose-ros {args.command}: cannot write the output: {error.strerror}")
        return 1


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"pose_ros.cli.{_MODULES.get(command, command)}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pose-ros", description="Human pose estimation, on ROS 2")
    parser.add_argument("--version", action="version", version=f"pose_ros {__version__}")
    command = _add_commands(parser, COMMANDS, "COMMAND", "command", arguments[:1])
    if command is not None and arguments[0] == "bag":
        action = _add_commands(command, BAG_COMMANDS, "ACTION", "bag_command", arguments[1:2])
        if action is not None:
            _module(f"bag_{arguments[1]}").add_arguments(action)
    elif command is not None:
        # only the command that runs is imported: `pose-ros --help` stays instant
        _module(arguments[0]).add_arguments(command)
    return parser.parse_args(arguments)


def _add_commands(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, str],
    metavar: str,
    destination: str,
    asked: Sequence[str],
) -> argparse.ArgumentParser | None:
    """Add commands with their summaries; return the parser of the one that is asked for."""
    added = parser.add_subparsers(dest=destination, required=True, metavar=metavar)
    made = {
        name: added.add_parser(name, help=summary, description=summary)
        for name, summary in commands.items()
    }
    return made.get(asked[0]) if asked else None


if __name__ == "__main__":
    sys.exit(main())
