"""The room that the synthetic actors stand in, with its furniture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray
from pose_ros.synthetic.furniture import Furniture
from pose_ros.synthetic.raytrace import View

# Meters.
_HALF_WIDTH, _CEILING, _BEHIND_CAMERA = 2.6, 2.8, 1.0
_LAMP_TO_WALL = 2.5
_SHADOW = 0.68  # of the light, where furniture keeps the lamp's off
_PLANK_WIDTH, _PLANK_LENGTH = 0.16, 1.4


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the camera sees where no actor is.

    Attributes:
        image: (height, width, 3) RGB, 0 to 255.
        depth: (height, width) meters along the optical axis.
        floor: (height, width) where there is nothing but floor.
    """

    image: FloatArray
    depth: FloatArray
    floor: NDArray[np.bool_]


def backdrop(
    view: View, depth: float, furniture: tuple[Furniture, ...], to_light: Float64Array
) -> Backdrop:
    """Return the room and its furniture; the last few are kept.

    Args:
        view: The camera.
        depth: Meters from ``base_link`` to the wall at the back.
        furniture: In the world.
        to_light: (3,) unit vector in the world: furniture throws its shadow the other way.
    """
    camera = view.camera
    numbers = (*camera.matrix.ravel().tolist(), view.height, view.pitch_degrees, view.x, depth)
    return _kept(camera.width, camera.height, numbers, furniture, tuple(to_light.tolist()))


# drawn shots and tests come back to the same few views
@lru_cache(maxsize=6)
def _kept(
    width: int,
    height: int,
    numbers: tuple[float, ...],
    furniture: tuple[Furniture, ...],
    to_light: tuple[float, float, float],
) -> Backdrop:
    matrix = np.array(numbers[:9]).reshape(3, 3)
    view = View(Camera(width, height, matrix), *numbers[9:12])
    room = _Room(view, numbers[12], furniture, np.array(to_light))
    # four rays a pixel: planks and edges are fine and, rendered once, cost nothing
    scale = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])
    fine = Camera(width * 2, height * 2, scale @ matrix)
    bands = np.array_split(np.arange(fine.height), 8)
    image = np.concatenate([room.paint(fine, rows) for rows in bands])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    meet = room.meet(view.camera, np.arange(height))
    floor = (meet.surface == _FLOOR) & (meet.points[..., 2] < 1e-6)
    return Backdrop(
        np.asarray(small, np.float32), np.asarray(meet.way, np.float32), np.asarray(floor)
    )


class _Meeting(NamedTuple):
    """Where rays end: lengths of the ray, points in the world, which surface, and its normals."""

    way: Float64Array
    points: Float64Array
    surface: NDArray[np.int64]
    normals: Float64Array


_BACK, _SIDE, _FLOOR, _CEILING_SURFACE, _FURNITURE = range(5)


