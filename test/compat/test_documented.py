"""The samples of docs/how-to/coming_from.md and the examples of the modules run."""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_ros.compat import jetson_utils, posenet
from pose_ros.sources.opening import open_source

PAGE = "docs/how-to/coming_from.md"


def blocks(text: str) -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for block in found if "pose_ros.compat" in block]


def test_samples_of_the_page_run_unchanged(
    checkout, data, posenet_models, tmp_path, monkeypatch, capsys
):
    shutil.copy(data / "images" / "humans_0.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    clip, scene = jetson_utils.videoOutput("clip.mp4"), open_source("synthetic:wave", live=False)
    for _ in range(2):
        clip.Render(np.ascontiguousarray(scene.read().image[..., ::-1]))
    clip.Close()
    rgb = np.ascontiguousarray(cv2.imread("photo.jpg")[..., ::-1])
    before = rgb.copy()
    load = posenet.load
    monkeypatch.setattr(posenet, "load", lambda config: load(None, models_dir=posenet_models))
    samples = blocks((checkout / PAGE).read_text(encoding="utf-8"))
    assert len(samples) == 4
    for sample in samples:
        # its weights cannot be fetched by tests
        source = sample.replace("resnet18-body", "blazepose-full")
        exec(compile(source, "sample", "exec"), {"rgb": rgb, "cv2": cv2})
    assert (rgb != before).any()
    assert {path.name for path in Path().iterdir()} == {
        *("photo.jpg", "clip.mp4", "out.mp4", "out.jpg")
    }
    assert capsys.readouterr().out.count("[[") >= 1


@pytest.mark.parametrize("name", ["mediapipe", "jetson", "openpose", "posenet"])
def test_examples_of_a_module_run(name, posenet_models, monkeypatch):
    load = posenet.load
    monkeypatch.setattr(posenet, "load", lambda: load(models_dir=posenet_models))
    module = importlib.import_module(f"pose_ros.compat.{name}")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted >= 6
    assert result.failed == 0


def test_imports_of_the_page_work(checkout):
    text = (checkout / PAGE).read_text(encoding="utf-8")
    imports = re.findall(r"`((?:import|from) pose_ros\.compat[^`]*)`", text)
    assert len(imports) == 7
    for line in imports:
        exec(line, {})
