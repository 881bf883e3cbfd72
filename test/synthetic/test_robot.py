"""The computed robot: it gets where it is sent, within its motors' limits; the floor from above."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pose_ros.core.types import Image
from pose_ros.synthetic.robot import (
    ANGULAR_ACCELERATION,
    LINEAR_ACCELERATION,
    MAX_ANGULAR,
    MAX_LINEAR,
    BaseState,
    FloorView,
    draw_floor,
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


def test_constant_speeds_drive_along_an_arc() -> None:
    state = BaseState(linear=0.5, angular=0.5)
    for _ in range(round(math.tau / 0.5 / STEP)):
        state = moved(state, 0.5, 0.5, STEP)
    # a circle of 1 m, once around but for a fraction of a step
    assert math.hypot(state.x, state.y) < 0.03
    quarter = BaseState(linear=0.5, angular=0.5)
    for _ in range(round(math.pi / 2 / 0.5 / STEP)):
        quarter = moved(quarter, 0.5, 0.5, STEP)
    assert (quarter.x, quarter.y) == pytest.approx((1.0, 1.0), abs=0.03)


def test_zero_speed_slows_the_robot_to_a_stop() -> None:
    state = BaseState(linear=0.5)
    for _ in range(11):
        state = moved(state, 0.0, 0.0, STEP)
    assert state.linear == 0.0
    assert state.x == pytest.approx(0.5 * 0.5 / 2, abs=0.02)


VIEW = FloorView(-1.0, 3.0, 400)


def middle_of_change(picture: Image, base: Image) -> tuple[float, float]:
    rows, columns = np.nonzero(np.any(picture != base, axis=2))
    return float(columns.mean()), float(rows.mean())


def test_x_is_up_and_y_to_the_left() -> None:
    assert VIEW.pixel((3.0, 0.0)) == (200, 0)
    assert VIEW.pixel((1.0, 1.0)) == (100, 200)
    assert VIEW.pixel((-1.0, -1.0)) == (300, 400)


def test_people_are_drawn_at_their_places() -> None:
    robot = (0.0, 0.0, 0.0)
    base = draw_floor(VIEW, robot)
    assert base.shape == (400, 400, 3)
    place = (1.5, -0.6)
    x, y = VIEW.pixel(place)
    for drawn in (
        draw_floor(VIEW, robot, people=[place]),
        draw_floor(VIEW, robot, spot=place),
        draw_floor(VIEW, robot, goal=place),
    ):
        column, row = middle_of_change(drawn, base)
        assert abs(column - x) < 2
        assert abs(row - y) < 2
    far = draw_floor(VIEW, (*place, 0.0))
    assert np.any(far[y, x] != base[y, x])
    trail = draw_floor(VIEW, robot, [(1.0, 1.0), (1.0, -1.0)])
    assert np.any(trail[200, 151] != base[200, 151])
    assert np.any(draw_floor(VIEW, robot, text="engaged")[-30:] != base[-30:])


def test_legend_names_the_colors_at_the_top_left() -> None:
    robot = (0.0, 0.0, 0.0)
    changed = np.any(draw_floor(VIEW, robot, legend=True) != draw_floor(VIEW, robot), axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.max() < 100
    assert columns.max() < 220
    legend = draw_floor(VIEW, robot, legend=True)[:100, :30].reshape(-1, 3)
    for drawn in ({"people": [(1.0, 1.0)]}, {"goal": (1.0, 1.0)}, {"spot": (1.0, 1.0)}):
        x, y = VIEW.pixel((1.0, 1.0))
        picture = draw_floor(VIEW, robot, **drawn)[y - 12 : y + 12, x - 12 : x + 12]
        bare = draw_floor(VIEW, robot)[y - 12 : y + 12, x - 12 : x + 12]
        (colors, counts) = np.unique(
            picture[np.any(picture != bare, axis=2)], axis=0, return_counts=True
        )
        color = colors[counts.argmax()]
        assert np.any(np.all(legend == color, axis=1)), drawn
