"""Scores of images and clips against values worked out by hand."""

import numpy as np
import pytest

from tools.scores import id_switches, matched_oks


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        ([], 0),
        ([{"a": 0, "b": 1}, {"a": 0}, {"a": 0, "b": 1}], 0),
        ([{"a": 0, "b": 1}, {"a": 1, "b": 0}], 2),
        ([{"a": 0}, {}, {"a": 5}, {"a": 5}, {"a": 0}], 2),
    ],
)
def test_change_of_id_is_counted_across_frames_without_the_person(frames, count):
    assert id_switches(frames) == count


def test_a_found_person_is_matched_once():
    similarity = np.array(
        [
            [0.6, 0.0, 0.7],  # would rather be the last
            [0.2, 0.0, 0.9],  # is it more
            [0.0, 0.0, 0.0],  # is no person
        ]
    )
    np.testing.assert_array_equal(matched_oks(similarity), [0.6, 0.0, 0.9])
    np.testing.assert_array_equal(matched_oks(np.ones((5, 2))), [1.0, 1.0])
    np.testing.assert_array_equal(matched_oks(np.zeros((0, 3))), [0.0, 0.0, 0.0])
