"""Parquet: the tables with their types, in row groups of bounded size."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.tables import (
    BODY,
    NUMBERS,
    SOURCE_WORDS,
    TABLES,
    AngleRows,
    Cell,
    Columns,
    Group,
    camera_sources,
    check_columns,
    gesture_rows,
    groups,
    image_cells,
    image_row,
    joint_numbers,
    table_names,
    wide_angles,
    wide_joints,
)
from pose_ros.core.results import Result, RunInfo
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions

# What is kept in memory until it is written: about 6 MB of joints.
_MOST_ROWS = 1 << 16
_MOST_IMAGES = 1 << 13


Rows: TypeAlias = list[tuple[Cell, ...]]
Bodies: TypeAlias = Sequence[tuple[Result, Group]]


class _Table(NamedTuple):
    """One file: its columns, as pyarrow has them too, and what writes it."""

    columns: Columns
    schema: Any
    writer: Any


class ParquetTables:
    """Writes the tables as Parquet, with pyarrow."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` are those of ``table_names``; ``info`` goes into the files' metadata.

        Raises:
            OutputError: There is no pyarrow.
        """
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise OutputError(
                'Parquet needs pyarrow: pip install "pose_ros[report]", or write CSV'
            ) from None
        self._pa, self._pq = pa, pq
        self._wide = options.wide
        self._angles = AngleRows(wide=options.wide)
        self._results: list[Result] = []
        self._rows = 0
        self._metadata = {"pose_ros": json.dumps(dataclasses.asdict(info), sort_keys=True)}
        self._paths = dict(zip(table_names(options), paths, strict=True))
        self._tables: dict[str, _Table] = {}
        self._stack = ExitStack()
        if not options.wide:
            self._open_all()

    def write(self, result: Result) -> None:
        """Keep the rows of an image, and write all that are kept once they are many."""
        self._results.append(result)
        self._rows += len(result.poses) * len(result.poses.skeleton)
        if result.hands is not None:
            self._rows += len(result.hands) * len(result.hands.skeleton)
        if self._rows >= _MOST_ROWS or len(self._results) >= _MOST_IMAGES:
            self._flush()

    def finish(self) -> tuple[str, ...]:
        """Write what is kept, and the files' ends."""
        self._flush()
        self._open_all()
        self._stack.close()
        return ()

    def abandon(self) -> None:
        """Close the files."""
        self._results = []
        self._stack.close()

    def _open_all(self) -> None:
        """Let all tables be there, those without rows too."""
        for name, columns in (TABLES | ({"": BODY} if self._wide else {})).items():
            if name not in self._tables:
                self._table(name, columns)

    def _table(self, name: str, columns: Columns) -> _Table:
        """Return a table, which is begun with its columns."""
        if name not in self._tables:
            word = self._pa.dictionary(self._pa.int32(), self._pa.string())
            types = {"word": word, "bool": self._pa.bool_()}
            fields = [
                (column, types[kind] if kind in types else getattr(self._pa, kind)())
                for column, kind in columns.items()
            ]
            schema = self._pa.schema(fields, metadata=self._metadata)
            writer = self._stack.enter_context(
                self._pq.ParquetWriter(self._paths[name], schema, **_encoding(columns))
            )
            self._tables[name] = _Table(columns, schema, writer)
        check_columns(self._tables[name].columns, columns)
        return self._tables[name]

    def _flush(self) -> None:
        """Write a row group of each table; of one without rows none."""
        results, self._results, self._rows = self._results, [], 0
        if self._wide:
            for result in results:
                self._table("", wide_joints(result.poses.skeleton))
                if result.hands is not None:
                    self._table("hands", wide_joints(result.hands.skeleton))
            for name, of_hands in (("", False), ("hands", True)):
                bodies = [
                    (result, group)
                    for result in results
                    for group in groups(result)
                    if (group.poses is not result.poses) == of_hands
                ]
                self._write(name, self._wide_columns(bodies))
        else:
            bodies = [(result, group) for result in results for group in groups(result)]
            self._write("", self._joint_columns(bodies))
        self._put("angles", results, self._angles.of)
        self._put("images", results, lambda result: [image_row(result)])
        self._put("gestures", results, gesture_rows)

    def _put(self, name: str, results: Sequence[Result], rows: Callable[[Result], Rows]) -> None:
        """Write the rows of results to a table."""
        columns = TABLES[name]
        found: Rows = []
        for result in results:
            if name == "angles" and self._wide:
                columns = wide_angles(result.poses.skeleton)
                self._table(name, columns)
            found += rows(result)
        table = self._table(name, columns)
        cells = zip(*found, strict=True)
        self._write(
            name,
            [
                self._words([cell or "" for cell in column]) if kind == "word"
                # NaN becomes null, which is what Parquet calls missing
                else self._pa.array(column, table.schema.field(key).type, from_pandas=True)
                for column, (key, kind) in zip(cells, columns.items(), strict=False)
            ],
        )  # fmt: skip

    def _write(self, name: str, columns: Sequence[Any]) -> None:
        """Write columns as a row group of a table; nothing without rows."""
        if columns and len(columns[0]):
            table = self._tables[name]
            rows = self._pa.Table.from_arrays(columns, schema=table.schema)
            table.writer.write_table(rows, row_group_size=len(rows))

    def _body_columns(self, found: Bodies, rows_of: NDArray[np.intp]) -> list[Any]:
        """Return the first columns of all bodies, each repeated as often as it has rows."""
        pa = self._pa
        bodies = [group for _, group in found]
        counts = np.array([len(group.poses) for group in bodies])
        per_image = counts * rows_of
        per_pose = np.repeat(rows_of, counts)
        source, index, nanoseconds, stamp = zip(
            *(image_cells(result) for result, _ in found), strict=True
        )
        people = np.concatenate([group.people for group in bodies])
        sides = [side for group in bodies for side in group.sides]
        scores = np.concatenate([group.poses.scores for group in bodies])
        return [
            self._words(source, per_image),
            pa.array(np.repeat(np.array(index, np.int32), per_image)),
            pa.array(np.repeat(np.array(nanoseconds, np.int64), per_image)),
            pa.array(np.repeat(np.array(stamp, np.float64), per_image)),
            self._words([group.poses.skeleton.name for group in bodies], per_image),
            pa.array(np.repeat(people.astype(np.int64), per_pose)),
            self._words(sides, per_pose),
            pa.array(np.repeat(scores, per_pose)),
        ]

    def _joint_columns(self, found: Bodies) -> list[Any]:
        """Return the columns of all joints of all people and hands; none without any."""
        if not found:
            return []
        bodies = [group for _, group in found]
        numbers = np.concatenate([_flat(group) for group in bodies])
        marks = [
            mark for group in bodies for marks in camera_sources(group.poses) for mark in marks
        ]
        there = np.concatenate([group.poses.found.ravel() for group in bodies])
        return [
            *self._body_columns(found, np.array([len(group.poses.skeleton) for group in bodies])),
            self._words([n for g in bodies for n in g.poses.skeleton.keypoints * len(g.poses)]),
            self._pa.array(there),
            *(self._pa.array(numbers[:, i], from_pandas=True) for i in range(len(NUMBERS))),
            self._words([SOURCE_WORDS[mark] for mark in marks]),
        ]

    def _wide_columns(self, found: Bodies) -> list[Any]:
        """Return the columns of all bodies, all of a joint side by side; none without any."""
        if not found:
            return []
        bodies = [group for _, group in found]
        numbers = np.concatenate([joint_numbers(group.poses) for group in bodies])
        there = np.concatenate([group.poses.found for group in bodies])
        marks = np.concatenate([np.array(camera_sources(group.poses)) for group in bodies])
        columns = self._body_columns(found, np.ones(len(bodies), np.intp))
        for k in range(numbers.shape[1]):
            columns.append(self._pa.array(there[:, k]))
            columns += [
                self._pa.array(numbers[:, k, i], from_pandas=True) for i in range(len(NUMBERS))
            ]
            columns.append(self._words([SOURCE_WORDS[mark] for mark in marks[:, k].tolist()]))
        return columns

    def _words(self, words: Sequence[str], repeats: NDArray[np.intp] | None = None) -> Any:
        """Return a column of words, each repeated by its count; null for the empty word."""
        known: dict[str, int] = {}
        codes = np.array([known.setdefault(w, len(known)) for w in words], np.int32)
        if repeats is not None:
            codes = np.repeat(codes, repeats)
        missing = None if "" not in known else codes == known[""]
        indices = self._pa.array(codes, mask=missing)
        return self._pa.DictionaryArray.from_arrays(indices, self._pa.array(map(_valid, known)))


def _valid(word: str) -> str:
    """Return a word that is UTF-8: names of files may hold bytes that are not."""
    return word.encode("utf-8", "backslashreplace").decode("utf-8")


def _encoding(columns: Columns) -> dict[str, Any]:
    """Return how columns are stored: 40% less than as pyarrow does by itself.

    What is said of an image or a person stands again in all rows; numbers of joints are all
    different, and their bytes alike where they have the same place.
    """
    numbers = [name for name, kind in columns.items() if name.endswith(NUMBERS) and kind != "word"]
    numbers = [name for name in numbers if name != "pose_score"]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in columns if name not in numbers],
        "use_byte_stream_split": numbers,
    }


def _flat(group: Group) -> NDArray[np.float32]:
    """Return a row of ``NUMBERS`` for each joint of each body of a group."""
    rows: NDArray[np.float32] = joint_numbers(group.poses).reshape(-1, len(NUMBERS))
    return rows
