"""Reads the files of rosbag2's SQLite storage, whole or damaged, and writes nothing beside them.

SQLite would make files beside a database that it opens, and would finish a transaction that was
broken off. A file of a recording is therefore opened as one that does not change. Where it is
damaged, the rows that can be read are found by their numbers, past what cannot.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import numpy as np
from numpy.typing import NDArray

from pose_ros.bags.records import (
    ZSTD_MAGIC,
    BagRecord,
    Content,
    how_many_are_lost,
    inflate,
    message_type,
)
from pose_ros.errors import SourceError

MAGIC = b"SQLite format 3\x00"

# of the database's header: bytes of a page, changes, pages, and as of which change they are right
_HEADER = struct.Struct(">16xH6xII60xI")
_NEAR_ROWS = 1 << 10
_LARGEST_HOLE = 1 << 24  # rows; a number beyond that is broken itself
_HIGHEST_ROW = 1 << 40

_DEFINITIONS = (
    "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions LIMIT 10000"
)

# of a write-ahead log
_LOG_HEADER = struct.Struct(">IIII8s8s")  # magic, version, page bytes, number, salts, checksums
_LOG_FRAME = struct.Struct(">II8s8s")  # page, pages at a transaction's end or 0, salts, checksums
_LOG_WORDS = {0x377F0682: "<u4", 0x377F0683: ">u4"}  # how checksums read the bytes, by the magic
_HEADER_SUMMED, _FRAME_SUMMED = 24, 8  # bytes that the checksums count; and a frame's page

_vfs_numbers = itertools.count()

_BROKEN = (apsw.Error, UnicodeDecodeError)

_Row: TypeAlias = tuple[int, int, int]
"""When it was recorded, in nanoseconds; its number; its topic's."""


