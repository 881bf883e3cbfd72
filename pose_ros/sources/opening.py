"""What a user calls a source, and what they mean by it."""

from __future__ import annotations

import base64
import errno
import glob
import http.client
import os
import tempfile
import urllib.request
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pose_ros.bags.finding import is_bag, reader_is_missing
from pose_ros.core.encoded_images import DEFAULT_MAX_PIXELS, FILE_FORMATS, image_format
from pose_ros.core.types import Source
from pose_ros.errors import OptionError, SourceError
from pose_ros.files import natural_key, user_path
from pose_ros.sources.cameras import (
    CameraSource,
    CaptureRequest,
    without_password,
)
from pose_ros.sources.file_kinds import BAG, PICTURE, check_regular, kind_of, unknown_kind
from pose_ros.sources.names import is_device, is_stream, is_synthetic, without_scheme
from pose_ros.sources.pictures import PictureSource, pictures_in
from pose_ros.sources.videos import VideoSource
from pose_ros.synthetic.source import open_synthetic
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
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
            request, timeout=_TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        error.close()  # it holds the answer, which nothing reads
        raise
    return answer


KINDS = (
    "a device (/dev/video0 or 0), an rtsp or http stream, a video, a rosbag2, a picture, a folder "
    "or pattern of pictures, or synthetic"
)


def open_source(
    spec: str,
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    loop: bool = False,
    live: bool = True,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    topic: str | None = None,
    wait: bool = False,
) -> Source:
    """Open whatever ``spec`` names.

    >>> import pose_ros
    >>> source = pose_ros.open_source("synthetic:stand", fps=10, live=False)
    >>> source.read()
    Frame(640x480 bgr, stamp=0.0, index=0, source='synthetic:stand')
    >>> source.read()
    Frame(640x480 bgr, stamp=0.1, index=1, source='synthetic:stand')
    >>> source.close()

    Args:
        spec: A device (``/dev/video0`` or ``0``), an rtsp or http(s) stream, a
            video, a rosbag2 (its folder or one of its files) with images on one topic, a
            picture, a folder or a glob of pictures, or ``synthetic[:NAME][?OPTION=VALUE&...]``.
        fps: Frames a second to ask a camera for, or at which pictures follow
            each other; None leaves it to the source.
        width: Pixels to ask a camera for, and of the synthetic one.
        height: As ``width``.
        loop: Repeat what ends; stamps go on rising.
        live: Whether the synthetic camera runs in real time; nothing else heeds it.
        max_pixels: Width times height of the largest image that is taken in.
        topic: Of the images in a bag that has several; nothing else has topics.
        wait: Whether a camera or stream that is not there yet is waited for.

    Raises:
        SourceError: There is nothing of that name, or it cannot be opened.
        OptionError: An argument or an option in ``spec`` is out of its range.
    """
    spec = without_scheme(spec)
    if is_synthetic(spec):
        return open_synthetic(spec, fps=fps, width=width, height=height, loop=loop, live=live)
    if is_device(spec):
        return CameraSource(CaptureRequest(spec, width, height, fps, max_pixels), wait=wait)
    if is_stream(spec):
        return _open_address(
            CaptureRequest(spec, width, height, fps, max_pixels),
            loop=loop,
            max_pixels=max_pixels,
            wait=wait,
        )
    paths = _matches(spec)
    kind = kind_of(paths[0]) if len(paths) == 1 else PICTURE
    if kind == BAG:
        try:
            from pose_ros.bags.images import open_bag_images
        except ImportError as error:
            raise reader_is_missing(spec, error) from None
        return open_bag_images(paths[0], topic, max_pixels=max_pixels)
    if topic is not None:
        raise OptionError(f"a topic was given, and {spec} is no bag: leave it out")
    if kind != PICTURE:
        if not kind:
            check_regular(paths[0], spec)
            raise unknown_kind(paths[0], spec)
        return VideoSource(
            paths[0], name=spec, loop=loop, max_pixels=max_pixels, container=kind, fps=fps
        )
    if len(paths) > 1 and (others := [path.name for path in paths if _is_recording(path)]):
        raise SourceError(
            f"{spec} names several kinds of files, {others[0]} among them; give one video, one "
            "bag, or pictures alone"
        )
    return PictureSource(paths, name=spec, fps=fps, loop=loop, max_pixels=max_pixels)


def _open_address(request: CaptureRequest, *, loop: bool, max_pixels: int, wait: bool) -> Source:
    """Open a stream, which is opened again when it is lost, or a file, which is read once."""
    address, name = request.spec, without_password(request.spec)
    found = find_web_file(address)
    if found is None:
        return CameraSource(request, wait=wait)
    if found.is_seekable and found.kind != PICTURE:
        return VideoSource(
            address, name=name, loop=loop, max_pixels=max_pixels, container=found.kind
        )
    folder = tempfile.TemporaryDirectory(prefix="pose_ros_")
    path = download(address, Path(folder.name), name)
    source: PictureSource | VideoSource
    if found.kind == PICTURE:
        source = PictureSource([path], name=name, loop=loop, max_pixels=max_pixels)
    else:
        source = VideoSource(path, name=name, loop=loop, max_pixels=max_pixels)
    weakref.finalize(source, folder.cleanup)
    return source


