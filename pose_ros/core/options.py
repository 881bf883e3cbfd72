"""Moved to ``pose_ros.settings.estimation``."""

from pose_ros.settings.estimation import (
    AUTO_FINDER,
    MAX_PEOPLE,
    MAX_TILES,
    OWN_FINDER,
    EstimatorOptions,
)

__all__ = ["AUTO_FINDER", "MAX_PEOPLE", "MAX_TILES", "OWN_FINDER", "EstimatorOptions"]