class SqliteFile:
    """One ``.db3`` file.

    Args:
        path: Where it is.
        name: What to call it.
        expected: How many messages it holds, as the bag's metadata says; None when unknown.

    Raises:
        SourceError: Nothing in it can be read.
    """

    kind = "sqlite3"

    def __init__(self, path: Path, name: str, expected: int | None = None) -> None:
        self._path, self._name, self._expected = path, name, expected
        self._log = WriteAheadLog(path)
        self._topics: dict[int, Content] = {}
        self._rows: list[_Row] | None = None  # those that can be read, of a damaged file
        self._missing = 0
        self._lost: set[int] = set()
        self._trouble = ""
        self.metadata = ""
        self.span: tuple[int, int] | None = None
        connection = self._connect()
        try:
            self._read_tables(connection)
        except _BROKEN as error:
            raise SourceError(f"{name} cannot be read: {error}") from None
        try:
            self._count(connection)
        except _BROKEN as error:
            self._find_rows(connection, _in_words(error))
        finally:
            connection.close()

    @property
    def contents(self) -> list[Content]:
        """What it holds, a topic each."""
        return list(self._topics.values())

    def losses(self) -> list[str]:
        """Return what is known by now to be lost, a line each."""
        lines = []
        if self._log.pages:
            lines.append(f"{self._name} was not closed; its end is read from {self._name}-wal")
        elif any(self._beside(suffix) for suffix in ("-wal", "-journal")):
            lines.append(f"{self._name} was not closed; what was recorded last is lost")
        found = sum(content.count for content in self._topics.values())
        if self._rows is not None or self._lost:
            known = self._missing + len(self._lost)
            there = found - len(self._lost)
            scale = how_many_are_lost(there, known, self._expected, sure=self._rows is None)
            lines.append(f"{self._name} is damaged ({self._trouble}): {scale}")
        elif self._expected is not None and self._expected > found:
            lines.append(
                f"{self._name}: {self._expected - found} of {self._expected} messages are missing"
            )
        return lines

    def records(
        self, topics: Collection[str], start: int, end: int, head: int | None = None
    ) -> Iterator[BagRecord]:
        """Yield the messages of topics, recorded from ``start`` to before ``end``, in order."""
        wanted = {key: topic for key, topic in self._topics.items() if topic.topic in topics}
        connection = self._connect()
        try:
            yield from self._read_data(
                connection, self._find(connection, wanted, start, end), wanted, head
            )
        finally:
            connection.close()

    def count(self, topic: str, start: int, end: int) -> int:
        """Return how many messages of a topic were recorded from ``start`` to before ``end``."""
        wanted = {key: content for key, content in self._topics.items() if content.topic == topic}
        connection = self._connect()
        try:
            return sum(1 for row in self._find(connection, wanted, start, end) if row[2] in wanted)
        finally:
            connection.close()

    def _beside(self, suffix: str) -> bool:
        path = self._path.with_name(self._path.name + suffix)
        return path.is_file() and path.stat().st_size > 0

    def _connect(self) -> apsw.Connection:
        try:
            connection = self._log.connect()
            # or a file that is shorter than it says is refused as a whole
            connection.execute("PRAGMA writable_schema=ON")
        except apsw.Error as error:
            raise SourceError(f"{self._name} cannot be opened: {error}") from None
        return connection

    def _read_tables(self, connection: apsw.Connection) -> None:
        tables = {name for (name,) in _select(connection, "SELECT name FROM sqlite_master")}
        if not {"topics", "messages"} <= tables:
            raise SourceError(f"{self._name} is no rosbag2: it has no messages and topics")
        query = "SELECT id, name, type, serialization_format FROM topics LIMIT 10000"
        for key, topic, kind, encoding in _select(connection, query):
            texts = (topic, kind, encoding)
            if isinstance(key, int) and all(isinstance(text, str) for text in texts):
                self._topics[key] = Content(topic, message_type(kind), 0, encoding)
        # messages can be read without what follows; it is written last, and lost first
        with contextlib.suppress(*_BROKEN):
            query = "SELECT metadata FROM metadata ORDER BY id DESC LIMIT 1"
            for (text,) in _select(connection, query):
                self.metadata = str(text)
        with contextlib.suppress(*_BROKEN):
            for kind, form, text in _select(connection, _DEFINITIONS):
                for content in self._topics.values():
                    if content.kind == message_type(str(kind)):
                        content.definition, content.definition_format = str(text), str(form)

    def _count(self, connection: apsw.Connection) -> None:
        """Count the messages of a whole file; the pages of their data are not touched."""
        if not self._log.pages and self._path.stat().st_size < _size_by_header(self._path):
            raise apsw.CorruptError("it is cut off")
        first = last = None
        for stamp, _, key in _walk(connection, 1):
            if key in self._topics:
                self._topics[key].count += 1
                first = stamp if first is None else min(first, stamp)
                last = stamp if last is None else max(last, stamp)
        self.span = None if first is None or last is None else (first, last)

    def _find_rows(self, connection: apsw.Connection, trouble: str) -> list[_Row]:
        """Find and return the rows of a damaged file that can be read, by their numbers."""
        rows: list[_Row] = []
        self._missing, self._trouble = 0, trouble
        row: int | None = 1
        while row is not None:
            row = self._walk_rows(connection, row, rows)
        rows.sort()
        for key, content in self._topics.items():
            content.count = sum(1 for found in rows if found[2] == key)
        self.span = (rows[0][0], rows[-1][0]) if rows else None
        self._rows = rows
        return rows

    def _walk_rows(self, connection: apsw.Connection, first: int, rows: list[_Row]) -> int | None:
        """Add the rows from a number on; return from which to go on, None at the end."""
        following = first
        try:
            for row in _walk(connection, first):
                self._missing += row[1] - following
                following = row[1] + 1
                if row[2] in self._topics:
                    rows.append(row)
        except _BROKEN:
            if following > first:
                return following
            beyond = self._next_row(connection, first)
            self._missing += 0 if beyond is None else beyond - first
            return beyond
        return None

    def _next_row(self, connection: apsw.Connection, broken: int) -> int | None:
        """Return the next number from which rows can be read; None where there is none."""

        def readable(row: int) -> bool:  # that there is nothing more is read as well
            try:
                next(_walk(connection, row), None)
            except _BROKEN:
                return False
            return True

        # a few rows lie on a page; where more are lost, a page of the tree's upper part is
        near = broken + _NEAR_ROWS
        if (found := next(filter(readable, range(broken + 1, near)), None)) is not None:
            return found
        step = _NEAR_ROWS
        while not readable(broken + step):
            step *= 2
            if step > _HIGHEST_ROW:
                return None
        low, high = max(near - 1, broken + step // 2), broken + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if readable(middle) else (middle, high)
        return high

    def _find(
        self, connection: apsw.Connection, wanted: dict[int, Content], start: int, end: int
    ) -> Iterator[_Row]:
        """Yield the rows of some time in order; those of a damaged file, of all topics."""
        if self._rows is not None:
            yield from (row for row in self._rows if start <= row[0] < end)
            return
        keys = ", ".join(map(str, wanted))
        query = (
            f"SELECT timestamp, id, topic_id FROM messages WHERE topic_id IN ({keys}) "  # noqa: S608  numbers
            "AND timestamp >= ? AND timestamp < ? ORDER BY timestamp, id"
        )
        last: _Row = (start, 0, 0)
        try:
            for row in _select(connection, query, start, end):
                if not _is_row(row) or row <= last:
                    raise apsw.CorruptError("malformed")
                last = row
                yield row
        except _BROKEN as error:
            rows = self._find_rows(connection, _in_words(error))
            yield from (other for other in rows if other > last and other[0] < end)

    def _read_data(
        self,
        connection: apsw.Connection,
        rows: Iterable[_Row],
        wanted: dict[int, Content],
        head: int | None,
    ) -> Iterator[BagRecord]:
        blob: Any = None
        for stamp, row, key in rows:
            if key not in wanted:
                continue
            try:
                if blob is None:
                    blob = connection.blob_open("main", "messages", "data", row, False)
                else:
                    blob.reopen(row)
                data, size = _read_blob(blob, None if self._rows else head)
            except (*_BROKEN, SourceError) as error:
                self._trouble = self._trouble or _in_words(error)
                self._lost.add(row)
                if blob is not None:
                    blob.close(True)  # or it says again what was wrong, wherever it ends
                    blob = None
                continue
            yield BagRecord(stamp, wanted[key].topic, wanted[key].kind, data[:head], size)


def _walk(connection: apsw.Connection, first: int) -> Iterator[_Row]:
    """Yield the rows from a number on in the order of their numbers, none of them twice.

    Raises:
        apsw.Error: What follows is broken.
    """
    # what is behind a broken page is found by its own number, not by the one before it
    query = "SELECT timestamp, id, topic_id FROM messages NOT INDEXED WHERE id >= ? ORDER BY id"
    last = first - 1
    for row in _select(connection, query, first):
        if not _is_row(row) or not last < row[1] <= last + _LARGEST_HOLE:
            raise apsw.CorruptError("malformed")
        last = row[1]
        yield row


def _is_row(row: Any) -> bool:
    """Return whether what was read makes sense: a broken page may hold anything."""
    return all(isinstance(value, int) for value in row)


def _select(connection: apsw.Connection, query: str, *values: int) -> Iterator[Any]:
    return connection.execute(query, values)


def _size_by_header(path: Path) -> int:
    """Return how many bytes a file has by its own header; 0 where that does not say."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return 0
    page_bytes, changes, pages, valid_for = _HEADER.unpack(head)
    # of 65536 bytes only a 1 fits in
    return pages * (65536 if page_bytes == 1 else page_bytes) if changes == valid_for else 0


def _in_words(error: Exception) -> str:
    broken = isinstance(error, apsw.CorruptError) and "malformed" in str(error)
    return "parts of it are broken" if broken else str(error)


def _read_blob(blob: Any, head: int | None) -> tuple[bytes, int]:
    size = blob.length()
    data: bytes = blob.read(size if head is None else min(head, size))
    if data[:4] == ZSTD_MAGIC:
        data += blob.read(size - len(data))
        data, whole = inflate(data, head)
        if not whole:
            raise SourceError("a message cannot be decompressed")
    return data, size


class WriteAheadLog:
    """The pages in a write-ahead log that the database's writer has left.

    SQLite itself would write the log back into the file. Here the pages of the log are laid over
    those of the file in memory, as SQLite would replay them: up to the last transaction before the
    first frame that is cut off or whose checksum is wrong. Format: sqlite.org/fileformat2.html, 4
    (the write-ahead log).

    SQLite could replay the log in a temporary copy. But a log holds a few megabytes, and the copy
    is of the whole recording: each ``bag info`` and each worker of a fleet would copy all of it,
    and the temporary folder would need room for as many copies. Without a copy, SQLite reads a log
    only where it may lock the file and make a third one beside it.

    Attributes:
        path: Of the database.
        pages: Pages of the database as of the last transaction; 0 if there is none.

    Args:
        path: Of the database; the log lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = path.with_name(f"{path.name}-wal")
        self.pages = 0
        self._page_bytes = 0
        self._places: dict[int, int] = {}  # in the log, by the page's number
        self._vfs: _LogVfs | None = None
        try:
            self._read()
        except OSError:
            return  # there is none

    def connect(self) -> apsw.Connection:
        """Open the database as of the last transaction; nothing is written, or locked.

        Raises:
            apsw.Error: It cannot be opened.
        """
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        if self.pages and self._vfs is None:
            self._vfs = _LogVfs(self)
        name = self._vfs.name if self._vfs else None
        return apsw.Connection(f"{self.path.absolute().as_uri()}?immutable=1", flags, name)

    @property
    def size(self) -> int:
        """Bytes of the database as of the last transaction."""
        return self.pages * self._page_bytes

    def piece(self, file: int, amount: int, offset: int) -> bytes | None:
        """Return bytes of the database that the log has; None where the file has them.

        Args:
            file: Descriptor of the log.
            amount: How many, within one page.
            offset: In the database.
        """
        page, rest = divmod(offset, self._page_bytes)
        place = self._places.get(page + 1)
        return None if place is None else os.pread(file, amount, place + rest)

    def open(self) -> int:
        """Return a descriptor of the log."""
        return os.open(self._log, os.O_RDONLY)

    def _read(self) -> None:
        with self._log.open("rb") as file:
            head = file.read(_LOG_HEADER.size)
            if len(head) < _LOG_HEADER.size:
                return
            magic, _, self._page_bytes, _, salts, checksums = _LOG_HEADER.unpack(head)
            if magic not in _LOG_WORDS or not 512 <= self._page_bytes <= 65536:
                return
            words = _LOG_WORDS[magic]
            sums = _add_up((0, 0), head[:_HEADER_SUMMED], words)
            if struct.pack(">II", *sums) != checksums:
                return
            size = os.fstat(file.fileno()).st_size
            begun: dict[int, int] = {}
            for offset in range(_LOG_HEADER.size, size, _LOG_FRAME.size + self._page_bytes):
                frame = os.pread(file.fileno(), _LOG_FRAME.size + self._page_bytes, offset)
                if len(frame) < _LOG_FRAME.size + self._page_bytes:
                    return
                page, pages, frame_salts, checksums = _LOG_FRAME.unpack_from(frame)
                sums = _add_up(sums, frame[:_FRAME_SUMMED] + frame[_LOG_FRAME.size :], words)
                if frame_salts != salts or struct.pack(">II", *sums) != checksums:
                    return
                place = offset + _LOG_FRAME.size
                begun[page] = place
                if pages:
                    self._places.update(begun)
                    self.pages = pages
                    begun.clear()


def _add_up(sums: tuple[int, int], data: bytes, words: str) -> tuple[int, int]:
    """Return the checksums of a log after more of its bytes.

    Of each two words x and y, ``a += x + b`` and ``b += y + a``, modulo 2**32: a linear step, so
    that all of them are one product with the powers of its matrix.
    """
    pairs = np.frombuffer(data, words).astype(np.uint32).reshape(-1, 2)
    powers = _powers(len(pairs))
    steps = np.stack([pairs[:, 0], pairs[:, 0] + pairs[:, 1]], axis=1)
    start = np.array(sums, np.uint32)
    total = powers[-1] @ start + (powers[-2::-1] @ steps[:, :, None]).sum(axis=(0, 2), dtype="u4")
    return int(total[0]), int(total[1])


@lru_cache(maxsize=4)
def _powers(count: int) -> NDArray[np.uint32]:
    """Return (count + 1, 2, 2), the powers of a step's matrix modulo 2**32, from 0 on."""
    step = np.array([[1, 1], [1, 2]], np.uint32)
    powers = [np.eye(2, dtype=np.uint32)]
    for _ in range(count):
        powers.append(step @ powers[-1])
    return np.stack(powers)


class _LogVfs(apsw.VFS):
    """Opens a database with the pages of its log."""

    def __init__(self, log: WriteAheadLog) -> None:
        self.name = f"pose_ros_{next(_vfs_numbers)}"
        self._log = log
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  as apsw names it
        if isinstance(name, apsw.URIFilename):
            return _LogFile(self._log, name, flags)
        return super().xOpen(name, flags)


class _LogFile(apsw.VFSFile):
    def __init__(self, log: WriteAheadLog, name: apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._log = log
        self._file = log.open()

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  as apsw names it
        piece = self._log.piece(self._file, amount, offset)
        return super().xRead(amount, offset) if piece is None else piece

    def xFileSize(self) -> int:  # noqa: N802  as apsw names it
        return self._log.size

    def xClose(self) -> None:  # noqa: N802  as apsw names it
        os.close(self._file)
        super().xClose()
