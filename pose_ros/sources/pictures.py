"""Pictures: one, or many as the frames of a sequence."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from pose_ros.core.encoded_images import (
    DEFAULT_MAX_PIXELS,
    FILE_FORMATS,
    decode_opaque,
    image_format,
)
from pose_ros.core.types import Frame, Image
from pose_ros.errors import DocumentError, ImageError, OptionError, SourceError, printable
from pose_ros.files import natural_key, read_file

PICTURE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
UNREAD_SUFFIXES = frozenset({".avif", ".heic", ".heif", ".jp2", ".jxl"})
"""Of pictures that are reported rather than passed over: they have to be converted first."""

DEFAULT_SEQUENCE_FPS = 30.0

_MAX_FILE_BYTES = 1 << 30
_CONVERT = {
    "HEIC": "heif-convert (apt install libheif-examples) makes a JPEG of it",
    "AVIF": "heif-convert (apt install libheif-examples) makes a JPEG of it",
    "JPEG 2000": "opj_decompress (apt install libopenjp2-tools) makes a PNG of it",
    "JPEG XL": "djxl (apt install libjxl-tools) makes a PNG of it",
}

_log = logging.getLogger(__name__)


def read_picture(path: str | Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """Return a picture as (H, W, 3) uint8 BGR, upright as its EXIF data say.

    Gray becomes three equal channels, 16 bits become 8, and what is transparent
    is laid on white.

    Args:
        path: The file.
        max_pixels: Width times height above which it is refused, before it is decoded.

    Raises:
        SourceError: The file is not there, is no picture, is too large or is damaged.
    """
    try:
        size = Path(path).stat().st_size
        data = read_file(path, min(size, _MAX_FILE_BYTES))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    except DocumentError as error:
        raise SourceError(str(error)) from None
    if cure := _CONVERT.get(image_format(data[:16])):
        raise SourceError(f"{path} is {image_format(data[:16])}, which is not read: {cure}")
    try:
        return decode_opaque(data, formats=FILE_FORMATS, max_pixels=max_pixels)
    except ImageError as error:
        raise SourceError(f"cannot read the picture {path}: {error}") from None


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder in natural order, hidden ones left out.

    Raises:
        SourceError: There is none, or the folder may not be read.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from None
    suffixes = PICTURE_SUFFIXES | UNREAD_SUFFIXES
    found = [p for p in entries if p.suffix.lower() in suffixes and p.name[0] != "."]
    found = [p for p in found if p.is_symlink() or not p.is_dir()]
    if not found:
        raise SourceError(
            f"there is no picture in the folder {folder}; looked for "
            + ", ".join(sorted(PICTURE_SUFFIXES))
        )
    return sorted(found, key=natural_key)


class PictureSource:
    """A ``Source`` of pictures in the given order; frame i is stamped i / fps.

    One picture that cannot be read is an error; among several it is left out and
    said once, and its number and stamp stay unused.
    """

    live = False

    def __init__(
        self,
        paths: Iterable[str | Path],
        *,
        name: str,
        fps: float | None = None,
        loop: bool = False,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        """Note the files; each is read when its turn comes.

        Args:
            paths: One or more files.
            name: What the user called them.
            fps: Frames a second, above 0; None means 30.
            loop: Begin again after the last; stamps go on rising.
            max_pixels: As ``read_picture`` takes it.

        Raises:
            OptionError: ``fps`` is out of its range.
            SourceError: There are no files.
        """
        if fps is not None and not (math.isfinite(fps) and fps > 0):
            raise OptionError(f"fps must be above 0, got {fps}")
        self._paths: Sequence[Path] = [Path(path) for path in paths]
        if not self._paths:
            raise SourceError(f"{name}: no pictures")
        self.name, self.fps, self._loop = printable(name), fps or DEFAULT_SEQUENCE_FPS, loop
        self.length = None if loop else len(self._paths)
        self._max_pixels = max_pixels
        self._next = 0
        self._unreadable: set[Path] = set()
        self._closed = False

    def read(self) -> Frame | None:
        """Return the next picture that can be read, or None at the end.

        Raises:
            SourceError: It cannot be read and is the only one, or none can be
                read, or the source is closed.
        """
        if self._closed:
            raise SourceError(f"{self.name} is closed")
        while self._loop or self._next < len(self._paths):
            index = self._next
            self._next += 1
            path = self._paths[index % len(self._paths)]
            if path in self._unreadable:
                continue
            try:
                image = read_picture(path, self._max_pixels)
            except SourceError as error:
                self._unreadable.add(path)
                if len(self._paths) == 1:
                    raise
                _log.warning("%s; it is left out", error)
                if self._unreadable.issuperset(self._paths):
                    raise SourceError(f"{self.name}: none of the pictures can be read") from None
                continue
            return Frame(image, index / self.fps, index, printable(path.name), "bgr")
        return None

    def close(self) -> None:
        """Forget the files."""
        self._closed = True
