"""Where cameras stand, from one person that they see.

The five-point method gives the poses of two cameras from the joints that both see, the other
cameras follow from the triangulated joints, and a bundle adjustment fits all cameras and joints
together. A body's bones stay as long as they are; the person's height, or a measured distance
between two cameras, gives the scale. Left and right of a view are swapped back where that fits
better: networks confuse them for people who are seen from behind.

Joints are not quite the same point for two cameras: each marks the middle of what it sees of a
limb. That error stays however many frames there are, hence the sigmas are those of solutions that
leave out one part of the body each (delete-a-group jackknife).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.lifting.body_model import (
    ARM_SPREAD,
    BONES,
    DEFAULT_HEIGHT,
    DEFAULT_HEIGHT_SPREAD,
    FOREARM,
    KNOWN_HEIGHT_SPREAD,
    UPPER_ARM,
    under_skin,
)
from pose_ros.core.multiview.bundle import (
    Bundle,
    BundleResult,
    BundleState,
    EqualBones,
    IntArray,
    Observations,
    Scale,
    solve,
)
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.errors import OptionError

BoolArray = NDArray[np.bool_]

MAX_FRAMES = 40
"""Instants that are solved for, spread over the person's path; more change little."""
ALL_PEOPLE_FRAMES = 80
"""The same of several people, all of them together."""
LEAST_FRAMES = 8
"""Instants that two cameras have to share."""

_JOINT_ERROR = 0.006  # of the height: one sigma of a keypoint on the skin
_LIMB_ERROR = 0.25  # of the depth of a joint under the skin: what two views differ by
_LEAST_PIXELS = 1.0
_BONE_SPREAD = 0.15  # one sigma of a bone's length over time
_PLACEMENT = 0.10  # one sigma of a bone between keypoints about that between joints, as a share
_STATURE_SPREAD = 0.015
_PEOPLE_SPREAD = 0.06  # one sigma of the height of one of several people about their mean
_STATURE = ("neck", "trunk", "thigh", "shank")
"""A chain from ear to ankle: where a hip or a knee is taken to lie cancels out along it."""
LEAST_JOINTS = 8  # in each of two views of an instant
_THRESHOLDS = (0.01, 0.03)  # of the person's extent: error of an inlier of the five-point method
_FAR = 0.04  # of the height: error of a joint that does not fit
_GOOD_ANGLE = 20.0  # degrees between rays, from which on depth is well known
_CLOCK_ROUNDS = 4
_CLOCK_SETTLED = 0.004  # seconds: offsets that change by less change little else


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """One person as one camera saw them: T images, K keypoints.

    Attributes:
        name: Of the camera.
        camera: Its intrinsics, with the lens distortion of the images.
        stamps: (T,) seconds, rising; the same clock for all cameras, or see ``offsets``.
        keypoints: (T, K, 2) pixels; NaN where a joint was not found, or several people were.
    """

    name: str
    camera: Camera
    stamps: Float64Array
    keypoints: Float64Array

    def __post_init__(self) -> None:
        stamps, keypoints = np.asarray(self.stamps, float), np.asarray(self.keypoints, float)
        if keypoints.ndim != 3 or keypoints.shape[::2] != (len(stamps), 2):
            raise OptionError(
                f"PersonTrack.keypoints: expected (T, K, 2) for T stamps, got {keypoints.shape}"
            )
        if np.any(np.diff(stamps) <= 0) or not np.isfinite(stamps).all():
            raise OptionError("PersonTrack.stamps: expected rising stamps")
        object.__setattr__(self, "stamps", stamps)
        object.__setattr__(self, "keypoints", keypoints)


@dataclass(frozen=True, eq=False)
class CameraFit:
    """How well one camera's place is known.

    Attributes:
        name: Of the camera.
        frames: Instants in which it contributed.
        median_pixels: Reprojection error.
        high_pixels: The same, 90th percentile.
        rotation_sigma: Radians, against the first camera; NaN for that one.
        baseline_sigma: Of the distance to the first camera, as a share; NaN for that one.
        coverage: Share of the image that the points lie in, by cells of a 6 x 6 grid.
        clock_sigma: Seconds, of the offset of its clock; NaN where it was not found along.
    """

    name: str
    frames: int
    median_pixels: float
    high_pixels: float
    rotation_sigma: float
    baseline_sigma: float
    coverage: float
    clock_sigma: float = math.nan


@dataclass(frozen=True, eq=False)
class RigCalibration:
    """Cameras in a common world, and how sure that is.

    Attributes:
        views: The cameras, in the order of the input.
        fits: How well each is known.
        points: (..., 3) meters in the world, what was seen: (T, K, 3) joints; NaN where unknown.
        up: (3,) against gravity, in the world; None where it is not known.
        floor: Meters along ``up`` from the world's origin to the floor; None where not known.
        notes: What is doubtful, a line each.
        offsets: (V,) seconds to add to each camera's stamps for one clock; None: not known.
        up_sigma: One sigma of ``up``, radians; NaN where it is not known.
        floor_sigma: The same of the height of the first camera above the floor, meters.
    """

    views: tuple[CameraView, ...]
    fits: tuple[CameraFit, ...]
    points: Float64Array
    up: Float64Array | None = None
    floor: float | None = None
    notes: tuple[str, ...] = ()
    offsets: Float64Array | None = None
    up_sigma: float = math.nan
    floor_sigma: float = math.nan


@dataclass(frozen=True, eq=False)
class Sightings:
    """What all cameras saw at T instants: V cameras, K keypoints.

    Of several people, each instant is there for each of them that two cameras saw.
    """

    skeleton: Skeleton
    names: tuple[str, ...]
    matrices: Float64Array  # (V, 3, 3)
    pixels: Float64Array  # (V, T, K, 2), lens distortion undone, NaN where unknown
    speeds: Float64Array  # (V, T, K, 2) pixels a second, 0 where unknown
    people: IntArray  # (T,) index of the person

    def mirrored(self, camera: int, instants: BoolArray | None = None) -> Sightings:
        """Return what was seen with left and right of one camera exchanged, in some instants."""
        mirror = np.arange(len(self.skeleton))
        for left, right in self.skeleton.left_right:
            mirror[left], mirror[right] = right, left
        which = slice(None) if instants is None else instants
        pixels, speeds = self.pixels.copy(), self.speeds.copy()
        for values in (pixels, speeds):
            values[camera, which] = values[camera, which][:, mirror]
        return replace(self, pixels=pixels, speeds=speeds)

    def only(self, rows: NDArray[np.intp]) -> Sightings:
        """Return some of the instants."""
        return replace(
            self,
            pixels=self.pixels[:, rows],
            speeds=self.speeds[:, rows],
            people=self.people[rows],
        )

    @property
    def known(self) -> BoolArray:
        """(V, T, K): whether a keypoint was seen."""
        return np.asarray(np.isfinite(self.pixels).all(axis=-1), bool)

    def rays(self, camera: int) -> Float64Array:
        """Return (T, K, 2) the slopes of a camera's rays, right and down."""
        matrix = self.matrices[camera]
        found: Float64Array = (self.pixels[camera] - matrix[:2, 2]) / matrix[[0, 1], [0, 1]]
        return found


