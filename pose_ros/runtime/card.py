"""Model cards: what a network is, where its files come from, what goes in and out.

A card is a YAML file of the folder ``models``; a user's own may lie anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from pose_ros.core import skeletons
from pose_ros.errors import ModelError, OptionError
from pose_ros.runtime.checksum import Checksum
from pose_ros.share import share_path


@dataclass(frozen=True)
class Value:
    """An input or output of a network.

    Attributes:
        name: Its name in the ONNX file.
        tensor: Its name in the original file.
        shape: That of a batch of one; the first axis is free. Images are NCHW.
        range: Least and greatest value that a pixel is scaled to; None for outputs.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Wheel:
    """A wheel that pip can fetch for a machine that need not be this one.

    Attributes:
        requirement: What pip calls it, with its version: ``name==1.2.3``.
        python: Version of Python, such as ``3.11``.
        abi: Such as ``cp311``.
        platform: Such as ``manylinux_2_28_x86_64``.
        sha256: Of the wheel.
    """

    requirement: str
    python: str
    abi: str
    platform: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the wheel's file."""
        name, version = self.requirement.split("==")
        return f"{name.replace('-', '_')}-{version}-{self.abi}-{self.abi}-{self.platform}.whl"


@dataclass(frozen=True)
class WheelOrigin:
    """The original file lies in a wheel.

    Attributes:
        wheel: The wheel that holds it.
        member: Its path within the wheel.
    """

    wheel: Wheel
    member: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.wheel.file_name

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.member


@dataclass(frozen=True)
class UrlOrigin:
    """The original file has an address of its own.

    Attributes:
        url: Its http or https address.
    """

    url: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.url

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.url.rpartition("/")[2]


Origin: TypeAlias = WheelOrigin | UrlOrigin
"""A place that an original file comes from."""


@dataclass(frozen=True)
class ModelFile:
    """One network of a card.

    Attributes:
        file: Name in the cache, without suffix; cards that share a file give it the same.
        checksum: Of the original file, wherever it comes from.
        origins: Where to get it, in order of preference.
        inputs: In the order in which the session takes them.
        outputs: In the order in which the session gives them; others are pruned.
    """

    file: str
    checksum: Checksum
    origins: tuple[Origin, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True)
class Card:
    """A network that a user can name.

    Attributes:
        name: Such as ``blazepose-full``.
        family: Which code prepares its input and decodes its output.
        title: A few words for a list.
        description: A sentence or two.
        skeleton: Name of the keypoints it finds.
        license: SPDX identifier.
        homepage: Where its makers describe it.
        files: Its networks by role, such as ``detector``.
    """

    name: str
    family: str
    title: str
    description: str
    skeleton: str
    license: str
    homepage: str
    files: Mapping[str, ModelFile]

    def file(self, role: str) -> ModelFile:
        """Return the network of a role.

        Raises:
            ModelError: The card has no such role.
        """
        try:
            return self.files[role]
        except KeyError:
            known = ", ".join(self.files)
            raise ModelError(f"{self.name} has no file {role!r}; it has {known}") from None


def list_cards() -> list[Card]:
    """Return the cards that come with the package, by name.

    Raises:
        ModelError: One of them is not valid.
    """
    return [load_card(path) for path in sorted(share_path("models").glob("*.yaml"))]


