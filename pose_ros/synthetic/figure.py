"""The synthetic actor's figure: a posture and a build give the joints.

Body axes: x out of the chest, y to the actor's left, z up; the origin lies on
the floor below the place where the script starts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import Side
from pose_ros.errors import OptionError

Joints = dict[str, Float64Array]

# Meters, of a man of 1.78 m.
_THIGH, _SHANK, _ANKLE_HEIGHT = 0.43, 0.41, 0.10
_HIP_HALF_WIDTH, _SHOULDER_HALF_WIDTH = 0.095, 0.185
_SHOULDER_ABOVE_HIP, _HEAD_ABOVE_SHOULDER = 0.49, 0.205
_UPPER_ARM, _FOREARM = 0.285, 0.255
AVERAGE_HEIGHT = 1.78

_HEAD_TURN_LIMIT = 60.0  # degrees

_ELBOW_SWIVEL = np.array([-0.3, 0.5, -1.0])
"""Where the elbow of a bent left arm goes, in body axes: down, outward and a little back."""

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


@dataclass(frozen=True)
class Build:
    """How a body differs from that of an average man of the same height.

    Attributes:
        width: Of shoulders and hips, 0.7 to 1.4 of the average.
        girth: Thickness of trunk and limbs, 0.6 to 1.6 of the average.
        arms: Length, 0.8 to 1.2 of the average.
        legs: As ``arms``.
    """

    width: float = 1.0
    girth: float = 1.0
    arms: float = 1.0
    legs: float = 1.0

    def __post_init__(self) -> None:
        limits = {"width": (0.7, 1.4), "girth": (0.6, 1.6), "arms": (0.8, 1.2), "legs": (0.8, 1.2)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"a build's {name} must be in [{low}, {high}], got {value:g}")

    @property
    def height(self) -> float:
        """Meters from the floor to the top of the head, as ``joints`` draws this build."""
        return AVERAGE_HEIGHT + (self.legs - 1.0) * (_THIGH + _SHANK)


AVERAGE = Build()
SLIM = Build(width=0.92, girth=0.84)
BROAD = Build(width=1.12, girth=1.2)


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
    bow: float = 0.0
    """Positive: the trunk leans forward."""
    twist: float = 0.0
    """Positive: the shoulders turn to the actor's left, over hips that stay."""


UPRIGHT = Posture()


def joints(posture: Posture, build: Build = AVERAGE) -> Joints:
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
    height = build.legs * max(drops.values()) + _ANKLE_HEIGHT
    hips = np.array([posture.advance, 0.0, height])
    trunk = _turn_y(posture.bow) @ _turn_x(-posture.lean) @ _turn_z(posture.twist)
    neck = hips + trunk @ np.array([0.0, 0.0, _SHOULDER_ABOVE_HIP])
    found["head"] = neck + trunk @ np.array([0.025, 0.0, _HEAD_ABOVE_SHOULDER])
    _put_face(found, trunk @ _turn_z(posture.head_turn))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([1.0, sign, 1.0])
        across = np.array([0.0, sign * build.width, 0.0])
        angles = posture.left if side == "left" else posture.right
        shoulder = neck + trunk @ across * _SHOULDER_HALF_WIDTH
        _put_arm(found, side, shoulder, angles, mirror=mirror, size=build.arms)
        thigh = posture.left_thigh if side == "left" else posture.right_thigh
        knee = posture.left_knee if side == "left" else posture.right_knee
        _put_leg(found, side, hips + across * _HIP_HALF_WIDTH, thigh, knee, size=build.legs)
    return found


def point_at(
    target: Float64Array,
    arm: Side,
    bend_degrees: float = 0.0,
    build: Build = AVERAGE,
    stance: Posture = UPRIGHT,
) -> Posture:
    """Return the posture of a person who stands and points at something with one arm.

    The line from the shoulder through the wrist meets the target; the head turns as far
    to it as a neck does.

    Args:
        target: (3,) meters in body axes.
        arm: Which one.
        bend_degrees: Of the elbow, 0 for a stretched arm, to 120.
        build: Whose shoulder and arm.
        stance: How the person stands; it has the other arm, too.
    """
    shoulder = joints(stance, build)[f"{arm}_shoulder"]
    mirror = np.array([1.0, 1.0 if arm == "left" else -1.0, 1.0])
    line = (np.asarray(target, np.float64) - shoulder) * mirror
    line /= np.linalg.norm(line)
    swivel = _ELBOW_SWIVEL - (_ELBOW_SWIVEL @ line) * line
    swivel /= np.linalg.norm(swivel)
    # the triangle of shoulder, elbow and wrist, its longest side along the line
    bend = math.radians(bend_degrees)
    rise = math.atan2(_FOREARM * math.sin(bend), _UPPER_ARM + _FOREARM * math.cos(bend))
    upper = math.cos(rise) * line + math.sin(rise) * swivel
    fore = math.cos(bend - rise) * line - math.sin(bend - rise) * swivel
    angles = ArmAngles(*_elevation_azimuth(upper), *_elevation_azimuth(fore))
    azimuth = math.degrees(math.atan2(target[1], target[0]))
    turn = min(_HEAD_TURN_LIMIT, max(-_HEAD_TURN_LIMIT, azimuth - stance.twist))
    found = stance._replace(left=angles) if arm == "left" else stance._replace(right=angles)
    return found._replace(head_turn=turn)


def _elevation_azimuth(direction: Float64Array) -> tuple[float, float]:
    """Return the degrees of ``ArmAngles`` at which a left arm lies along a unit vector."""
    x, y, z = direction.tolist()
    return math.degrees(math.acos(min(1.0, max(-1.0, -z)))), math.degrees(math.atan2(x, y))


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
    found: Joints,
    side: str,
    shoulder: Float64Array,
    arm: ArmAngles,
    *,
    mirror: Float64Array,
    size: float,
) -> None:
    upper = _arm_turn(arm.upper_elevation, arm.upper_azimuth)
    fore = _arm_turn(arm.fore_elevation, arm.fore_azimuth) @ _turn_z(arm.twist)
    down = np.array([0.0, 0.0, -1.0])
    elbow = shoulder + mirror * (upper @ down) * (size * _UPPER_ARM)
    wrist = elbow + mirror * (fore @ down) * (size * _FOREARM)
    found[f"{side}_shoulder"], found[f"{side}_elbow"] = shoulder, elbow
    found[f"{side}_wrist"] = wrist
    for name, (along, thumbward) in _HAND.items():
        # of a hanging arm the thumb is in front and the palm at the thigh
        offset = fore @ np.array([thumbward, 0.0, -along])
        found[f"{side}_{name}"] = wrist + mirror * offset


def _put_leg(
    found: Joints, side: str, hip: Float64Array, thigh: float, knee: float, *, size: float
) -> None:
    down = np.array([0.0, 0.0, -1.0])
    knee_joint = hip + _turn_y(-thigh) @ down * (size * _THIGH)
    shank = _turn_y(-(thigh - knee))
    ankle = knee_joint + shank @ down * (size * _SHANK)
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
