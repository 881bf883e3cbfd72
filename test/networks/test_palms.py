"""Hands without a body, found by their palms, on real pictures."""

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.types import NO_BODY, Poses, has_body, person_of_hand
from tools.real_gestures import Moment, hand_pictures, starts

NOBODY_THERE = Poses.empty(skeletons.get("blazepose33"))
PHONE = "hagrid/call/17d804b5-7118-462d-8191-58d764f591b8.jpg"
RAISED = "hagrid/four/07fdea90-1102-4419-a3af-b394cb29531b.jpg"
BODY_IN_A_HAND = "digits/2_IMG_4498.JPG"


@pytest.fixture(scope="module")
def picture(data):
    if not (data / "hand_gestures").is_dir():
        pytest.skip(f"no test data: {data / 'hand_gestures'} is missing")
    return lambda name: cv2.imread(str(data / "hand_gestures" / name))


@pytest.fixture(scope="module")
def fist(picture, data):
    """A part of a picture in which one hand is, a fist, at two fifths of its size."""
    path = next(path for _, shown, path in hand_pictures(data) if shown == "fist")
    image = cv2.imread(str(path))
    half = image[:, image.shape[1] // 2 :]
    return cv2.resize(half, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)


def on_gray(picture, x, y, size=(480, 640)):
    image = np.full((*size, 3), 128, np.uint8)
    height, width = picture.shape[:2]
    image[y : y + height, x : x + width] = picture
    return image


def moving(fist):
    """A second of a hand that goes to the right."""
    return [(i / 15, on_gray(fist, 20 + 12 * i, 100)) for i in range(15)]


def watch(hands, images):
    return [hands.estimate(image, NOBODY_THERE, stamp, channels="bgr") for stamp, image in images]


def test_hand_without_a_body_keeps_its_id_and_its_gesture_has_no_person(fist):
    images = moving(fist)
    seen = watch(pose_ros.create_body_hands(detect_palms=True), images)
    assert len({tuple(hands.ids.tolist()) for hands in seen}) == 1
    (hand,) = seen[-1]
    assert person_of_hand(hand.id) == NO_BODY
    assert hand.label == ("left", "right")[hand.id % 2]
    moments = [
        Moment(stamp, NOBODY_THERE, hands) for (stamp, _), hands in zip(images, seen, strict=True)
    ]
    assert starts(moments) == [("fist", hand.label, NO_BODY)]


def test_the_same_images_give_the_same_hands_to_the_last_bit(fist):
    hands = pose_ros.create_body_hands(detect_palms=True)
    first = watch(hands, moving(fist))
    hands.reset()
    for a, b in zip(first, watch(hands, moving(fist)), strict=True):
        assert a.ids.tolist() == b.ids.tolist()
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.world, b.world)


def test_hand_without_a_body_that_returns_keeps_its_id(fist):
    away = np.full((480, 640, 3), 128, np.uint8)
    before = [(i / 10, on_gray(fist, 200, 100)) for i in range(3)]
    gone = [(0.3 + i / 10, away) for i in range(5)]
    after = [(0.8 + i / 10, on_gray(fist, 230, 100)) for i in range(3)]
    seen = watch(pose_ros.create_body_hands(detect_palms=True), before + gone + after)
    assert [len(hands) for hands in seen] == [1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1]
    assert seen[-1].ids.tolist() == seen[0].ids.tolist()


def test_hands_without_a_body_are_found_only_with_palms_enabled(fist):
    image = on_gray(fist, 100, 100)
    hands = pose_ros.create_body_hands()
    assert len(hands.estimate(image, NOBODY_THERE, channels="bgr")) == 0


@pytest.fixture(scope="module")
def people():
    return pose_ros.create_estimator(finder="blazepose")


def test_palm_at_the_wrist_of_a_body_belongs_to_that_body(people, picture):
    image = picture(PHONE)
    poses = people.estimate(image, channels="bgr")
    at_wrists = pose_ros.create_body_hands().estimate(image, poses, channels="bgr")
    both = pose_ros.create_body_hands(detect_palms=True).estimate(image, poses, channels="bgr")
    assert len(at_wrists) == 1
    assert len(both) == 2
    assert {person_of_hand(id_) for id_ in both.ids.tolist()} == set(poses.ids.tolist())


def test_hand_of_another_person_beside_a_body_does_not_belong_to_it(people, picture, fist):
    person = picture(RAISED)
    image = np.hstack([person, on_gray(fist, 60, 100, (person.shape[0], 420))])
    poses = people.estimate(image, channels="bgr")
    hands = pose_ros.create_body_hands(detect_palms=True).estimate(image, poses, channels="bgr")
    owners = {has_body(person_of_hand(hand.id)): hand for hand in hands}
    assert len(hands) == 2
    assert owners[True].box[2] < person.shape[1]
    assert owners[False].box[0] > person.shape[1]


def test_false_body_found_on_a_hand_has_no_hands(people, picture):
    height, width = (2 * side for side in picture(BODY_IN_A_HAND).shape[:2])
    image = on_gray(picture(BODY_IN_A_HAND), width // 4, height // 4, (height, width))
    poses = people.estimate(image, channels="bgr")
    at_wrists = pose_ros.create_body_hands().estimate(image, poses, channels="bgr")
    both = pose_ros.create_body_hands(detect_palms=True).estimate(image, poses, channels="bgr")
    assert (len(poses), len(at_wrists), len(both)) == (1, 1, 1)
    assert not has_body(person_of_hand(int(both.ids[0])))
