import math

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import (
    Goal,
    Plane,
    Refused,
    Target,
    find_target,
    find_targets,
    goal_at,
    goals_at,
    shown_goal,
)
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import TargetOptions
from pose_ros.synthetic.raytrace import View


def transform(height=1.1, pitch_degrees=10.0):
    return View(Camera.from_hfov(640, 480, 69.0), height, pitch_degrees).transform


def ray_to(target, origin=(3.0, 0.2, 1.4), *, sigma=0.05, origin_sigma=0.0, metric=True):
    """The ray, in the camera's frame, from a point of the robot's frame to another."""
    back = np.linalg.inv(transform())
    start, end = (back[:3, :3] @ p + back[:3, 3] for p in (np.array(origin), np.array(target)))
    way = end - start
    return Ray(start, way / np.linalg.norm(way), sigma, metric, origin_sigma)


@pytest.mark.parametrize("target", [(1.5, 1.0, 0.0), (2.9, -0.8, 0.0), (4.5, 1.5, 0.0)])
def test_ray_meets_the_ground_at_its_target(target):
    found = find_target(ray_to(target), transform())
    assert isinstance(found, Target)
    np.testing.assert_allclose(found.point, target, atol=1e-9)
    assert found.range == pytest.approx(math.dist(target, (3.0, 0.2, 1.4)))


def test_ray_meets_any_plane_at_its_target():
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
def test_ray_without_a_usable_target_is_refused(target, options, reason):
    found = find_target(ray_to(target), transform(), options=TargetOptions(**options))
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert str(found)


def test_ray_without_origin_or_meters_has_no_target():
    back = ray_to((1.5, 1.0, 0.0))
    nowhere = Ray([math.nan] * 3, back.direction, 0.1, metric=True)
    assert find_target(nowhere, transform()).reason == "no_place"
    image = Ray([320, 240, 0], [0.0, 1.0, 0.0], 0.1, metric=False)
    assert find_target(image, transform()).reason == "no_meters"


@pytest.mark.parametrize("target", [(2.0, 0.5, 0.0), (1.2, 1.0, 0.0)])
def test_covariance_matches_that_of_perturbed_rays(target):
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
def test_invalid_option_plane_or_transform_is_refused(make, expected):
    with pytest.raises(OptionError, match=expected):
        make()


def pointing(person, target, **fields):
    fields = {"event": "held", "ray": ray_to(target), **fields}
    return Gesture("point", "left", person, confidence=1.0, since=0.0, **fields)


def test_each_person_who_points_has_a_target_or_a_reason():
    gestures = [
        pointing(3, (1.5, 1.0, 0.0)),
        pointing(5, (1.5, 1.0, 2.0)),
        pointing(7, (1.5, 1.0, 0.0), event="ended"),
        pointing(8, (1.5, 1.0, 0.0), ray=None),
    ]
    found = find_targets(gestures, transform())
    assert list(found) == [3, 5]
    np.testing.assert_allclose(found[3].point, (1.5, 1.0, 0.0), atol=1e-9)
    goals = goals_at(found, transform(), "base_link", 4.5)
    assert goals[3] == goal_at(found[3], transform(), "base_link", 4.5)
    assert goals[5] == "the ray leads away from the plane"
    assert find_targets(gestures, transform(), TargetOptions(max_range=1.0))[3].reason == "too_far"
    assert find_targets([], transform()) == {}


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, -0.2), (4.0, 3.0)])
def test_goal_faces_away_from_the_camera(place):
    optical = transform()
    optical[:2, 3] = place
    target = Target(np.array([2.0, 1.0, 0.0]), np.zeros((3, 3)), 2.0)
    goal = goal_at(target, optical, "map", 7.25)
    assert goal.position == (2.0, 1.0, 0.0)
    assert goal.yaw == pytest.approx(math.atan2(1.0 - place[1], 2.0 - place[0]))
    assert (goal.frame_id, goal.stamp) == ("map", 7.25)


def test_published_goal_is_that_of_the_operator():
    near, far = (Goal((x, 0.0, 0.0), 0.0, "map", 1.0) for x in (1.0, 2.0))
    goals = {4: near, 2: far, 9: "too far"}
    assert shown_goal(goals, 2) is far
    assert shown_goal(goals) is near
    assert shown_goal(goals, 9) is None
    assert shown_goal(goals, 11) is None
    assert shown_goal({}) is None
