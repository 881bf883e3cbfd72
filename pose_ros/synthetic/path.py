"""Ways over the floor that synthetic actors walk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError

TO_CAMERA = 180.0
"""The heading, in degrees, of a person who faces the camera."""

_EASE_SECONDS = 0.4
_TURN_SECONDS = 0.5


class Waypoint(NamedTuple):
    """A place on the floor in meters and when it is reached."""

    seconds: float
    x: float
    y: float


class Place(NamedTuple):
    """Where a person stands, and how they got there.

    Attributes:
        x, y: Meters.
        heading_degrees: Where the chest points: 0 is away from the camera, 90 to its
            left, 180 to the camera, 270 to its right.
        walked: Meters since the path began.
        speed: Meters a second.
    """

    x: float
    y: float
    heading_degrees: float
    walked: float
    speed: float


@dataclass(frozen=True)
class Path:
    """A way over the floor that is walked again and again.

    Attributes:
        waypoints: By rising time from 0 on; straight lines between them, walked at one
            speed. The last one is where the first one is: the time of it is how long a
            round takes. A single one stands.
        heading_degrees: Where the chest points all the time; None: along the way, and
            they turn by way of the camera.
    """

    waypoints: tuple[Waypoint, ...]
    heading_degrees: float | None = None

    def __post_init__(self) -> None:
        table = np.array(self.waypoints, np.float64).reshape(-1, 3)
        if not (len(table) and np.isfinite(table).all() and table[0, 0] == 0.0):
            raise OptionError("expected waypoints of finite numbers, the first at 0 seconds")
        if np.any(np.diff(table[:, 0]) <= 0) or np.any(table[0, 1:] != table[-1, 1:]):
            raise OptionError("expected waypoints at rising times that end where they begin")

    @classmethod
    def standing(cls, x: float, y: float = 0.0, heading_degrees: float = TO_CAMERA) -> Path:
        """Return the path of a person who stays in place."""
        return cls((Waypoint(0.0, x, y),), heading_degrees)

    @property
    def seconds(self) -> float:
        """How long a round takes; 0 for a person who stands."""
        return self.waypoints[-1].seconds

    @property
    def length(self) -> float:
        """Meters of a round."""
        return float(self._table[-1][-1])

    def place(self, seconds: float) -> Place:
        """Return where a person is at a time, at any number of rounds."""
        if self.seconds == 0.0:
            only = self.waypoints[0]
            return Place(only.x, only.y, _or(self.heading_degrees, TO_CAMERA), 0.0, 0.0)
        # the mean over a moment, so that no person starts, stops or turns off at once
        moment = seconds + _EASE_SECONDS * np.linspace(-0.5, 0.5, 9)
        times, x, y, walked = self._table
        rounds, within = np.divmod(moment, self.seconds)
        way = np.interp(within, times, walked) + rounds * walked[-1]
        return Place(
            float(np.interp(within, times, x).mean()),
            float(np.interp(within, times, y).mean()),
            self._heading(seconds % self.seconds),
            float(way.mean()),
            float(way[-1] - way[0]) / _EASE_SECONDS,
        )

    @cached_property
    def _table(self) -> tuple[Float64Array, ...]:
        """Times, x, y, and meters walked at each waypoint."""
        times, x, y = np.array(self.waypoints, np.float64).T
        steps = np.hypot(np.diff(x), np.diff(y))
        return times, x, y, np.concatenate([[0.0], np.cumsum(steps)])

    def _heading(self, seconds: float) -> float:
        if self.heading_degrees is not None:
            return self.heading_degrees
        # angles in [0, 360), so that between any two lies the one that faces the camera
        moments: list[float] = []
        headings: list[float] = []
        times, x, y, _ = self._table
        for i in range(len(times) - 1):
            dx, dy = x[i + 1] - x[i], y[i + 1] - y[i]
            if dx or dy:
                turn = min(_TURN_SECONDS, times[i + 1] - times[i]) / 2
                heading = math.degrees(math.atan2(dy, dx)) % 360.0
                moments += [times[i] + turn, times[i + 1] - turn]
                headings += [heading, heading]
        if not moments:
            return TO_CAMERA
        return float(np.interp(seconds, moments, headings, period=self.seconds))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
