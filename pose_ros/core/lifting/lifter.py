"""From pixels to meters: where people are in the camera's optical frame.

Trunk and legs are placed first (``trunk``), then each arm (``arm``), then what hangs
on them (``placing``). What a depth camera measures enters all three, and bones are learned
over time (``bone_memory``). docs/measurements/lifting.md says how good it is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.lifting.body_model import (
    DEFAULT_HEIGHT,
    DEFAULT_HEIGHT_SPREAD,
    KNOWN_HEIGHT_SPREAD,
    body_model,
)
from pose_ros.core.lifting.bone_memory import BoneMemory
from pose_ros.core.lifting.placing import Measured, look, place, place_measured
from pose_ros.core.lifting.trunk import Floor, Size
from pose_ros.core.smoothing import OneEuroFilter, OneEuroSettings
from pose_ros.core.timeline import Stream
from pose_ros.core.types import Poses
from pose_ros.errors import ImageError
from pose_ros.settings.lifting import LiftOptions, MountOptions

DEPTH_SMOOTHING = OneEuroSettings(min_cutoff=1.0, beta=2.0)

_log = logging.getLogger(__name__)

_LOST_AFTER = 64  # people whose bones are remembered


def level_floor(camera_height: float, pitch_degrees: float, roll_degrees: float = 0.0) -> Floor:
    """Return the floor below a camera that is mounted at a height and pitch.

    Args:
        camera_height: Meters above the floor; ranges are those of ``MountOptions``.
        pitch_degrees: Positive: the camera looks down.
        roll_degrees: Positive: the camera is turned clockwise, seen from behind it.

    Raises:
        OptionError: One is out of its range.
    """
    MountOptions(camera_height, pitch_degrees, roll_degrees)  # refuses what is out of range
    pitch, roll = math.radians(pitch_degrees), math.radians(roll_degrees)
    down = math.cos(pitch)
    up = np.array([-down * math.sin(roll), -down * math.cos(roll), -math.sin(pitch)])
    return Floor(camera_height, up)


def floor_below(mount: MountOptions) -> Floor | None:
    """Return the floor below a mounted camera; None where its height is unknown."""
    if mount.camera_height is None:
        return None
    return level_floor(mount.camera_height, mount.camera_pitch, mount.camera_roll)


@dataclass
class _Person:
    """What is remembered of one id."""

    memory: BoneMemory
    height: float | None
    filter: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(DEPTH_SMOOTHING))
    count: int = 0

    def smooth(self, points: Float64Array, stamp: float) -> Float64Array:
        """Filter the distances of (K, 3) points, each by itself; a missing one starts over."""
        if len(points) != self.count:  # another skeleton than before
            self.count, self.filter = len(points), OneEuroFilter(DEPTH_SMOOTHING)
        depths = points[:, 2]
        smooth: Float64Array = points * (self.filter(depths, stamp) / depths)[:, None]
        return smooth


class _People:
    """What is remembered of the people of a stream, by their ids."""

    def __init__(self) -> None:
        self.forget()

    def lose_sight(self) -> None:
        """Do nothing: an id that is kept over a gap is the same person's."""

    def forget(self) -> None:
        """Forget everybody."""
        self._people: dict[int, _Person] = {}

    def person(self, id_: int, height: float | None, stamp: float) -> _Person:
        """Return what is remembered of an id; nothing yet when the height was changed."""
        person = self._people.pop(id_, None)
        if person is None or person.height != height:
            if height is None:
                size = Size(DEFAULT_HEIGHT, DEFAULT_HEIGHT_SPREAD)
            else:
                size = Size(height, KNOWN_HEIGHT_SPREAD)
            person = _Person(BoneMemory(size), height)
        self._people[id_] = person  # the last seen stand last
        while len(self._people) > _LOST_AFTER:
            del self._people[next(iter(self._people))]
        person.memory.advance(stamp)
        return person


