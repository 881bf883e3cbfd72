"""Networks that see: they find the colored markers that a picture has at its keypoints.

Each keypoint has a color. What such a network gives follows from the pixels that reach it, in
whatever place and size, so that a test of crops, warps and decoders needs nobody's weights.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from tools.onnx_writer import Writer

Kind: TypeAlias = Literal["heatmap", "simcc", "keypoints"]
FloatArray: TypeAlias = NDArray[np.float32]

STRIDE = 4
"""Pixels of the input between two cells of a heatmap; a cell lies on the first of them."""
BINS = 2
"""Classes of SimCC a pixel of the input."""

_NEAR = 60.0  # of a color, as the sum over the channels of 0 to 255
_DEVIATION = 6.0  # pixels of the input
_ENOUGH = 6.0  # pixels of a marker's color that are a sure one


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
) -> onnx.ModelProto:
    """Return a network for one person's markers.

    Args:
        kind: Of its output: ``heatmaps`` (N, K, height / 4, width / 4); ``simcc_x`` (N, K,
            2 width) and ``simcc_y`` (N, K, 2 height); or ``keypoints`` (N, K, 3), x y score,
            where 1 is the size of the input.
        palette: (K, 3) from ``colors``.
        height: Pixels of its input ``image``, (N, 3, height, width).
        width: As ``height``.
        mean: Of red, green and blue: its input is (value / 255 - mean) / std.
        std: As ``mean``.
        free_batch: Whether it takes several at once.
        unbiased: Whether 1, of ``keypoints``, is the center of the last pixel and not its
            far edge.
    """
    count = len(palette)
    w = Writer()

    def array(values: ArrayLike, *shape: int) -> str:
        made = np.array(values, np.float32)
        return w.constant(made.reshape(shape) if shape else made)

    image = w.input("image", (1, 3, height, width), free_batch=free_batch)
    unit = w.node("Add", w.node("Mul", image, array(std, 1, 3, 1, 1)), array(mean, 1, 3, 1, 1))
    pixels = w.node("Unsqueeze", w.node("Mul", unit, array(255.0)), axes=[1])
    differences = w.node("Abs", w.node("Sub", pixels, array(palette, 1, count, 3, 1, 1)))
    far = w.node("ReduceSum", differences, axes=[2], keepdims=0)
    # 1 where a pixel has the color, and 0 where it has another
    near = w.node("Relu", w.node("Sub", array(1.0), w.node("Div", far, array(_NEAR))))
    amount = w.node("ReduceSum", near, axes=[2, 3], keepdims=1)
    score = w.node("Min", w.node("Div", amount, array(_ENOUGH)), array(1.0))
    if kind == "keypoints":
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        mass = w.node("Max", amount, array(1e-6))
        middles = [
            w.node("Div", w.node("ReduceSum", w.node("Mul", near, array(grid)), axes=[2, 3]), mass)
            for grid in (columns / (width - unbiased), rows / (height - unbiased))
        ]
        joined = w.node("Concat", *middles, score, axis=3)
        w.node("Squeeze", joined, axes=[2], name="keypoints")
        w.output("keypoints", (1, count, 3), free_batch=free_batch)
        return w.finish("markers")
    along_x = _blurred(w, near, count, "x")
    if kind == "heatmap":
        blurred = _blurred(w, along_x, count, "y")
        peak = w.node("ReduceMax", blurred, axes=[2, 3], keepdims=1)
        map_ = w.node("Mul", w.node("Div", blurred, w.node("Max", peak, array(1e-6))), score)
        starts, ends = w.constant(np.array([0, 0])), w.constant(np.array([height, width]))
        axes, steps = w.constant(np.array([2, 3])), w.constant(np.array([STRIDE, STRIDE]))
        w.node("Slice", map_, starts, ends, axes, steps, name="heatmaps")
        shape = (1, count, height // STRIDE, width // STRIDE)
        w.output("heatmaps", shape, free_batch=free_batch)
        return w.finish("markers")
    for axis, size in (("x", width), ("y", height)):
        blurred = along_x if axis == "x" else _blurred(w, near, count, "y")
        profile = w.node("ReduceSum", blurred, axes=[2 if axis == "x" else 3], keepdims=1)
        peak = w.node("ReduceMax", profile, axes=[2, 3], keepdims=1)
        sure = w.node("Mul", w.node("Div", profile, w.node("Max", peak, array(1e-6))), score)
        bins = (1, BINS) if axis == "x" else (BINS, 1)
        finer = w.node(
            "Resize",
            sure,
            array([]),
            array([1.0, 1.0, *bins]),
            mode="linear",
            coordinate_transformation_mode="asymmetric",
        )
        w.node("Squeeze", finer, axes=[2 if axis == "x" else 3], name=f"simcc_{axis}")
        w.output(f"simcc_{axis}", (1, count, BINS * size), free_batch=free_batch)
    return w.finish("markers")


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
