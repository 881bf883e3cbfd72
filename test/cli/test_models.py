"""``pose-ros models`` on copies of the real cache."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import pytest

from pose_ros.cli import models
from pose_ros.errors import ModelError
from pose_ros.models import store
from pose_ros.models.card import load_card

NAME = "blazepose-full"
FILES = ("blazepose-detector", "blazepose-landmarks-full")


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    models.add_arguments(parser)
    return models.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def real_cache() -> Path:
    """The user's own cache; filled from the network the first time."""
    return store.get(load_card(NAME))["detector"].parent


@pytest.fixture
def cache(real_cache: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in FILES:
        for suffix in (".onnx", ".tflite", ".json"):
            shutil.copy(real_cache / f"{name}{suffix}", folder)
    return folder


@pytest.fixture(autouse=True)
def _offline(real_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def test_list_shows_each_network_and_its_state(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list", "--models-dir", cache) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith(NAME)]
    assert line.split()[:2] == [NAME, "ok"]
    assert line.endswith("(Apache-2.0)")
    assert run("list", "--models-dir", tmp_path / "none", "--json") == 0
    (entry,) = [e for e in json.loads(capsys.readouterr().out) if e["name"] == NAME]
    assert entry["state"] == "missing"
    assert entry["skeleton"] == "blazepose33"
    assert not (tmp_path / "none").exists()  # looking writes nothing


def test_get_prints_where_the_files_are(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("get", NAME, "--models-dir", cache) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(cache / f"{name}.onnx") for name in FILES]
    assert err == ""


def test_get_converts_files_of_the_user_without_a_network(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [word for name in FILES for word in ("--from", cache / f"{name}.tflite")]
    assert run("get", NAME, *sources, "--models-dir", tmp_path / "new") == 0
    for name in FILES:
        made = (tmp_path / "new" / f"{name}.onnx").read_bytes()
        assert made == (cache / f"{name}.onnx").read_bytes()
    assert "converting blazepose-detector" in capsys.readouterr().err


def test_get_accepts_a_file_of_the_user_for_an_unpublished_network(
    cache: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = data / "blazepose" / "pose_landmark_lite.tflite"
    assert run("get", "blazepose-lite", "--from", source, "--models-dir", cache) == 0
    made = cache / "blazepose-landmarks-lite.onnx"
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(cache / "blazepose-detector.onnx"), str(made)]
    assert err == "converting blazepose-landmarks-lite\n"  # the detector is that of the other card
    assert run("check", "blazepose-lite", "--models-dir", cache) == 0
    with pytest.raises(
        ModelError, match=r"pose_landmark_lite\.tflite holds none of .*heavy\.tflite"
    ):
        run("get", "blazepose-heavy", "--from", source, "--models-dir", cache)


def test_get_without_a_connection_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"mediapipe-0\.10\.21-cp311.*\.whl.*--from FILE"):
        run("get", NAME, "--models-dir", tmp_path)
    with pytest.raises(ModelError, match=r"pip could not fetch mediapipe==0\.10\.21"):
        run("get", NAME, "--models-dir", tmp_path, "--force")


def test_only_onnx_files_are_inspected(tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text("name: mine", encoding="utf-8")
    with pytest.raises(ModelError, match=r"card.yaml is no .onnx file"):
        run("inspect", card)


def test_get_of_an_unknown_network_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown network 'blazepose-huge'"):
        run("get", "blazepose-huge", "--models-dir", tmp_path)


def test_check_of_undamaged_files_reports_ok(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", "--models-dir", cache) == 0
    assert run("check", NAME, "--models-dir", cache) == 0
    rows = capsys.readouterr().out.splitlines()
    expected = f"ok        {NAME} detector: {cache / 'blazepose-detector.onnx'}"
    assert rows.count(expected) == 2


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_check_reports_a_truncated_file_as_damaged(
    cache: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = cache / f"blazepose-detector{suffix}"
    path.write_bytes(path.read_bytes()[:-1])
    assert run("check", "--models-dir", cache) == 1
    out = capsys.readouterr().out
    assert f"damaged   {NAME} detector: {path} is not what was" in out
    assert f"ok        {NAME} landmarks" in out
    assert f"mend it with: pose-ros models get {NAME}" in out
    assert run("check", NAME, "--models-dir", cache, "--json") == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows] == ["damaged", "ok"]
    assert rows[0]["role"] == "detector"


def test_check_of_a_file_never_fetched_fails_only_if_asked_for_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run("check", "--models-dir", tmp_path) == 0
    )  # a file that was never fetched is not damaged
    assert run("check", NAME, "--models-dir", tmp_path) == 1  # but this one was named
    assert f"missing   {NAME} detector:" in capsys.readouterr().out


def test_missing_action_gives_a_one_line_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run()
    assert "ACTION" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["fifo", "brackets"])
def test_hostile_note_in_the_cache_counts_as_damaged_and_is_written_again(
    note: str, cache: Path
) -> None:
    path = cache / f"{FILES[0]}.json"
    path.unlink()
    if note == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"[" * (2 << 20))
    status, _ = store.status(load_card(NAME), cache)
    assert (status.role, status.state) == ("detector", "damaged")
    store.get(load_card(NAME), cache)
    assert store.status(load_card(NAME), cache)[0].state == "ok"
    assert path.is_file()


def test_get_from_takes_only_regular_files(cache: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for source, kind in ((tmp_path / "fifo", "a FIFO"), ("/dev/zero", "a device")):
        with pytest.raises(ModelError, match=f"is {kind}, expected a regular file"):
            run("get", NAME, "--force", "--models-dir", cache, "--from", source)
