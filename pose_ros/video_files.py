"""Reads and writes video files, with the times of their containers; the one importer of PyAV.

A file is opened by the container that its first bytes show, and by nothing else, so that no other
file (a playlist, say, or a text) ends up in FFmpeg. Python opens the file: its name may hold bytes
that are not UTF-8. Colors are converted by BT.601, as OpenCV does for every video: networks and
their published results have seen such pictures.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import cv2
import numpy as np

from pose_ros.core.encoded_images import DEFAULT_MAX_PIXELS, check_size, image_format, on_white
from pose_ros.core.types import Image
from pose_ros.errors import ImageError, OutputError, RuntimeUnavailableError, SourceError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

HEAD_BYTES = 4096
"""Of a file, by which its container is known."""

# FFmpeg's demuxer by the first bytes.
_CONTAINERS = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb"....(ftyp|moov|mdat|free|skip|wide|pnot)", "mov"),
        (rb"\x1a\x45\xdf\xa3", "matroska"),
        (rb"RIFF....AVI ", "avi"),
        (rb"GIF8[79]a", "gif"),
        (rb"OggS", "ogg"),
        (rb"FLV\x01", "flv"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
        (rb"DKIF", "ivf"),
        (rb"YUV4MPEG2 ", "yuv4mpegpipe"),
        (rb"\x06\x0e\x2b\x34", "mxf"),
        (rb"\0\0\x01\xba", "mpeg"),
        (rb"\0\0\x01\xb3", "mpegvideo"),
        (rb"\x47.{187}\x47", "mpegts"),
        (rb".{4}\x47.{191}\x47", "mpegts"),
    )
)
# What has no bytes of its own to begin with, or has lost them
_SUFFIXES = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".3gp"), "mov"),
    **dict.fromkeys((".mkv", ".webm"), "matroska"),
    **dict.fromkeys((".ts", ".mts", ".m2ts"), "mpegts"),
    **dict.fromkeys((".mpg", ".mpeg", ".vob"), "mpeg"),
    **dict.fromkeys((".h264", ".264"), "h264"),
    **dict.fromkeys((".h265", ".265", ".hevc"), "hevc"),
    **dict.fromkeys((".mjpeg", ".mjpg"), "mjpeg"),
    ".avi": "avi",
    ".dv": "dv",
    ".flv": "flv",
    ".gif": "gif",
    ".ogv": "ogg",
    ".wmv": "asf",
}
# Encoders that every build of FFmpeg has, and the finest time that a container and they allow
_ENCODERS = {
    ".avi": ("avi", "mjpeg", "yuvj420p", None),
    ".mkv": ("matroska", "mpeg4", "yuv420p", Fraction(1, 1000)),
    ".mov": ("mov", "mpeg4", "yuv420p", Fraction(1, 60_000)),
    ".mp4": ("mp4", "mpeg4", "yuv420p", Fraction(1, 60_000)),
}
VIDEO_SUFFIXES = frozenset(_ENCODERS)
"""Of videos that can be written."""

DEFAULT_FPS = 30.0
"""Of a video that does not say."""

_MATRICES = ("src_colorspace", "dst_colorspace")
_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
_QUANTIZER = 3  # of 1 to 31; FFmpeg counts it in units of 118
_LONGEST_GAP_SECONDS = 600.0
_MAX_PADDING_PIXELS = 128 * 32_768
_BUFFER_BYTES = 1 << 18
_OPEN_SECONDS, _READ_SECONDS = 10.0, 10.0
_GIVE_UP_ERRORS = 1000


def video_container(head: bytes, name: str = "") -> str:
    """Return FFmpeg's name of the container of a video; empty for any other file.

    Args:
        head: The first ``HEAD_BYTES`` of the file.
        name: Of the file; its suffix decides where the bytes do not.
    """
    picture = image_format(head[:16])
    if picture == "PNG" and 0 <= head.find(b"acTL") < max(head.find(b"IDAT"), 64):
        return "apng"
    suffix = Path(name).suffix.lower()
    if picture and picture != "GIF":
        return "mjpeg" if _SUFFIXES.get(suffix) == "mjpeg" and picture == "JPEG" else ""
    found = (container for pattern, container in _CONTAINERS if pattern.match(head))
    return next(found, _SUFFIXES.get(suffix, ""))


@dataclass(frozen=True)
class VideoImage:
    """A decoded frame of a video.

    Attributes:
        image: (H, W, 3) uint8 BGR, upright.
        seconds: When it is shown, in the container's time; NaN where that says nothing.
        duration: For how long, in seconds; NaN where that is not known.
    """

    image: Image
    seconds: float
    duration: float


class VideoReader:
    """The frames of a video, one after the other.

    Attributes:
        fps: Frames a second on average, as the container says; NaN where it does not.
        length: Number of frames, where the container counts them; None where it does not.

    Args:
        source: A file that is open for reading, or the address of one on a web server.
        container: FFmpeg's name of it, as ``video_container`` gives it.
        name: What the user calls it, for messages.
        max_pixels: Width times height above which it is refused, before it is decoded.

    Raises:
        SourceError: It is no video that can be read, holds no pictures, or they are too large.
        RuntimeUnavailableError: PyAV is not installed.
    """

    def __init__(
        self,
        source: IO[bytes] | str,
        container: str,
        name: str,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        self._av, self._name = _import_av(), name
        self._source, self._max_pixels = source, max_pixels
        # FFmpeg counts what pads the rows as well
        self._decoder_limit = {"max_pixels": str(max_pixels + _MAX_PADDING_PIXELS)}
        self._container = self._open(container)
        try:
            self._stream = self._choose_stream()
        except BaseException:
            self._container.close()
            raise
        stream = self._stream
        rate = float(stream.average_rate or 0)
        self.fps = rate if 0 < rate < 10_000 else math.nan
        self.length = stream.frames or None
        self._reformatter = self._av.video.reformatter.VideoReformatter()
        self._expected = _expected_packets(stream, container)
        self._counts_ticks = container == "avi"
        self._seen = 0  # of the expected ones
        self._packets = self._unread = self._failed = self._concealed = 0
        self._frames = self._decode()

    def read(self) -> VideoImage | None:
        """Return the next frame that can be decoded, or None at the end.

        Raises:
            SourceError: A frame is larger than is allowed.
        """
        return next(self._frames, None)

    def close(self) -> None:
        """Release the decoder; the file is its opener's."""
        self._frames.close()
        self._container.close()

    def _open(self, container: str) -> InputContainer:
        is_file = not isinstance(self._source, str)
        try:
            opened: InputContainer = self._av.open(
                self._source,
                "r",
                format=container,
                options=self._decoder_limit,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                timeout=None if is_file else (_OPEN_SECONDS, _READ_SECONDS),
                io_open=_open_nothing if is_file else None,
            )
        except (ValueError, OSError, self._av.FFmpegError):
            raise SourceError(
                f"{self._name} is no video that can be read, or its head is damaged or cut off"
            ) from None
        return opened

    def _choose_stream(self) -> VideoStream:
        cover = self._av.stream.Disposition.attached_pic
        streams = (s for s in self._container.streams.video if not s.disposition & cover)
        stream = next(streams, None)
        if stream is None:
            raise SourceError(f"{self._name} holds no pictures, only sound or data")
        context = stream.codec_context
        if context is None:
            raise SourceError(f"{self._name}: its kind of video cannot be decoded")
        if context.width and context.height:  # some are known with the first frame only
            self._check_size(context.width, context.height)
        context.options = self._decoder_limit
        # FFmpeg's threads that decode several frames at a time wait for each other for ever on
        # some damaged HEVC; those that share one frame do not
        context.thread_type = "SLICE"
        return stream

    def _check_size(self, width: int, height: int) -> None:
        try:
            check_size(width, height, self._max_pixels)
        except ImageError as error:
            raise SourceError(f"{self._name}: {error}") from None

    def loss(self) -> str:
        """Return in words what was lost up to the end of the file; empty where nothing was."""
        missing = max(0, self._expected - self._seen)
        if failed := self._failed + missing:
            return f"{failed} of its {self._packets + self._unread + missing} frames cannot be read"
        if lacking := _lacking_bytes(self._source):
            return f"the last {lacking} bytes of the file are missing"
        if self._concealed:
            return f"{self._concealed} of its {self._packets} frames are damaged in parts"
        return ""

    def _decode(self) -> Generator[VideoImage, None, None]:
        for packet in self._demux():
            try:
                frames = packet.decode()
            except (self._av.FFmpegError, ValueError):
                self._failed += 1
                continue
            for frame in frames:
                yield self._convert(frame)

    def _demux(self) -> Iterator[Any]:
        """Yield the packets that can be read, damage between them passed over."""
        in_a_row = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except IndexError:  # a packet of a stream that the head did not name
                packets = self._container.demux(self._stream)
                continue
            except (ValueError, self._av.error.InvalidDataError):
                in_a_row += 1
                self._unread += 1
                self._failed += 1
                self._seen += 1
                if in_a_row >= _GIVE_UP_ERRORS:
                    return
                packets = self._container.demux(self._stream)  # an error ends the iterator
                continue
            except (OSError, self._av.FFmpegError) as error:
                raise SourceError(f"{self._name} breaks off: {_reason(error)}") from None
            if packet is None:
                return
            in_a_row = 0
            if packet.size:
                self._packets += 1
                self._seen += 1
                if self._counts_ticks and packet.dts is not None:
                    self._seen = packet.dts + 1  # a frame that is shown on has no packet
            yield packet

    def _convert(self, frame: VideoFrame) -> VideoImage:
        self._check_size(frame.width, frame.height)
        self._concealed += bool(frame.is_corrupt)
        seconds = math.nan if frame.time is None else float(frame.time)
        duration = math.nan
        if frame.duration and frame.time_base:
            duration = float(frame.duration * frame.time_base)
        has_alpha = any(part.is_alpha for part in frame.format.components)
        # RGB has no matrix to convert by
        matrix = {} if frame.format.is_rgb else dict.fromkeys(_MATRICES, "ITU601")
        kind = "bgra" if has_alpha else "bgr24"
        pixels = self._reformatter.reformat(frame, format=kind, **matrix).to_ndarray()
        image: Image = pixels[..., :3]
        if has_alpha:
            image = on_white(image, pixels[..., 3].astype(np.float32) / np.float32(255.0))
        turn = _TURNS.get(round(frame.rotation / 90) % 4)
        if turn is not None:
            image = np.asarray(cv2.rotate(image, turn), np.uint8)
        return VideoImage(np.ascontiguousarray(image), seconds, duration)


