"""Filters and slopes of keypoints over time; all times are in seconds, from the images' stamps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.types import Poses

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OneEuroSettings:
    """Settings of a one-euro filter.

    Attributes:
        min_cutoff: Hz; lower is smoother at rest.
        beta: How much speed raises the cut-off; higher lags less.
        derivative_cutoff: Hz, of the low-pass on the speed.
    """

    min_cutoff: float
    beta: float
    derivative_cutoff: float = 1.0


class OneEuroFilter:
    """Low-pass whose cut-off rises with speed, on an array of any shape.

    Source: Casiez, Roussel, Vogel, "1 EUR Filter", CHI 2012. The speed is scaled
    by the object's size, as MediaPipe does, so that a person is filtered alike
    near and far.
    """

    def __init__(self, settings: OneEuroSettings) -> None:
        self._settings = settings
        self._stamp = 0.0
        self._raw: Array | None = None
        self._value: Array | None = None
        self._speed: Array | None = None

    def __call__(self, values: Array, stamp: float, scale: float = 1.0) -> Array:
        """Filter the next values.

        Args:
            values: Array, of one shape from call to call. NaN is missing: it comes
                back as NaN, and whatever is back after it starts over.
            stamp: Seconds, later than the last one; values that are not later
                come back as they are and leave the filter alone.
            scale: Size of the object in the units of ``values``; speeds are
                measured in sizes a second.
        """
        if self._raw is None or self._value is None or self._speed is None:
            self._stamp, self._raw, self._value = stamp, values, values
            self._speed = np.zeros_like(values)
            return values
        elapsed = stamp - self._stamp
        if elapsed <= 0 or scale <= 0:
            return values
        settings = self._settings
        speed = (values - self._raw) / (scale * elapsed)
        self._speed = self._speed + _alpha(settings.derivative_cutoff, elapsed) * (
            speed - self._speed
        )
        alpha = _alpha(settings.min_cutoff + settings.beta * np.abs(self._speed), elapsed)
        self._value = self._value + alpha * (values - self._value)
        self._stamp, self._raw = stamp, values
        back = np.isnan(self._value)
        if back.any():
            self._value = np.where(back, values, self._value)
            self._speed = np.where(np.isnan(self._speed), 0.0, self._speed)
        return self._value


class LowPassFilter:
    """Exponential smoothing with a fixed weight a frame, on an array of any shape."""

    def __init__(self, alpha: float) -> None:
        """``alpha``: weight of the newest values, in (0, 1]."""
        self._alpha = alpha
        self._value: Array | None = None

    def __call__(self, values: Array) -> Array:
        """Filter the next values."""
        if self._value is None:
            self._value = values
        else:
            self._value = self._value + self._alpha * (values - self._value)
        return self._value


def _alpha(cutoff: Array | float, elapsed: float) -> Array | float:
    """Weight of the newest value of a low-pass with ``cutoff`` Hz, ``elapsed`` seconds on."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff * elapsed))


SLOPE_SECONDS = 0.2
"""A speed is the slope of a straight line through what was seen for so long."""
_LONGEST_STEP = 0.5  # seconds between two images that say something of a speed

_BODY_SECONDS = 0.4  # over which a body's velocity is: lifted places tremble

_WALK_SECONDS = 0.6  # over which a walking speed is
_LEAST_WALK_SECONDS = 0.2
_FORGET_SECONDS = 2.0


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


class BodyVelocities:
    """How fast people move: slopes of where their mid-hips are, by their ids."""

    def __init__(self) -> None:
        self._slopes: dict[int, Slopes] = {}

    def reset(self) -> None:
        """Forget all people."""
        self._slopes.clear()

    def add(self, poses: Poses, stamp: float) -> Poses:
        """Return the people of the next image with their ``velocities``.

        Args:
            poses: The people; those without ``camera`` or hips have no velocity.
            stamp: Seconds.
        """
        names = poses.skeleton.keypoints
        if poses.camera is None or not {"left_hip", "right_hip"} <= set(names):
            return poses
        hips = [names.index("left_hip"), names.index("right_hip")]
        places = poses.camera[:, hips].astype(np.float64).mean(axis=1)
        ids = poses.ids.tolist()
        self._slopes = {i: self._slopes.get(i) or Slopes(_BODY_SECONDS) for i in ids}
        found = [self._slopes[i].add(stamp, place)[1] for i, place in zip(ids, places, strict=True)]
        return poses.replace(velocities=np.array(found, np.float32))


class WalkingSpeeds:
    """How fast people walk: slopes of where their hips are, in a frame that stands still."""

    def __init__(self) -> None:
        self._slopes: dict[int, tuple[float, Slopes]] = {}

    def update(self, person: int, place: Float64Array, stamp: float) -> Float64Array:
        """Take in where a person is.

        Args:
            person: Their id.
            place: (3,) meters, in the same frame each time.
            stamp: Of the image, seconds; where it goes back, all is forgotten.

        Returns:
            (3,) meters a second; NaN while the person was seen for less than 0.2 s.
        """
        known = {i: at for i, at in self._slopes.items() if 0 <= stamp - at[0] <= _FORGET_SECONDS}
        _, slopes = known.get(person, (stamp, Slopes(_WALK_SECONDS)))
        self._slopes = known | {person: (stamp, slopes)}
        middle, speed, _ = slopes.add(stamp, place)
        return speed if 2 * (stamp - middle) >= _LEAST_WALK_SECONDS - 1e-6 else np.full(3, np.nan)
