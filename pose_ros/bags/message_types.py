"""Message types of rosbag2 files, those of this package among them; no ROS needed.

Messages are read by what the bag itself says they consist of, else by the standard types.
"""

from __future__ import annotations

import re
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

_FOXGLOVE_PACKAGE = "foxglove_msgs"
# the fields of what ``messages/foxglove.py`` makes, and of what these consist of; those of
# no package are of this one
_FOXGLOVE = {
    "ArrowPrimitive": "geometry_msgs/Pose pose, float64 shaft_length, float64 shaft_diameter, "
    "float64 head_length, float64 head_diameter, Color color",
    "CircleAnnotation": "builtin_interfaces/Time timestamp, Point2 position, float64 diameter, "
    "float64 thickness, Color fill_color, Color outline_color, KeyValuePair[] metadata",
    "Color": "float64 r, float64 g, float64 b, float64 a",
    "CubePrimitive": "geometry_msgs/Pose pose, geometry_msgs/Vector3 size, Color color",
    "CylinderPrimitive": "geometry_msgs/Pose pose, geometry_msgs/Vector3 size, "
    "float64 bottom_scale, float64 top_scale, Color color",
    "ImageAnnotations": "builtin_interfaces/Time timestamp, CircleAnnotation[] circles, "
    "PointsAnnotation[] points, TextAnnotation[] texts, KeyValuePair[] metadata",
    "KeyValuePair": "string key, string value",
    "LinePrimitive": "uint8 type, geometry_msgs/Pose pose, float64 thickness, "
    "bool scale_invariant, geometry_msgs/Point[] points, Color color, Color[] colors, "
    "uint32[] indices",
    "ModelPrimitive": "geometry_msgs/Pose pose, geometry_msgs/Vector3 scale, Color color, "
    "bool override_color, string url, string media_type, uint8[] data",
    "Point2": "float64 x, float64 y",
    "PointsAnnotation": "builtin_interfaces/Time timestamp, uint8 type, Point2[] points, "
    "Color outline_color, Color[] outline_colors, Color fill_color, float64 thickness, "
    "KeyValuePair[] metadata",
    "SceneEntity": "builtin_interfaces/Time timestamp, string frame_id, string id, "
    "builtin_interfaces/Duration lifetime, bool frame_locked, KeyValuePair[] metadata, "
    "ArrowPrimitive[] arrows, CubePrimitive[] cubes, SpherePrimitive[] spheres, "
    "CylinderPrimitive[] cylinders, LinePrimitive[] lines, TriangleListPrimitive[] triangles, "
    "TextPrimitive[] texts, ModelPrimitive[] models",
    "SceneEntityDeletion": "builtin_interfaces/Time timestamp, uint8 type, string id",
    "SceneUpdate": "SceneEntityDeletion[] deletions, SceneEntity[] entities",
    "SpherePrimitive": "geometry_msgs/Pose pose, geometry_msgs/Vector3 size, Color color",
    "TextAnnotation": "builtin_interfaces/Time timestamp, Point2 position, string text, "
    "float64 font_size, Color text_color, Color background_color, KeyValuePair[] metadata",
    "TextPrimitive": "geometry_msgs/Pose pose, bool billboard, float64 font_size, "
    "bool scale_invariant, Color color, string text",
    "TriangleListPrimitive": "geometry_msgs/Pose pose, geometry_msgs/Point[] points, "
    "Color color, Color[] colors, uint32[] indices",
}


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
    for name, fields in _FOXGLOVE.items():
        text = re.sub(r"(?m)^ *([A-Z])", rf"{_FOXGLOVE_PACKAGE}/\1", "\n".join(fields.split(", ")))
        types.update(get_types_from_msg(text, f"{_FOXGLOVE_PACKAGE}/msg/{name}"))
    store.register(types)
    return store


@cache
def types(kind: str) -> Callable[..., Any]:
    """Return what makes a message of a kind, such as ``std_msgs/msg/Header``."""
    store = typestore()
    make: Callable[..., Any] = store.types[kind]
    numbers = {
        name: np.dtype(_element(value))
        for name, (node, value) in store.get_msgdef(kind).fields
        if node in (Nodetype.ARRAY, Nodetype.SEQUENCE) and _element(value) not in _NO_NUMBERS
    }
    # what is left out of a message of theirs is empty, as in a message of rclpy
    empty: dict[str, list[Any]] = {
        name: []
        for name, (node, _) in store.get_msgdef(kind).fields
        if node == Nodetype.SEQUENCE and kind.startswith(f"{_FOXGLOVE_PACKAGE}/")
    }
    make = partial(make, **empty) if empty else make
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
