"""Ids over time: moves, crossings, occlusions, other clothes, other people."""

import numpy as np
import pytest

from pose_ros.core.tracking import Body, Tracker, appearance, look_distance

RED = np.float32([0.8, 0.1, 0.1, 0.2, 0.2, 0.2])
BLUE = np.float32([0.1, 0.1, 0.8, 0.2, 0.2, 0.2])


def body(x, y=200.0, size=300.0, look=None, origins=()):
    return Body(np.array([x, y]), size, look, frozenset(origins))


def test_each_new_body_is_somebody_else():
    tracker = Tracker()
    assert tracker.update([body(100), body(400)], 0.0, 1.0) == [0, 1]
    assert tracker.update([], 0.1, 1.0) == []


def test_a_person_who_is_followed_keeps_the_id_however_fast():
    tracker = Tracker()
    tracker.update([body(0)], 0.0, 0.0)
    for i in range(1, 10):
        assert tracker.update([body(500.0 * i, origins=[0])], i / 30, 0.0) == [0]


def test_ids_follow_people_whatever_the_order_of_the_bodies():
    tracker = Tracker()
    tracker.update([body(100), body(400)], 0.0, 1.0)
    assert tracker.update([body(395), body(105)], 0.1, 1.0) == [1, 0]


@pytest.mark.parametrize(
    ("seconds", "timeout", "x", "expected"),
    [
        (0.5, 1.0, 120, 0),  # back in time and near
        (0.5, 1.0, 700, 1),  # back in time but too far
        (1.5, 1.0, 100, 1),  # too late
        (1.5, 2.0, 100, 0),
    ],
)
def test_somebody_who_comes_back(seconds, timeout, x, expected):
    tracker = Tracker()
    tracker.update([body(100)], 0.0, timeout)
    assert tracker.update([body(x)], seconds, timeout) == [expected]


def test_somebody_who_walked_behind_a_pillar_is_expected_on_its_other_side():
    tracker = Tracker()
    speed = 300.0  # one size a second
    for i in range(10):
        tracker.update([body(speed * i / 10, origins=[0] if i else [])], i / 10, 2.0)
    # out of sight for a second; whoever stands where the person was last seen is another
    there, here = body(speed * 1.9), body(speed * 0.9 - 120)
    assert tracker.update([here, there], 1.9, 2.0) == [1, 0]


def test_nobody_comes_back_in_other_clothes():
    tracker = Tracker()
    tracker.update([body(100, look=RED)], 0.0, 5.0)
    assert tracker.update([body(100, look=BLUE)], 0.5, 5.0) == [1]
    assert tracker.update([body(100, look=RED)], 1.0, 5.0) == [0]


def test_nobody_grows_to_twice_the_size():
    tracker = Tracker()
    tracker.update([body(100, size=300)], 0.0, 5.0)
    assert tracker.update([body(100, size=600)], 0.2, 5.0) == [1]


def test_clothes_undo_a_swap_of_the_followed_regions():
    """Each region slid onto the other person while they crossed."""
    tracker = Tracker()
    tracker.update([body(280, look=RED), body(320, look=BLUE)], 0.0, 1.0)
    found = [body(300, look=BLUE, origins=[0]), body(310, look=RED, origins=[1])]
    assert tracker.update(found, 0.1, 1.0) == [1, 0]


@pytest.mark.parametrize("looks", [(RED, BLUE), (RED, RED), (None, None)])
def test_a_crossing_with_occlusion_keeps_both_ids(looks):
    """Two people walk through each other's place; for a while only the front one is seen."""
    tracker = Tracker()
    left, right = looks
    ids: dict[str, int] = {}
    lost = False
    for i in range(31):
        stamp = i / 10
        a, b = 100 + 100 * stamp, 400 - 100 * stamp
        hidden = abs(a - b) < 80
        known = (ids.get("a"), ids.get("b"))
        if hidden:
            # both regions have slid onto the front person
            found = [body(a, look=left, origins=[i for i in known if i is not None])]
        else:
            found = [
                body(a, look=left, origins=[known[0]] if i else []),
                body(b, look=right, origins=[known[1]] if i and not lost else []),
            ]
        result = tracker.update(found, stamp, 2.0)
        lost = hidden
        seen = dict(zip(("a", "b"), result, strict=False))
        for name, number in seen.items():
            assert ids.setdefault(name, number) == number, f"{name} at {stamp} s"


def test_forget_uses_no_id_again():
    tracker = Tracker()
    tracker.update([body(100)], 0.0, 1.0)
    tracker.forget()
    assert tracker.update([body(100)], 0.1, 1.0) == [1]


def test_appearance_is_the_color_of_trunk_and_thighs():
    image = np.zeros((200, 100, 3), np.uint8)
    image[:100] = (255, 0, 0)
    image[100:] = (0, 0, 255)
    corners = np.float32([[80, 10], [20, 10], [80, 100], [20, 100]])
    legs = np.float32([[80, 105], [20, 105], [80, 190], [20, 190]])
    assert appearance(image, corners, legs).tolist() == [1, 0, 0, 0, 0, 1]


def test_what_lies_outside_the_image_has_no_appearance():
    image = np.full((200, 100, 3), 255, np.uint8)
    inside = np.float32([[80, 10], [20, 10], [80, 100], [20, 100]])
    look = appearance(image, inside, inside + np.float32([0, 300]))
    assert np.isfinite(look[:3]).all()
    assert np.isnan(look[3:]).all()
    assert np.isnan(appearance(image, inside * np.nan, inside * 1e9)).all()


def test_unknown_looks_do_not_count():
    assert look_distance(RED, None) == 0
    assert look_distance(RED, np.full(6, np.nan, np.float32)) == 0
    assert look_distance(RED, BLUE) == pytest.approx(np.hypot(0.7, 0.7))
