"""Video files and animated pictures, with the presentation times of their container."""

from __future__ import annotations

import logging
import math
import struct
import threading
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.encoded_images import (
    DEFAULT_MAX_PIXELS,
    check_header,
    check_size,
    decode_layers,
    decode_opaque,
    on_white,
    select_tiff_page,
    tiff_pages,
)
from pose_ros.core.types import Frame
from pose_ros.errors import ImageError, SourceError, printable
from pose_ros.sources.file_kinds import ANIMATED_WEBP, TIFF_PAGES, check_regular, read_animation
from pose_ros.video_files import (
    DEFAULT_FPS,
    HEAD_BYTES,
    VideoImage,
    VideoReader,
    video_container,
)

_DEFAULT_SECONDS = 0.1  # of a frame that has no duration, as browsers show it
_UNKNOWN: int | None = None
_STILL = frozenset({"WebP"})


class AnimationReader:
    """The pictures of a file in memory, one after the other.

    Attributes:
        fps: Pictures a second; NaN where each has a duration of its own.
        length: Number of pictures; None where it is known at the end alone.

    Args:
        data: What the file holds.
        kind: ``ANIMATED_WEBP`` or ``TIFF_PAGES``.
        name: What the user calls it, for messages.
        max_pixels: Width times height above which a picture is refused, before it is decoded.
        fps: Pages of a TIFF a second; None: 30.

    Raises:
        SourceError: It is damaged, or its pictures are too large.
    """

    def __init__(
        self, data: bytes, kind: str, name: str, max_pixels: int, fps: float | None = None
    ) -> None:
        self._name, self._failed, self._count = printable(name), 0, 0
        self._is_cut = False
        self.fps, self.length = math.nan, _UNKNOWN
        try:
            if kind == TIFF_PAGES:
                pages = [page for page in tiff_pages(data) if not page.is_preview]
                self.fps, self.length = fps or DEFAULT_FPS, len(pages)
                decoded = _pages(data, max_pixels)
            else:
                width, height = _canvas(data)
                check_size(width, height, max_pixels)
                self._is_cut = struct.unpack_from("<I", data, 4)[0] + 8 > len(data)
                decoded = _webp_frames(data, (width, height), max_pixels)
        except ImageError as error:
            raise SourceError(f"{self._name}: {error}") from None
        self._pictures = self._timed(decoded)

    def read(self) -> VideoImage | None:
        """Return the next picture that can be decoded, or None at the end."""
        return next(self._pictures, None)

    def loss(self) -> str:
        """Return in words what was lost up to the end; empty where nothing was."""
        if self._failed:
            return f"{self._failed} of its {self._count} pictures cannot be read"
        return "the file is shorter than it says" if self._is_cut else ""

    def close(self) -> None:
        """Forget the data."""
        self._pictures.close()

    def _timed(
        self, pictures: Iterator[_Picture | ImageError]
    ) -> Generator[VideoImage, None, None]:
        seconds = 0.0
        for picture in pictures:
            self._count += 1
            duration = 1.0 / self.fps if self.fps > 0 else _DEFAULT_SECONDS
            if isinstance(picture, ImageError):
                self._failed += 1
            else:
                duration = picture.seconds or duration
                yield VideoImage(picture.image, seconds, duration)
            seconds += duration


class _Picture(NamedTuple):
    image: NDArray[np.uint8]
    seconds: float


def _pages(data: bytes, max_pixels: int) -> Iterator[_Picture | ImageError]:
    for page in tiff_pages(data):
        if page.is_preview:
            continue
        try:
            selected = select_tiff_page(data, page)
            image = decode_opaque(selected, formats=frozenset({"TIFF"}), max_pixels=max_pixels)
        except ImageError as error:
            yield error
        else:
            yield _Picture(image, 0.0)


def _canvas(data: bytes) -> tuple[int, int]:
    """Return width and height of an animated WebP."""
    if data[12:16] != b"VP8X" or len(data) < 30:
        raise ImageError("the header of the WebP is damaged")
    return 1 + _uint24(data, 24), 1 + _uint24(data, 27)


def _webp_frames(
    data: bytes, size: tuple[int, int], max_pixels: int
) -> Iterator[_Picture | ImageError]:
    """Yield what an animated WebP shows, frame by frame.

    Each frame is a still WebP of its own, put into a rectangle of the canvas:
    https://developers.google.com/speed/webp/docs/riff_container
    """
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    for kind, frame in _chunks(data, 12):
        if kind != b"ANMF":
            continue
        try:
            if len(frame) < 16:
                raise ImageError("a frame is cut short")  # noqa: TRY301
            x, y = 2 * _uint24(frame, 0), 2 * _uint24(frame, 3)
            width, height = 1 + _uint24(frame, 6), 1 + _uint24(frame, 9)
            if x + width > size[0] or y + height > size[1]:
                raise ImageError("a frame lies outside of the picture")  # noqa: TRY301
            layers = _still(frame, width, height, max_pixels)
        except ImageError as error:
            yield error
            continue
        place = canvas[y : y + height, x : x + width]
        keeps_ground, clears = not frame[15] & 2, bool(frame[15] & 1)
        _put(place, layers, blend=keeps_ground)
        alpha = canvas[..., 3].astype(np.float32) / np.float32(255.0)
        image = on_white(canvas[..., :3], alpha)
        yield _Picture(np.ascontiguousarray(image), _uint24(frame, 12) / 1000.0)
        if clears:
            place[:] = 0


