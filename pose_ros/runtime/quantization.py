"""A network in 8-bit whole numbers: quicker where the processor multiplies them, less exact.

Two things are done before onnxruntime's own static quantization, without which the landmarks
of people move by several times as much: channels of like range, so that one step fits them all
(Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019,
here over the tensors that no activation bounds), and biases that make up for the weights'
rounding (the same paper).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError, RuntimeUnavailableError

QUANTIZER_VERSION = 1
"""Counts up when the same network and samples would make another file."""

_STEPS = 127  # of a weight, on either side of zero
_QUANTIZED = ["Conv", "Add", "Clip", "MaxPool"]

Model: TypeAlias = Any  # onnx.ModelProto; the package has no types
Node: TypeAlias = Any


@dataclass(frozen=True)
class Int8Plan:
    """Which part of a network is computed in whole numbers.

    Attributes:
        first: The first tensor of the ONNX file that is; what leads to it is not.
        last: The last one; what follows from it is not.
    """

    first: str
    last: str


def require_packages() -> None:
    """Raise unless the packages that quantize are there.

    Raises:
        RuntimeUnavailableError: They are not.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        raise RuntimeUnavailableError(
            f'precision int8 needs {error.name} once: run pip install "pose_ros[models]", '
            "or use precision fp32"
        ) from None


def quantize(path: Path, plan: Int8Plan, samples: Sequence[FloatArray]) -> bytes:
    """Return an ONNX file in whole numbers.

    Args:
        path: The file in float32, of one input.
        plan: Which part of it.
        samples: Inputs as they are to be expected, (1, ...) each.

    Raises:
        ModelError: The file has no tensor of the plan.
    """
    import onnx
    import onnxruntime.quantization as tool
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = onnx.load(path)
    chosen = _chosen(model, plan, path)
    equalize(model, samples)
    _correct_biases(model, samples, chosen)
    # it would ask for its own preparation, which this file does not need
    add_pre_process_metadata(model)
    name = model.graph.input[0].name

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]
        rest = iter(samples)

        def get_next(self) -> dict[str, FloatArray] | None:
            sample = next(self.rest, None)
            return None if sample is None else {name: sample}

    with tempfile.TemporaryDirectory(prefix="pose_ros-") as folder, _without_chatter():
        result = Path(folder) / "int8.onnx"
        tool.quantize_static(
            model,
            result,
            Reader(),
            quant_format=tool.QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED,
            per_channel=True,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            nodes_to_exclude=[n.name for n in model.graph.node if n.name not in chosen],
        )
        return result.read_bytes()


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep what the tool tells the root logger of each weight from those who show such lines."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(level)


def _chosen(model: Model, plan: Int8Plan, path: Path) -> set[str]:
    """Return the names of the nodes that the plan quantizes."""

    def behind(tensor: str) -> set[str]:
        reached, names = {tensor}, set()
        for node in model.graph.node:  # in the order in which they run
            if reached.intersection(node.input):
                reached.update(node.output)
                names.add(node.name)
        return names

    makers = {output: node.name for node in model.graph.node for output in node.output}
    for tensor in (plan.first, plan.last):
        if tensor not in makers:
            raise ModelError(f"{path} has no tensor {tensor!r}, which its plan for int8 names")
    return (behind(plan.first) | {makers[plan.first]}) - behind(plan.last)


def _linear_groups(model: Model, users: Mapping[str, list[Node]]) -> list[list[str]]:
    """Return groups of tensors that only convolutions read and that sums tie together."""
    group_of: dict[str, list[str]] = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            group_of[node.output[0]] = [node.output[0]]
        elif node.op_type == "Add" and all(name in group_of for name in node.input):
            joined = {name: None for term in node.input for name in group_of[term]}
            group = [*joined, node.output[0]]
            group_of.update(dict.fromkeys(group, group))
    outputs = {output.name for output in model.graph.output}

    def is_linear(name: str, group: list[str]) -> bool:
        read = users.get(name, [])
        return name not in outputs and all(
            node.op_type == "Conv" or node.output[0] in group for node in read
        )

    groups = {id(group): group for group in group_of.values()}.values()
    return [group for group in groups if all(is_linear(name, group) for name in group)]


