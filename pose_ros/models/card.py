"""Model cards: what a network is, where its files come from, what goes in and out.

A card is a YAML file of the folder ``models``; a user's own may lie anywhere.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from pose_ros.core import skeletons
from pose_ros.core.contract import DEFAULT_THRESHOLD, Contract, ImageInput, Value
from pose_ros.core.skeletons import Skeleton
from pose_ros.documents import DocumentError, open_file, read_yaml
from pose_ros.errors import ModelError, OptionError, did_you_mean
from pose_ros.models.card_fields import Fields
from pose_ros.models.origins import Origin, PathOrigin, own_file, read_origin
from pose_ros.runtime.quantization import Int8Plan
from pose_ros.runtime.signature import Signature
from pose_ros.share import share_path

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
    """

    file: str
    format: str
    checksum: Checksum
    origins: tuple[Origin, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    int8: Int8Plan | None = None

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
        # what is about a network of one's own is known without the card
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
    keypoints = fields.take("keypoints")
    if (
        not isinstance(keypoints, list)
        or not keypoints
        or not all(isinstance(name, str) and name for name in keypoints)
    ):
        raise fields.error("keypoints", "a list of names", keypoints)

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        values = fields.take(key) if fields.has(key) else []
        if not isinstance(values, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(name in keypoints for name in pair)
            for pair in values
        ):
            raise fields.error(key, "a list of pairs of its keypoints' names", values)
        return tuple((keypoints.index(a), keypoints.index(b)) for a, b in values)

    name = fields.text("name")
    if name in skeletons.SKELETONS:
        # who reads a message finds a skeleton by its name
        raise fields.error("name", "a name that pose_ros does not have yet", name)
    skeleton = Skeleton(name, tuple(keypoints), pairs("links"), pairs("left_right"))
    fields.end()
    return skeleton


def _colors(fields: Fields) -> tuple[tuple[int, int, int], ...]:
    values = fields.take("colors")
    if not isinstance(values, list) or not all(
        isinstance(color, list)
        and len(color) == 3
        and all(type(n) is int and 0 <= n <= 255 for n in color)
        for color in values
    ):
        raise fields.error("colors", "a list of [red, green, blue], each 0 to 255", values)
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
    )
    fields.end()
    for kind, values in (("inputs", file.inputs), ("outputs", file.outputs)):
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
    shape = fields.take("shape")
    if (
        not isinstance(shape, list)
        or not shape
        or not all(type(n) is int and n > 0 for n in shape)
        or shape[0] != 1
    ):
        raise fields.error("shape", "whole numbers, the first of them 1", shape)
    if math.prod(shape) > MAX_VALUES:
        raise fields.error("shape", f"at most {MAX_VALUES} values", shape)
    limits = None
    if fields.has("range"):
        limits = fields.take("range")
        if (
            not isinstance(limits, list)
            or len(limits) != 2
            or not all(type(n) in (int, float) and math.isfinite(n) for n in limits)
            or not limits[0] < limits[1]
        ):
            raise fields.error("range", "two finite numbers, the lesser first", limits)
        limits = (float(limits[0]), float(limits[1]))
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
        red, green, blue = fields.colors("mean")
        mean = 255.0 * red, 255.0 * green, 255.0 * blue
        red, green, blue = fields.colors("std")
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
