"""Reads a SQLite database together with the log that its writer has left, and changes neither.

SQLite itself would write the log back into the file. Here its pages are laid over those of the
file in memory. Format: sqlite.org/fileformat2.html, 4 (the write-ahead log). The checksums of its
frames are not compared: frames of an earlier log are told by their salts, and nothing counts
behind the last frame that ends a transaction.
"""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

import apsw

_HEADER = struct.Struct(">IIII8s8s")  # magic, version, bytes of a page, number, salts, checksums
_FRAME = struct.Struct(">II8s8s")  # page, pages at the end of a transaction or 0, salts, checksums
_MAGICS = (0x377F0682, 0x377F0683)

_numbers = itertools.count()


class Log:
    """The pages in a write-ahead log.

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
        self._vfs: _Vfs | None = None
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
            self._vfs = _Vfs(self)
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
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return
            magic, _, self._page_bytes, _, salts, _ = _HEADER.unpack(head)
            if magic not in _MAGICS or not 512 <= self._page_bytes <= 65536:
                return
            size = os.fstat(file.fileno()).st_size
            begun: dict[int, int] = {}
            for offset in range(_HEADER.size, size, _FRAME.size + self._page_bytes):
                frame = os.pread(file.fileno(), _FRAME.size, offset)
                place = offset + _FRAME.size
                if place + self._page_bytes > size or _FRAME.unpack(frame)[2] != salts:
                    return
                page, pages, _, _ = _FRAME.unpack(frame)
                begun[page] = place
                if pages:
                    self._places.update(begun)
                    self.pages = pages
                    begun.clear()


class _Vfs(apsw.VFS):
    """Opens a database with the pages of its log."""

    def __init__(self, log: Log) -> None:
        self.name = f"pose_ros_{next(_numbers)}"
        self._log = log
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  as apsw names it
        if isinstance(name, apsw.URIFilename):
            return _File(self._log, name, flags)
        return super().xOpen(name, flags)


class _File(apsw.VFSFile):
    def __init__(self, log: Log, name: apsw.URIFilename, flags: list[int]) -> None:
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
