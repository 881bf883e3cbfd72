"""BlazePose: a detector finds people, a landmark network follows each one in a rotated square.

Sources: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking",
2020, and the constants of google-ai-edge/mediapipe, ``modules/pose_detection``
and ``modules/pose_landmark``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region, crop_batch, extent
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.smoothing import LowPassFilter, OneEuroFilter, OneEuroSettings
from pose_ros.core.swaps import SwapUndo
from pose_ros.core.timeline import Stream
from pose_ros.core.tracking import NO_ID, Body, Tracker, appearance
from pose_ros.core.types import (
    Channels,
    FloatArray,
    Image,
    ImageLike,
    Poses,
    Session,
    validate_image,
)
from pose_ros.networks import ssd
from pose_ros.networks.people import (
    HIDDEN,
    REGION_SCALE,
    FoundPerson,
    Landmarks,
    SearchRegion,
    bones,
    merge,
    same_person,
    settle,
    without_parts,
)
from pose_ros.networks.search import (
    PeopleSearch,
    SearchMemory,
    detect_people,
    person_detector,
)
from pose_ros.settings.estimation import MAX_PEOPLE, EstimatorOptions

LANDMARK_SIZE = 256
LANDMARKS = 33
ALIGNMENT = slice(33, 35)  # two points behind the landmarks: mid-hips, and top of the circle
HEATMAP_KERNEL = 9
HEATMAP_CONFIDENCE = 0.5

IMAGE_SMOOTHING = OneEuroSettings(min_cutoff=0.05, beta=80.0)
ALIGNMENT_SMOOTHING = OneEuroSettings(min_cutoff=0.01, beta=10.0)
WORLD_SMOOTHING = OneEuroSettings(min_cutoff=0.1, beta=40.0)
SCORE_ALPHA = 0.1

_SKELETON = skeletons.get("blazepose33")
_BONES = bones(_SKELETON)
_UPPER_BODY = skeletons.get("blazepose33_upper_body")
_TRUNK = [11, 12, 23, 24]  # shoulders, hips
_THIGHS = [23, 24, 25, 26]  # hips, knees


def decode(
    raw: FloatArray,
    presence: float,
    heatmaps: FloatArray,
    world: FloatArray,
    region: Region,
    *,
    mask: FloatArray | None = None,
) -> Landmarks | None:
    """Decode the landmark network's outputs for one region.

    Args:
        raw: (195,): 39 points of x, y, z in input pixels, visibility and presence
            before the sigmoid.
        presence: Score in [0, 1] that a person is in the region.
        heatmaps: (39, h, w) before the sigmoid.
        world: (117,): 39 points in meters, axes of the region.
        region: Where the input was cut out.
        mask: (1, S, S) before the sigmoid; None where the network gives none.

    Returns:
        None when the alignment points fall together: that is not a body.
    """
    points = raw.reshape(39, 5)[: ALIGNMENT.stop]
    unit = points[:, :2] / np.float32(LANDMARK_SIZE)
    xy = region.to_image(refine(unit, heatmaps[: ALIGNMENT.stop]))
    alignment = xy[ALIGNMENT]
    body = Region.upright(alignment[0], alignment[1], scale=1.0)
    if body is None:
        return None
    z = points[:LANDMARKS, 2:3] / LANDMARK_SIZE * region.size
    cos, sin = np.cos(region.rotation), np.sin(region.rotation)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    return Landmarks(
        presence=presence,
        points=np.concatenate([xy[:LANDMARKS], z], axis=1),
        scores=ssd.sigmoid(points[:LANDMARKS, 3]),
        alignment=alignment,
        world=world.reshape(39, 3)[:LANDMARKS] @ turn.T,
        body=body,
        mask=None if mask is None else ssd.sigmoid(mask[0]),
    )


def refine(points: FloatArray, heatmaps: FloatArray) -> FloatArray:
    """Move each point to the center of mass of its heatmap around it.

    Args:
        points: (K, 2) in the unit square.
        heatmaps: (K, h, w) before the sigmoid.

    Returns:
        (K, 2). A point outside the map, or where the map is nowhere sure, stays.
    """
    count, height, width = heatmaps.shape
    size = np.array([width, height])
    center = np.trunc(points * size)
    inside = np.all((center >= 0) & (center < size), axis=1)
    center = np.where(inside[:, None], center, 0).astype(np.intp)
    offsets = np.arange(HEATMAP_KERNEL) - HEATMAP_KERNEL // 2
    x = center[:, 0, None] + offsets
    y = center[:, 1, None] + offsets
    window = heatmaps[
        np.arange(count)[:, None, None],
        np.clip(y, 0, height - 1)[:, :, None],
        np.clip(x, 0, width - 1)[:, None, :],
    ]
    valid = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    weights = np.where(valid, ssd.sigmoid(window), 0)
    total = weights.sum(axis=(1, 2))
    sure = inside & (weights.max(axis=(1, 2)) >= HEATMAP_CONFIDENCE)
    mass = np.stack(
        [(weights.sum(axis=1) * x).sum(axis=1), (weights.sum(axis=2) * y).sum(axis=1)], axis=1
    )
    center_of_mass = mass / np.maximum(total, 1e-9)[:, None] / size
    refined: FloatArray = np.where(sure[:, None], center_of_mass, points).astype(np.float32)
    return refined


@dataclass
class _FollowedPerson:
    """Follows one person from frame to frame: where to look next, and the filters."""

    region: Region
    points: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(IMAGE_SMOOTHING))
    alignment: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(ALIGNMENT_SMOOTHING))
    world: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(WORLD_SMOOTHING))
    scores: LowPassFilter = field(default_factory=lambda: LowPassFilter(SCORE_ALPHA))
    swaps: SwapUndo = field(default_factory=lambda: SwapUndo(_SKELETON))

    def update(self, found: Landmarks, stamp: float, smoothing: bool) -> Landmarks:
        """Put back what the network swaps, filter this frame's landmarks and move the region."""
        scale = found.body.size
        # the region's own points are always filtered, so that it does not shake
        alignment = _narrow(self.alignment(_wide(found.alignment), stamp, scale))
        self.region = Region.upright(alignment[0], alignment[1], REGION_SCALE) or self.region
        if not smoothing:
            return found
        points, scores, world = found.points, found.scores, found.world
        order = self.swaps.order(points, stamp)
        if order is not None:
            points, scores, world = points[order], scores[order], world[order]
        return replace(
            found,
            points=_narrow(self.points(_wide(points), stamp, scale)),
            scores=_narrow(self.scores(_wide(scores))),
            world=_narrow(self.world(_wide(world), stamp)),
        )


