"""The one person who commands, and who locks: who becomes it, and whether it is still the same.

This module only answers. ``commander`` stops the robot when the operator is lost.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from pose_ros.core.types import FloatArray, Pose, Poses, has_body
from pose_ros.settings.commands import Choice

# How the trunk of a person moves who stands and commands; meters in the plane of the image.
MAX_SPEED = 2.5
MAX_STEP = 0.4
"""How far it may seem to have moved from one image to the next without any speed."""
MAX_SCALE_RATIO = 1.6
MIN_SEPARATION = 0.35
"""Nearer to each other in the image, two people may be mistaken for each other."""

_TRUNK, _SHOULDERS, _BODY = 0.5, 0.36, 1.7  # meters, of a grown person


@dataclass(frozen=True)
class Person:
    """A person in an image.

    Attributes:
        id: As the tracker has it.
        center: x, y in pixels, of the trunk.
        scale: Pixels a meter there, above 0.
        distance: Meters from the camera; NaN: unknown.
        clothes: (6,) as in ``Poses``; None: unknown.
    """

    id: int
    center: tuple[float, float]
    scale: float
    distance: float = math.nan
    clothes: FloatArray | None = field(default=None, compare=False)

    def gap(self, other: Person) -> float:
        """Return how far a person's center is from this one's, in meters of the nearer one."""
        pixels = math.dist(self.center, other.center)
        return pixels / max(self.scale, other.scale)


def people_from(poses: Poses) -> tuple[Person, ...]:
    """Return the people of an image, without those in an unknown place.

    An id that is for hands without a body is left out too: such a hand must not command.
    """
    found = [_person(pose) for pose in poses if has_body(pose.id)]
    return tuple(person for person in found if person is not None)


def _person(pose: Pose) -> Person | None:
    names = pose.skeleton.keypoints

    def middle(joint: str) -> np.ndarray:
        pair = [f"{side}_{joint}" for side in ("left", "right")]
        if not set(pair) <= set(names):
            return np.full((2, 2), np.nan)
        return np.array([pose.keypoint(name)[:2] for name in pair], np.float64)

    shoulders, hips = middle("shoulder"), middle("hip")
    trunk = float(np.linalg.norm(shoulders.mean(axis=0) - hips.mean(axis=0)))
    width = float(np.linalg.norm(shoulders[0] - shoulders[1]))
    x0, y0, x1, y1 = (float(edge) for edge in pose.box)
    # the trunk from the front or the side, whichever is seen at its full length
    scale = np.nanmax([trunk / _TRUNK, width / _SHOULDERS, 0.0])
    center = shoulders.mean(axis=0)
    if not scale > 0.0 or not np.isfinite(center).all():
        scale, center = max(x1 - x0, y1 - y0) / _BODY, np.array([x0 + x1, y0 + y1]) / 2
    if not np.isfinite([scale, *center]).all() or not scale > 0.0:
        return None
    distance = math.nan
    if pose.camera is not None and np.isfinite(pose.camera).all(axis=1).any():
        distance = float(np.nanmedian(np.linalg.norm(pose.camera, axis=1)))
    middle_of = (float(center[0]), float(center[1]))
    return Person(pose.id, middle_of, float(scale), distance, pose.clothes)


class Engagement:
    """Who holds the gesture that engages, and since when.

    Args:
        seconds: For how long it has to be held.
        choice: Who wins: the ``nearest`` of those who hold it, or who is ready ``first``.
    """

    def __init__(self, seconds: float, choice: Choice) -> None:
        self._seconds = seconds
        self._choice = choice
        self._since: dict[int, float] = {}

    def clear(self) -> None:
        """Let all people start over."""
        self._since = {}

    def update(
        self, holding: Iterable[int], people: Sequence[Person], stamp: float
    ) -> tuple[Person | None, bool]:
        """Note an image.

        Args:
            holding: Ids of those who hold the gesture in it.
            people: All who are in it.
            stamp: Its own, seconds; later than the last one's.

        Returns:
            Who is the next to be the operator, if anybody, and whether for long enough.
        """
        ids = [person.id for person in people]
        # of a person who is there twice it is not known which of both holds it
        held = {person for person in holding if ids.count(person) == 1}
        self._since = {person: self._since.get(person, stamp) for person in held}
        candidates = [person for person in people if person.id in held]
        if not candidates:
            return None, False
        chosen = nearest(candidates)
        if self._choice == "first":
            earliest = min(self._since.values())
            chosen = nearest([p for p in candidates if self._since[p.id] == earliest])
        return chosen, stamp - self._since[chosen.id] >= self._seconds


def nearest(people: Sequence[Person]) -> Person:
    """Return who is nearest: by distance where all are known, otherwise who is largest."""
    if all(math.isfinite(person.distance) for person in people):
        return min(people, key=lambda person: person.distance)
    return max(people, key=lambda person: person.scale)


Presence: TypeAlias = Literal["there", "missing", "doubtful"]


class Operator:
    """Follows one person by id, and doubts the id where the body is another's.

    Args:
        person: Who it is.
        stamp: Of the image that it was chosen in, seconds.
    """

    def __init__(self, person: Person, stamp: float) -> None:
        self.id = person.id
        self._last = person
        self._seen = stamp

    def unseen(self, stamp: float) -> float:
        """Return for how many seconds the operator has not been seen."""
        return stamp - self._seen

    def update(self, people: Sequence[Person], stamp: float) -> tuple[Presence, str]:
        """Look for the operator in the next image; return how it stands, with the reason."""
        presence, trouble = self.look(people, stamp)
        if presence == "there":
            self.accept(next(person for person in people if person.id == self.id), stamp)
        return presence, trouble

    def accept(self, person: Person, stamp: float) -> None:
        """Take a person of an image for the operator."""
        self._last, self._seen = person, stamp

    def may_be(self, person: Person, stamp: float) -> bool:
        """Whether a person stands where the operator may be by now, and is as large."""
        reach = MAX_STEP + MAX_SPEED * max(self.unseen(stamp), 0.0)
        ratio = max(person.scale, self._last.scale) / min(person.scale, self._last.scale)
        return person.gap(self._last) <= reach and ratio <= MAX_SCALE_RATIO

    def look(self, people: Sequence[Person], stamp: float) -> tuple[Presence, str]:
        """Return how the operator stands in an image, with the reason."""
        found = [person for person in people if person.id == self.id]
        if not found:
            return "missing", f"operator {self.id} is out of sight"
        if len(found) > 1:
            return "doubtful", f"operator {self.id} is there {len(found)} times"
        (person,) = found
        for other in people:
            if other is not person and person.gap(other) < MIN_SEPARATION:
                return "doubtful", f"person {other.id} is before or behind operator {self.id}"
        if not self.may_be(person, stamp):
            return "doubtful", f"the id of operator {self.id} has gone to another body"
        return "there", ""


MAX_SENDERS = 200
"""More publishers than that are an attack: what they say locks, and unlocks nothing."""

ANYBODY = b""
"""A sender who is not known."""


@dataclass
class _Voice:
    """What one publisher says.

    Attributes:
        order: Of its newest message.
        heard: When that came, seconds.
        periodic: It has spoken more than once.
    """

    order: int = -1
    heard: float = -math.inf
    periodic: bool = False


@dataclass
class _Lock:
    """A lock that holds, of one publisher.

    Attributes:
        witnesses: Publishers that were there when it was last said: they do not undo it.
    """

    witnesses: set[bytes] = field(default_factory=set)


class Locks:
    """The locks that hold.

    A publisher's ``true`` holds until the same publisher says ``false``. When that publisher is
    gone, the lock stays until a publisher says ``false`` that was not there when it locked: one
    that was there beside it, and says ``false`` by habit, does not speak for it.
    """

    def __init__(self) -> None:
        self._locks: dict[bytes, _Lock] = {}
        self._voices: dict[bytes, _Voice] = {}

    @property
    def remembered(self) -> int:
        """How many publishers it remembers: those that have said something."""
        return len(self._voices)

    @property
    def holders(self) -> tuple[bytes, ...]:
        """Ids of the publishers that lock; empty where the robot is not locked."""
        return tuple(self._locks)

    def hear(
        self, sender: bytes, locked: bool, order: int, now: float, there: Collection[bytes]
    ) -> None:
        """Take in a message.

        Args:
            sender: Id of its publisher; ``ANYBODY`` where it is not known.
            locked: What it says.
            order: Rises from one message of a publisher to its next.
            now: Seconds, by a clock that never jumps.
            there: Ids of all publishers that there are now.
        """
        if len(self._voices) >= MAX_SENDERS and sender not in self._voices:
            self._voices = {gid: voice for gid, voice in self._voices.items() if gid in there}
            if len(self._voices) >= MAX_SENDERS:
                sender = ANYBODY
        voice = self._voices.setdefault(sender, _Voice())
        # each message comes once by each subscription, and not always in order
        old = order < voice.order and sender != ANYBODY
        voice.periodic |= 0 <= voice.order < order
        voice.order, voice.heard = max(order, voice.order), now
        if locked:
            self._lock(sender, there)
        elif not old and sender != ANYBODY:
            self._unlock(sender, there)

    def notice_silence(self, now: float, patience: float) -> None:
        """Let a publisher lock that spoke more than once and is silent for ``patience`` seconds."""
        for sender, voice in self._voices.items():
            if voice.periodic and now - voice.heard > patience and sender not in self._locks:
                self._lock(sender, [s for s, v in self._voices.items() if v.heard >= voice.heard])

    def _lock(self, sender: bytes, there: Collection[bytes]) -> None:
        if len(self._locks) >= MAX_SENDERS:
            sender = ANYBODY
        lock = self._locks.setdefault(sender, _Lock())
        lock.witnesses.update(list(there)[: MAX_SENDERS - len(lock.witnesses)])

    def _unlock(self, sender: bytes, there: Collection[bytes]) -> None:
        for holder, lock in tuple(self._locks.items()):
            gone = holder not in there and len(lock.witnesses) < MAX_SENDERS
            if holder == sender or (gone and sender not in lock.witnesses):
                del self._locks[holder]
