"""Every encoding, with a picture whose colors are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pose_ros.core.depth import DepthImage
from pose_ros.errors import ImageError
from pose_ros.messages.images import (
    ENCODINGS,
    depth_from_msg,
    image_from_compressed,
    image_from_msg,
)
from pose_ros.ros.messages import image_to_msg

WIDTH, HEIGHT = 32, 24
# RGB; blocks are large, so that what a codec or a Bayer filter does at edges stays at edges
COLORS = np.array([[(220, 40, 30), (40, 200, 60)], [(50, 60, 210), (180, 170, 160)]], np.uint8)


def picture() -> np.ndarray[Any, Any]:
    """Return four blocks of color, (HEIGHT, WIDTH, 3) RGB."""
    return np.kron(COLORS, np.ones((HEIGHT // 2, WIDTH // 2, 1), np.uint8))


def message(encoding: str, data: np.ndarray[Any, Any], padding: int = 0) -> Image:
    """Return an Image of rows of bytes, each with some bytes of padding behind it."""
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(data.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    msg = Image(encoding=encoding, width=WIDTH, height=HEIGHT, step=rows.shape[1])
    msg.data.frombytes(np.ascontiguousarray(rows).tobytes())
    return msg


def luma(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def packed_yuv(rgb: np.ndarray[Any, Any], order: str) -> np.ndarray[Any, Any]:
    """Return 4:2:2 in the byte order of a name such as YUYV, by BT.601 video range."""
    y, u, v = yuv(rgb)
    pairs = {"Y": iter((y[:, 0::2], y[:, 1::2])), "U": iter((u[:, ::2],)), "V": iter((v[:, ::2],))}
    return np.stack([next(pairs[letter]) for letter in order], axis=-1).reshape(HEIGHT, -1)


def yuv(rgb: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    return [
        np.rint(plane).astype(np.uint8)
        for plane in (
            16 + (65.738 * r + 129.057 * g + 25.064 * b) / 256,
            128 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256,
            128 + (112.439 * r - 94.154 * g - 18.285 * b) / 256,
        )
    ]


def planar_yuv(rgb: np.ndarray[Any, Any], order: str) -> np.ndarray[Any, Any]:
    planes = dict(zip("YUV", yuv(rgb), strict=True))
    chroma = np.stack([planes[letter][::2, ::2] for letter in order], axis=-1)
    return np.vstack([planes["Y"], chroma.reshape(HEIGHT // 2, -1)])


def mosaic(rgb: np.ndarray[Any, Any], pattern: str) -> np.ndarray[Any, Any]:
    """Return the raw image of a sensor whose pattern has a name such as rggb."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i, letter in enumerate(pattern):
        row, column = divmod(i, 2)
        found[row::2, column::2] = rgb[row::2, column::2, "rgb".index(letter)]
    return found


def wide(values: np.ndarray[Any, Any], order: str = "<") -> np.ndarray[Any, Any]:
    return (values.astype(np.uint16) * 257).astype(f"{order}u2")


Encode = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
OPAQUE = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
ENCODERS: dict[str, Encode] = {
    "rgb8": lambda rgb: rgb,
    "bgr8": lambda rgb: rgb[..., ::-1],
    "rgba8": lambda rgb: np.dstack([rgb, OPAQUE]),
    "bgra8": lambda rgb: np.dstack([rgb[..., ::-1], OPAQUE]),
    "mono8": luma,
    "mono16": lambda rgb: wide(luma(rgb)),
    "yuyv": lambda rgb: packed_yuv(rgb, "YUYV"),
    "yuv422_yuy2": lambda rgb: packed_yuv(rgb, "YUYV"),
    "uyvy": lambda rgb: packed_yuv(rgb, "UYVY"),
    "yuv422": lambda rgb: packed_yuv(rgb, "UYVY"),
    "nv12": lambda rgb: planar_yuv(rgb, "UV"),
    "nv21": lambda rgb: planar_yuv(rgb, "VU"),
    **{
        f"bayer_{p}8": lambda rgb, p=p: mosaic(rgb, p)  # type: ignore[misc]
        for p in ("rggb", "bggr", "gbrg", "grbg")
    },
    **{
        f"bayer_{p}16": lambda rgb, p=p: wide(mosaic(rgb, p))  # type: ignore[misc]
        for p in ("rggb", "bggr", "gbrg", "grbg")
    },
}


