"""The floor from above: what is where."""

from __future__ import annotations

import numpy as np

from pose_ros.core.types import Image
from pose_ros.viz.floor_map import FloorView, draw_floor

VIEW = FloorView(-1.0, 3.0, 400)


def middle_of_change(picture: Image, base: Image) -> tuple[float, float]:
    rows, columns = np.nonzero(np.any(picture != base, axis=2))
    return float(columns.mean()), float(rows.mean())


def test_x_is_up_and_y_to_the_left() -> None:
    assert VIEW.pixel((3.0, 0.0)) == (200, 0)
    assert VIEW.pixel((1.0, 1.0)) == (100, 200)
    assert VIEW.pixel((-1.0, -1.0)) == (300, 400)


def test_what_is_drawn_is_where_it_is() -> None:
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
