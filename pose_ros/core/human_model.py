"""A person as REP-155's kinematic model: a URDF with their bones' lengths, and its joints' angles.

Joints, their order and their axes are those that REP-155 names and its package human_description
has: z up, x forward, y left, and all angles are 0 of a person who stands with hanging arms and
looks ahead. The root is ``body_<id>``, the frame of ``geometry.body_frame``. Its z passes through
the middle of the shoulders, so that ``waist`` is always 0.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.anatomical_angles import ARM, LEG, beside, unit
from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import body_frame
from pose_ros.core.lifting.body_model import BONES, DEFAULT_HEIGHT, FOREARM, UPPER_ARM
from pose_ros.core.skeletons import SIDES, Side
from pose_ros.core.types import Pose

_SHARE = {bone.kind: bone.length for bone in BONES}
_MEMORY = 90  # images whose lengths count
_LEAST_CHANGE = 0.05  # of a length, as a share, for which a person gets another model
# sine of the bend of an elbow or a knee from which on it says how the bone above is turned
_LEAST_BEND = 0.1
# sine of the angle of an arm to the trunk below which it has no plane
_LEAST_RAISE = 0.01
_LEAST_LIFT = 1e-6  # of 1 + the z of a limb that points straight up
_RADIUS, _HEAD_RADIUS = 0.035, 0.1  # meters, of what is drawn
_GRAY = "0.75 0.75 0.75 1"


@dataclass(frozen=True)
class HumanLengths:
    """How long a person's bones are, in meters, the same on both sides."""

    trunk: float = _SHARE["trunk"] * DEFAULT_HEIGHT
    shoulders: float = _SHARE["shoulders"] * DEFAULT_HEIGHT
    hips: float = _SHARE["hips"] * DEFAULT_HEIGHT
    neck: float = _SHARE["neck"] * DEFAULT_HEIGHT
    upper_arm: float = UPPER_ARM * DEFAULT_HEIGHT
    forearm: float = FOREARM * DEFAULT_HEIGHT
    thigh: float = _SHARE["thigh"] * DEFAULT_HEIGHT
    shank: float = _SHARE["shank"] * DEFAULT_HEIGHT


_USUAL = np.array([field.default for field in fields(HumanLengths)], np.float64)


class BoneTracker:
    """Follows the lengths of one person's bones, and says when they need another model."""

    def __init__(self) -> None:
        self._seen: deque[Float64Array] = deque(maxlen=_MEMORY)
        self._last: HumanLengths | None = None

    def update(self, pose: Pose, found: NDArray[np.bool_]) -> HumanLengths | None:
        """Return lengths for a new model; None where the last ones still hold.

        Args:
            pose: The person in the next image.
            found: (K,) which keypoints were found.
        """
        self._seen.append(_lengths(pose, found))
        if np.isnan(self._seen[-1]).all():
            return None
        lengths = self._median()
        if self._last is not None:
            before = np.array([getattr(self._last, field.name) for field in fields(HumanLengths)])
            if np.all(np.abs(lengths - before) <= _LEAST_CHANGE * before):
                return None
        self._last = HumanLengths(*lengths.tolist())
        return self._last

    def _median(self) -> Float64Array:
        """Return the lengths; those of bones that were never seen fit the size of the others."""
        seen = np.array(self._seen)
        known = np.isfinite(seen).any(axis=0)
        lengths = np.array(_USUAL)
        lengths[known] = np.nanmedian(seen[:, known], axis=0)
        lengths[~known] *= np.median(lengths[known] / _USUAL[known])
        return lengths


def joint_positions(pose: Pose, found: NDArray[np.bool_]) -> dict[str, float] | None:
    """Return the angles of the joints of a person's model, in radians, by name without the id.

    Args:
        pose: The person.
        found: (K,) which keypoints were found.

    Returns:
        Joints of a limb or head that was not found are left out. None where the person has no
        frame of the body.
    """
    frame = body_frame(pose)
    if frame is None or pose.camera is None:
        return None
    points = frame.to_body(np.where(found[:, None], pose.camera, np.nan))
    known = {name: points[i] for i, name in enumerate(pose.skeleton.keypoints)}
    nowhere = np.full(3, np.nan)
    angles = {"waist": 0.0}

    def place(name: str) -> Float64Array:
        return np.asarray(known.get(name, nowhere), np.float64)

    for side in SIDES:
        sign, short = (1.0, "l") if side == "left" else (-1.0, "r")
        for joints in (ARM, LEG):
            top, middle, end = (place(f"{side}_{joint}") for joint in joints)
            bone, next_ = unit(top - middle), unit(end - middle)
            if not np.isfinite(bone).all():
                continue
            axes = _limb_axes(bone, next_, is_arm=joints is ARM)
            about = _turns_of_arm(axes, sign) if joints is ARM else _turns_of_leg(axes, sign)
            names = (f"{short}_{axis}_{joints[0]}" for axis in "ypr")
            angles |= dict(zip(names, about, strict=True))
            if np.isfinite(next_).all():
                local = axes.T @ next_
                angles[f"{short}_{joints[1]}"] = math.atan2(local[0], -local[2])
    head = _turns_of_head(place("nose"), place("left_ear"), place("right_ear"))
    if head is not None:
        angles |= dict(zip(("r_head", "y_head", "p_head"), head, strict=True))
    return angles


