"""TFLite to ONNX, for the networks of MediaPipe's kind.

The ONNX network takes and gives images as (N, C, H, W), where the TFLite file has
(1, H, W, C): onnxruntime works in that order, and nothing is transposed on the way.
The number of images N is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from pose_ros.errors import ModelError
from pose_ros.models.tflite.builder import Builder
from pose_ros.models.tflite.operators import OPERATORS
from pose_ros.models.tflite.reader import Graph, TfliteOperator, import_package, read_graph

CONVERTER_VERSION = 1
"""Rises when the same TFLite file gives another ONNX file; cached ones are then made again."""


def convert(
    data: bytes,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    name: str = "model",
) -> bytes:
    """Convert a TFLite file to an ONNX file; the same bytes give the same bytes.

    Constants of type float16 become float32, sparse ones dense. Quantized networks are
    computed in real numbers: weights are what their whole numbers stand for, and values
    are clamped where TFLite clamps them, but not rounded. What none of the wanted
    outputs depends on is left out.

    Args:
        data: The whole TFLite file.
        inputs: New name of each input, by its name in the file, in the order
            wanted; None keeps all as they are.
        outputs: The same for outputs; those left out are pruned. Any computed value can
            be one: a file that ends in a custom operator is cut before it.
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
    wanted_inputs = _select(graph, graph.inputs, inputs, f"{name} has no input")
    wanted_outputs = _select(
        graph, graph.outputs, outputs, f"{name} has no output", _computed(graph)
    )
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
    complaint: str,
    others: Mapping[str, int] = MappingProxyType({}),
) -> dict[int, str]:
    """Return the new name of each wanted tensor, in the order wanted.

    Args:
        graph: Of the file.
        indices: The tensors that are there to be wanted.
        names: New names by old ones; None wants all tensors as they are.
        complaint: How the error begins for an old name that is not there.
        others: More tensors that may be wanted, by name.
    """
    by_name = {graph.tensors[i].name: i for i in indices}
    if names is None:
        names = {name: name for name in by_name}
    for name in names:
        if name not in by_name and name not in others:
            raise ModelError(f"{complaint} {name!r}; it has {', '.join(by_name)}")
    return {{**others, **by_name}[old]: new for old, new in names.items()}


def _computed(graph: Graph) -> dict[str, int]:
    """Return the computed values by name, but for names that are not unique."""
    indices = [i for op in graph.operators for i in op.outputs]
    names = Counter(graph.tensors[i].name for i in indices)
    return {graph.tensors[i].name: i for i in indices if names[graph.tensors[i].name] == 1}


def _needed(graph: Graph, wanted: set[int]) -> list[TfliteOperator]:
    needed = set(wanted)
    operators = []
    for op in reversed(graph.operators):
        if needed.intersection(op.outputs):
            operators.append(op)
            needed.update(op.inputs)
    return operators[::-1]
