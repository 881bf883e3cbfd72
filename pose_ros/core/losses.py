"""How many images of a stream were lost on the way: by their numbers, or by their stamps."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

_WINDOW = 60
"""Images over which the share is taken."""
_ENOUGH = 20
"""Images, lost ones counted, before a share says anything."""
_PERIOD_QUANTILE = 0.1
"""The shortest spacings are those between images with none lost in between."""
_LONGEST_GAP_PERIODS = 20
"""A longer pause by the stamps is a driver that paused."""


class LossCounter:
    """Counts what a driver sent against what came.

    A middleware that numbers its messages shows each loss. Where it does not, the spacing of
    the stamps does: a camera's period is that of its closest images, and a spacing of three
    periods means two lost images.
    """

    def __init__(self) -> None:
        self.lost_total = 0
        """Images that were sent and did not come."""
        self.restart()

    def restart(self) -> None:
        """Begin again with another publisher or subscription; the total stays."""
        self._number: int | None = None
        self._stamp = math.nan
        self._spacings: deque[float] = deque(maxlen=_WINDOW)
        self._losses: deque[int] = deque(maxlen=_WINDOW)

    def take(self, stamp: float, number: int | None) -> None:
        """Note an image that came.

        Args:
            stamp: Its own, seconds.
            number: What its publisher counts, one more for each image; None where that is
                not known, or where several publish.
        """
        if number is None:
            lost = self._lost_by_stamp(stamp)
        else:
            last, self._number = self._number, number
            # a smaller number is a publisher that started again
            lost = number - last - 1 if last is not None and number > last else 0
        self._losses.append(lost)
        self.lost_total += lost

    @property
    def share(self) -> float:
        """Share of the recent images that were lost, 0 to 1; 0 while too few were sent."""
        lost = sum(self._losses)
        sent = lost + len(self._losses)
        return lost / sent if sent >= _ENOUGH else 0.0

    def _lost_by_stamp(self, stamp: float) -> int:
        last, self._stamp = self._stamp, stamp
        spacing = stamp - last
        if not spacing > 0.0:  # NaN, for the first
            return 0
        self._spacings.append(spacing)
        if len(self._spacings) < _ENOUGH:
            return 0
        periods = spacing / float(np.quantile(self._spacings, _PERIOD_QUANTILE))
        return round(periods) - 1 if periods < _LONGEST_GAP_PERIODS else 0
