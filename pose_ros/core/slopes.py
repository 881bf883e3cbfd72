"""How fast values change: slopes of straight lines through the last moments."""

from __future__ import annotations

from collections import deque

import numpy as np

from pose_ros.core.camera import Float64Array

SLOPE_SECONDS = 0.2
"""A speed is the slope of a straight line through what was seen for so long."""
_LONGEST_STEP = 0.5  # seconds between two images that say something of a speed


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
