"""Sees people with a camera, on ROS 2 or without it.

The public names load on first use, since importing one of the generated
messages runs this file too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_ros.analysis.images import analyze
    from pose_ros.build import create_body_hands, create_estimator
    from pose_ros.core.camera import Calibration, Camera
    from pose_ros.core.gestures.recognizer import Gesture, GestureRecognizer
    from pose_ros.core.gestures.taught import TaughtGestures
    from pose_ros.core.lifting.lifter import Lifter
    from pose_ros.core.results import Result
    from pose_ros.core.skeletons import Skeleton
    from pose_ros.core.types import Estimator, Frame, HandEstimator, Pose, Poses, Source
    from pose_ros.errors import PoseRosError
    from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
    from pose_ros.settings.gestures import GestureOptions
    from pose_ros.settings.lifting import LiftOptions
    from pose_ros.sources.calibration import read_calibration
    from pose_ros.sources.opening import open_source
    from pose_ros.viz.overlay import draw

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Camera",
    "EngineOptions",
    "Estimator",
    "EstimatorOptions",
    "Frame",
    "Gesture",
    "GestureOptions",
    "GestureRecognizer",
    "HandEstimator",
    "LiftOptions",
    "Lifter",
    "Pose",
    "PoseRosError",
    "Poses",
    "Result",
    "Skeleton",
    "Source",
    "TaughtGestures",
    "__version__",
    "analyze",
    "create_body_hands",
    "create_estimator",
    "draw",
    "open_source",
    "read_calibration",
]

_NAMES = {
    "pose_ros.analysis.images": ("analyze",),
    "pose_ros.build": ("create_body_hands", "create_estimator"),
    "pose_ros.core.camera": ("Calibration", "Camera"),
    "pose_ros.core.gestures.recognizer": ("Gesture", "GestureRecognizer"),
    "pose_ros.core.gestures.taught": ("TaughtGestures",),
    "pose_ros.core.lifting.lifter": ("Lifter",),
    "pose_ros.core.results": ("Result",),
    "pose_ros.core.skeletons": ("Skeleton",),
    "pose_ros.core.types": ("Estimator", "Frame", "HandEstimator", "Pose", "Poses", "Source"),
    "pose_ros.errors": ("PoseRosError",),
    "pose_ros.settings.estimation": ("EngineOptions", "EstimatorOptions"),
    "pose_ros.settings.gestures": ("GestureOptions",),
    "pose_ros.settings.lifting": ("LiftOptions",),
    "pose_ros.sources.calibration": ("read_calibration",),
    "pose_ros.sources.opening": ("open_source",),
    "pose_ros.viz.overlay": ("draw",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # a type checker knows the names above, and that there are no others

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
