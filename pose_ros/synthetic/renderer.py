"""Frames of a scene: its actors in their room, shading, shadow, noise, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray, Image
from pose_ros.synthetic.figure import CLOTH, SKIN, Cone, Look
from pose_ros.synthetic.raytrace import Box, Tracer, View, floor_shadow
from pose_ros.synthetic.scene import Furniture, Scene

_NOISE_PATTERNS = 4
_LENS_BLUR = 0.65  # pixels
_NOISE_DEVIATION = 2.5
_CACHE_BYTES = 128 * 1024 * 1024
_FOLD = 0.015  # meters

# of the room, in meters
_HALF_WIDTH, _CEILING, _BEHIND_CAMERA = 2.6, 2.8, 1.0
_LAMP_TO_WALL = 2.5
_SHADOW = 0.68  # of the light, where furniture keeps the lamp's off
_PLANK_WIDTH, _PLANK_LENGTH = 0.16, 1.4


class Renderer:
    """Draws frames over the room, which is rendered once, and keeps what it drew."""

    def __init__(self, scene: Scene, view: View, seed: int) -> None:
        self._scene = scene
        self._view = view
        self._tracer = Tracer(view.camera)
        light = np.array([-0.55, -0.40, 1.0])  # in the world
        self._to_light = light / np.linalg.norm(light)
        self._backdrop = _backdrop(view, scene.depth, scene.furniture, self._to_light)
        self._room = np.ascontiguousarray(self._backdrop.image[..., ::-1])
        # what a real lens does to a one-pixel edge; it hides the stairs of one ray a pixel
        room_image = _pixels(cv2.GaussianBlur(self._room, (3, 3), _LENS_BLUR))
        self._noise = _noise(self._room.shape, seed)
        self._rooms = [_noisy(room_image, pattern) for pattern in self._noise]
        self._kept: dict[int, tuple[Box, Image] | None] = {}
        self._kept_bytes = 0
        self._nearest: tuple[float, Box, FloatArray] | None = None

    @property
    def kept_bytes(self) -> int:
        """Bytes of the drawn people that are kept, to show them again."""
        return self._kept_bytes

    def frame(self, seconds: float, key: int, number: int) -> Image:
        """Return a (height, width, 3) BGR frame of the scene.

        Args:
            seconds: Since the scene began.
            key: Names the instant: the same key shows the same.
            number: Of the frame; it picks the noise.
        """
        if key in self._kept:
            drawn = self._kept[key]
        else:
            drawn = self._draw(seconds)
            size = 0 if drawn is None else drawn[1].nbytes
            # when it is full, keep what there is: a loop longer than the cache
            # would find nothing in one that drops the oldest
            if self._kept_bytes + size <= _CACHE_BYTES:
                self._kept[key] = drawn
                self._kept_bytes += size
        pattern = number % _NOISE_PATTERNS
        image: Image = self._rooms[pattern].copy()
        if drawn is not None:
            (x0, y0, x1, y1), crop = drawn
            image[y0:y1, x0:x1] = _noisy(crop, self._noise[pattern, y0:y1, x0:x1])
        return image

    def depth(self, seconds: float) -> FloatArray:
        """Return the (height, width) meters, along the optical axis, to what each pixel shows."""
        depth = self._backdrop.depth.copy()
        if self._nearest is not None and self._nearest[0] == seconds:
            # who asks for the depth of a frame has just had its image drawn
            _, box, nearest = self._nearest
            _within(depth, box, 0, 0)[:] = nearest
            return depth
        for cones in self._bodies(seconds):
            traced = self._tracer.trace([self._view.place(cone) for cone in cones])
            if traced is not None:
                part = _within(depth, traced[0], 0, 0)
                np.minimum(part, traced[1], out=part)
        return depth

    def _bodies(self, seconds: float) -> list[list[Cone]]:
        return [actor.cones(seconds) for actor in self._scene.actors]

    def _draw(self, seconds: float) -> tuple[Box, Image] | None:
        """Return the part of the image that the actors and their shadows change."""
        painted, shadows = [], []
        bodies = self._bodies(seconds)
        for actor, cones in zip(self._scene.actors, bodies, strict=True):
            if (found := self._paint(cones, actor.look)) is not None:
                painted.append(found)
            if (shadow := floor_shadow(self._view, cones, self._to_light)) is not None:
                shadows.append(shadow)
        boxes = [item[0] for item in (*painted, *shadows)]
        if not boxes:
            return None
        camera = self._view.camera
        x0, y0 = max(0, min(b[0] for b in boxes) - 1), max(0, min(b[1] for b in boxes) - 1)
        x1 = min(camera.width, max(b[2] for b in boxes) + 1)
        y1 = min(camera.height, max(b[3] for b in boxes) + 1)
        crop = self._room[y0:y1, x0:x1].copy()
        dark = np.zeros(crop.shape[:2], np.float32)
        for box, share in shadows:
            part = _within(dark, box, x0, y0)
            np.maximum(part, share, out=part)
        floor = self._backdrop.floor[y0:y1, x0:x1]
        dark *= floor
        crop *= 1.0 - 0.42 * dark[..., None]
        # soles, which reach a little into the floor, are drawn over it
        nearest = np.where(floor, np.float32(np.inf), self._backdrop.depth[y0:y1, x0:x1])
        for box, depth, colors in painted:
            part = _within(nearest, box, x0, y0)
            front = depth < part
            np.copyto(part, depth, where=front)
            np.copyto(_within(crop, box, x0, y0), colors, where=front[..., None])
        np.minimum(nearest, self._backdrop.depth[y0:y1, x0:x1], out=nearest)
        self._nearest = (seconds, (x0, y0, x1, y1), nearest)
        return (x0, y0, x1, y1), _pixels(cv2.GaussianBlur(crop, (3, 3), _LENS_BLUR))

    def _paint(self, parts: list[Cone], look: Look) -> tuple[Box, FloatArray, FloatArray] | None:
        """Return one body by itself: its box, (h, w) depths and (h, w, 3) colors, BGR."""
        cones = [self._view.place(cone) for cone in parts]
        traced = self._tracer.trace(cones)
        if traced is None:
            return None
        box, depth, index = traced
        seen = index >= 0
        if not seen.any():  # what would be in the image lies too near to the camera
            return None
        which = index[seen]
        normals = self._tracer.normals(cones, box, depth, index)
        width = _FOLD * self._view.camera.matrix[0, 0] / float(np.median(depth[seen]))
        _drape(normals, seen, np.array([cone.material in CLOTH for cone in cones])[which], width)
        palette = np.array([look.color(cone.material) for cone in cones], np.float32)
        glossy = np.array([cone.material is SKIN for cone in cones])
        colors = np.zeros((*index.shape, 3), np.float32)
        colors[seen] = self._shade(palette[which], glossy[which], normals)[:, ::-1]
        return box, depth, colors

    def _shade(
        self, colors: FloatArray, glossy: NDArray[np.bool_], normals: FloatArray
    ) -> FloatArray:
        """Return (n, 3) RGB: a lamp, light from the ceiling and from all around, and a sheen."""
        turn = self._view.rotation.astype(np.float32)
        lamp = turn @ self._to_light.astype(np.float32)
        up = turn @ np.array([0, 0, 1], np.float32)
        diffuse = np.clip(normals @ lamp, 0, None)
        sky = 0.5 + 0.5 * (normals @ up)
        # what faces away from the camera, at the outline, gets less of the light around
        facing = np.clip(-normals[:, 2], 0, 1)
        light = 0.30 + 0.22 * sky + 0.14 * facing + 0.48 * diffuse
        half = lamp + np.array([0, 0, -1], np.float32)
        sheen = np.clip(normals @ (half / np.linalg.norm(half)), 0, None) ** 24
        shaded: FloatArray = colors * light[:, None] + (16.0 * sheen * glossy)[:, None]
        return shaded


def _drape(
    normals: FloatArray, seen: NDArray[np.bool_], cloth: NDArray[np.bool_], width: float
) -> None:
    """Smooth the (n, 3) normals of cloth in place: no crease shows where cones meet.

    Args:
        normals: Of the pixels that are ``seen``.
        seen: (h, w) where the body is.
        cloth: (n,) which of them are cloth.
        width: Pixels.
    """
    field = np.zeros((*seen.shape, 3), np.float32)
    field[seen] = normals
    field = np.asarray(cv2.GaussianBlur(field, (0, 0), max(0.3, width)), np.float32)
    smooth = field[seen][cloth]
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-6
    normals[cloth] = smooth


def _within(array: FloatArray, box: Box, x0: int, y0: int) -> FloatArray:
    """Return the part of an array, whose corner is at x0, y0 in the image, that a box covers."""
    return array[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]


@lru_cache(maxsize=2)
def _noise(shape: tuple[int, ...], seed: int) -> NDArray[np.int8]:
    """Return patterns of a camera's noise in an image of that shape."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((_NOISE_PATTERNS, *shape), np.float32) * _NOISE_DEVIATION
    found: NDArray[np.int8] = np.clip(np.rint(noise), -127, 127).astype(np.int8)
    found.flags.writeable = False
    return found


