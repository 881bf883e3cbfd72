"""The three tables of a run, as CSV and Parquet hold them: joints, images, gestures.

docs/exports.md says what each column means.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from pose_ros.core.results import NANOSECONDS, Result
from pose_ros.core.types import CameraSource, FloatArray, Poses, person_of_hand

Kind: TypeAlias = Literal["word", "int32", "int64", "float32", "float64"]
Cell: TypeAlias = str | int | float | None
"""Of a table; the empty word, NaN and None are what is missing."""

_IMAGE: dict[str, Kind] = {
    "source": "word",
    "index": "int32",
    "nanoseconds": "int64",
    "stamp": "float64",
}
NUMBERS = (
    *("x", "y", "score", "z"),
    *("world_x", "world_y", "world_z"),
    *("camera_x", "camera_y", "camera_z", "camera_sigma"),
)
"""Columns of ``joint_numbers``."""

JOINTS: dict[str, Kind] = {
    **_IMAGE,
    "skeleton": "word",
    "person": "int64",
    "side": "word",
    "pose_score": "float32",
    "joint": "word",
    **dict.fromkeys(NUMBERS, "float32"),
    "camera_source": "word",
}
IMAGES: dict[str, Kind] = {
    **_IMAGE,
    "frame_id": "word",
    "width": "int32",
    "height": "int32",
    "people": "int32",
    "hands": "int32",
}
GESTURES: dict[str, Kind] = {
    **_IMAGE,
    "person": "int64",
    "gesture": "word",
    "side": "word",
    "event": "word",
    "confidence": "float32",
    "since": "float64",
    "ray": "word",
    **dict.fromkeys(("origin_x", "origin_y", "origin_z"), "float32"),
    **dict.fromkeys(("direction_x", "direction_y", "direction_z"), "float32"),
    "sigma": "float32",
    "origin_sigma": "float32",
}
TABLES: dict[str, dict[str, Kind]] = {"": JOINTS, "images": IMAGES, "gestures": GESTURES}
"""Columns of each table, by what its file is called beside the first one."""

SOURCE_WORDS = tuple("" if s is CameraSource.NONE else s.name.lower() for s in CameraSource)
"""Values of ``camera_source``, by ``CameraSource``."""


class Group(NamedTuple):
    """People, or hands, of one image.

    Attributes:
        poses: N of them.
        people: N ids: of the person, of hands of people that to whom they belong.
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
        sides = [("left", "right")[i % 2] for i in ids]
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
    return [[int(CameraSource.NONE)] * points] * people


def camera_sources(poses: Poses) -> list[list[int]]:
    """Return the ``CameraSource`` of each joint, N lists of K."""
    if poses.camera_sources is None:
        return _no_sources(*poses.keypoint_scores.shape)
    sources: list[list[int]] = poses.camera_sources.tolist()
    return sources


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
    rows = []
    for gesture in result.gestures:
        pointing: tuple[Cell, ...] = ("", *(None,) * 8)
        if (ray := gesture.ray) is not None:
            kind = "metric" if ray.metric else "image"
            line = (*ray.origin.tolist(), *ray.direction.tolist())
            pointing = (kind, *line, ray.sigma, ray.origin_sigma)
        what = (gesture.person, gesture.name, gesture.side, gesture.event)
        rows.append((*image_cells(result), *what, gesture.confidence, gesture.since, *pointing))
    return rows


def exact_seconds(nanoseconds: int) -> str:
    """Return nanoseconds as seconds with nine digits after the point: nothing is rounded."""
    seconds, rest = divmod(abs(nanoseconds), NANOSECONDS)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{rest:09d}"
