"""Depth images that go with color images: kept for a moment, and paired by stamp."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from pose_ros.core.depth import DepthImage, DepthMatcher
from pose_ros.errors import ImageError
from pose_ros.messages.images import depth_from_msg
from pose_ros.ros.diagnostics import once
from pose_ros.ros.messages import read_image

# a depth image comes a little before or after its color image, not a quarter of a second
_KEPT = 8
# so long does an image wait for its depth; when that was in vain so many times in a row, only
# one in so many does
_WAIT_SECONDS = 0.1
_PATIENCE = 5
_RETRY = 10
# a camera that gives both takes them at once, and their stamps differ by their rounding alone
_OWN_SECONDS = 1e-4


class DepthBuffer:
    """Keeps the last depth images; ``take`` and ``nearest`` may be called from two threads.

    Args:
        topic: Of the depth images, for what is said.
        warn: Called with what is wrong, each kind of trouble once.
    """

    def __init__(self, topic: str, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._say = once(warn)
        self._matcher: DepthMatcher[DepthImage] = DepthMatcher(
            topic, _KEPT, lambda depth: depth, self._say
        )
        self._arrived = threading.Condition()
        self._in_vain = 0
        self._apart = self._skipped = 0
        self.used_total = 0
        self.missed_total = 0

    def take(self, message: bytes) -> float:
        """Take a serialized sensor_msgs/Image; return its stamp in seconds, NaN for a bad one."""
        try:
            depth = depth_from_msg(read_image(message))
        except ImageError as error:
            self._say("depth", f"{self._topic}: {error}")
            return math.nan
        with self._arrived:
            self._matcher.put(depth.stamp, depth)
            self._arrived.notify_all()
        return depth.stamp

    def nearest(self, stamp: float, max_skew: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image nearest in time to an image, or None where none will do.

        Where there is none yet, it waits for a moment: a depth image may be the later one. So it
        does for the one of the image's own stamp, though the one before would do, unless images
        and depth have stamps of their own.

        Args:
            stamp: Of the image, seconds.
            max_skew: Seconds by which the depth may be older or newer.
            width: Of the image, pixels; a depth image that is registered to it has the same.
            height: Of the image, pixels.
        """

        def near() -> bool:
            return self._matcher.is_near(stamp, max_skew)

        with self._arrived:
            # before the first has come there is nothing to wait for: discovery takes its time
            if self._matcher.stamps:
                self._wait_for_own(stamp)
                hopeful = self._in_vain < _PATIENCE or self._in_vain % _RETRY == 0
                came = self._arrived.wait_for(near, _WAIT_SECONDS if hopeful else 0.0)
                self._in_vain = 0 if came else self._in_vain + 1
            best = self._matcher.nearest(stamp, max_skew, width, height)
            skew = self._matcher.skew(stamp)
        if best is None and self._in_vain >= _PATIENCE and skew < math.inf:  # one may be lost
            self._say(
                "skew",
                f"{self._topic}: the nearest depth is {skew:.3f} s away from the image and "
                f"is not used; max_depth_skew is {max_skew:g} s",
            )
        self.used_total += best is not None
        self.missed_total += best is None
        return best

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        return f"{self._topic}: for {self.used_total} images, not for {self.missed_total}"

    def _wait_for_own(self, stamp: float) -> None:
        """Wait for the depth image of an image's own stamp, where there is hope for one."""

        def own() -> bool:
            return self._matcher.skew(stamp) <= _OWN_SECONDS

        def decided() -> bool:
            return own() or max(self._matcher.stamps) > stamp

        there = own()
        self._skipped = self._skipped + 1 if self._apart >= _PATIENCE and not there else 0
        if self._skipped % _RETRY == 0:
            self._arrived.wait_for(decided, _WAIT_SECONDS)
        if not own():
            self._apart = min(self._apart + 2, _RETRY)
        else:
            self._apart = max(0, self._apart - 1) if there else 0
