"""TRC and C3D: one person's keypoints as the markers of motion capture, Y up.

The names are those that the marker sets of Pose2Sim for OpenSim have: RShoulder, LBigToe, ...
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pose_ros.analysis.exports.motion import KEYPOINTS, EvenMotion, Point, Sights, point
from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.settings.outputs import ExportOptions


def _marker_name(keypoint: str) -> str:
    """Return what the marker of a keypoint is called: LBigToe of left_foot_index."""
    side, _, part = keypoint.replace("foot_index", "big_toe").partition("_")
    return side[0].upper() + part.title().replace("_", "")


MARKERS: dict[str, Point] = {
    "Nose": ("nose",),
    "Neck": ("left_shoulder", "right_shoulder"),
    "Hip": ("left_hip", "right_hip"),
    **{_marker_name(name): (name,) for name in KEYPOINTS if name != "nose"},
}
"""Keypoints of each marker, by its name; Neck and Hip are in the middle of two."""


def marker_names(track: EvenMotion) -> list[str]:
    """Return the markers that were seen at all."""
    seen = np.zeros(len(KEYPOINTS), bool)
    for _, keypoints in track.resampled():
        seen |= np.isfinite(keypoints).all(axis=2).any(axis=0)
    known = {name for name, was_seen in zip(KEYPOINTS, seen.tolist(), strict=True) if was_seen}
    return [name for name, of in MARKERS.items() if known.issuperset(of)]


def marker_places(keypoints: Float64Array, names: Sequence[str]) -> Float64Array:
    """Return where markers are, (n, M, 3), by keypoints (n, len(KEYPOINTS), 3)."""
    return np.stack([point(keypoints, MARKERS[name]) for name in names], axis=1)


class TrcMarkers:
    """Writes a person's markers as TRC: text, meters, Y up, which OpenSim and Pose2Sim read."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` is one; a TRC has no room for ``info``."""
        del info
        (self._path,) = paths
        with ExitStack() as stack:
            self._file = stack.enter_context(self._path.open("w", encoding="ascii", newline="\n"))
            self._sights = Sights(self._path.parent, options.person)
            stack.callback(self._sights.close)
            self._stack = stack.pop_all()

    def write(self, result: Result) -> None:
        """Keep what was seen of all people who have a shape in meters."""
        self._sights.write(result)

    def finish(self) -> tuple[str, ...]:
        """Write the markers of the person; no file where no person has any."""
        try:
            track = self._sights.track()
            if track is None:
                self._path.unlink()
                return (self._sights.missing(),)
            self._write(track)
            return (track.note(),)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()

    def _write(self, track: EvenMotion) -> None:
        names = marker_names(track)
        rate = f"{track.rate:.6g}"
        axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1))
        self._file.write(
            f"PathFileType\t4\t(X/Y/Z)\t{self._path.name.encode('ascii', 'replace').decode()}\n"
            "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate"
            "\tOrigDataStartFrame\tOrigNumFrames\n"
            f"{rate}\t{rate}\t{track.frames}\t{len(names)}\tm\t{rate}\t1\t{track.frames}\n"
            "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t\n"
            f"\t\t{axes}\t\n\n"
        )
        for first, keypoints in track.resampled():
            places = marker_places(keypoints, names).reshape(len(keypoints), -1)
            for i, row in enumerate((places.round(5) + 0.0).tolist(), start=first):
                # a marker that is not seen has empty cells
                cells = "\t".join("" if math.isnan(value) else f"{value:.5f}" for value in row)
                self._file.write(f"{i + 1}\t{i * track.period / NANOSECONDS:.6f}\t{cells}\n")