def equalize(model: Model, samples: Sequence[FloatArray]) -> None:
    """Scale channels of tensors that go from convolution to convolution to more alike ranges.

    What the network computes stays the same.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    users: dict[str, list[Node]] = {}
    for node in model.graph.node:
        for name in set(node.input):
            users.setdefault(name, []).append(node)
    groups = _linear_groups(model, users)
    weights = _weights(model)
    found = _channels(model, [name for group in groups for name in group], samples, _largest)
    for group in groups:
        largest = np.max([found[name].max(axis=0) for name in group], axis=0)
        largest = np.maximum(largest, 1e-3 * largest.max())
        # half of the way, as the weights that follow then differ more
        scale = np.sqrt(largest.max() / largest).astype(np.float32)
        for name in group:
            if makers[name].op_type == "Conv":
                _, kernel, bias = makers[name].input
                weights[kernel] = weights[kernel] * scale[:, None, None, None]
                weights[bias] = weights[bias] * scale
            for user in users.get(name, []):
                if user.op_type == "Conv":
                    kernel = user.input[1]
                    apart = _is_depthwise(weights[kernel], len(scale))
                    by = scale[:, None, None, None] if apart else scale[:, None, None]
                    weights[kernel] = weights[kernel] / by
    _set_weights(model, weights)


def _correct_biases(model: Model, samples: Sequence[FloatArray], chosen: set[str]) -> None:
    """Let the biases make up for what rounded weights add to the mean of each channel."""
    nodes = [n for n in model.graph.node if n.op_type == "Conv" and n.name in chosen]
    weights = _weights(model)
    found = _channels(model, [node.input[0] for node in nodes], samples, _mean)
    for node in nodes:
        kernel, bias = weights[node.input[1]], node.input[2]
        step = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / _STEPS
        step[step == 0] = 1
        lost = (kernel - np.round(kernel / step) * step).sum(axis=(2, 3))
        mean = found[node.input[0]].mean(axis=0)
        apart = _is_depthwise(kernel, len(mean))
        weights[bias] = weights[bias] + (lost[:, 0] * mean if apart else lost @ mean)
    _set_weights(model, weights)


def _channels(
    model: Model,
    names: Sequence[str],
    samples: Sequence[FloatArray],
    figure: Callable[[FloatArray], FloatArray],
) -> dict[str, FloatArray]:
    """Return a figure of each channel of tensors, (samples, channels), by the tensor's name."""
    import onnx
    import onnxruntime as ort

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = sorted(set(names))
    given = {output.name for output in model.graph.output}
    watched.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in given
    )
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = [
        [figure(value) for value in session.run(names, {model.graph.input[0].name: sample})]
        for sample in samples
    ]
    return {name: np.concatenate(values) for name, *values in zip(names, *runs, strict=True)}


def _largest(value: FloatArray) -> FloatArray:
    found: FloatArray = np.abs(value).max(axis=(2, 3))
    return found


def _mean(value: FloatArray) -> FloatArray:
    found: FloatArray = value.mean(axis=(2, 3))
    return found


def _weights(model: Model) -> dict[str, FloatArray]:
    import onnx

    return {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}


def _set_weights(model: Model, weights: dict[str, FloatArray]) -> None:
    import onnx

    for weight in model.graph.initializer:
        value = np.ascontiguousarray(weights[weight.name])
        weight.CopyFrom(onnx.numpy_helper.from_array(value, weight.name))


def _is_depthwise(kernel: FloatArray, channels: int) -> bool:
    return kernel.shape[1] == 1 and channels > 1
