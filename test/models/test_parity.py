"""The gate: a converted network gives the outputs of the TFLite interpreter."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pose_ros.core.contract import Value
from pose_ros.core.types import FloatArray, Image
from pose_ros.models import store
from pose_ros.models.card import Card, ModelFile, PackageOrigin, Wheel, list_cards
from pose_ros.runtime.session import open_session
from pose_ros.synthetic.source import SyntheticSource
from tools.originals import fetched_original

litert = importlib.import_module("ai_edge_litert.interpreter")

RANDOM, REAL = 20, 5
TOLERANCE = 1e-3  # of the range of the interpreter's output
PICTURES = ("humans_2", "humans_4", "humans_6", "peds_2", "COCO_val2014_000000000474")

# MediaPipe's, each file once, also if several cards share it
CASES = {
    card.file(role).file: (card, role)
    for card in list_cards()[::-1]
    if card.family.startswith("blaze")
    for role in card.files
}


@pytest.fixture(scope="session", params=list(CASES.values()), ids=list(CASES))
def network(request: pytest.FixtureRequest) -> tuple[ModelFile, Path, bytes]:
    """Each network of each card, as ``make setup`` fetched it, or fetched now."""
    card: Card = request.param[0]
    file = card.file(request.param[1])
    folder = None
    if card.name == "blazepose-lite":
        folder = request.getfixturevalue("lite_models")
    elif not any(
        isinstance(origin, PackageOrigin) and isinstance(origin.package, Wheel)
        for origin in file.origins
    ) and any(state.state == "missing" for state in store.status(card)):
        pytest.skip(f"not there and never fetched by tests: pose-ros models get {card.name}")
    path = store.model_path(card, request.param[1], folder)
    return file, path, fetched_original(card, request.param[1], folder).read_bytes()


def letterboxed(image: Image, spec: Value) -> FloatArray:
    """Return an image as a network's input, the rest of the square in black: (1, 3, H, W)."""
    assert spec.range is not None
    side = spec.shape[2]
    scale = side / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    square = np.zeros((side, side, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small[:side, :side]
    low, high = spec.range
    scaled: FloatArray = (square / 255 * (high - low) + low).astype(np.float32)
    return scaled.transpose(2, 0, 1)[None]


def random_inputs(spec: Value) -> Iterator[FloatArray]:
    assert spec.range is not None
    rng = np.random.default_rng(42)
    for _ in range(RANDOM):
        yield rng.uniform(*spec.range, spec.shape).astype(np.float32)


def drawn_inputs(spec: Value) -> Iterator[FloatArray]:
    """Yield the synthetic actor, cropped close: a person is there without any download."""
    source = SyntheticSource(live=False, width=480, height=480, fps=0.5)
    for _ in range(REAL):
        frame = source.read()
        assert frame is not None
        yield letterboxed(frame.image, spec)
    source.close()


def photographed_inputs(spec: Value, data: Path) -> Iterator[FloatArray]:
    for name in PICTURES:
        image = cv2.imread(str(data / "images" / f"{name}.jpg"))
        assert image is not None, name
        yield letterboxed(np.asarray(image[..., ::-1], np.uint8), spec)


class Interpreter:
    """The original file in the TFLite interpreter, with a card's order and layout."""

    def __init__(self, original: bytes, names: list[str]) -> None:
        # its own kernels: XNNPACK's rounding strays further, on some noise half of the tolerance
        kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._net = litert.Interpreter(
            model_content=original, experimental_op_resolver_type=kernels
        )
        self._net.allocate_tensors()
        places: dict[str, Any] = {d["name"]: d["index"] for d in self._net.get_output_details()}
        self._outputs = [places[name] for name in names]

    def run(self, image: FloatArray) -> list[FloatArray]:
        (detail,) = self._net.get_input_details()
        self._net.set_tensor(detail["index"], image.transpose(0, 2, 3, 1))
        self._net.invoke()
        outputs = [self._net.get_tensor(index) for index in self._outputs]
        return [out.transpose(0, 3, 1, 2) if out.ndim == 4 else out for out in outputs]


def check(path: Path, original: bytes, outputs: dict[str, str], inputs: list[FloatArray]) -> None:
    session = open_session(path, "cpu", threads=2)
    interpreter = Interpreter(original, list(outputs))
    expected = [interpreter.run(image) for image in inputs]
    found = [session.run(image) for image in inputs]
    for i, name in enumerate(outputs.values()):
        want = np.stack([outs[i] for outs in expected])
        got = np.stack([outs[i] for outs in found])
        assert got.shape == want.shape, name
        spread: NDArray[Any] = np.ptp(want)
        assert spread > 0, f"{name} is the same for all inputs"
        error = float(np.abs(got - want).max() / spread)
        assert error < TOLERANCE, f"{name} differs by {error:.1e} of its range"


def test_outputs_equal_those_of_tflite_for_random_and_drawn_inputs(
    network: tuple[ModelFile, Path, bytes],
) -> None:
    file, path, original = network
    inputs = [*random_inputs(file.inputs[0]), *drawn_inputs(file.inputs[0])]
    check(path, original, {value.tensor: value.name for value in file.outputs}, inputs)


def test_outputs_equal_those_of_tflite_for_pictures(
    network: tuple[ModelFile, Path, bytes], data: Path
) -> None:
    file, path, original = network
    inputs = list(photographed_inputs(file.inputs[0], data))
    check(path, original, {value.tensor: value.name for value in file.outputs}, inputs)


def test_card_has_the_names_and_shapes_of_the_file(
    network: tuple[ModelFile, Path, bytes],
) -> None:
    onnx = importlib.import_module("onnx")
    file, path, _ = network
    graph = onnx.load(path).graph
    for values, specs in ((graph.input, file.inputs), (graph.output, file.outputs)):
        assert [value.name for value in values] == [spec.name for spec in specs]
        for value, spec in zip(values, specs, strict=True):
            batch, *dims = value.type.tensor_type.shape.dim
            assert batch.dim_param == "batch"
            assert tuple(dim.dim_value for dim in dims) == spec.shape[1:]
    # the layout holds throughout: only boxes are brought into the order of their anchors
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Transpose") <= 2 * len(file.outputs) + 2