@dataclass(frozen=True, eq=False)
class Cameras:
    """Rotations (V, 3, 3) and translations (V, 3) of those cameras that are ``placed`` (V,)."""

    rotations: Float64Array
    translations: Float64Array
    placed: BoolArray

    def centers(self) -> Float64Array:
        """Return (V, 3) where the lenses are, meters in the world."""
        found: Float64Array = -np.einsum("vji,vj->vi", self.rotations, self.translations)
        return found

    def scaled(self, factor: float) -> Cameras:
        """Return the same cameras, farther apart by a factor."""
        return replace(self, translations=self.translations * factor)

    def at(self, state: BundleState) -> Cameras:
        """Return the same cameras, all of them placed, where a solution has them."""
        return replace(self, rotations=state.rotations, translations=state.translations)


def calibrate_from_person(
    tracks: Sequence[PersonTrack],
    skeleton: Skeleton,
    *,
    height: float | None = None,
    baseline: tuple[int, int, float] | None = None,
    offsets: Sequence[float] | None = None,
    solve_clocks: bool = False,
) -> RigCalibration:
    """Find where cameras stand from one person who walks through their views.

    Args:
        tracks: What each of two or more cameras saw.
        skeleton: Of the keypoints; names decide what is known of a joint.
        height: Meters, of the person; None: unknown.
        baseline: Indices of two cameras, and meters between them; None: unknown.
        offsets: Seconds to add to each camera's stamps; None: all clocks agree.
        solve_clocks: Whether these offsets are a guess, to about one image: the true ones are
            found along with the places.

    Returns:
        The cameras. The world is the first camera's optical frame where gravity is unknown.
        Otherwise its z points up from the floor below the first camera, which looks along x.

    Raises:
        OptionError: There are too few cameras, a number is out of its range, or the cameras do
            not see the person together for long enough; the message names the camera.
    """
    return calibrate_from_persons(
        [tracks],
        skeleton,
        height=height,
        baseline=baseline,
        offsets=offsets,
        solve_clocks=solve_clocks,
    )


def calibrate_from_persons(
    persons: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    *,
    height: float | None = None,
    baseline: tuple[int, int, float] | None = None,
    offsets: Sequence[float] | None = None,
    solve_clocks: bool = False,
) -> RigCalibration:
    """Find where cameras stand from people, where it is known who is who.

    Args:
        persons: Of each person, what each camera saw; all NaN where it did not see them.
        skeleton: As for ``calibrate_from_person``.
        height: Likewise; of several people the mean.
        baseline: Likewise.
        offsets: Likewise.
        solve_clocks: Likewise.

    Raises:
        OptionError: As ``calibrate_from_person``.
    """
    tracks = persons[0]
    if len(tracks) < 2:
        raise OptionError(f"expected two or more cameras, got {len(tracks)}")
    if height is not None and not 0.5 <= height <= 2.5:
        raise OptionError(f"the person's height must be in [0.5, 2.5] m, got {height:g}")
    if baseline is not None and not baseline[2] > 0.0:
        raise OptionError(f"a baseline must be above 0 m, got {baseline[2]:g}")
    clocks = np.zeros(len(tracks)) if offsets is None else np.array(offsets, np.float64)
    seen = sightings_of(persons, skeleton, clocks)
    notes = _shared_notes(seen)
    cameras, seen = _first_guess(seen)
    scale = _scale(height, baseline)
    for _ in range(2):
        fit = _Fit.of(seen, cameras, scale)
        result = solve(fit.bundle, fit.start)
        cameras = cameras.at(result.state)
        seen = unswapped(seen, cameras, fit.height(result.state))
        seen = without_strangers(seen, cameras, fit.height(result.state))
    fit = _Fit.of(seen, cameras, scale)
    start = replace(fit.start, offsets=np.zeros(len(tracks)) if solve_clocks else None)
    result = solve(fit.bundle, start)
    for _ in range(_CLOCK_ROUNDS):
        gained = result.state.offsets
        if gained is None or float(np.abs(gained).max()) < _CLOCK_SETTLED:
            break
        # joints move along straight lines for a moment only: look at the images of then
        clocks = clocks + gained
        cameras = cameras.at(result.state)
        seen = sightings_of(persons, skeleton, clocks)
        seen = unswapped(seen, cameras, fit.height(result.state))
        seen = without_strangers(seen, cameras, fit.height(result.state))
        fit = _Fit.of(seen, cameras, scale)
        result = solve(fit.bundle, replace(fit.start, offsets=np.zeros(len(tracks))))
    if result.state.offsets is not None:
        clocks = clocks + result.state.offsets
    points = fit.points(result.state)
    fits, doubts = _judged(fit, result, seen, tracks)
    if height is None and baseline is None:
        notes.append(
            f"no height and no baseline were given: meters are for a person of "
            f"{DEFAULT_HEIGHT:g} m, {100 * DEFAULT_HEIGHT_SPREAD:.0f}% off or more"
        )
    notes += doubts + _movement_notes(points)
    views = tuple(
        CameraView(track.name, track.camera, Extrinsics(turn, shift))
        for track, turn, shift in zip(
            tracks, result.state.rotations, result.state.translations, strict=True
        )
    )
    found = RigCalibration(views, fits, points, notes=tuple(notes), offsets=clocks)
    return stand_up(found, skeleton)


def _scale(height: float | None, baseline: tuple[int, int, float] | None) -> Scale:
    if height is not None:
        return Scale((height, KNOWN_HEIGHT_SPREAD), baseline)
    return Scale((DEFAULT_HEIGHT, DEFAULT_HEIGHT_SPREAD), baseline)


# ---- instants ----------------------------------------------------------------------------------


def interpolated(track: PersonTrack, stamps: Float64Array, offset: float = 0.0) -> Float64Array:
    """Return (T, K, 2) a track's keypoints at other stamps, linearly between two images.

    NaN where either image has no such joint, or they are farther apart than two and a half
    images usually are.
    """
    own = track.stamps + offset
    if len(own) < 2:
        return np.full((len(stamps), *track.keypoints.shape[1:]), np.nan)
    after = np.clip(np.searchsorted(own, stamps), 1, len(own) - 1)
    before = after - 1
    gap = own[after] - own[before]
    share = (stamps - own[before]) / gap
    far = gap > 2.5 * float(np.median(np.diff(own)))
    far |= (share < -1e-6) | (share > 1.0 + 1e-6)
    share = np.clip(share, 0.0, 1.0)[:, None, None]
    # an image of exactly this stamp needs no neighbor
    first = np.where(share < 1.0 - 1e-6, track.keypoints[before], 0.0)
    second = np.where(share > 1e-6, track.keypoints[after], 0.0)
    found: Float64Array = first * (1.0 - share) + second * share
    found[far] = np.nan
    return found


