"""Writes stamped images into a video that plays in real time, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from pose_ros.core.types import Channels, Image
from pose_ros.errors import OutputError, PoseRosError
from pose_ros.video_files import VIDEO_SUFFIXES, VideoWriter

_SUFFIX = ".mp4"
_LONGEST_GAP_SECONDS = 5.0
_WAITING = 30
"""Images that wait to be encoded; who has more waits for them."""


class VideoRecorder:
    """A video in which an image is shown until the next one's stamp, and no longer than 5 s.

    Images are encoded in a thread, so that whoever adds them has time for what comes next.

    Args:
        path: Of the video; with a suffix of no video it becomes MP4.
    """

    def __init__(self, path: Path) -> None:
        suffix = path.suffix.lower()
        self.path = path if suffix in VIDEO_SUFFIXES else path.with_suffix(_SUFFIX)
        self.frames = 0
        """Images written; all of them once it is closed."""
        self._writer = VideoWriter(self.path)
        self._images: queue.Queue[tuple[Image, Channels, float] | None]
        self._images = queue.Queue(_WAITING)
        self._error: PoseRosError | None = None
        self._seconds, self._stamp = 0.0, -np.inf
        self._thread: threading.Thread | None = None

    def __enter__(self) -> VideoRecorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, image: Image, channels: Channels, stamp: float) -> None:
        """Have an image written at its place in time; one older than the last is left out.

        Args:
            image: (H, W, 3) uint8, which is not written to any more; another size than the
                first is scaled to it.
            channels: Of the image.
            stamp: Seconds.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._begin()
        self._images.put((image, channels, stamp))

    def close(self) -> None:
        """Wait until all is written, and finish the file.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._thread is None:
            return
        self._images.put(None)
        self._thread.join()
        self._thread = None
        self._writer.close()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _begin(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.path.parent}: {error.strerror}") from None
        self._thread = threading.Thread(target=self._run, name="video", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._images.get()) is not None:
            if self._error is not None:
                continue  # no reader shall wait for a place in the queue
            try:
                self._write(*item)
            except PoseRosError as error:
                self._error = error

    def _write(self, image: Image, channels: Channels, stamp: float) -> None:
        step = stamp - self._stamp
        if step <= 0:
            return
        self._seconds += min(step, _LONGEST_GAP_SECONDS) if self.frames else 0.0
        self._stamp = stamp
        picture = image if channels == "bgr" else image[..., ::-1]
        size = (image.shape[1], image.shape[0])
        if self.frames and size != self._writer.size:
            picture = np.asarray(cv2.resize(picture, self._writer.size), np.uint8)
        self._writer.write(picture, self._seconds)
        self.frames += 1
