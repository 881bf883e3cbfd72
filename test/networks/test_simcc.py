"""Keypoints as classes along x and along y."""

import numpy as np

from pose_ros.networks import simcc


def rows(length, places, height):
    classes = np.arange(length)
    values = [height * np.exp(-((classes - place) ** 2) / 72) for place in places]
    return np.array(values, np.float32)[None]


def test_most_likely_classes_give_position_and_the_lower_score():
    x, y = rows(384, [100, 383, 7], 0.8), rows(512, [400, 0, 511], 0.6)
    places, scores = simcc.decode(x, y)
    assert places.tolist() == [[[100, 400], [383, 0], [7, 511]]]
    assert np.allclose(scores, 0.6)


def test_scores_are_between_zero_and_one():
    x, y = rows(8, [3, 3], 1.0), rows(8, [4, 4], 1.0)
    x[0, 0] *= 1.7
    y[0, 0] *= 1.2
    x[0, 1] = -0.5
    _, scores = simcc.decode(x, y)
    assert scores.tolist() == [[1.0, 0.0]]
