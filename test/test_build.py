"""What ``create_estimator`` hands on."""

from pathlib import Path

import pytest

import pose_ros
from pose_ros import build


class Silent:
    """A session that is never run."""

    provider = "cpu"


def test_every_network_is_opened_as_asked(monkeypatch):
    opened = []

    def open_session(path, provider, **options):
        opened.append((path, provider, options))
        return Silent()

    monkeypatch.setattr(build, "open_session", open_session)
    monkeypatch.setattr(build, "model_path", lambda card, role, folder: Path(folder, role))
    asked = {"require_gpu": True, "threads": 3, "precision": "fp16"}
    pose_ros.create_estimator(provider="tensorrt", models_dir="/models", **asked)
    assert opened == [
        (Path("/models", role), "tensorrt", asked) for role in ("detector", "landmarks")
    ]


def test_precision_is_full_unless_asked(monkeypatch):
    precisions = []

    def open_session(path, provider, *, precision, **options):
        precisions.append(precision)
        return Silent()

    monkeypatch.setattr(build, "open_session", open_session)
    monkeypatch.setattr(build, "model_path", lambda *arguments: Path())
    pose_ros.create_estimator()
    assert precisions == ["fp32", "fp32"]


def test_precision_out_of_range():
    with pytest.raises(pose_ros.PoseRosError, match="precision must be one of fp32, fp16"):
        pose_ros.create_estimator(precision="int4")
