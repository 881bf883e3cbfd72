"""How messages are made and read without knowing whose classes they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

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


class ImageMsg(Protocol):
    """A sensor_msgs/Image."""

    @property
    def header(self) -> HeaderMsg:
        """Stamp and frame."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def encoding(self) -> str:
        """How a pixel lies in memory, such as ``bgr8``."""

    @property
    def is_bigendian(self) -> int:
        """Byte order of samples of several bytes."""

    @property
    def step(self) -> int:
        """Bytes of a row."""

    @property
    def data(self) -> Any:
        """``step * height`` bytes; anything with the buffer protocol."""


class CompressedImageMsg(Protocol):
    """A sensor_msgs/CompressedImage."""

    @property
    def header(self) -> HeaderMsg:
        """Stamp and frame."""

    @property
    def format(self) -> str:
        """What the driver says of the data, such as ``jpeg``."""

    @property
    def data(self) -> Any:
        """The file; anything with the buffer protocol."""
