"""BVH: the motion of one person, for programs that animate.

What a BVH cannot hold is made up for: its clock is even, its bones do not change their length,
and there is no missing value in it. docs/reference/exports.md says how.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.motion import EvenMotion, Point, point
from pose_ros.core.camera import Float64Array
from pose_ros.core.timeline import NANOSECONDS

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_DOWN, _BACK = (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
# Of a person who stands and looks straight ahead, nose and toes are not level with what they
# turn about: the line from the ankle falls by some 0.03 of the height over 0.11.
_SLOPE = math.radians(15.0)
_FORWARD = (0.0, -math.sin(_SLOPE), math.cos(_SLOPE))
# Sine of the angle between a bone and what tells its twist: below the first that tells nothing,
# above the second all. A stretched arm has no bend to tell it by.
_BLIND, _CLEAR = 0.15, 0.5
_LEAST = 1e-3  # a direction's length
CENTIMETERS = 100.0
"""In a meter: what motion capture is mostly written in."""


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


HIPS = _pair("hip")
"""Without them there is no root."""
_SHOULDERS, _EARS = _pair("shoulder"), _pair("ear")
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
    Joint("Hips", "", HIPS, _X, _ACROSS_HIPS, Aim(HIPS, _SHOULDERS, _Y)),
    Joint("Spine", "Hips", HIPS, (0.0, 0.0, 0.0), Aim(HIPS, _SHOULDERS, _Y), _ACROSS_SHOULDERS),
    Joint("Neck", "Spine", _SHOULDERS, _Y, Aim(_SHOULDERS, _EARS, _Y)),
    Joint("Head", "Neck", _EARS, _Y, Aim(_EARS, ("nose",), _FORWARD), _ACROSS_EARS),
    *_limbs("left"),
    *_limbs("right"),
)
"""All joints, parents first."""


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


class BvhChannels:
    """Turns one person's keypoints, over time, into the channels of a BVH.

    What is missing holds: a joint whose bone is not seen keeps its turn against its parent,
    a bone without a known twist keeps its twist.
    """

    def __init__(self, bones: Bones) -> None:
        self._bones = bones
        count = len(bones.joints)
        self._order = motion_order(bones)
        self._places = {joint.name: i for i, joint in enumerate(bones.joints)}
        self._turns = np.tile(np.eye(3), (count, 1, 1))
        self._twists = np.zeros(count)
        self._root = np.zeros(3)
        self._angles = np.zeros((count, 3))

    def channels(self, keypoints: Float64Array) -> Float64Array:
        """Return the next lines of motion.

        Args:
            keypoints: (n, len(KEYPOINTS), 3) in the BVH's axes and unit; NaN: missing.

        Returns:
            (n, 3 + 3 J): place of the root, then for each joint in the order of the
            hierarchy degrees about Z, X and Y.
        """
        joints = self._bones.joints
        world: list[Float64Array] = []
        local = np.empty((len(joints), len(keypoints), 3, 3))
        for i, joint in enumerate(joints):
            parent = world[self._places[joint.parent]] if joint.parent else None
            local[i] = self._turn(i, joint, parent, keypoints)
            world.append(local[i] if parent is None else parent @ local[i])
        root = _held(point(keypoints, joints[0].point), self._root)
        self._root = root[-1]
        angles = self._continued(_zxy_degrees(local)[self._order].transpose(1, 0, 2))
        return np.hstack([root, angles.reshape(len(keypoints), -1)])

    def _turn(
        self, i: int, joint: Joint, parent: Float64Array | None, keypoints: Float64Array
    ) -> Float64Array:
        """Return a joint's turns against its parent, (n, 3, 3)."""
        aim = _unit(_seen(joint.aim, parent, keypoints))
        rest = np.array(joint.aim.rest)
        beside = _beside(rest) if joint.side is None else _across(np.array(joint.side.rest), rest)
        swung = _swing(rest, aim, beside)
        if joint.side is not None:
            measured, weights = _twist(aim, swung, _seen(joint.side, parent, keypoints))
            twist = self._followed(i, measured, weights)[:, None]
            swung = np.cos(twist) * swung + np.sin(twist) * np.cross(aim, swung)
        now = np.stack([aim, swung, np.cross(aim, swung)], axis=2)
        turns = now @ np.column_stack([rest, beside, np.cross(rest, beside)]).T
        held = _held(turns.reshape(-1, 9), self._turns[i].ravel()).reshape(-1, 3, 3)
        self._turns[i] = held[-1]
        return held

    def _followed(self, i: int, measured: Float64Array, weights: Float64Array) -> Float64Array:
        """Return twists that follow the measured ones as far as these can be trusted."""
        twist = float(self._twists[i])
        twists = []
        for angle, weight in zip(measured.tolist(), weights.tolist(), strict=True):
            if weight > 0.0:
                twist += weight * ((angle - twist + np.pi) % (2.0 * np.pi) - np.pi)
            twists.append(twist)
        self._twists[i] = twist
        return np.array(twists)

    def _continued(self, angles: Float64Array) -> Float64Array:
        """Return the same turns, (n, J, 3), by the angles that are nearest to those before.

        Programs draw curves through them: z, x, y is the same turn as z + 180, 180 - x,
        y + 180, and whole turns more or less.
        """
        flipped = np.stack([angles[..., 0] + 180, 180 - angles[..., 1], angles[..., 2] + 180], -1)
        found = np.empty_like(angles)
        last = self._angles
        for i, pair in enumerate(zip(angles, flipped, strict=True)):
            first, second = (a + 360.0 * np.round((last - a) / 360.0) for a in pair)
            farther = np.abs(first - last).sum(axis=1) > np.abs(second - last).sum(axis=1)
            last = np.where(farther[:, None], second, first)
            found[i] = last
        self._angles = last
        return found


