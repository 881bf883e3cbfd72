"""Gestures of people, from their poses and the images' stamps.

What a gesture looks like is a function in ``body`` or ``hand`` and a line in
one of the tables below; that it is held, for which person and since when is the same for all.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures import body, hand
from pose_ros.core.gestures.body import BodyView, Palm, view_body
from pose_ros.core.gestures.hold import Event, Hold, JointReader, Joints
from pose_ros.core.gestures.pointing import Ray, arm_ray
from pose_ros.core.gestures.postures import (
    FALL_SECONDS,
    FALLEN,
    POSTURE_NAMES,
    POSTURES,
    PostureView,
    view_posture,
)
from pose_ros.core.gestures.repetitions import SHARE_SEEN, RepetitionCounter, movements
from pose_ros.core.gestures.taught import TaughtGestures, landmarks_of
from pose_ros.core.skeletons import SIDES, Side
from pose_ros.core.timeline import StampStep, step_from
from pose_ros.core.types import Pose, Poses, hand_id, person_of_hand
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import GestureOptions

__all__ = ["Event", "Gesture", "GestureRecognizer", "GestureSide", "Ray"]

GestureSide: TypeAlias = Literal["left", "right", "both", ""]
_Key: TypeAlias = tuple[str, GestureSide]
_BodyTest: TypeAlias = tuple[_Key, tuple[Side, ...], Callable[[Sequence[BodyView], float], bool]]

# An arm makes one gesture at a time: that which stands first. A T is no pointing.
TWO_ARMED: dict[str, Callable[[Sequence[BodyView], float], bool]] = {
    "stop": body.raises_both_hands,
    "raise_hand": body.raises_both_hands,
    "t_pose": body.makes_t,
    "arms_crossed": body.crosses_arms,
}
ONE_ARMED: dict[str, Callable[[Sequence[BodyView], Side, float], bool]] = {
    "wave": body.waves,
    "come_here": body.beckons,
    "stop": body.holds_hand_out,
    "raise_hand": body.raises_hand,
    "point": body.points,
}
HANDS: dict[str, Callable[[hand.HandView, float], bool]] = {
    "open_palm": hand.opens_palm,
    "fist": hand.makes_fist,
    "finger_point": hand.points_finger,
    "thumb_up": hand.puts_thumb_up,
    "thumb_down": hand.puts_thumb_down,
    "victory": hand.shows_victory,
    "ok": hand.shows_ok,
}
MOVING = frozenset({"wave", "come_here"})
"""Gestures that are recognized by having moved for a while: no hold time comes on top."""
POINTING = frozenset({"point"})
"""Gestures that have a ray."""
NAMES = tuple(dict.fromkeys([*TWO_ARMED, *ONE_ARMED, *HANDS]))

_VIEW_SECONDS = 3.0  # of the past that gestures may look at
_UP = (0.0, -1.0, 0.0)


@dataclass(frozen=True)
class Gesture:
    """What a person does with an arm, both arms or a hand, in one image.

    >>> import pose_ros
    >>> gesture = pose_ros.Gesture("wave", "left", 0, "held", confidence=0.9, since=1.5)
    >>> gesture.name, gesture.side, gesture.person
    ('wave', 'left', 0)

    Attributes:
        name: One of ``NAMES``, or of a gesture that was taught; or of a movement, in the image
            in which a repetition is complete, ``since`` the beginning of it.
        side: The person's own left or right, ``both`` arms, or empty where it is unknown which
            hand it is.
        person: Id of the person.
        event: ``started`` in the first image that it is recognized in, after it has been seen
            for the hold time; ``held`` in the next ones; ``ended`` once, in the first image
            that it is not recognized in any more.
        confidence: In [0, 1], the least score of the joints that it was seen by; of a gesture
            that was taught, how probable it is.
        since: Stamp in seconds of the image in which it was first seen, the hold time before
            it started.
        ray: Where it points, if it does.
    """

    name: str
    side: GestureSide
    person: int
    event: Event
    confidence: float
    since: float
    ray: Ray | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise OptionError(f"Gesture.confidence must be in [0, 1], got {self.confidence}")


class GestureRecognizer:
    """Recognizes the gestures of the people in one stream of images, by their ids.

    >>> import pose_ros
    >>> estimator, recognizer = pose_ros.create_estimator(), pose_ros.GestureRecognizer()
    >>> camera = pose_ros.open_source("synthetic:t_pose", fps=10, live=False)
    >>> while (frame := camera.read()) is not None:
    ...     poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
    ...     for gesture in recognizer.update(poses, frame.stamp):
    ...         if gesture.event == "started":
    ...             print(gesture.name, gesture.side, gesture.person)
    t_pose both 0
    """

    def __init__(self, options: GestureOptions | None = None) -> None:
        """Begin a stream.

        Args:
            options: They may be replaced between two images; only ``taught`` stays as it is.

        Raises:
            DocumentError: The file of taught gestures cannot be read, or holds something else.
            OptionError: A gesture that was taught has the name of one that is built in.
        """
        self.options = options or GestureOptions()
        self._taught = read_taught(self.options.taught)
        self._stamp = -math.inf
        self._bodies: dict[int, _Body] = {}
        self._hands: dict[int, _Hand] = {}

    def reset(self) -> None:
        """Begin a new stream: nothing is remembered of any person, and no gesture ends."""
        self._stamp = -math.inf
        self._bodies, self._hands = {}, {}

    def update(
        self,
        poses: Poses,
        stamp: float,
        *,
        hands: Poses | None = None,
        up: ArrayLike | None = None,
    ) -> tuple[Gesture, ...]:
        """Return what the people in an image do, and what ended with it.

        Args:
            poses: The people; of a skeleton that is a hand's, hands.
            stamp: Of the image in seconds, rising within a stream; a jump back or a gap ends
                all gestures and starts over.
            hands: Their hands in the same image, with ids of ``hand_id``.
            up: (3,) against gravity in the camera's optical frame; that of a level camera
                if not given.

        Returns:
            Gestures that are held, and those that ended in this image.

        Raises:
            OptionError: ``up`` has no direction.
        """
        against_gravity = np.array(_UP if up is None else up, np.float64)
        length = float(np.linalg.norm(against_gravity))
        if against_gravity.shape != (3,) or not 0.0 < length < math.inf:
            raise OptionError(f"expected up as a vector of 3 numbers, got {up!r}")
        against_gravity /= length
        found: list[Gesture] = []
        if step_from(self._stamp, stamp, self.options.max_gap) not in (
            StampStep.NEXT,
            StampStep.SAME,
        ):
            for someone in (*self._bodies.values(), *self._hands.values()):
                found += someone.end()
            self.reset()
        self._stamp = stamp
        # an arm's gesture depends on its hand
        of_hands: list[Gesture] = []
        if hands is not None:
            of_hands += self._update_hands(hands, against_gravity, of_people=True)
        if "thumb_tip" in poses.skeleton.keypoints:
            found += self._update_hands(poses, against_gravity, of_people=False)
        else:
            seen = set() if hands is None else set(hands.ids.tolist())
            found += self._update_bodies(poses, against_gravity, seen)
            if hands is None:  # hands that are not looked for any more are gone too
                found += self._forget(self._hands, set())
        return (*found, *of_hands)

    def _update_bodies(self, poses: Poses, up: Float64Array, hands: set[int]) -> Iterator[Gesture]:
        for pose in poses:
            body_ = self._bodies.setdefault(pose.id, _Body(pose.id))
            own = {side: hand_id(pose.id, i) for i, side in enumerate(SIDES)}
            palms = {
                side: palm
                for side, id_ in own.items()
                if id_ in hands and (palm := self._hands[id_].palm(side)) is not None
            }
            yield from body_.update(pose, self._stamp, up, palms, self.options)
            if self._taught is not None and not self._taught.skeleton.is_hand:
                yield from body_.recognize(self._taught, pose, self.options)
        yield from self._forget(self._bodies, set(poses.ids.tolist()))

    def _update_hands(
        self, poses: Poses, up: Float64Array, *, of_people: bool
    ) -> Iterator[Gesture]:
        for pose in poses:
            person = person_of_hand(pose.id) if of_people else pose.id
            hand_ = self._hands.setdefault(pose.id, _Hand(person))
            arm_hangs = False
            if of_people and person in self._bodies:  # as in the image before
                arm_hangs = self._bodies[person].arm_hangs(SIDES[pose.id % 2])
            yield from hand_.update(pose, self._stamp, up, self.options, arm_hangs=arm_hangs)
            if self._taught is not None and self._taught.skeleton.is_hand:
                yield from hand_.recognize(self._taught, pose, self.options, rests=arm_hangs)
        yield from self._forget(self._hands, set(poses.ids.tolist()))

    def _forget(
        self, remembered: dict[int, _Body] | dict[int, _Hand], present: set[int]
    ) -> Iterator[Gesture]:
        """End what those did who have not been seen for too long."""
        for id_ in set(remembered) - present:
            if self._stamp - remembered[id_].stamp > self.options.joint_memory:
                yield from remembered.pop(id_).end()


class _Someone:
    """What is remembered of one body or hand."""

    def __init__(self, person: int) -> None:
        self.stamp = -math.inf
        self._person = person
        self._reader = JointReader("shape")
        self._holds: dict[_Key, Hold] = {}
        self._counters: dict[_Key, RepetitionCounter] = {}
        self._counted: set[_Key] = set()  # repetitions that were complete in the last image
        # of the image in which it was last seen: a gesture that is let go points nowhere else
        self._last: dict[_Key, tuple[float, Ray | None]] = {}

    def end(self) -> Iterator[Gesture]:
        """End all that is held."""
        for key in self._holds:
            yield from self._end(key)
        for key in self._counted:
            yield Gesture(*key, self._person, "ended", 0.0, self.stamp)
        self._counted.clear()

    def recognize(
        self, taught: TaughtGestures, pose: Pose, options: GestureOptions, *, rests: bool = False
    ) -> Iterator[Gesture]:
        """Take in which taught gesture the next image shows; one that rests shows none."""
        landmarks = landmarks_of(pose, taught.skeleton, options.min_score)
        name, confidence = (None, 0.0) if rests else taught.classify(landmarks)
        side: GestureSide = pose.label if pose.label in SIDES else ""
        for known in taught.counts:
            key: _Key = (known, side)
            self._holds.setdefault(key, Hold())
            if known == name:
                self._last[key] = confidence, None
            yield from self._step(key, known == name, options)
        for movement in movements(taught.counts):
            key = (movement, side)
            counter = self._counters.setdefault(key, RepetitionCounter(movement))
            pose_name, confidence = taught.classify(
                landmarks, among=counter.poses, least_share=SHARE_SEEN
            )
            begun = counter.step(None if rests else pose_name, self.stamp)
            if key in self._counted:
                self._counted.remove(key)
                yield Gesture(*key, self._person, "ended", confidence, self.stamp)
            if begun is not None:
                self._counted.add(key)
                yield Gesture(*key, self._person, "started", confidence, begun)

    def _read(self, pose: Pose, stamp: float, options: GestureOptions) -> Joints:
        self.stamp = stamp
        return self._reader.read(
            pose, stamp, min_score=options.min_score, seconds=options.joint_memory
        )

    def _step(self, key: _Key, seen: bool | None, options: GestureOptions) -> Iterator[Gesture]:
        hold = self._holds[key]
        since = hold.since
        hold_time = 0.0 if key[0] in MOVING else options.hold_time
        event = hold.step(seen, self.stamp, hold_time, options.release_time)
        yield from self._tell(key, event, since if event == "ended" else hold.since)

    def _end(self, key: _Key) -> Iterator[Gesture]:
        since = self._holds[key].since
        yield from self._tell(key, self._holds[key].end(), since)

    def _tell(self, key: _Key, event: Event | None, since: float) -> Iterator[Gesture]:
        if event is not None:
            confidence, ray = self._last[key]
            ray = None if event == "ended" else ray
            yield Gesture(*key, self._person, event, confidence, since, ray)


class _Body(_Someone):
    def __init__(self, person: int) -> None:
        super().__init__(person)
        self._placed = JointReader("place")
        self._picture = JointReader("picture")
        self._views: deque[BodyView] = deque()
        self._postures: deque[PostureView] = deque()
        self._upright = -math.inf  # stamp at which the person was last seen upright

    def arm_hangs(self, side: Side) -> bool:
        """Return whether an arm was seen to hang in the last image."""
        return bool(self._views) and body.hangs_down(self._views[-1].arm(side))

    def update(
        self,
        pose: Pose,
        stamp: float,
        up: Float64Array,
        palms: Mapping[Side, Palm],
        options: GestureOptions,
    ) -> Iterator[Gesture]:
        """Take in the next image of this person, and what their hands look like."""
        shape = self._read(pose, stamp, options)
        placed, picture = (
            reader.read(pose, stamp, min_score=options.min_score, seconds=options.joint_memory)
            for reader in (self._placed, self._picture)
        )
        view = view_body(shape, picture, placed, stamp=stamp, up=up, palms=palms)
        self._views.append(view)
        while stamp - self._views[0].stamp > _VIEW_SECONDS:
            self._views.popleft()
        taken: set[Side] = set()  # arms that make a gesture
        begun: set[Side] = set()  # arms that may be about to
        for key, sides, test in _body_tests(options.stop):
            hold = self._holds.setdefault(key, Hold())
            if taken.intersection(sides):
                yield from self._end(key)
                continue
            arms = [arm for arm in map(view.arm, sides) if arm is not None]
            seen = None
            if len(arms) == len(sides):
                seen = test(self._views, float(hold.held))
                seen = seen and (hold.held or not begun.intersection(sides))
            if seen:
                ray = arm_ray(placed, sides[0], options.ray) if key[0] in POINTING else None
                self._last[key] = min(arm.score for arm in arms), ray
                begun.update(sides)
            yield from self._step(key, seen, options)
            if hold.held:
                taken.update(sides)
        if options.postures:
            yield from self._update_posture(shape, placed, up, options)

    def _update_posture(
        self, shape: Joints, placed: Joints, up: Float64Array, options: GestureOptions
    ) -> Iterator[Gesture]:
        """Take in how the body as a whole is in this image."""
        turned = self._views[-1].turned
        view = view_posture(shape, placed, stamp=self.stamp, up=up, chest=turned)
        if view is not None:
            self._postures.append(view)
        while self._postures and self.stamp - self._postures[0].stamp > _VIEW_SECONDS:
            self._postures.popleft()
        for name, test in POSTURES.items():
            hold = self._holds.setdefault((name, ""), Hold())
            seen = None if view is None else test(self._postures, float(hold.held))
            yield from self._step_posture(name, seen, view, options)
        if self._holds["standing", ""].held:
            self._upright = self.stamp
        lying = self._holds["lying", ""]
        fell = lying.held and (
            self._holds.setdefault((FALLEN, ""), Hold()).held
            or lying.since - self._upright <= FALL_SECONDS
        )
        yield from self._step_posture(FALLEN, fell, view, options)

    def _step_posture(
        self, name: str, seen: bool | None, view: PostureView | None, options: GestureOptions
    ) -> Iterator[Gesture]:
        self._holds.setdefault((name, ""), Hold())
        if seen and view is not None:
            self._last[name, ""] = view.score, None
        yield from self._step((name, ""), seen, options)


class _Hand(_Someone):
    def __init__(self, person: int) -> None:
        super().__init__(person)
        self._view: hand.HandView | None = None

    def palm(self, side: Side) -> Palm | None:
        """Return what the hand says of its arm's gesture, None where joints are missing."""
        return None if self._view is None else hand.view_palm(self._view, side)

    def update(
        self,
        pose: Pose,
        stamp: float,
        up: Float64Array,
        options: GestureOptions,
        *,
        arm_hangs: bool = False,
    ) -> Iterator[Gesture]:
        """Take in the next image of this hand; at the end of an arm that hangs it rests."""
        joints = self._read(pose, stamp, options)
        self._view = view = hand.view_hand(joints.points, joints.scores, up)
        side: GestureSide = pose.label if pose.label in SIDES else ""
        for name, test in HANDS.items():
            key: _Key = (name, side)
            hold = self._holds.setdefault(key, Hold())
            seen = None if view is None else not arm_hangs and test(view, float(hold.held))
            if view is not None and seen:
                self._last[key] = view.score, None
            yield from self._step(key, seen, options)


