"""``pose-ros bag run`` as a user meets it: a bag in, a bag out, and what went wrong in a line."""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from pose_ros.bags.reader import open_bag
from pose_ros.cli.main import main
from pose_ros.cli.options import add_gesture_arguments, gesture_options
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.settings.command_line import from_args
from pose_ros.settings.gestures import GestureOptions, TargetOptions


def test_results_of_a_bag_are_written_to_a_bag(scene_bag, tmp_path, capsys):
    out = tmp_path / "results"
    words = ["--out", str(out), "--end", "0.35", "--storage", "sqlite3", "--person-height", "1.8"]
    assert main(["bag", "run", str(scene_bag), *words, "--no-gestures"]) == 0
    printed = capsys.readouterr().err
    assert "4 images, 4 with people (1 id)" in printed
    assert f"written: {out}" in printed
    with open_bag(out) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert bag.storage == "sqlite3"
        assert json.loads(bag.custom["pose_ros"])["options"]["lift"]["height"] == 1.8
    assert counts == {
        "/pose/poses": 4,
        "/pose/skeleton": 1,
        "/tf": 8,
        "/tf_static": 1,
    }
    assert main(["bag", "run", str(scene_bag), *words]) == 1
    assert "is there already; --force replaces it" in capsys.readouterr().err
    assert main(["bag", "run", str(scene_bag), *words, "--force", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_truncated_bag_is_reported_with_exit_code_2(scene_bag, tmp_path, capsys):
    cut = tmp_path / "cut.mcap"
    whole = next(scene_bag.glob("*.mcap")).read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    assert main(["bag", "run", str(cut), "--json", str(tmp_path / "x.jsonl"), "--quiet"]) == 2
    assert "cut off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ([], "nothing would be written"),
        (["--json", "x", "--copy-images"], "--copy-images works only with --out"),
        (["--out", "x", "--camera-pitch", "3"], "--camera-pitch works only with --camera-height"),
        (["--out", "x", "--camera-roll", "3"], "--camera-roll works only with --camera-height"),
        (["--out", "x", "--camera-info", "no.yaml"], "calibration: cannot read no.yaml"),
        (
            ["--out", "x", "--hand-network", "blazehand-full"],
            "--hand-network works only with --hands",
        ),
        (["--out", "x", "--topic", "/nope"], "has no topic /nope"),
        (["--out", "x", "--every", "0"], "every must be 1 or more"),
        (["--out", "x", "--person-height", "5"], "height"),
        (["--out", "x", "--hfov", "200"], "hfov"),
        (["--out", "/proc/x"], "cannot write /proc/x"),
        (["--out", "x", "--start", "9"], "holds no image of /camera/image_raw in that time"),
    ],
)
def test_impossible_arguments_give_a_one_line_error(
    scene_bag, tmp_path, monkeypatch, capsys, words, printed
):
    monkeypatch.chdir(tmp_path)
    assert main(["bag", "run", str(scene_bag), *words]) == 1
    error = capsys.readouterr().err
    assert printed in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nope", "nope/*", "text.txt", "empty"])
def test_path_without_a_recording_gives_a_one_line_error(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("words")
    (tmp_path / "empty").mkdir()
    assert main(["bag", "run", name, "--out", "x"]) == 1
    error = capsys.readouterr().err
    assert name in error
    assert error.count("\n") == 1


def test_run_after_a_killed_run_starts_from_the_beginning(scene_bag, tmp_path, monkeypatch, caplog):
    out = tmp_path / "results"
    command = [sys.executable, "-m", "pose_ros.cli.main", "bag", "run", str(scene_bag)]
    command += ["--out", str(out), "--json", "-"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pipesize=4096
    )
    assert process.stdout
    # it has written something, and waits: so little fits into the pipe
    assert process.stdout.read(1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not out.exists()
    assert (tmp_path / "results.partial").is_dir()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert main([*command[3:-1], "x", "--quiet"]) == 0
    assert caplog.messages == [f"{out}: an earlier run did not finish; it begins again"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "x"]


def test_gestures_equal_those_of_the_node(scene_bag):
    for wanted in (True, False):
        parser = argparse.ArgumentParser()
        add_gesture_arguments(parser, wanted=wanted)
        words = [] if wanted else ["--gestures"]
        assert gesture_options(parser.parse_args(words)) == GestureOptions()
        assert from_args(TargetOptions, parser.parse_args(words)) == TargetOptions()
        assert from_args(TargetOptions, parser.parse_args(["--max-range", "3"])).max_range == 3.0


def test_taught_gesture_is_found_in_a_recording_and_a_damaged_file_is_refused(
    scene_bag, tmp_path, capsys
):
    file = tmp_path / "gestures.yaml"
    teach = ["gesture", "teach", "salute", "--body", "--from", str(scene_bag), "--every", "0.1"]
    assert main([*teach, "--examples", "5", "--file", str(file)]) == 0
    words = ["bag", "run", str(scene_bag), "--quiet", "--hold-time", "0.1", "--taught", str(file)]
    assert main([*words, "--out", str(tmp_path / "results")]) == 0
    with open_bag(tmp_path / "results") as bag:
        found = [
            gesture.name
            for message in bag.messages(["/gesture/gestures"])
            for gesture in gestures_from_msg(message.read())
        ]
    assert "salute" in found
    assert "raise_hand" in found
    file.write_text("salute", encoding="utf-8")
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "more")]) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert error.count("\n") == 1
