"""Files of any name and of any content: each is read, or refused in one line."""

from __future__ import annotations

import contextlib
import http.server
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_ros.errors import OptionError, PoseRosError, SourceError
from pose_ros.sources.opening import expand_inputs, open_source
from pose_ros.sources.pictures import read_picture
from pose_ros.video_files import VideoWriter

IMAGE = np.full((48, 64, 3), 120, np.uint8)
ODD_NAMES = [
    *(b"caf\xe9", b"\xff\xfe\xfd", "кадр ☕".encode(), b"a\nb"),
    *(b"~x", b"-x", b"a%sb", b"[1]"),
]


def write_video(path: Path, count: int = 5) -> Path:
    writer = VideoWriter(path, 10.0)
    for i in range(count):
        writer.write(IMAGE + np.uint8(10 * i), i / 10)
    writer.close()
    return path


@pytest.mark.parametrize("name", ODD_NAMES)
def test_file_names_of_any_bytes_are_opened(
    tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stem = os.fsdecode(name)
    (tmp_path / f"{stem}.png").write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    write_video(tmp_path / f"{stem}.avi")
    for suffix, count in ((".png", 1), (".avi", 5)):
        source = open_source(f"{stem}{suffix}" if name != b"-x" else f"./{stem}{suffix}")
        frames = [frame for _ in range(9) if (frame := source.read())]
        source.close()
        assert len(frames) == count
        for text in (frames[0].source, source.name):
            assert text.encode("utf-8").decode().isprintable()
        assert np.abs(frames[0].image.astype(int) - 120).max() <= 8


def test_errors_about_file_names_of_any_bytes_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\x1b[31m.jpg")
    path.write_bytes(b"no picture")
    source = open_source(str(path))
    with pytest.raises(SourceError) as error:
        source.read()
    assert r"caf\xe9\x1b[31m.jpg" in str(error.value)


ROS1 = b"#ROSBAG V2.0\nE\x00\x00\x00" + b"\xff\xd8\xff\xe0" * 400


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("one.bag", ROS1, r"a bag of ROS 1; convert it: rosbags-convert --src one\.bag --dst one$"),
        ("a.txt", b"hello", "no picture or bag either"),
        ("a.m3u8", b"#EXTM3U\n/etc/passwd\n", "of no format that is known"),
        ("a.dat", b"\0\0\0\x18ftypheic" + bytes(99), "HEIC, which is not read"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(99), "HEIC, which is not read: heif-convert"),
        ("a.avif", b"\0\0\0\x18ftypavif" + bytes(99), "AVIF, which is not read: heif-convert"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000, .* opj_decompress"),
        ("a.jpg", b"", r"a\.jpg: it has no data"),
        ("a.dat", b"", "is empty, or cannot be read"),
        ("a.mp4", b"", "is empty"),
        ("a.mp4", b"x" * 99, "no video that can be read"),
        ("a.webm", b"\x1a\x45\xdf\xa3" + b"x" * 99, "no video that can be read"),
        ("a.exr", b"v/1\x01" + bytes(99), "OpenEXR, which is not read"),
    ],
)
def test_unsupported_file_is_refused_with_its_kind(
    tmp_path: Path, name: str, data: bytes, text: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=text) as error:
        open_source(str(tmp_path / name)).read()
    assert "\n" not in str(error.value)
    with pytest.raises(SourceError, match=text):
        next(expand_inputs([str(tmp_path / name)])).read()


def test_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    for name in ("pipe", "pipe.jpg", "pipe.mp4"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(SourceError, match="FIFO"):
            open_source(str(tmp_path / name)).read()


def test_folder_names_pictures_that_have_to_be_converted(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    (tmp_path / "b.png").write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    (tmp_path / "c.png").mkdir()
    sources = list(expand_inputs([str(tmp_path)]))
    assert [Path(source.name).name for source in sources] == ["a.heic", "b.png"]
    with pytest.raises(SourceError, match="heif-convert"):
        sources[0].read()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("~nobody_of_that_name/a.jpg", "there is no file ~nobody_of_that_name/a.jpg"),
        ("a\0b.jpg", "a null character"),
        ("x" * 300 + ".jpg", "File name too long"),
        ("gone.jpg", r"gone\.jpg is a link to nowhere\.jpg, which is not there"),
        ("circle.jpg", "cannot open circle.jpg: Too many levels of symbolic links"),
        ("b.png/c.jpg", "there is no file b.png/c.jpg"),
    ],
)
def test_path_that_leads_nowhere_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME", raising=False)
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(SourceError, match=text):
        open_source(spec)


@pytest.fixture
def locked() -> Iterator[Path]:
    """Files and a folder that may not be read, by root neither: it is another user for a while."""
    nobody, was_root = 65534, os.geteuid() == 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for name in ("a.jpg", "a.mp4", "a.mcap", "a.tif"):
            (folder / name).write_bytes(b"x")
            (folder / name).chmod(0)
        (folder / "bag").mkdir(mode=0)
        if was_root:
            os.seteuid(nobody)
        try:
            yield folder
        finally:
            if was_root:
                os.seteuid(0)
            (folder / "bag").chmod(0o700)


@pytest.mark.parametrize("name", ["a.jpg", "a.mp4", "a.mcap", "a.tif", "bag", "bag/a.jpg"])
def test_file_without_read_permission_gives_a_one_line_error(locked: Path, name: str) -> None:
    with pytest.raises(SourceError, match="Permission denied") as error:
        open_source(str(locked / name)).read()
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_huge_picture_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(SourceError, match="larger than"):
        read_picture(tmp_path / "a.png")


def test_topic_of_a_file_that_is_not_a_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    for open_it in (open_source, lambda spec, **options: expand_inputs([spec], **options)):
        with pytest.raises(OptionError, match="bag"):
            open_it(str(tmp_path / "b.png"), topic="/camera")


class Server(http.server.ThreadingHTTPServer):
    """Serves files: whole, below /parts/ from any byte on, below /locked/ with a password."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        requests: list[str] = []
        self.requests = requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                data = files.get(self.path.rpartition("/")[2])
                if data is None:
                    self.send_error(404)
                    return
                if self.path.startswith("/locked/") and "Authorization" not in self.headers:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.end_headers()
                    return
                sent = self.headers.get("Range") if "/parts/" in self.path else None
                begin = int(sent.removeprefix("bytes=").partition("-")[0]) if sent else 0
                whole, data = len(data), data[begin:]
                self.send_response(206 if sent else 200)
                if "/parts/" in self.path:
                    self.send_header("Accept-Ranges", "bytes")
                    self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the reader may go away
                    self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    video = write_video(tmp_path / "clip.mkv", 25).read_bytes()
    picture = cv2.imencode(".jpg", IMAGE)[1].tobytes()
    mp4 = write_video(tmp_path / "clip.mp4", 25).read_bytes()
    assert mp4.index(b"mdat") < mp4.index(b"moov")
    files = {"clip.mkv": video, "clip.mp4": mp4, "photo.jpg": picture, "page.html": b"<html>"}
    served = Server(files)
    yield served
    served.stop()


@pytest.mark.parametrize(
    ("path", "count"),
    [
        *(("clip.mkv", 25), ("clip.mp4", 25), ("parts/clip.mp4", 25), ("photo.jpg", 1)),
        *(("locked/clip.mkv", 25), ("locked/parts/clip.mp4", 25)),
    ],
)
def test_video_on_a_web_server_ends_after_its_last_frame(
    server: Server, path: str, count: int
) -> None:
    address = f"{server.address}/{path}"
    if path.startswith("locked"):
        address = address.replace("//", "//someone:secret@", 1)
    source = open_source(address)
    assert not source.live
    assert "secret" not in source.name
    stamps = [frame.stamp for _ in range(99) if (frame := source.read())]
    assert len(stamps) == count
    np.testing.assert_allclose(stamps, np.arange(count) / 10, atol=1e-3)
    assert source.read() is None
    source.close()


def test_web_page_is_refused_as_a_video(server: Server) -> None:
    for path in ("page.html", "missing.mp4"):
        with pytest.raises(PoseRosError, match="no video comes from"):
            open_source(f"{server.address}/{path}")
