"""BlazeHand: a detector finds palms, a landmark network follows each hand in a rotated square.

Sources: Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020, and the
constants of google-ai-edge/mediapipe, ``modules/palm_detection`` and ``modules/hand_landmark``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region, crop_batch, extent, iou, rotation_to
from pose_ros.core.smoothing import OneEuroFilter
from pose_ros.core.timeline import Stream
from pose_ros.core.tracking import Body, Tracker
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
from pose_ros.networks.blazepose import IMAGE_SMOOTHING, WORLD_SMOOTHING
from pose_ros.networks.search import SEARCH_PERIOD
from pose_ros.settings.estimation import MAX_PEOPLE, EstimatorOptions

DETECTOR_SIZE = 192
LANDMARK_SIZE = 224
LANDMARKS = 21
DEPTH_SCALE = 0.4
"""What the network's z must be divided by to be at the scale of its x and y."""

SAME_HAND_IOU = 0.5
"""Two regions that overlap by more hold one hand."""

SECOND_LOOK_PALM = 0.6
"""What a second look multiplies the least score of a palm by."""

SECOND_LOOK_PRESENCE = 0.8
"""Least presence of a hand that a second look found: its palm is less sure."""

BODY_SIZE = 6.0
"""Size of a person, in which tracker and filters measure ways, in sides of a hand's region."""


ANCHORS = ssd.anchors(DETECTOR_SIZE, strides=(8, 16, 16, 16))
SKELETON = skeletons.get("blazehand21")
_WRIST = 0
_PALM_WRIST, _PALM_MIDDLE_MCP = 0, 2  # of the detector's seven points
_KNUCKLES = [SKELETON.index(f"{finger}_mcp") for finger in ("index", "middle", "ring")]
# without the fingers' ends, so that the region does not grow and shrink with every gesture
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]


@dataclass(frozen=True)
class Hand:
    """One hand as the landmark network sees it, in image pixels.

    Attributes:
        presence: Score in [0, 1] that a hand is there.
        left: Probability in [0, 1] that it is the person's own left hand.
        points: (21, 3): x, y, and z at the scale of x, relative to the wrist.
        world: (21, 3) meters from about the middle of the hand, axes of the camera.
    """

    presence: float
    left: float
    points: FloatArray
    world: FloatArray


def detect(raw_boxes: FloatArray, raw_scores: FloatArray, threshold: float) -> ssd.Detections:
    """Decode the palm detector's outputs.

    Args:
        raw_boxes: (2016, 18): the box around the palm, then wrist, the knuckles of
            index, middle, ring and little finger, and two joints of the thumb.
        raw_scores: (2016,) before the sigmoid.
        threshold: Least score, in [0, 1].

    Returns:
        Detections, best first, in the unit square around the letterboxed image.
    """
    return ssd.decode(raw_boxes, raw_scores, ANCHORS, DETECTOR_SIZE, threshold)


def decode(
    raw: FloatArray, presence: float, mirrored: float, world: FloatArray, region: Region
) -> Hand:
    """Decode the landmark network's outputs for one region.

    Args:
        raw: (63,): 21 points of x, y, z in input pixels.
        presence: Score in [0, 1] that a hand is in the region.
        mirrored: Probability that it is a left hand if the image is a mirror's, as the
            network, made for selfies, takes it to be.
        world: (63,): 21 points in meters, axes of the region.
        region: Where the input was cut out.
    """
    points = raw.reshape(LANDMARKS, 3) / np.float32(LANDMARK_SIZE)
    z = points[:, 2:] / DEPTH_SCALE * region.size
    cos, sin = np.cos(region.rotation), np.sin(region.rotation)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    return Hand(
        presence=presence,
        left=min(max(1.0 - mirrored, 0.0), 1.0),
        points=np.concatenate([region.to_image(points[:, :2]), z], axis=1).astype(np.float32),
        world=world.reshape(LANDMARKS, 3) @ turn.T,
    )


