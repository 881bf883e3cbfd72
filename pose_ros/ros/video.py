"""Writes stamped images into a video that plays in real time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from pose_ros.core.types import Channels, Image
from pose_ros.errors import OutputError

# What OpenCV's wheels can write everywhere; Motion JPEG needs no encoder of its own.
_FORMATS = ((".mp4", "mp4v"), (".avi", "MJPG"))
_LONGEST_GAP_SECONDS = 5.0


class VideoRecorder:
    """A video file with a constant rate: an image is shown until the next one's stamp.

    Args:
        path: Of the video; with another suffix than ``.avi`` it becomes MP4, and
            AVI where there is no encoder for that.
        fps: Frames a second of the file.
    """

    def __init__(self, path: Path, fps: float = 30.0) -> None:
        self.path = path
        self.frames = 0
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._start = 0.0
        self._last: Image | None = None

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
        """Write an image at its place in time; one older than the last is left out.

        Args:
            image: (H, W, 3) uint8; another size than the first is scaled to it.
            channels: Of the image.
            stamp: Seconds.

        Raises:
            OutputError: The file cannot be written.
        """
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            self._open(size)
            self._start = stamp
        picture = image if channels == "bgr" else image[..., ::-1]
        if size != self._size:
            picture = np.asarray(cv2.resize(picture, self._size), np.uint8)
        missing = round((stamp - self._start) * self._fps) - self.frames
        longest = round(_LONGEST_GAP_SECONDS * self._fps)
        if missing > longest:
            self._start += (missing - longest) / self._fps
            missing = longest
        for _ in range(missing):
            self._write(self._last)
        if missing >= 0:
            self._write(picture)
        self._last = picture

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def _write(self, image: Image | None) -> None:
        if self._writer is not None and image is not None:
            self._writer.write(np.ascontiguousarray(image))
            self.frames += 1

    def _open(self, size: tuple[int, int]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.path.parent}: {error.strerror}") from None
        formats = [f for f in _FORMATS if self.path.suffix != ".avi" or f[0] == ".avi"]
        for suffix, code in formats:
            path = self.path.with_suffix(suffix)
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), self._fps, size)
            if writer.isOpened():
                self.path, self._size, self._writer = path, size, writer
                return
        raise OutputError(f"cannot write the video {self.path}: is the folder writable?")
