"""Downloads, alone and through the store, from a loopback server that does what servers do."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_ros.errors import ModelError
from pose_ros.models import fetch as web_client
from pose_ros.models.card import Card, Checksum, load_card
from pose_ros.models.fetch import download
from pose_ros.models.store import get
from pose_ros.models.store import status as status_of
from tools.loopback import Answer, Handler, Web, redirect, status, whole

CONTENT = np.random.default_rng(7).bytes(400_000)
CHECKSUM = Checksum(sha256=hashlib.sha256(CONTENT).hexdigest())


def without_ranges(handler: Handler) -> None:
    """A server that always sends the whole file."""
    handler.begin(200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT)


def without_length(handler: Handler) -> None:
    handler.begin(200, Connection="close")
    handler.wfile.write(CONTENT)


def cut_chunks(handler: Handler) -> None:
    handler.begin(200, Transfer_Encoding="chunked")
    handler.wfile.write(b"186A0\r\n" + CONTENT[:50_000])


def other_part(handler: Handler) -> None:
    handler.begin(206, Content_Length=10, Content_Range=f"bytes 5-14/{len(CONTENT)}")
    handler.wfile.write(CONTENT[5:15])


def unclear_part(handler: Handler) -> None:
    handler.begin(206, Content_Length=10)
    handler.wfile.write(CONTENT[5:15])


def hang_up(handler: Handler) -> None:
    handler.wfile.flush()


def stall(handler: Handler) -> None:
    """Send half of it, then nothing for as long as the test lasts."""
    handler.begin(200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    handler.wfile.flush()
    handler.server.done.wait(60)


def silence(handler: Handler) -> None:
    handler.server.done.wait(60)


@pytest.fixture
def web(web: Web) -> Web:
    """The server, with a file on it."""
    web.answers = [whole(CONTENT)]
    return web


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part"


def fetch(web: Web, path: Path, checksum: Checksum = CHECKSUM) -> list[str]:
    lines: list[str] = []
    download(web.url, path, checksum.problem, lines.append)
    assert path.read_bytes() == CONTENT
    return lines


def test_whole_file_is_fetched_with_progress(
    web: Web, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = fetch(web, path)
    assert lines[0] == f"fetching {web.url}"
    assert lines[1:] == [f"net.tflite: {n}% of 0.4 MB" for n in (25, 50, 75)]
    assert web.asked == [("/some/net.tflite", None)]
    assert capsys.readouterr() == ("", "")  # no bar without a terminal


def test_complete_file_is_not_requested(web: Web, path: Path) -> None:
    path.write_bytes(CONTENT)
    assert fetch(web, path) == []
    assert web.asked == []


@pytest.mark.parametrize(
    "answer", [whole(CONTENT, pause=0.002), without_length], ids=["slow", "no length"]
)
def test_slow_answer_or_one_without_length_is_accepted(
    web: Web, path: Path, answer: Answer
) -> None:
    web.answers = [answer]
    fetch(web, path)
    assert len(web.asked) == 1


def test_interrupted_download_is_resumed(web: Web, path: Path) -> None:
    web.answers = [whole(CONTENT, keep=100_000), whole(CONTENT, keep=50_000), whole(CONTENT)]
    lines = fetch(web, path)
    assert [part for _, part in web.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert "the connection broke after 100000 of 400000 bytes; trying again" in lines


def test_later_call_resumes_where_the_last_one_stopped(web: Web, path: Path) -> None:
    web.answers = [whole(CONTENT, keep=30_000)]
    with pytest.raises(ModelError, match=r"net\.tflite: the connection broke after .*, 4 times"):
        fetch(web, path)
    assert path.read_bytes() == CONTENT[:120_000]
    web.answers = [whole(CONTENT)]
    fetch(web, path)
    assert web.asked[-1][1] == "bytes=120000-"


@pytest.mark.parametrize("answer", [hang_up, stall, cut_chunks, silence])
def test_broken_connection_is_retried(
    web: Web, path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_client, "TIMEOUT", 1.0)
    web.answers = [answer, whole(CONTENT)]
    lines = fetch(web, path)
    assert any(line.endswith("; trying again") for line in lines)
    assert len(web.asked) >= 2


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_busy_server_is_retried(web: Web, path: Path, code: int) -> None:
    web.answers = [status(code), whole(CONTENT)]
    assert any(f"the server said HTTP {code}" in line for line in fetch(web, path))


def test_server_that_stays_busy_gives_a_one_line_error(web: Web, path: Path) -> None:
    web.answers = [status(503)]
    with pytest.raises(ModelError, match="the server said HTTP 503 Service Unavailable, 4 times"):
        fetch(web, path)
    assert len(web.asked) == 4


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_refusal_is_not_retried(web: Web, path: Path, code: int) -> None:
    web.answers = [status(code)]
    with pytest.raises(ModelError, match=f"{web.url}: HTTP {code}") as caught:
        fetch(web, path)
    assert len(web.asked) == 1
    assert "\n" not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("answer", [other_part, unclear_part])
def test_wrong_part_in_an_answer_restarts_the_download(
    web: Web, path: Path, answer: Answer
) -> None:
    path.write_bytes(CONTENT[:1000])
    web.answers = [answer, whole(CONTENT)]
    fetch(web, path)
    assert [part for _, part in web.asked] == ["bytes=1000-", None]


def test_server_without_ranges_sends_it_all_again(web: Web, path: Path) -> None:
    path.write_bytes(CONTENT[:1000])
    web.answers = [without_ranges]
    fetch(web, path)
    assert len(web.asked) == 1


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * 500_000], ids=["other", "too long"])
def test_partial_file_of_another_download_is_dropped(web: Web, path: Path, left: bytes) -> None:
    path.write_bytes(left)
    fetch(web, path)
    assert [part for _, part in web.asked] == [f"bytes={len(left)}-", None]


def test_wrong_content_is_refused_at_once(web: Web, path: Path) -> None:
    web.answers = [whole(b"another file")]
    digest = hashlib.sha256(b"another file").hexdigest()
    with pytest.raises(ModelError, match=f"sha256 {digest}, expected {CHECKSUM}"):
        fetch(web, path)
    assert not path.exists()
    assert len(web.asked) == 1


def test_endless_answer_is_cut_off(web: Web, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_client, "MAX_BYTES", 100_000)
    web.answers = [without_length]
    with pytest.raises(ModelError, match="the server sends more than 100000 bytes"):
        fetch(web, path)
    assert path.stat().st_size == 0


def test_redirect_is_followed_with_the_range(web: Web, path: Path) -> None:
    path.write_bytes(CONTENT[:1000])
    web.answers = [redirect("/elsewhere?token=1"), whole(CONTENT)]
    fetch(web, path)
    assert web.asked == [
        ("/some/net.tflite", "bytes=1000-"),
        ("/elsewhere?token=1", "bytes=1000-"),
    ]


@pytest.mark.parametrize(
    ("target", "message"),
    [("/some/net.tflite", "infinite loop"), ("file:///etc/passwd", "not allowed")],
)
def test_unusable_redirect_gives_a_one_line_error(
    web: Web, path: Path, target: str, message: str
) -> None:
    web.answers = [redirect(target)]
    with pytest.raises(ModelError, match=f"HTTP 302 .*{message}") as caught:
        fetch(web, path)
    assert "\n" not in str(caught.value)


def test_server_that_does_not_answer_gives_a_one_line_error(path: Path, web: Web) -> None:
    web.server_close()
    with pytest.raises(ModelError, match=r"net\.tflite: .*refused"):
        fetch(web, path)


def test_proxy_of_the_environment_is_used(
    web: Web, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{web.server_port}")
    download("http://models.invalid/net.tflite", path, CHECKSUM.problem, lambda line: None)
    assert web.asked == [("http://models.invalid/net.tflite", None)]
    assert path.read_bytes() == CONTENT


def test_certificates_of_the_environment_are_used(
    web: Web, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.url = web.url.replace("http:", "https:")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(ModelError, match="certificate verify failed"):
        fetch(web, path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetch(web, path)
    # a request over https is not redirected to http
    path.unlink()
    web.answers = [redirect(f"http://127.0.0.1:{web.server_port}/plain")]
    with pytest.raises(
        ModelError, match="HTTP 302 redirection from https to http://.* not followed"
    ):
        fetch(web, path)


def test_folder_that_cannot_be_written_gives_a_one_line_error(web: Web, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):  # the store says what to do about it
        fetch(web, tmp_path / "none" / "part")


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def card(shop: Any, web: Web) -> Callable[..., Card]:
    """Make a card whose detector has these addresses, and the wheel last; ``known_by`` a line."""

    def make(*urls: str, wheel: bool = False, known_by: str = "") -> Card:
        def edit(text: str) -> str:
            sha256 = f"    sha256: {hashlib.sha256(shop.networks['detector']).hexdigest()}\n"
            start, end = text.index("      - wheel:"), text.index("    inputs:")
            origins = "".join(f"      - url: {url}\n" for url in urls)
            text = text[:start] + origins + (text[start:end] if wheel else "") + text[end:]
            return text.replace(sha256, known_by or sha256, 1)

        web.answers = [whole(shop.networks["detector"])]
        return load_card(shop.write_card(edit))

    return make


def states(card: Card, cache: Path) -> list[str]:
    return [file.state for file in status_of(card, cache)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_file_is_fetched_from_the_address_on_its_card(
    card: Any, web: Web, shop: Any, cache: Path
) -> None:
    lines: list[str] = []
    made = card(web.url)
    get(made, cache, progress=lines.append)
    assert states(made, cache) == ["ok", "ok"]
    assert [line for line in lines if line.startswith("fetching")] == [
        f"fetching {web.url}",
        "fetching tinynet==1.0 with pip, to take the networks out of it",
    ]
    original = cache / "tiny-detector.tflite"
    assert original.read_bytes() == shop.networks["detector"]
    assert original.stat().st_mode & 0o777 == 0o644
    assert not list(cache.glob(".part*"))


def test_origins_are_tried_in_their_order(card: Any, web: Web, shop: Any, cache: Path) -> None:
    made = card(web.url, web.url.replace("net", "other"), wheel=True)
    web.answers = [whole(b"not the file"), status(404)]
    lines: list[str] = []
    get(made, cache, progress=lines.append)
    assert states(made, cache) == ["ok", "ok"]
    assert [path for path, _ in web.asked] == ["/some/net.tflite", "/some/other.tflite"]
    assert sum("tinynet==1.0 with pip" in line for line in lines) == 1  # both files in one go


def test_error_has_each_address_that_was_tried(card: Any, web: Web, shop: Any, cache: Path) -> None:
    made = card(web.url, web.url.replace("net", "other"))
    web.answers = [whole(b"not the file"), status(404)]
    with pytest.raises(ModelError) as caught:
        get(made, cache, progress=lambda line: None)
    line = str(caught.value)
    assert "\n" not in line
    other = web.url.replace("net", "other")
    for part in (
        f"{web.url} gives a file of sha256 ",
        f"{other}: HTTP 404 Not Found",
        "get it on a machine with a network",
        "run pose-ros models get tiny --from FILE",
        f"or put its net.tflite as {cache}/tiny-detector.tflite",
    ):
        assert part in line
    assert "landmarks" not in line  # they came out of the wheel
    assert line.count(other) == 1


def test_next_call_resumes_the_download(card: Any, web: Web, shop: Any, cache: Path) -> None:
    made = card(web.url)
    content = shop.networks["detector"]
    web.answers = [whole(content, keep=50)]
    with pytest.raises(ModelError, match="the connection broke after"):
        get(made, cache, progress=lambda line: None)
    had = (cache / ".part-tiny-detector").stat().st_size
    assert 0 < had < len(content)
    web.answers = [whole(content)]
    get(made, cache, progress=lambda line: None)
    assert web.asked[-1][1] == f"bytes={had}-"
    assert states(made, cache) == ["ok", "ok"]


def test_file_of_the_user_replaces_an_interrupted_download(
    card: Any, web: Web, shop: Any, cache: Path, tmp_path: Path
) -> None:
    made = card(web.url)
    web.answers = [whole(shop.networks["detector"], keep=50)]
    with pytest.raises(ModelError):
        get(made, cache, progress=lambda line: None)
    asked = len(web.asked)
    own = tmp_path / "any.name"
    own.write_bytes(shop.networks["detector"])
    get(made, cache, sources=[own, shop.wheel], progress=lambda line: None)
    assert states(made, cache) == ["ok", "ok"]
    assert len(web.asked) == asked
    assert not list(cache.glob(".part*"))


def test_file_is_verified_by_its_git_blob_id(card: Any, web: Web, shop: Any, cache: Path) -> None:
    blob = git_blob(shop.networks["detector"])
    made = card(web.url, known_by=f"    git_blob: {blob}\n")
    get(made, cache, progress=lambda line: None)
    assert states(made, cache) == ["ok", "ok"]
    (cache / "tiny-detector.tflite").write_bytes(b"")
    assert states(made, cache) == ["damaged", "ok"]
    wrong = card(web.url, known_by=f"    git_blob: {blob[::-1]}\n")
    assert states(wrong, cache) == ["outdated", "ok"]
    with pytest.raises(ModelError, match=f"git blob id {blob}, expected git blob id {blob[::-1]}"):
        get(wrong, cache, progress=lambda line: None)


def test_both_kinds_of_hash_have_to_match(card: Any, web: Web, shop: Any, cache: Path) -> None:
    sha256 = hashlib.sha256(shop.networks["detector"]).hexdigest()
    lines = f"    sha256: {sha256}\n    git_blob: {'a' * 40}\n"
    with pytest.raises(ModelError, match=f"expected sha256 {sha256} and git blob id aaaa"):
        get(card(web.url, known_by=lines), cache, progress=lambda line: None)


CHILD = """
import sys
from pose_ros.models.card import load_card
from pose_ros.models.store import get
print(get(load_card(sys.argv[1]), sys.argv[2])["detector"])
"""


def test_processes_at_once_fetch_once(card: Any, web: Web, shop: Any, cache: Path) -> None:
    made = card(web.url, wheel=True)
    web.answers = [whole(shop.networks["detector"], pause=0.2)]
    command = [sys.executable, "-c", CHILD, str(shop.card_path), str(cache)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=120) for process in children]
    assert [process.returncode for process in children] == [0, 0], results
    assert len(web.asked) == 1
    assert states(made, cache) == ["ok", "ok"]
