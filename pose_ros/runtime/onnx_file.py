"""What an ONNX file says of itself before it runs: what goes in and out, and which files it needs.

Weights may lie in other files, whose paths stand in the ONNX file: a network from anywhere could
name any file of the machine, so only those in its own folder are read. onnxruntime 1.31 refuses
others too; here it does not depend on the installed version. The few fields that matter are read
straight from the protobuf encoding, since the package onnx is an extra. Field numbers:
onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pose_ros.core.contract import Shape
from pose_ros.errors import ModelError


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a network, by name, in order.

    Attributes:
        inputs: Shapes by name.
        outputs: Shapes by name.
        types: Of the inputs, such as ``float32``; where one is not said, any will do.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    types: Mapping[str, str] = field(default_factory=dict)

    def require(self, wanted: Signature, file: str) -> None:
        """Check that the file with this signature is the one that a card describes.

        Args:
            wanted: The card's; the file may give more than that, but take nothing else.
            file: What messages call the file.

        Raises:
            ModelError: An input or output is missing, has another shape, or an input is
                there that the card does not know; the message names both sides.
        """
        sides = (("input", self.inputs, wanted.inputs), ("output", self.outputs, wanted.outputs))
        for kind, has, wants in sides:
            fits = all(name in has and _fits(has[name], shape) for name, shape in wants.items())
            if not fits or (kind == "input" and len(has) > len(wants)):
                raise ModelError(
                    f"{file} does not fit its card: expected the {kind}s {describe(wants)}, "
                    f"got {describe(has)}"
                )
        for name, type_ in wanted.types.items():
            if self.types.get(name, type_) != type_:
                raise ModelError(
                    f"{file} does not fit its card: expected the input {name} as {type_}, "
                    f"got {self.types[name]}"
                )


def _fits(has: Shape, wanted: Shape) -> bool:
    return len(has) == len(wanted) and all(
        size is None or want is None or size == want for size, want in zip(has, wanted, strict=True)
    )


def describe(values: Mapping[str, Shape]) -> str:
    """Return names and shapes for a message; ``?`` is an axis that is free."""
    shapes = (
        f"{name} [{', '.join('?' if n is None else str(n) for n in shape)}]"
        for name, shape in values.items()
    )
    return ", ".join(shapes) or "none"


Buffer: TypeAlias = "bytes | mmap.mmap"

# Fields that lead from a model to its tensors, by kind of message: number -> kind inside.
_PATHS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_KEY, _VALUE = 1, 2
_MAX_DEPTH = 64


def check_external_data(model: Path | bytes) -> None:
    """Check that all other files that an ONNX file needs lie in its folder and are there.

    Args:
        model: An ONNX file, or its content, which may need no other file.

    Raises:
        ModelError: It names a file elsewhere, or one that is missing; what is not an
            ONNX file is left to onnxruntime to refuse.
    """
    for location in sorted(set(_locations_of(model))):
        if isinstance(model, bytes):
            raise ModelError(
                f"it keeps weights in another file, {location!r}: save the network as one file"
            )
        folder = model.resolve().parent
        path = (folder / location).resolve() if "\0" not in location else None
        if path is None or not path.is_relative_to(folder):
            raise ModelError(
                f"{model} names weights outside its own folder, {location!r}: refused; save the "
                "network with its weights beside it"
            )
        if not path.is_file():
            raise ModelError(f"{model} needs the file {location!r} beside it, which is missing")


def _locations_of(model: Path | bytes) -> list[str]:
    try:
        if isinstance(model, bytes):
            return list(_locations(model, 0, len(model), "model", 0))
        with (
            model.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return list(_locations(data, 0, len(data), "model", 0))
    except (OSError, ValueError):  # an empty or damaged file, which onnxruntime refuses
        return []


def _locations(data: Buffer, at: int, end: int, kind: str, depth: int) -> Iterator[str]:
    """Yield each location of external data below a message of a kind.

    Raises:
        ValueError: The bytes are not a protobuf message, or are nested without end.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    inner = _PATHS[kind]
    for number, start, stop in _fields(data, at, end):
        if number not in inner:
            continue
        if inner[number] != "entry":
            yield from _locations(data, start, stop, inner[number], depth + 1)
            continue
        entry = {n: data[a:b].decode("utf-8") for n, a, b in _fields(data, start, stop)}
        if entry.get(_KEY) == "location":
            yield entry.get(_VALUE, "")


def _fields(data: Buffer, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, start, end) of each field of a message that holds bytes.

    Raises:
        ValueError: The bytes are not a protobuf message.
    """
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, at = _varint(data, at, end)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(data, at, end)
            if at + size > end:
                raise ValueError("a field is cut off")
            yield number, at, at + size
            at += size
        else:
            raise ValueError(f"wire type {wire}")


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is cut off")
