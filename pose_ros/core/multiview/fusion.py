"""People of several cameras over time: one skeleton each, in meters, with ids that stay.

``Fusion.update`` does this for each instant:

1. Each camera's people are interpolated to the common stamp (``clocks``).
2. They are grouped (``association``), with who they were a moment ago as a hint; groups get their
   ids, and left and right that a camera swapped are undone (``identity``).
3. Joints are where the rays meet, held by what each camera alone makes of the body's shape, and by
   bones of lengths that are learned over time (``placement``).
4. A Kalman filter of constant velocity, by stamps, smooths each joint along each axis by how unsure
   it is (``body``).

A person that one camera alone sees keeps its meters, scaled as they were when others saw them too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import (
    NO_PERSON,
    Crowd,
    doubtful_births,
    group,
    join_doubles,
    overlaps,
    pair_costs,
    settle,
    strangers,
    without_doubtful,
    without_mixtures,
)
from pose_ros.core.multiview.body import Motion
from pose_ros.core.multiview.clocks import WATCH_SECONDS, CameraSamples, ClockOffsets
from pose_ros.core.multiview.extrinsics import CameraView, check_views
from pose_ros.core.multiview.identity import (
    FusedPerson,
    Instant,
    Room,
    facing,
    learn_sides,
    side_cosines,
)
from pose_ros.core.multiview.placement import place, rays_of
from pose_ros.core.multiview.stated import stated_sigmas
from pose_ros.core.multiview.triangulation import (
    BoolArray,
    Triangulated,
    axes_first,
    cross,
    dot,
    unit,
)
from pose_ros.core.multiview.turned import TURN_SIGMA, CameraTurns
from pose_ros.core.skeletons import FOUND_SCORE, parts_of
from pose_ros.core.timeline import FOLLOW_SECONDS, Stream, went_back
from pose_ros.core.types import FloatArray, Poses, PositionSource
from pose_ros.errors import OptionError
from pose_ros.settings.multiview import FusionOptions

_REPORT_SECONDS = 2.0
# How much larger the error of a keypoint is taken to be, in variance, where its camera has the
# joint farther from where it is predicted than another camera has it.
_MOST_DOUBT = 16.0
_STRAY = 4.0  # mean square in sigmas by which it has to be
_BEHIND = 0.3  # cosine by which a face is behind the chest for sure
_VAGUE = 0.1  # meters: a nose that is as unsure may be on either side
# Left and right as the cameras give them are right where the joints are at most that much less sure
# than with them swapped, and by so much more of a cosine where they belong.
_AS_SURE, _PLAINLY = 1.5, 0.5
_HIPS = ("left_hip", "right_hip")


@dataclass(frozen=True)
class CameraReport:
    """How one camera does among the others; figures over about the last two seconds.

    Attributes:
        people: How many it sees now.
        skew: Seconds between its nearest image and the common stamp; infinite without images.
        used: Whether that image counted: it is within ``max_skew``.
        error_px: Pixels from where it shows joints to where all cameras together have them, the
            median; NaN while no person was seen by two cameras.
        error_sigmas: The same in sigmas of the keypoints: 1 is usual, and 3 or more of a camera
            that stands elsewhere than its extrinsics say. Of a camera whose turn explains why rays
            miss each other, by how many sigmas it is turned, if that is more.
        turned_degrees: By how much it is turned, about any axis, against what its extrinsics say;
            0 where no turn is known. Of two cameras one is, and both have a figure.
        offset: Seconds by which its stamps are late against those of the first camera; NaN
            unknown.
        offset_sigma: One sigma of it.
    """

    people: int
    skew: float
    used: bool
    error_px: float
    error_sigmas: float
    turned_degrees: float
    offset: float
    offset_sigma: float


@dataclass(frozen=True, eq=False)
class FusedPeople:
    """The people in the room at one instant: N of them.

    Attributes:
        stamp: Seconds, the common one.
        reference: Name of the camera in whose optical frame ``poses.camera`` is.
        poses: As of the reference camera, with ids of the fusion's own. ``camera`` is in its
            optical frame, ``world`` in its axes from the mid-hips. ``keypoints`` are in its image:
            its own, and elsewhere where the joint would be in it; NaN behind it. Scores are the
            best of any camera. Sources are MULTIVIEW where two or more cameras saw a joint.
            ``clothes`` are the mean of what the cameras see. ``velocities`` are those of the filter
            in that frame, unknown in the first image of a person.
        points: (N, K, 3) meters in the common world, NaN where unknown.
        members: (N, V) index of each person among those of each camera, ``NO_PERSON`` where it
            does not see them.
        camera_ids: (N, V) their ids as each camera has them; ``NO_PERSON`` likewise.
        cameras: By name.
    """

    stamp: float
    reference: str
    poses: Poses
    points: Float64Array
    members: NDArray[np.intp]
    camera_ids: NDArray[np.int64]
    cameras: Mapping[str, CameraReport]


class Fusion:
    """Gives the people of several calibrated cameras one skeleton each, over time.

    >>> import numpy as np
    >>> import pose_ros
    >>> from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
    >>> from pose_ros.core.multiview.fusion import Fusion
    >>> camera = pose_ros.Camera.from_hfov(640, 480, hfov_degrees=63.0)
    >>> left = CameraView("left", camera, Extrinsics(np.eye(3), np.zeros(3)))
    >>> right = CameraView("right", camera, Extrinsics(np.eye(3), np.array([-0.5, 0.0, 0.0])))
    >>> fusion = Fusion([left, right])
    >>> fusion.reference
    'left'
    """

    def __init__(
        self,
        views: Sequence[CameraView],
        options: FusionOptions | None = None,
        *,
        reference: str | None = None,
    ) -> None:
        """Begin without people.

        Args:
            views: V cameras in a common world.
            options: They may be replaced between two instants.
            reference: Name of the camera in whose frame people are given; None: the first one's.

        Raises:
            OptionError: There is no camera, names repeat, or there is none of that name.
        """
        check_views(views)
        self.options = options or FusionOptions()
        self._views = tuple(views)
        self._names = tuple(view.name for view in views)
        self._reference = 0 if reference is None else self._index(reference)
        self._centers = np.array([view.extrinsics.center for view in views])
        self._focals = np.array([view.focal for view in views])
        self._pairs = np.triu_indices(len(views), 1)
        self._stream = Stream(Room)
        self._samples = tuple(CameraSamples() for _ in views)
        self._clocks = ClockOffsets(len(views))
        self._turns = CameraTurns(len(views))
        self.reset()

    @property
    def reference(self) -> str:
        """Name of the camera in whose optical frame people are given."""
        return self._names[self._reference]

    def reset(self) -> None:
        """Begin a new stream: no person is remembered, ids begin at 0, clocks are unknown."""
        self._stream.reset()
        for samples in self._samples:
            samples.reset()
        self._clocks.reset()
        self._turns.reset()
        self._offsets = self._clocks.estimate()
        self._turned = self._turns.turned()
        self._unwatched = 0.0
        self._looked = self._stamp = -math.inf
        self._skeleton = skeletons.get("blazepose33")
        self._errors = np.full((2, len(self._views)), np.nan)

    def update(self, stamp: float, poses_by_view: Mapping[str, tuple[float, Poses]]) -> FusedPeople:
        """Return the people at a common stamp.

        Args:
            stamp: Seconds, rising; best that of the camera whose newest image is the oldest, so
                that others are interpolated (``common_stamp``).
            poses_by_view: By name of the camera, the stamp of its newest image and who is in it,
                placed by a ``Lifter`` where it can be, and best not smoothed: it is done here. A
                camera without a new image may be missing, or be given again.

        Raises:
            OptionError: A camera is unknown, or skeletons differ.
            ImageError: The stamp is not finite, or that of the last instant.
        """
        given = {self._index(name): sample for name, sample in poses_by_view.items()}
        if len({poses.skeleton for _, poses in given.values()}) > 1:
            names = sorted({poses.skeleton.name for _, poses in given.values()})
            raise OptionError(f"expected one skeleton from all cameras, got {', '.join(names)}")
        room, stamp = self._stream.take((1, 1), stamp)
        if went_back(self._stamp, stamp):
            self._clocks.reset()
            self._looked = -math.inf
        step = stamp - self._stamp if self._stamp > -math.inf else 0.0
        self._stamp = stamp
        for v, (own, poses) in given.items():
            self._samples[v].add(own, poses)
        people = [
            samples.at(stamp + shift, self.options.max_skew)
            for samples, shift in zip(self._samples, self._shifts(), strict=True)
        ]
        crowd = Crowd.of(self._views, people)
        if crowd is not None:
            self._skeleton = crowd.skeleton
        if crowd is None or not len(crowd):
            return FusedPeople(
                stamp=stamp,
                reference=self.reference,
                poses=Poses.empty(self._skeleton),
                points=np.zeros((0, len(self._skeleton), 3)),
                members=np.zeros((0, len(self._views)), np.intp),
                camera_ids=np.zeros((0, len(self._views)), np.int64),
                cameras=self._report(crowd),
            )
        return self._fuse(room, crowd, min(max(step, 0.0), FOLLOW_SECONDS))

    def _index(self, name: str) -> int:
        if name not in self._names:
            raise OptionError(f"there is no camera {name!r}; known: {', '.join(self._names)}")
        return self._names.index(name)

    def _shifts(self) -> Float64Array:
        """Return (V,) seconds to add to the common stamp to have a camera's own."""
        shifts = self._clocks.shifts
        return shifts if self.options.correct_clocks else np.zeros_like(shifts)

    def _fuse(self, room: Room, crowd: Crowd, step: float) -> FusedPeople:
        """Return the people of one instant, ``step`` seconds after the last."""
        stamp, count = self._stamp, len(crowd.skeleton)
        room.keep(count, stamp, max(self.options.forget_after, FOLLOW_SECONDS))
        instant = Instant.of(room, crowd, self._centers, stamp)
        groups, people, swaps, wrong = self._group(room, instant)
        rows = np.full((len(groups), len(self._views)), NO_PERSON)
        for g, members in enumerate(groups):
            rows[g, crowd.views[members]] = members
        stated = crowd.sigmas.copy()  # without doubt: a camera that is wrong has to show as wrong
        crowd, turned, fresh = self._with_sides(instant, groups, people, swaps)
        if wrong:
            wrong = instant.wrong(wrong, groups, people)
            crowd.sigmas[wrong] *= math.sqrt(_MOST_DOUBT)
            crowd.lifted_sigmas[wrong] *= math.sqrt(_MOST_DOUBT)
        placed = place(self._views, crowd, rows, people, stamp)
        motion = _follow(instant, people, placed, fresh)
        points = placed.points
        if self.options.smoothing:
            smooth = motion.points.T.reshape(points.shape)
            points = np.where(np.isfinite(points), smooth, np.nan)
        cosines = side_cosines(crowd.skeleton, placed.points)
        seen = rows != NO_PERSON
        count = seen.sum(axis=1, keepdims=True)
        # what one camera alone makes of a body is as its sides are
        known = np.where(count > 1, cosines, np.nan)
        share = (turned[rows] & seen[..., None]).sum(axis=1) / count
        learn_sides(people, crowd.skeleton, share, known, stamp)
        for person, cameras in zip(people, count[:, 0].tolist(), strict=True):
            if cameras > 1:
                person.fused = stamp
            person.seen = stamp
        self._unwatched = min(self._unwatched + step, max(step, 2.0 * WATCH_SECONDS))
        # a camera that is wrong may be left out of a person in every other image
        if self._unwatched >= WATCH_SECONDS and (count > 1).any():
            self._watch_clocks(crowd, rows, motion, self._unwatched)
            self._watch_errors(crowd, stated, rows, placed, self._unwatched)
            self._unwatched = 0.0
        elif np.isnan(self._errors[0]).any():
            self._watch_errors(crowd, stated, rows, placed, step)
        return FusedPeople(
            stamp=stamp,
            reference=self.reference,
            poses=self._poses(crowd, rows, people, replace(placed, points=points), motion),
            points=points,
            members=np.where(seen, crowd.rows[rows], NO_PERSON),
            camera_ids=np.where(seen, crowd.ids[rows], NO_PERSON),
            cameras=self._report(crowd),
        )

    def _group(
        self, room: Room, instant: Instant
    ) -> tuple[list[list[int]], list[FusedPerson], BoolArray | None, list[int]]:
        """Return the groups of one instant's crowd, who each is, and who is wrong about the body.

        Between the latter two, which parts pairs of people have swapped, as of ``Costs``; None
        while all are where they are expected.
        """
        crowd, before = instant.crowd, instant.before(room)
        if self._stamp - self._looked < WATCH_SECONDS:
            steady = instant.steady(before)
            if steady is not None:
                return steady, instant.stay(room, steady, before), None, []
        self._looked = self._stamp
        pairs = pair_costs(self._views, crowd)
        apart, places = instant.known_apart(room, before), instant.places(before)
        groups = group(crowd, pairs.total, before, apart)
        groups = settle(crowd, pairs.total, groups, places)
        groups, wrong = join_doubles(self._views, crowd, groups, apart, before)
        groups, astray = instant.join_astray(room, groups, before)
        within = overlaps(crowd)
        groups = without_doubtful(crowd, pairs.total, groups, places, before=before, within=within)
        groups = without_mixtures(groups, before, within)
        wrong += astray + strangers(pairs.total, groups)
        doubtful = doubtful_births(self._views, crowd, groups, before=before, within=within)
        groups, people = instant.name(room, groups, self._reference, before, doubtful)
        return groups, people, pairs.swaps, wrong

    def _with_sides(
        self,
        instant: Instant,
        groups: list[list[int]],
        people: list[FusedPerson],
        pair_swaps: BoolArray | None,
    ) -> tuple[Crowd, BoolArray, BoolArray]:
        """Return the crowd with left and right as they are, and (n, S) which were swapped for it.

        And (G, K) joints of people that are not where they were predicted.

        Keypoints in doubt are less sure.

        A camera that has a person elsewhere than predicted, while another has them there, is wrong
        about them: of two, there is no other way to say which.
        """
        crowd = instant.crowd
        parts = parts_of(crowd.skeleton)
        swaps = np.zeros((len(crowd), max(1, parts.count)), bool)
        fresh = np.zeros((len(groups), len(crowd.skeleton)), bool)
        known = {person.id: t for t, person in enumerate(instant.followed)}
        followed = {
            g: known[person.id]
            for g, person in enumerate(people)
            if person.id in known and instant.stamp - person.fused <= FOLLOW_SECONDS
        }
        sigmas = crowd.sigmas
        if followed:
            counts = [len(groups[g]) for g in followed]
            rows = [i for g in followed for i in groups[g]]
            swaps[rows], squares = instant.compare(rows, np.repeat([*followed.values()], counts))
            for g in followed if swaps.any() else ():
                members = groups[g]
                if len(members) > 1 and swaps[members].any():
                    given = self._unlikely(crowd, members, swaps)
                    swaps[members] &= ~given
                    fresh[g] = given[parts.parts] & (parts.parts >= 0)
            if fresh.any():
                squares[fresh[np.repeat([*followed], counts)]] = np.nan  # the prediction is wrong
            sigmas = sigmas.copy()
            sigmas[rows] *= _doubt(squares, counts)
        for g, members in enumerate(groups):
            if pair_swaps is not None and g not in followed and len(members) > 1:
                swaps[members] = self._first_swaps(crowd, members, pair_swaps)
        return replace(crowd, sigmas=sigmas).swapped(swaps), swaps, fresh

    def _unlikely(self, crowd: Crowd, members: list[int], swaps: BoolArray) -> BoolArray:
        """Return (S,) which parts of a followed person no camera has swapped.

        Who turns while images are late is not where they are predicted, and may be nearer to that
        with left and right swapped. But keypoints as the cameras give them then meet as well, and
        have left and right where they belong.
        """
        rows = np.full((1, len(self._views)), NO_PERSON)
        rows[0, crowd.views[members]] = members
        whole = np.zeros_like(swaps)
        whole[members] = swaps[members]
        parts = parts_of(crowd.skeleton)
        given, swapped = (
            rays_of(self._views, seen, rows).solve() for seen in (crowd, crowd.swapped(whole))
        )
        cosines = [side_cosines(crowd.skeleton, met.points[None])[0] for met in (given, swapped)]
        sure = np.zeros(swaps.shape[1], bool)
        for s in np.flatnonzero(swaps[members].any(axis=0)).tolist():
            before, after = (
                float(np.median(met.sigmas[parts.parts == s])) for met in (given, swapped)
            )
            sure[s] = before < min(_VAGUE, _AS_SURE * after)
        found: BoolArray = sure & (cosines[0] - cosines[1] > _PLAINLY)
        return found

    def _first_swaps(self, crowd: Crowd, members: list[int], pair_swaps: BoolArray) -> BoolArray:
        """Return (m, S) which parts are swapped in which camera, of a person newly seen.

        Pairs say where two cameras differ. The fewer cameras are wrong; of two, the one whose swap
        has the face on the side of the chest.
        """
        swaps = np.stack([pair_swaps[members[0], i] for i in members])
        swaps[0] = False
        many = swaps.sum(axis=0)
        swaps = np.where(2 * many > len(members), ~swaps, swaps)
        even = (2 * many == len(members)) & (many > 0)
        options = [swaps]
        if even.any():
            options.append(np.where(even, ~swaps, swaps))
        elif len(members) == 2:
            # of cameras that stand level, a keypoint lies on its mirrored one's epipolar line too
            one = np.array([[True], [False]])
            options += [swaps ^ one, swaps ^ ~one]
        rows = np.full((1, len(self._views)), NO_PERSON)
        rows[0, crowd.views[members]] = members
        front: list[float] = []
        for option in options:
            whole = np.zeros((len(crowd), option.shape[1]), bool)
            whole[members] = option
            found = rays_of(self._views, crowd.swapped(whole), rows).solve()
            if not float(np.median(found.sigmas)) < _VAGUE:
                return swaps  # close cameras do not see where the nose is
            cosine = float(facing(crowd.skeleton, found.points[None])[0])
            front.append(cosine if math.isfinite(cosine) else 0.0)
            if len(front) == 1 and not even.any() and cosine > -_BEHIND:
                break  # nothing says that there is a swap
        return options[int(np.argmax(front))]

    def _watch_clocks(
        self, crowd: Crowd, rows: NDArray[np.intp], motion: Motion, elapsed: float
    ) -> None:
        """Learn the offsets of clocks from people who move, a few times a second."""
        self._clocks.fade(elapsed)
        seen = rows != NO_PERSON
        v, w = self._pairs
        people, pair = np.nonzero(seen[:, v] & seen[:, w])
        if not len(people):
            return
        pairs = v[pair], w[pair]
        main = parts_of(crowd.skeleton).main
        shape = (3, -1, len(crowd.skeleton))
        points = motion.points.reshape(shape).take(main, axis=2).take(people, axis=1)
        speeds = motion.speeds.reshape(shape).take(main, axis=2).take(people, axis=1)
        rays = unit(axes_first(crowd.rays.take(main, axis=1)))
        own, scores = crowd.sigmas.take(main, axis=1), crowd.scores.take(main, axis=1)
        centers = self._centers.T[..., None]
        base = unit(centers[:, pairs[1]] - centers[:, pairs[0]])
        units, changes, sigmas, known = [], [], [], []
        for view in pairs:
            index = rows[people, view]
            ray = rays.take(index, axis=1)
            offsets = points - centers.take(view, axis=1)
            far = np.sqrt(dot(offsets, offsets))
            units.append(ray)
            changes.append((speeds - dot(speeds, ray) * ray) / far)
            sigmas.append(own.take(index, axis=0))
            known.append(scores.take(index, axis=0) >= FOUND_SCORE)
        across = cross(units[0], base), cross(units[1], base)
        variance = sigmas[0] ** 2 * dot(across[1], across[1])
        variance += sigmas[1] ** 2 * dot(across[0], across[0])
        scale = np.sqrt(np.where(known[0] & known[1] & (variance > 0), variance, np.nan))
        slopes = dot(cross(changes[0], base), units[1]) / scale, dot(across[0], changes[1]) / scale
        off = dot(across[0], units[1]) / scale
        self._clocks.add(pairs, off, slopes, elapsed)
        sides = -across[1] / scale, across[0] / scale
        self._turns.add(pairs, off, (units[0], units[1]), sides, elapsed)
        self._turned = self._turns.turned()
        self._offsets = self._clocks.estimate()
        if self.options.correct_clocks:
            self._clocks.correct(*self._offsets)

    def _watch_errors(
        self,
        crowd: Crowd,
        stated: Float64Array,
        rows: NDArray[np.intp],
        placed: Triangulated,
        elapsed: float,
    ) -> None:
        """Learn how far each camera is from what all of them together say.

        ``stated`` are (n, K) sigmas of keypoints as the cameras give them.
        """
        share = 1.0 - math.exp(-elapsed / _REPORT_SECONDS)
        index = rows.T
        sure = np.isfinite(placed.errors_px) & (crowd.scores[index] >= FOUND_SCORE)
        for v, view in enumerate(self._views):
            if not sure[v].any():
                continue
            pixels = placed.errors_px[v][sure[v]]
            sigmas = pixels / (stated[index[v]][sure[v]] * view.focal)
            middle = len(pixels) // 2
            for known, values in zip(self._errors, (pixels, sigmas), strict=True):
                values.partition(middle)
                before, now = float(known[v]), float(values[middle])
                known[v] = now if math.isnan(before) else before + share * (now - before)

    def _poses(
        self,
        crowd: Crowd,
        rows: NDArray[np.intp],
        people: list[FusedPerson],
        placed: Triangulated,
        motion: Motion,
    ) -> Poses:
        """Return the people as the reference camera has them."""
        view = self._views[self._reference]
        there = rows != NO_PERSON
        known = np.isfinite(placed.points).all(axis=2)
        own = rows[:, self._reference]
        elsewhere = own == NO_PERSON
        pixels = crowd.pixels[own]
        if elsewhere.any():
            pixels[elsewhere] = view.project(placed.points[elsewhere])
        camera = view.extrinsics.to_camera(placed.points)
        alone = crowd.sources[rows[np.arange(len(rows)), np.argmax(there, axis=1)]]
        several = placed.used.sum(axis=0) > 1
        sources = np.where(several, PositionSource.MULTIVIEW.value, alone)
        sources = np.where(
            sources == PositionSource.NONE.value, PositionSource.MODEL.value, sources
        )
        boxes = np.concatenate([np.fmin.reduce(pixels, axis=1), np.fmax.reduce(pixels, axis=1)], 1)
        hips = [crowd.skeleton.index(name) for name in _HIPS if name in crowd.skeleton.keypoints]
        world = camera - camera.take(hips, axis=1).mean(axis=1, keepdims=True) if hips else None
        scores = crowd.scores.take(rows, axis=0)
        least = np.where(there[..., None], scores, 1.0).min(axis=1)
        sigmas = stated_sigmas(crowd.skeleton, placed, least, people, self._stamp)
        scores = np.where(there[..., None], scores, 0.0)

        def small(values: Float64Array) -> FloatArray:
            return values.astype(np.float32)

        return Poses(
            skeleton=crowd.skeleton,
            ids=np.array([person.id for person in people], np.int64),
            scores=small(np.where(there, crowd.people[rows], 0.0).max(axis=1)),
            boxes=small(boxes),
            keypoints=small(pixels),
            keypoint_scores=small(scores.max(axis=1)),
            world=None if world is None else small(world),
            camera=small(camera),
            camera_sources=np.where(known, sources, PositionSource.NONE.value).astype(np.uint8),
            camera_sigmas=small(np.where(known, sigmas, np.nan)),
            clothes=small(_mean_clothes(crowd, rows)),
            velocities=small(self._velocities(people, motion, hips)),
        )

    def _velocities(
        self, people: list[FusedPerson], motion: Motion, hips: list[int]
    ) -> Float64Array:
        """Return (G, 3) meters a second of the mid-hips in the frame of the reference camera."""
        if not hips:
            return np.full((len(people), 3), np.nan)
        shape = (3, len(people), -1)
        known = np.isfinite(motion.points.reshape(shape).take(hips, axis=2).sum(axis=(0, 2)))
        known &= np.array([self._stamp - person.entered > 0.0 for person in people])
        speeds = motion.speeds.reshape(shape).take(hips, axis=2).sum(axis=2) / len(hips)
        turned = speeds.T @ self._views[self._reference].extrinsics.rotation.T
        return np.where(known[:, None], turned, np.nan)

    def _report(self, crowd: Crowd | None) -> dict[str, CameraReport]:
        offsets, sigmas = self._offsets
        errors = np.maximum(self._errors[1], self._turned / TURN_SIGMA)  # NaN stays
        shifts = self._shifts()
        skews = [
            samples.skew(self._stamp + shift)
            for samples, shift in zip(self._samples, shifts, strict=True)
        ]
        views = [] if crowd is None else crowd.views.tolist()
        return {
            name: CameraReport(
                people=views.count(v),
                skew=skews[v],
                used=skews[v] <= self.options.max_skew,
                error_px=float(self._errors[0, v]),
                error_sigmas=float(errors[v]),
                turned_degrees=math.degrees(self._turned[v]),
                offset=float(offsets[v]),
                offset_sigma=float(sigmas[v]),
            )
            for v, name in enumerate(self._names)
        }


