import math

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.pointing import Ray
from pose_ros.core.targets import Plane, Refused, Target, find_target
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import TargetOptions
from pose_ros.sources.raytrace import View


def transform(height=1.1, pitch_degrees=10.0):
    return View(Camera.from_hfov(640, 480, 69.0), height, pitch_degrees).transform


def ray_to(target, origin=(3.0, 0.2, 1.4), *, sigma=0.05, origin_sigma=0.0, metric=True):
    """The ray, in the camera's frame, from a point of the robot's frame to another."""
    back = np.linalg.inv(transform())
    start, end = (back[:3, :3] @ p + back[:3, 3] for p in (np.array(origin), np.array(target)))
    way = end - start
    return Ray(start, way / np.linalg.norm(way), sigma, metric, origin_sigma)


@pytest.mark.parametrize("target", [(1.5, 1.0, 0.0), (2.9, -0.8, 0.0), (4.5, 1.5, 0.0)])
def test_a_ray_meets_the_ground(target):
    found = find_target(ray_to(target), transform())
    assert isinstance(found, Target)
    np.testing.assert_allclose(found.point, target, atol=1e-9)
    assert found.range == pytest.approx(math.dist(target, (3.0, 0.2, 1.4)))


def test_a_ray_meets_any_plane():
    shelf = Plane(point=[0.0, 0.0, 0.8], normal=[0.0, 0.0, 5.0])
    found = find_target(ray_to((1.5, 1.0, 0.8)), transform(), shelf)
    np.testing.assert_allclose(found.point, (1.5, 1.0, 0.8), atol=1e-9)
    wall = Plane(point=[0.0, 2.0, 0.0], normal=[0.0, -1.0, 0.0])
    found = find_target(ray_to((1.5, 2.0, 1.3)), transform(), wall)
    np.testing.assert_allclose(found.point, (1.5, 2.0, 1.3), atol=1e-9)


@pytest.mark.parametrize(
    ("target", "options", "reason"),
    [
        ((1.5, 1.0, 2.0), {}, "away"),
        ((3.0, 9.0, 0.0), {}, "horizon"),
        ((3.0, 4.0, 0.0), {"max_range": 3.0}, "too_far"),
        ((3.0, 4.0, 0.0), {"max_sigma": 0.3}, "too_unsure"),
    ],
)
def test_what_is_no_point_is_refused(target, options, reason):
    found = find_target(ray_to(target), transform(), options=TargetOptions(**options))
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert str(found)


def test_a_ray_without_place_or_meters_has_no_point():
    back = ray_to((1.5, 1.0, 0.0))
    nowhere = Ray([math.nan] * 3, back.direction, 0.1, metric=True)
    assert find_target(nowhere, transform()).reason == "no_place"
    image = Ray([320, 240, 0], [0.0, 1.0, 0.0], 0.1, metric=False)
    assert find_target(image, transform()).reason == "no_meters"


@pytest.mark.parametrize("target", [(2.0, 0.5, 0.0), (1.2, 1.0, 0.0)])
def test_the_covariance_is_that_of_rays_that_are_a_little_wrong(target):
    rng = np.random.default_rng(0)
    ray = ray_to(target, sigma=0.02, origin_sigma=0.03)
    points = []
    for _ in range(4000):
        origin = ray.origin + rng.normal(0.0, 0.03 / math.sqrt(3.0), 3)
        direction = ray.direction + rng.normal(0.0, 0.02 / math.sqrt(2.0), 3)
        direction /= np.linalg.norm(direction)
        points.append(find_target(Ray(origin, direction, 0.02, metric=True), transform()).point)
    measured = np.cov(np.array(points).T)
    stated = find_target(ray, transform()).covariance
    np.testing.assert_allclose(stated, measured, atol=0.12 * np.abs(measured).max())
    assert find_target(ray, transform()).sigma == pytest.approx(
        math.sqrt(np.linalg.eigvalsh(measured)[-1]), rel=0.1
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: TargetOptions(max_range=0.0), "max_range"),
        (lambda: TargetOptions(max_sigma=math.nan), "max_sigma"),
        (lambda: TargetOptions(min_grazing=0.0), "min_grazing"),
        (lambda: Plane(normal=[0.0, 0.0, 0.0]), "direction"),
        (lambda: Plane(point=[0.0, math.nan, 0.0]), "point"),
        (lambda: find_target(ray_to((1.5, 1.0, 0.0)), np.eye(3)), "transform"),
        (lambda: find_target(ray_to((1.5, 1.0, 0.0)), np.diag([2.0, 2, 2, 1])), "stretch"),
    ],
)
def test_bad_input_is_refused(make, expected):
    with pytest.raises(OptionError, match=expected):
        make()
