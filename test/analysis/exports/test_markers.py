"""TRC and MOT are read back cell by cell, C3D by the library that reads those of others."""

from typing import NamedTuple

import c3d
import numpy as np
import pytest

from pose_ros.analysis.exports import check_exports, open_exports
from pose_ros.core.lifting.lifter import level_floor
from pose_ros.core.types import Poses
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, drawn_results, result_of


class Trc(NamedTuple):
    """Content of a file: M markers, T frames; places (T, M, 3)."""

    head: dict[str, str]
    names: list[str]
    times: np.ndarray
    places: np.ndarray


def read_trc(path) -> Trc:
    """Parse a TRC file; empty cells are NaN."""
    kind, keys, values, names, axes, empty, *rows = path.read_text("ascii").split("\n")[:-1]
    assert kind.startswith("PathFileType\t4\t(X/Y/Z)\t")
    assert empty == ""
    head = dict(zip(keys.split("\t"), values.split("\t"), strict=True))
    markers = names.split("\t")[2::3][:-1]
    assert axes.split("\t")[2:-1] == [
        f"{axis}{i}" for i in range(1, len(markers) + 1) for axis in "XYZ"
    ]
    table = np.array([[float(cell or "nan") for cell in row.split("\t")] for row in rows])
    assert table.shape == (int(head["NumFrames"]), 2 + 3 * int(head["NumMarkers"]))
    np.testing.assert_array_equal(table[:, 0], np.arange(1, len(table) + 1))
    return Trc(head, markers, table[:, 1], table[:, 2:].reshape(len(table), -1, 3))


def write(tmp_path, results, kind="trc", **options):
    """Write markers; returns their path and the reported lines."""
    path = tmp_path / f"person.{kind}"
    with open_exports(ExportOptions({kind: str(path)}, **options), INFO) as exports:
        for result in results:
            exports.write(result)
    return path, " ".join(exports.close())


def test_markers_are_where_keypoints_are_with_y_up(tmp_path):
    results = list(drawn_results("gestures", 40))
    path, note = write(tmp_path, results)
    found = read_trc(path)
    assert "person 0, 40 frames, 1.3 s" in note
    assert found.head["Units"] == "m"
    assert float(found.head["DataRate"]) == pytest.approx(30.0, abs=1e-3)
    np.testing.assert_allclose(found.times, np.arange(40) / 30, atol=1e-5)
    index = results[0].poses.skeleton.index
    for marker, keypoint in (("RShoulder", "right_shoulder"), ("LBigToe", "left_foot_index")):
        camera = np.array([result.poses.camera[0, index(keypoint)] for result in results])
        expected = camera * (1.0, -1.0, -1.0)
        np.testing.assert_allclose(found.places[:, found.names.index(marker)], expected, atol=2e-4)
    heads = found.places[:, found.names.index("Nose"), 1]
    assert (heads > found.places[:, found.names.index("LHeel"), 1] + 1.0).all()


def test_known_floor_turns_people_upright(tmp_path):
    """A camera that looks 20 degrees down shows people who lean; above the floor they stand."""
    floor = level_floor(1.2, 20.0)
    to_camera = np.linalg.inv(floor.room)
    results = []
    for result in drawn_results("gestures", 3):
        # the drawn camera looks level: its optical axes, as a room with z up
        upright = result.poses.camera[..., [2, 0, 1]] * (1.0, -1.0, -1.0) + (0.0, 0.0, 1.2)
        camera = upright @ to_camera[:3, :3].T + to_camera[:3, 3]
        poses = result.poses.replace(camera=camera)
        results.append(result_of(result.index, poses, room=floor.room))
    found = read_trc(write(tmp_path, results)[0])
    expected = [result.poses.camera[0] for result in drawn_results("gestures", 3)]
    index = results[0].poses.skeleton.index
    for marker, keypoint in (("Nose", "nose"), ("LAnkle", "left_ankle")):
        level = np.array(expected)[:, index(keypoint)] * (1.0, -1.0, -1.0) + (0.0, 1.2, 0.0)
        np.testing.assert_allclose(found.places[:, found.names.index(marker)], level, atol=2e-4)


