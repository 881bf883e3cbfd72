"""What is known of a body before it is seen: how long its bones are, how deep its joints lie.

Lengths are shares of the body's height, between centers of joints. They lie between two
published tables (Drillis and Contini, "Body Segment Parameters", 1966, as Winter,
"Biomechanics and Motor Control of Human Movement", gives it; de Leva, "Adjustments to
Zatsiorsky-Seluyanov's segment inertia parameters", 1996, mean of women and men) and BlazePose's
own metric shape on photos, from which breadths and ears are.
docs/explanation/lifting.md compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES, Skeleton

DEFAULT_HEIGHT = 1.70
"""Meters: of a person of unknown height."""
DEFAULT_HEIGHT_SPREAD = 0.085
"""One sigma of it, as a share."""
KNOWN_HEIGHT_SPREAD = 0.01
"""The same of a height that the user gave: shoes and posture."""

NETWORK_HEIGHT = 1.52
"""Meters: of the body that BlazePose's metric shape is of, on photos, by its trunk and legs."""

ANKLE_ABOVE_FLOOR = 0.045
"""Share of the height; Drillis and Contini say 0.039, of a bare foot."""

# Joints whose depths are solved for together, and then the arms, one by one.
TRUNK = (
    *("left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
ARM = ("shoulder", "elbow", "wrist")
FEET = tuple((f"{s}_heel", f"{s}_foot_index") for s in SIDES)

UPPER_ARM, FOREARM = 0.168, 0.150
ARM_SPREAD = 0.05
"""One sigma of an arm's bones of a known body height, as a share."""


@dataclass(frozen=True)
class Bone:
    """A vector between joints, or between the middles of two pairs of them.

    Attributes:
        start, end: Names of joints; of several, the middle.
        length: Share of the body's height.
        spread: One sigma of the length of a known body height, as a share. It holds
            what differs between people and between keypoint and joint.
        network: One sigma of the cosine to the line of sight that the network gives.
        kind: Bones of one kind are equally long: symmetric limbs.
    """

    start: tuple[str, ...]
    end: tuple[str, ...]
    length: float
    spread: float
    network: float
    kind: str


def _pair(name: str) -> tuple[str, str]:
    return f"left_{name}", f"right_{name}"


BONES = (
    Bone(("right_shoulder",), ("left_shoulder",), 0.210, 0.10, 0.22, "shoulders"),
    Bone(("right_hip",), ("left_hip",), 0.120, 0.20, 0.20, "hips"),
    Bone(("right_ear",), ("left_ear",), 0.085, 0.10, 0.25, "ears"),
    Bone(_pair("hip"), _pair("shoulder"), 0.288, 0.04, 0.15, "trunk"),
    Bone(_pair("shoulder"), _pair("ear"), 0.120, 0.12, 0.20, "neck"),
    *(Bone((f"{s}_hip",), (f"{s}_knee",), 0.240, 0.05, 0.15, "thigh") for s in SIDES),
    *(Bone((f"{s}_knee",), (f"{s}_ankle",), 0.247, 0.06, 0.18, "shank") for s in SIDES),
)
KINDS = tuple(dict.fromkeys(bone.kind for bone in BONES))

# Meters, of a body of 1.7 m: how far behind the skin, or the cloth, a joint lies along a ray.
# From circumferences of limbs (ANSUR II, 2012) over 2 pi, the hip from the depth of the pelvis.
_UNDER_SKIN = {
    **dict.fromkeys(_pair("shoulder"), 0.080),
    **dict.fromkeys(_pair("elbow"), 0.040),
    **dict.fromkeys(_pair("wrist"), 0.028),
    **dict.fromkeys(_pair("hip"), 0.100),
    **dict.fromkeys(_pair("knee"), 0.065),
    **dict.fromkeys(_pair("ankle"), 0.036),
    **dict.fromkeys(_pair("heel"), 0.070),  # mostly seen through the foot
    **dict.fromkeys(_pair("foot_index"), 0.030),
    **dict.fromkeys((*_pair("index"), *_pair("pinky"), *_pair("thumb")), 0.012),
    **dict.fromkeys(_pair("ear"), 0.045),
}
_UNDER_SKIN_ELSEWHERE = 0.0  # points on the face
_REFERENCE_HEIGHT = 1.7

# Keypoints that follow another one, with the offset of the network's shape.
_PARENTS = {
    **{f"{s}_{part}": f"{s}_wrist" for s in SIDES for part in ("index", "pinky", "thumb")},
    **{f"{s}_{part}": f"{s}_ankle" for s in SIDES for part in ("heel", "foot_index")},
}
_FACE_PARENT = "left_ear", "right_ear"


@dataclass(frozen=True, eq=False)
class BodyModel:
    """The bones of a skeleton as arrays: J trunk joints, B bones, C kinds of bones.

    Attributes:
        joints: (J,) keypoint indices of ``TRUNK``.
        weights: (B, J): a bone's vector is the weighted sum of its joints.
        lengths: (B,) shares of the height.
        network: (B,) one sigma of the network's cosine to the line of sight.
        kinds: (B,) index of each bone's kind.
        spreads: (C,) one sigma of a kind's length, as a share.
        arms: For each side, indices of shoulder, elbow and wrist.
        feet: For each side, indices of heel and toes; empty where the skeleton has none.
        parents: (K,) keypoint that each follows, -1 for those that are solved; those
            of the face follow the left ear.
    """

    joints: NDArray[np.intp]
    weights: Float64Array
    lengths: Float64Array
    network: Float64Array
    kinds: NDArray[np.intp]
    spreads: Float64Array
    arms: tuple[tuple[int, int, int], ...]
    feet: tuple[tuple[int, int], ...]
    parents: NDArray[np.intp]


@lru_cache(maxsize=16)
def body_model(skeleton: Skeleton) -> BodyModel | None:
    """Return the body model of a skeleton; None when it is not BlazePose's or a part of it.

    Of a part, joints that it lacks are left out, and so are their bones.
    """
    names = {name: i for i, name in enumerate(skeleton.keypoints)}
    needed = {*TRUNK[:6], *(f"{s}_{part}" for s in SIDES for part in ARM), "nose"}
    if not needed <= names.keys():
        return None
    joints = [name for name in TRUNK if name in names]
    rows, bones = [], []
    for bone in BONES:
        if not {*bone.start, *bone.end} <= set(joints):
            continue
        row = np.zeros(len(joints))
        for name in bone.start:
            row[joints.index(name)] -= 1.0 / len(bone.start)
        for name in bone.end:
            row[joints.index(name)] += 1.0 / len(bone.end)
        rows.append(row)
        bones.append(bone)
    parents = np.full(len(skeleton), names[_FACE_PARENT[0]], np.intp)
    for name, i in names.items():
        if name in joints or name.split("_")[-1] in ARM:
            parents[i] = -1
        elif name in _PARENTS:
            parents[i] = names[_PARENTS[name]]
    has_feet = {name for foot in FEET for name in foot} <= names.keys()
    return BodyModel(
        joints=np.array([names[name] for name in joints]),
        weights=np.array(rows),
        lengths=np.array([bone.length for bone in bones]),
        network=np.array([bone.network for bone in bones]),
        kinds=np.array([KINDS.index(bone.kind) for bone in bones]),
        spreads=np.array([next(b.spread for b in BONES if b.kind == kind) for kind in KINDS]),
        arms=tuple(
            (names[f"{s}_shoulder"], names[f"{s}_elbow"], names[f"{s}_wrist"]) for s in SIDES
        ),
        feet=tuple((names[heel], names[toes]) for heel, toes in FEET) if has_feet else (),
        parents=parents,
    )


@lru_cache(maxsize=32)
def under_skin(skeleton: Skeleton) -> Float64Array:
    """Return how far behind the surface each keypoint lies: (K,) shares of the height."""
    depths = [_UNDER_SKIN.get(name, _UNDER_SKIN_ELSEWHERE) for name in skeleton.keypoints]
    found: Float64Array = np.array(depths) / _REFERENCE_HEIGHT
    found.flags.writeable = False
    return found
