"""Preparations before quantizing, on a small network."""

import numpy as np
import onnx
import onnxruntime
import pytest

from pose_ros.errors import ModelError, RuntimeUnavailableError
from pose_ros.runtime import quantization
from pose_ros.runtime.quantization import Int8Plan, quantize

RANDOM = np.random.default_rng(0)


def make_network(path):
    """A stem, an inverted bottleneck with a sum around it, and an end."""
    weights = {"zero": np.float32(0), "six": np.float32(6)}
    nodes = []

    def convolve(source, name, outputs, inputs, size=1, groups=1):
        shape = (outputs, inputs // groups, size, size)
        weights[f"w_{name}"] = RANDOM.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        weights[f"b_{name}"] = RANDOM.normal(0, 0.1, outputs)
        attributes = {"group": groups, "pads": [size // 2] * 4, "kernel_shape": [size, size]}
        takes = [source, f"w_{name}", f"b_{name}"]
        nodes.append(onnx.helper.make_node("Conv", takes, [name], name, **attributes))

    def clip(source, name):
        nodes.append(onnx.helper.make_node("Clip", [source, "zero", "six"], [name], name))

    convolve("image", "stem_linear", 8, 3, size=3)
    clip("stem_linear", "stem")
    convolve("stem", "squeezed", 6, 8)
    # channels of very different range
    weights["w_squeezed"] *= np.float32([10, 5, 1, 0.3, 0.1, 0.05]).reshape(6, 1, 1, 1)
    convolve("squeezed", "wide_linear", 24, 6)
    clip("wide_linear", "wide")
    convolve("wide", "deep_linear", 24, 24, size=3, groups=24)
    clip("deep_linear", "deep")
    convolve("deep", "narrow", 6, 24)
    nodes.append(onnx.helper.make_node("Add", ["squeezed", "narrow"], ["sum"], "sum"))
    convolve("sum", "late_linear", 8, 6, size=3)
    clip("late_linear", "late")
    convolve("late", "answer", 4, 8)
    # a channel of bias only, about which onnxruntime's tool prints a warning
    weights["w_deep_linear"][5] = 1e-12
    # the last channels have equal weight
    weights["w_wide_linear"] /= np.float32([10, 5, 1, 0.3, 0.1, 0.05]).reshape(1, 6, 1, 1)
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("image", 1, ["batch", 3, 16, 16])],
        [onnx.helper.make_tensor_value_info("answer", 1, ["batch", 4, 16, 16])],
        [onnx.numpy_helper.from_array(np.float32(v), name) for name, v in weights.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return make_network(tmp_path_factory.mktemp("small") / "small.onnx")


@pytest.fixture(scope="module")
def samples():
    return [RANDOM.random((1, 3, 16, 16), np.float32) for _ in range(8)]


def run(model, sample):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": sample})[0]


PLAN = Int8Plan(first="squeezed", last="sum")


def test_inner_layers_are_quantized_and_the_first_and_last_are_not(network, samples):
    data = quantize(network, PLAN, samples)
    weights = {w.name: w.data_type for w in onnx.load_from_string(data).graph.initializer}
    for name in ("stem_linear", "late_linear", "answer"):
        assert weights[f"w_{name}"] == onnx.TensorProto.FLOAT
    for name in ("squeezed", "wide_linear", "deep_linear", "narrow"):
        assert weights[f"w_{name}_quantized"] == onnx.TensorProto.INT8
    exact, found = run(onnx.load(network), samples[0]), run(data, samples[0])
    assert found.shape == exact.shape
    assert 0 < np.abs(found - exact).mean() < 0.02 * np.abs(exact).mean()


def test_quantizing_prints_nothing(network, samples, caplog):
    with caplog.at_level("INFO"):
        quantize(network, PLAN, samples)
    assert not caplog.records


def test_quantized_network_accepts_any_batch(network, samples):
    data = quantize(network, PLAN, samples)
    both = run(data, np.concatenate(samples[:2]))
    assert np.allclose(both[1:], run(data, samples[1]), atol=1e-5)


def largest_values(model, tensor, samples):
    """Return the largest magnitude in each channel of a tensor within a network."""
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    del inner.graph.output[:]
    inner.graph.output.add(name=tensor)
    values = np.concatenate([run(inner, sample) for sample in samples])
    return np.abs(values).max(axis=(0, 2, 3))


def test_equalizing_changes_weight_ranges_but_not_outputs(network, samples):
    model = onnx.load(network)
    quantization.equalize(model, samples)
    assert np.allclose(run(model, samples[0]), run(onnx.load(network), samples[0]), atol=1e-4)
    spread = []
    for one in (onnx.load(network), model):
        largest = np.maximum(*(largest_values(one, name, samples) for name in ("squeezed", "sum")))
        spread.append(largest.max() / largest.min())
    # the square root of it, but for the terms of the sum that are smaller
    assert spread[1] < 1.5 * np.sqrt(spread[0])


def test_both_preparations_reduce_the_error(network, samples, monkeypatch):
    exact = [run(onnx.load(network), sample) for sample in samples]

    def error():
        data = quantize(network, PLAN, samples)
        return np.mean(
            [np.abs(run(data, s) - e).mean() for s, e in zip(samples, exact, strict=True)]
        )

    best = error()
    monkeypatch.setattr(quantization, "_correct_biases", lambda *_: None)
    without_biases = error()
    monkeypatch.setattr(quantization, "equalize", lambda *_: None)
    assert best < without_biases < error()


@pytest.mark.parametrize("plan", [Int8Plan("nothing", "sum"), Int8Plan("squeezed", "nothing")])
def test_a_plan_for_another_network_is_refused(plan, network, samples):
    with pytest.raises(ModelError, match=r"small.onnx has no tensor 'nothing'"):
        quantize(network, plan, samples)


def test_a_missing_package_gives_a_one_line_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(RuntimeUnavailableError, match=r"needs onnx once: run pip install"):
        quantization.require_packages()
