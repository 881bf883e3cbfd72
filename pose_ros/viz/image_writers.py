"""Writes overlays: pictures by a name pattern, or one video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pose_ros.core.types import Frame, Image
from pose_ros.errors import OutputError, printable
from pose_ros.video_files import VIDEO_SUFFIXES, VideoWriter

OUTPUT_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Of pictures that can be written."""
FRAMES = "%s_%06i.jpg"
"""What the frames of a video are called in a folder."""

MOST_WIDTH = 1920
"""Pixels of images that stand side by side."""
_EMPTY = 40  # gray where a camera has no image
_PLACE = re.compile(r"%(s|0?\d*[id])")


class ImageWriter(Protocol):
    """Takes images one by one."""

    def write(self, frame: Frame, image: Image) -> None:
        """Write the image, BGR, that was made of ``frame``."""

    def close(self) -> None:
        """Finish the file."""


def is_video(target: str) -> bool:
    """Return whether a name asks for one video; it asks for pictures otherwise."""
    return Path(target).suffix.lower() in VIDEO_SUFFIXES and not _PLACE.search(target)


def side_by_side(pictures: Sequence[Image | None], width: int, height: int) -> Image:
    """Return the pictures of several cameras side by side, ``MOST_WIDTH`` wide at most.

    Args:
        pictures: (H, W, 3) uint8 each, the first camera's first; None where one has none.
        width: Pixels of the first camera, whose size all get, or less.
        height: Likewise.
    """
    columns = min(len(pictures), 2 if len(pictures) <= 4 else 3)
    scale = min(1.0, MOST_WIDTH / (columns * width))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (width, height))
    whole = np.full((-(-len(pictures) // columns) * height, columns * width, 3), _EMPTY, np.uint8)
    for number, picture in enumerate(pictures):
        if picture is None:
            continue
        fit = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * fit)), max(1, round(picture.shape[0] * fit))
        top, left = number // columns * height, number % columns * width
        place = whole[top : top + size[1], left : left + size[0]]
        place[:] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return whole


class VideoFile:
    """One video, in which each frame is shown at its stamp; its size is that of the first image.

    What follows from another source begins where the one before has ended.
    """

    def __init__(self, path: Path, fps: float, *, name: str | Path | None = None) -> None:
        """``fps``: of the last frame, 30 if NaN; ``name``: what messages call the file."""
        self.path, self._name = path, name or path
        self._writer = VideoWriter(path, fps, name=self._name)

    def write(self, frame: Frame, image: Image) -> None:
        """Append an image.

        Raises:
            OutputError: The video cannot be written, or the image has another size.
        """
        size, first = (image.shape[1], image.shape[0]), self._writer.size
        if first == (0, 0):
            _make_folder(self.path)
        elif size != first:
            raise OutputError(
                f"{self._name} is {first}, {frame.source} is {size}: "
                "write pictures of different sizes with a pattern such as --out out/%s.jpg"
            )
        self._writer.write(image, frame.stamp)

    def close(self) -> None:
        """Finish the video; without this it cannot be played.

        Raises:
            OutputError: It cannot be written: the disk is full, say.
        """
        self._writer.close()


@dataclass(frozen=True)
class PicturePattern:
    """What the pictures of a run are called.

    Attributes:
        folder: That all of them lie in.
        name: Of a picture below it: ``%s`` stands for the source's name, ``%i``, ``%d`` or
            ``%04i`` for a number. Empty: a folder in which each picture has the name of its
            source, and each frame of a video its number too.
    """

    folder: Path
    name: str = ""

    @classmethod
    def of(cls, target: str) -> PicturePattern:
        """Return what ``out/%s.jpg``, ``out/%04i.png``, ``one.jpg``, ``out/`` or ``out`` means.

        Raises:
            OutputError: There is no picture format of that name.
        """
        path = Path(target)
        if target.endswith("/") or path.is_dir() or not (path.suffix or _PLACE.search(target)):
            return cls(path)
        if path.suffix.lower() not in OUTPUT_SUFFIXES:
            raise OutputError(
                f"cannot write {target}: pictures end with {', '.join(sorted(OUTPUT_SUFFIXES))}, "
                f"videos with {', '.join(sorted(VIDEO_SUFFIXES))}, a folder with /"
            )
        parts = path.parts
        fixed = next(i for i in range(len(parts)) if _PLACE.search(parts[i]) or i == len(parts) - 1)
        return cls(Path(*parts[:fixed]), str(Path(*parts[fixed:])))

    @property
    def numbered(self) -> bool:
        """Whether it has a place for a number."""
        return not self.name or any(m[1] != "s" for m in _PLACE.finditer(self.name))

    @property
    def by_source(self) -> bool:
        """Whether it has a place for the source's name: the number is then that in the source."""
        return not self.name or "%s" in self.name

    def path(self, source: str, number: int, *, single: bool) -> str:
        """Return the name of a picture below the folder.

        Args:
            source: Name of its source.
            number: Of the picture in its source, or in the run where it is not ``by_source``.
            single: Whether the source is one picture.
        """
        pattern = self.name or ("%s.jpg" if single else FRAMES)
        return fill_pattern(pattern, source, number)

    def regex(self, sources: Iterable[str]) -> re.Pattern[str]:
        """Return what matches the names, below the folder, of all frames of videos and sequences.

        Args:
            sources: Their names.
        """
        stems = "|".join(sorted({re.escape(stem_of(source)) for source in sources}))
        pattern = re.escape(self.name or FRAMES)
        return re.compile(_PLACE.sub(lambda m: f"(?:{stems})" if m[1] == "s" else r"\d+", pattern))


class Pictures:
    """One picture a frame, named by a pattern; a name that is taken gets a number."""

    def __init__(self, pattern: PicturePattern, folder: Path) -> None:
        """Pictures are written into ``folder``, in place of that of the pattern."""
        self._pattern, self._folder = pattern, folder
        self._count = 0
        self.single = True
        """Whether the present source is one picture."""

    def write(self, frame: Frame, image: Image) -> None:
        """Write one picture.

        Raises:
            OutputError: It cannot be written.
        """
        number = frame.index if self._pattern.by_source else self._count
        name = self._apart(self._pattern.path(frame.source, number, single=self.single))
        shown, path = self._pattern.folder / name, self._folder / name
        try:
            _, data = cv2.imencode(path.suffix, image)
        except cv2.error as error:
            raise OutputError(f"cannot write {shown}: no such picture format") from error
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise OutputError(f"cannot write {shown}: {error.strerror or error}") from error
        self._count += 1

    def close(self) -> None:
        """Nothing is open."""

    def _apart(self, name: str) -> str:
        """Return a name that is not taken in this run: a.jpg, a_2.jpg, a_3.jpg."""
        path, count = Path(name), 1
        while (self._folder / name).exists():
            count += 1
            name = str(path.with_name(f"{path.stem}_{count}{path.suffix}"))
        return name


def stem_of(source: str) -> str:
    """Return what ``%s`` stands for: the name of a source's file without its ending."""
    return Path(printable(source)).stem or "image"


def fill_pattern(pattern: str, source: str, number: int) -> str:
    """Return a file name: ``%s`` is the source's stem, ``%i``, ``%d``, ``%04i`` the number."""

    def fill(match: re.Match[str]) -> str:
        place = match.group(1)
        if place == "s":
            return stem_of(source)
        return f"%{place[:-1]}d" % number

    return _PLACE.sub(fill, pattern)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
