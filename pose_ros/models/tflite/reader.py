"""Read a TFLite file into plain arrays: constants as float32, sparse weights made dense.

Of quantized constants there are both, what is stored and the real numbers that it
stands for.

The file format is the schema ``tensorflow/lite/schema/schema.fbs``, which the
package ``tflite`` wraps; it is imported on use, since it belongs to an extra.
"""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.errors import ModelError


@dataclass(frozen=True, eq=False)
class Quantization:
    """Of a tensor: real = scale (stored - zero point).

    Attributes:
        dtype: Type of what is stored.
        scale: (1,) for the whole tensor or (C,) for each index of one axis.
        zero_point: The same; it fits into the type.
        axis: The axis that has a scale for each index.
    """

    dtype: np.dtype[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int

    def real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the real numbers that stored ones stand for."""
        shape = [1] * stored.ndim
        if self.scale.size > 1:
            shape[self.axis] = self.scale.size
        scale, zero = self.scale.reshape(shape), self.zero_point.reshape(shape)
        # int32 biases have more digits than a float32
        return ((stored.astype(np.float64) - zero) * scale).astype(np.float32)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest real number that can be stored."""
        kind = np.iinfo(self.dtype)
        low = (kind.min - self.zero_point) * self.scale
        high = (kind.max - self.zero_point) * self.scale
        return float(low.min()), float(high.max())

    def signed(self, stored: NDArray[Any]) -> tuple[Quantization, NDArray[Any]]:
        """Return what stands for the same real numbers in int8, for what is stored in uint8."""
        if self.dtype != np.uint8:
            return self, stored
        moved = (stored.astype(np.int16) - 128).astype(np.int8)
        return replace(self, dtype=moved.dtype, zero_point=self.zero_point - 128), moved


def read_quantization(parameters: Any, dtype: str) -> Quantization | None:
    """Read the schema's ``QuantizationParameters``; None where a tensor has no scale."""
    if parameters is None or not parameters.ScaleLength():
        return None
    scale = np.asarray(parameters.ScaleAsNumpy(), np.float32)
    zero_point = np.zeros(scale.shape, np.int64)
    if parameters.ZeroPointLength():
        zero_point[:] = parameters.ZeroPointAsNumpy()
    return Quantization(np.dtype(dtype), scale, zero_point, int(parameters.QuantizedDimension()))


NO_TENSOR = -1  # index of an optional input that is left out


@dataclass(frozen=True, eq=False)
class Tensor:
    """One value of the graph.

    Attributes:
        name: Name in the file; only those of inputs and outputs need be unique.
        shape: Dimensions; spatial values are NHWC.
        data: The constant's values, or None for what is known only at run time.
        quantization: How whole numbers stand for the values; None where they do not.
        stored: The whole numbers of a quantized constant.
    """

    name: str
    shape: tuple[int, ...]
    data: NDArray[Any] | None = None
    quantization: Quantization | None = None
    stored: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class TfliteOperator:
    """One step of the graph.

    Attributes:
        kind: Name in the schema, such as ``CONV_2D``; ``CUSTOM:<name>`` for a custom one.
        options: The schema's options object, or None.
        inputs: Tensor indices; ``NO_TENSOR`` for one that is left out.
        outputs: Tensor indices.
    """

    kind: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: tensors, the operators in order of execution, and what goes in and out."""

    tensors: tuple[Tensor, ...]
    operators: tuple[TfliteOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def import_package(name: str) -> Any:
    """Return a package of the extra ``models``: ``tflite`` or ``onnx``.

    Raises:
        ModelError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f'converting a model needs {error.name or name}: run pip install "pose_ros[models]"'
        ) from None