class _BlazePoseMemory:
    """What is remembered of the people of a stream."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.search = SearchMemory()
        self.lose_sight()

    def lose_sight(self) -> None:
        """Follow no person into the next image; who was where stays known."""
        self.tracks: dict[int, _FollowedPerson] = {}
        self.search.forget()

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self.lose_sight()
        self.tracker.forget()


class BlazePose:
    """An ``Estimator`` (see ``pose_ros.core.types``) for one stream of images."""

    search: PeopleSearch
    """Looks for people; it may have a ``finder``."""

    def __init__(
        self, contract: Contract, sessions: Mapping[str, Session], options: EstimatorOptions
    ) -> None:
        """Take over two loaded networks.

        Args:
            contract: Names the network; the rest of these is known here.
            sessions: ``detector`` and ``landmarks``.
            options: May be replaced between two frames.
        """
        self.network = contract.network
        self.options = options
        self.search = PeopleSearch(person_detector(sessions["detector"]), contract.threshold)
        self._landmarks = sessions["landmarks"]
        self.provider = self._landmarks.provider
        # memory that is never written to is not taken: only as many people as there are count
        self._crops = np.empty((MAX_PEOPLE, 3, LANDMARK_SIZE, LANDMARK_SIZE), np.float32)
        self._stream = Stream(_BlazePoseMemory)
        self._memory = _BlazePoseMemory()  # of the image in work

    @property
    def skeleton(self) -> Skeleton:
        """All 33 landmarks, or the first 25 with ``upper_body_only``."""
        return _UPPER_BODY if self.options.upper_body_only else _SKELETON

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""
        self._stream.reset()

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the people in one image; see ``Estimator.estimate``."""
        image = validate_image(image, channels)
        options = self.options
        self._memory, stamp = self._stream.take(image.shape[:2], stamp, static=options.static)
        memory = self._memory
        memory.search.take(stamp)
        followed = list(memory.tracks.items())[: options.max_people]
        targets = [SearchRegion(track.region, frozenset({id_})) for id_, track in followed]
        seen = self.search.look(image, channels, memory.search, options, len(targets))
        targets += _new(seen, targets)
        if options.max_people > 1:
            targets = self._with_missing(stamp, targets)
        targets = targets[: options.max_people]
        found = self._look(image, channels, targets)
        people = self._people(image, channels, targets, found)
        lost = {id_ for id_, _ in followed}.difference(*(p.target.origins for p in people))
        if lost:  # a robot should not miss an image
            there = [person.target for person in people]
            seen = self.search.look_again(image, channels, memory.search, options, len(people))
            new = _new(seen, there)[: options.max_people - len(people)]
            if new:
                found = [*found, *self._look(image, channels, new)]
                people = self._people(image, channels, [*targets, *new], found)
        return self._identify(image, channels, people, stamp)

    def find_regions(
        self, image: Image, channels: Channels, threshold: float, tiles: int = 1
    ) -> list[Region]:
        """Find people with the detector; see ``detect_people``."""
        return detect_people(self.search.detector, image, channels, threshold, tiles)

    def find_landmarks(
        self, image: Image, channels: Channels, regions: Sequence[Region]
    ) -> list[Landmarks | None]:
        """Run the landmark network on regions of an image, all in one run.

        Returns:
            For each region its landmarks; None where they make no body at all.
        """
        if not regions:
            return []
        batch = crop_batch(self._crops, image, channels, regions)
        raw, presence, heatmaps, world, *masks = self._landmarks.run(batch)
        return [
            decode(
                raw[i],
                float(presence[i, 0]),
                heatmaps[i],
                world[i],
                region,
                mask=masks[0][i] if masks else None,
            )
            for i, region in enumerate(regions)
        ]

    def _with_missing(self, stamp: float, targets: Sequence[SearchRegion]) -> list[SearchRegion]:
        """Add where people who are out of sight may show again.

        The landmark network finds a person there at once, even where the detector, which
        sees the whole image at 224 pixels, would not.
        """
        missing = self._memory.tracker.missing(stamp, self.options.reid_timeout)
        places = [Region(float(x), float(y), size) for (x, y), size in missing]
        followed = [target for target in targets if target.origins]
        new = [target for target in targets if not target.origins]
        # a person who is still behind another would not be found
        back = [p for p in places if not any(same_person(p, t.region, HIDDEN) for t in targets)]
        new += [SearchRegion(region) for region in back]
        if followed:
            # where two are expected, one behind the other, a body may be a mixture of both
            new = [t for t in new if sum(same_person(t.region, p) for p in places) < 2]
        return followed + new

    def _look(
        self, image: Image, channels: Channels, targets: Sequence[SearchRegion]
    ) -> list[Landmarks | None]:
        """Find the person at each target."""
        return self.find_landmarks(image, channels, [target.region for target in targets])

    def _people(
        self,
        image: Image,
        channels: Channels,
        targets: Sequence[SearchRegion],
        found: Sequence[Landmarks | None],
    ) -> list[FoundPerson]:
        """Return the people of all targets, each once."""
        least = self.options.min_tracking_confidence
        if self.options.max_people == 1:
            seen = [
                FoundPerson(landmarks, target)
                for target, landmarks in zip(targets, found, strict=True)
                if landmarks is not None and landmarks.presence >= least
            ]
            return seen[:1]
        people, doubts = merge(targets, found, least)
        regions = [target.region for doubt in doubts for target in doubt.targets]
        if regions and len(regions) <= MAX_PEOPLE:
            again = self.find_landmarks(image, channels, regions)
            people = settle(people, doubts, again, least)
        bodies = [person.landmarks.points[:, :2] for person in people]
        return [people[i] for i in without_parts(bodies, _BONES)]

    def _identify(
        self, image: Image, channels: Channels, people: Sequence[FoundPerson], stamp: float
    ) -> Poses:
        """Give people their ids, filter them and remember where to look next."""
        options = self.options
        several = options.max_people > 1
        looks = [_appearance(image, channels, person.landmarks) for person in people]
        bodies = [
            Body(
                center=_wide(person.landmarks.alignment[0]),
                size=person.landmarks.body.size * REGION_SCALE,
                look=look if several else None,
                origins=person.target.origins,
            )
            for person, look in zip(people, looks, strict=True)
        ]
        ids = self._memory.tracker.update(bodies, stamp, options.reid_timeout)
        tracks, filtered, clothes, masks = {}, [], [], []
        for id_, person, look in zip(ids, people, looks, strict=True):
            if id_ == NO_ID:
                continue
            known = self._memory.tracks.get(id_) if id_ in person.target.origins else None
            track = known or _FollowedPerson(person.landmarks.body)
            tracks[id_] = track
            filtered.append(track.update(person.landmarks, stamp, options.smoothing))
            clothes.append(look)
            if person.landmarks.mask is not None:
                mask = person.target.region.paste(person.landmarks.mask, *image.shape[1::-1])
                # interpolation may round to just above 1
                masks.append(np.clip(mask, 0, 1))
        self._memory.tracks = tracks
        poses = _to_poses(self.skeleton, list(tracks), filtered)
        return poses.replace(
            clothes=np.stack(clothes) if clothes else None,
            masks=np.stack(masks) if masks else None,
        )


