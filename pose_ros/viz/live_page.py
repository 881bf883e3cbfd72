"""A web page that shows pictures and a line as they come; on this machine alone by default."""

from __future__ import annotations

import html
import ipaddress
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from pose_ros.core.types import Channels, Image
from pose_ros.errors import OptionError, OutputError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8642
MOST_VIEWERS = 8

_QUALITY = 80  # of JPEG, percent
_CLIENT_SECONDS = 10.0  # for which a browser may take to read what it is sent
_BOUNDARY = "picture"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/page.css"></head>
<body><img src="/pictures" alt="no picture yet"><p id="line"></p>
<script src="/page.js"></script></body></html>
"""
_STYLE = """body { margin: 0; background: #222; color: #eee; font: 16px monospace; }
img { display: block; max-width: 100%; min-height: 3em; } p { margin: 0.5em; }
"""
# as text, so that no name is ever taken for HTML
_SCRIPT = """async function update() {
  try {
    const answer = await fetch("/line");
    document.getElementById("line").textContent = await answer.text();
  } catch { document.getElementById("line").textContent = "pose-ros watch has ended"; }
  setTimeout(update, 500);
}
update();
"""
_FILES = {
    "/page.css": ("text/css", _STYLE),
    "/page.js": ("text/javascript", _SCRIPT),
}


class LivePage:
    """Serves a page with a Motion JPEG of what it is shown, until it is closed.

    A picture is encoded once for all who look, and not at all while there are none.

    Args:
        title: Of the page; any text.
        host: Address to listen on.
        port: 0: any that is free.

    Raises:
        OptionError: The address cannot be listened on.
    """

    def __init__(self, title: str, host: str = LOOPBACK, port: int = DEFAULT_PORT) -> None:
        self._title = title
        self._line = ""
        self._changed = threading.Condition()
        self._picture, self._number = b"", 0
        self._viewers = 0
        self._closed = False
        handler = type("PageHandler", (_Handler,), {"page": self})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OptionError(
                f"cannot listen on {host}:{port}: {reason}; choose another --port"
            ) from None
        self.host, self.port = host, self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="live page", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{self.host}:{self.port}/"

    def show(self, image: Image, channels: Channels) -> None:
        """Show an image.

        Args:
            image: (H, W, 3) uint8.
            channels: Of the image.

        Raises:
            OutputError: It cannot be encoded.
        """
        with self._changed:
            if not self._viewers:
                return
        picture = image if channels == "bgr" else image[..., ::-1]
        done, data = cv2.imencode(
            ".jpg", np.ascontiguousarray(picture), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        if not done:
            raise OutputError(f"an image of {image.shape[1]}x{image.shape[0]} makes no JPEG")
        with self._changed:
            self._picture = data.tobytes()
            self._number += 1
            self._changed.notify_all()

    def say(self, line: str) -> None:
        """Show a line of text below the picture."""
        self._line = line

    def close(self) -> None:
        """End the server, and let the viewers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_picture(self, seen: int) -> tuple[bytes, int]:
        """Return the first JPEG after number ``seen``, and its number; empty: the page is closed.

        Called by the threads of the viewers.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > seen)
            return (b"", seen) if self._closed else (self._picture, self._number)

    def enter(self) -> bool:
        """Count a viewer; return whether there is room for them."""
        with self._changed:
            if self._viewers >= MOST_VIEWERS:
                return False
            self._viewers += 1
            return True

    def leave(self) -> None:
        """Count a viewer who has gone."""
        with self._changed:
            self._viewers -= 1

    def text(self, path: str) -> tuple[str, str] | None:
        """Return type and text of what stands under a path; None: there is nothing."""
        if path == "/":
            return "text/html", _PAGE.format(title=html.escape(self._title))
        if path == "/line":
            return "text/plain", self._line
        return _FILES.get(path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a browser that went away."""


class _Handler(BaseHTTPRequestHandler):
    page: LivePage
    timeout = _CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer a browser."""
        if not self._is_meant():
            self.send_error(HTTPStatus.FORBIDDEN, "ask for it by its address")
        elif self.path == "/pictures":
            self._send_pictures()
        elif (found := self.page.text(self.path)) is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send_text(*found)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the terminal is for the live line."""

    def _is_meant(self) -> bool:
        """Whether this server is asked by its address: a site by another name may not read it."""
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return self.headers.get("Host", "").partition(":")[0] == "localhost"
        return True

    def _send_text(self, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(HTTPStatus.OK)
        self._send_headers(f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_headers(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.send_header("X-Content-Type-Options", "nosniff")

    def _send_pictures(self) -> None:
        if not self.page.enter():
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self._send_headers(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            seen = 0
            while True:
                picture, seen = self.page.next_picture(seen)
                if not picture:
                    return
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                self.wfile.write(f"{head}Content-Length: {len(picture)}\r\n\r\n".encode())
                self.wfile.write(picture + b"\r\n")
        except OSError:
            return  # the browser went away, or reads too slowly
        finally:
            self.page.leave()
