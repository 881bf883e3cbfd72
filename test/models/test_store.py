"""The store, with a real pip that fetches a tiny network from a folder of wheels."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_ros.errors import ModelError
from pose_ros.models import store, tflite
from pose_ros.models.card import Card, load_card
from pose_ros.models.store import get, model_path, status
from pose_ros.runtime.session import open_session


class Log(list[str]):
    """Progress lines."""

    def __call__(self, line: str) -> None:
        self.append(line)

    @property
    def fetches(self) -> int:
        return sum(line.startswith("fetching") for line in self)

    @property
    def conversions(self) -> int:
        return sum(line.startswith("converting") for line in self)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def card(shop: Any) -> Card:
    return load_card(shop.card_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def filled(card: Card, cache: Path, shop: Any) -> Path:
    """A cache that holds the card's files, and no way to fetch them again."""
    get(card, cache, progress=lambda line: None)
    close(shop)
    return cache


def close(shop: Any) -> None:
    """From now on nothing can be fetched."""
    shop.wheel.rename(shop.wheel.with_suffix(".gone"))


def reopen(shop: Any) -> None:
    shop.wheel.with_suffix(".gone").rename(shop.wheel)


def states(card: Card, cache: Path) -> list[str]:
    return [file.state for file in status(card, cache)]


def test_fetched_once_for_all_files_of_a_card(card: Card, cache: Path, log: Log) -> None:
    assert states(card, cache) == ["missing", "missing"]
    path = model_path(card, "landmarks", cache, log)
    assert (log.fetches, log.conversions) == (1, 2)
    assert path == cache / "tiny-landmarks.onnx"
    assert states(card, cache) == ["ok", "ok"]
    (maps,) = open_session(path, "cpu", threads=1).run(np.zeros((2, 3, 4, 4), np.float32))
    assert maps.shape == (2, 5, 4, 4)
    left = sorted(file.name for file in cache.iterdir())
    names = [f"tiny-{role}.{end}" for role in card.files for end in ("json", "onnx", "tflite")]
    assert left == sorted([".lock", *names])


def test_cached_files_are_used_without_a_connection(card: Card, filled: Path, log: Log) -> None:
    before = {path: path.stat().st_mtime_ns for path in filled.iterdir()}
    for role in card.files:
        assert model_path(card, role, filled, log).is_file()
    get(card, filled, progress=log)
    assert log == []
    assert {path: path.stat().st_mtime_ns for path in filled.iterdir()} == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "no note", "wrong note", "gone"])
def test_damaged_file_is_made_again_from_the_original(
    card: Card, filled: Path, log: Log, damage: str
) -> None:
    path, note = filled / "tiny-detector.onnx", filled / "tiny-detector.json"
    sound = path.read_bytes()
    if damage == "flip":
        path.write_bytes(sound[:50] + bytes([sound[50] ^ 1]) + sound[51:])
    elif damage == "truncate":
        path.write_bytes(sound[:100])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no note":
        note.unlink()
    elif damage == "wrong note":
        note.write_text("[]")
    else:
        path.unlink()
    assert states(card, filled) == ["missing" if damage == "gone" else "damaged", "ok"]
    assert model_path(card, "detector", filled, log).read_bytes() == sound
    assert (log.fetches, log.conversions) == (0, 1)
    assert states(card, filled) == ["ok", "ok"]


def test_damaged_original_is_fetched_again(card: Card, filled: Path, shop: Any, log: Log) -> None:
    original = filled / "tiny-detector.tflite"
    original.write_bytes(original.read_bytes()[:-1])
    assert states(card, filled) == ["damaged", "ok"]
    assert "tiny-detector.tflite is not what was fetched" in status(card, filled)[0].detail
    with pytest.raises(ModelError, match="cannot be fetched"):
        get(card, filled, progress=log)
    assert model_path(card, "detector", filled, log).is_file()  # the network itself is sound
    reopen(shop)
    get(card, filled, progress=log)
    assert states(card, filled) == ["ok", "ok"]
    assert original.read_bytes() == shop.networks["detector"]


def test_converted_file_works_without_its_original(card: Card, filled: Path, log: Log) -> None:
    (filled / "tiny-detector.tflite").unlink()
    get(card, filled, progress=log)
    assert log == []
    assert states(card, filled) == ["ok", "ok"]


def test_newer_converter_converts_again_without_a_network(
    card: Card, filled: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite, "CONVERTER_VERSION", tflite.CONVERTER_VERSION + 1)
    assert states(card, filled) == ["outdated", "outdated"]
    model_path(card, "detector", filled, log)
    assert (log.fetches, log.conversions) == (0, 2)
    assert states(card, filled) == ["ok", "ok"]


