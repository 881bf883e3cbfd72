"""CSV: the tables as text, comma-separated, UTF-8, lines that end with a line feed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from pose_ros.analysis.exports.tables import (
    BODY,
    NUMBERS,
    SOURCE_WORDS,
    TABLES,
    AngleRows,
    Cell,
    Columns,
    Group,
    Kind,
    camera_sources,
    check_columns,
    exact_seconds,
    gesture_rows,
    groups,
    image_row,
    joint_numbers,
    table_names,
    wide_angles,
    wide_joints,
)
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.settings.outputs import ExportOptions

_BUFFER = 1 << 20  # bytes of text that are written at once
_STAMP = 3  # position of the stamp among the first cells of a row
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula begins so


class CsvTables:
    """Writes the tables as CSV."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` are those of ``table_names``; a table has no room for ``info``."""
        del info
        self._wide = options.wide
        self._angles = AngleRows(wide=options.wide)
        self._paths = dict(zip(table_names(options), paths, strict=True))
        self._files: dict[str, tuple[TextIO, Columns]] = {}
        self._stack = ExitStack()
        if not options.wide:
            self._open_all()

    def write(self, result: Result) -> None:
        """Write the rows of an image."""
        head = _line(image_row(result)[: _STAMP + 1], TABLES["images"], result.nanoseconds)
        joints, angles, hands = TABLES[""], TABLES["angles"], TABLES[""]
        if self._wide:
            joints, angles = wide_joints(result.poses.skeleton), wide_angles(result.poses.skeleton)
            self._table("", joints)
            if result.hands is not None:
                hands = wide_joints(result.hands.skeleton)
                self._table("hands", hands)
        for group in groups(result):
            of_people = group.poses is result.poses
            name = "hands" if self._wide and not of_people else ""
            lines = _wide_lines(head, group) if self._wide else _joint_lines(head, group)
            self._table(name, joints if of_people else hands).writelines(lines)
        self._rows("angles", angles, result, self._angles.of(result))
        self._rows("images", TABLES["images"], result, [image_row(result)])
        self._rows("gestures", TABLES["gestures"], result, gesture_rows(result))

    def finish(self) -> tuple[str, ...]:
        """Write what is left."""
        self._open_all()
        self._stack.close()
        return ()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()

    def _open_all(self) -> None:
        """Let all tables be there, those without rows too."""
        for name, columns in (TABLES | ({"": BODY} if self._wide else {})).items():
            if name not in self._files:
                self._table(name, columns)

    def _rows(
        self, name: str, columns: Columns, result: Result, rows: Sequence[Sequence[Cell]]
    ) -> None:
        file = self._table(name, columns)
        file.writelines(_line(row, columns, result.nanoseconds) + "\n" for row in rows)

    def _table(self, name: str, columns: Columns) -> TextIO:
        """Return a table's file, which begins with its columns."""
        if name not in self._files:
            opened: TextIO = self._stack.enter_context(
                # names of files may hold bytes that are no UTF-8
                self._paths[name].open(
                    "w", encoding="utf-8", errors="backslashreplace", newline="", buffering=_BUFFER
                )
            )
            opened.write(",".join(_quoted(column) for column in columns) + "\n")
            self._files[name] = opened, columns
        file, known = self._files[name]
        check_columns(known, columns)
        return file


def _joint_lines(head: str, group: Group) -> Iterator[str]:
    """Yield the rows of all joints of all people, or hands, of an image."""
    names = _quoted_names(group.poses.skeleton)
    for start, cells in _bodies(head, group):
        yield "".join(f"{start}{name},{row}\n" for name, row in zip(names, cells, strict=True))


def _wide_lines(head: str, group: Group) -> Iterator[str]:
    """Yield a row for each person, or hand, of an image."""
    for start, cells in _bodies(head, group):
        yield f"{start}{','.join(cells)}\n"


def _bodies(head: str, group: Group) -> Iterator[tuple[str, list[str]]]:
    """Yield the first cells of each body's rows, and for each of its joints the cells of it.

    One ``%`` formats all numbers of a body: a tenth of the time that a call each takes.
    """
    poses = group.poses
    body = _body_format(len(poses.skeleton))
    skeleton = _quoted(poses.skeleton.name)
    for numbers, found, sources, score, person, side in zip(
        joint_numbers(poses),
        poses.found.tolist(),
        camera_sources(poses),
        poses.scores.tolist(),
        group.people,
        group.sides,
        strict=True,
    ):
        # of a float, % writes "nan" and no other letters
        rows = (body % tuple(numbers.ravel().tolist())).replace("nan", "").split("\n")
        cells = [
            f"{'true' if there else 'false'},{row},{SOURCE_WORDS[source]}"
            for there, row, source in zip(found, rows, sources, strict=True)
        ]
        yield f"{head},{skeleton},{person},{_quoted(side)},{score:.4f},", cells


@lru_cache(maxsize=16)
def _body_format(points: int) -> str:
    return "\n".join([",".join(["%.4f"] * len(NUMBERS))] * points)


@lru_cache(maxsize=16)
def _quoted_names(skeleton: Skeleton) -> list[str]:
    return [_quoted(name) for name in skeleton.keypoints]


def _line(cells: Sequence[Cell], columns: Columns, nanoseconds: int) -> str:
    """Return a row, or its first cells, without its end; its stamp is that of ``nanoseconds``."""
    words = [_word(cell, kind) for cell, kind in zip(cells, columns.values(), strict=False)]
    words[_STAMP] = exact_seconds(nanoseconds)
    return ",".join(words)


def _word(cell: Cell, kind: Kind) -> str:
    if isinstance(cell, float):
        # stamps have nine digits
        digits = 9 if kind == "float64" else 4
        return f"{cell:.{digits}f}" if math.isfinite(cell) else ""
    return _quoted(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


def _quoted(word: str) -> str:
    """Return a word as RFC 4180 has it: in quotes where it holds what has a meaning.

    A name that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    if word.startswith(_FORMULA):
        word = f"'{word}"
    if any(letter in word for letter in ',"\r\n'):
        return '"' + word.replace('"', '""') + '"'
    return word