def urdf(lengths: HumanLengths, person: str) -> str:
    """Return the URDF of a person.

    Args:
        lengths: Of their bones.
        person: Id of the body, such as ``p7``, with which all names of links and joints end.
    """
    robot = ElementTree.Element("robot", name=f"human_{person}")
    ElementTree.SubElement(robot, "link", name=f"body_{person}")
    half = f"{math.pi:.4f}"
    limits = {"lower": f"-{half}", "upper": half, "effort": "0", "velocity": "100"}
    for name, parent, link, origin, axis, length, radius in _joints(lengths):
        _draw(ElementTree.SubElement(robot, "link", name=f"{link}_{person}"), length, radius)
        kind = "revolute" if axis else "fixed"
        joint = ElementTree.SubElement(robot, "joint", name=f"{name}_{person}", type=kind)
        ElementTree.SubElement(joint, "parent", link=f"{parent}_{person}")
        ElementTree.SubElement(joint, "child", link=f"{link}_{person}")
        ElementTree.SubElement(joint, "origin", xyz=_text(origin), rpy="0 0 0")
        if axis:
            ElementTree.SubElement(joint, "axis", xyz=_text(axis))
            ElementTree.SubElement(joint, "limit", limits)
    ElementTree.indent(robot)
    return ElementTree.tostring(robot, encoding="unicode")


_Vector = tuple[float, float, float]


class _Joint(NamedTuple):
    """A joint, and the link that hangs on it.

    Attributes:
        name: Of the joint.
        parent: Link.
        link: That hangs on it.
        origin: Meters, in the axes of the parent.
        axis: About which it turns; None: it is fixed.
        length: Meters of the bone that is drawn, down from the joint.
        radius: Meters, of what is drawn; 0: nothing.
    """

    name: str
    parent: str
    link: str
    origin: _Vector
    axis: _Vector | None
    length: float = 0.0
    radius: float = 0.0


def _joints(lengths: HumanLengths) -> Iterator[_Joint]:
    here, x, y, z = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    chest, neck = (0.0, 0.0, lengths.trunk), (0.0, 0.0, lengths.neck / 2)
    yield _Joint("waist", "body", "waist", here, y)
    yield _Joint("torso", "waist", "torso", chest, None, lengths.trunk, 2 * _RADIUS)
    yield _Joint("r_head", "torso", "r_head", neck, x)
    yield _Joint("y_head", "r_head", "y_head", here, z)
    yield _Joint("p_head", "y_head", "p_head", here, _minus(y))
    yield _Joint("head", "p_head", "head", neck, None, 0.0, _HEAD_RADIUS)
    arm, leg = (lengths.upper_arm, lengths.forearm), (lengths.thigh, lengths.shank)
    for side in SIDES:
        outward = 1.0 if side == "left" else -1.0
        along, turn = (outward, 0.0, 0.0), (0.0, 0.0, outward)
        shoulder = (0.0, outward * lengths.shoulders / 2, 0.0)
        hip = (0.0, outward * lengths.hips / 2, 0.0)
        yield from _limb(
            side, ARM, "torso", shoulder, axes=(_minus(turn), along, turn), lengths=arm
        )
        yield from _limb(side, LEG, "body", hip, axes=(_minus(z), along, _minus(y)), lengths=leg)


def _limb(
    side: Side,
    joints: tuple[str, str, str],
    parent: str,
    origin: _Vector,
    *,
    axes: tuple[_Vector, _Vector, _Vector],
    lengths: tuple[float, float],
) -> Iterator[_Joint]:
    """Yield the joints of an arm or a leg: three at its top, one in its middle, a fixed end."""
    here = (0.0, 0.0, 0.0)
    top, middle, end = (f"{side[0]}_{joint}" for joint in joints)
    yaw, pitch, roll = (f"{side[0]}_{turn}_{joints[0]}" for turn in "ypr")
    yield _Joint(yaw, parent, yaw, origin, axes[0])
    yield _Joint(pitch, yaw, pitch, here, axes[1])
    yield _Joint(roll, pitch, top, here, axes[2], lengths[0], _RADIUS)
    below = (0.0, 0.0, -lengths[0])
    yield _Joint(middle, top, middle, below, (0.0, -1.0, 0.0), lengths[1], _RADIUS)
    yield _Joint(end, middle, end, (0.0, 0.0, -lengths[1]), None, 0.0, _RADIUS)


def _minus(axis: _Vector) -> _Vector:
    x, y, z = axis
    return -x, -y, -z


def _text(vector: _Vector) -> str:
    return " ".join(f"{value + 0.0:.4g}" for value in vector)


