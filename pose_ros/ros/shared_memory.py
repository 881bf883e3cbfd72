"""Shared memory that killed processes left behind; Fast DDS keeps images in it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
YOUNG_SECONDS = 5.0
"""What is younger may be in the making."""

# Fast DDS 2 (Jazzy) and 3 (Kilted)
_LOCK = re.compile(r"(fastrtps|fastdds)_[0-9a-f]{16}_el")


def sweep(folder: Path = SHARED_MEMORY, young_seconds: float = YOUNG_SECONDS) -> int:
    """Remove the segments whose owner has ended; return how many bytes that frees.

    Fast DDS makes a lock file for a segment first, ``NAME_el``, and its process holds that
    lock as long as it lives; the kernel lets go of it when the process is killed. So a lock
    that is free has no owner, which is what Fast DDS itself and ``fastdds shm clean`` go by.
    Who still reads such a segment keeps its memory until they close it.

    Args:
        folder: Of the segments.
        young_seconds: Leave alone what is younger.
    """
    freed = 0
    try:
        names = [name for name in os.listdir(folder) if _LOCK.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return 0
    for name in names:
        freed += _remove(folder / name, young_seconds)
    return freed


def _remove(lock: Path, young_seconds: float) -> int:
    """Remove the segment of a lock file that no process holds; return its bytes."""
    segment = lock.with_name(lock.name.removesuffix("_el"))
    try:
        if time.time() - lock.stat().st_mtime < young_seconds:
            return 0
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        # held until both are gone, so that no other process takes the name meanwhile
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        freed = segment.stat().st_size if segment.exists() else 0
        segment.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    except OSError:  # it has an owner, or belongs to another user
        return 0
    finally:
        os.close(handle)
    return freed
