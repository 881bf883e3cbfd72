"""Message types of rosbag2 files, those of this package among them; no ROS needed.

Messages are read by what the bag itself says they consist of, else by the standard types.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from pose_ros.bags.records import Content
from pose_ros.errors import SourceError
from pose_ros.files import share_path

_NO_NUMBERS = ("", "string", "wstring")
_RULE = "=" * 80 + "\n"  # between the parts of a definition


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


class Definitions:
    """Reads serialized messages of the types of a bag.

    Args:
        contents: What the bag says of each type, by its name.
    """

    def __init__(self, contents: Mapping[str, Content]) -> None:
        self._contents = contents
        self._stores: dict[str, Typestore] = {}

    def knows(self, kind: str) -> bool:
        """Return whether messages of a type can be read."""
        try:
            self._store(kind)
        except SourceError:
            return False
        return True

    def read(self, kind: str, data: bytes) -> Any:
        """Return a message with its fields as attributes.

        Raises:
            SourceError: It is cut off or damaged, or nothing defines it.
        """
        store = self._store(kind)
        try:
            return store.deserialize_cdr(data, kind)
        except (
            SerdeError,
            struct.error,
            ValueError,
            IndexError,
            AssertionError,
            KeyError,
        ) as error:
            raise SourceError(f"a {kind} is damaged: {error}") from None

    def _store(self, kind: str) -> Typestore:
        if kind not in self._stores:
            self._stores[kind] = self._make_store(kind)
        return self._stores[kind]

    def _make_store(self, kind: str) -> Typestore:
        content = self._contents.get(kind)
        if content is not None and content.encoding != "cdr":
            raise SourceError(
                f"messages of {kind} are serialized as {content.encoding}, not as CDR"
            )
        if content is not None and content.definition_format:
            store = get_typestore(Stores.EMPTY)
            try:
                store.register(_parse(content))
                if kind in store.types:
                    return store
            except (TypesysError, ValueError, KeyError):
                pass  # the standard ones may know it
        if kind in typestore().types:
            return typestore()
        raise SourceError(f"nothing defines messages of {kind or 'no type'}")


def _parse(content: Content) -> Any:
    """Return the types that a definition names, as a type store takes them."""
    text = content.definition
    if content.definition_format == "ros2msg":
        return get_types_from_msg(text, content.kind)
    types: dict[str, Any] = {}
    parts = text.split(_RULE)[1:] if text.startswith(f"{_RULE}IDL: ") else ["IDL\n" + text]
    for part in parts:
        types.update(get_types_from_idl(part.partition("\n")[2]))
    return types
