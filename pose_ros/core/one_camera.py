"""Keeps images of several cameras on one topic apart, and images without a time of their own."""

from __future__ import annotations

import math

from pose_ros.core.timeline import REWIND_SECONDS
from pose_ros.errors import ImageError

_SWITCH_SECONDS = 2.0
"""After so long without an image of the first camera, another one may take its place."""


class OneCamera:
    """Lets the images of one camera through, each once.

    People are followed from image to image, so that images of two cameras in turn, or two
    images of one time, must not meet in one track.
    """

    def __init__(self) -> None:
        self._frame_id: str | None = None
        self._heard = -math.inf
        self._stamp = math.nan

    def check(self, frame_id: str, stamp: float, now: float, remembered: float) -> str:
        """Note an image.

        Args:
            frame_id: Of its header: the camera.
            stamp: Of its header, seconds.
            now: Monotonic seconds.
            remembered: For how many seconds people out of sight are remembered: another
                camera is not taken before those of the first are forgotten.

        Returns:
            The frame_id of the camera whose place this one takes; empty for the same camera.

        Raises:
            ImageError: It is of another camera, or has the stamp of the image before.
        """
        before = self._frame_id
        keep = max(remembered, _SWITCH_SECONDS)
        near = -REWIND_SECONDS <= stamp - self._stamp <= keep or now - self._heard <= keep
        if before is not None and frame_id != before and near:
            raise ImageError(
                f"its frame_id is {frame_id!r}, and images of {before!r} come on the same topic: "
                "two cameras need a topic and a pose node each, as in a namespace each "
                "(--ros-args -r __ns:=/left)"
            )
        if stamp == self._stamp and frame_id == before:
            self._heard = now
            raise ImageError(
                "its stamp is that of the image before it: let the driver stamp each image when "
                "it is captured, and send it once"
            )
        self._frame_id, self._heard, self._stamp = frame_id, now, stamp
        return before if before is not None and before != frame_id else ""
