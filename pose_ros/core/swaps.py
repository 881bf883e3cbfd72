"""Left and right of a person that a network swaps for some images, noticed and undone.

A network that does not see whether a person faces the camera labels both sides by its best guess,
which may change from one image to the next. The keypoints stay where they are and change their
names: as if the body had turned faster than bodies turn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import Skeleton, parts_of

LONGEST_GAP = 0.25
"""Seconds between two images that can be compared."""

MOST_TURN = math.radians(1000.0)
"""Radians a second: a dancer's pirouette has up to 720 degrees a second."""

LONGEST_UNDONE = 1.0
"""Seconds for which the sides that were seen before win over those that the network says."""

_LEAST_LINE = 0.3  # of the shoulders' width: closer together, both sides look alike
_SHOULDERS_BY_TRUNK = 0.6  # least width of shoulders, of the distance from them to the hips
_WIDTH_MARGIN = 1.05
_WIDTH_SECONDS = 5.0  # within which a width is forgotten: a person walks away
_OPPOSITE = -0.8  # cosine between the lines of the shoulders before and after
_CLEARLY = 0.5  # of the distance that the keypoints moved with the network's names

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


class SwapUndo:
    """Keeps left and right of one person where they were while a network swaps them.

    It begins where the line of the shoulders reverses faster than a body turns. From then on arms
    have the names by which they moved least, and legs and head go with them. It ends where the
    network says the same again, where the shoulders are too close to each other to tell, or where
    the network has said otherwise for longer than before, for ``LONGEST_UNDONE`` at most: then the
    network is right.

    Skeletons without shoulders and hips are left alone.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._parts = parts_of(skeleton)
        self._trunk: list[int] = []
        if all(name in skeleton.keypoints for name in _TRUNK):
            self._trunk = [skeleton.index(name) for name in _TRUNK]
        self._width = 0.0
        self._points: Float64Array | None = None
        self._stamp = -math.inf
        self._swapped = np.zeros(max(1, self._parts.count), bool)
        self._seconds = 0.0  # for which the network has agreed, less those for which it has not

    def order(self, points: NDArray[np.floating], stamp: float) -> NDArray[np.intp] | None:
        """Return which keypoint of the network each keypoint is; None where it is right.

        Args:
            points: (K, 2 or more) x and y first, in pixels, NaN where missing.
            stamp: Seconds, later than the last one.
        """
        if not self._trunk:
            return None
        now = points[:, :2].astype(np.float64)
        line, width = self._measure(now)
        elapsed = stamp - self._stamp
        self._width = max(width, self._width * math.exp(-max(elapsed, 0.0) / _WIDTH_SECONDS))
        before = self._points
        is_clear = math.hypot(*line) >= _LEAST_LINE * self._width  # not where a shoulder is missing
        if before is None or not 0.0 < elapsed <= LONGEST_GAP or not is_clear:
            self._restart(now if is_clear else None, stamp)
            return None
        kept, exchanged = self._moved(before, now)
        if not self._swapped.any():
            last, _ = self._measure(before)
            if not self._turns_too_fast(last, line, elapsed) or exchanged[0] > _CLEARLY * kept[0]:
                self._note(now, stamp, elapsed)
                return None
        # legs cross in an image, shoulders do not: legs and head go with them unless it is clear
        self._swapped = (exchanged[0] < kept[0]) & ~(kept < _CLEARLY * exchanged)
        self._note(now, stamp, -elapsed if self._swapped[0] else elapsed)
        if self._seconds < 0.0:
            self._restart(now, stamp)
            return None
        if not self._swapped.any():
            return None
        order = self._parts.order(self._swapped)
        self._points = now[order]
        return order

    def _restart(self, points: Float64Array | None, stamp: float) -> None:
        self._points, self._stamp = points, stamp
        self._swapped[:] = False
        self._seconds = 0.0

    def _note(self, points: Float64Array, stamp: float, agreed: float) -> None:
        self._points, self._stamp = points, stamp
        self._seconds = min(self._seconds + agreed, LONGEST_UNDONE)

    def _measure(self, points: Float64Array) -> tuple[Float64Array, float]:
        """Return the line from the right to the left shoulder, and the least width of both."""
        left, right, left_hip, right_hip = points[self._trunk]
        line = left - right
        trunk = float(np.hypot(*(left + right - left_hip - right_hip))) / 2
        return line, float(np.nanmax([math.hypot(*line), _SHOULDERS_BY_TRUNK * trunk, 0.0]))

    def _turns_too_fast(self, before: Float64Array, now: Float64Array, elapsed: float) -> bool:
        lengths = math.hypot(*before), math.hypot(*now)
        if float(before @ now) > _OPPOSITE * lengths[0] * lengths[1]:
            return False
        width = _WIDTH_MARGIN * self._width
        return sum(math.asin(min(1.0, length / width)) for length in lengths) > MOST_TURN * elapsed

    def _moved(self, before: Float64Array, now: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (S,) how far the parts moved, in all, with the network's names and with others."""
        parts = self._parts
        other = before[parts.mirrored]
        distances = np.hypot(*(now - before).T), np.hypot(*(now - other).T)
        known = np.isfinite(distances[0]) & np.isfinite(distances[1])
        kept, exchanged = (np.where(known, d, 0.0) @ parts.members for d in distances)
        return kept, exchanged
