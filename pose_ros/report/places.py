"""Where people are on the floor, how fast they walk and how tall they are, in meters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import BONES
from pose_ros.core.skeletons import SIDES
from pose_ros.core.smoothing import Slopes
from pose_ros.core.types import Pose, PositionSource
from pose_ros.errors import OptionError
from pose_ros.report.series import Histogram, Series

STAYING_FRAMES = ("map", "odom", "world")
"""Frames that do not move with the robot, the best first."""

WALK_SECONDS = 1.0
"""A walking speed is the slope of a person's places over this time."""

WALKS_FROM = 0.3
"""Meters a second from which on a person walks."""

_SURE = 2.0  # sigmas by which a speed has to be above nothing
_LEAST_WALK = 2.0  # seconds of walking that say something of a speed
_LEAST_HEIGHTS = 10  # images that say something of a height
_HEIGHTS = np.arange(0.4, 2.6, 0.005)
_SPEEDS = np.arange(0.0, 12.0, 0.02)
_RELATIVE = np.linspace(0.0, 0.5, 201)  # of a distance
_CAPACITY = 512  # places of a person that are kept
_CHAIN = ("trunk", "thigh", "shank")
_CHAIN_BONES = {bone.kind: bone for bone in BONES if bone.kind in _CHAIN}
CHAIN_SHARE = sum(bone.length for bone in _CHAIN_BONES.values())
"""Trunk, thigh and shank, in shares of the height."""

CHAIN_SPREAD = math.hypot(*(b.length * b.spread for b in _CHAIN_BONES.values())) / CHAIN_SHARE
"""One sigma of the height of a person whose trunk, thigh and shank are known, as a share."""


@dataclass(frozen=True, eq=False)
class CameraPlacement:
    """Where the camera is in a frame that stays, or in the robot's.

    Attributes:
        frame: Its name: z is up.
        transform: (4, 4) takes points of the image's optical frame to it, meters.
    """

    frame: str
    transform: Float64Array

    def __post_init__(self) -> None:
        transform = np.asarray(self.transform, np.float64)
        if transform.shape != (4, 4) or not np.isfinite(transform).all():
            raise OptionError(f"expected a (4, 4) transform, got {self.transform!r}")


def floor_axes(up: ArrayLike | None) -> CameraPlacement:
    """Return the axes of the floor below a camera: x ahead of it, y to its left, z up.

    Args:
        up: (3,) against gravity in the optical frame; None for a camera that is level.
    """
    z = np.array([0.0, -1.0, 0.0]) if up is None else np.asarray(up, np.float64)
    z = z / np.linalg.norm(z)
    # one that looks straight down sees ahead at the top of its picture
    for ahead in (np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])):
        x = ahead - (ahead @ z) * z
        if np.linalg.norm(x) > 0.1:
            break
    x = x / np.linalg.norm(x)
    transform = np.eye(4)
    transform[:3, :3] = np.stack([x, np.cross(z, x), z])
    return CameraPlacement("", transform)


def hips(pose: Pose) -> tuple[Float64Array, float] | None:
    """Return the (3,) middle of the hips in the optical frame, and one sigma of it, in meters."""
    names = ("left_hip", "right_hip")
    if pose.camera is None or not set(names) <= set(pose.skeleton.keypoints):
        return None
    indices = [pose.skeleton.index(name) for name in names]
    place = pose.camera[indices].astype(np.float64).mean(axis=0)
    if not np.isfinite(place).all():
        return None
    sigma = math.nan if pose.camera_sigmas is None else float(pose.camera_sigmas[indices].max())
    return place, sigma


