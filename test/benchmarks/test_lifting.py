"""Lifting, measured on drawn and real people: printed tables and refused arguments."""

import json

import cv2
import pytest

from benchmarks import lifting, real_people


def test_lifting_is_measured_on_drawn_people(tmp_path, capsys):
    picture = tmp_path / "errors.png"
    arguments = ["--frames", "10", "--seed", "3", "--plot", str(picture), "--json"]
    assert lifting.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert all(0.2 < row["distance cm"] < 6.0 for row in printed["keypoints"].values())
    found = printed["lifting"]
    assert {"height known", "nothing known", "depth camera"} <= set(found)
    assert found["depth camera"]["joints median cm"] < found["nothing known"]["joints median cm"]
    # on true pixels and shapes hardly anything is left to be wrong
    assert found["height known, true pixels and shape"]["pointing median deg"] < 5.0
    assert cv2.imread(str(picture)).shape == (900, 720, 3)


def test_lifting_is_measured_on_real_people(data, capsys):
    arguments = [str(data / "real3d"), "--frames", "10", "--json"]
    assert real_people.main(arguments) == 0
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
    assert real_people.main([str(folder.parent)]) == 1
    assert f"{folder}: not a set of clips with truth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (real_people, ["/no/such/folder"], "expected folders with truth.npz"),
        (real_people, ["/no/such/folder", "--frames", "0"], "--frames must be at least 1, got 0"),
        (lifting, ["--network", "blazehand-full"], "not with blazehand-full"),
        (lifting, ["--frames", "10", "--plot", "/no/such/folder.jpg"], "no such folder"),
    ],
)
def test_impossible_arguments_give_a_one_line_error(program, arguments, message, capsys):
    assert program.main(arguments) == 1
    assert message in capsys.readouterr().err