def sightings_of(
    persons: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    offsets: Sequence[float] | Float64Array,
    count: int | None = None,
) -> Sightings:
    """Return what all cameras saw of each person, at instants that are spread over their path.

    Args:
        persons: Of each, what each camera saw.
        skeleton: Of the keypoints.
        offsets: Seconds to add to each camera's stamps.
        count: Most instants of each person; None: as many as are solved for.

    Raises:
        OptionError: Fewer instants than are needed have a person in two views.
    """
    if count is None and len(persons) > 1:
        count = max(LEAST_FRAMES, ALL_PEOPLE_FRAMES // len(persons))
    count = count or MAX_FRAMES
    found, most = [], 0
    for i, tracks in enumerate(persons):
        seen, shared = _sightings_of_one(tracks, skeleton, offsets, count, i)
        most = max(most, shared)
        if seen is not None:
            found.append(seen)
    if not found:
        raise OptionError(
            f"only {most} instants have one person in two views at once, "
            f"{LEAST_FRAMES} are needed: walk where the cameras see you together"
        )
    if len(found) == 1:
        return found[0]
    return replace(
        found[0],
        pixels=np.concatenate([seen.pixels for seen in found], axis=1),
        speeds=np.concatenate([seen.speeds for seen in found], axis=1),
        people=np.concatenate([seen.people for seen in found]),
    )


def _sightings_of_one(
    tracks: Sequence[PersonTrack],
    skeleton: Skeleton,
    offsets: Sequence[float] | Float64Array,
    count: int,
    person: int,
) -> tuple[Sightings | None, int]:
    """Return what all cameras saw of one person, None if too little, and instants of two views."""
    merged = np.unique(
        np.concatenate([t.stamps + offset for t, offset in zip(tracks, offsets, strict=True)])
    )
    period = min(float(np.median(np.diff(t.stamps))) for t in tracks if len(t.stamps) > 1)
    stamps = merged[np.concatenate([[True], np.diff(merged) > 0.25 * period])]
    pixels = np.stack([interpolated(t, stamps, o) for t, o in zip(tracks, offsets, strict=True)])
    for track, found in zip(tracks, pixels, strict=True):
        size = np.array([track.camera.width, track.camera.height])
        beyond = np.any((found < 0) | (found > size - 1), axis=-1)
        found[beyond] = np.nan
    enough = np.isfinite(pixels).all(axis=-1).sum(axis=2) >= LEAST_JOINTS
    shared = np.flatnonzero(enough.sum(axis=0) >= 2)
    if len(shared) < LEAST_FRAMES:
        return None, len(shared)
    chosen = shared[_along_path(pixels[:, shared], tracks, count)]
    undistorted = np.stack(
        [t.camera.undistort(p) for t, p in zip(tracks, pixels[:, chosen], strict=True)]
    )
    for found, sees in zip(undistorted, enough[:, chosen], strict=True):
        found[~sees] = np.nan
    speeds = np.stack(
        [_speeds(t, stamps[chosen], o, period) for t, o in zip(tracks, offsets, strict=True)]
    )
    matrices = np.stack([t.camera.matrix for t in tracks])
    names, people = tuple(t.name for t in tracks), np.full(len(chosen), person)
    return Sightings(skeleton, names, matrices, undistorted, speeds, people), len(shared)


def _speeds(track: PersonTrack, stamps: Float64Array, offset: float, period: float) -> Float64Array:
    """Return (T, K, 2) pixels a second by which keypoints move, 0 where that is not known."""
    half = 0.5 * max(period, float(np.median(np.diff(track.stamps))))
    after, before = (
        track.camera.undistort(interpolated(track, stamps + step, offset)) for step in (half, -half)
    )
    found: Float64Array = np.nan_to_num((after - before) / (2.0 * half), nan=0.0)
    return found


def _along_path(
    pixels: Float64Array, tracks: Sequence[PersonTrack], count: int
) -> NDArray[np.intp]:
    """Return at most ``count`` instants, spread over time and over how far the joints move.

    Of each stretch it is the one with the least movement: an image is blurred, and two cameras
    see different instants, by as much as the person moves.
    """
    sizes = np.array([max(t.camera.width, t.camera.height) for t in tracks], float)
    steps = np.linalg.norm(np.diff(pixels, axis=1), axis=-1) / sizes[:, None, None]
    known = np.isfinite(steps)
    mean = np.where(known, steps, 0.0).sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
    mean = np.minimum(mean, 3.0 * np.median(mean)) + 1e-9  # a jump is a mistake, not a path
    path = np.concatenate([[0.0], np.cumsum(mean)]) / mean.sum()
    both = (path + np.linspace(0.0, 1.0, len(path))) / 2.0
    stretch = np.minimum((both * count).astype(int), count - 1)
    speed = np.maximum(np.append(mean, mean[-1]), np.insert(mean, 0, mean[0]))
    order = np.lexsort((speed, stretch))
    found: NDArray[np.intp] = np.sort(order[np.unique(stretch[order], return_index=True)[1]])
    return found


def _shared_notes(seen: Sightings) -> list[str]:
    """Say which cameras share few instants.

    Raises:
        OptionError: A camera shares too few with all others.
    """
    sees = seen.known.sum(axis=2) >= LEAST_JOINTS
    total = sees.shape[1]
    counts = {(a, b): int((sees[a] & sees[b]).sum()) for a, b in combinations(range(len(sees)), 2)}
    for camera, name in enumerate(seen.names):
        most = max(count for pair, count in counts.items() if camera in pair)
        if most < LEAST_FRAMES:
            raise OptionError(
                f"{name} sees the person together with another camera in {most} of the "
                f"{total} instants used, {LEAST_FRAMES} are needed"
            )
    return [
        f"{seen.names[a]} and {seen.names[b]} share only {count} of {total} instants"
        for (a, b), count in counts.items()
        if count < total // 4
    ]


# ---- bones -------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _body_bones(
    skeleton: Skeleton,
) -> tuple[IntArray, IntArray, Float64Array, Float64Array, IntArray]:
    """Return ends (B, 2), kinds (B,), lengths and spreads (C,), and the stature's kinds.

    Raises:
        OptionError: The skeleton lacks the joints of a body.
    """
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    rows = [
        (bone.start[0], bone.end[0], bone.kind, bone.length, bone.spread)
        for bone in BONES
        if len(bone.start) == 1
    ]
    across = {bone.kind: bone for bone in BONES}
    wider = (across["shoulders"].length - across["hips"].length) / 2.0
    trunk = math.hypot(across["trunk"].length, wider)
    wider = (across["shoulders"].length - across["ears"].length) / 2.0
    neck = math.hypot(across["neck"].length, wider)
    for side in SIDES:
        rows += [
            (f"{side}_hip", f"{side}_shoulder", "trunk", trunk, across["trunk"].spread),
            (f"{side}_shoulder", f"{side}_ear", "neck", neck, across["neck"].spread),
            (f"{side}_shoulder", f"{side}_elbow", "upper_arm", UPPER_ARM, ARM_SPREAD),
            (f"{side}_elbow", f"{side}_wrist", "forearm", FOREARM, ARM_SPREAD),
        ]
    rows = [row for row in rows if row[0] in names and row[1] in names]
    kinds = {row[2]: row for row in rows}
    if not {"trunk", "upper_arm", "forearm"} <= kinds.keys():
        raise OptionError(f"{skeleton.name} lacks the joints of a body: shoulders, elbows, ...")
    order = list(kinds)
    return (
        np.array([(names[row[0]], names[row[1]]) for row in rows]),
        np.array([order.index(row[2]) for row in rows]),
        np.array([row[3] for row in kinds.values()]),
        np.array([math.hypot(row[4], _PLACEMENT) for row in kinds.values()]),
        np.array([order.index(kind) for kind in _STATURE if kind in order]),
    )


