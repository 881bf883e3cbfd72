"""Who is who across cameras: which person of one camera is which of another.

Two people of two cameras may be one where the viewing rays of their joints meet (the epipolar
distance, in units of what the rays may be off), where they meet as far away as a body of that size
in the image is, and where both were one a moment ago. Left and right of arms, legs or head may be
swapped in one of the cameras. People are then grouped, the pairs that fit best first, at most one
of each camera in a group.

Source of the distance: Sampson's error of the epipolar constraint; Hartley and Zisserman, Multiple
View Geometry, 2nd edition, section 11.4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import DEFAULT_HEIGHT, NETWORK_HEIGHT
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.triangulation import (
    LEAST_SCORE,
    BoolArray,
    axes_first,
    cross,
    dot,
    pixels_per_meter,
    sigmas_of_size,
    unit,
)
from pose_ros.core.skeletons import FOUND_SCORE, Skeleton, parts_of
from pose_ros.core.tracking import best_pairs
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError

NO_PERSON = -1
"""In place of a person's index or id."""

# All costs are mean squares in units of sigma, bounded: people who are one have about 1.
_BOUND = 9.0
_MOST_COST = 5.0
"""Above it two people are not one."""
_STRANGE = 3.0  # above it one of two is wrong about the body, if they are one
SWAP_GAIN = 1.0
"""By how much the cost of a part of the body falls at least where left and right are swapped."""
_STAYED = 3.0  # what it is worth that two were one a moment ago, and costs that they were not
_WERE_TWO = 1.0  # the latter, where one camera alone may have made two people of one
_BEST = 0.5  # the same, that two are best for each other with all others in mind
_CALIBRATION = 0.004  # radians: one sigma of what the extrinsics are off
SIZE_SPREAD = 0.16
"""One sigma of the distance by a body's size in the image, as a share."""
_DISTANCE_WEIGHT = 0.35
_MOST_RATIO = 3.0  # of the distance where rays meet to that by size, of people of any age
# Of someone among others: from which cost on they may be another one, and by how much less it has
# to be for that.
_DOUBTFUL, _GAIN = 2.0, 1.2
_UNKNOWN, _ELSEWHERE = 2.0, 4.0  # of costs by where people were expected
_LEAST_JOINTS = 4
_LEAST_SINE = 1e-6  # between rays, and meters of a depth
_FAR_COST = 4.0  # of what is that far off for sure
_COVERED = 0.5  # share of a body in another's box, from which on both are at one place
_SAME_BODY = 0.4  # of a body's size in the image: how far apart its joints are, found twice
_MIXED_COST = 2.5  # above it a body before or behind another one may be mixed of both
_SILENT = 2  # cameras that show no one where a new person has to be
_EITHER = 0.5  # up to which difference a body may be of either of two people
_WERE_ONE = 2.0  # by how much a cover counts more of people who were one
# Logarithms of two distances that may be one, where one of two is known and where none is.
_MOST_APART, _NEW_APART = 3.0 * math.sqrt(2.0) * SIZE_SPREAD, 1.2 * math.sqrt(2.0) * SIZE_SPREAD
_UNSTATED = 0.1  # one sigma of meters without one, as a share of the distance


