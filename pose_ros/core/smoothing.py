"""Filters over time for arrays of keypoints; all times are in seconds, from the images' stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
