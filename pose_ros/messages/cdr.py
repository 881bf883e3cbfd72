"""Reads serialized images without copying their pixels, and the heads of messages alone.

rclpy and rosbags turn a message's bytes into Python objects field by field, and copy a large array
on the way. From the bytes the few fields of an Image are read at once, and the pixels stay where
they are.

Format: OMG DDS-RTPS 2.3, 10.2 (encapsulation) and the classic CDR of DDS-XTypes,
7.4.3: values aligned to their size, counted from behind the 4 bytes that name
the encapsulation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import ImageError
from pose_ros.messages.headers import HeaderMsg, Types

_ENCAPSULATION_BYTES = 4
_BYTE_ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}


@dataclass(frozen=True)
class ImageView:
    """An Image message whose ``data`` is a view of the serialized bytes."""

    header: HeaderMsg
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_image(types: Types, message: bytes | bytearray) -> ImageView:
    """Read a serialized sensor_msgs/Image.

    Args:
        types: Of messages, for its header.
        message: Its bytes; the pixels of a bytearray can be written.

    Raises:
        ImageError: It is cut off, or no such message.
    """
    reader = _Reader(message)
    try:
        header = reader.header(types)
        height, width = reader.numbers("II")
        encoding = reader.string()
        (is_bigendian,) = reader.numbers("B")
        (step,) = reader.numbers("I")
        (length,) = reader.numbers("I")
        data = reader.take(length)
    except (struct.error, UnicodeDecodeError) as error:
        raise ImageError(f"the message is cut off or no Image: {error}") from error
    return ImageView(header, height, width, encoding, is_bigendian, step, data)


@dataclass(frozen=True)
class CompressedView:
    """A CompressedImage message whose ``data`` is a view of the serialized bytes."""

    header: HeaderMsg
    format: str
    data: memoryview


def read_compressed(types: Types, message: bytes) -> CompressedView:
    """Read a serialized sensor_msgs/CompressedImage.

    Args:
        types: Of messages, for its header.
        message: Its bytes.

    Raises:
        ImageError: It is cut off, or no such message.
    """
    reader = _Reader(message)
    try:
        header = reader.header(types)
        form = reader.string()
        (length,) = reader.numbers("I")
        data = reader.take(length)
    except (struct.error, UnicodeDecodeError) as error:
        raise ImageError(f"the message is cut off or no CompressedImage: {error}") from error
    return CompressedView(header, form, data)


class ImageHead(NamedTuple):
    """What stands before the pixels of an Image.

    Attributes:
        nanoseconds: Its stamp.
        frame_id: Its TF frame.
        width: Pixels.
        height: Pixels.
        encoding: Such as ``bgr8``.
    """

    nanoseconds: int
    frame_id: str
    width: int
    height: int
    encoding: str


def read_stamp(message: bytes) -> tuple[int, str]:
    """Return the stamp in nanoseconds and the frame_id of a message that begins with a Header.

    Args:
        message: Its bytes, or the first of them.

    Raises:
        ImageError: It is cut off, or has no Header.
    """
    return _read_stamp(_Reader(message))


def read_image_head(message: bytes) -> ImageHead:
    """Return what stands before the pixels of a serialized sensor_msgs/Image.

    Args:
        message: Its bytes, or the first of them.

    Raises:
        ImageError: It is cut off before the pixels, or no such message.
    """
    reader = _Reader(message)
    nanoseconds, frame_id = _read_stamp(reader)
    try:
        height, width = reader.numbers("II")
        encoding = reader.string()
    except (struct.error, UnicodeDecodeError) as error:
        raise ImageError(f"the message is cut off or no Image: {error}") from error
    return ImageHead(nanoseconds, frame_id, width, height, encoding)


def _read_stamp(reader: _Reader) -> tuple[int, str]:
    try:
        seconds, nanoseconds = reader.numbers("iI")
        frame_id = reader.string()
    except (struct.error, UnicodeDecodeError) as error:
        raise ImageError(f"the message is cut off or has no header: {error}") from error
    return seconds * NANOSECONDS + nanoseconds, frame_id


class _Reader:
    def __init__(self, message: bytes | bytearray) -> None:
        try:
            self._order = _BYTE_ORDERS[bytes(message[:2])]
        except KeyError:
            found = message[:2].hex() or "nothing"
            raise ImageError(f"the message is not in plain CDR: it begins with {found}") from None
        self._body = memoryview(message)[_ENCAPSULATION_BYTES:]
        self._offset = 0

    def numbers(self, kinds: str) -> tuple[int, ...]:
        """Read integers of one size, named as ``struct`` names them."""
        size = struct.calcsize(kinds[0])
        self._offset += -self._offset % size
        values = struct.unpack_from(self._order + kinds, self._body, self._offset)
        self._offset += size * len(kinds)
        return values

    def header(self, types: Types) -> Any:
        """Read a std_msgs/Header."""
        seconds, nanoseconds = self.numbers("iI")
        stamp = types("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
        return types("std_msgs/msg/Header")(stamp=stamp, frame_id=self.string())

    def string(self) -> str:
        (length,) = self.numbers("I")
        return str(self.take(length)[:-1], "utf-8")  # behind it stands a zero

    def take(self, length: int) -> memoryview:
        end = self._offset + length
        if end > len(self._body):
            raise struct.error(f"{length} bytes expected, {len(self._body) - self._offset} there")
        view = self._body[self._offset : end]
        self._offset = end
        return view
