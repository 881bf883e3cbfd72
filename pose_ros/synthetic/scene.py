"""What the synthetic camera looks at: actors, each on their own way, in a room.

World axes are those of the robot's ``base_link``: the origin is on the floor, below the camera
unless said otherwise; x runs along the floor to where the camera looks, y to its left, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

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
from pose_ros.synthetic.body import Cone, Look, body
from pose_ros.synthetic.figure import (
    AVERAGE,
    AVERAGE_HEIGHT,
    UPRIGHT,
    Build,
    Joints,
    Posture,
    joints,
)
from pose_ros.synthetic.furniture import Furniture
from pose_ros.synthetic.path import Path, Place

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
