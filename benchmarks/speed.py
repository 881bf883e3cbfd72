"""How fast pose_ros is, in turns with MediaPipe's own Python, in an environment made for it.

    python -m benchmarks.speed clip.mp4

Without MediaPipe, the installed command does the same: ``pose-ros bench clip.mp4``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.command import run_command
from benchmarks.mediapipe_peer import HANDS, MediaPipe, complexity_of
from pose_ros.build import open_card
from pose_ros.cli import bench


def run(args: argparse.Namespace) -> int:
    """Print the time a frame of everything."""
    card = open_card(args.network)
    complexity = complexity_of(card)
    frames = bench.read_frames(args)
    contenders = bench.contenders(args, frames)
    with MediaPipe(frames) as peer:
        if card.name in HANDS:
            peer.open("hands", max_num_hands=args.max_people, model_complexity=complexity)
        else:
            peer.open("pose", smooth_landmarks=args.smoothing, model_complexity=complexity)

        def block(first: int, last: int) -> tuple[float, float]:
            answer = peer.run(first, last)
            return answer["wall"], answer["cpu"]

        return bench.time_in_turns({**contenders, "MediaPipe": block}, len(frames), args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.speed", __doc__, bench.add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
