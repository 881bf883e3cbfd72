"""What a network takes and gives, against its card; and weights in other files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pose_ros.errors import ModelError
from pose_ros.runtime.onnx_file import Signature, check_external_data
from pose_ros.runtime.session import open_session, read_signature

COUNT = 12


def adds_weights(location: str, where: str = "initializer") -> onnx.ModelProto:
    """Return a network that adds weights of another file to its input."""
    weights = TensorProto(name="w", dims=[COUNT], data_type=TensorProto.FLOAT)
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * COUNT))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [COUNT]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    if where == "constant":
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weights))
    graph = helper.make_graph(
        nodes, "adds", value[:1], value[1:], [weights] if where == "initializer" else []
    )
    if where == "branch":  # a graph inside a node's attribute
        inner = helper.make_graph(nodes, "then", [], value[1:], [weights])
        branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
        graph = helper.make_graph([branch], "adds", [*value[:1], condition], value[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = np.arange(COUNT, dtype=np.float32).tobytes()
    (tmp_path / "secret.bin").write_bytes(weights)
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(weights)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    return folder


def test_weights_beside_the_network_are_read(folder: Path) -> None:
    path = folder / "net.onnx"
    onnx.save(adds_weights("weights.bin"), path)
    (output,) = open_session(path).run(np.zeros(COUNT, np.float32))
    assert output.tolist() == list(range(COUNT))


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin", "a/../../x"])
def test_weights_elsewhere_are_refused_before_anything_is_loaded(
    location: str, where: str, folder: Path
) -> None:
    path = folder / "net.onnx"
    path.write_bytes(adds_weights(location, where).SerializeToString())
    for load in (open_session, read_signature, check_external_data):
        with pytest.raises(ModelError, match="names weights outside its own folder, .*refused"):
            load(path)


def test_missing_weights_are_named(folder: Path) -> None:
    path = folder / "net.onnx"
    path.write_bytes(adds_weights("gone.bin").SerializeToString())
    with pytest.raises(ModelError, match=r"needs the file 'gone\.bin' beside it"):
        open_session(path)


def test_content_without_a_folder_that_names_a_weight_file_is_refused() -> None:
    with pytest.raises(ModelError, match="save the network as one file"):
        read_signature(adds_weights("weights.bin").SerializeToString())


def test_damaged_file_is_passed_on_to_the_engine(folder: Path) -> None:
    whole = adds_weights("weights.bin").SerializeToString()
    rng = np.random.default_rng(0)
    path = folder / "net.onnx"
    for content in (b"", b"\xff" * 40, *(whole[:n] for n in range(0, len(whole), 7))):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"cannot load|beside it|outside its own folder"):
            open_session(path)
    for _ in range(200):
        mutated = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            mutated[at] = rng.integers(256)
        path.write_bytes(mutated)
        with contextlib.suppress(ModelError):  # anything else is a defect
            check_external_data(path)


HAS = Signature(
    {"input": (None, 3, 224, 224)}, {"cmap": (None, 18, 56, 56), "paf": (None, 42, 56, 56)}
)


@pytest.mark.parametrize(
    "wanted",
    [
        Signature({"input": (1, 3, 224, 224)}, {"cmap": (1, 18, 56, 56)}),
        Signature({"input": (1, 3, 224, 224)}, {"paf": (1, 42, 56, 56), "cmap": (1, 18, 56, 56)}),
        Signature({"input": (1, 3, None, 224)}, {}),
        HAS,
    ],
)
def test_network_whose_signature_matches_its_card_is_accepted(wanted):
    HAS.require(wanted, "net.onnx")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            Signature({"image": (1, 3, 224, 224)}, {}),
            r"^net.onnx does not fit its card: expected the inputs image \[1, 3, 224, 224\], got",
        ),
        (Signature({}, {}), r"expected the inputs none, got input"),
        (Signature({"input": (1, 224, 224, 3)}, {}), r"expected .* \[1, 224, 224, 3\], got"),
        (Signature({"input": (1, 3, 224)}, {}), "got input"),
        (
            Signature(HAS.inputs, {"cmap": (1, 19, 56, 56)}),
            r"expected the outputs cmap \[1, 19, 56, 56\], got cmap \[\?, 18, 56, 56\], paf",
        ),
        (Signature(HAS.inputs, {"heat": (1, 18, 56, 56)}), "expected the outputs heat"),
    ],
)
def test_network_whose_signature_differs_from_its_card_is_refused(wanted, message):
    with pytest.raises(ModelError, match=message):
        HAS.require(wanted, "net.onnx")
