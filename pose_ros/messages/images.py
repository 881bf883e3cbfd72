"""ROS images to arrays and back; on NumPy and OpenCV, with cv_bridge's meaning of encodings."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.depth import DepthImage
from pose_ros.core.encoded_images import (
    DEFAULT_MAX_PIXELS,
    LIVE_FORMATS,
    check_size,
    decode_image,
)
from pose_ros.core.types import Channels, Image, validate_image
from pose_ros.errors import ImageError
from pose_ros.messages.headers import HeaderMsg, Types, stamp_from_msg


class ImageMsg(Protocol):
    """A sensor_msgs/Image."""

    @property
    def header(self) -> HeaderMsg:
        """Stamp and frame."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def encoding(self) -> str:
        """How a pixel lies in memory, such as ``bgr8``."""

    @property
    def is_bigendian(self) -> int:
        """Byte order of samples of several bytes."""

    @property
    def step(self) -> int:
        """Bytes of a row."""

    @property
    def data(self) -> Any:
        """``step * height`` bytes; anything with the buffer protocol."""


class CompressedImageMsg(Protocol):
    """A sensor_msgs/CompressedImage."""

    @property
    def header(self) -> HeaderMsg:
        """Stamp and frame."""

    @property
    def format(self) -> str:
        """What the driver says of the data, such as ``jpeg``."""

    @property
    def data(self) -> Any:
        """The file; anything with the buffer protocol."""


@dataclass(frozen=True)
class _Encoding:
    """How an encoding lies in memory and becomes color.

    Attributes:
        samples: Values a pixel in each row of the message.
        convert: OpenCV's code to RGB or BGR; None where it is that already.
        channels: What ``convert`` gives.
        sample: NumPy's type of a sample, without the byte order.
        rows: Rows of data a row of pixels: 1.5 for planar 4:2:0.
        even: Whether width and, where ``rows`` is 1.5, height must be even.
    """

    samples: int
    convert: int | None = None
    channels: Channels = "bgr"
    sample: str = "u1"
    rows: float = 1.0
    even: bool = False


# ROS names a Bayer pattern by its first row; OpenCV's older names go by the second.
ENCODINGS: dict[str, _Encoding] = {
    "rgb8": _Encoding(3, channels="rgb"),
    "bgr8": _Encoding(3),
    "rgba8": _Encoding(4, cv2.COLOR_RGBA2RGB, "rgb"),
    "bgra8": _Encoding(4, cv2.COLOR_BGRA2BGR),
    "mono8": _Encoding(1, cv2.COLOR_GRAY2BGR),
    "mono16": _Encoding(1, cv2.COLOR_GRAY2BGR, sample="u2"),
    "yuyv": _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, even=True),
    "yuv422_yuy2": _Encoding(2, cv2.COLOR_YUV2BGR_YUY2, even=True),
    "uyvy": _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, even=True),
    "yuv422": _Encoding(2, cv2.COLOR_YUV2BGR_UYVY, even=True),
    "nv12": _Encoding(1, cv2.COLOR_YUV2BGR_NV12, rows=1.5, even=True),
    "nv21": _Encoding(1, cv2.COLOR_YUV2BGR_NV21, rows=1.5, even=True),
    "bayer_rggb8": _Encoding(1, cv2.COLOR_BayerRGGB2BGR),
    "bayer_bggr8": _Encoding(1, cv2.COLOR_BayerBGGR2BGR),
    "bayer_gbrg8": _Encoding(1, cv2.COLOR_BayerGBRG2BGR),
    "bayer_grbg8": _Encoding(1, cv2.COLOR_BayerGRBG2BGR),
    "bayer_rggb16": _Encoding(1, cv2.COLOR_BayerRGGB2BGR, sample="u2"),
    "bayer_bggr16": _Encoding(1, cv2.COLOR_BayerBGGR2BGR, sample="u2"),
    "bayer_gbrg16": _Encoding(1, cv2.COLOR_BayerGBRG2BGR, sample="u2"),
    "bayer_grbg16": _Encoding(1, cv2.COLOR_BayerGRBG2BGR, sample="u2"),
}

# REP-118: millimeters and 0, or meters and NaN
DEPTH_ENCODINGS: dict[str, _Encoding] = {
    "16UC1": _Encoding(1, sample="u2"),
    "mono16": _Encoding(1, sample="u2"),  # what some drivers call it
    "32FC1": _Encoding(1, sample="f4"),
}


def depth_from_msg(msg: ImageMsg) -> DepthImage:
    """Return a sensor_msgs/Image of depths; where the byte order allows, it copies nothing.

    Raises:
        ImageError: The encoding is no depth, or size, step and data do not agree.
    """
    encoding = DEPTH_ENCODINGS.get(msg.encoding)
    if encoding is None:
        known = ", ".join(DEPTH_ENCODINGS)
        raise ImageError(f"unknown depth encoding {msg.encoding!r}; known: {known}")
    stamp = stamp_from_msg(msg.header.stamp)
    return DepthImage(_plane(msg, encoding), msg.encoding, stamp)


