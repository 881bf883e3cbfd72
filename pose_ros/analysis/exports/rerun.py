"""Results as a recording of Rerun: people in the image and in meters, hands, gestures, over time.

The file has no images, whose faces a file that is passed on should not hold unasked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pose_ros.analysis.exports.tables import Group, groups
from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.settings.outputs import ExportOptions

IMAGE = "camera/image"
"""Entity below which people are in pixels: it has the camera's pinhole."""
SPACE = "camera/people"
"""Entity below which they are in meters of the camera's optical frame."""
GESTURES = "gestures"
"""Entity of the words about gestures."""

_UNIX = 10**17  # nanoseconds from which on a stamp is Unix time, and below it media time
_LEAST_POINTS = 8  # that say what a pinhole is
_LEAST_SPREAD = 0.05  # of x / z and y / z of these, standard deviation


class RerunFile:
    """Writes one recording; the same results make the same entities."""

    def __init__(
        self,
        paths: Sequence[Path],
        info: RunInfo,
        options: ExportOptions,  # noqa: ARG002
    ) -> None:
        """``paths`` is one; the recording is called as ``info`` names its source."""
        import rerun

        (path,) = paths
        self._rerun = rerun
        # the viewer takes files of one id for one recording; the properties have the time of day
        self._stream = rerun.RecordingStream(
            "pose_ros", recording_id=_run_id(info), send_properties=False
        )
        self._stream.set_log_time_enabled(False)
        self._stream.set_log_tick_enabled(False)
        with _system_errors():
            self._stream.save(path)
        self._stream.send_recording_name(f"{info.source}, {info.network}")
        self._log("camera", rerun.ViewCoordinates.RDF, static=True)
        self._classes: dict[Skeleton, int] = {}
        self._shown: set[str] = set()
        self._pinhole_known = False

    def write(self, result: Result) -> None:
        """Log who is in an image, and that others are not there any more."""
        self._stream.set_time("image", sequence=result.index)
        if result.nanoseconds >= _UNIX:
            self._stream.set_time("time", timestamp=np.datetime64(result.nanoseconds, "ns"))
        else:
            self._stream.set_time("time", duration=np.timedelta64(result.nanoseconds, "ns"))
        if not self._pinhole_known:
            self._log_pinhole(result)
        shown = {name for group in groups(result) for name in self._log_group(group)}
        for name in sorted(self._shown - shown):
            self._log(name, self._rerun.Clear(recursive=True))
        self._shown = shown
        for one in result.gestures:
            if one.event != "held":
                words = f"id {one.person}: {one.name} {one.side}".rstrip()
                self._log(GESTURES, self._rerun.TextLog(f"{words} {one.event}", level="INFO"))

    def finish(self) -> tuple[str, ...]:
        """Complete the file."""
        with _system_errors():
            self._stream.flush()
            self._stream.disconnect()
        return ()

    def abandon(self) -> None:
        """Let go of the file as it is."""
        self._stream.disconnect()

    def _log(self, entity: str, what: Any, *, static: bool = False) -> None:
        self._stream.log(entity, what, static=static)

    def _log_group(self, group: Group) -> list[str]:
        """Log people or hands; returns their entities."""
        poses = group.poses
        number = self._class(poses.skeleton)
        entities = []
        for i, (person, side) in enumerate(zip(group.people, group.sides, strict=True)):
            name = f"id_{person}_{side}_hand" if poses.skeleton.is_hand else f"id_{person}"
            found = poses.found[i] & np.isfinite(poses.keypoints[i]).all(axis=1)
            points = self._rerun.Points2D(
                poses.keypoints[i][found],
                class_ids=[number] * int(found.sum()),
                keypoint_ids=np.flatnonzero(found),
            )
            entities.append(f"{IMAGE}/{name}")
            self._log(entities[-1], points)
            if poses.camera is None:
                continue
            found = poses.found[i] & np.isfinite(poses.camera[i]).all(axis=1)
            solid = self._rerun.Points3D(
                poses.camera[i][found],
                radii=0.015,
                class_ids=[number] * int(found.sum()),
                keypoint_ids=np.flatnonzero(found),
            )
            entities.append(f"{SPACE}/{name}")
            self._log(entities[-1], solid)
        return entities

    def _class(self, skeleton: Skeleton) -> int:
        """Return the number of a skeleton's class, which has its names and links."""
        if skeleton not in self._classes:
            self._classes[skeleton] = len(self._classes) + 1
            described = [
                self._rerun.ClassDescription(
                    info=self._rerun.AnnotationInfo(number, label=each.name),
                    keypoint_annotations=[
                        self._rerun.AnnotationInfo(i, label=name)
                        for i, name in enumerate(each.keypoints)
                    ],
                    keypoint_connections=each.links,
                )
                for each, number in self._classes.items()
            ]
            self._log("camera", self._rerun.AnnotationContext(described), static=True)
        return self._classes[skeleton]

    def _log_pinhole(self, result: Result) -> None:
        matrix = pinhole(result)
        if matrix is not None:
            size = (result.width, result.height)
            found = self._rerun.Pinhole(image_from_camera=matrix, resolution=size)
            self._log(IMAGE, found, static=True)
            self._pinhole_known = True


def _run_id(info: RunInfo) -> str:
    """Return an id that another network or other options change."""
    text = json.dumps(asdict(info), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


@contextmanager
def _system_errors() -> Iterator[None]:
    """Raise what Rerun says of the system in words as the OSError that it is."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise OSError(str(error)) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def pinhole(result: Result) -> Float64Array | None:
    """Return the (3, 3) camera matrix by which people in meters are where the image has them.

    Least squares over all joints of the image that have both; it leaves out the lens' distortion.

    Returns:
        None where too few joints have meters, or they lie too close together to say.
    """
    poses = result.poses
    if poses.camera is None:
        return None
    points, pixels = poses.camera.astype(np.float64), poses.keypoints.astype(np.float64)
    known = np.isfinite(points).all(axis=2) & np.isfinite(pixels).all(axis=2)
    known &= points[..., 2] > 0.0
    rays = points[known][:, :2] / points[known][:, 2:]
    if len(rays) < _LEAST_POINTS or rays.std(axis=0).min() < _LEAST_SPREAD:
        return None
    matrix = np.eye(3)
    for axis in range(2):
        rows = np.column_stack([rays[:, axis], np.ones(len(rays))])
        (focal, middle), *_ = np.linalg.lstsq(rows, pixels[known][:, axis], rcond=None)
        if focal <= 0.0:
            return None
        matrix[axis, axis], matrix[axis, 2] = focal, middle
    return matrix
