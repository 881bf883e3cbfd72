"""Gestures of the arms: what each looks like, as a function of the last seconds' arms.

Each function says whether an arm, or both, make its gesture in the last of the given views.
Angles are in degrees, lengths in those of the arm. ``slack`` is 0 for a gesture that is to
begin and 1 for one that goes on, which may look a little less like itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pose_ros.core.arms import SIDES, Arm, ArmSide, BodyView, elevation
from pose_ros.core.camera import Float64Array
from pose_ros.core.swings import swings

_SPEED_SECONDS = 0.25  # over which a wrist's speed is measured: over less, noise looks quick
_SWING_SECONDS = 0.9  # the longest movement to or fro of a wave
_SWINGS = 3


def points(views: Sequence[BodyView], side: ArmSide, slack: float) -> bool:
    """Whether an arm is stretched out, neither hanging nor up, and rests.

    Whoever stretches out both balances, carries or pushes something: that does not begin to
    point.
    """
    other = views[-1].arm("right" if side == "left" else "left")
    alone = slack > 0.0 or other is None or not _stretched(other, 0.0)
    arm = _arm(views[-1], side)
    return alone and _stretched(arm, slack) and _speed(views, side) <= 1.0 + 2.0 * slack


def _stretched(arm: Arm, slack: float) -> bool:
    rise = elevation(arm.line)
    # with the forearm up, a bent arm waves or means stop
    most_bend = 60.0 if elevation(arm.fore) <= 118.0 + 10.0 * slack else 35.0
    return (
        arm.bend <= most_bend + 15.0 * slack
        and 33.0 - 6.0 * slack <= rise <= 135.0 + 5.0 * slack
        and arm.reach >= 0.75 - 0.1 * slack
    )


def raises_hand(views: Sequence[BodyView], side: ArmSide, slack: float) -> bool:
    """Whether a hand is held up, the elbow above the shoulder."""
    arm = _arm(views[-1], side)
    return (
        elevation(arm.upper) >= 110.0 - 12.0 * slack
        and elevation(arm.fore) >= 134.0 - 12.0 * slack
        and arm.wrist[2] >= 0.65 - 0.1 * slack
        and _speed(views, side) <= 1.0 + 1.6 * slack
    )


def raises_both_hands(views: Sequence[BodyView], slack: float) -> bool:
    """Whether both hands are held up."""
    return all(raises_hand(views, side, slack) for side in SIDES)


def holds_hand_out(views: Sequence[BodyView], side: ArmSide, slack: float) -> bool:
    """Whether a hand is held up in front of the shoulder, the forearm upright.

    Where the palm looks is not asked: networks of the body often have it wrong, and stopping
    for a palm that looks elsewhere does no harm.
    """
    arm = _arm(views[-1], side)
    return (
        48.0 - 6.0 * slack <= elevation(arm.upper) <= 105.0
        and elevation(arm.fore) >= 114.0 - 10.0 * slack
        and arm.bend >= 62.0 - 8.0 * slack
        and bool(arm.wrist[0] >= 0.35 - 0.1 * slack)
        and bool(arm.wrist[1] <= (1.0 + 0.15 * slack) * arm.wrist[0])
        and _speed(views, side) <= 0.8 + 1.6 * slack
    )


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


def waves(views: Sequence[BodyView], side: ArmSide, slack: float) -> bool:
    """Whether a hand that is up swings from side to side."""

    def tilt(arm: Arm) -> float | None:
        if elevation(arm.fore) < 110.0 or arm.wrist[2] < 0.05:
            return None
        return math.degrees(math.atan2(arm.fore[1], arm.fore[2]))

    return _swings(views, side, tilt, 26.0, slack)


def beckons(views: Sequence[BodyView], side: ArmSide, slack: float) -> bool:
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
    side: ArmSide,
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


def _speed(views: Sequence[BodyView], side: ArmSide) -> float:
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


def _arm(view: BodyView, side: ArmSide) -> Arm:
    """Return an arm that the recognizer has made sure of."""
    arm = view.arm(side)
    assert arm is not None  # noqa: S101
    return arm
