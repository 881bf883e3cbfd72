"""``pose-ros bag anonymize``: a copy of a recording in which faces or people are covered."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from pose_ros.analysis.anonymize import Covered, anonymize_bag
from pose_ros.build import create_estimator, finder_card
from pose_ros.cli.options import add_network_arguments
from pose_ros.cli.terminal import say
from pose_ros.core.types import Estimator
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import (
    MAX_PEOPLE,
    OWN_FINDER,
    EngineOptions,
    EstimatorOptions,
)
from pose_ros.settings.outputs import AnonymizeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="a rosbag2, SQLite or MCAP")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the copy")
    add_to_parser(AnonymizeOptions, parser.add_argument_group("covering"))
    parser.add_argument(
        "--drop", nargs="+", default=[], metavar="TOPIC", help="topics that the copy does not have"
    )
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="TOPIC",
        help="topics of images that are copied as they are, whatever they show",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_network_arguments(parser, leave_out=("masks",))
    # all who are there, where they are in this image and not smoothed
    parser.set_defaults(max_people=MAX_PEOPLE, threshold=0.3, detect_tiles=2, smoothing=False)


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 where images had to be left out, 0 otherwise."""
    options = from_args(AnonymizeOptions, args)
    with tqdm(unit="images", leave=False, disable=args.quiet or None) as bar:
        done = anonymize_bag(
            args.bag,
            args.out,
            lambda: _estimators(args),
            options,
            drop=args.drop,
            keep=args.keep,
            progress=partial(_tick, bar),
        )
    if not args.quiet:
        for topic, counts in done.items():
            print(f"{topic}: {_summary(counts)}", file=sys.stderr)
        if not done:
            say("pose-ros bag anonymize: there are no images to cover; all is copied as it is")
    lost = [(topic, *item) for topic, counts in done.items() for item in counts.left_out.items()]
    for topic, why, count in lost:
        say(f"pose-ros bag anonymize: {topic}: {count} images are left out: {why}")
    return 2 if lost else 0


def _estimators(args: argparse.Namespace) -> list[Estimator]:
    """Return the network with its own way to look, and the one that may be its finder by itself.

    Each finds people that the other one misses.
    """
    options, engine = from_args(EstimatorOptions, args), from_args(EngineOptions, args)
    own = create_estimator(args.network, options=replace(options, finder=OWN_FINDER), engine=engine)
    card = finder_card(options, engine.models_dir)
    if card is None or card.name == own.network:
        return [own]
    whole = replace(options, detect_tiles=1)  # it has no tiles
    return [own, create_estimator(card.name, options=whole, engine=engine)]


def _tick(bar: tqdm[NoReturn]) -> None:
    bar.update()


def _summary(counts: Covered) -> str:
    return (
        f"{counts.images} images, something covered in {counts.covered}, "
        f"no person found in {counts.empty}"
    )
