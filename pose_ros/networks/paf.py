"""Part affinity fields: of everybody at once, maps of the parts and fields of the links.

Sources: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017.
Peaks, scores and assignment give what the parser of NVIDIA-AI-IOT/trt_pose gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray
from pose_ros.errors import OptionError
from pose_ros.networks.paf_assembly import Indices, Peaks, assign, join_all, join_strongest


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
class Objects:
    """The N objects, people or hands, of one image.

    Attributes:
        xy: (N, C, 2) in [0, 1] from the image's upper left corner to the lower right one; NaN
            where a part is missing.
        scores: (N, C) values of the maps at the parts; 0 where one is missing.
    """

    xy: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.xy)


def decode(  # noqa: PLR0917 - in the order of trt_pose's own
    cmap: FloatArray,
    paf: FloatArray,
    skeleton: Skeleton | Topology,
    threshold: float = 0.1,
    link_threshold: float | None = None,
    window: int = 5,
    samples: int = 7,
    max_parts: int = 100,
    max_objects: int = 100,
    *,
    careful: bool = False,
    min_parts: int = 1,
    min_score: float = 0.0,
) -> FloatArray:
    """Find the objects of one image; see ``parse``, which gives scores too.

    Returns:
        (N, C, 2) x, y in [0, 1], NaN where a part is missing.
    """
    return parse(
        cmap,
        paf,
        skeleton,
        threshold,
        link_threshold,
        window,
        samples,
        max_parts,
        max_objects,
        careful=careful,
        min_parts=min_parts,
        min_score=min_score,
    ).xy


def parse(  # noqa: PLR0917
    cmap: FloatArray,
    paf: FloatArray,
    skeleton: Skeleton | Topology,
    threshold: float = 0.1,
    link_threshold: float | None = None,
    window: int = 5,
    samples: int = 7,
    max_parts: int = 100,
    max_objects: int = 100,
    *,
    careful: bool = False,
    min_parts: int = 1,
    min_score: float = 0.0,
) -> Objects:
    """Find the objects of one image.

    With the defaults of the last three they are those of trt_pose's own parser, in its order,
    single parts and all.

    Args:
        cmap: (C or more, H, W), a map a part.
        paf: (2 K or more, H, W), a field a link.
        skeleton: Parts and links; or their channels, where ``topology`` does not know them.
        threshold: Least value of a part's map at a peak.
        link_threshold: What the field's mean along a link has to exceed; ``threshold`` when None.
        window: Side in cells, odd, of the square in which a peak has no greater value, and over
            which its center of mass is taken.
        samples: At how many points along a link the field is read, 2 or more.
        max_parts: Most peaks of one part; those further down in the image are left out.
        max_objects: Most objects.
        careful: Of cells alike that lie next to each other only the first is a peak, and peaks
            are joined by ``join_strongest`` rather than ``join_all``: fewer people are split,
            and fewer are taken for one.
        min_parts: Fewest parts of an object.
        min_score: Least mean score of the parts of an object.

    Raises:
        OptionError: The shapes do not fit each other or the skeleton, or a number is out of
            its range.
    """
    layout = skeleton if isinstance(skeleton, Topology) else topology(skeleton)
    cmap, paf = np.asarray(cmap, np.float32), np.asarray(paf, np.float32)
    _validate(cmap, paf, layout, window, samples)
    peaks = find_peaks(cmap[: layout.parts], threshold, window, max_parts, distinct=careful)
    scores = score_links(paf, peaks, layout, samples)
    edges = assign(
        peaks, layout.links, scores, threshold if link_threshold is None else link_threshold
    )
    found = (join_strongest if careful else join_all)(peaks, edges)
    objects = [one for one in found if len(one) >= min_parts]
    if min_score > 0:
        score = peaks.score.tolist()
        objects = [one for one in objects if sum(score[p] for p in one) >= min_score * len(one)]
    return _objects(peaks, objects[:max_objects], cmap.shape[1:])


@np.errstate(invalid="ignore")
def find_peaks(
    cmap: FloatArray, threshold: float, window: int, max_parts: int, *, distinct: bool = False
) -> Peaks:
    """Find the places where a map is greatest within a window, to a fraction of a cell.

    Beyond its edges a map goes on as its mirror image; near what is no number is no peak.
    Only cells over the threshold are looked at: they are few, which makes this faster than a
    dilation of all maps.

    Args:
        cmap: (C, H, W).
        threshold: Least value.
        window: Side in cells.
        max_parts: Most peaks of a map; the first ones, row by row, are kept.
        distinct: Of cells alike within a window, the first one is the peak; else all are.
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
    if distinct:
        earlier = cells.reshape(values.shape) < cell
        is_peak &= ~((values == score) & earlier).any(axis=0)
    keep = np.flatnonzero(is_peak)
    counts = np.bincount(part.take(keep), minlength=parts)
    if counts.max() > max_parts:
        rank = np.arange(len(keep)) - (np.cumsum(counts) - counts).take(part.take(keep))
        keep, counts = keep[rank < max_parts], np.minimum(counts, max_parts)
    return Peaks(
        part=part.take(keep),
        x=_center(x, right, mass, half, width).take(keep),
        y=_center(y, down, mass, half, height).take(keep),
        score=score.take(keep),
        counts=counts,
    )


