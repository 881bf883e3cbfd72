"""Networks of trt_pose's architecture with weights that are drawn, not trained.

They find no people, but they are the real ones for all that asks for shape: names, sizes,
operators, time and memory. Architecture: trt_pose, ``trt_pose/models`` (ResNet-18 and
DenseNet-121 with the attention head); the body's and the hand's channels: ``human_pose.json``
and ``hand_pose.json``. Normalizations are folded where PyTorch's export folds them.

    python -m tools.trt_pose_networks resnet18-body net.onnx --card
    pose-ros bench synthetic --network net.yaml
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import onnx
import yaml

from tools.onnx_writer import Writer, save

UPSAMPLED_CHANNELS = 256
DOUBLINGS = 3

PARTS = {"body": (18, 42), "hand": (21, 40)}
"""Channels of the confidence maps and of the part affinity fields."""

SIZES = {"resnet18": 224, "densenet121": 256}
"""Pixels along a side of the input that the published weights were trained with."""


@dataclass(frozen=True)
class Names:
    """What the input and the outputs are called."""

    image: str
    cmap: str
    paf: str


PUBLISHED = Names("input", "cmap", "paf")
EXPORTED = Names("input_0", "output_0", "output_1")


def build(
    network: str,
    *,
    names: Names = PUBLISHED,
    size: int | None = None,
    free_batch: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """Return a network.

    Args:
        network: Such as ``resnet18-body``.
        names: Of its input and outputs.
        size: Pixels along a side of the input, a multiple of 32; None for that of the
            published weights.
        free_batch: Leave the number of images open.
        seed: Of the weights.
    """
    backbone, _, kind = network.partition("-")
    side = size or SIZES[backbone]
    if side % 32:
        raise ValueError(f"expected a size that is a multiple of 32, got {side}")
    parts, fields = PARTS[kind]
    w = Writer(seed)
    image = w.input(names.image, (1, 3, side, side), free_batch=free_batch)
    features = {"resnet18": _resnet18, "densenet121": _densenet121}[backbone](w, image)
    for name, channels, gate in ((names.cmap, parts, "Sigmoid"), (names.paf, fields, "Tanh")):
        branch = features
        for _ in range(DOUBLINGS):
            branch = w.relu(w.normalization(w.doubling(branch, UPSAMPLED_CHANNELS)))
        attention = w.node(gate, w.convolution(branch, UPSAMPLED_CHANNELS, 3, gain=1.0))
        # as quiet as a trained one is without people
        w.convolution(w.node("Mul", branch, attention), channels, 1, gain=1e-6, name=name)
        w.output(name, (1, channels, side // 4, side // 4), free_batch=free_batch)
    return w.finish(f"trt_pose_{network.replace('-', '_')}")


def write_card(network: str, path: Path, names: Names = PUBLISHED) -> Path:
    """Write a card beside a network's file, that of the published weights but for the origin."""
    folder = Path(__file__).resolve().parents[1] / "models"
    card = yaml.safe_load((folder / f"{network}.yaml").read_text(encoding="utf-8"))
    card["name"] = path.stem.lower().replace("_", "-")
    (file,) = card["files"].values()
    for key in ("sha256", "git_blob", "enough", "known_by"):
        file.pop(key, None)
    file["origins"] = [{"path": path.name}]
    values = (*file["inputs"], *file["outputs"])
    for value, name in zip(values, (names.image, names.cmap, names.paf), strict=True):
        value["tensor"] = name
    written = path.with_suffix(".yaml")
    written.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    return written


def _resnet18(w: Writer, image: str) -> str:
    value = w.relu(w.convolution(image, 64, 7, 2))
    value = w.node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for channels in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and channels > 64 else 1
            inner = w.relu(w.convolution(value, channels, 3, stride))
            inner = w.convolution(inner, channels, 3, gain=1.0)
            shortcut = value if stride == 1 else w.convolution(value, channels, 1, 2, gain=1.0)
            value = w.relu(w.node("Add", inner, shortcut))
    return value


def _densenet121(w: Writer, image: str) -> str:
    growth = 32
    value = w.relu(w.convolution(image, 64, 7, 2))
    value = w.node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for block, layers in enumerate((6, 12, 24, 16)):
        if block:
            value = w.relu(w.normalization(value))
            value = w.convolution(value, w.channels[value] // 2, 1)
            value = w.node("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
        features = [value]
        for _ in range(layers):
            joined = w.concatenate(features) if len(features) > 1 else value
            narrow = w.convolution(w.relu(w.normalization(joined)), 4 * growth, 1)
            features.append(w.convolution(w.relu(narrow), growth, 3))
        value = w.concatenate(features)
    return w.normalization(value)


def main() -> None:
    """Write the network that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    choices = ("resnet18-body", "resnet18-hand", "densenet121-body")
    parser.add_argument("network", choices=choices)
    parser.add_argument("out", type=Path, metavar="FILE")
    parser.add_argument("--size", type=int, metavar="N", help="pixels along a side of the input")
    parser.add_argument("--free-batch", action="store_true", help="any number of images")
    parser.add_argument("--exported-names", action="store_true", help="input_0, output_0, output_1")
    parser.add_argument("--card", action="store_true", help="write a card beside it as well")
    args = parser.parse_args()
    if args.card and args.size:
        parser.error("the card is one of the published size: leave out --size or --card")
    names = EXPORTED if args.exported_names else PUBLISHED
    model = build(args.network, names=names, size=args.size, free_batch=args.free_batch)
    print(save(model, args.out))
    if args.card:
        print(write_card(args.network, args.out, names))


if __name__ == "__main__":
    main()
