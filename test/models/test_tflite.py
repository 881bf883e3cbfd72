"""Each operator against the TFLite interpreter, on tiny networks that are written here."""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pose_ros.errors import ModelError
from pose_ros.models.tflite import convert
from pose_ros.models.tflite.reader import densify, read_graph
from pose_ros.runtime.session import open_session

onnx = importlib.import_module("onnx")
tflite = importlib.import_module("tflite")
litert = importlib.import_module("ai_edge_litert.interpreter")

RNG = np.random.default_rng(7)
NONE, RELU, RELU6, TANH = 0, 1, 3, 4
SAME, VALID = 0, 1


def normal(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def interpret(data: bytes, inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    interpreter = litert.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def nchw(value: NDArray[np.float32]) -> NDArray[np.float32]:
    return value.transpose(0, 3, 1, 2) if value.ndim == 4 else value


def compare(data: bytes, shapes: list[tuple[int, ...]], tmp_path: Path) -> Any:
    """Check a network against the interpreter, for one item and for a batch; return its nodes."""
    path = tmp_path / "network.onnx"
    path.write_bytes(convert(data))
    session = open_session(path, "cpu", threads=1)
    items = [[3 * normal(*shape) for shape in shapes] for _ in range(3)]
    expected = [[nchw(out) for out in interpret(data, item)] for item in items]
    for item, wanted in zip(items, expected, strict=True):
        for out, want in zip(session.run(*map(nchw, item)), wanted, strict=True):
            assert out.shape == want.shape
            np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-5)
    batch = session.run(*[nchw(np.concatenate(parts)) for parts in zip(*items, strict=True)])
    for out, want in zip(batch, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(out, np.concatenate(want), rtol=1e-5, atol=1e-5)
    return [node.op_type for node in onnx.load(path).graph.node]


def convolution(w: Any, source: int, shape: tuple[int, ...], kernel: NDArray[Any], **o: int) -> int:
    depthwise = kernel.shape[0] == 1 and shape[3] == kernel.shape[3] and o.pop("Depthwise", 0)
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    settings = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, **o}
    bias = w.constant(normal(shape[3]))
    inputs = [source, w.constant(kernel), bias]
    made: int = w.operator(kind, inputs, shape, options, **settings)
    return made


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "out"),
    [
        ((8, 8), (3, 3), 1, 1, SAME, (8, 8)),
        ((8, 8), (3, 3), 2, 1, SAME, (4, 4)),  # pads 0 before and 1 after
        ((7, 9), (3, 3), 2, 1, SAME, (4, 5)),
        ((7, 10), (5, 3), 2, 1, SAME, (4, 5)),
        ((8, 8), (2, 2), 2, 1, VALID, (4, 4)),
        ((9, 9), (3, 3), 1, 2, SAME, (9, 9)),
        ((9, 9), (3, 3), 1, 2, VALID, (5, 5)),
        ((8, 8), (1, 1), 1, 1, SAME, (8, 8)),
    ],
)
@pytest.mark.parametrize("activation", [NONE, RELU, RELU6])
def test_convolution_gives_the_outputs_of_tflite(
    writer: Any,
    tmp_path: Path,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    padding: int,
    out: tuple[int, int],
    activation: int,
) -> None:
    image = writer.value((1, *size, 3))
    result = convolution(
        writer,
        image,
        (1, *out, 4),
        normal(4, *kernel, 3),
        Padding=padding,
        StrideH=stride,
        StrideW=stride,
        DilationHFactor=dilation,
        DilationWFactor=dilation,
        FusedActivationFunction=activation,
    )
    nodes = compare(writer.finish([image], [result]), [(1, *size, 3)], tmp_path)
    assert nodes == ["Conv"] + {NONE: [], RELU: ["Relu"], RELU6: ["Clip"]}[activation]


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("padding", "out"), [(SAME, (4, 3)), (VALID, (3, 2))])
def test_depthwise_convolution_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, multiplier: int, padding: int, out: tuple[int, int]
) -> None:
    image = writer.value((1, 8, 6, 3))
    channels = 3 * multiplier
    result = convolution(
        writer,
        image,
        (1, *out, channels),
        normal(1, 3, 3, channels),
        Depthwise=1,
        DepthMultiplier=multiplier,
        Padding=padding,
        StrideH=2,
        StrideW=2,
        FusedActivationFunction=RELU6,
    )
    assert compare(writer.finish([image], [result]), [(1, 8, 6, 3)], tmp_path) == ["Conv", "Clip"]


