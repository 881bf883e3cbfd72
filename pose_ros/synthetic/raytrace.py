"""Ray-tracing of round cones and of a room, with NumPy.

Everything happens in the camera's optical frame. A ray is (x, y, 1) times its
depth, so that what it shares with a cone is linear or quadratic in the image's
column and row: outer sums over the cone's box on the screen, no array of rays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.types import FloatArray
from pose_ros.errors import OptionError
from pose_ros.synthetic.figure import Cone

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, the end excluded."""

# A cone smaller than this loses its outline in float32, seen from a few meters.
_FINE_RADIUS = 0.02
_NEAR = 0.05


@dataclass(frozen=True, eq=False)
class View:
    """Where the camera stands, and its lens.

    The world's axes are those of ``base_link`` (REP-103, REP-105): the origin on the floor,
    x where the camera looks unless it is turned, y to the left, z up.

    Attributes:
        camera: Undistorted intrinsics.
        height: Of the camera above the floor, 0.1 to 10 meters.
        pitch_degrees: Positive: the camera looks down; -80 to 80.
        x: Of the camera ahead of the origin, -1 to 0.5 meters.
        y: Of the camera to the left of the origin, -2 to 2 meters.
        yaw_degrees: Positive: the camera is turned to the left; -60 to 60.
    """

    camera: Camera
    height: float
    pitch_degrees: float
    x: float = 0.0
    y: float = 0.0
    yaw_degrees: float = 0.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.height <= 10.0:
            raise OptionError(f"camera height must be in [0.1, 10] meters, got {self.height}")
        if not -80.0 <= self.pitch_degrees <= 80.0:
            raise OptionError(f"camera pitch must be in [-80, 80] deg, got {self.pitch_degrees}")
        if not -1.0 <= self.x <= 0.5:
            raise OptionError(f"camera x must be in [-1, 0.5] meters, got {self.x}")
        if not -2.0 <= self.y <= 2.0:
            raise OptionError(f"camera y must be in [-2, 2] meters, got {self.y}")
        if not -60.0 <= self.yaw_degrees <= 60.0:
            raise OptionError(f"camera yaw must be in [-60, 60] deg, got {self.yaw_degrees}")

    @property
    def eye(self) -> Float64Array:
        """(3,) meters: where the camera is in the world."""
        return np.array([self.x, self.y, self.height])

    @property
    def rotation(self) -> Float64Array:
        """(3, 3) that turns world axes to the optical frame's."""
        c, s = (
            math.cos(math.radians(self.pitch_degrees)),
            math.sin(math.radians(self.pitch_degrees)),
        )
        level = np.array([[0, -1, 0], [-s, 0, -c], [c, 0, -s]], np.float64)
        if not self.yaw_degrees:
            return level
        c, s = math.cos(math.radians(self.yaw_degrees)), math.sin(math.radians(self.yaw_degrees))
        turned: Float64Array = level @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        return turned

    @property
    def transform(self) -> Float64Array:
        """(4, 4) that takes meters in the optical frame to ``base_link``: the camera's pose."""
        pose = np.eye(4)
        pose[:3, :3] = self.rotation.T
        pose[:3, 3] = self.eye
        return pose

    def optical(self, world: Float64Array) -> Float64Array:
        """Return (..., 3) meters in the optical frame of points in the world."""
        turned: Float64Array = (world - self.eye) @ self.rotation.T
        return turned

    def place(self, cone: Cone) -> Cone:
        """Return a cone of the world in the optical frame."""
        axis = self.rotation @ cone.flat_axis
        return cone._replace(a=self.optical(cone.a), b=self.optical(cone.b), flat_axis=axis)


