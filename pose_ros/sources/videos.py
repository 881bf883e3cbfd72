"""Video files, with the presentation times of their container."""

from __future__ import annotations

import logging
import math
import threading
from pathlib import Path

import cv2
import numpy as np

from pose_ros.core.types import Frame
from pose_ros.errors import SourceError
from pose_ros.sources.quiet import quiet_opening

# A damaged stretch fails a few reads; the end of the file fails them all.
_FAILED_READS = 32

_log = logging.getLogger(__name__)


class VideoSource:
    """A video file. Stamps are media time from 0 and always rise."""

    def __init__(self, path: str | Path, *, name: str | None = None, loop: bool = False) -> None:
        """Open the file.

        Args:
            path: The file.
            name: What the user called it; the path when None.
            loop: Begin again at the end; stamps go on rising.

        Raises:
            SourceError: It is not there or is no video that can be read.
        """
        self._path, self._loop = Path(path), loop
        self._name = name or str(path)
        self._lock = threading.Lock()
        self._closed = False
        self._capture: cv2.VideoCapture | None = self._open()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._fps = fps if math.isfinite(fps) and 0 < fps < 10_000 else math.nan
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._count = int(count) if math.isfinite(count) and count > 0 else None
        self._index = 0
        self._round_index = 0
        self._round_start = 0.0
        self._first_time: float | None = None
        self._last_stamp = -math.inf
        self._said = False

    @property
    def name(self) -> str:
        """What the user called it."""
        return self._name

    @property
    def live(self) -> bool:
        """False: stamps are media time."""
        return False

    @property
    def fps(self) -> float:
        """Frames a second on average, as the container says; NaN when it does not."""
        return self._fps

    @property
    def length(self) -> int | None:
        """Number of frames as the container says; None when it does not or loops."""
        return None if self._loop else self._count

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        What is damaged is passed over; at the end it is said how much that was.

        Raises:
            SourceError: The file holds no frame that can be read, or is closed.
        """
        with self._lock:
            if self._closed:
                raise SourceError(f"{self._name} is closed")
            frame = self._read()
            if frame is None and self._loop and self._round_index > 0:
                self._begin_again()
                frame = self._read()
            if frame is None and self._index == 0:
                raise SourceError(f"{self._name} is damaged: none of its frames can be read")
            return frame

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._closed = True
            if self._capture is not None:
                self._capture.release()
                self._capture = None

    def _open(self) -> cv2.VideoCapture:
        try:
            with self._path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise SourceError(f"cannot open {self._name}: {error.strerror or error}") from None
        if empty:
            raise SourceError(f"{self._name} is empty")
        with quiet_opening():
            capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(
                f"{self._name} is no video that can be read, or its head is damaged or cut off"
            )
        return capture

    def _read(self) -> Frame | None:
        capture = self._capture
        if capture is None:
            return None
        for _ in range(_FAILED_READS):
            found, image = capture.read()
            if found:
                break
            if self._count is not None and self._round_index >= self._count:
                return None
        else:
            self._say_loss()
            return None
        media = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        if self._first_time is None:
            self._first_time = media
        stamp = self._round_start + media - self._first_time
        if not stamp > self._last_stamp:
            # no time in the container, or one that does not rise
            stamp = self._last_stamp + self._frame_seconds()
        if math.isinf(stamp):
            stamp = 0.0
        frame = Frame(np.asarray(image, np.uint8), stamp, self._index, self._path.name, "bgr")
        self._last_stamp = stamp
        self._index += 1
        self._round_index += 1
        return frame

    def _begin_again(self) -> None:
        # opened anew: seeking back is not exact in every container
        if self._capture is not None:
            self._capture.release()
        self._capture = self._open()
        self._round_start = self._last_stamp + self._frame_seconds()
        self._round_index = 0
        self._first_time = None

    def _frame_seconds(self) -> float:
        return 1.0 / (self._fps if self._fps > 0 else 30.0)

    def _say_loss(self) -> None:
        # containers without an index estimate the count from the length in seconds
        missing = (self._count or 0) - self._round_index
        if self._said or self._count is None or missing <= max(1, self._count // 100):
            return
        self._said = True
        _log.warning(
            "%s is damaged or cut off: %d of its %d frames cannot be read",
            self._name, missing, self._count,
        )  # fmt: skip
