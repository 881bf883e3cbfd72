"""``pose-ros bench``: what it times, and what it refuses."""

import gzip
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_ros.bench import parity, peer, speed
from pose_ros.cli.main import main
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.errors import RuntimeUnavailableError
from pose_ros.models.card import load_card


def test_everything_is_timed_in_turns(capsys):
    arguments = ["bench", "synthetic:stand", "--frames", "10", "--rounds", "1", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["ms"]) == [
        "blazepose-full, whole chain",
        "its detector network alone",
        "its landmarks network alone",
    ]
    assert all(len(row) == 4 for row in found["ms"].values())
    assert set(found["ratios"]) == set(list(found["ms"])[1:])


def test_other_networks_take_turns(lite_models, capsys):
    arguments = ["synthetic:stand", "--frames", "10", "--rounds", "1", "--json"]
    arguments += ["--network", "blazepose-lite", "--models-dir", str(lite_models)]
    assert main(["bench", *arguments, "--against", "blazepose-lite"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, other = list(found["ms"])[:2]
    assert (first, other) == ("blazepose-lite, whole chain", "blazepose-lite, whole chain, fp32")
    assert next(iter(found["ratios"])) == other


def test_few_pictures_and_other_names_will_do(tmp_path, capsys, monkeypatch):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 90, np.uint8))
    arguments = ["bench", str(tmp_path), "--rounds", "1", "--network", "BlazePose_full"]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["ms"]
    assert len(rows) == 3
    assert all(np.isfinite(row).all() for row in rows.values())

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
    assert main([*arguments, "--parity", "--static"]) == 0
    assert asked == [("pose", 1)]


def test_lifting_is_measured_on_drawn_people(tmp_path, capsys):
    picture = tmp_path / "errors.png"
    arguments = ["--lift", "--frames", "10", "--seed", "3", "--plot", str(picture), "--json"]
    assert main(["bench", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(0.2 < row["distance cm"] < 6.0 for row in told["keypoints"].values())
    found = told["lifting"]
    assert {"height known", "nothing known", "depth camera"} <= set(found)
    assert found["depth camera"]["joints median cm"] < found["nothing known"]["joints median cm"]
    # on true pixels and shapes hardly anything is left to be wrong
    assert found["height known, true pixels and shape"]["pointing median deg"] < 5.0
    assert cv2.imread(str(picture)).shape == (900, 720, 3)


def test_lifting_is_measured_on_real_people(data, capsys):
    arguments = ["--lift", "--real", str(data / "real3d"), "--frames", "10", "--json"]
    assert main(["bench", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)["lifting"]
    assert list(found) == ["caliscope", "pose2sim", "mean of the sets"]
    one, other, mean = found.values()
    assert 15 <= other["people"] <= 20
    assert 30 <= one["people"] <= 40
    assert mean["arm median deg"] == pytest.approx(
        (one["arm median deg"] + other["arm median deg"]) / 2
    )
    assert other["hips median %"] < 6.0
    assert one["hips median %"] is None  # out of sight: no number


def test_real_people_whose_truth_cannot_be_read_are_named(tmp_path, capsys):
    folder = tmp_path / "clips" / "one"
    folder.mkdir(parents=True)
    (folder / "truth.npz").write_text("no truth")
    assert main(["bench", "--lift", "--real", str(folder.parent)]) == 1
    assert f"{folder}: not a set of clips with truth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lift", "--real", "/no/such/folder"], "expected folders with truth.npz"),
        (["--real", "clips"], "--real is of --lift"),
        (["--frames", "9"], "--frames must be at least 10, got 9"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["no_such_clip.mp4"], "no_such_clip.mp4"),
        (["--lift", "--network", "blazehand-full"], "not with blazehand-full"),
        (["--lift", "--frames", "10", "--plot", "/no/such/folder.jpg"], "no such folder"),
    ],
)
def test_impossible_arguments_are_one_line(arguments, message, capsys):
    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_contenders_take_turns_and_none_always_begins():
    order = []

    def contender(name):
        def block(first, last):
            order.append((name, first, last))
            return 0.02, 0.04

        return block

    timings = speed.race({"a": contender("a"), "b": contender("b")}, 20, block=10, rounds=2)
    assert order[:4] == [("a", 0, 10), ("b", 0, 10), ("b", 10, 20), ("a", 10, 20)]
    assert len(order) == 3 * 4  # the warm-up too
    assert timings["a"].wall_ms.tolist() == [2.0] * 4
    assert speed.ratio(timings["a"], timings["b"]) == (1.0, 1.0)
    nothing = speed.Timing(np.zeros(3), np.zeros(3))  # as a coarse clock tells
    assert speed.ratio(timings["a"], nothing) == (None, None)
    assert "a" in speed.table(timings)


