"""Networks in whole numbers, from the drawn scenes to the file in the cache."""

import json
import shutil

import pytest

import pose_ros
from pose_ros import int8
from pose_ros.errors import ModelError, OptionError, RuntimeUnavailableError
from pose_ros.models import store
from pose_ros.models.card import load_card
from pose_ros.runtime import quantization

CARD = load_card("blazepose-full")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model cache with blazepose-full, and scenes that are soon over."""
    for path in store.get(CARD).values():
        for found in path.parent.glob(f"{path.stem}.*"):
            if "int8" not in found.name:
                shutil.copy(found, tmp_path)
    monkeypatch.setitem(int8.SCENES, "blazepose", ("synthetic?fps=0.2&live=0",))
    monkeypatch.setitem(int8.OTHER_SCENES, "blazepose", ("synthetic?fps=0.15&live=0&seed=1",))
    return tmp_path


def make(folder):
    lines: list[str] = []
    return int8.int8_path(CARD, "landmarks", folder, lines.append), lines


def test_quantized_network_is_made_once_and_its_error_is_logged(folder):
    path, lines = make(folder)
    assert path == folder / "blazepose-landmarks-full.int8.onnx"
    assert "preparing blazepose-landmarks-full.int8" in lines[0]
    assert "% of their box's diagonal in the mean" in lines[1]
    assert " mm in the world" in lines[1]
    loss = json.loads(path.with_suffix(".json").read_text())["loss"]
    assert 0 < loss["mean"] < loss["p99"]
    assert loss["count"] >= 2
    before = path.stat().st_mtime_ns
    assert make(folder) == (path, [])
    # a damaged file is made again
    path.write_bytes(path.read_bytes()[:-1])
    assert len(make(folder)[1]) == 2
    assert path.stat().st_mtime_ns != before
    estimator = pose_ros.create_estimator(precision="int8", models_dir=folder)
    assert estimator.provider == "cpu"


def test_a_file_without_a_plan_stays_as_it_is(folder):
    assert int8.int8_path(CARD, "detector", folder) == folder / "blazepose-detector.onnx"


def test_quantized_network_with_too_large_an_error_is_refused(folder, monkeypatch):
    monkeypatch.setattr(int8, "MAX_LOSS", 1e-6)
    with pytest.raises(RuntimeUnavailableError, match="too inexact on this processor"):
        make(folder)
    assert not (folder / "blazepose-landmarks-full.int8.json").exists()  # it does not count


def test_without_the_packages_nothing_is_begun(folder, monkeypatch):
    def missing():
        raise RuntimeUnavailableError("precision int8 needs onnx once")

    monkeypatch.setattr(quantization, "require_packages", missing)
    with pytest.raises(RuntimeUnavailableError, match="needs onnx once"):
        make(folder)
    assert not (folder / "blazepose-landmarks-full.int8.onnx").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"network": "blazepose-lite"}, ModelError, "blazepose-lite has no precision int8"),
        ({"provider": "cuda"}, OptionError, "precision 'int8' is for provider 'cpu'"),
        ({"require_gpu": True}, OptionError, "require_gpu contradicts"),
    ],
)
def test_int8_with_impossible_options_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        pose_ros.create_estimator(precision="int8", **options)
