"""What an ONNX file takes and gives, against what its card says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pose_ros.errors import ModelError

Shape: TypeAlias = "tuple[int | None, ...]"
"""Sizes of the axes; None for one that is free."""


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
        """Check that a file, of which this is the signature, is one that a card speaks of.

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
