"""CSV: the tables as text, comma-separated, UTF-8, lines that end with a line feed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from pose_ros.analysis.exports.options import ExportOptions
from pose_ros.analysis.exports.tables import (
    NUMBERS,
    SOURCE_WORDS,
    TABLES,
    Cell,
    Group,
    camera_sources,
    exact_seconds,
    gesture_rows,
    groups,
    image_row,
    joint_numbers,
)
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton

_BUFFER = 1 << 20  # bytes of text that are written at once
_STAMP = 3  # position of the stamp among the first cells of a row
_ENDS = tuple(f",{word}\n" for word in SOURCE_WORDS)


class CsvTables:
    """Writes the three tables as CSV."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` are those of ``TABLES``; a table has no room for ``info``."""
        del info, options
        with ExitStack() as stack:
            self._joints, self._images, self._gestures = (
                stack.enter_context(path.open("w", encoding="utf-8", newline="", buffering=_BUFFER))
                for path in paths
            )
            for file, columns in zip(self._files(), TABLES.values(), strict=True):
                file.write(",".join(columns) + "\n")
            self._stack = stack.pop_all()

    def write(self, result: Result) -> None:
        """Write the rows of an image."""
        head = _line(image_row(result)[: _STAMP + 1], result.nanoseconds)
        for group in groups(result):
            self._joints.write(_joint_lines(head, group))
        self._images.write(_line(image_row(result), result.nanoseconds) + "\n")
        for row in gesture_rows(result):
            self._gestures.write(_line(row, result.nanoseconds) + "\n")

    def finish(self) -> tuple[str, ...]:
        """Write what is left."""
        self._stack.close()
        return ()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()

    def _files(self) -> tuple[TextIO, ...]:
        return self._joints, self._images, self._gestures


def _joint_lines(head: str, group: Group) -> str:
    """Return the rows of all joints of all people, or hands, of an image.

    One ``%`` formats all numbers of a body: a tenth of the time that a call each takes.
    """
    poses = group.poses
    names = _quoted_names(poses.skeleton)
    body = _body_format(len(names))
    skeleton = _quoted(poses.skeleton.name)
    lines: list[str] = []
    for numbers, sources, score, person, side in zip(
        joint_numbers(poses),
        camera_sources(poses),
        poses.scores.tolist(),
        group.people,
        group.sides,
        strict=True,
    ):
        start = f"{head},{skeleton},{person},{_quoted(side)},{score:.4f},"
        # of a float, % writes "nan" and no other letters
        rows = (body % tuple(numbers.ravel().tolist())).replace("nan", "").split("\n")
        lines += [
            f"{start}{name},{row}{_ENDS[source]}"
            for name, row, source in zip(names, rows, sources, strict=True)
        ]
    return "".join(lines)


@lru_cache(maxsize=16)
def _body_format(points: int) -> str:
    return "\n".join([",".join(["%.4f"] * len(NUMBERS))] * points)


@lru_cache(maxsize=16)
def _quoted_names(skeleton: Skeleton) -> list[str]:
    return [_quoted(name) for name in skeleton.keypoints]


def _line(cells: Sequence[Cell], nanoseconds: int) -> str:
    """Return a row without its end; its stamp is that of ``nanoseconds``."""
    words = [_word(cell) for cell in cells]
    words[_STAMP] = exact_seconds(nanoseconds)
    return ",".join(words)


def _word(cell: Cell) -> str:
    if isinstance(cell, float):
        # nine digits: stamps of gestures are seconds
        return f"{cell:.9f}".rstrip("0").rstrip(".") if math.isfinite(cell) else ""
    return _quoted(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _quoted(word: str) -> str:
    """Return a word as RFC 4180 has it: in quotes where it holds what has a meaning."""
    if any(letter in word for letter in ',"\r\n'):
        return '"' + word.replace('"', '""') + '"'
    return word
