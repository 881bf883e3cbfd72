"""Cameras that are not synchronized: people at a common stamp, and offsets of the clocks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.timeline import FOLLOW_SECONDS, StampStep, step_from, went_back
from pose_ros.core.types import FloatArray, Poses

WATCH_SECONDS = 0.09
"""Between two looks at what changes slowly: offsets of clocks, bones, who is who among people who
are where they are expected. Images in between say much the same."""

_OFFSET_SECONDS = 30.0  # for which what was seen counts
_MOST_SIGMA = 0.012  # seconds: of an offset that is known well enough to correct stamps by it
_SURE = 3.0  # sigmas from zero, likewise
_MOST_OFFSET = 0.5  # seconds
# The errors of keypoints are much the same for so long: images in it are one observation.
_ALIKE_SECONDS = 0.4
_JOINTS_ALIKE = 0.5  # and so are those of a body's joints
_OUTLIER = 3.0
_SAME_SECONDS = 1e-6
_LEAST_INFORMATION = 1e-9


class CameraSamples:
    """The last images of one camera: its people at any stamp close to them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._samples: list[tuple[float, Poses]] = []

    def add(self, stamp: float, poses: Poses) -> None:
        """Take in an image's people; those of the last stamp again, or older ones, are left out."""
        if self._samples:
            before = self._samples[-1][0]
            step = step_from(before, stamp, FOLLOW_SECONDS)
            if step is StampStep.GAP or went_back(before, stamp):
                self.reset()
            elif step is not StampStep.NEXT:
                return
        self._samples = [*self._samples[-2:], (stamp, poses)]

    def skew(self, stamp: float) -> float:
        """Return seconds to the nearest image; infinite without images."""
        return min((abs(stamp - own) for own, _ in self._samples), default=math.inf)

    def at(self, stamp: float, max_skew: float) -> Poses | None:
        """Return the people at a stamp.

        People of the same id in two images are where they were in between, or a little beyond the
        last one.

        Returns:
            None where no image is within ``max_skew`` seconds.
        """
        if not self.skew(stamp) <= max_skew + 1e-9:
            return None
        if len(self._samples) == 1:
            return self._samples[0][1]
        after = next((i for i, (own, _) in enumerate(self._samples) if own >= stamp), None)
        i = len(self._samples) - 1 if after is None else max(1, after)
        first, second = self._samples[i - 1 : i + 1]
        if abs(first[0] - stamp) < abs(second[0] - stamp):
            first, second = second, first
        return _move(first, second, stamp)


def _move(other: tuple[float, Poses], nearest: tuple[float, Poses], stamp: float) -> Poses:
    """Return the people of the nearest image at a stamp, by an other image."""
    (there, before), (here, poses) = other, nearest
    if abs(stamp - here) < _SAME_SECONDS or poses.skeleton != before.skeleton:
        return poses
    rows = {int(id_): i for i, id_ in enumerate(before.ids)}
    pairs = [(i, rows[int(id_)]) for i, id_ in enumerate(poses.ids) if int(id_) in rows]
    if not pairs:
        return poses
    now, then = (list(indices) for indices in zip(*pairs, strict=True))
    share = (stamp - here) / (here - there)

    def moved(values: FloatArray, last: FloatArray) -> FloatArray:
        found = np.array(values)
        step = share * (values[now] - last[then])
        found[now] += np.where(np.isfinite(step), step, 0.0)
        return found

    poses = poses.replace(keypoints=moved(poses.keypoints, before.keypoints))
    if poses.camera is None or before.camera is None:
        return poses
    return poses.replace(camera=moved(poses.camera, before.camera))


class ClockOffsets:
    """How far the clocks of V cameras are off the first one's, by how the rays of joints meet.

    A joint that moves across the rays of two cameras does not lie on both where their stamps are
    apart: the distance is its speed times the offset. People who stand still say nothing.
    """

    def __init__(self, count: int) -> None:
        """``count``: V."""
        self._count = count
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._normal = np.zeros((self._count, self._count))
        self._target = np.zeros(self._count)
        self._shift = np.zeros(self._count)

    @property
    def shifts(self) -> Float64Array:
        """(V,) seconds to add to the common stamp to have a camera's own; zero where unknown."""
        return self._shift

    def fade(self, elapsed: float) -> None:
        """Let what was seen count less, ``elapsed`` seconds on."""
        share = math.exp(-max(0.0, elapsed) / _OFFSET_SECONDS)
        self._normal *= share
        self._target *= share

    def add(
        self,
        pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
        off: Float64Array,
        slopes: tuple[Float64Array, Float64Array],
        elapsed: float,
    ) -> None:
        """Take in people as two cameras see them, at stamps that ``shifts`` has corrected.

        Args:
            pairs: (p,) the first camera, and the second.
            off: (p, m) signed distances of their rays in sigmas, NaN where unknown.
            slopes: (p, m) how ``off`` changes by second of the first camera's stamp, and of the
                second's.
            elapsed: Seconds since the images before: errors of keypoints last.
        """
        first, second = pairs
        good = np.isfinite(off + slopes[0] + slopes[1])
        a, b, off = (np.where(good, values, 0.0) for values in (*slopes, off))
        weights = np.where(good, 1.0 / (1.0 + (off / _OUTLIER) ** 2), 0.0)
        weights *= _JOINTS_ALIKE * min(1.0, max(0.0, elapsed) / _ALIKE_SECONDS)
        # in terms of the whole offset, what is corrected already included
        whole = off - a * self._shift[first][:, None] - b * self._shift[second][:, None]
        for i, own, j, other in ((first, a, second, b), (second, b, first, a)):
            np.add.at(self._normal, (i, i), (weights * own * own).sum(axis=1))
            np.add.at(self._normal, (i, j), (weights * own * other).sum(axis=1))
            np.add.at(self._target, i, -(weights * own * whole).sum(axis=1))

    def estimate(self) -> tuple[Float64Array, Float64Array]:
        """Return (V,) seconds by which stamps are late against the first camera's, and sigmas.

        NaN where nothing is known; the first is 0 by definition.
        """
        offsets, sigmas = np.full((2, self._count), np.nan)
        offsets[0] = sigmas[0] = 0.0
        known = np.flatnonzero(np.diag(self._normal)[1:] > _LEAST_INFORMATION) + 1
        if len(known):
            normal = self._normal[np.ix_(known, known)]
            try:
                covariance = np.linalg.inv(normal)
            except np.linalg.LinAlgError:
                return offsets, sigmas
            variances = np.diag(covariance)
            fine = variances > 0
            offsets[known] = np.where(fine, covariance @ self._target[known], np.nan)
            sigmas[known] = np.sqrt(np.where(fine, variances, np.nan))
        return offsets, sigmas

    def correct(self, offsets: Float64Array, sigmas: Float64Array) -> None:
        """Correct stamps from now on by those offsets of ``estimate`` that are sure enough."""
        with np.errstate(invalid="ignore"):
            sure = (sigmas < _MOST_SIGMA) & (np.abs(offsets) < _MOST_OFFSET)
            apart = np.abs(offsets - self._shift) > _SURE * sigmas
        self._shift = np.where(sure & apart, offsets, self._shift)
