"""Files on a web server, which end, as opposed to streams, which do not."""

from __future__ import annotations

import base64
import http.client
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pose_ros.core.encoded_images import FILE_FORMATS, image_format
from pose_ros.errors import SourceError
from pose_ros.sources.file_kinds import PICTURE
from pose_ros.video_files import HEAD_BYTES, video_container

_TIMEOUT_SECONDS = 5.0
_MAX_BYTES = 2 << 30
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class WebFile:
    """A file on a web server.

    Attributes:
        kind: ``PICTURE``, or FFmpeg's name of a video's container.
        is_seekable: Whether the server sends parts of it. FFmpeg needs them of an MP4 whose index
            is at its end.
    """

    kind: str
    is_seekable: bool


def find_web_file(address: str) -> WebFile | None:
    """Return what is known of a file on a web server.

    A file has a length and begins as a file does. A camera's stream has no length, or is made of
    parts; a playlist is neither.

    Returns:
        None for a stream, for what is not on a web server, and where the server does not answer:
        who opens it will say why.
    """
    if urlsplit(address).scheme.lower() not in ("http", "https"):
        return None
    try:
        with _get(address) as answer:
            if not (answer.headers.get("Content-Length") or "").isdecimal():
                return None
            if answer.headers.get_content_maintype() == "multipart":
                return None
            is_seekable = "bytes" in (answer.headers.get("Accept-Ranges") or "")
            head = answer.read(HEAD_BYTES)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    kind = video_container(head)
    if not kind and image_format(head[:16]) in FILE_FORMATS:
        kind = PICTURE
    return WebFile(kind, is_seekable) if kind else None


def download(address: str, folder: Path, name: str) -> Path:
    """Return the file into which one on a web server was read.

    Args:
        address: Of the file.
        folder: For the copy.
        name: What the user calls it, for messages.

    Raises:
        SourceError: It cannot be read or written, or is larger than 2 GB.
    """
    path = folder / (Path(unquote(urlsplit(address).path)).name or "file")
    try:
        with _get(address) as answer, path.open("wb") as file:
            while data := answer.read(_PIECE_BYTES):
                file.write(data)
                if file.tell() > _MAX_BYTES:
                    raise SourceError(f"{name} is larger than 2 GB: fetch it yourself")
            if answer.length:
                raise SourceError(f"{name} breaks off: {answer.length} bytes did not come")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"cannot fetch {name}: {error}") from None
    return path


def _get(address: str) -> http.client.HTTPResponse:
    """Ask for an address, with the name and password in it as HTTP sends them.

    Raises:
        OSError: The server is not there, or refuses.
    """
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(  # noqa: S310  http or https: the caller has looked
        urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
    )
    if at:
        token = base64.b64encode(unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
        request, timeout=_TIMEOUT_SECONDS
    )
    return answer
