"""MediaPipe as a peer: parity with its landmarks, and speed in turns with it."""

import gzip
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import mediapipe_peer, parity, speed
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.errors import RuntimeUnavailableError
from pose_ros.models.card import load_card


def test_landmarks_of_each_picture_are_compared(tmp_path, monkeypatch):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 90, np.uint8))
    asked = []

    class MediaPipe:
        """Finds no people, and records how it was opened."""

        def __init__(self, frames):
            self.count = len(frames)

        def open(self, solution, **options):
            asked.append((solution, options["model_complexity"]))

        def run(self, first, last):
            return {"results": [None] * (last - first)}

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(parity, "MediaPipe", MediaPipe)
    assert parity.main([str(tmp_path), "--network", "BlazePose_full", "--static"]) == 0
    assert asked == [("pose", 1)]


def test_difference_is_relative_to_the_size_of_the_box():
    skeleton = skeletons.get("blazepose33")
    landmarks = np.zeros((33, 4))
    landmarks[0, :2] = (30, 40)  # a diagonal of 50 pixels
    expected = {"landmarks": landmarks.tolist(), "world": np.zeros((33, 3)).tolist()}
    poses = Poses(
        skeleton,
        np.zeros(1, np.int64),
        np.ones(1),
        np.zeros((1, 4)),
        landmarks[None, :, :2] + (3.0, 4.0),
        np.full((1, 33), 0.25),
        world=np.full((1, 33, 3), 0.1),
    )
    found = parity.difference(poses, expected)
    assert found is not None
    assert np.allclose(found.pixels, 5)
    assert np.allclose(found.relative, 0.1)
    assert np.allclose(found.score, 0.25)
    assert np.allclose(found.world_m, 0.1 * np.sqrt(3))
    assert parity.difference(poses, None) is None
    assert parity.difference(Poses.empty(skeleton), expected) is None


RECORDED = """
import json, sys
answers = json.loads(open({path!r}).read())
for line in sys.stdin:
    request = json.loads(line)
    answer = {{}}
    if request["op"] == "run":
        results = answers[request["first"]:request["last"]]
        answer = {{"wall": 0.1 * len(results), "cpu": 0.2 * len(results), "results": results}}
    print(json.dumps(answer), flush=True)
"""
"""Answers as ``mediapipe_worker`` does, with what MediaPipe once found."""


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A stand-in for the process that runs MediaPipe, given MediaPipe's recorded answers."""

    def use(answers):
        path, script = tmp_path / "answers.json", tmp_path / "worker.py"
        path.write_text(json.dumps(answers))
        script.write_text(RECORDED.format(path=str(path)))
        monkeypatch.setattr(mediapipe_peer, "mediapipe_python", lambda: Path(sys.executable))
        monkeypatch.setattr(mediapipe_peer, "_WORKER", script)

    return use


def test_hands_are_compared_with_mediapipe_s(recorded, data, capsys):
    reference = data / "references" / "mediapipe_hands_images.json"
    known = json.loads(reference.read_text())["images"]
    pictures = sorted((data / "hands").glob("*.jpg"))
    recorded([known[path.name] for path in pictures])
    arguments = [str(data / "hands" / "*.jpg"), "--static", "--json"]
    assert parity.main([*arguments, "--network", "blazehand-full", "--max-people", "2"]) == 0
    found = json.loads(capsys.readouterr().out)["picture by picture"]
    assert (found["frames"], found["disagreements"]) == (8, 0)
    assert found["distance, mean, % of the box's diagonal"] < 0.01
    assert found["score, mean difference"] < 0.01
    assert found["world, mean, mm"] < 0.5


def test_people_are_compared_with_mediapipe_s_and_timed(recorded, data, capsys):
    with gzip.open(data / "references" / "mediapipe_pose_dance_unsmoothed.json.gz") as file:
        recorded(json.load(file)["frames"])
    arguments = [str(data / "video" / "dance.avi"), "--frames", "10", "--json"]
    assert parity.main([*arguments, "--no-smoothing"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["as a clip", "step by step"]
    assert (found["as a clip"]["frames"], found["as a clip"]["disagreements"]) == (10, 0)
    assert found["as a clip"]["distance, mean, % of the box's diagonal"] < 1
    assert speed.main([*arguments, "--rounds", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ms"]["MediaPipe"] == [100.0, 100.0, 200.0, 200.0]
    assert found["ratios"]["MediaPipe"][0] > 0


def test_landmarks_that_mediapipe_lacks_are_placed_where_it_looks(lite_models, data, tmp_path):
    card = load_card("blazepose-lite")
    with pytest.raises(RuntimeUnavailableError, match=f"no MediaPipe in {tmp_path}"):
        mediapipe_peer.place_landmarks(card, tmp_path, lite_models)
    folder = tmp_path / "lib/python3.11/site-packages/mediapipe/modules/pose_landmark"
    folder.mkdir(parents=True)
    (folder / "pose_landmark_lite.tflite").write_bytes(b"a download that broke")
    mediapipe_peer.place_landmarks(card, tmp_path, lite_models)
    original = data / "blazepose" / "pose_landmark_lite.tflite"
    assert (folder / "pose_landmark_lite.tflite").read_bytes() == original.read_bytes()


@pytest.mark.parametrize("program", [parity, speed])
def test_what_mediapipe_does_not_have_is_not_compared(program, capsys):
    arguments = ["synthetic:stand", "--frames", "10", "--network", "posenet-mobilenet"]
    assert program.main(arguments) == 1
    assert "blazehand-full can be compared with MediaPipe" in capsys.readouterr().err
