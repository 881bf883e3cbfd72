"""Frames of a scene: its actors in their room, shading, shadow, noise, and what is kept of them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.core.types import FloatArray, Image
from pose_ros.synthetic.body import CLOTH, SKIN, Cone, Look
from pose_ros.synthetic.raytrace import Box, Tracer, View, floor_shadow
from pose_ros.synthetic.room import backdrop
from pose_ros.synthetic.scene import Scene

_NOISE_PATTERNS = 4
_LENS_BLUR = 0.65  # pixels
_NOISE_DEVIATION = 2.5
_CACHE_BYTES = 128 * 1024 * 1024
_FOLD = 0.015  # meters


class Renderer:
    """Draws frames over the room, which is rendered once, and keeps what it drew."""

    def __init__(self, scene: Scene, view: View, seed: int) -> None:
        self._scene = scene
        self._view = view
        self._tracer = Tracer(view.camera)
        light = np.array([-0.55, -0.40, 1.0])  # in the world
        self._to_light = light / np.linalg.norm(light)
        self._backdrop = backdrop(view, scene.depth, scene.furniture, self._to_light)
        self._room = np.ascontiguousarray(self._backdrop.image[..., ::-1])
        # what a real lens does to a one-pixel edge; it hides the stairs of one ray a pixel
        room_image = _pixels(cv2.GaussianBlur(self._room, (3, 3), _LENS_BLUR))
        self._noise = _noise(self._room.shape, seed)
        self._rooms = [_noisy(room_image, pattern) for pattern in self._noise]
        self._kept: dict[int, tuple[Box, Image] | None] = {}
        self._kept_bytes = 0
        self._nearest: tuple[float, Box, FloatArray] | None = None

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
