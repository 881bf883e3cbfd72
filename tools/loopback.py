"""A web server on the loopback that does what servers do: whatever a test tells it to."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the server's next answer says; the last one is for all the rest."""

    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        """Answer a request."""
        web = self.server
        web.asked.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        answer = web.answers.pop(0) if len(web.answers) > 1 else web.answers[0]
        answer(self)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def begin(self, status: int, **headers: str | int) -> None:
        """Send the head of an answer; in names of headers, ``_`` stands for ``-``."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


Answer: TypeAlias = Callable[[Handler], None]


class Web(ThreadingHTTPServer):
    """A server on the loopback.

    Attributes:
        answers: What to do with the next requests, in turn; the last one stays.
        asked: Path and Range of each request so far.
        url: Address of a file on it.
        done: Set when it is to stop: answers that wait, wait for it.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, file: str) -> None:
        """``file``: what the file on it is called."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Answer] = [status(404)]
        self.asked: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/some/{file}"
        self.done = threading.Event()


@contextlib.contextmanager
def serve(file: str) -> Iterator[Web]:
    """Run a server for as long as the context lasts."""
    with Web(file) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.done.set()
        server.shutdown()
        thread.join()


def whole(content: bytes, pause: float = 0.0, keep: int | None = None) -> Answer:
    """Send what was asked for; slowly, or ``keep`` bytes of it before the line breaks."""

    def answer(handler: Handler) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        if start >= len(content):
            handler.begin(416, Content_Length=0)
            return
        rest = content[start:]
        if start:
            extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.begin(206, Content_Length=len(rest), Content_Range=extent)
        else:
            handler.begin(200, Content_Length=len(rest))
        rest = rest[:keep]
        step = 20_000 if pause else len(rest)
        for i in range(0, len(rest), step):
            handler.wfile.write(rest[i : i + step])
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def status(code: int) -> Answer:
    """Answer with a number and nothing else."""
    return lambda handler: handler.begin(code, Content_Length=0)


def redirect(url: str) -> Answer:
    """Send elsewhere."""
    return lambda handler: handler.begin(302, Location=url, Content_Length=0)
