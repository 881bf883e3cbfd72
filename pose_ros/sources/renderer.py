"""Frames of the synthetic actor in his room: shading, shadow, noise, and what is kept of them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.core.types import FloatArray, Image
from pose_ros.sources.actor import Joints
from pose_ros.sources.body import CLOTH, SKIN, body
from pose_ros.sources.raytrace import Box, Tracer, View, floor_shadow
from pose_ros.sources.room import room

_NOISE_PATTERNS = 4
_LENS_BLUR = 0.65  # pixels
_NOISE_DEVIATION = 2.5
_CACHE_BYTES = 128 * 1024 * 1024


class Renderer:
    """Draws frames over the room, which is rendered once, and keeps what it drew."""

    def __init__(self, view: View, seed: int) -> None:
        self._view = view
        self._tracer = Tracer(view.camera)
        self._room = np.ascontiguousarray(room(view)[..., ::-1])
        # what a real lens does to a one-pixel edge; it hides the stairs of one ray a pixel
        room_image = _pixels(cv2.GaussianBlur(self._room, (3, 3), _LENS_BLUR))
        generator = np.random.default_rng(seed)
        size = (_NOISE_PATTERNS, *self._room.shape)
        noise = generator.standard_normal(size, np.float32) * _NOISE_DEVIATION
        self._noise: NDArray[np.int8] = np.clip(np.rint(noise), -127, 127).astype(np.int8)
        self._rooms = [_noisy(room_image, pattern) for pattern in self._noise]
        light = np.array([0.55, 0.40, 1.0])  # in the actor's axes
        self._to_light = light / np.linalg.norm(light)
        self._kept: dict[int, tuple[Box, Image] | None] = {}
        self._kept_bytes = 0

    def frame(self, found: Joints, key: int, number: int) -> Image:
        """Return a (height, width, 3) BGR frame of the actor.

        Args:
            found: The actor's joints.
            key: Names the posture: the same key shows the same joints.
            number: Of the frame; it picks the noise.
        """
        if key in self._kept:
            drawn = self._kept[key]
        else:
            drawn = self._draw(found)
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

    def _draw(self, found: Joints) -> tuple[Box, Image] | None:
        """Return the part of the image that the actor and his shadow change."""
        parts = body(found)
        cones = [self._view.place(cone) for cone in parts]
        traced = self._tracer.trace(cones)
        shadow = floor_shadow(self._view, parts, self._to_light)
        boxes = [item[0] for item in (traced, shadow) if item is not None]
        if not boxes:
            return None
        camera = self._view.camera
        x0, y0 = max(0, min(b[0] for b in boxes) - 1), max(0, min(b[1] for b in boxes) - 1)
        x1 = min(camera.width, max(b[2] for b in boxes) + 1)
        y1 = min(camera.height, max(b[3] for b in boxes) + 1)
        crop = self._room[y0:y1, x0:x1].copy()
        if shadow is not None:
            (sx0, sy0, sx1, sy1), share = shadow
            crop[sy0 - y0 : sy1 - y0, sx0 - x0 : sx1 - x0] *= 1.0 - 0.42 * share[..., None]
        if traced is not None:
            box, depth, index = traced
            normals = self._tracer.normals(cones, box, depth, index)
            part = crop[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
            colors = np.array([cone.color for cone in cones], np.float32)
            seen = index >= 0
            self._drape(normals, seen, np.array([cone.color in CLOTH for cone in cones])[index])
            part[seen] = self._shade(colors[index[seen]], normals)[:, ::-1]
        return (x0, y0, x1, y1), _pixels(cv2.GaussianBlur(crop, (3, 3), _LENS_BLUR))

    def _drape(
        self, normals: FloatArray, seen: NDArray[np.bool_], cloth: NDArray[np.bool_]
    ) -> None:
        """Smooth the (n, 3) normals of cloth in place: no crease shows where cones meet."""
        field = np.zeros((*seen.shape, 3), np.float32)
        field[seen] = normals
        width = 0.015 * self._view.camera.matrix[0, 0] / self._view.distance
        field = np.asarray(cv2.GaussianBlur(field, (0, 0), max(0.3, width)), np.float32)
        smooth = field[seen & cloth]
        smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-6
        normals[cloth[seen]] = smooth

    def _shade(self, colors: FloatArray, normals: FloatArray) -> FloatArray:
        """Return (n, 3) RGB: a lamp, light from the ceiling and from all around, and a sheen."""
        turn = self._view.rotation.astype(np.float32)
        lamp = turn @ (self._to_light * (-1, -1, 1)).astype(np.float32)
        up = turn @ np.array([0, 0, 1], np.float32)
        diffuse = np.clip(normals @ lamp, 0, None)
        sky = 0.5 + 0.5 * (normals @ up)
        # what faces away from the camera, at the outline, gets less of the light around
        facing = np.clip(-normals[:, 2], 0, 1)
        light = 0.30 + 0.22 * sky + 0.14 * facing + 0.48 * diffuse
        half = lamp + np.array([0, 0, -1], np.float32)
        sheen = np.clip(normals @ (half / np.linalg.norm(half)), 0, None) ** 24
        glossy = np.all(colors == np.array(SKIN, np.float32), axis=1)
        shaded: FloatArray = colors * light[:, None] + (16.0 * sheen * glossy)[:, None]
        return shaded


def _pixels(values: ArrayLike) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _noisy(image: Image, noise: NDArray[np.int8]) -> Image:
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
