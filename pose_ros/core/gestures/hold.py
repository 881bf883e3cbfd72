"""What is kept from image to image: joints that are missing for a moment, and held gestures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.types import Pose, PositionSource

Space: TypeAlias = Literal["camera", "world", "image"]
"""What joints are known in: meters from the camera, meters from the hips, or pixels."""
Aspect: TypeAlias = Literal["place", "shape", "picture"]


@dataclass(frozen=True, eq=False)
class Joints:
    """The joints of a body or a hand that are there, by name.

    Attributes:
        points: (3,) in ``space``, axes x right, y down, z forward; of pixels z is 0.
        scores: In [0, 1].
        sigmas: Meters, 1 sigma over all three axes; NaN where it is unknown.
        measured: Names of those whose meters a depth camera measured.
        space: What the points are.
    """

    points: dict[str, Float64Array]
    scores: dict[str, float]
    sigmas: dict[str, float]
    measured: frozenset[str]
    space: Space


class JointMemory:
    """Fills in what is missing for a moment in the joints of one body.

    A joint is missing for single images all the time, and a gesture must not end for that;
    but a joint that stays away has to count as missing soon.
    """

    def __init__(self) -> None:
        self._points: Float64Array | None = None
        self._values: Float64Array | None = None
        self._stamps: Float64Array | None = None

    def fill(
        self, points: Float64Array, values: Float64Array, stamp: float, seconds: float
    ) -> tuple[Float64Array, Float64Array]:
        """Return the joints of an image, with those that are missing as they were last seen.

        Args:
            points: (K, D) in any unit; NaN is missing.
            values: (K, V) more about each joint, such as its score.
            stamp: Seconds, not before the last one's.
            seconds: How long ago a joint may have been seen at most.

        Returns:
            Points and values. Points that were not seen for longer are NaN.
        """
        seen = _known(points)
        if self._points is None or self._values is None or self._stamps is None:
            stamps = np.where(seen, stamp, -np.inf)
            filled, kept = points, values
        else:
            both = seen & _known(self._points)
            # a body that walks takes its hidden joints along
            moved = np.median(points[both] - self._points[both], axis=0) if both.any() else 0.0
            stamps = np.where(seen, stamp, self._stamps)
            filled = np.where(seen[:, None], points, self._points + moved)
            kept = np.where(seen[:, None], values, self._values)
        filled = np.where((stamp - stamps <= seconds + 1e-6)[:, None], filled, np.nan)
        self._points, self._values, self._stamps = filled, kept, stamps
        return filled, kept


class JointReader:
    """Reads the joints of one body or hand from image to image, in the best space there is."""

    def __init__(self, aspect: Aspect = "place") -> None:
        """Begin without a memory.

        Args:
            aspect: What of the body matters most. Meters that are not measured but worked out
                from the network's metric shape lean arms to the camera that reach across its
                view; the shape itself does so less. The picture has no depth, and no errors of
                it.
        """
        self._aspect = aspect
        self._memory = JointMemory()
        self._space: Space = "image"
        self._space_seen = -math.inf

    def read(self, pose: Pose, stamp: float, *, min_score: float, seconds: float) -> Joints:
        """Return the joints of an image and those that were there a moment ago.

        Args:
            pose: What was found.
            stamp: Of the image, seconds, not before the last one's.
            min_score: Least score of a joint that is not missing.
            seconds: For how long a joint, or its meters, may be missing.
        """
        known: NDArray[np.bool_] = np.greater_equal(pose.keypoint_scores, min_score)
        spaces = dict(_spaces(pose, known, self._aspect))
        telling = (space for space, all_ in spaces.items() if _tells(all_[known]))
        best: Space = next(telling, "image")
        if best == self._space:
            self._space_seen = stamp
        elif (
            self._space not in spaces
            or stamp - self._space_seen > seconds
            or best == next(iter(spaces))
        ):
            self._memory, self._space, self._space_seen = JointMemory(), best, stamp
        points = np.where(known[:, None], spaces[self._space], np.nan)
        sigmas = np.full(len(known), np.nan) if pose.camera_sigmas is None else pose.camera_sigmas
        sources = np.zeros(len(known)) if pose.camera_sources is None else pose.camera_sources
        measured = sources >= PositionSource.DEPTH
        values = np.column_stack([pose.keypoint_scores, sigmas, measured]).astype(np.float64)
        points, values = self._memory.fill(points, values, stamp, seconds)
        names = pose.skeleton.keypoints
        there = np.flatnonzero(_known(points)).tolist()
        return Joints(
            points={names[i]: points[i] for i in there},
            scores={names[i]: float(values[i, 0]) for i in there},
            sigmas={names[i]: float(values[i, 1]) for i in there},
            measured=frozenset(names[i] for i in there if values[i, 2]),
            space=self._space,
        )


def _spaces(
    pose: Pose, known: NDArray[np.bool_], aspect: Aspect
) -> Iterator[tuple[Space, Float64Array]]:
    """Yield what a pose is known in, the best first: (K, 3) each."""
    pixels = np.zeros((len(pose.keypoints), 3))
    pixels[:, :2] = pose.keypoints
    if aspect == "picture":
        yield "image", pixels
        return
    camera, world = pose.camera, pose.world
    sources = None if pose.camera_sources is None else pose.camera_sources[known]
    worked_out = sources is not None and 2 * np.sum(sources == PositionSource.MODEL) > len(sources)
    if aspect == "shape" and world is not None and worked_out:
        yield "world", world.astype(np.float64)
        world = None
    if camera is not None:
        yield "camera", camera.astype(np.float64)
    if world is not None:
        yield "world", world.astype(np.float64)
    yield "image", pixels


def _known(points: Float64Array) -> NDArray[np.bool_]:
    """Return which of (K, D) points are there."""
    known: NDArray[np.bool_] = np.all(np.isfinite(points), axis=1)
    return known


def _tells(points: Float64Array) -> bool:
    """Whether most of the joints that were found have their place in this space."""
    return len(points) > 0 and float(_known(points).mean()) > 0.5


Event: TypeAlias = Literal["started", "held", "ended"]

_ROUNDING = 1e-6  # seconds


class Hold:
    """Whether one gesture of one person is held, image by image.

    Attributes:
        since: Stamp of the image in which it was first seen; NaN when it is not.
        held: Whether it has been seen for the hold time.
    """

    def __init__(self) -> None:
        self.since = math.nan
        self.held = False
        self._seen = -math.inf

    def step(
        self, seen: bool | None, stamp: float, hold_time: float, release_time: float
    ) -> Event | None:
        """Take in the next image.

        Args:
            seen: Whether the gesture is seen in it; None when a joint that shows it is missing:
                nothing is held of which nothing is known.
            stamp: Of the image, seconds.
            hold_time: Seconds for which it has to be seen before it starts.
            release_time: Seconds for which it may look otherwise before it ends.

        Returns:
            What happens to it; None while it is not held.
        """
        if seen:
            self._seen = stamp
            if math.isnan(self.since):
                self.since = stamp
            if self.held:
                return "held"
            if stamp - self.since >= hold_time - _ROUNDING:
                self.held = True
                return "started"
            return None
        if seen is not None and stamp - self._seen <= release_time + _ROUNDING:
            return "held" if self.held else None
        return self.end()

    def end(self) -> Event | None:
        """Forget what was seen; return ``ended`` if it was held."""
        held, self.held, self.since = self.held, False, math.nan
        return "ended" if held else None
