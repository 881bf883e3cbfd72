"""The tables of a run, as CSV and Parquet: joints, angles, images, gestures.

docs/reference/exports.md says what each column means. A column's name has its unit, where it has
one. CSV is text, comma-separated, UTF-8, its lines end with a line feed; Parquet has types, and
row groups of bounded size.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.anatomical_angles import anatomical_angles, anatomical_names
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.joint_angles import Basis, JointMotion, joint_angles, triples
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import FloatArray, Pose, Poses, PositionSource, person_of_hand
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import JOINTS as ANGLE_JOINTS
from pose_ros.settings.outputs import ExportOptions

Kind: TypeAlias = Literal["word", "bool", "int32", "int64", "float32", "float64"]
Columns: TypeAlias = dict[str, Kind]
Cell: TypeAlias = str | int | float | None
"""Of a table; the empty word, NaN and None are what is missing."""

_IMAGE: Columns = {
    "source": "word",
    "index": "int32",
    "stamp_ns": "int64",
    "stamp_s": "float64",
}
NUMBERS = (
    *("x_px", "y_px", "score", "z_px"),
    *("world_x_m", "world_y_m", "world_z_m"),
    *("camera_x_m", "camera_y_m", "camera_z_m", "camera_sigma_m"),
)
"""Columns of ``joint_numbers``."""
FUSED = ("fused_x_m", "fused_y_m", "fused_z_m")
"""Columns of meters in the world of several cameras, where there are several; empty for hands."""

_JOINT: Columns = {
    "found": "bool",
    **dict.fromkeys(NUMBERS, "float32"),
    "camera_source": "word",
}
_FUSED_JOINT: Columns = {**_JOINT, **dict.fromkeys(FUSED, "float32")}
_MOST_PEOPLE = 256  # whose last angles are kept
_ANGLE: Columns = {
    "angle_deg": "float32",
    "speed_deg_per_s": "float32",
    "basis": "word",
}
BODY: Columns = {
    **_IMAGE,
    "skeleton": "word",
    "person": "int64",
    "side": "word",
    "pose_score": "float32",
}
"""What each row about a body or a hand begins with."""

JOINTS: Columns = {**BODY, "joint": "word", **_JOINT}
ANGLES: Columns = {**_IMAGE, "person": "int64", "joint": "word", "side": "word", **_ANGLE}
IMAGES: Columns = {
    **_IMAGE,
    "frame_id": "word",
    "width_px": "int32",
    "height_px": "int32",
    "people": "int32",
    "hands": "int32",
}
GESTURES: Columns = {
    **_IMAGE,
    "person": "int64",
    "gesture": "word",
    "side": "word",
    "event": "word",
    "confidence": "float32",
    "since_s": "float64",
    "ray": "word",
    **dict.fromkeys(("origin_x_m", "origin_y_m", "origin_z_m"), "float32"),
    **dict.fromkeys(("origin_x_px", "origin_y_px"), "float32"),
    **dict.fromkeys(("direction_x", "direction_y", "direction_z"), "float32"),
    "sigma_rad": "float32",
    "origin_sigma_m": "float32",
    "target_frame": "word",
    **dict.fromkeys(("target_x_m", "target_y_m", "target_z_m"), "float32"),
    "goal_yaw_rad": "float32",
}
TABLES: dict[str, Columns] = {
    "": JOINTS,
    "angles": ANGLES,
    "images": IMAGES,
    "gestures": GESTURES,
}
"""Columns of each table, by what its file is called beside the first one."""

SOURCE_WORDS = tuple("" if s is PositionSource.NONE else s.name.lower() for s in PositionSource)
"""Values of ``camera_source``, by ``PositionSource``."""

_BUFFER = 1 << 20  # bytes of text that are written at once
_STAMP = 3  # position of the stamp among the first cells of a row
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula begins so
# What is kept in memory until it is written: about 6 MB of joints.
_MOST_ROWS = 1 << 16
_MOST_IMAGES = 1 << 13
Rows: TypeAlias = list[tuple[Cell, ...]]


def table_names(options: ExportOptions) -> tuple[str, ...]:
    """Return what the files of a run are called beside the first one.

    In the wide form hands, whose joints are others than those of people, have a table of their
    own; there is no file where they were not looked for.
    """
    return (*TABLES, "hands") if options.wide else (*TABLES,)


def check_columns(known: Columns, columns: Columns) -> None:
    """Check that a row has the columns of its table.

    Raises:
        OutputError: It is about another skeleton than those before it.
    """
    if columns is not known and [*columns] != [*known]:
        raise OutputError(
            "a wide table holds people of one skeleton, and these have several: write it without "
            "--wide"
        )


def joint_columns(*, fused: bool) -> Columns:
    """Return the columns of the table of joints, of several cameras or of one."""
    return {**BODY, "joint": "word", **_FUSED_JOINT} if fused else JOINTS


@lru_cache(maxsize=16)
def wide_joints(skeleton: Skeleton, *, fused: bool) -> Columns:
    """Return the columns of a table with a row for each body: all of a joint side by side."""
    return {**BODY, **_side_by_side(skeleton.keypoints, _FUSED_JOINT if fused else _JOINT)}


@lru_cache(maxsize=16)
def wide_angles(skeleton: Skeleton) -> Columns:
    """Return the columns of a table of angles with a row for each person."""
    return {**_IMAGE, "person": "int64", **_side_by_side(angle_names(skeleton), _ANGLE)}


@lru_cache(maxsize=16)
def angle_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Return the names of all angles of a person, such as ``left_knee``, ``left_hip_flexion``."""
    return (*triples(skeleton, ANGLE_JOINTS), *anatomical_names(skeleton))


