"""What the name of a source says before anything is opened; needs the standard library alone.

``ros2 launch`` reads these names too, and its Python may lack OpenCV.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")


def is_device(spec: str) -> bool:
    """Return whether a text names a video device rather than a file."""
    return spec.isdecimal() or (spec.startswith("/dev/") and not Path(spec).is_dir())


def is_stream(spec: str) -> bool:
    """Return whether a text is the address of a stream."""
    return "://" in spec and urlsplit(spec).scheme.lower() in STREAM_SCHEMES


def is_synthetic(spec: str) -> bool:
    """Return whether a source's name is that of a drawn scene."""
    return spec.partition("?")[0].partition(":")[0] == "synthetic"


def may_repeat(spec: str) -> bool:
    """Return whether a source may give the very same picture again, as what is drawn or recorded.

    The picture of a camera never repeats: its noise is another each time.
    """
    spec = without_scheme(spec)
    return not (is_device(spec) or is_stream(spec))


def without_scheme(spec: str) -> str:
    """Return what an address of a file or device names: ``file://a.jpg`` is ``a.jpg``."""
    for scheme in ("file://", "v4l2://"):
        spec = spec.removeprefix(scheme)
    return spec


def with_option(spec: str, name: str, value: str) -> str:
    """Return the name of a drawn scene with one more option, unless it has that one already."""
    _, _, query = spec.partition("?")
    if name in dict(parse_qsl(query, keep_blank_values=True)):
        return spec
    head = spec.removesuffix("?")
    return f"{head}{'&' if query else '?'}{name}={value}"


def commanding_scene(spec: str) -> str:
    """Return a drawn scene that a gesture node can make something of.

    The default script holds no gesture long enough to engage: where only ``synthetic`` is
    named, the actor of ``commanding`` raises a hand, gives commands and lets go.

    Args:
        spec: The name of a drawn scene, with or without options.
    """
    head, mark, query = spec.partition("?")
    return f"synthetic:commanding{mark}{query}" if head == "synthetic" else spec
