"""Decodes pictures that lie in memory as a file holds them; the one place that does.

The format is known by the first bytes and the size is read from the header before a pixel is
decoded, so that neither a wrong name nor a huge size costs anything. OpenCV decodes only formats
that are named here: its decoders of rarer ones (JPEG 2000, OpenEXR) crash on damaged data.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.geometry import MAX_WARP_SIDE
from pose_ros.core.types import Image
from pose_ros.errors import ImageError
from pose_ros.settings.images import ImageOptions

LIVE_FORMATS = frozenset({"JPEG", "PNG", "WebP"})
"""What a CompressedImage may hold."""

FILE_FORMATS = LIVE_FORMATS | {"BMP", "PNM", "TIFF"}
"""What a picture file may hold."""

# A progressive JPEG has about ten scans; thousands of empty ones keep a decoder busy for minutes.
_MAX_JPEG_SCANS = 200
_MAX_TIFF_PAGES = 10_000
_MAX_TIFF_TILE = 4096  # pixels of a side that exceeds the picture's
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TIFF_MAGICS = {b"II*\0": "<", b"MM\0*": ">"}

# Formats by their first 16 bytes; those that are not decoded are here for their name in an error.
_FORMATS = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb"\xff\xd8\xff", "JPEG"),
        (rb"\x89PNG\r\n\x1a\n", "PNG"),
        (rb"RIFF....WEBP", "WebP"),
        (rb"II\*\0|MM\0\*", "TIFF"),
        (rb"BM.{13}\0", "BMP"),  # the size of its second header, 12 to 124, is at byte 14
        (rb"P[1-6][\s#]", "PNM"),
        (rb"GIF8", "GIF"),
        (rb"....ftyp(hei[cxms]|hevc|mif1|msf1)", "HEIC"),
        (rb"....ftypavi[fs]", "AVIF"),
        (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000"),
        (rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a", "JPEG XL"),
        (rb"v/1\x01", "OpenEXR"),
        (rb"#\?RADIANCE|#\?RGBE", "Radiance HDR"),
        (rb"II\+\0|MM\0\+", "BigTIFF"),
        (rb"8BPS", "Photoshop"),
        (rb"%PDF", "PDF"),
        (rb"\x59\xa6\x6a\x95", "Sun raster"),
        (rb"P7\n", "PAM"),
        (rb"P[Ff]\n", "PFM"),
    )
)


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an encoded picture says.

    Attributes:
        format: A name of ``FILE_FORMATS``.
        width: Pixels.
        height: Pixels.
        animated: Whether it holds several frames, as an animated PNG or WebP does.
    """

    format: str
    width: int
    height: int
    animated: bool = False


def max_pixels_from(megapixels: float) -> int:
    """Return a limit in pixels that is given in millions of them.

    Raises:
        OptionError: It is out of its range.
    """
    ImageOptions(max_megapixels=megapixels)
    return round(1e6 * megapixels)


DEFAULT_MAX_PIXELS = max_pixels_from(ImageOptions.max_megapixels)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Check the size of an image before its pixels are touched.

    Raises:
        ImageError: It has no pixels, or more than are allowed.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{width}x{height} has no pixels")
    if max(width, height) > MAX_WARP_SIDE:
        raise ImageError(f"{width}x{height} has a side of more than {MAX_WARP_SIDE} pixels")
    if width * height > max_pixels:
        raise ImageError(
            f"{width}x{height} has {width * height / 1e6:.3g} megapixels, more than the "
            f"{max_pixels / 1e6:g} that are allowed; max_megapixels allows more"
        )


def image_format(head: bytes) -> str:
    """Return the name of a picture's format by its first 16 bytes; empty where it is unknown.

    Formats that are known and not decoded, such as ``JPEG 2000`` or ``HEIC``, have a name too.
    """
    return next((name for pattern, name in _FORMATS if pattern.match(head)), "")


