"""All that a report says in numbers, gathered result by result in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.anatomical_angles import NAMES as ANATOMICAL_NAMES
from pose_ros.core.anatomical_angles import anatomical_angles, anatomical_names
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.joint_angles import Basis, JointMotion, continued, joint_angles, triples
from pose_ros.core.results import Result
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Pose, Poses
from pose_ros.report.places import CameraPlacement, ViewCone, Walk, body_height, floor_axes
from pose_ros.report.series import Clock, Histogram, Series
from pose_ros.settings.outputs import JOINTS

Key = tuple[int, int]
"""A person: which recording it is in, from 1 on, and the id."""

_MOST_TRACKS = 256  # people who are remembered
_MOST_SPANS = 64  # a person, that are kept apart
_MOST_GESTURES = 1000  # gestures that are kept one by one
_MOST_OPEN = 256  # that go on at one time
_MOST_PEOPLE = 32  # with angles and places over time
_ANGLE_ROWS = 400
_STAYS = 0.05  # meters by which a camera that stays may seem to move
_DEGREES = np.arange(0.0, 181.0)
_SPEEDS = np.concatenate([[0.0], np.geomspace(1.0, 5000.0, 300)])  # degrees a second, 3% apart
_LATENCIES = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 1000)])  # seconds, 2% apart


@dataclass
class Track:
    """One person.

    Attributes:
        key: Who.
        number: Place in the order of appearance, from 0.
        first: Seconds of the first image.
        last: Seconds of the last image.
        images: In how many images.
        score: Sum of the person's scores.
        spans: When the person was there without a gap, [first, last] seconds each.
    """

    key: Key
    number: int
    first: float
    last: float
    images: int = 0
    score: float = 0.0
    spans: list[list[float]] = field(default_factory=list)
    _image: int = -1

    def see(self, image: int, time: float, score: float, hole: float) -> None:
        """Take in an image, by its number and seconds, in which the person is."""
        goes_on = self.spans and image == self._image + 1 and time - self.last <= hole
        self._image, self.last = image, time
        self.images += 1
        self.score += score
        if goes_on:
            self.spans[-1][1] = time
            return
        self.spans.append([time, time])
        if len(self.spans) > _MOST_SPANS:
            gaps = [b[0] - a[1] for a, b in zip(self.spans, self.spans[1:], strict=False)]
            i = gaps.index(min(gaps))
            self.spans[i : i + 2] = [[self.spans[i][0], self.spans[i + 1][1]]]


class Tracks:
    """All people, as many as can be remembered.

    Attributes:
        people: How many ids there were.
        forgotten: Of these, the ones without room: those with the fewest images.
    """

    def __init__(self, most: int = _MOST_TRACKS) -> None:
        self._most = most
        self._tracks: dict[Key, Track] = {}
        self._gone: set[Key] = set()
        self.people = 0

    @property
    def forgotten(self) -> int:
        """How many people there was no room for."""
        return self.people - len(self._tracks)

    def see(self, recording: int, pose: Pose, image: int, time: float, hole: float) -> Track:
        """Take in one person of an image; returns all that is known of the person."""
        key = (recording, pose.id)
        track = self._tracks.get(key)
        if track is None:
            if len(self._tracks) >= self._most:
                self._forget(time)
            self.people += key not in self._gone
            number = self.people - 1
            track = self._tracks[key] = Track(key, number, time, time)
        track.see(image, time, pose.score, hole)
        return track

    def _forget(self, time: float) -> None:
        # those of this very image are the last to go
        least = min(self._tracks.values(), key=lambda t: (t.last == time, t.images, -t.number))
        del self._tracks[least.key]
        self._gone.add(least.key)

    def __iter__(self) -> Iterator[Track]:
        """In the order of appearance."""
        return iter(sorted(self._tracks.values(), key=lambda track: track.number))

    def longest(self, count: int) -> list[Track]:
        """Return those with most images, in the order of appearance."""
        chosen = sorted(self._tracks.values(), key=lambda t: (-t.images, t.number))[:count]
        return sorted(chosen, key=lambda track: track.number)


@dataclass
class GestureSpan:
    """One gesture of one person.

    Attributes:
        key: Who.
        name: Of the gesture.
        side: The person's own ``left`` or ``right``, ``both``, or empty.
        start: Seconds of the image in which it started.
        end: Of the last image in which it was held.
        confidence: Greatest of its images, in [0, 1].
    """

    key: Key
    name: str
    side: str
    start: float
    end: float
    confidence: float


class GestureLog:
    """All gestures, those of the beginning one by one.

    Attributes:
        held: The first thousand, in the order of their start.
        counts: How often each was made, by name and side.
    """

    def __init__(self, most: int = _MOST_GESTURES) -> None:
        self._most = most
        self._open: dict[tuple[Key, str, str], GestureSpan] = {}
        self.held: list[GestureSpan] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, recording: int, gestures: Iterable[Gesture], time: float) -> list[GestureSpan]:
        """Take in the gestures of one image; returns those that started with it."""
        started = []
        for gesture in gestures:
            key = (recording, gesture.person)
            name = key, gesture.name, str(gesture.side)
            if gesture.event == "ended":
                self._open.pop(name, None)
                continue
            held = self._open.get(name)
            if held is None or gesture.event == "started":
                held = self._open[name] = GestureSpan(*name, time, time, gesture.confidence)
                self.counts[name[1:]] += 1
                if len(self._open) > _MOST_OPEN:  # whose end the recording lacks
                    del self._open[min(self._open, key=lambda key: self._open[key].end)]
                if len(self.held) < self._most:
                    self.held.append(held)
                started.append(held)
            held.end = time
            held.confidence = max(held.confidence, gesture.confidence)
        return started

    def interrupt(self) -> None:
        """Forget all: time started over."""
        self._open.clear()


class JointRates:
    """Counts of the K joints of one skeleton over all people of all images.

    Attributes:
        skeleton: Whose joints.
        people: How many people, each counted in each image.
        found: (K,) in how many of these each joint was found.
        outside: (K,) in how many of these it was said to be beyond the image.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.people = 0
        self.found = np.zeros(len(skeleton), np.int64)
        self.outside = np.zeros(len(skeleton), np.int64)
        self._scores = Histogram(np.linspace(0.0, 1.0, 101), len(skeleton))

    def add(self, poses: Poses, width: int, height: int) -> None:
        """Take in the people of one image of that size in pixels."""
        self.people += len(poses)
        self.found += poses.found.sum(axis=0)
        xy = poses.keypoints
        beyond = (xy < 0).any(axis=2) | (xy[..., 0] > width - 1) | (xy[..., 1] > height - 1)
        self.outside += beyond.sum(axis=0)
        for scores in poses.keypoint_scores:
            self._scores.add(scores)

    @property
    def least(self) -> float:
        """The score from which on a joint counts as found."""
        return self.skeleton.least_score

    @property
    def rates(self) -> Float64Array:
        """(K,) share of people in which each joint was found; NaN without people."""
        return self.found / self.people if self.people else np.full(len(self.skeleton), np.nan)

    def score_quantiles(self, *shares: float) -> Float64Array:
        """Return (Q, K) quantiles of the scores, those of missing joints, 0, included."""
        return self._scores.quantiles(*shares)


