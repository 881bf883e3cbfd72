"""Reads the files of rosbag2's SQLite storage, whole or damaged, and writes nothing beside them.

SQLite would make files beside a database that it opens, and would finish a transaction that was
broken off. A file of a recording is therefore opened as one that does not change, and one whose
writer has left a write-ahead log in a way that SQLite can read that log and write nothing. Where
it is damaged, the rows that can be read are found by their numbers, past what cannot.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from pose_ros.bags.records import (
    ZSTD_MAGIC,
    BagRecord,
    Content,
    how_many_are_lost,
    inflate,
    message_type,
)
from pose_ros.errors import SourceError

# of the database's header: bytes of a page, changes, pages, and as of which change they are right
_HEADER = struct.Struct(">16xH6xII60xI")
_NEAR_ROWS = 1 << 10
_LARGEST_HOLE = 1 << 24  # rows; a number beyond that is broken itself
_HIGHEST_ROW = 1 << 40

_DEFINITIONS = (
    "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions LIMIT 10000"
)

_vfs_numbers = itertools.count()

_BROKEN = (apsw.Error, UnicodeDecodeError)

_Row: TypeAlias = tuple[int, int, int]
"""When it was recorded, in nanoseconds; its number; its topic's."""


# What SQLite answers from the index of the stamps, which holds each row's stamp and number.
_LOW = 0xFFFFFF
_INDEX_CHECK = (
    f"SELECT count(*), coalesce(sum((timestamp & {_LOW}) + (timestamp >> 24 & {_LOW}) "  # noqa: S608  numbers
    f"+ (timestamp >> 48 & {_LOW}) + 7 * (id & {_LOW})), 0) FROM messages"
)


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
        self._vfs: _LogVfs | None = None
        self._vfs = self._find_log()
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
        if self._vfs:
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

    def _find_log(self) -> _LogVfs | None:
        """Return what opens the file with its write-ahead log; None where that has nothing."""
        if not self._beside("-wal"):
            return None
        self._vfs = _LogVfs()
        with contextlib.suppress(*_BROKEN, SourceError), contextlib.closing(self._connect()) as log:
            log.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
            frames, _ = log.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
            return self._vfs if frames > 0 else None
        return None

    def _connect(self) -> apsw.Connection:
        """Open the file as of the last transaction; nothing is written, or locked."""
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        address = self._path.absolute().as_uri()
        try:
            if self._vfs is None:
                connection = apsw.Connection(f"{address}?immutable=1", flags)
            else:
                connection = apsw.Connection(address, flags, self._vfs.name)
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                # the index of the log is then in memory, and not in a file beside it
                connection.execute("PRAGMA locking_mode=EXCLUSIVE")
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
        if not self._vfs and self._path.stat().st_size < _size_by_header(self._path):
            raise apsw.CorruptError("it is cut off")
        first = last = None
        rows = check = 0
        for stamp, row, key in _walk(connection, 1):
            rows += 1
            check += (stamp & _LOW) + (stamp >> 24 & _LOW) + (stamp >> 48 & _LOW) + 7 * (row & _LOW)
            if key in self._topics:
                self._topics[key].count += 1
                first = stamp if first is None else min(first, stamp)
                last = stamp if last is None else max(last, stamp)
        # messages are read by the index, which may be broken where the table is whole
        if (rows, check) != next(_select(connection, _INDEX_CHECK)):
            raise apsw.CorruptError("malformed")
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


class _LogVfs(apsw.VFS):
    """Lets SQLite read a database with its write-ahead log, but write and lock nothing."""

    def __init__(self) -> None:
        self.name = f"pose_ros_{next(_vfs_numbers)}"
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  as apsw names it
        return _UnwrittenFile(name, flags)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        # a journal would have to be rolled back, and that writes
        return not pathname.endswith("-journal") and super().xAccess(pathname, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Leave the file."""


class _UnwrittenFile(apsw.VFSFile):
    """A file that is opened for reading alone, though SQLite takes it for one that it may lock."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        written = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        super().__init__("", name, [flags[0] & ~written | apsw.SQLITE_OPEN_READONLY, 0])

    def xLock(self, level: int) -> None:  # noqa: N802
        """Lock nothing."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Nothing is locked."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False
