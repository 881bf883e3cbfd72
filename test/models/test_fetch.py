"""Networks that are ONNX already, in archives and out of them, from servers and from a disk."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pose_ros.cli.main import main
from pose_ros.errors import ModelError
from pose_ros.models import fetch as fetching
from pose_ros.models import tflite
from pose_ros.models.card import Card, load_card
from pose_ros.models.store import get, model_path, status
from pose_ros.runtime.session import open_session
from tools import oracle
from tools.loopback import Web, redirect, whole
from tools.loopback import status as http_status

OUTPUTS = {"cmap": oracle.Output((1, 2, 4, 4)), "paf": oracle.Output((1, 4, 4, 4), -1, 1)}
NETWORK = oracle.build(OUTPUTS, 32, 32).SerializeToString()
OTHER = oracle.build({"cmap": OUTPUTS["cmap"]}, 32, 32).SerializeToString()
MEMBER = "Pose-Net/pose_net.onnx"


def tar_gz(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return stream.getvalue()


ARCHIVE = tar_gz(("Pose-Net/colors.txt", b"0 0 0\n"), (MEMBER, NETWORK))

Make = Callable[..., Card]


@pytest.fixture
def card(tmp_path: Path) -> Make:
    """Make a card of one ONNX file; arguments replace fields of the file."""

    def make(*origins: dict[str, Any], drop: tuple[str, ...] = (), **fields: Any) -> Card:
        file = {
            "file": "pose-net",
            "format": "onnx",
            "sha256": hashlib.sha256(NETWORK).hexdigest(),
            "origins": list(origins),
            "inputs": [{"name": "image", "tensor": "input", "shape": [1, 3, 32, 32]}],
            "outputs": [
                {"name": name, "tensor": name, "shape": list(output.shape)}
                for name, output in OUTPUTS.items()
            ],
        }
        file = {k: v for k, v in (file | fields).items() if k not in drop}
        content = {
            "name": "pose-net",
            "family": "blazepose",
            "title": "A network",
            "description": "It says what its picture says.",
            "skeleton": "trt_body18",
            "license": "MIT",
            "homepage": "https://example.org",
            "files": {"network": file},
        }
        path = tmp_path / "pose-net.yaml"
        path.write_text(yaml.safe_dump(content))
        return load_card(path)

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fetch(card: Card, cache: Path, **options: Any) -> list[str]:
    lines: list[str] = []
    get(card, cache, progress=lines.append, **options)
    assert (cache / "pose-net.onnx").read_bytes() == NETWORK
    assert [file.state for file in status(card, cache)] == ["ok"]
    left = sorted(path.name for path in cache.iterdir())
    assert left == [".lock", "pose-net.json", "pose-net.onnx"]
    return lines


def failure(card: Card, cache: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        get(card, cache, progress=lambda line: None, **options)
    assert not (cache / "pose-net.onnx").exists()
    line = str(caught.value)
    assert "\n" not in line
    return line


def in_archive(web: Web, member: str = MEMBER) -> dict[str, Any]:
    return {"archive": {"url": web.url, "member": member}}


@pytest.mark.usefixtures("_without_converter")
def test_onnx_file_runs_without_conversion(card: Make, web: Web, cache: Path) -> None:
    web.answers = [whole(NETWORK)]
    made = card({"url": web.url})
    assert f"fetching {web.url}" in fetch(made, cache)
    before = len(web.asked)
    path = model_path(made, "network", cache, lambda line: None)
    assert (path, len(web.asked)) == (cache / "pose-net.onnx", before)
    picture = np.zeros((1, 3, 32, 32), np.float32)
    outputs = open_session(path, "cpu", threads=1).run(picture)
    assert [output.shape for output in outputs] == [(1, 2, 4, 4), (1, 4, 4, 4)]


@pytest.fixture
def _without_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is converted, so the packages for conversion are not needed."""

    def missing() -> None:
        raise AssertionError("the converter was used")

    monkeypatch.setattr(tflite, "require_packages", missing)


