"""A person's arms in the axes of their body: what gestures of the body are recognized by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.gestures.joint_memory import Joints
from pose_ros.core.skeletons import SIDES, Side

_ARM_PER_TRUNK = 1.1
"""Length of an arm to the wrist, in those of a trunk from shoulders to hips."""
_ARM_PER_SHOULDERS = 1.45
_LEAST_SHOULDERS = 0.2
"""Width of the shoulders, in lengths of an arm, below which they do not say what is left."""


@dataclass(frozen=True)
class Palm:
    """What a hand network says of the hand at the end of an arm.

    Attributes:
        stretched: How many of the four fingers are stretched.
        turned: Degrees by which the palm looks away from the camera.
    """

    stretched: int
    turned: float


@dataclass(frozen=True)
class HandPlace:
    """Where a hand is in the picture, which is surer than its depth.

    Lengths are in widths of the shoulders, angles in degrees; NaN is unknown.

    Attributes:
        wrist_aside: From the nose to the wrist, to the arm's own side.
        wrist_above: From the shoulder up to the wrist.
        hand_aside: From the nose to the hand's knuckles, to the arm's own side.
        hand_above: From the shoulder up to the knuckles.
        hand_tilt: Of the hand from upright.
        fore_tilt: Of the forearm from upright.
    """

    wrist_aside: float
    wrist_above: float
    hand_aside: float
    hand_above: float
    hand_tilt: float
    fore_tilt: float


@dataclass(frozen=True, eq=False)
class Arm:
    """An arm in body axes: front (out of the chest), outward (to the arm's own side), up.

    In an image without meters it is unknown what is in front: that is NaN, and the others are
    of the arm as it is seen. Comparisons with NaN are false, so that a gesture that asks for
    what is not known is not made.

    Attributes:
        upper: (3,) unit vector from the shoulder to the elbow.
        fore: (3,) unit vector from the elbow to the wrist.
        line: (3,) unit vector from the shoulder to the wrist.
        wrist: (3,) from the shoulder, in lengths of the arm.
        reach: From shoulder to wrist, in lengths of the arm: 1 for a stretched one.
        bend: Degrees of the elbow, 0 for a stretched arm.
        lift: Degrees by which the line is lifted from hanging, in meters where they are known.
        place: Of the hand, in the picture.
        palm: Of the hand; None where no hand network found it.
        score: In [0, 1], the least of shoulder, elbow and wrist.
    """

    upper: Float64Array
    fore: Float64Array
    line: Float64Array
    wrist: Float64Array
    reach: float
    bend: float
    lift: float
    place: HandPlace
    palm: Palm | None
    score: float


@dataclass(frozen=True, eq=False)
class BodyView:
    """Both arms in one image.

    Attributes:
        stamp: Of the image, seconds.
        left: None where its shoulder, elbow or wrist is missing.
        right: The same.
        shoulders: From one to the other, in lengths of an arm; NaN where one is missing.
        turned: Degrees by which the chest is turned away from the camera; NaN where unknown.
    """

    stamp: float
    left: Arm | None
    right: Arm | None
    shoulders: float
    turned: float

    def arm(self, side: Side) -> Arm | None:
        """Return the arm of a side."""
        return self.left if side == "left" else self.right


def elevation(direction: Float64Array) -> float:
    """Return the degrees by which a unit vector in body axes is lifted from hanging, 0 to 180."""
    return math.degrees(math.acos(min(1.0, max(-1.0, -float(direction[2])))))


def lean(points: Mapping[str, Float64Array], up: Float64Array) -> Float64Array:
    """Return what is up for the arms of a network's metric shape: halfway to the trunk's end.

    Seen from above or below, such a shape leans as a whole by up to half the camera's pitch,
    and the trunk with it.

    Args:
        points: Joints that were found, by name, (3,) meters.
        up: (3,) unit vector against gravity.
    """
    names = [f"{side}_{joint}" for joint in ("shoulder", "hip") for side in SIDES]
    if not all(name in points for name in names):
        return up
    shoulders, hips = (points[a] + points[b] for a, b in (names[:2], names[2:]))
    between = _unit(_unit(shoulders - hips) + up)
    return between if np.isfinite(between).all() else up


def view_body(
    shape: Joints,
    picture: Joints,
    placed: Joints,
    *,
    stamp: float,
    up: Float64Array,
    palms: Mapping[Side, Palm],
) -> BodyView:
    """Return the arms of a body in its own axes.

    Args:
        shape: The joints that tell the body's shape best.
        picture: The same in pixels.
        placed: The same where they tell the body's place best.
        stamp: Of the image, seconds.
        up: (3,) unit vector against gravity, in the axes of the camera.
        palms: What a hand network says of the hands that it found.
    """
    points, metric = shape.points, shape.space != "image"
    upright = lean(points, up) if shape.space == "world" else up if metric else _in_picture(up)
    nowhere = np.full(3, np.nan)
    shoulders = [points.get(f"{side}_shoulder", nowhere) for side in SIDES]
    across = shoulders[0] - shoulders[1]
    lengths = {side: _arm_length(points, side, across, metric=metric) for side in SIDES}
    left = across - (across @ upright) * upright
    width = float(np.linalg.norm(left))
    # of shoulders one behind the other it is unknown which side is which
    longest = _longest(*lengths.values())
    left = left / width if width >= _LEAST_SHOULDERS * longest else nowhere
    front = np.cross(left, upright) if metric else nowhere
    if metric:
        # a network sees each body as if it stood straight ahead
        ahead = sum(shoulders) if shape.space == "camera" else np.array([0.0, 0.0, 1.0])
        toward = -(ahead - (ahead @ upright) * upright)
        turned = float(angle_between(front, toward))
    else:
        turned = _turned_in_picture(left, width * _ARM_PER_SHOULDERS / longest)
    arms: dict[Side, Arm | None] = {}
    for side, sign in ((SIDES[0], 1.0), (SIDES[1], -1.0)):
        axes = np.stack([front, sign * left, upright])
        arms[side] = _arm(
            shape,
            side,
            axes,
            lengths[side],
            lift=_lift(placed, side, up),
            place=_hand_place(picture.points, side, _in_picture(up)),
            palm=palms.get(side),
        )
    shoulder_width = float(np.linalg.norm(across)) / longest
    return BodyView(stamp, arms["left"], arms["right"], shoulder_width, turned)


def _in_picture(up: Float64Array) -> Float64Array:
    """Return what is up in the picture, (3,) with z = 0."""
    flat = np.array([up[0], up[1], 0.0])
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def _turned_in_picture(left: Float64Array, narrowing: float) -> float:
    """Return how far a body is turned by what its shoulders look like, at most 1 of their width."""
    turned = math.degrees(math.acos(min(1.0, narrowing))) if narrowing >= 0.0 else math.nan
    return turned if left[0] > 0.0 else 180.0 - turned


def _lift(placed: Joints, side: Side, up: Float64Array) -> float:
    """Return the lift of an arm in meters; NaN where they are not known."""
    names = f"{side}_shoulder", f"{side}_wrist"
    if placed.space != "camera" or not all(name in placed.points for name in names):
        return math.nan
    shoulder, wrist = (placed.points[name] for name in names)
    return float(angle_between(wrist - shoulder, -up))


def _hand_place(points: Mapping[str, Float64Array], side: Side, up: Float64Array) -> HandPlace:
    nowhere = np.full(3, np.nan)

    def point(name: str) -> Float64Array:
        return points.get(name, nowhere)

    across = point("left_shoulder") - point("right_shoulder")
    right = np.array([-up[1], up[0], 0.0])
    # a person who looks at the camera has the left hand to the right of the picture
    out = right if side == "left" else -right
    width = max(float(np.linalg.norm(across)), 1e-9)
    shoulder, wrist, nose = point(f"{side}_shoulder"), point(f"{side}_wrist"), point("nose")
    knuckles = (point(f"{side}_index") + point(f"{side}_pinky")) / 2.0
    return HandPlace(
        wrist_aside=float((wrist - nose) @ out) / width,
        wrist_above=float((wrist - shoulder) @ up) / width,
        hand_aside=float((knuckles - nose) @ out) / width,
        hand_above=float((knuckles - shoulder) @ up) / width,
        hand_tilt=float(angle_between(knuckles - wrist, up)),
        fore_tilt=float(angle_between(wrist - point(f"{side}_elbow"), up)),
    )


def _arm_length(
    points: Mapping[str, Float64Array], side: str, across: Float64Array, *, metric: bool
) -> float:
    """Return the length of an arm in the unit of the points; NaN where nothing tells it."""
    nowhere = np.full(3, np.nan)
    shoulder, elbow, wrist, hip = (
        points.get(f"{side}_{joint}", nowhere) for joint in ("shoulder", "elbow", "wrist", "hip")
    )
    length = float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))
    if metric:
        return length
    # what points to the camera looks short: go by the largest of what is seen
    trunk, wide = float(np.linalg.norm(shoulder - hip)), float(np.linalg.norm(across))
    return _longest(length, _ARM_PER_TRUNK * trunk, _ARM_PER_SHOULDERS * wide)


def _longest(*lengths: float) -> float:
    """Return the longest of those that are known, NaN if none is."""
    return max((length for length in lengths if not math.isnan(length)), default=math.nan)


def _arm(
    joints: Joints,
    side: Side,
    axes: Float64Array,
    length: float,
    *,
    lift: float,
    place: HandPlace,
    palm: Palm | None,
) -> Arm | None:
    names = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
    if not all(name in joints.points for name in names):
        return None
    shoulder, elbow, wrist = (joints.points[name] for name in names)
    upper, fore, line = _unit(elbow - shoulder), _unit(wrist - elbow), _unit(wrist - shoulder)
    if not np.isfinite([upper, fore, line]).all() or not length > 0.0:
        return None
    return Arm(
        upper=axes @ upper,
        fore=axes @ fore,
        line=axes @ line,
        wrist=axes @ (wrist - shoulder) / length,
        reach=float(np.linalg.norm(wrist - shoulder)) / length,
        bend=float(angle_between(upper, fore)),
        lift=elevation(axes @ line) if math.isnan(lift) else lift,
        place=place,
        palm=palm,
        score=min(joints.scores[name] for name in names),
    )


def _unit(vector: Float64Array) -> Float64Array:
    """Return a vector of length 1; NaN where it has no direction."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.full(3, np.nan)
