"""The synthetic actor: scripted gestures as pure functions of time, and the joints they give.

Body axes: x out of the chest, y to the actor's left, z up; the origin lies on
the floor below the place where the script starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES, Side
from pose_ros.errors import OptionError
from pose_ros.synthetic.figure import AVERAGE, UPRIGHT, ArmAngles, Build, Posture, point_at

TRANSITION_SECONDS = 0.4
STRIDE_LENGTH = 1.2
"""Meters that the legs' swing covers in two steps."""

HELD_GESTURE_SECONDS = 2.0

POINT_AT = "point_at"
"""The gesture that has a target."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Step:
    """One gesture of a script.

    Attributes:
        gesture: Its name: one of ``GESTURES``, or ``point_at``.
        seconds: How long, the transition from the gesture before included.
        arm: Which one, if the gesture takes one.
        target: Of ``point_at`` alone: the line from the shoulder through the wrist meets
            it. Meters, in the world where an ``Actor`` plays the script.
        bend_degrees: Of ``point_at``'s elbow, 0 to 120.
    """

    gesture: str
    seconds: float = 0.8
    arm: Side = "right"
    target: Point | None = None
    bend_degrees: float = 8.0

    def __post_init__(self) -> None:
        if self.gesture not in GESTURES and self.gesture != POINT_AT:
            known = ", ".join([*GESTURES, POINT_AT])
            raise OptionError(f"unknown gesture {self.gesture!r}; known: {known}")
        if self.arm not in SIDES:
            raise OptionError(f"arm must be left or right, got {self.arm!r}")
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise OptionError(f"a step must last above 0 seconds, got {self.seconds}")
        if (self.target is not None) != (self.gesture == POINT_AT):
            raise OptionError(f"{POINT_AT} needs a target, and no other gesture has one")
        if self.target is not None and not np.isfinite(self.target).all():
            raise OptionError(f"expected a target of finite numbers, got {self.target}")
        if not 0.0 <= self.bend_degrees <= 120.0:
            raise OptionError(f"bend_degrees must be in [0, 120], got {self.bend_degrees}")


def _with_arm(arm: Side, angles: ArmAngles) -> Posture:
    return Posture(left=angles) if arm == "left" else Posture(right=angles)


def _stand(_seconds: float, _arm: Side) -> Posture:
    return Posture()


def _point_sideways(toward: Side) -> Callable[[float, Side], Posture]:
    turn = 22.0 if toward == "left" else -22.0

    def posture(_seconds: float, arm: Side) -> Posture:
        if arm == toward:
            return _with_arm(arm, ArmAngles(88, 4, 89, 6))._replace(head_turn=turn)
        return _with_arm(arm, ArmAngles(74, 112, 86, 158))._replace(head_turn=turn)

    return posture


def _point_down(_seconds: float, arm: Side) -> Posture:
    turn = 8.0 if arm == "left" else -8.0
    return _with_arm(arm, ArmAngles(38, 30, 44, 40))._replace(head_turn=turn)


def _point_forward(_seconds: float, arm: Side) -> Posture:
    return _with_arm(arm, ArmAngles(76, 72, 84, 82))


def _raise_hand(_seconds: float, arm: Side) -> Posture:
    return _with_arm(arm, ArmAngles(158, 6, 172, 12))


def _raise_hands(_seconds: float, _arm: Side) -> Posture:
    raised = ArmAngles(152, 6, 166, 12)
    return Posture(left=raised, right=raised)


def _wave(seconds: float, arm: Side) -> Posture:
    swing = math.sin(math.tau * seconds / (HELD_GESTURE_SECONDS / 2))
    return _with_arm(arm, ArmAngles(82, 14, 176 - 24 * swing, 14))


def _t_pose(_seconds: float, _arm: Side) -> Posture:
    level = ArmAngles(89, 3, 90, 3)
    return Posture(left=level, right=level)


def _cross_arms(_seconds: float, arm: Side) -> Posture:
    front, back = ArmAngles(50, 98, 100, 168), ArmAngles(32, 92, 97, 172)
    return Posture(left=front, right=back) if arm == "left" else Posture(left=back, right=front)


def _stop(_seconds: float, arm: Side) -> Posture:
    # the twist turns the palm to a person in front
    return _with_arm(arm, ArmAngles(66, 66, 160, 84, -90.0))


def _come_here(seconds: float, arm: Side) -> Posture:
    swing = math.cos(math.tau * seconds / (HELD_GESTURE_SECONDS / 2))
    return _with_arm(arm, ArmAngles(48, 72, 122 - 36 * swing, 84))


def stride(phase: float) -> Posture:
    """Return the posture of a person who walks; ``phase`` in radians, a turn two steps."""
    swing = math.sin(phase)

    def swung(forward: float, outward: float) -> tuple[float, float]:
        return math.hypot(forward, outward), math.degrees(math.atan2(forward, outward))

    def arm(forward: float) -> ArmAngles:
        # outward enough to clear the thigh
        return ArmAngles(*swung(2 + 20 * forward, 12), *swung(14 + 22 * forward, 9))

    return Posture(
        left=arm(-swing),
        right=arm(swing),
        left_thigh=3 + 21 * swing,
        right_thigh=3 - 21 * swing,
        left_knee=10 + 24 * max(0.0, math.cos(phase)),
        right_knee=10 + 24 * max(0.0, -math.cos(phase)),
    )


def _walk(seconds: float, _arm: Side) -> Posture:
    # two strides a period: a little toward the camera and back again
    there_and_back = 1 - math.cos(math.tau * seconds / HELD_GESTURE_SECONDS)
    posture = stride(math.tau * seconds / (HELD_GESTURE_SECONDS / 2))
    return posture._replace(advance=0.12 * there_and_back)


# Every gesture is periodic in HELD_GESTURE_SECONDS, so that a held one repeats seamlessly.
GESTURES: dict[str, Callable[[float, Side], Posture]] = {
    "stand": _stand,
    "point_left": _point_sideways("left"),
    "point_right": _point_sideways("right"),
    "point_down": _point_down,
    "point_forward": _point_forward,
    "raise_hand": _raise_hand,
    "raise_hands": _raise_hands,
    "wave": _wave,
    "walk": _walk,
    "t_pose": _t_pose,
    "cross_arms": _cross_arms,
    "stop": _stop,
    "come_here": _come_here,
}
MOVING_GESTURES = frozenset({"wave", "walk", "come_here"})
TWO_ARMED = frozenset({"stand", "raise_hands", "walk", "t_pose", "cross_arms"})
"""Gestures that do not care which arm a step names."""

SCRIPT: tuple[Step, ...] = (
    Step("stand", 0.6),
    Step("point_left", arm="left"),
    Step("point_right", arm="left"),
    Step("point_down", arm="left"),
    Step("point_forward", arm="left"),
    Step("raise_hand", arm="left"),
    Step("raise_hands"),
    Step("raise_hand", 0.6),
    Step("wave", 1.2),
    Step("point_right"),
    Step("point_left"),
    Step("point_forward"),
    Step("point_down", 0.6),
    Step("walk", 1.8),
)
"""The default script: pointing, raised hands and a walk, with each arm; 12 s."""


def hold(gesture: str, arm: Side = "right") -> tuple[Step, ...]:
    """Return the script that holds one gesture of ``GESTURES``.

    Raises:
        OptionError: There is no such gesture or arm.
    """
    return (Step(gesture, HELD_GESTURE_SECONDS, arm),)


def step_at(script: Sequence[Step], seconds: float) -> tuple[int, float]:
    """Return which step of a script is played, and since when in seconds.

    Args:
        script: It repeats for ever.
        seconds: Since it began for the first time.
    """
    seconds %= sum(step.seconds for step in script)
    start = 0.0
    for i, step in enumerate(script):
        if seconds < start + step.seconds or i == len(script) - 1:
            break
        start += step.seconds
    return i, seconds - start


def posture_at(
    script: Sequence[Step],
    seconds: float,
    build: Build = AVERAGE,
    to_body: Callable[[Float64Array], Float64Array] = np.asarray,
    stance: Posture = UPRIGHT,
) -> Posture:
    """Return the posture at a time of a script that repeats for ever.

    Each step starts with a smooth transition from the one before.

    Args:
        script: One step or more.
        seconds: Since it began for the first time.
        build: Of the body; where an arm points depends on it.
        to_body: Turns a step's target, (3,) meters, into body axes.
        stance: How the person stands and points.
    """

    def perform(step: Step, elapsed: float) -> Posture:
        if step.target is not None:
            target = to_body(np.array(step.target, np.float64))
            return point_at(target, step.arm, step.bend_degrees, build, stance)
        return stance if step.gesture == "stand" else GESTURES[step.gesture](elapsed, step.arm)

    i, elapsed = step_at(script, seconds)
    now = perform(script[i], elapsed)
    if len(script) == 1 or elapsed >= TRANSITION_SECONDS:
        return now
    last = script[i - 1]
    before = perform(last, last.seconds + elapsed)
    share = elapsed / TRANSITION_SECONDS
    return blend(before, now, share * share * (3 - 2 * share))


def blend(a: Posture, b: Posture, share: float) -> Posture:
    """Return the posture between two; ``share`` 0 gives the first, 1 the second."""

    def mix(x: float, y: float) -> float:
        return x + (y - x) * share

    return Posture(
        ArmAngles(*map(mix, a.left, b.left)),
        ArmAngles(*map(mix, a.right, b.right)),
        *(mix(x, y) for x, y in zip(a[2:], b[2:], strict=True)),
    )
