"""The time of a report: seconds from its first image on, whatever the stamps do."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pose_ros.core.results import Result
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.report.series import Histogram

_INTERVALS = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 8000)])  # seconds, 0.2% apart
_USUAL = 0.1  # seconds between two images, until they are known
_HOLES = 5.0  # usual intervals
_LEAST_HOLE = 0.5  # seconds
_LONGEST_STEP = 10_000  # of an index that differs from a longer one


class Clock:
    """Turns stamps into seconds that rise from 0 on.

    Where stamps go back (a bag that was played in a loop) or another recording begins, time
    goes on one usual interval after the last image.

    Attributes:
        now: Seconds of the last image.
        elapsed: Seconds since the image before it; 0 for the first of a round.
        images: How many there were.
        rounds: How often stamps started over, the first time included.
        sources: How many recordings or pictures, one after the other.
        longest_gap: Seconds between two images.
    """

    def __init__(self) -> None:
        self.now = self.elapsed = self.longest_gap = 0.0
        self.images = self.rounds = self.sources = 0
        self.first_nanoseconds = 0
        self._last: Result | None = None
        self._intervals = Histogram(_INTERVALS)
        self._steps: Counter[int] = Counter()
        self._usual = _USUAL

    def advance(self, result: Result) -> bool:
        """Begin with the next image; returns whether a round began: nothing goes on from before."""
        last, self._last = self._last, result
        self.images += 1
        if last is None:
            self.first_nanoseconds = result.nanoseconds
        another = last is None or last.source != result.source
        self.sources += another
        step = 0.0 if last is None else (result.nanoseconds - last.nanoseconds) / NANOSECONDS
        if last is None or another or step <= 0.0:
            self.rounds += 1
            self.elapsed = 0.0
            self.now += 0.0 if last is None else self._usual
            return True
        self.elapsed = step
        self.now += step
        self.longest_gap = max(self.longest_gap, step)
        self._intervals.add(step)
        if self.images < 100 or self.images % 100 == 0:
            self._usual = float(self._intervals.quantiles(0.5)[0, 0])
        self._steps[min(result.index - last.index, _LONGEST_STEP)] += 1
        return False

    @property
    def pictures(self) -> bool:
        """Whether these are single pictures, not images of one scene over time."""
        return self.images > 0 and self.rounds == self.images

    @property
    def interval(self) -> float:
        """Usual seconds between two images; NaN where there is no such thing."""
        return float(self._intervals.quantiles(0.5)[0, 0])

    @property
    def hole(self) -> float:
        """Seconds without an image after which nothing is said to have gone on."""
        return max(_LEAST_HOLE, _HOLES * self._usual)

    @property
    def every(self) -> int:
        """The usual step of the images' indices: 10 when every tenth was looked at."""
        return self._steps.most_common(1)[0][0] if self._steps else 1

    @property
    def skipped(self) -> int:
        """How many images the indices lack, beside those that were left out on purpose."""
        every = max(1, self.every)
        return sum(count * max(0, step // every - 1) for step, count in self._steps.items())