def body_height(pose: Pose, found: NDArray[np.bool_], *, scale_known: bool) -> float:
    """Return a person's height in meters by trunk, thigh and shank; NaN where it is unknown.

    Args:
        pose: One person.
        found: (K,) which joints were found.
        scale_known: Whether meters that the model gives follow from more than an assumed
            height; those that a depth camera measures do.
    """
    joints = ("shoulder", "hip", "knee", "ankle")
    names = [[f"{side}_{joint}" for joint in joints] for side in SIDES]
    if pose.camera is None or not {*names[0], *names[1]} <= set(pose.skeleton.keypoints):
        return math.nan
    indices = np.array([[pose.skeleton.index(name) for name in side] for side in names])
    known = found[indices]
    if not scale_known:
        if pose.camera_sources is None:
            return math.nan
        known = known & (pose.camera_sources[indices] >= PositionSource.DEPTH)
    points = np.where(known[..., None], pose.camera[indices].astype(np.float64), np.nan)
    trunk = float(np.linalg.norm(points[:, 0].mean(axis=0) - points[:, 1].mean(axis=0)))
    legs = np.linalg.norm(np.diff(points[:, 1:], axis=1), axis=2).sum(axis=1)
    legs = legs[np.isfinite(legs)]
    return (trunk + float(legs.mean())) / CHAIN_SHARE if len(legs) else math.nan


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        value: The estimate.
        sigma: One sigma of it, in its unit.
    """

    value: float
    sigma: float


class Walk:
    """Where one person was, and what follows from that.

    Attributes:
        places: (x, y) meters on the floor over time.
        distance: Meters walked.
        walked: Seconds of it.
        nearest: Meters from the camera along the floor, least; inf where unknown.
        farthest: The same, greatest; 0 where unknown.
    """

    def __init__(self) -> None:
        self.places = Series(2, _CAPACITY)
        self.distance = self.walked = self.farthest = 0.0
        self.nearest = math.inf
        self._slopes = Slopes(WALK_SECONDS)
        self._speeds = Histogram(_SPEEDS)
        self._heights = Histogram(_HEIGHTS)
        self._relative = Histogram(_RELATIVE)
        self._last = math.nan

    def add(self, time: float, pose: Pose, placement: CameraPlacement) -> None:
        """Take in where a person is: seconds, and how the image lies over the floor."""
        found = hips(pose)
        if found is None:
            return
        place, sigma = found
        distance = float(np.linalg.norm(place))
        self._relative.add(sigma / max(distance, 1e-6))
        self.nearest, self.farthest = min(self.nearest, distance), max(self.farthest, distance)
        x, y, _ = placement.transform[:3, :3] @ place + placement.transform[:3, 3]
        self.places.add(time, (x, y))
        step, self._last = time - self._last, time
        start, slopes, sigmas = self._slopes.add(time, np.array([x, y]))
        speed = float(np.hypot(*slopes))
        # a whole window, and a speed that is more than the scatter of the places
        whole = time - start >= 0.3 * WALK_SECONDS and np.isfinite(sigmas).all()
        if whole and speed >= max(WALKS_FROM, _SURE * float(np.hypot(*sigmas))):
            self._speeds.add(speed)
            if 0.0 < step <= 0.5:
                self.walked += step
                self.distance += speed * step

    def add_height(self, height: float) -> None:
        """Take in a height in meters that one image tells; NaN is none."""
        self._heights.add(height)

    @property
    def sigma(self) -> float:
        """Median of one sigma of the places, as a share of their distance; NaN if unknown."""
        return float(self._relative.quantiles(0.5)[0, 0])

    @property
    def speed(self) -> Estimate | None:
        """Median speed while walking, m/s; None where no person walked for long enough."""
        if self.walked < _LEAST_WALK:
            return None
        low, middle, high = self._speeds.quantiles(0.25, 0.5, 0.75)[:, 0]
        # what an error of all distances by one share does to it, and the median's own
        windows = max(1.0, self.walked / WALK_SECONDS)
        own = 0.93 * (high - low) / math.sqrt(windows)
        return Estimate(float(middle), math.hypot(own, float(np.nan_to_num(self.sigma)) * middle))

    @property
    def height(self) -> Estimate | None:
        """Height in meters; None where too few images tell it."""
        if int(self._heights.counts[0]) < _LEAST_HEIGHTS:
            return None
        low, middle, high = self._heights.quantiles(0.25, 0.5, 0.75)[:, 0]
        # one image errs much as the next one does: their scatter is not divided by their number
        own = (high - low) / 1.35
        return Estimate(float(middle), math.hypot(own, CHAIN_SPREAD * middle))


class ViewCone:
    """How far to the left and right a camera sees, by where people are seen in its images."""

    def __init__(self) -> None:
        self._sums = np.zeros((2, 2))
        self._products = np.zeros(2)
        self._width = 0

    def add(self, pose: Pose, width: int) -> None:
        """Take in one person of an image of that width in pixels."""
        if pose.camera is None:
            return
        points = pose.camera.astype(np.float64)
        pixels = pose.keypoints[:, 0].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = points[:, 0] / points[:, 2]
        # at the image's edge a lens bends more than a line tells
        known = np.isfinite(ratios + pixels) & (pixels >= 0) & (pixels <= width)
        rows = np.column_stack([ratios[known], np.ones(int(known.sum()))])
        self._sums += rows.T @ rows
        self._products += rows.T @ pixels[known]
        self._width = width

    @property
    def angles(self) -> tuple[float, float] | None:
        """Radians to the left and to the right of the optical axis; None where it is unknown."""
        count = self._sums[1, 1]
        if count < 8 or np.linalg.det(self._sums) < 1e-4 * count**2:
            return None
        focal, middle = np.linalg.solve(self._sums, self._products)
        if focal <= 0:
            return None
        return math.atan2(middle, focal), math.atan2(self._width - middle, focal)
