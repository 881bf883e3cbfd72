"""Gestures of the arms: the arms in the axes of their body, and what each gesture looks like.

``view_body`` says what an image shows of a person's arms. What follows are functions of the last
seconds' views.

Each function says whether an arm, or both, make its gesture in the last of the given views.
Angles are in degrees, lengths in those of the arm. ``slack`` is 0 for a gesture that is to
begin and 1 for one that goes on, which may look a little less like itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.gestures.hold import Joints
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
        arms[side] = _view_arm(
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
    """Return the longest of those above 0, NaN if none is: joints may all be at one point."""
    return max((length for length in lengths if length > 0.0), default=math.nan)


def _view_arm(
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


class Swing(NamedTuple):
    """One movement from a turning point to the next, or to where the series ends.

    Attributes:
        start: Stamp of the turning point that it begins at, seconds.
        end: Stamp of the farthest point that it has reached, seconds.
        size: How far it has come, signed, in the unit of the series.
    """

    start: float
    end: float
    size: float


def swings(stamps: Sequence[float], values: Sequence[float], least: float) -> list[Swing]:
    """Return the movements of a series, in order of time.

    A turning point counts once the series has come back from it by ``least``: smaller
    movements, such as noise, belong to the larger one that they interrupt.

    Args:
        stamps: Seconds, rising.
        values: One a stamp.
        least: Size of the smallest movement, above 0.
    """
    found: list[Swing] = []
    start = farthest = 0
    direction = 0.0

    def present() -> Swing:
        return Swing(stamps[start], stamps[farthest], values[farthest] - values[start])

    for i, value in enumerate(values):
        ahead = value - values[farthest]
        if direction == 0.0 and ahead != 0.0:
            direction = math.copysign(1.0, ahead)
        if ahead * direction > 0.0:
            farthest = i
        elif abs(ahead) >= least:
            found.append(present())
            direction, start, farthest = -direction, farthest, i
    if values:
        found.append(present())
    # before its first turning point a series may have come a little way only
    return [swing for swing in found if abs(swing.size) >= least]


_SPEED_SECONDS = 0.25  # over which a wrist's speed is measured: over less, noise looks quick
_REST_SECONDS = 0.4  # for which an arm that is hardly lifted has to rest
_MOST_ABOVE = 3.0  # widths of the shoulders: an arm has 1.45, or 2.9 of those turned by 60 degrees
_SWING_SECONDS = 0.9  # the longest movement to or fro of a wave
_SWINGS = 3


def points(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether an arm is stretched out, neither hanging nor up, and rests.

    A person who stretches out both arms balances, carries or pushes something, and a raised hand
    has another meaning: neither begins to point.
    """
    other = views[-1].arm(_other(side))
    busy = other is not None and (_stretched(other, 0.0) or bool(other.wrist[2] > -0.35))
    arm = _arm(views[-1], side)
    # the arms of people who walk swing up to here, which a picture alone does not show
    hardly = arm.lift < 33.0
    rests = math.isfinite(arm.line[0]) and _way(views, side, _REST_SECONDS) <= 0.2
    return (
        (slack > 0.0 or not busy)
        and _stretched(arm, slack)
        and (slack > 0.0 or not hardly or rests)
        and _speed(views, side) <= 1.0 + 2.0 * slack
    )


def _stretched(arm: Arm, slack: float) -> bool:
    # with the forearm up, a bent arm waves or means stop
    most_bend = 60.0 if elevation(arm.fore) <= 118.0 + 10.0 * slack else 35.0
    return (
        arm.bend <= most_bend + 15.0 * slack
        and 26.0 - 4.0 * slack <= arm.lift <= 135.0 + 5.0 * slack
        # where meters are known, and wrong by the camera's tilt, the shape has to agree
        and elevation(arm.line) >= 22.0 - 4.0 * slack
        and arm.reach >= 0.75 - 0.1 * slack
    )


