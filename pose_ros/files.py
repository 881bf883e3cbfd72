"""Files: written whole or not at all, by one process at a time, and known by their sha256."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from pose_ros.documents import DocumentError, open_file

Progress: TypeAlias = Callable[[str], None]

TEMPORARY = ".new-"
"""What a file is called that is being written; one that was left behind may go."""


def print_progress(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole: who reads meanwhile sees the old one or the new one.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def locked(folder: Path, progress: Progress, work: str) -> Iterator[None]:
    """Let one process at a time work in a folder.

    Args:
        folder: It holds the lock, ``.lock``.
        progress: Called when another process is to be waited for.
        work: What that one is doing, for the line about it.

    Raises:
        OSError: The folder cannot be written.
    """
    with (folder / ".lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that is {work}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: two processes may do the same work, no harm
        yield


def sha256_of(path: Path) -> str | None:
    """Return the sha256 of a file, 64 hexadecimal digits; None when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_file(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except (OSError, DocumentError):
        return None
    return digest.hexdigest()