def all_angles(pose: Pose, found: NDArray[np.bool_]) -> tuple[Float64Array, list[Basis | None]]:
    """Return a person's angles of ``angle_names`` in degrees, and what each was measured in."""
    corners = list(triples(pose.skeleton, ANGLE_JOINTS).values())
    degrees, bases = joint_angles(pose, found, np.array(corners, np.intp).reshape(-1, 3))
    if anatomical_names(pose.skeleton):
        more, more_bases = anatomical_angles(pose, found)
        degrees, bases = np.concatenate([degrees, more]), bases + more_bases
    return degrees, bases


def _side_by_side(names: Iterable[str], columns: Columns) -> Columns:
    return {f"{name}_{column}": kind for name in names for column, kind in columns.items()}


class Group(NamedTuple):
    """People, or hands, of one image.

    Attributes:
        poses: N of them.
        people: N ids: of the person; for hands, of the person they belong to.
        sides: N words: ``left`` or ``right`` of hands, empty otherwise.
        fused: (N, K, 3) meters in the world of several cameras; None of one, and of hands.
    """

    poses: Poses
    people: list[int]
    sides: list[str]
    fused: NDArray[np.float64] | None = None


def groups(result: Result) -> list[Group]:
    """Return the people and hands of an image, without those of which there are none."""
    found = []
    if len(result.poses):
        sides = [*(result.poses.labels or [""] * len(result.poses))]
        found.append(Group(result.poses, result.poses.ids.tolist(), sides, result.fused))
    if result.hands is not None and len(result.hands):
        ids = result.hands.ids.tolist()
        sides = [SIDES[i % 2] for i in ids]
        found.append(Group(result.hands, [person_of_hand(i) for i in ids], sides))
    return found


def joint_numbers(poses: Poses) -> FloatArray:
    """Return the ``NUMBERS`` of each joint, (N, K, 11); NaN where there is none."""
    people, points = poses.keypoint_scores.shape
    numbers = np.full((people, points, len(NUMBERS)), np.nan, np.float32)
    numbers[..., 0:2] = poses.keypoints
    numbers[..., 2] = poses.keypoint_scores
    if poses.depths is not None:
        numbers[..., 3] = poses.depths
    if poses.world is not None:
        numbers[..., 4:7] = poses.world
    if poses.camera is not None:
        numbers[..., 7:10] = poses.camera
    if poses.camera_sigmas is not None:
        numbers[..., 10] = poses.camera_sigmas
    return numbers


def fused_numbers(group: Group) -> FloatArray:
    """Return the ``FUSED`` of each joint, (N, K, 3); NaN where there is none."""
    if group.fused is None:
        return np.full((*group.poses.keypoint_scores.shape, 3), np.nan, np.float32)
    return group.fused.astype(np.float32)


@lru_cache(maxsize=16)
def _no_sources(people: int, points: int) -> list[list[int]]:
    return [[int(PositionSource.NONE)] * points] * people


def camera_sources(poses: Poses) -> list[list[int]]:
    """Return the ``PositionSource`` of each joint, N lists of K."""
    if poses.camera_sources is None:
        return _no_sources(*poses.keypoint_scores.shape)
    sources: list[list[int]] = poses.camera_sources.tolist()
    return sources


