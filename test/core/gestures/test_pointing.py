import math

import numpy as np
import pytest

from pose_ros.core.gestures.pointing import Ray
from pose_ros.errors import OptionError


@pytest.mark.parametrize(
    ("origin", "direction", "sigma", "expected"),
    [
        ([0, 0, 1], [0, 0, 2], 0.1, "unit vector"),
        ([0, 0, 1], [0, 0, math.nan], 0.1, "unit vector"),
        ([0, 0, 1], [0, 1], 0.1, "shape"),
        ([0, 0, 1], [0, 0, 1], 0.0, "above 0"),
        ([0, 0, 1], [0, 0, 1], math.nan, "above 0"),
        ([math.nan] * 3, [0, 0, 1], 0.1, None),
    ],
)
def test_invalid_ray_is_refused(origin, direction, sigma, expected):
    if expected is None:
        ray = Ray(origin, direction, sigma, metric=True)
        assert ray.direction.dtype == np.float64
        assert not ray.direction.flags.writeable
    else:
        with pytest.raises(OptionError, match=expected):
            Ray(origin, direction, sigma, metric=True)
