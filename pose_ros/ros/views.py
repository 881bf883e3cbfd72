"""Where the overlay is shown: in a window, a file or a browser."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pose_ros.core.types import Channels, Image
from pose_ros.errors import OptionError, OutputError
from pose_ros.ros.video import VideoRecorder
from pose_ros.viz.live_page import DEFAULT_PORT, LOOPBACK, LivePage

WINDOW, BROWSER = "window", "browser"
VIDEO_SUFFIXES, PICTURE_SUFFIXES = (".mp4", ".avi"), (".jpg", ".jpeg", ".png")

_TITLE = "pose_ros"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


class OverlayView(Protocol):
    """Something that shows pictures."""

    def show(self, image: Image, channels: Channels, stamp: float) -> None:
        """Show an image, (H, W, 3) uint8, with its stamp in seconds.

        Raises:
            OutputError: It cannot be shown or written.
        """

    def say(self, line: str) -> None:
        """Show the live line, where there is a place for it."""

    def close(self) -> None:
        """Finish."""


def open_view(
    where: str, *, title: str = _TITLE, host: str = LOOPBACK, port: int = DEFAULT_PORT
) -> tuple[OverlayView, str]:
    """Open what ``--overlay`` names.

    Args:
        where: ``window``, ``browser``, or a file: a video, or a picture that is always the last.
        title: Of a window or page.
        host: Address that a page is served on.
        port: Of that address.

    Returns:
        The view, and where to look, in words.

    Raises:
        OptionError: There can be no such view here.
    """
    if where == WINDOW:
        return _Window(title), "a window; q in it ends"
    if where == BROWSER:
        page = _Page(title, host, port)
        return page, page.address
    path = Path(where)
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return _Video(path), f"{path}, finished when this ends"
    if suffix in PICTURE_SUFFIXES:
        return _PictureFile(path), f"{path}, always the last picture"
    raise OptionError(
        f"--overlay must be {WINDOW}, {BROWSER}, a video ({', '.join(VIDEO_SUFFIXES)}) or a "
        f"picture ({', '.join(PICTURE_SUFFIXES)}); got {where!r}"
    )


def why_no_window() -> str:
    """Return why OpenCV can open no window here; empty where it can."""
    found = re.search(r"^\s*GUI:\s*(.*)$", cv2.getBuildInformation(), re.MULTILINE)
    if found is None or found[1].strip() in ("", "NONE"):
        return (
            "this OpenCV has none (opencv-python-headless): take --overlay browser, or install "
            "opencv-python in its place"
        )
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAYS):
        return "there is no display here (DISPLAY is not set): take --overlay browser"
    return ""


class _Window:
    def __init__(self, title: str) -> None:
        if reason := why_no_window():
            raise OptionError(f"no window: {reason}")
        self._title = title

    def show(self, image: Image, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        picture = image if channels == "bgr" else image[..., ::-1]
        cv2.imshow(self._title, np.ascontiguousarray(picture))
        if cv2.waitKey(1) & 0xFF == ord("q"):
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        pass

    def close(self) -> None:
        cv2.destroyAllWindows()


class _Page:
    def __init__(self, title: str, host: str, port: int) -> None:
        self._page = LivePage(title, host, port)
        self.address = self._page.address
        self.say: Callable[[str], None] = self._page.say
        self.close: Callable[[], None] = self._page.close

    def show(self, image: Image, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        self._page.show(image, channels)


class _Video:
    def __init__(self, path: Path) -> None:
        self._recorder = VideoRecorder(path)
        self.show: Callable[[Image, Channels, float], None] = self._recorder.add
        self.close: Callable[[], None] = self._recorder.close

    def say(self, line: str) -> None:
        pass


class _PictureFile:
    """A file that is replaced as a whole, so that a reader never sees half a picture."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, image: Image, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        picture = image if channels == "bgr" else image[..., ::-1]
        done, data = cv2.imencode(self._path.suffix, np.ascontiguousarray(picture))
        if not done:
            raise OutputError(f"cannot write {self._path}: OpenCV cannot encode it")
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            part.write_bytes(data.tobytes())
            part.replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from None

    def say(self, line: str) -> None:
        pass

    def close(self) -> None:
        pass
