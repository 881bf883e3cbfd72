"""Angles, boxes, a body's own axes, square regions of an image and their crops for a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.types import Channels, FloatArray, Image, Pose
from pose_ros.errors import ImageError

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

MAX_WARP_SIDE = 32766
"""Longest side in pixels of an image that OpenCV warps: it counts in 16 bits."""

Points: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Region:
    """A rotated square of an image.

    Attributes:
        x, y: Center in pixels.
        size: Side in pixels, above 0.
        rotation: Radians, clockwise in the image: the square's own up direction
            is the image's up turned by it.
    """

    x: float
    y: float
    size: float
    rotation: float = 0.0

    @classmethod
    def letterbox(cls, width: int, height: int) -> Region:
        """Return the smallest square with the image in its middle."""
        return cls(width / 2, height / 2, max(width, height))

    @classmethod
    def upright(cls, center: FloatArray, top: FloatArray, scale: float) -> Region | None:
        """Return the square around ``center`` that has ``top`` straight above it.

        Args:
            center: (2,) pixels.
            top: (2,) pixels, on the circle of half a side around the center.
            scale: Factor by which the square is grown.

        Returns:
            None when the points are not finite or fall together.
        """
        distance = float(np.hypot(*(top - center).tolist()))
        if not np.isfinite(distance) or distance < 0.5:
            return None
        rotation = rotation_to(center, top)
        return cls(float(center[0]), float(center[1]), 2.0 * distance * scale, rotation)

    @classmethod
    def around(
        cls, center: Points, size: Points, rotation: float, *, shift: float, scale: float
    ) -> Region | None:
        """Return the square around a turned box, moved up along it and grown.

        Args:
            center: (2,) pixels.
            size: (2,) pixels: width and height of the box.
            rotation: Of the box and the square, radians.
            shift: How far up the square is moved, in heights of the box.
            scale: Side of the square in longer sides of the box.

        Returns:
            None when the square is smaller than a pixel or not finite.
        """
        (x, y), (width, height) = center.tolist(), size.tolist()
        side, up = scale * max(width, height), shift * height
        if not np.isfinite((x, y, width, height, rotation)).all() or side < 1.0:
            return None
        return cls(x + up * math.sin(rotation), y - up * math.cos(rotation), side, rotation)

    def matrix(self) -> NDArray[np.float64]:
        """Return the (2, 3) affine map from the unit square to image pixels."""
        cos, sin = np.cos(self.rotation) * self.size, np.sin(self.rotation) * self.size
        return np.array(
            [
                [cos, -sin, self.x - (cos - sin) / 2],
                [sin, cos, self.y - (sin + cos) / 2],
            ]
        )

    def to_image(self, points: FloatArray) -> FloatArray:
        """Map points from the unit square, (..., 2), to image pixels."""
        matrix = self.matrix().astype(np.float32)
        mapped: FloatArray = points @ matrix[:, :2].T + matrix[:, 2]
        return mapped

    def crop(self, image: Image, size: int, *, border: int = cv2.BORDER_REPLICATE) -> Image:
        """Cut the square out of an image and scale it to ``size`` x ``size`` pixels.

        Sampling is bilinear without low-pass, as MediaPipe does it, since its
        networks were trained on that. Pixel centers lie at whole coordinates.

        Args:
            image: (H, W, 3) uint8.
            size: Side of the result in pixels.
            border: OpenCV's border mode outside the image.

        Raises:
            ImageError: A side of the image is too long for OpenCV to warp.
        """
        check_warp_size(image)
        to_image = np.vstack([self.matrix(), (0.0, 0.0, 1.0)])
        to_image[:, :2] /= size
        # OpenCV 4 rounds an affine map's coordinates more coarsely than a perspective's
        crop = cv2.warpPerspective(
            image,
            to_image,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        return cast("Image", crop)

    def paste(self, values: FloatArray, width: int, height: int) -> FloatArray:
        """Lay the square's values over an image: the way back of ``crop``.

        Args:
            values: (S, S) of the square.
            width: Of the image, pixels.
            height: Of the image, pixels.

        Returns:
            (height, width), bilinear, and 0 outside of the square.
        """
        result = np.zeros((height, width), np.float32)
        corners = self.to_image(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32))
        limits = np.array([width, height])
        x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, limits).astype(int)
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, limits).astype(int)
        if x0 < x1 and y0 < y1:
            to_image = np.vstack([self.matrix(), (0.0, 0.0, 1.0)])
            to_image[:, :2] /= len(values)
            to_image[:2, 2] -= x0, y0
            size = int(x1 - x0), int(y1 - y0)
            result[y0:y1, x0:x1] = cv2.warpPerspective(values, to_image, size)
        return result


def check_warp_size(image: Image) -> None:
    """Check that OpenCV can warp an image.

    Raises:
        ImageError: A side is too long for it.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_WARP_SIDE:
        raise ImageError(
            f"the image has {width}x{height} pixels, and no side may be longer than "
            f"{MAX_WARP_SIDE}: scale it down or cut it"
        )


def angle_between(a: Points, b: Points) -> NDArray[np.float64]:
    """Return the angles between vectors, in degrees from 0 to 180; NaN where one has no length.

    It takes the angle from the sides of a rhombus, as W. Kahan does ("How Futile are Mindless
    Assessments of Roundoff in Floating-Point Computation?", 2006): the arc cosine of a product
    fails where rounding makes it greater than 1, and is inexact close to 0 and 180 degrees.

    Args:
        a: (..., D).
        b: (..., D).
    """
    long_a = np.linalg.norm(a, axis=-1, keepdims=True)
    long_b = np.linalg.norm(b, axis=-1, keepdims=True)
    u, v = a * long_b, b * long_a
    half = np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    known = (long_a * long_b)[..., 0] > 0
    return np.where(known, np.degrees(2.0 * half), np.nan)


