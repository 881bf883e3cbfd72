"""Files from the web: resumed where they were cut off, and checked before they count.

Proxies and certificates are those of the environment, as ``urllib`` takes them:
``https_proxy``, ``no_proxy``, ``SSL_CERT_FILE``.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from tqdm import tqdm

from pose_ros import __version__
from pose_ros.errors import ModelError
from pose_ros.files import Progress

TIMEOUT = 30.0
"""Seconds that a server may be silent."""

PAUSES = (1.0, 3.0, 10.0)
"""Seconds to wait before each further attempt, when a server is busy or the line breaks."""

MAX_BYTES = 1 << 31
"""No network is that large: an address that sends more gives something else."""

_BLOCK = 1 << 16
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class Check(Protocol):
    """What tells a file that was fetched: a ``Checksum``, or what is done with it next."""

    def problem(self, path: Path, /) -> str:
        """Return what is wrong with a file, as what follows its name; empty when nothing is."""


class _AttemptError(Exception):
    """An attempt failed in a way that another one may not."""


def download(url: str, path: Path, check: Check, progress: Progress) -> None:
    """Fetch a file, going on with what an earlier attempt left of it.

    Args:
        url: Its http or https address; redirects are followed.
        path: Where to put it. What is there counts as its beginning. After an error
            the file holds what was fetched so far, unless that was wrong.
        check: Says whether it is what it must be.
        progress: Called with a line now and then; on a terminal a bar is drawn as well.

    Raises:
        ModelError: The server does not give it, or gives something else.
        OSError: It cannot be written.
    """
    if path.exists() and not check.problem(path):
        return
    progress(f"fetching {url}")
    reason = ""
    for pause in (0.0, *PAUSES):
        if reason:
            progress(f"{reason}; trying again")
            time.sleep(pause)
        had = path.stat().st_size if path.exists() else 0
        try:
            start = _attempt(url, path, had, progress)
        except _AttemptError as error:
            reason = str(error)
            continue
        problem = check.problem(path)
        if not problem:
            return
        path.unlink()
        if start == 0:
            raise ModelError(f"{url} {problem}")
        reason = "what was left of an earlier attempt does not belong to this file"
    raise ModelError(f"{url}: {reason}, {1 + len(PAUSES)} times")


@dataclass(frozen=True)
class _Answer:
    """What a server sends: a file of ``total`` bytes, if it says so, from byte ``start`` on."""

    response: Any
    name: str
    start: int
    total: int | None


def _attempt(url: str, path: Path, had: int, progress: Progress) -> int:
    """Fetch what is missing of a file of which some bytes are had; return where it went on."""
    with contextlib.closing(_request(url, path, had)) as response:
        answer = _Answer(response, url.rpartition("/")[2], *_extent(response))
        if answer.start not in (0, had):
            path.unlink(missing_ok=True)
            raise _AttemptError("the server sent another part than was asked for")
        with path.open("ab" if answer.start else "wb") as stream:
            got = _receive(answer, stream, progress)
    if answer.total is not None and got < answer.total:
        raise _AttemptError(f"the connection broke after {got} of {answer.total} bytes")
    return answer.start


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows where a server sends, but from https to no other scheme."""

    def redirect_request(  # noqa: PLR0917 - as the base class has it
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            said = f"redirection from https to {newurl} is not followed"
            raise urllib.error.HTTPError(req.full_url, code, said, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(url: str, path: Path, had: int) -> Any:
    headers = {"User-Agent": f"pose_ros/{__version__}"}
    if had:
        headers["Range"] = f"bytes={had}-"
    # the card asks for http or https; urllib redirects to no other scheme that reads files
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        # a new opener each time: the one that urllib keeps goes on with the proxies of its day
        return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            said = f"HTTP {error.code} {' '.join(str(error.reason).split())}".strip()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and had:
            path.unlink()
            raise _AttemptError("what was left of an earlier attempt is too long") from None
        if error.code in _BUSY:
            raise _AttemptError(f"the server said {said}") from None
        raise ModelError(f"{url}: {said}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, (TimeoutError, ConnectionResetError)):
            raise _AttemptError(f"no answer: {error.reason}") from None
        raise ModelError(f"{url}: {' '.join(str(error.reason).split())}") from None
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _AttemptError(f"no answer: {_name(error)}") from None


def _extent(response: Any) -> tuple[int, int | None]:
    """Return where an answer begins, -1 if unclear, and how long the whole file is, if said."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if sent is None:
            return -1, None
        return int(sent[1]), None if sent[2] == "*" else int(sent[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _receive(answer: _Answer, stream: BinaryIO, progress: Progress) -> int:
    """Write an answer to the end of a file; return the file's length."""
    name, got, total = answer.name, answer.start, answer.total
    quarters = 0
    # disable=None: a bar on a terminal, and lines elsewhere
    bar = tqdm(
        total=total, initial=got, desc=name, unit="B", unit_scale=True, disable=None, leave=False
    )
    with bar:
        while block := _read(answer.response, got):
            stream.write(block)
            bar.update(len(block))
            got += len(block)
            if got > MAX_BYTES:
                stream.truncate(0)
                raise ModelError(f"{name}: the server sends more than {MAX_BYTES} bytes")
            if total and bar.disable and quarters < 4 * got // total < 4:
                quarters = 4 * got // total
                progress(f"{name}: {25 * quarters}% of {total / 1e6:.1f} MB")
    stream.flush()
    os.fsync(stream.fileno())
    return got


def _read(response: Any, got: int) -> bytes:
    try:
        block: bytes = response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _AttemptError(f"the connection broke after {got} bytes: {_name(error)}") from None
    return block


def _name(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
