"""Recordings of Rerun, read back by its SDK; the camera's matrix needs none of it."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pose_ros.analysis.exports import open_exports
from pose_ros.analysis.exports.rerun import pinhole
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import Result
from pose_ros.core.types import Poses
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, drawn_results

COUNT = 40


def exported(path, results):
    """Return the results as they were written, and the rows of each entity."""
    chunks = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    kept = list(results)
    with open_exports(ExportOptions({"rrd": str(path)}), INFO) as exports:
        for result in kept:
            exports.write(result)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in chunks.RrdReader(path).stream():
        batch = chunk.to_record_batch()
        if "time" in batch.schema.names:  # exact: Python's times have no nanoseconds
            place = batch.schema.names.index("time")
            batch = batch.set_column(place, "time", batch.column(place).cast("int64"))
        rows[chunk.entity_path] += batch.to_pylist()
    return kept, rows


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
