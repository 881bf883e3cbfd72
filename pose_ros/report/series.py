"""Numbers over time in bounded memory: what hours of images leave behind."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result
from pose_ros.core.timeline import NANOSECONDS

_FEWEST_ROWS = 64
_INTERVALS = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 8000)])  # seconds, 0.2% apart
_USUAL = 0.1  # seconds between two images, until they are known
_HOLES = 5.0  # usual intervals
_LEAST_HOLE = 0.5  # seconds
_LONGEST_STEP = 10_000  # of an index that differs from a longer one


class Series:
    """Some values over time. Neighbors are merged in pairs whenever it is full.

    A row holds ``stride`` samples in turn, so that a short recording is kept sample by
    sample and a long one by least, mean and greatest of its rows.

    Args:
        width: W, how many values a sample has.
        capacity: Most rows, an even number.
    """

    def __init__(self, width: int, capacity: int = 1024) -> None:
        self.stride = 1
        self._width, self._capacity = width, capacity
        self._rows = 0
        self._in_row = 0  # samples in the last row
        self._times = np.empty((0, 2))
        self._values = np.empty((0, 4, width))  # least, sum, greatest, count

    def __len__(self) -> int:
        return self._rows

    @property
    def nbytes(self) -> int:
        """Bytes of all that it keeps of the samples."""
        return self._times.nbytes + self._values.nbytes

    def add(self, time: float, values: ArrayLike) -> None:
        """Take in a sample: seconds, not before the last one's, and (W,) values; NaN is unknown."""
        if self._rows and self._in_row < self.stride:
            row = self._rows - 1
        else:
            self._make_room()
            row = self._rows
            self._rows, self._in_row = row + 1, 0
            self._times[row, 0] = time
            self._values[row] = np.array([[np.inf], [0.0], [-np.inf], [0.0]])
        self._times[row, 1] = time
        self._in_row += 1
        new = np.asarray(values, np.float64)
        known = np.isfinite(new)
        least, total, greatest, count = self._values[row]
        np.minimum(least, new, out=least, where=known)
        np.add(total, new, out=total, where=known)
        np.maximum(greatest, new, out=greatest, where=known)
        count += known

    @property
    def starts(self) -> Float64Array:
        """When each of the n rows begins, (n,) seconds."""
        return self._times[: self._rows, 0]

    @property
    def ends(self) -> Float64Array:
        """When the last sample of each row was, (n,) seconds."""
        return self._times[: self._rows, 1]

    @property
    def times(self) -> Float64Array:
        """Middles of the rows, (n,) seconds."""
        middles: Float64Array = self._times[: self._rows].mean(axis=1)
        return middles

    @property
    def low(self) -> Float64Array:
        """Least of each row, (n, W); NaN where nothing is known."""
        return self._masked(self._values[: self._rows, 0])

    @property
    def high(self) -> Float64Array:
        """Greatest of each row, (n, W); NaN where nothing is known."""
        return self._masked(self._values[: self._rows, 2])

    @property
    def mean(self) -> Float64Array:
        """Mean of what is known in each row, (n, W); NaN where nothing is."""
        values = self._values[: self._rows]
        return self._masked(values[:, 1] / np.maximum(values[:, 3], 1.0))

    def _masked(self, values: Float64Array) -> Float64Array:
        return np.where(self._values[: self._rows, 3] > 0, values, np.nan)

    def _make_room(self) -> None:
        """Merge pairs of rows when all are full, or make more of them."""
        if self._rows == self._capacity:
            half = self._rows // 2
            pairs = self._values.reshape(half, 2, 4, self._width)
            self._values[:half, 0] = pairs[:, :, 0].min(axis=1)
            self._values[:half, 2] = pairs[:, :, 2].max(axis=1)
            for column in (1, 3):
                self._values[:half, column] = pairs[:, :, column].sum(axis=1)
            self._times[:half] = np.column_stack([self._times[0::2, 0], self._times[1::2, 1]])
            self._rows, self.stride = half, 2 * self.stride
        elif self._rows == len(self._times):
            rows = min(self._capacity, max(_FEWEST_ROWS, 2 * self._rows))
            self._times = np.concatenate([self._times, np.empty((rows - self._rows, 2))])
            more = np.empty((rows - self._rows, 4, self._width))
            self._values = np.concatenate([self._values, more])


class Histogram:
    """How often values fell where, of W quantities at once: quantiles in bounded memory.

    Args:
        edges: (B + 1,) rising; what lies beyond counts as in the first or the last bin.
        width: W.
    """

    def __init__(self, edges: ArrayLike, width: int = 1) -> None:
        self._edges = np.asarray(edges, np.float64)
        self._counts = np.zeros((width, len(self._edges) - 1), np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(W,) how many values each quantity had."""
        counted: NDArray[np.int64] = self._counts.sum(axis=1)
        return counted

    def add(self, values: ArrayLike) -> None:
        """Take in (W,) values; NaN is left out."""
        new = np.atleast_1d(np.asarray(values, np.float64))
        known = np.flatnonzero(np.isfinite(new))
        bins = np.searchsorted(self._edges, new[known], side="right") - 1
        self._counts[known, np.clip(bins, 0, self._counts.shape[1] - 1)] += 1

    def quantiles(self, *shares: float) -> Float64Array:
        """Return (Q, W) quantiles, evenly spread within a bin; NaN where there is no value."""
        found = np.full((len(shares), len(self._counts)), np.nan)
        for column, counts in enumerate(self._counts):
            total = counts.sum()
            if total:
                ends = np.concatenate([[0], np.cumsum(counts)])
                found[:, column] = [
                    _inverse(ends, self._edges, share * float(total)) for share in shares
                ]
        return found


def _inverse(ends: NDArray[np.int64], edges: Float64Array, rank: float) -> float:
    """Return the value below which ``rank`` of the counted values lie."""
    after = int(np.searchsorted(ends, rank, side="left"))
    if after == 0:  # where the first bin that holds anything begins
        return float(edges[int(np.searchsorted(ends, 0, side="right")) - 1])
    before = after - 1
    share = (rank - ends[before]) / (ends[after] - ends[before])
    return float(edges[before] + share * (edges[after] - edges[before]))


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
