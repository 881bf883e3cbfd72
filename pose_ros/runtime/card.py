"""Model cards: what a network is, where its files come from, what goes in and out.

A card is a YAML file of the folder ``models``; a user's own may lie anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from pose_ros.core import skeletons
from pose_ros.core.contract import DEFAULT_THRESHOLD, Contract, ImageInput, Value
from pose_ros.errors import ModelError, OptionError
from pose_ros.runtime.card_fields import Fields
from pose_ros.runtime.checksum import Checksum
from pose_ros.runtime.origins import Origin, PathOrigin, read_origin
from pose_ros.runtime.quantization import Int8Plan
from pose_ros.runtime.signature import Signature
from pose_ros.share import share_path

FORMATS = ("tflite", "onnx")


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
        return Signature(inputs, outputs)


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
        threshold: Least score at which it finds somebody, where the user names none.
        decoder: What the family's code wants to know besides.
        colors: Of its keypoints, red, green, blue; empty where the card has none.
    """

    name: str
    family: str
    title: str
    description: str
    skeleton: str
    license: str
    homepage: str
    files: Mapping[str, ModelFile]
    threshold: float = DEFAULT_THRESHOLD
    decoder: Mapping[str, Any] = field(default_factory=dict)
    colors: tuple[tuple[int, int, int], ...] = ()

    @property
    def contract(self) -> Contract:
        """What the family's code is told."""
        return Contract(
            network=self.name,
            skeleton=replace(skeletons.get(self.skeleton), colors=self.colors),
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
    return [load_card(path) for path in sorted(share_path("models").glob("*.yaml"))]


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
            raise ModelError(f"unknown network {str(name_or_path)!r}; known: {', '.join(known)}")
        path = folder / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read the model card {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    return _card(Fields(path, "", content))


def _card(fields: Fields) -> Card:
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
        threshold=fields.number("threshold", 0, 1)
        if fields.has("threshold")
        else DEFAULT_THRESHOLD,
        decoder=fields.mapping("decoder"),
        colors=_colors(fields) if fields.has("colors") else (),
    )
    fields.end()
    try:
        skeleton = skeletons.get(card.skeleton)
    except OptionError as error:
        raise ModelError(f"{fields.path}: skeleton: {error}") from None
    if len(card.colors) not in (0, len(skeleton)):
        raise fields.error("colors", f"{len(skeleton)}, one a keypoint", len(card.colors))
    return card


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
    format_ = fields.choice("format", FORMATS, FORMATS[0])
    origins = tuple(read_origin(origin) for origin in fields.list_of_fields("origins"))
    own = any(isinstance(origin, PathOrigin) for origin in origins)
    file = ModelFile(
        # it becomes a path: nothing may lead out of the cache
        file=fields.text("file", "[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, . _ and -"),
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
    else:
        return None
    layout = fields.choice("layout", ("nchw", "nhwc"), "nchw")
    channel_axis = 1 if layout == "nchw" else 3
    if len(shape) != 4 or shape[channel_axis] != 3:
        raise fields.error("shape", f"an image of 3 channels as {layout}", shape)
    height, width = (n for axis, n in enumerate(shape[1:], 1) if axis != channel_axis)
    return ImageInput(
        width=width,
        height=height,
        mean=mean,
        std=std,
        layout=layout,
        channels=fields.choice("channels", ("rgb", "bgr"), "rgb"),
        fit=fields.choice("fit", ("letterbox", "stretch"), "letterbox"),
        dtype=fields.choice("type", ("float32", "uint8"), "float32"),
    )
