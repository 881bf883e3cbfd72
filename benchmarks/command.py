"""A measurement as a program: its arguments, and one line for what a user can mend."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from pose_ros.errors import PoseRosError


def run_command(
    module: str,
    summary: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None = None,
) -> int:
    """Read the arguments and run; returns the exit code, 1 after a line about what is wrong."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    try:
        return run(args)
    except PoseRosError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return 1
