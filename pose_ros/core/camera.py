"""The pinhole camera: pixels to rays and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.errors import OptionError

Float64Array = NDArray[np.float64]

# Lens models of sensor_msgs/CameraInfo and how many coefficients OpenCV takes for each.
_OPENCV_COUNTS = (4, 5, 8, 12, 14)
_LENS_COUNTS: dict[str, tuple[int, ...]] = {
    "plumb_bob": _OPENCV_COUNTS,
    "rational_polynomial": _OPENCV_COUNTS,
    "equidistant": (4,),
}
_LENS_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
_EYE, _ZERO = np.eye(3), np.zeros(3)
_UNDISTORTED_WITHIN = 0.1  # pixels, after the lens is applied again


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of a camera, as sensor_msgs/CameraInfo has them.

    >>> import pose_ros
    >>> camera = pose_ros.Camera.from_hfov(640, 480, hfov_degrees=60.0)
    >>> round(float(camera.matrix[0, 0]))  # focal length in pixels
    554

    Its optical frame has x right, y down and z forward; the center of the top
    left pixel is (0, 0).

    Attributes:
        width: Pixels.
        height: Pixels.
        matrix: (3, 3) float64, K: focal lengths and principal point in pixels.
        distortion_model: Name of the lens model, such as ``plumb_bob``.
        distortion: (n,) float64, D: the model's coefficients; all zero or
            empty for a picture without distortion.
    """

    width: int
    height: int
    matrix: Float64Array
    distortion_model: str = "plumb_bob"
    distortion: Float64Array = field(default_factory=lambda: np.zeros(5))

    def __post_init__(self) -> None:
        if not (self.width >= 1 and self.height >= 1):  # NaN is refused too
            raise OptionError(
                f"expected a camera of at least 1x1 pixels, got {self.width}x{self.height}"
            )
        matrix = _frozen(self.matrix, "camera matrix")
        if matrix.shape != (3, 3):
            raise OptionError(f"expected a (3, 3) camera matrix, got shape {matrix.shape}")
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[2].tolist() != [0, 0, 1]:
            raise OptionError(
                "expected a camera matrix with positive focal lengths and last row 0, 0, 1; "
                f"got {matrix.tolist()}"
            )
        distortion = _frozen(self.distortion, "distortion coefficients")
        if distortion.ndim != 1:
            raise OptionError(f"expected a list of distortion coefficients, got {distortion}")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", distortion)

    @classmethod
    def from_hfov(cls, width: int, height: int, hfov_degrees: float) -> Camera:
        """Return an undistorted camera with square pixels and a centered axis.

        Args:
            width: Pixels.
            height: Pixels.
            hfov_degrees: Horizontal field of view from edge to edge, above 0
                and below 180.

        Raises:
            OptionError: An argument is out of its range.
        """
        if not 0.0 < hfov_degrees < 180.0:
            raise OptionError(f"hfov must be above 0 and below 180 degrees, got {hfov_degrees}")
        focal = width / 2.0 / math.tan(math.radians(hfov_degrees) / 2.0)
        center_x, center_y = (width - 1) / 2.0, (height - 1) / 2.0
        return cls(width, height, np.array([[focal, 0, center_x], [0, focal, center_y], [0, 0, 1]]))

    @cached_property
    def distorted(self) -> bool:
        """Whether the lens bends straight lines."""
        return bool(np.any(self.distortion != 0.0))

    @property
    def hfov_degrees(self) -> float:
        """Horizontal field of view from edge to edge, lens distortion left out."""
        left, right = self.matrix[0, 2] + 0.5, self.width - 0.5 - self.matrix[0, 2]
        focal = self.matrix[0, 0]
        return math.degrees(math.atan(left / focal) + math.atan(right / focal))

    def project(self, points: ArrayLike) -> Float64Array:
        """Return the pixels of points in the optical frame.

        Args:
            points: (..., 3) meters.

        Returns:
            (..., 2) pixels, perhaps beyond the image; NaN for a point that is
            not in front of the camera.

        Raises:
            OptionError: The camera has lens distortion: undistort first.
        """
        self._require_undistorted()
        xyz = np.asarray(points, np.float64)
        depth = np.where(xyz[..., 2:] > 0.0, xyz[..., 2:], np.nan)
        pixels: Float64Array = (xyz / depth) @ self.matrix[:2].T
        return pixels

    def rays(self, pixels: ArrayLike) -> Float64Array:
        """Return the viewing rays of pixels, scaled to a depth of one meter.

        Args:
            pixels: (..., 2) x right and y down.

        Returns:
            (..., 3) in the optical frame, with z = 1.

        Raises:
            OptionError: The camera has lens distortion: undistort first.
        """
        self._require_undistorted()
        xy = np.asarray(pixels, np.float64)
        homogeneous = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
        found: Float64Array = homogeneous @ np.linalg.inv(self.matrix).T
        return found

    @property
    def pinhole(self) -> Camera:
        """The same camera without lens distortion, to which ``undistort`` leads."""
        return Camera(self.width, self.height, self.matrix) if self.distorted else self

    def undistort(self, pixels: ArrayLike) -> Float64Array:
        """Return where pixels would be without lens distortion, with the same matrix.

        Args:
            pixels: (..., 2) x right and y down, as the camera gives them.

        Returns:
            (..., 2) pixels of ``pinhole``; NaN for NaN, and for what is so far beyond the
            image's edge that the lens model maps nothing there.

        Raises:
            OptionError: The lens model is unknown or has another number of coefficients.
        """
        xy = np.array(pixels, np.float64)
        if not self.distorted:
            return xy
        coefficients = self._lens()
        flat = xy.reshape(-1, 2)
        known = np.isfinite(flat).all(axis=1)
        if known.all():  # OpenCV takes no empty list
            return self._solve_lens(flat, coefficients).reshape(xy.shape) if len(flat) else xy
        found = np.full_like(flat, np.nan)
        if known.any():
            found[known] = self._solve_lens(flat[known], coefficients)
        return found.reshape(xy.shape)

    def _lens(self) -> Float64Array:
        """Return the coefficients as OpenCV takes them; OptionError when it cannot."""
        counts = _LENS_COUNTS.get(self.distortion_model)
        if counts is None:
            raise OptionError(
                f"unknown lens model {self.distortion_model!r}; known: {', '.join(_LENS_COUNTS)}"
            )
        coefficients = self.distortion
        if self.distortion_model == "equidistant" and not np.any(coefficients[4:]):
            coefficients = coefficients[:4]  # some drivers pad D with zeros
        if len(coefficients) not in counts:
            raise OptionError(
                f"expected {' or '.join(map(str, counts))} coefficients of a "
                f"{self.distortion_model} lens, got {len(coefficients)}"
            )
        return coefficients

    def _solve_lens(self, pixels: Float64Array, coefficients: Float64Array) -> Float64Array:
        """Undistort (n, 2) pixels; NaN where OpenCV's iteration found no true solution."""
        pixels = pixels[:, None]
        if self.distortion_model == "equidistant":
            solved = cv2.fisheye.undistortPoints(
                pixels, self.matrix, coefficients, criteria=_LENS_CRITERIA
            )
            again = cv2.fisheye.distortPoints(solved, self.matrix, coefficients)
        else:
            solved = cv2.undistortPointsIter(
                pixels, self.matrix, coefficients, _EYE, _EYE, _LENS_CRITERIA
            )
            rays = cv2.convertPointsToHomogeneous(solved)
            again, _ = cv2.projectPoints(rays, _ZERO, _ZERO, self.matrix, coefficients)
        found: Float64Array = solved[:, 0] @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        # written so that NaN is left out too
        fine = np.abs(again - pixels) <= _UNDISTORTED_WITHIN
        if not fine.all():
            found[~fine.all(axis=(1, 2))] = np.nan
        return found

    def _require_undistorted(self) -> None:
        if self.distorted:
            raise OptionError(
                f"expected a camera without lens distortion, got {self.distortion_model} "
                f"{self.distortion.tolist()}; undistort the pixels first"
            )


