"""How far the clocks of cameras are apart whose places are not known, by the motion of one person.

The joints move at the same times in all views (``clock_offsets``); places and exact offsets are
then found together (``calibrate_with_clocks``). Where places are known, ``clocks.offsets_by_rays``
needs no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.calibration import (
    LEAST_FRAMES,
    PersonTrack,
    RigCalibration,
    calibrate_from_person,
    calibrate_from_persons,
    interpolated,
    pair_worth,
)
from pose_ros.core.multiview.pairing import (
    CameraPair,
    camera_pairs,
    is_sure,
    longest,
    matched_in,
    pair_tracks,
    person_tracks,
    persons_of,
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
    lags, product, power = _products(a, b)
    return _peaks(first, second, lags, (len(a), len(b)), product / power, max_offset)


def _peaks(  # noqa: PLR0917
    first: PersonTrack,
    second: PersonTrack,
    lags: NDArray[np.intp],
    lengths: tuple[int, int],
    correlation: Float64Array,
    max_offset: float,
) -> list[ClockOffset]:
    """Return the offsets at which a correlation is highest, and that of equal clocks."""
    seconds = lags / _RATE + first.stamps[0] - second.stamps[0]
    overlap = np.minimum(lengths[0], lengths[1] + lags) - np.maximum(0, lags)
    allowed = (overlap >= _LEAST_SHARE * min(lengths)) & (np.abs(seconds) <= max_offset)
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


def _products(
    a: Float64Array, b: Float64Array
) -> tuple[NDArray[np.intp], Float64Array, Float64Array]:
    """Return lags in steps, the product of ``a`` with ``b`` moved later by each, and its scale."""
    size = 1 << (len(a) + len(b) - 1).bit_length()

    def sums(x: Float64Array, y: Float64Array) -> Float64Array:
        product = np.fft.rfft(x, size, axis=0) * np.conj(np.fft.rfft(y, size, axis=0))
        both: Float64Array = np.fft.irfft(product.sum(axis=1), size)
        return np.concatenate([both[-(len(b) - 1) :], both[: len(a)]])

    lags = np.arange(-(len(b) - 1), len(a), dtype=np.intp)
    one_a, one_b = (a != 0).astype(float), (b != 0).astype(float)
    power = np.sqrt(np.maximum(sums(a**2, one_b), 1e-9) * np.maximum(sums(one_a, b**2), 1e-9))
    return lags, sums(a, b), power


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
            notes.append(_unknown_clock(track.name, tracks[0].name, clock))
    found = calibrate_from_person(
        tracks, skeleton, height=height, baseline=baseline, offsets=offsets, solve_clocks=True
    )
    return replace(found, notes=(*notes, *found.notes))


def calibrate_from_people(
    cameras: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    *,
    height: float | None = None,
    baseline: tuple[int, int, float] | None = None,
    offsets: Sequence[float] | None = None,
    max_offset: float = MAX_OFFSET,
) -> RigCalibration:
    """Find where cameras stand from several people at once, and who is who in them.

    Args:
        cameras: Of each camera, a track of each person that it follows, all with its stamps.
            A person may have several, one after the other.
        skeleton: Of the keypoints.
        height: Meters, of all people in the mean; None: unknown.
        baseline: As for ``calibrate_from_person``.
        offsets: Likewise; None: they are found by motion, and along with the places.
        max_offset: Seconds, the most that clocks may differ by.

    Raises:
        OptionError: As ``calibrate_from_person``, or no person of a camera can be found in another
            one; the message names the camera.
    """
    names = [tracks[0].name for tracks in cameras]
    seen = [longest(tracks) for tracks in cameras]
    for name, tracks in zip(names, seen, strict=True):
        if not tracks:
            raise OptionError(f"{name} sees no person in {LEAST_FRAMES} images or more")
    pairs: dict[tuple[int, int], CameraPair] = {}
    clocks, notes = [0.0] if offsets is None else list(offsets), list[str]()
    if offsets is None:
        for v in range(1, len(seen)):
            clock, pair = _clock_of_people(seen[0], seen[v], skeleton, max_offset)
            clocks.append(clock.seconds if clock.sure else 0.0)
            if not clock.sure:
                notes.append(_unknown_clock(names[v], names[0], clock))
            elif pair is not None:
                pairs[0, v] = pair
    _pair_others(seen, skeleton, clocks, pairs)
    for _ in range(_PAIRING_ROUNDS):
        people = persons_of(seen, pairs)
        _check_paired(names, people)
        found = calibrate_from_persons(
            [person_tracks(seen, members) for members in people],
            skeleton,
            height=height,
            baseline=baseline,
            offsets=clocks,
            solve_clocks=offsets is None,
        )
        own = [0.0] * len(seen) if found.offsets is None else found.offsets.tolist()
        again = matched_in(seen, skeleton, own, found.views)
        if persons_of(seen, again) == people:
            break
        pairs, clocks = again, own
    persons = [person_tracks(seen, members) for members in people]
    _check_only_people(people, persons, skeleton, found)
    return replace(found, notes=(*notes, *_people_notes(names, people), *found.notes))


_PAIRING_ROUNDS = 3
_UNSURE_ALONE = math.radians(5.0)
"""One sigma of a camera's direction from which on its only shared person may be two."""


