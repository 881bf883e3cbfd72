"""Networks that see: they find the colored markers that a picture has at its keypoints.

Each keypoint has a color. What such a network gives follows from the pixels that reach it, in
whatever place and size, so that a test of crops, warps and decoders needs no published weights.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from tools.onnx_writer import Writer

Kind: TypeAlias = Literal["heatmap", "simcc", "keypoints", "movenet"]
FloatArray: TypeAlias = NDArray[np.float32]

STRIDE = 4
"""Pixels of the input between two cells of a heatmap; a cell lies on the first of them."""
BINS = 2
"""Classes of SimCC a pixel of the input."""

_NEAR = 60.0  # of a color, as the sum over the channels of 0 to 255
_DEVIATION = 6.0  # pixels of the input
_ENOUGH = 6.0  # pixels of a marker's color that are a sure one

CARD = """
name: seen
family: keypoints-top-down
skeleton: {name: arms4, keypoints: [left_shoulder, right_shoulder, left_wrist, right_wrist],
           links: [[left_shoulder, left_wrist], [right_shoulder, right_wrist]]}
files:
  network:
    file: seen.onnx
    inputs: [{name: image, tensor: image, shape: [1, 3, 256, 192], range: [0, 1]}]
    outputs: [{name: keypoints, tensor: keypoints, shape: [1, 4, 3]}]
"""
"""Of a network of one person's shoulders and wrists, ``seen.onnx``, 256 by 192 pixels."""


def colors(count: int) -> FloatArray:
    """Return (count, 3) colors from 0 to 255, RGB, that differ well from each other."""
    hues = [colorsys.hsv_to_rgb(i / count, 1.0, 1.0) for i in range(count)]
    return np.array(np.rint(np.array(hues) * 255), np.float32)


def draw(
    image: NDArray[np.uint8], points: FloatArray, palette: FloatArray, radius: int = 6
) -> None:
    """Draw the markers of one person into an image, RGB; (K, 2) pixels, NaN for none."""
    for point, color in zip(points, palette, strict=True):
        if np.isfinite(point).all():
            # drawn to a 16th of a pixel
            x, y = np.rint(16 * point).astype(int).tolist()
            cv2.circle(image, (x, y), 16 * radius, color.tolist(), -1, cv2.LINE_8, 4)


