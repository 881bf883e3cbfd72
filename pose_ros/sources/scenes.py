"""Named scenes: what ``synthetic:NAME`` and ``pose-ros demo --scene NAME`` show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pose_ros.sources.body import Look
from pose_ros.sources.path import Path, Waypoint
from pose_ros.sources.scene import Actor, Scene

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
