"""``pose-ros bag info``: what a recording holds, and what is wrong with it."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from pose_ros.bags.reader import Bag, open_bag
from pose_ros.bags.survey import ImageSurvey, Survey, survey
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import printable

_GAP = "  "
_LEAST = 12  # letters of a column that is shortened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "bag", metavar="BAG", help="a rosbag2: its folder, or one of its .mcap or .db3 files"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")


def run(args: argparse.Namespace) -> int:
    """Run the command; 2 when something of the recording is lost, 0 otherwise."""
    with open_bag(args.bag) as bag:
        found = _survey(bag)
    if args.json:
        print(json.dumps(_plain(dataclasses.asdict(found)), indent=2, allow_nan=False))
    else:
        print("\n".join(map(printable, report(found))))
    return 2 if found.damage else 0


def report(found: Survey, width: int | None = None) -> list[str]:
    """Return the lines that tell a person what a recording holds.

    Args:
        found: What it holds.
        width: Letters of a line; None: as many as the terminal has.
    """
    lines = [_headline(found), ""]
    rows = [
        (
            topic.name,
            _short(topic.kind),
            str(topic.count),
            _number(topic.rate, "Hz"),
            _bytes(topic.size),
        )
        for topic in found.topics
    ]
    lines += table(("TOPIC", "TYPE", "COUNT", "RATE", "SIZE"), rows, left=2, width=width)
    if found.images:
        titles = ("IMAGES", "SIZE", "ENCODING", "RATE", "LONGEST GAP", ">1.5x", ">2x", "LATENCY")
        lines += ["", *table(titles, [_image_row(i) for i in found.images], width=width)]
        lines += [f"  {text}" for image in found.images for text in _image_notes(image)]
    for result in found.results:
        who = result.network or "an unknown network"
        lines += ["", f"{result.name}: people found by {who}, as {result.skeleton or '?'}"]
    unknown = [topic for topic in found.topics if not topic.known]
    if unknown:
        count = sum(topic.count for topic in unknown)
        kinds = ", ".join(sorted({_short(topic.kind) or "none" for topic in unknown}))
        lines += [
            "",
            f"{count} messages can be copied but not read, their types are unknown: {kinds}",
        ]
    if found.damage:
        lines += ["", "Damage:", *(f"  {line}" for line in found.damage)]
    return lines


def _survey(bag: Bag) -> Survey:
    total = sum(topic.count for topic in bag.topics)
    # None: off where stderr is no terminal
    with tqdm(total=total, desc=bag.name, unit="message", disable=None, leave=False) as bar:
        return survey(bag, lambda seen: _advance(bar, seen))


def _advance(bar: Any, seen: int) -> None:
    bar.update(seen - bar.n)


def _headline(found: Survey) -> str:
    count = sum(topic.count for topic in found.topics)
    size = sum(topic.size for topic in found.topics)
    parts = [found.storage, f"{count} messages", _bytes(size), f"{found.seconds:.1f} s"]
    if count:
        start = datetime.datetime.fromtimestamp(
            found.start_nanoseconds // NANOSECONDS, datetime.timezone.utc
        )
        parts.append(f"from {start:%Y-%m-%d %H:%M:%S} UTC")
    if found.distro:
        parts.append(f"by {found.distro}")
    return f"{found.path}: {', '.join(parts)}"


def _image_row(image: ImageSurvey) -> tuple[str, ...]:
    return (
        image.name,
        f"{image.width}x{image.height}" if image.width else "?",
        f"{image.encoding}{' (depth)' if image.depth else ''}",
        _number(image.rate, "Hz"),
        _number(1e3 * image.largest_gap, "ms"),
        str(image.gaps),
        str(image.long_gaps),
        _number(1e3 * image.latency, "ms"),
    )


def _image_notes(image: ImageSurvey) -> list[str]:
    notes = [f"{image.name}: {problem}" for problem in image.problems]
    if image.camera_info and not any(image.camera_info in problem for problem in image.problems):
        notes.append(f"{image.name}: calibrated by {image.camera_info}")
    notes += [
        f"{image.name}: {share:.0%} have a depth image on {name}"
        for name, share in image.depth_topics.items()
    ]
    return notes


def _short(kind: str) -> str:
    """Return the name of a message type as people write it: ``sensor_msgs/Image``."""
    return kind.replace("/msg/", "/")


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if math.isfinite(value) else "-"


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: null for what is not known."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, width: int | None = None
) -> list[str]:
    """Return the lines of a table.

    Args:
        titles: Of the columns.
        rows: Their cells.
        left: So many columns, the first ones, are aligned to the left, and shortened in their
            middle where the table is too wide; the others are aligned to the right.
        width: Letters of a line; None: as many as the terminal has, and no limit elsewhere.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    if width is not None:
        for i in sorted(range(left), key=lambda column: -widths[column]):
            excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
            widths[i] = min(widths[i], max(_LEAST, widths[i] - max(0, excess)))
    return [
        _GAP.join(
            _shortened(cell, widths[i]).ljust(widths[i]) if i < left else cell.rjust(widths[i])
            for i, cell in enumerate(line)
        ).rstrip()
        for line in lines
    ]


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
