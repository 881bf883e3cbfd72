"""What a user calls a source, and what he means by it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pose_ros.core.protocols import Source
from pose_ros.errors import OptionError, SourceError
from pose_ros.sources.actor import GESTURES
from pose_ros.sources.synthetic import (
    DEFAULT_FPS,
    DEFAULT_HEIGHT,
    DEFAULT_WIDTH,
    SyntheticSource,
)

KINDS = (
    "a device (/dev/video0 or 0), an rtsp or http stream, a video, a picture, a folder or "
    "pattern of pictures, or synthetic"
)


def _truth_value(text: str) -> bool:
    if text not in ("0", "1", "false", "true"):
        raise ValueError
    return text in ("1", "true")


_SYNTHETIC_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "arm": ("arm", str),
    "width": ("width", int),
    "height": ("height", int),
    "fps": ("fps", float),
    "hfov": ("hfov_degrees", float),
    "camera_height": ("camera_height", float),
    "pitch": ("camera_pitch_degrees", float),
    "distance": ("distance", float),
    "seed": ("seed", int),
    "live": ("live", _truth_value),
}


def open_synthetic(
    spec: str,
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    loop: bool = False,
    live: bool = True,
) -> SyntheticSource:
    """Return the synthetic camera that ``synthetic[:GESTURE][?OPTION=VALUE&...]`` names.

    Options: arm, width, height, fps, hfov (degrees), camera_height (meters),
    pitch (degrees), distance (meters), seed, live (0 or 1). What the text says
    goes before the arguments.

    Raises:
        OptionError: A gesture or an option is unknown or out of its range.
    """
    head, _, query = spec.partition("?")
    _, _, gesture = head.partition(":")
    options: dict[str, Any] = {
        "fps": fps or DEFAULT_FPS,
        "width": width or DEFAULT_WIDTH,
        "height": height or DEFAULT_HEIGHT,
        "loop": loop,
        "live": live,
    }
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in _SYNTHETIC_OPTIONS:
            known = ", ".join(_SYNTHETIC_OPTIONS)
            raise OptionError(f"{spec}: unknown option {key!r}; known: {known}")
        name, read = _SYNTHETIC_OPTIONS[key]
        try:
            options[name] = read(text)
        except ValueError:
            raise OptionError(f"{spec}: {key} has no such value: {text!r}") from None
    if gesture and gesture not in GESTURES:
        raise OptionError(f"{spec}: unknown gesture {gesture!r}; known: {', '.join(GESTURES)}")
    return SyntheticSource(gesture or None, name=spec, **options)


def open_source(
    spec: str,
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    loop: bool = False,
    live: bool = True,
) -> Source:
    """Open whatever ``spec`` names.

    Args:
        spec: A device (``/dev/video0`` or ``0``), an rtsp or http(s) stream, a
            video, a picture, a folder or a glob of pictures, or
            ``synthetic[:GESTURE][?OPTION=VALUE&...]``.
        fps: Frames a second to ask a camera for, or at which pictures follow
            each other; None leaves it to the source.
        width: Pixels to ask a camera for, and of the synthetic one.
        height: As ``width``.
        loop: Repeat what ends; stamps go on rising.
        live: Whether the synthetic camera runs in real time; nothing else heeds it.

    Raises:
        SourceError: There is nothing of that name, or it cannot be opened.
        OptionError: An argument or an option in ``spec`` is out of its range.
    """
    if spec.partition("?")[0].partition(":")[0] == "synthetic":
        return open_synthetic(
            spec, fps=fps, width=width, height=height, loop=loop, live=live
        )
    raise SourceError(f"{spec!r} is no source; expected {KINDS}")
