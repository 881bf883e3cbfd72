"""Named scenes: what ``synthetic:NAME`` and ``pose-ros demo --scene NAME`` show."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pose_ros.core.skeletons import SIDES, Side
from pose_ros.errors import OptionError, did_you_mean
from pose_ros.synthetic.actor import GESTURES, TWO_ARMED, Step
from pose_ros.synthetic.figure import AVERAGE, AVERAGE_HEIGHT, BROAD, SLIM, Build, Look
from pose_ros.synthetic.scene import (
    ACTOR_TO_WALL,
    TO_CAMERA,
    Actor,
    Path,
    Pillar,
    Scene,
    Waypoint,
    box,
    table,
)

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


def pointing(
    seed: int = 0,
    distance: float = 3.0,
    *,
    heading_degrees: float = TO_CAMERA,
    targets: int = 8,
    height: float = AVERAGE_HEIGHT,
    build: Build = AVERAGE,
    hold_seconds: float = 1.6,
) -> Scene:
    """Return a scene in which a person points at one target on the floor after the other.

    The targets lie 1 to 3 m from their feet, from one side by way of their front to the other,
    each on the side of the arm that points at it; the arms take turns, and hang in between.

    Args:
        seed: The same seed gives the same targets.
        distance: Meters along the floor from the camera to the person.
        heading_degrees: Where the chest points; 180 is to the camera.
        targets: How many, 1 or more.
        height: Of the person, meters.
        build: Of the person.
        hold_seconds: How long each is pointed at, the way of the arm included.
    """
    if targets < 1:
        raise OptionError(f"expected 1 target or more, got {targets}")
    generator = np.random.default_rng(seed)
    steps: list[Step] = []
    for number in range(targets):
        arm: Side = SIDES[number % 2]
        sign = 1.0 if arm == "left" else -1.0
        azimuth = math.radians(heading_degrees + sign * generator.uniform(-10.0, 90.0))
        reach = generator.uniform(1.0, 3.0)
        spot = (distance + reach * math.cos(azimuth), reach * math.sin(azimuth), 0.0)
        bend = float(generator.uniform(0.0, 20.0))
        steps += [Step("stand", 1.0), Step("point_at", hold_seconds, arm, spot, bend)]
    path = Path.standing(distance, 0.0, heading_degrees)
    actor = Actor(path, tuple(steps), height=height, build=build)
    return Scene((actor,), max(6.0, distance + 2.0))


def directing(distance: float = 3.0) -> Scene:
    """Return a scene in which a person raises a hand, points at two spots and crosses their arms.

    The spots are on the floor, to their right and to their left; each is pointed at as long as a
    robot may take to get there.

    Args:
        distance: Meters along the floor from the camera to the person.
    """
    steps = (
        Step("stand", 1.0),
        Step("raise_hand", 3.0, "right"),
        Step("stand", 1.0),
        Step("point_at", 6.5, "right", (distance - 1.2, 1.2, 0.0)),
        Step("stand", 1.0),
        Step("point_at", 6.5, "left", (distance - 1.4, -1.2, 0.0)),
        Step("stand", 1.0),
        Step("cross_arms", 2.0),
    )
    return Scene((Actor(Path.standing(distance), steps),), distance + ACTOR_TO_WALL)


def commanding(distance: float = 3.0) -> Scene:
    """Return a scene in which a person engages and gives each command of the gesture node.

    They raise a hand, beckon, point to either side, wave and cross their arms.

    Args:
        distance: Meters along the floor from the camera to them.
    """
    steps = (
        Step("stand", 1.0),
        Step("raise_hand", 3.0, "right"),
        Step("stand", 1.0),
        Step("come_here", 3.2, "right"),
        Step("stand", 1.0),
        Step("point_left", 3.0, "left"),
        Step("stand", 1.0),
        Step("point_right", 3.0, "right"),
        Step("stand", 1.0),
        Step("wave", 2.4, "left"),
        Step("stand", 1.0),
        Step("cross_arms", 2.0),
    )
    return Scene((Actor(Path.standing(distance), steps),), distance + ACTOR_TO_WALL)


def walking(
    seed: int = 0, *, rounds: int = 8, height: float = AVERAGE_HEIGHT, build: Build = AVERAGE
) -> Scene:
    """Return a scene in which a person walks about and makes no gesture.

    They go 0.6 to 1.3 m/s between places 1.8 to 5 m ahead, and now and then stand a while.

    Args:
        seed: The same seed gives the same way.
        rounds: Places that they go to, 2 or more.
        height: Of the person, meters.
        build: Of the person.
    """
    if rounds < 2:
        raise OptionError(f"expected 2 places to go to or more, got {rounds}")
    generator = np.random.default_rng(seed)
    first = Waypoint(0.0, 3.0, 0.0)
    way = [first]
    for number in range(rounds):
        last = way[-1]
        x = float(generator.uniform(1.8, 5.0))
        y = float(generator.uniform(-0.4, 0.4)) * x
        x, y = (first.x, first.y) if number == rounds - 1 else (x, y)
        walk = max(0.5, math.hypot(x - last.x, y - last.y) / generator.uniform(0.6, 1.3))
        way.append(Waypoint(last.seconds + walk, x, y))
        if number % 3 == 2:
            way.append(Waypoint(way[-1].seconds + generator.uniform(0.5, 2.0), x, y))
    return Scene((Actor(Path(tuple(way)), height=height, build=build, look=GREEN),), 6.7)


def gestures(distance: float = 3.0, *, hold_seconds: float = 2.0) -> Scene:
    """Return a scene in which a person makes every gesture, with each arm if it takes one.

    Args:
        distance: Meters along the floor from the camera to the person.
        hold_seconds: How long each is held, the way of the arm included; they stand for 1 s
            in between.
    """
    steps: list[Step] = []
    for gesture in GESTURES:
        if gesture not in ("stand", "walk"):
            arms: tuple[Side, ...] = ("right",) if gesture in TWO_ARMED else SIDES
            for arm in arms:
                steps += [Step("stand", 1.0), Step(gesture, hold_seconds, arm)]
    return Scene((Actor(Path.standing(distance), tuple(steps)),), distance + ACTOR_TO_WALL)


def people(seed: int = 0) -> Scene:
    """Return a scene of three people, 1.5 to 2.0 m tall, of three builds, who make gestures."""
    steps = (Step("stand", 1.0), Step("raise_hand", 1.5), Step("stand", 1.0), Step("wave", 2.0))
    floor = (Step("stand", 1.5), Step("point_at", 2.0, "left", (1.6, -0.6, 0.0)))
    actors = (
        Actor(Path.standing(2.8, 0.9, 190.0), steps, 1.5, SLIM, RED, "short"),
        Actor(Path.standing(3.6, -0.1, 170.0), floor, 1.75, BROAD, BLUE, "broad"),
        Actor(Path.standing(3.2, -1.1, 160.0), steps[1:] + steps[:1], 2.0, SLIM, GREEN, "tall"),
    )
    generator = np.random.default_rng(seed)
    order = generator.permutation(3) if seed else range(3)
    looks = [actors[i].look for i in order]
    dressed = tuple(replace(a, look=look) for a, look in zip(actors, looks, strict=True))
    return Scene(dressed, 5.6)


def five() -> Scene:
    """Return a scene of five people beside each other, who wave and raise a hand in turns."""
    steps = (Step("stand", 1.0), Step("raise_hand", 1.5), Step("stand", 1.0), Step("wave", 2.0))
    looks = (BLUE, RED, GREEN, BLUE, RED)
    actors = tuple(
        Actor(
            Path.standing(3.8 + 0.3 * (i % 2), 0.9 * (2 - i)),
            steps[i % 4 :] + steps[: i % 4],
            height=1.6 + 0.08 * i,
            look=look,
            name=f"actor {i}",
        )
        for i, look in enumerate(looks)
    )
    return Scene(actors, 6.0)


def table_scene() -> Scene:
    """Return a scene in which a person points at the floor from behind a table."""
    steps = (
        Step("stand", 1.0),
        Step("point_at", 2.0, "right", (1.5, 1.6, 0.0)),
        Step("stand", 1.0),
        Step("point_at", 2.0, "left", (1.5, -1.6, 0.0)),
    )
    return Scene((Actor(Path.standing(3.0), steps),), 5.6, table(2.3, 0.0))


def box_scene() -> Scene:
    """Return a scene in which a box hides the legs of a person who raises a hand and points."""
    steps = (
        Step("stand", 1.0),
        Step("raise_hand", 1.5, "left"),
        Step("point_at", 2.0, "right", (2.0, 1.2, 0.0)),
    )
    return Scene((Actor(Path.standing(2.8), steps),), 5.6, box(2.2, 0.0, (0.4, 1.0, 0.7), 12.0))


def pillar_scene() -> Scene:
    """Return a scene in which a person walks behind a pillar, and back."""
    way = (
        Waypoint(0.0, 3.4, 1.3),
        Waypoint(3.2, 3.4, -1.3),
        Waypoint(4.0, 3.4, -1.3),
        Waypoint(7.2, 3.4, 1.3),
        Waypoint(8.0, 3.4, 1.3),
    )
    return Scene((Actor(Path(way), look=RED),), 5.6, (Pillar(2.6, 0.0, 0.2),))


SCENES: dict[str, Callable[..., Scene]] = {
    "gestures": gestures,
    "pointing": pointing,
    "walking": walking,
    "people": people,
    "five": five,
    "table": table_scene,
    "box": box_scene,
    "pillar": pillar_scene,
    "crossing": crossing,
    "crossing_alike": lambda: crossing(looks=(BLUE, BLUE)),
    "crossing_three": lambda: crossing(looks=(BLUE, RED, GREEN)),
    "directing": directing,
    "commanding": commanding,
}
"""Scenes by name. Those that draw something take a ``seed``, some a ``distance``."""


def make_scene(name: str, *, seed: int | None = None, distance: float | None = None) -> Scene:
    """Return a scene by name.

    Args:
        name: One of ``SCENES``.
        seed: 0 or more, for a scene that draws; others are the same whatever it is.
        distance: Meters to the actor, for a scene that has one.

    Raises:
        OptionError: There is no scene of that name, it has distances of its own, or an
            argument is out of its range.
    """
    if name not in SCENES:
        raise OptionError(
            f"unknown scene {name!r}{did_you_mean(name, SCENES)}; known: {', '.join(SCENES)}"
        )
    if seed is not None and seed < 0:
        raise OptionError(f"seed must be 0 or more, got {seed}")
    takes = inspect.signature(SCENES[name]).parameters
    options: dict[str, float] = {}
    if seed is not None and "seed" in takes:
        options["seed"] = seed
    if distance is not None:
        if "distance" not in takes:
            raise OptionError(f"the scene {name} has its own distances")
        options["distance"] = distance
    return SCENES[name](**options)
