"""What a stamp means, in one place: next, the same, late, after a gap, back, or too old.

=================  ==============================================================
``step_from``      how a stamp follows the one before it
``StampOrder``     images that come late, against a stream that starts over
``Rewinds``        that time went back, by clock and stamps, reported once
``Stream``         what the next image may draw on
``Freshness``      whether images still come, by a clock that is passed in
``ClockWatch``     a clock that stands still
=================  ==============================================================
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from enum import Enum
from typing import Generic, Protocol, TypeVar

from pose_ros.errors import ImageError

_LOG = logging.getLogger(__name__)

NANOSECONDS = 1_000_000_000
"""In a second."""

FOLLOW_SECONDS = 0.5
"""Longest time between two images over which a person is followed from where they were. After a
longer gap people are found again, as if the images between had been empty."""

REWIND_SECONDS = 0.5
"""What is older than the last by more than this is of a new round: a bag that is played again, a
simulation that was reset. What is older by less came late on its way."""

_MOST_LATE = 3


class StampStep(Enum):
    """How a stamp follows the one before it."""

    FIRST = "first"
    """There was none before."""
    NEXT = "next"
    """The stream goes on."""
    SAME = "same"
    """It is the one before."""
    GAP = "gap"
    """It goes on after a time without stamps."""
    BACK = "back"
    """It is older, or one of the two is NaN."""


def step_from(before: float, stamp: float, longest: float = math.inf) -> StampStep:
    """Return how a stamp follows the one before it.

    Args:
        before: Seconds; -inf where there was none.
        stamp: Seconds.
        longest: Seconds between the two, beyond which there is a gap.
    """
    if before == -math.inf:
        return StampStep.FIRST
    elapsed = stamp - before
    if elapsed == 0.0:
        return StampStep.SAME
    if not elapsed > 0.0:  # NaN too
        return StampStep.BACK
    return StampStep.GAP if elapsed > longest else StampStep.NEXT


class Order(Enum):
    """What an image's stamp says of its place in the stream."""

    NEXT = "next"
    """The stream goes on."""
    LATE = "late"
    """It is older than one that was there before it, and has to be left out."""
    REWIND = "rewind"
    """Time went back: all that was remembered is of another round."""


