"""Ids of people with a finder: real pictures that move, and people who leave."""

from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.networks.blazepose import BlazePose

HEIGHT = 480
FPS = 10
RAISED = "hand_gestures/hagrid/four/07fdea90-1102-4419-a3af-b394cb29531b.jpg"


@pytest.fixture(scope="module")
def picture(data):
    def read(name):
        path = data / name
        if not path.is_file():
            pytest.skip(f"no test data: {path} is missing")
        image = cv2.imread(str(path))
        scale = HEIGHT / image.shape[0]
        return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    return read


@pytest.fixture
def estimator(finder_models):
    made = pose_ros.create_estimator(max_people=6, models_dir=finder_models)
    assert made.options.finder == "posenet-mobilenet"
    assert isinstance(made, BlazePose)
    return made


class Disagreeing:
    """A finder whose squares are shifted to alternating sides.

    A share of 0.15 is some 35 cm of the body.
    """

    def __init__(self, finder, share):
        self.finder, self.share = finder, share
        self.looks = 0
        self.tiles = finder.tiles

    def look(self, *args):
        self.looks += 1
        aside = self.share * (-1) ** self.looks
        return [
            one._replace(region=replace(one.region, x=one.region.x + aside * one.region.size))
            for one in self.finder.look(*args)
        ]


def moved(image, pixels):
    """Return the view of a camera that turned right by some pixels."""
    return np.hstack([image[:, pixels:], np.full_like(image[:, :pixels], 128)])


def test_ids_stay_when_finder_and_blazepose_disagree(estimator, picture):
    image = picture("images/humans_2.jpg")
    finder = Disagreeing(estimator.search.finder, 0.15)
    estimator.search.finder = cast("Any", finder)
    ids = [
        estimator.estimate(moved(image, 3 * i), i / FPS, channels="bgr").ids.tolist()
        for i in range(30)
    ]
    assert finder.looks >= 5
    assert ids == [[0, 1]] * 30


@pytest.mark.parametrize(("away", "same"), [(0.5, True), (1.5, True), (2.5, False)])
def test_occluded_person_keeps_id_within_reid_timeout_and_others_keep_theirs(
    estimator, picture, away, same
):
    two, other = picture("images/humans_2.jpg"), picture(RAISED)
    ids: list[set[int]] = []

    def show(right, seconds):
        for _ in range(round(seconds * FPS)):
            image = np.hstack([two, right])
            poses = estimator.estimate(image, len(ids) / FPS, channels="bgr")
            ids.append(set(poses.ids.tolist()))

    show(other, 0.8)
    before = ids[-1]
    assert len(before) == 3
    show(np.full_like(other, 128), away)
    there = ids[-1]
    assert len(there) == 2
    assert there < before
    show(other, 0.8)
    assert len(ids[-1]) == 3
    assert there < ids[-1]
    assert (ids[-1] == before) is same


def test_a_second_person_who_appears_is_found_within_half_a_second(estimator, picture):
    two, other = picture("images/humans_2.jpg"), picture(RAISED)
    gray = np.full_like(other, 128)
    counts = [
        len(estimator.estimate(np.hstack([two, gray if i < 8 else other]), i / FPS, channels="bgr"))
        for i in range(16)
    ]
    assert counts[:8] == [2] * 8
    assert counts[8 + FPS // 2 :] == [3] * 3
