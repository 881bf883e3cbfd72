"""Files that say where several cameras stand."""

import json

import cv2
import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.errors import OptionError
from pose_ros.sources.camera_rig import parse_rig, read_rig, write_rig

TURN = cv2.Rodrigues(np.array([0.1, -0.7, 0.05]))[0]
SHIFT = np.array([0.5, -0.02, 0.1])
MATRIX = np.array([[600.0, 0.0, 320.0], [0.0, 601.0, 240.0], [0.0, 0.0, 1.0]])
LENS = np.array([0.1, -0.2, 0.001, 0.002, 0.03])


def rig(**known):
    camera = Camera(640, 480, MATRIX, "plumb_bob", LENS)
    first = CameraView("left", camera, Extrinsics(np.eye(3), np.zeros(3)))
    return CameraRig((first, CameraView("right", camera, Extrinsics(TURN, SHIFT))), **known)


def assert_is_the_pair(found, lens=LENS):
    first, second = found.views
    for view in (first, second):
        assert (view.camera.width, view.camera.height) == (640, 480)
        np.testing.assert_allclose(view.camera.matrix, MATRIX)
        np.testing.assert_allclose(view.camera.distortion, lens)
    np.testing.assert_allclose(first.extrinsics.pose, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(second.extrinsics.rotation, TURN, atol=1e-9)
    np.testing.assert_allclose(second.extrinsics.translation, SHIFT, atol=1e-9)


def test_written_camera_rig_is_read_back_unchanged(tmp_path):
    path = tmp_path / "room.yaml"
    write_rig(path, rig(up=[0.0, 0.0, 1.0], floor=-1.2, offsets=[0.0, 0.25]))
    found = read_rig(path)
    assert_is_the_pair(found)
    assert [view.name for view in found.views] == ["left", "right"]
    assert found.up.tolist() == [0.0, 0.0, 1.0]
    assert found.floor == -1.2
    assert found.offsets.tolist() == [0.0, 0.25]
    write_rig(path, rig())
    found = read_rig(path)
    assert found.up is None
    assert found.floor is None
    assert found.offsets is None


@pytest.mark.parametrize("suffix", [".yaml", ".xml"])
def test_stereo_file_that_opencv_wrote_is_read(tmp_path, suffix):
    path = tmp_path / f"stereo{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    for number in (1, 2):
        storage.write(f"K{number}", MATRIX)
        storage.write(f"D{number}", LENS.reshape(1, 5))
    storage.write("R", TURN)
    storage.write("T", SHIFT.reshape(3, 1))
    storage.release()
    found = read_rig(path)
    assert_is_the_pair(found)
    assert [view.name for view in found.views] == ["camera_1", "camera_2"]


def toml(extra=""):
    turn = cv2.Rodrigues(TURN)[0].ravel().tolist()
    tables = ""
    for name, turned, shift in (("0", [0.0] * 3, [0.0] * 3), ("1", turn, SHIFT.tolist())):
        tables += (
            f"[cam_{name}]\nsize = [640.0, 480.0]\nmatrix = {MATRIX.tolist()}\n"
            f"distortions = {LENS.tolist()}\nrotation = {turned}\ntranslation = {shift}\n{extra}\n"
        )
    return (tables + "[metadata]\nadjusted = false\n").encode()


def test_toml_of_pose2sim_and_caliscope_is_read():
    found = parse_rig(toml(), "Calib.toml")
    assert_is_the_pair(found)
    assert [view.name for view in found.views] == ["cam_0", "cam_1"]
    nested = toml().replace(b"[cam_", b"[cameras.")
    assert [view.name for view in parse_rig(nested, "array.toml").views] == ["cam_0", "cam_1"]


def test_camera_that_caliscope_ignores_is_left_out():
    text = toml().replace(b"[cam_1]\n", b"[cam_1]\nignore = true\n")
    assert [view.name for view in parse_rig(text, "config.toml").views] == ["cam_0"]


CAMCHAIN = """
cam0:
  camera_model: pinhole
  intrinsics: [600, 601, 320, 240]
  distortion_model: radtan
  distortion_coeffs: [0.1, -0.2, 0.001, 0.002]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
"""


def camchain():
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = TURN, SHIFT
    second = CAMCHAIN.replace("cam0", "cam1") + f"  T_cn_cnm1: {step.tolist()}\n"
    third = second.replace("cam1", "cam2").replace("radtan", "equidistant")
    return CAMCHAIN + second + third


@pytest.mark.parametrize("turn", [TURN, cv2.Rodrigues(TURN)[0].ravel()], ids=["3x3", "rodrigues"])
def test_cameras_with_letters_are_read(turn):
    same = {"width": 640, "height": 480, "K": MATRIX.tolist(), "D": LENS.tolist()}
    text = json.dumps({
        "comment": "cameras of a room",
        "left": {**same, "R": np.eye(3).tolist(), "t": [0, 0, 0]},
        "right": {**same, "R": turn.tolist(), "t": SHIFT.reshape(3, 1).tolist()},
    })  # fmt: skip
    found = parse_rig(text.encode(), "cameras.json")
    assert_is_the_pair(found)
    assert [view.name for view in found.views] == ["left", "right"]


def test_chain_of_kalibr_adds_up():
    found = parse_rig(camchain().encode(), "camchain.yaml")
    assert_is_the_pair(CameraRig(found.views[:2]), LENS[:4])
    third = found.views[2]
    assert third.camera.distortion_model == "equidistant"
    np.testing.assert_allclose(third.extrinsics.rotation, TURN @ TURN, atol=1e-9)
    np.testing.assert_allclose(third.extrinsics.translation, TURN @ SHIFT + SHIFT, atol=1e-9)


OWN = "format: pose_ros camera rig\nversion: 1\ncameras:\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "[1, 2]", "must be a list of keys"),
        ("a.yaml", "other: 1", "expected 'format: pose_ros camera rig'"),
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.yaml", "camera_matrix: {}", "calibration of one camera"),
        ("a.yaml", OWN.replace("1", "2"), "version must be 1, got 2"),
        ("a.yaml", OWN, "cameras must be a list of keys"),
        ("a.yaml", OWN + "  a: {size: [640, 480]}", "a: matrix is missing"),
        ("a.yaml", OWN + "  a: {size: [640]}", "a: size must be 2 number(s)"),
        ("a.yaml", "%YAML:1.0\n---\nR: 1\n", "size of the images is missing"),
        ("a.yaml", camchain().replace("pinhole", "omni"), "camera_model must be pinhole"),
        ("a.yaml", camchain().replace("T_cn_cnm1", "T"), "cam1: T_cn_cnm1 is missing"),
        ("a.json", '{"a": {"K": 1}}', "a: width and height of its images are missing"),
        ("a.json", '{"a": {"K": 1, "width": 9, "height": 9}}', "a: R is missing"),
        ("a.xml", "<?xml version='1.0'?><opencv_storage></opencv_storage>", "holds no matrix"),
        ("a.toml", "a = [", "not valid TOML"),
        ("a.toml", "a = 1", "no table has size, matrix"),
        ("a.toml", toml().decode().replace("rotation", "turned"), "cam_0: rotation is missing"),
        ("a.toml", toml().decode().replace("0.5, -0.02", "nan, -0.02"), "must be finite numbers"),
    ],
)
def test_damaged_file_gives_a_one_line_error_that_names_it(name, text, expected):
    with pytest.raises(OptionError) as error:
        parse_rig(text.encode(), name)
    assert expected in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_gives_a_one_line_error(tmp_path):
    with pytest.raises(OptionError, match="cameras: cannot read"):
        read_rig(tmp_path / "none.yaml")