def region_of_palm(box: FloatArray, points: FloatArray) -> Region | None:
    """Return the square around the hand of a detected palm, fingers up.

    Args:
        box: (4,) pixels, x0 y0 x1 y1.
        points: (7, 2) pixels, as in ``detect``.

    Returns:
        None when the palm has no extent or is not finite.
    """
    rotation = rotation_to(points[_PALM_WRIST], points[_PALM_MIDDLE_MCP])
    center = (box[:2] + box[2:]) / 2
    return Region.around(center, box[2:] - box[:2], rotation, shift=0.5, scale=2.6)


def region_of_landmarks(points: FloatArray) -> Region | None:
    """Return the square in which to look for a hand next, fingers up.

    Args:
        points: (21, 2) pixels.

    Returns:
        None when the hand has no extent or is not finite.
    """
    if not np.isfinite(points).all():
        return None
    index, middle, ring = points[_KNUCKLES]
    rotation = rotation_to(points[_WRIST], ((index + ring) / 2 + middle) / 2)
    cos, sin = math.cos(rotation), math.sin(rotation)
    axes = np.array([[cos, sin], [-sin, cos]], np.float32)  # the hand's own x and y
    box = extent(points[_STEADY] @ axes.T)
    center = (box[:2] + box[2:]) / 2 @ axes
    return Region.around(center, box[2:] - box[:2], rotation, shift=0.1, scale=2.0)


def same_hand(a: Region, b: Region) -> bool:
    """Whether two regions overlap so much, their rotation left aside, that they hold one hand."""
    return float(iou(_box(a), _box(b)[None])[0]) > SAME_HAND_IOU


def _box(region: Region) -> FloatArray:
    x, y, half = region.x, region.y, region.size / 2
    return np.array([x - half, y - half, x + half, y + half], np.float32)


class LandmarkNetwork:
    """The network that finds the landmarks of hands, with the memory for its input."""

    def __init__(self, session: Session, most: int) -> None:
        """``most``: greatest number of hands in one run."""
        self._session = session
        # memory that is never written to is not taken: only as many hands as there are count
        self._crops = np.empty((most, 3, LANDMARK_SIZE, LANDMARK_SIZE), np.float32)

    def __call__(self, image: Image, channels: Channels, regions: Sequence[Region]) -> list[Hand]:
        """Find the hand in each region of an image, all in one run."""
        if not regions:
            return []
        batch = crop_batch(self._crops, image, channels, regions)
        raw, presence, mirrored, world = self._session.run(batch)
        return [
            decode(raw[i], float(presence[i, 0]), float(mirrored[i, 0]), world[i], region)
            for i, region in enumerate(regions)
        ]


@dataclass(frozen=True)
class FoundHand:
    """One hand in the present frame.

    Attributes:
        hand: Its landmarks.
        region: Where to look for it next.
        origins: Ids of the tracks that led to it; empty for one newly detected.
    """

    hand: Hand
    region: Region
    origins: frozenset[int] = frozenset()


class HandFilters:
    """The filters of one hand: MediaPipe's settings for bodies, since it does not smooth hands."""

    def __init__(self) -> None:
        self._points = OneEuroFilter(IMAGE_SMOOTHING)
        self._world = OneEuroFilter(WORLD_SMOOTHING)

    def smooth(self, found: FoundHand, stamp: float) -> Hand:
        """Filter this frame's landmarks."""
        points = found.hand.points.astype(np.float64)
        world = found.hand.world.astype(np.float64)
        return replace(
            found.hand,
            points=self._points(points, stamp, BODY_SIZE * found.region.size).astype(np.float32),
            world=self._world(world, stamp).astype(np.float32),
        )


