"""The reader of serialized images against rclpy's own."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from pose_ros.errors import ImageError
from pose_ros.messages.images import image_from_msg
from pose_ros.ros.messages import read_image


def message(frame_id: str = "camera", encoding: str = "bgr8", size: int = 12) -> Image:
    image = Image(height=2, width=2, encoding=encoding, step=6, is_bigendian=1)
    image.header.frame_id = frame_id
    image.header.stamp.sec, image.header.stamp.nanosec = 1_700_000_000, 123_456_789
    image.data.frombytes(np.arange(size, dtype=np.uint8).tobytes())
    return image


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "kämera", "x" * 300])
@pytest.mark.parametrize("encoding", ["rgb8", "bayer_rggb16", "mono8", ""])
@pytest.mark.parametrize("size", [0, 1, 12, 5000])
def test_reader_gives_the_same_messages_as_rclpy(frame_id: str, encoding: str, size: int) -> None:
    serialized = serialize_message(message(frame_id, encoding, size))
    expected = deserialize_message(serialized, Image)
    found = read_image(serialized)
    assert found.header == expected.header
    for name in ("height", "width", "encoding", "is_bigendian", "step"):
        assert getattr(found, name) == getattr(expected, name), name
    assert bytes(found.data) == expected.data.tobytes()


def test_the_pixels_are_not_copied() -> None:
    serialized = serialize_message(message())
    array, channels = image_from_msg(read_image(serialized))
    assert channels == "bgr"
    assert np.array_equal(array.ravel(), np.arange(12))
    assert np.shares_memory(array, np.frombuffer(serialized, np.uint8))


def test_big_endian_message_is_read() -> None:
    body = struct.pack(">iI", 5, 6) + struct.pack(">I", 2) + b"f\0" + b"\0\0"
    body += struct.pack(">II", 1, 2) + struct.pack(">I", 6) + b"mono8\0" + b"\1" + b"\0"
    body += struct.pack(">I", 2) + struct.pack(">I", 2) + b"\x07\x08"
    found = read_image(b"\0\0\0\0" + body)
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == (5, 6)
    assert (found.header.frame_id, found.encoding) == ("f", "mono8")
    assert (found.height, found.width, found.is_bigendian, found.step) == (1, 2, 1, 2)
    assert bytes(found.data) == b"\x07\x08"


def test_truncated_message_is_refused() -> None:
    serialized = serialize_message(message())
    # rclpy pads the end to a multiple of four, so only cuts into the data show
    for length in range(len(serialized) - 4):
        with pytest.raises(ImageError):
            read_image(serialized[:length])


@pytest.mark.parametrize("message", [b"", b"\x00\x03" + bytes(99), b"\x01\x00" + bytes(99)])
def test_unknown_encapsulation_is_refused(message: bytes) -> None:
    with pytest.raises(ImageError, match="plain CDR"):
        read_image(message)
