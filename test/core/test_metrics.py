"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from pose_ros.core.metrics import COCO_SIGMAS, id_switches, matched_oks, oks, pck

TRUTH = np.random.default_rng(0).uniform(0, 100, (17, 2))
ALL = np.ones(17, bool)


def test_oks_of_the_truth_is_one_and_of_nothing_zero():
    assert oks(TRUTH, TRUTH, ALL, 1000.0) == 1.0
    assert oks(TRUTH * np.nan, TRUTH, ALL, 1000.0) == 0.0
    assert np.isnan(oks(TRUTH, TRUTH, ~ALL, 1000.0))


def test_oks_one_deviation_off():
    # at a distance of k * s with k = 2 sigma and s = sqrt(area), exp(-1/2) is left
    area = 400.0
    off = TRUTH + np.stack([2 * COCO_SIGMAS * np.sqrt(area), np.zeros(17)], axis=1)
    assert oks(off, TRUTH, ALL, area) == pytest.approx(np.exp(-0.5))


def test_only_annotated_keypoints_count():
    found = TRUTH.copy()
    found[3] += 1e6
    assert oks(found, TRUTH, np.arange(17) != 3, 1000.0) == 1.0
    truth = TRUTH.copy()
    truth[3] = np.nan
    assert pck(found, truth, 100.0) == 1.0


def test_pck_counts_what_is_near_enough():
    found = TRUTH.copy()
    found[0] += (20, 0)
    found[1] += (20.1, 0)
    found[2] = np.nan
    assert pck(found, TRUTH, 100.0) == pytest.approx(15 / 17)


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        ([], 0),
        ([{"a": 0, "b": 1}, {"a": 0}, {"a": 0, "b": 1}], 0),
        ([{"a": 0, "b": 1}, {"a": 1, "b": 0}], 2),
        ([{"a": 0}, {}, {"a": 5}, {"a": 5}, {"a": 0}], 2),
    ],
)
def test_switches(frames, count):
    assert id_switches(frames) == count


def test_nobody_is_matched_twice():
    similarity = np.array(
        [
            [0.6, 0.0, 0.7],  # would rather be the last
            [0.2, 0.0, 0.9],  # is it more
            [0.0, 0.0, 0.0],  # is nobody
        ]
    )
    np.testing.assert_array_equal(matched_oks(similarity), [0.6, 0.0, 0.9])
    np.testing.assert_array_equal(matched_oks(np.ones((5, 2))), [1.0, 1.0])
    np.testing.assert_array_equal(matched_oks(np.zeros((0, 3))), [0.0, 0.0, 0.0])
