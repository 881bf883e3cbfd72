"""Depth images: encodings, units, patches."""

import numpy as np
import pytest

from pose_ros.core.depth import DepthImage
from pose_ros.errors import ImageError


def one(image, x, y, radius=2.0, near=0.0, far=10.0):
    return image.surfaces(np.array([[x, y]]), np.array([radius]), near, far)[0]


@pytest.mark.parametrize("encoding", ["16UC1", "mono16", "32FC1"])
def test_unit_follows_the_encoding(encoding):
    meters = np.full((20, 30), 2.5)
    values = meters.astype(np.float32) if encoding == "32FC1" else (meters * 1000).astype(np.uint16)
    image = DepthImage(values, encoding, 0.0)
    assert image.size == (30, 20)
    assert one(image, 10, 10) == pytest.approx(2.5)


def test_zero_nan_and_infinity_are_missing():
    values = np.zeros((20, 30), np.uint16)
    assert np.isnan(one(DepthImage(values, "16UC1", 0.0), 10, 10))
    for missing in (np.nan, np.inf, -np.inf, 0.0, -1.0):
        values = np.full((20, 30), missing, np.float32)
        assert np.isnan(one(DepthImage(values, "32FC1", 0.0), 10, 10))
    values = np.full((20, 30), np.nan, np.float32)
    values[9:12, 9:12] = 3.0
    assert one(DepthImage(values, "32FC1", 0.0), 10, 10) == pytest.approx(3.0)


def test_single_wrong_values_do_not_change_the_depth_of_a_patch():
    values = np.full((20, 30), 3.0, np.float32)
    values[10, 10] = 3.1
    assert one(DepthImage(values, "32FC1", 0.0), 10, 10) == pytest.approx(3.0)


def test_patch_on_two_surfaces_gives_the_depth_of_the_nearer_one():
    values = np.full((20, 30), 3.0, np.float32)
    values[:, :10] = 2.0
    assert one(DepthImage(values, "32FC1", 0.0), 10, 10) == pytest.approx(2.0)


def test_depth_out_of_range_is_ignored():
    values = np.full((20, 30), 3.0, np.float32)
    image = DepthImage(values, "32FC1", 0.0)
    assert np.isnan(one(image, 10, 10, near=1.0, far=2.0))
    assert np.isnan(one(image, 10, 10, near=3.5, far=9.0))


@pytest.mark.parametrize(("x", "y"), [(-1, 5), (5, -1), (30, 5), (5, 20), (np.nan, 5), (1e9, 5)])
def test_point_outside_the_image_has_no_depth(x, y):
    assert np.isnan(one(DepthImage(np.ones((20, 30), np.float32), "32FC1", 0.0), x, y))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (29, 19), (29.4, 0)])
def test_patch_at_the_edge_is_cropped(x, y):
    assert one(DepthImage(np.ones((20, 30), np.float32), "32FC1", 0.0), x, y) == 1.0


@pytest.mark.parametrize(
    ("values", "encoding", "stamp", "text"),
    [
        (np.ones((2, 2), np.float32), "16UC1", 0.0, "uint16 for 16UC1, got .* float32"),
        (np.ones((2, 2), np.uint16), "32FC1", 0.0, "float32 for 32FC1"),
        (np.ones((2, 2), np.float32), "rgb8", 0.0, "'rgb8'"),
        (np.ones((2, 2, 1), np.float32), "32FC1", 0.0, r"\(2, 2, 1\)"),
        (np.ones((0, 2), np.float32), "32FC1", 0.0, r"\(0, 2\)"),
        ([[1.0]], "32FC1", 0.0, "list"),
        (np.ones((2, 2), np.float32), "32FC1", float("nan"), "stamp"),
    ],
)
def test_invalid_depth_image_is_refused(values, encoding, stamp, text):
    with pytest.raises(ImageError, match=text):
        DepthImage(values, encoding, stamp)
