"""Hands of people: looked for at the wrists of their bodies and, if asked, wherever a palm is.

A hand without a body is looked for by BlazeHand's palm detector, as of a person so near to the
camera that nothing else of them is in the image.

Source: the constants of google-ai-edge/mediapipe, ``modules/holistic_landmark``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region, crop_batch, extent, rotation_to
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.timeline import Stream
from pose_ros.core.types import (
    NO_BODY,
    Channels,
    FloatArray,
    Image,
    ImageLike,
    Poses,
    Session,
    hand_id,
    validate_image,
)
from pose_ros.errors import OptionError
from pose_ros.networks import blazehand
from pose_ros.networks.blazehand import BlazeHand, FoundHand, Hand, HandFilters, LandmarkNetwork
from pose_ros.settings.estimation import MAX_PEOPLE, EstimatorOptions

RECROP_SIZE = 256
WRIST_SCORE = 0.1
"""Least score of a body's wrist at which its hand is looked for."""

REACH = 0.4
"""How far a tracked hand may be from where its body has it, in sides of the larger square."""

WRIST_SEARCH_PERIOD = 0.2
"""Seconds between two looks for a hand at a wrist where none was found."""

SAME_WRIST = 0.25
"""How far the wrist of a palm that was found by itself is from that of its body, in sides of the
hand's square. On the photos of people at hand it is at most 0.20 for a body's own hand of that
side, and at least 0.38 for any other hand."""

WRIST_SIZES = (0.5, 3.0)
"""Least and greatest side of the square at a body's wrist, in sides of its hand's square."""

PART_SIZE = 0.4
"""Side of a hand's square, in sides of a nearer hand's, below which a hand in the middle of that
one is a part of it: on the photos at hand 0.20 and 0.22. A hand behind it would be hidden."""

MOST_SIDES = 100
"""Hands without a body of which it is remembered whether they are left or right."""


@dataclass(frozen=True)
class Wrist:
    """Where a body has one of its hands.

    Attributes:
        person: Id of the person.
        side: 0 for the person's own left hand, 1 for the right.
        region: The square around where the body's landmarks have the hand, fingers up.
        place: x, y of the body's wrist in pixels.
    """

    person: int
    side: int
    region: Region
    place: tuple[float, float]

    @property
    def id(self) -> int:
        """Id of the hand."""
        return hand_id(self.person, self.side)


def hand_joints(skeleton: Skeleton) -> list[list[int]]:
    """Return the indices of a body's wrist and knuckles of little and index finger, by side.

    Raises:
        OptionError: The skeleton has no such keypoints.
    """
    names = [[f"{side}_{joint}" for joint in ("wrist", "pinky", "index")] for side in SIDES]
    missing = [name for joints in names for name in joints if name not in skeleton.keypoints]
    if missing:
        raise OptionError(
            "hands are found at the wrists of bodies, such as those of blazepose-full: "
            f"{skeleton.name} has no {missing[0]}"
        )
    return [[skeleton.index(name) for name in joints] for joints in names]


def hand_regions(bodies: Poses) -> list[Wrist]:
    """Return where people have their hands; one whose wrist is not visible is left out.

    Args:
        bodies: With wrists and the knuckles of index and little fingers, such as BlazePose's.

    Raises:
        OptionError: The skeleton has no such keypoints.
    """
    indices = hand_joints(bodies.skeleton)
    found = []
    for person, points, scores in zip(
        bodies.ids.tolist(), bodies.keypoints, bodies.keypoint_scores, strict=True
    ):
        for side, joints in enumerate(indices):
            region = _region_of_body(*points[joints])
            if region is not None and scores[joints[0]] > WRIST_SCORE:
                x, y = points[joints[0]].tolist()
                found.append(Wrist(person, side, region, (x, y)))
    return found


def _region_of_body(wrist: FloatArray, pinky: FloatArray, index: FloatArray) -> Region | None:
    middle = (2 * index + pinky) / 3
    reach = np.full(2, 2 * math.hypot(*(middle - wrist).tolist()), np.float32)
    rotation = rotation_to(wrist, middle)
    return Region.around(middle, reach, rotation, shift=0.1, scale=2.7)


def decode_recrop(raw: FloatArray, region: Region) -> Region | None:
    """Decode the network that finds the hand more exactly within a body's region.

    Args:
        raw: (4,): the middle of the hand and a point straight below it on the circle
            around it, x, y in input pixels.
        region: Where the input was cut out.

    Returns:
        The square around the hand, fingers up; None when the points fall together.
    """
    center, below = region.to_image(raw.reshape(2, 2) / np.float32(RECROP_SIZE))
    size = np.full(2, 2 * math.hypot(*(below - center).tolist()), np.float32)
    rotation = rotation_to(below, center)
    return Region.around(center, size, rotation, shift=0.1, scale=1.0)


