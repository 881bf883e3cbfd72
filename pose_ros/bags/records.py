"""What the two storages of a bag have in common: records, topics, and what was lost of a file."""

from __future__ import annotations

import contextlib
import heapq
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE_BYTES = 1 << 20


class BagRecord(NamedTuple):
    """One message as it lies in a file.

    Attributes:
        nanoseconds: When it was recorded, Unix time.
        topic: Its name.
        kind: Of the message, such as ``sensor_msgs/msg/Image``.
        data: Serialized; only the beginning where no more was asked for.
        size: Bytes of the whole, as they lie in the file.
    """

    nanoseconds: int
    topic: str
    kind: str
    data: bytes
    size: int


@dataclass
class Content:
    """What a file holds of a topic.

    Attributes:
        topic: Its name.
        kind: Of its messages.
        count: How many, as far as that is known before they are read.
        encoding: ``cdr``, or what else its messages are serialized as.
        definition: What the message consists of; empty where the file does not say.
        definition_format: ``ros2msg`` or ``ros2idl``.
    """

    topic: str
    kind: str
    count: int = 0
    encoding: str = "cdr"
    definition: str = ""
    definition_format: str = ""


class Storage(Protocol):
    """One file of a bag that was opened. It may be read by several threads at once."""

    kind: str
    """``mcap`` or ``sqlite3``."""
    metadata: str
    """The bag's metadata as the file itself holds it, YAML; empty where it does not."""
    span: tuple[int, int] | None
    """When its first and its last message were recorded; None where there is none."""

    @property
    def contents(self) -> list[Content]:
        """What it holds; a topic may be there several times."""

    def records(
        self, topics: Collection[str], start: int, end: int, head: int | None = None
    ) -> Iterator[BagRecord]:
        """Yield the messages of topics, recorded from ``start`` to before ``end``, in order.

        Args:
            topics: Names.
            start: Nanoseconds.
            end: Nanoseconds.
            head: So many bytes of each message are enough.
        """

    def count(self, topic: str, start: int, end: int) -> int:
        """Return how many messages of a topic were recorded from ``start`` to before ``end``."""

    def losses(self) -> list[str]:
        """Return what is known by now to be lost, a line each."""


def message_type(name: str) -> str:
    """Return the full name of a message type: ``std_msgs/String`` is ``std_msgs/msg/String``."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name


def how_many_are_lost(there: int, lost: int, expected: int | None, *, sure: bool) -> str:
    """Return in words how many messages of a damaged file are lost.

    Args:
        there: How many can be read.
        lost: How many are known to be lost.
        expected: How many the bag's metadata tells of; None when it does not.
        sure: Whether those that are known to be lost are all.
    """
    if expected is not None:
        lost = max(min(lost, expected), expected - there)
        return f"{lost} of {max(expected, there)} messages are lost"
    if sure:
        return f"{lost} of {there + lost} messages are lost"
    more = f"{lost} or more are lost" if lost else "how many are lost is not known"
    return f"{there} messages are there, {more}"


def inflate(data: bytes, limit: int | None = None) -> tuple[bytes, bool]:
    """Return what zstd compressed, as far as it can be read, and whether that is all.

    Args:
        data: One frame.
        limit: So many bytes are enough, and then all.
    """
    if limit is None:
        with contextlib.suppress(zstd.ZstdError):
            return zstd.decompress(data), True
    engine = zstd.ZstdDecompressor()
    pieces, size = [], 0
    try:
        while not engine.eof and (limit is None or size < limit):
            piece = engine.decompress(data, min(_PIECE_BYTES, limit or _PIECE_BYTES))
            if not piece and engine.needs_input:
                break
            data = b""
            pieces.append(piece)
            size += len(piece)
    except zstd.ZstdError:
        return b"".join(pieces), False
    return b"".join(pieces), engine.eof or (limit is not None and size >= limit)


def decompress(path: Path, target: Path) -> bool:
    """Decompress a file, as far as it can be read; return whether that is all."""
    with path.open("rb") as file, target.open("wb") as out:
        engine = zstd.ZstdDecompressor()
        try:
            while not engine.eof and (data := file.read(_PIECE_BYTES)):
                out.write(engine.decompress(data))
        except zstd.ZstdError:
            return False
        return engine.eof


def merge(
    parts: Iterable[tuple[int, Callable[[], Iterator[BagRecord]]]],
) -> Iterator[BagRecord]:
    """Yield the records of several parts in the order of their times; equal ones by part.

    Args:
        parts: When the first record of each is, at the earliest, in nanoseconds; and what begins
            to read it, which is not called before its time has come.
    """
    waiting = sorted(parts, key=lambda part: part[0], reverse=True)
    heads: list[tuple[int, int, BagRecord, Iterator[BagRecord]]] = []
    order = 0
    while waiting or heads:
        while waiting and (not heads or waiting[-1][0] <= heads[0][0]):
            records = waiting.pop()[1]()
            order += 1
            if (first := next(records, None)) is not None:
                heapq.heappush(heads, (first.nanoseconds, order, first, records))
        if not heads:
            continue
        _, number, record, records = heads[0]
        yield record
        if (following := next(records, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.nanoseconds, number, following, records))
