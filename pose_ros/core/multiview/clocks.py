"""Cameras that are not synchronized: people at a common stamp, and offsets of the clocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.skeletons import parts_of
from pose_ros.core.timeline import FOLLOW_SECONDS, StampStep, step_from, went_back
from pose_ros.core.types import FloatArray, Poses

WATCH_SECONDS = 0.09
"""Between two looks at what changes slowly: offsets of clocks, bones, who is who among people who
are where they are expected. Images in between say much the same."""

# Of recordings whose offsets are not known.
_MOST_BY_RAYS = 10.0  # seconds
_LEAST_OVERLAP = 1.0  # seconds
_LEAST_GAIN = 0.8  # of the cost without an offset, where there is one
_MOST_INSTANTS = 200
_RAY_SIGMA = 0.01  # radians
_BOUND = 9.0
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
    rows = {id_: i for i, id_ in enumerate(before.ids.tolist())}
    pairs = [(i, rows[id_]) for i, id_ in enumerate(poses.ids.tolist()) if id_ in rows]
    if not pairs:
        return poses
    now, then = (list(indices) for indices in zip(*pairs, strict=True))
    share = (stamp - here) / (here - there)

    def moved(values: FloatArray, last: FloatArray) -> FloatArray:
        found = np.array(values)
        step = share * (values[now] - last[then])
        found[now] += np.where(np.isfinite(step), step, 0.0)
        return found

    keypoints = moved(poses.keypoints, before.keypoints)
    if poses.camera is None or before.camera is None:
        return poses.replace(keypoints=keypoints)
    return poses.replace(keypoints=keypoints, camera=moved(poses.camera, before.camera))


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


def offsets_by_rays(
    views: Sequence[CameraView], samples: Sequence[Sequence[tuple[float, Poses]]]
) -> list[float]:
    """Return what to add to each camera's stamps for the clock of the first one, in seconds.

    For cameras whose places are known, and any number of people. The viewing rays of a joint that
    moves meet at one offset only. Where people hardly move, and where no offset makes the rays meet
    much better than none, it is 0.

    Args:
        views: The cameras, the reference first.
        samples: Of each, stamps in seconds and people.
    """
    return [0.0, *(_offset(views[0], view, samples[0], each)
                   for view, each in zip(views[1:], samples[1:], strict=True))]  # fmt: skip


def _offset(
    first: CameraView,
    second: CameraView,
    ours: Sequence[tuple[float, Poses]],
    theirs: Sequence[tuple[float, Poses]],
) -> float:
    if len(ours) < 2 or len(theirs) < 2:
        return 0.0
    stamps = np.array([stamp for stamp, _ in ours])
    others = np.array([stamp for stamp, _ in theirs])
    period = float(np.median(np.diff(others)))
    a, b = _unit_rays(first, ours), _unit_rays(second, theirs)
    base = second.extrinsics.center - first.extrinsics.center
    length = math.sqrt(float(base @ base))
    if length < 1e-6 or not a.size or not b.size or period <= 0:
        return 0.0
    across = np.cross(a, base / length)

    def cost(offset: float) -> float:
        """Return the mean square by which rays miss each other, NaN where too few are together."""
        there = np.flatnonzero((stamps >= others[0] + offset) & (stamps <= others[-1] + offset))
        if len(there) < 2 or stamps[there[-1]] - stamps[there[0]] < least:
            return math.nan
        there = there[:: max(1, len(there) // _MOST_INSTANTS)]
        after = np.clip(np.searchsorted(others, stamps[there] - offset), 1, len(others) - 1)
        share = (stamps[there] - offset - others[after - 1]) / (others[after] - others[after - 1])
        share = np.clip(share, 0.0, 1.0)[:, None, None, None]
        between = (1.0 - share) * b[after - 1] + share * b[after]  # NaN where one is unknown
        nearest = np.where(share < 0.5, b[after - 1], b[after])
        rays = np.where(np.isfinite(between), between, nearest)
        # people of one camera by those of the other: each has the one who fits best
        normal = across[there][:, :, None]  # (n, P, 1, K, 3)
        wide = np.sqrt((normal**2).sum(axis=-1))
        off = (normal * rays[:, None]).sum(axis=-1) / np.maximum(wide, 1e-9)
        squares = np.minimum((off / _RAY_SIGMA) ** 2, _BOUND)
        known = np.isfinite(squares)
        count = known.sum(axis=-1)
        means = np.where(known, squares, 0.0).sum(axis=-1) / np.maximum(count, 1)
        best = np.where(count > 0, means, np.inf).min(axis=2)
        return float(best[np.isfinite(best)].mean()) if np.isfinite(best).any() else math.nan

    span = min(stamps[-1] - stamps[0], others[-1] - others[0])
    least = min(_LEAST_OVERLAP, 0.5 * span)
    steps = np.arange(1, int(2.0 * _MOST_BY_RAYS / period) + 1) * (period / 2.0)
    offsets = np.concatenate([[0.0], steps, -steps])
    costs = np.array([cost(float(offset)) for offset in offsets])
    if not np.isfinite(costs).any():
        return 0.0
    best = int(np.nanargmin(costs))
    if math.isfinite(costs[0]) and not costs[best] < _LEAST_GAIN * costs[0]:
        return 0.0
    fine = offsets[best] + np.linspace(-0.5, 0.5, 11) * period
    costs = np.array([cost(float(offset)) for offset in fine])
    return round(float(fine[int(np.nanargmin(costs))]), 4)


def _unit_rays(view: CameraView, samples: Sequence[tuple[float, Poses]]) -> Float64Array:
    """Return (F, P, K, 3) unit vectors of the joints of up to P people; NaN where there is none."""
    most = max((len(poses) for _, poses in samples), default=0)
    skeleton = samples[0][1].skeleton
    main: NDArray[np.intp] = parts_of(skeleton).main
    pixels = np.full((len(samples), most, len(main), 2), np.nan)
    for i, (_, poses) in enumerate(samples):
        sure = poses.keypoint_scores[:, main] >= 0.5
        pixels[i, : len(poses)] = np.where(sure[..., None], poses.keypoints[:, main], np.nan)
    rays = view.rays(pixels.reshape(-1, 2)).reshape(*pixels.shape[:3], 3)
    found: Float64Array = rays / np.sqrt((rays * rays).sum(axis=-1, keepdims=True))
    return found