class _BlazeHandMemory:
    """What is remembered of the hands of a stream."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.lose_sight()

    def lose_sight(self) -> None:
        """Follow no hand into the next image; which was where stays known."""
        self.tracks: dict[int, tuple[Region, HandFilters]] = {}
        self.searched = -np.inf
        self.looks = 0

    def forget(self) -> None:
        """Forget all hands; no id is used again."""
        self.lose_sight()
        self.tracker.forget()


class BlazeHand:
    """An ``Estimator`` (see ``pose_ros.core.types``) of hands for one stream of images.

    ``max_people`` is the most hands; ``upper_body_only`` changes nothing, for a hand
    belongs to the upper body whole. The hand labeled ``left`` is the person's own left
    one in an image that is not mirrored, such as a robot's camera takes; MediaPipe takes
    images for a mirror's and calls the same hand ``Right``.

    Attributes:
        looks_twice: Whether a picture by itself, and the first image of a stream, get the second
            look too, which MediaPipe does not take.
    """

    skeleton = SKELETON
    looks_twice = False

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
        self._threshold = contract.threshold
        self.options = options
        self.provider = sessions["landmarks"].provider
        self.find_landmarks = LandmarkNetwork(sessions["landmarks"], MAX_PEOPLE)
        self._detector = ssd.Detector(sessions["detector"], DETECTOR_SIZE, detect)
        self._stream = Stream(_BlazeHandMemory)
        self._memory, self._stamp = _BlazeHandMemory(), 0.0  # of the image in work

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""
        self._stream.reset()

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the hands in one image; see ``Estimator.estimate``."""
        image = validate_image(image, channels)
        hands = self.identify(self.find(image, channels, stamp))
        return to_poses(list(hands), list(hands.values()))

    def find(
        self,
        image: Image,
        channels: Channels,
        stamp: float | None,
        besides: Sequence[Region] = (),
    ) -> list[FoundHand]:
        """Find the hands in the next image of the stream.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            stamp: As for ``estimate``.
            besides: Squares of hands that are known; they count toward ``max_people``.

        Returns:
            The other hands. ``identify`` has to follow.
        """
        options = self.options
        memory, stamp = self._stream.take(image.shape[:2], stamp, static=options.static)
        self._memory, self._stamp = memory, stamp
        most = max(0, options.max_people - len(besides))
        followed = list(memory.tracks.items())[:most]
        looked = self._look(image, channels, [(r, frozenset({id_})) for id_, (r, _) in followed])
        hands = _others(looked, besides)
        lost = len(looked) < len(followed)
        alone = self.looks_twice and not self._memory.looks and not followed
        for _ in range(2 if alone else 1):
            if not self._wants_more(len(hands) + len(besides), stamp, lost=lost):
                break
            lost = lost or alone
            known = [*besides, *(found.region for found in hands)]
            least = SECOND_LOOK_PRESENCE if self._is_second_look else 0.0
            new = self._search(image, channels, known, stamp)
            looked = self._look(image, channels, new, least)
            hands = _others(distinct([*hands, *looked]), besides)
        return hands

    def find_regions(
        self,
        image: Image,
        channels: Channels,
        threshold: float,
        tiles: int = 1,
        *,
        averaged: bool = False,
    ) -> list[Region]:
        """Run the palm detector on a whole image and, with ``tiles``, on parts of it.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            threshold: Least score of a palm, in [0, 1].
            tiles: Along the image's longer side; 1 for none.
            averaged: Whether each pixel of a smaller input is the mean of all that it covers.
                MediaPipe takes it from the nearest four, and noise and fine patterns stay in.

        Returns:
            The square around each hand, the surest hand first.
        """
        smaller = max(image.shape[:2]) / (DETECTOR_SIZE * tiles) if averaged else 1.0
        if smaller > 1.0:
            size = [max(1, round(side / smaller)) for side in image.shape[1::-1]]
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        else:
            smaller = 1.0
        grow = np.float32(smaller)
        scored: list[tuple[float, Region]] = []
        for _, found in self._detector(image, channels, threshold, tiles, threshold):
            for score, box, points in zip(found.scores, found.boxes, found.points, strict=True):
                region = region_of_palm(box * grow, points * grow)
                if region is not None:
                    scored.append((float(score), region))
        return [region for _, region in sorted(scored, key=lambda pair: -pair[0])]

    @property
    def _is_second_look(self) -> bool:
        """Whether the next search takes less sure palms, of pixels that are averaged."""
        return self._memory.looks % 2 == 1

    def _wants_more(self, count: int, stamp: float, *, lost: bool) -> bool:
        """Whether to look for hands in the whole image; at once when one was just lost."""
        waited = stamp - self._memory.searched >= SEARCH_PERIOD
        return count < self.options.max_people and (lost or waited or count == 0)

    def _search(
        self, image: Image, channels: Channels, known: Sequence[Region], stamp: float
    ) -> list[tuple[Region, frozenset[int]]]:
        """Look for hands in the whole image, besides those in the known regions.

        The first look at a stream is MediaPipe's, and each second one sees less noise and takes
        less sure palms, if their landmarks are the surer.
        """
        options = self.options
        second = self._is_second_look
        self._memory.searched = stamp
        self._memory.looks += 1
        regions = list(known)
        threshold = options.threshold_or(self._threshold) * (SECOND_LOOK_PALM if second else 1.0)
        for region in self.find_regions(
            image, channels, threshold, options.detect_tiles, averaged=second
        ):
            if len(regions) < options.max_people and not any(
                same_hand(region, other) for other in regions
            ):
                regions.append(region)
        return [(region, frozenset()) for region in regions[len(known) :]]

    def _look(
        self,
        image: Image,
        channels: Channels,
        regions: Sequence[tuple[Region, frozenset[int]]],
        least: float = 0.0,
    ) -> list[FoundHand]:
        """Find the hand in each region; two regions of one hand give one.

        A hand's presence has to be that which the options ask for, and ``least``.
        """
        least = max(least, self.options.min_tracking_confidence)
        hands = self.find_landmarks(image, channels, [region for region, _ in regions])
        found = []
        for hand, (_, origins) in zip(hands, regions, strict=True):
            region = region_of_landmarks(hand.points[:, :2])
            if region is not None and hand.presence >= least:
                found.append(FoundHand(hand, region, origins))
        return distinct(found)

    def identify(self, hands: Sequence[FoundHand]) -> dict[int, Hand]:
        """Give hands of the last image their ids, and remember where to look next.

        Returns:
            The hands, filtered, by their ids.
        """
        options, stamp = self.options, self._stamp
        bodies = [
            Body(
                center=np.array([found.region.x, found.region.y]),
                size=BODY_SIZE * found.region.size,
                # a left hand does not come back as a right one; one in sight may waver
                look=None if found.origins else np.array([found.hand.left], np.float32),
                origins=found.origins,
            )
            for found in hands
        ]
        ids = self._memory.tracker.update(bodies, stamp, options.reid_timeout)
        tracks, filtered = {}, {}
        for id_, found in zip(ids, hands, strict=True):
            _, track = self._memory.tracks.get(id_) or (None, HandFilters())
            tracks[id_] = (found.region, track)
            filtered[id_] = track.smooth(found, stamp) if options.smoothing else found.hand
        self._memory.tracks = tracks
        return filtered