def read_taught(file: str) -> TaughtGestures | None:
    """Return the gestures of a file that ``pose-ros gesture teach`` made; None without a file.

    Raises:
        DocumentError: The file cannot be read, or holds something else.
        OptionError: One has the name of a gesture that is built in.
    """
    if not file:
        return None
    taught = TaughtGestures.load(file)
    for name in (*taught.counts, *movements(taught.counts)):
        if name in (*NAMES, *POSTURE_NAMES):
            raise OptionError(f"{file}: {name} is the name of a gesture that is built in")
    return taught


@functools.cache
def _body_tests(stop: str) -> tuple[_BodyTest, ...]:
    """Return the gestures of the arms, those first that others are not seen beside."""
    tests: list[_BodyTest] = []
    for name, both in TWO_ARMED.items():
        if name != "stop" or stop != "palm":
            tests.append(((name, "both"), SIDES, both))
    for name, one in ONE_ARMED.items():
        if name != "stop" or stop != "both_up":
            tests += [((name, side), (side,), _for_side(one, side)) for side in SIDES]
    return tuple(tests)


def _for_side(
    test: Callable[[Sequence[BodyView], Side, float], bool], side: Side
) -> Callable[[Sequence[BodyView], float], bool]:
    return lambda views, slack: test(views, side, slack)
