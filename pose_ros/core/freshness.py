"""Whether the images still come: by their stamps, and by a clock that is passed in."""

from __future__ import annotations

import math
from enum import Enum


class Arrival(Enum):
    """What a new image's stamp says of the stream."""

    NEXT = "next"
    """It goes on."""
    SAME = "same"
    """The image was there before: as good as none."""
    GAP = "gap"
    """It goes on after a time without images."""
    JUMP = "jump"
    """It is another stream, or one that cannot be relied on."""


class Freshness:
    """Watches the stamps of a stream of images.

    Args:
        timeout: Seconds, above 0, after which the last image is too old.
        compare_clock: Whether stamps are of the clock that is passed in, so that an image
            is as old as its stamp says and not as when it came. Not so in a replay.
    """

    def __init__(self, timeout: float, *, compare_clock: bool = True) -> None:
        self._timeout = timeout
        self._compare = compare_clock
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._stamp = -math.inf
        self._arrived = -math.inf
        self._now = -math.inf
        self._repeated = False

    def take(self, stamp: float, now: float) -> tuple[Arrival, str]:
        """Note an image.

        Args:
            stamp: Its own, seconds.
            now: Seconds.

        Returns:
            What it is, and what is wrong in words, if anything is.
        """
        if not math.isfinite(stamp) or not math.isfinite(now):
            self.reset()
            return Arrival.JUMP, f"a stamp or the clock is no number ({stamp}, {now})"
        before, first = self._stamp, self._stamp == -math.inf
        if stamp == before:
            self._repeated = True
            return Arrival.SAME, "the stamps of the images stand still"
        # an image of the past or of another clock is where the new stream begins, if it is one
        self._stamp, self._arrived, self._repeated = stamp, now, False
        if self._compare and stamp - now > self._timeout:
            return Arrival.JUMP, f"a stamp is {stamp - now:.2f} s in the future: set the clocks"
        if stamp < before:
            return Arrival.JUMP, f"the stamps jumped back by {before - stamp:.2f} s"
        if not first and stamp - before > self._timeout:
            return Arrival.GAP, f"no image for {stamp - before:.2f} s by their stamps"
        return Arrival.NEXT, ""

    def clock_jumped(self, now: float) -> str:
        """Note the time; return in words that it went back, or is no number."""
        before, self._now = self._now, now
        if not math.isfinite(now):
            self.reset()
            return f"the clock is no number ({now})"
        if now < before:
            self.reset()
            return f"the clock jumped back by {before - now:.2f} s"
        return ""

    def age(self, now: float) -> float:
        """Return how old the last image is in seconds; infinite when there was none."""
        age = now - self._arrived
        return max(age, now - self._stamp) if self._compare else age

    def stale(self, now: float) -> str:
        """Return in words that the last image is too old; empty while it is not."""
        # written so that NaN is stale
        if self.age(now) <= self._timeout:
            return ""
        if self._arrived == -math.inf:
            return "no image yet"
        if self._repeated:
            return "the stamps of the images stand still"
        since, delay = now - self._arrived, self._arrived - self._stamp
        limit = f"timeout is {self._timeout:g} s"
        if self._compare and delay > self._timeout:
            return f"the images are {delay:.1f} s old when their poses come; {limit}"
        if since > self._timeout:
            return f"no poses for {since:.1f} s; {limit}"
        return (
            f"poses are {self.age(now):.2f} s old ({since:.2f} s since they came + {delay:.2f} s "
            f"from the image to them); {limit}"
        )
