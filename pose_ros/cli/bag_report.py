"""``pose-ros bag report``: a page about the results in a bag, or about two of them side by side."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pose_ros.analysis.outputs import PAGES, check_apart, check_suffix
from pose_ros.cli.terminal import say
from pose_ros.errors import OptionError, OutputError
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.outputs import ReportOptions

if TYPE_CHECKING:
    from pose_ros.analysis.results_bag import ResultsBag
    from pose_ros.bags.images import BagImages
    from pose_ros.core.types import Frame
    from pose_ros.report import RecordingFacts

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "bag", nargs="?", metavar="BAG",
        help="results: what `pose-ros bag run` wrote, or a recording of the live nodes",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the page, such as report.html"
    )
    parser.add_argument(
        "--compare", nargs="+", default=[], metavar="BAG",
        help="a second set of results of the same images beside BAG; or two of them, without BAG",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="BAG",
        help="what holds the images, for pictures of moments, where BAG does not hold them",
    )  # fmt: skip
    parser.add_argument("--topic", metavar="T", help="topic of the images, where there are several")
    parser.add_argument("--poses", metavar="T", help="topic of the people, where there are several")
    add_to_parser(ReportOptions, parser.add_argument_group("report"))
    parser.add_argument("--force", action="store_true", help="replace FILE")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when something of a bag was lost, 0 otherwise."""
    bags = [*filter(None, [args.bag]), *args.compare]
    if len(bags) != (2 if args.compare else 1):
        raise OptionError(
            "expected BAG, or BAG --compare OTHER_BAG, or --compare BAG OTHER_BAG; "
            f"got {len(bags)} bags"
        )
    check_suffix("--out", args.out, PAGES)
    check_apart([Path(bag) for bag in (*bags, *filter(None, [args.images]))], [args.out])
    if args.out.exists() and not args.force:
        raise OutputError(f"{args.out} exists already; name another file, or replace it by --force")
    options = from_args(ReportOptions, args)
    from pose_ros.analysis.results_bag import ResultsBag

    with contextlib.ExitStack() as stack:
        results = [stack.enter_context(ResultsBag(bag, args.poses)) for bag in bags]
        images = _images(args, results, stack) if options.pictures else None
        if args.compare:
            recordings = _compare(args, options, results, images)
        else:
            recordings = [_report(args, options, results[0], images)]
    lost = [line for recording in recordings for line in recording.lost]
    for line in lost:
        say(f"pose-ros bag report: {line}")
    if not args.quiet:
        print(f"{args.out.resolve()}", file=sys.stderr)
    return 2 if lost else 0


def _report(
    args: argparse.Namespace, options: ReportOptions, results: ResultsBag, images: BagImages | None
) -> RecordingFacts:
    from pose_ros.report import ReportBuilder

    builder = ReportBuilder(results.info, options, name=results.name)
    frames = _Frames(images)
    for found in _progress(results.results(), results, args):
        frame = frames.at(found.result.nanoseconds)
        builder.add(
            found.result,
            *((frame.image, frame.channels) if frame else ()),
            placement=found.placement,
            latency=found.latency,
        )
    recording = results.recording()
    builder.write(args.out, recording)
    return recording


def _compare(
    args: argparse.Namespace,
    options: ReportOptions,
    results: list[ResultsBag],
    images: BagImages | None,
) -> list[RecordingFacts]:
    from pose_ros.analysis.results_bag import pair_results
    from pose_ros.report import ComparisonBuilder

    a, b = results
    builder = ComparisonBuilder((a.info, b.info), (a.name, b.name), options)
    frames = _Frames(images)
    for one, other in pair_results(_progress(a.results(), a, args), b.results()):
        first, second = (found.result if found else None for found in (one, other))
        frame = frames.at(first.nanoseconds) if first and second else None
        builder.add(first, second, *((frame.image, frame.channels) if frame else ()))
    recordings = a.recording(), b.recording()
    builder.write(args.out, recordings)
    return list(recordings)


def _images(
    args: argparse.Namespace, results: list[ResultsBag], stack: contextlib.ExitStack
) -> BagImages | None:
    """Open the images that pictures are made of: those asked for, else those of the results."""
    from pose_ros.analysis.results_bag import image_topics
    from pose_ros.bags.images import BagImages
    from pose_ros.bags.reader import open_bag

    if args.images:
        return BagImages(stack.enter_context(open_bag(args.images)), args.topic, "")
    if args.topic:
        return BagImages(results[0].bag, args.topic, "")
    for bag in results:
        topics = image_topics(bag.bag)
        if len(topics) == 1:
            return BagImages(bag.bag, topics[0], "")
    return None


class _Frames:
    """Gives the images to results, both in the order of time."""

    def __init__(self, images: BagImages | None) -> None:
        self._shots = iter(images) if images is not None else iter(())
        self._next = next(self._shots, None)

    def at(self, nanoseconds: int) -> Frame | None:
        """Return the image of that very stamp; None where there is none."""
        while self._next is not None and self._next.nanoseconds < nanoseconds:
            self._next = next(self._shots, None)
        if self._next is None or self._next.nanoseconds != nanoseconds:
            return None
        return self._next.frame


def _progress(found: Iterable[T], results: ResultsBag, args: argparse.Namespace) -> Iterator[T]:
    from tqdm import tqdm

    topic = results.bag.topic(results.poses_topic)
    yield from tqdm(
        found,
        total=topic.count if topic else None,
        desc=results.name,
        unit="image",
        disable=args.quiet or None,  # None: off where stderr is no terminal
        file=sys.stderr,
    )
