"""What the synthetic camera looks at: actors, each on a way of his own, in a room.

World axes: the origin is on the floor below the camera; x runs along the floor to
where the camera looks, y to its left, z up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError
from pose_ros.sources.actor import (
    MOVING_GESTURES,
    STRIDE_LENGTH,
    Joints,
    Posture,
    Step,
    blend,
    hold,
    joints,
    posture_at,
    stride,
)
from pose_ros.sources.body import Cone, Look, body

REFERENCE_HEIGHT = 1.78
"""Meters from the floor to the top of the head of the body that ``actor.joints`` describes."""

TO_CAMERA = 180.0
"""The heading, in degrees, of somebody who faces the camera."""

ACTOR_TO_WALL = 1.7
"""Meters from a lone actor to the wall behind him."""

_EASE_SECONDS = 0.4
_TURN_SECONDS = 0.5
_FULL_STRIDE_SPEED = 0.5  # meters a second; someone slower takes smaller steps


class Waypoint(NamedTuple):
    """A place on the floor in meters and when it is reached."""

    seconds: float
    x: float
    y: float


class Place(NamedTuple):
    """Where somebody stands, and how he got there.

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
            he turns by way of the camera.
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
        """Return the path of somebody who stays where he is."""
        return cls((Waypoint(0.0, x, y),), heading_degrees)

    @property
    def seconds(self) -> float:
        """How long a round takes; 0 for somebody who stands."""
        return self.waypoints[-1].seconds

    @property
    def length(self) -> float:
        """Meters of a round."""
        return float(self._table[-1][-1])

    def place(self, seconds: float) -> Place:
        """Return where somebody is at a time, at any number of rounds."""
        if self.seconds == 0.0:
            only = self.waypoints[0]
            return Place(only.x, only.y, _or(self.heading_degrees, TO_CAMERA), 0.0, 0.0)
        # the mean over a moment, so that nobody starts, stops or turns off at once
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


@dataclass(frozen=True)
class Actor:
    """Somebody in a scene.

    Attributes:
        path: His way over the floor; he takes steps where it moves.
        script: What he does meanwhile, again and again; while he walks, the arms swing
            unless they have a gesture to make.
        height: Meters, 0.5 to 2.5.
        look: Colors of clothes, skin and hair.
        name: For reports.
    """

    path: Path
    script: tuple[Step, ...] = (Step("stand", 2.0),)
    height: float = REFERENCE_HEIGHT
    look: Look = field(default_factory=Look)
    name: str = "actor"

    def __post_init__(self) -> None:
        if not 0.5 <= self.height <= 2.5:
            raise OptionError(f"an actor's height must be in [0.5, 2.5] meters, got {self.height}")
        if not self.script:
            raise OptionError("expected a script of at least one step")
        for step in self.script:
            hold(step.gesture, step.arm)  # refuses unknown names

    @property
    def seconds(self) -> float:
        """How long until he does the same again, if script and path go together."""
        return max(self.path.seconds, sum(step.seconds for step in self.script))

    @property
    def still(self) -> bool:
        """Whether he always looks the same."""
        held = len(self.script) == 1 and self.script[0].gesture not in MOVING_GESTURES
        return held and self.path.seconds == 0.0

    def joints(self, seconds: float) -> Joints:
        """Return the true joints by the names of ``blazepose33``, and ``head``, in the world.

        Returns:
            (3,) meters each.
        """
        place = self.path.place(seconds)
        turn, origin = self._pose(place)
        found = joints(self._posture(seconds, place))
        return {name: origin + turn @ point for name, point in found.items()}

    def cones(self, seconds: float) -> list[Cone]:
        """Return the round cones of his body in the world."""
        place = self.path.place(seconds)
        turn, origin = self._pose(place)
        size = self.height / REFERENCE_HEIGHT
        return [
            cone._replace(
                a=origin + turn @ cone.a,
                b=origin + turn @ cone.b,
                radius_a=cone.radius_a * size,
                radius_b=cone.radius_b * size,
                flat_axis=turn @ cone.flat_axis / size,
            )
            for cone in body(joints(self._posture(seconds, place)))
        ]

    def _pose(self, place: Place) -> tuple[Float64Array, Float64Array]:
        """Return what takes body axes at the reference height to the world."""
        heading = math.radians(place.heading_degrees)
        c, s = math.cos(heading), math.sin(heading)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return turn * (self.height / REFERENCE_HEIGHT), np.array([place.x, place.y, 0.0])

    def _posture(self, seconds: float, place: Place) -> Posture:
        posture = posture_at(self.script, seconds)
        if place.speed <= 0.0:
            return posture
        # a whole number of strides a round: it begins as it ends
        length = STRIDE_LENGTH * self.height / REFERENCE_HEIGHT
        strides = max(1, round(self.path.length / length))
        step = stride(math.tau * strides * place.walked / self.path.length)
        if any(part.gesture != "stand" for part in self.script):
            step = step._replace(left=posture.left, right=posture.right)
        step = step._replace(head_turn=posture.head_turn, lean=posture.lean)
        return blend(posture, step, min(1.0, place.speed / _FULL_STRIDE_SPEED))