@dataclass(frozen=True, eq=False)
class Crowd:
    """All people that the cameras see at one instant, one after the other: n people, K keypoints.

    Attributes:
        skeleton: Of all of them.
        views: (n,) index of the camera.
        rows: (n,) index among the people of that camera.
        ids: (n,) the camera's own id.
        pixels: (n, K, 2) as the cameras give them.
        rays: (n, K, 3) in the world, of a depth of one meter; NaN where not found.
        scores: (n, K) in [0, 1].
        pixel_sigmas: (n,) one sigma of a keypoint of score 1.
        sigmas: (n, K) radians, of a ray, score included.
        people: (n,) score of each person, in [0, 1].
        distances: (n,) meters along the optical axis by the body's size; NaN unknown.
        lifted: (n, K, 3) meters in the world that the camera alone gives, NaN unknown.
        lifted_sigmas: (n, K) meters, of them.
        sources: (n, K) of ``PositionSource``, of them.
        clothes: (n, 6) as in ``Poses``, NaN unknown.
    """

    skeleton: Skeleton
    views: NDArray[np.intp]
    rows: NDArray[np.intp]
    ids: NDArray[np.int64]
    pixels: Float64Array
    rays: Float64Array
    scores: Float64Array
    pixel_sigmas: Float64Array
    sigmas: Float64Array
    people: Float64Array
    distances: Float64Array
    lifted: Float64Array
    lifted_sigmas: Float64Array
    sources: NDArray[np.uint8]
    clothes: Float64Array

    def __len__(self) -> int:
        return len(self.views)

    @cached_property
    def keys(self) -> list[tuple[int, int]]:
        """Index of the camera and its own id, of each."""
        return list(zip(self.views.tolist(), self.ids.tolist(), strict=True))

    @cached_property
    def by_camera(self) -> list[slice]:
        """Those of each camera that sees someone: they follow each other."""
        starts = np.flatnonzero(self.views[1:] != self.views[:-1]) + 1
        return [slice(a, b) for a, b in pairwise([0, *starts.tolist(), len(self)])]

    def swapped(self, swaps: BoolArray) -> Crowd:
        """Return the people with left and right of parts of them swapped, (n, S)."""
        if not swaps.any():
            return self
        order = parts_of(self.skeleton).order(swaps)

        def take(values: Float64Array) -> Float64Array:
            index = order if values.ndim == 2 else order[..., None]
            return np.take_along_axis(values, index, axis=1)

        return replace(
            self,
            pixels=take(self.pixels),
            rays=take(self.rays),
            scores=take(self.scores),
            sigmas=take(self.sigmas),
            lifted=take(self.lifted),
            lifted_sigmas=take(self.lifted_sigmas),
        )

    @classmethod
    def of(cls, views: Sequence[CameraView], people: Sequence[Poses | None]) -> Crowd | None:
        """Return the people of cameras; None stands for a camera that has no image.

        Returns:
            None where no camera has one.

        Raises:
            OptionError: The skeletons differ.
        """
        skeletons = {poses.skeleton for poses in people if poses is not None}
        if not skeletons:
            return None
        if len(skeletons) > 1:
            names = ", ".join(sorted(each.name for each in skeletons))
            raise OptionError(f"expected one skeleton from all cameras, got {names}")
        skeleton = skeletons.pop()
        given = [(v, poses) for v, poses in enumerate(people) if poses is not None]
        all_poses = [poses for _, poses in given]
        counts = [len(poses) for poses in all_poses]
        which = np.repeat([v for v, _ in given], counts).astype(np.intp)
        focals = np.array([view.focal for view in views])[which]

        def join(name: str, *shape: int) -> Float64Array:
            """Return a field of all people; NaN, in that shape, where a camera does not say."""
            fields = [getattr(poses, name) for poses in all_poses]
            blank = (
                np.full((count, *shape), np.nan) if field is None else field
                for count, field in zip(counts, fields, strict=True)
            )
            return np.concatenate(list(blank), dtype=np.float64)

        keypoints = len(skeleton)
        scores, pixels = join("keypoint_scores"), join("keypoints")
        scale = pixels_per_meter(pixels, join("world", keypoints, 3))
        pixel_sigmas = sigmas_of_size(pixels, join("boxes"), scale)
        distances = focals * DEFAULT_HEIGHT / (NETWORK_HEIGHT * scale)
        camera = join("camera", keypoints, 3)
        depths = camera[..., 2]
        known = np.isfinite(depths)
        found = known.sum(axis=1)
        depth = np.where(known, depths, 0.0).sum(axis=1) / np.maximum(found, 1)
        stated = join("camera_sigmas", keypoints)
        # of who does not say it, as unsure as people of unknown height are
        silent = np.repeat([poses.camera_sigmas is None for poses in all_poses], counts)
        turns = np.array([view.extrinsics.rotation for view in views])[which]
        moves = np.array([view.extrinsics.translation for view in views])[which]
        return cls(
            skeleton=skeleton,
            views=which,
            rows=np.concatenate([np.arange(count) for count in counts]),
            ids=np.concatenate([poses.ids for poses in all_poses]),
            pixels=pixels,
            rays=np.concatenate([views[v].rays(poses.keypoints) for v, poses in given]),
            scores=scores,
            pixel_sigmas=pixel_sigmas,
            sigmas=(pixel_sigmas / focals)[:, None] / np.maximum(scores, LEAST_SCORE),
            people=join("scores"),
            distances=np.where(found > 0, depth, distances),
            lifted=(camera - moves[:, None]) @ turns,
            lifted_sigmas=np.where(silent[:, None], _UNSTATED * depths, stated),
            sources=np.concatenate(
                [
                    np.zeros(poses.keypoint_scores.shape, np.uint8)
                    if poses.camera_sources is None
                    else poses.camera_sources
                    for poses in all_poses
                ]
            ),
            clothes=join("clothes", 6),
        )


