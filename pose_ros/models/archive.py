"""Files out of zip and tar archives of strangers.

Nothing is unpacked into a folder: the content of a wanted member is handed over in memory,
so no name in an archive, however it was chosen, ever becomes a path. Links and devices are
passed over, and how much and how many are read is bounded.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from pose_ros.errors import ModelError

MAX_UNPACKED = 1 << 29
"""Bytes that are unpacked of one archive; the networks that are known have a fifth of it."""

MAX_MEMBERS = 20_000
"""Members of one archive; a wheel of MediaPipe has some thousands."""

_OPENERS: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}

_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # zipfile: a compression that it does not know
    RuntimeError,  # zipfile: a password
    ValueError,  # tarfile: a header full of nonsense
)


def read_members(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    """Return the files of an archive whose last part of the path is one of ``names``.

    Args:
        archive: A zip file (a wheel is one), or a tar file, plain or compressed with gzip,
            bzip2 or xz. Of anything else nothing is returned.
        names: Base names, such as ``pose_resnet18_body.onnx``.

    Returns:
        Pairs of the path in the archive, for messages, and the whole content.

    Raises:
        ModelError: The archive is damaged or unpacks to more than is reasonable.
        OSError: It cannot be read.
    """
    read = _read_zip if zipfile.is_zipfile(archive) else _read_tar
    try:
        return read(archive, names)
    except (*_DAMAGES, OSError) as error:
        # what the system says has a number, what bz2 says of a damaged stream has none
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{archive} is a damaged archive: {reason}") from None


def _read_zip(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    found = []
    left = MAX_UNPACKED
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        _check_count(archive, len(members))
        for member in members:
            # a link's content is the path that it leads to; Unix keeps the kind in these bits
            link = (member.external_attr >> 28) == 0o12
            if member.is_dir() or link or PurePosixPath(member.filename).name not in names:
                continue
            with opened.open(member) as stream:
                # not what the archive says of itself, but what really comes out of it
                content = stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise _too_large(archive)
            found.append((member.filename, content))
    return found


def _read_tar(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    with archive.open("rb") as stream:
        start = stream.read(6)
    opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None and not tarfile.is_tarfile(archive):
        return []
    found = []
    with opener(archive) if opener else archive.open("rb") as plain:
        bounded = _Bounded(archive, plain)
        # as a stream: read once from its beginning to its end, so that the bound is one on work
        with tarfile.open(fileobj=bounded, mode="r|") as opened:
            for count, member in enumerate(opened, start=1):
                _check_count(archive, count)
                wanted = PurePosixPath(member.name).name in names
                # a sparse file makes gigabytes of nothing
                if wanted and member.isreg() and not member.issparse():
                    content = opened.extractfile(member)
                    if content is not None:
                        found.append((member.name, content.read()))
        # what follows the last member: there the compressed stream has its checksum
        while bounded.read(1 << 20):
            pass
    return found


class _Bounded(io.BufferedIOBase):
    """A stream that ends in an error after ``MAX_UNPACKED`` bytes."""

    def __init__(self, archive: Path, stream: io.BufferedIOBase) -> None:
        self._archive = archive
        self._stream = stream
        self._left = MAX_UNPACKED

    def read(self, size: int | None = -1, /) -> bytes:
        block = self._stream.read(-1 if size is None else size)
        self._left -= len(block)
        if self._left < 0:
            raise _too_large(self._archive)
        return block


def _check_count(archive: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise ModelError(f"{archive} has more than {MAX_MEMBERS} members: not a model archive")


def _too_large(archive: Path) -> ModelError:
    return ModelError(
        f"{archive} unpacks to more than {MAX_UNPACKED >> 20} MiB: not a model archive"
    )
