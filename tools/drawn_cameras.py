"""Drawn scenes as several cameras see them: what fusion over cameras is measured against.

The renderer has one camera, which stands over the origin. So the scene is moved, and not the
camera: each camera sees the actors where they are in its own axes. Shadows and the room move along,
which a network that finds people does not mind.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.types import Image
from pose_ros.synthetic.actor import Point, Step
from pose_ros.synthetic.raytrace import View
from pose_ros.synthetic.renderer import Renderer
from pose_ros.synthetic.scene import Actor, Path, Place, Scene, Waypoint
from pose_ros.synthetic.source import Truth, truths


@dataclass(frozen=True)
class Placed:
    """Where a drawn camera stands, and when it looks.

    Attributes:
        name: Of the camera.
        x, y: Meters in the scene's world; the others stand at the same height.
        yaw_degrees: Turned to the left of the world's x.
        delay: Seconds by which its images are taken after those of others.
    """

    name: str
    x: float = 0.0
    y: float = 0.0
    yaw_degrees: float = 0.0
    delay: float = 0.0


class DrawnCameras:
    """A scene before several cameras of one kind.

    Args:
        scene: Its world: x along the floor to where a camera at the origin looks, y left, z up.
        places: Of the cameras.
        height: Of all cameras above the floor, meters.
        pitch_degrees: Positive: they look down.
    """

    def __init__(
        self,
        scene: Scene,
        places: Sequence[Placed],
        *,
        width: int = 640,
        height_pixels: int = 480,
        hfov_degrees: float = 63.0,
        height: float = 1.1,
        pitch_degrees: float = 2.0,
        seed: int = 0,
    ) -> None:
        self.scene, self.places = scene, tuple(places)
        camera = Camera.from_hfov(width, height_pixels, hfov_degrees)
        self._view = View(camera, height, pitch_degrees)
        self._scenes = [_moved(scene, place) for place in places]
        self._renderers = [
            Renderer(moved, self._view, seed + i) for i, moved in enumerate(self._scenes)
        ]
        self._number = 0
        self.views = tuple(CameraView(p.name, camera, self._extrinsics(p)) for p in places)

    def _extrinsics(self, place: Placed) -> Extrinsics:
        turn, shift = _to_own(place)
        rotation = self._view.rotation @ turn
        return Extrinsics(rotation, self._view.rotation @ (shift - self._view.eye))

    def frame(self, camera: int, seconds: float) -> Image:
        """Return what a camera sees, (H, W, 3) BGR."""
        self._number += 1
        return self._renderers[camera].frame(seconds, self._number, self._number)

    def truths(self, seconds: float) -> tuple[Truth, ...]:
        """Return what is true of each actor, as of a camera at the origin."""
        return truths(self.scene, self._view, seconds)

    def truths_of(self, camera: int, seconds: float) -> tuple[Truth, ...]:
        """Return what is true of each actor as that camera sees them, in its own axes."""
        return truths(self._scenes[camera], self._view, seconds)

    def frames(self, fps: float, seconds: float) -> Iterator[tuple[int, float, Image]]:
        """Yield camera, stamp and image: each camera in turn, by its delay."""
        for number in range(round(fps * seconds)):
            for i, place in enumerate(self.places):
                stamp = number / fps + place.delay
                yield i, stamp, self.frame(i, stamp)


@dataclass(frozen=True, kw_only=True)
class _MovedPath(Path):
    """A path in a camera's own axes: people turn around as they do in the scene's.

    By themselves they would turn by way of each camera.
    """

    original: Path
    yaw_degrees: float

    def place(self, seconds: float) -> Place:
        """Return where a person is at a time."""
        heading = self.original.place(seconds).heading_degrees - self.yaw_degrees
        return super().place(seconds)._replace(heading_degrees=heading % 360.0)


def _to_own(place: Placed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what takes points of the world to a camera's own floor axes."""
    yaw = math.radians(place.yaw_degrees)
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    return turn, -turn @ np.array([place.x, place.y, 0.0])


def _moved(scene: Scene, place: Placed) -> Scene:
    """Return the scene in a camera's own axes."""
    turn, shift = _to_own(place)

    def point(values: Point) -> Point:
        x, y, z = (turn @ np.array(values, np.float64) + shift).tolist()
        return x, y, z

    def step(each: Step) -> Step:
        if each.target is None:
            return each
        return dataclasses.replace(each, target=point(each.target))

    def path(each: Path) -> Path:
        ways = []
        for way in each.waypoints:
            x, y, _ = point((way.x, way.y, 0.0))
            ways.append(Waypoint(way.seconds, x, y))
        heading = each.heading_degrees
        if heading is not None:
            heading = (heading - place.yaw_degrees) % 360.0
        return _MovedPath(tuple(ways), heading, original=each, yaw_degrees=place.yaw_degrees)

    def actor(each: Actor) -> Actor:
        script = tuple(step(one) for one in each.script)
        return dataclasses.replace(each, path=path(each.path), script=script)

    return dataclasses.replace(
        scene, actors=tuple(actor(each) for each in scene.actors), furniture=()
    )
