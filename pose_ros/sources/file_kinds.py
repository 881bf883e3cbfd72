"""What a file holds, by its first bytes, so that no decoder sees what is not its own."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

from pose_ros.bags.finding import MCAP_MAGIC, SQLITE_MAGIC, is_bag
from pose_ros.core.encoded_images import FILE_FORMATS, image_format, tiff_pages
from pose_ros.errors import DocumentError, ImageError, SourceError
from pose_ros.files import read_file
from pose_ros.sources.pictures import PICTURE_SUFFIXES, UNREAD_SUFFIXES
from pose_ros.video_files import HEAD_BYTES, video_container

BAG, PICTURE = "bag", "picture"
ANIMATED_WEBP, TIFF_PAGES = "animated WebP", "TIFF of several pages"
"""Animations, which FFmpeg does not read."""

_MAX_ANIMATION_BYTES = 2 << 30
_ROS1_MAGIC = b"#ROSBAG"


def kind_of(path: Path) -> str:
    """Return what a file is opened as; a wrong or missing suffix does no harm.

    Args:
        path: A file, or the folder of a bag.

    Returns:
        ``BAG``, ``PICTURE``, ``ANIMATED_WEBP``, ``TIFF_PAGES`` or FFmpeg's name of a video's
        container; empty where it is none of these. What is empty, damaged or cannot be read is
        what its suffix says.
    """
    if is_bag(path):
        return BAG
    head = _head(path)
    if head.startswith((SQLITE_MAGIC, MCAP_MAGIC)):
        return BAG
    return video_container(head, path.name) or _picture_kind(path, head)


def _picture_kind(path: Path, head: bytes) -> str:
    picture = image_format(head[:16])
    if picture == "WebP" and head[12:16] == b"VP8X" and head[20] & 2:
        return ANIMATED_WEBP
    if picture == "TIFF" and _has_pages(path, head):
        return TIFF_PAGES
    named = path.suffix.lower() in PICTURE_SUFFIXES | UNREAD_SUFFIXES
    return PICTURE if named or picture in FILE_FORMATS else ""


def read_animation(path: Path, name: str) -> bytes:
    """Return what the file of an animation holds.

    Raises:
        SourceError: It cannot be read, or is larger than 2 GB.
    """
    try:
        return read_file(path, min(path.stat().st_size, _MAX_ANIMATION_BYTES))
    except (OSError, DocumentError) as error:
        raise SourceError(f"cannot read {name}: {error}") from None


def check_regular(path: Path, name: str) -> None:
    """Check that reading a file cannot wait for ever.

    Raises:
        SourceError: It is not there, or is a FIFO, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceError(f"cannot open {name}: {error.strerror or error}") from None
    if stat.S_ISFIFO(mode):
        raise SourceError(
            f"{name} is a FIFO: it has neither an end nor a beginning to go back to; write a file, "
            "or send a stream (udp://127.0.0.1:5000)"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SourceError(f"{name} is a socket or a device, expected a file")


def unknown_kind(path: Path, name: str) -> SourceError:
    """Return the error for a file that is none of what can be opened."""
    head = _head(path)
    if head.startswith(_ROS1_MAGIC):
        return SourceError(
            f"{name} is a bag of ROS 1; convert it: rosbags-convert --src {path.name} --dst "
            f"{path.stem}"
        )
    if not head:
        return SourceError(f"{name} is empty, or cannot be read")
    if picture := image_format(head[:16]):
        return SourceError(f"{name} is {picture}, which is not read; convert it to JPEG or PNG")
    return SourceError(
        f"{name} is no video that can be read, and no picture or bag either: its first bytes are "
        "of no format that is known"
    )


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file; none where they cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _has_pages(path: Path, head: bytes) -> bool:
    """Return whether a TIFF has a second page; small versions of the first are none."""
    order = "<" if head[:2] == b"II" else ">"
    try:
        with path.open("rb") as file:
            (offset,) = struct.unpack_from(order + "I", head, 4)
            file.seek(offset)
            (count,) = struct.unpack(order + "H", file.read(2))
            file.seek(12 * count, os.SEEK_CUR)
            (following,) = struct.unpack(order + "I", file.read(4))
        if not following:
            return False
        pages = tiff_pages(read_animation(path, str(path)))
    except (OSError, struct.error, ImageError, SourceError):
        return False
    return sum(not page.is_preview for page in pages) > 1
