"""Reads a SQLite database together with the log that its writer has left, and changes neither.

SQLite itself would write the log back into the file. Here the pages of the log are laid over those
of the file in memory, as SQLite would replay them: up to the last transaction before the first
frame that is cut off or whose checksum is wrong. Format: sqlite.org/fileformat2.html, 4 (the
write-ahead log).

SQLite could replay the log in a temporary copy. But a log holds a few megabytes, and the copy is
of the whole recording: each ``bag info`` and each worker of a fleet would copy all of it, and the
temporary folder would need room for as many copies. Without a copy, SQLite reads a log only where
it may lock the file and make a third one beside it.
"""

from __future__ import annotations

import itertools
import os
import struct
from functools import lru_cache
from pathlib import Path

import apsw
import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct(">IIII8s8s")  # magic, version, bytes of a page, number, salts, checksums
_FRAME = struct.Struct(">II8s8s")  # page, pages at the end of a transaction or 0, salts, checksums
_WORDS = {0x377F0682: "<u4", 0x377F0683: ">u4"}  # how checksums read the bytes, by the magic
_HEADER_SUMMED, _FRAME_SUMMED = 24, 8  # bytes that the checksums count; and a frame's page

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
            magic, _, self._page_bytes, _, salts, checksums = _HEADER.unpack(head)
            if magic not in _WORDS or not 512 <= self._page_bytes <= 65536:
                return
            words = _WORDS[magic]
            sums = _add_up((0, 0), head[:_HEADER_SUMMED], words)
            if struct.pack(">II", *sums) != checksums:
                return
            size = os.fstat(file.fileno()).st_size
            begun: dict[int, int] = {}
            for offset in range(_HEADER.size, size, _FRAME.size + self._page_bytes):
                frame = os.pread(file.fileno(), _FRAME.size + self._page_bytes, offset)
                if len(frame) < _FRAME.size + self._page_bytes:
                    return
                page, pages, frame_salts, checksums = _FRAME.unpack_from(frame)
                sums = _add_up(sums, frame[:_FRAME_SUMMED] + frame[_FRAME.size :], words)
                if frame_salts != salts or struct.pack(">II", *sums) != checksums:
                    return
                place = offset + _FRAME.size
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
