"""From what is seen in single images to what is held: started, held, ended."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

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
