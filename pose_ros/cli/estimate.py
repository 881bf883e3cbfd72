"""``pose-ros estimate``: people in pictures, videos, cameras or the synthetic actor."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from pose_ros.cli.network_options import (
    add_hand_arguments,
    add_network_arguments,
    build_estimator,
    build_hands,
)
from pose_ros.core.protocols import Estimator, HandEstimator, Source
from pose_ros.core.records import to_record
from pose_ros.core.types import Frame, Poses
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.sources import expand_inputs
from pose_ros.viz import overlay
from pose_ros.viz.image_writers import ImageWriter, open_writer, write_overlay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="pictures, globs, folders, videos, devices (/dev/video0), streams, or synthetic",
    )  # fmt: skip
    parser.add_argument(
        "--fps", type=float, metavar="F",
        help="the pictures of a folder or glob are one sequence, at this rate",
    )  # fmt: skip
    add_network_arguments(parser)
    add_hand_arguments(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--overlay", default=",".join(overlay.PARTS), metavar="PARTS", help="%(default)s, or none"
    )
    for name in ("keypoint", "link"):
        group.add_argument(
            f"--{name}-scale", type=float, metavar="F",
            help=f"size of a {name} as a fraction of the image's longer side; "
            "fits the person unless given",
        )  # fmt: skip
    group.add_argument(
        "--out", metavar="PATTERN_OR_VIDEO",
        help="out/%%s.jpg (name of the input), out/%%04i.png (number), a folder, or out.mp4",
    )  # fmt: skip
    group.add_argument("--json", metavar="FILE", help="one line of JSON a frame; - for stdout")
    group.add_argument("--frames", type=int, metavar="N", help="stop after N frames an input")
    group.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when an input could not be read, 0 otherwise."""
    if args.frames is not None and args.frames < 1:
        raise OptionError(f"--frames must be at least 1, got {args.frames}")
    drawing = _drawing(args)
    estimator = build_estimator(args)
    hand_estimator = build_hands(args, estimator)
    summary = Summary()
    with contextlib.ExitStack() as stack:
        lines = _open_lines(args.json, stack) if args.json else None
        writer: ImageWriter | None = None
        for source in _open(expand_inputs(args.inputs, fps=args.fps), summary):
            stack.callback(source.close)
            if args.out and writer is None:
                writer = open_writer(args.out, source.fps)
                stack.callback(writer.close)
            frames = _progress(_read(source, summary), source, args.frames, args.quiet)
            for frame, poses, hands in estimate_frames(estimator, hand_estimator, frames, summary):
                if lines:
                    record = to_record(frame, poses, estimator.network, hands)
                    lines.write(json.dumps(record, allow_nan=False) + "\n")
                if writer:
                    write_overlay(writer, frame, poses, hands, **drawing)
            source.close()
    if not args.quiet:
        print(summary.text(estimator, hand_estimator), file=sys.stderr)
    return 1 if summary.failures else 0


@dataclass
class Summary:
    """What a run did, counted as it goes."""

    frames: int = 0
    frames_with_people: int = 0
    people: int = 0
    hands: int = 0
    seconds: float = 0.0
    failures: int = 0

    def fail(self, error: SourceError) -> None:
        """Say that an input could not be read, and count it."""
        self.failures += 1
        tqdm.write(f"pose-ros estimate: {error}", file=sys.stderr)

    def text(self, estimator: Estimator, hand_estimator: HandEstimator | None = None) -> str:
        """Return one line for a person."""
        if not self.frames:
            return "no frame was read"
        count, networks = f"{self.people} in all", estimator.network
        if hand_estimator:
            count += f", {self.hands} hands"
            networks += f" and {hand_estimator.network}"
        return (
            f"{self.frames} frames, {self.frames_with_people} with people ({count}), "
            f"{1e3 * self.seconds / self.frames:.1f} ms a frame "
            f"({networks} on {estimator.provider})"
        )


def estimate_frames(
    estimator: Estimator,
    hand_estimator: HandEstimator | None,
    frames: Iterable[Frame],
    summary: Summary,
) -> Iterator[tuple[Frame, Poses, Poses | None]]:
    """Find people, and their hands, in the frames of one source, counting and timing."""
    estimator.reset()
    if hand_estimator:
        hand_estimator.reset()
    for frame in frames:
        image, stamp, channels = frame.image, frame.stamp, frame.channels
        start = time.perf_counter()
        poses = estimator.estimate(image, stamp, channels=channels)
        hands = None
        if hand_estimator:
            hands = hand_estimator.estimate(image, poses, stamp, channels=channels)
        summary.seconds += time.perf_counter() - start
        summary.frames += 1
        summary.frames_with_people += len(poses) > 0
        summary.people += len(poses)
        summary.hands += len(hands or ())
        yield frame, poses, hands


def _open(sources: Iterator[Source], summary: Summary) -> Iterator[Source]:
    """Yield the sources; one that does not open is reported and the run goes on."""
    while True:
        try:
            source = next(sources, None)
        except SourceError as error:
            summary.fail(error)
            continue
        if source is None:
            return
        yield source


def _read(source: Source, summary: Summary) -> Iterator[Frame]:
    """Yield a source's frames; one that breaks is reported and the run goes on with the next."""
    try:
        while (frame := source.read()) is not None:
            yield frame
    except SourceError as error:
        summary.fail(error)


def _progress(
    frames: Iterator[Frame], source: Source, limit: int | None, quiet: bool
) -> Iterator[Frame]:
    total = source.length if limit is None else limit
    bar = tqdm(
        total=total,
        desc=Path(source.name).name,
        unit="frame",
        disable=quiet or source.length == 1 or None,  # None: off where stderr is no terminal
        file=sys.stderr,
    )
    with bar:
        for count, frame in enumerate(frames, start=1):
            yield frame
            bar.update()
            if count == limit:
                return


def _drawing(args: argparse.Namespace) -> dict[str, Any]:
    """Return how people are drawn, as ``overlay.draw`` takes it."""
    overlay.check_scale("--keypoint-scale", args.keypoint_scale)
    overlay.check_scale("--link-scale", args.link_scale)
    return {
        "parts": overlay.parse_parts(args.overlay),
        "keypoint_scale": args.keypoint_scale,
        "link_scale": args.link_scale,
    }


def _open_lines(path: str, stack: contextlib.ExitStack) -> TextIO:
    if path == "-":
        return sys.stdout
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(Path(path).open("w", encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