def load_card(name_or_path: str | Path) -> Card:
    """Return a card by its name, or read one from a YAML file.

    Raises:
        ModelError: There is none of that name, the file cannot be read, or a field
            is missing, unknown or wrong; the message names file and field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        folder = share_path("models")
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        if str(name_or_path) not in known:
            raise ModelError(f"unknown network {str(name_or_path)!r}; known: {', '.join(known)}")
        path = folder / f"{name_or_path}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read the model card {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return _card(_Fields(path, "", content))


class _Fields:
    """A mapping of the file, read field by field; knows its place for messages."""

    def __init__(self, path: Path, place: str, content: Any) -> None:
        self.path = path
        self.place = place
        self._rest = content
        if not isinstance(content, dict):
            raise self.error("", "a mapping", content)
        self._rest = dict(content)

    def error(self, key: str, expected: str, got: Any) -> ModelError:
        field = ".".join(part for part in (self.place, key) if part) or "the card"
        return ModelError(f"{self.path}: {field}: expected {expected}, got {got!r}")

    def take(self, key: str) -> Any:
        if key not in self._rest:
            raise self.error(key, "a value", None)
        return self._rest.pop(key)

    def text(self, key: str, pattern: str = ".+", meaning: str = "text") -> str:
        value = self.take(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            raise self.error(key, meaning, value)
        return value

    def sha256(self) -> str:
        return self.text("sha256", "[0-9a-f]{64}", "64 lower-case hexadecimal digits")

    def git_blob(self) -> str:
        return self.text("git_blob", "[0-9a-f]{40}", "40 lower-case hexadecimal digits")

    def fields(self, key: str) -> _Fields:
        return _Fields(self.path, f"{self.place}.{key}".strip("."), self.take(key))

    def list_of_fields(self, key: str) -> list[_Fields]:
        values = self.take(key)
        if not isinstance(values, list) or not values:
            raise self.error(key, "a list of at least one", values)
        place = f"{self.place}.{key}".strip(".")
        return [_Fields(self.path, f"{place}[{i}]", value) for i, value in enumerate(values)]

    def keys(self) -> list[str]:
        return [str(key) for key in self._rest]

    def has(self, key: str) -> bool:
        return key in self._rest

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._rest:
            raise self.error(self.keys()[0], "no such field", self._rest[next(iter(self._rest))])


def _card(fields: _Fields) -> Card:
    files = fields.fields("files")
    by_role = {role: _file(files.fields(role)) for role in files.keys()}  # noqa: SIM118
    if not by_role:
        raise files.error("", "at least one file", {})
    card = Card(
        name=fields.text("name", "[a-z0-9][a-z0-9-]*", "lower-case letters, digits and -"),
        family=fields.text("family"),
        title=fields.text("title"),
        description=fields.text("description"),
        skeleton=fields.text("skeleton"),
        license=fields.text("license"),
        homepage=fields.text("homepage"),
        files=by_role,
    )
    fields.end()
    try:
        skeletons.get(card.skeleton)
    except OptionError as error:
        raise ModelError(f"{fields.path}: skeleton: {error}") from None
    return card


def _file(fields: _Fields) -> ModelFile:
    file = ModelFile(
        # it becomes a path: nothing may lead out of the cache
        file=fields.text("file", "[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, . _ and -"),
        checksum=_checksum(fields),
        origins=tuple(_origin(origin) for origin in fields.list_of_fields("origins")),
        inputs=tuple(_value(value) for value in fields.list_of_fields("inputs")),
        outputs=tuple(_value(value) for value in fields.list_of_fields("outputs")),
    )
    fields.end()
    for kind, values in (("inputs", file.inputs), ("outputs", file.outputs)):
        names = [value.name for value in values]
        if len(set(names)) != len(names):
            raise fields.error(kind, "distinct names", names)
    return file


def _checksum(fields: _Fields) -> Checksum:
    """Read either of the two kinds, or both."""
    git_blob = fields.git_blob() if fields.has("git_blob") else None
    sha256 = fields.sha256() if git_blob is None or fields.has("sha256") else None
    return Checksum(sha256, git_blob)


def _origin(fields: _Fields) -> Origin:
    origin: Origin
    if fields.has("url"):
        # http will do: it is the checksum that tells the file, not the way that it came
        origin = UrlOrigin(fields.text("url", "https?://[!-~]+", "an http or https address"))
    else:
        origin = WheelOrigin(wheel=_wheel(fields.fields("wheel")), member=fields.text("member"))
    fields.end()
    return origin


def _wheel(fields: _Fields) -> Wheel:
    wheel = Wheel(
        requirement=fields.text("requirement", "[A-Za-z0-9._-]+==[A-Za-z0-9.]+", "name==version"),
        python=fields.text("python", r"3\.\d+", 'a version of Python, such as "3.11"'),
        abi=fields.text("abi", r"\w+"),
        platform=fields.text("platform", r"\w+"),
        sha256=fields.sha256(),
    )
    fields.end()
    return wheel


def _value(fields: _Fields) -> Value:
    shape = fields.take("shape")
    if (
        not isinstance(shape, list)
        or not shape
        or not all(type(n) is int and n > 0 for n in shape)
        or shape[0] != 1
    ):
        raise fields.error("shape", "whole numbers, the first of them 1", shape)
    limits = None
    if fields.has("range"):
        limits = fields.take("range")
        if (
            not isinstance(limits, list)
            or len(limits) != 2
            or not all(type(n) in (int, float) for n in limits)
            or not limits[0] < limits[1]
        ):
            raise fields.error("range", "two numbers, the lesser first", limits)
        limits = (float(limits[0]), float(limits[1]))
    value = Value(fields.text("name"), fields.text("tensor"), tuple(shape), limits)
    fields.end()
    return value