def test_padding_becomes_part_of_all_its_convolutions(writer: Any, tmp_path: Path) -> None:
    image = writer.value((1, 6, 6, 3))
    amounts = writer.constant(np.array([[0, 0], [0, 1], [2, 1], [0, 0]], np.int32))
    padded = writer.operator("PAD", [image, amounts], (1, 7, 9, 3), "PadOptions")
    a = convolution(writer, padded, (1, 5, 7, 2), normal(2, 3, 3, 3), Padding=VALID)
    b = convolution(writer, padded, (1, 7, 9, 2), normal(2, 3, 3, 3), Padding=SAME)
    data = writer.finish([image], [a, b])
    assert compare(data, [(1, 6, 6, 3)], tmp_path) == ["Conv", "Conv"]


@pytest.mark.parametrize(
    "amounts", [[[0, 0], [1, 2], [0, 3], [0, 0]], [[0, 0], [0, 0], [0, 0], [0, 4]]]
)
def test_padding_read_by_no_convolution_stays_a_node(
    writer: Any, tmp_path: Path, amounts: list[list[int]]
) -> None:
    image = writer.value((1, 4, 5, 3))
    shape = tuple(n + sum(pads) for n, pads in zip((1, 4, 5, 3), amounts, strict=True))
    sizes = writer.constant(np.array(amounts, np.int32))
    padded = writer.operator("PAD", [image, sizes], shape, "PadOptions")
    assert compare(writer.finish([image], [padded]), [(1, 4, 5, 3)], tmp_path) == ["Pad"]


@pytest.mark.parametrize(("half_pixel", "align"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("out", [(8, 12), (9, 8), (2, 2)])
def test_bilinear_resize_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, half_pixel: bool, align: bool, out: tuple[int, int]
) -> None:
    image = writer.value((1, 4, 4, 2))
    size = writer.constant(np.array(out, np.int32))
    result = writer.operator(
        "RESIZE_BILINEAR",
        [image, size],
        (1, *out, 2),
        "ResizeBilinearOptions",
        HalfPixelCenters=half_pixel,
        AlignCorners=align,
    )
    assert compare(writer.finish([image], [result]), [(1, 4, 4, 2)], tmp_path) == ["Resize"]


@pytest.mark.parametrize(("kernel", "order"), [(1, ["Conv", "Resize"]), (3, ["Resize", "Conv"])])
def test_pointwise_convolution_goes_before_an_enlargement(
    writer: Any, tmp_path: Path, kernel: int, order: list[str]
) -> None:
    image = writer.value((1, 4, 4, 3))
    size = writer.constant(np.array([8, 8], np.int32))
    large = writer.operator(
        "RESIZE_BILINEAR", [image, size], (1, 8, 8, 3), "ResizeBilinearOptions",
        HalfPixelCenters=True,
    )  # fmt: skip
    result = convolution(
        writer, large, (1, 8, 8, 2), normal(2, kernel, kernel, 3), FusedActivationFunction=RELU
    )
    nodes = compare(writer.finish([image], [result]), [(1, 4, 4, 3)], tmp_path)
    assert nodes == [*order, "Relu"]


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("activation", [NONE, RELU6])
def test_sum_and_product_of_two_inputs_give_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, kind: str, activation: int
) -> None:
    shape = (1, 3, 4, 5)
    a, b = writer.value(shape), writer.value(shape)
    options = f"{kind.title()}Options"
    result = writer.operator(kind, [a, b], shape, options, FusedActivationFunction=activation)
    compare(writer.finish([a, b], [result]), [shape, shape], tmp_path)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("constant_shape", [(5,), (1, 1, 5), (1, 3, 4, 5), (1, 3, 1, 1)])
