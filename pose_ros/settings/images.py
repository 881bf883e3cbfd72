"""Options of the images that are taken in, and of the camera that took them."""

from __future__ import annotations

from dataclasses import dataclass

from pose_ros.settings.option import check, documented, option

OPTICAL_FRAME = "camera_optical_frame"
"""Frame of a camera's images where no other is named: x right, y down, z forward."""
BY_NAME = "auto"
"""Images are rectified where the name of their topic says so (``image_rect``)."""


@documented
@dataclass(frozen=True)
class ImageOptions:
    """Which images are taken in."""

    topic: str | None = option(
        None,
        help="Topic of the images, where the source is a bag with several.",
        unset="",
        meaning_of_unset="the only one",
        parameter="bag_topic",
        metavar="TOPIC",
    )
    max_megapixels: float = option(
        64.0,  # 8K video has 33, large photos 50
        help="Largest image that is taken in; a larger one is refused before it is decoded",
        minimum=0.001,
        maximum=1000.0,
        unit="megapixels",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class StereoOptions:
    """Whether one device has two lenses."""

    stereo: str = option(
        "none",
        help="How an image holds those of two lenses; side_by_side: left and right half.",
        choices=("none", "side_by_side"),
    )

    @property
    def is_stereo(self) -> bool:
        """Whether an image holds those of two lenses."""
        return self.stereo != "none"

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class LensOptions:
    """What is known of a camera without a calibration."""

    hfov: float | None = option(
        None,
        help="Horizontal field of view of the camera, where there is no calibration.",
        minimum=1.0,
        maximum=179.0,
        unit="degrees",
        unset=0.0,
        meaning_of_unset="unknown",
    )

    def __post_init__(self) -> None:
        check(self)
