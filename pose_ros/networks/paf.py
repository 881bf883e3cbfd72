"""Part affinity fields: of everybody at once, maps of the parts and fields of the links.

Sources: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017.
Peaks, scores and assignment give what the parser of NVIDIA-AI-IOT/trt_pose gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.contract import Contract, Value
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.tracking import best_pairs
from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError, OptionError
from pose_ros.networks.family import read_settings
from pose_ros.networks.one_shot import ROLE, Decode, DecodedPeople

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
        careful: Of cells alike that lie next to each other only the first is a peak, a peak's
            center of mass stays within its window, a link has its field on most of the way, and
            peaks are joined by ``join_strongest`` rather than ``join_all``: fewer people are
            split, fewer are taken for one, and no part lies far away from its peak.
        min_parts: Fewest parts of an object.
        min_score: Least mean score of the parts of an object.

    Raises:
        OptionError: The shapes do not fit each other or the skeleton, or a number is out of
            its range.
    """
    layout = skeleton if isinstance(skeleton, Topology) else topology(skeleton)
    cmap, paf = np.asarray(cmap, np.float32), np.asarray(paf, np.float32)
    _validate(cmap, paf, layout, window, samples)
    peaks = find_peaks(cmap[: layout.parts], threshold, window, max_parts, careful=careful)
    scores = score_links(paf, peaks, layout, samples, supported=careful)
    edges = assign(
        peaks, layout.links, scores, threshold if link_threshold is None else link_threshold
    )
    found = (join_strongest if careful else join_all)(peaks, edges)
    objects = [one for one in found if len(one) >= min_parts]
    if min_score > 0:
        score = peaks.score.tolist()
        objects = [one for one in objects if sum(score[p] for p in one) >= min_score * len(one)]
    return _objects(peaks, objects[:max_objects], cmap.shape[1:])


@dataclass(frozen=True, eq=False)
class Edges:
    """The E pairs of peaks that belong together, in the order of the links.

    Attributes:
        ends: (E, 2) indices of peaks.
        score: (E,) the mean of the field along the way from one to the other.
    """

    ends: Indices
    score: FloatArray


def assign(
    peaks: Peaks, links: Sequence[tuple[int, int]], scores: FloatArray, threshold: float
) -> Edges:
    """Choose, link by link, the pairs with the greatest sum of scores; no peak is in two.

    As many pairs as there can be are formed before those without enough score are dropped, as
    trt_pose does it: a bad pair may so cost a good one, but rarely does.

    Args:
        peaks: All of the image.
        links: Their two parts.
        scores: Link by link, for each peak of the first part those of the second.
        threshold: Score that a pair has to exceed.
    """
    counts = peaks.counts.tolist()
    rows, columns, begins, chosen = [], [], [0], []
    for link, (a, b) in enumerate(links):
        begin = begins[-1]
        begins.append(begin + counts[a] * counts[b])
        if begins[-1] > begin:
            table = scores[begin : begins[-1]].reshape(counts[a], counts[b])
            row, column = best_pairs(table, maximize=True)
            rows.append(row)
            columns.append(column)
            chosen.append((link, len(row)))
    if not chosen:
        return Edges(np.zeros((0, 2), np.intp), np.zeros(0, np.float32))
    link_of = np.repeat(*np.array(chosen, np.intp).T)
    parts = np.array(links, np.intp).take(link_of, axis=0)
    row, column = np.concatenate(rows), np.concatenate(columns)
    width = peaks.counts.take(parts[:, 1])
    score = scores.take(np.array(begins, np.intp).take(link_of) + row * width + column)
    ends = peaks.first.take(parts)
    ends[:, 0] += row
    ends[:, 1] += column
    enough = score > threshold
    return Edges(ends[enough], score[enough])


def join_all(peaks: Peaks, edges: Edges) -> list[list[int]]:
    """Make one object of all peaks that edges lead to, as trt_pose does it.

    Returns:
        The peaks of each object in the order in which they are reached, breadth first. Where
        two of them are the same part, the object has the later one.
    """
    neighbors: list[list[int]] = [[] for _ in range(len(peaks))]
    for a, b in edges.ends.tolist():
        neighbors[a].append(b)
        neighbors[b].append(a)
    seen = [False] * len(peaks)
    objects = []
    for start in range(len(peaks)):
        if not seen[start]:
            seen[start] = True
            reached = [start]
            for peak in reached:
                for other in neighbors[peak]:
                    if not seen[other]:
                        seen[other] = True
                        reached.append(other)
            objects.append(reached)
    return objects


