"""Reading YAML and JSON that may come from anywhere: bounded, and wrong in one line.

Nothing here trusts its input. YAML is plain data: mappings, lists, texts, numbers, true, false and
null. Its depth and its size with all aliases expanded are bounded before anything is built, since
an alias can repeat a list that repeats a list.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pose_ros.errors import DocumentError
from pose_ros.files import MAX_BYTES, read_file, size_text

MAX_DEPTH = 8
"""Lists and mappings inside each other."""

MAX_NODES = 100_000
"""Values of a YAML document with all aliases expanded."""

MAX_INTEGER_BITS = 64
"""A larger whole number overflows the arithmetic that follows."""


def read_yaml(path: str | Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a YAML file; see ``parse_yaml``.

    Raises:
        DocumentError: As ``read_file`` and ``parse_yaml``; the message names the file.
    """
    return parse_yaml(read_file(path, max_bytes), str(path), max_bytes)


def parse_yaml(
    text: str | bytes, name: str, max_bytes: int = MAX_BYTES, max_nodes: int = MAX_NODES
) -> Any:
    """Return the data of a YAML document.

    Dates stay texts, since no setting is a date. A key that stands twice is an error.

    Args:
        text: The document, UTF-8 where it is bytes.
        name: What the message begins with, such as a path or a parameter's name.
        max_bytes: A longer document is refused.
        max_nodes: A document with more values, aliases expanded, is refused.

    Returns:
        dict, list, str, int, float, bool or None; None for an empty document.

    Raises:
        DocumentError: It is too large, too deep, not valid YAML, or holds something else than
            plain data. No other exception leaves this function.
    """
    try:
        text = _decoded(text, name, max_bytes)
        _check_structure(text, name, max_nodes)
        data = yaml.load(text, _Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        raise DocumentError(f"{name} is not valid YAML: {_one_line(error)}") from None
    except DocumentError:
        raise
    except Exception as error:  # noqa: BLE001 - PyYAML raises many kinds: KeyError for !!bool x
        reason = _one_line(error) or type(error).__name__
        raise DocumentError(f"{name} is not valid YAML: {reason}") from None
    _check_numbers(data, name)
    return data


def read_json(path: str | Path) -> Any:
    """Read a JSON file; see ``parse_json``.

    Raises:
        DocumentError: As ``read_file`` and ``parse_json``; the message names the file.
    """
    return parse_json(read_file(path), str(path))


def parse_json(text: str | bytes, name: str, max_bytes: int = MAX_BYTES) -> Any:
    """Return the data of a JSON document.

    Args:
        text: The document, UTF-8 where it is bytes.
        name: What the message begins with.
        max_bytes: A longer document is refused.

    Raises:
        DocumentError: It is too large, nested too deeply or not valid JSON.
    """
    try:
        data = json.loads(_decoded(text, name, max_bytes))
    except DocumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{name} is not valid JSON: {_one_line(error)}") from None
    _check_numbers(data, name)
    return data


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain data only: no dates, no binaries, no sets, no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None
        or tag.rsplit(":")[-1] in ("null", "bool", "int", "float", "str", "seq", "map")
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice; keys that ``<<`` brings may be overridden."""
        seen = set()
        for key_node, _ in getattr(node, "value", ()):
            if isinstance(key_node, yaml.ScalarNode):
                key = key_node.tag, key_node.value
                if key in seen and key_node.value != "<<":
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key_node.value!r} stands twice", key_node.start_mark
                    )
                seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def _check_structure(text: str, name: str, max_nodes: int) -> None:
    """Bound depth and expanded size by the parser's events, before anything is built."""
    sizes: dict[str | None, int] = {}  # of each anchor whose value is complete
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and the count when it began
    count = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
            continue
        if isinstance(event, yaml.AliasEvent) and event.anchor not in sizes:
            place = _place(event)
            raise DocumentError(f"{name}: {place}: *{event.anchor} names no value before it")
        if isinstance(event, yaml.NodeEvent):
            count += sizes[event.anchor] if isinstance(event, yaml.AliasEvent) else 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count - 1))
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            sizes[event.anchor] = 1
        if len(open_nodes) > MAX_DEPTH:
            nested = f"more than {MAX_DEPTH} lists and mappings inside each other"
            raise DocumentError(f"{name}: {_place(event)}: {nested}")
        if count > max_nodes:
            raise DocumentError(f"{name} holds more than {max_nodes} values, aliases expanded")


def _place(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _check_numbers(data: Any, name: str) -> None:
    """Refuse whole numbers that do not fit 64 bits; depth is bounded by now."""
    stack, seen = [data], set()
    while stack:
        value = stack.pop()
        if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
            raise DocumentError(f"{name} holds a whole number of more than {MAX_INTEGER_BITS} bits")
        if isinstance(value, (dict, list)) and id(value) not in seen:
            seen.add(id(value))  # a value that aliases repeat is one object
            stack.extend(value)
            stack.extend(value.values() if isinstance(value, dict) else ())


def _decoded(text: str | bytes, name: str, max_bytes: int) -> str:
    # a str of n characters has at least n bytes
    size = len(text)
    if isinstance(text, str) and size <= max_bytes:
        size = len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise DocumentError(f"{name} is larger than {size_text(max_bytes)}")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not UTF-8 text: byte {error.start} is wrong") from None


def _one_line(error: BaseException) -> str:
    """Return an error's text on one line, cut where it is long."""
    text = " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
    return text if len(text) <= 200 else text[:199] + "…"
