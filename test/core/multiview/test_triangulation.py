"""Joints by several cameras, on points whose pixels are computed."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.multiview.extrinsics import Extrinsics
from pose_ros.core.multiview.triangulation import Prior, triangulate
from pose_ros.errors import OptionError
from tools.seen_bodies import looking_at

POINTS = np.array([[0.0, 0.0, 0.0], [0.3, 0.2, 0.8], [-0.4, -0.1, 1.4], [0.1, 0.5, 0.4]])


def ring(count, **keywords):
    angles = np.linspace(0.0, np.pi, count, endpoint=False)
    return [
        looking_at(f"camera {i}", (3.0 * np.cos(a), 3.0 * np.sin(a), 1.2), **keywords)
        for i, a in enumerate(angles)
    ]


def pixels_of(views, points=POINTS):
    return np.stack([view.project(points) for view in views])


@pytest.mark.parametrize("distortion", [None, [-0.3, 0.1, 0.001, -0.001, 0.0]])
def test_points_without_noise_are_found_exactly(distortion):
    views = ring(3, distortion=distortion)
    found = triangulate(views, pixels_of(views), np.ones((3, 4)), 3.0)
    np.testing.assert_allclose(found.points, POINTS, atol=1e-3)
    assert np.nanmax(found.errors_px) < 0.2  # the lens is undone to a tenth of a pixel
    assert found.used.all()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_errors_are_within_the_stated_covariances(count):
    views = ring(count)
    generator = np.random.default_rng(1)
    points = np.tile(POINTS, (300, 1))
    noise = generator.normal(0.0, 4.0, (count, len(points), 2))
    found = triangulate(views, pixels_of(views, points) + noise, np.ones(noise.shape[:2]), 4.0)
    errors = np.linalg.norm(found.points - points, axis=1)
    assert 0.55 <= np.mean(errors < found.sigmas) <= 0.80
    offsets = found.points - points
    squares = np.einsum("mi,mij,mj->m", offsets, np.linalg.inv(found.covariances), offsets)
    assert 0.6 <= np.median(squares) / 2.366 <= 1.2  # the median of chi² with three degrees


@pytest.mark.parametrize("count", [3, 4])
def test_camera_with_a_wrong_joint_is_left_out_for_that_joint(count):
    views = ring(count)
    pixels = pixels_of(views)
    pixels[1, 2] += (90.0, 60.0)
    found = triangulate(views, pixels, np.ones((count, 4)), 4.0)
    np.testing.assert_allclose(found.points, POINTS, atol=1e-6)
    assert found.used.sum() == 4 * count - 1
    assert not found.used[1, 2]
    assert found.errors_px[1, 2] > 80.0


def test_two_of_five_cameras_with_wrong_joints_are_left_out():
    views = ring(5)
    pixels = pixels_of(views)
    pixels[0, 1] += (70.0, -90.0)
    pixels[3, 1] += (-80.0, 60.0)
    found = triangulate(views, pixels, np.ones((5, 4)), 4.0)
    np.testing.assert_allclose(found.points, POINTS, atol=1e-6)
    assert found.used[:, 1].tolist() == [False, True, True, False, True]


def test_disagreement_of_two_cameras_gives_larger_sigmas():
    views = ring(2)
    pixels = pixels_of(views)
    agreed = triangulate(views, pixels, np.ones((2, 4)), 4.0)
    pixels[1] += (0.0, 60.0)
    apart = triangulate(views, pixels, np.ones((2, 4)), 4.0)
    assert (apart.sigmas > 2.0 * agreed.sigmas).all()


def test_joint_of_low_score_counts_less():
    views = ring(3)
    pixels, scores = pixels_of(views), np.ones((3, 4))
    pixels[2] += (8.0, 0.0)
    even = triangulate(views, pixels, scores, 4.0)
    scores[2] = 0.2
    uneven = triangulate(views, pixels, scores, 4.0)
    far = [np.linalg.norm(found.points - POINTS, axis=1) for found in (even, uneven)]
    assert (far[1] < 0.3 * far[0]).all()


def test_joint_seen_by_one_camera_or_none_is_missing():
    views = ring(2)
    pixels, scores = pixels_of(views), np.ones((2, 4))
    pixels[0, 1] = np.nan
    scores[:, 2] = 0.0
    found = triangulate(views, pixels, scores, 4.0)
    assert np.isnan(found.points).all(axis=1).tolist() == [False, True, True, False]
    assert np.isnan(found.covariances[1:3]).all()
    assert not found.used[:, 1:3].any()
    np.testing.assert_allclose(found.points[[0, 3]], POINTS[[0, 3]], atol=1e-6)


def test_point_behind_a_camera_is_missing():
    views = [
        looking_at("a", (0.0, 0.0, 1.0), (0, 5, 1)),
        looking_at("b", (1.0, 0.0, 1.0), (1, 5, 1)),
    ]
    # rays that part: they meet behind both
    pixels = np.array([[[400.0, 360.0]], [[900.0, 360.0]]])
    assert np.isnan(triangulate(views, pixels, np.ones((2, 1)), 4.0).points).all()


def test_close_cameras_have_large_sigmas_in_depth_only():
    views = [looking_at("a", (0, 0, 1), (0, 5, 1)), looking_at("b", (0.1, 0, 1), (0.1, 5, 1))]
    point = np.array([[0.0, 3.0, 1.0]])
    found = triangulate(views, pixels_of(views, point), np.ones((2, 1)), 4.0)
    x, y, z = np.sqrt(np.diag(found.covariances[0]))
    assert y > 5.0 * max(x, z)


def test_prior_places_a_joint_that_one_camera_sees():
    views = ring(2)
    pixels, scores = pixels_of(views), np.ones((2, 4))
    scores[1] = 0.0
    near = POINTS + (0.0, 0.0, 0.1)
    prior = Prior.at(near, np.tile(np.eye(3) / 0.3**2, (4, 1, 1)))
    found = triangulate(views, pixels, scores, 4.0, prior=prior)
    # on the ray, close to where the prior has it
    np.testing.assert_allclose(views[0].project(found.points), pixels[0], atol=2.0)
    assert (np.linalg.norm(found.points - POINTS, axis=1) < 0.05).all()


def test_people_are_an_axis_like_joints():
    views = ring(3)
    points = np.stack([POINTS, POINTS + 0.2])
    found = triangulate(views, pixels_of(views, points), np.ones((3, 2, 4)), 4.0)
    assert found.covariances.shape == (2, 4, 3, 3)
    np.testing.assert_allclose(found.points, points, atol=1e-6)


def test_shapes_that_do_not_fit_are_refused():
    views = ring(2)
    with pytest.raises(OptionError, match="pixels"):
        triangulate(views, pixels_of(views)[:1], np.ones((2, 4)), 4.0)
    with pytest.raises(OptionError, match="scores"):
        triangulate(views, pixels_of(views), np.ones((2, 3)), 4.0)
    with pytest.raises(OptionError, match="distinct names"):
        triangulate([views[0], views[0]], pixels_of(views), np.ones((2, 4)), 4.0)


def test_extrinsics_and_pose_are_each_others_inverse():
    view = ring(3)[1]
    again = Extrinsics.from_pose(view.extrinsics.pose)
    np.testing.assert_allclose(again.rotation, view.extrinsics.rotation, atol=1e-12)
    np.testing.assert_allclose(again.translation, view.extrinsics.translation, atol=1e-12)
    np.testing.assert_allclose(view.extrinsics.to_world(view.extrinsics.to_camera(POINTS)), POINTS)


def test_matrix_that_does_not_turn_is_refused_as_rotation():
    with pytest.raises(OptionError, match="rotation"):
        Extrinsics(np.diag([1.0, 1.0, -1.0]), np.zeros(3))
