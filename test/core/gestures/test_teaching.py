"""What may be taught."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.gestures.taught import TaughtGestures
from pose_ros.core.gestures.teaching import Teaching
from pose_ros.errors import OptionError


def test_pair_whose_movement_has_a_built_in_name_is_refused():
    taught = TaughtGestures("blazepose33")
    taught.add("wave_up", np.random.default_rng(0).normal(size=(33, 3)))
    with pytest.raises(OptionError, match="wave is the name of a gesture that is built in"):
        Teaching(taught, "wave_down", is_hand=False, min_score=0.5)
    Teaching(taught, "wave_aside", is_hand=False, min_score=0.5)
