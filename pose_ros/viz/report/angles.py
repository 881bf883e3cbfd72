"""How far joints are bent, and how fast that changes."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import CameraSource, Pose

Basis: TypeAlias = Literal["depth", "shape", "picture"]
"""What an angle was measured in: a depth camera's meters, the network's metric shape, pixels."""

# the angle is at the middle one; 180 degrees are a stretched arm or leg, an arm hangs at 0
_TRIPLES = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "shoulder": ("hip", "shoulder", "elbow"),
    "hip": ("shoulder", "hip", "knee"),
    "knee": ("hip", "knee", "ankle"),
}
SLOPE_SECONDS = 0.2
"""A speed is the slope of a straight line through what was seen for so long."""
_LONGEST_STEP = 0.5  # seconds between two images that say something of a speed


@lru_cache(maxsize=32)
def triples(skeleton: Skeleton, joints: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Return the keypoints between which each angle is, by names such as ``left_elbow``.

    Args:
        skeleton: A body's or a hand's; a hand has none.
        joints: As in ``ReportOptions``.
    """
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    found = {}
    for joint in joints:
        side_asked, _, kind = joint.rpartition("_")
        for side in (side_asked,) if side_asked else ("left", "right"):
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
    for basis, points in _spaces(pose):
        measured = _angles(points[corners])
        for i in np.flatnonzero(known & np.isnan(angles) & np.isfinite(measured)):
            angles[i], bases[int(i)] = measured[i], basis
    return angles, bases


def _spaces(pose: Pose) -> list[tuple[Basis, Float64Array]]:
    spaces: list[tuple[Basis, Float64Array]] = []
    if pose.camera is not None and pose.camera_sources is not None:
        measured = (pose.camera_sources == CameraSource.DEPTH)[:, None]
        if measured.any():
            spaces.append(("depth", np.where(measured, pose.camera, np.nan).astype(np.float64)))
    if pose.world is not None:
        spaces.append(("shape", pose.world.astype(np.float64)))
    spaces.append(("picture", pose.keypoints.astype(np.float64)))
    return spaces


def _angles(points: Float64Array) -> Float64Array:
    """Return the (A,) degrees at the middle of (A, 3, D) points; NaN where two fall together."""
    return angle_between(points[:, 0] - points[:, 1], points[:, 2] - points[:, 1])


class Slopes:
    """How fast W values change: slopes of straight lines through the last moments.

    Args:
        seconds: How long a moment is; the last two samples count however far apart they are,
            up to half a second.
    """

    def __init__(self, seconds: float = SLOPE_SECONDS) -> None:
        self._seconds = seconds
        self._samples: deque[tuple[float, Float64Array]] = deque()

    def add(self, time: float, values: Float64Array) -> tuple[float, Float64Array, Float64Array]:
        """Take in a sample: seconds, and (W,) values, NaN where unknown.

        Returns:
            The middle of the moment in seconds, (W,) slopes a second, NaN where fewer than
            two values are known, and (W,) one sigma of each by how far the values are
            from the line: NaN of two.
        """
        samples = self._samples
        if samples and not 0.0 < time - samples[-1][0] <= _LONGEST_STEP:
            samples.clear()
        samples.append((time, values))
        # half a microsecond: stamps of equal steps are not equally far apart as floats
        while len(samples) > 2 and time - samples[0][0] > self._seconds + 5e-7:
            samples.popleft()
        times = np.array([sample[0] for sample in samples])
        table = np.stack([sample[1] for sample in samples])
        slopes, sigmas = fit_lines(times, table)
        return float((times[0] + times[-1]) / 2), slopes, sigmas


def fit_lines(times: Float64Array, table: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return (W,) slopes of the least-squares lines of (n, W) values, and one sigma of each."""
    known = np.isfinite(table)
    count = known.sum(axis=0)
    weights = known / np.maximum(count, 1)
    values = np.where(known, table, 0.0)
    centered = (times[:, None] - (weights * times[:, None]).sum(axis=0)) * known
    around = (values - (weights * values).sum(axis=0)) * known
    spread = (centered**2).sum(axis=0)
    spread = np.where((count >= 2) & (spread > 0), spread, np.nan)
    slopes = (centered * around).sum(axis=0) / spread
    rest = ((around - slopes * centered) ** 2).sum(axis=0)
    free = np.where(count > 2, count - 2, np.nan)
    found: Float64Array = slopes
    return found, np.sqrt(rest / free / spread)
