"""Reading part affinity fields: which channels are what, peaks of parts, scores of links."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray
from pose_ros.errors import OptionError

Indices: TypeAlias = NDArray[np.intp]

LEAST_FIELD = np.float32(0.05)
"""Less than this along the way is no field."""
LEAST_SUPPORT = 0.8
"""On how much of the way there has to be one. OpenPose asks for 0.95 of more samples."""

_LEAST_MASS = np.float32(1e-6)
"""Values around a peak that sum to less cancel out but for rounding: they have no center."""


@dataclass(frozen=True)
class Topology:
    """Which channels of a network's output are what.

    Attributes:
        parts: How many there are, C. Map i is that of part i; whatever maps follow, such as
            that of the background, are left alone.
        links: Pairs of parts (a, b), K of them. A link's field points from a to b.
        fields: For each link, the channels of the x and of the y of its field.
    """

    parts: int
    links: tuple[tuple[int, int], ...]
    fields: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if len(self.links) != len(self.fields):
            raise OptionError(
                f"expected a field for each of {len(self.links)} links, got {len(self.fields)}"
            )
        if not all(0 <= part < self.parts for link in self.links for part in link):
            raise OptionError(f"expected links between {self.parts} parts, got {self.links}")
        if any(channel < 0 for field in self.fields for channel in field):
            raise OptionError(f"expected channels from 0 on, got {self.fields}")

    @cached_property
    def arrays(self) -> tuple[Indices, Indices]:
        """``links`` and ``fields`` as arrays: (2, K) each."""
        links, fields = (np.array(v, np.intp).reshape(-1, 2) for v in (self.links, self.fields))
        return links.T, fields.T

    @cached_property
    def channels(self) -> int:
        """How many channels of fields there have to be."""
        return 1 + max((channel for field in self.fields for channel in field), default=-1)


# First channel of each link's field; y follows x. OpenPose, poseParameters.cpp, POSE_MAP_INDEX.
_OPENPOSE_FIELDS = {
    "openpose_coco18": (*(12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26),),
    "openpose_body25": (
        *(0, 14, 22, 16, 18, 24, 26, 6, 2, 4, 8, 10, 12, 30, 32, 36, 34, 38, 20, 28),
        *(40, 42, 44, 46, 48, 50),
    ),
}


@cache
def topology(skeleton: Skeleton) -> Topology:
    """Return the layout that belongs to a skeleton.

    That of OpenPose for its own skeletons. Any other is laid out as trt_pose does it: link k
    of the skeleton has channel 2 k for the y of its field and the next one for the x.
    """
    fields: tuple[tuple[int, int], ...]
    if skeleton.name in _OPENPOSE_FIELDS:
        fields = tuple((first, first + 1) for first in _OPENPOSE_FIELDS[skeleton.name])
    else:
        fields = tuple((2 * k + 1, 2 * k) for k in range(len(skeleton.links)))
    return Topology(len(skeleton), skeleton.links, fields)


@dataclass(frozen=True, eq=False)
class Peaks:
    """The R places of an image at which some part is, ordered by part.

    Attributes:
        part: (R,) which part.
        x, y: (R,) in cells of the maps, from the outer edge of the first.
        score: (R,) the map's value.
        counts: (C,) how many of each part.
    """

    part: Indices
    x: FloatArray
    y: FloatArray
    score: FloatArray
    counts: Indices

    def __len__(self) -> int:
        return len(self.part)

    @property
    def first(self) -> Indices:
        """Index of the first peak of each part: (C,)."""
        return np.cumsum(self.counts) - self.counts

    def within(self, maps: FloatArray) -> bool:
        """Return whether all peaks lie inside maps of this shape, (..., H, W)."""
        height, width = maps.shape[-2:]
        return not (_outside(self.y, height).any() or _outside(self.x, width).any())


@np.errstate(invalid="ignore")
def find_peaks(
    cmap: FloatArray, threshold: float, window: int, max_parts: int, *, careful: bool = False
) -> Peaks:
    """Find the places where a map is greatest within a window, to a fraction of a cell.

    Beyond its edges a map goes on as its mirror image; near a value that is not a number there is
    no peak. Only cells over the threshold are looked at: they are few, which makes this faster than
    a dilation of all maps.

    Args:
        cmap: (C, H, W).
        threshold: Least value.
        window: Side in cells.
        max_parts: Most peaks of a map; the first ones, row by row, are kept.
        careful: Of equal cells within a window only the first is a peak, and a peak's center of
            mass stays within its window. Otherwise all of them are peaks, and where the values
            around a peak are below zero its center may lie anywhere, also outside the map:
            trt_pose's parser does both.
    """
    parts, height, width = cmap.shape
    flat, half = cmap.reshape(-1), window // 2
    cell = np.flatnonzero(flat >= threshold)
    score = flat.take(cell)
    if half:
        # first the four neighbors, which leave few cells of which to look at the whole window
        for axis, step, size in ((1, 1, width), (width, width, height)):
            place = cell // axis % size
            after = flat.take(cell + step * (place < size - 1))
            before = flat.take(cell - step * (place > 0))
            keep = np.flatnonzero((after <= score) & (before <= score))
            cell, score = cell.take(keep), score.take(keep)
    row = cell // width
    part = row // height
    x, y = cell - row * width, row - part * height
    offsets = np.arange(-half, half + 1)[:, None]
    rows = (_mirror(y + offsets, height) + part * height) * width
    cells = rows[:, None] + _mirror(x + offsets, width)
    values = flat.take(cells).reshape((2 * half + 1) ** 2, len(cell))
    mass, right, down = _moments(half) @ values
    is_peak = (values.max(axis=0) <= score) & np.isfinite(mass)
    if careful:
        earlier = cells.reshape(values.shape) < cell
        is_peak &= ~((values == score) & earlier).any(axis=0)
    keep = np.flatnonzero(is_peak)
    counts = np.bincount(part.take(keep), minlength=parts)
    if counts.max() > max_parts:
        rank = np.arange(len(keep)) - (np.cumsum(counts) - counts).take(part.take(keep))
        keep, counts = keep[rank < max_parts], np.minimum(counts, max_parts)
    return Peaks(
        part=part.take(keep),
        x=_center(x, right, mass, half, width, bounded=careful).take(keep),
        y=_center(y, down, mass, half, height, bounded=careful).take(keep),
        score=score.take(keep),
        counts=counts,
    )


@np.errstate(invalid="ignore")
def score_links(
    paf: FloatArray, peaks: Peaks, layout: Topology, samples: int, *, supported: bool = False
) -> FloatArray:
    """Return, for all pairs of peaks that a link may join, the field's mean along the way.

    Args:
        paf: (2 K or more, H, W).
        peaks: Of all parts.
        layout: Which parts a link joins, and which channels are its field.
        samples: Points of the way at which the field is read.
        supported: A pair of which the field is missing on some of the way has score 0: in a
            row of people, one strong field may else join those at its ends.

    Returns:
        Link by link, for each peak of its first part those of its second: the mean of the
        field's component from the first to the second. Outside the map the field is 0.
    """
    height, width = paf.shape[1:]
    links, fields = layout.arrays
    x_field, y_field = fields * (height * width)
    starts, ends = peaks.counts.take(links)
    pairs = starts * ends
    # one entry for each first peak of each link, then one for each pair
    link = np.repeat(np.arange(len(starts)), starts)
    first_a, first_b = peaks.first.take(links)
    a = np.arange(len(link)) + (first_a - np.cumsum(starts) + starts).take(link)
    count = ends.take(link)
    to_b = first_b.take(link) - np.cumsum(count) + count
    a, to_b = np.repeat(a, count), np.repeat(to_b, count)
    b = np.arange(len(a)) + to_b
    ax, ay = peaks.x.take(a), peaks.y.take(a)
    dx, dy = peaks.x.take(b) - ax, peaks.y.take(b) - ay
    share = (np.arange(samples, dtype=np.float32) / np.float32(samples - 1))[:, None]
    row, column = (ay + share * dy).astype(np.int32), (ax + share * dx).astype(np.int32)
    outside = _outside(row, height) | _outside(column, width) if not peaks.within(paf) else None
    if outside is not None:
        row[outside] = column[outside] = 0
    row *= np.int32(width)
    row += column
    # one large array, which becomes the places of the x, then those of the y
    cells = row.astype(np.intp)
    flat = paf.reshape(-1)
    cells += np.repeat(x_field, pairs)
    along_x = flat.take(cells)
    cells += np.repeat(y_field - x_field, pairs)
    along_y = flat.take(cells)
    if outside is not None:
        along_x[outside] = along_y[outside] = 0.0
    length = np.sqrt(dx * dx + dy * dy) + np.float32(1e-5)
    total: FloatArray = along_x.sum(axis=0) * dx
    total += along_y.sum(axis=0) * dy
    total /= np.float32(samples) * length
    if supported:
        along_x *= dx
        along_y *= dy
        along_x += along_y
        there = np.add.reduce(along_x > LEAST_FIELD * length, axis=0, dtype=np.int16)
        total[there < LEAST_SUPPORT * samples] = 0.0
    return np.nan_to_num(total, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


@cache
def _moments(half: int) -> FloatArray:
    """Return what a window's values are weighted with for mass and moments: (3, cells)."""
    down, right = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    return np.array((np.ones_like(down), right, down), np.float32)


def _outside(place: Indices | FloatArray, size: int) -> NDArray[np.bool_]:
    return (place < 0) | (place >= size)


def _mirror(index: Indices, size: int) -> Indices:
    """Map indices beyond the edges to those as far inside; the edge itself is not repeated."""
    inside: Indices = (size - 1) - np.abs((size - 1) - np.abs(index))
    return inside


def _center(
    place: Indices, moment: FloatArray, mass: FloatArray, half: int, size: int, *, bounded: bool
) -> FloatArray:
    """Return the center of mass along an axis, in cells from the first one's outer edge.

    A network's map may be below zero around a peak. The quotient of moment and mass then says
    nothing about the peak, and it may be far away: ``bounded`` keeps it within the window.
    """
    usable = mass > 0 if bounded else np.abs(mass) > _LEAST_MASS
    center = place + np.divide(moment, mass, out=np.zeros_like(moment), where=usable)
    if bounded:
        center = np.clip(center, np.maximum(place - half, 0), np.minimum(place + half, size - 1))
    return (center + 0.5).astype(np.float32)
