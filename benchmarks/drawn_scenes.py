"""How many images of drawn scenes one core makes in a second of CPU time.

    python -m benchmarks.drawn_scenes

Draws with one thread; the clock of a shared machine is no judge.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import cv2

from benchmarks.command import run_command
from pose_ros.synthetic.source import SyntheticSource, open_synthetic

Drawing = Callable[[SyntheticSource], object]


def with_depth(source: SyntheticSource) -> object:
    """Draw the next image, and the depth image that a camera would measure with it."""
    frame = source.read()
    return None if frame is None else source.measured_depth(frame.stamp)


DRAWN: dict[str, tuple[str, Drawing]] = {
    "new images at 640x480": ("synthetic", SyntheticSource.read),
    "with a measured depth image": ("synthetic", with_depth),
    "three people, with depth": ("synthetic:crossing_three", with_depth),
    "replayed at 1280x720": ("synthetic:stand?width=1280&height=720", SyntheticSource.read),
}
"""What is measured: the scene, and what is done for each image."""


def rate(scene: str, draw: Drawing, images: int) -> float:
    """Return images in a second of CPU time, after one that is not counted."""
    source = open_synthetic(scene, live=False)
    draw(source)  # the room, once
    begin = time.process_time()
    for _ in range(images):
        draw(source)
    return images / (time.process_time() - begin)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the program's arguments."""
    parser.add_argument("--images", type=int, default=12, help="of each scene (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the rate of each."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for what, (scene, draw) in DRAWN.items():
            print(f"{what:<28} {rate(scene, draw, args.images):6.1f} a second")
    finally:
        cv2.setNumThreads(threads)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.drawn_scenes", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