def test_card_with_other_outputs_converts_again(
    card: Card, filled: Path, shop: Any, log: Log
) -> None:
    other = load_card(shop.write_card(lambda text: text.replace("name: maps", "name: heat")))
    assert states(other, filled) == ["outdated", "outdated"]
    get(other, filled, progress=log)
    assert (log.fetches, log.conversions) == (0, 2)


def test_force_fetches_and_converts_again(card: Card, cache: Path, log: Log) -> None:
    get(card, cache, progress=log)
    get(card, cache, force=True, progress=log)
    assert (log.fetches, log.conversions) == (2, 4)


def test_without_network_and_cache_one_line_says_what_to_do(
    card: Card, cache: Path, shop: Any, log: Log
) -> None:
    close(shop)
    with pytest.raises(ModelError) as caught:
        model_path(card, "detector", cache, log)
    line = str(caught.value)
    assert "\n" not in line
    for part in (
        "pip could not fetch tinynet==1.0",
        shop.wheel.name,
        "pose-ros models get tiny --from FILE",
        f"tinynet/detector.tflite as {cache}/tiny-detector.tflite",
        f"tinynet/landmarks.tflite as {cache}/tiny-landmarks.tflite",
    ):
        assert part in line
    assert states(card, cache) == ["missing", "missing"]


def test_file_put_in_place_by_hand_is_used(card: Card, cache: Path, shop: Any, log: Log) -> None:
    close(shop)
    cache.mkdir()
    for role, data in shop.networks.items():
        (cache / f"tiny-{role}.tflite").write_bytes(data)
    get(card, cache, progress=log)
    assert states(card, cache) == ["ok", "ok"]
    assert log.fetches == 0


def test_wheel_of_the_user_is_used_without_a_connection(
    card: Card, cache: Path, shop: Any, tmp_path: Path, log: Log
) -> None:
    copy = shutil.copy(shop.wheel, tmp_path / "any-name.bin")
    close(shop)
    paths = get(card, cache, sources=[copy], progress=log)
    assert list(paths) == ["detector", "landmarks"]
    assert states(card, cache) == ["ok", "ok"]


def test_single_files_of_the_user_are_used_without_a_connection(
    card: Card, cache: Path, shop: Any, tmp_path: Path, log: Log
) -> None:
    files = []
    for role, data in shop.networks.items():
        files.append(tmp_path / f"{role}.tflite")
        files[-1].write_bytes(data)
    with pytest.raises(ModelError, match=r"tinynet/landmarks.tflite as") as caught:
        get(card, cache, sources=files[:1], progress=log)
    assert "detector.tflite as" not in str(caught.value)  # that one is there now
    get(card, cache, sources=files[1:], progress=log)
    assert states(card, cache) == ["ok", "ok"]
    assert log.fetches == 0  # a file that was named is never a reason to use the network


@pytest.mark.parametrize("kind", ["other file", "other wheel", "cut wheel", "missing", "folder"])
def test_wrong_file_of_the_user_is_refused(
    card: Card, cache: Path, shop: Any, tmp_path: Path, log: Log, kind: str
) -> None:
    source = tmp_path / "source"
    message = "holds none of the files of tiny: tinynet/detector.tflite"
    if kind == "other file":
        source.write_bytes(b"TFL3" * 100)
    elif kind == "other wheel":
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("tinynet/detector.tflite", b"something else")
    elif kind == "cut wheel":
        source.write_bytes(shop.wheel.read_bytes()[:-60])
    else:
        message = f"cannot read {source}"
        if kind == "folder":
            message = f"{source} is a folder: name the file in it"
            source.mkdir()
    with pytest.raises(ModelError, match=message):
        get(card, cache, sources=[source], progress=log)
    assert states(card, cache) == ["missing", "missing"]


def test_wheel_of_another_hash_is_refused(card: Card, cache: Path, shop: Any, log: Log) -> None:
    with zipfile.ZipFile(shop.wheel, "a") as archive:
        archive.writestr("tinynet/more.txt", b"not in the original")
    with pytest.raises(ModelError, match=f"has sha256 [0-9a-f]+, expected {shop.wheel_sha256}"):
        get(card, cache, progress=log)
    assert states(card, cache) == ["missing", "missing"]


def test_member_of_another_hash_is_refused(cache: Path, shop: Any, log: Log) -> None:
    sha256 = load_card(shop.card_path).file("detector").checksum.sha256
    card = load_card(shop.write_card(lambda text: text.replace(sha256, "f" * 64)))
    with pytest.raises(ModelError, match=r"tinynet/detector.tflite as"):
        get(card, cache, progress=log)
    assert not (cache / "tiny-detector.tflite").exists()


