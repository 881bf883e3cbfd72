"""The tables of a run, as CSV and Parquet hold them: joints, angles, images, gestures.

docs/reference/exports.md says what each column means. A column's name has its unit, where it has
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.joint_angles import JointMotion, triples
from pose_ros.core.results import Result
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import FloatArray, Poses, PositionSource, person_of_hand
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
_JOINT: Columns = {
    "found": "bool",
    **dict.fromkeys(NUMBERS, "float32"),
    "camera_source": "word",
}
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


@lru_cache(maxsize=16)
def wide_joints(skeleton: Skeleton) -> Columns:
    """Return the columns of a table with a row for each body: all of a joint side by side."""
    return {**BODY, **_side_by_side(skeleton.keypoints, _JOINT)}


@lru_cache(maxsize=16)
def wide_angles(skeleton: Skeleton) -> Columns:
    """Return the columns of a table of angles with a row for each person."""
    angles = triples(skeleton, ANGLE_JOINTS)
    return {**_IMAGE, "person": "int64", **_side_by_side(angles, _ANGLE)}


def _side_by_side(names: Iterable[str], columns: Columns) -> Columns:
    return {f"{name}_{column}": kind for name in names for column, kind in columns.items()}


SOURCE_WORDS = tuple("" if s is PositionSource.NONE else s.name.lower() for s in PositionSource)
"""Values of ``camera_source``, by ``PositionSource``."""


class Group(NamedTuple):
    """People, or hands, of one image.

    Attributes:
        poses: N of them.
        people: N ids: of the person; for hands, of the person they belong to.
        sides: N words: ``left`` or ``right`` of hands, empty otherwise.
    """

    poses: Poses
    people: list[int]
    sides: list[str]


def groups(result: Result) -> list[Group]:
    """Return the people and hands of an image, without those of which there are none."""
    found = []
    if len(result.poses):
        sides = [*(result.poses.labels or [""] * len(result.poses))]
        found.append(Group(result.poses, result.poses.ids.tolist(), sides))
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
        angles = triples(poses.skeleton, ANGLE_JOINTS)
        corners = np.array(list(angles.values()), np.intp).reshape(-1, 3)
        rows: list[tuple[Cell, ...]] = []
        found = poses.found
        if len(self._motions) > _MOST_PEOPLE:
            self._motions = {}
        for i, pose in enumerate(poses if angles else ()):
            who = (pose.id, pose.skeleton.name)
            motion = self._motions.setdefault(who, JointMotion(corners))
            now = motion.add(result.stamp, pose, found[i])
            bases = (basis or "" for basis in now.bases)
            cells = list(zip(now.degrees.tolist(), now.speeds.tolist(), bases, strict=True))
            head = (*image_cells(result), pose.id)
            if self._wide:
                rows.append((*head, *chain.from_iterable(cells)))
            else:
                for name, cell in zip(angles, cells, strict=True):
                    side, _, joint = name.partition("_")
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
