"""Serialized images read without a copy of their pixels; people and frames written as bytes.

rclpy and rosbags turn a message's bytes into Python objects field by field, and copy a large array
on the way. From the bytes the few fields of an Image are read at once, and the pixels stay where
they are.

What there is most of in a recording of results is people and frames. A message of one person is
some two hundred fields, most of them names that are the same in every image. They are laid out
once; then an image costs a few assignments of NumPy in place of a Python call for each field.
rosbags serializes the same messages to the same bytes, and writing a bag then takes 1.5 times as
long with one person in each image, 2.0 times with two and 2.4 times with five (60 images, median of
7 rounds in turns, CPU time, MCAP: ``python -m benchmarks.cdr_cost``; networks are not part of it).

Format: OMG DDS-RTPS 2.3, 10.2 (encapsulation) and the classic CDR of DDS-XTypes,
7.4.3: values aligned to their size, counted from behind the 4 bytes that name
the encapsulation.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses, PositionSource
from pose_ros.errors import ImageError
from pose_ros.messages.headers import HeaderMsg, Types
from pose_ros.messages.transforms import PersonFrames

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


Words = NDArray[np.uint32]
Positions = NDArray[np.intp]

_ENCAPSULATION = b"\x00\x01\x00\x00"  # plain CDR, little-endian


def poses_to_cdr(
    poses: Poses, nanoseconds: int, frame_id: str, network: str, *, width: int, height: int
) -> bytes:
    """Return the serialized PoseArray of the people found in one image.

    Args:
        poses: What was found.
        nanoseconds: The image's stamp.
        frame_id: Of the image.
        network: Name of the network that found them.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    out = _Stream()
    out.numbers("iI", *divmod(nanoseconds, NANOSECONDS))
    for text in (frame_id, network, poses.skeleton.name):
        out.string(text)
    out.numbers("III", width, height, len(poses))
    small, points, sources = _numbers(poses)
    names = poses.skeleton.keypoints
    for i, (id_, score, box) in enumerate(
        zip(poses.ids.tolist(), poses.scores.tolist(), poses.boxes.tolist(), strict=True)
    ):
        out.numbers("I5f", id_, score, *box)
        out.string("" if poses.labels is None else poses.labels[i])
        sure = math.nan if poses.label_scores is None else float(poses.label_scores[i])
        out.numbers("fI", sure, len(names))
        layout = _keypoints(names, out.size % 8)
        words = layout.words.copy()
        words[layout.small] = small[i]
        words[layout.points] = points[i]
        words.view(np.uint8)[layout.sources] = sources[i]
        out.add(words.tobytes())
    return out.bytes()


def frames_to_cdr(frames: PersonFrames, nanoseconds: int) -> bytes:
    """Return the serialized TFMessage of the frames of one image.

    Args:
        frames: Where they are.
        nanoseconds: The image's stamp.
    """
    layout = _transforms(frames.parents, frames.children)
    words = layout.words.copy()
    words[layout.stamps] = np.array(divmod(nanoseconds, NANOSECONDS), "<i8").astype("<u4")
    values = np.hstack([frames.places, frames.turns]).astype("<f8")
    words[layout.values] = values.view("<u4")
    return _ENCAPSULATION + words.tobytes()


def _numbers(poses: Poses) -> tuple[Words, Words, NDArray[np.uint8]]:
    """Return each joint's x, y, score, z and sigma; its two points; and its source, as words."""
    people, joints = poses.keypoint_scores.shape
    small = np.full((people, joints, 5), np.nan, "<f4")
    small[..., :2], small[..., 2] = poses.keypoints, poses.keypoint_scores
    if poses.depths is not None:
        small[..., 3] = poses.depths
    if poses.camera_sigmas is not None:
        small[..., 4] = poses.camera_sigmas
    points = np.full((people, joints, 6), np.nan, "<f8")
    if poses.world is not None:
        points[..., :3] = poses.world
    if poses.camera is not None:
        points[..., 3:] = poses.camera
    sources = poses.camera_sources
    if sources is None:
        sources = np.full((people, joints), PositionSource.NONE, np.uint8)
    return small.view("<u4"), points.view("<u4"), sources


