"""The page that shows pictures as they come, asked as a browser asks."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from pose_ros.errors import OptionError
from pose_ros.viz.live_page import LivePage

TITLE = "<script>alert('robot & co')</script>"
SECONDS = 20.0


@pytest.fixture
def page() -> Iterator[LivePage]:
    page = LivePage(TITLE, port=0)
    yield page
    page.close()


def ask(page: LivePage, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(page.host, page.port, timeout=SECONDS)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_page_listens_on_this_machine_only_and_escapes_names(page: LivePage) -> None:
    assert page.address == f"http://127.0.0.1:{page.port}/"
    answer = ask(page, "/")
    text = answer.read().decode()
    assert answer.status == 200
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"


def test_status_line_is_text_and_never_html(page: LivePage) -> None:
    page.say("<b>people 1</b>")
    answer = ask(page, "/line")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.read() == b"<b>people 1</b>"
    assert "textContent" in ask(page, "/page.js").read().decode()
    assert ask(page, "/page.css").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("robot.example:80", 403), ("localhost:8642", 200), ("127.0.0.1", 200), ("[::1]:5", 200)],
)
def test_request_with_another_host_name_is_refused(page: LivePage, host: str, status: int) -> None:
    assert ask(page, "/", Host=host).status == status


def test_unknown_path_gives_status_404(page: LivePage) -> None:
    assert ask(page, "/../etc/passwd").status == 404


def test_page_streams_each_picture_that_is_shown(page: LivePage) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:] = (250, 10, 10)
    page.show(image, "rgb")  # no one looks: nothing is encoded
    answer = ask(page, "/pictures")
    assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=picture"
    page.show(image, "rgb")
    assert answer.readline() == b"--picture\r\n"
    assert answer.readline() == b"Content-Type: image/jpeg\r\n"
    size = int(answer.readline().split(b":")[1])
    assert answer.readline() == b"\r\n"
    shown = cv2.imdecode(np.frombuffer(answer.read(size), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (40, 60, 3)
    np.testing.assert_allclose(shown[20, 30], (10, 10, 250), atol=6)


def test_close_ends_the_streams_of_viewers() -> None:
    page = LivePage("pose_ros", port=0)
    answer = ask(page, "/pictures")
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.append(answer.read()))
    reader.start()
    page.close()
    reader.join(SECONDS)
    assert rest == [b""]


def test_port_in_use_gives_a_one_line_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"cannot listen on 127.0.0.1:{port}: .*--port"):
            LivePage("pose_ros", port=port)
    with pytest.raises(OptionError, match="cannot listen"):
        LivePage("pose_ros", port=70_000)
