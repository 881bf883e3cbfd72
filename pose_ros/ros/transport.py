"""Settings of a process that let large images through; made before ``rclpy.init``."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import MutableMapping
from importlib import metadata

from pose_ros.errors import PoseRosError
from pose_ros.ros.shared_memory import SHARED_MEMORY, sweep
from pose_ros.share import share_path

_LOG = logging.getLogger(__name__)

PROFILE = "fastdds.xml"
SEGMENT_BYTES = 32 * 1024 * 1024

# Fast DDS 2 (Jazzy) and 3 (Kilted) read the same file by different names; 3 warns of the old one.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_RCLPY_WITH_FAST_DDS_3 = 8
# What the user may have set, each a full choice of transports that ours would undo.
USER_VARIABLES = (*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


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