def heights_by_bones(points: Float64Array, skeleton: Skeleton) -> Float64Array:
    """Return (B,) the body's height by each bone, median over time; NaN where none is known."""
    ends, kinds, lengths, *_ = _body_bones(skeleton)
    far = np.linalg.norm(points[:, ends[:, 0]] - points[:, ends[:, 1]], axis=2)
    known = np.isfinite(far)
    found = np.full(len(ends), np.nan)
    for bone in np.flatnonzero(known.any(axis=0)):
        found[bone] = np.median(far[known[:, bone], bone]) / lengths[kinds[bone]]
    return found


# ---- first guess -------------------------------------------------------------------------------


def triangulated(seen: Sightings, cameras: Cameras) -> Float64Array:
    """Return (T, K, 3) where the rays of two or more placed cameras pass each other most nearly.

    NaN where fewer see the joint, and where it would lie behind one of them.
    """
    known = seen.known & cameras.placed[:, None, None]
    normal = np.zeros((*known.shape[1:], 3, 3))
    right = np.zeros((*known.shape[1:], 3))
    for v, center in enumerate(cameras.centers()):
        ray = np.concatenate([seen.rays(v), np.ones((*known.shape[1:], 1))], axis=-1)
        ray = np.nan_to_num(ray) @ cameras.rotations[v]
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        across = np.eye(3) - ray[..., :, None] * ray[..., None, :]
        across = np.where(known[v][..., None, None], across, 0.0)
        normal += across
        right += across @ center
    enough = known.sum(axis=0) >= 2
    normal[~enough] = np.eye(3)
    normal += 1e-9 * np.eye(3)
    points: Float64Array = np.linalg.solve(normal, right[..., None])[..., 0]
    for v in np.flatnonzero(cameras.placed).tolist():
        depth = points @ cameras.rotations[v][2] + cameras.translations[v][2]
        enough &= ~known[v] | (depth > 1e-3)
    points[~enough] = np.nan
    return points


def misfits(
    seen: Sightings, cameras: Cameras, points: Float64Array, height: float
) -> tuple[Float64Array, BoolArray]:
    """Return how far joints are from where they should be seen.

    Returns:
        (V, T, K) errors in shares of the height at the joint's depth, 9 where there is no point,
        and which of them count.
    """
    known = seen.known & cameras.placed[:, None, None]
    shared = known.sum(axis=0) >= 2
    errors = np.full(known.shape, 9.0)
    for v in np.flatnonzero(cameras.placed).tolist():
        local = points @ cameras.rotations[v].T + cameras.translations[v]
        depth = local[..., 2:]
        off = np.linalg.norm(local[..., :2] - seen.rays(v) * depth, axis=-1) / height
        errors[v] = np.where(np.isfinite(off), np.minimum(off, 9.0), 9.0)
    return errors, known & shared


def _costs(errors: Float64Array, counts: BoolArray) -> Float64Array:
    """Return (T,) mean robust cost of each instant; inf where nothing counts."""
    cost = np.where(counts, np.log1p((errors / _FAR) ** 2), 0.0).sum(axis=(0, 2))
    count = counts.sum(axis=(0, 2))
    found: Float64Array = np.where(count > 0, cost / np.maximum(count, 1), np.inf)
    return found


_LEAST_FITTING = 0.6  # of the joints of one person in two views


def without_strangers(seen: Sightings, cameras: Cameras, height: float) -> Sightings:
    """Return what was seen of several people without views that show another one.

    Where people hide each other, a camera takes one for the other for a moment. A person who is
    alone has no one to be taken for, and keeps what little their joints may say.
    """
    if len(np.unique(seen.people)) < 2:
        return seen
    pixels = seen.pixels.copy()
    for _ in range(len(seen.names) - 1):
        trial = replace(seen, pixels=pixels)
        errors, counts = misfits(trial, cameras, triangulated(trial, cameras), height)
        among = counts.sum(axis=2)
        fitting = (counts & (errors < _FAR)).sum(axis=2) / np.maximum(among, 1)
        fitting[among == 0] = 1.0
        worst = fitting.argmin(axis=0)
        rows = np.flatnonzero(fitting.min(axis=0) < _LEAST_FITTING)
        if not len(rows):
            break
        pixels[worst[rows], rows] = np.nan
    enough = (np.isfinite(pixels).all(axis=-1).sum(axis=2) >= LEAST_JOINTS).sum(axis=0) >= 2
    kept = np.flatnonzero(enough)
    return replace(seen, pixels=pixels).only(kept) if len(kept) >= LEAST_FRAMES else seen


_WORTH_SWAPPING = 0.1


def unswapped(seen: Sightings, cameras: Cameras, height: float) -> Sightings:
    """Return what was seen with left and right exchanged in views where that fits better."""
    placed = np.flatnonzero(cameras.placed)

    def cost(trial: Sightings) -> Float64Array:
        return _costs(*misfits(trial, cameras, triangulated(trial, cameras), height))

    best = cost(seen)
    for _ in range(2 if len(placed) > 2 else 1):
        before = seen
        # two views that are both swapped agree: the first one stays as it is
        for v in placed if len(placed) > 2 else placed[1:]:
            trial = cost(seen.mirrored(v))
            better = trial < best - _WORTH_SWAPPING
            if better.any():
                seen, best = seen.mirrored(v, better), np.where(better, trial, best)
        if seen is before:
            break
    return seen