def rotation_to(start: Points, end: Points) -> float:
    """Return the rotation, in radians clockwise, that turns "up" into the way to ``end``."""
    dx, dy = (end - start).tolist()
    return math.atan2(dx, -dy)


def image_views(width: int, height: int, tiles: int) -> list[Region]:
    """Return the squares of an image at which a detector looks.

    The first is the whole image. Tiles overlap by a quarter, so that no person who
    is small enough for a tile is cut by all.

    Args:
        width: Pixels.
        height: Pixels.
        tiles: Along the longer side; 1 for the whole image alone.
    """
    whole = Region.letterbox(width, height)
    if tiles == 1:
        return [whole]
    size = max(width, height) / (1 + 0.75 * (tiles - 1))
    rows, columns = _centers(height, size), _centers(width, size)
    return [whole, *(Region(x, y, size) for y in rows for x in columns)]


def _centers(length: int, size: float) -> list[float]:
    """Return the centers of overlapping tiles that cover a length."""
    if length <= size:
        return [length / 2]
    count = int(np.ceil((length - size) / (0.75 * size) - 1e-6)) + 1
    return [float(center) for center in np.linspace(size / 2, length - size / 2, count)]


def fill_tensor(
    tensor: FloatArray, crop: Image, channels: Channels, low: float, high: float
) -> None:
    """Turn a crop into a network's input, in place.

    Plane by plane: ten times as fast as OpenCV's ``blobFromImage``.

    Args:
        tensor: (3, S, S) float32; becomes RGB.
        crop: (S, S, 3) uint8.
        channels: Order of the crop's color channels.
        low: What 0 becomes.
        high: What 255 becomes.
    """
    scale, offset = np.float32((high - low) / 255.0), np.float32(low)
    planes = cv2.split(crop)
    for plane, target in zip(planes if channels == "rgb" else planes[::-1], tensor, strict=True):
        np.multiply(plane, scale, out=target)
        if offset:
            np.add(target, offset, out=target)


def crop_batch(
    memory: FloatArray,
    image: Image,
    channels: Channels,
    regions: Sequence[Region],
    *,
    low: float = 0.0,
    border: int = cv2.BORDER_REPLICATE,
) -> FloatArray:
    """Cut regions out of an image as the input of one run of a network.

    Args:
        memory: (M, 3, S, S) float32, overwritten; M at least the number of regions.
        image: (H, W, 3) uint8.
        channels: Order of the image's color channels.
        regions: N squares.
        low: What black becomes; white becomes 1.
        border: OpenCV's border mode outside the image.

    Returns:
        (N, 3, S, S) RGB: the first part of ``memory``.
    """
    batch = memory[: len(regions)]
    for region, tensor in zip(regions, batch, strict=True):
        crop = region.crop(image, memory.shape[-1], border=border)
        fill_tensor(tensor, crop, channels, low, 1.0)
    return batch


def extent(points: FloatArray) -> FloatArray:
    """Return the box x0 y0 x1 y1 around points (K, 2); NaN points are left out."""
    return np.concatenate([np.nanmin(points, axis=0), np.nanmax(points, axis=0)])


def iou(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return intersection over union of one box (4,) with each of boxes (N, 4), in [0, 1]."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    overlap = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = areas + np.prod(box[2:] - box[:2]) - overlap
    result: FloatArray = np.where(union > 0, overlap / np.maximum(union, 1e-12), 0)
    return result


Float64Array = NDArray[np.float64]

# closer together than this, two joints name no direction
_LEAST_METERS = 0.02


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """A frame at the mid-hips: x out of the body, y to its left, z to the head.

    Attributes:
        origin: (3,) meters in the camera's optical frame.
        rotation: From the body's axes to the camera's.
    """

    origin: Float64Array
    rotation: Rotation

    def to_body(self, points: NDArray[np.floating]) -> Float64Array:
        """Return points of the camera's frame in this one, (n, 3) meters."""
        moved = np.asarray(points, np.float64) - self.origin
        return np.asarray(self.rotation.inv().apply(moved), np.float64)


def body_frame(pose: Pose) -> BodyFrame | None:
    """Return the frame of a body, as REP-155 has it.

    z points from the mid-hips to between the shoulders. Its left is that of hips and
    shoulders together, each by its width: a turned chest turns the frame half with it.

    Args:
        pose: A person with ``camera``; whether the network is sure of the joints is not
            asked, as those that are hidden have their place too.

    Returns:
        None where hips or shoulders have no meters, or lie so that they name no direction.
    """
    names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    if pose.camera is None or not set(names) <= set(pose.skeleton.keypoints):
        return None
    indices = [pose.skeleton.index(name) for name in names]
    left_hip, right_hip, left_shoulder, right_shoulder = pose.camera[indices].astype(np.float64)
    origin = (left_hip + right_hip) / 2
    up = _unit((left_shoulder + right_shoulder) / 2 - origin)
    left = left_hip - right_hip + left_shoulder - right_shoulder
    left = _unit(left - (left @ up) * up)
    # NaN passes all comparisons and ends up here
    if not np.isfinite([origin, up, left]).all():
        return None
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    return BodyFrame(origin, Rotation.from_matrix(np.column_stack([np.cross(left, up), left, up])))


def _unit(vector: Float64Array) -> Float64Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length >= _LEAST_METERS else np.full(3, np.nan)
