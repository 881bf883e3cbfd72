"""Meters by matching the pixels of two cameras that look from nearly the same place.

Keypoints of two such images differ by a pixel or two from what a body's point would, and at 12 cm
and 2.5 m a pixel is 10 cm. Matching the images themselves is off by a part of a pixel. The result
is a depth image as that of a depth camera, for the ``Lifter``.

Source: semi-global matching; Hirschmüller, IEEE PAMI 30(2), 2008, as OpenCV has it.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.types import Channels, FloatArray, Image
from pose_ros.errors import ImageError

_WIDEST = 640  # pixels of an image that is matched; larger ones are scaled
_STEEPEST = 0.15  # radians between two rays that meet: beyond it surfaces look different
_SEARCHED = 0.225  # the same for what is found, and left out: it would else be found elsewhere
_PIXELS_OFF = 0.25  # one sigma of a disparity
_METERS_OFF = 0.05  # one sigma of a distance: what is less sure is left out
_STEP = 16  # disparities are searched by so many
_PARTS = 16  # of a pixel, in which OpenCV gives disparities
_BLOCK = 5  # pixels that are compared
# Meters a second at which a limb moves, and the share of the distance by which it may seem off.
_LIMB_SPEED, _SHARE_OFF = 1.0, 0.02
_BESIDE = 0.7  # least cosine between the line of the cameras and their images' rows
_DEEP = 1.5  # of the farthest distance to the nearest: cameras farther apart measure too little
_LEAST_FAR = 1.0  # meters: no person is nearer as a whole
_ALIKE = 0.9  # the same between their optical axes


class _Maps(NamedTuple):
    """Where pixels are: in both images for those of rectified ones, and the other way.

    Attributes:
        first, second: (h, w, 2) pixels of the images.
        back: (H, W, 2) pixels of the rectified image, for those of the first image.
        share: (H, W) distance along the first camera's axis by that along the rectified one's.
    """

    first: FloatArray
    second: FloatArray
    back: FloatArray
    share: FloatArray


class NearPair:
    """Measures how far away things are by two cameras beside each other.

    Args:
        first: The depth image lies over this camera's images.
        second: The other one.
    """

    def __init__(self, first: CameraView, second: CameraView) -> None:
        self.first, self.second = first, second
        shift = second.extrinsics.center - first.extrinsics.center
        self._baseline = float(np.linalg.norm(shift))
        self._focal = first.focal * min(1.0, _WIDEST / first.camera.width)
        self._count = _STEP * math.ceil(_SEARCHED * self._focal / _STEP)
        side = shift / max(self._baseline, 1e-9)
        self._right = float(side @ first.extrinsics.rotation[0])
        self._axes = side * np.sign(self._right)

    @property
    def nearest(self) -> float:
        """Meters from which on distances are measured: nearer things look different to both."""
        return self._baseline / _STEEPEST

    @property
    def farthest(self) -> float:
        """Meters up to which distances are sure to 5 cm."""
        return math.sqrt(_METERS_OFF / _PIXELS_OFF * self._focal * self._baseline)

    @property
    def max_skew(self) -> float:
        """Seconds between the two images: what moves meanwhile would seem nearer or farther."""
        return _SHARE_OFF * self._baseline / _LIMB_SPEED

    @property
    def usable(self) -> bool:
        """Whether the cameras stand beside each other and look the same way."""
        axes = self.first.extrinsics.rotation[2], self.second.extrinsics.rotation[2]
        alike = float(axes[0] @ axes[1]) > _ALIKE
        deep = self.farthest > max(_DEEP * self.nearest, _LEAST_FAR)
        return alike and abs(self._right) > _BESIDE and deep

    def measure(
        self, first: Image, second: Image, stamp: float, *, channels: Channels = "rgb"
    ) -> DepthImage:
        """Return how far away things are; 32FC1, NaN where that is not known to 5 cm.

        Args:
            first: (H, W, 3) uint8 as the first camera gives it.
            second: The same of the second camera, at most ``max_skew`` apart.
            stamp: Of the first image, seconds.
            channels: Order of the colors in both.

        Raises:
            ImageError: An image has another size than its camera.
        """
        for view, image in ((self.first, first), (self.second, second)):
            size = (view.camera.width, view.camera.height)
            if image.shape[1::-1] != size:
                raise ImageError(
                    f"expected images of {size[0]}x{size[1]} pixels of the camera {view.name!r}, "
                    f"got {image.shape[1]}x{image.shape[0]}"
                )
        maps = self._maps
        to_gray = cv2.COLOR_BGR2GRAY if channels == "bgr" else cv2.COLOR_RGB2GRAY
        pair = [
            cv2.remap(cv2.cvtColor(image, to_gray), pixels, np.empty(0), cv2.INTER_LINEAR)
            for image, pixels in ((first, maps.first), (second, maps.second))
        ]
        matched = np.abs(self._matcher.compute(*pair).astype(np.float32)) / _PARTS
        disparities = cv2.remap(matched, maps.back, np.empty(0), cv2.INTER_NEAREST)
        product = self._focal * self._baseline
        fine = (disparities >= product / self.farthest) & (disparities <= product / self.nearest)
        depths = np.full(disparities.shape, np.nan, np.float32)
        depths[fine] = product / disparities[fine] * maps.share[fine]
        return DepthImage(depths, "32FC1", stamp)

    @cached_property
    def _matcher(self) -> cv2.StereoSGBM:
        least = 0 if self._right > 0 else -self._count
        area = _BLOCK**2
        return cv2.StereoSGBM.create(
            minDisparity=least,
            numDisparities=self._count,
            blockSize=_BLOCK,
            P1=8 * area,  # as OpenCV advises, of one channel
            P2=32 * area,
            disp12MaxDiff=1,
            uniquenessRatio=10,
            speckleWindowSize=100,
            speckleRange=2,
            mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )

    @cached_property
    def _maps(self) -> _Maps:
        camera, own = self.first.camera, self.first.extrinsics
        scale = self._focal / self.first.focal
        width, height = round(scale * camera.width), round(scale * camera.height)
        # rows along the line of the cameras, looking as both do
        look = own.rotation[2] + self.second.extrinsics.rotation[2]
        look -= (look @ self._axes) * self._axes
        look /= np.linalg.norm(look)
        axes = np.stack([self._axes, np.cross(look, self._axes), look])
        # what the first camera has in the middle stays there; a margin has what only one sees
        ahead = axes @ own.rotation[2]
        margin = self._count
        left = margin if self._right > 0 else 0
        middle = np.array([width / 2 + left, height / 2]) - self._focal * ahead[:2] / ahead[2]
        rays = (_grid(width + margin, height) - middle) / self._focal
        lines = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=2) @ axes

        def pixels(view: CameraView) -> FloatArray:
            found = view.project(view.extrinsics.center + lines)
            return np.where(np.isfinite(found), found, -1.0).astype(np.float32)

        seen = self.first.rays(_grid(camera.width, camera.height)) @ axes.T
        back = self._focal * seen[..., :2] / seen[..., 2:] + middle
        return _Maps(
            pixels(self.first),
            pixels(self.second),
            back.astype(np.float32),
            (1.0 / seen[..., 2]).astype(np.float32),
        )


def _grid(width: int, height: int) -> Float64Array:
    """Return (height, width, 2) pixels, x and y."""
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height))
    found: NDArray[np.float64] = np.stack([columns, rows], axis=2)
    return found