def join_strongest(peaks: Peaks, edges: Edges) -> list[list[int]]:
    """Join peaks along the edges, the strongest first, unless an object had a part twice then.

    So two people that one wrong edge connects stay two, where ``join_all`` makes one of them
    and loses half of the parts.

    Returns:
        The peaks of each object, no part twice; the object with the most score first.
    """
    members = [[peak] for peak in range(len(peaks))]
    parts = [1 << part for part in peaks.part.tolist()]
    object_of = list(range(len(peaks)))
    order = np.argsort(-edges.score, kind="stable")
    for peak, other in edges.ends[order].tolist():
        a, b = object_of[peak], object_of[other]
        if a != b and not parts[a] & parts[b]:
            for moved in members[b]:
                object_of[moved] = a
            members[a] += members[b]
            parts[a] |= parts[b]
            members[b] = []
    score = peaks.score.tolist()
    objects = [found for found in members if found]
    return sorted(objects, key=lambda found: sum([score[peak] for peak in found]), reverse=True)


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


@dataclass(frozen=True)
class PafSettings:
    """What a card may say about the decoding of its network, under ``decoder``.

    Attributes:
        layout: Of the outputs, ``nchw`` or ``nhwc``.
        link_threshold: As for ``decode``, and so are those that follow.
    """

    layout: Literal["nchw", "nhwc"] = "nchw"
    link_threshold: float | None = None
    window: int = 5
    samples: int = 7
    careful: bool = True
    min_parts: int = 4
    min_score: float = 0.0

    def __post_init__(self) -> None:
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window must be odd, 1 or more, got {self.window}")
        if self.samples < 2 or self.min_parts < 1:
            raise ValueError(
                "samples must be 2 or more and min_parts 1 or more, "
                f"got {self.samples} and {self.min_parts}"
            )


def decoder(contract: Contract) -> Decode:
    """Return what makes people of the outputs that a card describes.

    They are ``cmap`` and ``paf``; or ``maps``, all in one, the fields last. A map of
    the background may follow those of the parts.

    Raises:
        ModelError: The outputs on the card do not fit its skeleton, or a setting is wrong.
    """
    settings, layout = read_settings(contract, PafSettings), topology(contract.skeleton)
    outputs = contract.outputs.get(ROLE, ())
    _check_outputs(contract, layout, outputs, settings.layout)
    size = contract.image(ROLE)
    scale = np.array([size.width, size.height], np.float32)
    order = {value.name: i for i, value in enumerate(outputs)}

    def decode_outputs(arrays: Sequence[FloatArray], threshold: float) -> DecodedPeople:
        maps = [array[0] for array in arrays]
        if settings.layout == "nhwc":
            maps = [array.transpose(2, 0, 1) for array in maps]
        if "maps" in order:
            # the fields are the last ones; in front of them may be a map of the background
            whole = maps[order["maps"]]
            cmap, paf = whole[: layout.parts], whole[len(whole) - layout.channels :]
        else:
            cmap, paf = maps[order["cmap"]], maps[order["paf"]]
        try:
            objects = decode(
                cmap,
                paf,
                layout,
                threshold,
                settings.link_threshold,
                settings.window,
                settings.samples,
                careful=settings.careful,
                min_parts=settings.min_parts,
                min_score=settings.min_score,
            )
        except OptionError as error:
            raise ModelError(f"{contract.network}: {error}") from error
        parts = np.isfinite(objects.xy[..., 0]).sum(axis=1)
        return DecodedPeople(
            # from the edges of the image to the centers of its pixels
            keypoints=objects.xy * scale - np.float32(0.5),
            keypoint_scores=objects.scores,
            scores=objects.scores.sum(axis=1) / np.maximum(parts, 1),
        )

    return decode_outputs


def _check_outputs(
    contract: Contract, layout: Topology, outputs: Sequence[Value], order: str
) -> None:
    """Compare channels with the skeleton, as far as the card gives the shapes."""
    parts, channels = layout.parts, layout.channels
    expected = {"cmap": (parts, parts + 1), "paf": (channels,)}
    if any(value.name == "maps" for value in outputs):
        expected = {"maps": (parts + channels, parts + 1 + channels)}
    got = {value.name: value.shape for value in outputs}
    if got.keys() != expected.keys():
        raise ModelError(
            f"{contract.network}: expected outputs cmap and paf, or maps, got {', '.join(got)}"
        )
    for name, counts in expected.items():
        axis = 1 if order == "nchw" else -1
        if len(got[name]) != 4 or got[name][axis] not in counts:
            raise ModelError(
                f"{contract.network}: {contract.skeleton.name} needs "
                f"{' or '.join(map(str, counts))} channels in the output {name}, "
                f"the card gives it the shape {list(got[name])} ({order})"
            )