def screen_box(camera: Camera, cone: Cone) -> Box | None:
    """Return the part of the image that a cone in the optical frame may touch.

    None where it is beside the image, or too near to the camera to be drawn.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for center, radius in ((cone.a, cone.radius_a), (cone.b, cone.radius_b)):
        if center[2] - radius < _NEAR:
            return None
        # the two tangents from the eye to the sphere, in the plane of each image axis
        middle = np.arctan2(center[:2], center[2])
        half = np.arcsin(radius / np.hypot(center[:2], center[2]))
        low = np.minimum(low, np.tan(middle - half))
        high = np.maximum(high, np.tan(middle + half))
    focal = camera.matrix[[0, 1], [0, 1]]
    start = np.floor(low * focal + camera.matrix[:2, 2]).astype(int)
    end = np.ceil(high * focal + camera.matrix[:2, 2]).astype(int) + 1
    x0, y0 = np.maximum(start, 0).tolist()
    x1, y1 = np.minimum(end, (camera.width, camera.height)).tolist()
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


class Tracer:
    """Finds the cone that each pixel sees first, and its surface there."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        # K has no skew: View and from_hfov give none
        self._x = (np.arange(camera.width) - camera.matrix[0, 2]) / camera.matrix[0, 0]
        self._y = (np.arange(camera.height) - camera.matrix[1, 2]) / camera.matrix[1, 1]

    def trace(self, cones: Sequence[Cone]) -> tuple[Box, FloatArray, NDArray[np.int16]] | None:
        """Return the box of all cones and, within, each pixel's depth and cone.

        Returns:
            The box; (h, w) meters along z, infinite where there is no cone; (h, w)
            indices of cones, -1 for none. None when no cone is in the image.
        """
        boxes = [screen_box(self._camera, cone) for cone in cones]
        seen = [box for box in boxes if box is not None]
        if not seen:
            return None
        x0, y0 = min(b[0] for b in seen), min(b[1] for b in seen)
        x1, y1 = max(b[2] for b in seen), max(b[3] for b in seen)
        depth = np.full((y1 - y0, x1 - x0), np.inf, np.float32)
        index = np.full(depth.shape, -1, np.int16)
        for i, (cone, box) in enumerate(zip(cones, boxes, strict=True)):
            if box is None:
                continue
            rows, columns = slice(box[1] - y0, box[3] - y0), slice(box[0] - x0, box[2] - x0)
            found = self._hit(cone, box)
            nearer = found < depth[rows, columns]
            np.copyto(depth[rows, columns], found, where=nearer)
            np.copyto(index[rows, columns], np.int16(i), where=nearer)
        return (x0, y0, x1, y1), depth, index

    def _hit(self, cone: Cone, box: Box) -> FloatArray:
        """Return the (h, w) depths at which the rays of a box meet a cone; infinite for none.

        A flattened cone is a round one in a space that is stretched along the
        flat axis; depths along a ray are the same in both.
        """
        kind = np.float64 if cone.radius_a < _FINE_RADIUS else np.float32
        x = self._x[box[0] : box[2]].astype(kind)[None, :]
        y = self._y[box[1] : box[3]].astype(kind)[:, None]

        def along(vector: Float64Array) -> FloatArray:
            v = vector.astype(kind)
            product: FloatArray = (x * v[0] + v[2]) + y * v[1]
            return product

        stretch = 1.0 / cone.flatness
        flat = cone.flat_axis

        def stretched(vector: Float64Array) -> Float64Array:
            return vector + flat * ((stretch - 1.0) * (vector @ flat))

        # ray d, measured in the stretched space
        d_d = (x * x + kind(1)) + y * y
        if stretch != 1.0:
            d_d = d_d + kind(stretch * stretch - 1.0) * along(flat) ** 2
        ends = ((stretched(cone.a), cone.radius_a), (stretched(cone.b), cone.radius_b))
        depth = np.full(d_d.shape, np.inf, kind)
        for center, radius in ends:
            b = along(stretched(center))
            root = b * b - d_d * kind(center @ center - radius * radius)
            hit = (b - np.sqrt(np.maximum(root, 0))) / d_d
            np.copyto(depth, hit, where=(root > 0) & (hit < depth))
        (a, radius_a), (end, radius_b) = ends
        length = float(np.linalg.norm(end - a))
        slope = (radius_a - radius_b) / length if length > 0 else 2.0
        if abs(slope) >= 1.0:  # one sphere holds the other
            return depth.astype(np.float32)
        # The mantle: the points p, from the first center, with w the axis, of
        # (1 - slope^2) p.p - (p.w)^2 + 2 radius slope p.w - radius^2 = 0.
        w = (end - a) / length
        cos2 = 1.0 - slope * slope
        d_w = along(stretched(w))
        eye_w = float(-a @ w)
        qa = kind(cos2) * d_d - d_w * d_w
        qb = kind(radius_a * slope - eye_w) * d_w - kind(cos2) * along(stretched(a))
        qc = cos2 * float(a @ a) - eye_w**2 + 2 * radius_a * slope * eye_w - radius_a**2
        root = qb * qb - qa * kind(qc)
        with np.errstate(divide="ignore", invalid="ignore"):
            hit = (-qb - np.sqrt(np.maximum(root, 0))) / qa
            # of the cone's endless mantle only what lies between the two spheres
            v = (hit * d_w + kind(eye_w - slope * radius_a)) / kind(cos2)
            valid = (root > 0) & (v > 0) & (v < kind(length)) & (hit > 0) & (hit < depth)
        np.copyto(depth, hit, where=valid)
        return depth.astype(np.float32)

    def normals(
        self, cones: Sequence[Cone], box: Box, depth: FloatArray, index: NDArray[np.int16]
    ) -> FloatArray:
        """Return the (n, 3) unit normals, in the optical frame, of the n pixels with a cone.

        The pixels stand in the order of ``np.nonzero(index >= 0)``.
        """
        rows, columns = np.nonzero(index >= 0)
        which = index[rows, columns]
        z = depth[rows, columns]
        x = self._x.astype(np.float32)[columns + box[0]]
        y = self._y.astype(np.float32)[rows + box[1]]
        points = np.stack([x * z, y * z, z], axis=-1)
        table = np.array([_surface(cone) for cone in cones], np.float32)[which]
        a, flat, w = table[:, 0:3], table[:, 3:6], table[:, 6:9]
        stretch, shift, cos2, length = (table[:, i : i + 1] for i in range(9, 13))
        offset = points - a
        offset += flat * ((stretch - 1) * np.sum(offset * flat, axis=1, keepdims=True))
        # back along the normal to the axis, then out of the stretched space
        v = np.clip((np.sum(offset * w, axis=1, keepdims=True) - shift) / cos2, 0, length)
        normal = offset - v * w
        normal += flat * ((stretch - 1) * np.sum(normal * flat, axis=1, keepdims=True))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        found: FloatArray = normal
        return found


