"""Quantized operators against the TFLite interpreter, on tiny networks that are written here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pose_ros.errors import ModelError
from pose_ros.models.tflite import convert
from pose_ros.models.tflite.reader import read_graph
from pose_ros.runtime.session import in_fp16, open_session

onnx = importlib.import_module("onnx")
litert = importlib.import_module("ai_edge_litert.interpreter")

RNG = np.random.default_rng(11)
NONE, RELU6 = 0, 3
SAME, VALID = 0, 1
INPUT = {"scale": 1 / 128, "zero_point": 128, "dtype": "uint8"}
SIGNED_INPUT = {"scale": 1 / 128, "zero_point": 0, "dtype": "int8"}


def whole(low: int, high: int, shape: Sequence[int], dtype: str) -> NDArray[Any]:
    return RNG.integers(low, high, shape, endpoint=True).astype(dtype)


def compare(data: bytes, tmp_path: Path, steps: int = 0) -> list[str]:
    """Check a network against the interpreter, item by item and as a batch; return its nodes.

    Args:
        data: The network.
        tmp_path: Where it may lie.
        steps: By how many steps of what is stored the outputs may differ.
    """
    path = tmp_path / "network.onnx"
    path.write_bytes(convert(data))
    session = open_session(path, "cpu", threads=1)
    interpreter = litert.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    items, expected = [], []
    for _ in range(3):
        item = []
        for detail in interpreter.get_input_details():
            kind = np.iinfo(detail["dtype"])
            stored = whole(kind.min, kind.max, detail["shape"], kind.dtype.name)
            interpreter.set_tensor(detail["index"], stored)
            item.append(real(stored, detail))
        interpreter.invoke()
        details = interpreter.get_output_details()
        expected.append([real(interpreter.get_tensor(d["index"]), d) for d in details])
        items.append(item)
    scales = [detail["quantization"][0] for detail in details]
    batch = session.run(*[np.concatenate(parts) for parts in zip(*items, strict=True)])
    for i, item in enumerate(items):
        for j, out in enumerate(session.run(*item)):
            want = expected[i][j]
            assert np.ptp(want) > 4 * scales[j], "the output says nothing"
            assert np.abs(out - want).max() <= (steps + 0.01) * scales[j] + 1e-6
            np.testing.assert_array_equal(batch[j][i : i + 1], out)
    return [node.op_type for node in onnx.load(path).graph.node]


def real(stored: NDArray[Any], detail: Any) -> NDArray[np.float32]:
    """Return the dequantized value of the interpreter, its axes in the order of ONNX."""
    scale, zero = detail["quantization"]
    values = (stored.astype(np.float32) - zero) * np.float32(scale) if scale else stored
    ordered: NDArray[np.float32] = values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
    return ordered


def convolution(
    w: Any, source: int, weights: int, out: tuple[int, ...], steps: Any, **fields: Any
) -> int:
    """Add a convolution of an image of scale 1/128; ``steps`` are the weights' scales."""
    depthwise = fields.pop("depthwise", False)
    bias = w.value(out[3:], whole(-3000, 3000, out[3:], "int32"), scale=np.asarray(steps) / 128)
    made: int = w.operator(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [source, weights, bias],
        out,
        "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        **{"StrideH": 2, "StrideW": 2, "DilationHFactor": 1, "DilationWFactor": 1}
        | ({"DepthMultiplier": 1} if depthwise else {}) | fields,
    )  # fmt: skip
    return made


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("activation", [NONE, RELU6])
@pytest.mark.parametrize(
    ("scale", "zero_point"),
    [
        pytest.param(6 / 255, 0, id="clamped to 0 to 6 by its type"),
        pytest.param(0.03, 100, id="clamped to less than its type"),
    ],
)
def test_uint8_convolution_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, depthwise: bool, activation: int, scale: float, zero_point: int
) -> None:
    image = writer.value((1, 9, 8, 4), **INPUT)
    shape = (1, 3, 3, 4) if depthwise else (5, 3, 3, 4)
    weights = writer.value(shape, whole(0, 255, shape, "uint8"), scale=0.012, zero_point=117)
    result = convolution(
        writer, image, weights, (1, 5, 4, 4 if depthwise else 5), 0.012, depthwise=depthwise,
        Padding=SAME, FusedActivationFunction=activation,
        scale=scale, zero_point=zero_point, dtype="uint8",
    )  # fmt: skip
    nodes = compare(writer.finish([image], [result]), tmp_path)
    assert nodes.count("Clip") == (activation == RELU6 and zero_point > 0)


