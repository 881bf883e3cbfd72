"""A guess at what a network could be, and the model card that says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pose_ros.core.skeletons import SKELETONS

Shape: TypeAlias = "tuple[int | None, ...]"
"""Sizes of the axes; None for one that is free."""

TYPES = ("float32", "uint8", "int32")

_SUBSETS = {f"{s.name}_{name}" for s in SKELETONS.values() for name in s.subsets}
WHOLE = [s for s in SKELETONS.values() if s.name not in _SUBSETS]
"""All skeletons but those that are parts of others."""

PIXELS = {"range": [0, 255]}


@dataclass(frozen=True)
class NetworkInput:
    """The one input of a network, as an image.

    Attributes:
        tensor: Its name in the file.
        layout: ``nchw`` or ``nhwc``.
        height, width: Pixels; None where they are free.
        type: One of ``TYPES``.
    """

    tensor: str
    layout: str
    height: int | None
    width: int | None
    type: str

    def fields(self, size: tuple[int, int], scaling: dict[str, Any]) -> dict[str, Any]:
        """Return the input on a card; ``size`` is the height and width where they are free."""
        height, width = self.height or size[0], self.width or size[1]
        nchw = self.layout == "nchw"
        made: dict[str, Any] = {
            "name": "image",
            "tensor": self.tensor,
            "shape": [1, 3, height, width] if nchw else [1, height, width, 3],
        }
        if not nchw:
            made["layout"] = "nhwc"
        if self.type != "float32":
            made["type"] = self.type
        # whole numbers are pixels as they are, whoever made the network
        return made | (scaling if self.type == "float32" else PIXELS)


@dataclass(frozen=True)
class Draft:
    """One thing that a network could be.

    Attributes:
        family: Which code would decode it.
        finds: In words.
        points: Keypoints.
        skeletons: Those of as many keypoints.
        image: Fields of the input on a card.
        outputs: Fields of the outputs on a card.
        threshold: Least score of a person.
        decoder: Settings on a card.
        assumed: What shapes do not tell and such networks mostly have.
        open: What shapes do not tell and such networks have in one way or another.
    """

    family: str
    finds: str
    points: int
    skeletons: tuple[str, ...]
    image: dict[str, Any]
    outputs: list[dict[str, Any]]
    threshold: float
    decoder: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    def card(self, name: str, path: str) -> dict[str, Any]:
        """Return a model card, as it stands in YAML.

        Args:
            name: Of the network: lower-case letters, digits and -.
            path: Of its file.
        """
        names = [f"point_{i}" for i in range(self.points)]
        own = {"name": f"{name}-points", "keypoints": names, "links": [], "left_right": []}
        made: dict[str, Any] = {
            "name": name,
            "family": self.family,
            "skeleton": self.skeletons[0] if self.skeletons else own,
            "threshold": self.threshold,
            "files": {"network": {"file": path, "inputs": [self.image], "outputs": self.outputs}},
        }
        return made | ({"decoder": self.decoder} if self.decoder else {})

    @property
    def questions(self) -> tuple[str, ...]:
        """What the user has to answer before this can run."""
        if not self.skeletons:
            return (*self.open, f"what its {self.points} keypoints are")
        if len(self.skeletons) > 1:
            return (*self.open, f"which skeleton it has: {' or '.join(self.skeletons)}")
        return self.open


def with_points(points: int) -> tuple[str, ...]:
    """Return the names of the skeletons of bodies with so many keypoints."""
    return tuple(s.name for s in WHOLE if len(s) == points and "wrist" not in s.keypoints)


def named(outputs: Mapping[str, Shape], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return outputs on a card, by the names that a family calls them."""
    return [
        {"name": name, "tensor": tensor, "shape": [1, *shape[1:]]}
        for name, (tensor, shape) in zip(names, outputs.items(), strict=True)
    ]
