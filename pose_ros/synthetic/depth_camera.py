"""What a depth camera makes of true depths: noise, holes, and the two encodings of REP-118.

A stereo camera measures disparity, focal length x baseline / depth, to some part of a
pixel: its error in meters grows with the square of the depth. It sees nothing where one
of its two eyes is covered, on surfaces that it meets at a grazing angle, and beyond its
range; outlines wander by a pixel, because it compares patches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera
from pose_ros.core.types import FloatArray
from pose_ros.errors import OptionError

_LARGEST_MILLIMETERS = 65535
_REFERENCE_WIDTH = 640


@dataclass(frozen=True)
class DepthSensor:
    """How a stereo camera measures; the defaults are about those of an Intel RealSense D435.

    Its data sheet: 50 mm baseline, an error below 2% at 2 m. Holes are NaN.

    Attributes:
        baseline: Meters between its eyes; the second is to the right of the image's.
        disparity_error: Pixels of an image 640 wide, one sigma.
        disparity_step: As ``disparity_error``; what it measures is a multiple of it.
        near, far: Meters; it measures nothing beyond.
        grazing_degrees: Between ray and surface; below, little is measured.
        dropout: Share of the image that is lost in blots, in [0, 1).
    """

    baseline: float = 0.05
    disparity_error: float = 0.10
    disparity_step: float = 1 / 32
    near: float = 0.3
    far: float = 6.0
    grazing_degrees: float = 8.0
    dropout: float = 0.004

    def __post_init__(self) -> None:
        positive = (self.baseline, self.disparity_step, self.near, self.far - self.near)
        others = (self.disparity_error, self.grazing_degrees, self.dropout)
        finite = np.isfinite((*positive, *others)).all()
        if not (finite and min(positive) > 0 and min(others) >= 0 and self.dropout < 1):
            raise OptionError(f"expected positive sizes, near below far, a share; got {self}")

    def measure(
        self, depth: FloatArray, camera: Camera, generator: np.random.Generator
    ) -> FloatArray:
        """Return a measurement of true depths.

        Args:
            depth: (height, width) meters along the optical axis.
            camera: That sees them.
            generator: Decides the noise.

        Returns:
            (height, width) meters; NaN where nothing was measured.
        """
        scale = np.float32(camera.width / _REFERENCE_WIDTH)
        strength = np.float32(camera.matrix[0, 0] * self.baseline) / scale  # pixels x meters
        true = strength / depth
        disparity = _wandered(true, generator)
        disparity += self.disparity_error * _patchy(generator, depth.shape, 1.5)
        disparity = np.rint(disparity / self.disparity_step) * self.disparity_step
        lost = (disparity > strength / self.near) | (disparity < strength / self.far)
        lost |= _covered(true * scale)
        lost |= _grazing(depth, camera) < math.sin(math.radians(self.grazing_degrees))
        if self.dropout > 0:
            from scipy.special import ndtri  # as late as it is needed: SciPy takes long to load

            lost |= _patchy(generator, depth.shape, 3.0) > ndtri(1.0 - self.dropout)
        disparity[lost] = np.nan
        return np.asarray(strength / disparity, np.float32)


def to_millimeters(depth: FloatArray) -> NDArray[np.uint16]:
    """Return a depth image in the encoding 16UC1: whole millimeters, 0 where it is not known.

    Args:
        depth: (height, width) meters; NaN or beyond 65.535 m is not known.
    """
    known = np.nan_to_num(depth * 1e3, nan=0.0, posinf=0.0, neginf=0.0)
    whole = np.rint(known)
    return np.where((whole > 0) & (whole <= _LARGEST_MILLIMETERS), whole, 0).astype(np.uint16)


def _patchy(generator: np.random.Generator, shape: tuple[int, ...], width: float) -> FloatArray:
    """Return noise of deviation 1 that is alike within some pixels."""
    noise = generator.standard_normal(shape, np.float32)
    soft = np.asarray(cv2.GaussianBlur(noise, (0, 0), width), np.float32)
    # of white noise a Gaussian filter leaves this deviation
    soft *= np.float32(2.0 * width * math.sqrt(math.pi))
    return soft


def _wandered(image: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return an image of which each pixel is taken from one of the nine around it."""
    height, width = image.shape
    padded = np.pad(image, 1, mode="edge")
    rows, columns = generator.integers(0, 3, (2, height, width), np.int8)
    corner = np.arange(height)[:, None] * (width + 2) + np.arange(width)
    found: FloatArray = padded.ravel()[corner + rows * np.intp(width + 2) + columns]
    return found


def _covered(disparity: FloatArray) -> NDArray[np.bool_]:
    """Return where something nearer stands before the second eye.

    A column x shows in the second eye at x - disparity. What is farther right in
    the first eye and not so in the second is in front.
    """
    seen_at = np.arange(disparity.shape[1]) - disparity
    nearest = np.minimum.accumulate(seen_at[:, ::-1], axis=1)[:, ::-1]
    covered = np.zeros(disparity.shape, bool)
    covered[:, :-1] = nearest[:, 1:] <= seen_at[:, :-1] - 0.5
    return covered


def _grazing(depth: FloatArray, camera: Camera) -> FloatArray:
    """Return the sine of the angle between ray and surface, by neighbors in the image.

    Of the surface z(u, v) the normal is (fx dz/du, fy dz/dv, -z - (u - cx) dz/du -
    (v - cy) dz/dv), and its product with the ray of depth 1 is -z.
    """
    (fx, _, cx), (_, fy, cy), _ = camera.matrix.astype(np.float32)
    u = np.arange(camera.width, dtype=np.float32) - cx
    v = np.arange(camera.height, dtype=np.float32)[:, None] - cy
    down, right = np.gradient(depth)
    inward = depth + u * right + v * down
    normal = (fx * right) ** 2 + (fy * down) ** 2 + inward**2
    ray = 1 + (u / fx) ** 2 + (v / fy) ** 2
    sine: FloatArray = depth / np.sqrt(normal * ray)
    return sine
