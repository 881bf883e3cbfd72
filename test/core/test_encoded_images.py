"""Pictures in memory: every format, its size before its pixels, and data that means harm."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pose_ros.core.encoded_images import (
    FILE_FORMATS,
    LIVE_FORMATS,
    decode_image,
    image_format,
    max_pixels_from,
    read_header,
    select_tiff_page,
    tiff_pages,
)
from pose_ros.errors import ImageError, OptionError

WIDTH, HEIGHT = 96, 64
RNG = np.random.default_rng(7)


def picture() -> np.ndarray[Any, Any]:
    """Return four blocks of color, (HEIGHT, WIDTH, 3) RGB."""
    colors = np.array([[(220, 40, 30), (40, 200, 60)], [(50, 60, 210), (180, 170, 160)]], np.uint8)
    return np.kron(colors, np.ones((HEIGHT // 2, WIDTH // 2, 1), np.uint8))


def encoded(format_name: str, mode: str = "RGB", **options: Any) -> bytes:
    """Return the picture as Pillow writes it."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture())
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def sixteen_bits() -> bytes:
    done, data = cv2.imencode(".png", picture()[..., ::-1].astype(np.uint16) * 257)
    assert done
    return data.tobytes()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", quality=95, exif=exif)


LIVE = {
    "baseline JPEG": (encoded("JPEG", quality=95), "JPEG"),
    "progressive JPEG": (encoded("JPEG", quality=95, progressive=True), "JPEG"),
    "CMYK JPEG": (encoded("JPEG", "CMYK", quality=95), "JPEG"),
    "turned JPEG": (turned(), "JPEG"),
    "PNG": (encoded("PNG"), "PNG"),
    "PNG with a palette": (encoded("PNG", "P"), "PNG"),
    "PNG of 16 bits": (sixteen_bits(), "PNG"),
    "PNG with alpha": (encoded("PNG", "RGBA"), "PNG"),
    "lossy WebP": (encoded("WEBP", quality=95), "WebP"),
    "lossless WebP": (encoded("WEBP", lossless=True), "WebP"),
    "WebP with an ICC profile": (encoded("WEBP", lossless=True, icc_profile=b"x" * 128), "WebP"),
}
FILES = {
    "BMP": (encoded("BMP"), "BMP"),
    "PPM": (encoded("PPM"), "PNM"),
    "TIFF": (encoded("TIFF"), "TIFF"),
    "packed TIFF": (encoded("TIFF", compression="tiff_lzw"), "TIFF"),
}