def test_sum_and_product_with_a_constant_give_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, kind: str, constant_shape: tuple[int, ...]
) -> None:
    a = writer.value((1, 3, 4, 5))
    b = writer.constant(normal(*constant_shape))
    result = writer.operator(kind, [a, b], (1, 3, 4, 5), f"{kind.title()}Options")
    compare(writer.finish([a], [result]), [(1, 3, 4, 5)], tmp_path)


@pytest.mark.parametrize("slope_shape", [(1, 1, 5), (3, 4, 5)])
def test_prelu_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, slope_shape: tuple[int, ...]
) -> None:
    image = writer.value((1, 3, 4, 5))
    slope = writer.constant(2 * normal(*slope_shape))  # slopes beyond 1 and below 0 occur
    result = writer.operator("PRELU", [image, slope], (1, 3, 4, 5))
    compare(writer.finish([image], [result]), [(1, 3, 4, 5)], tmp_path)


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "LOGISTIC"])
def test_relu_and_logistic_give_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, kind: str
) -> None:
    image = writer.value((1, 3, 4, 5))
    result = writer.operator(kind, [image], (1, 3, 4, 5))
    compare(writer.finish([image], [result]), [(1, 3, 4, 5)], tmp_path)


@pytest.mark.parametrize(("padding", "out"), [(SAME, (4, 3)), (VALID, (3, 2))])
def test_max_pool_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, padding: int, out: tuple[int, int]
) -> None:
    image = writer.value((1, 7, 5, 3))
    result = writer.operator(
        "MAX_POOL_2D", [image], (1, *out, 3), "Pool2DOptions", Padding=padding,
        StrideH=2, StrideW=2, FilterHeight=2, FilterWidth=2,
    )  # fmt: skip
    compare(writer.finish([image], [result]), [(1, 7, 5, 3)], tmp_path)


@pytest.mark.parametrize("keep", [False, True])
def test_mean_gives_the_outputs_of_tflite(writer: Any, tmp_path: Path, keep: bool) -> None:
    image = writer.value((1, 7, 5, 3))
    axes = writer.constant(np.array([1, 2], np.int32))
    shape = (1, 1, 1, 3) if keep else (1, 3)
    result = writer.operator("MEAN", [image, axes], shape, "ReducerOptions", KeepDims=keep)
    compare(writer.finish([image], [result]), [(1, 7, 5, 3)], tmp_path)


def test_fully_connected_layer_gives_the_outputs_of_tflite(writer: Any, tmp_path: Path) -> None:
    row = writer.value((1, 6))
    inputs = [row, writer.constant(normal(4, 6)), writer.constant(normal(4))]
    result = writer.operator(
        "FULLY_CONNECTED", inputs, (1, 4), "FullyConnectedOptions", FusedActivationFunction=RELU
    )
    compare(writer.finish([row], [result]), [(1, 6)], tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "transposed"),
    [
        ((1, 3, 4, 6), (1, 24, 3), 1),
        ((1, 1, 1, 6), (1, 6), 0),
        ((1, 3, 4, 1), (1, 12), 0),
        ((1, 24, 3), (1, 3, 4, 6), 1),
        ((1, 3, 4, 6), (1, 6, 2, 6), 2),
    ],
)
def test_reshape_transposes_only_what_it_must(
    writer: Any,
    tmp_path: Path,
    before: tuple[int, ...],
    after: tuple[int, ...],
    transposed: int,
) -> None:
    value = writer.value(before)
    shape = writer.constant(np.array(after, np.int32))
    result = writer.operator("RESHAPE", [value, shape], after, "ReshapeOptions")
    nodes = compare(writer.finish([value], [result]), [before], tmp_path)
    assert nodes.count("Transpose") == transposed


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenation_gives_the_outputs_of_tflite(writer: Any, tmp_path: Path, axis: int) -> None:
    shape = [1, 3, 4, 5]
    a, b = writer.value(shape), writer.value(shape)
    out = list(shape)
    out[axis] *= 2
    result = writer.operator("CONCATENATION", [a, b], out, "ConcatenationOptions", Axis=axis)
    compare(writer.finish([a, b], [result]), [(1, 3, 4, 5)] * 2, tmp_path)


