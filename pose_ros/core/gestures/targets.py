"""Where people point: the ray along the arm met with a plane, and the goal of a robot there.

Each answer is a point, or the reason why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import TargetOptions

Reason: TypeAlias = Literal["no_meters", "no_place", "away", "horizon", "too_far", "too_unsure"]

REASONS: dict[Reason, str] = {
    "no_meters": "the ray is known in the image only",
    "no_place": "it is not known where the person is",
    "away": "the ray leads away from the plane",
    "horizon": "the ray is too close to the horizon of the plane",
    "too_far": "the point is beyond max_range",
    "too_unsure": "the ray is too unsure for a point",
}


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in the target frame; the ground, z = 0, by default.

    Attributes:
        point: (3,) meters, any point of it.
        normal: (3,) to the side where people are, of any length but 0.
    """

    point: Float64Array = field(default_factory=lambda: np.zeros(3))
    normal: Float64Array = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))

    def __post_init__(self) -> None:
        point, normal = np.array(self.point, np.float64), np.array(self.normal, np.float64)
        length = float(np.linalg.norm(normal))
        if point.shape != (3,) or normal.shape != (3,) or not np.isfinite(point).all():
            raise OptionError(f"expected a plane's point and normal of 3 numbers, got {point!r}")
        if not 0.0 < length < math.inf:
            raise OptionError(f"expected a plane's normal with a direction, got {normal!r}")
        object.__setattr__(self, "point", point)
        object.__setattr__(self, "normal", normal / length)


@dataclass(frozen=True, eq=False)
class Target:
    """A point that a person points at.

    Attributes:
        point: (3,) meters in the target frame, on the plane.
        covariance: (3, 3) square meters, of the point; it is flat in the plane. About two in
            three true points are within its ellipse of 1.5 sigma. The others may be farther
            off than a normal distribution says: docs/measurements/gestures.md.
        range: Meters from the ray's origin.
    """

    point: Float64Array
    covariance: Float64Array
    range: float

    @property
    def sigma(self) -> float:
        """Meters, 1 sigma along the direction in which the point is least sure."""
        return math.sqrt(max(0.0, float(np.linalg.eigvalsh(self.covariance)[-1])))


@dataclass(frozen=True)
class Goal:
    """Where to drive to.

    Attributes:
        position: x, y, z in meters in ``frame_id``.
        yaw: Radians about z, the direction in which the robot looks there.
        frame_id: Of a frame whose z points up.
        stamp: Of the image in which it was pointed at, seconds.
    """

    position: tuple[float, float, float]
    yaw: float
    frame_id: str
    stamp: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.position, self.yaw, self.stamp))):
            raise OptionError(
                "expected a goal of finite numbers, "
                f"got {self.position}, {self.yaw} at {self.stamp}"
            )


@dataclass(frozen=True)
class Refused:
    """That there is no point, and why: one of ``REASONS``."""

    reason: Reason

    def __str__(self) -> str:
        return REASONS[self.reason]


def find_target(
    ray: Ray,
    transform: ArrayLike,
    plane: Plane | None = None,
    options: TargetOptions | None = None,
) -> Target | Refused:
    """Return where a ray meets a plane, or why it does not.

    Args:
        ray: In the camera's optical frame.
        transform: (4, 4) that takes meters of the optical frame to the target frame, at the
            image's stamp.
        plane: In the target frame; the ground if not given.
        options: What is refused.

    Raises:
        OptionError: The transform is no rotation and translation.
    """
    plane, options = plane or Plane(), options or TargetOptions()
    matrix = _rigid(transform)
    if not ray.metric:
        return Refused("no_meters")
    if not np.isfinite(ray.origin).all():
        return Refused("no_place")
    origin = matrix[:3, :3] @ ray.origin + matrix[:3, 3]
    direction = matrix[:3, :3] @ ray.direction
    height = float((origin - plane.point) @ plane.normal)
    toward = -float(direction @ plane.normal)
    # no shoulder is below the plane, or the person points at its other side
    if height <= 0.0 or toward <= 0.0:
        return Refused("away")
    if math.asin(min(1.0, toward)) < options.min_grazing:
        return Refused("horizon")
    distance = height / toward
    if distance > options.max_range:
        return Refused("too_far")
    target = Target(
        origin + distance * direction,
        _covariance(ray, direction, plane.normal, distance),
        distance,
    )
    return target if target.sigma <= options.max_sigma else Refused("too_unsure")


def find_targets(
    gestures: Sequence[Gesture], transform: ArrayLike, options: TargetOptions | None = None
) -> dict[int, Target | Refused]:
    """Return where each person who points meets the ground, by person.

    Args:
        gestures: Those of one image. One that ended points nowhere.
        transform: (4, 4) that takes meters of the optical frame to a frame whose z points up,
            at the image's stamp.
        options: What is refused.

    Raises:
        OptionError: The transform is no rotation and translation.
    """
    return {
        gesture.person: find_target(gesture.ray, transform, options=options)
        for gesture in gestures
        if gesture.ray is not None and gesture.event != "ended"
    }


def goal_at(target: Target, transform: ArrayLike, frame_id: str, stamp: float) -> Goal:
    """Return the goal of a robot at a target.

    The robot looks away from the camera there: on, past the person's finger.

    Args:
        target: In the frame ``frame_id``.
        transform: (4, 4) that takes meters of the optical frame to that frame.
        frame_id: Its name.
        stamp: Of the image, seconds.
    """
    place = np.asarray(transform, np.float64)
    x, y, z = target.point.tolist()
    yaw = math.atan2(y - float(place[1, 3]), x - float(place[0, 3]))
    return Goal((x, y, z), yaw, frame_id, stamp)


def goals_at(
    targets: Mapping[int, Target | Refused], transform: ArrayLike, frame_id: str, stamp: float
) -> dict[int, Goal | str]:
    """Return the goal at each person's target, or in words why there is none, by person.

    Arguments are those of ``goal_at``; the targets are those of ``find_targets``.
    """
    return {
        person: goal_at(target, transform, frame_id, stamp)
        if isinstance(target, Target)
        else str(target)
        for person, target in targets.items()
    }


def shown_goal(goals: Mapping[int, Goal | str], operator: int | None = None) -> Goal | None:
    """Return the one goal of an image that is published; None where there is none.

    Args:
        goals: By person, in the order of the gestures.
        operator: Whose goal it is; None: that of the first person who points.
    """
    person = operator if operator is not None else next(iter(goals), None)
    goal = None if person is None else goals.get(person)
    return goal if isinstance(goal, Goal) else None


def _covariance(
    ray: Ray, direction: Float64Array, normal: Float64Array, distance: float
) -> Float64Array:
    """Return the covariance of the point, to the first order in the ray's errors."""
    # an error of the line is seen on the plane along the ray
    slide = np.eye(3) - np.outer(direction, normal) / float(direction @ normal)
    origin = 0.0 if math.isnan(ray.origin_sigma) else ray.origin_sigma**2 / 3.0
    # ray.sigma is of both directions across the ray together
    across = np.eye(3) - np.outer(direction, direction)
    spread = origin * np.eye(3) + (distance * ray.sigma) ** 2 / 2.0 * across
    found: Float64Array = slide @ spread @ slide.T
    return found


def _rigid(transform: ArrayLike) -> Float64Array:
    matrix = np.array(transform, np.float64)
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], (0.0, 0.0, 0.0, 1.0)):
        raise OptionError(f"expected a (4, 4) transform, got shape {matrix.shape}")
    if not np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-4):
        raise OptionError("expected a transform that turns and moves, and does not stretch")
    return matrix
