"""The computed robot: it gets where it is sent, within what its motors can do."""

from __future__ import annotations

import math

import pytest

from pose_ros.synthetic.diff_drive import (
    ANGULAR_ACCELERATION,
    LINEAR_ACCELERATION,
    MAX_ANGULAR,
    MAX_LINEAR,
    BaseState,
    moved,
    speeds_to,
)

STEP = 0.05


@pytest.mark.parametrize(
    "goal", [(2.0, 0.0, 0.0), (-1.5, 0.4, 1.0), (0.0, -2.0, 3.0), (0.2, 0.2, -2.0), (0.0, 0.0, 2.0)]
)
def test_robot_arrives_at_its_goal_and_stays(goal: tuple[float, float, float]) -> None:
    state = BaseState()
    for _ in range(round(10.0 / STEP)):
        after = moved(state, *speeds_to(state, *goal), STEP)
        assert abs(after.linear) <= MAX_LINEAR
        assert abs(after.angular) <= MAX_ANGULAR
        assert abs(after.linear - state.linear) <= LINEAR_ACCELERATION * STEP + 1e-9
        assert abs(after.angular - state.angular) <= ANGULAR_ACCELERATION * STEP + 1e-9
        state = after
    assert math.dist((state.x, state.y), goal[:2]) < 0.05
    assert abs(math.remainder(state.yaw - goal[2], math.tau)) < 0.1
    assert (state.linear, state.angular) == pytest.approx((0.0, 0.0), abs=1e-3)


def test_speeds_lead_along_an_arc() -> None:
    state = BaseState(linear=0.5, angular=0.5)
    for _ in range(round(math.tau / 0.5 / STEP)):
        state = moved(state, 0.5, 0.5, STEP)
    # a circle of 1 m, once around but for a fraction of a step
    assert math.hypot(state.x, state.y) < 0.03
    quarter = BaseState(linear=0.5, angular=0.5)
    for _ in range(round(math.pi / 2 / 0.5 / STEP)):
        quarter = moved(quarter, 0.5, 0.5, STEP)
    assert (quarter.x, quarter.y) == pytest.approx((1.0, 1.0), abs=0.03)


def test_zero_speed_brakes() -> None:
    state = BaseState(linear=0.5)
    for _ in range(11):
        state = moved(state, 0.0, 0.0, STEP)
    assert state.linear == 0.0
    assert state.x == pytest.approx(0.5 * 0.5 / 2, abs=0.02)