def _first_guess(seen: Sightings) -> tuple[Cameras, Sightings]:
    """Place all cameras: two by the five-point method, the others by the joints of those.

    Raises:
        OptionError: The joints of no two cameras, or of one and the rest, fit together.
    """
    best: tuple[float, Cameras, Sightings] | None = None
    for a, b in combinations(range(len(seen.names)), 2):
        guess = _pair_guess(seen, a, b)
        if guess is not None and (best is None or guess[0] > best[0]):
            best = guess
    if best is None:
        raise OptionError("the joints of no two cameras fit together: are they of one event?")
    _, cameras, seen = best
    while not cameras.placed.all():
        cameras, seen = _with_next(seen, cameras)
    first = cameras.rotations[0], cameras.translations[0]
    rotations = cameras.rotations @ first[0].T
    translations = cameras.translations - rotations @ first[1]
    return replace(cameras, rotations=rotations, translations=translations), seen


def pair_worth(first: PersonTrack, second: PersonTrack, skeleton: Skeleton, offset: float) -> float:
    """Return the share of the joints of two cameras that fit together.

    Args:
        first: What one camera saw.
        second: What another one saw.
        skeleton: Of the keypoints.
        offset: Seconds to add to the second one's stamps.

    Returns:
        In [0, 1], less where both look from about the same place; 0 where they share too little.
    """
    try:
        seen = sightings_of([(first, second)], skeleton, (0.0, offset))
    except OptionError:
        return 0.0
    guess = _pair_guess(seen, 0, 1)
    return 0.0 if guess is None else guess[0] / max(1, int(seen.known.all(axis=0).sum() * 2))


def _pair_guess(seen: Sightings, a: int, b: int) -> tuple[float, Cameras, Sightings] | None:
    """Return the worth of a pair, its placed cameras of about true scale, and left and right."""
    known = seen.known
    both = known[a] & known[b]
    shared = np.flatnonzero(both.sum(axis=1) >= LEAST_JOINTS)
    if len(shared) < LEAST_FRAMES:
        return None
    candidates: list[tuple[float, Cameras, Sightings]] = []
    for frames, threshold in samples(shared):
        for turn, shift in five_point(seen, a, b, both, frames, threshold):
            cameras = pair_cameras(len(seen.names), a, b, turn, shift)
            points = triangulated(seen, cameras)
            heights = heights_by_bones(points[shared], seen.skeleton)
            if not np.isfinite(heights).any():
                continue
            cameras = cameras.scaled(DEFAULT_HEIGHT / float(np.nanmedian(heights)))
            whole = unswapped(seen, cameras, DEFAULT_HEIGHT)
            points = triangulated(whole, cameras)
            cost = _costs(*misfits(whole, cameras, points, DEFAULT_HEIGHT))[shared].mean()
            candidates.append((float(cost), cameras, whole))
    candidates.sort(key=lambda candidate: candidate[0])
    tried = [refined(whole, cameras) for _, cameras, whole in distinct(candidates)[:3]]
    settled = [entry for entry in tried if entry is not None]
    if not settled:
        return None
    cost, cameras, whole = min(settled, key=lambda entry: entry[0])
    points = triangulated(whole, cameras)
    errors, counts = misfits(whole, cameras, points, DEFAULT_HEIGHT)
    fitting = int((counts & (errors < _FAR)).sum())
    angle = ray_angle(cameras, a, b, points)
    worth = fitting * min(1.0, math.sin(math.radians(angle)) / math.sin(math.radians(_GOOD_ANGLE)))
    return worth, cameras, whole


def samples(
    shared: NDArray[np.intp], thresholds: Sequence[float] = _THRESHOLDS
) -> Iterator[tuple[NDArray[np.intp], float]]:
    """Yield instants and a threshold: all, and thirds of them, as swaps may fill the rest."""
    for threshold in thresholds:
        yield shared, threshold
        for part in np.array_split(shared, 3):
            yield part, threshold


def five_point(  # noqa: PLR0917
    seen: Sightings,
    a: int,
    b: int,
    both: BoolArray,
    frames: NDArray[np.intp],
    threshold: float,
    iterations: int = 1000,
) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Yield rotations and directions of the second camera of a pair against the first."""
    rows = np.zeros_like(both)
    rows[frames] = both[frames]
    first, second = seen.rays(a)[rows], seen.rays(b)[rows]
    if len(first) < 2 * LEAST_JOINTS:
        return
    extent = np.median([np.ptp(seen.rays(a)[f][both[f]], axis=0).max() for f in frames])
    cv2.setRNGSeed(0)
    found, inliers = cv2.findEssentialMat(
        first, second, np.eye(3), method=cv2.RANSAC, prob=0.9999,
        threshold=threshold * float(extent), maxIters=iterations,
    )  # fmt: skip
    if found is None:
        return
    for essential in found.reshape(-1, 3, 3):
        _, turn, shift, _ = cv2.recoverPose(
            essential, first, second, np.eye(3), mask=inliers.copy()
        )
        yield np.asarray(turn, float), np.asarray(shift, float).ravel()


def pair_cameras(count: int, a: int, b: int, turn: Float64Array, shift: Float64Array) -> Cameras:
    """Return two placed ones of so many cameras, of which the first is the world's frame."""
    rotations, translations = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
    rotations[b], translations[b] = turn, shift
    placed = np.zeros(count, bool)
    placed[[a, b]] = True
    return Cameras(rotations, translations, placed)


def distinct(
    candidates: list[tuple[float, Cameras, Sightings]],
) -> list[tuple[float, Cameras, Sightings]]:
    """Return candidates that are not within 10 degrees of a better one."""
    kept: list[tuple[float, Cameras, Sightings]] = []
    for candidate in candidates:
        turns = [max(map(turned_by, candidate[1].rotations, other[1].rotations)) for other in kept]
        if all(turn > math.radians(10.0) for turn in turns):
            kept.append(candidate)
    return kept


def refined(seen: Sightings, cameras: Cameras) -> tuple[float, Cameras, Sightings] | None:
    """Adjust the placed cameras, a few steps; returns the cost of a pixel too."""
    fit = _Fit.of(seen, cameras, _scale(DEFAULT_HEIGHT, None))
    if not len(fit.bundle.seen.points):
        return None
    result = solve(fit.bundle, fit.start, iterations=12)
    rotations, translations = cameras.rotations.copy(), cameras.translations.copy()
    rotations[fit.cameras], translations[fit.cameras] = (
        result.state.rotations, result.state.translations,
    )  # fmt: skip
    placed = replace(cameras, rotations=rotations, translations=translations)
    seen = unswapped(seen, placed, DEFAULT_HEIGHT)
    points = triangulated(seen, placed)
    errors, counts = misfits(seen, placed, points, DEFAULT_HEIGHT)
    costs = _costs(errors, counts)
    # bones of wrong lengths tell a mirrored or flattened solution
    heights = heights_by_bones(points, seen.skeleton)
    spread = np.nanstd(np.log(heights)) if np.isfinite(heights).any() else np.inf
    return float(costs[np.isfinite(costs)].mean() + spread), placed, seen


