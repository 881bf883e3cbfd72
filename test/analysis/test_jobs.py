"""The manifest: finished work is known after an interruption at any byte."""

import os
from dataclasses import replace

import pytest

from pose_ros.analysis.jobs import (
    MANIFEST,
    Job,
    Manifest,
    Origin,
    TaskRecord,
    difference,
    fingerprint,
    origin_of,
    read_line,
    run_job,
    sweep,
)
from pose_ros.analysis.outputs import RECORD
from pose_ros.analysis.task import BagTask, Settings, TaskOutputs, TaskReport
from pose_ros.errors import SourceError
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
from pose_ros.settings.outputs import ExportOptions

REPORT = TaskReport("/bags/a", images=3, refused={"unreadable": 1}, damage=("cut off", "no index"))


def record(name, folder=None, **settings):
    made = TaskRecord(name, Origin({"name": name}, {"every": 1, **settings}), REPORT)
    if folder is not None:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / RECORD).write_text(made.line())
    return made


@pytest.fixture
def bag(tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "metadata.yaml").write_text("version: 9")
    (folder / "bag_0.mcap").write_bytes(b"0123456789")
    return folder


def test_record_is_read_back_from_its_line():
    made = record("a")
    assert read_line(made.line()) == made
    assert made.line().count("\n") == 1


def test_manifest_cut_off_anywhere_is_read_and_continued(tmp_path):
    records = [record(name, tmp_path) for name in ("a", "b", "c")]
    text = "".join(made.line() for made in records).encode()
    first, second = (len("".join(m.line() for m in records[:n]).encode()) for n in (1, 2))
    for end in (0, 1, first - 1, first, first + 1, second - 2, second, len(text) - 1):
        (tmp_path / MANIFEST).write_bytes(text[:end])
        manifest = Manifest(tmp_path)
        for made in records:  # their folders show what the lines lack
            assert manifest.find(made.name, made.origin.key) == REPORT
        manifest.add(record("d", tmp_path))
        lines = (tmp_path / MANIFEST).read_bytes().splitlines()
        assert sorted(read_line(line).name for line in lines) == ["a", "b", "c", "d"], end


def test_line_without_its_results_is_ignored(tmp_path):
    made = record("a")
    Manifest(tmp_path).add(made)
    assert Manifest(tmp_path).find("a", made.origin.key) is None


def test_last_line_of_a_recording_counts(tmp_path):
    manifest = Manifest(tmp_path)
    old, new = record("a"), record("a", tmp_path, every=2)
    manifest.add(old)
    for manifest in (manifest, Manifest(tmp_path)):  # noqa: B020
        assert manifest.find("a", new.origin.key) == REPORT
        assert manifest.find("a", old.origin.key) is None


def test_changed_recording_counts_as_a_new_one(bag):
    before = fingerprint(bag)
    assert fingerprint(bag) == before
    (bag / "notes.txt").write_text("not of the recording")
    assert fingerprint(bag) == before
    os.utime(bag / "bag_0.mcap", ns=(1, 1))
    touched = fingerprint(bag)
    assert touched != before
    (bag / "bag_1.mcap").write_bytes(b"")
    assert fingerprint(bag) not in (before, touched)
    assert fingerprint(bag / "bag_0.mcap")["files"] == [["bag_0.mcap", 10, 1]]
    with pytest.raises(SourceError, match="No such file"):
        fingerprint(bag / "bag_9.mcap")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": Settings(every=2)}, "every was 1, now 2"),
        (
            {"settings": Settings(estimator=EstimatorOptions(threshold=0.25))},
            "estimator.threshold was None, now 0.25",
        ),
        ({"start": 1.5}, "start was None, now 1.5"),
        (
            {"outputs": TaskOutputs(exports=ExportOptions({"csv": "a.csv"}))},
            "outputs.exports.files.csv was None, now a.csv",
        ),
        ({"engine": EngineOptions(threads=1)}, ""),
        ({"engine": EngineOptions(models_dir="/models")}, ""),
        ({"outputs": TaskOutputs(force=True)}, ""),
    ],
)
def test_different_inputs_give_different_keys_and_are_named(bag, change, said):
    task = BagTask(str(bag))
    before, now = origin_of(task), origin_of(replace(task, **change))
    assert difference(before, now) == said
    assert (before.key == now.key) == (said == "")


def test_own_network_is_identified_by_its_content(bag, tmp_path):
    network = tmp_path / "own.onnx"
    task = BagTask(str(bag), Settings(network=str(network)))
    keys = set()
    for content in (b"one", b"two"):
        network.write_bytes(content)
        keys.add(origin_of(task).key)
    assert len(keys) == 2


@pytest.fixture
def job(bag, tmp_path):
    task = BagTask(str(bag), outputs=TaskOutputs(bag="results"))
    return Job("a", str(tmp_path / "out" / "a"), task, origin_of(task), recording="a")


def test_task_that_fails_leaves_no_files(job, tmp_path):
    report = run_job(job)  # ten digits are not an MCAP file
    assert report.exit_code == 1
    assert "bag_0.mcap" in report.error
    assert list((tmp_path / "out").iterdir()) == []


def test_task_finished_elsewhere_is_not_repeated(job, tmp_path):
    folder = tmp_path / "out" / "a"
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(TaskRecord("a", job.origin, REPORT).line())
    assert run_job(job) == REPORT


def test_only_leftovers_of_killed_attempts_are_removed(tmp_path):
    for name in ("day/.run.partial-01ab", "day/run", ".hidden"):
        (tmp_path / name / "results").mkdir(parents=True)
    sweep(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("results")}
    assert left == {"day/run/results", ".hidden/results"}
