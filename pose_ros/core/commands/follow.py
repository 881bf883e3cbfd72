"""Follow a person: how fast to drive, where to drive to, and whether it still is that person.

The robot stops at once when the person is lost. It goes on when the same person is seen
again, by id, place and clothes. Another person in the same clothes ends it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.commands.operator import Operator, Person, Presence
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.tracking import look_distance
from pose_ros.core.types import FloatArray, Pose, Poses, has_body

LINEAR_GAIN, ANGULAR_GAIN = 1.5, 1.5
"""Speed for each meter, and turn for each radian, that the robot is away from where it should be;
1/s. With images that are 0.3 s old the turn still comes to rest."""
SLACK_METERS, SLACK_RADIANS = 0.03, 0.05
"""What a robot that stands need not correct: people are not measured better than that."""
SPEED_SECONDS = 0.5
"""Over how long the person's own speed is averaged."""
MAX_SIGMA_SHARE, MAX_SIGMA = 0.25, 0.3
"""A person whose place is known to neither this share of the distance nor these meters is not
followed."""

SAME_CLOTHES = 0.2
"""Of sqrt(6): colors that differ less are of the same clothes. Those of one drawn person who
walks and turns differ by up to 0.1 from image to image, of one in real clips by up to 0.15."""
OTHER_CLOTHES = 0.3
"""Colors that differ more are of another person, as the tracker has it."""
CLEARLY_OTHER = 0.15
"""By how much others must differ more from the person than they do from themselves."""
LEARN_SECONDS = 3.0
"""Over how long clothes are averaged: light changes, and people turn."""
ALONE = 0.8
"""Meters in the image: nearer to another person, clothes are not learned."""
SURE_SECONDS = 0.25
"""For how long a person must look like the one who was lost."""
STRANGE_SECONDS = 0.3
"""For how long a person in sight may show other clothes: an arm, a shadow."""
LEAST_COLORS = 3
"""Of the six numbers of clothes, so many make a part."""
BLINK_SECONDS = 0.5
"""A person whose clothes are out of the image is still the same after so long out of sight, when
there is no other person."""


@dataclass(frozen=True)
class Spot:
    """Where a person stands, as a robot sees it.

    Attributes:
        ahead: Meters from the robot's base along its x, ``left``: along its y.
        point: x, y in meters in ``frame_id``, z 0.
        robot: x, y of the robot's base there.
        frame_id: Of a frame whose z points up.
        stamp: Of the image, seconds.
    """

    ahead: float
    left: float
    point: tuple[float, float]
    robot: tuple[float, float]
    frame_id: str
    stamp: float

    @property
    def range(self) -> float:
        """Meters from the robot's base."""
        return math.hypot(self.ahead, self.left)

    @property
    def bearing(self) -> float:
        """Radians to the left of where the robot looks."""
        return math.atan2(self.left, self.ahead)


def find_spots(
    poses: Poses,
    to_base: Float64Array | str,
    to_target: Float64Array | str,
    frame_id: str,
    stamp: float,
) -> dict[int, Spot | str]:
    """Return where each person stands, or in words why that is not known, by id.

    Args:
        poses: The people of an image.
        to_base: (4, 4) that takes meters of the optical frame to the robot's base, at that
            stamp; or in words why it is not known.
        to_target: The same for the target frame.
        frame_id: Name of the target frame.
        stamp: Of the image, seconds.
    """
    spots: dict[int, Spot | str] = {}
    for pose in poses:
        if not has_body(pose.id):
            continue
        if isinstance(to_base, str) or isinstance(to_target, str):
            spots[pose.id] = to_base if isinstance(to_base, str) else str(to_target)
            continue
        place, sigma = _trunk(pose)
        distance = float(np.linalg.norm(place))
        if not math.isfinite(distance):
            spots[pose.id] = "it is not known in meters where the person is"
        elif not sigma <= max(MAX_SIGMA, MAX_SIGMA_SHARE * distance):
            spots[pose.id] = f"their place is known to {sigma:.1f} m only"
        else:
            optical = np.append(place, 1.0)
            ahead, left = (to_base @ optical)[:2].tolist()
            x, y = (to_target @ optical)[:2].tolist()
            base = (to_target @ np.linalg.inv(to_base))[:2, 3].tolist()
            spots[pose.id] = Spot(ahead, left, (x, y), (base[0], base[1]), frame_id, stamp)
    return spots


