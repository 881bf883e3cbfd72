"""Networks of trt_pose's architecture: in shape, size and operators the real ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import shape_inference

import pose_ros
from pose_ros.errors import ModelError
from pose_ros.models.card import load_card
from pose_ros.models.store import get, status
from pose_ros.runtime.session import open_session, read_signature
from tools.onnx_writer import save
from tools.trt_pose_networks import EXPORTED, build, write_card

NETWORKS = ("resnet18-body", "resnet18-hand", "densenet121-body")

PUBLISHED_BYTES = {"resnet18-body": 83_063_243}
"""Of the file that jetson-inference downloads (AdrianChui23/jetson-exercise-tracker says it)."""

# onnx-tensorrt, docs/operators.md of TensorRT 10: supported without a restriction that
# touches these networks
TENSORRT = {
    *("Add", "AveragePool", "BatchNormalization", "Concat", "Conv", "ConvTranspose", "MaxPool"),
    *("Mul", "Relu", "Sigmoid", "Tanh"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("networks") / f"{request.param}.onnx"
    return request.param, save(build(request.param), path)


def test_network_matches_its_card(network: tuple[str, Path]) -> None:
    name, path = network
    signature = load_card(name).file("network").signature
    assert read_signature(path) == signature
    session = open_session(path, "cpu", threads=1)
    session.select(signature, name)
    image = load_card(name).contract.image()
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    cmap, paf = session.run(image.tensor(picture, "rgb"))
    assert [cmap.shape, paf.shape] == list(signature.outputs.values())
    # as quiet as without people: a decoder has no more to do than there
    assert 0 < np.abs(cmap).max() < 0.15


def test_network_has_the_size_of_the_published_one(network: tuple[str, Path]) -> None:
    """Names of layers apart, which are the only thing that an export is free in."""
    name, path = network
    if name not in PUBLISHED_BYTES:
        pytest.skip("the size of that file is not published")
    assert path.stat().st_size == pytest.approx(PUBLISHED_BYTES[name], abs=1000)


def test_network_has_only_operators_that_tensorrt_reads(network: tuple[str, Path]) -> None:
    """As far as a check without TensorRT shows: operators, opset, types, fixed sizes."""
    model = onnx.load(network[1])
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 11)]
    assert {node.op_type for node in model.graph.node} <= TENSORRT
    assert {t.data_type for t in model.graph.initializer} == {onnx.TensorProto.FLOAT}
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    values = {value.name: value for value in (*inferred.graph.value_info, *model.graph.output)}
    for node in model.graph.node:
        dims = values[node.output[0]].type.tensor_type.shape.dim
        assert len(dims) == 4
        assert all(dim.dim_value > 0 for dim in dims), node.name


def test_only_the_batch_is_free_on_request(tmp_path: Path) -> None:
    path = save(build("resnet18-body", size=64, free_batch=True), tmp_path / "net.onnx")
    signature = read_signature(path)
    assert signature.inputs == {"input": (None, 3, 64, 64)}
    assert signature.outputs == {"cmap": (None, 18, 16, 16), "paf": (None, 42, 16, 16)}
    cmap, _ = open_session(path, "cpu", threads=1).run(np.zeros((3, 3, 64, 64), np.float32))
    assert cmap.shape == (3, 18, 16, 16)


def test_an_export_of_other_names_runs_by_a_card_of_its_own(tmp_path: Path) -> None:
    path = save(build("resnet18-hand", names=EXPORTED), tmp_path / "net.onnx")
    signature = read_signature(path)
    assert list(signature.inputs) == ["input_0"]
    assert list(signature.outputs) == ["output_0", "output_1"]
    card = write_card("resnet18-hand", path, EXPORTED)
    estimator = pose_ros.create_estimator(str(card), threads=1)
    assert (estimator.network, estimator.skeleton.name) == ("net", "trt_hand21")
    assert len(estimator.estimate(np.zeros((120, 160, 3), np.uint8))) == 0


def test_the_parts_of_the_architectures() -> None:
    def kinds(name: str) -> Counter[str]:
        return Counter(node.op_type for node in build(name, size=32).graph.node)

    resnet, densenet = kinds("resnet18-body"), kinds("densenet121-body")
    # the layers that give the networks their names, less the classifier, and the head's own
    head = {"ConvTranspose": 6, "Sigmoid": 1, "Tanh": 1, "Mul": 2}
    assert {kind: resnet[kind] for kind in head} == head
    assert {kind: densenet[kind] for kind in head} == head
    assert resnet["Conv"] == 17 + 3 + 4  # three shortcuts have a convolution of their own
    assert densenet["Conv"] == 120 + 4
    with pytest.raises(ValueError, match="multiple of 32"):
        build("resnet18-body", size=100)


def test_random_weights_are_not_taken_for_the_published_ones(
    network: tuple[str, Path], tmp_path: Path
) -> None:
    name, path = network
    card = load_card(name)
    if not card.file("network").checksum.known:
        # what has the right inputs and outputs is taken for it where the user says so
        get(card, tmp_path, sources=[path])
        assert [file.state for file in status(card, tmp_path)] == ["ok"]
        estimator = pose_ros.create_estimator(name, models_dir=tmp_path, threads=1)
        assert len(estimator.estimate(np.zeros((120, 160, 3), np.uint8))) == 0
        return
    with pytest.raises(ModelError, match=f"holds none of the files of {name}"):
        get(card, tmp_path, sources=[path])
