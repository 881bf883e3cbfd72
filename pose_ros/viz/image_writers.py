"""Writes overlays: pictures by a name pattern, or one video."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Protocol

import cv2

from pose_ros.core.types import Frame, Image, Poses
from pose_ros.errors import OutputError
from pose_ros.viz import overlay

VIDEO_SUFFIXES = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v"}
DEFAULT_FPS = 30.0

_PLACE = re.compile(r"%(s|0?\d*[id])")


class ImageWriter(Protocol):
    """Takes images one by one."""

    def write(self, frame: Frame, image: Image) -> None:
        """Write the image, BGR, that was made of ``frame``."""

    def close(self) -> None:
        """Finish the file."""


def open_writer(target: str, fps: float = math.nan) -> ImageWriter:
    """Open an output by its name: a video by its suffix, pictures otherwise.

    Args:
        target: ``out.mp4``, ``out/%s.jpg`` (the source's name), ``out/%04i.png``
            (numbered from 0), ``out/%s_%i.png`` (each source's frames), or a folder.
        fps: Of the video; 30 when NaN.
    """
    if Path(target).suffix.lower() in VIDEO_SUFFIXES and not _PLACE.search(target):
        return VideoFile(Path(target), fps if math.isfinite(fps) and fps > 0 else DEFAULT_FPS)
    return Pictures(target)


def write_overlay(
    writer: ImageWriter, frame: Frame, poses: Poses, hands: Poses | None, **drawing: Any
) -> None:
    """Write a frame with its people and their hands drawn in.

    Args:
        writer: Takes the image.
        frame: As it was captured; it is not changed.
        poses: The people.
        hands: Theirs; None where nobody looked for them.
        drawing: How they are drawn, as ``overlay.draw`` takes it.

    Raises:
        OutputError: The image cannot be written.
    """
    image = frame.image.copy()
    overlay.draw(image, poses, hands=hands, channels=frame.channels, **drawing)
    if frame.channels == "rgb":
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=image)
    writer.write(frame, image)


class VideoFile:
    """One video; its size is that of the first image."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self._fps = fps
        self._size: tuple[int, int] | None = None
        self._writer: cv2.VideoWriter | None = None
        self._frames = 0

    def write(self, frame: Frame, image: Image) -> None:
        """Append an image.

        Raises:
            OutputError: The video cannot be written, or the image has another size.
        """
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            _make_folder(self.path)
            code = cv2.VideoWriter.fourcc(*VIDEO_SUFFIXES[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self.path), code, self._fps, size)
            self._size = size
            if not self._writer.isOpened():
                raise OutputError(f"cannot write the video {self.path}")
        if size != self._size:
            raise OutputError(
                f"{self.path} is {self._size}, {frame.source} is {size}: "
                "write pictures of different sizes with a pattern such as --out out/%s.jpg"
            )
        self._writer.write(image)
        self._frames += 1

    def close(self) -> None:
        """Finish the video; without this it cannot be played.

        Raises:
            OutputError: It lacks frames: the disk is full.
        """
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            # OpenCV says nothing of a disk that is full; counts are exact within a frame
            if _frames_in(self.path) < self._frames - 1:
                raise OutputError(f"cannot write the video {self.path}: is the disk full?")


def _frames_in(path: Path) -> float:
    """Return how many frames a video has; 0 for what is none."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0.0
    finally:
        capture.release()


class Pictures:
    """One picture a frame, named by a pattern.

    Beside the source's name a number is that of the frame in its source; alone it counts
    all pictures of the run, so that those of many sources have names of their own.
    """

    def __init__(self, pattern: str) -> None:
        if pattern.endswith("/") or Path(pattern).is_dir():
            pattern = str(Path(pattern) / "%s.jpg")
        self._pattern = pattern
        self._written: set[Path] = set()

    def write(self, frame: Frame, image: Image) -> None:
        """Write one picture.

        Raises:
            OutputError: It cannot be written, or its name was used in this run.
        """
        by_source = "%s" in self._pattern
        number = frame.index if by_source else len(self._written)
        path = Path(fill_pattern(self._pattern, frame.source, number))
        if path in self._written:
            raise OutputError(
                f"{path} would be written twice: let all pictures be numbered, "
                "as in --out out/%04i.jpg, or write a video, --out out.mp4"
            )
        _make_folder(path)
        try:
            done = cv2.imwrite(str(path), image)
        except cv2.error as error:
            raise OutputError(f"cannot write {path}: no such picture format") from error
        if not done:
            raise OutputError(f"cannot write {path}: is the folder writable?")
        self._written.add(path)

    def close(self) -> None:
        """Nothing is open."""


def fill_pattern(pattern: str, source: str, number: int) -> str:
    """Return a file name: ``%s`` is the source's stem, ``%i``, ``%d``, ``%04i`` the number."""

    def fill(match: re.Match[str]) -> str:
        place = match.group(1)
        if place == "s":
            return Path(source).stem or "image"
        return f"%{place[:-1]}d" % number

    return _PLACE.sub(fill, pattern)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
