"""Networks of the user: the cards of docs/how-to/own_network.md, bare files, and refused ones.

Each runs in onnxruntime, from a picture to poses. The networks find colored markers
(``tools.markers``), or read what they answer out of the picture (``tools.oracle``).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from numpy.typing import NDArray
from onnxruntime.transformers.float16 import convert_float_to_float16

import pose_ros
from pose_ros.cli import models
from pose_ros.core import skeletons
from pose_ros.errors import ModelError
from pose_ros.models.card import Card, load_card
from pose_ros.synthetic.source import SyntheticSource
from tools import markers, oracle
from tools.onnx_writer import Writer, save

Array = NDArray[Any]

UNSEEN = {"left_eye", "right_eye", "left_ear", "right_ear"}
"""Their markers would cover each other."""

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def blocks(checkout: Path) -> dict[str, str]:
    """Return the cards of the page by the names of the networks."""
    page = (checkout / "docs/how-to/own_network.md").read_text(encoding="utf-8")
    texts = re.findall("```yaml\n(.*?)```", page, re.DOTALL)
    return {yaml.safe_load(text)["name"]: text for text in texts}


def markers_for(card: Card) -> onnx.ModelProto:
    """Return a network that finds markers, of the inputs and outputs that a card names."""
    (image,), outputs = card.file("network").inputs, card.file("network").outputs
    assert image.image
    kinds = {"heatmap": "heatmap", "simcc": "simcc", "keypoints-top-down": "keypoints"}
    ours = {"simcc": ["simcc_x", "simcc_y"], "heatmap": ["heatmaps"]}
    names = ours.get(card.family, ["keypoints"])
    return markers.network(
        kinds.get(card.family, "movenet"),
        markers.colors(len(card.skeleton)),
        image.image.height,
        image.image.width,
        names={"image": image.tensor}
        | {name: value.tensor for name, value in zip(names, outputs, strict=True)},
        **IMAGENET,
    )


def marked(names: tuple[str, ...], radius: int = 4) -> tuple[Array, Array]:
    """Return a picture of an actor with markers, and where they are."""
    source = SyntheticSource("raise_hands", live=False, fps=1)
    frame = source.read()
    assert frame
    image = frame.image[..., ::-1].copy() if frame.channels == "bgr" else frame.image.copy()
    truth = source.truth(frame.stamp)
    points = np.array(
        [truth.pixel(n) if n not in UNSEEN else (np.nan, np.nan) for n in names], np.float32
    )
    markers.draw(image, points, markers.colors(len(names)), radius)
    return image, points


def test_docs_page_has_a_card_for_each_decoder(checkout: Path) -> None:
    families = [yaml.safe_load(text)["family"] for text in blocks(checkout).values()]
    assert sorted(families) == ["heatmap", "keypoints", "keypoints-top-down", "simcc", "yolo-pose"]


@pytest.mark.parametrize(
    ("name", "worst"),
    [
        ("hrnet-w32", 2.5),
        ("rtmpose-m", 2.0),
        ("deeppose-upper", 1.0),
        ("movenet-lightning", 2.0),
    ],
)
def test_cards_of_the_docs_page_find_people(
    name: str, worst: float, checkout: Path, tmp_path: Path
) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(blocks(checkout)[name], encoding="utf-8")
    card = load_card(path)
    own = card.file("network").own_path
    assert own
    assert own.parent == tmp_path
    save(markers_for(card), own)
    whole = card.family == "keypoints"
    image, points = marked(card.skeleton.keypoints, radius=10 if whole else 4)
    estimator = pose_ros.create_estimator(str(path), static=True)
    assert (estimator.network, estimator.skeleton) == (name, card.skeleton)
    (pose,) = estimator.estimate(image)
    seen = np.isfinite(points[:, 0])
    assert np.isfinite(pose.keypoints[:, 0]).tolist() == seen.tolist()
    assert np.hypot(*(pose.keypoints - points)[seen].T).max() < worst
    assert pose.score > 0.9


@pytest.mark.parametrize("name", ["hrnet-w32", "rtmpose-m"])
def test_network_in_half_precision_finds_the_same_people_as_in_single_precision(
    name: str, checkout: Path, tmp_path: Path
) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(blocks(checkout)[name], encoding="utf-8")
    card = load_card(path)
    own = card.file("network").own_path
    assert own
    image, _ = marked(card.skeleton.keypoints)
    found = []
    for half in (False, True):
        model = markers_for(card)
        if half:
            model = convert_float_to_float16(model)
            assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
        save(model, own)
        (pose,) = pose_ros.create_estimator(str(path), static=True).estimate(image)
        found.append(pose)
    single, half_pose = found
    assert half_pose.keypoints.dtype == single.keypoints.dtype == np.float32
    seen = np.isfinite(single.keypoints[:, 0])
    assert seen.any()
    # two classes of 0.87 px beside each other may have the same score in half precision
    assert np.abs(half_pose.keypoints - single.keypoints)[seen].max() < 2.0
    assert abs(half_pose.score - single.score) < 0.02


def rows() -> Array:
    """Rows of two people, and one of them twice."""
    rng = np.random.default_rng(0)
    found = np.zeros((56, 8400), np.float32)
    for column, (x, y, score) in {
        7: (200, 300, 0.9),
        9: (204, 302, 0.6),
        11: (480, 320, 0.5),
    }.items():
        places = rng.uniform(-80, 80, (17, 2)) + (x, y)
        places = np.concatenate([places, np.full((17, 1), 0.8)], axis=1)
        found[:, column] = [x, y, 180, 360, score, *places.ravel()]
    return found


@pytest.mark.parametrize("units", ["pixels", "normalized"])
def test_card_of_the_keypoint_rows_example_finds_people(
    units: str, checkout: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load(blocks(checkout)["yolo11n-pose"])
    content["decoder"]["units"] = units
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    size = 640 if units == "normalized" else 1
    given = rows()
    given[:4] /= size
    given[5::3] /= size
    given[6::3] /= size
    outputs = {"output0": oracle.Output((1, 56, 8400), 0, 640 / size)}
    save(oracle.build(outputs, 640, 640, input_name="images"), tmp_path / "yolo11n-pose.onnx")
    estimator = pose_ros.create_estimator(str(path), static=True, max_people=5)
    picture = oracle.picture(outputs, {"output0": given[None]}, 640, 640)
    poses = estimator.estimate(picture)
    assert np.allclose(poses.scores, [0.9, 0.5], atol=0.01)
    truth = rows()[5:, [7, 11]].T.reshape(2, 17, 3)
    assert np.allclose(poses.keypoints, truth[..., :2] - 0.5, atol=0.02)
    assert np.allclose(poses.keypoint_scores, 0.8, atol=0.01)


def stranger(path: Path, inputs: dict[str, Any], outputs: dict[str, Any], type_: int = 1) -> Path:
    """Write a network of any inputs and outputs, with meaningless values."""
    w = Writer()
    for name, shape in inputs.items():
        w.input(name, shape)
    for name, shape in outputs.items():
        w.node("Identity", w.constant(np.zeros(shape, np.float32)), name=name)
        w.output(name, shape)
    model = w.finish("stranger")
    for value in model.graph.input:
        value.type.tensor_type.elem_type = type_
    return save(model, path)


IMAGE = {"image": (1, 3, 256, 192)}
PIXELS = {
    "name": "image",
    "tensor": "input",
    "shape": [1, 3, 256, 192],
    "type": "int32",
    "range": [0, 255],
}
TRT_POSE = {"paf": (1, 42, 56, 56), "cmap": (1, 18, 56, 56)}


@pytest.mark.parametrize(
    ("inputs", "outputs", "families"),
    [
        (IMAGE, {"maps": (1, 17, 64, 48)}, ["heatmap"]),
        (IMAGE, {"maps": (1, 21, 64, 48)}, ["heatmap"]),
        (IMAGE, {"maps": (1, 17, 60, 48)}, []),
        (IMAGE, {"y": (1, 17, 512), "x": (1, 17, 384)}, ["simcc"]),
        ({"image": (1, 3, 256, 256)}, {"sim_y": (1, 17, 512), "sim_x": (1, 17, 512)}, ["simcc"]),
        (IMAGE, {"xy": (1, 17, 2)}, ["keypoints", "keypoints-top-down"]),
        ({"image": (1, 192, 192, 3)}, {"yx": (1, 1, 17, 3)}, ["keypoints"]),
        ({"image": (1, 3, 640, 640)}, {"rows": (1, 56, 8400)}, ["yolo-pose"]),
        ({"image": (1, 3, 640, 640)}, {"rows": (1, 32, 8400)}, ["yolo-pose"]),
        ({"image": (1, 3, 640, 640)}, {"rows": (1, 300, 57)}, ["yolo-pose"]),
        (
            {"image": (1, 3, 640, 640)},
            {"dets": (1, 50, 5), "keypoints": (1, 50, 17, 3)},
            ["yolo-pose"],
        ),
        ({"image": (1, 3, 640, 640)}, {"rows": (1, 84, 8400)}, []),
        ({"image": (1, 3, 224, 224)}, TRT_POSE, ["paf"]),
        ({"image": (1, 3, 368, 432)}, {"all": (1, 46, 54, 57)}, ["paf"]),
        (
            {"image": (1, 3, 353, 481)},
            {"o": (1, 34, 23, 31), "h": (1, 17, 23, 31), "d": (1, 64, 23, 31)},
            ["posenet"],
        ),
        (IMAGE, {"logits": (1, 1000)}, []),
        ({"image": (1, 3, 224, 224), "more": (1, 4)}, {"maps": (1, 17, 56, 56)}, []),
    ],
)
def test_inspect_prints_cards_that_can_be_used(
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    families: list[str],
    tmp_path: Path,
    capsys: Any,
) -> None:
    path = stranger(tmp_path / "Some Net_v2.onnx", inputs, outputs)
    assert models.inspect_model(path, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert [value["name"] for value in said["inputs"]] == list(inputs)
    assert [tuple(value["shape"]) for value in said["outputs"]] == list(outputs.values())
    assert [fit["family"] for fit in said["fits"]] == families
    assert models.inspect_model(path) == 0
    printed = capsys.readouterr().out
    if not families:
        assert yaml.safe_load(printed) is None
        with pytest.raises(ModelError, match="that fits no family. Write a card"):
            pose_ros.create_estimator(str(path))
        return
    card = tmp_path / "card.yaml"
    card.write_text(printed, encoding="utf-8")
    assert load_card(card).name == "some-net-v2"
    # inputs and outputs are right, whatever else the card lacks
    assert pose_ros.create_estimator(str(card)).network == "some-net-v2"
    for number, fit in enumerate(said["fits"]):
        assert (printed.count("to fill in") > 0) == bool(fit["questions"])
        if number == 0:
            assert yaml.safe_load(printed) == fit["card"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (IMAGE, {"maps": (1, 17, 64, 48)}),
        (IMAGE, {"x": (1, 17, 384), "y": (1, 17, 512)}),
        ({"image": (1, 3, 224, 224)}, TRT_POSE),
    ],
)
def test_file_with_known_inputs_and_outputs_needs_no_card(
    inputs: dict[str, Any], outputs: dict[str, Any], tmp_path: Path, caplog: Any
) -> None:
    path = stranger(tmp_path / "net.onnx", inputs, outputs)
    with caplog.at_level(logging.WARNING):
        assert pose_ros.create_estimator(str(path)).network == "net"
    assert "colors are normalized with ImageNet's" in caplog.text


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (IMAGE, {"maps": (1, 18, 64, 48)}, "which skeleton it has: trt_body18 or openpose_coco18"),
        (IMAGE, {"maps": (1, 16, 64, 48)}, "does not say what its 16 keypoints are"),
        (IMAGE, {"xy": (1, 17, 2)}, "keypoints-top-down, but it does not say whether x or y"),
        ({"image": (1, 3, 368, 432)}, {"all": (1, 57, 46, 54)}, "how colors are scaled"),
    ],
)
def test_file_with_unknown_inputs_or_outputs_is_one_error(
    inputs: dict[str, Any], outputs: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = stranger(tmp_path / "net.onnx", inputs, outputs)
    with pytest.raises(ModelError, match=message) as caught:
        pose_ros.create_estimator(str(path))
    (name,) = inputs
    assert f"net.onnx takes {name} [1, 3, " in str(caught.value)
    assert "pose-ros models inspect" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_whose_input_is_huge_gives_a_one_line_error(tmp_path: Path) -> None:
    w = Writer()
    w.input("image", (1, 3, 51200, 38400))
    w.convolution("image", 17, 3, 4, name="maps")
    w.output("maps", (1, 17, 12800, 9600))
    path = save(w.finish("huge"), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"shape: expected at most 268435456 values, got \[1, 3,"):
        pose_ros.create_estimator(str(path))


def test_network_of_hands_is_refused_as_a_network_of_bodies(tmp_path: Path) -> None:
    path = stranger(tmp_path / "net.onnx", IMAGE, {"maps": (1, 21, 64, 48)})
    content = yaml.safe_load(
        "{name: hands, family: heatmap, skeleton: trt_hand21, files: {network: {file: net.onnx}}}"
    )
    content["files"]["network"] |= {
        "inputs": [{"name": "i", "tensor": "image", "shape": [1, 3, 256, 192], "range": [0, 1]}],
        "outputs": [{"name": "maps", "tensor": "maps", "shape": [1, 21, 64, 48]}],
    }
    card = path.with_suffix(".yaml")
    card.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ModelError, match="boxes are looked for of bodies, and trt_hand21 is of a"):
        pose_ros.create_estimator(str(card))


def test_missing_file_gives_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file .*nothing\.onnx"):
        pose_ros.create_estimator(str(tmp_path / "nothing.onnx"))


def edited(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Return what changes the fields of a card's network."""

    def edit(card: dict[str, Any]) -> None:
        card["files"]["network"] |= changes

    return edit


