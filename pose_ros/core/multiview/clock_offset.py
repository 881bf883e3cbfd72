"""How far the clocks of cameras are apart whose places are not known, by the motion of one person.

The joints move at the same times in all views (``clock_offsets``); places and exact offsets are
then found together (``calibrate_with_clocks``). Where places are known, ``clocks.offsets_by_rays``
needs no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.calibration import (
    PersonTrack,
    RigCalibration,
    calibrate_from_person,
    interpolated,
    pair_worth,
)
from pose_ros.core.skeletons import Skeleton
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
