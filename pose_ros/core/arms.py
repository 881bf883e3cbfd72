"""The arms of somebody in the axes of his own body: what gestures of the body are told by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between

ArmSide: TypeAlias = Literal["left", "right"]
SIDES: tuple[ArmSide, ArmSide] = ("left", "right")

_ARM_PER_TRUNK = 1.1
"""Length of an arm to the wrist, in those of a trunk from shoulders to hips."""
_ARM_PER_SHOULDERS = 1.45
_LEAST_SHOULDERS = 0.2
"""Width of the shoulders, in lengths of an arm, below which they do not say what is left."""


@dataclass(frozen=True, eq=False)
class Arm:
    """An arm in body axes: front (out of the chest), outward (to the arm's own side), up.

    In an image without meters nobody knows what is in front: that is NaN, and the others are
    of the arm as it is seen. Comparisons with NaN are false, so that a gesture that asks for
    what is not known is not made.

    Attributes:
        upper: (3,) unit vector from the shoulder to the elbow.
        fore: (3,) unit vector from the elbow to the wrist.
        line: (3,) unit vector from the shoulder to the wrist.
        wrist: (3,) from the shoulder, in lengths of the arm.
        reach: From shoulder to wrist, in lengths of the arm: 1 for a stretched one.
        bend: Degrees of the elbow, 0 for a stretched arm.
        score: In [0, 1], the least of shoulder, elbow and wrist.
    """

    upper: Float64Array
    fore: Float64Array
    line: Float64Array
    wrist: Float64Array
    reach: float
    bend: float
    score: float


@dataclass(frozen=True, eq=False)
class BodyView:
    """Both arms in one image.

    Attributes:
        stamp: Of the image, seconds.
        left: None where its shoulder, elbow or wrist is missing.
        right: The same.
        shoulders: From one to the other, in lengths of an arm; NaN where one is missing.
    """

    stamp: float
    left: Arm | None
    right: Arm | None
    shoulders: float

    def arm(self, side: ArmSide) -> Arm | None:
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
    points: Mapping[str, Float64Array],
    scores: Mapping[str, float],
    stamp: float,
    up: Float64Array,
    *,
    metric: bool,
) -> BodyView:
    """Return the arms of a body in its own axes.

    Args:
        points: Joints that were found, by name: (3,) in the axes of the camera (x right,
            y down, z forward). In an image without meters: pixels, and z = 0.
        scores: Of the joints, in [0, 1].
        stamp: Of the image, seconds.
        up: (3,) unit vector against gravity, in the axes of the camera.
        metric: Whether z is known.
    """
    if not metric:
        up = np.array([up[0], up[1], 0.0])
        up = up / max(float(np.linalg.norm(up)), 1e-9)
    nowhere = np.full(3, np.nan)
    shoulders = [points.get(f"{side}_shoulder", nowhere) for side in SIDES]
    across = shoulders[0] - shoulders[1]
    lengths = {side: _arm_length(points, side, across, metric=metric) for side in SIDES}
    left = across - (across @ up) * up
    width = float(np.linalg.norm(left))
    # of shoulders one behind the other nobody can say which side is which
    longest = _longest(*lengths.values())
    left = left / width if width >= _LEAST_SHOULDERS * longest else nowhere
    front = np.cross(left, up) if metric else nowhere
    arms = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        axes = np.stack([front, sign * left, up])
        arms[side] = _arm(points, scores, side, axes, lengths["left" if sign > 0 else "right"])
    return BodyView(stamp, arms["left"], arms["right"], float(np.linalg.norm(across)) / longest)


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
    points: Mapping[str, Float64Array],
    scores: Mapping[str, float],
    side: str,
    axes: Float64Array,
    length: float,
) -> Arm | None:
    names = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
    if not all(name in points for name in names):
        return None
    shoulder, elbow, wrist = (points[name] for name in names)
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
        score=min(scores[name] for name in names),
    )


def _unit(vector: Float64Array) -> Float64Array:
    """Return a vector of length 1; NaN where it has no direction."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.full(3, np.nan)