def test_fused_people_are_placed_in_the_world_of_their_cameras(tmp_path):
    results = []
    for result in drawn_results("gestures", 3):
        fused = np.full((1, 33, 3), np.nan)
        fused[0, 0] = 1.0, 2.0, 1.7  # z up
        fused[0, 27] = 1.0, 2.0, 0.1
        results.append(result_of(result.index, result.poses, fused=fused, room=np.eye(4)))
    found = read_trc(write(tmp_path, results)[0])
    assert found.names == ["Nose", "LAnkle"]
    np.testing.assert_allclose(found.places[1], [[-2.0, 1.7, -1.0], [-2.0, 0.1, -1.0]])


def test_missing_marker_is_an_empty_cell(tmp_path):
    results = list(drawn_results("gestures", 60))
    for i in range(10, 50):
        camera = results[i].poses.camera.copy()
        camera[0, 15] = np.nan
        poses = results[i].poses.replace(camera=camera, camera_sources=None, camera_sigmas=None)
        results[i] = result_of(i, poses)
    found = read_trc(write(tmp_path, results)[0])
    wrist = np.isnan(found.places[:, found.names.index("LWrist")]).all(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(wrist), np.arange(10, 50))
    assert not np.isnan(found.places[:, found.names.index("RWrist")]).any()


def test_images_without_a_known_vertical_are_left_out_if_most_have_it(tmp_path):
    results = list(drawn_results("gestures", 9))
    room = level_floor(1.0, 0.0).room
    results = [
        result if i < 2 else result_of(i, result.poses, room=room)
        for i, result in enumerate(results)
    ]
    path, note = write(tmp_path, results)
    assert "2 images left out, in which up was not known" in note
    assert len(read_trc(path).times) == 7


def test_without_meters_no_file_is_written(tmp_path):
    results = list(drawn_results("gestures", 2, world=False, camera=False))
    results.append(result_of(2, Poses.empty(results[0].poses.skeleton)))
    path, note = write(tmp_path, results)
    assert not path.exists()
    assert note == f"{path}: not written: no person in meters was seen"


@pytest.mark.filterwarnings("ignore:No analog data")
def test_c3d_has_the_markers_in_millimeters_and_says_which_are_missing(tmp_path):
    results = list(drawn_results("gestures", 40))
    camera = results[0].poses.camera.copy()
    camera[0, 15] = np.nan
    for i in range(39):
        poses = results[i].poses.replace(camera=camera, camera_sources=None, camera_sigmas=None)
        results[i] = result_of(i, poses)
    path, note = write(tmp_path, results, "c3d")
    assert "person 0, 40 frames" in note
    with path.open("rb") as file:
        reader = c3d.Reader(file)
        names = [name.strip() for name in reader.point_labels]
        frames = [points for _, points, _ in reader.read_frames()]
    assert reader.point_rate == pytest.approx(30.0, abs=1e-3)
    assert reader.get("POINT:UNITS").string_value.strip() == "mm"
    nose = np.array([points[names.index("Nose"), :3] for points in frames])
    np.testing.assert_allclose(
        nose[:39], np.tile(camera[0, 0] * (1000, -1000, -1000), (39, 1)), atol=0.3
    )
    wrist = np.array([points[names.index("LWrist")] for points in frames])
    assert (wrist[:, 3] < 0).tolist() == [True] * 39 + [False]


def test_mot_has_the_coordinates_of_an_opensim_model(tmp_path):
    path, note = write(tmp_path, drawn_results("walking", 30), "mot")
    assert "person 0, 30 frames" in note
    head, _, table = path.read_text("ascii").partition("endheader\n")
    assert "nRows=30" in head
    assert "inDegrees=yes" in head
    names, *rows = [line.split("\t") for line in table.splitlines()]
    assert f"nColumns={len(names)}" in head
    values = {
        name: np.array(cells, float)
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    np.testing.assert_allclose(values["time"], np.arange(30) / 30, atol=1e-5)
    hips = [
        r.poses.camera[0, [23, 24]].mean(axis=0) * (1, -1, -1) for r in drawn_results("walking", 30)
    ]
    place = np.stack([values[f"pelvis_t{axis}"] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(place, hips, atol=2e-3)
    assert np.abs(values["hip_flexion_r"] - values["hip_flexion_l"]).max() > 10.0  # they walk
    assert (values["knee_angle_r"] > -1e-6).all()


def test_c3d_without_its_library_gives_a_one_line_error(tmp_path, monkeypatch):
    monkeypatch.setattr("pose_ros.analysis.exports.writing.find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r'needs c3d: pip install "pose_ros\[motion\]"'):
        check_exports(ExportOptions({"c3d": str(tmp_path / "person.c3d")}))