class PersonMotion:
    """How the joints of one person move."""

    def __init__(self, corners: NDArray[np.intp]) -> None:
        """``corners``: (A, 3) keypoints of the angles."""
        width = len(corners)
        self.angles = Series(width, _ANGLE_ROWS)
        self.speeds = Series(width, _ANGLE_ROWS)
        self.joints = JointMotion(partial(joint_angles, corners=corners))
        self.anatomical = Series(len(ANATOMICAL_NAMES), _ANGLE_ROWS)
        self._last_anatomical = np.zeros(0)
        self.walk = Walk()
        self.images = 0

    def add_anatomical(self, now: float, pose: Pose, found: NDArray[np.bool_]) -> None:
        """Take in the ISB's angles, which go on without jumps of whole turns."""
        degrees, _ = anatomical_angles(pose, found)
        rows, self._last_anatomical = continued(degrees[None], self._last_anatomical)
        self.anatomical.add(now, rows[0])


@dataclass(frozen=True, eq=False)
class ResultChanges:
    """What one result brought.

    Attributes:
        time: Seconds since the first image.
        new: Who was seen for the first time.
        started: Gestures that started.
        people: Who is there, and the mean score of their joints.
    """

    time: float
    new: list[Key]
    started: list[GestureSpan]
    people: dict[Key, float]