def test_a_difference_is_measured_over_the_box():
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
        monkeypatch.setattr(peer, "mediapipe_python", lambda: Path(sys.executable))
        monkeypatch.setattr(peer, "_WORKER", script)

    return use


def test_hands_are_compared_with_mediapipe_s(recorded, data, capsys):
    reference = data / "references" / "mediapipe_hands_images.json"
    known = json.loads(reference.read_text())["images"]
    pictures = sorted((data / "hands").glob("*.jpg"))
    recorded([known[path.name] for path in pictures])
    arguments = ["bench", str(data / "hands" / "*.jpg"), "--parity", "--static", "--json"]
    assert main([*arguments, "--network", "blazehand-full", "--max-people", "2"]) == 0
    found = json.loads(capsys.readouterr().out)["picture by picture"]
    assert (found["frames"], found["disagreements"]) == (8, 0)
    assert found["distance, mean, % of the box's diagonal"] < 0.01
    assert found["score, mean difference"] < 0.01
    assert found["world, mean, mm"] < 0.5


def test_people_are_compared_with_mediapipe_s_and_timed(recorded, data, capsys):
    with gzip.open(data / "references" / "mediapipe_pose_dance_unsmoothed.json.gz") as file:
        recorded(json.load(file)["frames"])
    arguments = ["bench", str(data / "video" / "dance.avi"), "--frames", "10", "--json"]
    assert main([*arguments, "--parity", "--no-smoothing"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["as a clip", "step by step"]
    assert (found["as a clip"]["frames"], found["as a clip"]["disagreements"]) == (10, 0)
    assert found["as a clip"]["distance, mean, % of the box's diagonal"] < 1
    assert main([*arguments, "--mediapipe", "--rounds", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ms"]["MediaPipe"] == [100.0, 100.0, 200.0, 200.0]
    assert found["ratios"]["MediaPipe"][0] > 0


def test_landmarks_that_mediapipe_lacks_are_placed_where_it_looks(lite_models, data, tmp_path):
    card = load_card("blazepose-lite")
    with pytest.raises(RuntimeUnavailableError, match=f"no MediaPipe in {tmp_path}"):
        peer.place_landmarks(card, tmp_path, lite_models)
    folder = tmp_path / "lib/python3.11/site-packages/mediapipe/modules/pose_landmark"
    folder.mkdir(parents=True)
    (folder / "pose_landmark_lite.tflite").write_bytes(b"a download that broke")
    peer.place_landmarks(card, tmp_path, lite_models)
    original = data / "blazepose" / "pose_landmark_lite.tflite"
    assert (folder / "pose_landmark_lite.tflite").read_bytes() == original.read_bytes()


def test_what_mediapipe_does_not_have_is_not_compared(monkeypatch, capsys):
    monkeypatch.setattr("pose_ros.cli.bench.build_estimator", lambda _args: None)
    arguments = ["bench", "synthetic:stand", "--frames", "10", "--network", "posenet-mobilenet"]
    assert main([*arguments, "--parity"]) == 1
    assert "blazehand-full can be compared with MediaPipe" in capsys.readouterr().err