def _trunk(pose: Pose) -> tuple[Float64Array, float]:
    """Return (3,) meters in the optical frame of the trunk and 1 sigma; NaN where unknown."""
    names = [f"{side}_{joint}" for joint in ("shoulder", "hip") for side in ("left", "right")]
    rows = [i for i, name in enumerate(pose.skeleton.keypoints) if name in names]
    if pose.camera is None or not rows:
        return np.full(3, np.nan), math.nan
    points = pose.camera[rows].astype(np.float64)
    known = np.isfinite(points).all(axis=1)
    if not known.any():
        return np.full(3, np.nan), math.nan
    # who gives no sigmas, such as another node, is taken by their word
    sigma = 0.0 if pose.camera_sigmas is None else float(pose.camera_sigmas[rows][known].max())
    return points[known].mean(axis=0), sigma


class FollowControl:
    """Speeds that keep a robot at a distance from a person, and facing them.

    Args:
        distance: Meters to keep.
    """

    def __init__(self, distance: float) -> None:
        self._distance = distance
        self._last: Spot | None = None
        self._walks = 0.0  # m/s away from the robot

    def restart(self) -> None:
        """Forget how fast the person walks, as when they were out of sight."""
        self._last, self._walks = None, 0.0

    def speeds(self, spot: Spot, linear: float) -> tuple[float, float]:
        """Return m/s and rad/s that are wanted; limits are not applied.

        Args:
            spot: Where the person is, of a later image than the last one's.
            linear: m/s that the robot drives at.
        """
        elapsed = 0.0 if self._last is None else spot.stamp - self._last.stamp
        if self._last is not None and elapsed > 0.0:
            walks = (spot.range - self._last.range) / elapsed + linear
            self._walks += (walks - self._walks) * min(1.0, elapsed / SPEED_SECONDS)
        self._last = spot
        error = _beyond(spot.range - self._distance, SLACK_METERS)
        # it drives where it looks: first it turns
        facing = max(0.0, math.cos(spot.bearing)) ** 2
        wanted = LINEAR_GAIN * error
        if error:
            wanted += self._walks
        return wanted * facing, ANGULAR_GAIN * _beyond(spot.bearing, SLACK_RADIANS)


def goal_beside(spot: Spot, distance: float) -> Goal:
    """Return the goal at a distance in meters from a person, facing them.

    The robot is not sent backward: when the person is nearer, the goal is where it stands.
    """
    away = np.subtract(spot.point, spot.robot)
    length = float(np.linalg.norm(away))
    unit = away / length if length else np.array([1.0, 0.0])
    x, y = (np.asarray(spot.robot) + max(0.0, length - distance) * unit).tolist()
    return Goal((x, y, 0.0), math.atan2(unit[1], unit[0]), spot.frame_id, spot.stamp)


def _beyond(value: float, slack: float) -> float:
    return math.copysign(max(0.0, abs(value) - slack), value)


