"""Postures of whole bodies: how a person stands, sits, lies or walks, and where they face.

What follows are functions of the last seconds' views, as in ``body``. ``slack`` is 0 for a posture
that is to begin and 1 for one that goes on. Lengths are in those of the trunk, from the middle of
the shoulders to the middle of the hips; comparisons with NaN are false, so that a posture that
asks for what is not known is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.hold import Joints
from pose_ros.core.skeletons import SIDES

WALK_SECONDS = 0.8
"""Over how long a speed is taken: a step takes half a second."""
FALL_SECONDS = 3.0
"""A person who lies has fallen when they were upright at most so long before."""

_NEEDED = [f"{side}_{joint}" for joint in ("shoulder", "hip") for side in SIDES]


@dataclass(frozen=True, eq=False)
class PostureView:
    """A body as a whole in one image.

    Attributes:
        stamp: Of the image, seconds.
        tilt: Degrees of the trunk from upright, 0 to 180.
        thigh_drop: From the hips down to the knees; NaN where neither knee is seen.
        thigh_ahead: From the hips to the knees along the floor; NaN in the picture alone, where
            a thigh that points to the camera has no length.
        leg_drop: From the hips down to the ankles; NaN where neither ankle is seen.
        leg_span: From the hips to the ankles straight; NaN as ``thigh_ahead``.
        shoulder_drop: From the shoulders down to the ankles, or knees.
        place: (3,) of the hips: meters, or pixels and 0.
        trunk: Length of the trunk in the same unit.
        chest: Degrees by which the chest is turned away from the camera, 0 to 180.
        head: The same of the head.
        score: In [0, 1], the least of the joints that it needs.
    """

    stamp: float
    tilt: float
    thigh_drop: float
    thigh_ahead: float
    leg_drop: float
    leg_span: float
    shoulder_drop: float
    place: Float64Array
    trunk: float
    chest: float
    head: float
    score: float


def view_posture(
    shape: Joints, placed: Joints, *, stamp: float, up: Float64Array, chest: float
) -> PostureView | None:
    """Return the posture of a body; None where shoulders or hips are missing.

    Args:
        shape: The joints that tell the body's shape best.
        placed: The same where they tell the body's place best.
        stamp: Of the image, seconds.
        up: (3,) unit vector against gravity, in the axes of the camera.
        chest: Degrees by which the chest is turned away from the camera.
    """
    points = shape.points
    if not all(name in points for name in _NEEDED):
        return None
    if shape.space == "image":
        flat = np.array([up[0], up[1], 0.0])
        up = flat / max(float(np.linalg.norm(flat)), 1e-9)
    shoulders, hips = (_middle(points, joint) for joint in ("shoulder", "hip"))
    trunk = shoulders - hips
    length = float(np.linalg.norm(trunk))
    if not length > 0.0:
        return None
    ways = [(hips - _middle(points, joint)) / length for joint in ("knee", "ankle")]
    thigh, leg = (float(way @ up) for way in ways)
    metric = shape.space != "image"
    ahead = float(np.linalg.norm(ways[0] - thigh * up)) if metric else math.nan
    span = float(np.linalg.norm(ways[1])) if metric else math.nan
    lowest = leg if math.isfinite(leg) else thigh
    rise = float(trunk @ up) / length
    at = placed.points
    known = all(name in at for name in _NEEDED)
    place = _middle(at, "hip") if known else np.full(3, np.nan)
    size = float(np.linalg.norm(_middle(at, "shoulder") - place)) if known else math.nan
    return PostureView(
        stamp,
        tilt=math.degrees(math.acos(min(1.0, max(-1.0, rise)))),
        thigh_drop=thigh,
        thigh_ahead=ahead,
        leg_drop=leg,
        leg_span=span,
        shoulder_drop=lowest + rise,
        place=place,
        trunk=size,
        chest=chest,
        head=_head_turn(points, metric=metric),
        score=min(shape.scores[name] for name in _NEEDED),
    )


def stands(views: Sequence[PostureView], slack: float) -> bool:
    """Upright, on legs that are, and that are not bent much: a lunge is no standing."""
    view = views[-1]
    bent = view.leg_drop < 1.15 - 0.1 * slack
    return view.tilt < 40.0 + 8.0 * slack and view.thigh_drop > 0.6 - 0.07 * slack and not bent


def sits(views: Sequence[PostureView], slack: float) -> bool:
    """Upright, with thighs that lie; the feet are away from the hips: a squat is no sitting."""
    view = views[-1]
    if not view.tilt < 50.0 + 8.0 * slack:
        return False
    if math.isnan(view.thigh_ahead):
        return view.thigh_drop < 0.38 + 0.12 * slack and not view.leg_drop < 0.5 - 0.1 * slack
    lie = view.thigh_drop < 0.5 + 0.1 * slack and view.thigh_ahead > 0.6 - 0.1 * slack
    return lie and not view.leg_span < 0.95 - 0.1 * slack


def lies(views: Sequence[PostureView], slack: float) -> bool:
    """With a trunk that lies, and feet that are not below it."""
    view = views[-1]
    return view.tilt > 60.0 - 8.0 * slack and view.shoulder_drop < 0.75 + 0.15 * slack


def walks(views: Sequence[PostureView], slack: float) -> bool:
    """Upright, and going somewhere: 0.35 m a second, in trunks of half a meter."""
    view = views[-1]
    if not stands(views, slack):
        return False
    past = [v for v in views if view.stamp - v.stamp <= WALK_SECONDS + 1e-6]
    elapsed = view.stamp - past[0].stamp
    if elapsed < WALK_SECONDS / 2:
        return False
    size = float(np.median([v.trunk for v in past]))
    way = float(np.linalg.norm(view.place - past[0].place)) / size
    return way / elapsed > 0.7 - 0.3 * slack


def faces(views: Sequence[PostureView], slack: float) -> bool:
    """Not lying, with the chest to the camera."""
    return views[-1].tilt < 60.0 and views[-1].chest < 35.0 + 10.0 * slack


def looks(views: Sequence[PostureView], slack: float) -> bool:
    """Not lying, with the head to the camera."""
    return views[-1].tilt < 60.0 and views[-1].head < 30.0 + 10.0 * slack


POSTURES: dict[str, Callable[[Sequence[PostureView], float], bool]] = {
    "standing": stands,
    "sitting": sits,
    "lying": lies,
    "walking": walks,
    "facing": faces,
    "looking": looks,
}
FALLEN = "fallen"
"""Lying of a person who was upright a moment ago."""
POSTURE_NAMES = (*POSTURES, FALLEN)


def _middle(points: dict[str, Float64Array], joint: str) -> Float64Array:
    """Return the middle of both sides, or the one that is seen; NaN where neither is."""
    seen = [points[f"{side}_{joint}"] for side in SIDES if f"{side}_{joint}" in points]
    return np.mean(seen, axis=0) if seen else np.full(3, np.nan)


def _head_turn(points: dict[str, Float64Array], *, metric: bool) -> float:
    """Return degrees by which the head is turned away from the camera; NaN where unknown."""
    names = ("nose", "left_ear", "right_ear")
    if not all(name in points for name in names):
        return math.nan
    nose, left, right = (points[name] for name in names)
    across = left - right
    width = float(np.linalg.norm(across))
    if not width > 0.0:
        return math.nan
    if metric:
        # the ears of a head that faces the camera are equally far, the left one to the right
        return math.degrees(math.atan2(abs(float(across[2])), float(across[0])))
    if across[0] <= 0.0:
        return 180.0
    aside = abs(float((nose - (left + right) / 2) @ across)) / width**2
    return math.degrees(math.atan(2.0 * aside))