@np.errstate(invalid="ignore")
def score_links(paf: FloatArray, peaks: Peaks, layout: Topology, samples: int) -> FloatArray:
    """Return, for all pairs of peaks that a link may join, the field's mean along the way.

    Returns:
        Link by link, for each peak of its first part those of its second: the mean of the
        field's component from the first to the second.
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
    cell = (ay + share * dy).astype(np.int32)
    cell *= np.int32(width)
    cell += (ax + share * dx).astype(np.int32)
    cells = cell.astype(np.intp)
    flat = paf.reshape(-1)
    total: FloatArray = flat.take(cells + np.repeat(x_field, pairs)).sum(axis=0) * dx
    total += flat.take(cells + np.repeat(y_field, pairs)).sum(axis=0) * dy
    total /= np.float32(samples) * (np.sqrt(dx * dx + dy * dy) + np.float32(1e-5))
    return np.nan_to_num(total, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


@cache
def _moments(half: int) -> FloatArray:
    """Return what a window's values are weighted with for mass and moments: (3, cells)."""
    down, right = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    return np.array((np.ones_like(down), right, down), np.float32)


def _mirror(index: Indices, size: int) -> Indices:
    """Map indices beyond the edges to those as far inside; the edge itself is not repeated."""
    inside: Indices = (size - 1) - np.abs((size - 1) - np.abs(index))
    return inside


def _center(
    place: Indices, moment: FloatArray, mass: FloatArray, half: int, size: int
) -> FloatArray:
    """Return the center of mass along an axis, in cells from the first one's outer edge.

    A network's map may be below zero around a peak; the center stays within the window.
    """
    shift = np.divide(moment, mass, out=np.zeros_like(moment), where=mass > 0)
    low, high = np.maximum(place - half, 0), np.minimum(place + half, size - 1)
    center: FloatArray = (np.clip(place + shift, low, high) + 0.5).astype(np.float32)
    return center


def _objects(peaks: Peaks, objects: list[list[int]], shape: tuple[int, ...]) -> Objects:
    count = len(peaks.counts)
    xy = np.full((len(objects), count, 2), np.nan, np.float32)
    scores = np.zeros((len(objects), count), np.float32)
    members = np.array([peak for one in objects for peak in one], np.intp)
    row = np.repeat(np.arange(len(objects)), [len(one) for one in objects])
    part = peaks.part[members]
    # of peaks of the same part the last one stays
    xy[row, part, 0] = peaks.x[members] / shape[1]
    xy[row, part, 1] = peaks.y[members] / shape[0]
    scores[row, part] = peaks.score[members]
    return Objects(xy, scores)


def _validate(
    cmap: FloatArray, paf: FloatArray, layout: Topology, window: int, samples: int
) -> None:
    if cmap.ndim != 3 or paf.ndim != 3 or cmap.shape[1:] != paf.shape[1:]:
        raise OptionError(
            f"expected maps (C, H, W) and fields (2K, H, W) of one size, "
            f"got {cmap.shape} and {paf.shape}"
        )
    if len(cmap) < layout.parts or len(paf) < layout.channels:
        raise OptionError(
            f"expected {layout.parts} maps and {layout.channels} channels of fields, "
            f"got {len(cmap)} and {len(paf)}"
        )
    if window < 1 or window % 2 == 0 or window // 2 >= min(cmap.shape[1:]):
        raise OptionError(
            f"expected an odd window with half of it below the maps' {cmap.shape[1:]}, got {window}"
        )
    if samples < 2:
        raise OptionError(f"expected samples of 2 or more, got {samples}")