def read_header(data: bytes) -> ImageHeader:
    """Return the format and size of an encoded picture; no pixel is decoded.

    Raises:
        ImageError: It is of another format than those of ``FILE_FORMATS``, or its header is
            damaged.
    """
    name = image_format(data[:16])
    if name not in FILE_FORMATS:
        raise ImageError(f"it is {name}, which is not read" if name else "it is no picture")
    readers: dict[str, Callable[[bytes], ImageHeader]] = {
        "JPEG": _jpeg_header,
        "PNG": _png_header,
        "WebP": _webp_header,
        "BMP": _bmp_header,
        "PNM": _pnm_header,
        "TIFF": _tiff_header,
    }
    try:
        return readers[name](data)
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"the header of the {name} is damaged or cut short") from None


def decode_image(
    data: bytes,
    *,
    formats: frozenset[str] = LIVE_FORMATS,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    upright: bool = False,
) -> Image:
    """Decode a picture.

    Gray becomes three equal channels, 16 bits become 8, and what is transparent loses it.

    Args:
        data: What a file of the picture holds.
        formats: Names of ``FILE_FORMATS`` that are taken.
        max_pixels: Width times height above which the picture is refused, before it is decoded.
        upright: Whether the orientation in a picture's EXIF data is applied.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ImageError: It is of another format, too large, animated, damaged or cut short.
    """
    check_header(data, formats, max_pixels)
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return _decode(data, flags, max_pixels)