def replaced(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda card: card.update(changes)


def image_with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda card: card["files"]["network"]["inputs"][0].update(changes)


def skeleton_with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    own = {"name": "own", "keypoints": ["head", "tail"], "links": [["head", "tail"]]}
    return replaced(skeleton=own | changes)


def outputs_of(shape: list[int], tensor: str = "output") -> Callable[[dict[str, Any]], None]:
    return edited(outputs=[{"name": "heatmaps", "tensor": tensor, "shape": shape}])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            outputs_of([1, 17, 96, 72]),
            r"expected the outputs output \[1, 17, 96, 72\], got output \[\?, 17, 64, 48\]",
        ),
        (outputs_of([1, 17, 64, 48], "maps"), r"expected the outputs maps .*, got output"),
        (image_with(tensor="data"), r"expected the inputs data .*, got input"),
        (
            lambda card: card["files"]["network"].update(inputs=[PIXELS]),
            "expected the input input as int32, got float32",
        ),
        (image_with(shape=[1, 3, 192, 256]), r"inputs input \[1, 3, 192, 256\], got input"),
        (image_with(mean=[123.675, 116.28, 103.53]), "mean and std: expected numbers for colors"),
        (image_with(type="uint8", mean=[0.5] * 3), r"range: expected \[0, 255\], as uint8 takes"),
        (replaced(skeleton="trt_hand21"), "expected 21 heatmaps .* for trt_hand21"),
        (image_with(fill=300), r"fill: expected a number in \[0, 255\], got 300"),
        (replaced(skeleton="coco18"), "skeleton: unknown skeleton 'coco18'; known: blazepose33"),
        (replaced(skeleton="trt_body18"), "expected 18 heatmaps .* for trt_body18 as output"),
        (replaced(family="heatmaps"), "unknown family 'heatmaps'; known: .*heatmap,"),
        (replaced(decoder={"refine": "best"}), "decoder.refine: expected quarter or dark"),
        (replaced(licence="MIT"), "licence: expected no such field"),
        (edited(file="nothing.onnx"), r"there is no file .*nothing\.onnx, which its card names"),
        (edited(format="tflite"), "format: expected onnx"),
        (edited(origins=[]), "origins: expected no such field"),
        (skeleton_with(), "hrnet-w32: expected 2 heatmaps .* for own as output"),
        (skeleton_with(name="coco17"), "skeleton.name: expected a name that pose_ros does not"),
        (skeleton_with(links=[["head", "foot"]]), "skeleton.links: expected a list of pairs"),
        (skeleton_with(keypoints=[]), "skeleton.keypoints: expected a list of names"),
        (skeleton_with(keypoints=["a", "a"], links=[]), "skeleton own: keypoint names repeat"),
        (skeleton_with(bones=[]), "skeleton.bones: expected no such field"),
        (replaced(skeleton=17), "skeleton: expected a mapping, got 17"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_in_one_line(
    edit: Callable[[dict[str, Any]], None], message: str, checkout: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load(blocks(checkout)["hrnet-w32"])
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    card = load_card(path)
    save(markers_for(card), tmp_path / card.file("network").origins[0].file_name)
    edit(content)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        pose_ros.create_estimator(str(path))
    assert "\n" not in str(caught.value)


def test_skeleton_on_a_card_is_used(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(blocks(checkout)["deeppose-upper"], encoding="utf-8")
    skeleton = load_card(path).skeleton
    assert skeleton.name not in skeletons.SKELETONS
    assert skeleton.links == ((1, 2), (1, 3), (3, 5), (2, 4), (4, 6))
    assert skeleton.left_right == ((1, 2), (3, 4), (5, 6))