class AngleRows:
    """Makes the rows of ``ANGLES``, or of ``wide_angles``, of one image after the other."""

    def __init__(self, *, wide: bool) -> None:
        """``wide``: whether a row is a person's; it is an angle's otherwise."""
        self._wide = wide
        self._source = ""
        self._index = -1
        self._motions: dict[tuple[int, str], JointMotion] = {}

    def of(self, result: Result) -> list[tuple[Cell, ...]]:
        """Return the rows of the next image."""
        poses = result.poses
        if result.source != self._source or result.index <= self._index:
            self._motions = {}  # another recording or picture: ids are those of other people
        self._source, self._index = result.source, result.index
        angles = angle_names(poses.skeleton)
        rows: list[tuple[Cell, ...]] = []
        found = poses.found
        if len(self._motions) > _MOST_PEOPLE:
            self._motions = {}
        for i, pose in enumerate(poses if angles else ()):
            who = (pose.id, pose.skeleton.name)
            motion = self._motions.setdefault(who, JointMotion(all_angles))
            now = motion.add(result.stamp, pose, found[i])
            bases = (basis or "" for basis in now.bases)
            cells = list(zip(now.degrees.tolist(), now.speeds.tolist(), bases, strict=True))
            head = (*image_cells(result), pose.id)
            if self._wide:
                rows.append((*head, *chain.from_iterable(cells)))
            else:
                for name, cell in zip(angles, cells, strict=True):
                    side, _, joint = name.partition("_")
                    side, joint = (side, joint) if side in SIDES else ("", name)
                    rows.append((*head, joint, side, *cell))
        return rows


def image_cells(result: Result) -> tuple[Cell, ...]:
    """Return the first cells of each row about an image."""
    return (result.source, result.index, result.nanoseconds, result.stamp)


def image_row(result: Result) -> tuple[Cell, ...]:
    """Return the image's row of ``IMAGES``."""
    hands = None if result.hands is None else len(result.hands)
    size = (result.width, result.height)
    return (*image_cells(result), result.frame_id, *size, len(result.poses), hands)


def gesture_rows(result: Result) -> list[tuple[Cell, ...]]:
    """Return the image's rows of ``GESTURES``."""
    return [
        (
            *image_cells(result),
            *(gesture.person, gesture.name, gesture.side, gesture.event),
            *(gesture.confidence, gesture.since, *_ray_cells(gesture)),
            *_goal_cells(result, gesture),
        )
        for gesture in result.gestures
    ]


def _ray_cells(gesture: Gesture) -> tuple[Cell, ...]:
    """Return where a gesture points, in meters or in pixels."""
    ray = gesture.ray
    if ray is None:
        return ("", *(None,) * 10)
    origin = ray.origin.tolist()
    place = (*origin, None, None) if ray.metric else (None, None, None, *origin[:2])
    kind = "metric" if ray.metric else "image"
    return (kind, *place, *ray.direction.tolist(), ray.sigma, ray.origin_sigma)


def _goal_cells(result: Result, gesture: Gesture) -> tuple[Cell, ...]:
    """Return where a gesture's ray meets the floor, and the yaw of a robot's goal there."""
    goal = result.goals.get(gesture.person)
    if gesture.ray is None or gesture.event == "ended" or not isinstance(goal, Goal):
        return ("", *(None,) * 4)
    return (goal.frame_id, *goal.position, goal.yaw)


def exact_seconds(nanoseconds: int) -> str:
    """Return nanoseconds as seconds with nine digits after the point: nothing is rounded."""
    seconds, rest = divmod(abs(nanoseconds), NANOSECONDS)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{rest:09d}"


class CsvTables:
    """Writes the tables as CSV."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` are those of ``table_names``; of ``info`` the cameras decide on columns."""
        self._wide, self._fused = options.wide, bool(info.cameras)
        self._joints = joint_columns(fused=self._fused)
        self._angles = AngleRows(wide=options.wide)
        self._paths = dict(zip(table_names(options), paths, strict=True))
        self._files: dict[str, tuple[TextIO, Columns]] = {}
        self._stack = ExitStack()
        if not options.wide:
            self._open_all()

    def write(self, result: Result) -> None:
        """Write the rows of an image."""
        head = _line(image_row(result)[: _STAMP + 1], TABLES["images"], result.nanoseconds)
        joints, angles, hands = self._joints, TABLES["angles"], self._joints
        if self._wide:
            joints = wide_joints(result.poses.skeleton, fused=self._fused)
            angles = wide_angles(result.poses.skeleton)
            self._table("", joints)
            if result.hands is not None:
                hands = wide_joints(result.hands.skeleton, fused=self._fused)
                self._table("hands", hands)
        for group in groups(result):
            of_people = group.poses is result.poses
            name = "hands" if self._wide and not of_people else ""
            make = _wide_lines if self._wide else _joint_lines
            lines = make(head, group, fused=self._fused)
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
        for name, columns in (TABLES | {"": BODY if self._wide else self._joints}).items():
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


