"""Files: where they lie and what they are called; read, written whole or not at all.

Nothing here trusts its input. A file that is read has to be a regular file of at most so many
bytes, so that a FIFO never blocks and a device never fills the memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pose_ros.errors import DocumentError, PoseRosError, printable

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

MAX_BYTES = 1 << 20
"""Bytes of a document, where the caller does not say another limit."""

Progress: TypeAlias = Callable[[str], None]
TEMPORARY = ".new-"
"""What a file is called that is being written; one that was left behind may go."""

# .mcap, .db3, .mp4, but not the .1 or .2024 of a folder
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")


def share_path(*parts: str) -> Path:
    """Return a file or folder of the package's share folder.

    The same call serves a source tree, a virtual environment and a colcon or apt
    prefix, since each keeps ``share/pose_ros`` (or the sources) above the code.

    Args:
        parts: Path below the share folder, such as ``"models"``.

    Raises:
        PoseRosError: The installation lacks it.
    """
    package = Path(__file__).resolve().parent
    candidates = [package.parent] if (package.parent / "package.xml").is_file() else []
    return _first([*candidates, *_prefixed("share")], "/".join(parts))


def node_executable(name: str) -> Path:
    """Return the program that runs a node, such as ``pose_node``, as ``ros2 run`` finds it.

    ``python -m`` would not do: in a checkout it imports the sources, which have
    no generated messages.

    Raises:
        PoseRosError: The installation lacks it: it was made without ROS 2.
    """
    return _first(_prefixed("lib"), name)


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` filled in; unchanged where that home is unknown."""
    # Path.expanduser raises where there is no such home, or no home at all
    return Path(os.path.expanduser(text))  # noqa: PTH111


def natural_key(path: str | Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key by which ``frame_2`` comes before ``frame_10``."""
    text = printable(path)
    parts = re.split(r"([0-9]+)", text.casefold())
    # a number sorts before a word; the text itself settles what is left equal
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p], text


def _prefixed(top: str) -> list[Path]:
    return [parent / top / "pose_ros" for parent in Path(__file__).resolve().parents]


def _first(folders: list[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise PoseRosError(f"{name} is missing from this installation of pose_ros; install it again")


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file to read; links are followed.

    Raises:
        DocumentError: It cannot be opened or is not a regular file; the message names it.
    """
    try:
        # without O_NONBLOCK, opening a FIFO waits for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        if isinstance(error, OSError) and error.errno == errno.ENXIO:
            raise DocumentError(f"{path} is a socket, expected a regular file") from None
        name, reason = path, getattr(error, "strerror", None) or error
        if isinstance(error, ValueError):
            name = repr(str(path))
        raise DocumentError(f"cannot read {name}: {reason}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise DocumentError(f"{path} is {_kind(mode)}, expected a regular file")
    return os.fdopen(descriptor, "rb")


def read_file(path: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a regular file whole.

    Args:
        path: Of the file; links are followed.
        max_bytes: A larger file is refused.

    Raises:
        DocumentError: It cannot be read, is not a regular file or is too large; the message
            names the file.
    """
    with open_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size  # 0 in /proc, whatever is in it
        try:
            data = stream.read(max_bytes + 1) if size <= max_bytes else b""
        except OSError as error:
            raise DocumentError(f"cannot read {path}: {error.strerror or error}") from None
    if max(size, len(data)) > max_bytes:
        raise DocumentError(f"{path} is larger than {size_text(max_bytes)}")
    return data


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "a special file")


def size_text(count: int) -> str:
    """Return a number of bytes in the unit that suits it, such as ``2 MiB``."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):g} {unit}"
    return f"{count} bytes"


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


def recording_name(source: str) -> str:
    """Return what a recording is called: its file or folder, without an ending such as .mcap."""
    name = Path(source).name
    return _SUFFIX.sub("", name) or name or "recording"
