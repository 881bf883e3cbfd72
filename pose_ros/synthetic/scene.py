"""What the synthetic camera looks at: actors, each on their own way, in a room with furniture.

World axes are those of the robot's ``base_link``: the origin is on the floor, below the camera
unless said otherwise; x runs along the floor to where the camera looks, y to its left, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import (
    MOVING_GESTURES,
    STRIDE_LENGTH,
    Step,
    blend,
    posture_at,
    step_at,
    stride,
)
from pose_ros.synthetic.figure import (
    AVERAGE,
    AVERAGE_HEIGHT,
    UPRIGHT,
    Build,
    Color,
    Cone,
    Joints,
    Look,
    Posture,
    body,
    joints,
)

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


WOOD: Color = (150, 112, 76)
CARDBOARD: Color = (178, 142, 98)
CONCRETE: Color = (172, 172, 168)


@dataclass(frozen=True)
class Cuboid:
    """An upright cuboid.

    Attributes:
        center: x, y, z in meters, in the world.
        size: Meters along its own x, y and z, above 0.
        heading_degrees: How its x axis is turned from the world's, leftward.
        color: Red, green and blue, 0 to 255.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    heading_degrees: float = 0.0
    color: Color = CARDBOARD

    def __post_init__(self) -> None:
        values = (*self.center, *self.size, self.heading_degrees)
        if not (np.isfinite(values).all() and min(self.size) > 0):
            raise OptionError(f"expected a cuboid of finite numbers and sizes above 0, got {self}")

    def meet(self, eye: Float64Array, rays: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return where rays enter it.

        Args:
            eye: (..., 3) meters, where the rays begin.
            rays: (..., 3) of any length.

        Returns:
            (...) in lengths of the ray, infinite for none or one that begins within; (..., 3)
            unit normals there.
        """
        c, s = _cos_sin(self.heading_degrees)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        origin = (eye - np.array(self.center)) @ turn.T
        way = rays @ turn.T
        half = np.array(self.size) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (-half - origin) / way, (half - origin) / way
        # 0/0: along a face, neither in nor out
        enter = np.fmin(first, second)
        axis = np.argmax(np.where(np.isnan(enter), -np.inf, enter), axis=-1)
        near = np.take_along_axis(enter, axis[..., None], axis=-1)[..., 0]
        far = np.fmax(first, second).min(axis=-1)
        met = np.where((near > 0) & (near < far), near, np.inf)
        side = np.take_along_axis(way, axis[..., None], axis=-1)
        normals = -np.sign(side) * turn[axis]
        return met, normals


@dataclass(frozen=True)
class Pillar:
    """An upright cylinder.

    Attributes:
        x, y: Meters, of its axis.
        radius: Meters, above 0.
        height: Meters from the floor.
        color: Red, green and blue, 0 to 255.
    """

    x: float
    y: float
    radius: float = 0.15
    height: float = 3.5
    color: Color = CONCRETE

    def __post_init__(self) -> None:
        values = (self.x, self.y, self.radius, self.height)
        if not (np.isfinite(values).all() and self.radius > 0 and self.height > 0):
            raise OptionError(f"expected a pillar of finite numbers and sizes above 0, got {self}")

    def meet(self, eye: Float64Array, rays: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return where rays enter it, as ``Cuboid.meet`` does."""
        axis = np.array([self.x, self.y])
        origin = eye - np.array([self.x, self.y, 0.0])
        a = np.sum(rays[..., :2] ** 2, axis=-1)
        b = np.sum(rays[..., :2] * origin[..., :2], axis=-1)
        c = np.sum(origin[..., :2] ** 2, axis=-1) - self.radius**2
        root = b * b - a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            wall = (-b - np.sqrt(np.maximum(root, 0.0))) / a
            lid = (self.height - origin[..., 2]) / rays[..., 2]
        height = origin[..., 2] + wall * rays[..., 2]
        on_wall = (root > 0) & (wall > 0) & (height > 0) & (height < self.height)
        spot = origin[..., :2] + np.where(np.isfinite(lid), lid, 0.0)[..., None] * rays[..., :2]
        on_lid = (lid > 0) & (rays[..., 2] < 0) & (np.sum(spot**2, axis=-1) < self.radius**2)
        met = np.where(on_wall, wall, np.where(on_lid, lid, np.inf))
        points = eye[..., :2] + np.where(np.isfinite(met), met, 0.0)[..., None] * rays[..., :2]
        normals = np.zeros(rays.shape)
        normals[..., :2] = np.where(on_wall[..., None], (points - axis) / self.radius, 0.0)
        normals[..., 2] = np.where(on_wall, 0.0, 1.0)
        return met, normals


Furniture: TypeAlias = Cuboid | Pillar


def box(
    x: float, y: float, size: tuple[float, float, float], heading_degrees: float = 0.0
) -> tuple[Cuboid, ...]:
    """Return a cardboard box on the floor: where its middle is, and its size, in meters."""
    return (Cuboid((x, y, size[2] / 2), size, heading_degrees),)


def table(
    x: float, y: float, size: tuple[float, float, float] = (0.7, 1.4, 0.74), leg: float = 0.06
) -> tuple[Cuboid, ...]:
    """Return a table: where its middle is, its size and the width of its legs, in meters."""
    top = 0.04
    parts = [Cuboid((x, y, size[2] - top / 2), (size[0], size[1], top), color=WOOD)]
    tall = size[2] - top
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            at = (x + side_x * (size[0] - leg) / 2, y + side_y * (size[1] - leg) / 2, tall / 2)
            parts.append(Cuboid(at, (leg, leg, tall), color=WOOD))
    return tuple(parts)


def blocked(
    points: Float64Array, eye: Float64Array, furniture: tuple[Furniture, ...]
) -> NDArray[np.bool_]:
    """Return which (K, 3) points a piece of furniture hides from an eye; meters, in the world."""
    found = np.zeros(len(points), bool)
    for piece in furniture:
        found |= piece.meet(eye, points - eye)[0] < 1.0
    return found


def _cos_sin(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


ACTOR_TO_WALL = 1.7
"""Meters from a lone actor to the wall behind them."""

_FULL_STRIDE_SPEED = 0.5  # meters a second; someone slower takes smaller steps


@dataclass(frozen=True)
class Actor:
    """A person in a scene.

    Attributes:
        path: Their way over the floor; they take steps where it moves.
        script: What they do meanwhile, again and again; while they walk, the arms swing
            unless they have a gesture to make.
        height: Meters from the floor to the top of the head, 0.5 to 2.5.
        build: Slim or broad, and how long the limbs are.
        look: Clothes, and colors of skin and hair.
        name: For reports.
        stance: How they stand and point where a step does not say otherwise.
    """

    path: Path
    script: tuple[Step, ...] = (Step("stand", 2.0),)
    height: float = AVERAGE_HEIGHT
    build: Build = AVERAGE
    look: Look = field(default_factory=Look)
    name: str = "actor"
    stance: Posture = UPRIGHT

    def __post_init__(self) -> None:
        if not 0.5 <= self.height <= 2.5:
            raise OptionError(f"an actor's height must be in [0.5, 2.5] meters, got {self.height}")
        if not self.script:
            raise OptionError("expected a script of at least one step")

    @property
    def seconds(self) -> float:
        """How long until they do the same again, if script and path go together."""
        return max(self.path.seconds, sum(step.seconds for step in self.script))

    @property
    def still(self) -> bool:
        """Whether they always look the same."""
        held = len(self.script) == 1 and self.script[0].gesture not in MOVING_GESTURES
        return held and self.path.seconds == 0.0

    def joints(self, seconds: float) -> Joints:
        """Return the true joints by the names of ``blazepose33``, and ``head``, in the world.

        Returns:
            (3,) meters each.
        """
        place = self.path.place(seconds)
        turn, origin = self._pose(place)
        found = joints(self._posture(seconds, place), self.build)
        return {name: origin + turn @ point for name, point in found.items()}

    def cones(self, seconds: float) -> list[Cone]:
        """Return the round cones of the body in the world."""
        place = self.path.place(seconds)
        turn, origin = self._pose(place)
        size = self._size
        posed = joints(self._posture(seconds, place), self.build)
        return [
            cone._replace(
                a=origin + turn @ cone.a,
                b=origin + turn @ cone.b,
                radius_a=cone.radius_a * size,
                radius_b=cone.radius_b * size,
                flat_axis=turn @ cone.flat_axis / size,
            )
            for cone in body(posed, self.build, self.look)
        ]

    def step(self, seconds: float) -> tuple[Step, float]:
        """Return the step of the script that they play, and since when in seconds."""
        i, elapsed = step_at(self.script, seconds)
        return self.script[i], elapsed

    @property
    def _size(self) -> float:
        """What the body of this build is stretched by to be as tall as the actor."""
        return self.height / self.build.height

    def _pose(self, place: Place) -> tuple[Float64Array, Float64Array]:
        """Return what takes the axes of the body of this build to the world."""
        heading = math.radians(place.heading_degrees)
        c, s = math.cos(heading), math.sin(heading)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return turn * self._size, np.array([place.x, place.y, 0.0])

    def _posture(self, seconds: float, place: Place) -> Posture:
        turn, origin = self._pose(place)

        def to_body(point: Float64Array) -> Float64Array:
            return np.asarray(np.linalg.solve(turn, point - origin), np.float64)

        posture = posture_at(self.script, seconds, self.build, to_body, self.stance)
        if place.speed <= 0.0:
            return posture
        # a whole number of strides a round: it begins as it ends
        length = STRIDE_LENGTH * self._size * self.build.legs
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
        depth: Meters from the origin to the wall at the back.
        furniture: What stands about, and hides actors.
    """

    actors: tuple[Actor, ...]
    depth: float = 5.6
    furniture: tuple[Furniture, ...] = ()

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
        """Whether no actor ever moves."""
        return all(actor.still for actor in self.actors)
