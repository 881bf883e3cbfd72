"""The room that the synthetic actors stand in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray
from pose_ros.sources.raytrace import View

# Meters.
_HALF_WIDTH, _CEILING, _BEHIND_CAMERA = 2.6, 2.8, 1.0
_LAMP_TO_WALL = 2.5
_PLANK_WIDTH, _PLANK_LENGTH = 0.16, 1.4


def room(view: View, depth: float) -> FloatArray:
    """Return the empty room, (height, width, 3) RGB, 0 to 255.

    Args:
        view: The camera.
        depth: Meters to the wall at the back.
    """
    small = view.camera
    # four rays a pixel: planks and edges are fine and, rendered once, cost nothing
    scale = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])
    camera = Camera(small.width * 2, small.height * 2, scale @ small.matrix)
    bands = np.array_split(np.arange(camera.height), 8)
    image = np.concatenate([_band(view, camera, rows, depth) for rows in bands])
    result = cv2.resize(image, (small.width, small.height), interpolation=cv2.INTER_AREA)
    return np.asarray(result, np.float32)


def _band(view: View, camera: Camera, rows: NDArray[np.int64], depth: float) -> FloatArray:
    """Return some rows of the room at the camera's size."""
    x, y = np.meshgrid(np.arange(camera.width), rows)
    directions = camera.rays(np.stack([x, y], axis=-1)) @ view.rotation
    eye = np.array([0.0, 0.0, view.height])
    low = np.array([-_BEHIND_CAMERA, -_HALF_WIDTH, 0.0])
    high = np.array([depth, _HALF_WIDTH, max(_CEILING, view.height + 0.5)])
    with np.errstate(divide="ignore", invalid="ignore"):
        # from inside of a box, each ray leaves through the nearest of three planes
        ways = np.where(directions > 0, high - eye, low - eye) / directions
    ways[~np.isfinite(ways)] = np.inf
    plane = np.argmin(ways, axis=-1)
    way = np.take_along_axis(ways, plane[..., None], axis=-1)
    points = eye + directions * way
    image: FloatArray = np.empty(points.shape, np.float32)
    upward = directions[..., 2] > 0
    for chosen, paint in (
        ((plane == 2) & ~upward, _floor),
        ((plane == 2) & upward, lambda p: np.full(p.shape, 226.0)),
        (plane == 1, lambda p: _wall(p, (186, 186, 178))),
        (plane == 0, lambda p: _pictures(p, _wall(p, (204, 202, 192)))),
    ):
        image[chosen] = paint(points[chosen])
    # a lamp above the actors: light falls off with distance
    lamp = np.array([depth - _LAMP_TO_WALL, 0.6, 2.6])
    away = np.linalg.norm(points - lamp, axis=-1, keepdims=True)
    image *= (1.20 - 0.09 * away).clip(0.6, 1.12)
    return image


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