def raises_hand(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a hand is held up, above the head or beside it, and the other arm hangs.

    This engages a robot, so what is not known counts as no: a hand that is not seen may hold
    something, and so may one that a hand network finds closed.
    """
    view = views[-1]
    palm = _arm(view, side).palm
    return (
        _hangs(view.arm(_other(side)), slack)
        and (palm is None or palm.stretched >= 2)
        and (_reaches_up(views, side, slack) or _lifts_forearm(views, side, slack))
    )


def raises_both_hands(views: Sequence[BodyView], slack: float) -> bool:
    """Whether both hands are held up, the elbows above the shoulders."""
    return all(_reaches_up(views, side, slack) for side in SIDES)


def _reaches_up(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a hand is held up, the elbow above the shoulder."""
    arm = _arm(views[-1], side)
    # a body with longer arms is not a person
    likely = arm.place.wrist_above <= _MOST_ABOVE
    return (
        likely
        and views[-1].turned <= 60.0 + 15.0 * slack
        and elevation(arm.upper) >= 110.0 - 12.0 * slack
        and elevation(arm.fore) >= 134.0 - 12.0 * slack
        and arm.wrist[2] >= 0.65 - 0.1 * slack
        and _speed(views, side) <= 1.0 + 1.6 * slack
    )


def _lifts_forearm(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a hand is held up beside the head, the elbow low: as people do who are asked to.

    A hand that is at the face, or holds a phone to the ear, is nearer to the nose than half the
    shoulders' width, and tilts to it.
    """
    arm = _arm(views[-1], side)
    place = arm.place
    wrist = place.wrist_aside >= 0.65 - 0.1 * slack and place.wrist_above >= -0.1 - 0.1 * slack
    # networks without knuckles say nothing of the hand
    hand = math.isnan(place.hand_tilt) or (
        place.hand_aside >= 0.53 - 0.1 * slack
        and place.hand_above >= 0.2 - 0.1 * slack
        and place.hand_tilt <= 28.0 + 10.0 * slack
    )
    return (
        views[-1].turned <= 35.0 + 15.0 * slack
        and not _puts_forearm_up(arm, 0.5)
        and wrist
        and hand
        and place.fore_tilt <= 45.0 + 10.0 * slack
        and elevation(arm.fore) >= 105.0 - 10.0 * slack
        and _speed(views, side) <= 0.5 + 1.6 * slack
    )


def hangs_down(arm: Arm | None) -> bool:
    """Whether upper arm and forearm hang, within 45 degrees: the hand of such an arm rests.

    The thumb of a hand that rests points down, and its fingers are open or curled.
    """
    return arm is not None and elevation(arm.upper) <= 45.0 and elevation(arm.fore) <= 45.0


def _hangs(arm: Arm | None, slack: float) -> bool:
    """Whether an arm hangs or rests: its hand is not before the chest or higher."""
    return arm is not None and bool(arm.wrist[2] <= -0.5 + 0.15 * slack)


def holds_hand_out(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a hand is held out in front of the shoulder, and the other one is not up.

    Either the elbow is in front too and the forearm upright; or the arm is stretched out and a
    hand network sees the palm. A hand that is found and shows no palm does not say stop.
    """
    view = views[-1]
    arm, other = _arm(view, side), view.arm(_other(side))
    shown = arm.palm is not None and arm.palm.stretched >= 3 and arm.palm.turned <= 50.0
    return (
        (other is None or _hangs(other, slack))
        and (shown or arm.palm is None or slack > 0.0)
        and (_puts_forearm_up(arm, slack) or (shown and _reaches_out(arm, slack)))
        and _speed(views, side) <= 0.8 + 1.6 * slack
    )


def _puts_forearm_up(arm: Arm, slack: float) -> bool:
    """Whether the hand is up in front of the shoulder, the forearm upright.

    Where people raise a hand beside the head, the elbow is out to the side and the forearm
    tilts to the head or is closer to the upper arm; seen straight from the front a network has
    the elbow in front then too.
    """
    inward = math.degrees(math.atan2(-arm.fore[1], arm.fore[2]))
    forward = math.degrees(math.atan2(arm.upper[0], arm.upper[1]))
    in_front = arm.bend <= 88.0 + 8.0 * slack or forward >= 55.0 - 10.0 * slack
    return (
        48.0 - 6.0 * slack <= elevation(arm.upper) <= 105.0
        and elevation(arm.fore) >= 114.0 - 10.0 * slack
        and arm.bend >= 62.0 - 8.0 * slack
        and in_front
        and inward <= 12.0 + 10.0 * slack
        and bool(arm.wrist[0] >= 0.35 - 0.1 * slack)
        and bool(arm.wrist[1] <= (1.0 + 0.15 * slack) * arm.wrist[0])
    )


def _reaches_out(arm: Arm, slack: float) -> bool:
    """Whether the arm is stretched to the front; its palm is seen if the hand is bent up."""
    return (
        arm.line[0] >= 0.7 - 0.1 * slack
        and 60.0 - 6.0 * slack <= arm.lift <= 125.0 + 6.0 * slack
        and arm.bend <= 60.0 + 15.0 * slack
    )


def _other(side: Side) -> Side:
    return "right" if side == "left" else "left"


def crosses_arms(views: Sequence[BodyView], slack: float) -> bool:
    """Whether each wrist is before the chest on the other's side."""
    view = views[-1]
    left, right = _arm(view, "left"), _arm(view, "right")
    return bool(left.wrist[1] + right.wrist[1] + view.shoulders <= -0.1 + 0.15 * slack) and all(
        -0.8 <= arm.wrist[2] <= 0.15 and arm.bend >= 45.0 - 10.0 * slack for arm in (left, right)
    )


def makes_t(views: Sequence[BodyView], slack: float) -> bool:
    """Whether both arms are stretched out sideways and level."""
    arms = [_arm(views[-1], side) for side in SIDES]
    return all(
        abs(elevation(arm.line) - 90.0) <= 22.0 + 8.0 * slack
        and bool(arm.line[1] >= 0.85 - 0.1 * slack)
        and arm.reach >= 0.75 - 0.1 * slack
        and arm.bend <= 40.0 + 10.0 * slack
        for arm in arms
    )


def waves(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a hand that is up swings from side to side."""

    def tilt(arm: Arm) -> float | None:
        if elevation(arm.fore) < 110.0 or arm.wrist[2] < 0.05:
            return None
        return math.degrees(math.atan2(arm.fore[1], arm.fore[2]))

    return _swings(views, side, tilt, 26.0, slack)


def beckons(views: Sequence[BodyView], side: Side, slack: float) -> bool:
    """Whether a forearm in front of the body swings up and down from the elbow: come here."""

    def lift(arm: Arm) -> float | None:
        if not arm.wrist[0] >= 0.3 or not 20.0 <= elevation(arm.upper) <= 85.0:
            return None
        # a forearm that swings to the side waves
        lifted = elevation(arm.fore)
        return lifted if lifted >= 50.0 and abs(arm.fore[1]) <= 0.8 else None

    return _swings(views, side, lift, 26.0, slack)


def _swings(
    views: Sequence[BodyView],
    side: Side,
    angle: Callable[[Arm], float | None],
    least: float,
    slack: float,
) -> bool:
    """Whether an angle of the arm goes to and fro until now, by ``least`` or more each time."""
    stamps: list[float] = []
    angles: list[float] = []
    for view in reversed(views):
        arm = view.arm(side)
        if arm is None:
            continue  # it was missing for a moment
        value = angle(arm)
        if value is None or math.isnan(value):
            break
        stamps.append(view.stamp)
        angles.append(value)
    now = views[-1].stamp
    # what is to and fro from one image to the next is noise
    padded = np.pad(angles[::-1], 1, mode="edge") if angles else np.zeros(2)
    smooth = (padded[:-2] + 2.0 * padded[1:-1] + padded[2:]) / 4.0
    quick = [
        swing
        for swing in swings(stamps[::-1], smooth.tolist(), least - 5.0 * slack)
        if swing.end - swing.start <= _SWING_SECONDS
    ]
    recent = [swing for swing in quick if now - swing.end <= (_SWINGS - 1) * _SWING_SECONDS]
    going_on = bool(quick) and now - quick[-1].end <= _SWING_SECONDS
    return going_on and len(recent) >= _SWINGS - slack


def _speed(views: Sequence[BodyView], side: Side) -> float:
    """Return the speed of a wrist as its shoulder sees it, in lengths of the arm a second.

    Returns:
        Infinite where the arm was not seen before.
    """
    wrists: list[tuple[float, Float64Array]] = []
    for view in reversed(views):
        arm = view.arm(side)
        if arm is not None:
            wrists.append((view.stamp, arm.wrist))
            if wrists[0][0] - view.stamp >= _SPEED_SECONDS:
                break
    else:
        return math.inf
    # between the means of two images each, as one alone is noisy
    stamps, places = np.array([w[0] for w in wrists]), np.array([w[1] for w in wrists])
    if len(wrists) >= 4:
        stamps, places = (stamps[1:] + stamps[:-1]) / 2.0, (places[1:] + places[:-1]) / 2.0
    way = places[0] - places[-1]
    return float(np.sqrt(np.nansum(way**2)) / (stamps[0] - stamps[-1]))


def _way(views: Sequence[BodyView], side: Side, seconds: float) -> float:
    """Return how far from now's place a wrist was in the last seconds, in lengths of the arm.

    Returns:
        Infinite where the arm was not seen for so long.
    """
    now, farthest = _arm(views[-1], side).wrist, 0.0
    for view in reversed(views):
        arm = view.arm(side)
        if arm is not None:
            farthest = max(farthest, float(np.sqrt(np.nansum((now - arm.wrist) ** 2))))
            if views[-1].stamp - view.stamp >= seconds - 1e-6:
                return farthest
    return math.inf


def _arm(view: BodyView, side: Side) -> Arm:
    """Return an arm that the recognizer has made sure of."""
    arm = view.arm(side)
    assert arm is not None  # noqa: S101
    return arm
