"""How far the clocks of cameras are apart, by the motion of people.

Where the cameras' places are known, the rays of joints that move meet at one offset only
(``offsets_by_rays``). Where they are not, one person's joints move at the same times in all views
(``clock_offsets``), and places and offsets are found together (``calibrate_with_clocks``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import parts_of
from pose_ros.core.multiview.calibration import (
    PersonTrack,
    RigCalibration,
    calibrate_from_person,
    interpolated,
    pair_worth,
)
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError

MAX_OFFSET = 60.0
"""Seconds that are searched, where the recordings are that long."""
MAX_LATENCY = 1.0
"""Seconds by which images of cameras of one clock may be older than their stamps say."""
SURE_CORRELATION = 0.2
"""Correlation of the joints' motion from which on an offset other than 0 is believed."""

_RATE = 30.0  # Hz of the grid on which speeds are compared
_LEAST_SHARE = 0.5  # of the shorter recording that has to overlap
_PEAKS = 4  # of the correlation that are tried
_WORTH_MOVING = 0.97  # share of its joints that fit at another offset that counts
# Of cameras in known places.
_MOST_BY_RAYS = 10.0  # seconds
_LEAST_OVERLAP = 1.0  # seconds
_LEAST_GAIN = 0.8  # of the cost without an offset, where there is one
_MOST_INSTANTS = 200
_RAY_SIGMA = 0.01  # radians
_BOUND = 9.0


@dataclass(frozen=True)
class ClockOffset:
    """What to add to a camera's stamps for the clock of the first one.

    Attributes:
        seconds: The offset.
        correlation: Of the joints' motion under it, in [-1, 1].
    """

    seconds: float
    correlation: float

    @property
    def sure(self) -> bool:
        """Whether the motion tells it."""
        return self.seconds == 0.0 or self.correlation >= SURE_CORRELATION


def clock_offsets(
    first: PersonTrack, second: PersonTrack, max_offset: float = MAX_OFFSET
) -> list[ClockOffset]:
    """Return offsets under which the joints of two views move at the same times, best first.

    The speed of each joint along the body is correlated over all offsets. Steps repeat, so that
    there are several peaks; 0 is always among them.

    Args:
        first: Of the camera whose clock counts.
        second: Of the other camera, with the same keypoints.
        max_offset: Seconds, the most that is searched.

    Raises:
        OptionError: The tracks have different keypoints, or fewer than 3 images.
    """
    if first.keypoints.shape[1] != second.keypoints.shape[1]:
        raise OptionError("tracks of the same keypoints are needed to find a clock's offset")
    if min(len(first.stamps), len(second.stamps)) < 3:
        raise OptionError("3 images or more are needed to find a clock's offset")
    a, b = _motion(first), _motion(second)
    lags, correlation = _correlation(a, b)
    seconds = lags / _RATE + first.stamps[0] - second.stamps[0]
    overlap = np.minimum(len(a), len(b) + lags) - np.maximum(0, lags)
    allowed = (overlap >= _LEAST_SHARE * min(len(a), len(b))) & (np.abs(seconds) <= max_offset)
    correlation = np.where(allowed, correlation, -1.0)
    equal = int(np.abs(seconds).argmin())
    found = [ClockOffset(0.0, float(correlation[equal]))] if allowed[equal] else []
    middle = correlation[1:-1]
    peaks = 1 + np.flatnonzero((middle > correlation[:-2]) & (middle >= correlation[2:]))
    for i in peaks[np.argsort(-correlation[peaks])][:_PEAKS]:
        left, top, right = correlation[i - 1 : i + 2]
        bend = left - 2.0 * top + right
        shift = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
        found.append(ClockOffset(float(seconds[i] + shift / _RATE), float(top)))
    return sorted(found, key=lambda offset: -offset.correlation)


