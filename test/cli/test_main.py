"""The command line as a user meets it: help, versions, errors in one line."""

import importlib.util
import json
import subprocess
import sys

import pytest

import pose_ros
from pose_ros import __version__
from pose_ros.cli.main import COMMANDS, main


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pose_ros.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("demo", "up", "watch")])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: pose-ros " + command in capsys.readouterr().out


def test_version_option_prints_the_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_known_error_is_printed_in_one_line_with_exit_code_1():
    done = run("estimate", "no_such_file.jpg")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no_such_file.jpg" in done.stderr
    assert not done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from pose_ros.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'cv2', 'onnxruntime', 'scipy', 'numpy', 'rclpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_doctor_names_the_engine_and_the_models(capsys):
    assert main(["doctor", "--json", "--no-graph"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "cpu" in found["engine"]["providers"]
    assert "blazepose-full" in found["models"]


def test_doctor_reports_the_provider_in_use(capsys, tmp_path):
    pose_ros.create_estimator()  # so that a network is there
    assert main(["doctor", "--json", "--no-graph"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"]["runs on"] in ("cpu", "cuda")
    assert main(["doctor", "--json", "--no-graph", "--models-dir", str(tmp_path)]) == 0
    runs_on = json.loads(capsys.readouterr().out)["engine"]["runs on"]
    assert "pose-ros models get blazepose-full" in runs_on


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["estimte"], 2, "there is no 'estimte' (did you mean 'estimate'?)"),
        (["bag", "inf"], 2, "there is no 'inf' (did you mean 'info'?)"),
        (["bag", "info", "walk", "--jsn"], 2, "--jsn (did you mean '--json'?); pose-ros bag info"),
        (["estimate", "a.jpg", "--ray", "elbow_wirst"], 2, "(did you mean 'elbow_wrist'?)"),
        (["estimate", "a.jpg", "--fps", "x"], 2, "argument --fps: invalid float value: 'x'"),
        (["estimate"], 2, "the following arguments are required: INPUT"),
        (["estimate", "synthetic:crosing"], 1, "(did you mean 'crossing'?)"),
        (["estimate", "synthetic:wave?heigth=9"], 1, "'heigth' (did you mean 'height'?)"),
        (["estimate", "synthetic", "--network", "blazepose-ful"], 1, "mean 'blazepose-full'"),
        (["estimate", "synthetic", "--overlay", "lnks"], 1, "(did you mean 'links'?)"),
        (["estimate", "synthetic", "--joints", "elbw", "--report", "x.html"], 1, "'elbow'?)"),
        (["demo", "--write-bag", "none", "--scene", "wakling"], 1, "(did you mean 'walking'?)"),
        (["bag", "info", "clip.mp4"], 1, "is a video and no bag: pose-ros estimate finds"),
        (["bag", "info", "photo.jpg"], 1, "is a picture and no bag: pose-ros estimate finds"),
    ],
)  # fmt: skip
def test_misspelled_word_gives_a_one_line_error_with_the_nearest_known_one(
    tmp_path, monkeypatch, capsys, words, code, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "photo.jpg"):
        (tmp_path / name).write_bytes(b"its content does not matter here")
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            main(words)
    else:
        assert main(words) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["up", "watch", "demo"])
def test_command_that_needs_ros_says_so_in_one_line(command, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main([command]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"pose-ros {command}: no ROS 2 here: source /opt/ros/")
    assert error.count("\n") == 1


def test_doctor_without_ros_leaves_the_graph_out(capsys, monkeypatch):
    from pose_ros.cli import doctor

    monkeypatch.setattr(doctor, "_ros", lambda: "no ROS 2 here")
    assert main(["doctor", "--json"]) == 0
    subjects = {finding["subject"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert "graph" not in subjects
