"""Sees people with a camera, on ROS 2 or without it.

The public names load on first use, since importing one of the generated
messages runs this file too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pose_ros.build import create_body_hands, create_estimator
    from pose_ros.core.types import Frame, Pose, Poses
    from pose_ros.errors import PoseRosError

__version__ = "0.1.0"

__all__ = [
    "Frame",
    "Pose",
    "PoseRosError",
    "Poses",
    "__version__",
    "create_body_hands",
    "create_estimator",
]

_HOMES = {
    "create_body_hands": "pose_ros.build",
    "create_estimator": "pose_ros.build",
    "Frame": "pose_ros.core.types",
    "Pose": "pose_ros.core.types",
    "Poses": "pose_ros.core.types",
    "PoseRosError": "pose_ros.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