class StampOrder:
    """Tells a stream that starts over from images that overtook each other.

    A few late images say nothing; where more than three come in a row, each older than the one
    that came before all of them, time went back too, by however little.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._newest = -math.inf
        self._late = 0
        self.back = 0.0
        """Seconds by which the last image was older than the newest before it; 0 for NEXT."""

    @property
    def began(self) -> bool:
        """Whether there was an image."""
        return self._newest > -math.inf

    def take(self, stamp: float) -> Order:
        """Note an image by its stamp, in seconds."""
        self.back = max(0.0, self._newest - stamp)
        if self.back == 0.0:
            self._newest, self._late = stamp, 0
            return Order.NEXT
        if self.back <= REWIND_SECONDS and self._late < _MOST_LATE:
            self._late += 1
            return Order.LATE
        self._newest, self._late = stamp, 0
        return Order.REWIND

    def check(self, stamp: float) -> Order:
        """Note an image by its stamp, in seconds; it is never late.

        Raises:
            ImageError: It is.
        """
        order = self.take(stamp)
        if order is Order.LATE:
            raise ImageError(
                "it is older than one that came before it; who sends images has to keep their order"
            )
        return order


class Rewinds:
    """Tells of each step back in time once, though the clock and the stamps both show it.

    A clock may jump as it likes before the first image: a player sets it.
    """

    def __init__(self) -> None:
        self._order = StampOrder()
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._order.reset()
        self._shown = -math.inf
        self._told_by = ""
        self.back = 0.0
        """Seconds of the last step back, by whichever showed it."""

    def clock(self, now: float) -> bool:
        """Note the time in seconds; return whether it is news that it went back."""
        back, self._shown = self._shown - now, now
        if not self._order.began or back <= REWIND_SECONDS:
            return False
        return self._is_news("clock", back)

    def stamp(self, stamp: float) -> bool:
        """Note an image by its stamp in seconds; return whether it is news that time went back."""
        if self._order.take(stamp) is not Order.REWIND:
            return False
        return self._is_news("stamps", self._order.back)

    def _is_news(self, shown_by: str, back: float) -> bool:
        if self._told_by not in ("", shown_by):
            self._told_by = ""
            return False
        self._told_by, self.back = shown_by, back
        return True


class Memory(Protocol):
    """What an estimator remembers of the people in a stream."""

    def lose_sight(self) -> None:
        """Follow no person into the next image; who was where stays known."""

    def forget(self) -> None:
        """Forget everybody; no id is used again."""


M = TypeVar("M", bound=Memory)


class Stream(Generic[M]):
    """Decides what the next image of a stream may draw on, by its stamp and its size.

    =====================  ======================================================
    the image              what it may draw on
    =====================  ======================================================
    has no stamp           nothing: it is a picture by itself, beside the stream
    comes next             all that is remembered
    comes after a gap      who was where, by ``Memory.lose_sight``
    goes back in time      nothing but the ids that are used, by ``Memory.forget``
    has another size       the same, and a warning once
    has the last stamp     it is refused
    =====================  ======================================================

    Args:
        begin: Makes an empty memory, whose ids begin at 0.
    """

    def __init__(self, begin: Callable[[], M]) -> None:
        self._begin = begin
        self.reset()

    def reset(self) -> None:
        """Begin a new stream: no person is remembered, ids begin at 0."""
        self._memory = self._begin()
        self._stamp = -math.inf
        self._size: tuple[int, ...] | None = None
        self._warned = False

    def take(
        self, size: tuple[int, ...], stamp: float | None, *, static: bool = False
    ) -> tuple[M, float]:
        """Note an image.

        Args:
            size: Height and width in pixels.
            stamp: Seconds; None for a picture by itself.
            static: Whether each image is a picture by itself.

        Returns:
            What the image may draw on and has to be remembered in, and its stamp; 0.0 where it
            has none.

        Raises:
            ImageError: The stamp is not finite, or that of the image before.
        """
        if stamp is not None and not math.isfinite(stamp):
            raise ImageError(f"expected a finite stamp in seconds, got {stamp}")
        if stamp is None or static:
            return self._begin(), 0.0
        step = step_from(self._stamp, stamp, FOLLOW_SECONDS)
        if step is StampStep.SAME:
            raise ImageError(
                f"its stamp, {stamp} s, is that of the image before it; give each image of a "
                "stream its own time; pictures that do not follow each other need no stamp, or "
                "the static option"
            )
        before = self._size
        self._stamp, self._size = stamp, size
        if before is None:
            return self._memory, stamp
        if before != size:
            self._memory.forget()
            self._warn(before, size)
        elif step is StampStep.BACK:
            self._memory.forget()
        elif step is StampStep.GAP:
            self._memory.lose_sight()
        return self._memory, stamp

    def _warn(self, before: tuple[int, ...], size: tuple[int, ...]) -> None:
        if self._warned:
            return
        self._warned = True
        _LOG.warning(
            "the images change from %dx%d to %dx%d pixels: people are not followed from one size "
            "to another, and get new ids; give no stamp to pictures that do not follow each other",
            *before[::-1],
            *size[::-1],
        )


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
        before = self._stamp
        step = step_from(before, stamp, self._timeout)
        if step is StampStep.SAME:
            self._repeated = True
            return Arrival.SAME, "the stamps of the images stand still"
        # an image of the past or of another clock is where the new stream begins, if it is one
        self._stamp, self._arrived, self._repeated = stamp, now, False
        if self._compare and stamp - now > self._timeout:
            return Arrival.JUMP, f"a stamp is {stamp - now:.2f} s in the future: set the clocks"
        if step is StampStep.BACK:
            return Arrival.JUMP, f"the stamps jumped back by {before - stamp:.2f} s"
        if step is StampStep.GAP:
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


class ClockWatch:
    """Notices by a steady clock that another one stands still.

    Args:
        now: The other one, seconds.
        steady: Seconds that never stop.
    """

    def __init__(self, now: Callable[[], float], steady: Callable[[], float]) -> None:
        self._now, self._steady = now, steady
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._shown, self._since = self._now(), self._steady()

    def stands(self) -> float:
        """Return for how many seconds it has shown the same, as far as anybody looked."""
        shown, steady = self._now(), self._steady()
        if shown != self._shown:
            self._shown, self._since = shown, steady
        return steady - self._since
