"""How fast people walk, from where their hips are in a frame that stands still."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike

from pose_ros.core.camera import Float64Array

_SECONDS = 0.6  # of places that a speed is fitted to
_LEAST_SECONDS = 0.2
_FORGET_SECONDS = 2.0


class WalkingSpeeds:
    """Fits a speed to the last places of each person, by the stamps of images."""

    def __init__(self) -> None:
        self._places: dict[int, deque[tuple[float, Float64Array]]] = {}

    def update(self, person: int, place: ArrayLike, stamp: float) -> Float64Array:
        """Take in where a person is.

        Args:
            person: Their id.
            place: (3,) meters, in the same frame each time.
            stamp: Of the image, seconds; where it goes back, all is forgotten.

        Returns:
            (3,) meters a second; NaN while the person was seen for less than 0.2 s.
        """
        last = max((places[-1][0] for places in self._places.values()), default=stamp)
        if stamp < last:
            self._places.clear()
        for known in [p for p, at in self._places.items() if stamp - at[-1][0] > _FORGET_SECONDS]:
            del self._places[known]
        places = self._places.setdefault(person, deque())
        places.append((stamp, np.asarray(place, np.float64)))
        while stamp - places[0][0] > _SECONDS:
            places.popleft()
        times = np.array([time for time, _ in places]) - stamp
        if -times[0] < _LEAST_SECONDS:
            return np.full(3, np.nan)
        speed: Float64Array = np.polyfit(times, np.array([at for _, at in places]), 1)[0]
        return speed
