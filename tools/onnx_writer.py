"""Writes ONNX files layer by layer, with weights that are drawn and not trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 11
"""Every TensorRT since 7 reads it."""

IR_VERSION = 6

Shape = tuple[int, ...]


class Writer:
    """A network in the making; what its methods take and return are names of values.

    Attributes:
        channels: Channels of each value that a method of this class has made.
    """

    def __init__(self, seed: int = 0) -> None:
        self.channels: dict[str, int] = {}
        self._chance = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Shape, *, free_batch: bool = False) -> str:
        """Declare an input, (N, C, H, W)."""
        self._inputs.append(_value_info(name, shape, free_batch))
        self.channels[name] = shape[1]
        return name

    def output(self, name: str, shape: Shape, *, free_batch: bool = False) -> None:
        """Declare a value as an output."""
        self._outputs.append(_value_info(name, shape, free_batch))

    def constant(self, data: NDArray[Any]) -> str:
        """Add a constant."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(data, name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operator of one output; that has as many channels as the first input."""
        name = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        self.channels[name] = self.channels.get(inputs[0], 0)
        return name

    def convolution(
        self,
        value: str,
        channels: int,
        size: int,
        stride: int = 1,
        *,
        gain: float = 2.0,
        name: str = "",
    ) -> str:
        """Add a convolution whose sides are padded so that only the stride makes it smaller.

        Args:
            value: What goes in.
            channels: Of the output.
            size: Of the kernel, odd.
            stride: In both directions.
            gain: Of the variance: 2 keeps it where a ReLU follows, 1 where none does.
            name: Of the output.
        """
        weights = self._draw((channels, self.channels[value], size, size), gain)
        made = self.node(
            "Conv",
            value,
            self.constant(weights),
            self.constant(np.zeros(channels, np.float32)),
            name=name,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )
        self.channels[made] = channels
        return made

    def doubling(self, value: str, channels: int) -> str:
        """Add a transposed convolution that doubles height and width."""
        weights = self._draw((self.channels[value], channels, 4, 4), 2.0)
        made = self.node(
            "ConvTranspose",
            value,
            # of the 16 weights of a pair of channels, 4 meet in one pixel
            self.constant(2 * weights),
            self.constant(np.zeros(channels, np.float32)),
            kernel_shape=[4, 4],
            strides=[2, 2],
            pads=[1] * 4,
        )
        self.channels[made] = channels
        return made

    def normalization(self, value: str) -> str:
        """Add a batch normalization that changes nothing."""
        count = self.channels[value]
        one, zero = np.ones(count, np.float32), np.zeros(count, np.float32)
        statistics = [self.constant(array) for array in (one, zero, zero, one)]
        return self.node("BatchNormalization", value, *statistics, epsilon=1e-5)

    def relu(self, value: str) -> str:
        """Add a ReLU."""
        return self.node("Relu", value)

    def concatenate(self, values: Sequence[str]) -> str:
        """Join values along their channels."""
        made = self.node("Concat", *values, axis=1)
        self.channels[made] = sum(self.channels[value] for value in values)
        return made

    def finish(self, name: str) -> onnx.ModelProto:
        """Return the network, after ONNX's own check of it."""
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, initializer=self._constants
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="pose_ros tools"
        )
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model

    def _draw(self, shape: Shape, gain: float) -> NDArray[np.float32]:
        spread = np.sqrt(gain / np.prod(shape[1:]))
        drawn: NDArray[np.float32] = self._chance.standard_normal(shape, np.float32)
        return drawn * np.float32(spread)


def endless(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put a loop without an end between a network's first input and the rest of it."""
    graph, image = model.graph, model.graph.input[0].name
    for node in graph.node:
        node.input[:] = ["looped" if name == image else name for name in node.input]
    go_on, value = TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on_in"], ["go_on_out"]),
            helper.make_node("Identity", ["value_in"], ["value_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on_in", go_on, []),
            helper.make_tensor_value_info("value_in", value, None),
        ],
        [
            helper.make_tensor_value_info("go_on_out", go_on, []),
            helper.make_tensor_value_info("value_out", value, None),
        ],
    )
    graph.initializer.append(helper.make_tensor("always", go_on, [], [True]))
    graph.node.insert(0, helper.make_node("Loop", ["", "always", image], ["looped"], body=body))
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a network and return where it is."""
    path.write_bytes(model.SerializeToString())
    return path


def _value_info(name: str, shape: Shape, free_batch: bool) -> onnx.ValueInfoProto:
    dims: list[int | str] = ["batch" if free_batch else shape[0], *shape[1:]]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
