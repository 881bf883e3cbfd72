"""How messages are made without knowing whose classes they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Types: TypeAlias = Callable[[str], Callable[..., Any]]
"""Gives what makes a message, by its full name: ``types("std_msgs/msg/Header")(stamp=...,
frame_id=...)``. All fields are given, by name; sequences of numbers as lists or arrays."""
