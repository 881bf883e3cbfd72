"""Left and right that a network swaps for some images are put back; turning bodies are not."""

import numpy as np
import pytest

from pose_ros.core.skeletons import SKELETONS, parts_of
from pose_ros.core.swaps import LONGEST_GAP, LONGEST_UNDONE, SwapUndo

COCO = SKELETONS["coco17"]
HEIGHTS = {"nose": 0.2, "eye": 0.22, "ear": 0.2, "shoulder": 0.0, "elbow": -0.3, "wrist": -0.55} | {
    "hip": -0.5,
    "knee": -0.95,
    "ankle": -1.4,
}
WIDTHS = {"nose": 0.0, "eye": 0.03, "ear": 0.07, "shoulder": 0.18, "elbow": 0.3, "wrist": 0.35} | {
    "hip": 0.1,
    "knee": 0.12,
    "ankle": 0.12,
}
FORWARD = {"nose": 0.1, "eye": 0.08, "wrist": 0.1}
RATE = 30.0


def body(degrees=0.0, shift=0.0, pixels=200.0):
    """Return (17, 2) pixels of a body that is turned by an angle from facing the camera."""
    points = []
    for name in COCO.keypoints:
        joint = name.split("_")[-1]
        side = {"left": 1.0, "right": -1.0}.get(name.split("_")[0], 0.0)
        wide, forward = side * WIDTHS[joint], FORWARD.get(joint, 0.0)
        angle = np.radians(degrees)
        x = wide * np.cos(angle) + forward * np.sin(angle)
        points.append((320 + pixels * (x + shift), 200 - pixels * HEIGHTS[joint]))
    return np.array(points, np.float32)


def swapped(points, *parts):
    """Return a body with left and right of arms (0), legs (1), head (2) or all swapped."""
    chosen = np.isin(np.arange(3), parts or (0, 1, 2))
    return points[parts_of(COCO).order(chosen)]


def put_back(images, rate=RATE):
    """Return the keypoints of consecutive images as they are after the undoing."""
    undo, kept = SwapUndo(COCO), []
    for i, points in enumerate(images):
        order = undo.order(points, 100.0 + i / rate)
        kept.append(points if order is None else points[order])
    return kept


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("parts", [(), (0,), (0, 1), (0, 2)])
def test_a_swap_of_some_images_is_undone(rate, parts):
    true = [body(30.0, 0.01 * i) for i in range(40)]
    seen = [swapped(p, *parts) if 20 <= i < 27 else p for i, p in enumerate(true)]
    np.testing.assert_array_equal(put_back(seen, rate), true)


def test_a_swap_that_comes_and_goes_is_undone():
    true = [body(-20.0, 0.01 * i) for i in range(60)]
    seen = [swapped(p) if i in {20, 22, 23, 27, 40} else p for i, p in enumerate(true)]
    np.testing.assert_array_equal(put_back(seen), true)


@pytest.mark.parametrize("degrees_per_second", [90.0, 360.0, 720.0])
@pytest.mark.parametrize("rate", [10.0, 15.0, 30.0, 60.0])
def test_a_body_that_turns_keeps_the_sides_that_the_network_says(degrees_per_second, rate):
    seen = [body(degrees_per_second * i / rate + 7.0) for i in range(int(4 * rate))]
    np.testing.assert_array_equal(put_back(seen, rate), seen)


def test_arms_and_legs_that_cross_are_no_swap():
    joints = {
        side: [COCO.index(f"{side}_{j}") for j in ("wrist", "ankle")] for side in ("left", "right")
    }
    seen = [body() for _ in range(30)]
    for points in seen[10:20]:
        points[joints["left"] + joints["right"]] = points[joints["right"] + joints["left"]]
    np.testing.assert_array_equal(put_back(seen), seen)


def test_the_network_wins_where_it_says_otherwise_for_longer_than_before():
    seen = [body() if i < 6 else swapped(body()) for i in range(60)]
    kept = put_back(seen)
    np.testing.assert_array_equal(kept[6:11], [body()] * 5)
    np.testing.assert_array_equal(kept[11:], seen[11:])


def test_the_network_wins_after_the_longest_time():
    count = int(10 * RATE)
    seen = [body() if i < count else swapped(body()) for i in range(2 * count)]
    kept = put_back(seen)
    undone = sum(not np.array_equal(a, b) for a, b in zip(kept, seen, strict=True))
    assert undone == pytest.approx(LONGEST_UNDONE * RATE, abs=2)
    np.testing.assert_array_equal(kept[-1], seen[-1])


def test_a_body_seen_from_the_side_while_it_is_swapped_is_the_networks_again():
    seen = [body()] * 20 + [swapped(body(angle)) for angle in range(0, 90, 9)] + [body(100.0)]
    kept = put_back(seen)
    np.testing.assert_array_equal(kept[20:25], [body(angle) for angle in range(0, 45, 9)])
    np.testing.assert_array_equal(kept[-2:], seen[-2:])


@pytest.mark.parametrize("gap", [LONGEST_GAP + 0.01, 0.0, -1.0])
def test_images_too_far_apart_or_not_later_are_not_compared(gap):
    undo = SwapUndo(COCO)
    for i in range(30):
        assert undo.order(body(), i / RATE) is None
    assert undo.order(swapped(body()), 29 / RATE + gap) is None


def test_missing_shoulders_say_nothing():
    seen = [body() for _ in range(10)]
    seen[5][COCO.index("left_shoulder")] = np.nan
    seen += [swapped(p) for p in seen]
    seen[10][COCO.index("right_shoulder")] = np.nan
    np.testing.assert_array_equal(put_back(seen), seen)


def test_other_missing_keypoints_do_not_hinder():
    true = [body() for _ in range(20)]
    for points in true:
        points[[COCO.index(name) for name in ("left_elbow", "right_ankle", "nose")]] = np.nan
    seen = [swapped(p) if i >= 15 else p for i, p in enumerate(true)]
    np.testing.assert_array_equal(put_back(seen), true)


@pytest.mark.parametrize("name", ["blazehand21", "trt_hand21"])
def test_hands_have_no_sides_to_swap(name):
    undo = SwapUndo(SKELETONS[name])
    points = np.random.default_rng(0).uniform(0, 100, (21, 2))
    assert undo.order(points, 0.0) is None
    assert undo.order(points[::-1], 0.03) is None
