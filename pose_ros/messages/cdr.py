"""Reads a serialized Image without copying its pixels.

rclpy and rosbags turn a message's bytes into Python objects field by field, and copies a
large array on the way. From the bytes the few fields of
an Image are read at once, and the pixels stay where they are.

Format: OMG DDS-RTPS 2.3, 10.2 (encapsulation) and the classic CDR of DDS-XTypes,
7.4.3: values aligned to their size, counted from behind the 4 bytes that name
the encapsulation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from pose_ros.errors import ImageError
from pose_ros.messages.types import Types

_ENCAPSULATION_BYTES = 4
_BYTE_ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}


@dataclass(frozen=True)
class ImageView:
    """An Image message whose ``data`` is a view of the serialized bytes."""

    header: Any
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_image(types: Types, message: bytes) -> ImageView:
    """Read a serialized sensor_msgs/Image.

    Args:
        types: Of messages, for its header.
        message: Its bytes.

    Raises:
        ImageError: It is cut off, or no such message.
    """
    reader = _Reader(message)
    try:
        seconds, nanoseconds = reader.numbers("iI")
        frame_id = reader.string()
        height, width = reader.numbers("II")
        encoding = reader.string()
        (is_bigendian,) = reader.numbers("B")
        (step,) = reader.numbers("I")
        (length,) = reader.numbers("I")
        data = reader.take(length)
    except (struct.error, UnicodeDecodeError) as error:
        raise ImageError(f"the message is cut off or no Image: {error}") from error
    stamp = types("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
    header = types("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)
    return ImageView(header, height, width, encoding, is_bigendian, step, data)


class _Reader:
    def __init__(self, message: bytes) -> None:
        try:
            self._order = _BYTE_ORDERS[message[:2]]
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
