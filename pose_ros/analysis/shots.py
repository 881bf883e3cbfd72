"""Images of any source with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pose_ros.analysis.cameras import GivenCamera
from pose_ros.bags.images import BagImages, RecordedImage
from pose_ros.core.camera import Camera
from pose_ros.core.protocols import Source
from pose_ros.core.timeline import NANOSECONDS


def shots_of(source: Source, given: GivenCamera | None = None) -> Iterator[RecordedImage]:
    """Yield the images of a source.

    Args:
        source: A bag knows most of its images; a synthetic source knows its camera.
        given: What the user says of the camera; None if they say nothing.

    Raises:
        SourceError: The source broke.
    """
    for shot in source if isinstance(source, BagImages) else _frames(source):
        if given is None:
            yield shot
        else:
            frame = shot.frame
            yield replace(shot, camera=given.camera_for(frame.width, frame.height, shot.camera))


def _frames(source: Source) -> Iterator[RecordedImage]:
    known = getattr(source, "camera", None)
    camera = known if isinstance(known, Camera) else None
    while (frame := source.read()) is not None:
        nanoseconds = round(frame.stamp * NANOSECONDS)
        yield RecordedImage(frame, nanoseconds, nanoseconds, "", camera)
