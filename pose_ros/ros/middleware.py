"""What a process needs of the middleware before ``rclpy.init``: memory for large images, a domain.

Nothing here imports rclpy: the launch file reads it too.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import fcntl
import functools
import logging
import os
import re
import socket
import time
from collections.abc import MutableMapping
from importlib import metadata
from pathlib import Path

from pose_ros.errors import OptionError, PoseRosError
from pose_ros.files import share_path

_LOG = logging.getLogger(__name__)

PROFILE = "fastdds.xml"
SEGMENT_BYTES = 32 * 1024 * 1024

# Fast DDS 2 (Jazzy) and 3 (Kilted) read the same file by different names; 3 warns of the old one.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_RCLPY_WITH_FAST_DDS_3 = 8
# What the user may have set, each a full choice of transports that ours would undo.
USER_VARIABLES = (*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
YOUNG_SECONDS = 5.0
"""What is younger may be in the making."""

# Fast DDS 2 (Jazzy) and 3 (Kilted)
_LOCK = re.compile(r"(fastrtps|fastdds)_[0-9a-f]{16}_el")

LAST_DOMAIN = 101
"""The ports of those above may be ones that Linux hands out to other programs."""

_PORT, _PORTS_A_DOMAIN, _UNICAST = 7400, 250, 10  # of DDS: OMG DDSI-RTPS, 9.6.1.1


def prepare(environment: MutableMapping[str, str] = os.environ) -> int:
    """Make this process fit to send and receive images; every node calls it first.

    Fast DDS' own shared-memory segment of half a megabyte holds no 1280x720
    image, and most of them are lost; the shipped profile asks for 32 MiB. And glibc
    is kept from returning each image's memory to the kernel only to fault it in
    again: that halves the latency. What killed processes left in shared memory is freed first.

    Args:
        environment: Where the profile is named, unless the user has made a choice.

    Returns:
        Bytes of shared memory that were freed.
    """
    freed = sweep()
    if not any(environment.get(name) for name in USER_VARIABLES) and _shared_memory_fits():
        try:
            profile = str(share_path("config", PROFILE))
        except PoseRosError:
            # a broken installation: slow images are better than none
            return freed
        environment[profile_variable()] = profile
    _keep_freed_memory()
    return freed


def say_freed(freed: int) -> None:
    """Log how many bytes ``prepare`` has freed, once there is a log."""
    if freed:
        _LOG.info("freed %.0f MB of shared memory that killed processes left behind", freed / 1e6)


def profile_variable() -> str:
    """Return the name by which the Fast DDS of this ROS 2 looks for its profile."""
    major = int(metadata.version("rclpy").split(".")[0])
    return PROFILE_VARIABLES[major >= _RCLPY_WITH_FAST_DDS_3]


def larger_memory(rmw: str) -> str:
    """Return in words what to do for a driver of another package that loses large images.

    Args:
        rmw: Identifier of the middleware, such as ``rmw_fastrtps_cpp``.
    """
    if "fastrtps" in rmw:
        return f"start it with {profile_variable()}={share_path('config', PROFILE)}"
    return "raise the receive buffers of the kernel (sysctl net.core.rmem_max)"


def _shared_memory_fits() -> bool:
    """Return whether the segment fits; a container may have as little as 64 MB for all."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= 2 * SEGMENT_BYTES


def _keep_freed_memory() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library than glibc, which has other habits
    mallopt(_M_MMAP_THRESHOLD, 1 << 25)
    mallopt(_M_TRIM_THRESHOLD, 1 << 29)


def sweep(folder: Path = SHARED_MEMORY) -> int:
    """Remove the segments whose owner has ended; return how many bytes that frees.

    Fast DDS makes a lock file for a segment first, ``NAME_el``, and its process holds that
    lock as long as it lives; the kernel lets go of it when the process is killed. So a lock
    that is free has no owner, which is what Fast DDS itself and ``fastdds shm clean`` go by.
    Who still reads such a segment keeps its memory until they close it.

    Args:
        folder: Of the segments.
    """
    freed = 0
    try:
        names = [name for name in os.listdir(folder) if _LOCK.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return 0
    for name in names:
        freed += _remove(folder / name)
    return freed


def _remove(lock: Path) -> int:
    """Remove the segment of a lock file that no process holds; return its bytes."""
    segment = lock.with_name(lock.name.removesuffix("_el"))
    try:
        if time.time() - lock.stat().st_mtime < YOUNG_SECONDS:
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


@functools.cache
def claim_domain() -> int:
    """Return a domain for this process, 1 to 101, that is its own until it ends.

    A domain is taken where a participant listens, by whichever program, and where another process
    has claimed it with this function. Domain 0 is the default of ROS.

    Raises:
        OptionError: All are taken.
    """
    for i in range(LAST_DOMAIN):
        domain = 1 + (os.getpid() + i) % LAST_DOMAIN
        if _claimed(domain) and not _in_use(domain):
            return domain
    raise OptionError(
        f"the ROS domains 1 to {LAST_DOMAIN} are all in use on this machine: set ROS_DOMAIN_ID"
    )


_claims: list[socket.socket] = []


def _claimed(domain: int) -> bool:
    """Take a name that the kernel gives to one process of this network namespace."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0pose_ros/domain/{domain}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    _claims.append(claim)
    atexit.register(claim.close)
    return True


def _in_use(domain: int) -> bool:
    """Whether the first participant's port of a domain is taken."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind(("", _PORT + _PORTS_A_DOMAIN * domain + _UNICAST))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
