"""``pose-ros gesture``: taught from drawn people, tested, listed and removed."""

import numpy as np
import pytest

import pose_ros
from pose_ros.cli.main import main


def gesture(*arguments):
    return main(["gesture", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "gestures.yaml"


def test_body_gesture_is_taught_tested_listed_and_removed(file, capsys):
    source = "synthetic:t_pose"
    assert (
        gesture("teach", "airplane", "--body", "--from", source, "--examples", 4, "--file", file)
        == 0
    )
    assert "airplane: 4 examples taken, 4 in all" in capsys.readouterr().err
    assert gesture("list", "--file", file) == 0
    assert capsys.readouterr().out == "airplane: 4 examples of blazepose33\n"
    assert gesture("test", "--from", source, "--every", 1, "--file", file) == 0
    assert "airplane (" in capsys.readouterr().out
    assert gesture("test", "--from", "synthetic:stand", "--every", 1, "--file", file) == 0
    assert "airplane" not in capsys.readouterr().out
    assert gesture("remove", "airplane", "--file", file) == 0
    assert gesture("list", "--file", file) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("teach", "fist", "--from", "synthetic:stand"), "fist is the name of a gesture that is"),
        (
            ("teach", "mine", "--from", "synthetic:stand", "--examples", 0),
            "at least 1 example is needed",
        ),
        (("list",), "cannot read"),
    ],
)
def test_impossible_gesture_command_gives_a_one_line_error(file, capsys, arguments, message):
    assert gesture(*arguments, "--file", file) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not file.exists()


def test_movement_that_was_not_taught_gives_a_one_line_error(tmp_path, capsys) -> None:
    made = pose_ros.TaughtGestures("blazepose33")
    made.add("hop_up", np.random.default_rng(0).normal(size=(33, 3)))
    made.save(tmp_path / "body.yaml")
    teach = ("teach", "hop_down", "--body", "--side", "left", "--from", "synthetic:stand")
    assert gesture(*teach, "--file", tmp_path / "body.yaml") == 1
    assert "a side is for hands" in capsys.readouterr().err
    clip = "synthetic:stand?live=0"
    assert main(["estimate", clip, "--count", "hop"]) == 1
    assert "--count hop needs --taught FILE with hop_up and hop_down" in capsys.readouterr().err
    assert main(["estimate", clip, "--count", "hop", "--taught", f"{tmp_path}/body.yaml"]) == 1
    assert "which has hop_up" in capsys.readouterr().err
