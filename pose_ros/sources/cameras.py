"""Cameras and network streams, in real time: the newest frame, stamped at its capture.

A thread of its own takes the frames, so that none is stale when it is read and
``close`` never waits for a camera that hangs.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2

from pose_ros.core.encoded_images import DEFAULT_MAX_PIXELS, check_size
from pose_ros.core.types import Frame
from pose_ros.errors import ImageError, OptionError, SourceError

_FAILED_READS = 3
_SLOW_READ_SECONDS = 1.0
_STREAM_TIMEOUT_MSEC = 5000
_JOIN_SECONDS = 2.0
_CLOCK_WOBBLE_SECONDS = 0.1
_VIDEO_GROUP_HINT = (
    "add yourself to the video group (sudo usermod -aG video $USER) and log in again"
)

_AV_LOG_FATAL = "8"
_CV_LOG_ERROR = 2
# OpenCV 4.12 and later keep the two functions elsewhere
_LOG: Any = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.__dict__["logging"]

_log = logging.getLogger(__name__)


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame: whether there is one, and its (H, W, 3) BGR image."""

    def get(self, property_id: int, /) -> float:
        """Return a ``cv2.CAP_PROP_*``."""

    def release(self) -> None:
        """Free the device."""


@dataclass(frozen=True)
class CaptureRequest:
    """What to open. None leaves a setting to the camera.

    Attributes:
        spec: A device (``/dev/video0``, ``0``) or the address of a stream.
        width: Pixels.
        height: Pixels.
        fps: Frames a second.
        max_pixels: Width times height above which images are refused.
    """

    spec: str
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        for name in ("width", "height", "fps"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name} must be above 0, got {value}")

    @property
    def is_stream(self) -> bool:
        """Whether ``spec`` is an address and not a device."""
        return "://" in self.spec

    @property
    def device(self) -> str:
        """Path of the device."""
        return f"/dev/video{int(self.spec)}" if self.spec.isdecimal() else self.spec