def test_models_get_fetches_and_check_reports_ok(
    card: Make, web: Web, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web.answers = [whole(ARCHIVE[:-50], keep=20), whole(ARCHIVE)]
    card(in_archive(web))
    command = ["models", "get", str(tmp_path / "pose-net.yaml"), "--models-dir", str(cache)]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out == f"{cache / 'pose-net.onnx'}\n"
    assert err.startswith(f"fetching {web.url}\nthe connection broke after 20 of ")
    assert main(["models", "check", *command[2:]]) == 0
    assert capsys.readouterr().out == f"ok        pose-net network: {cache / 'pose-net.onnx'}\n"


@pytest.mark.usefixtures("_without_converter")
@pytest.mark.parametrize("pause", [0.0, 0.002], ids=["quick", "slow"])
def test_network_is_fetched_out_of_an_archive(
    card: Make, web: Web, cache: Path, pause: float
) -> None:
    web.answers = [redirect("/elsewhere?token=1"), whole(ARCHIVE, pause)]
    fetch(card(in_archive(web)), cache)
    assert [path for path, _ in web.asked] == ["/some/net.tflite", "/elsewhere?token=1"]


def test_interrupted_archive_is_resumed(card: Make, web: Web, cache: Path) -> None:
    made = card(in_archive(web))
    part = len(ARCHIVE) // 5
    web.answers = [whole(ARCHIVE, keep=part)]
    assert "the connection broke after" in failure(made, cache)
    asked = len(web.asked)
    web.answers = [whole(ARCHIVE)]
    fetch(made, cache)
    assert [range_ for _, range_ in web.asked[asked:]] == [f"bytes={4 * part}-"]


def test_partial_file_of_another_archive_is_dropped(card: Make, web: Web, cache: Path) -> None:
    made = card(in_archive(web))
    # the makers put a new archive there between two attempts
    web.answers = [whole(tar_gz((MEMBER, OTHER)), keep=100)]
    failure(made, cache)
    asked = len(web.asked)
    web.answers = [whole(ARCHIVE)]
    fetch(made, cache)
    assert [part for _, part in web.asked[asked:]] == ["bytes=400-", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_gz((MEMBER, OTHER)), "gives a file of sha256 [0-9a-f]+, expected .*, in its Pose-Net"),
        (tar_gz(("Pose-Net/other.onnx", NETWORK)), f"holds no {MEMBER}"),
        (b"<html>no longer here</html>", f"holds no {MEMBER}"),
        (ARCHIVE[:-20] + bytes(20), "is a damaged archive"),
    ],
    ids=["another network", "no such member", "no archive", "damaged"],
)
def test_error_for_a_wrong_archive_has_its_address(
    card: Make, web: Web, cache: Path, content: bytes, message: str
) -> None:
    web.answers = [whole(content)]
    line = failure(card(in_archive(web)), cache)
    assert re.search(f"{web.url} {message}", line), line
    assert not list(cache.glob(".part*"))


