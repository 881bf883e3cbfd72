"""The synthetic actor: scripted gestures as pure functions of time, and the joints they give.

Body axes: x out of the chest, y to the actor's left, z up; the origin lies on
the floor below the place where the script starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError

Arm = Literal["left", "right"]
Joints = dict[str, Float64Array]

TRANSITION_SECONDS = 0.4
STRIDE_LENGTH = 1.2
"""Meters that the legs' swing covers in two steps."""

HELD_GESTURE_SECONDS = 2.0

# Meters, of a man of 1.78 m.
_THIGH, _SHANK, _ANKLE_HEIGHT = 0.43, 0.41, 0.10
_HIP_HALF_WIDTH, _SHOULDER_HALF_WIDTH = 0.095, 0.185
_SHOULDER_ABOVE_HIP, _HEAD_ABOVE_SHOULDER = 0.49, 0.205
_UPPER_ARM, _FOREARM = 0.285, 0.255

# Offsets from the center of the head, and from the wrist along the hand: forward
# or along the fingers, to the side (thumb), up or out of the palm.
_FACE = {
    "nose": (0.118, 0.0, -0.012),
    "left_eye_inner": (0.094, 0.019, 0.022),
    "left_eye": (0.091, 0.032, 0.023),
    "left_eye_outer": (0.080, 0.045, 0.022),
    "left_ear": (0.008, 0.074, 0.012),
    "mouth_left": (0.088, 0.023, -0.047),
}
_HAND = {"index": (0.095, 0.026), "pinky": (0.085, -0.034), "thumb": (0.060, 0.048)}


class ArmAngles(NamedTuple):
    """Degrees of the upper arm, the forearm and the palm.

    Elevation: 0 hangs down, 90 is level, 180 points up. Azimuth: 0 is to the
    arm's own side, 90 to the front, 180 across the body. Twist turns the palm.
    """

    upper_elevation: float = 9.0
    upper_azimuth: float = 10.0
    fore_elevation: float = 13.0
    fore_azimuth: float = 50.0
    twist: float = 0.0


class Posture(NamedTuple):
    """The actor at one instant. Angles in degrees, offsets in meters."""

    left: ArmAngles = ArmAngles()
    right: ArmAngles = ArmAngles()
    left_thigh: float = 2.0
    """Forward swing of the thigh."""
    right_thigh: float = 2.0
    left_knee: float = 4.0
    """Bend of the knee."""
    right_knee: float = 4.0
    advance: float = 0.0
    """Distance walked toward the camera."""
    head_turn: float = 0.0
    """Positive: the head turns to the actor's left."""
    lean: float = 0.0
    """Positive: the trunk leans to the actor's left."""


@dataclass(frozen=True)
class Step:
    """One gesture of a script: its name, how long, and which arm if it takes one."""

    gesture: str
    seconds: float = 0.8
    arm: Arm = "right"


def _with_arm(arm: Arm, angles: ArmAngles) -> Posture:
    return Posture(left=angles) if arm == "left" else Posture(right=angles)


def _stand(_seconds: float, _arm: Arm) -> Posture:
    return Posture()


def _point_sideways(toward: Arm) -> Callable[[float, Arm], Posture]:
    turn = 22.0 if toward == "left" else -22.0

    def posture(_seconds: float, arm: Arm) -> Posture:
        if arm == toward:
            return _with_arm(arm, ArmAngles(88, 4, 89, 6))._replace(head_turn=turn)
        return _with_arm(arm, ArmAngles(74, 112, 86, 158))._replace(head_turn=turn)

    return posture


def _point_down(_seconds: float, arm: Arm) -> Posture:
    turn = 8.0 if arm == "left" else -8.0
    return _with_arm(arm, ArmAngles(38, 30, 44, 40))._replace(head_turn=turn)


def _point_forward(_seconds: float, arm: Arm) -> Posture:
    return _with_arm(arm, ArmAngles(76, 72, 84, 82))


def _raise_hand(_seconds: float, arm: Arm) -> Posture:
    return _with_arm(arm, ArmAngles(158, 6, 172, 12))


def _raise_hands(_seconds: float, _arm: Arm) -> Posture:
    raised = ArmAngles(152, 6, 166, 12)
    return Posture(left=raised, right=raised)


def _wave(seconds: float, arm: Arm) -> Posture:
    swing = math.sin(math.tau * seconds / (HELD_GESTURE_SECONDS / 2))
    return _with_arm(arm, ArmAngles(82, 14, 176 - 24 * swing, 14))


def stride(phase: float) -> Posture:
    """Return the posture of somebody who walks; ``phase`` in radians, a turn two steps."""
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


def _walk(seconds: float, _arm: Arm) -> Posture:
    # two strides a period: a little toward the camera and back again
    there_and_back = 1 - math.cos(math.tau * seconds / HELD_GESTURE_SECONDS)
    posture = stride(math.tau * seconds / (HELD_GESTURE_SECONDS / 2))
    return posture._replace(advance=0.12 * there_and_back)


# Every gesture is periodic in HELD_GESTURE_SECONDS, so that a held one repeats seamlessly.
GESTURES: dict[str, Callable[[float, Arm], Posture]] = {
    "stand": _stand,
    "point_left": _point_sideways("left"),
    "point_right": _point_sideways("right"),
    "point_down": _point_down,
    "point_forward": _point_forward,
    "raise_hand": _raise_hand,
    "raise_hands": _raise_hands,
    "wave": _wave,
    "walk": _walk,
}
MOVING_GESTURES = frozenset({"wave", "walk"})

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
"""The default script: every gesture, with each arm where it takes one; 12 s."""