def open_capture(request: CaptureRequest) -> Capture:
    """Open a device or a stream with OpenCV.

    Raises:
        SourceError: It cannot be opened; the message says why and what to do.
    """
    if request.is_stream:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        parameters = [value for key in timeouts for value in (key, _STREAM_TIMEOUT_MSEC)]
        with _quiet_opening():
            capture = cv2.VideoCapture(request.spec, cv2.CAP_FFMPEG, parameters)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"no video comes from {without_password(request.spec)}")
    else:
        check_device(request.device)
        # resolved at every opening: a link such as /dev/v4l/by-id/... follows its camera
        with _quiet_opening():
            capture = cv2.VideoCapture(os.path.realpath(request.device), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"{request.device} gives no pictures: another program may be using it, or it is "
                f"the second, data-only node of a camera; {devices_text()}"
            )
        _set_up(capture, request)
    width, height = (
        int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width > 0 and height > 0:  # some streams say it with their first image
        try:
            check_size(width, height, request.max_pixels)
        except ImageError as error:
            capture.release()
            raise SourceError(f"{without_password(request.spec)}: {error}") from None
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


@contextlib.contextmanager
def _quiet_opening() -> Iterator[None]:
    """Hold back the warnings of an attempt to open a device, a stream or a file.

    FFmpeg reads its level once, at the first opening in a process, and would
    report every damaged packet; OPENCV_FFMPEG_LOGLEVEL in the environment wins.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _AV_LOG_FATAL)
    level = _LOG.getLogLevel()
    _LOG.setLogLevel(min(level, _CV_LOG_ERROR))
    try:
        yield
    finally:
        _LOG.setLogLevel(level)


def _set_up(capture: cv2.VideoCapture, request: CaptureRequest) -> None:
    if (request.width or 0) * (request.height or 0) > 640 * 480:
        # uncompressed, USB 2 carries few large frames a second
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    for key, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, request.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, request.height),
        (cv2.CAP_PROP_FPS, request.fps),
    ):
        if value is not None:
            capture.set(key, value)


def check_device(path: str) -> None:
    """Check that a video device is there and may be used.

    Raises:
        SourceError: It is not; the message says what there is, or what to do.
    """
    if not Path(path).exists():
        raise SourceError(f"there is no camera {path}; {devices_text()}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"no permission to use {path}: {_VIDEO_GROUP_HINT}")


def devices_text() -> str:
    """Return one clause on which video devices this machine has."""
    found = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f"there are {', '.join(found)}" if found else "this machine has no /dev/video*"


def without_password(spec: str) -> str:
    """Return the address of a stream, its user and password left out, for messages."""
    host = urlsplit(spec).netloc
    return spec.replace(host, host.rpartition("@")[2], 1) if "@" in host else spec


def capture_time(position_msec: float, monotonic: float, unix: float) -> float:
    """Return the Unix time of a capture from what the driver says of it.

    V4L2 stamps buffers with the monotonic clock, a few drivers with the system's.

    Args:
        position_msec: ``CAP_PROP_POS_MSEC`` right after the frame was had.
        monotonic: ``time.monotonic()`` at that moment, seconds.
        unix: ``time.time()`` at that moment, seconds.

    Returns:
        Seconds; ``unix`` when the driver's stamp is not within the last 5 s.
    """
    stamp = position_msec / 1000.0
    for now in (monotonic, unix):
        age = now - stamp
        if stamp > 0 and -0.001 <= age < 5.0:
            return unix - max(0.0, age)
    return unix


def rising(stamp: float, last: float) -> float:
    """Return a stamp that is after the last one, moved on where it is just not.

    Frames of one burst, or a clock that is being slewed, would otherwise look
    like a jump back in time. A clock that is set back by more passes as it is.
    """
    return last + 1e-6 if stamp <= last < stamp + _CLOCK_WOBBLE_SECONDS else stamp


class CameraSource:
    """A ``Source``: a camera or a stream that is opened again, ever less often, when it is lost.

    Attributes:
        connected: Whether frames come; False while the camera is lost.
    """

    live, length = True, None

    def __init__(
        self,
        request: CaptureRequest,
        *,
        opener: Callable[[CaptureRequest], Capture] = open_capture,
        first_retry_seconds: float = 0.5,
        longest_retry_seconds: float = 10.0,
        wait: bool = False,
    ) -> None:
        """Open the camera and begin to take frames.

        Args:
            request: What to open.
            opener: Gives the capture, or raises SourceError.
            first_retry_seconds: Pause before it is opened again; it doubles.
            longest_retry_seconds: Longest pause.
            wait: Try again while the camera is not there or cannot be opened, as for one
                that is lost later.

        Raises:
            SourceError: The camera is not there or cannot be opened, and ``wait`` is not set.
        """
        self._request, self._opener = request, opener
        self._first_retry, self._longest_retry = first_retry_seconds, longest_retry_seconds
        self.name = without_password(request.spec)
        self._pauses = retry_pauses(first_retry_seconds, longest_retry_seconds)
        self.connected, self.fps, self._trouble = True, math.nan, ""
        self._index = 0
        capture: Capture | None = None
        try:
            capture = opener(request)
            self.fps = _frames_per_second(capture)
        except SourceError as error:
            if not wait:
                raise
            self.connected = False
            self._note(error)
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._closed = False
        self._ended = threading.Event()
        self._last_stamp = -math.inf
        self._size_said = False
        self._thread = threading.Thread(
            target=self._run, args=(capture,), name=f"capture {self.name}", daemon=True
        )
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why no frames come, in words; empty while they come."""
        return "" if self.connected else self._trouble

    def read(self) -> Frame | None:
        """Wait for a frame newer than the last one; a lost camera is waited for.

        Frame.index counts the frames that the camera gave: a gap is a frame that
        was not read in time.

        Returns:
            None when another thread closes the source meanwhile.

        Raises:
            SourceError: The source had been closed before.
        """
        with self._news:
            if self._closed:
                raise SourceError(f"{self.name} is closed")
            self._news.wait_for(lambda: self._newest is not None or self._closed)
            frame, self._newest = self._newest, None
            return None if self._closed else frame

    def close(self) -> None:
        """Free the camera and end a ``read`` that waits; safe from any thread, and twice."""
        with self._news:
            self._closed = True
            self._newest = None
            self._news.notify_all()
        self._ended.set()
        # the device should be free for the next one to open it, but a driver may hang
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_SECONDS)

    def _run(self, capture: Capture | None) -> None:
        if capture is None:
            capture = self._reopen()
        while capture is not None:
            try:
                self._take_frames(capture)
            finally:
                capture.release()
            capture = None if self._ended.is_set() else self._reopen()

    def _note(self, error: SourceError) -> None:
        """Say why a camera cannot be opened that was never there, each reason once."""
        if str(error) != self._trouble and not self._index:
            _log.warning("%s; it is tried again", error)
        self._trouble = str(error)

    def _take_frames(self, capture: Capture) -> None:
        """Hand on frames until the camera is lost or the source closed."""
        failed = 0
        while not self._ended.is_set() and failed < _FAILED_READS:
            begin = time.monotonic()
            try:
                found, image = capture.read()
            except cv2.error as error:
                _log.debug("%s: %s", self.name, error)
                found, image = False, None
            monotonic, unix = time.monotonic(), time.time()
            if not found or image is None:
                # one bad frame is no loss, a read that timed out is
                failed = _FAILED_READS if monotonic - begin > _SLOW_READ_SECONDS else failed + 1
                continue
            failed = 0
            stamp = unix
            if not self._request.is_stream:
                stamp = capture_time(capture.get(cv2.CAP_PROP_POS_MSEC), monotonic, unix)
            stamp = rising(stamp, self._last_stamp)
            self._last_stamp = stamp
            self._hand_on(Frame(image, stamp, self._index, self.name, "bgr"))
            self._index += 1

    def _hand_on(self, frame: Frame) -> None:
        if not self.connected:
            self.connected = True
            self._trouble = ""
            _log.warning("%s is %s", self.name, "back" if self._index else "there")
        asked = (self._request.width or frame.width, self._request.height or frame.height)
        if asked != (frame.width, frame.height) and not self._size_said:
            self._size_said = True
            _log.warning(
                "%s gives %dx%d pixels, not the %dx%d asked for",
                self.name, frame.width, frame.height, *asked,
            )  # fmt: skip
        with self._news:
            if not self._closed:
                self._newest = frame
                self._news.notify_all()

    def _reopen(self) -> Capture | None:
        """Try until the camera opens; None when the source is closed meanwhile."""
        if self.connected:
            self.connected = False
            self._trouble = f"{self.name} is lost"
            _log.warning("%s is lost; it is opened again as soon as it is back", self.name)
            self._pauses = retry_pauses(self._first_retry, self._longest_retry)
        while not self._ended.wait(next(self._pauses)):
            try:
                capture = self._opener(self._request)
            except SourceError as error:
                self._note(error)
            else:
                self.fps = _frames_per_second(capture)
                return capture
        return None


def _frames_per_second(capture: Capture) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if math.isfinite(fps) and 0 < fps < 10_000 else math.nan


def retry_pauses(first_seconds: float, longest_seconds: float) -> Iterator[float]:
    """Yield the pauses before each attempt to open a lost camera: they double to a bound."""
    pause = first_seconds
    while True:
        yield min(pause, longest_seconds)
        pause = min(2 * pause, longest_seconds)