def network(
    kind: Kind,
    palette: FloatArray,
    height: int,
    width: int,
    *,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    free_batch: bool = True,
    unbiased: bool = False,
    names: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Return a network for one person's markers.

    Args:
        kind: Of its output: ``heatmaps`` (N, K, height / 4, width / 4); ``simcc_x`` (N, K,
            2 width) and ``simcc_y`` (N, K, 2 height); or ``keypoints`` (N, K, 3), x y score,
            where 1 is the size of the input. As MoveNet gives them they are (1, 1, K, 3), y x
            score, and its input is (1, height, width, 3) int32, pixels.
        palette: (K, 3) from ``colors``.
        height: Pixels of its input ``image``, (N, 3, height, width).
        width: As ``height``.
        mean: Of red, green and blue: its input is (value / 255 - mean) / std.
        std: As ``mean``.
        free_batch: Whether it takes several at once.
        unbiased: Whether 1, of ``keypoints``, is the center of the last pixel and not its
            far edge.
        names: What to call input and outputs instead.
    """
    count = len(palette)
    called = names or {}
    w = Writer()
    image = called.get("image", "image")
    if kind == "movenet":
        w.input(image, (1, height, width, 3))
        whole = w.node("Cast", image, to=onnx.TensorProto.FLOAT)
        planes = w.node("Transpose", whole, perm=[0, 3, 1, 2])
    else:
        w.input(image, (1, 3, height, width), free_batch=free_batch)
        unit = w.node("Mul", image, _array(w, std, 1, 3, 1, 1))
        unit = w.node("Add", unit, _array(w, mean, 1, 3, 1, 1))
        planes = w.node("Mul", unit, _array(w, 255.0))
    pixels = w.node("Unsqueeze", planes, axes=[1])
    differences = w.node("Abs", w.node("Sub", pixels, _array(w, palette, 1, count, 3, 1, 1)))
    far = w.node("ReduceSum", differences, axes=[2], keepdims=0)
    # 1 where a pixel has the color, and 0 where it has another
    near = w.node("Relu", w.node("Sub", _array(w, 1.0), w.node("Div", far, _array(w, _NEAR))))
    amount = w.node("ReduceSum", near, axes=[2, 3], keepdims=1)
    score = w.node("Min", w.node("Div", amount, _array(w, _ENOUGH)), _array(w, 1.0))
    outputs: dict[str, tuple[str, tuple[int, ...]]]
    if kind == "heatmap":
        maps = _maps(w, near, score, count, (height, width))
        outputs = {"heatmaps": (maps, (count, height // STRIDE, width // STRIDE))}
    elif kind == "simcc":
        x, y = (_classes(w, near, score, count, axis) for axis in ("x", "y"))
        outputs = {"simcc_x": (x, (count, BINS * width)), "simcc_y": (y, (count, BINS * height))}
    else:
        # MoveNet's 0 is the outer edge of the first pixel, and others' its center
        first = 0.5 if kind == "movenet" else 0.0
        middles = _middles(w, near, amount, (height, width), first=first, unbiased=unbiased)
        if kind == "movenet":
            joined = w.node("Concat", *middles[::-1], score, axis=3)
            whole = w.node("Transpose", joined, perm=[0, 2, 1, 3])
            outputs = {"keypoints": (whole, (1, count, 3))}
        else:
            joined = w.node("Concat", *middles, score, axis=3)
            outputs = {"keypoints": (w.node("Squeeze", joined, axes=[2]), (count, 3))}
    for name, (value, shape) in outputs.items():
        w.node("Identity", value, name=called.get(name, name))
        w.output(called.get(name, name), (1, *shape), free_batch=free_batch and kind != "movenet")
    model = w.finish("markers")
    if kind == "movenet":
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    return model


def _array(w: Writer, values: ArrayLike, *shape: int) -> str:
    made = np.array(values, np.float32)
    return w.constant(made.reshape(shape) if shape else made)


def _middles(
    w: Writer, near: str, amount: str, size: tuple[int, int], *, first: float, unbiased: bool
) -> list[str]:
    """Add the center of mass along x and along y, (N, K, 1, 1) each."""
    height, width = size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    mass = w.node("Max", amount, _array(w, 1e-6))
    grids = (columns + first) / (width - unbiased), (rows + first) / (height - unbiased)
    sums = [
        w.node("ReduceSum", w.node("Mul", near, _array(w, grid)), axes=[2, 3]) for grid in grids
    ]
    return [w.node("Div", total, mass) for total in sums]


def _maps(w: Writer, near: str, score: str, count: int, size: tuple[int, int]) -> str:
    """Add heatmaps whose highest cells have the score."""
    blurred = _blurred(w, _blurred(w, near, count, "x"), count, "y")
    sure = _scored(w, blurred, score)
    starts, ends = w.constant(np.array([0, 0])), w.constant(np.array(size))
    axes, steps = w.constant(np.array([2, 3])), w.constant(np.array([STRIDE, STRIDE]))
    return w.node("Slice", sure, starts, ends, axes, steps)


def _classes(w: Writer, near: str, score: str, count: int, axis: str) -> str:
    """Add the rows of classes along an axis."""
    across = 2 if axis == "x" else 3
    profile = w.node("ReduceSum", _blurred(w, near, count, axis), axes=[across], keepdims=1)
    bins = (1, BINS) if axis == "x" else (BINS, 1)
    finer = w.node(
        "Resize",
        _scored(w, profile, score),
        _array(w, []),
        _array(w, [1.0, 1.0, *bins]),
        mode="linear",
        coordinate_transformation_mode="asymmetric",
    )
    return w.node("Squeeze", finer, axes=[across])


def _scored(w: Writer, values: str, score: str) -> str:
    """Add the values, scaled so that the highest of each keypoint is its score."""
    peak = w.node("Max", w.node("ReduceMax", values, axes=[2, 3], keepdims=1), _array(w, 1e-6))
    return w.node("Mul", w.node("Div", values, peak), score)


def _blurred(w: Writer, value: str, count: int, axis: str) -> str:
    """Add a Gaussian along an axis, map by map."""
    reach = round(3 * _DEVIATION)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * _DEVIATION**2))
    shape = (1, len(weights)) if axis == "x" else (len(weights), 1)
    kernels = np.broadcast_to(
        (weights / weights.sum()).astype(np.float32).reshape(shape), (count, 1, *shape)
    )
    pads = [0, reach, 0, reach] if axis == "x" else [reach, 0, reach, 0]
    constant = w.constant(np.ascontiguousarray(kernels))
    return w.node("Conv", value, constant, group=count, kernel_shape=list(shape), pads=pads)