def centers(image: np.ndarray[Any, Any], channels: str) -> np.ndarray[Any, Any]:
    """Return the RGB in the middle of the four blocks."""
    rgb = image if channels == "rgb" else image[..., ::-1]
    return rgb[HEIGHT // 4 :: HEIGHT // 2, WIDTH // 4 :: WIDTH // 2].astype(int)


def test_every_encoding_has_a_test_picture() -> None:
    assert ENCODERS.keys() == ENCODINGS.keys()


@pytest.mark.parametrize("padding", [0, 4, 3])
@pytest.mark.parametrize("encoding", ENCODERS)
def test_each_encoding_gives_the_colors_of_its_picture(encoding: str, padding: int) -> None:
    image, channels = image_from_msg(message(encoding, ENCODERS[encoding](picture()), padding))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8
    expected = COLORS.astype(int)
    if encoding.startswith("mono"):
        expected = np.repeat(luma(COLORS)[..., None], 3, axis=2).astype(int)
    # a step of 8-bit YUV is a little more than one of RGB
    tolerance = 3 if encoding in ("yuyv", "yuv422_yuy2", "uyvy", "yuv422", "nv12", "nv21") else 0
    assert np.abs(centers(image, channels) - expected).max() <= tolerance


@pytest.mark.parametrize("encoding", ["mono16", "bayer_grbg16"])
def test_big_endian_depth_of_color_is_read_as_little_endian(encoding: str) -> None:
    little = message(encoding, ENCODERS[encoding](picture()))
    big = message(encoding, ENCODERS[encoding](picture()).astype(">u2"))
    big.is_bigendian = 1
    np.testing.assert_array_equal(image_from_msg(big)[0], image_from_msg(little)[0])


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_image_in_rgb_or_bgr_is_not_copied(encoding: str, padding: int) -> None:
    msg = message(encoding, ENCODERS[encoding](picture()), padding)
    image, channels = image_from_msg(msg)
    assert np.shares_memory(image, np.frombuffer(msg.data, np.uint8))
    assert channels == encoding[:3]


def spoil(**changes: Any) -> Image:
    msg = message("bgr8", picture())
    for name, value in changes.items():
        if name == "cut":
            del msg.data[-value:]
        else:
            setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(
    ("msg", "words"),
    [
        (spoil(cut=1), ["bgr8", "32x24", "2303 bytes", "2304"]),
        (spoil(cut=2304), ["bgr8", "0 bytes"]),
        (spoil(step=95), ["bgr8", "step is 95", "96"]),
        (spoil(step=97), ["bgr8", "97"]),
        (spoil(step=0), ["bgr8", "step is 0"]),
        (spoil(width=0), ["bgr8", "0x24", "no pixels"]),
        (spoil(height=0), ["bgr8", "32x0", "no pixels"]),
        (spoil(height=4_000_000_000), ["bgr8", "4000000000"]),
        (spoil(encoding="8UC3"), ["'8UC3' does not say which channel", "bgr8 or rgb8"]),
        (spoil(encoding="8UC4"), ["'8UC4'", "bgra8 or rgba8"]),
        (spoil(encoding="16UC3"), ["'16UC3'", "known: rgb8"]),
        (spoil(encoding="16UC1"), ["'16UC1' holds depths", "rgb8"]),
        (spoil(encoding="32FC1"), ["'32FC1' holds depths"]),
        (spoil(width=8200, height=8200), ["8200x8200", "67.2 megapixels", "max_megapixels"]),
        (spoil(width=40_000, height=1), ["40000x1", "a side of more than 32766"]),
        (spoil(encoding=""), ["''", "rgb8"]),
        (spoil(encoding="RGB8"), ["'RGB8'"]),
        (spoil(encoding="yuyv", width=31), ["yuyv", "31x24", "even"]),
        (spoil(encoding="nv12", height=23), ["nv12", "32x23", "even"]),
        (spoil(encoding="mono16", step=63), ["mono16", "step is 63", "64"]),
    ],
)
def test_each_fault_of_an_image_is_named_in_one_line(msg: Image, words: list[str]) -> None:
    with pytest.raises(ImageError) as found:
        image_from_msg(msg)
    assert all(word in str(found.value) for word in words), str(found.value)
    assert "\n" not in str(found.value)


def compressed(suffix: str, data: bytes | None = None) -> CompressedImage:
    done, buffer = cv2.imencode(suffix, picture()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    msg = CompressedImage(format=suffix[1:])
    msg.data.frombytes(buffer.tobytes() if data is None else data)
    return msg


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 0), (".jpg", 6)])
def test_compressed_image_has_the_colors_of_its_picture(suffix: str, tolerance: int) -> None:
    image, channels = image_from_compressed(compressed(suffix))
    assert channels == "bgr"
    assert np.abs(centers(image, channels) - COLORS.astype(int)).max() <= tolerance