def _with_next(seen: Sightings, cameras: Cameras) -> tuple[Cameras, Sightings]:
    """Place the camera that sees most of the joints that are known by now.

    Raises:
        OptionError: None of those left sees enough of them.
    """
    points = triangulated(seen, cameras)
    known = np.isfinite(points).all(axis=-1) & seen.known
    counts = np.where(cameras.placed, -1, known.sum(axis=(1, 2)))
    v = int(counts.argmax())
    best: tuple[float, Cameras, Sightings] | None = None
    for trial in (seen, seen.mirrored(v)):
        usable = np.isfinite(points).all(axis=-1) & trial.known[v]
        if usable.sum() < 2 * LEAST_JOINTS:
            continue
        cv2.setRNGSeed(0)
        ok, turn, shift, _ = cv2.solvePnPRansac(
            points[usable], trial.rays(v)[usable], np.eye(3), np.zeros(5), iterationsCount=2000,
            reprojectionError=0.03, confidence=0.9999, flags=cv2.SOLVEPNP_SQPNP,
        )  # fmt: skip
        if not ok:
            continue
        rotations, translations = cameras.rotations.copy(), cameras.translations.copy()
        rotations[v], _ = cv2.Rodrigues(turn)
        translations[v] = shift.ravel()
        placed = cameras.placed.copy()
        placed[v] = True
        with_it = Cameras(rotations, translations, placed)
        whole = unswapped(trial, with_it, DEFAULT_HEIGHT)
        settled = refined(whole, with_it)
        if settled is not None and (best is None or settled[0] < best[0]):
            best = settled
    if best is None:
        raise OptionError(
            f"{seen.names[v]} cannot be placed: it sees too little of what other cameras see"
        )
    return best[1], best[2]


def turned_by(first: Float64Array, second: Float64Array) -> float:
    """Return the radians between two rotations (3, 3)."""
    cosine = (float(np.trace(first @ second.T)) - 1.0) / 2.0
    return math.acos(min(1.0, max(-1.0, cosine)))


def ray_angle(cameras: Cameras, a: int, b: int, points: Float64Array) -> float:
    """Return degrees between the rays of two cameras to the points, median, at most 90."""
    centers = cameras.centers()
    first, second = (points[np.isfinite(points).all(axis=-1)] - centers[v] for v in (a, b))
    cosine = np.abs((first * second).sum(axis=1))
    cosine /= np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1) + 1e-12
    return float(np.degrees(np.arccos(np.clip(np.median(cosine), 0.0, 1.0)))) if len(cosine) else 0


# ---- the adjustment ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Fit:
    """A bundle of the placed cameras, and which instant and joint each point is.

    Attributes:
        bundle: The problem.
        start: Where it begins.
        cameras: (P,) indices of its cameras.
        index: (T, K) of each joint's point; -1 for none.
        joints: (M,) the keypoint of each pixel.
        frames: (M,) the instant of each pixel.
    """

    bundle: Bundle
    start: BundleState
    cameras: IntArray
    index: IntArray
    joints: IntArray
    frames: IntArray

    @classmethod
    def of(cls, seen: Sightings, cameras: Cameras, scale: Scale) -> _Fit:
        points = triangulated(seen, cameras)
        placed = np.flatnonzero(cameras.placed)
        has = np.isfinite(points).all(axis=-1)
        index = np.full(has.shape, -1)
        index[has] = np.arange(has.sum())
        v, frames, joints = np.nonzero(seen.known[placed] & has)
        bodies, people = np.unique(seen.people, return_inverse=True)
        ends, kinds, lengths, spreads, stature = _body_bones(seen.skeleton)
        height = scale.height[0] if scale.height else DEFAULT_HEIGHT
        heights = heights_by_bones(points, seen.skeleton)
        if np.isfinite(heights).any():
            height = float(np.nanmedian(heights))
        at = points[frames, joints]
        rotations, translations = cameras.rotations[placed], cameras.translations[placed]
        depth = np.einsum("mi,mi->m", rotations[v][:, 2], at) + translations[v][:, 2]
        share = np.hypot(_JOINT_ERROR, _LIMB_ERROR * under_skin(seen.skeleton))[joints]
        focal = seen.matrices[placed][v, 0, 0]
        sigmas = np.hypot(_LEAST_PIXELS, focal * share * height / np.maximum(depth, 0.1))
        at_pixels = placed[v], frames, joints
        observed = Observations(
            v, index[frames, joints], seen.pixels[at_pixels], sigmas, seen.speeds[at_pixels]
        )
        whole = (index[:, ends] >= 0).all(axis=-1)
        of_person = kinds + len(lengths) * people[:, None]
        bones = EqualBones(
            index[:, ends][whole], of_person[whole], _BONE_SPREAD,
            lengths, spreads, stature, _STATURE_SPREAD, len(bodies), _PEOPLE_SPREAD,
        )  # fmt: skip
        logs, tall = [], []
        for person in range(len(bodies)):
            own = heights_by_bones(points[people == person], seen.skeleton)
            known = np.isfinite(own)
            middle = float(np.median(own[known])) if known.any() else height
            tall.append(middle)
            for kind, length in enumerate(lengths):
                of_kind = own[(kinds == kind) & known]
                logs.append(length * (float(np.median(of_kind)) if len(of_kind) else middle))
        state = BundleState(rotations, translations, points[has], np.log(logs + tall))
        bundle = Bundle(seen.matrices[placed], observed, scale, bones)
        return cls(bundle, state, placed, index, joints, frames)

    def height(self, state: BundleState) -> float:
        """Return the mean height of the people, meters."""
        bones = self.bundle.bones
        assert bones is not None  # noqa: S101 - people have them
        return float(np.exp(bones.split(state.log_lengths)[1].mean()))

    def points(self, state: BundleState) -> Float64Array:
        """Return (T, K, 3), NaN where there is no point."""
        found = np.full((*self.index.shape, 3), np.nan)
        found[self.index >= 0] = state.points
        return found


def _judged(
    fit: _Fit, result: BundleResult, seen: Sightings, tracks: Sequence[PersonTrack]
) -> tuple[tuple[CameraFit, ...], list[str]]:
    """Return how well each camera is known, and what is doubtful."""
    parts = _part_of(seen.skeleton)[fit.joints]
    sigmas = jackknife(fit.bundle, result.state, parts)
    scale = fit.bundle.scale
    unscaled = 0.0
    count = len(np.unique(seen.people))
    if count > 1:  # who is in two views, and when, is drawn by chance too
        by_people = jackknife(fit.bundle, result.state, seen.people[fit.frames])
        sigmas = sigmas.added_to(by_people.of_few(count))
    if scale.baseline is None and scale.height is not None:
        among = _PEOPLE_SPREAD / math.sqrt(count) if count > 1 else 0.0
        unscaled = math.hypot(scale.height[1], _STATURE_SPREAD, among)
    errors = fit.bundle.errors(result.state)
    fits, notes = [], []
    for v, track in enumerate(tracks):
        own = fit.bundle.seen.cameras == v
        size = track.camera.width, track.camera.height
        found = CameraFit(
            track.name,
            len(np.unique(fit.frames[own])),
            float(np.median(errors[own])) if own.any() else math.nan,
            float(np.percentile(errors[own], 90)) if own.any() else math.nan,
            sigmas.turns[v],
            math.hypot(sigmas.shares[v], unscaled),
            coverage(fit.bundle.seen.pixels[own], size),
            sigmas.clocks[v],
        )
        fits.append(found)
        notes += doubts(found)
    return tuple(fits), notes