@dataclass(frozen=True, eq=False)
class Costs:
    """How badly n people fit to each other, by pairs.

    Attributes:
        total: (n, n) the less, the more likely they are one person; infinite for people of one
            camera, and for those who cannot be one.
        swaps: (n, n, S) whether left and right of a part of the body are swapped in one of the two
            and not in the other.
    """

    total: Float64Array
    swaps: BoolArray


def pair_costs(views: Sequence[CameraView], crowd: Crowd) -> Costs:
    """Return how badly the people of a crowd fit to each other."""
    parts = parts_of(crowd.skeleton)
    main, count = parts.main, len(crowd)
    total = np.full((count, count), np.inf)
    swaps = np.zeros((count, count, max(1, parts.count)), bool)
    # those of a camera follow each other
    first, second = np.nonzero(np.less(crowd.views[:, None], crowd.views))
    if not len(first):
        return Costs(total, swaps)
    units = unit(axes_first(crowd.rays.take(main, axis=1)))
    centers = np.array([view.extrinsics.center for view in views]).T
    places = centers.take(crowd.views, axis=1)
    shift = places.take(second, axis=1) - places.take(first, axis=1)
    length = np.sqrt(dot(shift, shift))
    fine = np.greater(length, _LEAST_SINE)  # two cameras at one place say nothing of depth
    base = (shift / np.where(fine, length, 1.0))[..., None]
    a, b = units.take(first, axis=1), units.take(second, axis=1)
    scores = crowd.scores.take(main, axis=1)
    spread = crowd.sigmas.take(main, axis=1) ** 2 + _CALIBRATION**2
    across_a, across_b = cross(a, base), cross(b, base)
    wide_a, wide_b = dot(across_a, across_a), dot(across_b, across_b)

    def compare(other: NDArray[np.intp]) -> tuple[Float64Array, Float64Array]:
        """Return squares (p, k) and weights, with keypoint ``other`` of the second person."""
        off = dot(across_a, b.take(other, axis=2))
        spreads = spread.take(first, axis=0), spread.take(other, axis=1).take(second, axis=0)
        sigma = spreads[0] * wide_b.take(other, axis=1) + spreads[1] * wide_a
        weights = scores.take(other, axis=1).take(second, axis=0)
        weights = np.minimum(scores.take(first, axis=0), weights)
        good = np.isfinite(off) & (sigma > 0)
        squares = np.where(good, off**2 / np.where(good, sigma, 1.0), 0.0)
        return np.minimum(squares, _BOUND), np.where(good, weights, 0.0)

    same = np.arange(len(main))
    mirrored = parts.main_mirrored
    squares, weights = compare(same)
    flipped, flipped_weights = compare(mirrored)
    which = parts.parts[main]
    for part in range(parts.count):
        of = which == part
        if not of.any():
            continue
        as_is = _mean(squares[:, of], weights[:, of])
        other = _mean(flipped[:, of], flipped_weights[:, of])
        swapped = other + SWAP_GAIN < as_is
        chosen = np.outer(swapped, of)
        # a swap is rarer than none: it costs what it has to gain at least
        squares = np.where(chosen, np.minimum(flipped + SWAP_GAIN, _BOUND), squares)
        weights = np.where(chosen, flipped_weights, weights)
        swaps[first, second, part] = swaps[second, first, part] = swapped
    cost = _mean(squares, weights)
    cost = cost + _DISTANCE_WEIGHT * _distance_costs(crowd, (first, second), (a, b), shift)
    enough = np.greater_equal((weights > LEAST_SCORE).sum(axis=1), min(_LEAST_JOINTS, len(main)))
    cost = np.where(enough & fine, cost, np.inf)
    total[first, second] = total[second, first] = cost
    return Costs(total, swaps)


