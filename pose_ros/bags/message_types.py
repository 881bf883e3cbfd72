"""Message types of rosbag2 files, those of this package among them; no ROS needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pose_ros.share import share_path

_NO_NUMBERS = ("", "string", "wstring")


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the standard types of ROS 2 Jazzy, and the package's own from their .msg files.

    Raises:
        PoseRosError: The installation lacks the .msg files.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for path in sorted(Path(share_path("msg")).glob("*.msg")):
        text = path.read_text(encoding="utf-8")
        types.update(get_types_from_msg(text, f"pose_ros/msg/{path.stem}"))
    store.register(types)
    return store


@cache
def types(kind: str) -> Callable[..., Any]:
    """Return what makes a message of a kind, such as ``std_msgs/msg/Header``."""
    store = typestore()
    make = store.types[kind]
    numbers = {
        name: np.dtype(_element(value))
        for name, (node, value) in store.get_msgdef(kind).fields
        if node in (Nodetype.ARRAY, Nodetype.SEQUENCE) and _element(value) not in _NO_NUMBERS
    }
    return partial(_make, make, numbers) if numbers else make


def _element(value: Any) -> str:
    """Return the base type of an array's elements; empty for messages."""
    node, name = value[0]
    return str(name[0]) if node == Nodetype.BASE else ""


def _make(make: Callable[..., Any], numbers: dict[str, np.dtype[Any]], **fields: Any) -> Any:
    """Make a message with sequences of numbers, which are written as the arrays they are."""
    for name, kind in numbers.items():
        fields[name] = np.ascontiguousarray(fields[name], kind)
    return make(**fields)