def _others(hands: Sequence[FoundHand], known: Sequence[Region]) -> list[FoundHand]:
    """Return the hands that are not those in known squares."""
    return [one for one in hands if not any(same_hand(one.region, region) for region in known)]


def distinct(hands: Sequence[FoundHand]) -> list[FoundHand]:
    """Return each hand once, the surest of those that regions overlapping so much hold."""
    kept: list[FoundHand] = []
    for found in hands:
        for i, other in enumerate(kept):
            if same_hand(found.region, other.region):
                better = max(other, found, key=lambda one: one.hand.presence)
                kept[i] = replace(better, origins=other.origins | found.origins)
                break
        else:
            kept.append(found)
    return kept


def to_poses(ids: Sequence[int], hands: Sequence[Hand]) -> Poses:
    """Stack hands into a result; a keypoint's score is that of its whole hand."""
    if not hands:
        return Poses.empty(SKELETON)
    points = np.stack([hand.points for hand in hands])
    scores = np.clip([hand.presence for hand in hands], 0, 1).astype(np.float32)
    left = np.array([hand.left for hand in hands], np.float32)
    return Poses(
        skeleton=SKELETON,
        ids=np.array(ids, np.int64),
        scores=scores,
        boxes=np.stack([extent(p[:, :2]) for p in points]),
        keypoints=points[:, :, :2],
        keypoint_scores=np.tile(scores[:, None], LANDMARKS),
        depths=points[:, :, 2],
        world=np.stack([hand.world for hand in hands]),
        labels=tuple("left" if p >= 0.5 else "right" for p in left),
        label_scores=np.maximum(left, 1 - left),
    )
