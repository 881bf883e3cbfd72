"""Animated WebP and TIFF of several pages: what FFmpeg does not read, picture by picture."""

from __future__ import annotations

import math
import struct
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.encoded_images import (
    check_header,
    check_size,
    decode_layers,
    decode_opaque,
    on_white,
    select_tiff_page,
    tiff_pages,
)
from pose_ros.errors import ImageError, SourceError, printable
from pose_ros.video_files import DEFAULT_FPS, VideoImage

ANIMATED_WEBP, TIFF_PAGES = "animated WebP", "TIFF of several pages"
"""What ``AnimationReader`` reads."""

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