def _distance_costs(
    crowd: Crowd,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    units: tuple[Float64Array, Float64Array],
    shift: Float64Array,
) -> Float64Array:
    """Return (p,) how badly the distance where rays meet fits to the bodies' size in the images.

    Args:
        crowd: The people.
        pairs: (p,) the first person of each pair, and the second.
        units: (3, p, m) along their rays.
        shift: (3, p) from the first one's camera to the second one's.
    """
    main = parts_of(crowd.skeleton).main
    a, b = units
    normal = cross(a, b)
    squared = dot(normal, normal)
    good = np.isfinite(squared)
    normal = np.where(good, normal, 0.0)
    count = np.maximum(good.sum(axis=1), 1)
    wide = np.where(good, squared, 0.0).sum(axis=1)
    sine = np.sqrt(wide / count)
    costs = np.zeros(len(wide))
    aside = cross(normal, shift[..., None])
    rays, sigmas = axes_first(crowd.rays.take(main, axis=1)), crowd.sigmas.take(main, axis=1)
    lengths = dot(rays, rays)
    for who, other in zip(pairs, (b, a), strict=True):
        # the one length along all rays of a person that brings them nearest to the other's
        met = np.where(good, dot(aside, other), 0.0).sum(axis=1)
        along = met / np.where(wide > 0, wide, 1.0)
        length = np.where(good, lengths.take(who, axis=0), 0.0).sum(axis=1) / count
        depth = along / np.sqrt(np.maximum(length, 1.0))
        sigma = np.where(good, sigmas.take(who, axis=0), 0.0).sum(axis=1) / count
        # rays that are almost parallel meet anywhere: inverse depths have even errors
        spread = (sigma / np.maximum(sine, _LEAST_SINE)) ** 2 + SIZE_SPREAD**2
        expected = crowd.distances[who]
        ratio = expected / np.where(np.abs(depth) > _LEAST_SINE, depth, np.inf)
        off = np.minimum((ratio - 1.0) ** 2 / spread, _BOUND)
        far = (ratio > _MOST_RATIO) | (ratio < 1.0 / _MOST_RATIO)
        off = np.where(far & (off > _FAR_COST), np.inf, off)
        costs = np.maximum(costs, np.where(np.isfinite(expected), off, 0.0))
    return costs


def group(
    crowd: Crowd,
    costs: Float64Array,
    before: NDArray[np.integer],
    apart: BoolArray | None = None,
) -> list[list[int]]:
    """Return the groups of people that are one, at most one of each camera in each.

    Groups are merged, those with the least mean cost first.

    Args:
        crowd: n people.
        costs: (n, n) of ``pair_costs``.
        before: (n,) who each was a moment ago; ``NO_PERSON`` where unknown.
        apart: (n, n) whether two people are known to be two; None: all who were two are.
    """
    count = len(crowd)
    both = (before[:, None] != NO_PERSON) & (before[None, :] != NO_PERSON)
    same = before[:, None] == before[None, :]
    two = _STAYED if apart is None else np.where(apart, _STAYED, _WERE_TWO)
    costs = costs + np.where(both, np.where(same, -_STAYED, two), 0.0)
    # of two cameras, what is best for all people together and not for one alone
    for ours, theirs in combinations(crowd.by_camera, 2):
        part = costs[ours, theirs]
        if min(part.shape) < 2:
            continue
        lines, places = best_pairs(np.minimum(part, 2.0 * _BOUND))
        part[lines, places] -= _BEST
        costs[theirs, ours][places, lines] -= _BEST
    groups: list[list[int]] = [[i] for i in range(count)]
    sums, sizes = costs.copy(), np.ones((count, count))
    np.fill_diagonal(sums, np.inf)
    means = sums.copy()
    while count:
        i, j = divmod(int(means.argmin()), count)
        if not means[i, j] <= _MOST_COST:
            break
        # people of one camera in both groups make the sum infinite
        groups[i] += groups[j]
        groups[j] = []
        sums[i] += sums[j]
        sums[:, i] += sums[:, j]
        sizes[i] += sizes[j]
        sizes[:, i] += sizes[:, j]
        sums[i, i] = sums[j] = sums[:, j] = np.inf
        means[i] = means[:, i] = sums[i] / sizes[i]
        means[j] = means[:, j] = np.inf
    return [members for members in groups if members]


