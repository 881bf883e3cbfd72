"""What is known of the camera of the images: from camera_info, or from the node's own source."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from std_msgs.msg import Header

from pose_ros.core.camera import Calibration, Camera, choose_camera
from pose_ros.core.protocols import Source
from pose_ros.errors import OptionError
from pose_ros.messages.cameras import CameraTracker
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.ros.diagnostics import once
from pose_ros.sources.calibration import read_calibration

# images without any camera_info until that is said
_PATIENCE = 30
# a camera's first image may overtake its first camera_info, which was sent before it
_FIRST_SECONDS = 0.25
_LOST = "no meters and no /tf"
_NO_HEADER = Header()


class CameraWatch:
    """Follows the camera of a topic of camera_info, and says once why there is none.

    ``take`` and ``camera_for`` may be called from two threads.

    Args:
        topic: Of the camera_info, for what is said.
        rectified: Whether the images are.
        warn: Takes what is wrong, each kind of trouble once.
    """

    def __init__(self, topic: str, rectified: bool, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._say = once(warn)
        self._tracker = CameraTracker(topic, rectified, self._say, lost=_LOST)
        self._arrived = threading.Event()
        self._waited = 0

    def take(self, msg: Any) -> float:
        """Take a camera_info, and return its stamp in seconds."""
        stamp = stamp_from_msg(msg.header.stamp)
        msg.header = _NO_HEADER  # it differs always, and says nothing about the lens
        self._tracker.take(msg, lambda: msg)
        self._arrived.set()
        return stamp

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of a size, or None where it is not known.

        The first image waits for a moment, so that it has its meters as all others.

        Args:
            width: Pixels.
            height: Pixels.
        """
        if self._waited == 0:
            self._arrived.wait(_FIRST_SECONDS)
        if not self._tracker.heard:
            self._waited += 1
            if self._waited == _PATIENCE:
                self._say("silence", f"nothing on {self._topic} yet: {_LOST}")
        return self._tracker.fitting(self._tracker.camera, width, height)

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        camera = self._tracker.camera
        trouble = self._tracker.trouble
        return trouble if camera is None or trouble else _describe(camera)


class OwnCamera:
    """The camera of the node's own source.

    Args:
        source: Of the images; a synthetic one knows its camera.
        given: From the user's file, which goes before all else.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called once with what the calibration lacks.
    """

    def __init__(
        self,
        source: Source,
        given: Calibration | None,
        hfov_degrees: float | None,
        warn: Callable[[str], None],
    ) -> None:
        self._source, self._given, self._hfov, self._warn = source, given, hfov_degrees, warn
        self._size = (0, 0)
        self._camera: Camera | None = None
        self._trouble = "no image yet"

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of a size, or None where it is not known."""
        if self._size != (width, height):
            self._size = (width, height)
            try:
                found = calibration_of(
                    self._source, self._size, self._given, self._hfov, self._warn
                )
                self._camera = found.camera if found else None
                self._trouble = "not calibrated: set camera_info_url or hfov"
            except OptionError as error:
                self._camera, self._trouble = None, str(error)
            if self._camera is None:
                self._warn(f"no meters and no /tf: {self._trouble}")
        return self._camera

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        return _describe(self._camera) if self._camera else self._trouble


def _describe(camera: Camera) -> str:
    lens = camera.distortion_model if camera.distorted else "no distortion"
    return f"{camera.width}x{camera.height}, {camera.hfov_degrees:.0f} degrees wide, {lens}"


def calibration_of(
    source: Source,
    size: tuple[int, int],
    given: Calibration | None,
    hfov_degrees: float | None,
    warn: Callable[[str], None],
) -> Calibration | None:
    """Return the calibration of a node's own source, or None where nothing is known.

    Args:
        source: Of the images; a synthetic one knows its camera.
        size: Width and height of the images, pixels.
        given: From the user's file, which goes before all else.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called with what the calibration lacks.

    Raises:
        OptionError: The calibration is for another size.
    """
    known = getattr(source, "camera", None)
    own = known if isinstance(known, Camera) else None
    found = choose_camera(*size, given=given, own=own, hfov_degrees=hfov_degrees)
    if found is not None and given is None and own is None:
        warn(
            f"the camera is made up from hfov {hfov_degrees:g} degrees, as if the lens had no "
            "distortion; for measurements calibrate the camera and set camera_info_url"
        )
    return found


def read_calibration_url(url: str) -> Calibration | None:
    """Read what ``camera_info_url`` names; None where it is empty.

    Raises:
        OptionError: It is another kind of address, or the file is no calibration.
    """
    return read_calibration(calibration_path(url)) if url else None


def calibration_path(url: str) -> str:
    """Return the path that ``camera_info_url`` names: a path, or a ``file://`` address.

    Raises:
        OptionError: It is another kind of address.
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise OptionError(f"camera_info_url must be a path or file:///..., got {url}")
    return unquote(parts.path)