def _motion(track: PersonTrack) -> Float64Array:
    """Return (n, K) how fast joints move along the body on an even grid, 0 where unknown.

    It is the speed toward the head, from the body's middle, as a share of the body: cameras all
    around see the same of it, while what is across the body depends on where they stand.
    """
    stamps = np.arange(track.stamps[0], track.stamps[-1], 1.0 / _RATE)
    points = interpolated(track, stamps)
    known = np.isfinite(points).all(axis=-1)
    some = known.sum(axis=1) >= 3
    middle = np.full((len(points), 2), np.nan)
    middle[some] = np.nanmedian(points[some], axis=1)
    toward = points[:, 0] - middle  # all skeletons begin with the nose
    toward = toward[np.isfinite(toward).all(axis=1)]
    axis = np.median(toward, axis=0) if len(toward) else np.array([0.0, -1.0])
    size = max(1e-6, float(np.linalg.norm(axis)))
    along = (points - middle[:, None]) @ (axis / size**2)
    speed = np.gradient(along, axis=0) * _RATE
    limit = 3.0 * np.nanmedian(np.abs(speed)) + 1e-9 if np.isfinite(speed).any() else 1.0
    speed = limit * np.tanh(speed / limit)  # a jump of a keypoint is a mistake
    found: Float64Array = np.where(np.isfinite(speed), speed, 0.0)
    return found


def _correlation(a: Float64Array, b: Float64Array) -> tuple[NDArray[np.intp], Float64Array]:
    """Return lags in steps, and the correlation of ``a`` with ``b`` moved later by each."""
    size = 1 << (len(a) + len(b) - 1).bit_length()

    def sums(x: Float64Array, y: Float64Array) -> Float64Array:
        product = np.fft.rfft(x, size, axis=0) * np.conj(np.fft.rfft(y, size, axis=0))
        both: Float64Array = np.fft.irfft(product.sum(axis=1), size)
        return np.concatenate([both[-(len(b) - 1) :], both[: len(a)]])

    lags = np.arange(-(len(b) - 1), len(a), dtype=np.intp)
    one_a, one_b = (a != 0).astype(float), (b != 0).astype(float)
    power = np.sqrt(np.maximum(sums(a**2, one_b), 1e-9) * np.maximum(sums(one_a, b**2), 1e-9))
    found: Float64Array = sums(a, b) / power
    return lags, found


def calibrate_with_clocks(
    tracks: Sequence[PersonTrack],
    skeleton: Skeleton,
    *,
    height: float | None = None,
    baseline: tuple[int, int, float] | None = None,
    max_offset: float = MAX_OFFSET,
) -> RigCalibration:
    """Find where cameras stand and how far their clocks are apart.

    Motion says about how far; that is refined along with the places.

    Args:
        tracks: As for ``calibrate_from_person``.
        skeleton: Likewise.
        height: Likewise.
        baseline: Likewise.
        max_offset: Seconds, the most that clocks may differ by.

    Raises:
        OptionError: As ``calibrate_from_person``.
    """
    offsets, notes = [0.0], []
    for track in tracks[1:]:
        clock = _clock_of(tracks[0], track, skeleton, max_offset)
        offsets.append(clock.seconds if clock.sure else 0.0)
        if not clock.sure:
            notes.append(
                f"the clock of {track.name} against {tracks[0].name} is not known by motion "
                f"(correlation {clock.correlation:.2f}): give its offset if it is not 0"
            )
    found = calibrate_from_person(
        tracks, skeleton, height=height, baseline=baseline, offsets=offsets, solve_clocks=True
    )
    return replace(found, notes=(*notes, *found.notes))


def _clock_of(
    first: PersonTrack, second: PersonTrack, skeleton: Skeleton, max_offset: float
) -> ClockOffset:
    """Return the offset at which the joints of two cameras fit together best, 0 in doubt."""
    candidates = clock_offsets(first, second, max_offset)
    best, most = ClockOffset(0.0, 0.0), 0.0
    for clock in candidates:
        # those who stand still fit at any time: other clocks than equal ones have to be worth it
        worth = pair_worth(first, second, skeleton, clock.seconds)
        worth *= 1.0 if clock.seconds == 0.0 else _WORTH_MOVING
        if worth > most:
            best, most = clock, worth
    return best


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
