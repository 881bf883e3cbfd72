"""The pinhole camera."""

from typing import Any

import cv2
import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.errors import OptionError

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"width": 0}, "0x480"),
        ({"height": -1}, "640x-1"),
        ({"width": np.nan}, "nanx480"),
        ({"matrix": np.eye(2)}, r"\(2, 2\)"),
        ({"matrix": np.zeros((3, 3))}, "positive focal"),
        ({"matrix": np.diag([5.0, 5.0, 2.0])}, "last row"),
        ({"matrix": np.full((3, 3), np.nan)}, "finite"),
        ({"matrix": "x"}, "expected numbers"),
        ({"distortion": np.zeros((2, 2))}, "list of distortion"),
        ({"distortion": [np.inf]}, "finite"),
    ],
)
def test_invalid_camera_is_refused(arguments: dict[str, Any], text: str) -> None:
    good: dict[str, Any] = {"width": 640, "height": 480, "matrix": K}
    with pytest.raises(OptionError, match=text):
        Camera(**{**good, **arguments})


def test_camera_is_read_only_and_copies_its_arrays() -> None:
    matrix = K.copy()
    camera = Camera(640, 480, matrix)
    matrix[0, 0] = 1.0
    assert camera.matrix[0, 0] == 500.0
    with pytest.raises(ValueError, match="read-only"):
        camera.matrix[0, 0] = 1.0


@pytest.mark.parametrize(("width", "height", "hfov"), [(640, 480, 60.0), (1280, 720, 110.0)])
def test_from_hfov_spans_the_image_from_edge_to_edge(width: int, height: int, hfov: float) -> None:
    camera = Camera.from_hfov(width, height, hfov)
    left, right = camera.rays([[-0.5, height / 2], [width - 0.5, height / 2]])
    angles = np.degrees(np.arctan2([left[0], right[0]], 1.0))
    np.testing.assert_allclose(angles, [-hfov / 2, hfov / 2])
    assert camera.hfov_degrees == pytest.approx(hfov)
    assert camera.matrix[0, 0] == camera.matrix[1, 1]


@pytest.mark.parametrize("hfov", [0.0, 180.0, -5.0, float("nan")])
def test_from_hfov_refuses_bad_angles_and_sizes(hfov: float) -> None:
    with pytest.raises(OptionError, match="hfov"):
        Camera.from_hfov(640, 480, hfov)


def test_project_undoes_rays() -> None:
    camera = Camera(640, 480, K)
    pixels = np.random.default_rng(0).uniform(0, 640, (4, 5, 2))
    rays = camera.rays(pixels)
    assert np.all(rays[..., 2] == 1.0)
    np.testing.assert_allclose(camera.project(rays * 3.7), pixels)


def test_point_behind_the_camera_has_no_pixel() -> None:
    found = Camera(640, 480, K).project([[0, 0, 2.0], [0, 0, 0], [0, 0, -1], [np.nan, 0, 1]])
    np.testing.assert_array_equal(found[0], [320, 240])
    assert np.all(np.isnan(found[1:3]))
    assert np.isnan(found[3, 0])


def test_projection_with_unhandled_distortion_is_refused() -> None:
    camera = Camera(640, 480, K, "plumb_bob", np.array([0.1, 0, 0, 0, 0]))
    assert camera.distorted
    assert not Camera(640, 480, K).distorted
    for call in (camera.project, camera.rays):
        with pytest.raises(OptionError, match="plumb_bob"):
            call(np.ones((1, 3)))


LENSES = [
    ("plumb_bob", [-0.3, 0.1, 0.001, -0.002, 0.0]),
    ("rational_polynomial", [0.5, -0.2, 0.001, 0.0, 0.05, 0.8, -0.1, 0.02]),
    ("equidistant", [0.02, -0.01, 0.003, 0.0]),
    ("equidistant", [0.02, -0.01, 0.003, 0.0, 0.0]),
]


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
def test_undistort_undoes_the_lens(model: str, coefficients: list[float]) -> None:
    camera = Camera(640, 480, K, model, np.array(coefficients))
    points = np.random.default_rng(0).uniform(-1, 1, (2, 20, 3)) * (0.6, 0.45, 0) + (0, 0, 1)
    zero, flat = np.zeros(3), points.reshape(-1, 1, 3)
    if model == "equidistant":
        pixels, _ = cv2.fisheye.projectPoints(flat, zero, zero, K, np.array(coefficients[:4]))
    else:
        pixels, _ = cv2.projectPoints(flat, zero, zero, K, np.array(coefficients))
    pixels = pixels.reshape(2, 20, 2)
    pixels[0, 0, 1] = np.nan
    found = camera.undistort(pixels)
    expected = camera.pinhole.project(points)
    expected[0, 0] = np.nan
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not camera.pinhole.distorted


def test_undistort_gives_nan_outside_the_lens() -> None:
    camera = Camera(640, 480, K, "plumb_bob", np.array([-0.3, 0.1, 0, 0, 0]))
    assert np.all(np.isnan(camera.undistort([[1e5, 1e5], [-900.0, -900.0]])))
    straight = Camera(640, 480, K)
    np.testing.assert_array_equal(straight.undistort([[1e5, -3.0]]), [[1e5, -3.0]])
    assert straight.pinhole is straight


@pytest.mark.parametrize(
    ("model", "coefficients", "text"),
    [
        ("fancy", [0.1], "'fancy'; known: plumb_bob"),
        ("plumb_bob", [0.1, 0.1], "coefficients of a plumb_bob lens, got 2"),
        ("equidistant", [0.1, 0, 0, 0, 0.1], "got 5"),
    ],
)
def test_undistort_refuses_unusable_lens_models(
    model: str, coefficients: list[float], text: str
) -> None:
    with pytest.raises(OptionError, match=text):
        Camera(640, 480, K, model, np.array(coefficients)).undistort([[1.0, 2.0]])
