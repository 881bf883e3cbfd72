"""Who is who from frame to frame: ids that survive crossings and short occlusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pose_ros.core.types import FloatArray, Image

Array = NDArray[np.float64]

# All lengths are in sizes of the person: the side of the square around a body
# with its arms stretched out, some 2.4 m, whatever the camera and the distance.
REACH = 0.25
"""How far from where it was expected a person may be found."""
REACH_PER_SECOND = 1.0
"""How much further for each second out of sight."""
MAX_REACH = 1.0
MAX_SIZE_RATIO = 1.8
CONTINUITY = 0.3
"""What it is worth that a body was found by following this very person."""
MAX_LOOK_DISTANCE = 0.35
"""A person does not come back in other clothes; of sqrt(6), the greatest distance."""

VELOCITY_SECONDS = 0.2
LOOK_ALPHA = 0.1
_FORBIDDEN = 1e6


@dataclass(frozen=True)
class Body:
    """Somebody found in a frame, who has no id yet.

    Attributes:
        center: (2,) mid-hips in pixels.
        size: Side in pixels of the square around the person, above 0.
        look: (6,) from ``appearance``, NaN where unknown; None when not taken.
        origins: Ids of the people whose following led here; empty when a
            detector found the body.
    """

    center: Array
    size: float
    look: FloatArray | None = None
    origins: frozenset[int] = frozenset()


@dataclass
class _Person:
    id: int
    center: Array
    size: float
    seen: float
    look: FloatArray | None
    velocity: Array = field(default_factory=lambda: np.zeros(2))

    def expected(self, stamp: float) -> Array:
        return self.center + self.velocity * (stamp - self.seen)

    def update(self, body: Body, stamp: float, alone: bool) -> None:
        elapsed = stamp - self.seen
        if elapsed > 0:
            share = min(1.0, elapsed / VELOCITY_SECONDS)
            velocity = (body.center - self.center) / elapsed
            self.velocity = self.velocity + share * (velocity - self.velocity)
        self.center, self.size, self.seen = body.center, body.size, stamp
        if self.look is None:
            self.look = body.look
        elif body.look is not None and alone:
            # next to somebody else a body may show the other one's clothes
            known = np.where(np.isnan(self.look), body.look, self.look)
            step = np.where(np.isnan(body.look), 0, body.look - known)
            self.look = (known + LOOK_ALPHA * step).astype(np.float32)


class Tracker:
    """Gives the bodies of each frame their ids.

    Bodies and people, those out of sight too, are matched at once by the least
    sum of distances between where a person was expected and where a body is,
    in size and in look (the Hungarian method, as SORT does, Bewley et al. 2016).
    """

    def __init__(self) -> None:
        self._people: list[_Person] = []
        self._next_id = 0

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self._people = []

    def update(self, bodies: Sequence[Body], stamp: float, timeout: float) -> list[int]:
        """Return an id for each body, all different.

        Args:
            bodies: Of one frame, no two of the same person.
            stamp: Seconds, rising.
            timeout: For how many seconds somebody out of sight is remembered.
        """
        followed = frozenset().union(*(body.origins for body in bodies))
        self._people = [p for p in self._people if p.id in followed or stamp - p.seen <= timeout]
        costs = self._costs(bodies, stamp)
        rows, columns = linear_sum_assignment(costs)
        matched = {
            int(row): self._people[column]
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] < _FORBIDDEN
        }
        ids = []
        for row, body in enumerate(bodies):
            person = matched.get(row)
            if person is None:
                person = _Person(self._next_id, body.center, body.size, stamp, body.look)
                self._next_id += 1
                self._people.append(person)
            person.update(body, stamp, _alone(body, bodies))
            ids.append(person.id)
        return ids

    def _costs(self, bodies: Sequence[Body], stamp: float) -> Array:
        costs = np.full((len(bodies), len(self._people)), _FORBIDDEN)
        for column, person in enumerate(self._people):
            expected = person.expected(stamp)
            reach = min(MAX_REACH, REACH + REACH_PER_SECOND * (stamp - person.seen))
            for row, body in enumerate(bodies):
                size = max(person.size, body.size)
                distance = float(np.hypot(*(body.center - expected))) / size
                ratio = size / min(person.size, body.size)
                look = look_distance(person.look, body.look)
                followed = person.id in body.origins
                near = distance <= reach and ratio <= MAX_SIZE_RATIO
                if followed or (near and look <= MAX_LOOK_DISTANCE):
                    bonus = CONTINUITY if followed else 0.0
                    costs[row, column] = distance + look + np.log(ratio) - bonus
        return costs


def _alone(body: Body, bodies: Sequence[Body]) -> bool:
    others = [other for other in bodies if other is not body]
    return all(np.hypot(*(o.center - body.center)) > REACH * body.size for o in others)


def appearance(image: Image, trunk: FloatArray, legs: FloatArray) -> FloatArray:
    """Return what a person wears: the mean color of the trunk and of the thighs.

    Args:
        image: (H, W, 3) uint8; the order of its channels does not matter as long
            as it stays the same.
        trunk: (4, 2) pixels: left and right shoulder, left and right hip.
        legs: (4, 2) pixels: left and right hip, left and right knee.

    Returns:
        (6,) in [0, 1]; NaN for a part that lies outside the image.
    """
    return np.concatenate([_mean_color(image, part) for part in (trunk, legs)])


def look_distance(a: FloatArray | None, b: FloatArray | None) -> float:
    """Return how different two appearances are, 0 for the same; 0 too where nothing is known."""
    if a is None or b is None:
        return 0.0
    difference = (a - b)[np.isfinite(a) & np.isfinite(b)]
    return float(np.sqrt(np.sum(difference**2)))


# bilinear weights of 5 x 5 points in the inner part of a four-sided figure
_U, _V = (g.ravel() for g in np.meshgrid(np.linspace(0.2, 0.8, 5), np.linspace(0.15, 0.75, 5)))
_WEIGHTS = np.stack([(1 - _U) * (1 - _V), _U * (1 - _V), (1 - _U) * _V, _U * _V], axis=1)


def _mean_color(image: Image, corners: FloatArray) -> FloatArray:
    height, width = image.shape[:2]
    unknown = np.full(3, np.nan, np.float32)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 1e6:
        return unknown
    x, y = np.rint(_WEIGHTS @ corners).astype(np.intp).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if inside.sum() < len(x) // 2:
        return unknown
    color: FloatArray = (image[y[inside], x[inside]].mean(axis=0) / 255.0).astype(np.float32)
    return color
