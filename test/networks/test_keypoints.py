"""Keypoints that a network gives as numbers."""

import numpy as np
import pytest

from pose_ros.networks import keypoints

SIZE = np.array([192, 256], np.float32)
XY = np.array([[0.25, 0.5], [0.75, 0.125], [1.0, 0.0]], np.float32)
SCORES = np.array([0.9, 0.4, 1.2], np.float32)


@pytest.mark.parametrize("order", ["xy", "yx"])
@pytest.mark.parametrize("units", ["normalized", "pixels"])
@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("people", [1, 2])
def test_outputs_of_any_order_and_unit_are_read(order, units, scored, people):
    places = XY * SIZE if units == "pixels" else XY
    if order == "yx":
        places = places[:, ::-1]
    values = np.concatenate([places, SCORES[:, None]], axis=1) if scored else places
    values = np.stack([values] * people)
    for shape in (values.shape, (people, 1, *values.shape[1:]), (people, -1)):
        unit, scores = keypoints.decode(values.reshape(shape), 3, order, units, SIZE)
        assert np.allclose(unit, [XY] * people)
        assert np.allclose(scores, [[0.9, 0.4, 1.0] if scored else [1, 1, 1]] * people)


def test_score_of_a_person_is_the_mean_of_their_found_keypoints():
    places = np.zeros((3, 5, 2), np.float32)
    rows = [[0.8, 0.8, 0.8, 0.1, 0.1], [0.4, 0.4, 0.4, 0.4, 0.4], [0.9, 0.9, 0.1, 0.1, 0.1]]
    scores = np.array(rows, np.float32)
    found = keypoints.select(places, scores, 0.5, 0.3)  # the last has too few to be a person
    assert np.allclose(found.scores, [0.8])
    assert np.isfinite(found.keypoints[0, :, 0]).tolist() == [True] * 3 + [False] * 2
    assert np.allclose(found.keypoint_scores, [[0.8, 0.8, 0.8, 0, 0]])


def test_keypoint_that_is_not_finite_is_missing():
    places = np.ones((1, 5, 2), np.float32)
    places[0, 1], places[0, 2, 0] = np.nan, np.inf
    found = keypoints.select(places, np.full((1, 5), 0.9, np.float32), 0.5, 0.3)
    assert np.isnan(found.keypoints[0]).any(axis=1).tolist() == [False, True, True, False, False]
    assert np.isnan(found.keypoints[0, 2]).all()
    assert np.allclose(found.keypoint_scores, [[0.9, 0, 0, 0.9, 0.9]])