@pytest.mark.parametrize(
    ("begin", "end", "strides", "out"),
    [
        ((0, 0, 0, 0), (1, 4, 6, 2), (1, 1, 1, 1), (1, 4, 6, 2)),
        ((0, 1, 2, 3), (1, 4, 6, 5), (1, 2, 3, 1), (1, 2, 2, 2)),
    ],
)
def test_strided_slice_gives_the_outputs_of_tflite(
    writer: Any,
    tmp_path: Path,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    strides: tuple[int, ...],
    out: tuple[int, ...],
) -> None:
    image = writer.value((1, 4, 6, 5))
    parts = [writer.constant(np.array(part, np.int32)) for part in (begin, end, strides)]
    result = writer.operator("STRIDED_SLICE", [image, *parts], out, "StridedSliceOptions")
    assert compare(writer.finish([image], [result]), [(1, 4, 6, 5)], tmp_path) == ["Slice"]


def test_unsupported_strided_slice_is_refused(writer: Any) -> None:
    image = writer.value((1, 4, 6, 5))
    values = ((0, 0, 0, -2), (1, 4, 6, 5), (1, 1, 1, 1))
    parts = [writer.constant(np.array(part, np.int32)) for part in values]
    result = writer.operator("STRIDED_SLICE", [image, *parts], (1, 4, 6, 2), "StridedSliceOptions")
    with pytest.raises(ModelError, match="STRIDED_SLICE"):
        convert(writer.finish([image], [result]))


def test_depth_to_space_gives_the_outputs_of_tflite(writer: Any, tmp_path: Path) -> None:
    image = writer.value((1, 3, 4, 8))
    result = writer.operator(
        "DEPTH_TO_SPACE", [image], (1, 6, 8, 2), "DepthToSpaceOptions", BlockSize=2
    )
    compare(writer.finish([image], [result]), [(1, 3, 4, 8)], tmp_path)


