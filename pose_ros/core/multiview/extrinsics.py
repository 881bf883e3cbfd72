"""Where cameras stand in a common world, and what their pixels mean there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.errors import OptionError

_ORTHOGONAL_WITHIN = 1e-3


@dataclass(frozen=True, eq=False)
class Extrinsics:
    """Where a camera is: takes points of the world to its optical frame. Arrays are read-only.

    The convention is OpenCV's: ``point_in_camera = rotation @ point_in_world + translation``.

    Attributes:
        rotation: (3, 3), from the world's axes to the optical frame's (x right, y down, z
            forward).
        translation: (3,) meters, of the world's origin in the optical frame.
    """

    rotation: Float64Array
    translation: Float64Array

    def __post_init__(self) -> None:
        for name, shape in (("rotation", (3, 3)), ("translation", (3,))):
            array = np.array(getattr(self, name), np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise OptionError(f"Extrinsics.{name}: expected finite numbers of shape {shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        turn = self.rotation
        off = np.abs(turn @ turn.T - np.eye(3)).max()
        if off > _ORTHOGONAL_WITHIN or np.linalg.det(turn) < 0:
            raise OptionError(f"Extrinsics.rotation: expected a rotation, got {turn.tolist()}")

    @classmethod
    def from_pose(cls, pose: ArrayLike) -> Extrinsics:
        """Return the extrinsics of a camera by its pose, as /tf gives it.

        Args:
            pose: (4, 4), takes meters in the optical frame to the world.
        """
        matrix = np.asarray(pose, np.float64)
        if matrix.shape != (4, 4):
            raise OptionError(f"expected a (4, 4) pose, got shape {matrix.shape}")
        turn = matrix[:3, :3].T
        return cls(turn, -turn @ matrix[:3, 3])

    @property
    def pose(self) -> Float64Array:
        """(4, 4), takes meters in the optical frame to the world."""
        found = np.eye(4)
        found[:3, :3] = self.rotation.T
        found[:3, 3] = self.center
        return found

    @cached_property
    def center(self) -> Float64Array:
        """(3,) meters: where the camera is in the world."""
        found: Float64Array = -self.rotation.T @ self.translation
        return found

    def to_camera(self, points: ArrayLike) -> Float64Array:
        """Return points (..., 3) of the world in the optical frame, in meters."""
        found: Float64Array = np.asarray(points, np.float64) @ self.rotation.T + self.translation
        return found

    def to_world(self, points: ArrayLike) -> Float64Array:
        """Return points (..., 3) of the optical frame in the world, in meters."""
        found: Float64Array = (np.asarray(points, np.float64) - self.translation) @ self.rotation
        return found


@dataclass(frozen=True, eq=False)
class CameraView:
    """A calibrated camera at its place.

    Attributes:
        name: Unique among the cameras.
        camera: Its intrinsics, with the lens distortion of the images that it gives.
        extrinsics: Where it is.
    """

    name: str
    camera: Camera
    extrinsics: Extrinsics

    @cached_property
    def pinhole(self) -> Camera:
        """The camera without lens distortion."""
        return self.camera.pinhole

    @cached_property
    def focal(self) -> float:
        """Focal length in pixels, the mean of both axes."""
        return float((self.camera.matrix[0, 0] + self.camera.matrix[1, 1]) / 2.0)

    @cached_property
    def _turn(self) -> Float64Array:
        """(3, 3), from (x, y, 1) pixels of ``pinhole`` to rays in the world's axes."""
        found: Float64Array = np.linalg.inv(self.camera.matrix).T @ self.extrinsics.rotation
        return found

    def rays(self, pixels: ArrayLike) -> Float64Array:
        """Return the viewing rays of pixels, lens distortion undone.

        Args:
            pixels: (..., 2) as the camera gives them.

        Returns:
            (..., 3) in the world's axes, from the camera's center on, of a depth of one meter;
            NaN for NaN.
        """
        found: Float64Array = self.camera.undistort(pixels) @ self._turn[:2] + self._turn[2]
        return found

    def project(self, points: ArrayLike) -> Float64Array:
        """Return where points (..., 3) of the world lie in the image, lens distortion included.

        Returns:
            (..., 2) pixels, perhaps beyond the image; NaN behind the camera.
        """
        inside = self.extrinsics.to_camera(points)
        pixels = self.pinhole.project(inside)
        if not self.camera.distorted:
            return pixels
        known = np.isfinite(pixels).all(axis=-1)
        if known.any():
            rays = (inside[known] / inside[known][:, 2:]).reshape(-1, 1, 3)
            matrix, lens, zero = self.camera.matrix, self.camera.distortion, np.zeros(3)
            if self.camera.distortion_model == "equidistant":
                bent = cv2.fisheye.distortPoints(rays[..., :2], matrix, lens[:4])
            else:
                bent, _ = cv2.projectPoints(rays, zero, zero, matrix, lens)
            pixels[known] = np.asarray(bent, np.float64).reshape(-1, 2)
        return pixels


def check_views(views: Sequence[CameraView]) -> None:
    """Check that there are cameras, each with a name of its own.

    Raises:
        OptionError: There are none, or names repeat.
    """
    names = [view.name for view in views]
    if not names or len(set(names)) != len(names):
        raise OptionError(f"expected cameras with distinct names, got {', '.join(names) or 'none'}")
