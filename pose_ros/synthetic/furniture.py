"""What stands between the camera and the actors: cuboids and pillars, and where rays meet them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError
from pose_ros.synthetic.body import Color

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
