"""Object keypoint similarity against values worked out by hand."""

import numpy as np
import pytest

from pose_ros.core.skeletons import COCO_SIGMAS, oks

TRUTH = np.random.default_rng(0).uniform(0, 100, (17, 2))
ALL = np.ones(17, bool)


def test_oks_of_the_truth_is_one_and_of_a_missing_person_zero():
    assert oks(TRUTH, TRUTH, ALL, 1000.0) == 1.0
    assert oks(TRUTH * np.nan, TRUTH, ALL, 1000.0) == 0.0
    assert np.isnan(oks(TRUTH, TRUTH, ~ALL, 1000.0))


def test_oks_at_one_standard_deviation_is_exp_of_minus_one_half():
    # at a distance of k * s with k = 2 sigma and s = sqrt(area), exp(-1/2) is left
    area = 400.0
    off = TRUTH + np.stack([2 * COCO_SIGMAS * np.sqrt(area), np.zeros(17)], axis=1)
    assert oks(off, TRUTH, ALL, area) == pytest.approx(np.exp(-0.5))


def test_oks_counts_only_annotated_keypoints():
    found = TRUTH.copy()
    found[3] += 1e6
    assert oks(found, TRUTH, np.arange(17) != 3, 1000.0) == 1.0