_UNSURE_DEGREES, _UNSURE_SHARE = 2.0, 0.04
_LEAST_COVERAGE = 0.15


def doubts(fit: CameraFit) -> list[str]:
    """Return what is doubtful about one camera, a line each."""
    notes = []
    if fit.rotation_sigma > math.radians(_UNSURE_DEGREES):
        notes.append(
            f"{fit.name} may be turned by {math.degrees(fit.rotation_sigma):.1f} degrees: "
            "walk nearer to it and to its edges"
        )
    if fit.baseline_sigma > _UNSURE_SHARE:
        notes.append(
            f"the distance of {fit.name} may be off by {100 * fit.baseline_sigma:.0f}%: let it "
            "see more of the walk together with others"
        )
    if fit.coverage < _LEAST_COVERAGE:
        notes.append(
            f"{fit.name} saw people or boards in {100 * fit.coverage:.0f}% of its image only: "
            "fill more of it"
        )
    return notes


def coverage(pixels: Float64Array, size: tuple[int, int], cells: int = 6) -> float:
    """Return the share of a grid of cells of the image that pixels (M, 2) lie in."""
    inside = np.clip((pixels / np.array(size) * cells).astype(int), 0, cells - 1)
    return len(np.unique(inside[:, 0] * cells + inside[:, 1])) / cells**2


class PlaceSigmas(NamedTuple):
    """One sigma of where each camera is against the first one; NaN for that one.

    Attributes:
        turns: Radians.
        shares: Of the distance.
        clocks: Seconds, of the offset; NaN where clocks were not solved for.
    """

    turns: list[float]
    shares: list[float]
    clocks: list[float]

    def added_to(self, others: PlaceSigmas) -> PlaceSigmas:
        """Return the sigmas of errors that add to these, of another cause."""
        return PlaceSigmas(*(np.hypot(*both).tolist() for both in zip(self, others, strict=True)))

    def of_few(self, groups: int) -> PlaceSigmas:
        """Return wider sigmas: few groups hardly know how far they spread (Student's t)."""
        one_sigma = float(stdtrit(groups - 1, ndtr(1.0)))
        return PlaceSigmas(*((one_sigma * np.array(each)).tolist() for each in self))


def jackknife(bundle: Bundle, state: BundleState, groups: NDArray[np.intp]) -> PlaceSigmas:
    """Return each camera's sigma by leaving out one group of pixels at a time.

    Args:
        bundle: The problem.
        state: Its solution.
        groups: (M,) the group of each pixel, such as a part of the body; with fewer than two of
            them nothing is known.
    """
    count = len(bundle.matrices)
    unknown = [math.nan] * count
    used = np.unique(groups)
    if len(used) < 2:
        return PlaceSigmas(unknown, unknown, unknown)
    turns, shares, clocks = [], [], []
    far = np.linalg.norm(_centers(state)[1:] - _centers(state)[0], axis=1)
    for group in used:
        kept = groups != group
        seen = bundle.seen
        other = solve(
            replace(bundle, seen=seen.only(kept)), state, iterations=8, damping=_FREE_STEP
        ).state
        turns.append(
            [turned_by(a, b) for a, b in zip(other.rotations[1:], state.rotations[1:], strict=True)]
        )
        apart = np.linalg.norm(_centers(other)[1:] - _centers(other)[0], axis=1)
        shares.append(apart / far - 1.0)
        if state.offsets is None or other.offsets is None:
            clocks.append(np.full(count - 1, np.nan))
        else:
            clocks.append(other.offsets[1:] - state.offsets[1:])

    def sigma(off: Sequence[ArrayLike]) -> list[float]:
        return [math.nan, *_jackknife_sigma(np.array(off)).tolist()]

    return PlaceSigmas(sigma(turns), sigma(shares), sigma(clocks))


_FREE_STEP = 1e-6
"""Damping: what is left out changes the solution little, but also what little is known of."""


def _jackknife_sigma(off: Float64Array) -> Float64Array:
    """Return one sigma by how far off (n, ...) solutions are that leave out a group each."""
    found: Float64Array = np.sqrt((len(off) - 1) / len(off) * (off**2).sum(axis=0))
    return found


def _centers(state: BundleState) -> Float64Array:
    found: Float64Array = -np.einsum("vji,vj->vi", state.rotations, state.translations)
    return found


def _part_of(skeleton: Skeleton) -> NDArray[np.intp]:
    """Return (K,) the part of the body of each keypoint: head, arms with hands, legs."""
    found = np.zeros(len(skeleton), np.intp)
    for i, name in enumerate(skeleton.keypoints):
        side = 0 if name.startswith("left") else 1
        if any(part in name for part in ("hip", "knee", "ankle", "heel", "foot", "toe")):
            found[i] = 1 + side
        elif any(part in name for part in ("nose", "eye", "ear", "mouth")):
            found[i] = 0
        else:
            found[i] = 3 + side
    return found


_FLAT = 0.10
"""Meters: less movement than this across is movement in one line or plane."""


def _movement_notes(points: Float64Array) -> list[str]:
    """Say where the person moved too little for the cameras to be known."""
    middle = np.array(
        [np.median(p[np.isfinite(p).all(axis=-1)], axis=0) for p in points
         if np.isfinite(p).all(axis=-1).any()]
    )  # fmt: skip
    if len(middle) < 3:
        return []
    spread = np.linalg.svd(middle - middle.mean(axis=0), compute_uv=False) / math.sqrt(len(middle))
    if spread[0] < _FLAT:
        note = (
            f"the person stayed within {200 * spread[0]:.0f} cm: walk about, as cameras are known "
            "best where joints are seen in many places"
        )
        return [note]
    if spread[1] < _FLAT:
        return ["all movement is along one line: walk to and fro in both directions"]
    return []


# ---- gravity and floor -------------------------------------------------------------------------

_UPRIGHT = math.cos(math.radians(20.0))  # of the legs to the trunk
_FEET_SPREAD = 0.35  # meters, in two directions, for a plane through the feet
_FEET = ("heel", "foot_index", "big_toe", "small_toe")
_ANKLE_ABOVE = 0.045 * DEFAULT_HEIGHT
_FEET_ABOVE = 0.02  # meters: of the keypoints of heels and toes above the floor
_SOLE_SIGMA = 0.02  # meters, one sigma of that
# One sigma of up: by a body that stands (a man who balances is 3.0 degrees off), and by a plane
# that feet stood on, which keypoints in heels and toes tilt.
_LEAN_SIGMA, _PLANE_SIGMA = math.radians(3.0), math.radians(1.0)