@pytest.mark.parametrize(
    ("msg", "word"),
    [
        (compressed(".jpg", b""), "no data"),
        (compressed(".jpg", b"no picture at all"), "no picture"),
        (compressed(".png", bytes(compressed(".png").data)[:60]), "cut short"),
        (compressed(".jpg", bytes(compressed(".jpg").data)[:-200]), "cut short"),
        (compressed(".jpg", bytes(compressed(".bmp").data)), "it is BMP"),
        (compressed(".jpg", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)), "it is JPEG 2000"),
        (CompressedImage(format="16UC1; compressedDepth png"), "compressedDepth"),
    ],
)
def test_damaged_compressed_image_is_refused(msg: CompressedImage, word: str) -> None:
    with pytest.raises(ImageError, match=word):
        image_from_compressed(msg)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_image_is_unchanged_after_a_round_trip_through_a_message(channels: Any) -> None:
    header = Header(frame_id="camera")
    sent = picture()[:, ::2]  # not contiguous
    msg = image_to_msg(sent, channels, header)
    assert (msg.encoding, msg.step, msg.header) == (f"{channels}8", 3 * sent.shape[1], header)
    received, order = image_from_msg(msg)
    assert order == channels
    np.testing.assert_array_equal(received, sent)


def test_array_that_is_not_a_picture_is_refused() -> None:
    with pytest.raises(ImageError):
        image_to_msg(np.zeros((4, 4), np.uint8), "rgb", Header())


def middle(depth: DepthImage) -> float:
    """Return the depth in the middle in meters."""
    pixels, radius = np.array([[WIDTH / 2, HEIGHT / 2]]), np.array([3.0])
    return float(depth.surfaces(pixels, radius, 0.1, 100.0)[0])


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 5])
def test_depth_in_millimeters_is_converted_to_meters(
    encoding: str, big_endian: bool, padding: int
) -> None:
    millimeters = np.full((HEIGHT, WIDTH), 1500, ">u2" if big_endian else "<u2")
    msg = message(encoding, millimeters, padding)
    msg.is_bigendian = int(big_endian)
    msg.header.stamp.sec, msg.header.stamp.nanosec = 7, 250_000_000
    depth = depth_from_msg(msg)
    assert (depth.size, depth.stamp) == ((WIDTH, HEIGHT), 7.25)
    assert middle(depth) == pytest.approx(1.5)
    assert np.isnan(middle(depth_from_msg(message(encoding, millimeters * 0))))


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_meters_is_read_unchanged(big_endian: bool) -> None:
    meters = np.full((HEIGHT, WIDTH), 2.25, ">f4" if big_endian else "<f4")
    msg = message("32FC1", meters)
    msg.is_bigendian = int(big_endian)
    assert middle(depth_from_msg(msg)) == pytest.approx(2.25)
    assert np.isnan(middle(depth_from_msg(message("32FC1", (meters * np.nan).astype("<f4")))))


def test_color_picture_is_refused_as_depth() -> None:
    with pytest.raises(ImageError, match="32FC1"):
        depth_from_msg(image_to_msg(picture(), "rgb", Header()))
    short = message("16UC1", np.zeros((HEIGHT, WIDTH), "<u2"))
    del short.data[-1:]
    with pytest.raises(ImageError, match="bytes"):
        depth_from_msg(short)