def _seen(aim: Aim, parent: Float64Array | None, keypoints: Float64Array) -> Float64Array:
    """Return a direction in the parent's axes, (n, 3)."""
    seen = point(keypoints, aim.end) - point(keypoints, aim.start)
    return seen if parent is None else np.einsum("nji,nj->ni", parent, seen)


def _swing(rest: Float64Array, aim: Float64Array, beside: Float64Array) -> Float64Array:
    """Return where ``beside``, at right angles to ``rest``, is after the least turn to ``aim``."""
    cosine = aim @ rest
    # of a half turn every axis will do
    behind = cosine < -0.9999
    share = (aim @ beside) / np.where(behind, 1.0, 1.0 + cosine)
    turned = beside - share[:, None] * (rest + aim)
    return np.where(behind[:, None], _across(beside, aim), turned)


def _twist(
    aim: Float64Array, swung: Float64Array, side: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return by which angles about ``aim`` ``swung`` is turned to ``side``, and how surely."""
    across = side - np.sum(side * aim, axis=1, keepdims=True) * aim
    with np.errstate(invalid="ignore"):
        sine = np.linalg.norm(across, axis=1) / np.linalg.norm(side, axis=1)
        weights = np.clip((sine - _BLIND) / (_CLEAR - _BLIND), 0.0, 1.0)
    angles = np.arctan2(
        np.sum(np.cross(aim, swung) * across, axis=1), np.sum(swung * across, axis=1)
    )
    return angles, np.where(np.isfinite(angles), weights, 0.0)


def _across(vectors: Float64Array, axis: Float64Array) -> Float64Array:
    """Return vectors' unit parts at right angles to a unit axis."""
    return _unit(vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis)


def _beside(axis: Float64Array) -> Float64Array:
    """Return a unit vector at right angles to an axis."""
    return _across(np.eye(3)[int(np.argmin(np.abs(axis)))], axis)


def _unit(vectors: Float64Array) -> Float64Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Float64Array = vectors / np.where(lengths > _LEAST, lengths, np.nan)
    return unit


def _held(values: Float64Array, before: Float64Array) -> Float64Array:
    """Return rows (n, m), those with NaN replaced by the last one without."""
    rows: NDArray[np.intp] = np.where(np.isfinite(values).all(axis=1), np.arange(len(values)), -1)
    held: Float64Array = np.vstack([values, before])[np.maximum.accumulate(rows)]
    return held


def _zxy_degrees(turns: Float64Array) -> Float64Array:
    """Return the angles z, x, y of turns (..., 3, 3) = Rz Rx Ry, in degrees."""
    x = np.arcsin(np.clip(turns[..., 2, 1], -1.0, 1.0))
    # with the X axis at a right angle Z and Y are one: all of it is Z's
    one = np.abs(turns[..., 2, 1]) > 1.0 - 1e-9
    z = np.where(
        one,
        np.arctan2(turns[..., 1, 0], turns[..., 0, 0]),
        np.arctan2(-turns[..., 0, 1], turns[..., 1, 1]),
    )
    y = np.where(one, 0.0, np.arctan2(-turns[..., 2, 0], turns[..., 2, 2]))
    degrees: Float64Array = np.degrees(np.stack([z, x, y], axis=-1))
    return degrees


def write_bvh(track: EvenMotion, file: IO[bytes]) -> str:
    """Write a person's motion as BVH; returns a line about it, empty without bones."""
    bones = measure_bones(lambda start, end: CENTIMETERS * track.length(start, end))
    if bones is None:
        return ""
    period = track.period / NANOSECONDS
    head = f"{hierarchy(bones)}MOTION\nFrames: {track.frames}\nFrame Time: {period:.9f}\n"
    file.write(head.encode("ascii"))
    motion = BvhChannels(bones)
    for _, keypoints in track.resampled():
        channels = motion.channels(CENTIMETERS * keypoints)
        line = " ".join(["%.4f"] * channels.shape[1]) + "\n"
        # what is added makes 0 of -0
        rows = (channels.round(4) + 0.0).tolist()
        file.write("".join(line % tuple(row) for row in rows).encode("ascii"))
    return track.note() + (": the pose is held" if track.has_gaps else "")
