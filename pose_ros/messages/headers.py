"""Stamps and headers: when an image was taken, and in which frame; and what makes messages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from pose_ros.core.timeline import NANOSECONDS

Types: TypeAlias = Callable[[str], Callable[..., Any]]
"""Gives what makes a message, by its full name: ``types("std_msgs/msg/Header")(stamp=...,
frame_id=...)``. All fields are given, by name; sequences of numbers as lists or arrays."""


class StampMsg(Protocol):
    """A builtin_interfaces/Time."""

    @property
    def sec(self) -> int:
        """Whole seconds."""

    @property
    def nanosec(self) -> int:
        """The rest, in nanoseconds."""


class HeaderMsg(Protocol):
    """A std_msgs/Header."""

    @property
    def stamp(self) -> StampMsg:
        """When the image was taken."""

    @property
    def frame_id(self) -> str:
        """Its TF frame."""


def stamp_to_msg(types: Types, seconds: float) -> Any:
    """Return a stamp; a float holds Unix time to about a quarter of a microsecond."""
    whole = math.floor(seconds)
    return stamp_of(types, whole * NANOSECONDS + round((seconds - whole) * NANOSECONDS))


def stamp_of(types: Types, nanoseconds: int) -> Any:
    """Return a stamp that is exact."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return types("builtin_interfaces/msg/Time")(sec=seconds, nanosec=rest)


def stamp_from_msg(stamp: StampMsg) -> float:
    """Return a stamp in seconds."""
    return float(stamp.sec) + float(stamp.nanosec) / NANOSECONDS


def nanoseconds_of(stamp: StampMsg) -> int:
    """Return a stamp in nanoseconds; nothing of it is lost."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def seconds_of(nanoseconds: int) -> float:
    """Return a stamp in seconds, the same float as of the message."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return seconds + rest / NANOSECONDS


def header_to_msg(types: Types, seconds: float, frame_id: str) -> Any:
    """Return the header of an image taken at that time."""
    return _header(types, stamp_to_msg(types, seconds), frame_id)


def header_of(types: Types, nanoseconds: int, frame_id: str) -> Any:
    """Return the header of an image whose stamp is known exactly."""
    return _header(types, stamp_of(types, nanoseconds), frame_id)


def _header(types: Types, stamp: Any, frame_id: str) -> Any:
    return types("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)