def _still(frame: bytes, width: int, height: int, max_pixels: int) -> NDArray[Any]:
    """Return the (height, width, 3 or 4) uint8 BGR or BGRA of one frame's chunk."""
    parts = dict(_chunks(frame, 16))
    chunks: list[tuple[bytes, bytes]] = [
        (kind, parts[kind]) for kind in (b"ALPH", b"VP8 ", b"VP8L") if kind in parts
    ]
    if b"ALPH" in parts:
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", b"\x10\0\0\0" + sides))
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for kind, part in chunks
    )
    still = b"RIFF" + struct.pack("<I", len(body)) + body
    header = check_header(still, _STILL, max_pixels)
    layers = decode_layers(still)
    if (header.width, header.height) != (width, height) or layers is None:
        raise ImageError("a frame is damaged")
    if layers.shape[:2] != (height, width) or layers.ndim != 3 or layers.dtype != np.uint8:
        raise ImageError("a frame is damaged")
    return layers


def _put(place: NDArray[np.uint8], layers: NDArray[np.uint8], *, blend: bool) -> None:
    """Put a frame on its place of the canvas, over what is there or instead of it."""
    if layers.shape[2] == 3:
        place[..., :3], place[..., 3] = layers, 255
        return
    if not blend:
        place[:] = layers
        return
    over = layers[..., 3:].astype(np.float32) / np.float32(255.0)
    under = place[..., 3:].astype(np.float32) / np.float32(255.0) * (1.0 - over)
    alpha = over + under
    color = layers[..., :3] * over + place[..., :3] * under
    place[..., :3] = np.rint(color / np.maximum(alpha, np.float32(1e-6)))
    place[..., 3:] = np.rint(255.0 * alpha)


def _chunks(data: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (name, content) of each chunk from a place on, the last one maybe cut short."""
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _uint24(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")


_log = logging.getLogger(__name__)


class VideoSource:
    """A ``Source``: a video or an animated picture. Stamps are media time from 0 and always rise.

    Attributes:
        loss: What was lost, in words, once the end was read; empty where nothing was.
    """

    live = False

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
        self.name = printable(name or path)
        self._short_name = printable(Path(urlsplit(self._address or "").path or path).name)
        self._max_pixels, self._container, self._page_fps = max_pixels, container, fps
        self._lock = threading.Lock()
        self._closed = False
        self._file: IO[bytes] | None = None
        self._reader: VideoReader | AnimationReader | None = None
        self._reader = self._open()
        self.fps = self._reader.fps
        self.length = None if loop else self._reader.length
        self._index = 0
        self._round_index = 0
        self._round_start = 0.0
        self._first_time: float | None = None
        self._last_stamp = -math.inf
        self._last_duration = math.nan
        self.loss = ""

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        What is damaged is passed over; at the end it is said how much that was.

        Raises:
            SourceError: The file holds no frame that can be read, or is closed.
        """
        with self._lock:
            if self._closed:
                raise SourceError(f"{self.name} is closed")
            frame = self._read()
            if frame is None and self._loop and self._round_index > 0:
                self._begin_again()
                frame = self._read()
            if frame is None:
                self._release()
                if self._index == 0:
                    raise SourceError(f"{self.name} is damaged: none of its frames can be read")
            return frame

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._closed = True
            self._release()

    def _open(self) -> VideoReader | AnimationReader:
        kind = self._container
        if self._address is not None:
            return VideoReader(self._address, kind or "", self.name, self._max_pixels)
        if kind in (ANIMATED_WEBP, TIFF_PAGES):
            data = read_animation(self._path, self.name)
            return AnimationReader(data, kind, self.name, self._max_pixels, self._page_fps)
        check_regular(self._path, self.name)
        try:
            self._file = self._path.open("rb")
            weakref.finalize(self, self._file.close)  # as a capture that is never closed
            head = self._file.read(HEAD_BYTES)
            self._file.seek(0)
        except OSError as error:
            self._release()
            reason = error.strerror or error
            raise SourceError(f"cannot open {self.name}: {reason}") from None
        try:
            container = self._container_of(head)
            return VideoReader(self._file, container, self.name, self._max_pixels)
        except BaseException:
            self._release()
            raise

    def _container_of(self, head: bytes) -> str:
        if not head:
            raise SourceError(f"{self.name} is empty")
        container = self._container or video_container(head, self._path.name)
        if not container:
            raise SourceError(f"{self.name} is no video that can be read")
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
        return 1.0 / (self.fps if self.fps > 0 else DEFAULT_FPS)

    def _say_loss(self, reader: VideoReader | AnimationReader) -> None:
        if not self.loss and self._index and (loss := reader.loss()):
            self.loss = f"damaged or cut off: {loss}"
            _log.warning("%s is %s", self.name, self.loss)
