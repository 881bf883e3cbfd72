"""OpenCV and FFmpeg, kept from writing to the terminal what we raise or log ourselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import cv2

_AV_LOG_FATAL = "8"
_CV_LOG_ERROR = 2
# OpenCV 4.12 and later keep the two functions elsewhere
_LOG: Any = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.__dict__["logging"]


@contextlib.contextmanager
def quiet_opening() -> Iterator[None]:
    """Hold back the warnings of an attempt to open a device, a stream or a file.

    FFmpeg reads its level once, at the first opening in a process, and would
    report every damaged packet; OPENCV_FFMPEG_LOGLEVEL in the environment wins.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _AV_LOG_FATAL)
    level = _LOG.getLogLevel()
    _LOG.setLogLevel(min(level, _CV_LOG_ERROR))
    try:
        yield
    finally:
        _LOG.setLogLevel(level)