def common_stamp(stamps: Sequence[float], max_skew: float) -> float:
    """Return the stamp at which people of several cameras are best fused.

    That of the camera whose newest image is the oldest: all others are interpolated. Cameras that
    are late by more than twice ``max_skew`` against the newest one are not waited for.

    Args:
        stamps: Seconds, of the newest image of each camera; one or more.
        max_skew: Of ``FusionOptions``.
    """
    newest = max(stamps)
    return min(stamp for stamp in stamps if stamp >= newest - 2.0 * max_skew)


def _mean_clothes(crowd: Crowd, rows: NDArray[np.intp]) -> Float64Array:
    """Return (G, 6) the mean colors that cameras (G, V) see, NaN where none sees a part."""
    seen = crowd.clothes.take(rows, axis=0)  # (G, V, 6)
    known = (rows != NO_PERSON)[..., None] & np.isfinite(seen)
    count = known.sum(axis=1)
    total = np.where(known, seen, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _follow(
    instant: Instant, people: list[FusedPerson], placed: Triangulated, fresh: BoolArray
) -> Motion:
    """Return the motion of people with what was seen, and remember it.

    ``fresh`` are (G, K) joints for which what was before does not count.
    """
    count, stamp = placed.points.shape[1], instant.stamp
    new = np.repeat([stamp - person.seen > FOLLOW_SECONDS for person in people], count)
    new |= fresh.ravel()
    motion = instant.expect(people).corrected(
        placed.points.reshape(-1, 3).T,
        placed.covariances.reshape(-1, 3, 3).transpose(1, 2, 0),
        new,
    )
    for g, person in enumerate(people):
        person.motion = motion.of(slice(g * count, (g + 1) * count))
    return motion


def _doubt(squares: Float64Array, counts: list[int]) -> Float64Array:
    """Return (m, K) factors on the sigmas of keypoints that stray while another camera's do not.

    Args:
        squares: (m, K) of ``Instant.compare``.
        counts: By how many cameras each person is seen; those of one person follow each other.
    """
    known = np.isfinite(squares)
    count = np.maximum(known.sum(axis=1), 1)
    bounded = np.minimum(np.where(known, squares, 0.0), _MOST_DOUBT)
    # a body that is wrong is wrong as a whole: its joints that are right are so by chance
    stray = (bounded + bounded.sum(axis=1, keepdims=True) / count[:, None]) / 2.0
    starts = [0, *accumulate(counts[:-1])]
    least = np.repeat(np.minimum.reduceat(stray, starts, axis=0), counts, axis=0)
    doubt = np.where(stray > _STRAY, stray / np.maximum(least, 1.0), 1.0)
    found: Float64Array = np.sqrt(np.minimum(np.maximum(doubt, 1.0), _MOST_DOUBT))
    return found
