"""Who is who from frame to frame: ids that survive crossings and short occlusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.types import Channels, FloatArray, Image

Indices = NDArray[np.intp]


def best_pairs(values: NDArray[Any], *, maximize: bool = False) -> tuple[Indices, Indices]:
    """Return the pairs of rows and columns with the least sum, by the Hungarian method.

    SciPy is loaded here, when there is more than one way to pair: that takes half a second, which
    a picture of one person and the command line need not wait for.

    Args:
        values: (N, M), finite.
        maximize: Look for the greatest sum instead.

    Returns:
        min(N, M) rows, rising, and the column of each.
    """
    rows, columns = values.shape
    if min(rows, columns) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    if min(rows, columns) == 1:
        best = int(values.argmax() if maximize else values.argmin())
        return np.array([best // columns], np.intp), np.array([best % columns], np.intp)
    from scipy.optimize import linear_sum_assignment

    found: tuple[Indices, Indices] = linear_sum_assignment(values, maximize=maximize)
    return found


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
MAX_LOOK_DISTANCE = 0.3
"""A person does not come back in other clothes; of sqrt(6), the greatest distance."""

CROWDED_TRUST = 0.3
"""How much a body counts that was found next to another: it may be a mixture of both."""

DOUBT_SECONDS = 1.0
"""How long a person who is followed, but shows other clothes, may yet be another."""

VELOCITY_SECONDS = 0.2
"""Over how long a speed is averaged."""
LOOK_SECONDS = 3.0
"""Over how long an appearance is: light changes, and people turn."""

NO_ID = -1
"""In place of an id."""
_FORBIDDEN = 1e6


@dataclass(frozen=True)
class Body:
    """A person found in a frame, who has no id yet.

    Attributes:
        center: (2,) mid-hips in pixels.
        size: Side in pixels of the square around the person, above 0.
        look: (6,) from ``appearance``, NaN where unknown; None when not taken.
        origins: Ids of the people whose following led here; empty when the body was
            found again.
    """

    center: Array
    size: float
    look: FloatArray | None = None
    origins: frozenset[int] = frozenset()


@dataclass(eq=False)
class _TrackedPerson:
    id: int
    center: Array
    size: float
    seen: float
    look: FloatArray | None
    looked: float
    velocity: Array = field(default_factory=lambda: np.zeros(2))

    def expected(self, stamp: float) -> Array:
        return self.center + self.velocity * (stamp - self.seen)

    def gap(self, body: Body, stamp: float) -> tuple[float, float]:
        """Return how far, in sizes, a body is from where it is expected, and the ratio of sizes."""
        size = max(self.size, body.size)
        distance = float(np.hypot(*(body.center - self.expected(stamp)))) / size
        return distance, size / min(self.size, body.size)

    def fits(self, body: Body, stamp: float) -> bool:
        """Whether a body may be this person's by where and how large it is."""
        distance, ratio = self.gap(body, stamp)
        reach = min(MAX_REACH, REACH + REACH_PER_SECOND * (stamp - self.seen))
        return distance <= reach and ratio <= MAX_SIZE_RATIO

    def update(self, body: Body, stamp: float, alone: bool) -> None:
        trust = 1.0 if alone else CROWDED_TRUST
        elapsed = stamp - self.seen
        expected = self.expected(stamp)
        other_look = look_distance(self.look, body.look) > MAX_LOOK_DISTANCE
        self._learn_look(body.look, stamp, alone)
        if other_look and elapsed < DOUBT_SECONDS:
            return  # and so count as missing: the right one is looked for where they are expected
        if elapsed > 0:
            share = trust * min(1.0, elapsed / VELOCITY_SECONDS)
            velocity = (body.center - self.center) / elapsed
            self.velocity = self.velocity + share * (velocity - self.velocity)
        self.center = expected + trust * (body.center - expected)
        self.size = self.size + trust * (body.size - self.size)
        self.seen = stamp

    def _learn_look(self, look: FloatArray | None, stamp: float, alone: bool) -> None:
        elapsed, self.looked = stamp - self.looked, stamp
        if self.look is None:
            self.look = look
        elif look is not None and alone:
            # next to another person a body may show the other one's clothes
            known = np.where(np.isnan(self.look), look, self.look)
            step = np.where(np.isnan(look), 0, look - known)
            share = 1.0 - np.exp(-elapsed / LOOK_SECONDS)
            self.look = (known + share * step).astype(np.float32)


