"""What holds the joints of a body together: bones of a length, and motion over time.

Everything works on many people at once, G of them with K joints each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import (
    ARM_SPREAD,
    BONES,
    DEFAULT_HEIGHT,
    DEFAULT_HEIGHT_SPREAD,
    FOREARM,
    UPPER_ARM,
)
from pose_ros.core.multiview.triangulation import BoolArray, diagonal, inverses
from pose_ros.core.skeletons import SIDES, Skeleton

_TRUNK_SPREAD = 0.06  # of a side of the trunk, whose length changes as people bow
_ROUGHNESS = 0.03  # share of a bone's length by which it differs from image to image
_LEAST_SPREAD = 0.015
_INDEPENDENT_SECONDS = 1.0  # errors of one second are much the same
_SEEN_WEIGHT, _LEAST_SEEN = 1.5, 1e-3
_MOST_OFF = 3.0  # sigmas: a bone that is farther off is none of this length
# (m/s²)² s: how much the speed of a joint changes, along one axis
_ACCELERATION = 6.0
_SPEED = 1.0  # m/s, one sigma of a joint that is newly seen
_EYE = np.eye(3)


@dataclass(frozen=True, eq=False)
class BoneLengths:
    """The bones of a skeleton: B of them, of C kinds; those of a kind are equally long.

    Attributes:
        ends: (2, B) indices of keypoints: where bones begin, and where they end.
        kinds: (B,) index of each bone's kind.
        steps: Bones in a row that share no joint, in the order in which they hold it.
        logs: (C,) logarithm of the length in meters of a body of unknown height.
        variances: (C,) of it.
    """

    ends: NDArray[np.intp]
    kinds: NDArray[np.intp]
    steps: tuple[slice, ...]
    logs: Float64Array
    variances: Float64Array


@lru_cache(maxsize=16)
def bone_lengths_of(skeleton: Skeleton) -> BoneLengths:
    """Return the bones of a skeleton by the names of its keypoints; none of a hand."""
    known = {bone.kind: (bone.length, bone.spread) for bone in BONES}
    trunk = float(np.hypot(known["trunk"][0], (known["shoulders"][0] - known["hips"][0]) / 2.0))
    # by steps: those of one share no joint
    kinds = (
        (0, *known["shoulders"], (("left_shoulder", "right_shoulder"),)),
        (0, *known["hips"], (("left_hip", "right_hip"),)),
        (1, trunk, _TRUNK_SPREAD, _sides("shoulder", "hip")),
        (2, UPPER_ARM, ARM_SPREAD, _sides("shoulder", "elbow")),
        (2, *known["thigh"], _sides("hip", "knee")),
        (3, FOREARM, ARM_SPREAD, _sides("elbow", "wrist")),
        (3, *known["shank"], _sides("knee", "ankle")),
    )
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    starts: list[int] = []
    ends: list[int] = []
    which: list[int] = []
    logs: list[float] = []
    variances: list[float] = []
    steps: dict[int, slice] = {}
    for step, length, spread, pairs in kinds:
        there = [pair for pair in pairs if set(pair) <= names.keys()]
        if not there:
            continue
        before = steps.get(step, slice(len(starts), 0))
        steps[step] = slice(before.start, len(starts) + len(there))
        starts += [names[start] for start, _ in there]
        ends += [names[end] for _, end in there]
        which += [len(logs)] * len(there)
        logs.append(math.log(length * DEFAULT_HEIGHT))
        variances.append(spread**2 + DEFAULT_HEIGHT_SPREAD**2)
    return BoneLengths(
        np.array([starts, ends], np.intp),
        np.array(which, np.intp),
        tuple(steps.values()),
        np.array(logs),
        np.array(variances),
    )


def _sides(start: str, end: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{side}_{start}", f"{side}_{end}") for side in SIDES)


def hold_bones(
    bones: BoneLengths,
    points: Float64Array,
    covariances: Float64Array,
    lengths: tuple[Float64Array, Float64Array],
    seen: Float64Array,
) -> None:
    """Move joints so that their bones have about the lengths that are known, in place.

    Each length is a measurement of the distance between two joints, as of a Kalman filter; what
    both joints have in common after it is left out, which is why covariances shrink a little less.
    To second order: where depths are unsure, a length says little about where a bone points. What
    one camera makes of a body holds such lengths already, so that they count less where it counts.

    Source: the second-order extended Kalman filter; Bar-Shalom, Li and Kirubarajan, Estimation with
    Applications to Tracking and Navigation, section 10.3.

    Args:
        bones: B of them.
        points: (G, K, 3) meters; NaN is left as it is.
        covariances: (G, K, 3, 3).
        lengths: (G, C) logarithms of lengths in meters, and variances of them.
        seen: (G, K) in [0, 1], the share of what is known of a joint that rays of cameras say.
    """
    logs, variances = lengths
    lengths_known = np.exp(logs).take(bones.kinds, axis=1)
    expected = lengths_known**2 * (variances + _ROUGHNESS**2).take(bones.kinds, axis=1)
    weights = _SEEN_WEIGHT * seen.take(bones.ends[0], axis=1) * seen.take(bones.ends[1], axis=1)
    weights = np.minimum(np.maximum(weights, _LEAST_SEEN), 1.0)
    for step in bones.steps:
        joints, usual = bones.ends[:, step], lengths_known[:, step]
        line = _along(points, covariances, joints)
        along = line.along.sum(axis=1)
        # joints that may be off across the bone: it is longer than it looks, by an unknown length
        bend = (line.whole - along) / np.maximum(line.long, usual)
        total = (along + expected[:, step] + 0.5 * bend**2) / weights[:, step]
        off, moved = usual - line.long, line.moved
        fine = off**2 <= _MOST_OFF**2 * total  # not where one of them is NaN
        if not fine.all():
            off, total = np.where(fine, off, 0.0), np.where(fine, total, np.inf)
            moved = np.where(fine[:, None, :, None], moved, 0.0)
        scaled = moved / total[:, None, :, None]
        points[:, joints] = line.points + _TO_ENDS * off[:, None, :, None] * scaled
        covariances[:, joints] = line.spread - scaled[..., :, None] * moved[..., None, :]


_TO_ENDS = np.array([-1.0, 1.0])[:, None, None]  # of a bone that is longer than it looks


def learn_bones(
    bones: BoneLengths,
    points: Float64Array,
    covariances: Float64Array,
    lengths: tuple[Float64Array, Float64Array],
    elapsed: Float64Array,
) -> None:
    """Learn lengths of bones from joints that were triangulated, in place.

    Args:
        bones: B of them.
        points: (G, K, 3) meters, before bones held them.
        covariances: (G, K, 3, 3).
        lengths: (G, C) logarithms of lengths in meters, and variances of them.
        elapsed: (G,) seconds since the last time.
    """
    logs, variances = lengths
    if not len(bones.kinds):
        return
    line = _along(points, covariances, bones.ends)
    long, along = line.long, line.along.sum(axis=1)
    square = long**2 - (line.whole - along)
    good = np.isfinite(square) & (square > 0.25 * long**2) & (long > 0)
    seen = 0.5 * np.log(np.where(good, square, 1.0))
    variance = np.where(good, along / np.where(good, square, 1.0), 1.0) + (2 * _ROUGHNESS) ** 2
    weight = np.clip(elapsed / _INDEPENDENT_SECONDS, 0.0, 1.0)[:, None]
    information = np.where(good, weight / variance, 0.0)
    # a length that no body has is a mistake, and says nothing
    off = seen - logs[:, bones.kinds]
    information *= off**2 <= _MOST_OFF**2 * (variance + variances[:, bones.kinds])
    gained, pulled = np.zeros_like(logs), np.zeros_like(logs)
    for i, kind in enumerate(bones.kinds):
        gained[:, kind] += information[:, i]
        pulled[:, kind] += information[:, i] * off[:, i]
    total = 1.0 / variances + gained
    logs += pulled / total
    variances[:] = np.maximum(1.0 / total, _LEAST_SPREAD**2)


class _Bones(NamedTuple):
    """Bones as lines, with unit vectors u and covariances C of their ends.

    Attributes:
        points: (G, 2, b, 3) meters, both ends.
        spread: (G, 2, b, 3, 3) C.
        long: (G, b) meters.
        moved: (G, 2, b, 3) C u.
        along: (G, 2, b) uᵀ C u.
        whole: (G, b) the traces of C, of both ends together.
    """

    points: Float64Array
    spread: Float64Array
    long: Float64Array
    moved: Float64Array
    along: Float64Array
    whole: Float64Array


def _along(points: Float64Array, covariances: Float64Array, joints: NDArray[np.intp]) -> _Bones:
    """Return the bones between joints (2, b)."""
    at, spread = points.take(joints, axis=1), covariances.take(joints, axis=1)
    line = at[:, 1] - at[:, 0]
    long = np.sqrt(np.einsum("gbi,gbi->gb", line, line))
    unit = line / np.where(long > 0, long, np.nan)[..., None]
    moved = (spread @ unit[:, None, ..., None])[..., 0]
    along = np.einsum("gebi,gbi->geb", moved, unit)
    return _Bones(at, spread, long, moved, along, np.einsum("gebii->gb", spread))


@dataclass(eq=False)
class Motion:
    """Places and speeds of M joints, by a Kalman filter of constant velocity.

    Axes of the world come first: NumPy is quicker that way.

    Attributes:
        points: (3, M) meters; NaN where a joint was not seen yet.
        speeds: (3, M) meters a second.
        spread: (3, 3, M) covariance of the points.
        mixed: (3, 3, M) of points and speeds.
        speed_spread: (3, 3, M) of speeds.
    """

    points: Float64Array
    speeds: Float64Array
    spread: Float64Array
    mixed: Float64Array
    speed_spread: Float64Array

    @classmethod
    def unknown(cls, count: int) -> Motion:
        """Return the motion of joints of which nothing is known."""
        cubes = np.zeros((3, 3, 3, count))
        return cls(np.full((3, count), np.nan), np.zeros((3, count)), *cubes)

    @classmethod
    def join(cls, parts: list[Motion]) -> Motion:
        """Return the motions of several bodies as one."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts], axis=-1)
                for name in ("points", "speeds", "spread", "mixed", "speed_spread")
            )
        )

    def of(self, joints: slice | NDArray[np.intp]) -> Motion:
        """Return the motion of some of the joints."""
        return Motion(
            self.points[:, joints],
            self.speeds[:, joints],
            self.spread[..., joints],
            self.mixed[..., joints],
            self.speed_spread[..., joints],
        )

    def predicted(self, elapsed: Float64Array) -> Motion:
        """Return the motion ``elapsed`` (M,) seconds on."""
        gained = elapsed * self.speed_spread
        spread = self.spread + elapsed * (self.mixed + self.mixed.transpose(1, 0, 2) + gained)
        mixed, speed_spread = self.mixed + gained, self.speed_spread.copy()
        diagonal(spread)[:] += _ACCELERATION / 3.0 * elapsed**3
        diagonal(mixed)[:] += _ACCELERATION / 2.0 * elapsed**2
        diagonal(speed_spread)[:] += _ACCELERATION * elapsed
        points = self.points + elapsed * self.speeds
        return Motion(points, self.speeds, spread, mixed, speed_spread)

    def corrected(self, points: Float64Array, spread: Float64Array, new: BoolArray) -> Motion:
        """Return the motion with joints (3, M) as they were seen, and their covariances.

        Args:
            points: Meters; NaN leaves the prediction as it is.
            spread: (3, 3, M).
            new: (M,) joints for which what was before does not count.
        """
        seen: BoolArray = np.isfinite(points.sum(axis=0))
        start = seen & (new | ~np.isfinite(self.points.sum(axis=0)))
        go_on = seen & ~start
        eye = _EYE[..., None]
        measured = np.where(seen, spread, eye)
        gain_base = inverses(np.where(go_on, self.spread + measured, eye))
        fine = go_on & np.isfinite(gain_base[0, 0])
        gain_base = np.where(fine, gain_base, 0.0)
        gain = np.einsum("ijm,jkm->ikm", self.spread, gain_base)
        speed_gain = np.einsum("jim,jkm->ikm", self.mixed, gain_base)
        off = np.where(fine, points - self.points, 0.0)
        found = Motion(
            self.points + np.einsum("ijm,jm->im", gain, off),
            self.speeds + np.einsum("ijm,jm->im", speed_gain, off),
            self.spread - np.einsum("ijm,jkm->ikm", gain, self.spread),
            self.mixed - np.einsum("ijm,jkm->ikm", gain, self.mixed),
            self.speed_spread - np.einsum("ijm,jkm->ikm", speed_gain, self.mixed),
        )
        if not start.any():
            return found
        found.points = np.where(start, points, found.points)
        found.speeds = np.where(start, 0.0, found.speeds)
        found.spread = np.where(start, measured, found.spread)
        found.mixed = np.where(start, 0.0, found.mixed)
        found.speed_spread = np.where(start, _SPEED**2 * eye, found.speed_spread)
        return found
