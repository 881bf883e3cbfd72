"""Ids over time: moves, crossings, occlusions, other clothes, other people."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_ros.core.tracking import NO_ID, Body, Tracker, appearance, best_pairs, look_distance

RED = np.float32([0.8, 0.1, 0.1, 0.2, 0.2, 0.2])
BLUE = np.float32([0.1, 0.1, 0.8, 0.2, 0.2, 0.2])


def body(x, y=200.0, size=300.0, look=None, origins=()):
    return Body(np.array([x, y]), size, look, frozenset(origins))


def test_new_person_gets_a_new_id():
    tracker = Tracker()
    assert tracker.update([body(100), body(400)], 0.0, 1.0) == [0, 1]
    assert tracker.update([], 0.1, 1.0) == []


def test_tracked_person_keeps_id_at_any_speed():
    tracker = Tracker()
    tracker.update([body(0)], 0.0, 0.0)
    for i in range(1, 10):
        assert tracker.update([body(500.0 * i, origins=[0])], i / 30, 0.0) == [0]


def test_ids_follow_people_in_any_order_of_bodies():
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
def test_person_who_returns_keeps_id_only_near_and_within_timeout(seconds, timeout, x, expected):
    tracker = Tracker()
    tracker.update([body(100)], 0.0, timeout)
    assert tracker.update([body(x)], seconds, timeout) == [expected]


def test_person_behind_a_pillar_keeps_id_on_its_other_side():
    tracker = Tracker()
    speed = 300.0  # one size a second
    for i in range(10):
        tracker.update([body(speed * i / 10, origins=[0] if i else [])], i / 10, 2.0)
    # out of sight for a second; a person at the place where the first was last seen is another
    there, here = body(speed * 1.9), body(speed * 0.9 - 120)
    assert tracker.update([here, there], 1.9, 2.0) == [1, 0]


def test_person_in_other_clothes_gets_a_new_id():
    tracker = Tracker()
    tracker.update([body(100, look=RED)], 0.0, 5.0)
    assert tracker.update([body(100, look=BLUE)], 0.5, 5.0) == [1]
    assert tracker.update([body(100, look=RED)], 1.0, 5.0) == [0]


def test_person_of_twice_the_size_gets_a_new_id():
    tracker = Tracker()
    tracker.update([body(100, size=300)], 0.0, 5.0)
    assert tracker.update([body(100, size=600)], 0.2, 5.0) == [1]


def test_clothes_restore_ids_when_regions_swap():
    """Each region slid onto the other person while they crossed."""
    tracker = Tracker()
    tracker.update([body(280, look=RED), body(320, look=BLUE)], 0.0, 1.0)
    found = [body(300, look=BLUE, origins=[0]), body(310, look=RED, origins=[1])]
    assert tracker.update(found, 0.1, 1.0) == [1, 0]


def test_region_between_two_people_gets_no_id():
    """Half of each: with neither's clothes it would be a new person."""
    tracker = Tracker()
    tracker.update([body(200, look=RED), body(400, look=BLUE)], 0.0, 2.0)
    tracker.update([body(400, look=BLUE, origins=[1])], 0.1, 2.0)  # the red one is hidden
    mixture, blue = body(360, look=(RED + BLUE) / 2), body(400, look=BLUE, origins=[1])
    tracker.update([blue], 0.2, 2.0)
    far = body(200, look=1 - RED)
    assert tracker.update([blue, far], 0.3, 2.0) == [1, 2]  # a new person, apart from others
    assert tracker.update([blue, body(205, look=1 - RED, origins=[2])], 0.4, 2.0) == [1, 2]

    tracker = Tracker()
    tracker.update([body(340, look=RED), body(400, look=BLUE)], 0.0, 2.0)
    tracker.update([blue], 0.1, 2.0)
    assert tracker.update([blue, mixture], 0.2, 2.0) == [1, NO_ID]
    assert tracker.update([blue, body(330, look=RED)], 0.3, 2.0) == [1, 0]