def test_archive_bomb_is_refused(
    card: Make, web: Web, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_UNPACKED", 1 << 20)
    bomb = tar_gz(("Pose-Net/before", bytes(8 << 20)), (MEMBER, NETWORK))
    assert len(bomb) < 50_000
    web.answers = [whole(bomb)]
    assert f"{web.url} unpacks to more than 1 MiB" in failure(card(in_archive(web)), cache)


def test_paths_outside_the_cache_write_nothing(card: Make, web: Web, cache: Path) -> None:
    evil = tar_gz(("../../evil.txt", b"x"), (f"../../{MEMBER}", NETWORK), ("/etc/evil", b"x"))
    web.answers = [whole(evil)]
    before = set(cache.parent.parent.rglob("*evil*"))
    fetch(card(in_archive(web)), cache)
    assert set(cache.parent.parent.rglob("*evil*")) == before


def test_mirrors_are_tried_in_their_order(card: Make, web: Web, cache: Path) -> None:
    mirror = web.url.replace("net.tflite", "mirror.onnx")
    web.answers = [http_status(404), whole(OTHER), whole(NETWORK)]
    made = card(in_archive(web), {"url": mirror}, {"url": f"{mirror}?2"})
    fetch(made, cache)
    paths = [path for path, _ in web.asked]
    assert paths == ["/some/net.tflite", "/some/mirror.onnx", "/some/mirror.onnx?2"]


def test_mirror_resumes_where_the_first_server_stopped(card: Make, web: Web, cache: Path) -> None:
    cut = whole(NETWORK, keep=100)
    web.answers = [cut, cut, cut, cut, whole(NETWORK)]
    fetch(card({"url": web.url}, {"url": web.url + "?2"}), cache)
    assert web.asked[-1] == ("/some/net.tflite?2", "bytes=400-")


@pytest.mark.parametrize("kind", ["the file", "a tar", "a zip", "a tar of other folders"])
def test_file_or_archive_of_the_user_is_used(
    card: Make, web: Web, cache: Path, tmp_path: Path, kind: str
) -> None:
    source = tmp_path / "download"
    if kind == "a zip":
        with zipfile.ZipFile(source, "w") as opened:
            opened.writestr(MEMBER, NETWORK)
    else:
        source.write_bytes(
            {
                "the file": NETWORK,
                "a tar": ARCHIVE,
                "a tar of other folders": tar_gz(("models/mine/pose_net.onnx", NETWORK)),
            }[kind]
        )
    fetch(card(in_archive(web)), cache, sources=[source])
    assert web.asked == []


def test_file_of_the_user_with_another_network_is_refused(
    card: Make, web: Web, cache: Path, tmp_path: Path
) -> None:
    source = tmp_path / "mine.onnx"
    for content in (OTHER, tar_gz((MEMBER, OTHER)), tar_gz(("x.onnx", NETWORK)), b""):
        source.write_bytes(content)
        line = failure(card(in_archive(web)), cache, sources=[source])
        assert f"{source} holds none of the files of pose-net: {MEMBER}; " in line
        assert f"--network {source}" in line


def test_a_damaged_file_is_fetched_again(card: Make, web: Web, cache: Path) -> None:
    web.answers = [whole(ARCHIVE)]
    made = card(in_archive(web))
    fetch(made, cache)
    path = cache / "pose-net.onnx"
    path.write_bytes(NETWORK[:-1])
    assert [file.state for file in status(made, cache)] == ["damaged"]
    model_path(made, "network", cache, lambda line: None)
    assert path.read_bytes() == NETWORK
    # a missing note does not cause a download
    (cache / "pose-net.json").unlink()
    asked = len(web.asked)
    assert model_path(made, "network", cache, lambda line: None) == path
    assert len(web.asked) == asked


def test_file_put_into_the_cache_by_hand_is_used(card: Make, web: Web, cache: Path) -> None:
    cache.mkdir()
    (cache / "pose-net.onnx").write_bytes(NETWORK)
    fetch(card(in_archive(web)), cache)
    assert web.asked == []


EITHER = {"git_blob": hashlib.sha1(b"blob %d\0" % len(NETWORK) + NETWORK).hexdigest()}


@pytest.mark.parametrize(("sha256", "git_blob"), [(None, "0" * 40), ("0" * 64, None)])
def test_one_of_two_hashes_is_enough_where_the_card_says_so(
    card: Make, web: Web, cache: Path, sha256: str | None, git_blob: str | None
) -> None:
    hashes = {
        "sha256": sha256 or hashlib.sha256(NETWORK).hexdigest(),
        "git_blob": git_blob or EITHER["git_blob"],
    }
    web.answers = [whole(NETWORK)]
    assert " and git blob id " in failure(card({"url": web.url}, **hashes), cache)
    fetch(card({"url": web.url}, **hashes, enough="either"), cache)


def test_file_with_neither_of_two_hashes_is_refused(card: Make, web: Web, cache: Path) -> None:
    hashes = {"sha256": "0" * 64, "git_blob": "1" * 40, "enough": "either"}
    web.answers = [whole(NETWORK)]
    line = failure(card({"url": web.url}, **hashes), cache)
    assert f"expected sha256 {'0' * 64} or git blob id {'1' * 40}" in line


class TestWithoutAHash:
    """Without a known hash the inputs and outputs decide; the cache notes the hash of the file."""

    @pytest.fixture
    def made(self, card: Make, web: Web) -> Card:
        return card(in_archive(web), {"url": web.url}, drop=("sha256",), known_by="contract")

    def test_network_in_an_archive_is_known_by_its_contract(
        self, made: Card, web: Web, cache: Path
    ) -> None:
        web.answers = [whole(ARCHIVE)]
        digest = hashlib.sha256(NETWORK).hexdigest()
        line = f"pose-net: its hash was not known; this one has {digest}"
        assert fetch(made, cache)[-1] == line
        (cache / "pose-net.onnx").write_bytes(OTHER)
        assert [file.state for file in status(made, cache)] == ["damaged"]
        fetch(made, cache)

    def test_file_that_is_not_an_archive_is_known_by_its_contract(
        self, made: Card, web: Web, cache: Path
    ) -> None:
        web.answers = [http_status(404), whole(NETWORK, keep=300), whole(NETWORK)]
        fetch(made, cache)
        assert web.asked[-1][1] == "bytes=300-"

    def test_network_unlike_the_contract_is_refused(
        self, made: Card, web: Web, cache: Path
    ) -> None:
        web.answers = [whole(tar_gz((MEMBER, OTHER))), whole(OTHER)]
        line = failure(made, cache)
        expected = "expected the outputs cmap [1, 2, 4, 4], paf [1, 4, 4, 4], got cmap [1, 2, 4, 4]"
        assert line.count(f"gives another network: which does not fit its card: {expected}") == 2

    @pytest.mark.parametrize("content", [b"no network", NETWORK[:-100]])
    def test_damaged_network_is_refused(
        self, made: Card, web: Web, cache: Path, content: bytes
    ) -> None:
        web.answers = [http_status(404), whole(content)]
        assert "gives another network: cannot load it" in failure(made, cache)

    @pytest.mark.parametrize("content", [NETWORK, ARCHIVE])
    def test_file_of_the_user_is_accepted_by_its_contract(
        self, made: Card, web: Web, cache: Path, tmp_path: Path, content: bytes
    ) -> None:
        source = tmp_path / "download"
        source.write_bytes(content)
        fetch(made, cache, sources=[source])
        source.write_bytes(OTHER)
        with pytest.raises(ModelError, match="holds none of the files"):
            get(made, cache, sources=[source])

    def test_contract_instead_of_a_hash_is_refused_for_a_converted_file(
        self, card: Make, web: Web
    ) -> None:
        with pytest.raises(ModelError, match="known_by: expected a hash, for what is converted"):
            card({"url": web.url}, drop=("sha256",), known_by="contract", format="tflite")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"outputs": [{"name": "cmap", "tensor": "output_0", "shape": [1, 2, 4, 4]}]},
            r"expected the outputs output_0 \[1, 2, 4, 4\], got cmap \[1, 2, 4, 4\], paf",
        ),
        (
            {"outputs": [{"name": "cmap", "tensor": "cmap", "shape": [1, 3, 4, 4]}]},
            r"expected the outputs cmap \[1, 3, 4, 4\], got cmap \[1, 2, 4, 4\]",
        ),
        (
            {"inputs": [{"name": "image", "tensor": "input", "shape": [1, 3, 224, 224]}]},
            r"expected the inputs input \[1, 3, 224, 224\], got input \[1, 3, 32, 32\]",
        ),
    ],
    ids=["another name", "another output", "another input"],
)
def test_a_wrong_card_gives_a_one_line_error_that_names_both_sides(
    card: Make, web: Web, cache: Path, fields: dict[str, Any], message: str
) -> None:
    web.answers = [whole(NETWORK)]
    with pytest.raises(ModelError, match=f"pose-net.onnx does not fit its card: {message}"):
        get(card({"url": web.url}, **fields), cache, progress=lambda line: None)


