"""Distances by matching two images of a wall, rendered by ray casting."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.multiview.disparity import NearPair
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.fusion import Fusion
from pose_ros.core.types import PositionSource
from pose_ros.errors import ImageError
from tools.seen_bodies import body, looking_at, seen_by

LENS = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])


def view(name, x=0.0, y=0.0, yaw=0.0, lens=None):
    """A camera at x, y of the first one's image axes, turned about y by degrees."""
    camera = Camera.from_hfov(320, 240, 63.0)
    if lens is not None:
        camera = Camera(320, 240, camera.matrix, distortion=lens)
    turn, _ = cv2.Rodrigues(np.array([0.0, np.radians(yaw), 0.0]))
    return CameraView(name, camera, Extrinsics(turn, -turn @ np.array([x, y, 0.0])))


def look_at_wall(seen, distance):
    """The image of a textured, tilted wall, and the meters along the axis of its pixels."""
    generator = np.random.default_rng(0)
    paint = cv2.GaussianBlur(generator.uniform(0.0, 255.0, (900, 900)), (0, 0), 1.5)
    paint = np.clip(128.0 + 4.0 * (paint - 128.0), 0.0, 255.0).astype(np.float32)
    grid = np.stack(np.meshgrid(np.arange(320.0), np.arange(240.0)), axis=2)
    rays, center = seen.rays(grid), seen.extrinsics.center
    normal = np.array([0.3, 0.1, 1.0])
    far = (normal @ [0.0, 0.0, distance] - normal @ center) / (rays @ normal)
    points = center + far[..., None] * rays
    places = (450.0 + 200.0 * points[..., :2]).astype(np.float32)
    gray = cv2.remap(paint, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
    noise = np.random.default_rng(len(seen.name)).normal(0.0, 2.0, gray.shape)
    image = np.clip(gray + noise, 0, 255).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=2), far


@pytest.mark.parametrize(
    ("place", "lens"),
    [
        ({"x": 0.12}, None),
        ({"x": -0.12}, None),
        ({"x": 0.12, "yaw": 4.0}, LENS),
        ({"x": -0.1, "y": 0.05, "yaw": -3.0}, LENS),
    ],
)
def test_distances_of_a_wall_are_measured_wherever_the_second_camera_is_beside(place, lens):
    pair = NearPair(view("first", lens=lens), view("second", lens=lens, **place))
    assert pair.usable
    (first, true), (second, _) = (look_at_wall(each, 1.6) for each in (pair.first, pair.second))
    depth = pair.measure(first, second, 3.0)
    assert depth.stamp == 3.0
    inside = true[30:-30, 50:-50]
    off = depth.meters()[30:-30, 50:-50] / inside - 1.0
    assert np.isfinite(off).mean() > 0.9
    assert abs(np.nanmedian(off)) < 0.005
    assert np.nanpercentile(np.abs(off), 90) < 0.02


def test_order_of_the_colors_changes_nothing_where_it_is_stated():
    pair = NearPair(view("first"), view("second", x=0.12))
    images = []
    for each in (pair.first, pair.second):
        image, _ = look_at_wall(each, 1.6)
        image[..., 0] //= 4  # a wall of a color
        images.append(image)
    first, second = images
    rgb = pair.measure(first, second, 0.0).meters()
    first, second = (np.ascontiguousarray(image[..., ::-1]) for image in images)
    np.testing.assert_array_equal(pair.measure(first, second, 0.0, channels="bgr").meters(), rgb)
    assert not np.array_equal(pair.measure(first, second, 0.0).meters(), rgb, equal_nan=True)


@pytest.mark.parametrize("distance", [0.65, 4.0])
def test_surface_too_near_or_too_far_has_no_distance(distance):
    pair = NearPair(view("first"), view("second", x=0.12))
    first, second = (look_at_wall(each, distance)[0] for each in (pair.first, pair.second))
    known = np.isfinite(pair.measure(first, second, 0.0).meters()[30:-30, 50:-50])
    assert known.mean() < 0.25  # the wall is tilted


@pytest.mark.parametrize(
    "place", [{"y": 0.12}, {"x": 0.12, "yaw": 40.0}, {"x": 2.0}, {"x": 0.001}, {}]
)
def test_cameras_that_are_not_side_by_side_are_refused_as_a_pair(place):
    assert not NearPair(view("first"), view("second", **place)).usable


def test_image_of_another_size_is_refused():
    pair = NearPair(view("first"), view("second", x=0.12))
    good, bad = np.zeros((240, 320, 3), np.uint8), np.zeros((240, 300, 3), np.uint8)
    with pytest.raises(ImageError, match="320x240 pixels of the camera 'second', got 300x240"):
        pair.measure(good, bad, 0.0)


def test_joint_that_a_camera_measured_counts_more_than_the_shape_another_one_guesses():
    views = [
        looking_at(name, (4.0, y, 1.2), target=(0.0, y, 1.0))
        for name, y in (("left", 0.0), ("right", 0.06))
    ]
    joints = body()
    measured = seen_by(views[0], [joints])
    measured = measured.replace(
        camera_sources=np.full((1, 33), PositionSource.DEPTH, np.uint8),
        camera_sigmas=np.full((1, 33), 0.03, np.float32),
    )
    guessed = seen_by(views[1], [joints], depth=1.15)
    fusion = Fusion(views)
    for i in range(5):
        stamp = i / 10.0
        people = fusion.update(stamp, {"left": (stamp, measured), "right": (stamp, guessed)})
    assert np.linalg.norm(people.points[0] - joints, axis=1).max() < 0.02