class VideoWriter:
    """A video in which each image is shown from its own time to the next one's.

    Args:
        path: Its suffix, one of ``VIDEO_SUFFIXES``, decides on the container.
        fps: For how long the last image is shown; an AVI, which has no finer times, also rounds
            to it.
        name: What messages call it; the path where None.

    Raises:
        RuntimeUnavailableError: PyAV is not installed.
    """

    def __init__(
        self, path: Path, fps: float = DEFAULT_FPS, *, name: str | Path | None = None
    ) -> None:
        self._av, self._path, self._name = _import_av(), path, name or path
        self._fps = fps if math.isfinite(fps) and 0 < fps < 10_000 else DEFAULT_FPS
        self._file: _DiskFile | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._time_base = Fraction(1, 1)
        self._start = self._last_seconds = math.nan
        self._seconds_written = 0.0
        self._last_tick = -1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, of the first image; zeros before there is one."""
        return self._size

    def write(self, image: Image, seconds: float) -> None:
        """Append an image.

        Args:
            image: (H, W, 3) uint8 BGR, of the first image's size.
            seconds: Its time. Where that is not after the last one's, another recording begins:
                it follows on. So does one after a gap of more than ten minutes.

        Raises:
            OutputError: The video cannot be written.
        """
        with self._telling():
            if self._stream is None:
                self._begin(image)
            step = seconds - self._last_seconds
            if not 0 < step <= _LONGEST_GAP_SECONDS:
                after = 0.0 if self._last_tick < 0 else self._seconds_written + 1 / self._fps
                self._start = seconds - after
            self._last_seconds = seconds
            self._seconds_written = seconds - self._start
            tick = round(self._seconds_written / self._time_base)
            self._last_tick = max(self._last_tick + 1, tick)
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = self._last_tick, self._time_base
            self._encode(frame)
            if self._file is not None:
                self._file.check()

    def close(self) -> None:
        """Finish the video; without this it cannot be played.

        Raises:
            OutputError: It cannot be written, or not as a whole.
        """
        container, file = self._container, self._file
        self._container = self._file = None
        if container is None or file is None:
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._telling())
            stack.callback(file.close)
            stack.callback(container.close)
            self._encode_into(container, None)

    def _begin(self, image: Image) -> None:
        container, codec, pixels, time_base = _ENCODERS[self._path.suffix.lower()]
        rate = Fraction(self._fps).limit_denominator(1001)
        self._time_base = time_base or 1 / rate
        self._size = (image.shape[1], image.shape[0])
        self._file = _DiskFile(self._path)
        self._container = self._av.open(self._file, "w", format=container)
        stream: Any = self._container.add_stream(codec, rate=rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = pixels
        stream.time_base = stream.codec_context.time_base = self._time_base
        stream.codec_context.options = {
            "flags": "+qscale",
            "global_quality": str(118 * _QUANTIZER),
            "strict": "unofficial",
        }
        self._stream = stream

    def _encode(self, frame: VideoFrame | None) -> None:
        if self._container is not None:
            self._encode_into(self._container, frame)

    def _encode_into(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        if self._stream is not None:
            for packet in self._stream.encode(frame):
                container.mux(packet)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, self._av.FFmpegError) as error:
            raise OutputError(f"cannot write the video {self._name}: {_reason(error)}") from None


class _DiskFile:
    """A file whose first error is kept until it is asked for: PyAV would print it and go on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write bytes; after an error nothing."""
        return self._try(self._file.write, data, instead=len(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place."""
        return self._try(self._file.seek, offset, whence, instead=offset)

    def tell(self) -> int:
        """Return the present place."""
        return self._try(self._file.tell, instead=0)

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, and raise the first error, if there was one."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error
        self.check()

    def _try(self, action: Callable[..., int], *arguments: Any, instead: int) -> int:
        if self._error is None:
            try:
                return action(*arguments)
            except OSError as error:
                self._error = error
        return instead


