import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_ros.core.assignment import best_pairs


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 4), (4, 1), (3, 3), (2, 5)])
def test_the_best_pairs_are_those_of_the_hungarian_method(shape, maximize) -> None:
    values = np.random.default_rng(4).normal(size=shape)
    rows, columns = best_pairs(values, maximize=maximize)
    expected = linear_sum_assignment(values, maximize=maximize)
    np.testing.assert_array_equal((rows, columns), expected)