def _joint_lines(head: str, group: Group, *, fused: bool) -> Iterator[str]:
    """Yield the rows of all joints of all people, or hands, of an image."""
    names = _quoted_names(group.poses.skeleton)
    for start, cells in _bodies(head, group, fused=fused):
        yield "".join(f"{start}{name},{row}\n" for name, row in zip(names, cells, strict=True))


def _wide_lines(head: str, group: Group, *, fused: bool) -> Iterator[str]:
    """Yield a row for each person, or hand, of an image."""
    for start, cells in _bodies(head, group, fused=fused):
        yield f"{start}{','.join(cells)}\n"


def _bodies(head: str, group: Group, *, fused: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the first cells of each body's rows, and for each of its joints the cells of it.

    One ``%`` formats all numbers of a body: a tenth of the time that a call each takes.
    """
    poses = group.poses
    body = _body_format(len(poses.skeleton), len(NUMBERS))
    ends = [[""] * len(poses.skeleton)] * len(poses)
    if fused:
        form = _body_format(len(poses.skeleton), len(FUSED))
        filled = (form % tuple(points.ravel().tolist()) for points in fused_numbers(group))
        ends = [[f",{end}" for end in text.replace("nan", "").split("\n")] for text in filled]
    skeleton = _quoted(poses.skeleton.name)
    for numbers, last, found, sources, score, person, side in zip(
        joint_numbers(poses),
        ends,
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
            f"{'true' if there else 'false'},{row},{SOURCE_WORDS[source]}{end}"
            for there, row, source, end in zip(found, rows, sources, last, strict=True)
        ]
        yield f"{head},{skeleton},{person},{_quoted(side)},{score:.4f},", cells


@lru_cache(maxsize=16)
def _body_format(points: int, numbers: int) -> str:
    return "\n".join([",".join(["%.4f"] * numbers)] * points)


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
        self._wide, self._fused = options.wide, bool(info.cameras)
        self._joints = joint_columns(fused=self._fused)
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
        for name, columns in (TABLES | {"": BODY if self._wide else self._joints}).items():
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
                self._table("", wide_joints(result.poses.skeleton, fused=self._fused))
                if result.hands is not None:
                    self._table("hands", wide_joints(result.hands.skeleton, fused=self._fused))
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
        more = np.zeros((len(numbers), 0), np.float32)
        if self._fused:
            more = np.concatenate([fused_numbers(g).reshape(-1, len(FUSED)) for g in bodies])
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
            *(self._pa.array(column, from_pandas=True) for column in more.T),
        ]

    def _wide_columns(self, found: Bodies) -> list[Any]:
        """Return the columns of all bodies, all of a joint side by side; none without any."""
        if not found:
            return []
        bodies = [group for _, group in found]
        numbers = np.concatenate([joint_numbers(group.poses) for group in bodies])
        there = np.concatenate([group.poses.found for group in bodies])
        marks = np.concatenate([np.array(camera_sources(group.poses)) for group in bodies])
        more = np.zeros((*numbers.shape[:2], 0), np.float32)
        if self._fused:
            more = np.concatenate([fused_numbers(group) for group in bodies])
        columns = self._body_columns(found, np.ones(len(bodies), np.intp))
        for k in range(numbers.shape[1]):
            columns.append(self._pa.array(there[:, k]))
            columns += [
                self._pa.array(numbers[:, k, i], from_pandas=True) for i in range(len(NUMBERS))
            ]
            columns.append(self._words([SOURCE_WORDS[mark] for mark in marks[:, k].tolist()]))
            columns += [self._pa.array(column, from_pandas=True) for column in more[:, k].T]
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
    numbers = [
        name for name, kind in columns.items() if name.endswith(NUMBERS + FUSED) and kind != "word"
    ]
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