class _KeypointLayout(NamedTuple):
    """The keypoints of one person: what is always the same, and where the rest stands.

    Attributes:
        words: Names and gaps.
        small: (K, 5) positions of words.
        points: (K, 12) positions of words.
        sources: (K,) positions of bytes.
    """

    words: Words
    small: Positions
    points: Positions
    sources: Positions


class _TransformLayout(NamedTuple):
    """The frames of one image: what is always the same, and where the rest stands.

    Attributes:
        words: Names and gaps.
        stamps: (N, 2) positions of words.
        values: (N, 14) positions of words.
    """

    words: Words
    stamps: Positions
    values: Positions


@lru_cache(maxsize=64)
def _keypoints(names: tuple[str, ...], start: int) -> _KeypointLayout:
    """Lay the keypoints of a skeleton out from a place on, of which alignment makes 0 or 4."""
    out = _Stream(start)
    small, points, sources = [], [], []
    for name in names:
        out.string(name)
        first = out.gap(4, 4)
        points.append(out.gap(8, 6))
        sources.append(out.gap(1, 1))
        small.append([*first, *out.gap(4, 1)])
    return _KeypointLayout(
        np.frombuffer(out.body(), "<u4"),
        _positions(small, 5) // 4,
        _word_pairs(points, 6),
        _positions(sources, 1).ravel(),
    )


@lru_cache(maxsize=64)
def _transforms(parents: tuple[str, ...], children: tuple[str, ...]) -> _TransformLayout:
    out = _Stream()
    out.numbers("I", len(children))
    stamps, values = [], []
    for parent, child in zip(parents, children, strict=True):
        stamps.append(out.gap(4, 2))
        out.string(parent)
        out.string(child)
        values.append(out.gap(8, 7))
    words = np.frombuffer(out.body(), "<u4")
    return _TransformLayout(words, _positions(stamps, 2) // 4, _word_pairs(values, 7))


def _positions(offsets: list[list[int]], count: int) -> Positions:
    return np.array(offsets, np.intp).reshape(-1, count)


def _word_pairs(offsets: list[list[int]], count: int) -> Positions:
    """Return the positions of both words of each double, by the doubles' offsets in bytes."""
    first = _positions(offsets, count) // 4
    return np.stack([first, first + 1], axis=-1).reshape(-1, 2 * count)


class _Stream:
    """Bytes behind the encapsulation, each value aligned to its size.

    Args:
        start: Where it begins in the message.
    """

    def __init__(self, start: int = 0) -> None:
        self.size = self._start = start
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Add bytes as they are."""
        self._parts.append(data)
        self.size += len(data)

    def align(self, size: int) -> None:
        """Fill up to a multiple of a size."""
        if self.size % size:
            self.add(bytes(-self.size % size))

    def numbers(self, kinds: str, *values: float) -> None:
        """Add numbers of 4 bytes, named as ``struct`` names them."""
        self.align(4)
        self.add(struct.pack(f"<{kinds}", *values))

    def string(self, text: str) -> None:
        """Add a text; behind it stands a zero."""
        data = text.encode()
        self.numbers("I", len(data) + 1)
        self.add(data + b"\x00")

    def gap(self, size: int, count: int) -> list[int]:
        """Leave room for numbers of a size; return the offset of each from the start."""
        self.align(size)
        first = self.size - self._start
        self.add(bytes(size * count))
        return [first + size * i for i in range(count)]

    def body(self) -> bytes:
        """Return all that was added."""
        return b"".join(self._parts)

    def bytes(self) -> bytes:
        """Return the message."""
        return _ENCAPSULATION + self.body()
