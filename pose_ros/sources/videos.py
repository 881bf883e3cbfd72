"""Video files, with the presentation times of their container."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pose_ros.core.encoded_images import DEFAULT_MAX_PIXELS
from pose_ros.core.types import Frame
from pose_ros.errors import SourceError, printable
from pose_ros.sources.animations import ANIMATED_WEBP, TIFF_PAGES, AnimationReader
from pose_ros.sources.file_kinds import check_regular, read_animation
from pose_ros.video_files import (
    DEFAULT_FPS,
    HEAD_BYTES,
    VideoImage,
    VideoReader,
    video_container,
)

_log = logging.getLogger(__name__)


class VideoSource:
    """A video or an animated picture. Stamps are media time from 0 and always rise."""

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        loop: bool = False,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        container: str | None = None,
        fps: float | None = None,
    ) -> None:
        """Open the video.

        Args:
            path: The file; a text with ``://`` is its address on a web server.
            name: What the user called it; the path when None.
            loop: Begin again at the end; stamps go on rising.
            max_pixels: Width times height above which it is refused, before it is decoded.
            container: As ``kind_of`` names it; None: by the first bytes of the file.
            fps: Pages of a TIFF a second; None: 30.

        Raises:
            SourceError: It is not there, is no video that can be read, or its pictures are too
                large.
        """
        self._address = path if isinstance(path, str) and "://" in path else None
        self._path, self._loop = Path(path), loop
        self._name = printable(name or path)
        self._short_name = printable(Path(urlsplit(self._address or "").path or path).name)
        self._max_pixels, self._container, self._page_fps = max_pixels, container, fps
        self._lock = threading.Lock()
        self._closed = False
        self._file: IO[bytes] | None = None
        self._reader: VideoReader | AnimationReader | None = None
        self._reader = self._open()
        self._fps, self._count = self._reader.fps, self._reader.length
        self._index = 0
        self._round_index = 0
        self._round_start = 0.0
        self._first_time: float | None = None
        self._last_stamp = -math.inf
        self._last_duration = math.nan
        self._loss = ""

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
        """Number of frames; None where the container does not count them, or it loops."""
        return None if self._loop else self._count

    @property
    def loss(self) -> str:
        """What was lost, in words, once the end was read; empty where nothing was."""
        return self._loss

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
            if frame is None:
                self._release()
                if self._index == 0:
                    raise SourceError(f"{self._name} is damaged: none of its frames can be read")
            return frame

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._closed = True
            self._release()

    def _open(self) -> VideoReader | AnimationReader:
        kind = self._container
        if self._address is not None:
            return VideoReader(self._address, kind or "", self._name, self._max_pixels)
        if kind in (ANIMATED_WEBP, TIFF_PAGES):
            data = read_animation(self._path, self._name)
            return AnimationReader(data, kind, self._name, self._max_pixels, self._page_fps)
        check_regular(self._path, self._name)
        try:
            self._file = self._path.open("rb")
            weakref.finalize(self, self._file.close)  # as a capture that is never closed
            head = self._file.read(HEAD_BYTES)
            self._file.seek(0)
        except OSError as error:
            self._release()
            reason = error.strerror or error
            raise SourceError(f"cannot open {self._name}: {reason}") from None
        try:
            container = self._container_of(head)
            return VideoReader(self._file, container, self._name, self._max_pixels)
        except BaseException:
            self._release()
            raise

    def _container_of(self, head: bytes) -> str:
        if not head:
            raise SourceError(f"{self._name} is empty")
        container = self._container or video_container(head, self._path.name)
        if not container:
            raise SourceError(f"{self._name} is no video that can be read")
        return container

    def _release(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> Frame | None:
        if self._reader is None:
            return None
        shown = self._reader.read()
        if shown is None:
            self._say_loss(self._reader)
            return None
        stamp = self._stamp_of(shown)
        frame = Frame(shown.image, stamp, self._index, self._short_name, "bgr")
        self._last_stamp, self._last_duration = stamp, shown.duration
        self._index += 1
        self._round_index += 1
        return frame

    def _stamp_of(self, shown: VideoImage) -> float:
        if self._first_time is None and math.isfinite(shown.seconds):
            self._first_time = shown.seconds
        stamp = self._round_start + shown.seconds - (self._first_time or 0.0)
        if not stamp > self._last_stamp:
            # no time in the container, or one that does not rise
            stamp = self._last_stamp + self._frame_seconds()
        return stamp if math.isfinite(stamp) else 0.0

    def _begin_again(self) -> None:
        # the file is opened again: seeking back is not exact in every container
        self._release()
        self._reader = self._open()
        last = self._last_duration
        self._round_start = self._last_stamp + (last if last > 0 else self._frame_seconds())
        self._round_index = 0
        self._first_time = None

    def _frame_seconds(self) -> float:
        return 1.0 / (self._fps if self._fps > 0 else DEFAULT_FPS)

    def _say_loss(self, reader: VideoReader | AnimationReader) -> None:
        if not self._loss and self._index and (loss := reader.loss()):
            self._loss = f"damaged or cut off: {loss}"
            _log.warning("%s is %s", self._name, self._loss)