def settle(
    crowd: Crowd,
    costs: Float64Array,
    groups: list[list[int]],
    places: Float64Array | None = None,
) -> list[list[int]]:
    """Return the groups with those moved who fit badly to their own and well to another one.

    What people were a moment ago counts a lot in ``group``. But a camera that slides from one body
    to another gives the one it shows the id of the one it has lost. Where the same camera sees that
    one better already, the body is left out.

    Args:
        crowd: n people.
        costs: (n, n) of ``pair_costs``.
        groups: Of ``group``.
        places: (n, n) how badly each is where the person that another one was a moment ago is
            expected, NaN unknown. No one is moved to where that person cannot be.
    """
    fits = _Fits.of(crowd, costs, places)
    kept = [list(members) for members in groups]
    doubtful = [
        (fits.nearest(i, group), i, g)
        for g, group in enumerate(kept)
        for i in group
        if len(group) > 1 and fits.nearest(i, group) > _DOUBTFUL
    ]
    for _, i, g in sorted(doubtful, reverse=True):
        if i not in kept[g] or not _DOUBTFUL < fits.nearest(i, kept[g]) < math.inf:
            continue  # others have left meanwhile
        others = [math.inf if h == g else fits.of_other(i, group) for h, group in enumerate(kept)]
        best = int(np.argmin(others))
        if not others[best] + _GAIN < fits.of_own(i, kept[g]):
            continue
        kept[g].remove(i)
        rival = next((j for j in kept[best] if not fits.apart[i, j]), None)
        if rival is None:
            kept[best].append(i)
        elif fits.of_own(rival, kept[best]) > others[best] + _GAIN:
            kept[best].remove(rival)
            kept[best].append(i)
            kept.append([rival])
    return [members for members in kept if members]