def _frozen(values: Any, what: str) -> Float64Array:
    """Return a read-only float64 copy; OptionError when a value is no finite number."""
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"expected numbers as {what}, got {values!r}") from None
    if not np.all(np.isfinite(array)):
        raise OptionError(f"expected finite {what}, got {array.tolist()}")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Calibration:
    """All that sensor_msgs/CameraInfo says of a camera's geometry.

    >>> import pose_ros
    >>> camera = pose_ros.Camera.from_hfov(640, 480, hfov_degrees=60.0)
    >>> pose_ros.Calibration(camera, "front").projection.shape
    (3, 4)

    Attributes:
        camera: Size, K, distortion model and D.
        name: Of the camera; may be empty.
        rectification: (3, 3) R; the identity for a single camera.
        projection: (3, 4) P; K and a column of zeros when None is given.
    """

    camera: Camera
    name: str = ""
    rectification: Float64Array = field(default_factory=lambda: np.eye(3))
    projection: Float64Array | None = None

    def __post_init__(self) -> None:
        projection = self.projection
        if projection is None:
            projection = np.hstack([self.camera.matrix, np.zeros((3, 1))])
        for name, value, shape in (
            ("rectification", self.rectification, (3, 3)),
            ("projection", projection, (3, 4)),
        ):
            array = np.array(value, np.float64)
            if array.shape != shape or not np.all(np.isfinite(array)):
                raise OptionError(f"{name}: expected finite numbers of shape {shape}, got {value}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def rectified(self) -> Camera:
        """The camera of images that were rectified by this calibration, with P and without D."""
        camera = self.camera
        matrix = np.asarray(self.projection, np.float64)[:, :3]
        return Camera(camera.width, camera.height, matrix, camera.distortion_model, np.zeros(0))

    def check_size(self, width: int, height: int) -> None:
        """Check that images of this size are what was calibrated.

        Raises:
            OptionError: They are not.
        """
        expected = (self.camera.width, self.camera.height)
        if expected != (width, height):
            what = f"calibration {self.name!r}" if self.name else "camera"
            raise OptionError(
                f"the {what} is for {expected[0]}x{expected[1]} pixels, the "
                f"images have {width}x{height}: ask the camera for that size or calibrate it again"
            )


def choose_camera(
    width: int,
    height: int,
    *,
    given: Calibration | None = None,
    own: Camera | None = None,
    hfov_degrees: float | None = None,
) -> Calibration | None:
    """Return the calibration of images: the user's, else the source's own, else made from a view.

    Args:
        width: Of the images, pixels.
        height: Of the images, pixels.
        given: From the user's file, which goes before all else.
        own: What the source of the images knows of its camera.
        hfov_degrees: Horizontal field of view to make a camera up from as a last resort.

    Returns:
        None where none of them is given.

    Raises:
        OptionError: It is for another size, or no lens is that wide.
    """
    if given is None and own is not None:
        given = Calibration(own)
    if given is None and hfov_degrees is not None:
        given = Calibration(Camera.from_hfov(width, height, hfov_degrees))
    if given is not None:
        given.check_size(width, height)
    return given
