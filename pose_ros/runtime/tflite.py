"""TFLite to ONNX, for the networks of MediaPipe's kind.

The ONNX network takes and gives images as (N, C, H, W), where the TFLite file has
(1, H, W, C): onnxruntime works in that order, and nothing is transposed on the way.
The number of images N is free.
"""

from __future__ import annotations

from collections.abc import Mapping

from pose_ros.errors import ModelError
from pose_ros.runtime.tflite_builder import Builder
from pose_ros.runtime.tflite_ops import OPERATORS
from pose_ros.runtime.tflite_reader import Graph, Operator, import_package, read_graph

CONVERTER_VERSION = 1
"""Rises when the same TFLite file gives another ONNX file; cached ones are then made anew."""


def convert(
    data: bytes,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    name: str = "model",
) -> bytes:
    """Convert a TFLite file to an ONNX file; the same bytes give the same bytes.

    Constants of type float16 become float32, sparse ones dense. What none of the
    wanted outputs depends on is left out.

    Args:
        data: The whole TFLite file.
        inputs: New name of each input, by its name in the file, in the order
            wanted; None keeps all as they are.
        outputs: The same for outputs; those left out are pruned.
        shapes: Expected shapes of inputs and outputs by their new names, for a
            batch of one.
        name: Name of the graph, and of the file in error messages.

    Returns:
        The ONNX file. 4-D inputs and outputs are (N, C, H, W), the others keep
        their order; the first axis is the batch and free.

    Raises:
        ModelError: The file is damaged, an operator is not supported, an input or
            output is not in the file or has another shape, or the extra ``models``
            is not installed.
    """
    graph = read_graph(data, name)
    wanted_inputs = _select(graph, graph.inputs, inputs, "input", name)
    wanted_outputs = _select(graph, graph.outputs, outputs, "output", name)
    operators = _needed(graph, set(wanted_outputs))
    unknown = sorted({op.kind for op in operators} - OPERATORS.keys())
    if unknown:
        raise ModelError(f"{name}: unsupported TFLite operator {', '.join(unknown)}")
    builder = Builder(graph, operators, wanted_inputs, wanted_outputs)
    for op in operators:
        OPERATORS[op.kind](builder, op)
    return builder.finish(name, f"pose_ros {CONVERTER_VERSION}", shapes or {})


def require_packages() -> None:
    """Check that the packages of the extra ``models`` are there.

    Raises:
        ModelError: They are not.
    """
    import_package("tflite")
    import_package("onnx")


def _select(
    graph: Graph,
    indices: tuple[int, ...],
    names: Mapping[str, str] | None,
    kind: str,
    file: str,
) -> dict[int, str]:
    """Return the new name of each wanted tensor, in the order wanted."""
    by_name = {graph.tensors[i].name: i for i in indices}
    if names is None:
        names = {name: name for name in by_name}
    for name in names:
        if name not in by_name:
            raise ModelError(f"{file} has no {kind} {name!r}; it has {', '.join(by_name)}")
    return {by_name[old]: new for old, new in names.items()}


def _needed(graph: Graph, wanted: set[int]) -> list[Operator]:
    needed = set(wanted)
    operators = []
    for op in reversed(graph.operators):
        if needed.intersection(op.outputs):
            operators.append(op)
            needed.update(op.inputs)
    return operators[::-1]
