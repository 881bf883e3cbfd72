"""Options out of range are refused by name with the range."""

import pytest

from pose_ros.errors import OptionError
from pose_ros.settings.estimation import EstimatorOptions


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("threshold", -0.1, r"threshold must be in \[0, 1\], got -0.1"),
        ("threshold", float("nan"), "threshold"),
        ("min_tracking_confidence", 2, "min_tracking_confidence"),
        ("max_people", 0, r"max_people must be in \[1, 10\], got 0"),
        ("max_people", 11, "max_people"),
        ("reid_timeout", -1.0, r"reid_timeout must be in \[0, 60\] seconds, got -1.0"),
        ("reid_timeout", float("nan"), "reid_timeout"),
        ("detect_tiles", 0, r"detect_tiles must be in \[1, 4\], got 0"),
        ("detect_tiles", 5, "detect_tiles"),
    ],
)
def test_value_out_of_range_is_refused(name, value, message):
    with pytest.raises(OptionError, match=message):
        EstimatorOptions(**{name: value})
