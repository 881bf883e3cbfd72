"""Heads in images: where they are, when they stay covered, and that nothing of them is left."""

import cv2
import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.covering import (
    GRAY,
    cover,
    cover_planes,
    face_keypoints,
    head_region,
    hold_regions,
    person_region,
)
from pose_ros.core.types import Poses
from pose_ros.messages.images import ENCODINGS
from pose_ros.synthetic.source import SyntheticSource

BLAZEPOSE = skeletons.get("blazepose33")
BOX = np.array([10.0, 20.0, 40.0, 60.0])


@pytest.fixture(scope="module")
def person():
    truth = SyntheticSource("stand", live=False).truth(0.0)
    return Poses(
        truth.skeleton,
        ids=np.array([3]),
        scores=np.ones(1),
        boxes=np.array([(*truth.pixels.min(axis=0), *truth.pixels.max(axis=0))]),
        keypoints=truth.pixels[np.newaxis],
        keypoint_scores=np.ones((1, len(truth.skeleton))),
    )


def test_face_keypoints_are_found_by_their_names():
    assert [BLAZEPOSE.keypoints[i] for i in face_keypoints(BLAZEPOSE)] == list(
        BLAZEPOSE.keypoints[:11]
    )
    assert len(face_keypoints(skeletons.get("coco17"))) == 5
    assert not face_keypoints(skeletons.get("blazehand21"))


def test_head_region_holds_the_head_and_not_the_hands(person):
    pose = person[0]
    x0, y0, x1, y1 = head_region(pose, 1.0)
    shoulders = pose.keypoint("left_shoulder")[1]
    height = pose.keypoint("left_ankle")[1] - pose.keypoint("nose")[1]
    for name in ("nose", "left_ear", "right_ear", "mouth_left"):
        x, y = pose.keypoint(name)
        assert x0 < x < x1
        assert y0 < y < y1
    # a head is about an eighth of a person
    assert 0.12 * height < y1 - y0 < 0.3 * height
    assert y0 < pose.keypoint("nose")[1] - 0.07 * height
    assert y1 < shoulders + 0.1 * height
    wide = head_region(pose, 2.0)
    assert wide[2] - wide[0] == pytest.approx(2 * (x1 - x0))


def test_head_without_a_keypoint_of_the_face_is_the_upper_half(person):
    points = person.keypoints.copy()
    points[:, face_keypoints(person.skeleton)] = np.nan
    region = head_region(person.replace(keypoints=points)[0], 1.4)
    x0, y0, x1, y1 = person[0].box
    np.testing.assert_allclose(region, [x0, y0, x1, (y0 + y1) / 2])


def test_person_region_holds_every_keypoint(person):
    x0, y0, x1, y1 = person_region(person[0], 1.1)
    assert np.all(person.keypoints[0] > (x0, y0))
    assert np.all(person.keypoints[0] < (x1, y1))


def test_person_who_is_missed_for_a_while_stays_covered():
    stamps = [0.0, 0.1, 0.2, 0.3, 1.0, 5.0]
    later = BOX + 10
    held = hold_regions(stamps, [{}, {7: BOX}, {}, {7: later}, {}, {}], 1.0)
    assert [len(boxes) for boxes in held] == [1, 1, 1, 1, 1, 0]
    np.testing.assert_allclose(held[2][0], [10, 20, 50, 70])  # both
    np.testing.assert_allclose(held[0][0], [8.5, 18, 41.5, 62])  # 0.1 s before: larger by a tenth
    center, half = np.array([35.0, 50.0]), np.array([15.0, 20.0]) * 1.7
    np.testing.assert_allclose(held[4][0], [*(center - half), *(center + half)])


def test_without_hold_only_images_with_the_person_are_covered():
    held = hold_regions([0.0, 0.1, 0.2], [{}, {7: BOX}, {}], 0.0)
    assert [len(boxes) for boxes in held] == [0, 1, 0]


def test_each_person_stays_covered_whatever_the_order_of_stamps():
    held = hold_regions([2.0, 0.0, 1.0], [{1: BOX, 2: BOX}, {1: BOX}, {}], 1.0)
    assert [len(boxes) for boxes in held] == [2, 1, 2]


def noise(height, width, size):
    return np.random.default_rng(1).integers(0, 256, (height, width, size), np.uint8)


@pytest.mark.parametrize("fill", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_covered_pixels_are_replaced_and_others_unchanged(size, fill):
    pixels = noise(80, 60, size)
    before = pixels.copy()
    assert cover(pixels, [BOX], fill=fill)
    inside = np.zeros((80, 60), bool)
    inside[20:62, 10:42] = True
    np.testing.assert_array_equal(pixels[~inside], before[~inside])
    left = pixels[inside].astype(float)
    if fill:
        assert np.all(left == GRAY)
    else:  # of noise only averages of many pixels are left
        assert left.std() < before[inside].std() / 4
        assert abs(left.mean() - before[inside].mean()) < 3


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "yuv422_yuy2", "uyvy"])
def test_blur_keeps_the_colors_of_an_encoding(encoding):
    """Pixels two apart have the same color filter: blue stays blue."""
    one = {"bayer_rggb8": [[20], [60], [60], [200]]}.get(encoding)
    y, u, v = 90, 200, 100
    pair = [[y, u], [y, v]] if encoding == "yuv422_yuy2" else [[u, y], [v, y]]
    block = np.array(one or pair * 2, np.uint8).reshape(2, 2, -1)
    pixels = np.tile(block, (40, 30, 1))
    code = ENCODINGS[encoding].convert
    before = cv2.cvtColor(pixels, code)
    assert cover(pixels, [BOX], fill=False)
    np.testing.assert_allclose(cv2.cvtColor(pixels, code), before, atol=2)


def test_color_planes_of_yuv_images_are_covered_too():
    data = noise(120, 60, 1)[..., 0]  # 80 rows of brightness
    before = data.copy()
    assert cover_planes(data, 80, [BOX])
    assert np.all(data[20:62, 10:42] == GRAY)
    assert np.all(data[90:111, 10:42] == GRAY)
    changed = data != before
    assert changed.sum() <= 42 * 32 + 21 * 32


def test_box_beyond_the_image_covers_nothing_and_says_so():
    pixels = noise(80, 60, 3)
    before = pixels.copy()
    assert not cover(
        pixels, [np.array([-50.0, 0, -10, 80]), np.array([60.0, 0, 90, 80])], fill=True
    )
    np.testing.assert_array_equal(pixels, before)
    assert cover(pixels, [np.array([-50.0, -50, 500, 500])], fill=True)
    assert np.all(pixels == GRAY)
