"""What a report knows beside the results: the camera, the recording, and what ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.results import RunInfo
from pose_ros.errors import OptionError

STAYING_FRAMES = ("map", "odom")
"""Frames that do not move with the robot, the best first."""


@dataclass(frozen=True, eq=False)
class CameraPlacement:
    """Where the camera is in a frame that stays, or in the robot's.

    Attributes:
        frame: Its name: z is up.
        transform: (4, 4) takes points of the image's optical frame to it, meters.
    """

    frame: str
    transform: Float64Array

    def __post_init__(self) -> None:
        transform = np.asarray(self.transform, np.float64)
        if transform.shape != (4, 4) or not np.isfinite(transform).all():
            raise OptionError(f"expected a (4, 4) transform, got {self.transform!r}")


@dataclass(frozen=True)
class RecordingFacts:
    """What is known of a recording once all of it has been read.

    Attributes:
        images: How many images it holds; None where it holds none or they were not counted.
        images_without_result: Of these, between the first and the last result; None as above.
        lost: What could not be read, a line each.
        network: What found the people, where the results say that and no more.
    """

    images: int | None = None
    images_without_result: int | None = None
    lost: tuple[str, ...] = ()
    network: str = ""


def option(info: RunInfo | None, name: str) -> Any:
    """Return an option of what ran by its name, wherever it stands; None where it is not known."""

    def look(options: Mapping[str, Any]) -> Any:
        for key, value in options.items():
            found = look(value) if isinstance(value, Mapping) else value if key == name else None
            if found is not None:
                return found
        return None

    return look(info.options) if info else None