@dataclass(frozen=True, eq=False)
class _Fits:
    """How badly each of n people fits to groups of them.

    Attributes:
        costs: (n, n) bounded.
        places: (n, n) how badly each is where another one was expected.
        apart: (n, n) whether they are of two cameras.
    """

    costs: Float64Array
    places: Float64Array
    apart: BoolArray

    @classmethod
    def of(cls, crowd: Crowd, costs: Float64Array, places: Float64Array | None) -> _Fits:
        known = np.zeros_like(costs) if places is None else np.where(places >= 0, places, _UNKNOWN)
        apart: BoolArray = np.not_equal(crowd.views[:, None], crowd.views)
        return cls(np.minimum(costs, _BOUND), known, apart)

    def _pairs(self, i: int, group: list[int]) -> list[float]:
        """Return the costs to those of other cameras, rising."""
        return sorted(self.costs[i, [j for j in group if self.apart[i, j]]].tolist())

    def nearest(self, i: int, group: list[int]) -> float:
        """Return the cost to the best of those of other cameras."""
        return next(iter(self._pairs(i, group)), math.inf)

    def of_own(self, i: int, group: list[int]) -> float:
        """Return how badly one fits to its own group: by the nearest, and by place."""
        return self.nearest(i, group) + float(self.places[i, group].max())

    def of_other(self, i: int, group: list[int]) -> float:
        """Return how badly one fits to another group: by half of it, and by place."""
        found = self._pairs(i, group)
        place = float(self.places[i, group].max(initial=0.0))
        if not found or place > _ELSEWHERE:
            return math.inf
        return found[(len(found) - 1) // 2] + place


def without_mixtures(
    groups: list[list[int]], before: NDArray[np.integer], within: BoolArray
) -> list[list[int]]:
    """Return the groups without bodies that are likely mixed of two people.

    Where one person hides another, a network may find a body between both. What one camera alone
    shows is left out while it is before or behind a body, in the same image, of a person that
    other cameras see as well. Who was seen before, and is not seen elsewhere now, stays.

    Args:
        groups: Of ``group``.
        before: (n,) who each was a moment ago; ``NO_PERSON`` where unknown.
        within: (n, n) of ``overlaps``.
    """
    alone = [members[0] for members in groups if len(members) == 1]
    sure = [i for members in groups if len(members) > 1 for i in members]
    if not alone or not sure:
        return groups
    counts = {id_: int(np.equal(before, id_).sum()) for id_ in before[alone].tolist()}
    gone = {
        i
        for i in alone
        if (before[i] == NO_PERSON or counts[int(before[i])] > 1) and within[i, sure].any()
    }
    return [members for members in groups if members[0] not in gone]


def overlaps(crowd: Crowd) -> BoolArray:
    """Return (n, n) whether two bodies are before and behind each other in one image."""
    main = parts_of(crowd.skeleton).main
    known = crowd.scores[:, main] >= FOUND_SCORE
    low, high = _boxes(crowd.pixels[:, main], known, np.full(2, np.inf))
    area = np.prod(np.maximum(high - low, 0.0), axis=1)
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    inside = np.prod(np.maximum(shared, 0.0), axis=2)
    found: BoolArray = inside > _COVERED * np.minimum(area[:, None], area)
    # and one body that was found twice
    sizes = np.sqrt(np.sum((high - low) ** 2, axis=1))
    pixels = crowd.pixels[:, main]
    far = np.sqrt(np.sum((pixels[:, None] - pixels) ** 2, axis=3))
    good = known[:, None] & known & np.isfinite(far)
    far = np.where(good, far, 0.0).sum(axis=2) / np.maximum(good.sum(axis=2), 1)
    found |= good.any(axis=2) & (far < _SAME_BODY * np.minimum(sizes[:, None], sizes))
    found &= np.equal(crowd.views[:, None], crowd.views)
    np.fill_diagonal(found, False)
    return found


def without_doubtful(
    crowd: Crowd,
    costs: Float64Array,
    groups: list[list[int]],
    places: Float64Array,
    *,
    before: NDArray[np.integer],
    within: BoolArray,
) -> list[list[int]]:
    """Return the groups without bodies that may be of another person.

    The others of a group know the person without them, and one body of another person moves all
    joints. In doubt is a body of three and more that fits to another group clearly better, or as
    well where the camera does not show that person; and one that fits badly to its own while it is
    before or behind another body, or was another person. Of two that do not fit to each other, the
    one in doubt is clearly farther from where the person is expected.

    Args:
        crowd: n people.
        costs: (n, n) of ``pair_costs``.
        groups: Of ``group``.
        places: (n, n) how badly each is where the person that another one was is expected.
        before: (n,) who each was a moment ago; ``NO_PERSON`` where unknown.
        within: (n, n) of ``overlaps``.
    """
    bounded = np.minimum(costs, _BOUND)
    kept = _parted(bounded, groups)
    fits = _Doubts(
        bounded.tolist(),
        np.where(places >= 0.0, places, _UNKNOWN).tolist(),
        crowd.views.tolist(),
        before.tolist(),
        [any(own) for own in within.tolist()],
    )
    for members in kept:
        others = [group for group in kept if group is not members and len(group) > 1]
        while len(members) > 2:
            doubts = [fits.doubt(i, members, others) for i in members]
            if max(doubts) <= 0.0:
                break
            del members[int(np.argmax(doubts))]
        if len(members) == 2 and fits.pairs[members[0]][members[1]] > _STRANGE:
            near, far = sorted(members, key=lambda i: fits.places[i][i])
            off = fits.places[far][far]
            if off > max(_UNKNOWN, fits.places[near][near] + _GAIN):
                members.remove(far)
    return kept


@dataclass(frozen=True, eq=False)
class _Doubts:
    """How much each of n people is in doubt.

    Attributes:
        pairs: n by n, bounded costs.
        places: n by n, how badly each is where another one was expected.
        views: Of each, the camera.
        before: Of each, who they were a moment ago.
        covered: Of each, whether they are before or behind another one.
    """

    pairs: list[list[float]]
    places: list[list[float]]
    views: list[int]
    before: list[int]
    covered: list[bool]

    def fit(self, i: int, members: list[int]) -> float:
        """Return how badly one fits to others: by half of them, and by place."""
        others = [j for j in members if self.views[j] != self.views[i]]
        if not others:
            return math.inf
        place = min(self.places[i][j] for j in others)
        return median(self.pairs[i][j] for j in others) + place

    def doubt(self, i: int, members: list[int], groups: list[list[int]]) -> float:
        """Return how much one of a group is in doubt: above 0 they are.

        Args:
            i: Who.
            members: Their group.
            groups: All others of two and more.
        """
        others = [j for j in members if j != i]
        off = median(self.pairs[i][j] for j in others)
        was = self.before[i]
        was_other = was != NO_PERSON and was not in (self.before[j] for j in others)
        found = off - _MIXED_COST if self.covered[i] or was_other else -math.inf
        own = self.fit(i, members)
        for group in groups:
            if own <= _GAIN and min(self.pairs[i][j] for j in group) > _DOUBTFUL:
                continue
            missed = self.views[i] not in (self.views[j] for j in group)
            margin = -_EITHER * max(1.0, own / 2.0) if missed else _GAIN
            found = max(found, own - self.fit(i, group) - margin)
        return found


def _parted(costs: Float64Array, groups: list[list[int]]) -> list[list[int]]:
    """Return the groups with those parted that are two people, each of two cameras and more."""
    found = []
    for members in groups:
        block = costs[np.ix_(members, members)]
        np.fill_diagonal(block, 0.0)
        first, second = divmod(int(block.argmax()), len(members))
        ours = block[first] < block[second]
        if min(ours.sum(), (~ours).sum()) < 2 or not block[np.ix_(ours, ~ours)].mean() > _STRANGE:
            found.append(list(members))
            continue
        inner = max(block[np.ix_(own, own)].max() for own in (ours, ~ours))
        if block[np.ix_(ours, ~ours)].min() <= inner:
            found.append(list(members))
        else:
            found += [
                [i for i, own in zip(members, side, strict=True) if own] for side in (ours, ~ours)
            ]
    return found


def join_doubles(
    views: Sequence[CameraView],
    crowd: Crowd,
    groups: list[list[int]],
    apart: BoolArray | None = None,
    before: NDArray[np.integer] | None = None,
) -> tuple[list[list[int]], list[int]]:
    """Return the groups with those joined that stand at one place: no person is there twice.

    A network may lose a body whose box it still follows: its keypoints fit to no other camera's.
    But no two people stand at one place. Two groups without a camera in common are one person where
    each body, at its distance by size, covers the other in the images of all cameras of both, and
    no third group could be either of them.

    Args:
        views: V cameras.
        crowd: n people.
        groups: Of ``group``.
        apart: (n, n) whether two people are known to be two.
        before: (n,) who each was a moment ago, ``NO_PERSON`` where unknown: those who were one
            need to cover each other less.

    Returns:
        The groups, and the people of those that were joined, by the smaller side: one side is wrong
        about the body, and it is this one if it is smaller.
    """
    taken = [set(crowd.views[members].tolist()) for members in groups]
    pairs = [(a, b) for a, b in combinations(range(len(groups)), 2) if not taken[a] & taken[b]]
    if not pairs:
        return groups, []
    covers, off = _covers(views, crowd)
    both = np.minimum(covers, covers.T)
    most = np.full(both.shape, _NEW_APART)
    if before is not None:
        known = np.not_equal(before, NO_PERSON)
        same = np.equal(before[:, None], before) & known
        both = np.where(same, np.minimum(_WERE_ONE * both, 1.0), both)
        most = np.where(known | known[:, None], _MOST_APART, most)
    both = np.where(np.maximum(off, off.T) < most, both, 0.0)
    among = np.array([[both[np.ix_(a, b)].mean() for b in groups] for a in groups])
    candidates = sorted(pairs, key=lambda pair: -among[pair])
    joined, wrong = {a: list(members) for a, members in enumerate(groups)}, list[int]()
    for a, b in candidates:
        rivals = [
            c
            for c in range(len(groups))
            if c not in (a, b) and (taken[c] & (taken[a] | taken[b]))
            if (taken[c] & taken[a] and among[c, b] >= _COVERED)
            or (taken[c] & taken[b] and among[c, a] >= _COVERED)
        ]
        if among[a, b] < _COVERED or rivals or a not in joined or b not in joined:
            continue
        if apart is not None and apart[np.ix_(groups[a], groups[b])].any():
            continue
        first, second = (a, b) if len(groups[a]) >= len(groups[b]) else (b, a)
        joined[first] = groups[first] + groups[second]
        del joined[second]
        wrong += groups[second]
        # a third group waits for the next instant
        taken[first] = set(range(len(views)))
    return list(joined.values()), wrong


def doubtful_births(
    views: Sequence[CameraView],
    crowd: Crowd,
    groups: list[list[int]],
    *,
    before: NDArray[np.integer],
    within: BoolArray,
) -> set[int]:
    """Return which groups may be no new people, by their indices.

    Who fewer cameras show than others that look there and show no one may be nowhere. So may who a
    camera shows that does not show a larger group, or someone who is known, although they have to
    be in its image. And bodies each of which is before or behind one of a larger group may be mixed
    of two people.

    Args:
        views: V cameras.
        crowd: n people.
        groups: Of ``group``.
        before: (n,) who each was a moment ago; ``NO_PERSON`` where unknown.
        within: (n, n) of ``overlaps``.
    """
    known = [2 * int((before[members] != NO_PERSON).sum()) >= len(members) for members in groups]
    if all(known):
        return set()
    points = _middle(_placed(views, crowd))
    sizes = [len(members) for members in groups]
    taken = [set(crowd.views[members].tolist()) for members in groups]
    looking, found = set(crowd.views.tolist()), set()
    for g, members in enumerate(groups):
        if known[g]:
            continue
        at = points[members]
        larger = [h for h, size in enumerate(sizes) if size > len(members)]
        inside = [j for h in larger for j in groups[h]]
        missed = [
            h
            for h in range(len(groups))
            if not taken[g] & taken[h] and (h in larger or known[h])
            if any(_shows(views[v], points[groups[h]]) for v in taken[g])
        ]
        silent = sum(_shows(views[v], at) for v in looking - taken[g])
        mixed = bool(inside) and within[np.ix_(members, inside)].any(axis=1).all()
        if missed or mixed or silent >= max(_SILENT, len(members) + 1):
            found.add(g)
    return found


def _shows(view: CameraView, points: Float64Array) -> bool:
    """Return whether the middle of points (m, 3) in meters is in a camera's image."""
    (x, y), camera = view.project(_middle(points[None]))[0], view.camera
    return bool(0.0 <= x < camera.width and 0.0 <= y < camera.height)


def _middle(points: Float64Array) -> Float64Array:
    """Return (n, 3) the middle of points (n, m, 3) that are known; NaN where none is."""
    known = np.isfinite(points).all(axis=2, keepdims=True)
    total, count = np.where(known, points, 0.0).sum(axis=1), known.sum(axis=1)
    found: Float64Array = total / np.where(count > 0, count, np.nan)
    return found


def strangers(costs: Float64Array, groups: list[list[int]]) -> list[int]:
    """Return who fits badly to all others of their group, by costs (n, n) of ``pair_costs``."""
    found = []
    for members in groups:
        if len(members) > 1:
            off = costs[np.ix_(members, members)].min(axis=1)  # infinite to themselves
            found += [i for i, cost in zip(members, off, strict=True) if cost > _STRANGE]
    return found


def _covers(views: Sequence[CameraView], crowd: Crowd) -> tuple[Float64Array, Float64Array]:
    """Return (n, n) how much of the smaller of two bodies lies in the other's box, in [0, 1].

    In the image of the first person's camera. And logarithms of by how much their distances from
    it differ.
    """
    main = parts_of(crowd.skeleton).main
    sure = crowd.scores[:, main] >= FOUND_SCORE
    points = _placed(views, crowd)
    covers, apart = np.zeros((len(crowd), len(crowd))), np.full((len(crowd), len(crowd)), np.inf)
    for v, view in enumerate(views):
        own = np.flatnonzero(crowd.views == v)
        if not len(own):
            continue
        size = np.array([view.camera.width, view.camera.height], np.float64)
        low, high = _boxes(view.project(points), sure, size)
        own_low, own_high = _boxes(crowd.pixels[own][:, main], sure[own], size)
        shared = np.minimum(high, own_high[:, None]) - np.maximum(low, own_low[:, None])
        area = np.minimum(
            np.prod(high - low, axis=-1), np.prod(own_high - own_low, axis=-1)[:, None]
        )
        inside = np.prod(np.maximum(shared, 0.0), axis=-1)
        depths = view.extrinsics.to_camera(points)[..., 2]
        known = np.isfinite(depths)
        depth = np.where(known, depths, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        ratio = depth / crowd.distances[own][:, None]
        fine = ratio > 0.0
        apart[own] = np.where(fine, np.abs(np.log(np.where(fine, ratio, 1.0))), np.inf)
        covers[own] = np.where(area > 0, inside / np.where(area > 0, area, 1.0), 0.0)
    return covers, apart


def _placed(views: Sequence[CameraView], crowd: Crowd) -> Float64Array:
    """Return (n, m, 3) meters in the world where each camera alone has the joints."""
    main = parts_of(crowd.skeleton).main
    centers = np.array([view.extrinsics.center for view in views])
    flat = crowd.rays[:, main] * crowd.distances[:, None, None] + centers[crowd.views][:, None]
    return np.where(np.isfinite(crowd.lifted[:, main]), crowd.lifted[:, main], flat)


def _boxes(
    pixels: Float64Array, sure: BoolArray, size: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the corners (n, 2) of boxes around keypoints (n, m, 2), within an image."""
    known = (sure & np.isfinite(pixels).all(axis=2))[..., None]
    low = np.where(known, pixels, np.inf).min(axis=1)
    high = np.where(known, pixels, -np.inf).max(axis=1)
    return np.clip(low, 0.0, size), np.clip(high, 0.0, size)


def _mean(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Return (p,) weighted means; 0 where nothing has a weight."""
    total = weights.sum(axis=1)
    found: Float64Array = (values * weights).sum(axis=1) / np.where(total > 0, total, 1.0)
    return found