def _draw(link: ElementTree.Element, length: float, radius: float) -> None:
    """Draw a bone as a cylinder, and what has no length as a sphere."""
    if not radius:
        return
    visual = ElementTree.SubElement(link, "visual")
    ElementTree.SubElement(visual, "origin", xyz=_text((0.0, 0.0, -length / 2)), rpy="0 0 0")
    geometry = ElementTree.SubElement(visual, "geometry")
    if length:
        size = {"length": f"{length:.4g}", "radius": f"{radius:.4g}"}
        ElementTree.SubElement(geometry, "cylinder", size)
    else:
        ElementTree.SubElement(geometry, "sphere", radius=f"{radius:.4g}")
    material = ElementTree.SubElement(visual, "material", name="person")
    ElementTree.SubElement(material, "color", rgba=_GRAY)


def _lengths(pose: Pose, found: NDArray[np.bool_]) -> Float64Array:
    """Return the lengths of one image in the order of ``HumanLengths``; NaN where not known."""
    nowhere = np.full((len(pose.skeleton), 3), np.nan)
    points = nowhere if pose.camera is None else np.where(found[:, None], pose.camera, np.nan)
    known = {name: points[i] for i, name in enumerate(pose.skeleton.keypoints)}

    def place(name: str) -> Float64Array:
        """Return a joint, or the middle of both."""
        if name in known:
            return np.asarray(known[name], np.float64)
        pair = [known.get(f"{side}_{name}", nowhere[0]) for side in SIDES]
        return np.asarray(np.mean(pair, axis=0), np.float64)

    def between(*pairs: tuple[str, str]) -> float:
        lengths = [float(np.linalg.norm(place(a) - place(b))) for a, b in pairs]
        lengths = [length for length in lengths if math.isfinite(length)]
        return sum(lengths) / len(lengths) if lengths else math.nan

    def of_both(start: str, end: str) -> float:
        return between(*((f"{side}_{start}", f"{side}_{end}") for side in SIDES))

    return np.array(
        [
            between(("hip", "shoulder")),
            between(("left_shoulder", "right_shoulder")),
            between(("left_hip", "right_hip")),
            between(("shoulder", "ear")),
            of_both("shoulder", "elbow"),
            of_both("elbow", "wrist"),
            of_both("hip", "knee"),
            of_both("knee", "ankle"),
        ]
    )


def _limb_axes(bone: Float64Array, next_: Float64Array, *, is_arm: bool) -> Float64Array:
    """Return the axes, as columns, of an upper arm or a thigh in those of the body.

    Args:
        bone: (3,) of length 1, from its end to its top: z.
        next_: (3,) of length 1, from there on to wrist or ankle. An arm bends to x, a leg away from
            it; x of a straight one, or where this is NaN, is that of the body, turned with the
            bone by the least turn.
        is_arm: Whether it is an arm.
    """
    ahead, lift = np.array([1.0, 0.0, 0.0]), 1.0 + bone[2]
    if lift > _LEAST_LIFT:
        ahead = ahead - bone[0] * (bone + [0.0, 0.0, 1.0]) / lift
    bend = beside(next_, bone)
    if float(np.linalg.norm(bend)) >= _LEAST_BEND:
        # a knee that seems to bend forward a little does not turn the thigh around
        ahead = bend if is_arm or bend @ ahead > 0.0 else -bend
    x = unit(beside(ahead, bone))
    return np.column_stack([x, np.cross(bone, x), bone])


def _turns_of_arm(axes: Float64Array, outward: float) -> tuple[float, float, float]:
    """Return the turns about z, x and z of a shoulder; the second is not below 0."""
    raised = math.acos(float(np.clip(axes[2, 2], -1.0, 1.0)))
    if math.sin(raised) < _LEAST_RAISE:
        # the first turn and the third are about one line
        third = math.atan2(math.copysign(1.0, axes[2, 2]) * axes[1, 0], axes[0, 0])
        return 0.0, raised, outward * third
    first = math.atan2(axes[0, 2], -axes[1, 2])
    third = math.atan2(axes[2, 0], axes[2, 1])
    if outward < 0.0:
        first, third = (math.remainder(turn + math.pi, 2 * math.pi) for turn in (first, third))
    return -outward * first, raised, outward * third


def _turns_of_leg(axes: Float64Array, outward: float) -> tuple[float, float, float]:
    """Return the turns about z, x and y of a hip."""
    first = math.atan2(-axes[0, 1], axes[1, 1])
    second = math.asin(float(np.clip(axes[2, 1], -1.0, 1.0)))
    third = math.atan2(-axes[2, 0], axes[2, 2])
    return -first, outward * second, -third


def _turns_of_head(
    nose: Float64Array, left_ear: Float64Array, right_ear: Float64Array
) -> tuple[float, float, float] | None:
    """Return the turns about x, z and y of a head; None where it is not known how it is turned."""
    y = unit(left_ear - right_ear)
    x = unit(beside(nose - (left_ear + right_ear) / 2, y))
    if not np.isfinite([x, y]).all():
        return None
    z = np.cross(x, y)
    roll, yaw = math.atan2(y[2], y[1]), math.asin(float(np.clip(-y[0], -1.0, 1.0)))
    return roll, yaw, -math.atan2(z[0], x[0])
