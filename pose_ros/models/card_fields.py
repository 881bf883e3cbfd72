"""Reading a YAML mapping field by field, so that whatever is wrong is said with its place."""

from __future__ import annotations

import math
import re
import reprlib
from pathlib import Path
from typing import Any

from pose_ros.errors import ModelError

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 120
_REPR.maxlist = _REPR.maxdict = 12


class Fields:
    """A mapping of a card; what is taken is gone, and ``end`` refuses what is left.

    Each method returns a field of one kind.

    Raises:
        ModelError: The field is missing or of another kind; the message names file and field.
    """

    def __init__(self, path: Path, place: str, content: Any) -> None:
        self.path = path
        self.place = place
        self._rest = content
        if not isinstance(content, dict):
            raise self.error("", "a mapping", content)
        self._rest = dict(content)

    def error(self, key: str, expected: str, got: Any) -> ModelError:
        """Return the error of a field that is not as expected."""
        field = ".".join(part for part in (self.place, key) if part) or "the card"
        return ModelError(f"{self.path}: {field}: expected {expected}, got {_short(got)}")

    def take(self, key: str) -> Any:
        """Whatever it is."""
        if key not in self._rest:
            raise self.error(key, "a value", None)
        return self._rest.pop(key)

    def text(self, key: str, pattern: str = ".+", meaning: str = "text") -> str:
        """A text that a pattern describes."""
        value = self.take(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            raise self.error(key, meaning, value)
        return value

    def choice(self, key: str, known: tuple[str, ...], default: str) -> Any:
        """One of a few words; the default when it is not there."""
        if key not in self._rest:
            return default
        value = self.take(key)
        if value not in known:
            raise self.error(key, " or ".join(known), value)
        return str(value)

    def number(self, key: str, least: float, most: float) -> float:
        """A number within limits, both included."""
        value = self.take(key)
        if type(value) not in (int, float) or not least <= value <= most:
            raise self.error(key, f"a number in [{least:g}, {most:g}]", value)
        return float(value)

    def colors(self, key: str) -> tuple[float, float, float]:
        """Three numbers, one a color channel."""
        values = self.take(key)
        if (
            not isinstance(values, list)
            or len(values) != 3
            or not all(type(n) in (int, float) and math.isfinite(n) for n in values)
        ):
            raise self.error(key, "three finite numbers", values)
        a, b, c = values
        return float(a), float(b), float(c)

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping as it stands; empty when it is not there."""
        value = self.take(key) if key in self._rest else {}
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.error(key, "a mapping of names", value)
        return value

    def sha256(self) -> str:
        """The digest of a file, hexadecimal."""
        return self.text("sha256", "[0-9a-f]{64}", "64 lower-case hexadecimal digits")

    def git_blob(self) -> str:
        """The id that git gives a file, hexadecimal."""
        return self.text("git_blob", "[0-9a-f]{40}", "40 lower-case hexadecimal digits")

    def fields(self, key: str) -> Fields:
        """A mapping, to be read in the same way."""
        return Fields(self.path, f"{self.place}.{key}".strip("."), self.take(key))

    def list_of_fields(self, key: str) -> list[Fields]:
        """A list of mappings, at least one."""
        values = self.take(key)
        if not isinstance(values, list) or not values:
            raise self.error(key, "a list of at least one", values)
        place = f"{self.place}.{key}".strip(".")
        return [Fields(self.path, f"{place}[{i}]", value) for i, value in enumerate(values)]

    def keys(self) -> list[str]:
        """Return the names of the fields that are left."""
        return [str(key) for key in self._rest]

    def has(self, key: str) -> bool:
        """Return whether the field is there."""
        return key in self._rest

    def end(self) -> None:
        """Refuse the fields that are left."""
        if self._rest:
            raise self.error(self.keys()[0], "no such field", self._rest[next(iter(self._rest))])


def _short(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    text = _REPR.repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