def _surface(cone: Cone) -> Float64Array:
    """Return what ``Tracer.normals`` needs of a cone, as one row."""
    stretch = 1.0 / cone.flatness
    axis = cone.b - cone.a
    axis = axis + cone.flat_axis * ((stretch - 1.0) * (axis @ cone.flat_axis))
    length = float(np.linalg.norm(axis))
    slope = (cone.radius_a - cone.radius_b) / length if length > 0 else 0.0
    if abs(slope) >= 1.0 or length == 0:
        # one sphere holds the other: a sphere at the larger one's end
        keep = 0.0 if cone.radius_a >= cone.radius_b else length
        w = axis / length if length > 0 else axis
        return np.array([*cone.a, *cone.flat_axis, *w, stretch, -1e6, 1.0, keep])
    tail = (stretch, slope * cone.radius_a, 1.0 - slope * slope, length)
    return np.array([*cone.a, *cone.flat_axis, *(axis / length), *tail])


def floor_shadow(
    view: View, cones: Sequence[Cone], to_light: Float64Array
) -> tuple[Box, FloatArray] | None:
    """Return the soft shadow that cones in the world throw on the floor.

    Args:
        view: The camera.
        cones: Of one body.
        to_light: (3,) in the world, upward.

    Returns:
        The box of the image that the shadow may touch, and (h, w) the share
        of the light that is held off. None when the shadow is not in the image.
    """
    cell, extent = 0.02, 1.5
    size = int(2 * extent / cell)
    plan = np.zeros((size, size), np.float32)
    origin = np.mean([cone.a[:2] for cone in cones], axis=0) - extent
    for cone in cones:
        ends = []
        for point in (cone.a, cone.b):
            spot = point[:2] - to_light[:2] * (point[2] / to_light[2])
            ends.append(np.rint((spot - origin) / cell).astype(int).tolist())
        thickness = max(1, round((cone.radius_a + cone.radius_b) / cell))
        cv2.line(plan, ends[0], ends[1], (1.0,), thickness)
    soft = cv2.GaussianBlur(plan, (0, 0), 0.05 / cell)
    # the floor's homography: plan cell -> world -> image
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    floor = np.concatenate([corners * cell + origin, np.zeros((4, 1))], axis=1)
    optical = view.optical(floor)
    if np.any(optical[:, 2] < _NEAR):
        return None
    pixels = view.camera.project(optical)
    x0, y0 = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int).tolist()
    limits = (view.camera.width, view.camera.height)
    x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)) + 1, limits).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        return None
    target = (pixels - (x0, y0)).astype(np.float32)
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    shadow = cv2.warpPerspective(soft, homography, (x1 - x0, y1 - y0))
    return (x0, y0, x1, y1), np.asarray(shadow, np.float32)


def covers(points: Float64Array, cones: Sequence[Cone]) -> NDArray[np.bool_]:
    """Return which cones hide which points from the camera.

    A cone is taken for a row of spheres; flat ones count as round.

    Args:
        points: (K, 3) meters in the optical frame.
        cones: In the optical frame; C of them, one or more.

    Returns:
        (K, C).
    """
    shares = np.linspace(0.0, 1.0, 9)[:, None]
    centers = np.concatenate([cone.a + shares * (cone.b - cone.a) for cone in cones])
    radii = np.concatenate(
        [cone.radius_a + shares[:, 0] * (cone.radius_b - cone.radius_a) for cone in cones]
    )
    reach = np.linalg.norm(points, axis=1)
    along = (points / reach[:, None]) @ centers.T
    across = np.sum(centers**2, axis=1) - along**2
    before = (along > 0) & (along + radii < reach[:, None])
    found = before & (across < radii**2)
    return np.asarray(found.reshape(len(points), len(cones), len(shares)).any(axis=2))
