"""Gathers results and writes them as a page."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.results import Result, RunInfo
from pose_ros.core.types import Channels, Image
from pose_ros.errors import OutputError, RuntimeUnavailableError
from pose_ros.report.moments import Moments, Seen
from pose_ros.report.options import CameraPlacement, RecordingFacts, ReportOptions, option
from pose_ros.report.statistics import Statistics

PLOTS = ("people", "gestures", "floor", "latency", "angles_*")
"""Names, as patterns, of the files that ``ReportBuilder.write_plots`` may write."""

_NEEDED = ("jinja2", "matplotlib")


def check_installed() -> None:
    """Check that what draws reports is there, before a long run and not after it.

    Raises:
        RuntimeUnavailableError: It is not.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"reports and plots need {' and '.join(missing)}: pip install 'pose_ros[report]'"
        )


class ReportBuilder:
    """Takes in results one by one and writes a page about them.

    What it keeps does not grow with the recording: some megabytes, and the pictures.

    Args:
        info: What ran; None where it is unknown, as of a bag that was recorded live.
        options: What the page shows.
        name: What the recording is called, where ``info`` does not say.

    Raises:
        RuntimeUnavailableError: matplotlib or jinja2 is not installed.
    """

    def __init__(
        self, info: RunInfo | None, options: ReportOptions | None = None, name: str = ""
    ) -> None:
        check_installed()
        self.info = info
        self.options = options or ReportOptions()
        self._title = self.options.title or (info.source if info else "") or name or "Results"
        self.statistics = Statistics(self.options.joints, scale_known=scale_known(info))
        self.moments = Moments()

    def add(
        self,
        result: Result,
        image: Image | None = None,
        channels: Channels = "rgb",
        *,
        up: NDArray[np.floating] | None = None,
        placement: CameraPlacement | None = None,
        latency: float | None = None,
    ) -> None:
        """Take in the next result.

        Args:
            result: In the order of its recording.
            image: (H, W, 3) uint8 that it is of, for pictures of moments; it is not changed.
            channels: Order of the image's color channels.
            up: (3,) against gravity in the image's optical frame, where that is known.
            placement: Where the camera was, in a frame with z up that stays, where that is
                known: people are then placed, and their walk is measured, in it.
            latency: Seconds after its stamp at which a live result was recorded.
        """
        added = self.statistics.add(result, up=up, placement=placement, latency=latency)
        if image is not None and self.options.pictures:
            self.moments.look(
                Seen(result, image, channels, added.time),
                new=added.new,
                started=added.started,
                people=added.people,
            )

    def html(self, recording: RecordingFacts | None = None) -> str:
        """Return the page. The same results make the same page."""
        from pose_ros.report.page import render

        known = recording or RecordingFacts()
        return render(self.info, self._title, self.statistics, self.moments, known)

    def write_plots(self, folder: str | os.PathLike[str]) -> None:
        """Write the page's drawings as PNG files: ``people.png``, ``angles_id_0.png``, ....

        Args:
            folder: It is there already.

        Raises:
            OutputError: One cannot be written.
        """
        from pose_ros.report.page import drawings

        for name, drawing in drawings(self.statistics):
            path = Path(folder) / f"{name}.png"
            try:
                path.write_bytes(drawing.png())
            except OSError as error:
                raise OutputError(f"cannot write {path.name}: {error.strerror}") from error

    def write(self, path: str | os.PathLike[str], recording: RecordingFacts | None = None) -> None:
        """Write the page; the file is there when it is complete.

        Args:
            path: Of the file, which is replaced.
            recording: What is known now that all has been read.

        Raises:
            OutputError: It cannot be written.
        """
        write_page(Path(path), self.html(recording))


def write_page(path: Path, page: str) -> None:
    """Write a file that is there when it is complete.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def scale_known(info: RunInfo | None) -> bool:
    """Return whether meters of the model follow from more than an assumed height."""
    return bool(option(info, "camera_height"))