class Tracker:
    """Gives the bodies of each frame their ids.

    Bodies and people, those out of sight too, are matched at once by the least
    sum of distances between where a person was expected and where a body is,
    in size and in look (the Hungarian method, as SORT does, Bewley et al. 2016).
    """

    def __init__(self) -> None:
        self._people: list[_TrackedPerson] = []
        self._next_id = 0
        self._stamp = -np.inf

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self._people = []

    def update(self, bodies: Sequence[Body], stamp: float, timeout: float) -> list[int]:
        """Return an id for each body, all different.

        Args:
            bodies: Of one frame, no two of the same person.
            stamp: Seconds, rising.
            timeout: For how many seconds a person out of sight is remembered.

        Returns:
            ``NO_ID`` for a body that is better not given an id yet: it is next to
            another person where a third one is expected, in other clothes, so perhaps a
            mixture of two. Without looks there is none.
        """
        self._stamp = stamp
        followed = frozenset().union(*(body.origins for body in bodies))
        self._people = [p for p in self._people if p.id in followed or stamp - p.seen <= timeout]
        costs = self._costs(bodies, stamp)
        rows, columns = best_pairs(costs)
        who: dict[int, _TrackedPerson] = {
            int(row): self._people[column]
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] < _FORBIDDEN
        }
        gone = [person for person in self._people if person not in who.values()]
        for row, body in enumerate(bodies):
            if row not in who and not _mixed(body, bodies, gone, stamp):
                who[row] = _TrackedPerson(
                    self._next_id, body.center, body.size, stamp, body.look, stamp
                )
                self._next_id += 1
        for row, person in who.items():
            others = [bodies[other].center for other in who if other != row]
            others += [other.expected(stamp) for other in gone]
            person.update(bodies[row], stamp, _alone(bodies[row], others))
        self._people = [*who.values(), *gone]
        return [who[row].id if row in who else NO_ID for row in range(len(bodies))]

    def missing(self, stamp: float, timeout: float) -> list[tuple[Array, float]]:
        """Return where those who were not found in the last frame are expected now.

        Args:
            stamp: Seconds, later than that of the last frame.
            timeout: As in ``update``.

        Returns:
            Center, (2,) pixels, and size, who was last seen first.
        """
        gone = [p for p in self._people if p.seen < self._stamp and stamp - p.seen <= timeout]
        gone.sort(key=lambda person: -person.seen)
        return [(person.expected(stamp), person.size) for person in gone]

    def _costs(self, bodies: Sequence[Body], stamp: float) -> Array:
        costs = np.full((len(bodies), len(self._people)), _FORBIDDEN)
        for column, person in enumerate(self._people):
            for row, body in enumerate(bodies):
                look = look_distance(person.look, body.look)
                followed = person.id in body.origins
                if followed or (person.fits(body, stamp) and look <= MAX_LOOK_DISTANCE):
                    distance, ratio = person.gap(body, stamp)
                    bonus = CONTINUITY if followed else 0.0
                    costs[row, column] = distance + look + np.log(ratio) - bonus
        return costs


def _mixed(
    body: Body, bodies: Sequence[Body], gone: Sequence[_TrackedPerson], stamp: float
) -> bool:
    """Whether a body without an id may be a mixture of two people."""
    if body.look is None or body.origins:
        return False
    others = [other.center for other in bodies if other is not body]
    return not _alone(body, others) and any(person.fits(body, stamp) for person in gone)


def _alone(body: Body, others: Sequence[Array]) -> bool:
    return all(np.hypot(*(other - body.center)) > REACH * body.size for other in others)


def appearance(image: Image, channels: Channels, trunk: FloatArray, legs: FloatArray) -> FloatArray:
    """Return what a person wears: the median color of the chest and of the thighs.

    Args:
        image: (H, W, 3) uint8.
        channels: Order of its color channels.
        trunk: (4, 2) pixels: left and right shoulder, left and right hip.
        legs: (4, 2) pixels: left and right hip, left and right knee.

    Returns:
        (6,) in [0, 1], red, green and blue of both; NaN for a part that lies outside the image.
    """
    colors = np.stack([_color(image, trunk, _CHEST), _color(image, legs, _LEGS)])
    return (colors if channels == "rgb" else colors[:, ::-1]).ravel()


def look_distance(a: FloatArray | None, b: FloatArray | None) -> float:
    """Return how different two appearances are, 0 for the same; 0 too where nothing is known."""
    if a is None or b is None:
        return 0.0
    difference = (a - b)[np.isfinite(a) & np.isfinite(b)]
    return float(np.sqrt(np.sum(difference**2)))


def _weights(across: Sequence[float], along: Sequence[float]) -> Array:
    """Return the (n, 4) bilinear weights of points in a four-sided figure."""
    u, v = (grid.ravel() for grid in np.meshgrid(across, along))
    return np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)


# the chest, since hanging arms are before the belly; the legs, and nothing between them
_CHEST = _weights([0.2, 0.35, 0.5, 0.65, 0.8], [0.1, 0.2, 0.3, 0.4, 0.5])
_LEGS = _weights([0.0, 1.0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])


def _color(image: Image, corners: FloatArray, weights: Array) -> FloatArray:
    height, width = image.shape[:2]
    unknown = np.full(3, np.nan, np.float32)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 1e6:
        return unknown
    x, y = np.rint(weights @ corners).astype(np.intp).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if inside.sum() < len(x) // 2:
        return unknown
    color: FloatArray = (np.median(image[y[inside], x[inside]], axis=0) / 255.0).astype(np.float32)
    return color
