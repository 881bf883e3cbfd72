"""What an image's stamp means: next of a stream, late, the same, after a gap, or a rewind."""

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
        if stamp == self._stamp:
            raise ImageError(
                f"its stamp, {stamp} s, is that of the image before it; give each image of a "
                "stream its own time; pictures that do not follow each other need no stamp, or "
                "the static option"
            )
        gap, before = stamp - self._stamp, self._size
        self._stamp, self._size = stamp, size
        if before is None:
            return self._memory, stamp
        if before != size:
            self._memory.forget()
            self._warn(before, size)
        elif gap < 0.0:
            self._memory.forget()
        elif gap > FOLLOW_SECONDS:
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
