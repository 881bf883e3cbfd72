"""What calibrates several cameras, from their recordings: one person, or a board, over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

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


def look_for_person(
    source: Source,
    name: str,
    estimator: Estimator,
    hands: HandEstimator | None,
    looked: Looked = lambda: None,
) -> tuple[PersonTrack | None, tuple[int, int], Camera | None]:
    """Look for one person in all images of a recording.

    Images with several people count as images without any.

    Args:
        source: The recording; it is read to its end.
        name: Of the camera.
        estimator: Finds people; it looks for two or more, so that others are noticed.
        hands: Finds their hands; None: not.
        looked: Called after each image.

    Returns:
        What was seen, with a made-up camera of 60 degrees that the caller replaces, None where
        there are no images; their size; and the camera that the recording knows.
    """
    stamps: list[float] = []
    rows: list[Float64Array] = []
    size, known = (0, 0), None
    body = estimator.skeleton
    points = len(body) + (2 * len(_hand_rows(hands.skeleton)) if hands else 0)
    for frame, camera in _images(source):
        size, known = (frame.width, frame.height), camera or known
        poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
        row = np.full((points, 2), np.nan)
        if len(poses) == 1:
            row[: len(body)] = np.where(poses.found[0][:, None], poses.keypoints[0], np.nan)
            if hands is not None:
                found = hands.estimate(frame.image, poses, frame.stamp, channels=frame.channels)
                row[len(body) :] = _hand_points(found)
        row[[i for i, k in enumerate(body.keypoints) if k.endswith(_NEAR_DUPLICATES)]] = np.nan
        if not stamps or frame.stamp > stamps[-1]:
            stamps.append(frame.stamp)
            rows.append(row)
        looked()
    if not stamps:
        return None, size, known
    made_up = Camera.from_hfov(*size, hfov_degrees=60.0)
    return PersonTrack(name, made_up, np.array(stamps), np.array(rows)), size, known


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


def _hand_points(hands: Poses) -> Float64Array:
    """Return (2 n, 2) pixels of the left and the right hand's joints, NaN where unknown."""
    rows = _hand_rows(hands.skeleton)
    found = np.full((2, len(rows), 2), np.nan)
    for i, label in enumerate(hands.labels or ()):
        extent = np.ptp(hands.keypoints[i], axis=0).max()
        if label in SIDES and extent >= _LEAST_HAND:
            seen = np.where(hands.found[i][:, None], hands.keypoints[i], np.nan)
            found[SIDES.index(label)] = seen[rows]
    return found.reshape(-1, 2)