class Lifter:
    """Gives people of one stream of images their places in meters.

    >>> import pose_ros
    >>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
    >>> poses = pose_ros.create_estimator().estimate(frame.image, channels=frame.channels)
    >>> lifter = pose_ros.Lifter(pose_ros.LiftOptions(height=1.75))
    >>> camera = pose_ros.Camera.from_hfov(frame.width, frame.height, hfov_degrees=60.0)
    >>> (pose,) = lifter.lift(poses, camera)
    >>> x, y, z = pose.camera_of("left_hip")  # meters in the camera's optical frame
    >>> bool(1.0 < z < 10.0)
    True
    """

    def __init__(self, options: LiftOptions | None = None) -> None:
        """``options`` may be replaced between two frames."""
        self.options = options or LiftOptions()
        self._stream = Stream(_People)
        self._warned = False

    def reset(self) -> None:
        """Begin a new stream: nothing is remembered of anybody."""
        self._stream.reset()

    def lift(
        self,
        poses: Poses,
        camera: Camera,
        stamp: float | None = None,
        *,
        floor: Floor | None = None,
        depth: DepthImage | None = None,
        heights: Mapping[int, float] | None = None,
    ) -> Poses:
        """Return the poses with ``camera``, ``camera_sources`` and ``camera_sigmas``.

        Args:
            poses: As a network finds them, in pixels of the camera's image.
            camera: That took the image; lens distortion is undone for the keypoints.
            stamp: Of the image in seconds, rising within a stream; a jump back forgets
                everybody. Without a stamp the image is a picture by itself: nothing that was
                learned of a person of the same id counts, and distances are not filtered.
            floor: Where the camera knows how it is mounted (``level_floor``); the lower
                foot of each person is taken to be on it.
            depth: Registered to the image, as large as it.
            heights: Meters, of people by id, in place of the options' height.

        Returns:
            Keypoints that cannot be placed are NaN, with source NONE: those that were
            not found, and those of networks without a metric shape where no depth was
            measured.

        Raises:
            OptionError: The lens model is unknown, or a height is out of its range.
            ImageError: The depth image has another size than the camera, or the stamp is
                not finite or that of the image before.
        """
        for known in (heights or {}).values():
            LiftOptions(height=known)  # refuses one out of its range
        if depth is not None:
            if depth.size != (camera.width, camera.height):
                raise ImageError(
                    "expected a depth image registered to the camera's "
                    f"{camera.width}x{camera.height} pixels, got {depth.size[0]}x{depth.size[1]}"
                )
            if stamp is not None and abs(depth.stamp - stamp) > self.options.max_depth_skew:
                depth = None
        remembered, stamp = self._stream.take((camera.height, camera.width), stamp)
        pixels = poses.keypoints.astype(np.float64)
        rays = camera.pinhole.rays(camera.undistort(pixels))
        people, count = poses.keypoint_scores.shape
        points = np.full((people, count, 3), np.nan)
        sources = np.zeros((people, count), np.uint8)
        sigmas = np.full((people, count), np.nan)
        measured = None if depth is None else Measured(depth, float(camera.matrix[0, 0]))
        model = None if poses.world is None else body_model(poses.skeleton)
        for i in range(people):
            id_ = int(poses.ids[i])
            height = heights[id_] if heights and id_ in heights else self.options.height
            person = remembered.person(id_, height, stamp)
            sight = look(poses[i], rays[i], measured, person.memory.size.height)
            body = None if model is None else place(model, sight, person.memory, floor)
            if body is None:
                body = place_measured(sight, person.memory.size.height)
            if body.steep and not self._warned:
                self._warned = True
                _log.warning(
                    "the camera looks down at people steeply: without the floor or depth their "
                    "distances may be off by 6 to 20%; give the camera's height and pitch"
                )
            points[i], sources[i], sigmas[i] = body.result()
            if self.options.smoothing:
                points[i] = person.smooth(points[i], stamp)
        return poses.replace(camera=points, camera_sources=sources, camera_sigmas=sigmas)