def _people_notes(
    names: Sequence[str], people: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[str]:
    """Yield how many people were paired, and which cameras hang on one person."""
    yield f"{len(people)} people, or parts of their ways, are in two views or more"
    if len(names) == 2 and len(people) > 1:
        yield (
            "two cameras and several people may be off by twice what is stated: let one person "
            "walk alone, or add a camera"
        )
    for v, _ in _only_people(len(names), people):
        yield (
            f"{names[v]} shares one person only with other cameras: if it is another person, the "
            "camera's place is wrong"
        )


def _only_people(
    count: int, people: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[tuple[int, int]]:
    """Yield the cameras that share one person only with the others, and who that is."""
    for v in range(count):
        shared = [i for i, members in enumerate(people) if any(v == w for w, _ in members)]
        if len(shared) == 1:
            yield v, shared[0]


def _check_only_people(
    people: Sequence[Sequence[tuple[int, int]]],
    persons: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    found: RigCalibration,
) -> None:
    """Raise an error where the only person of a camera may be another one than the others see."""
    offsets = np.zeros(len(found.views)) if found.offsets is None else found.offsets
    for v, i in _only_people(len(found.views), people):
        turned = found.fits[v or 1].rotation_sigma  # of the first one nothing is stated
        if turned > _UNSURE_ALONE or not is_sure(
            persons[i], skeleton, offsets.tolist(), found.views, v
        ):
            raise OptionError(
                f"{found.views[v].name} shares one person only with other cameras, and it may be "
                "another person: let one person walk alone, or several people through all views"
            )


def _pair_others(
    seen: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    clocks: Sequence[float],
    pairs: dict[tuple[int, int], CameraPair],
) -> None:
    """Find who is who in those pairs of cameras where it is not known by now."""
    for a, b in camera_pairs(len(seen)):
        if (a, b) not in pairs:
            pair = pair_tracks(seen[a], seen[b], skeleton, clocks[b] - clocks[a])
            if pair is not None:
                pairs[a, b] = pair


def _check_paired(names: Sequence[str], people: Sequence[Sequence[tuple[int, int]]]) -> None:
    """Raise an error where a camera has no person in common with the others."""
    joined = {0}
    for _ in names:
        for members in people:
            own = {v for v, _ in members}
            if own & joined:
                joined |= own
    lost = [name for v, name in enumerate(names) if v not in joined]
    if lost:
        raise OptionError(
            f"the people of {', '.join(lost)} cannot be found in {names[0]} or in cameras that "
            "share people with it: let one person walk alone, or nearer to where these see them"
        )


def _clock_of_people(
    first: Sequence[PersonTrack],
    second: Sequence[PersonTrack],
    skeleton: Skeleton,
    max_offset: float,
) -> tuple[ClockOffset, CameraPair | None]:
    """Return the offset at which the people of two cameras fit together best, 0 in doubt."""
    motions = [[_motion(track) for track in tracks] for tracks in (first, second)]
    compared = [[_products(a, b) for b in motions[1]] for a in motions[0]]
    lags = compared[0][0][0]
    product, power = (np.array([[one[i] for one in row] for row in compared]) for i in (1, 2))
    correlation = np.zeros(len(lags))
    for i in range(len(lags)):
        one, other = linear_sum_assignment(product[..., i], maximize=True)
        correlation[i] = product[one, other, i].sum() / power[one, other, i].sum()
    lengths = len(motions[0][0]), len(motions[1][0])
    best, most, kept = ClockOffset(0.0, 0.0), 0.0, None
    for clock in _peaks(first[0], second[0], lags, lengths, correlation, max_offset):
        pair = pair_tracks(first, second, skeleton, clock.seconds)
        worth = 0.0 if pair is None else pair.worth
        worth *= 1.0 if clock.seconds == 0.0 else _WORTH_MOVING
        if worth > most:
            best, most, kept = clock, worth, pair
    return best, kept


def _unknown_clock(name: str, first: str, clock: ClockOffset) -> str:
    return (
        f"the clock of {name} against {first} is not known by motion "
        f"(correlation {clock.correlation:.2f}): give its offset if it is not 0"
    )


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