def _import_av() -> Any:
    """Return PyAV, which the nodes do without as long as no file is opened.

    Raises:
        RuntimeUnavailableError: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"video files need PyAV, which cannot be loaded ({error}): pip install av"
        ) from None
    return av


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()


def _open_nothing(url: str, _flags: int, _options: dict[str, str]) -> IO[bytes]:
    """Refuse a file that another one names."""
    raise PermissionError(f"{url} is not opened: a video must stand for itself")


def _expected_packets(stream: VideoStream, container: str) -> int:
    """Return how many frames the index of a container lists; 0 where there is none."""
    if container == "mov":
        return len(stream.index_entries)
    return stream.frames if container == "avi" else 0


def _lacking_bytes(source: IO[bytes] | str) -> int:
    """Return how many bytes a Matroska file lacks by its own account; 0 of other files."""
    if isinstance(source, str):
        return 0
    source.seek(0)
    head = source.read(HEAD_BYTES)
    size = source.seek(0, 2)
    place = 0
    for name in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if head[place : place + 4] != name or len(head) < place + 12:
            return 0
        place += 4
        width = 9 - head[place].bit_length()
        length = int.from_bytes(head[place : place + width], "big") & (1 << 7 * width) - 1
        place += width
        if length == (1 << 7 * width) - 1:  # not known when it was written, as of a live recording
            return 0
        if name == b"\x1a\x45\xdf\xa3":
            place += length
    return max(0, place + length - size)
