"""Files on a web server, which end, as opposed to streams, which do not."""

from __future__ import annotations

import base64
import http.client
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pose_ros.core.encoded_images import FILE_FORMATS, image_format
from pose_ros.errors import SourceError
from pose_ros.sources.file_kinds import PICTURE
from pose_ros.video_files import HEAD_BYTES, video_container

_TIMEOUT_SECONDS = 5.0
_MAX_PICTURE_BYTES = 64 << 20


def kind_of_address(address: str) -> str:
    """Return what an address on a web server is opened as.

    A file has a length and begins as a file does. A camera's stream has no length, or is made of
    parts; a playlist is neither.

    Returns:
        ``PICTURE`` or FFmpeg's name of a video's container; empty for a stream, for what is not on
        a web server, and where the server does not answer: who opens it will say why.
    """
    if urlsplit(address).scheme.lower() not in ("http", "https"):
        return ""
    try:
        with _get(address) as answer:
            if not (answer.headers.get("Content-Length") or "").isdecimal():
                return ""
            if answer.headers.get_content_maintype() == "multipart":
                return ""
            head = answer.read(HEAD_BYTES)
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    if image_format(head[:16]) in FILE_FORMATS:
        return video_container(head) or PICTURE
    return video_container(head)


def download_picture(address: str, folder: Path, name: str) -> Path:
    """Return the file into which a picture was read.

    Args:
        address: Of the picture.
        folder: For the file.
        name: What the user calls it, for messages.

    Raises:
        SourceError: It cannot be read, or is larger than 64 MB.
    """
    path = folder / (Path(unquote(urlsplit(address).path)).name or "picture")
    try:
        with _get(address) as answer:
            data = answer.read(_MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"cannot read {name}: {error}") from None
    if len(data) > _MAX_PICTURE_BYTES:
        raise SourceError(f"{name} is larger than 64 MB")
    path.write_bytes(data)
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