def image_from_msg(msg: ImageMsg, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[Image, Channels]:
    """Return the picture of a sensor_msgs/Image and the order of its channels.

    ``rgb8`` and ``bgr8`` copy nothing: the array is a view of the message's
    data, rows apart by ``step``. 16-bit encodings are scaled to 8 bits.

    Args:
        msg: The message.
        max_pixels: Width times height above which it is refused.

    Returns:
        (H, W, 3) uint8, and ``rgb`` or ``bgr``.

    Raises:
        ImageError: The encoding is unknown or is no color, the image is too large, or size,
            step and data do not agree.
    """
    encoding = ENCODINGS.get(msg.encoding)
    if encoding is None:
        raise ImageError(_no_color(msg.encoding))
    plane = _plane(msg, encoding, max_pixels)
    if encoding.convert is None:
        return plane, encoding.channels
    image = cv2.cvtColor(plane, encoding.convert)
    if encoding.sample == "u2":
        image = cv2.convertScaleAbs(image, alpha=255.0 / 65535.0)
    return np.asarray(image, np.uint8), encoding.channels


def _no_color(encoding: str) -> str:
    """Return why images of an encoding cannot be read, for a message."""
    known = ", ".join(ENCODINGS)
    if encoding in DEPTH_ENCODINGS:
        return f"image encoding {encoding!r} holds depths; expected a picture: {known}"
    if match := re.fullmatch(r"(8|16)[US]C([1-4])", encoding):
        names = {
            "8": {"1": "mono8", "3": "bgr8 or rgb8", "4": "bgra8 or rgba8"},
            "16": {"1": "mono16"},
        }
        name = names[match[1]].get(match[2])
        cure = f"set the driver's encoding to {name}" if name else f"known: {known}"
        return f"image encoding {encoding!r} does not say which channel is which color; {cure}"
    return f"unknown image encoding {encoding!r}; known: {known}"


def _plane(
    msg: ImageMsg, encoding: _Encoding, max_pixels: int = DEFAULT_MAX_PIXELS
) -> NDArray[Any]:
    """Return the message's samples, (rows, W) or (rows, W, samples), without a copy."""
    width, height, step = msg.width, msg.height, msg.step
    try:
        check_size(width, height, max_pixels)
    except ImageError as error:
        raise ImageError(f"{msg.encoding} image of {error}") from None
    if encoding.even and width % 2:
        raise ImageError(f"{_name(msg)}: its width must be even")
    if encoding.rows != 1 and height % 2:
        raise ImageError(f"{_name(msg)}: its height must be even")
    row_bytes = width * encoding.samples * np.dtype(encoding.sample).itemsize
    if step < row_bytes:
        raise ImageError(f"{_name(msg)}: step is {step} bytes, a row needs {row_bytes}")
    rows = int(height * encoding.rows)
    if len(msg.data) != step * rows:
        raise ImageError(
            f"{_name(msg)}: data has {len(msg.data)} bytes, {rows} rows of step {step} "
            f"are {step * rows}"
        )
    # bytes first: a step need not be a multiple of the sample's size
    raw = np.frombuffer(msg.data, np.uint8).reshape(rows, step)[:, :row_bytes]
    plane: NDArray[Any] = raw
    if encoding.sample != "u1":
        order = ">" if msg.is_bigendian else "<"
        plane = np.ascontiguousarray(raw).view(order + encoding.sample)
        plane = plane.astype(encoding.sample, copy=False)
    if encoding.samples > 1:
        plane = plane.reshape(rows, width, encoding.samples)  # splits an axis: still a view
    return plane


def _name(msg: ImageMsg) -> str:
    return f"{msg.encoding} image of {msg.width}x{msg.height}"


def image_from_compressed(
    msg: CompressedImageMsg, max_pixels: int = DEFAULT_MAX_PIXELS
) -> tuple[Image, Channels]:
    """Return the picture of a sensor_msgs/CompressedImage, as it was taken.

    The data decide on the format: JPEG, PNG or WebP. An orientation in the file's metadata is
    not applied: it would part the picture from its camera_info.

    Args:
        msg: The message.
        max_pixels: Width times height above which it is refused, before it is decoded.

    Returns:
        (H, W, 3) uint8, and ``bgr``.

    Raises:
        ImageError: The data is of another format, too large, damaged or cut short.
    """
    if "compressedDepth" in msg.format:
        raise ImageError(
            f"expected a color picture, got depths (format {msg.format!r}): subscribe to the "
            "color camera's topic"
        )
    data = bytes(memoryview(msg.data))
    try:
        return decode_image(data, formats=LIVE_FORMATS, max_pixels=max_pixels), "bgr"
    except ImageError as error:
        name = f"compressed image of {len(data)} bytes, format {msg.format!r}"
        raise ImageError(f"{name}: {error}") from None


def image_to_msg(types: Types, image: Image, channels: Channels, header: HeaderMsg) -> Any:
    """Return a sensor_msgs/Image, ``rgb8`` or ``bgr8``; the data is copied once.

    Args:
        types: Of messages.
        image: (H, W, 3) uint8.
        channels: ``rgb`` or ``bgr``.
        header: Taken as it is.

    Raises:
        ImageError: The array is something else.
    """
    validate_image(image, channels)
    return array_to_msg(types, image, f"{channels}8", header)


def array_to_msg(types: Types, array: NDArray[Any], encoding: str, header: HeaderMsg) -> Any:
    """Return a sensor_msgs/Image of samples that lie in memory as its encoding says.

    Args:
        types: Of messages.
        array: (H, W) or (H, W, samples) in the machine's byte order.
        encoding: Of the message, such as ``16UC1``.
        header: Taken as it is.
    """
    height, width = array.shape[:2]
    data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    return types("sensor_msgs/msg/Image")(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=data.size // height,
        data=data,
    )
