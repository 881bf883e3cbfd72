"""The synthetic actor's body: joints to round cones of skin, cloth and so on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES
from pose_ros.synthetic.figure import AVERAGE, Build, Joints

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