class FollowedPerson:
    """Checks in each image that the person who is followed is still the same one.

    An ``Operator`` knows them by id, place and size. When they were out of sight, or another
    person was before or behind them, they must wear the same clothes too, and the clothes of all
    others who were there meanwhile must clearly differ.

    Args:
        operator: The person.
        people: All who are in the image in which it begins.
        stamp: Of that image, seconds.
    """

    def __init__(self, operator: Operator, people: Sequence[Person], stamp: float) -> None:
        self._operator = operator
        self._clothes: FloatArray | None = None
        self._learned = stamp
        self._others: dict[int, FloatArray | None] = {}  # clothes of who was there in a loss
        self._doubted = self._blinked = False
        self._since: float | None = None  # stamp from which a person looks like the lost one
        self._strange: float | None = None  # stamp from which the person shows other clothes
        for person in people:
            if person.id == operator.id:
                self._learn(person, people, stamp)

    def doubt(self) -> None:
        """Ask for the clothes before going on, as after a time without images."""
        if not self._doubted:
            self._blinked = True
        self._doubted, self._since, self._strange = True, None, None

    def update(self, people: Sequence[Person], stamp: float) -> tuple[Presence, str]:
        """Look for the person in an image; return how it stands, with the reason.

        ``missing``: they may come back. ``doubtful``: they may be another person.
        """
        presence, trouble = self._operator.look(people, stamp)
        there = [person for person in people if person.id == self._operator.id]
        if len(there) > 1:
            return "doubtful", trouble
        if presence == "there":
            return self._recognize(there[0], people, stamp)
        if not self._doubted:
            self.doubt()
        self._blinked &= not people
        self._since = None
        self._notice(people)
        return "missing", f"{trouble}: looking for them"

    def _recognize(
        self, person: Person, people: Sequence[Person], stamp: float
    ) -> tuple[Presence, str]:
        """Return whether someone in a likely place is the person, by their clothes."""
        if self._clothes is None:
            self._learn(person, people, stamp)
        if self._clothes is None:
            return "missing", f"the colors of operator {person.id}'s clothes are not known"
        difference = _difference(self._clothes, person.clothes)
        if not self._doubted and not self._is_strange(difference, stamp):
            if self._strange is not None:
                return "missing", f"operator {person.id} shows other clothes"
            self._learn(person, people, stamp)
            return self._accept(person, stamp)
        return self._confirm(person, difference, people, stamp)

    def _confirm(
        self, person: Person, difference: float, people: Sequence[Person], stamp: float
    ) -> tuple[Presence, str]:
        """Return whether a person is the one who was lost, by how much their clothes differ."""
        self._notice([other for other in people if other is not person])
        if math.isnan(difference):
            short = self._operator.unseen(stamp) <= BLINK_SECONDS
            if self._blinked and short and len(people) == 1:
                return self._accept(person, stamp)
            return "doubtful", f"operator {self._operator.id} cannot be known by their clothes"
        if difference > SAME_CLOTHES:
            self._since = None
            return "missing", f"person {person.id} wears other clothes than the operator"
        least = max(OTHER_CLOTHES, difference + CLEARLY_OTHER)
        others = {id_: c for id_, c in self._others.items() if id_ != person.id}
        # written so that unknown clothes count as the same
        alike = [id_ for id_, c in others.items() if not _difference(self._clothes, c) > least]
        if alike:
            return "doubtful", f"the operator may be person {alike[0]}"
        self._since = stamp if self._since is None else self._since
        if stamp - self._since < SURE_SECONDS:
            return "missing", f"person {person.id} looks like the operator: waiting to be sure"
        return self._accept(person, stamp)

    def _is_strange(self, difference: float, stamp: float) -> bool:
        """Return whether a person in sight has shown other clothes for some time."""
        if not difference > OTHER_CLOTHES:
            self._strange = None
            return False
        self._strange = stamp if self._strange is None else self._strange
        if stamp - self._strange < STRANGE_SECONDS:
            return False
        self.doubt()
        return True

    def _accept(self, person: Person, stamp: float) -> tuple[Presence, str]:
        self._operator.accept(person, stamp)
        self._doubted = self._blinked = False
        self._since, self._others = None, {}
        return "there", ""

    def _notice(self, others: Sequence[Person]) -> None:
        """Note who could be taken for the person."""
        for other in others:
            if other.id != self._operator.id and (
                other.clothes is not None or other.id not in self._others
            ):
                self._others[other.id] = other.clothes

    def _learn(self, person: Person, people: Sequence[Person], stamp: float) -> None:
        """Average the clothes, where no other person is near."""
        if person.clothes is None or not self._alone(person, people):
            return
        if self._clothes is None:
            self._clothes = person.clothes
        share = 1.0 - math.exp(-max(stamp - self._learned, 0.0) / LEARN_SECONDS)
        before = np.where(np.isnan(self._clothes), person.clothes, self._clothes)
        step = np.where(np.isnan(person.clothes), 0.0, person.clothes - before)
        self._clothes = (before + share * step).astype(np.float32)
        self._learned = stamp

    @staticmethod
    def _alone(person: Person, people: Sequence[Person]) -> bool:
        return all(other is person or person.gap(other) >= ALONE for other in people)


def _difference(a: FloatArray | None, b: FloatArray | None) -> float:
    """Return how different clothes are, as ``look_distance``; NaN where too little is known."""
    if a is None or b is None or np.isfinite(a + b).sum() < LEAST_COLORS:
        return math.nan
    return look_distance(a, b)