@dataclass(frozen=True)
class Scene:
    """Actors in a room.

    Attributes:
        actors: One or more.
        depth: Meters from the camera to the wall at the back.
    """

    actors: tuple[Actor, ...]
    depth: float = 5.6

    def __post_init__(self) -> None:
        if not self.actors:
            raise OptionError("expected a scene of at least one actor")
        nearest = min(point.x for actor in self.actors for point in actor.path.waypoints)
        if nearest < 1.0:
            raise OptionError(f"actors must stay 1 meter or more ahead, got {nearest:g}")

    @classmethod
    def of_one(cls, script: tuple[Step, ...], distance: float) -> Scene:
        """Return a scene of one actor who plays a script at a distance in meters."""
        return cls((Actor(Path.standing(distance), script),), distance + ACTOR_TO_WALL)

    @property
    def seconds(self) -> float:
        """Length of the scene: the longest script or path; shorter ones are repeated."""
        return max(actor.seconds for actor in self.actors)

    @property
    def still(self) -> bool:
        """Whether nobody ever moves."""
        return all(actor.still for actor in self.actors)


BLUE = Look()
RED = Look(shirt=(168, 44, 40), trousers=(60, 58, 62), hair=(96, 66, 40))
GREEN = Look(shirt=(62, 122, 70), trousers=(150, 132, 104), hair=(34, 28, 26))


def crossing(speed: float = 0.9, looks: tuple[Look, ...] = (BLUE, RED)) -> Scene:
    """Return a scene in which two people walk past each other, and back.

    The nearer one hides the other for a moment each time.

    Args:
        speed: Meters a second, above 0.
        looks: Of the nearer, the farther and perhaps a third one, who stands behind
            them and is hidden by one after the other.
    """
    way, pause = 2.7, 1.0
    walk = way / speed

    def path(x: float, y: float) -> Path:
        times = np.cumsum([0.0, pause / 2, walk, pause, walk, pause / 2]).tolist()
        sides = (y, y, -y, -y, y, y)
        return Path(tuple(Waypoint(t, x, side) for t, side in zip(times, sides, strict=True)))

    actors = [
        Actor(path(3.0, way / 2), name="near", look=looks[0]),
        Actor(path(3.8, -way / 2), name="far", look=looks[1], height=1.68),
    ]
    if len(looks) > 2:
        actors.append(Actor(Path.standing(4.6, 0.2), name="behind", look=looks[2], height=1.85))
    return Scene(tuple(actors), depth=6.0)


SCENES: dict[str, Callable[[], Scene]] = {
    "crossing": crossing,
    "crossing_alike": lambda: crossing(looks=(BLUE, BLUE)),
    "crossing_three": lambda: crossing(looks=(BLUE, RED, GREEN)),
}
"""Scenes by name: two people in different or in the same clothes; three."""
