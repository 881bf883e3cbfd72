"""What ``create_estimator`` and ``create_body_hands`` hand on."""

import inspect
from pathlib import Path

import pytest

import pose_ros
from pose_ros import build
from pose_ros.errors import ModelError, OptionError
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions


class Silent:
    """A session that is never run."""

    provider = "cpu"

    def __init__(self):
        self.outputs = ()

    def select(self, signature, file):
        self.outputs = tuple(signature.outputs)


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
    opened.clear()
    pose_ros.create_body_hands(provider="tensorrt", models_dir="/models", **asked)
    assert opened == [
        (Path("/models", role), "tensorrt", asked) for role in ("recrop", "landmarks")
    ]


def test_hands_have_the_options_asked_for(monkeypatch):
    monkeypatch.setattr(build, "open_session", lambda *arguments, **options: Silent())
    monkeypatch.setattr(build, "model_path", lambda *arguments: Path())
    asked = {"min_tracking_confidence": 0.7, "smoothing": False, "static": True}
    hands = pose_ros.create_body_hands("blazehand-lite", **asked)
    assert hands.network == "blazehand-lite"
    assert hands.options == EstimatorOptions(**asked)


def test_a_network_of_bodies_finds_no_hands():
    with pytest.raises(ModelError, match="blazepose-lite finds no hands .* blazehand-full does"):
        pose_ros.create_body_hands("blazepose-lite")


def test_option_that_a_network_lacks_gives_a_one_line_error(openpose_models, caplog):
    def warnings(**options):
        caplog.clear()
        build.create_estimator("openpose-mobilenet", models_dir=openpose_models, **options)
        return [record.getMessage() for record in caplog.records]

    assert warnings() == []
    assert warnings(detect_tiles=2) == [
        "openpose-mobilenet looks at the whole image alone: detect_tiles does nothing"
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


def test_unknown_precision_is_refused():
    with pytest.raises(pose_ros.PoseRosError, match="precision must be one of fp32, fp16"):
        pose_ros.create_estimator(precision="int4")


@pytest.mark.parametrize("make", [pose_ros.create_estimator, pose_ros.create_body_hands])
def test_help_shows_every_option_as_a_keyword(make):
    shown = inspect.signature(make).parameters
    assert shown["max_people"].default == EstimatorOptions().max_people
    assert shown["threads"].default == EngineOptions().threads
    assert {"options", "engine", "provider", "models_dir", "reid_timeout"} <= set(shown)


def test_a_misspelled_option_is_named_with_the_near_one():
    with pytest.raises(OptionError, match=r"no option 'max_peple' \(did you mean 'max_people'\?\)"):
        pose_ros.create_estimator(max_peple=3)


def test_keywords_change_the_options_that_are_given(monkeypatch):
    opened = []

    def open_session(path, provider, **options):
        opened.append((provider, options["threads"]))
        return Silent()

    monkeypatch.setattr(build, "open_session", open_session)
    monkeypatch.setattr(build, "model_path", lambda *arguments: Path())
    options = EstimatorOptions(max_people=4, finder="blazepose")
    engine = EngineOptions(provider="cuda", threads=3)
    estimator = pose_ros.create_estimator(options=options, engine=engine, threads=5, static=True)
    assert opened == [("cuda", 5)] * 2
    assert estimator.options == EstimatorOptions(max_people=4, finder="blazepose", static=True)
    assert options.static is False
