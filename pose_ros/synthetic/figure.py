"""The synthetic actor's figure: posture and build give the joints, and these the cones of the body.

Body axes: x out of the chest, y to the actor's left, z up; the origin lies on
the floor below the place where the script starts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES, Side
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


Color = tuple[int, int, int]


@unique
class Material(Enum):
    """What a part of the body is made of; the value is its color on a body like any other."""

    SKIN = (214, 166, 140)
    LIPS = (168, 88, 84)
    HAIR = (58, 42, 32)
    EYE_WHITE = (240, 238, 234)
    IRIS = (46, 34, 28)
    SHIRT = (44, 88, 158)
    TROUSERS = (92, 96, 118)
    BELT = (36, 28, 24)
    SOCKS = (112, 114, 122)
    SHOES = (44, 38, 36)


SKIN, LIPS, HAIR = Material.SKIN, Material.LIPS, Material.HAIR
EYE_WHITE, IRIS = Material.EYE_WHITE, Material.IRIS
SHIRT, TROUSERS, BELT = Material.SHIRT, Material.TROUSERS, Material.BELT
SOCKS, SHOES = Material.SOCKS, Material.SHOES

CLOTH = frozenset({SHIRT, TROUSERS})


@dataclass(frozen=True)
class Look:
    """What one actor wears; colors are red, green and blue, 0 to 255.

    Attributes:
        shirt, trousers, hair, skin: Colors.
        long_sleeves: Whether the shirt reaches the wrists; it leaves the forearms bare otherwise.
        shorts: Whether the trousers end at the knees.
    """

    shirt: Color = SHIRT.value
    trousers: Color = TROUSERS.value
    hair: Color = HAIR.value
    skin: Color = SKIN.value
    long_sleeves: bool = False
    shorts: bool = False

    def color(self, material: Material) -> Color:
        """Return the color of a material on this actor."""
        own = {SHIRT: self.shirt, TROUSERS: self.trousers, HAIR: self.hair, SKIN: self.skin}
        return own.get(material, material.value)


class Cone(NamedTuple):
    """The hull of two spheres, perhaps flattened along one axis.

    Attributes:
        a: (3,) meters, center of the first sphere.
        b: (3,) meters, center of the second sphere.
        radius_a: Meters.
        radius_b: Meters.
        material: What it is made of.
        flat_axis: (3,) unit vector; anything where ``flatness`` is 1.
        flatness: Thickness along ``flat_axis``, a share of the round one's.
    """

    a: Float64Array
    b: Float64Array
    radius_a: float
    radius_b: float
    material: Material
    flat_axis: Float64Array = np.array([1.0, 0.0, 0.0])
    flatness: float = 1.0


PLAIN = Look()


def body(joints: Joints, build: Build = AVERAGE, look: Look = PLAIN) -> list[Cone]:
    """Return the round cones of the whole body, in the axes of the joints."""
    limbs = _trunk(joints, build.width)
    forearm, shank = SHIRT if look.long_sleeves else SKIN, SKIN if look.shorts else TROUSERS
    for side in SIDES:
        limbs += _arm(joints, side, forearm) + _leg(joints, side, shank)
    cones = [
        limb._replace(radius_a=limb.radius_a * build.girth, radius_b=limb.radius_b * build.girth)
        for limb in limbs
        if limb.material is not SHOES
    ]
    cones += [limb for limb in limbs if limb.material is SHOES] + _head(joints)
    return cones + _hand(joints, "left") + _hand(joints, "right")


def _trunk(joints: Joints, width: float) -> list[Cone]:
    neck = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    hips = (joints["left_hip"] + joints["right_hip"]) / 2
    across = _unit(joints["left_shoulder"] - joints["right_shoulder"])
    hip_across = _unit(joints["left_hip"] - joints["right_hip"])
    up = _unit(neck - hips)
    front, hip_front = np.cross(across, up), _unit(np.cross(hip_across, up))

    def at(base: Float64Array, side: float, height: float) -> Float64Array:
        sideways = hip_across if base is hips else across
        point: Float64Array = base + sideways * (side * width) + up * height
        return point

    cones = [
        Cone(at(neck, 0, -0.03), joints["head"] + (-0.01, 0, -0.07), 0.058, 0.054, SKIN),
        Cone(at(neck, -0.02, 0.035), at(neck, 0.02, 0.035), 0.060, 0.060, SHIRT, up, 0.45),
        Cone(at(neck, -0.105, -0.05), at(neck, 0.105, -0.05), 0.092, 0.092, SHIRT, front, 0.95),
        Cone(at(hips, -0.055, 0.100), at(hips, 0.055, 0.100), 0.104, 0.104, BELT, up, 0.25),
        Cone(at(hips, -0.068, 0.02), at(hips, 0.068, 0.02), 0.108, 0.108, TROUSERS, hip_front, 0.9),
    ]
    cones.append(Cone(at(neck, 0, -0.15), at(hips, 0, 0.16), 0.170, 0.148, SHIRT, front, 0.64))
    for side in (-1.0, 1.0):
        collar, shoulder = at(neck, side * 0.03, 0.035), at(neck, side * 0.13, 0.008)
        cones.append(Cone(collar, shoulder, 0.046, 0.052, SHIRT))
    return cones


def _head(joints: Joints) -> list[Cone]:
    center = joints["head"]
    across = _unit(joints["left_ear"] - joints["right_ear"])
    front = _unit(np.cross(across, np.array([0.0, 0.0, 1.0])))
    up = np.cross(front, across)

    def at(forward: float, side: float, height: float) -> Float64Array:
        point: Float64Array = center + front * forward + across * side + up * height
        return point

    cones = [
        Cone(at(0.008, 0, 0.035), at(0.022, 0, -0.062), 0.084, 0.054, SKIN),
        Cone(at(0.040, 0, -0.075), at(0.050, 0, -0.082), 0.034, 0.030, SKIN),
        Cone(at(-0.022, 0, 0.048), at(-0.034, 0, 0.000), 0.092, 0.082, HAIR),
        Cone(at(0.020, -0.025, 0.102), at(0.015, 0.025, 0.105), 0.036, 0.036, HAIR),
        Cone(at(0.086, 0, 0.018), at(0.103, 0, -0.014), 0.010, 0.015, SKIN),
        Cone(at(0.092, -0.014, -0.020), at(0.092, 0.014, -0.020), 0.010, 0.010, SKIN),
        Cone(at(0.074, -0.023, -0.047), at(0.080, 0, -0.053), 0.005, 0.007, LIPS),
        Cone(at(0.074, 0.023, -0.047), at(0.080, 0, -0.053), 0.005, 0.007, LIPS),
        Cone(at(0.076, -0.010, -0.057), at(0.076, 0.010, -0.057), 0.007, 0.007, LIPS),
    ]
    for side in (-1.0, 1.0):
        inner, outer = at(0.080, side * 0.025, 0.022), at(0.075, side * 0.039, 0.022)
        cones += [
            Cone(inner, outer, 0.0100, 0.0090, EYE_WHITE, up, 0.8),
            Cone(at(0.085, side * 0.0315, 0.022), at(0.085, side * 0.0325, 0.022), 0.0075, 0.0075,
                 IRIS),
            Cone(at(0.088, side * 0.018, 0.042), at(0.076, side * 0.050, 0.043), 0.0055, 0.004,
                 HAIR),
            Cone(at(0.002, side * 0.082, 0.018), at(0.004, side * 0.078, -0.016), 0.021, 0.013,
                 SKIN, across, 0.6),
        ]  # fmt: skip
    return cones


def _arm(joints: Joints, side: str, forearm: Material) -> list[Cone]:
    shoulder, elbow = joints[f"{side}_shoulder"], joints[f"{side}_elbow"]
    wrist = joints[f"{side}_wrist"]
    hem = shoulder + 0.62 * (elbow - shoulder)
    belly = elbow + 0.22 * (wrist - elbow)
    return [
        Cone(shoulder, hem, 0.060, 0.053, SHIRT),
        Cone(shoulder, elbow, 0.050, 0.040, forearm),
        Cone(elbow, belly, 0.039, 0.042, forearm),
        Cone(belly, wrist, 0.042, 0.028, forearm),
    ]


def _hand(joints: Joints, side: str) -> list[Cone]:
    wrist, index = joints[f"{side}_wrist"], joints[f"{side}_index"]
    pinky, thumb = joints[f"{side}_pinky"], joints[f"{side}_thumb"]
    along = _unit((index + pinky) / 2 - wrist)
    thumbward = _unit(index - pinky)
    palm = np.cross(along, thumbward)
    cones = [
        Cone(wrist, wrist + along * 0.070, 0.030, 0.042, SKIN, palm, 0.5),
        Cone(wrist + along * 0.02 + thumbward * 0.022, thumb, 0.016, 0.011, SKIN),
        Cone(thumb, thumb + along * 0.030 + thumbward * 0.006, 0.011, 0.009, SKIN),
    ]
    for i, length in enumerate((0.070, 0.080, 0.074, 0.056)):
        knuckle = index + (pinky - index) * (0.08 + 0.28 * i) - along * 0.012
        cones.append(Cone(knuckle, knuckle + along * length, 0.0105, 0.0085, SKIN))
    return cones


def _leg(joints: Joints, side: str, shank: Material) -> list[Cone]:
    hip, knee, ankle = (joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    heel, toe = joints[f"{side}_heel"], joints[f"{side}_foot_index"]
    bare = 0.88 if shank is SKIN else 1.0
    calf = knee + 0.28 * (ankle - knee) + np.array([-0.015, 0.0, 0.0])
    return [
        Cone(hip + (0, 0, 0.01), knee, 0.092, 0.060, TROUSERS),
        Cone(knee, calf, 0.060 * bare, 0.060 * bare, shank),
        Cone(calf, knee + 0.84 * (ankle - knee), 0.060 * bare, 0.050 * bare, shank),
        Cone(calf, ankle, 0.040, 0.034, SOCKS),
        Cone(ankle + (-0.01, 0, -0.035), ankle + 0.4 * (toe - ankle), 0.040, 0.036, SHOES),
        Cone(heel + (0.03, 0, 0), toe - 0.12 * (toe - heel), 0.036, 0.036, SHOES),
    ]


def _unit(vector: Float64Array) -> Float64Array:
    unit: Float64Array = vector / np.linalg.norm(vector)
    return unit
