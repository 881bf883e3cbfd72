"""The estimator of networks that see one person at a time, in an upright box cut out around them.

BlazePose's detector finds people; from then on each one's box is where their keypoints were. Boxes
are grown and brought to the proportions of the network's input as open-mmlab/mmpose's
``TopdownAffine`` does it, since it is what such networks are trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np

from pose_ros.core.contract import DEFAULT_THRESHOLD, Contract, ImageInput
from pose_ros.core.geometry import Region, check_warp_size, extent, iou
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import Stream
from pose_ros.core.types import (
    Channels,
    FloatArray,
    Image,
    ImageLike,
    Poses,
    Session,
    validate_image,
)
from pose_ros.errors import ModelError
from pose_ros.networks.family import Family
from pose_ros.networks.one_shot import LEAST_COMMON, ROLE, DecodedPeople, Follower, skeleton_of
from pose_ros.networks.people import REGION_SCALE, WHOLE_REACH, bones, without_parts
from pose_ros.networks.search import PeopleSearch, SearchMemory, person_detector
from pose_ros.settings.estimation import EstimatorOptions

DETECTOR_ROLE = "detector"
"""The role of the session that finds people, which the card does not name."""

KEYPOINT_THRESHOLD = 0.3
"""Least score of a keypoint that counts as found: what mmpose's own programs draw."""

BREADTH = 0.4
"""Half the breadth of a body, in radii of the detector's circle around it: so the boxes overlap
those of YOLO11 most, and once padded hold 99.6% of these."""

FOLLOW_SCALE = 1.25
"""Side of a followed person's box in sides of their keypoints' extent: heads and feet go on."""

MOST_STEP = 0.15
"""How far a side of a followed person's box comes in from one image to the next, in such sides."""

SAME_BOX = 0.5
"""Overlap from which on a detected person is one who is followed."""

SAME_BODY = 0.1
"""How near each other, in sides of the person, the keypoints of one person found twice are."""

DecodeCrops: TypeAlias = Callable[[Sequence[FloatArray]], tuple[FloatArray, FloatArray]]
"""From a network's outputs for N boxes, in the card's order, to x y in the unit square of the
box (N, K, 2), and scores in [0, 1] (N, K)."""


@dataclass(frozen=True)
class TopDownSettings:
    """What a card's ``decoder`` may say of any such network.

    Attributes:
        padding: Side of what is cut out in sides of the person's box.
        keypoint_threshold: Least score, in [0, 1], of a keypoint that is found.
        unbiased: Whether the network was trained on UDP's transforms, which measure
            from the center of the first pixel to that of the last.
    """

    padding: float = 1.25
    keypoint_threshold: float = KEYPOINT_THRESHOLD
    unbiased: bool = False

    def __post_init__(self) -> None:
        if not 1.0 <= self.padding <= 4.0:
            raise ValueError(f"padding must be in [1, 4], got {self.padding}")
        if not 0.0 <= self.keypoint_threshold <= 1.0:
            raise ValueError(f"keypoint_threshold must be in [0, 1], got {self.keypoint_threshold}")

    def span(self, image: ImageInput) -> FloatArray:
        """Return the pixels, along x and y, between two opposite edges of a box in the input."""
        size = np.array([image.width, image.height], np.float32)
        return size - 1 if self.unbiased else size


@dataclass(frozen=True)
class _Seen:
    """One person in the present image.

    Attributes:
        points: (K, 2) pixels, NaN where one is missing.
        scores: (K,) in [0, 1].
        score: In [0, 1].
        next_box: Where to look in the next image, x0 y0 x1 y1.
        followed: Whether they were followed here.
    """

    points: FloatArray
    scores: FloatArray
    score: float
    next_box: FloatArray
    followed: bool


