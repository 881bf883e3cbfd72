"""Camera calibrations as ROS's tools write them."""

from pathlib import Path

import numpy as np
import pytest

from pose_ros.core.camera import Calibration, Camera
from pose_ros.errors import OptionError
from pose_ros.sources.calibration import read_calibration
from tools.calibrations import write_calibration

# the form of camera_calibration's cameracalibrator
TEXT = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.78, 0., 305.59, 0., 437.33, 243.74, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.3614, 0.1104, 0.0013, -0.0005, 0.]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.65, 0., 322.8, 0., 0., 241.06, 241.06, 0., 0., 0., 1., 0.]
"""


def test_calibration_file_of_ros_is_read(tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(TEXT)
    found = read_calibration(path)
    assert (found.camera.width, found.camera.height, found.name) == (640, 480, "narrow_stereo")
    np.testing.assert_array_equal(found.camera.matrix[0], [438.78, 0, 305.59])
    assert found.camera.distortion_model == "plumb_bob"
    np.testing.assert_array_equal(found.camera.distortion, [-0.3614, 0.1104, 0.0013, -0.0005, 0])
    assert found.projection is not None
    assert found.projection[0, 0] == 393.65


def test_written_calibration_is_read_back_unchanged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = Calibration(
        Camera(320, 240, np.array([[300.5, 0, 160], [0, 301, 120], [0, 0, 1]]),
               "rational_polynomial", rng.standard_normal(8)),
        "left", rng.standard_normal((3, 3)), rng.standard_normal((3, 4)),
    )  # fmt: skip
    write_calibration(tmp_path / "c.yaml", written)
    found = read_calibration(tmp_path / "c.yaml")
    assert (found.name, found.camera.distortion_model) == ("left", "rational_polynomial")
    assert found.projection is not None
    assert written.projection is not None
    for a, b in (
        (found.camera.matrix, written.camera.matrix),
        (found.camera.distortion, written.camera.distortion),
        (found.rectification, written.rectification),
        (found.projection, written.projection),
    ):
        np.testing.assert_array_equal(a, b)


def test_projection_defaults_to_the_camera_matrix() -> None:
    camera = Camera.from_hfov(640, 480, 60)
    found = Calibration(camera)
    assert found.projection is not None
    np.testing.assert_array_equal(found.projection[:, :3], camera.matrix)
    np.testing.assert_array_equal(found.projection[:, 3], 0)
    np.testing.assert_array_equal(found.rectification, np.eye(3))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("image_width: 640\n", "", "lacks image_width"),
        ("distortion_model: plumb_bob\n", "", "lacks distortion_model"),
        ("image_width: 640", "image_width: wide", "image_width must be a whole number"),
        ("image_width: 640", "image_width: 0", "at least 1x1"),
        ("438.78, 0., 305.59,", "438.78,", "camera_matrix must have rows, cols"),
        ("438.78,", "-438.78,", "positive focal"),
        ("438.78,", ".nan,", "finite"),
        ("rows: 1\n  cols: 5", "rows: 5", "distortion_coefficients must have"),
        ("cols: 4", "cols: 5", "projection_matrix must have"),
        (TEXT, "just a line", "no list of keys"),
        (TEXT, "a: [1, 2", "is not valid YAML"),
        (TEXT, "", "no list of keys"),
    ],
)
def test_wrong_calibration_gives_a_one_line_error_with_its_path(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    path = tmp_path / "camera.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(OptionError, match=text) as error:
        read_calibration(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_calibration_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"calibration: cannot read .*x\.yaml"):
        read_calibration(tmp_path / "x.yaml")


def test_calibration_for_another_image_size_is_refused() -> None:
    calibration = Calibration(Camera.from_hfov(640, 480, 60), "front")
    calibration.check_size(640, 480)
    with pytest.raises(
        OptionError, match="'front' is for 640x480 pixels, the images have 1280x720"
    ):
        calibration.check_size(1280, 720)


@pytest.mark.parametrize("name", ["rectification", "projection"])
def test_invalid_matrices_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match=name):
        Calibration(Camera.from_hfov(4, 3, 60), **{name: np.zeros((2, 2))})