def expand_inputs(
    specs: Sequence[str],
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    loop: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    topic: str | None = None,
) -> Iterator[Source]:
    """Open one source after the other, as ``pose-ros estimate`` goes through its inputs.

    Of folders and globs each picture is a source of its own, since one has
    nothing to do with the next, unless ``fps`` says that they are a sequence.
    The synthetic camera gives one run of its script. The caller closes each.

    Names are looked up at once; each source is opened when it is asked for, and
    one that fails then does not end the iteration.

    Raises:
        SourceError: There is nothing of a name; from ``next``: it cannot be opened.
        OptionError: As ``open_source``.
    """
    inputs = find_inputs(specs, fps=fps)
    if topic is not None and not any(i.is_bag for i in inputs):
        raise OptionError(f"a topic was given ({topic}), and none of the inputs is a bag")
    jobs: list[Callable[[], Source]] = [
        partial(
            open_source,
            i.name,
            fps=fps,
            width=width,
            height=height,
            loop=loop,
            live=False,
            max_pixels=max_pixels,
            topic=topic if i.is_bag else None,
        )
        for i in inputs
    ]
    # unlike a generator, map goes on after an error
    return map(_call, jobs)


@dataclass(frozen=True)
class Input:
    """One source among the inputs of a command, before it is opened.

    Attributes:
        name: As ``open_source`` takes it.
        files: That it reads: pictures, a video, a bag; none of a camera, a stream or a scene.
        is_picture: Whether it is one picture.
        is_bag: Whether it is a bag.
    """

    name: str
    files: tuple[Path, ...] = ()
    is_picture: bool = False
    is_bag: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it goes on until someone ends it: a camera or a stream."""
        return is_device(self.name) or is_stream(self.name)


def find_inputs(specs: Sequence[str], *, fps: float | None = None) -> list[Input]:
    """Return the sources that names, folders and patterns stand for; none is opened.

    Args:
        specs: As ``open_source`` takes them.
        fps: Of the pictures of a folder or pattern, which are then one source.

    Raises:
        SourceError: There is nothing of a name.
    """
    if not specs:
        raise SourceError(f"no input; expected {KINDS}")
    inputs = []
    for spec in map(without_scheme, specs):
        if is_synthetic(spec) or is_device(spec) or is_stream(spec):
            inputs.append(Input(spec))
            continue
        paths = _matches(spec)
        if fps is not None and not any(_is_recording(path) for path in paths):
            inputs.append(Input(spec, tuple(paths)))
        else:
            kinds = [(path, kind_of(path)) for path in paths]
            inputs += [Input(str(p), (p,), kind == PICTURE, kind == BAG) for p, kind in kinds]
    return inputs


def _call(job: Callable[[], Source]) -> Source:
    return job()


def _matches(spec: str) -> list[Path]:
    """Return the files that a path, folder or glob names, in natural order.

    Raises:
        SourceError: There is none.
    """
    if not spec:
        # Path has it for the present folder; it is a variable of a shell that is not set
        raise SourceError(f"an input without a name; expected {KINDS}")
    if "\0" in spec:
        raise SourceError(f"a null character in the name {spec!r}")
    # a file may begin with a tilde or have a bracket in its name: what is there is no pattern
    path = Path(spec) if os.path.lexists(spec) else user_path(spec)
    if _is_there(path, spec):
        return pictures_in(path) if path.is_dir() and not is_bag(path) else [path]
    if glob.has_magic(spec):
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        files = sorted((p for p in found if p.is_file() or is_bag(p)), key=natural_key)
        if files:
            return files
        raise SourceError(f"no file matches {spec}")
    if path.suffix or len(path.parts) > 1:
        raise SourceError(f"there is no file {spec}")
    raise SourceError(f"there is nothing called {spec!r}; expected {KINDS}")


def _is_there(path: Path, spec: str) -> bool:
    """Return whether there is something at a path.

    Raises:
        SourceError: It cannot be looked at, or is a link to nothing.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise SourceError(
                f"{spec} is a link to {path.readlink()}, which is not there"
            ) from None
        return False
    except OSError as error:  # no permission, a name that is too long, links in a circle
        if glob.has_magic(spec) and error.errno == errno.ENAMETOOLONG:
            return False
        raise SourceError(f"cannot open {spec}: {error.strerror or error}") from None
    return True


def _is_recording(path: Path) -> bool:
    """Return whether a path is opened by itself: a video or a bag, as opposed to a picture."""
    return kind_of(path) != PICTURE
