"""The skeleton of a BVH: joints, their rest pose, and how long the bones of one person are.

The rest pose is a T: Y up, facing +Z, the person's left at +X, palms down. Each joint turns so
that what hangs on it points to where it was seen (``aim``), and about that direction so that
something beside it does (``side``), where it names one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES, Skeleton

Point = tuple[str, ...]
"""Keypoints whose middle it is."""


class Aim(NamedTuple):
    """A direction from one point to another, and what it is in the rest pose."""

    start: Point
    end: Point
    rest: tuple[float, float, float]


@dataclass(frozen=True)
class Joint:
    """A joint of the hierarchy.

    Attributes:
        name: As programs for animation call it.
        parent: Name of the joint that it hangs on; empty for the root.
        point: Where it is.
        offset: From the parent in the rest pose, of length 1; 0 for one that is where it is.
        aim: What the joint turns to.
        side: What it turns to about the direction of ``aim``; None: it is not twisted
            against its parent.
    """

    name: str
    parent: str
    point: Point
    offset: tuple[float, float, float]
    aim: Aim
    side: Aim | None = None


def _pair(name: str) -> Point:
    return f"left_{name}", f"right_{name}"


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_DOWN, _BACK = (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
# Of a person who stands and looks straight ahead, nose and toes are not level with what they
# turn about: the line from the ankle falls by some 0.03 of the height over 0.11.
_SLOPE = math.radians(15.0)
_FORWARD = (0.0, -math.sin(_SLOPE), math.cos(_SLOPE))
_HIPS, _SHOULDERS, _EARS = _pair("hip"), _pair("shoulder"), _pair("ear")
_ACROSS_HIPS = Aim(("right_hip",), ("left_hip",), _X)
_ACROSS_SHOULDERS = Aim(("right_shoulder",), ("left_shoulder",), _X)
_ACROSS_EARS = Aim(("right_ear",), ("left_ear",), _X)


def _limbs(side: str) -> tuple[Joint, ...]:
    """Return the joints of an arm and a leg."""
    out = _X if side == "left" else (-1.0, 0.0, 0.0)
    name, shoulder, elbow, wrist, hip, knee, ankle, toe, index, pinky = (
        side.capitalize(),
        *((f"{side}_{part}",) for part in ("shoulder", "elbow", "wrist", "hip", "knee")),
        *((f"{side}_{part}",) for part in ("ankle", "foot_index", "index", "pinky")),
    )
    knuckles = (*index, *pinky)
    palm = Aim(pinky, index, _Z)
    return (
        Joint(f"{name}Shoulder", "Spine", _SHOULDERS, _Y, Aim(_SHOULDERS, shoulder, out)),
        Joint(
            # an elbow bends forward, a knee backward: that tells how the upper bone is twisted
            f"{name}Arm", f"{name}Shoulder", shoulder, out,
            Aim(shoulder, elbow, out), Aim(elbow, wrist, _Z),
        ),
        Joint(f"{name}ForeArm", f"{name}Arm", elbow, out, Aim(elbow, wrist, out), palm),
        Joint(f"{name}Hand", f"{name}ForeArm", wrist, out, Aim(wrist, knuckles, out), palm),
        Joint(
            f"{name}UpLeg", "Hips", hip, out, Aim(hip, knee, _DOWN), Aim(knee, ankle, _BACK)
        ),
        Joint(
            f"{name}Leg", f"{name}UpLeg", knee, _DOWN,
            Aim(knee, ankle, _DOWN), Aim(ankle, toe, _Z),
        ),
        Joint(f"{name}Foot", f"{name}Leg", ankle, _DOWN, Aim(ankle, toe, _FORWARD)),
    )  # fmt: skip


JOINTS = (
    Joint("Hips", "", _HIPS, _X, _ACROSS_HIPS, Aim(_HIPS, _SHOULDERS, _Y)),
    Joint("Spine", "Hips", _HIPS, (0.0, 0.0, 0.0), Aim(_HIPS, _SHOULDERS, _Y), _ACROSS_SHOULDERS),
    Joint("Neck", "Spine", _SHOULDERS, _Y, Aim(_SHOULDERS, _EARS, _Y)),
    Joint("Head", "Neck", _EARS, _Y, Aim(_EARS, ("nose",), _FORWARD), _ACROSS_EARS),
    *_limbs("left"),
    *_limbs("right"),
)
"""All joints, parents first."""

_ALIASES = {f"{side}_foot_index": f"{side}_big_toe" for side in SIDES}
KEYPOINTS = tuple(
    dict.fromkeys(
        name
        for joint in JOINTS
        for aim in (joint.aim, joint.side)
        if aim is not None
        for name in (*aim.start, *aim.end)
    )
)
"""Keypoints that joints are made of."""


def keypoint_indices(skeleton: Skeleton) -> list[int]:
    """Return where each of ``KEYPOINTS`` stands in a skeleton; -1 for those it lacks."""
    known = {name: i for i, name in enumerate(skeleton.keypoints)}
    return [known.get(name, known.get(_ALIASES.get(name, ""), -1)) for name in KEYPOINTS]


def point(keypoints: Float64Array, of: Point) -> Float64Array:
    """Return a point, (n, 3), of keypoints (n, len(KEYPOINTS), 3)."""
    found: Float64Array = keypoints[:, [KEYPOINTS.index(name) for name in of]].mean(axis=1)
    return found


@dataclass(frozen=True)
class Bones:
    """The joints of one person, parents first, and what hangs where, in the rest pose.

    Attributes:
        joints: Those whose bones were seen.
        offsets: (J, 3) from the parent.
        ends: By name of a joint without a joint where it points to, (3,) to the tip.
    """

    joints: tuple[Joint, ...]
    offsets: Float64Array
    ends: dict[str, Float64Array]


def measure_bones(length: Callable[[Point, Point], float]) -> Bones | None:
    """Return the bones of a person.

    Args:
        length: From a point to another; NaN where it is unknown.

    Returns:
        None where hips or shoulders are unknown.
    """
    kept: dict[str, Joint] = {}
    offsets, ends = [], {}
    for joint in JOINTS:
        aim = length(joint.aim.start, joint.aim.end)
        if not aim > 0.0 or (joint.parent and joint.parent not in kept):
            continue
        parent = kept[joint.parent].point if joint.parent else joint.point
        away = 0.0 if parent == joint.point else length(parent, joint.point)
        kept[joint.name] = joint
        offsets.append(np.multiply(joint.offset, away))
        ends[joint.name] = np.multiply(joint.aim.rest, aim)
    if not {"Hips", "Spine"} <= kept.keys():
        return None
    parents = {joint.parent for joint in kept.values()}
    tips = {name: end for name, end in ends.items() if name not in parents}
    return Bones(tuple(kept.values()), np.array(offsets), tips)


def hierarchy(bones: Bones) -> str:
    """Return the first part of a BVH, up to the motion."""
    return "HIERARCHY\n" + _joint_text(bones, bones.joints[0], "")


def _joint_text(bones: Bones, joint: Joint, indent: str) -> str:
    i = bones.joints.index(joint)
    within = indent + "  "
    kind, places = ("JOINT", "3") if joint.parent else ("ROOT", "6 Xposition Yposition Zposition")
    lines = [
        f"{indent}{kind} {joint.name}",
        f"{indent}{{",
        f"{within}OFFSET {_numbers(bones.offsets[i])}",
        f"{within}CHANNELS {places} Zrotation Xrotation Yrotation",
    ]
    text = "\n".join(lines) + "\n"
    for child in bones.joints:
        if child.parent == joint.name:
            text += _joint_text(bones, child, within)
    if joint.name in bones.ends:
        offset = _numbers(bones.ends[joint.name])
        text += f"{within}End Site\n{within}{{\n{within}  OFFSET {offset}\n{within}}}\n"
    return f"{text}{indent}}}\n"


def motion_order(bones: Bones) -> list[int]:
    """Return the joints' indices in the order in which the hierarchy names them."""

    def below(name: str) -> list[int]:
        found: list[int] = []
        for i, joint in enumerate(bones.joints):
            if joint.parent == name:
                found += [i, *below(joint.name)]
        return found

    return below("")


def _numbers(values: Float64Array) -> str:
    return " ".join(f"{value + 0.0:.4f}" for value in values.tolist())