@dataclass
class Counts:
    """Plain counts over all images."""

    with_people: int = 0
    people: int = 0
    hands: int = 0
    with_meters: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    bases: Counter[Basis] = field(default_factory=Counter)
    negative_latencies: int = 0


class Statistics:
    """What is known of the results so far.

    Args:
        joints: Whose angles are measured, as in ``ReportOptions``.
        scale_known: Whether meters of the model follow from more than an assumed height.
        others: Further cameras, by name, as ``ReportBuilder`` takes them.
        camera_names: Of those whose people are fused, the reference first; empty of one camera.
    """

    def __init__(
        self,
        joints: tuple[str, ...] = JOINTS,
        *,
        scale_known: bool = False,
        others: Mapping[str, Float64Array] | None = None,
        camera_names: Sequence[str] = (),
    ) -> None:
        self._joints, self._scale_known = joints, scale_known
        self.camera_name = camera_names[0] if camera_names else "camera"
        self.others = dict(others or {})
        self.clock = Clock()
        self.counts = Counts()
        self.tracks = Tracks()
        self.gestures = GestureLog()
        self.in_image = Series(1)
        self.latency = Series(1)
        self.latencies = Histogram(_LATENCIES)
        self.cone = ViewCone()
        self.rates: dict[str, JointRates] = {}
        self.motions: dict[Key, PersonMotion] = {}
        self.camera_way = Series(2, 512)
        self.placement: CameraPlacement | None = None
        self.up_known = False
        self.angle_names: tuple[str, ...] = ()
        self._degrees: Histogram | None = None
        self._speeds: Histogram | None = None

    def add(
        self,
        result: Result,
        *,
        up: NDArray[np.floating] | None = None,
        placement: CameraPlacement | None = None,
        latency: float | None = None,
    ) -> ResultChanges:
        """Take in the next result; see ``ReportBuilder.add``."""
        clock, counts, poses = self.clock, self.counts, result.poses
        if clock.advance(result):
            self.gestures.interrupt()
        now = clock.now
        counts.with_people += len(poses) > 0
        counts.people += len(poses)
        counts.hands += len(result.hands or ())
        if result.width:
            counts.sizes[result.width, result.height] += 1
        counts.frames[result.frame_id] += 1
        self.in_image.add(now, [len(poses)])
        if latency is not None:
            counts.negative_latencies += latency < 0
            self.latency.add(now, [latency])
            self.latencies.add(latency)
        rates = self.rates.setdefault(poses.skeleton.name, JointRates(poses.skeleton))
        rates.add(poses, result.width, result.height)
        self._place_camera(now, up, placement)
        found = poses.found
        new, people = [], {}
        for i, pose in enumerate(poses):
            track = self.tracks.see(clock.sources, pose, clock.images, now, clock.hole)
            people[track.key] = float(pose.keypoint_scores.mean())
            if track.images == 1:
                new.append(track.key)
            self._move(track.key, track.images, pose, found[i], result.width)
        counts.with_meters += _with_meters(poses)
        started = self.gestures.add(clock.sources, result.gestures, now)
        return ResultChanges(now, new, started, people)

    def _place_camera(
        self, now: float, up: NDArray[np.floating] | None, placement: CameraPlacement | None
    ) -> None:
        if placement is not None:
            self.placement = placement
            self.camera_way.add(now, placement.transform[:2, 3])
        elif self.placement is None or up is not None:
            self.placement = floor_axes(up)
        self.up_known = self.up_known or up is not None or placement is not None

    def place_of(self, pose: Float64Array) -> Float64Array:
        """Return (3,) meters, where a camera is that has a pose in the first one's frame."""
        turn = np.eye(4)
        if self.placement is not None:
            turn = np.asarray(self.placement.transform, np.float64)
        found: Float64Array = (turn @ pose)[:3, 3]
        return found

    def _move(
        self, key: Key, images: int, pose: Pose, found: NDArray[np.bool_], width: int
    ) -> None:
        names, corners = self._corners(pose.skeleton)
        motion = self.motions.get(key)
        if motion is None:
            if len(self.motions) >= _MOST_PEOPLE and not self._make_room(images):
                return
            motion = self.motions[key] = PersonMotion(corners)
        motion.images = images
        now = self.clock.now
        if names and self._degrees is not None and self._speeds is not None:
            angles = motion.joints.add(now, pose, found)
            motion.angles.add(now, angles.degrees)
            motion.speeds.add(angles.middle, np.abs(angles.speeds))
            self._degrees.add(angles.degrees)
            self._speeds.add(np.abs(angles.speeds))
            self.counts.bases.update(basis for basis in angles.bases if basis)
        if anatomical_names(pose.skeleton):
            motion.add_anatomical(now, pose, found)
        if pose.camera is not None and self.placement is not None:
            motion.walk.add(now, pose, self.placement)
            motion.walk.add_height(body_height(pose, found, scale_known=self._scale_known))
            self.cone.add(pose, width)

    def _make_room(self, images: int) -> bool:
        """Forget the movement of a person who was there for less than the next one already is."""
        least = min(self.motions, key=lambda key: (self.motions[key].images, -key[1]))
        if self.motions[least].images >= images:
            return False
        del self.motions[least]
        return True

    def _corners(self, skeleton: Skeleton) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """Return the names of the angles, the same for all skeletons, and their keypoints."""
        corners = triples(skeleton, self._joints)
        if self._degrees is None:
            self.angle_names = tuple(corners)
            self._degrees = Histogram(_DEGREES, len(corners))
            self._speeds = Histogram(_SPEEDS, len(corners))
        if tuple(corners) != self.angle_names:  # another network within one recording
            return (), np.zeros((0, 3), np.intp)
        return self.angle_names, np.array(list(corners.values()), np.intp).reshape(-1, 3)

    @property
    def angle_quantiles(self) -> Mapping[str, NDArray[np.float64]]:
        """Degrees by angle: (3,) the 5th, 50th and 95th percentile over all people."""
        return _by_name(self.angle_names, self._degrees, (0.05, 0.5, 0.95))

    @property
    def speed_quantiles(self) -> Mapping[str, NDArray[np.float64]]:
        """Degrees a second by angle: (2,) the 50th and 95th percentile over all people."""
        return _by_name(self.angle_names, self._speeds, (0.5, 0.95))

    @property
    def camera_moved(self) -> bool:
        """Whether it is known that the camera did not stay where it was."""
        way = self.camera_way.mean
        return len(way) > 0 and bool(np.any(np.ptp(way, axis=0) > _STAYS))

    @property
    def main_rates(self) -> JointRates | None:
        """Those of the skeleton that most people were found with; None without results."""
        return max(self.rates.values(), key=lambda rates: rates.people, default=None)

    @property
    def main_basis(self) -> Basis | None:
        """What most angles were measured in."""
        return max(self.counts.bases, key=self.counts.bases.__getitem__, default=None)


def _with_meters(poses: Poses) -> int:
    if poses.camera is None:
        return 0
    known = np.isfinite(poses.camera).all(axis=2)
    return int(np.sum(np.any(known, axis=1)))


def _by_name(
    names: tuple[str, ...], histogram: Histogram | None, shares: tuple[float, ...]
) -> dict[str, NDArray[np.float64]]:
    if histogram is None:
        return {}
    quantiles = histogram.quantiles(*shares)
    return {name: quantiles[:, i] for i, name in enumerate(names)}
