"""A network camera for real: MJPEG over HTTP on loopback, which dies and comes back."""

import logging
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pose_ros.core.types import Frame, Image
from pose_ros.errors import SourceError
from pose_ros.sources.cameras import CameraSource, CaptureRequest
from pose_ros.sources.opening import open_source
from tools.mjpeg_server import MjpegServer

SIZE = (64, 48)


def gray(level: int) -> Image:
    """Return a picture of one gray level."""
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def servers() -> Iterator[list[MjpegServer]]:
    started: list[MjpegServer] = []
    yield started
    for server in started:
        if not server.ended.is_set():
            server.stop()


def read_level(source: CameraSource, level: int, seconds: float = 30.0) -> Frame:
    """Read until a frame of this gray level comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        frame = source.read()
        assert frame is not None
        if abs(int(frame.image.mean()) - level) <= 2:
            return frame
    raise AssertionError("waited in vain")


def test_stream_reconnects_after_a_loss(
    port: int, servers: list[MjpegServer], caplog: pytest.LogCaptureFixture
) -> None:
    servers.append(MjpegServer(port, gray(100)))
    request = CaptureRequest(f"http://user:secret@127.0.0.1:{port}/camera.mjpg")
    with caplog.at_level(logging.WARNING, "pose_ros"):
        source = CameraSource(request, first_retry_seconds=0.05, longest_retry_seconds=0.2)
        try:
            before = time.time()
            stamps = [read_level(source, 100).stamp for _ in range(5)]
            assert before - 1.0 < stamps[0] < stamps[-1] < time.time() + 1.0
            assert stamps == sorted(set(stamps))
            assert source.live
            servers[0].stop()
            end = time.monotonic() + 30.0
            while source.connected and time.monotonic() < end:
                time.sleep(0.01)
            assert not source.connected
            time.sleep(0.5)  # several attempts in vain
            servers.append(MjpegServer(port, gray(200)))
            frame = read_level(source, 200)
            assert (frame.width, frame.height) == SIZE
            name = f"http://127.0.0.1:{port}/camera.mjpg"
            assert [r.getMessage() for r in caplog.records] == [
                f"{name} is lost; it is opened again as soon as it is back",
                f"{name} is back",
            ]
        finally:
            source.close()


def test_open_source_accepts_a_stream_url(servers: list[MjpegServer]) -> None:
    servers.append(MjpegServer(0, gray(30)))
    source = open_source(f"http://127.0.0.1:{servers[0].port}/")
    try:
        assert isinstance(source, CameraSource)
        assert read_level(source, 30).channels == "bgr"
    finally:
        source.close()


def test_stream_url_without_a_server_gives_a_one_line_error(port: int) -> None:
    with pytest.raises(SourceError, match=rf"no video comes from http://127\.0\.0\.1:{port}/x"):
        open_source(f"http://name:secret@127.0.0.1:{port}/x")


def test_stream_of_large_images_is_refused(servers: list[MjpegServer]) -> None:
    servers.append(MjpegServer(0, gray(30)))
    with pytest.raises(SourceError, match="64x48 has .* megapixels, more than"):
        open_source(f"http://127.0.0.1:{servers[0].port}/", max_pixels=1000)