def read_graph(data: bytes, name: str = "the file") -> Graph:
    """Read the bytes of a TFLite file.

    Operators that only unpack constants (float16 to float32, sparse to dense) are
    carried out here and are not part of the result.

    Args:
        data: The whole file.
        name: What error messages call it.

    Raises:
        ModelError: It is no TFLite file, is damaged, or holds what is not supported.
    """
    tflite = import_package("tflite")
    if data[4:8] != b"TFL3":
        raise ModelError(f"{name} is not a TFLite model")
    try:
        return _fold_constants(_read(tflite, data))
    except (struct.error, IndexError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise ModelError(f"{name} is a damaged TFLite model: {error}") from error


def _read(tflite: Any, data: bytes) -> Graph:
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() != 1:
        raise ModelError(f"expected a TFLite model of 1 graph, got {model.SubgraphsLength()}")
    graph = model.Subgraphs(0)
    kinds = _names_by_value(tflite.BuiltinOperator)
    option_types = _names_by_value(tflite.BuiltinOptions)

    def operator(index: int) -> TfliteOperator:
        op = graph.Operators(index)
        code = model.OperatorCodes(op.OpcodeIndex())
        # files older than the wide field keep the code in the narrow one
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = kinds.get(number, f"number {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM:{(code.CustomCode() or b'').decode()}"
        options = None
        if (table := op.BuiltinOptions()) is not None and op.BuiltinOptionsType():
            options = getattr(tflite, option_types[op.BuiltinOptionsType()])()
            options.Init(table.Bytes, table.Pos)
        return TfliteOperator(
            kind, options, _indices(op.InputsAsNumpy()), _indices(op.OutputsAsNumpy())
        )

    return Graph(
        tensors=tuple(_tensor(tflite, model, graph, i) for i in range(graph.TensorsLength())),
        operators=tuple(operator(i) for i in range(graph.OperatorsLength())),
        inputs=_indices(graph.InputsAsNumpy()),
        outputs=_indices(graph.OutputsAsNumpy()),
    )


def _names_by_value(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _indices(array: Any) -> tuple[int, ...]:
    # an empty vector reads as the number 0
    return tuple(array.tolist()) if isinstance(array, np.ndarray) else ()


def _tensor(tflite: Any, model: Any, graph: Any, index: int) -> Tensor:
    tensor = graph.Tensors(index)
    shape = _indices(tensor.ShapeAsNumpy())
    name = (tensor.Name() or b"").decode()
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    kind = tensor.Type()
    types = tflite.TensorType
    plain = {types.FLOAT32: "<f4", types.FLOAT16: "<f2", types.INT32: "<i4", types.INT64: "<i8"}
    whole = {types.UINT8: "<u1", types.INT8: "<i1", types.INT32: "<i4", types.INT16: "<i2"}
    quantization = None
    if kind in whole:
        quantization = read_quantization(tensor.Quantization(), whole[kind])
    known = plain if quantization is None else whole
    constant = isinstance(raw, np.ndarray)
    if (kind == types.INT16 and quantization) or (constant and kind not in known):
        raise ModelError(
            f"{name!r} is of type {_names_by_value(types).get(kind, kind)}; "
            "only float, integer and 8-bit quantized values can be converted"
        )
    if not constant:
        return Tensor(name, shape, quantization=quantization)
    data = np.frombuffer(raw.tobytes(), known[kind])
    sparsity = tensor.Sparsity()
    data = data.reshape(shape) if sparsity is None else densify(tflite, sparsity, shape, data)
    if quantization is None:
        return Tensor(name, shape, data)
    return Tensor(name, shape, quantization.real(data), quantization, data)


def densify(
    tflite: Any, sparsity: Any, shape: tuple[int, ...], values: NDArray[Any]
) -> NDArray[Any]:
    """Spread the stored values of a sparse tensor over a dense array of zeros.

    The levels of the format are walked from the outermost on. Each holds, for every
    stored entry of the level above, either all positions of its axis or (CSR) a list
    of some; an axis may be cut in blocks, whose inside is a level of its own.

    Args:
        tflite: The schema package.
        sparsity: The tensor's ``SparsityParameters``.
        shape: Dense shape.
        values: (M,) stored values.
    """
    order = _indices(sparsity.TraversalOrderAsNumpy())
    block_axes = _indices(sparsity.BlockMapAsNumpy())
    entries = np.zeros(1, np.int64)  # storage index of each entry of the level
    coordinates: dict[int, NDArray[np.int64]] = {}
    block_sizes = dict.fromkeys(range(len(shape)), 1)
    for level, axis in enumerate(order):
        metadata = sparsity.DimMetadata(level)
        if metadata.Format() == tflite.DimensionType.DENSE:
            size = metadata.DenseSize()
            parents = np.repeat(np.arange(len(entries)), size)
            positions = np.tile(np.arange(size), len(entries))
            entries = entries[parents] * size + positions
            if axis >= len(shape):
                block_sizes[block_axes[axis - len(shape)]] = size
        else:
            segments = _index_vector(tflite, metadata, "Segments")
            counts = segments[entries + 1] - segments[entries]
            parents = np.repeat(np.arange(len(entries)), counts)
            first = np.cumsum(counts) - counts
            entries = segments[entries][parents] + np.arange(counts.sum()) - first[parents]
            positions = _index_vector(tflite, metadata, "Indices")[entries]
        coordinates = {k: v[parents] for k, v in coordinates.items()}
        coordinates[axis] = positions
    for i, axis in enumerate(block_axes):
        inside = coordinates.pop(len(shape) + i)
        coordinates[axis] = coordinates[axis] * block_sizes[axis] + inside
    dense = np.zeros(shape, values.dtype)
    dense[tuple(coordinates[axis] for axis in range(len(shape)))] = values[entries]
    return dense


def _index_vector(tflite: Any, metadata: Any, which: str) -> NDArray[np.int64]:
    kinds = _names_by_value(tflite.SparseIndexVector)
    table = getattr(metadata, f"Array{which}")()
    vector = getattr(tflite, kinds[getattr(metadata, f"Array{which}Type")()])()
    vector.Init(table.Bytes, table.Pos)
    values: NDArray[np.int64] = np.asarray(vector.ValuesAsNumpy()).reshape(-1).astype(np.int64)
    return values


def _fold_constants(graph: Graph) -> Graph:
    tensors = list(graph.tensors)
    kept = []
    for op in graph.operators:
        data = tensors[op.inputs[0]].data if op.inputs else None
        if op.kind not in ("DEQUANTIZE", "DENSIFY") or data is None:
            kept.append(op)
            continue
        if op.kind == "DEQUANTIZE":
            data = data.astype(np.float32)
        tensors[op.outputs[0]] = replace(tensors[op.outputs[0]], data=data)
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))
