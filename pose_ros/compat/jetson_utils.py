"""The parts of jetson-utils that programs with ``poseNet`` use, over our sources and writers.

Images are arrays in main memory: (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Frame, Image, validate_image
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.sources.names import without_scheme
from pose_ros.sources.opening import open_source
from pose_ros.sources.pictures import DEFAULT_SEQUENCE_FPS, read_picture
from pose_ros.viz.image_writers import ImageWriter, PicturePattern, Pictures, VideoFile, is_video

__all__ = [
    "Log",
    "cudaFromNumpy",
    "cudaToNumpy",
    "loadImage",
    "saveImage",
    "videoOutput",
    "videoSource",
]


class JetsonImage(np.ndarray[Any, Any]):
    """An array that has the attributes of a ``cudaImage`` too."""

    timestamp = 0
    """Nanoseconds."""
    format = "rgb8"

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.shape[0])

    @property
    def channels(self) -> int:
        """Three."""
        return int(self.shape[2])


class JetsonSource:
    """jetson-utils' ``videoSource``, over whatever ``pose_ros.open_source`` opens."""

    def __init__(self, uri: str, argv: Sequence[str] = (), options: Any = None) -> None:
        """Open a camera, a stream, a file or a drawn scene.

        Args:
            uri: As ``pose_ros.open_source`` takes it; ``v4l2://`` and ``file://`` will do too.
            argv: For jetson-utils' flags, none of which has a meaning here.
            options: Likewise.

        Raises:
            SourceError: There is nothing of that name, or it cannot be opened.
        """
        self._source = open_source(uri)
        # of a file, the last image is known as the last
        self._next: Frame | None = None if self._source.live else self._source.read()
        self._streaming = self._source.live or self._next is not None
        self._size = (0, 0) if self._next is None else (self._next.width, self._next.height)

    def Capture(self, format: str = "rgb8", timeout: int = 1000) -> JetsonImage:  # noqa: A002
        """Return the next image.

        Args:
            format: ``rgb8``; there is no other.
            timeout: Changes nothing: the source decides how long a camera is waited for.

        Raises:
            SourceError: The source has ended, or broke.
            OptionError: Another format is asked for.
        """
        if format != "rgb8":
            raise OptionError(f"format must be rgb8, got {format!r}")
        frame = self._source.read() if self._source.live else self._next
        if frame is not None and not self._source.live:
            self._next = self._source.read()
        self._streaming = frame is not None if self._source.live else self._next is not None
        if frame is None:
            raise SourceError(f"{self._source.name} has ended; ask IsStreaming() before Capture()")
        self._size = frame.width, frame.height
        image = cudaFromNumpy(frame.image if frame.channels == "rgb" else _reversed(frame.image))
        image.timestamp = round(frame.stamp * NANOSECONDS)
        return image

    def IsStreaming(self) -> bool:
        """Return whether there is another image."""
        return self._streaming

    def GetWidth(self) -> int:
        """Return pixels; 0 before a camera's first image."""
        return self._size[0]

    def GetHeight(self) -> int:
        """Return pixels; 0 before a camera's first image."""
        return self._size[1]

    def GetFrameRate(self) -> float:
        """Return images a second; NaN where unknown."""
        return self._source.fps

    def Close(self) -> None:
        """Release the device or file."""
        self._streaming = False
        self._source.close()

    @staticmethod
    def Usage() -> str:
        """Return what may be opened."""
        return "videoSource: a device, a stream, a video, a bag, pictures, or synthetic\n"


class JetsonOutput:
    """jetson-utils' ``videoOutput`` into a video or pictures; nothing opens a window."""

    def __init__(self, uri: str = "", argv: Sequence[str] = (), options: Any = None) -> None:
        """Name what is written.

        Args:
            uri: A video such as ``out.mp4``, a picture, a pattern such as ``out_%i.jpg`` or a
                folder; empty for nothing.
            argv: For jetson-utils' flags, none of which has a meaning here.
            options: Likewise.

        Raises:
            OptionError: It is a window or a stream.
            OutputError: There is no format of that name.
        """
        scheme, found, _ = uri.partition("://")
        if found and scheme != "file":
            raise OptionError(f"cannot write to {uri}: a file or a folder can be written")
        target = without_scheme(uri)
        self._writer: ImageWriter | None = None
        if target and is_video(target):
            self._writer = VideoFile(Path(target), DEFAULT_SEQUENCE_FPS)
        elif target:
            pattern = PicturePattern.of(target)
            self._writer = Pictures(pattern, pattern.folder)
        self._count = 0
        # programs do not close it, and a video has to be finished
        self._finalizer = weakref.finalize(self, self._writer.close if self._writer else int)

    def Render(self, image: Image) -> None:
        """Write an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            OutputError: It cannot be written.
        """
        stamp = getattr(image, "timestamp", 0) / NANOSECONDS or self._count / DEFAULT_SEQUENCE_FPS
        if self._writer is not None:
            self._writer.write(Frame(image, stamp, self._count, "frame"), _reversed(image))
        self._count += 1

    def SetStatus(self, text: str) -> None:
        """Change nothing: there is no title bar."""

    def IsStreaming(self) -> bool:
        """Return whether it is not closed."""
        return self._finalizer.alive

    def Close(self) -> None:
        """Finish the file."""
        self._finalizer()

    @staticmethod
    def Usage() -> str:
        """Return what may be written."""
        return "videoOutput: a video, a picture, a pattern such as out_%i.jpg, or a folder\n"


class Log:
    """jetson-utils' ``Log``; Python's ``logging`` has what pose_ros logs."""

    @staticmethod
    def Usage() -> str:
        """Return nothing."""
        return ""


def loadImage(filename: str) -> JetsonImage:
    """Return a picture, (H, W, 3) uint8 RGB.

    Raises:
        SourceError: It cannot be read.
    """
    return cudaFromNumpy(_reversed(read_picture(filename)))


def saveImage(filename: str, image: Image) -> None:
    """Write a picture.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        written = cv2.imwrite(filename, _reversed(validate_image(image)))
    except cv2.error:
        written = False
    if not written:
        raise OutputError(f"cannot write {filename}: no folder or picture format of that name")


def cudaFromNumpy(array: Image) -> JetsonImage:
    """Return an array as an image, in the same memory."""
    return array.view(JetsonImage)


def cudaToNumpy(image: Image) -> Image:
    """Return an image as an array, in the same memory."""
    return image.view(np.ndarray)


def _reversed(image: Image) -> Image:
    """Return an image with its color channels the other way round."""
    return np.ascontiguousarray(image[..., ::-1])


videoSource, videoOutput = JetsonSource, JetsonOutput