def test_float16_weights_are_unpacked(writer: Any, tmp_path: Path) -> None:
    image = writer.value((1, 4, 4, 3))
    packed = [writer.constant(normal(*shape).astype(np.float16)) for shape in ((2, 1, 1, 3), (2,))]
    weights, bias = (
        writer.operator("DEQUANTIZE", [p], shape)
        for p, shape in zip(packed, ((2, 1, 1, 3), (2,)), strict=True)
    )
    result = writer.operator(
        "CONV_2D", [image, weights, bias], (1, 4, 4, 2), "Conv2DOptions", StrideH=1, StrideW=1
    )
    assert compare(writer.finish([image], [result]), [(1, 4, 4, 3)], tmp_path) == ["Conv"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_sparse_weights_are_made_dense(writer: Any, tmp_path: Path, dtype: str) -> None:
    dense = np.zeros((3, 1, 1, 4), np.float32)
    dense[0, 0, 0, [1, 3]] = 1.5, -2
    dense[2, 0, 0, 0] = 4  # row 1 is empty
    form = writer.sparsity([0, 1, 2, 3], [3, 1, 1, ([0, 2, 2, 3], [1, 3, 0], dtype)])
    stored = np.array([1.5, -2, 4], np.float32)
    sparse = writer.value((3, 1, 1, 4), stored, sparsity=form)
    weights = writer.operator("DENSIFY", [sparse], (3, 1, 1, 4), "DensifyOptions")
    image = writer.value((1, 5, 5, 4))
    bias = writer.constant(np.zeros(3, np.float32))
    result = writer.operator(
        "CONV_2D", [image, weights, bias], (1, 5, 5, 3), "Conv2DOptions", StrideH=1, StrideW=1
    )
    data = writer.finish([image], [result])
    np.testing.assert_array_equal(read_graph(data).tensors[weights].data, dense)
    compare(data, [(1, 5, 5, 4)], tmp_path)


@pytest.mark.parametrize(
    ("order", "levels", "blocks", "stored", "expected"),
    [
        pytest.param(
            [1, 0],
            [4, ([0, 1, 1, 3, 3], [2, 0, 3], "uint8")],
            [],
            [1, 2, 3],
            {(2, 0): 1, (0, 2): 2, (3, 2): 3},
            id="by column",
        ),
        pytest.param(
            [0, 1, 2, 3],
            [2, ([0, 1, 2], [1, 0], "uint8"), 2, 2],
            [0, 1],
            [1, 2, 3, 4, 5, 6, 7, 8],
            {
                (0, 2): 1,
                (0, 3): 2,
                (1, 2): 3,
                (1, 3): 4,
                (2, 0): 5,
                (2, 1): 6,
                (3, 0): 7,
                (3, 1): 8,
            },
            id="2x2 blocks",
        ),
        pytest.param(
            [0, 1],
            [([0, 2], [1, 3], "uint8"), ([0, 1, 3], [0, 1, 2], "uint8")],
            [],
            [1, 2, 3],
            {(1, 0): 1, (3, 1): 2, (3, 2): 3},
            id="both axes sparse",
        ),
        pytest.param(
            [0, 1],
            [4, ([0, 0, 0, 0, 0], [], "uint8")],
            [],
            [],
            {},
            id="nothing stored",
        ),
    ],
)
def test_sparse_tensor_is_made_dense_by_its_format(
    writer: Any,
    order: list[int],
    levels: list[Any],
    blocks: list[int],
    stored: list[float],
    expected: dict[tuple[int, int], float],
) -> None:
    form = writer.sparsity(order, levels, blocks)
    sparse = writer.value((4, 4), np.zeros(1, np.float32), sparsity=form)
    model = tflite.Model.GetRootAs(writer.finish([sparse], [sparse]), 0)
    sparsity = model.Subgraphs(0).Tensors(0).Sparsity()
    dense = np.zeros((4, 4), np.float32)
    for place, value in expected.items():
        dense[place] = value
    values = np.array(stored, np.float32)
    np.testing.assert_array_equal(densify(tflite, sparsity, (4, 4), values), dense)


def _two_heads(w: Any) -> bytes:
    image = w.value((1, 4, 4, 3), name="image")
    a = convolution(w, image, (1, 4, 4, 2), normal(2, 1, 1, 3))
    b = w.operator("SOFTMAX", [a], (1, 4, 4, 2), "SoftmaxOptions", Beta=1.0)
    c = convolution(w, a, (1, 4, 4, 5), normal(5, 1, 1, 2))
    data: bytes = w.finish([image], [a, b, c])
    return data


def test_outputs_are_pruned_ordered_and_named(writer: Any) -> None:
    data = _two_heads(writer)
    names = [read_graph(data).tensors[i].name for i in read_graph(data).outputs]
    model = onnx.load_from_string(
        convert(data, {"image": "picture"}, {names[2]: "last", names[0]: "first"})
    )
    assert [value.name for value in model.graph.input] == ["picture"]
    assert [value.name for value in model.graph.output] == ["last", "first"]
    assert [node.op_type for node in model.graph.node] == ["Conv", "Conv"]
    only = onnx.load_from_string(convert(data, None, {names[0]: "first"}))
    assert len(only.graph.initializer) == 2  # no weights of the removed part


def test_same_bytes_give_same_bytes(writer: Any) -> None:
    image = writer.value((1, 4, 4, 3))
    result = convolution(writer, image, (1, 4, 4, 2), normal(2, 1, 1, 3))
    data = writer.finish([image], [result])
    assert convert(data) == convert(bytes(bytearray(data)))


def _custom(w: Any) -> bytes:
    image = w.value((1, 4, 4, 3))
    data: bytes = w.finish([image], [w.operator("CUSTOM:Landmarks2", [image], (1, 4))])
    return data


def _tanh(w: Any) -> bytes:
    image = w.value((1, 4, 4, 3))
    out = convolution(w, image, (1, 4, 4, 2), normal(2, 1, 1, 3), FusedActivationFunction=TANH)
    data: bytes = w.finish([image], [out])
    return data


def _variable_weights(w: Any) -> bytes:
    image, weights = w.value((1, 4, 4, 3)), w.value((2, 1, 1, 3))
    out = w.operator(
        "CONV_2D", [image, weights], (1, 4, 4, 2), "Conv2DOptions", StrideH=1, StrideW=1
    )
    data: bytes = w.finish([image, weights], [out])
    return data


def _quantized(w: Any) -> bytes:
    image = w.value((1, 4, 4, 3))
    out = convolution(w, image, (1, 4, 4, 2), np.ones((2, 1, 1, 3), np.int8))
    data: bytes = w.finish([image], [out])
    return data


def _batch_of_two(w: Any) -> bytes:
    image = w.value((2, 4, 4, 3))
    data: bytes = w.finish([image], [w.operator("LOGISTIC", [image], (2, 4, 4, 3))])
    return data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_two_heads, "thing: unsupported TFLite operator SOFTMAX"),
        (_custom, "unsupported TFLite operator CUSTOM:Landmarks2"),
        (_tanh, "unsupported TFLite activation number 4 in CONV_2D"),
        (_variable_weights, "CONV_2D with a variable parameter"),
        (_quantized, "of type INT8"),
        (_batch_of_two, r"shape \(1, ...\), got \(2, 3, 4, 4\)"),
    ],
)
def test_unsupported_operator_is_named(
    writer: Any, make: Callable[[Any], bytes], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        convert(make(writer), name="thing")


def test_wrong_names_and_shapes_are_refused(writer: Any) -> None:
    image = writer.value((1, 4, 4, 3), name="image")
    data = writer.finish([image], [writer.operator("LOGISTIC", [image], (1, 4, 4, 3))])
    with pytest.raises(ModelError, match="thing has no output 'Identity'; it has value_1"):
        convert(data, None, {"Identity": "a"}, name="thing")
    with pytest.raises(ModelError, match="thing has no input 'x'; it has image"):
        convert(data, {"x": "a"}, name="thing")
    with pytest.raises(ModelError, match=r"expected image of shape \(1, 3, 8, 8\)"):
        convert(data, shapes={"image": (1, 3, 8, 8)}, name="thing")


@pytest.mark.parametrize("length", [0, 4, 8, 100, 400])
def test_truncated_file_is_refused(writer: Any, length: int) -> None:
    data = _two_heads(writer)
    assert length < len(data)
    with pytest.raises(ModelError, match=r"thing is (not a|a damaged) TFLite model"):
        convert(data[:length], name="thing")


def test_file_with_a_damaged_offset_is_refused(writer: Any) -> None:
    data = bytearray(_two_heads(writer))
    data[:4] = struct.pack("<I", 0xFFFFFF)
    with pytest.raises(ModelError, match="thing is a damaged TFLite model"):
        convert(bytes(data), name="thing")


@pytest.mark.parametrize("package", ["tflite", "onnx"])
def test_missing_package_gives_a_one_line_error(
    writer: Any, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    image = writer.value((1, 4, 4, 3))
    data = writer.finish([image], [writer.operator("LOGISTIC", [image], (1, 4, 4, 3))])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf'needs {package}: run pip install "pose_ros\[models\]"'):
        convert(data)
