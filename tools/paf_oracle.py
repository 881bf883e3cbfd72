"""An oracle with part affinity fields, its card, and pictures that tell it of people or hands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.networks.paf import topology
from tools import oracle
from tools.onnx_writer import save
from tools.trt_pose_networks import PUBLISHED, Names

CELLS = 56
"""Along a side of the maps, as those of trt_pose's ResNet-18."""

SIZE = 368
"""Pixels along a side of the input: a picture of that size has room for the maps."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

FloatArray = NDArray[np.float32]

_BODY = (
    *((0.0, -0.9), (0.03, -0.93), (-0.03, -0.93), (0.07, -0.9), (-0.07, -0.9)),
    *((0.2, -0.65), (-0.2, -0.65), (0.3, -0.35), (-0.3, -0.35), (0.35, -0.05), (-0.35, -0.05)),
    *((0.12, 0.0), (-0.12, 0.0), (0.14, 0.45), (-0.14, 0.45), (0.15, 0.9), (-0.15, 0.9)),
    (0.0, -0.65),
)
_FINGERS = ((-0.6, -0.3), (-0.3, -0.9), (0.0, -1.0), (0.3, -0.9), (0.55, -0.7))
_HAND = (
    (0.0, 0.9),
    *((x * s, 0.9 + (y - 0.9) * s) for x, y in _FINGERS for s in (1.0, 0.8, 0.6, 0.4)),
)
SHAPES = {"trt_body18": _BODY, "trt_hand21": _HAND}
"""Keypoints around the middle; half the height is 0.9 or so."""


@dataclass(frozen=True)
class PafOracle:
    """A network on the disk that finds what its picture says.

    Attributes:
        skeleton: ``trt_body18`` or ``trt_hand21``.
        card: Its card, for ``create_estimator``.
        names: Of its input and outputs.
    """

    skeleton: str
    card: Path
    names: Names

    @property
    def outputs(self) -> dict[str, oracle.Output]:
        """Its outputs, by the names that they have in the file."""
        return _outputs(self.skeleton, self.names)

    def place(self, x: float, y: float, scale: float) -> FloatArray:
        """Return (K, 2) keypoints of a person, x and y in [0, 1] of the picture."""
        return np.array(SHAPES[self.skeleton], np.float32) * scale + np.array([x, y], np.float32)

    def picture(
        self, people: list[FloatArray], times: tuple[int, int] = (1, 1)
    ) -> NDArray[np.uint8]:
        """Return the picture, RGB, at which it finds people at these places."""
        return self.picture_of(*draw(self.skeleton, people), times)

    def picture_of(
        self, cmap: FloatArray, paf: FloatArray, times: tuple[int, int] = (1, 1)
    ) -> NDArray[np.uint8]:
        """Return the picture, RGB, at which it gives these maps."""
        values = {self.names.cmap: cmap, self.names.paf: paf}
        return oracle.picture(self.outputs, values, SIZE, SIZE, times=times)


def write(folder: Path, skeleton: str, names: Names = PUBLISHED) -> PafOracle:
    """Write an oracle and its card into a folder."""
    outputs = _outputs(skeleton, names)
    model = oracle.build(outputs, SIZE, SIZE, input_name=names.image, mean=MEAN, std=STD)
    save(model, folder / "oracle.onnx")
    image = {"name": "image", "tensor": names.image, "shape": [1, 3, SIZE, SIZE]}
    content = {
        "name": "oracle",
        "family": "paf",
        "title": "An oracle",
        "description": "It finds what its picture says.",
        "skeleton": skeleton,
        "license": "Apache-2.0",
        "homepage": "https://example.org",
        "threshold": 0.15,
        "files": {
            "network": {
                "file": "oracle",
                "format": "onnx",
                "origins": [{"path": "oracle.onnx"}],
                "inputs": [image | {"mean": list(MEAN), "std": list(STD), "fit": "stretch"}],
                "outputs": [
                    {"name": name, "tensor": tensor, "shape": list(output.shape)}
                    for name, (tensor, output) in zip(("cmap", "paf"), outputs.items(), strict=True)
                ],
            }
        },
    }
    card = folder / "oracle.yaml"
    card.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return PafOracle(skeleton, card, names)


def draw(skeleton: str, people: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Draw maps of people: bells of one cell at keypoints, bars of unit vectors along links.

    Returns:
        The confidence maps (K, CELLS, CELLS) and the part affinity fields.
    """
    layout = topology(skeletons.get(skeleton))
    y, x = np.mgrid[:CELLS, :CELLS].astype(np.float32) + 0.5
    cmap = np.zeros((layout.parts, CELLS, CELLS), np.float32)
    paf = np.zeros((layout.channels, CELLS, CELLS), np.float32)
    for person in people:
        points = person * CELLS
        for part, (px, py) in enumerate(points):
            cmap[part] = np.maximum(cmap[part], np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2))
        for (a, b), (channel_x, channel_y) in zip(layout.links, layout.fields, strict=True):
            way = points[b] - points[a]
            length = float(np.hypot(*way))
            unit = way / length
            along = (x - points[a, 0]) * unit[0] + (y - points[a, 1]) * unit[1]
            across = (x - points[a, 0]) * unit[1] - (y - points[a, 1]) * unit[0]
            bar = (np.abs(across) <= 1) & (along >= -1) & (along <= length + 1)
            paf[channel_x][bar], paf[channel_y][bar] = unit
    return cmap, paf


def _outputs(skeleton: str, names: Names) -> dict[str, oracle.Output]:
    layout = topology(skeletons.get(skeleton))
    return {
        names.cmap: oracle.Output((1, layout.parts, CELLS, CELLS)),
        names.paf: oracle.Output((1, layout.channels, CELLS, CELLS), -1.0, 1.0),
    }
