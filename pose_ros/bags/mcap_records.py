"""The records of MCAP files: where each begins, what is in a chunk, and where the next one is.

Format: the MCAP specification 1.0 (mcap.dev/spec).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lz4.frame import LZ4FrameDecompressor

from pose_ros.bags.records import inflate

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 2, 3, 4, 5, 6
CHUNK_INDEX, STATISTICS, METADATA, METADATA_INDEX, DATA_END = 8, 11, 12, 13, 15

HEAD = struct.Struct("<BQ")  # operation code, length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, when recorded, when published
_CHUNK_HEAD = struct.Struct("<QQQII")  # first, last, size, checksum, length of the compression

_CHUNK_PATTERN = re.compile(
    rb"\x06(.{8}).{28}(?:\x00\x00\x00\x00|\x03\x00\x00\x00lz4|\x04\x00\x00\x00zstd)(.{8})",
    re.DOTALL,
)
_PIECE_BYTES = 1 << 20

At: TypeAlias = Callable[[int, int], bytes]
"""Gives the bytes at an offset, so many; fewer at the end."""


class DamagedError(Exception):
    """A record makes no sense; why, in words."""


@dataclass
class Block:
    """A chunk, or messages that stand one after the other outside of any.

    Attributes:
        offset: In the file, of the chunk's record or of the first message's.
        end: Behind it.
        first: When its first message was recorded, nanoseconds.
        last: When its last one was.
        chunk: Whether it is a chunk.
        counts: Messages by channel; empty where that is not known.
        cut: Whether the file ends within it.
    """

    offset: int
    end: int
    first: int = 0
    last: int = 0
    chunk: bool = True
    counts: Counter[int] = field(default_factory=Counter)
    cut: bool = False

    def add(self, channel: int, nanoseconds: int) -> None:
        """Count a message."""
        empty = not self.counts
        self.first = nanoseconds if empty else min(self.first, nanoseconds)
        self.last = nanoseconds if empty else max(self.last, nanoseconds)
        self.counts[channel] += 1


class Opened(NamedTuple):
    """The records of a chunk.

    Attributes:
        at: What reads them.
        start: Where they begin.
        end: Where they end.
        trouble: What is wrong with the chunk, in words; empty if nothing.
    """

    at: At
    start: int
    end: int
    trouble: str = ""


def walk(at: At, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the code of each record, where its body begins and how long that is.

    Raises:
        DamagedError: A record does not fit.
    """
    while offset < end:
        head = at(offset, HEAD.size)
        if len(head) < HEAD.size:
            raise DamagedError("it is cut off")
        code, length = HEAD.unpack(head)
        body = offset + HEAD.size
        least = MESSAGE_HEAD.size if code == MESSAGE else 0
        if code == 0 or not least <= length <= end - body:
            raise DamagedError("a record does not end where it should")
        yield code, body, length
        offset = body + length


def string(data: bytes, offset: int) -> tuple[str, int]:
    """Return a string, and where it ends."""
    (length,) = struct.unpack_from("<I", data, offset)
    end = offset + 4 + length
    return data[offset + 4 : end].decode("utf-8", "replace"), end


def indexed_chunk(body: bytes) -> Block:
    """Return the chunk that a record of the index tells of."""
    first, last, offset, length, size = struct.unpack_from("<QQQQI", body)
    indexes = list(struct.iter_unpack("<HQ", body[36 : 36 + size]))
    (total,) = struct.unpack_from("<Q", body, 36 + size)
    counts: Counter[int] = Counter()
    # of each index of messages only the place is kept: 15 bytes, and 16 a message
    places = [*sorted(place for _, place in indexes), offset + length + total]
    for channel, place in indexes:
        counts[channel] += (places[places.index(place) + 1] - place - 15) // 16
    return Block(offset, offset + length, first, last, True, counts)


def open_chunk(at: At, block: Block, *, check: bool) -> Opened:
    """Return the records of a chunk, decompressed as far as they can be read.

    Args:
        at: Of the file.
        block: The chunk.
        check: Whether all of it is read, and its checksum compared; otherwise what is not
            compressed is read in place.

    Raises:
        DamagedError: There is no chunk.
    """
    start = block.offset + HEAD.size
    head, fields = at(block.offset, HEAD.size), at(start, _CHUNK_HEAD.size)
    if len(fields) < _CHUNK_HEAD.size or head[0] != CHUNK:
        raise DamagedError("a chunk cannot be read")
    _, _, size, checksum, letters = _CHUNK_HEAD.unpack(fields)
    start += _CHUNK_HEAD.size
    compression = at(start, min(letters, 64)).decode("ascii", "replace")
    start += letters + 8
    if compression == "" and not check:
        return Opened(at, start, block.end)
    data = at(start, max(0, block.end - start))
    if compression == "":
        whole = len(data) == size
    elif compression == "zstd":
        data, whole = inflate(data)
    elif compression == "lz4":
        data, whole = _inflate_lz4(data)
    else:
        raise DamagedError(f"a chunk is compressed as {compression!r}, which is not known")
    trouble = "" if whole else "a chunk is cut off or broken"
    if whole and checksum and zlib.crc32(data) != checksum:
        trouble = "the checksum of a chunk is wrong"
    return Opened(lambda offset, length: data[offset : offset + length], 0, len(data), trouble)


def find_chunk(at: At, offset: int, end: int) -> int | None:
    """Return where the next chunk begins, whatever is before it; None where there is none.

    The file may end within the chunk.
    """
    while offset < end:
        for match in _CHUNK_PATTERN.finditer(at(offset, _PIECE_BYTES + 64)):
            length, inner = (struct.unpack("<Q", match[i])[0] for i in (1, 2))
            # two lengths that fit each other are no accident
            if match.end() - match.start() - HEAD.size + inner == length:
                return offset + match.start()
        offset += _PIECE_BYTES
    return None


def _inflate_lz4(data: bytes) -> tuple[bytes, bool]:
    """Return what lz4 compressed, as far as it can be read, and whether that is all."""
    engine, found = LZ4FrameDecompressor(), bytearray()
    try:
        for offset in range(0, len(data), 1 << 16):
            if not engine.eof:
                found += engine.decompress(data[offset : offset + (1 << 16)])
    except RuntimeError:
        return bytes(found), False
    return bytes(found), bool(engine.eof)
