"""An ONNX graph in the making: names, nodes and constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.errors import ModelError
from pose_ros.models.tflite.reader import Graph, Quantization, TfliteOperator, import_package

OPSET = 17
IR_VERSION = 8  # of the same time as the opset, so that older onnxruntimes read it
BATCH = "batch"
NO_ACTIVATION = 0  # ActivationFunctionType.NONE of the schema
RELU6_LIMIT = 6.001  # 255 scales that were meant to be 6

TO_NCHW = (0, 3, 1, 2)
TO_NHWC = (0, 2, 3, 1)


class Builder:
    """An ONNX graph in the making.

    Args:
        graph: What is converted.
        operators: Those of its operators that are wanted.
        inputs: ONNX name of each input, by tensor index.
        outputs: ONNX name of each wanted output, by tensor index.
    """

    def __init__(
        self,
        graph: Graph,
        operators: list[TfliteOperator],
        inputs: dict[int, str],
        outputs: dict[int, str],
    ) -> None:
        self.onnx = import_package("onnx")
        self.tflite = import_package("tflite")
        self.graph = graph
        self.inputs = inputs
        self.outputs = outputs
        self.consumers: dict[int, list[TfliteOperator]] = {}
        for op in operators:
            for index in op.inputs:
                self.consumers.setdefault(index, []).append(op)
        self.deferred: dict[int, TfliteOperator] = {}
        """Operators that take effect within those that read their output, by output."""
        self._names: dict[int, str] = dict(inputs)
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._transposed: dict[str, str] = {}
        for index, name in inputs.items():
            if (quantization := graph.tensors[index].quantization) is not None:
                self._names[index] = f"{name}_rounded"
                self._round(name, f"{name}_rounded", quantization)

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of a tensor as the TFLite file has it (NHWC)."""
        return self.graph.tensors[index].shape

    def constant(self, op: TfliteOperator, position: int) -> NDArray[Any]:
        """Return the values of an input that must be a constant.

        Raises:
            ModelError: It is computed at run time.
        """
        data = self.graph.tensors[op.inputs[position]].data
        if data is None:
            raise ModelError(f"unsupported TFLite operator {op.kind} with a variable parameter")
        return data

    def name(self, index: int) -> str:
        """Return the ONNX name of a run-time value."""
        try:
            return self._names[index]
        except KeyError:
            label = self.graph.tensors[index].name
            raise ModelError(
                f"unsupported TFLite graph: {label!r} is used where a computed value is expected"
            ) from None

    def add_constant(self, name: str, values: NDArray[Any]) -> str:
        """Store a constant under a name that stands for its content; return the name."""
        if name not in self._constants:
            array = np.ascontiguousarray(values).reshape(values.shape)  # a number stays one
            self._constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node of one output; return the output's name."""
        node = self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)
        self._nodes.append(node)
        return output

    def emit(
        self,
        op: TfliteOperator,
        kind: str,
        inputs: list[str],
        *,
        activation: int | None = None,
        **attributes: Any,
    ) -> None:
        """Append the node that computes an operator's output, then its fused activation.

        Args:
            op: The operator.
            kind: ONNX operator.
            inputs: ONNX names.
            activation: The schema's number of the activation; None asks the options.
            **attributes: Of the ONNX operator.
        """
        if activation is None:
            activation = op.options.FusedActivationFunction()
        output = self.define(op.outputs[0])
        quantization = self.graph.tensors[op.outputs[0]].quantization
        result = output if quantization is None else f"{output}_exact"
        if activation == NO_ACTIVATION or self._is_clamped(activation, quantization):
            self.node(kind, inputs, result, **attributes)
        else:
            before = self.node(kind, inputs, f"{output}_linear", **attributes)
            function, limits = self.activation(op, activation)
            self.node(function, [before, *limits], result)
        if quantization is not None:
            self._round(result, output, quantization)

    def activation(self, op: TfliteOperator, activation: int) -> tuple[str, list[str]]:
        """Return the ONNX operator of an activation function and its inputs after the value.

        Raises:
            ModelError: It is none of RELU and RELU6.
        """
        types = self.tflite.ActivationFunctionType
        if activation == types.RELU:
            return "Relu", []
        if activation == types.RELU6:
            low = self.add_constant("zero", np.array([0], np.float32))
            high = self.add_constant("six", np.array([6], np.float32))
            return "Clip", [low, high]
        raise ModelError(f"unsupported TFLite activation number {activation} in {op.kind}")

    def _is_clamped(self, activation: int, quantization: Quantization | None) -> bool:
        """Return whether a value cannot be stored but within its activation function."""
        limits = {
            self.tflite.ActivationFunctionType.RELU: np.inf,
            self.tflite.ActivationFunctionType.RELU6: RELU6_LIMIT,
        }
        if quantization is None or activation not in limits:
            return False
        low, high = quantization.limits
        return low >= 0 and high <= limits[activation]

    def _round(self, source: str, output: str, quantization: Quantization) -> None:
        """Append what rounds and clamps a value to what can be stored.

        onnxruntime joins such pairs of nodes with the operator between them and
        computes it in whole numbers.
        """
        numbers = self._numbers(output, quantization)
        stored = self.node("QuantizeLinear", [source, *numbers], f"{output}_stored")
        self.node("DequantizeLinear", [stored, *numbers], output)

    def _numbers(self, name: str, quantization: Quantization) -> list[str]:
        """Store scale and zero point under the name of a value; return their names."""
        scale, zero = quantization.scale, quantization.zero_point.astype(quantization.dtype)
        if scale.size == 1:
            scale, zero = scale.reshape(()), zero.reshape(())
        names = [self.add_constant(f"{name}_scale", scale)]
        if quantization.dtype != np.int32:  # where it is 0 by definition
            names.append(self.add_constant(f"{name}_zero", zero))
        return names

    def weights(
        self, op: TfliteOperator, position: int, axes: tuple[int, ...] | None = None
    ) -> str:
        """Store an input that must be a constant, and if quantized, what makes it real.

        Args:
            op: The operator.
            position: Of the input.
            axes: The constant's axes in ONNX's order; None leaves them.

        Returns:
            The name of the real numbers.

        Raises:
            ModelError: The input is computed at run time.
        """
        name, values = f"w{op.inputs[position]}", self.constant(op, position)
        tensor = self.graph.tensors[op.inputs[position]]
        axes = axes or tuple(range(values.ndim))
        if tensor.quantization is None or tensor.stored is None:
            return self.add_constant(name, values.transpose(axes))
        if f"{name}_stored" not in self._constants:
            # onnxruntime is twice as fast with int8 weights as with uint8 ones
            quantization, stored = tensor.quantization.signed(tensor.stored)
            self.add_constant(f"{name}_stored", stored.transpose(axes))
            inputs = [f"{name}_stored", *self._numbers(name, quantization)]
            axis = axes.index(quantization.axis) if quantization.scale.size > 1 else 0
            self.node("DequantizeLinear", inputs, name, axis=axis)
        return name

    def define(self, index: int) -> str:
        """Return the ONNX name under which a value is to be computed."""
        self._names[index] = self.outputs.get(index, f"t{index}")
        return self._names[index]

    def nhwc(self, index: int) -> str:
        """Return the name of a value with its numbers in the order that TFLite has them in."""
        name, shape = self.name(index), self.shape(index)
        if len(shape) != 4 or shape[1] * shape[2] == 1 or shape[3] == 1:
            return name  # the order in memory is the same
        if name not in self._transposed:
            self._transposed[name] = self.node("Transpose", [name], f"{name}_nhwc", perm=TO_NHWC)
        return self._transposed[name]

    def finish(self, name: str, producer: str, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
        """Return the ONNX file.

        Args:
            name: Name of the graph.
            producer: Who made it.
            shapes: Expected shape of inputs and outputs, where it is known.

        Raises:
            ModelError: The network is not valid, or a shape is another.
        """
        helper = self.onnx.helper

        def info(index: int, label: str) -> Any:
            shape = self.shape(index)
            if len(shape) == 4:
                shape = tuple(shape[axis] for axis in TO_NCHW)
            if not shape or shape[0] != 1 or shape != shapes.get(label, shape):
                expected = shapes.get(label, "(1, ...)")
                raise ModelError(f"{name}: expected {label} of shape {expected}, got {shape}")
            float32 = self.onnx.TensorProto.FLOAT
            return helper.make_tensor_value_info(label, float32, (BATCH, *shape[1:]))

        for index, label in self.outputs.items():
            if self.name(index) != label:  # an input or a constant that is an output too
                raise ModelError(f"{name}: output {label!r} is not computed by an operator")
        inner = {i: n for i, n in self._names.items() if n not in self.outputs.values()}
        graph = helper.make_graph(
            self._nodes,
            name,
            [info(index, label) for index, label in self.inputs.items()],
            [info(index, label) for index, label in self.outputs.items()],
            list(self._constants.values()),
            # onnxruntime loses a free batch over Resize and Reshape unless a shape names it
            value_info=[info(i, n) for i, n in inner.items() if i not in self.inputs],
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, producer_name=producer, opset_imports=opset, ir_version=IR_VERSION
        )
        try:
            self.onnx.checker.check_model(model, full_check=True)
        except (
            self.onnx.checker.ValidationError,
            self.onnx.shape_inference.InferenceError,
        ) as error:
            raise ModelError(f"{name}: the conversion gave no valid network: {error}") from error
        data: bytes = model.SerializeToString(deterministic=True)
        return data
