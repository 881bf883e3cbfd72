"""Whether images come in the order in which they were taken, by their stamps alone."""

from __future__ import annotations

import math
from enum import Enum

from pose_ros.errors import ImageError

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
    """Tells a stream that begins anew from images that overtook each other.

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
