"""How far joints are bent, and how fast that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.smoothing import Slopes
from pose_ros.core.types import Pose, PositionSource

Basis: TypeAlias = Literal["camera", "world", "image"]
"""What an angle was measured in: meters of a depth camera, the network's metric shape, pixels."""
_BASES: tuple[Basis, ...] = get_args(Basis)

# the angle is at the middle one; 180 degrees are a stretched arm or leg, an arm hangs at 0
_TRIPLES = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "shoulder": ("hip", "shoulder", "elbow"),
    "hip": ("shoulder", "hip", "knee"),
    "knee": ("hip", "knee", "ankle"),
}


@lru_cache(maxsize=32)
def triples(skeleton: Skeleton, joints: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Return the keypoints between which each angle is, by names such as ``left_elbow``.

    Args:
        skeleton: A body's or a hand's; a hand has none.
        joints: Some of ``JOINTS``, of both sides, or of one side as ``left_elbow``.
    """
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    found = {}
    for joint in joints:
        side_asked, _, kind = joint.rpartition("_")
        for side in (side_asked,) if side_asked else SIDES:
            parts = [f"{side}_{part}" for part in _TRIPLES[kind]]
            if all(part in names for part in parts):
                first, middle, last = (names[part] for part in parts)
                found[f"{side}_{kind}"] = (first, middle, last)
    return found


def joint_angles(
    pose: Pose, found: NDArray[np.bool_], corners: NDArray[np.intp]
) -> tuple[Float64Array, list[Basis | None]]:
    """Return angles in degrees, 0 to 180, and what each was measured in.

    Each is measured in the best that is known of all three of its joints: meters that a depth
    camera measured, else the network's metric shape, else the picture, in which an angle is
    as it is seen.

    Args:
        pose: One person.
        found: (K,) which joints were found.
        corners: (A, 3) keypoints; the angle is at the middle one.

    Returns:
        (A,) degrees, NaN where a joint is missing, and A bases, None there.
    """
    known = np.all(found[corners], axis=1)
    angles = np.full(len(corners), np.nan)
    bases: list[Basis | None] = [None] * len(corners)
    spaces = (*metric_spaces(pose), ("image", pose.keypoints.astype(np.float64)))
    basis: Basis
    for basis, points in spaces:
        measured = _angles(points[corners])
        for i in np.flatnonzero(known & np.isnan(angles) & np.isfinite(measured)):
            angles[i], bases[int(i)] = measured[i], basis
    return angles, bases


@dataclass(frozen=True, eq=False)
class JointAngles:
    """Angles of one person in one image.

    Attributes:
        degrees: (A,) without jumps of whole turns; NaN where a joint is missing.
        bases: A, what each was measured in; None where there is no angle.
        speeds: (A,) degrees a second, above 0 where a joint opens; NaN where unknown.
        middle: Seconds, the middle of the time that the speeds are of.
    """

    degrees: Float64Array
    bases: tuple[Basis | None, ...]
    speeds: Float64Array
    middle: float


Measure: TypeAlias = Callable[[Pose, NDArray[np.bool_]], tuple[Float64Array, list[Basis | None]]]
"""Returns the (A,) degrees of a person of whose K keypoints some were found, and A bases."""


class JointMotion:
    """The angles of one person over time, and how fast they change.

    A speed is the slope of a straight line through the last ``SLOPE_SECONDS``, of angles that
    were measured in the same basis. Angles that go around go on beyond a half turn.
    """

    def __init__(self, measure: Measure) -> None:
        """``measure``: ``joint_angles`` of some corners, or ``anatomical_angles``."""
        self._measure = measure
        self._slopes = Slopes()
        self._last = np.zeros(0)

    def add(self, stamp: float, pose: Pose, found: NDArray[np.bool_]) -> JointAngles:
        """Return the angles in the next image.

        Args:
            stamp: Seconds; one that does not rise, or after a gap, begins again.
            pose: The person.
            found: (K,) which joints were found.
        """
        degrees, bases = self._measure(pose, found)
        degrees, self._last = continued(degrees[None], self._last)
        degrees = degrees[0]
        # a row a basis: an angle in the image is no continuation of one in meters
        table = np.full((len(_BASES), len(degrees)), np.nan)
        places = [(_BASES.index(basis), i) for i, basis in enumerate(bases) if basis]
        for row, i in places:
            table[row, i] = degrees[i]
        middle, slopes, _ = self._slopes.add(stamp, table.ravel())
        speeds = np.full(len(degrees), np.nan)
        for row, i in places:
            speeds[i] = slopes.reshape(table.shape)[row, i]
        return JointAngles(degrees, tuple(bases), speeds, middle)


def continued(degrees: Float64Array, last: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return angles over time without jumps of whole turns.

    Args:
        degrees: (n, A), one moment after the other; NaN where missing.
        last: (A,) as this function returned it for the moments before; empty at the beginning.

    Returns:
        (n, A) degrees, and (A,) the last ones that are known.
    """
    last = last if len(last) else np.zeros(degrees.shape[1])
    found = np.empty_like(degrees)
    for i, row in enumerate(degrees):
        found[i] = row + 360.0 * np.round((last - row) / 360.0)
        last = np.where(np.isfinite(row), found[i], last)
    return found, last


def metric_spaces(pose: Pose) -> list[tuple[Basis, Float64Array]]:
    """Return a person's keypoints, (K, 3) meters, as they were measured, then by their shape."""
    spaces: list[tuple[Basis, Float64Array]] = []
    if pose.camera is not None and pose.camera_sources is not None:
        measured = (pose.camera_sources >= PositionSource.DEPTH)[:, None]
        if measured.any():
            spaces.append(("camera", np.where(measured, pose.camera, np.nan).astype(np.float64)))
    if pose.world is not None:
        spaces.append(("world", pose.world.astype(np.float64)))
    return spaces


def _angles(points: Float64Array) -> Float64Array:
    """Return the (A,) degrees at the middle of (A, 3, D) points; NaN where two fall together."""
    return angle_between(points[:, 0] - points[:, 1], points[:, 2] - points[:, 1])