@pytest.mark.parametrize("name", LIVE | FILES)
def test_header_and_colors_of_every_format(name: str) -> None:
    data, kind = (LIVE | FILES)[name]
    header = read_header(data)
    assert (header.format, header.width, header.height) == (kind, WIDTH, HEIGHT)
    image = decode_image(data, formats=FILE_FORMATS)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8
    centers = image[HEIGHT // 4 :: HEIGHT // 2, WIDTH // 4 :: WIDTH // 2, ::-1].astype(int)
    expected = picture()[HEIGHT // 4 :: HEIGHT // 2, WIDTH // 4 :: WIDTH // 2].astype(int)
    assert np.abs(centers - expected).max() <= 6


def test_orientation_is_applied_only_on_request() -> None:
    data = turned()
    assert decode_image(data).shape == (HEIGHT, WIDTH, 3)
    assert decode_image(data, upright=True).shape == (WIDTH, HEIGHT, 3)


@pytest.mark.parametrize("name", LIVE | FILES)
@pytest.mark.parametrize("share", [0.03, 0.3, 0.7, 0.96])
def test_truncated_picture_is_refused_and_not_filled_with_gray(name: str, share: float) -> None:
    data, _ = (LIVE | FILES)[name]
    with pytest.raises(ImageError):
        decode_image(data[: int(share * len(data))], formats=FILE_FORMATS)


def test_jpeg_truncated_after_its_thumbnail_is_refused() -> None:
    small = encoded("JPEG")
    exif = b"Exif\0\0" + small  # a thumbnail ends with an end of image of its own
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    whole = encoded("JPEG")
    data = whole[:2] + segment + whole[2:]
    assert decode_image(data).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match="cut short"):
        decode_image(data[:-2])


def png_of(width: int, height: int) -> bytes:
    """Return a PNG of that size of one color: about a thousandth of its pixels in bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    pixels = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    body = b"".join(pixels.compress(row) for _ in range(height)) + pixels.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b""))
    )


def test_huge_png_is_refused_before_it_takes_memory() -> None:
    data = png_of(30_000, 30_000)
    assert len(data) < 150_000
    code = (
        "import resource, sys\n"
        "from pose_ros.core.encoded_images import decode_image\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode_image(data)\n"
        "except ValueError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True
    )
    message, kilobytes = result.stdout.decode().splitlines()
    assert message == (
        "30000x30000 has 900 megapixels, more than the 64 that are allowed; max_megapixels "
        "allows more"
    )
    assert int(kilobytes) < 2_000


def test_pixel_limit_of_the_caller_applies() -> None:
    data = encoded("PNG")
    assert decode_image(data, max_pixels=WIDTH * HEIGHT).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match="more than the 0.006 that are allowed"):
        decode_image(data, max_pixels=max_pixels_from(0.006))
    with pytest.raises(OptionError, match=r"max_megapixels must be in \[0.001, 1000\] megapixels"):
        max_pixels_from(0.0)


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "BMP", "PPM", "TIFF"])
def test_pixel_limit_applies_to_each_format(format_name: str) -> None:
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(encoded(format_name), formats=FILE_FORMATS, max_pixels=5_000)


def test_side_that_opencv_cannot_cut_is_refused() -> None:
    with pytest.raises(ImageError, match="a side of more than 32766 pixels"):
        decode_image(png_of(40_000, 8))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no data"),
        (b"hello world, this is text", "it is no picture"),
        (encoded("JPEG2000"), "it is JPEG 2000, which is not decoded here; decoded are JPEG, PNG"),
        (encoded("TIFF"), "it is TIFF, which is not decoded here"),
        (encoded("BMP"), "it is BMP"),
        (encoded("GIF"), "it is GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it is HEIC"),
        (b"v/1\x01" + bytes(40), "it is OpenEXR"),
        (encoded("JPEG")[:2] + b"\xff\xc0" + encoded("JPEG")[2:], "JPEG"),
    ],
)
def test_data_in_another_format_is_refused_by_name(data: bytes, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        decode_image(data, formats=LIVE_FORMATS)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
def test_animation_is_refused_as_a_picture(format_name: str) -> None:
    frames = [Image.new("RGB", (8, 8), (20 * i, 0, 0)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format_name, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="animated"):
        decode_image(buffer.getvalue())


def test_jpeg_with_thousands_of_scans_is_refused() -> None:
    data = encoded("JPEG", progressive=True)
    with pytest.raises(ImageError, match="scans"):
        decode_image(data[:-2] + b"\xff\xda\0\x02" * 5_000 + data[-2:])


def test_every_page_of_a_tiff_can_be_decoded() -> None:
    pages = [Image.new("RGB", (10 + i, 8), (40 * i, 0, 0)) for i in range(4)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    data = buffer.getvalue()
    found = tiff_pages(data)
    assert [(page.width, page.height) for page in found] == [(10 + i, 8) for i in range(4)]
    for i, page in enumerate(found):
        image = decode_image(select_tiff_page(data, page), formats=FILE_FORMATS)
        assert image.shape == (8, 10 + i, 3)
        assert image[0, 0].tolist() == [0, 0, 40 * i]


def test_tiff_pages_in_a_cycle_are_counted_once() -> None:
    data = bytearray(encoded("TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert len(tiff_pages(bytes(data))) == 1


def test_mutated_pictures_end_no_process() -> None:
    """2,000 of them: each is decoded or refused in its own words."""
    code = (
        "import pickle, sys\n"
        "import numpy as np\n"
        "from pose_ros.core.encoded_images import FILE_FORMATS, decode_image\n"
        "from pose_ros.errors import ImageError\n"
        "originals = pickle.load(sys.stdin.buffer)\n"
        "rng = np.random.default_rng(11)\n"
        "done = refused = 0\n"
        "for i in range(2000):\n"
        "    data = bytearray(originals[i % len(originals)])\n"
        "    head = i % 3 == 0\n"
        "    for place in rng.integers(0, min(64, len(data)) if head else len(data),\n"
        "                              rng.integers(1, 12)):\n"
        "        data[place] = rng.integers(256)\n"
        "    if i % 5 == 0: data = data[:rng.integers(len(data))]\n"
        "    if i % 7 == 0: data[rng.integers(len(data) + 1):0] = rng.bytes(40)\n"
        "    try: decode_image(bytes(data), formats=FILE_FORMATS, upright=True, max_pixels=10**7)\n"
        "    except ImageError: refused += 1\n"
        "    else: done += 1\n"
        "print(done, refused)\n"
    )
    originals = pickle.dumps([data for data, _ in (LIVE | FILES).values()])
    result = subprocess.run(
        [sys.executable, "-c", code], input=originals, capture_output=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    done, refused = map(int, result.stdout.split())
    assert done + refused == 2000
    assert min(done, refused) > 200


def test_format_is_recognized_by_its_first_bytes() -> None:
    assert image_format(b"") == ""
    assert image_format(encoded("JPEG2000")[:16]) == "JPEG 2000"
    for data, kind in (LIVE | FILES).values():
        assert image_format(data[:16]) == kind
