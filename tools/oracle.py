"""Networks that answer what a picture says, and pictures that say it.

An oracle reads its outputs out of the bytes of its picture: two bytes a number, through all
of red, then all of green, then all of blue. So it answers right only where the picture came
to it with its channels in order, scaled and normalized as it should be, and a test of all
that is between a picture and a pose needs no published weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from tools.onnx_writer import Writer

STEPS = (1 << 16) - 1

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Output:
    """One output of an oracle.

    Attributes:
        shape: That for a batch of one.
        low: Least value that it gives.
        high: Greatest value; a 65535th of the range is the step.
    """

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape))


def build(
    outputs: Mapping[str, Output],
    height: int,
    width: int,
    *,
    input_name: str = "input",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> onnx.ModelProto:
    """Return an oracle.

    Args:
        outputs: By name, in the order in which a picture has them.
        height: Pixels of its input, (1, 3, height, width).
        width: As ``height``.
        input_name: Of its input.
        mean: Of red, green and blue: its input is (value / 255 - mean) / std.
        std: As ``mean``.
    """
    if 2 * sum(o.size for o in outputs.values()) > 3 * height * width:
        raise ValueError(f"a picture of {width}x{height} has no room for {dict(outputs)}")
    w = Writer()
    image = w.input(input_name, (1, 3, height, width))

    def number(*values: float) -> str:
        return w.constant(np.array(values, np.float32).reshape(1, -1, 1, 1))

    def whole(*values: int) -> str:
        return w.constant(np.array(values, np.int64))

    unit = w.node("Add", w.node("Mul", image, number(*std)), number(*mean))
    pairs = w.node("Reshape", w.node("Mul", unit, number(255.0)), whole(-1, 2))
    weights = w.constant(np.array([[256.0], [1.0]], np.float32))
    numbers = w.node("Reshape", w.node("MatMul", pairs, weights), whole(-1))
    start = 0
    for name, output in outputs.items():
        stop = start + output.size
        part = w.node("Slice", numbers, whole(start), whole(stop), whole(0))
        shaped = w.node("Reshape", part, whole(*output.shape))
        step, low = (
            w.constant(np.array(value, np.float32))
            for value in ((output.high - output.low) / STEPS, output.low)
        )
        w.node("Add", w.node("Mul", shaped, step), low, name=name)
        w.output(name, output.shape)
        start = stop
    return w.finish("oracle")


def picture(
    outputs: Mapping[str, Output],
    values: Mapping[str, FloatArray],
    height: int,
    width: int,
    *,
    times: tuple[int, int] = (1, 1),
) -> NDArray[np.uint8]:
    """Return the picture at which an oracle gives the values, to half a step.

    Args:
        outputs: The oracle's.
        values: By name; beyond ``low`` and ``high`` they are cut off.
        height: Pixels of the oracle's input.
        width: As ``height``.
        times: How often each pixel stands below and beside itself: a larger picture, which
            an odd number of times comes back by any way of making it smaller.

    Returns:
        (height * times[0], width * times[1], 3) uint8, RGB.
    """
    flat = np.concatenate(
        [
            np.rint((np.clip(values[name], o.low, o.high) - o.low) / (o.high - o.low) * STEPS)
            .astype(np.uint16)
            .reshape(-1)
            for name, o in outputs.items()
        ]
    )
    planes = np.zeros(3 * height * width, np.uint8)
    planes[: 2 * flat.size] = flat.astype(">u2").view(np.uint8)
    small = planes.reshape(3, height, width).transpose(1, 2, 0)
    return np.ascontiguousarray(small.repeat(times[0], axis=0).repeat(times[1], axis=1))
