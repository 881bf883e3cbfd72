"""Cameras with two lenses whose images hold two halves, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Frame, Source
from pose_ros.errors import ImageError


def half_of(frame: Frame, side: str) -> Frame:
    """Return one half of an image.

    Args:
        frame: The whole.
        side: ``left`` or ``right``.

    Raises:
        ImageError: It has no two halves.
    """
    width = frame.width // 2
    if frame.width != 2 * width or not width:
        raise ImageError(
            f"{frame.source}: an image of {frame.width}x{frame.height} pixels has no two halves of "
            "one width: stereo is not side_by_side"
        )
    first = width * SIDES.index(side)
    return replace(frame, image=np.ascontiguousarray(frame.image[:, first : first + width]))


class HalfSource:
    """One half of each image of another source, which is closed with it.

    Args:
        whole: The other source.
        side: ``left`` or ``right``.
    """

    def __init__(self, whole: Source, side: str) -> None:
        self._whole, self._side = whole, side

    @property
    def name(self) -> str:
        """As that of the whole."""
        return self._whole.name

    @property
    def live(self) -> bool:
        """Whether it has no end."""
        return self._whole.live

    @property
    def fps(self) -> float:
        """Images a second; NaN when unknown."""
        return self._whole.fps

    @property
    def length(self) -> int | None:
        """How many images there are; None when unknown."""
        return self._whole.length

    def read(self) -> Frame | None:
        """Return the next half; None at the end.

        Raises:
            SourceError: The source broke.
            ImageError: An image has no two halves.
        """
        frame = self._whole.read()
        return None if frame is None else half_of(frame, self._side)

    def close(self) -> None:
        """Close the whole."""
        self._whole.close()
