"""What calibrates several cameras, from their recordings: people, or a board, over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pose_ros.analysis.images import images_of
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.multiview.boards import BoardTrack, CalibrationBoard
from pose_ros.core.multiview.calibration import PersonTrack
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.types import Estimator, Frame, HandEstimator, Poses, Source

MAX_IMAGES = 600
"""Of each camera; of longer recordings every n-th image is looked at."""
LEAST_RATE = 8.0
"""Images a second that are looked at, however long it takes: slower ones lose quick motion."""

_LEAST_HAND = 40.0  # pixels: joints of smaller hands are guesses
_HAND_JOINTS = ("mcp", "tip", "cmc")
_NEAR_DUPLICATES = ("inner", "outer")  # of the corners of the eyes: the eyes say as much

Looked = Callable[[], object]
"""Called after each image."""


def with_hands(body: Skeleton, hand: Skeleton) -> Skeleton:
    """Return a skeleton of a body's keypoints, then knuckles and tips of both hands."""
    joints = [hand.keypoints[i] for i in _hand_rows(hand)]
    names = [f"{side}_hand_{joint}" for side in SIDES for joint in joints]
    count, first = len(joints), len(body)
    pairs = tuple((first + i, first + count + i) for i in range(count))
    return Skeleton(f"{body.name}_hands", (*body.keypoints, *names), (), (*body.left_right, *pairs))


@dataclass(frozen=True, eq=False)
class SeenPeople:
    """The people of one camera's recording.

    Attributes:
        alone: One person, as if they were alone: images with several people show no one.
        each: A track of each person that the camera follows, with the stamps of ``alone``.
        several: Share of the images with people that have several of them.
        size: Width and height of the images.
        camera: The intrinsics that the recording knows.
    """

    alone: PersonTrack
    each: tuple[PersonTrack, ...]
    several: float
    size: tuple[int, int]
    camera: Camera | None

    def of_camera(self, camera: Camera) -> SeenPeople:
        """Return the same with a camera's intrinsics."""
        return replace(
            self,
            alone=replace(self.alone, camera=camera),
            each=tuple(replace(track, camera=camera) for track in self.each),
        )


def look_for_people(
    source: Source,
    name: str,
    estimator: Estimator,
    hands: HandEstimator | None,
    looked: Looked = lambda: None,
) -> SeenPeople | None:
    """Look for people in all images of a recording.

    Args:
        source: The recording; it is read to its end.
        name: Of the camera.
        estimator: Finds people; it looks for two or more, so that others are noticed.
        hands: Finds their hands; None: not.
        looked: Called after each image.

    Returns:
        What was seen, with a made-up camera of 60 degrees that the caller replaces; None where
        there are no images.
    """
    stamps: list[float] = []
    images: list[dict[int, Float64Array]] = []
    size, known = (0, 0), None
    body = estimator.skeleton
    joints = len(_hand_rows(hands.skeleton)) if hands else 0
    corners = [i for i, k in enumerate(body.keypoints) if k.endswith(_NEAR_DUPLICATES)]
    for frame, camera in _images(source):
        size, known = (frame.width, frame.height), camera or known
        poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
        rows = np.where(poses.found[..., None], poses.keypoints, np.nan).astype(float)
        if hands is not None and len(poses):
            found = hands.estimate(frame.image, poses, frame.stamp, channels=frame.channels)
            of_hands = [_hand_points(found, int(id_)) for id_ in poses.ids]
            rows = np.concatenate([rows, np.array(of_hands)], axis=1)
        rows[:, corners] = np.nan
        if not stamps or frame.stamp > stamps[-1]:
            stamps.append(frame.stamp)
            images.append(dict(zip(poses.ids.tolist(), rows, strict=True)))
        looked()
    if not stamps:
        return None
    made_up = Camera.from_hfov(*size, hfov_degrees=60.0)
    shape = len(stamps), len(body) + 2 * joints, 2
    alone = np.full(shape, np.nan)
    each: dict[int, Float64Array] = {}
    for i, people in enumerate(images):
        for id_, row in people.items():
            each.setdefault(id_, np.full(shape, np.nan))[i] = row
            if len(people) == 1:
                alone[i] = row
    some = sum(len(people) > 0 for people in images)
    return SeenPeople(
        PersonTrack(name, made_up, np.array(stamps), alone),
        tuple(PersonTrack(name, made_up, np.array(stamps), own) for own in each.values()),
        sum(len(people) > 1 for people in images) / max(1, some),
        size,
        known,
    )


def look_for_board(
    source: Source, name: str, board: CalibrationBoard, looked: Looked = lambda: None
) -> tuple[BoardTrack, Camera | None]:
    """Look for a board in all images of a recording; returns the camera it knows, too."""
    stamps: list[float] = []
    rows: list[Float64Array] = []
    size, known = (0, 0), None
    for frame, camera in _images(source):
        size, known = (frame.width, frame.height), camera or known
        corners = board.find(frame.image)
        if corners is not None and (not stamps or frame.stamp > stamps[-1]):
            stamps.append(frame.stamp)
            rows.append(corners)
        looked()
    found = np.array(rows).reshape(len(rows), len(board.corners), 2)
    return BoardTrack(name, size, None, np.array(stamps), found), known


def images_to_look_at(source: Source) -> tuple[int, int | None]:
    """Return that every n-th image of a recording is looked at, and how many that are."""
    length = getattr(source, "length", None)
    rate = getattr(source, "fps", math.nan)
    every = 1
    if length and length > MAX_IMAGES:
        every = math.ceil(length / MAX_IMAGES)
        if rate > 0:
            every = max(1, min(every, int(rate / LEAST_RATE)))
    return every, None if length is None else -(-length // every)


def _images(source: Source) -> Iterator[tuple[Frame, Camera | None]]:
    every, _ = images_to_look_at(source)
    for i, image in enumerate(images_of(source)):
        if i % every == 0:
            yield image.frame, image.camera


def _hand_rows(hand: Skeleton) -> list[int]:
    return [i for i, name in enumerate(hand.keypoints) if name.endswith(_HAND_JOINTS)]


def _hand_points(hands: Poses, person: int) -> Float64Array:
    """Return (2 n, 2) pixels of a person's left and right hand's joints, NaN where unknown."""
    rows = _hand_rows(hands.skeleton)
    found = np.full((2, len(rows), 2), np.nan)
    for i, label in enumerate(hands.labels or ()):
        extent = np.ptp(hands.keypoints[i], axis=0).max()
        if hands.ids[i] // 2 == person and label in SIDES and extent >= _LEAST_HAND:
            seen = np.where(hands.found[i][:, None], hands.keypoints[i], np.nan)
            found[SIDES.index(label)] = seen[rows]
    return found.reshape(-1, 2)