def _new(regions: Sequence[Region], known: Sequence[SearchRegion]) -> list[SearchRegion]:
    """Return targets for the people in regions, without those who are known."""
    return [
        SearchRegion(region, detected=True)
        for region in regions
        if not any(same_person(region, other.region) for other in known)
    ]


def _appearance(image: Image, channels: Channels, landmarks: Landmarks) -> FloatArray:
    points = landmarks.points[:, :2]
    return appearance(image, channels, points[_TRUNK], points[_THIGHS])


def _to_poses(skeleton: Skeleton, ids: list[int], people: list[Landmarks]) -> Poses:
    """Stack people into a result, cut to the skeleton's keypoints."""
    if not people:
        return Poses.empty(skeleton)
    count = len(skeleton)
    points = np.stack([p.points[:count] for p in people])
    full = count == LANDMARKS
    return Poses(
        skeleton=skeleton,
        ids=np.array(ids, np.int64),
        scores=np.clip([p.presence for p in people], 0, 1),
        boxes=np.stack([extent(p[:, :2]) for p in points]),
        keypoints=points[:, :, :2],
        keypoint_scores=np.stack([p.scores[:count] for p in people]),
        depths=points[:, :, 2] if full else None,
        world=np.stack([p.world[:count] for p in people]),
    )


def _wide(values: FloatArray) -> NDArray[np.float64]:
    return values.astype(np.float64)


def _narrow(values: NDArray[np.float64]) -> FloatArray:
    return values.astype(np.float32)
