"""Recordings of Rerun, read back by its SDK; the camera's matrix needs none of it."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from pose_ros.analysis.exports import open_exports
from pose_ros.analysis.exports.rerun import pinhole
from pose_ros.cli.main import main
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import Result
from pose_ros.core.types import Frame, Poses
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, drawn_results

COUNT = 40


def rows_of(path):
    """Return the rows of each entity of a recording."""
    chunks = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in chunks.RrdReader(path).stream():
        batch = chunk.to_record_batch()
        if "time" in batch.schema.names:  # exact: Python's times have no nanoseconds
            place = batch.schema.names.index("time")
            batch = batch.set_column(place, "time", batch.column(place).cast("int64"))
        rows[chunk.entity_path] += batch.to_pylist()
    return rows


def exported(path, results):
    """Return the results as they were written, and the rows of each entity."""
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    kept = list(results)
    with open_exports(ExportOptions({"rrd": str(path)}), INFO) as exports:
        for result in kept:
            exports.write(result)
    return kept, rows_of(path)


def test_joints_of_each_image_are_read_back_with_their_names_and_times(tmp_path):
    results, rows = exported(tmp_path / "run.rrd", drawn_results("gestures", COUNT))
    person = f"id_{results[0].poses.ids[0]}"
    for entity, kind, values in (
        (f"/camera/image/{person}", "Points2D", [r.poses.keypoints for r in results]),
        (f"/camera/people/{person}", "Points3D", [r.poses.camera for r in results]),
    ):
        read = sorted((row for row in rows[entity]), key=lambda row: row["image"])
        assert [row["image"] for row in read] == [result.index for result in results]
        assert [row["time"] for row in read] == [result.nanoseconds for result in results]
        for row, result, points in zip(read, results, values, strict=True):
            found = result.poses.found[0] & np.isfinite(points[0]).all(axis=1)
            assert row[f"{kind}:keypoint_ids"] == np.flatnonzero(found).tolist()
            np.testing.assert_allclose(row[f"{kind}:positions"], points[0][found], rtol=1e-6)
    (context,) = (row for row in rows["/camera"] if "AnnotationContext:context" in row)
    text = str(context)
    assert all(name in text for name in results[0].poses.skeleton.keypoints)


def test_person_who_left_is_cleared_and_gestures_are_text(tmp_path):
    results = list(drawn_results("gestures", 3))
    last = results[-1]
    events = [Gesture("wave", "left", 0, event, 0.9, 0.0) for event in ("started", "held", "ended")]
    results = [replace(r, gestures=(g,)) for r, g in zip(results, events, strict=True)]
    gone = Result(
        last.index + 1, last.nanoseconds + 1, last.width, last.height,
        Poses.empty(last.poses.skeleton),
    )  # fmt: skip
    _, rows = exported(tmp_path / "run.rrd", [*results, gone])
    cleared = [row["image"] for row in rows["/camera/image/id_0"] if row.get("Clear:is_recursive")]
    assert cleared == [gone.index]
    words = [word for row in rows["/gestures"] for word in row["TextLog:text"]]
    assert words == ["id 0: wave left started", "id 0: wave left ended"]


def test_runs_of_two_networks_over_one_source_are_two_recordings(tmp_path):
    """The viewer takes those of one id together."""
    chunks = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    ids = {}
    for name, info in {"a": INFO, "b": INFO, "c": replace(INFO, network="other")}.items():
        path = tmp_path / f"{name}.rrd"
        with open_exports(ExportOptions({"rrd": str(path)}), info):
            pass
        (recording,) = chunks.RrdReader(path).recordings()
        ids[name] = recording.recording_id
    assert ids["a"] == ids["b"] != ids["c"]


def jpeg_images(rows):
    """Return the images of the recording, by their index."""
    return {
        row["image"]: cv2.imdecode(
            np.frombuffer(bytes(row["EncodedImage:blob"][0]), np.uint8), cv2.IMREAD_COLOR
        )
        for row in rows["/camera/image"]
        if row.get("EncodedImage:blob")
    }


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_images_are_in_the_file_where_they_are_asked_for(tmp_path, channels):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    results = list(drawn_results("gestures", 2))
    colors = [(250, 20, 20), (20, 20, 250)]  # in the order of the channels
    images = [np.full((480, 640, 3), color, np.uint8) for color in colors]
    for asked in (True, False):
        path = tmp_path / f"{asked}.rrd"
        with open_exports(ExportOptions({"rrd": str(path)}, rrd_images=asked), INFO) as exports:
            for result, image in zip(results, images, strict=True):
                exports.write(result, Frame(image, result.stamp, channels=channels))
        read = jpeg_images(rows_of(path))
        assert list(read) == ([result.index for result in results] if asked else [])
        for image, color in zip(read.values(), colors, strict=False):
            want = color if channels == "bgr" else color[::-1]
            np.testing.assert_allclose(image[200, 300], want, atol=6)


def test_people_of_several_cameras_are_in_meters_of_the_common_world(tmp_path):
    (result,) = drawn_results("gestures", 1)
    fused = result.poses.camera.astype(float) + (1.0, 2.0, 3.0)
    wrist = result.poses.skeleton.index("left_wrist")
    fused[0, wrist] = np.nan
    _, rows = exported(tmp_path / "run.rrd", [replace(result, fused=fused)])
    (row,) = rows["/world/people/id_0"]
    known = np.isfinite(fused[0]).all(axis=1)
    assert row["Points3D:keypoint_ids"] == np.flatnonzero(known).tolist()
    np.testing.assert_allclose(row["Points3D:positions"], fused[0][known], rtol=1e-6)
    assert any("AnnotationContext:context" in row for row in rows["/world"])


@pytest.mark.filterwarnings("ignore:RRD file has no footer")
def test_viewer_gets_people_and_images_while_the_run_goes_on(tmp_path):
    """The viewer is Rerun's own program, which writes what it gets to a file."""
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "seen.rrd"
    viewer = [sys.executable, "-m", "rerun", "--port", str(port), "--save", str(file)]
    with subprocess.Popen(viewer, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
            address = f"rerun+http://127.0.0.1:{port}/proxy"
            command = ["view", "synthetic:wave", "--frames", "3", "--quiet", "--connect", address]
            assert main(command) == 0
        finally:
            program.send_signal(signal.SIGINT)
            program.wait(60)
    rows = rows_of(file)
    assert [image.shape for image in jpeg_images(rows).values()] == [(480, 640, 3)] * 3
    assert len(rows["/camera/people/id_0"]) == 3


def test_without_a_viewer_or_with_no_address_there_is_one_line(capsys, monkeypatch):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    monkeypatch.setattr("pose_ros.analysis.exports.rerun.PATIENCE_SECONDS", 0.1)
    for address, reason in (
        ("nonsense", r"expected an address such as rerun\+http://"),
        ("rerun+http://127.0.0.1:9/proxy", "no viewer answers at rerun.*--connect names one"),
    ):
        assert main(["view", "synthetic:wave", "--frames", "1", "--connect", address]) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert re.match(f"pose-ros view: cannot show this in Rerun: {reason}", line)


def test_view_without_rerun_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr("pose_ros.analysis.exports.rerun.find_spec", lambda _name: None)
    assert main(["view", "synthetic:wave", "--frames", "1"]) == 1
    assert 'the viewer is Rerun: pip install "pose_ros[rerun]"' in capsys.readouterr().err


def test_a_full_disk_gives_a_one_line_error(tmp_path):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")

    class FullDisk:
        def place(self, target):
            (tmp_path / "full").symlink_to("/dev/full")
            return tmp_path / "full"

    file = tmp_path / "run.rrd"

    def run():
        with open_exports(ExportOptions({"rrd": str(file)}), INFO, places=FullDisk()) as exports:
            for result in drawn_results("gestures", 3):
                exports.write(result)

    with pytest.raises(OutputError, match=f"cannot write {file}: .*No space left"):
        run()


def test_camera_matrix_puts_people_in_meters_where_the_image_has_them():
    (result,) = drawn_results("gestures", 1)
    matrix = pinhole(result)
    points = result.poses.camera[0].astype(float)
    known = np.isfinite(points).all(axis=1)
    seen = points[known] @ matrix.T
    off = np.linalg.norm(seen[:, :2] / seen[:, 2:] - result.poses.keypoints[0][known], axis=1)
    assert np.median(off) < 2.0


def test_people_without_meters_give_no_pinhole_camera():
    (result,) = drawn_results("gestures", 1)
    poses = result.poses.replace(camera=None, camera_sources=None, camera_sigmas=None)
    assert pinhole(Result(0, 0, 640, 480, poses)) is None
