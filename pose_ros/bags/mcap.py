"""Reads MCAP files, whole or damaged: what a broken record hides is left out and counted.

A recording that was cut off has neither the index nor the statistics that stand at a file's
end: its records are then gone through one by one. Format: the MCAP specification 1.0
(mcap.dev/spec).
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lz4.frame import LZ4FrameDecompressor

from pose_ros.bags.finding import MCAP_MAGIC
from pose_ros.bags.records import (
    ZSTD_MAGIC,
    BagRecord,
    Content,
    how_many_are_lost,
    inflate,
    merge,
    message_type,
)
from pose_ros.errors import SourceError

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

_FOOTER_BYTES = HEAD.size + 20 + len(MCAP_MAGIC)
_WHOLE = -1  # instead of an offset: the file itself
_RUN = 256  # messages outside of chunks that are taken as one block


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


class ChunkRecords(NamedTuple):
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


def walk_records(at: At, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
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


def read_string(data: bytes, offset: int) -> tuple[str, int]:
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


def open_chunk(at: At, block: Block, *, check: bool) -> ChunkRecords:
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
        return ChunkRecords(at, start, block.end)
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
    return ChunkRecords(
        lambda offset, length: data[offset : offset + length], 0, len(data), trouble
    )


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


def chunk_compression(path: Path) -> str:
    """Return how the first chunk of a file is compressed: ``zstd``, ``lz4``, or empty: not."""
    with path.open("rb", buffering=0) as file:
        at = _reader(file)
        offset = find_chunk(at, len(MCAP_MAGIC), _PIECE_BYTES)
        if offset is None:
            return ""
        start = offset + HEAD.size
        *_, letters = _CHUNK_HEAD.unpack(at(start, _CHUNK_HEAD.size))
        return at(start + _CHUNK_HEAD.size, letters).decode("ascii")


class McapFile:
    """One ``.mcap`` file.

    Args:
        path: Where it is.
        name: What to call it.
        expected: How many messages it holds, as the bag's metadata says; None when unknown.

    Raises:
        SourceError: Nothing in it can be read.
    """

    kind = "mcap"

    def __init__(self, path: Path, name: str, expected: int | None = None) -> None:
        self._path, self._name, self._expected = path, name, expected
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._channels: dict[int, Content] = {}
        self._blocks: list[Block] = []
        self._indexed = True
        # by where it is in the file, so that nothing counts twice
        self._lost: dict[int, int] = {}
        self._troubles: dict[int, str] = {}
        self.metadata = ""
        self.span: tuple[int, int] | None = None
        try:
            with path.open("rb", buffering=0) as file:
                at = _reader(file)
                if at(0, len(MCAP_MAGIC)) != MCAP_MAGIC:
                    raise SourceError(f"{name} is not an MCAP file")
                self._open(at, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {error.strerror}") from None
        if blocks := [block for block in self._blocks if block.counts or self._indexed]:
            self.span = min(b.first for b in blocks), max(b.last for b in blocks)

    @property
    def contents(self) -> list[Content]:
        """What it holds, a channel each; a topic may have several."""
        return list(self._channels.values())

    def losses(self) -> list[str]:
        """Return what is known by now to be lost, a line each."""
        found = sum(content.count for content in self._channels.values())
        lost = sum(self._lost.values())
        scale = how_many_are_lost(found - lost, lost, self._expected, sure=self._indexed)
        if not self._troubles:
            short = self._expected is not None and self._expected > found
            return [f"{self._name}: {scale}"] if lost or short else []
        kinds = Counter(self._troubles.values())
        what = ", ".join(f"{text} ({n} times)" if n > 1 else text for text, n in kinds.items())
        return [f"{self._name} is damaged ({what}): {scale}"]

    def records(
        self, topics: Collection[str], start: int, end: int, head: int | None = None
    ) -> Iterator[BagRecord]:
        """Yield the messages of topics, recorded from ``start`` to before ``end``, in order."""
        wanted = {
            key: content for key, content in self._channels.items() if content.topic in topics
        }
        blocks = [
            block
            for block in self._blocks
            if block.first < end
            and block.last >= start
            and (not block.counts or not wanted.keys().isdisjoint(block.counts))
        ]
        with self._path.open("rb", buffering=0) as file:
            if head is not None:  # of what lies between them nothing is to be read ahead
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            at = _reader(file)
            read = partial(self._read_block, at, wanted, (start, end), head)
            yield from merge((block.first, partial(read, block)) for block in blocks)

    def count(self, topic: str, start: int, end: int) -> int:
        """Return how many messages of a topic were recorded from ``start`` to before ``end``."""
        wanted = {key: content for key, content in self._channels.items() if content.topic == topic}
        count = 0
        with self._path.open("rb", buffering=0) as file:
            at = _reader(file)
            for block in self._blocks:
                if block.first >= end or block.last < start:
                    continue
                if block.counts and start <= block.first and block.last < end:
                    count += sum(block.counts[key] for key in wanted)
                else:
                    found = self._read_block(at, wanted, (start, end), 0, block)
                    count += sum(1 for _ in found)
        return count

    def _open(self, at: At, size: int) -> None:
        footer = at(size - _FOOTER_BYTES, _FOOTER_BYTES)
        whole = footer[:9] == HEAD.pack(FOOTER, 20) and footer.endswith(MCAP_MAGIC)
        end = size - (_FOOTER_BYTES if whole else 0)
        (summary,) = struct.unpack_from("<Q", footer, HEAD.size) if whole else (0,)
        if len(MCAP_MAGIC) < summary < end and self._read_summary(at, summary, end):
            return
        self._indexed = whole
        if not whole:
            self._troubles[_WHOLE] = "it is cut off"
        self._scan(at, end)

    def _read_summary(self, at: At, offset: int, end: int) -> bool:
        """Read the index at the file's end; whether it tells everything."""
        declared: tuple[int, ...] = ()  # how many messages, schemas, channels and chunks there are
        counts: dict[int, int] = {}
        try:
            for code, body, length in walk_records(at, offset, end):
                if code == CHUNK_INDEX:
                    self._blocks.append(indexed_chunk(at(body, length)))
                elif code == STATISTICS:
                    numbers = struct.unpack("<QHIIIIQQI", at(body, 46))
                    declared = numbers[0], numbers[1], numbers[2], numbers[5]
                    counts = dict(struct.iter_unpack("<HQ", at(body + 46, numbers[8])))
                elif code == METADATA_INDEX:
                    self._take_metadata(at, *struct.unpack("<Q", at(body, 8)))
                else:
                    self._take(code, at(body, length))
        except (DamagedError, struct.error):
            declared = ()
        indexed = sum(block.counts.total() for block in self._blocks)
        found = indexed, len(self._schemas), len(self._channels), len(self._blocks)
        # of chunks without an index of their messages it is not known how many there are
        if declared[1:] != found[1:] or (declared[0] != indexed and (indexed or not self._blocks)):
            self._schemas, self._channels, self._blocks = {}, {}, []
            return False
        for key, content in self._channels.items():
            content.count = counts.get(key, 0)
        return True

    def _take_metadata(self, at: At, offset: int) -> None:
        """Take in the bag's metadata, if that is what a record of metadata holds."""
        _, length = HEAD.unpack(at(offset, HEAD.size))
        body = at(offset + HEAD.size, length)
        name, rest = read_string(body, 0)
        if name == "rosbag2":
            key, rest = read_string(body, rest + 4)
            if key == "serialized_metadata":
                self.metadata, _ = read_string(body, rest)

    def _take(self, code: int, body: bytes) -> None:
        """Take in a schema or a channel; nothing else counts."""
        if code == SCHEMA:
            (key,) = struct.unpack_from("<H", body)
            name, rest = read_string(body, 2)
            form, rest = read_string(body, rest)
            text, _ = read_string(body, rest)
            self._schemas[key] = message_type(name), form, text
        elif code == CHANNEL:
            key, schema = struct.unpack_from("<HH", body)
            topic, rest = read_string(body, 4)
            encoding, _ = read_string(body, rest)
            kind, form, text = self._schemas.get(schema, ("", "", ""))
            self._channels.setdefault(key, Content(topic, kind, 0, encoding, text, form))

    def _scan(self, at: At, end: int) -> None:
        """Go through a file that has no index, or none that can be trusted."""
        offset: int | None = len(MCAP_MAGIC)
        while offset is not None:
            run: Block | None = None
            try:
                for code, body, length in walk_records(at, offset, end):
                    offset = body + length
                    if code == MESSAGE:
                        run = self._add_message(at, run, body, length)
                        continue
                    run = None
                    if code in (DATA_END, FOOTER):
                        return
                    self._add_record(at, code, body, length)
            except (DamagedError, struct.error):
                offset = self._pass_over(at, offset, end)
            else:
                return

    def _pass_over(self, at: At, offset: int, end: int) -> int | None:
        """Return where to go on behind a broken record; None at the end."""
        following = find_chunk(at, offset + 1, end)
        if following is None and at(offset, 1) == bytes([CHUNK]):
            self._add_chunk(at, Block(offset, end, cut=True))
        if following is not None or self._indexed:
            self._troubles.setdefault(offset, f"broken at byte {offset}")
        else:
            self._troubles.pop(offset, None)  # it is cut off there, which is said already
        return following

    def _add_record(self, at: At, code: int, body: int, length: int) -> None:
        """Take in a record of a file that is gone through."""
        if code == CHUNK:
            self._add_chunk(at, Block(body - HEAD.size, body + length))
        elif code == METADATA:
            self._take_metadata(at, body - HEAD.size)
        elif code in (SCHEMA, CHANNEL):
            self._take(code, at(body, length))

    def _add_message(self, at: At, run: Block | None, body: int, length: int) -> Block:
        """Take in a message outside of chunks; return the block that it is in."""
        channel, _, stamp, _ = MESSAGE_HEAD.unpack(at(body, MESSAGE_HEAD.size))
        if run is None or run.counts.total() >= _RUN:
            run = Block(body - HEAD.size, body + length, chunk=False)
            self._blocks.append(run)
        run.end = body + length
        self._count(run, channel, stamp)
        return run

    def _add_chunk(self, at: At, block: Block) -> None:
        """Take in a chunk, with the channels and messages in it."""
        try:
            opened = open_chunk(at, block, check=False)
            for code, body, length in walk_records(*opened[:3]):
                if code == MESSAGE:
                    head = opened.at(body, MESSAGE_HEAD.size)
                    channel, _, stamp, _ = MESSAGE_HEAD.unpack(head)
                    self._count(block, channel, stamp)
                else:
                    self._take(code, opened.at(body, length))
        except (DamagedError, struct.error) as error:
            self._note(block, str(error))
        if block.counts:
            self._blocks.append(block)

    def _count(self, block: Block, channel: int, nanoseconds: int) -> None:
        block.add(channel, nanoseconds)
        if channel in self._channels:
            self._channels[channel].count += 1

    def _note(self, block: Block, trouble: str) -> None:
        """Note what is wrong with a block; that the file ends in it is known already."""
        if trouble and not block.cut:
            self._troubles.setdefault(block.offset, trouble)

    def _read_block(
        self,
        at: At,
        wanted: dict[int, Content],
        times: tuple[int, int],
        head: int | None,
        block: Block,
    ) -> Iterator[BagRecord]:
        """Yield the messages of one block in order."""
        opened = ChunkRecords(at, block.offset, block.end)
        found: list[tuple[int, Content, int, int]] = []
        count = 0
        try:
            if block.chunk:
                opened = open_chunk(at, block, check=head is None)
            for channel, stamp, place, size in _messages(opened, block):
                count += 1
                if channel in wanted and times[0] <= stamp < times[1]:
                    found.append((stamp, wanted[channel], place, size))
        except (DamagedError, struct.error) as error:
            self._note(block, opened.trouble or str(error))
        self._note(block, opened.trouble)
        if count < block.counts.total():
            self._lost[block.offset] = block.counts.total() - count
        found.sort(key=lambda message: message[0])
        for stamp, content, place, size in found:
            data = opened.at(place, size if head is None else min(head, size))
            if data[:4] == ZSTD_MAGIC:
                data, whole = inflate(opened.at(place, size), head)
                if not whole:
                    self._troubles[block.offset] = "a message cannot be decompressed"
                    self._lost[block.offset + place] = 1
                    continue
            yield BagRecord(stamp, content.topic, content.kind, data[:head], size)


def _messages(opened: ChunkRecords, block: Block) -> Iterator[tuple[int, int, int, int]]:
    """Yield channel, time, place and size of each message of a block."""
    for code, body, length in walk_records(*opened[:3]):
        if code == MESSAGE:
            channel, _, stamp, _ = MESSAGE_HEAD.unpack(opened.at(body, MESSAGE_HEAD.size))
            if not block.first <= stamp <= block.last:
                raise DamagedError("a message has the time of another chunk")
            yield channel, stamp, body + MESSAGE_HEAD.size, length - MESSAGE_HEAD.size


def _reader(file: FileIO) -> At:
    """Return what reads a file; whatever is asked for, no more comes than there is."""
    number = file.fileno()
    whole = os.fstat(number).st_size

    def at(offset: int, size: int) -> bytes:
        if not 0 <= offset < whole:
            return b""
        return os.pread(number, min(size, whole - offset), offset)

    return at


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
