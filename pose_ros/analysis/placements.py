"""Where the camera of a recording was, as its /tf tells."""

from __future__ import annotations

from pose_ros.bags.images import take_frames
from pose_ros.bags.reader import BagMessage
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Say
from pose_ros.errors import TransformError
from pose_ros.messages.transforms import FrameTracker
from pose_ros.report import STAYING_FRAMES, CameraPlacement

LOOK_AHEAD = 3 * NANOSECONDS // 10
"""Nanoseconds for which an image waits for transforms of its frames that come after it."""

_FRAMES = (*STAYING_FRAMES, "base_link", "base_footprint")


class Placements:
    """Places the camera in the first of these frames that /tf has, and in that alone.

    Args:
        say: Called with what is wrong.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._frames = FrameTracker(lambda _kind, text: say("transform", text))
        self._frame = ""

    def take(self, message: BagMessage) -> None:
        """Take a message of ``TF_TOPICS``."""
        take_frames(self._frames, message, self._say)

    def at(self, frame_id: str, stamp: float) -> CameraPlacement | None:
        """Return where the camera was; None where that is not known.

        Args:
            frame_id: Of its images.
            stamp: Seconds.
        """
        for target in (self._frame,) if self._frame else _FRAMES:
            try:
                place = self._frames.lookup(target, frame_id, stamp)
            except TransformError:
                continue
            self._frame = target
            return CameraPlacement(target, place)
        return None