def test_person_whose_region_slid_onto_another_is_searched_at_predicted_place():
    tracker = Tracker()
    tracker.update([body(100, look=RED)], 0.0, 2.0)
    tracker.update([body(110, look=RED, origins=[0])], 0.1, 2.0)
    # the region slid onto a person that no detector had found
    other = body(180, look=BLUE, origins=[0])
    assert tracker.update([other], 0.2, 2.0) == [0]
    ((center, size),) = tracker.missing(0.3, 2.0)
    assert center[0] == pytest.approx(130, abs=10)
    assert size == 300
    # there they are
    assert tracker.update([other, body(131, look=RED)], 0.3, 2.0) == [1, 0]
    assert tracker.missing(0.4, 2.0) == []


def test_person_whose_clothes_change_while_tracked_keeps_id():
    tracker = Tracker()
    tracker.update([body(100, look=BLUE)], 0.0, 2.0)
    for i in range(1, 40):
        assert tracker.update([body(100, look=RED, origins=[0])], i / 10, 2.0) == [0]
    assert tracker.missing(4.0, 2.0) == []


def test_missing_person_is_expected_along_their_path():
    tracker = Tracker()
    for i in range(11):
        found = [
            body(200 + 10 * i, origins=[0] if i else []),
            body(900, origins=[1] if i else []),
        ]
        assert tracker.update(found, i / 10, 1.0) == [0, 1]
    assert tracker.missing(1.1, 1.0) == []
    tracker.update([body(900, origins=[1])], 1.1, 1.0)
    ((center, size),) = tracker.missing(1.5, 1.0)
    assert center == pytest.approx([350, 200], abs=5)
    assert size == 300
    assert tracker.missing(2.5, 1.0) == []  # too late


@pytest.mark.parametrize("looks", [(RED, BLUE), (RED, RED), (None, None)])
def test_people_who_cross_with_occlusion_keep_both_ids(looks):
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


def test_forgotten_id_is_never_used_again():
    tracker = Tracker()
    tracker.update([body(100)], 0.0, 1.0)
    tracker.forget()
    assert tracker.update([body(100)], 0.1, 1.0) == [1]


def test_appearance_is_from_the_colors_of_trunk_and_thighs():
    image = np.zeros((200, 100, 3), np.uint8)
    image[:100] = (255, 0, 0)
    image[100:] = (0, 0, 255)
    image[40:100, 45:55] = 255  # an arm before the belly
    image[100:, 45:55] = 255  # the wall between the legs
    corners = np.float32([[80, 10], [20, 10], [80, 100], [20, 100]])
    legs = np.float32([[80, 105], [20, 105], [80, 190], [20, 190]])
    assert appearance(image, "rgb", corners, legs).tolist() == [1, 0, 0, 0, 0, 1]
    assert appearance(image, "bgr", corners, legs).tolist() == [0, 0, 1, 1, 0, 0]


def test_body_outside_the_image_has_no_appearance():
    image = np.full((200, 100, 3), 255, np.uint8)
    inside = np.float32([[80, 10], [20, 10], [80, 100], [20, 100]])
    look = appearance(image, "rgb", inside, inside + np.float32([0, 300]))
    assert np.isfinite(look[:3]).all()
    assert np.isnan(look[3:]).all()
    assert np.isnan(appearance(image, "rgb", inside * np.nan, inside * 1e9)).all()


def test_unknown_appearance_has_distance_zero():
    assert look_distance(RED, None) == 0
    assert look_distance(RED, np.full(6, np.nan, np.float32)) == 0
    assert look_distance(RED, BLUE) == pytest.approx(np.hypot(0.7, 0.7))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 4), (4, 1), (3, 3), (2, 5)])
def test_pairs_have_the_least_total_cost(shape, maximize) -> None:
    values = np.random.default_rng(4).normal(size=shape)
    rows, columns = best_pairs(values, maximize=maximize)
    expected = linear_sum_assignment(values, maximize=maximize)
    np.testing.assert_array_equal((rows, columns), expected)
