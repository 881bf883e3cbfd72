"""Which camera is turned against what its extrinsics say: one that was knocked."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.triangulation import cross

_SECONDS = 10.0  # for which what was seen counts
_OUTLIER = 3.0  # sigmas from which on a ray counts less
_LEAST_SECONDS = 3.0
_LEAST_TOTAL = 1e-9
# Of all misses: what a turned camera explains at least, and by how much more than any other does.
# Cameras in their places explain up to 0.15, of people who are within a meter.
_LEAST_SHARE, _BETTER = 0.22, 1.4
# The same of two cameras: seven real pairs in their places explain up to 0.67.
_PAIR_SHARE = 0.7
_USUAL = math.radians(2.0)  # one sigma of a turn before anything is seen
TURN_SIGMA = math.radians(0.7)
"""What errors of keypoints look like, as a turn of a camera: one sigma in radians."""


class CameraTurns:
    """By how much each of V cameras is turned, if it is the only one that is.

    Rays of a joint that two cameras see meet, unless one of them is turned: then all rays of it
    miss in the same way. That is linear in a small rotation of either camera. Errors of keypoints
    are large and have many directions; that of a turn stays, for all people and places.
    """

    def __init__(self, count: int) -> None:
        """``count``: V."""
        self._count = count
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._normal = np.zeros((self._count, 3, 3))
        self._target = np.zeros((self._count, 3))
        self._total = self._seconds = 0.0

    def add(
        self,
        pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
        off: Float64Array,
        units: tuple[Float64Array, Float64Array],
        sides: tuple[Float64Array, Float64Array],
        elapsed: float,
    ) -> None:
        """Take in people as two cameras see them.

        Args:
            pairs: (p,) the first camera, and the second.
            off: (p, m) signed distances of their rays in sigmas, NaN where unknown.
            units: (3, p, m) along the rays of both.
            sides: (3, p, m) how ``off`` changes as the ray of each is moved.
            elapsed: Seconds since the last time.
        """
        keep = math.exp(-max(0.0, elapsed) / _SECONDS)
        self._normal *= keep
        self._target *= keep
        self._total *= keep
        self._seconds = keep * self._seconds + elapsed
        good = np.isfinite(off)
        off = np.where(good, off, 0.0)
        weights = np.where(good, 1.0 / np.maximum(1.0, np.abs(off) / _OUTLIER), 0.0)
        self._total += float((weights * off**2).sum())
        for camera, ray, side in zip(pairs, units, sides, strict=True):
            slope = np.where(good, cross(ray, side), 0.0)
            np.add.at(self._normal, camera, np.einsum("pm,ipm,jpm->pij", weights, slope, slope))
            np.add.at(self._target, camera, -np.einsum("pm,ipm->pi", weights * off, slope))

    def estimate(self) -> tuple[Float64Array, Float64Array]:
        """Return (V,) radians by which each is turned, and the share of all misses it explains."""
        normal = self._normal + np.eye(3) * _USUAL**-2.0
        turns = np.linalg.solve(normal, self._target[..., None])[..., 0]
        shares = np.einsum("vi,vi->v", turns, self._target) / max(self._total, _LEAST_TOTAL)
        return np.linalg.norm(turns, axis=1), shares

    def turned(self) -> Float64Array:
        """Return (V,) radians by which a camera is turned; 0 of those that are not known to be.

        One camera at most is: the one that explains misses much better than any other. Of two
        cameras both explain the same misses; then it is either, and both have a figure.
        """
        found = np.zeros(self._count)
        if self._count < 2 or self._seconds < _LEAST_SECONDS:
            return found
        turns, shares = self.estimate()
        if self._count == 2:
            return turns if shares.max() >= _PAIR_SHARE else found
        second, best = np.argsort(shares)[-2:]
        if shares[best] >= max(_LEAST_SHARE, _BETTER * shares[second]):
            found[best] = turns[best]
        return found