@pytest.mark.parametrize("depthwise", [False, True])
def test_int8_convolution_with_scales_by_channel_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, depthwise: bool
) -> None:
    image = writer.value((1, 8, 8, 4), **SIGNED_INPUT)
    shape = (1, 3, 3, 4) if depthwise else (4, 3, 3, 4)
    scales = [0.004, 0.01, 0.02, 0.03]
    weights = writer.value(
        shape, whole(-127, 127, shape, "int8"), scale=scales, axis=3 if depthwise else 0
    )
    result = convolution(
        writer, image, weights, (1, 3, 3, 4), scales, depthwise=depthwise,
        Padding=VALID, scale=0.03, zero_point=-10, dtype="int8",
    )  # fmt: skip
    compare(writer.finish([image], [result]), tmp_path)


def test_stored_weights_stay_small_and_int8(writer: Any) -> None:
    image = writer.value((1, 8, 8, 4), **INPUT)
    stored = whole(0, 255, (5, 3, 3, 4), "uint8")
    weights = writer.value(stored.shape, stored, scale=0.012, zero_point=117)
    result = convolution(
        writer, image, weights, (1, 4, 4, 5), 0.012, scale=0.03, zero_point=90, dtype="uint8"
    )
    data = writer.finish([image], [result])
    np.testing.assert_allclose(read_graph(data).tensors[weights].data, 0.012 * (stored - 117.0))
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in convert_graph(data).initializer}
    kept = constants[f"w{weights}_stored"]
    assert kept.dtype == np.int8
    np.testing.assert_array_equal(kept, (stored.astype(int) - 128).transpose(0, 3, 1, 2))
    assert constants[f"w{weights}_zero"] == 117 - 128


def test_half_precision_leaves_int8_weights_unchanged(writer: Any, tmp_path: Path) -> None:
    image = writer.value((1, 8, 8, 4), **INPUT)
    stored = whole(0, 255, (5, 3, 3, 4), "uint8")
    weights = writer.value(stored.shape, stored, scale=0.012, zero_point=117)
    result = convolution(
        writer, image, weights, (1, 4, 4, 5), 0.012, scale=0.03, zero_point=90, dtype="uint8"
    )
    path, half = tmp_path / "network.onnx", tmp_path / "half.onnx"
    path.write_bytes(convert(writer.finish([image], [result])))
    half.write_bytes(in_fp16(path))
    picture = RNG.uniform(-1, 1, (1, 4, 8, 8)).astype(np.float32)
    (expected,), (found,) = (open_session(p, "cpu").run(picture) for p in (path, half))
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found, expected, atol=0.031)  # a step


def convert_graph(data: bytes) -> Any:
    return onnx.load_from_string(convert(data)).graph


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_quantized_sum_and_product_give_the_outputs_of_tflite(
    writer: Any, tmp_path: Path, kind: str
) -> None:
    shape = (1, 3, 4, 5)
    a = writer.value(shape, **SIGNED_INPUT)
    b = writer.value(shape, scale=0.02, zero_point=3, dtype="int8")
    result = writer.operator(
        kind, [a, b], shape, f"{kind.title()}Options", scale=0.025, zero_point=-3, dtype="int8"
    )
    compare(writer.finish([a, b], [result]), tmp_path, steps=1)  # TFLite rounds in fixed point


def test_quantized_fully_connected_layer_gives_the_outputs_of_tflite(
    writer: Any, tmp_path: Path
) -> None:
    row = writer.value((1, 12), **SIGNED_INPUT)
    weights = writer.value((6, 12), whole(-127, 127, (6, 12), "int8"), scale=0.01)
    bias = writer.value((6,), whole(-3000, 3000, (6,), "int32"), scale=0.01 / 128)
    result = writer.operator(
        "FULLY_CONNECTED", [row, weights, bias], (1, 6), "FullyConnectedOptions",
        scale=0.03, zero_point=4, dtype="int8",
    )  # fmt: skip
    compare(writer.finish([row], [result]), tmp_path)