@dataclass(frozen=True, eq=False)
class _Room:
    view: View
    depth: float
    furniture: tuple[Furniture, ...]
    to_light: Float64Array

    def meet(self, camera: Camera, rows: NDArray[np.int64]) -> _Meeting:
        """Return what the rays of some of a camera's rows meet; z = 1 along the optical axis."""
        view = self.view
        x, y = np.meshgrid(np.arange(camera.width), rows)
        directions = camera.rays(np.stack([x, y], axis=-1)) @ view.rotation
        eye = view.eye
        low = np.array([view.x - _BEHIND_CAMERA, -_HALF_WIDTH, 0.0])
        high = np.array([self.depth, _HALF_WIDTH, max(_CEILING, view.height + 0.5)])
        with np.errstate(divide="ignore", invalid="ignore"):
            # from inside of a box, each ray leaves through the nearest of three planes
            ways = np.where(directions > 0, high - eye, low - eye) / directions
        ways[~np.isfinite(ways)] = np.inf
        plane = np.argmin(ways, axis=-1)
        way = np.take_along_axis(ways, plane[..., None], axis=-1)[..., 0]
        surface = np.where((plane == 2) & (directions[..., 2] > 0), _CEILING_SURFACE, plane)
        normals = np.zeros(directions.shape)
        for i, piece in enumerate(self.furniture):
            met, found = piece.meet(eye, directions)
            nearer = met < way
            way = np.where(nearer, met, way)
            surface = np.where(nearer, _FURNITURE + i, surface)
            normals[nearer] = found[nearer]
        return _Meeting(way, eye + directions * way[..., None], surface, normals)

    def paint(self, camera: Camera, rows: NDArray[np.int64]) -> FloatArray:
        """Return some rows of the room at a camera's size."""
        _, points, surface, normals = self.meet(camera, rows)
        image: FloatArray = np.empty(points.shape, np.float32)
        for chosen, paint in (
            (surface == _FLOOR, _floor),
            (surface == _CEILING_SURFACE, lambda p: np.full(p.shape, 226.0)),
            (surface == _SIDE, lambda p: _wall(p, (186, 186, 178))),
            (surface == _BACK, lambda p: _pictures(p, _wall(p, (204, 202, 192)))),
        ):
            image[chosen] = paint(points[chosen])
        if self.furniture:
            self._furnish(image, points, surface, normals)
        # a lamp above the actors: light falls off with distance
        lamp = np.array([self.depth - _LAMP_TO_WALL, 0.6, 2.6])
        away = np.linalg.norm(points - lamp, axis=-1, keepdims=True)
        image *= (1.20 - 0.09 * away).clip(0.6, 1.12)
        return image

    def _furnish(
        self,
        image: FloatArray,
        points: Float64Array,
        surface: NDArray[np.int64],
        normals: Float64Array,
    ) -> None:
        """Paint the furniture into the room, and its shadows."""
        light = 0.62 + 0.14 * normals[..., 2] + 0.30 * np.clip(normals @ self.to_light, 0, None)
        for i, piece in enumerate(self.furniture):
            chosen = surface == _FURNITURE + i
            image[chosen] = np.array(piece.color) * light[chosen][:, None]
        shade = np.zeros(surface.shape, bool)
        rays = np.broadcast_to(self.to_light, points.shape)
        for piece in self.furniture:
            # from a little before the surface, so that none shades itself
            start = points + 1e-3 * (normals + self.to_light)
            shade |= np.isfinite(piece.meet(start, rays)[0])
        image[shade & (surface == _FLOOR)] *= _SHADOW


def _floor(points: Float64Array) -> Float64Array:
    row = np.floor(points[:, 1] / _PLANK_WIDTH)
    along = points[:, 0] / _PLANK_LENGTH + 0.37 * row
    plank = np.floor(along)
    # any hash will do that gives neighbors different shades
    shade = np.modf(np.abs(np.sin(row * 12.9898 + plank * 78.233)) * 43758.5453)[0]
    grain = np.sin(points[:, 1] * 310 + 2.0 * np.sin(points[:, 0] * 5 + row * 3))
    gap = (np.abs(points[:, 1] / _PLANK_WIDTH - row - 0.5) > 0.485) | (
        np.abs(along - plank - 0.5) > 0.498
    )
    tone = 0.86 + 0.16 * shade + 0.015 * grain - 0.22 * gap
    painted: Float64Array = np.array([164.0, 134.0, 104.0]) * tone[:, None]
    return painted


def _wall(points: Float64Array, color: tuple[int, int, int]) -> Float64Array:
    height = points[:, 2:]
    plaster = np.array(color, np.float64) * (0.93 + 0.03 * height)
    skirting = np.where(height < 0.09, 232.0, 150.0)  # its upper edge throws a thin shadow
    painted: Float64Array = np.where(height < 0.10, skirting, plaster)
    return painted


def _pictures(points: Float64Array, wall: Float64Array) -> Float64Array:
    """Hang two framed pictures on the back wall."""
    for y, z, half_width, half_height, tint in (
        (1.45, 1.65, 0.36, 0.26, (120, 150, 168)),
        (-1.55, 1.60, 0.24, 0.33, (176, 146, 110)),
    ):
        across, up = points[:, 1] - y, points[:, 2] - z
        edge = np.maximum(np.abs(across) / half_width, np.abs(up) / half_height)
        frame, inside = edge < 1.0, edge < 0.86
        hills = up < 0.05 * np.sin(across * 9) - 0.04
        scene = np.where(hills[:, None], np.array(tint) * 0.7, np.array(tint) * 1.15)
        wall = np.where(inside[:, None], scene, np.where(frame[:, None], 70.0, wall))
    return wall