def test_outputs_come_in_the_order_of_the_card(card: Make, web: Web, cache: Path) -> None:
    web.answers = [whole(NETWORK)]
    outputs = [
        {"name": "fields", "tensor": "paf", "shape": [1, 4, 4, 4]},
        {"name": "maps", "tensor": "cmap", "shape": [1, 2, 4, 4]},
    ]
    made = card({"url": web.url}, outputs=outputs)
    path = model_path(made, "network", cache, lambda line: None)
    for wanted in (made.file("network").signature, None):
        session = open_session(path, "cpu", threads=1)
        if wanted:
            session.select(wanted, "it")
        shapes = [output.shape[1] for output in session.run(np.zeros((1, 3, 32, 32), np.float32))]
        assert shapes == ([4, 2] if wanted else [2, 4])


class TestTheUsersOwnFile:
    """It runs from its own place: no fetch, no copy in the cache."""

    @pytest.fixture
    def made(self, card: Make) -> Card:
        return card({"path": "net.onnx"}, drop=("sha256",))

    def test_network_of_the_user_runs_from_its_own_place(
        self, made: Card, cache: Path, tmp_path: Path
    ) -> None:
        own = tmp_path / "net.onnx"
        own.write_bytes(NETWORK)
        assert model_path(made, "network", cache) == own
        assert get(made, cache) == {"network": own}
        assert [(file.path, file.state) for file in status(made, cache)] == [(own, "ok")]
        assert not (cache / "pose-net.onnx").exists()
        # trained on: the new one is run, and no copy of the old one
        own.write_bytes(OTHER)
        assert model_path(made, "network", cache).read_bytes() == OTHER

    def test_missing_file_of_the_user_gives_a_one_line_error(
        self, made: Card, cache: Path, tmp_path: Path
    ) -> None:
        message = f"pose-net: there is no file {tmp_path}/net.onnx, which its card names"
        for ask in (lambda: model_path(made, "network", cache), lambda: get(made, cache)):
            with pytest.raises(ModelError, match=message):
                ask()
        assert [file.state for file in status(made, cache)] == ["missing"]

    def test_network_of_the_user_with_a_hash_is_treated_as_an_original(
        self, card: Make, cache: Path, tmp_path: Path
    ) -> None:
        made = card({"path": "net.onnx"})
        (tmp_path / "net.onnx").write_bytes(OTHER)
        assert "net.onnx holds another net.onnx" in failure(made, cache)
        (tmp_path / "net.onnx").write_bytes(NETWORK)
        fetch(made, cache)

    def test_network_of_the_user_in_another_format_needs_a_hash(self, card: Make) -> None:
        with pytest.raises(ModelError, match=r"network.sha256: expected a value"):
            card({"path": "net.tflite"}, drop=("sha256",), format="tflite")