def test_card_with_a_wrong_shape_is_refused(cache: Path, shop: Any, log: Log) -> None:
    card = load_card(shop.write_card(lambda text: text.replace("[1, 5, 4, 4]", "[1, 6, 4, 4]")))
    with pytest.raises(ModelError, match=r"expected maps of shape \(1, 6, 4, 4\)"):
        get(card, cache, progress=log)
    assert not (cache / "tiny-landmarks.onnx").exists()


CHILD = """
import sys
from pose_ros.models.card import load_card
from pose_ros.models.store import get
card, cache, *sources = sys.argv[1:]
print(get(load_card(card), cache, sources=sources)["landmarks"])
"""


def child(shop: Any, cache: Path, *sources: Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, (shop.card_path, cache, *sources))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_processes_at_once_fetch_once(card: Card, cache: Path, shop: Any) -> None:
    children = [child(shop, cache) for _ in range(3)]
    results = [process.communicate(timeout=120) for process in children]
    assert [process.returncode for process in children] == [0, 0, 0], results
    assert {out.strip() for out, _ in results} == {str(cache / "tiny-landmarks.onnx")}
    assert sum(err.count("fetching tinynet") for _, err in results) == 1
    assert states(card, cache) == ["ok", "ok"]


def test_killed_process_leaves_nothing_behind(card: Card, cache: Path, shop: Any, log: Log) -> None:
    process = child(shop, cache)
    deadline = time.monotonic() + 60
    while not (cache / ".lock").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()  # in the middle of its work, with the lock held
    process.communicate()
    (cache / ".new-left").write_bytes(b"half a file")
    get(card, cache, progress=log)
    assert states(card, cache) == ["ok", "ok"]
    assert not list(cache.glob(".new-*"))


def test_full_disk_gives_a_one_line_error(card: Card, cache: Path, shop: Any) -> None:
    def limit() -> None:
        # the kernel refuses what would grow a file beyond this, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    with child(shop, cache, shop.wheel, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"cannot write the model cache {cache}: File too large; name a folder" in err
    assert states(card, cache) == ["missing", "missing"]
    assert not list(cache.glob(".new-*"))


def test_cache_folder_below_a_file_gives_a_one_line_error(
    card: Card, tmp_path: Path, log: Log
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=f"cannot write the model cache {tmp_path}/file/cache"):
        model_path(card, "detector", tmp_path / "file" / "cache", log)


def test_read_only_cache_is_read_and_not_repaired(
    card: Card, filled: Path, tmp_path: Path, log: Log
) -> None:
    filled.chmod(0o555)
    if os.access(filled, os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        assert model_path(card, "detector", filled, log).is_file()  # reading needs no lock
        (filled / "tiny-detector.onnx").chmod(0o644)
        (filled / "tiny-detector.onnx").write_bytes(b"")
        with pytest.raises(ModelError, match=r"cannot write the model cache .*Permission denied"):
            model_path(card, "detector", filled, log)
    finally:
        filled.chmod(0o755)


def test_missing_pip_gives_a_one_line_error(
    card: Card, cache: Path, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(ModelError, match=f"{python} has no pip to fetch tinynet==1.0 with"):
        get(card, cache, progress=log)


def test_missing_python_gives_a_one_line_error(
    card: Card, cache: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as in an embedded interpreter
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ModelError, match=r"cannot run pip with '/nowhere/python': No such file"):
        get(card, cache, progress=log)


@pytest.mark.parametrize("package", ["tflite", "onnx"])
def test_missing_extra_is_an_error_before_anything_is_fetched(
    card: Card, cache: Path, log: Log, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf'needs {package}: run pip install "pose_ros\[models\]"'):
        get(card, cache, progress=log)
    assert log == []


def test_missing_extra_does_not_matter_for_cached_files(
    card: Card, filled: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    assert model_path(card, "detector", filled, log).is_file()


@pytest.mark.parametrize(
    ("xdg", "models_dir", "expected"),
    [
        ("/x/y", None, "/x/y/pose_ros"),
        ("relative", None, "/home/me/.cache/pose_ros"),
        ("", None, "/home/me/.cache/pose_ros"),
        ("/x/y", "/models", "/models"),
        ("/x/y", "~/models", "/home/me/models"),
        ("/x/y", "", "/x/y/pose_ros"),
    ],
)
def test_cache_folder_follows_option_and_environment(
    monkeypatch: pytest.MonkeyPatch, xdg: str, models_dir: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert store.cache_dir(models_dir) == Path(expected)
