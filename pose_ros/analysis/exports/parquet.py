"""Parquet: the tables with their types, in row groups of bounded size."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.options import ExportOptions
from pose_ros.analysis.exports.tables import (
    NUMBERS,
    SOURCE_WORDS,
    TABLES,
    Group,
    Kind,
    camera_sources,
    gesture_rows,
    groups,
    image_cells,
    image_row,
    joint_numbers,
)
from pose_ros.core.results import Result, RunInfo
from pose_ros.errors import OutputError

# What is kept in memory until it is written: about 6 MB of joints.
_MOST_ROWS = 1 << 16
_MOST_IMAGES = 1 << 13


class ParquetTables:
    """Writes the three tables as Parquet, with pyarrow."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` are those of ``TABLES``; ``info`` goes into the files' metadata.

        Raises:
            OutputError: There is no pyarrow.
        """
        del options
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise OutputError(
                'Parquet needs pyarrow: pip install "pose_ros[report]", or write CSV'
            ) from None
        self._pa = pa
        self._results: list[Result] = []
        self._rows = 0
        metadata = {"pose_ros": json.dumps(dataclasses.asdict(info), sort_keys=True)}
        self._schemas = [self._schema(columns, metadata) for columns in TABLES.values()]
        with ExitStack() as stack:
            self._writers = [
                stack.enter_context(pq.ParquetWriter(path, schema, **_encoding(schema)))
                for path, schema in zip(paths, self._schemas, strict=True)
            ]
            self._stack = stack.pop_all()

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
        self._stack.close()
        return ()

    def abandon(self) -> None:
        """Close the files."""
        self._results = []
        self._stack.close()

    def _schema(self, columns: dict[str, Kind], metadata: dict[str, str]) -> Any:
        word = self._pa.dictionary(self._pa.int32(), self._pa.string())
        fields = [
            (name, word if kind == "word" else getattr(self._pa, kind)())
            for name, kind in columns.items()
        ]
        return self._pa.schema(fields, metadata=metadata)

    def _flush(self) -> None:
        """Write a row group of each table; of one without rows none."""
        results, self._results, self._rows = self._results, [], 0
        tables = (
            self._joint_columns(results),
            self._columns(map(image_row, results), 1),
            self._columns((row for result in results for row in gesture_rows(result)), 2),
        )
        for columns, schema, writer in zip(tables, self._schemas, self._writers, strict=True):
            if columns and len(columns[0]):
                table = self._pa.Table.from_arrays(columns, schema=schema)
                writer.write_table(table, row_group_size=len(table))

    def _columns(self, rows: Iterable[Sequence[Any]], table: int) -> list[Any]:
        """Return the columns of rows; none without rows."""
        schema = self._schemas[table]
        return [
            self._words(column) if self._pa.types.is_dictionary(field.type)
            # NaN becomes null, which is what Parquet calls missing
            else self._pa.array(column, field.type, from_pandas=True)
            for column, field in zip(zip(*rows, strict=True), schema, strict=False)
        ]  # fmt: skip

    def _joint_columns(self, results: Sequence[Result]) -> list[Any]:
        """Return the columns of all joints of all people and hands; none without any."""
        found = [(result, group) for result in results for group in groups(result)]
        if not found:
            return []
        pa = self._pa
        bodies = [group for _, group in found]
        counts = np.array([len(group.poses) for group in bodies])
        points = np.array([len(group.poses.skeleton) for group in bodies])
        per_image = counts * points  # rows
        per_pose = np.repeat(points, counts)

        source, index, nanoseconds, stamp = zip(
            *(image_cells(result) for result, _ in found), strict=True
        )
        people = np.concatenate([group.people for group in bodies])
        sides = [side for group in bodies for side in group.sides]
        scores = np.concatenate([group.poses.scores for group in bodies])
        numbers = np.concatenate([_flat(group) for group in bodies])
        marks = [
            mark for group in bodies for marks in camera_sources(group.poses) for mark in marks
        ]
        return [
            self._words(source, per_image),
            pa.array(np.repeat(np.array(index, np.int32), per_image)),
            pa.array(np.repeat(np.array(nanoseconds, np.int64), per_image)),
            pa.array(np.repeat(np.array(stamp, np.float64), per_image)),
            self._words([group.poses.skeleton.name for group in bodies], per_image),
            pa.array(np.repeat(people.astype(np.int64), per_pose)),
            self._words(sides, per_pose),
            pa.array(np.repeat(scores, per_pose)),
            self._words([n for g in bodies for n in g.poses.skeleton.keypoints * len(g.poses)]),
            *(pa.array(numbers[:, i], from_pandas=True) for i in range(len(NUMBERS))),
            self._words([SOURCE_WORDS[mark] for mark in marks]),
        ]

    def _words(self, words: Sequence[str], repeats: NDArray[np.intp] | None = None) -> Any:
        """Return a column of words, each as often as told; null for the empty word."""
        known: dict[str, int] = {}
        codes = np.array([known.setdefault(w, len(known)) for w in words], np.int32)
        if repeats is not None:
            codes = np.repeat(codes, repeats)
        missing = None if "" not in known else codes == known[""]
        indices = self._pa.array(codes, mask=missing)
        return self._pa.DictionaryArray.from_arrays(indices, self._pa.array([*known]))


def _encoding(schema: Any) -> dict[str, Any]:
    """Return how columns are stored: 40% less than as pyarrow does by itself.

    What is said of an image or a person stands again in all rows; numbers of joints are all
    different, and their bytes alike where they have the same place.
    """
    numbers = [name for name in schema.names if name in NUMBERS]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in numbers],
        "use_byte_stream_split": numbers,
    }


def _flat(group: Group) -> NDArray[np.float32]:
    """Return a row of ``NUMBERS`` for each joint of each body of a group."""
    rows: NDArray[np.float32] = joint_numbers(group.poses).reshape(-1, len(NUMBERS))
    return rows
