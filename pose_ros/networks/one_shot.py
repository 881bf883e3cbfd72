"""Networks that find everybody in one look at the whole image, and how people are followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.contract import Contract
from pose_ros.core.geometry import extent
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.smoothing import OneEuroFilter, OneEuroSettings
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
from pose_ros.networks.family import Family
from pose_ros.settings.estimation import EstimatorOptions

SMOOTHING = OneEuroSettings(min_cutoff=0.05, beta=80.0)
"""MediaPipe's for BlazePose's landmarks; speeds are in sizes of the person a second."""

SAME_POSE = 0.12
"""How far, in sizes of the person, keypoints move from frame to frame in the mean."""
LEAST_COMMON = 3
"""Keypoints that two poses must share to be compared."""

# The side of the square around a body with its arms stretched out, some 2.4 m, is the
# tracker's measure. Ratios of a grown person (Winter, "Biomechanics and Motor Control").
_SIZE_OF_TRUNK = 4.6
_SIZE_OF_SHOULDERS = 6.0
_SIZE_OF_BOX = 1.4
_SIZE_OF_HAND = 4.0

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_THIGHS = ("left_hip", "right_hip", "left_knee", "right_knee")


class DecodedPeople(NamedTuple):
    """N people of one image.

    Attributes:
        keypoints: (N, K, 2) pixels of the image, NaN where one is missing.
        keypoint_scores: (N, K) in [0, 1], 0 where one is missing.
        scores: (N,) in [0, 1].
    """

    keypoints: FloatArray
    keypoint_scores: FloatArray
    scores: FloatArray

    @classmethod
    def of(
        cls,
        keypoints: FloatArray,
        keypoint_scores: FloatArray,
        scores: FloatArray,
        found: NDArray[np.bool_],
    ) -> DecodedPeople:
        """Return people without the keypoints that are not ``found``, (N, K)."""
        return cls(
            np.where(found[..., None], keypoints, np.nan).astype(np.float32),
            np.where(found, keypoint_scores, 0.0).astype(np.float32),
            scores.astype(np.float32),
        )


class _Followed(NamedTuple):
    """A person of this image: the id, the row in what was decoded, (K, 2) pixels, and clothes."""

    id: int
    person: int
    points: FloatArray
    scores: FloatArray
    look: FloatArray | None


class _OverTime:
    """What keeps one person's keypoints steady from image to image."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._swaps = SwapUndo(skeleton)
        self._filter = OneEuroFilter(SMOOTHING)

    def update(
        self, points: FloatArray, scores: FloatArray, stamp: float, size: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the next keypoints and their scores."""
        order = self._swaps.order(points, stamp)
        if order is not None:
            points, scores = points[order], scores[order]
        return self._filter(points.astype(np.float64), stamp, size).astype(np.float32), scores


class Follower:
    """Follows people from image to image by where they are, and by what they wear."""

    def __init__(self, skeleton: Skeleton) -> None:
        """``skeleton``: of the network, whole."""
        self._skeleton = skeleton
        self._is_body = all(name in skeleton.keypoints for name in _TRUNK)
        self._trunk = [skeleton.index(n) for n in _TRUNK if n in skeleton.keypoints]
        self._thighs = [skeleton.index(n) for n in _THIGHS if n in skeleton.keypoints]
        self._tracker = Tracker()
        self.lose_sight()

    def lose_sight(self) -> None:
        """Follow no person into the next image; who was where stays known."""
        self._poses: dict[int, FloatArray] = {}
        self._filters: dict[int, _OverTime] = {}

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self.lose_sight()
        self._tracker.forget()

    def follow(
        self,
        image: Image,
        channels: Channels,
        found: DecodedPeople,
        stamp: float,
        options: EstimatorOptions,
    ) -> Poses:
        """Return the people of one image with their ids, filtered over time.

        Args:
            image: (H, W, 3) uint8, for the color of clothes.
            channels: Order of its color channels.
            found: The people that the network finds in it.
            stamp: Seconds, later than the last one's.
            options: ``max_people`` keeps those who are followed, then the surest and largest.
                ``min_tracking_confidence`` does not count: a person that the network did
                not find again is not followed.
        """
        order, bodies = self._choose(image, channels, found, options)
        ids = self._tracker.update(bodies, stamp, options.reid_timeout)
        kept, poses, filters = [], {}, {}
        for row, (id_, person) in enumerate(zip(ids, order, strict=True)):
            if id_ == NO_ID:
                continue
            raw, scores = found.keypoints[person], found.keypoint_scores[person]
            poses[id_] = raw
            filters[id_] = self._filters.get(id_) or _OverTime(self._skeleton)
            points = raw
            if options.smoothing:
                points, scores = filters[id_].update(raw, scores, stamp, bodies[row].size)
            look = bodies[row].look
            if look is None and self._is_body:
                look = self._look(image, channels, raw)
            kept.append(_Followed(id_, person, points, scores, look))
        self._poses, self._filters = poses, filters
        return self._to_poses(kept, found, options)

    def _choose(
        self, image: Image, channels: Channels, found: DecodedPeople, options: EstimatorOptions
    ) -> tuple[list[int], list[Body]]:
        """Return who counts, by position in ``found``, and as the tracker sees them."""
        looks = self._is_body and options.max_people > 1
        bodies = {}
        for person, points in enumerate(found.keypoints):
            if not np.isfinite(points).any():
                continue
            center, size = self._measure(points)
            alike = [id_ for id_, last in self._poses.items() if _alike(points, last, size)]
            bodies[person] = Body(
                center=center,
                size=size,
                look=self._look(image, channels, points) if looks else None,
                origins=frozenset(alike),
            )
        # a robot is meant by who is near it rather than by a sharper face in the background
        chosen = sorted(
            bodies, key=lambda p: (not bodies[p].origins, -found.scores[p] * bodies[p].size)
        )
        order = sorted(
            chosen[: options.max_people],
            key=lambda p: (not bodies[p].origins, -found.scores[p]),
        )
        return order, [bodies[person] for person in order]

    def _look(self, image: Image, channels: Channels, points: FloatArray) -> FloatArray:
        return appearance(image, channels, points[self._trunk], points[self._thighs])

    def _measure(self, points: FloatArray) -> tuple[NDArray[np.float64], float]:
        """Return the center of a person and the size, in the tracker's measure, in pixels."""
        seen = points[np.isfinite(points).all(axis=1)].astype(np.float64)
        center, side = seen.mean(axis=0), float(np.ptp(seen, axis=0).max())
        if not self._is_body:
            return center, max(1.0, _SIZE_OF_HAND * side)
        left, right, left_hip, right_hip = points[self._trunk].astype(np.float64)
        neck, hips = (left + right) / 2, (left_hip + right_hip) / 2
        sizes = [
            _SIZE_OF_TRUNK * float(np.hypot(*(hips - neck))),
            _SIZE_OF_SHOULDERS * float(np.hypot(*(left - right))),
            _SIZE_OF_BOX * side,
        ]
        if np.isfinite(neck).all():
            center = neck
        return center, max(1.0, float(np.nanmax(sizes)))

    def _to_poses(
        self,
        kept: Sequence[_Followed],
        found: DecodedPeople,
        options: EstimatorOptions,
    ) -> Poses:
        """Stack people into a result, cut to the skeleton's keypoints."""
        skeleton = skeleton_of(self._skeleton, options)
        columns = [self._skeleton.index(name) for name in skeleton.keypoints]
        seen = [one for one in kept if np.isfinite(one.points[columns]).any()]
        if not seen:
            return Poses.empty(skeleton)
        points = np.stack([one.points[columns] for one in seen])
        people = [one.person for one in seen]
        looks = [one.look for one in seen if one.look is not None]
        return Poses(
            skeleton=skeleton,
            ids=np.array([one.id for one in seen], np.int64),
            scores=np.clip(found.scores[people], 0, 1),
            boxes=np.stack([extent(p) for p in points]),
            keypoints=points,
            keypoint_scores=np.clip(np.stack([one.scores[columns] for one in seen]), 0, 1),
            clothes=np.stack(looks) if looks else None,
        )


def skeleton_of(skeleton: Skeleton, options: EstimatorOptions) -> Skeleton:
    """Return the skeleton of the next result; a hand belongs to the upper body whole."""
    if options.upper_body_only and "upper_body" in skeleton.subsets:
        return skeleton.subset("upper_body")
    return skeleton


def _alike(points: FloatArray, last: FloatArray, size: float) -> bool:
    """Whether two poses are of the same person a frame apart."""
    distance = np.hypot(*(points - last).T)
    common = np.isfinite(distance)
    return int(common.sum()) >= LEAST_COMMON and float(distance[common].mean()) < SAME_POSE * size


Decode: TypeAlias = Callable[[Sequence[FloatArray], float], DecodedPeople]
"""From the outputs of a network for one image, in the card's order, and the least score
to people whose keypoints are in pixels of the network's input."""

ROLE = "network"
"""The role of its one file in the card."""


def one_shot(decoder: Callable[[Contract], Decode]) -> Family:
    """Return the family of networks that find everybody, by what reads a card."""

    def make(
        contract: Contract, sessions: Mapping[str, Session], options: EstimatorOptions
    ) -> OneShot:
        return OneShot(contract, sessions, options, decoder(contract))

    return Family(make, finds_everybody=True)


class OneShot:
    """An ``Estimator`` (see ``pose_ros.core.types``): one run of a network an image.

    Attributes:
        input: How the network wants its image.
        own_threshold: Least score of a person where the options set none.
        whole_skeleton: The network's, whatever part of it the options ask for.
    """

    def __init__(
        self,
        contract: Contract,
        sessions: Mapping[str, Session],
        options: EstimatorOptions,
        decode: Decode,
    ) -> None:
        """Take over a loaded network.

        Args:
            contract: How the network wants its image, its skeleton and threshold.
            sessions: ``network``.
            options: May be replaced between two frames.
            decode: What makes people of the network's outputs.

        Raises:
            ModelError: The card does not say how the image goes in.
        """
        self.network = contract.network
        self.options = options
        self.input = contract.image(ROLE)
        self.own_threshold = contract.threshold
        self._session = sessions[ROLE]
        self.provider = self._session.provider
        self._decode = decode
        self.whole_skeleton = contract.skeleton
        self._stream = Stream(lambda: Follower(contract.skeleton))

    @property
    def skeleton(self) -> Skeleton:
        """The network's keypoints, or the upper body's with ``upper_body_only``."""
        return skeleton_of(self.whole_skeleton, self.options)

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""
        self._stream.reset()

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the people in one image; see ``Estimator.estimate``."""
        image = validate_image(image, channels)
        follower, stamp = self._stream.take(image.shape[:2], stamp, static=self.options.static)
        found = self.find(image, channels, self.options.threshold_or(self.own_threshold))
        return follower.follow(image, channels, found, stamp, self.options)

    def find(self, image: Image, channels: Channels, threshold: float) -> DecodedPeople:
        """Return everybody in one image, by itself: no ids, no smoothing, no limit.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            threshold: Least score, in [0, 1].
        """
        outputs = self._session.run(self.input.tensor(image, channels))
        found = self._decode(outputs, threshold)
        place = self.input.place(image.shape[1], image.shape[0])
        return found._replace(keypoints=place.to_image(found.keypoints))