def decode_opaque(
    data: bytes,
    *,
    formats: frozenset[str] = LIVE_FORMATS,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Image:
    """Decode a picture as a viewer shows it: upright, and on white where it is transparent.

    Arguments, result and errors are those of ``decode_image``.
    """
    header = check_header(data, formats, max_pixels)
    image = _decode(data, cv2.IMREAD_COLOR, max_pixels)
    if header.format in ("JPEG", "PNM"):  # they have no transparency
        return image
    layers = decode_layers(data)
    if layers is None or layers.shape[:2] != image.shape[:2] or layers.ndim != 3:
        return image
    if layers.shape[2] != 4 or layers.dtype not in (np.uint8, np.uint16):
        return image
    full = np.float32(np.iinfo(layers.dtype).max)
    return on_white(image, layers[..., 3].astype(np.float32) / full)


def on_white(image: Image, alpha: NDArray[np.float32]) -> Image:
    """Return an image on a white background.

    Args:
        image: (H, W, 3).
        alpha: (H, W), 0 for what is transparent to 1 for what is not.
    """
    if alpha.min() >= 1.0:
        return image
    opaque = alpha[..., None]
    return np.rint(image * opaque + 255.0 * (1.0 - opaque)).astype(np.uint8)


def check_header(data: bytes, formats: frozenset[str], max_pixels: int) -> ImageHeader:
    """Return a picture's header once it is known that the picture may be decoded.

    Raises:
        ImageError: It is of another format, too large, animated or cut short.
    """
    if not data:
        raise ImageError("it has no data")
    name = image_format(data[:16])
    if name and name not in formats:
        known = ", ".join(sorted(formats))
        raise ImageError(f"it is {name}, which is not decoded here; decoded are {known}")
    header = read_header(data)
    check_size(header.width, header.height, max_pixels)
    if header.animated:
        raise ImageError(f"it is an animated {name}; expected one picture")
    return header


def decode_layers(data: bytes) -> NDArray[Any] | None:
    """Decode a picture whose header was checked, with its own channels and type."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return cast("NDArray[Any] | None", image)


def _decode(data: bytes, flags: int, max_pixels: int) -> Image:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError("it is no picture that can be read, or it is damaged")
    check_size(image.shape[1], image.shape[0], max_pixels)
    return np.ascontiguousarray(image, np.uint8)


def _jpeg_header(data: bytes) -> ImageHeader:
    place, size = 2, (0, 0)
    while True:
        place = data.index(b"\xff", place)
        while data[place] == 0xFF:
            place += 1
        marker, place = data[place], place + 1
        if marker == 0xDA:
            break
        if marker in (0x00, 0x01, *range(0xD0, 0xD9)):
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if size != (0, 0):
                raise ImageError("the JPEG has several headers")
            height, width = struct.unpack_from(">HH", data, place + 3)
            size = width, height
        place += struct.unpack_from(">H", data, place)[0]
    # OpenCV fills the missing rest of a cut JPEG with gray and says nothing
    if data.find(b"\xff\xd9", place) < 0:
        raise ImageError("the JPEG is cut short")
    if data.count(b"\xff\xda", place) > _MAX_JPEG_SCANS:
        raise ImageError(f"the JPEG has more than {_MAX_JPEG_SCANS} scans; it is damaged")
    return ImageHeader("JPEG", *size)


def _png_header(data: bytes) -> ImageHeader:
    length, kind, width, height = struct.unpack_from(">I4sII", data, len(_PNG_MAGIC))
    if kind != b"IHDR" or length != 13:
        raise ImageError("the PNG does not begin with its header")
    place = len(_PNG_MAGIC)
    while kind != b"IDAT":
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL":
            return ImageHeader("PNG", width, height, animated=True)
        place += 12 + length
    if data.rfind(b"IEND") < place:
        raise ImageError("the PNG is cut short")
    return ImageHeader("PNG", width, height)


def _webp_header(data: bytes) -> ImageHeader:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise ImageError("the WebP is cut short")
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return ImageHeader("WebP", width, height, animated=bool(data[20] & 2))
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    raise ImageError("the header of the WebP is damaged")


def _bmp_header(data: bytes) -> ImageHeader:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return ImageHeader("BMP", *struct.unpack_from("<HH", data, 18))
    width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader("BMP", width, abs(height))


def _pnm_header(data: bytes) -> ImageHeader:
    found = re.match(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s", data[:4096])
    if found is None:
        raise ImageError("the header of the PNM is damaged")
    return ImageHeader("PNM", int(found[1]), int(found[2]))


@dataclass(frozen=True)
class TiffPage:
    """One picture of a TIFF.

    Attributes:
        offset: Of its directory in the file.
        width: Pixels.
        height: Pixels.
        is_preview: Whether it is a smaller version of another page.
    """

    offset: int
    width: int
    height: int
    is_preview: bool


def tiff_pages(data: bytes) -> list[TiffPage]:
    """Return the pages of a TIFF in the order of the file.

    Raises:
        ImageError: Its directory is damaged or cut short.
    """
    order = _TIFF_MAGICS[data[:4]]
    pages: list[TiffPage] = []
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + "I", data, 4)
        while offset and offset not in seen and len(seen) < _MAX_TIFF_PAGES:
            seen.add(offset)
            (count,) = struct.unpack_from(order + "H", data, offset)
            tags = {}
            for place in range(offset + 2, offset + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(order + "HH", data, place)
                if kind in (3, 4):
                    (tags[tag],) = struct.unpack_from(
                        order + ("H" if kind == 3 else "I"), data, place + 8
                    )
            page = TiffPage(offset, tags[256], tags[257], bool(tags.get(254, 0) & 1))
            # a decoder makes room for a whole tile, however small the picture is
            for side, tile in ((page.width, tags.get(322, 1)), (page.height, tags.get(323, 1))):
                if tile > max(side, _MAX_TIFF_TILE):
                    raise ImageError(f"the TIFF has tiles of {tile} pixels; it is damaged")
            pages.append(page)
            (offset,) = struct.unpack_from(order + "I", data, offset + 2 + 12 * count)
    except (struct.error, KeyError):
        if not pages:
            raise ImageError("the header of the TIFF is damaged or cut short") from None
    if not pages:
        raise ImageError("the TIFF has no page")
    return pages


def select_tiff_page(data: bytes, page: TiffPage) -> bytes:
    """Return a TIFF whose first page is the given one."""
    return data[:4] + struct.pack(_TIFF_MAGICS[data[:4]] + "I", page.offset) + data[8:]


def _tiff_header(data: bytes) -> ImageHeader:
    page = tiff_pages(data)[0]
    return ImageHeader("TIFF", page.width, page.height)
