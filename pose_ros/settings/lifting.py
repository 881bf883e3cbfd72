"""Options of people in meters: how tall they are, and how the camera is mounted."""

from __future__ import annotations

from dataclasses import dataclass

from pose_ros.settings.estimation import smoothing_option
from pose_ros.settings.option import check, documented, option


@documented
@dataclass(frozen=True)
class MountOptions:
    """How a camera that stays as it is mounted stands over a level floor."""

    camera_height: float | None = option(
        None,
        help="Height of the camera over a level floor.",
        minimum=0.01,
        maximum=10.0,
        unit="meters",
        unset=0.0,
        meaning_of_unset="unknown",
    )
    camera_pitch: float = option(
        0.0,
        help="Angle by which the camera looks down; used only with camera_height.",
        minimum=-80.0,
        maximum=80.0,
        unit="degrees",
    )
    camera_roll: float = option(
        0.0,
        help="Angle by which the camera is turned clockwise, seen from behind it; used only with "
        "camera_height.",
        minimum=-80.0,
        maximum=80.0,
        unit="degrees",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class LiftOptions:
    """How people are placed in meters; applies from the next frame on.

    >>> import pose_ros
    >>> pose_ros.LiftOptions(height=1.75)
    LiftOptions(height=1.75, max_depth_skew=0.05, smoothing=True)
    """

    height: float | None = option(
        None,
        help="Height of the people; distances are as good as it is.",
        minimum=0.5,
        maximum=2.5,
        unit="meters",
        unset=0.0,
        meaning_of_unset="unknown",
        live=True,
        parameter="person_height",
        flag="person-height",
    )
    max_depth_skew: float = option(
        0.05,
        help="Time by which a depth image may be older or newer than its image.",
        minimum=0.0,
        maximum=1.0,
        unit="seconds",
        live=True,
    )
    smoothing: bool = smoothing_option()

    def __post_init__(self) -> None:
        check(self)