class _Ground(NamedTuple):
    """Gravity and floor.

    Attributes:
        up: (3,) unit vector.
        floor: Meters along it from the origin to the floor; None where no feet were seen.
        feet: (3,) where they stood in the mean; NaN likewise.
        is_plane: Whether up is by the plane that they stood on, and not by the body.
    """

    up: Float64Array
    floor: float | None
    feet: Float64Array
    is_plane: bool


def _gravity_and_floor(points: Float64Array, skeleton: Skeleton) -> _Ground | None:
    """Return the direction up and where the floor is, by a person who stands and walks.

    Args:
        points: (T, K, 3) meters, NaN where unknown.
        skeleton: Of the K joints.

    Returns:
        None where no one stood upright.
    """
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    if not {"left_shoulder", "left_hip", "left_ankle"} <= names.keys():
        return None

    def middle(joint: str) -> Float64Array:
        found: Float64Array = (points[:, names[f"left_{joint}"]]
                               + points[:, names[f"right_{joint}"]]) / 2.0  # fmt: skip
        return found

    trunk, legs = middle("shoulder") - middle("hip"), middle("hip") - middle("ankle")
    with np.errstate(invalid="ignore"):
        straight = (trunk * legs).sum(axis=1) > _UPRIGHT * (
            np.linalg.norm(trunk, axis=1) * np.linalg.norm(legs, axis=1)
        )
    if straight.sum() < 3:
        return None
    bodies = (middle("shoulder") - middle("ankle"))[straight]
    up = np.median(bodies / np.linalg.norm(bodies, axis=1, keepdims=True), axis=0)
    up /= np.linalg.norm(up)
    soles = [i for name, i in names.items() if name.endswith(_FEET)]
    above = _FEET_ABOVE
    if not soles:
        soles, above = [names["left_ankle"], names["right_ankle"]], _ANKLE_ABOVE
    feet = points[:, soles]
    heights = feet @ up
    known = np.isfinite(heights).any(axis=1)
    if not known.any():
        return _Ground(up, None, np.full(3, np.nan), False)
    lowest = np.where(np.isfinite(heights), heights, np.inf)[known].argmin(axis=1)
    stances = feet[known][np.arange(known.sum()), lowest]
    plane = _plane_through(stances, up)
    floor = float(np.median(stances @ plane)) - above
    return _Ground(plane, floor, stances.mean(axis=0), plane is not up)


def _ground_sigmas(
    points: Float64Array, skeleton: Skeleton, ground: _Ground, place: Float64Array
) -> tuple[float, float]:
    """Return one sigma of up, radians, and of the height of a place (3,) above the floor, meters.

    By solutions that leave out a fifth of the time each, and what all of the time has in common:
    how people lean, and where keypoints are in a foot.
    """
    blocks = np.array_split(np.arange(len(points)), 5)
    turns, heights = [], []
    for block in blocks:
        other = _gravity_and_floor(np.delete(points, block, axis=0), skeleton)
        if other is None:
            continue
        turns.append(math.acos(min(1.0, float(other.up @ ground.up))))
        if other.floor is not None and ground.floor is not None:
            height = float(place @ ground.up) - ground.floor
            heights.append(float(place @ other.up) - other.floor - height)
    if len(turns) < 2:
        return math.nan, math.nan
    lean = _PLANE_SIGMA if ground.is_plane else _LEAN_SIGMA
    up_sigma = math.hypot(float(_jackknife_sigma(np.array(turns))), lean)
    if len(heights) < 2:
        return up_sigma, math.nan
    way = place - ground.feet
    far = float(np.linalg.norm(way - (way @ ground.up) * ground.up))
    spread = float(_jackknife_sigma(np.array(heights)))
    return up_sigma, math.hypot(spread, far * math.tan(lean), _SOLE_SIGMA)


def _plane_through(feet: Float64Array, up: Float64Array) -> Float64Array:
    """Return the normal of the plane through feet (N, 3) where they are spread, else ``up``."""
    for _ in range(3):
        heights = feet @ up
        near = np.abs(heights - np.median(heights)) < 0.06
        if near.sum() < 8:
            return up
        about = feet[near] - feet[near].mean(axis=0)
        _, spread, axes = np.linalg.svd(about)
        if spread[1] / math.sqrt(near.sum()) < _FEET_SPREAD:
            return up
        normal = axes[2] * np.sign(axes[2] @ up)
        if normal @ up < math.cos(math.radians(10.0)):
            return up  # a stair, or a mistake
        up = normal
    return up


def stand_up(found: RigCalibration, skeleton: Skeleton) -> RigCalibration:
    """Return the same with z up from the floor below the first camera, where feet tell.

    Without them the world stays the first camera's optical frame, and a note says so.
    """
    known = _gravity_and_floor(found.points, skeleton)
    if known is None:
        note = "no one stood upright in full view: gravity and floor are not known"
        return replace(found, notes=(*found.notes, note))
    up, floor = known.up, known.floor
    first = found.views[0].extrinsics
    sigmas = _ground_sigmas(found.points, skeleton, known, first.center)
    forward = first.rotation[2] - (first.rotation[2] @ up) * up
    if np.linalg.norm(forward) < 1e-3:  # it looks straight down
        forward = -(first.rotation[1] - (first.rotation[1] @ up) * up)
    forward /= np.linalg.norm(forward)
    turn = np.stack([forward, np.cross(up, forward), up])  # old world to new
    origin = first.center - (first.center @ up - (floor or 0.0)) * up
    if floor is None:
        origin = first.center
    views = tuple(
        replace(
            view,
            extrinsics=Extrinsics(
                view.extrinsics.rotation @ turn.T,
                view.extrinsics.rotation @ origin + view.extrinsics.translation,
            ),
        )
        for view in found.views
    )
    notes = (*found.notes, *_ground_doubts(known, sigmas, found.views[0].name))
    return replace(
        found, views=views, points=(found.points - origin) @ turn.T,
        up=np.array([0.0, 0.0, 1.0]), floor=None if floor is None else 0.0, notes=notes,
        up_sigma=sigmas[0], floor_sigma=sigmas[1],
    )  # fmt: skip


_UNSURE_FLOOR = 0.05  # meters


def _ground_doubts(ground: _Ground, sigmas: tuple[float, float], name: str) -> list[str]:
    """Return what is doubtful about gravity and the floor, a line each."""
    found = []
    if sigmas[0] > math.radians(_UNSURE_DEGREES):
        cure = "" if ground.is_plane else ": walk over more of the floor, feet in view"
        found.append(f"up may be off by {math.degrees(sigmas[0]):.1f} degrees{cure}")
    if ground.floor is None:
        found.append("no feet were seen: the floor is not known")
    elif sigmas[1] > _UNSURE_FLOOR:
        found.append(f"the floor below {name} may be off by {100 * sigmas[1]:.0f} cm")
    return found
