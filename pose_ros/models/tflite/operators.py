"""The operators of TFLite in terms of ONNX, in the forms that onnxruntime fuses best.

Every 4-D value is NHWC in TFLite and NCHW here; other values keep their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.errors import ModelError
from pose_ros.models.tflite.builder import NO_ACTIVATION, TO_NCHW, Builder
from pose_ros.models.tflite.reader import NO_TENSOR, TfliteOperator


def _convolution(b: Builder, op: TfliteOperator) -> None:
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    options = op.options
    weights = b.constant(op, 1)  # (out, h, w, in); depthwise: (1, h, w, out)
    axes = (3, 0, 1, 2) if depthwise else TO_NCHW
    source, size, padding = _padded_source(b, op.inputs[0])
    kernel = weights.shape[1:3]
    strides = (options.StrideH(), options.StrideW())
    dilations = (options.DilationHFactor(), options.DilationWFactor())
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    own = _padding(b, options.Padding(), size, extent, strides)
    channels = b.shape(op.inputs[0])[3]
    group = channels if depthwise else channels // weights.shape[3]
    inputs = [source, b.weights(op, 1, axes)]
    if len(op.inputs) > 2 and op.inputs[2] != NO_TENSOR:
        inputs.append(b.weights(op, 2))
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": strides,
        "dilations": dilations,
        "group": group,
        "pads": [a + c for a, c in zip(padding, own, strict=True)],
    }
    resize = b.deferred.get(op.inputs[0])
    if resize is None or resize.kind != "RESIZE_BILINEAR":
        b.emit(op, "Conv", inputs, **attributes)
        return
    # a 1x1 convolution of an enlarged image is the enlarged convolution of the small one
    small = b.node(
        "Conv", [b.name(resize.inputs[0]), *inputs[1:]], f"t{op.outputs[0]}_small", **attributes
    )
    kind, extra, resize_attributes = _resize_arguments(b, resize)
    b.emit(op, kind, [small, *extra], **resize_attributes)


def _padded_source(b: Builder, index: int) -> tuple[str, tuple[int, ...], list[int]]:
    """Return what a convolution reads, its (H, W) with padding, and deferred ONNX pads."""
    size = b.shape(index)[1:3]
    pad = b.deferred.get(index)
    if pad is None:
        return b.name(index), size, [0, 0, 0, 0]
    if pad.kind == "RESIZE_BILINEAR":
        return b.name(pad.inputs[0]), size, [0, 0, 0, 0]
    amounts = b.constant(pad, 1)
    return b.name(pad.inputs[0]), size, amounts[1:3].T.reshape(-1).tolist()


def _padding(
    b: Builder,
    padding: int,
    size: tuple[int, ...],
    extent: tuple[int, ...],
    strides: tuple[int, ...],
) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TFLite's SAME or VALID."""
    if padding == b.tflite.Padding.VALID:
        return [0, 0, 0, 0]
    begin, end = [], []
    for length, reach, stride in zip(size, extent, strides, strict=True):
        steps = -(-length // stride)
        total = max((steps - 1) * stride + reach - length, 0)
        begin.append(total // 2)
        end.append(total - total // 2)  # the odd one goes after the image
    return begin + end


def _pad(b: Builder, op: TfliteOperator) -> None:
    amounts = b.constant(op, 1)
    readers = b.consumers[op.outputs[0]] if op.outputs[0] not in b.outputs else []
    spatial = len(amounts) == 4 and not amounts[[0, 3]].any()
    if spatial and readers and all(r.kind in _CONVOLUTIONS for r in readers):
        b.deferred[op.outputs[0]] = op
        return
    if len(amounts) == 4:
        amounts = amounts[list(TO_NCHW)]
    pads = amounts.T.reshape(-1).astype(np.int64)
    name = b.add_constant("pads_" + "_".join(map(str, pads)), pads)
    b.emit(op, "Pad", [b.name(op.inputs[0]), name], activation=NO_ACTIVATION)


def _resize_bilinear(b: Builder, op: TfliteOperator) -> None:
    readers = b.consumers[op.outputs[0]] if op.outputs[0] not in b.outputs else []
    exact = b.graph.tensors[op.outputs[0]].quantization is None
    if exact and len(readers) == 1 and _pointwise(b, readers[0]) and _enlarges(b, op):
        b.deferred[op.outputs[0]] = op
        return
    kind, extra, attributes = _resize_arguments(b, op)
    b.emit(op, kind, [b.name(op.inputs[0]), *extra], activation=NO_ACTIVATION, **attributes)


def _pointwise(b: Builder, op: TfliteOperator) -> bool:
    return (
        op.kind == "CONV_2D"
        and b.shape(op.inputs[1])[1:3] == (1, 1)
        and op.options.StrideH() == op.options.StrideW() == 1
    )


def _enlarges(b: Builder, op: TfliteOperator) -> bool:
    before, after = b.shape(op.inputs[0]), b.shape(op.outputs[0])
    return after[1] >= before[1] and after[2] >= before[2]


def _resize_arguments(b: Builder, op: TfliteOperator) -> tuple[str, list[str], dict[str, Any]]:
    """Return the ONNX operator, its inputs after the image, and its attributes."""
    if op.options.HalfPixelCenters():
        mode = "half_pixel"
    elif op.options.AlignCorners():
        mode = "align_corners"
    else:
        mode = "asymmetric"
    before, after = b.shape(op.inputs[0]), b.shape(op.outputs[0])
    # scales leave the batch free, where sizes would fix it
    scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
    exact = [int(np.floor(n * float(s))) for n, s in zip(before[1:3], scales[2:], strict=True)]
    if tuple(exact) != after[1:3]:
        raise ModelError(f"unsupported TFLite operator {op.kind} from {before} to {after}")
    name = b.add_constant(f"scales_{after[1]}_{before[1]}_{after[2]}_{before[2]}", scales)
    return "Resize", ["", name], {"mode": "linear", "coordinate_transformation_mode": mode}


def _elementwise(b: Builder, op: TfliteOperator) -> None:
    kind = {"ADD": "Add", "MUL": "Mul"}[op.kind]
    rank = len(b.shape(op.outputs[0]))
    names = []
    for index in op.inputs:
        data = b.graph.tensors[index].data
        if data is None:
            if len(b.shape(index)) != rank:
                raise ModelError(f"unsupported TFLite operator {op.kind} of different ranks")
            names.append(b.name(index))
        else:
            names.append(b.add_constant(f"w{index}_{rank}", _broadcastable(data, rank)))
    b.emit(op, kind, names)


def _broadcastable(data: NDArray[Any], rank: int) -> NDArray[Any]:
    """Return a constant that broadcasts over a value of ``rank`` in ONNX's order."""
    data = data.reshape((1,) * (rank - data.ndim) + data.shape)
    return data.transpose(TO_NCHW) if rank == 4 else data


def _prelu(b: Builder, op: TfliteOperator) -> None:
    slope = b.constant(op, 1)
    source = b.name(op.inputs[0])
    rank = len(b.shape(op.outputs[0]))
    if rank != 4 or slope.size != slope.shape[-1]:
        name = b.add_constant(f"w{op.inputs[1]}_{rank}", _broadcastable(slope, rank)[0])
        b.emit(op, "PRelu", [source, name], activation=NO_ACTIVATION)
        return
    # (1 - slope) relu(x) + slope x as two 1x1 convolutions: onnxruntime keeps those in its
    # blocked layout and adds the one within the other, where PRelu makes it reorder both ways;
    # palm detection takes 7.7 ms in place of 14.1
    weights = slope.reshape(-1, 1, 1, 1)
    above, through = f"w{op.inputs[1]}_above", f"w{op.inputs[1]}_through"
    b.add_constant(above, 1 - weights)
    b.add_constant(through, weights)
    output = f"t{op.outputs[0]}"
    relu = b.node("Relu", [source], f"{output}_relu")
    terms = [
        b.node("Conv", [relu, above], f"{output}_above", group=slope.size, kernel_shape=(1, 1)),
        b.node(
            "Conv", [source, through], f"{output}_through", group=slope.size, kernel_shape=(1, 1)
        ),
    ]
    b.emit(op, "Add", terms, activation=NO_ACTIVATION)


def _activation(b: Builder, op: TfliteOperator) -> None:
    activation = getattr(b.tflite.ActivationFunctionType, op.kind)
    function, limits = b.activation(op, activation)
    b.emit(op, function, [b.name(op.inputs[0]), *limits], activation=NO_ACTIVATION)


def _change_of_type(b: Builder, op: TfliteOperator) -> None:
    b.emit(op, "Identity", [b.name(op.inputs[0])], activation=NO_ACTIVATION)


def _logistic(b: Builder, op: TfliteOperator) -> None:
    b.emit(op, "Sigmoid", [b.name(op.inputs[0])], activation=NO_ACTIVATION)


def _max_pool(b: Builder, op: TfliteOperator) -> None:
    options = op.options
    kernel = (options.FilterHeight(), options.FilterWidth())
    strides = (options.StrideH(), options.StrideW())
    pads = _padding(b, options.Padding(), b.shape(op.inputs[0])[1:3], kernel, strides)
    b.emit(op, "MaxPool", [b.name(op.inputs[0])], kernel_shape=kernel, strides=strides, pads=pads)


def _mean(b: Builder, op: TfliteOperator) -> None:
    axes = {int(axis) % 4 for axis in b.constant(op, 1).reshape(-1)}
    if len(b.shape(op.inputs[0])) != 4 or axes != {1, 2}:
        raise ModelError("unsupported TFLite operator MEAN over other axes than height and width")
    source = [b.name(op.inputs[0])]
    if op.options.KeepDims():
        b.emit(op, "GlobalAveragePool", source, activation=NO_ACTIVATION)
        return
    pooled = b.node("GlobalAveragePool", source, f"t{op.outputs[0]}_pooled")
    b.emit(op, "Flatten", [pooled], activation=NO_ACTIVATION, axis=1)


def _fully_connected(b: Builder, op: TfliteOperator) -> None:
    if len(b.shape(op.inputs[0])) != 2 or len(b.shape(op.outputs[0])) != 2:
        raise ModelError("unsupported TFLite operator FULLY_CONNECTED of other than 2 dimensions")
    names = [b.name(op.inputs[0]), b.weights(op, 1)]
    if len(op.inputs) > 2 and op.inputs[2] != NO_TENSOR:
        names.append(b.weights(op, 2))
    b.emit(op, "Gemm", names, transB=1)


def _reshape(b: Builder, op: TfliteOperator) -> None:
    before, after = b.shape(op.inputs[0]), b.shape(op.outputs[0])
    if not after or before[0] != 1 or after[0] != 1:
        raise ModelError(f"unsupported TFLite operator RESHAPE from {before} to {after}")
    # 0 keeps the batch as it is
    target = np.array([0, *after[1:]], np.int64)
    name = b.add_constant("shape_" + "_".join(map(str, target)), target)
    source = b.nhwc(op.inputs[0])
    if len(after) != 4:
        b.emit(op, "Reshape", [source, name], activation=NO_ACTIVATION)
        return
    plain = b.node("Reshape", [source, name], f"t{op.outputs[0]}_nhwc")
    b.emit(op, "Transpose", [plain], activation=NO_ACTIVATION, perm=TO_NCHW)


def _concatenation(b: Builder, op: TfliteOperator) -> None:
    rank = len(b.shape(op.outputs[0]))
    axis = op.options.Axis() % rank
    if rank == 4:
        axis = TO_NCHW.index(axis)
    b.emit(op, "Concat", [b.name(i) for i in op.inputs], axis=axis)


def _depth_to_space(b: Builder, op: TfliteOperator) -> None:
    # TFLite's channel is (row, column, depth), which ONNX calls DCR
    b.emit(
        op,
        "DepthToSpace",
        [b.name(op.inputs[0])],
        activation=NO_ACTIVATION,
        blocksize=op.options.BlockSize(),
        mode="DCR",
    )


def _strided_slice(b: Builder, op: TfliteOperator) -> None:
    options = op.options
    masks = ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask")
    begin, end, strides = (b.constant(op, i).reshape(-1).tolist() for i in (1, 2, 3))
    before = b.shape(op.inputs[0])
    plain = (
        len(before) == 4
        and not any(getattr(options, mask)() for mask in masks)
        and all(0 <= first < last <= n for first, last, n in zip(begin, end, before, strict=True))
        and all(stride > 0 for stride in strides)
    )
    if not plain:
        raise ModelError(f"unsupported TFLite operator {op.kind} other than a plain part of 4-D")
    # the batch is left as it is
    parts = [np.array([values[axis] for axis in TO_NCHW[1:]]) for values in (begin, end, strides)]
    names = [b.add_constant("axes_1_2_3", np.array([1, 2, 3], np.int64))]
    for part in parts:
        label = "slice_" + "_".join(map(str, part))
        names.append(b.add_constant(label, part.astype(np.int64)))
    axes, first, last, step = names
    b.emit(op, "Slice", [b.name(op.inputs[0]), first, last, axes, step], activation=NO_ACTIVATION)


_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

Handler: TypeAlias = Callable[[Builder, TfliteOperator], None]

OPERATORS: dict[str, Handler] = {
    "ADD": _elementwise,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEPTH_TO_SPACE": _depth_to_space,
    "DEQUANTIZE": _change_of_type,
    "FULLY_CONNECTED": _fully_connected,
    "LOGISTIC": _logistic,
    "MAX_POOL_2D": _max_pool,
    "MEAN": _mean,
    "MUL": _elementwise,
    "PAD": _pad,
    "PRELU": _prelu,
    "QUANTIZE": _change_of_type,
    "RELU": _activation,
    "RELU6": _activation,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize_bilinear,
    "STRIDED_SLICE": _strided_slice,
}
"""What can be converted, by TFLite name."""