class _BodyHandsMemory:
    """What is remembered of the hands of a stream; who has them, their bodies' ids say."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all hands."""
        self.tracks: dict[int, tuple[Region, HandFilters]] = {}
        self.searched: dict[int, float] = {}  # stamps, by the hand's id
        self.sides: dict[int, int] = {}  # of hands without a body, by the palm's id

    lose_sight = forget


class BodyHands:
    """A ``HandEstimator`` (see ``pose_ros.core.types``): the hands of known bodies.

    A hand's label is its body's own side, ``left`` or ``right``, whatever way the image is
    turned, and its label score is how far the hand by itself looks like one of that side.
    Ids are those of ``hand_id``: ``2 * person + side``, side 0 the left one.

    With the palm detector's session it finds hands without a body too. One that lies at a
    body's wrist of its side is that body's. Any other has a number from ``NO_BODY`` on in place
    of a person's id, the same from image to image, and the side that it looks like at first.
    """

    skeleton = blazehand.SKELETON

    ROLES = ("recrop", "landmarks")
    """The files of a BlazeHand card that it runs."""

    PALM_ROLE = "detector"
    """The file that finds palms."""

    def __init__(
        self, contract: Contract, sessions: Mapping[str, Session], options: EstimatorOptions
    ) -> None:
        """Take over two loaded networks.

        Args:
            contract: Names the network; the rest of these is known here.
            sessions: Those of ``ROLES``; with ``PALM_ROLE`` hands without a body are found too.
            options: ``min_tracking_confidence``, ``smoothing`` and ``static`` count, and for
                palms ``detect_tiles``, ``reid_timeout`` and ``max_people``: two hands for each.
                They may be replaced between two frames.
        """
        self.network = contract.network
        self.options = options
        self.provider = sessions["landmarks"].provider
        self.find_landmarks = LandmarkNetwork(sessions["landmarks"], len(SIDES) * MAX_PEOPLE)
        self._recrop = sessions["recrop"]
        shape = (len(SIDES) * MAX_PEOPLE, 3, RECROP_SIZE, RECROP_SIZE)
        self._crops = np.empty(shape, np.float32)
        self._palms: BlazeHand | None = None
        if self.PALM_ROLE in sessions:
            self._palms = BlazeHand(contract, sessions, options)
            self._palms.looks_twice = True
        self._stream = Stream(_BodyHandsMemory)
        self._memory = _BodyHandsMemory()  # of the image in work

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters."""
        self._stream.reset()
        if self._palms is not None:
            self._palms.reset()

    def estimate(
        self,
        image: ImageLike,
        bodies: Poses,
        stamp: float | None = None,
        *,
        channels: Channels = "rgb",
    ) -> Poses:
        """Find the hands of the people in one image.

        Args:
            image: (H, W, 3) uint8.
            bodies: The people in it, as BlazePose finds them, ids and all; at most 10.
            stamp: As for ``Estimator.estimate``.
            channels: Order of the image's color channels.

        Raises:
            ImageError: As for ``Estimator.estimate``.
            OptionError: The bodies have no hands' keypoints.
        """
        image = validate_image(image, channels)
        given = stamp
        self._memory, stamp = self._stream.take(image.shape[:2], stamp, static=self.options.static)
        memory = self._memory
        wrists = hand_regions(bodies)
        ids = {wrist.id for wrist in wrists}
        known = {
            wrist.id: memory.tracks[wrist.id][0]
            for wrist in wrists
            if wrist.id in memory.tracks and _near(memory.tracks[wrist.id][0], wrist.region)
        }
        found = self._look(image, channels, known)
        lost = [
            wrist for wrist in wrists if wrist.id not in found and self._is_due(wrist.id, stamp)
        ]
        searched = {id_: then for id_, then in memory.searched.items() if id_ in ids}
        memory.searched = searched | {wrist.id: stamp for wrist in lost}
        found |= self._look(image, channels, self.find_regions(image, channels, lost))
        found = _one_hand_each(found)
        if self._palms is None:
            return self._to_poses(self._filter(found, stamp))
        palms = self._find_palms(self._palms, image, channels, given, found)
        found = {id_: one for id_, one in found.items() if not _is_part(one, palms)}
        own = _own_hands(palms, [wrist for wrist in wrists if wrist.id not in found])
        hands = self._filter(dict(sorted((found | own).items())), stamp)
        others = [palm for palm in palms if not any(palm is one for one in own.values())]
        alone = self._palms.identify(others)
        return self._to_poses(hands | {self._alone_id(k, hand): hand for k, hand in alone.items()})

    def _find_palms(
        self,
        palms: BlazeHand,
        image: Image,
        channels: Channels,
        stamp: float | None,
        found: Mapping[int, FoundHand],
    ) -> list[FoundHand]:
        """Find the hands that are not at the wrists of bodies."""
        most = min(len(SIDES) * self.options.max_people, MAX_PEOPLE)
        palms.options = replace(self.options, threshold=None, max_people=most)
        return palms.find(image, channels, stamp, [one.region for one in found.values()])

    def _alone_id(self, number: int, hand: Hand) -> int:
        """Return the id of a hand without a body; it keeps the side that it had at first."""
        sides = self._memory.sides
        side = sides.setdefault(number, _side(hand))
        if len(sides) > MOST_SIDES:
            del sides[next(iter(sides))]
        return hand_id(NO_BODY + number, side)

    def find_regions(
        self, image: Image, channels: Channels, wrists: Sequence[Wrist]
    ) -> dict[int, Region]:
        """Run the network that finds hands more exactly at wrists.

        Returns:
            The square around each hand, by the hand's id.
        """
        if not wrists:
            return {}
        batch = crop_batch(self._crops, image, channels, [wrist.region for wrist in wrists])
        (raw,) = self._recrop.run(batch)
        found = {w.id: decode_recrop(r.ravel(), w.region) for w, r in zip(wrists, raw, strict=True)}
        return {id_: region for id_, region in found.items() if region is not None}

    def _is_due(self, id_: int, stamp: float) -> bool:
        """Whether to look for a hand: at once when it was just lost or its wrist just came."""
        waited = stamp - self._memory.searched.get(id_, -np.inf)
        return id_ in self._memory.tracks or waited >= WRIST_SEARCH_PERIOD

    def _look(
        self, image: Image, channels: Channels, regions: dict[int, Region]
    ) -> dict[int, FoundHand]:
        """Find the hand in each region, by its id."""
        hands = self.find_landmarks(image, channels, list(regions.values()))
        found = {}
        for id_, hand in zip(regions, hands, strict=True):
            region = blazehand.region_of_landmarks(hand.points[:, :2])
            if region is not None and hand.presence >= self.options.min_tracking_confidence:
                found[id_] = FoundHand(hand, region)
        return found

    def _filter(self, found: dict[int, FoundHand], stamp: float) -> dict[int, Hand]:
        """Filter the hands of bodies and remember where to look next."""
        smoothing = self.options.smoothing
        tracks, hands = {}, {}
        for id_, one in found.items():
            _, track = self._memory.tracks.get(id_) or (None, HandFilters())
            tracks[id_] = (one.region, track)
            hands[id_] = track.smooth(one, stamp) if smoothing else one.hand
        self._memory.tracks = tracks
        return hands

    def _to_poses(self, hands: Mapping[int, Hand]) -> Poses:
        """Stack hands into a result, by id."""
        return blazehand.to_poses(list(hands), list(hands.values())).replace(
            labels=tuple(SIDES[id_ % 2] for id_ in hands),
            label_scores=np.array(
                [_likeness(id_, hand) for id_, hand in hands.items()], np.float32
            ),
        )


def _near(a: Region, b: Region) -> bool:
    return math.hypot(a.x - b.x, a.y - b.y) <= REACH * max(a.size, b.size)


def _likeness(id_: int, hand: Hand) -> float:
    """Return how far a hand looks like one of its side, in [0, 1]."""
    return hand.left if SIDES[id_ % 2] == "left" else 1.0 - hand.left


def _side(hand: Hand) -> int:
    return 0 if hand.left >= 0.5 else 1


def _is_part(one: FoundHand, palms: Sequence[FoundHand]) -> bool:
    """Return whether a hand lies within a much larger one, as that of a body seen in a hand."""
    return any(
        one.region.size < PART_SIZE * palm.region.size
        and low[0] <= one.region.x <= high[0]
        and low[1] <= one.region.y <= high[1]
        for palm in palms
        for low, high in [extent(palm.hand.points[:, :2]).reshape(2, 2)]
    )


def _own_hands(palms: Sequence[FoundHand], wrists: Sequence[Wrist]) -> dict[int, FoundHand]:
    """Return which palms are the hands of bodies, by the hand's id.

    Args:
        palms: Found by themselves, of several at one wrist the first.
        wrists: Where bodies have hands that were not found.
    """
    own: dict[int, FoundHand] = {}
    for palm in palms:
        x, y = palm.hand.points[0, :2].tolist()
        near = [
            (math.hypot(x - wrist.place[0], y - wrist.place[1]) / palm.region.size, wrist.id)
            for wrist in wrists
            if wrist.side == _side(palm.hand)
            and wrist.id not in own
            and WRIST_SIZES[0] <= wrist.region.size / palm.region.size <= WRIST_SIZES[1]
        ]
        distance, id_ = min(near, default=(math.inf, 0))
        if distance <= SAME_WRIST:
            own[id_] = palm
    return own


def _one_hand_each(found: dict[int, FoundHand]) -> dict[int, FoundHand]:
    """Return each hand once, for the side that it looks most like, by id."""
    kept: dict[int, FoundHand] = {}
    for id_, one in sorted(found.items(), key=lambda item: -_likeness(item[0], item[1].hand)):
        if not any(blazehand.same_hand(one.region, other.region) for other in kept.values()):
            kept[id_] = one
    return dict(sorted(kept.items()))