def top_down(decoder: Callable[[Contract], tuple[DecodeCrops, TopDownSettings]]) -> Family:
    """Return the family of networks that see one person at a time, by what reads a card."""

    def make(
        contract: Contract, sessions: Mapping[str, Session], options: EstimatorOptions
    ) -> TopDown:
        return TopDown(contract, sessions, options, *decoder(contract))

    return Family(make, needs_people=True, takes_finder=True)


class _TopDownMemory:
    """What is remembered of the people of a stream."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.follower = Follower(skeleton)
        self.boxes: list[FloatArray] = []
        self.search = SearchMemory()

    def lose_sight(self) -> None:
        """Follow no person into the next image; who was where stays known."""
        self.boxes = []
        self.search.forget()
        self.follower.lose_sight()

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self.lose_sight()
        self.follower.forget()


class TopDown:
    """An ``Estimator`` (see ``pose_ros.core.types``): one run for the boxes of an image."""

    search: PeopleSearch
    """Looks for people; it may have a ``finder``."""

    def __init__(
        self,
        contract: Contract,
        sessions: Mapping[str, Session],
        options: EstimatorOptions,
        decode: DecodeCrops,
        settings: TopDownSettings,
    ) -> None:
        """Take over a loaded network and a detector.

        Args:
            contract: How the network wants its image, its skeleton, and the least mean
                score of a person's keypoints.
            sessions: ``network``, and BlazePose's ``detector``.
            options: May be replaced between two frames; ``threshold`` is the detector's.
            decode: What makes keypoints of the network's outputs.
            settings: Of the card.

        Raises:
            ModelError: The card does not say how the image goes in, or the network is of hands.
        """
        if contract.skeleton.is_hand:
            raise ModelError(
                f"{contract.network}: boxes are looked for of bodies, and {contract.skeleton.name} "
                "is of a hand"
            )
        self.network = contract.network
        self.options = options
        self._input = contract.image(ROLE)
        self._threshold = contract.threshold
        self._session = sessions[ROLE]
        self.provider = self._session.provider
        self.search = PeopleSearch(person_detector(sessions[DETECTOR_ROLE]), DEFAULT_THRESHOLD)
        self._decode = decode
        self._settings = settings
        self._skeleton = contract.skeleton
        self._bones = bones(contract.skeleton)
        self._stream = Stream(lambda: _TopDownMemory(contract.skeleton))
        self._memory = _TopDownMemory(contract.skeleton)  # of the image in work

    @property
    def skeleton(self) -> Skeleton:
        """The network's keypoints, or the upper body's with ``upper_body_only``."""
        return skeleton_of(self._skeleton, self.options)

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
        followed = memory.boxes[: options.max_people]
        seen = self.search.look(image, channels, memory.search, options, len(followed))
        new = _new_boxes(seen, followed)[: options.max_people - len(followed)]
        people = self._look(image, channels, [*followed, *new], known=len(followed))
        kept = sum(one.followed for one in people)
        if kept < len(followed):  # a robot should not miss an image
            seen = self.search.look_again(image, channels, memory.search, options, kept)
            there = [one.next_box for one in people]
            new = _new_boxes(seen, there)[: options.max_people - len(people)]
            people += self._look(image, channels, new, beside=people)
        whole = without_parts([one.points for one in people], self._bones)
        people = [people[i] for i in whole]
        memory.boxes = [one.next_box for one in people]
        return memory.follower.follow(image, channels, self._found(people), stamp, options)

    def _look(
        self,
        image: Image,
        channels: Channels,
        boxes: Sequence[FloatArray],
        *,
        known: int = 0,
        beside: Sequence[_Seen] = (),
    ) -> list[_Seen]:
        """Find the people in boxes, each once, besides others.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            boxes: Those of people who are followed first.
            known: How many these are.
            beside: Who was found already.
        """
        if not boxes:
            return []
        crops = [self._crop(image, channels, self._fit(box)) for box in boxes]
        unit, scores = self._decode(self._session.run(np.concatenate(crops)))
        there = (scores >= self._settings.keypoint_threshold) & np.isfinite(unit).all(axis=2)
        people: list[_Seen] = []
        for row, box in enumerate(boxes):
            if there[row].sum() < LEAST_COMMON:
                continue
            score = float(scores[row][there[row]].mean())
            least = self._threshold
            if row < known:
                least = min(least, self.options.min_tracking_confidence)
            x0, y0, width, height = self._fit(box)
            place = np.array([x0, y0], np.float32)
            points = place + unit[row] * np.array([width, height], np.float32)
            points[~there[row]] = np.nan
            if score >= least and not any(
                _same_body(points, other.points) for other in (*beside, *people)
            ):
                people.append(
                    _Seen(
                        points,
                        np.where(there[row], scores[row], 0.0),
                        score,
                        _box_around(points, box),
                        followed=row < known,
                    )
                )
        return people

    def _found(self, people: Sequence[_Seen]) -> DecodedPeople:
        count = len(people), len(self._skeleton)
        return DecodedPeople(
            np.array([one.points for one in people], np.float32).reshape(*count, 2),
            np.array([one.scores for one in people], np.float32).reshape(count),
            np.array([one.score for one in people], np.float32),
        )

    def _fit(self, box: FloatArray) -> tuple[float, float, float, float]:
        """Return x y width height of what is cut out for a box: grown, the input's proportions."""
        width, height = ((box[2:] - box[:2]) * self._settings.padding).tolist()
        aspect = self._input.width / self._input.height
        width, height = max(width, height * aspect), max(height, width / aspect)
        x, y = ((box[:2] + box[2:]) / 2).tolist()
        return x - width / 2, y - height / 2, width, height

    def _crop(
        self, image: Image, channels: Channels, window: tuple[float, float, float, float]
    ) -> FloatArray:
        """Return the network's input for a window of the image, black outside of it."""
        check_warp_size(image)
        x, y, width, height = window
        across, down = self._settings.span(self._input)
        # pixel centers lie at whole coordinates, and bilinear without low-pass: as in training
        to_image = np.array([[width / across, 0, x], [0, height / down, y]], np.float64)
        crop = cv2.warpAffine(
            image,
            to_image,
            (self._input.width, self._input.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        return self._input.tensor(cast("Image", crop), channels)


def _new_boxes(regions: Sequence[Region], known: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the boxes of the people in regions, without those who are known."""
    boxes = [_box_of(region) for region in regions]
    if not known:
        return boxes
    others = np.stack(known)
    return [box for box in boxes if float(iou(box, others).max()) < SAME_BOX]


def _box_of(region: Region) -> FloatArray:
    """Return the upright box of a person that BlazePose's detector found in a turned square."""
    radius = region.size / REGION_SCALE / 2
    along, across = WHOLE_REACH * radius, BREADTH * radius
    sin, cos = abs(np.sin(region.rotation)), abs(np.cos(region.rotation))
    half = np.array([sin * along + cos * across, cos * along + sin * across])
    middle = np.array([region.x, region.y])
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def _box_around(points: FloatArray, last: FloatArray) -> FloatArray:
    """Return the box in which a person with these keypoints is looked for next.

    Its sides come nearer to each other only slowly: if half of a person is missed in one image, the
    next one still finds it.
    """
    box = extent(points)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * FOLLOW_SCALE
    step = MOST_STEP * (last[2:] - last[:2])
    low = np.minimum(middle - half, last[:2] + step)
    high = np.maximum(middle + half, last[2:] - step)
    return np.concatenate([low, high]).astype(np.float32)


def _same_body(points: FloatArray, other: FloatArray) -> bool:
    """Whether two boxes ended on one person."""
    distance = np.hypot(*(points - other).T)
    common = np.isfinite(distance)
    if common.sum() < LEAST_COMMON:
        return False
    side = float(np.nanmax(np.ptp(other[np.isfinite(other).all(axis=1)], axis=0)))
    return float(distance[common].mean()) < SAME_BODY * max(side, 1.0)