def test_operators_that_only_move_values_stay_quantized(writer: Any, tmp_path: Path) -> None:
    same = {"scale": 1 / 128, "zero_point": 128, "dtype": "uint8"}
    image = writer.value((1, 4, 4, 2), **INPUT)
    pooled = writer.operator(
        "MAX_POOL_2D", [image], (1, 2, 2, 2), "Pool2DOptions", Padding=VALID,
        StrideH=2, StrideW=2, FilterHeight=2, FilterWidth=2, **same,
    )  # fmt: skip
    joined = writer.operator(
        "CONCATENATION", [pooled, pooled], (1, 2, 2, 4), "ConcatenationOptions", Axis=3, **same
    )
    shape = writer.constant(np.array([1, 16], np.int32))
    result = writer.operator("RESHAPE", [joined, shape], (1, 16), "ReshapeOptions", **same)
    compare(writer.finish([image], [result]), tmp_path)


def test_pointwise_convolution_stays_behind_a_rounded_enlargement(
    writer: Any, tmp_path: Path
) -> None:
    image = writer.value((1, 4, 4, 3), **INPUT)
    size = writer.constant(np.array([8, 8], np.int32))
    large = writer.operator(
        "RESIZE_BILINEAR", [image, size], (1, 8, 8, 3), "ResizeBilinearOptions",
        HalfPixelCenters=True, **INPUT,
    )  # fmt: skip
    weights = writer.value(
        (2, 1, 1, 3), whole(0, 255, (2, 1, 1, 3), "uint8"), scale=0.012, zero_point=117
    )
    result = convolution(
        writer, large, weights, (1, 8, 8, 2), 0.012, StrideH=1, StrideW=1,
        scale=0.03, zero_point=100, dtype="uint8",
    )  # fmt: skip
    nodes = compare(writer.finish([image], [result]), tmp_path, steps=1)
    assert nodes.index("Resize") < nodes.index("Conv")


def test_quantizing_and_dequantizing_give_the_outputs_of_tflite(
    writer: Any, tmp_path: Path
) -> None:
    image = writer.value((1, 3, 4, 5), **INPUT)
    real_image = writer.operator("DEQUANTIZE", [image], (1, 3, 4, 5))
    sigmoid = writer.operator("LOGISTIC", [real_image], (1, 3, 4, 5))
    result = writer.operator(
        "QUANTIZE", [sigmoid], (1, 3, 4, 5), scale=0.004, zero_point=-60, dtype="int8"
    )
    compare(writer.finish([image], [result]), tmp_path, steps=1)


def test_network_with_a_custom_operator_is_cut_before_it(writer: Any) -> None:
    image = writer.value((1, 4, 4, 3), name="image", **INPUT)
    maps = writer.operator("LOGISTIC", [image], (1, 4, 4, 3), name="maps", scale=1 / 256,
                           zero_point=0, dtype="uint8")  # fmt: skip
    people = writer.operator("CUSTOM:PosenetDecoderOp", [maps], (1, 10), name="people")
    data = writer.finish([image], [people])
    with pytest.raises(ModelError, match="unsupported TFLite operator CUSTOM:PosenetDecoderOp"):
        convert(data)
    graph = onnx.load_from_string(convert(data, outputs={"maps": "heatmaps"})).graph
    assert [value.name for value in graph.output] == ["heatmaps"]


def test_name_of_two_tensors_is_refused_as_an_output(writer: Any) -> None:
    image = writer.value((1, 4, 4, 3))
    a = writer.operator("LOGISTIC", [image], (1, 4, 4, 3), name="twice")
    b = writer.operator("LOGISTIC", [a], (1, 4, 4, 3), name="twice")
    end = writer.operator("LOGISTIC", [b], (1, 4, 4, 3), name="end")
    with pytest.raises(ModelError, match="has no output 'twice'; it has end"):
        convert(writer.finish([image], [end]), outputs={"twice": "maps"})


def test_int16_tensors_are_refused(writer: Any) -> None:
    image = writer.value((1, 4, 4, 3), name="image", scale=0.01, dtype="int16")
    with pytest.raises(ModelError, match="'image' is of type INT16; only float, integer and 8-bit"):
        convert(writer.finish([image], [writer.operator("LOGISTIC", [image], (1, 4, 4, 3))]))
