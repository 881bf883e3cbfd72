"""Results for Rerun, as a file or in its viewer: people in pixels and in meters, hands, gestures.

A file has images only where they are asked for: it may be passed on, and they have faces.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from pose_ros.analysis.exports.tables import Group, groups
from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Frame
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions

IMAGE = "camera/image"
"""Entity below which people are in pixels: it has the camera's pinhole."""
SPACE = "camera/people"
"""Entity below which they are in meters of the camera's optical frame."""
FUSED = "world/people"
"""Entity below which people of several cameras are in meters of these cameras' common world."""
GESTURES = "gestures"
"""Entity of the words about gestures."""

_JPEG_QUALITY = 80
_OWN_VIEWER = "rerun+http://127.0.0.1:9876/proxy"
PATIENCE_SECONDS = 5.0  # for a viewer that starts
_UNIX = 10**17  # nanoseconds from which on a stamp is Unix time, and below it media time
_LEAST_POINTS = 8  # that say what a pinhole is
_LEAST_SPREAD = 0.05  # of x / z and y / z of these, standard deviation


class RerunLog:
    """Logs one recording; the same results make the same entities.

    Args:
        info: What ran; the recording is called as it names its source.
        begin: Says where a ``rerun.RecordingStream`` goes.
    """

    def __init__(self, info: RunInfo, begin: Callable[[Any], None]) -> None:
        import rerun

        self._rerun = rerun
        # the viewer takes files of one id for one recording; the properties have the time of day
        self._stream = rerun.RecordingStream(
            "pose_ros", recording_id=_run_id(info), send_properties=False
        )
        self._stream.set_log_time_enabled(False)
        self._stream.set_log_tick_enabled(False)
        with _system_errors():
            begin(self._stream)
        self._stream.send_recording_name(f"{info.source}, {info.network}")
        self._log("camera", rerun.ViewCoordinates.RDF, static=True)
        self._classes: dict[Skeleton, int] = {}
        self._described: tuple[str, ...] = ("camera",)
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
        if result.fused is not None:
            self._described = ("camera", "world")
        shown = {name for group in groups(result) for name in self._log_group(group)}
        shown.update(self._log_fused(result))
        for name in sorted(self._shown - shown):
            self._log(name, self._rerun.Clear(recursive=True))
        self._shown = shown
        for one in result.gestures:
            if one.event != "held":
                words = f"id {one.person}: {one.name} {one.side}".rstrip()
                self._log(GESTURES, self._rerun.TextLog(f"{words} {one.event}", level="INFO"))

    def write_image(self, frame: Frame) -> None:
        """Log the image of the result that was written last, as JPEG."""
        is_bgr = frame.channels == "bgr"
        image = frame.image if is_bgr else cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        jpeg = self._rerun.EncodedImage(contents=data.tobytes(), media_type="image/jpeg")
        self._log(IMAGE, jpeg)

    def finish(self) -> tuple[str, ...]:
        """Complete the recording."""
        with _system_errors():
            self._stream.flush()
            self._stream.disconnect()
        return ()

    def abandon(self) -> None:
        """Let go of what was logged as it is."""
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

    def _log_fused(self, result: Result) -> list[str]:
        """Log the people of several cameras; returns their entities."""
        if result.fused is None:
            return []
        entities, number = [], self._class(result.poses.skeleton)
        for id_, points in zip(result.poses.ids.tolist(), result.fused, strict=True):
            known = np.isfinite(points).all(axis=1)
            solid = self._rerun.Points3D(
                points[known],
                radii=0.015,
                class_ids=[number] * int(known.sum()),
                keypoint_ids=np.flatnonzero(known),
            )
            entities.append(f"{FUSED}/id_{id_}")
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
            for entity in self._described:
                self._log(entity, self._rerun.AnnotationContext(described), static=True)
        return self._classes[skeleton]

    def _log_pinhole(self, result: Result) -> None:
        matrix = pinhole(result)
        if matrix is not None:
            size = (result.width, result.height)
            found = self._rerun.Pinhole(image_from_camera=matrix, resolution=size)
            self._log(IMAGE, found, static=True)
            self._pinhole_known = True


class RerunFile(RerunLog):
    """Writes one recording to a file."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` is one; ``options.rrd_images`` says whether the file has the images."""
        (path,) = paths
        super().__init__(info, lambda stream: stream.save(path))
        self._with_images = options.rrd_images

    def write_image(self, frame: Frame) -> None:
        """Log the image of the result that was written last, where the file has images."""
        if self._with_images:
            super().write_image(frame)


class RerunViewer(RerunLog):
    """Shows one recording in Rerun's viewer while it is made.

    Args:
        info: What runs.
        address: Of a viewer that runs, such as ``rerun+http://127.0.0.1:9876/proxy``; empty: one
            is started on this machine.

    Raises:
        OutputError: Rerun is not installed, or cannot be started.
    """

    def __init__(self, info: RunInfo, address: str = "") -> None:
        if find_spec("rerun") is None:
            raise OutputError('the viewer is Rerun: pip install "pose_ros[rerun]"')
        with _viewer_errors():
            super().__init__(info, partial(_show, address=address))

    def finish(self) -> tuple[str, ...]:
        """Wait until the viewer has all.

        Raises:
            OutputError: None answers.
        """
        with _viewer_errors():
            return super().finish()


def _show(stream: Any, address: str) -> None:
    """Let a stream go to a viewer, with the image and people in meters side by side."""
    import rerun
    from rerun import blueprint

    views = blueprint.Horizontal(
        blueprint.Spatial2DView(origin=IMAGE, name="image"),
        blueprint.Vertical(
            blueprint.Spatial3DView(origin="/", contents=[f"{SPACE}/**", f"{FUSED}/**"]),
            blueprint.TextLogView(origin=GESTURES, name="gestures"),
            row_shares=[3, 1],
        ),
    )
    layout = blueprint.Blueprint(views)
    if not address:
        # beside this Python, whose folder need not be on the PATH
        folders = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
        program = shutil.which("rerun", path=folders)
        rerun.spawn(recording=stream, executable_path=program, connect=False)
    # a stream that is never connected would hold the run up
    _await_viewer(address or _OWN_VIEWER, has_started=not address)
    stream.connect_grpc(address or _OWN_VIEWER, default_blueprint=layout)


def _await_viewer(address: str, *, has_started: bool) -> None:
    """Wait a moment until a viewer takes connections.

    Raises:
        OSError: None does.
        ValueError: The address has no host or no port.
    """
    parts = urlsplit(address)
    if not parts.hostname or parts.port is None:
        raise ValueError(f"expected an address such as {_OWN_VIEWER}, got {address!r}")
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with socket.create_connection((parts.hostname, parts.port), PATIENCE_SECONDS):
                return
        except OSError as error:
            if time.monotonic() < end:
                time.sleep(0.1)
                continue
            why = "it needs a screen; " if has_started else ""
            raise OSError(
                f"no viewer answers at {address} ({error.strerror or error}): {why}"
                "--connect names one on another machine, --rrd FILE writes a file"
            ) from None


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


@contextmanager
def _viewer_errors() -> Iterator[None]:
    """Say in one line why there is no viewer."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0].partition("\\n")[0]
        raise OutputError(f"cannot show this in Rerun: {reason}") from None


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