def _pixels(values: ArrayLike) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _noisy(image: Image, noise: NDArray[np.int8]) -> Image:
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


@dataclass(frozen=True, eq=False)
class _Backdrop:
    """What the camera sees where no actor is.

    Attributes:
        image: (height, width, 3) RGB, 0 to 255.
        depth: (height, width) meters along the optical axis.
        floor: (height, width) where there is nothing but floor.
    """

    image: FloatArray
    depth: FloatArray
    floor: NDArray[np.bool_]


def _backdrop(
    view: View, depth: float, furniture: tuple[Furniture, ...], to_light: Float64Array
) -> _Backdrop:
    """Return the room and its furniture; the last few are kept.

    Args:
        view: The camera.
        depth: Meters from ``base_link`` to the wall at the back.
        furniture: In the world.
        to_light: (3,) unit vector in the world: furniture throws its shadow the other way.
    """
    camera = view.camera
    place = (view.height, view.pitch_degrees, view.x, view.y, view.yaw_degrees)
    numbers = (*camera.matrix.ravel().tolist(), *place, depth)
    return _kept_backdrop(camera.width, camera.height, numbers, furniture, tuple(to_light.tolist()))


# drawn pictures and tests come back to the same few views
@lru_cache(maxsize=6)
def _kept_backdrop(
    width: int,
    height: int,
    numbers: tuple[float, ...],
    furniture: tuple[Furniture, ...],
    to_light: tuple[float, float, float],
) -> _Backdrop:
    matrix = np.array(numbers[:9]).reshape(3, 3)
    view = View(Camera(width, height, matrix), *numbers[9:14])
    room = _Room(view, numbers[14], furniture, np.array(to_light))
    # four rays a pixel: planks and edges are fine and, rendered once, cost nothing
    scale = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]])
    fine = Camera(width * 2, height * 2, scale @ matrix)
    bands = np.array_split(np.arange(fine.height), 8)
    image = np.concatenate([room.paint(fine, rows) for rows in bands])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    meet = room.meet(view.camera, np.arange(height))
    floor = (meet.surface == _FLOOR) & (meet.points[..., 2] < 1e-6)
    return _Backdrop(
        np.asarray(small, np.float32), np.asarray(meet.way, np.float32), np.asarray(floor)
    )


class _RayHits(NamedTuple):
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

    def meet(self, camera: Camera, rows: NDArray[np.int64]) -> _RayHits:
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
        return _RayHits(way, eye + directions * way[..., None], surface, normals)

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