def hold(gesture: str, arm: Arm = "right") -> tuple[Step, ...]:
    """Return the script that holds one gesture.

    Raises:
        OptionError: There is no such gesture or arm.
    """
    if gesture not in GESTURES:
        raise OptionError(f"unknown gesture {gesture!r}; known: {', '.join(GESTURES)}")
    if arm not in ("left", "right"):
        raise OptionError(f"arm must be left or right, got {arm!r}")
    return (Step(gesture, HELD_GESTURE_SECONDS, arm),)


def posture_at(script: Sequence[Step], seconds: float) -> Posture:
    """Return the posture at a time of a script that repeats for ever.

    Each step starts with a smooth transition from the one before.
    """
    seconds %= sum(step.seconds for step in script)
    start = 0.0
    for i, step in enumerate(script):
        if seconds < start + step.seconds or i == len(script) - 1:
            break
        start += step.seconds
    elapsed = seconds - start
    now = GESTURES[step.gesture](elapsed, step.arm)
    if len(script) == 1 or elapsed >= TRANSITION_SECONDS:
        return now
    last = script[i - 1]
    before = GESTURES[last.gesture](last.seconds + elapsed, last.arm)
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


def joints(posture: Posture) -> Joints:
    """Return the true joints by the names of ``blazepose33``, and ``head``, in body axes.

    The lower foot stands on the floor, whatever the legs do.

    Returns:
        (3,) meters each.
    """
    found: Joints = {}
    drops = {
        "left": _leg_drop(posture.left_thigh, posture.left_knee),
        "right": _leg_drop(posture.right_thigh, posture.right_knee),
    }
    hips = np.array([posture.advance, 0.0, max(drops.values()) + _ANKLE_HEIGHT])
    trunk = _turn_x(posture.lean)
    neck = hips + trunk @ np.array([0.0, 0.0, _SHOULDER_ABOVE_HIP])
    found["head"] = neck + trunk @ np.array([0.025, 0.0, _HEAD_ABOVE_SHOULDER])
    _put_face(found, trunk @ _turn_z(posture.head_turn))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([1.0, sign, 1.0])
        shoulder = neck + trunk @ np.array([0.0, sign * _SHOULDER_HALF_WIDTH, 0.0])
        angles = posture.left if side == "left" else posture.right
        _put_arm(found, side, shoulder, angles, mirror)
        thigh = posture.left_thigh if side == "left" else posture.right_thigh
        knee = posture.left_knee if side == "left" else posture.right_knee
        _put_leg(found, side, hips + np.array([0.0, sign * _HIP_HALF_WIDTH, 0.0]), thigh, knee)
    return found


def _leg_drop(thigh: float, knee: float) -> float:
    """Return how far the ankle hangs below the hip."""
    return _THIGH * math.cos(math.radians(thigh)) + _SHANK * math.cos(math.radians(thigh - knee))


def _put_face(found: Joints, turn: Float64Array) -> None:
    for name, offset in _FACE.items():
        found[name] = found["head"] + turn @ np.array(offset)
        if "left" in name:
            mirrored = np.array(offset) * (1.0, -1.0, 1.0)
            found[name.replace("left", "right")] = found["head"] + turn @ mirrored


def _put_arm(
    found: Joints, side: str, shoulder: Float64Array, arm: ArmAngles, mirror: Float64Array
) -> None:
    upper = _arm_turn(arm.upper_elevation, arm.upper_azimuth)
    fore = _arm_turn(arm.fore_elevation, arm.fore_azimuth) @ _turn_z(arm.twist)
    down = np.array([0.0, 0.0, -1.0])
    elbow = shoulder + mirror * (upper @ down) * _UPPER_ARM
    wrist = elbow + mirror * (fore @ down) * _FOREARM
    found[f"{side}_shoulder"], found[f"{side}_elbow"] = shoulder, elbow
    found[f"{side}_wrist"] = wrist
    for name, (along, thumbward) in _HAND.items():
        # of a hanging arm the thumb is in front and the palm at the thigh
        offset = fore @ np.array([thumbward, 0.0, -along])
        found[f"{side}_{name}"] = wrist + mirror * offset


def _put_leg(found: Joints, side: str, hip: Float64Array, thigh: float, knee: float) -> None:
    down = np.array([0.0, 0.0, -1.0])
    knee_joint = hip + _turn_y(-thigh) @ down * _THIGH
    shank = _turn_y(-(thigh - knee))
    ankle = knee_joint + shank @ down * _SHANK
    # a foot that swings keeps some of the shank's tilt
    foot = _turn_y(-(thigh - knee) / 3)
    outward = 0.035 if side == "left" else -0.035
    found[f"{side}_hip"], found[f"{side}_knee"], found[f"{side}_ankle"] = hip, knee_joint, ankle
    found[f"{side}_heel"] = ankle + foot @ np.array([-0.055, 0.0, -0.065])
    found[f"{side}_foot_index"] = ankle + foot @ np.array([0.175, outward, -0.075])


def _arm_turn(elevation: float, azimuth: float) -> Float64Array:
    """Return the turn that lifts a hanging left arm: by ``elevation`` toward ``azimuth``."""
    turn: Float64Array = _turn_z(-azimuth) @ _turn_x(elevation) @ _turn_z(azimuth)
    return turn


def _turn_x(degrees: float) -> Float64Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _turn_y(degrees: float) -> Float64Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _turn_z(degrees: float) -> Float64Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
