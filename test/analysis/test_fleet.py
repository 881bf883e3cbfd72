"""Many recordings by processes of this machine: each is processed once, also when processes die."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pose_ros.analysis import workers
from pose_ros.analysis.fleet import FleetOptions, Recording, find_recordings, slices
from pose_ros.analysis.jobs import PARTIAL
from pose_ros.analysis.task import BagTask
from pose_ros.cli.main import main
from pose_ros.errors import OptionError, SourceError

NAMES = ["day1/run1", "day1/run2", "day2/run1"]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_recordings_are_found_below_a_folder(tmp_path):
    touch(
        tmp_path,
        "a/metadata.yaml", "a/whatever.db3", "a/deeper/b.mcap",  # all of it is the recording a
        "day/c/c_0.mcap", "day/c/c_1.mcap",  # has lost its metadata.yaml
        "day/d.mcap", "day/e.db3.zstd", "day/notes.txt",
        "out/f/task.json", "out/f/results/metadata.yaml",  # results of ours
        ".hidden/g.mcap",
        "left/metadata.yaml",
    )  # fmt: skip
    found = find_recordings([str(tmp_path)], exclude=tmp_path / "left")
    assert {r.name: r.path.relative_to(tmp_path).as_posix() for r in found} == {
        "a": "a", "day/c": "day/c", "day/d": "day/d.mcap", "day/e": "day/e.db3.zstd",
    }  # fmt: skip
    assert find_recordings([f"{tmp_path}/day/*"]) == [
        Recording("c", tmp_path / "day/c"),
        Recording("d", tmp_path / "day/d.mcap"),
        Recording("e", tmp_path / "day/e.db3.zstd"),
    ]
    assert find_recordings([str(tmp_path / "a"), str(tmp_path / "a")]) == [
        Recording("a", tmp_path / "a")
    ]


def test_path_without_a_recording_is_an_error_with_its_name(tmp_path):
    touch(tmp_path, "day1/run.mcap", "day2/run.mcap", "notes.txt")
    for names, error, said in (
        (["nothing"], SourceError, "no such file or folder"),
        (["notes.txt"], SourceError, "notes.txt is no recording"),
        (["*.txt"], SourceError, "there is no recording"),
        (["day1/run.mcap", "day2/run.mcap"], OptionError, "would both be written as run"),
    ):
        with pytest.raises(error, match=said):
            find_recordings([str(tmp_path / name) for name in names])


def test_slices_cover_each_image_exactly_once(recordings):
    task = BagTask(str(recordings / "day1/run1"))
    edges = [(part.start, part.end) for part in slices(task, 1.0)]
    assert edges == [(0.0, 1.0), (1.0, None)]
    some = BagTask(task.bag, start=0.1, end=1.05)
    assert [(part.start, part.end) for part in slices(some, 1.0)] == [(0.1, 1.05)]
    assert slices(some, None) == [some]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope", "--out", "o"], "there is no bag nope"),
        (["nope", "--out", "o", "--workers", "2"], "nope: there is no such file or folder"),
        (["nope*", "--out", "o"], "there is no recording"),
        (["a", "b", "--csv", "poses.csv"], "need a folder for their results"),
        (["a", "b", "--out", "o", "--csv", "x/poses.csv"], "name the file in it: poses.csv"),
        (["a", "b", "--out", "o", "--json", "-"], "not to stdout"),
        (["a", "--out", "o", "--workers", "2", "--scheduler", "tcp://b:1"], "give one"),
        (["a", "--out", "o", "--slice", "0.5"], "1 second or more"),
        (["a", "b", "--out", "/proc/nope"], "cannot write into /proc/nope"),
    ],
)
def test_impossible_arguments_give_a_one_line_error(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if said.startswith("cannot write"):
        touch(tmp_path, "a/metadata.yaml", "b/metadata.yaml")
    assert main(["bag", "run", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("options", "said"),
    [({"workers": 0}, "1 worker or more"), ({"slice_s": 0.5}, "1 second or more")],
)
def test_impossible_fleet_options_are_refused(tmp_path, options, said):
    with pytest.raises(OptionError, match=said):
        FleetOptions(tmp_path, **options)


def test_finished_recordings_are_skipped_and_changed_ones_run_only_when_forced(
    recordings, by_one, tmp_path, capsys
):
    shutil.copytree(by_one / "day1", tmp_path / "day1")
    shutil.copy(by_one / "manifest.jsonl", tmp_path)
    command = ["bag", "run", str(recordings), "--out", str(tmp_path), "--workers", "1"]
    # of three that were done the results of one are gone: that one is done again
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "day1").rglob("*")}
    assert main(command) == 0
    said = capsys.readouterr()
    assert "2 of 3 were done before" in said.err
    assert said.out.count("done before") == 2
    assert len(said.out.splitlines()) == 4
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "day1").rglob("*")}
    for force, code, result in (([], 1, "every was 1, now 4"), (["--force"], 0, "done")):
        assert main([*command, "--every", "4", *force]) == code
        rows = capsys.readouterr().out.splitlines()[1:]
        assert all(result in row for row in rows)
        assert [int(row.split()[1]) for row in rows] == [3 if force else 0] * 3


def test_two_workers_write_the_same_bytes_as_one_even_if_one_is_killed(
    recordings, analyze, by_one, contents, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("pose_ros.analysis.fleet.THREADS", 3)  # they do not count either
    killed: list[int] = []

    def kill_in_the_middle(running):
        half_done = [name for name, (images, _) in running.items() if images >= 3]
        if half_done and not killed:
            victim = children()[0]
            killed.append(victim.pid)
            victim.kill()

    reports = analyze(recordings, tmp_path, workers=2, tick=kill_in_the_middle)
    assert killed
    assert caplog.text.count("begun again") == 1
    assert sorted(reports) == NAMES
    assert contents(tmp_path) == contents(by_one)


def test_recording_that_kills_workers_is_skipped_and_others_finish(
    recordings, analyze, by_one, contents, tmp_path, monkeypatch
):
    monkeypatch.setattr(workers, "ATTEMPTS", 2)

    def kill_one_recording(running):
        if running.get("day1/run2", (0, 0))[0]:
            for child in children():
                child.kill()

    reports = analyze(recordings, tmp_path, tick=kill_one_recording)
    assert "killed, as is done when memory runs out" in reports["day1/run2"].error
    assert reports["day1/run2"].exit_code == 1
    assert not list(tmp_path.rglob(f"*{PARTIAL}*"))
    assert not (tmp_path / "day1/run2").exists()
    # the next run processes the rest
    assert sorted(analyze(recordings, tmp_path)) == ["day1/run2"]
    assert contents(tmp_path) == contents(by_one)


def test_ctrl_c_ends_all_workers(recordings, tmp_path):
    # a background process of a shell ignores Ctrl-C; these tests may be one
    command = ["env", "--default-signal=INT", sys.executable, "-m", "pose_ros.cli.main"]
    command += ["bag", "run", str(recordings), "--out", str(tmp_path), "--workers", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        for _ in range(600):
            if list(tmp_path.rglob(f"*{PARTIAL}*")):
                break
            time.sleep(0.05)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does, the workers included
        said = program.communicate(timeout=60)[1]
    assert program.returncode == 130
    assert "the same command goes on with the rest" in said
    assert "Traceback" not in said, said
    assert nobody_left(program.pid)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".lock"}, "no result is half there"


def nobody_left(group):
    """Whether all processes of a group end, Python's own helper among them."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def children():
    return [p for p in multiprocessing.active_children() if p.name == workers.PROCESS]
