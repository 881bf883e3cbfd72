"""TRC and C3D: one person's keypoints as the markers of motion capture, Y up.

The names are those that the marker sets of Pose2Sim for OpenSim have: RShoulder, LBigToe, ...
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import IO

import numpy as np

from pose_ros.analysis.exports.motion import KEYPOINTS, EvenMotion, Point, point
from pose_ros.core.camera import Float64Array
from pose_ros.core.timeline import NANOSECONDS

MILLIMETERS = 1000.0
"""In a meter: what a C3D is mostly written in."""


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


def write_trc(track: EvenMotion, file: IO[bytes]) -> str:
    """Write a person's markers as TRC, text in meters; returns a line about it."""
    names = marker_names(track)
    rate = f"{track.rate:.6g}"
    axes = "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1))
    head = (
        "PathFileType\t4\t(X/Y/Z)\tperson.trc\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate"
        "\tOrigDataStartFrame\tOrigNumFrames\n"
        f"{rate}\t{rate}\t{track.frames}\t{len(names)}\tm\t{rate}\t1\t{track.frames}\n"
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t\n"
        f"\t\t{axes}\t\n\n"
    )
    file.write(head.encode("ascii"))
    for first, keypoints in track.resampled():
        places = marker_places(keypoints, names).reshape(len(keypoints), -1)
        for i, row in enumerate((places.round(5) + 0.0).tolist(), start=first):
            # a marker that is not seen has empty cells
            cells = "\t".join("" if math.isnan(value) else f"{value:.5f}" for value in row)
            file.write(f"{i + 1}\t{i * track.period / NANOSECONDS:.6f}\t{cells}\n".encode("ascii"))
    return track.note()


def write_c3d(track: EvenMotion, file: IO[bytes]) -> str:
    """Write a person's markers as C3D, in millimeters; returns a line about it.

    A marker that is not seen has the residual -1, C3D's word for it, and lies at 0.
    """
    import c3d

    names = marker_names(track)
    writer = c3d.Writer(
        point_rate=track.rate, analog_rate=0.0, point_scale=-1.0, point_units="mm  "
    )
    writer.set_point_labels(names)
    writer.set_screen_axis("+X", "+Y")
    nothing = np.zeros((0, 0), np.float32)
    for _, keypoints in track.resampled():
        places = MILLIMETERS * marker_places(keypoints, names)
        rows = np.zeros((*places.shape[:2], 5), np.float32)
        rows[..., :3] = np.nan_to_num(places)
        rows[..., 3] = np.where(np.isfinite(places[..., 0]), 0.0, -1.0)
        writer.add_frames([(row, nothing) for row in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no analog data, as it says
        writer.write(file)
    return track.note()
