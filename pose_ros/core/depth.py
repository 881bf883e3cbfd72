"""Depth images that are registered to a camera's: meters at keypoints, and points of people."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray, Poses, Say
from pose_ros.errors import ImageError

# REP-118: 16UC1 holds millimeters and 0 for what was not measured, 32FC1 meters and NaN.
_ENCODINGS: dict[str, tuple[type[np.generic], float]] = {
    "16UC1": (np.uint16, 0.001),
    "mono16": (np.uint16, 0.001),
    "32FC1": (np.float32, 1.0),
}

_LEAST_VALID = 0.2  # share of a patch
_TWO_SURFACES = 0.15  # meters between the nearer and the farther part of a patch
_ROUNDING = 1e-6  # seconds; a float holds Unix time to a quarter of that

LEAST_MASK = 0.5
"""How sure a pixel has to be a person's."""

Message = TypeVar("Message")


@dataclass(frozen=True, eq=False)
class DepthImage:
    """A depth image that lies pixel for pixel over the camera's image.

    Attributes:
        values: (H, W) as the message holds them.
        encoding: ``16UC1`` (millimeters, 0 is missing) or ``32FC1`` (meters, NaN is
            missing); ``mono16`` is read as ``16UC1``.
        stamp: Seconds, on the clock of the camera's images.
    """

    values: NDArray[Any]
    encoding: str
    stamp: float

    def __post_init__(self) -> None:
        if self.encoding not in _ENCODINGS:
            raise ImageError(
                f"expected a depth image as {' or '.join(_ENCODINGS)}, got {self.encoding!r}"
            )
        kind, _ = _ENCODINGS[self.encoding]
        if not isinstance(self.values, np.ndarray):
            raise ImageError(f"expected an (H, W) depth image, got {type(self.values).__name__}")
        if self.values.ndim != 2 or self.values.size == 0 or self.values.dtype != kind:
            raise ImageError(
                f"expected an (H, W) depth image of {kind.__name__} for {self.encoding}, got "
                f"{self.values.shape} {self.values.dtype}"
            )
        if not np.isfinite(self.stamp):
            raise ImageError(f"expected a finite stamp in seconds, got {self.stamp}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.values.shape[1]), int(self.values.shape[0])

    def meters(self) -> Float64Array:
        """Return (H, W) meters along the optical axis; 0 or NaN is missing."""
        _, unit = _ENCODINGS[self.encoding]
        return self.values.astype(np.float64) * unit

    def surfaces(
        self, pixels: Float64Array, radii: Float64Array, near: float, far: float
    ) -> Float64Array:
        """Return how far away the surface at each keypoint is.

        It is the median of a patch. Where a patch holds two surfaces, it is the nearer
        one's: a limb is in front of the wall.

        Args:
            pixels: (K, 2) of the image as the camera gives it; NaN is missing.
            radii: (K,) half the side of each patch, pixels.
            near: Meters; nearer values do not count.
            far: Meters; farther values do not count.

        Returns:
            (K,) meters along the optical axis; NaN where little was measured.
        """
        found = np.full(len(pixels), np.nan)
        for i, ((x, y), radius) in enumerate(zip(pixels, radii, strict=True)):
            if np.isfinite(x) and np.isfinite(y):
                patch = self._patch(float(x), float(y), max(1, round(float(radius))))
                found[i] = _nearer_median(patch, near, far)
        return found

    def _patch(self, x: float, y: float, radius: int) -> Float64Array:
        """Return the values around a pixel in meters; empty beside the image."""
        width, height = self.size
        column, row = round(x), round(y)
        if not (0 <= column < width and 0 <= row < height):
            return np.zeros(0)
        rows = slice(max(0, row - radius), row + radius + 1)
        columns = slice(max(0, column - radius), column + radius + 1)
        _, unit = _ENCODINGS[self.encoding]
        return self.values[rows, columns].ravel().astype(np.float64) * unit


def _nearer_median(patch: Float64Array, near: float, far: float) -> float:
    with np.errstate(invalid="ignore"):
        valid = patch[(patch > max(near, 0.0)) & (patch < far)]  # neither NaN nor 0
    if len(valid) < max(1.0, _LEAST_VALID * len(patch)):
        return float("nan")
    valid.sort()
    low, high = valid[len(valid) // 10], valid[-1 - len(valid) // 10]
    if high - low > _TWO_SURFACES:
        valid = valid[: np.searchsorted(valid, (low + high) / 2)]
    return float((valid[(len(valid) - 1) // 2] + valid[len(valid) // 2]) / 2)


class DepthMatcher(Generic[Message]):
    """Keeps the last depth images, and finds the one that goes with an image.

    It has no lock and no clock: a node locks and waits, a recording need not.

    Args:
        topic: Of the depth images, for what is said.
        kept: How many are kept.
        load: Decodes what was kept; raises ImageError where it cannot.
        say: Takes what is wrong, each kind of trouble once.
    """

    def __init__(
        self, topic: str, kept: int, load: Callable[[Message], DepthImage], say: Say
    ) -> None:
        self._topic, self._load, self._say = topic, load, say
        self._kept: deque[tuple[float, Message]] = deque(maxlen=kept)

    @property
    def stamps(self) -> tuple[float, ...]:
        """Of the depth images that are kept, in seconds, as they came."""
        return tuple(stamp for stamp, _ in self._kept)

    def put(self, stamp: float, message: Message) -> None:
        """Keep a depth image with its stamp in seconds; it is decoded when it is needed."""
        self._kept.append((stamp, message))

    def skew(self, stamp: float) -> float:
        """Return how many seconds the nearest is away from an image; infinite without any."""
        return min((abs(other - stamp) for other, _ in self._kept), default=math.inf)

    def is_near(self, stamp: float, max_skew: float) -> bool:
        """Return whether one is at most ``max_skew`` seconds away from an image."""
        return self.skew(stamp) <= max_skew + _ROUNDING

    def nearest(self, stamp: float, max_skew: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image nearest in time to an image; None where none will do.

        Args:
            stamp: Of the image, seconds.
            max_skew: Seconds by which a depth image may be older or newer.
            width: Of the image, pixels; a depth image that is registered to it has the same.
            height: Of the image, pixels.
        """
        if not self.is_near(stamp, max_skew):
            return None
        _, message = min(self._kept, key=lambda kept: abs(kept[0] - stamp))
        try:
            depth = self._load(message)
        except ImageError as error:
            self._say("depth", f"{self._topic}: {error}")
            return None
        if depth.size == (width, height):
            return depth
        self._say(
            "depth size",
            f"{self._topic} has {depth.size[0]}x{depth.size[1]} pixels, the images have "
            f"{width}x{height}, and it is not used: give the depth that is registered to them",
        )
        return None


class PersonCloud(NamedTuple):
    """Points of all people of an image.

    Attributes:
        points: (N, 3) float32 meters in the camera's optical frame.
        ids: (N,) uint32, whose point each is.
    """

    points: FloatArray
    ids: NDArray[np.uint32]


def person_cloud(poses: Poses, camera: Camera, depth: DepthImage) -> PersonCloud:
    """Return the points of people; a pixel that two masks hold is of the surer one.

    Pixels at the edge of a mask may lie on what is behind the person.

    Args:
        poses: With ``masks``; without them or without people there are no points.
        camera: Of the images, with its distortion.
        depth: Registered to the image.
    """
    if poses.masks is None or not len(poses):
        return PersonCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.uint32))
    whose = poses.masks.argmax(axis=0)
    meters = depth.meters()
    known = (poses.masks.max(axis=0) > LEAST_MASK) & np.isfinite(meters) & (meters > 0)
    rows, columns = np.nonzero(known)
    pixels = camera.undistort(np.stack([columns, rows], axis=1).astype(np.float64))
    points = camera.pinhole.rays(pixels) * meters[known][:, np.newaxis]
    ids = poses.ids[whose[known]].astype(np.uint32)
    seen = np.isfinite(points).all(axis=1)  # beyond what the distortion can be solved for
    return PersonCloud(points[seen].astype(np.float32), ids[seen])
