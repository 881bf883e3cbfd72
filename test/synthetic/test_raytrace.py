"""The ray-tracer against the definition of a cone: the hull of a moving sphere."""

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.synthetic.figure import SKIN, Cone
from pose_ros.synthetic.raytrace import Tracer, View, covers, screen_box

CAMERA = Camera.from_hfov(40, 30, 60.0)


def inside(cone: Cone, points: np.ndarray, spheres: int = 150) -> np.ndarray:
    """Return how deep (..., 3) points are in a cone, negative within, by its spheres."""
    stretch = np.eye(3) + (1 / cone.flatness - 1) * np.outer(cone.flat_axis, cone.flat_axis)
    best = np.full(points.shape[:-1], np.inf)
    for share in np.linspace(0, 1, spheres):
        center = cone.a + share * (cone.b - cone.a)
        radius = cone.radius_a + share * (cone.radius_b - cone.radius_a)
        distance = np.linalg.norm((points - center) @ stretch, axis=-1) - radius
        best = np.minimum(best, distance)
    return best


def random_cone(seed: int) -> Cone:
    rng = np.random.default_rng(seed)
    a = np.array([*rng.uniform(-0.5, 0.5, 2), rng.uniform(2, 3)])
    b = a + rng.uniform(-0.4, 0.4, 3)
    axis = rng.standard_normal(3)
    flatness = 1.0 if seed % 2 else rng.uniform(0.3, 0.9)
    radii = rng.uniform(0.01, 0.25, 2)
    return Cone(a, b, radii[0], radii[1], SKIN, axis / np.linalg.norm(axis), flatness)


CONES = [random_cone(seed) for seed in range(6)] + [
    Cone(np.array([0, 0, 2.0]), np.array([0, 0, 2.0]), 0.2, 0.2, SKIN),
    Cone(np.array([0, 0, 2.0]), np.array([0.05, 0, 2.0]), 0.3, 0.1, SKIN),
    Cone(np.array([0, 0, 2.0]), np.array([0.05, 0, 2.1]), 0.1, 0.3, SKIN),
]


@pytest.mark.parametrize("cone", CONES)
def test_depth_is_the_distance_at_which_the_ray_enters(cone: Cone) -> None:
    traced = Tracer(CAMERA).trace([cone])
    assert traced is not None
    (x0, y0, x1, y1), depth, index = traced
    grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1)
    rays = CAMERA.rays(grid)
    hit = index == 0
    assert hit.sum() > 3
    assert np.all(np.isfinite(depth) == hit)
    surface = inside(cone, rays[hit] * depth[hit][:, None])
    assert np.abs(surface).max() < 2e-3
    # nothing of the cone lies before the hit, nor anywhere on a ray that hits nothing
    for share in np.linspace(0.3, 0.999, 12):
        assert inside(cone, rays[hit] * (share * depth[hit] - 0.002)[:, None]).min() > -2e-3
    missed = rays[~hit]
    for z in np.linspace(1.4, 3.6, 40):
        if len(missed):
            assert inside(cone, missed * z, 40).min() > -0.01


@pytest.mark.parametrize("cone", CONES)
def test_normals_point_out_of_the_cone(cone: Cone) -> None:
    tracer = Tracer(CAMERA)
    traced = tracer.trace([cone])
    assert traced is not None
    box, depth, index = traced
    normals = tracer.normals([cone], box, depth, index)
    rows, columns = np.nonzero(index >= 0)
    rays = CAMERA.rays(np.stack([columns + box[0], rows + box[1]], axis=-1))
    points = rays * depth[rows, columns][:, None]
    step = 1e-3
    gradient = np.stack(
        [inside(cone, points + step * e) - inside(cone, points - step * e) for e in np.eye(3)], -1
    )
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    agreement = np.sum(gradient * normals, axis=1)
    # the spheres of the check stand a little apart, so its gradient is a little rough
    assert np.percentile(agreement, 2) > 0.97
    assert np.median(agreement) > 0.999


@pytest.mark.parametrize("cone", CONES)
def test_screen_box_holds_the_whole_cone(cone: Cone) -> None:
    box = screen_box(CAMERA, cone)
    assert box is not None
    pixels = np.stack(np.meshgrid(np.arange(40), np.arange(30)), axis=-1)
    rays = CAMERA.rays(pixels)
    touched = np.zeros((30, 40), bool)
    for z in np.linspace(1.4, 3.6, 40):
        touched |= inside(cone, rays * z, 40) < 0
    rows, columns = np.nonzero(touched)
    assert columns.min() >= box[0]
    assert columns.max() < box[2]
    assert rows.min() >= box[1]
    assert rows.max() < box[3]


@pytest.mark.parametrize(
    "center", [(0, 0, -2.0), (0, 0, 0.1), (9.0, 0, 2.0), (0, -9.0, 2.0)],
    ids=["behind", "around the eye", "beside", "above"],
)  # fmt: skip
def test_cone_outside_the_image_is_left_out(center: tuple[float, float, float]) -> None:
    point = np.array(center, np.float64)
    assert Tracer(CAMERA).trace([Cone(point, point, 0.2, 0.2, SKIN)]) is None


def test_the_nearer_cone_hides_the_other() -> None:
    near, far = (Cone(np.array([0, 0, z]), np.array([0, 0.1, z]), 0.2, 0.2, SKIN)
                 for z in (1.5, 2.5))  # fmt: skip
    for cones, front in (([near, far], 0), ([far, near], 1)):
        traced = Tracer(CAMERA).trace(cones)
        assert traced is not None
        box, _, index = traced
        assert index[15 - box[1], 20 - box[0]] == front


def test_view_turns_the_world_into_the_optical_frame() -> None:
    view = View(CAMERA, height=1.0, pitch_degrees=0.0)
    # 3 m ahead, half a meter to the left, at the camera's height
    np.testing.assert_allclose(view.optical(np.array([3.0, 0.5, 1.0])), [-0.5, 0.0, 3.0])
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) == pytest.approx(1.0)
    # looking down by the angle to a point on the floor brings it to the middle
    down = View(CAMERA, height=1.0, pitch_degrees=45.0)
    np.testing.assert_allclose(
        down.optical(np.array([1.0, 0.0, 0.0])), [0, 0, np.sqrt(2)], atol=1e-12
    )


@pytest.mark.parametrize("cone", CONES)
def test_hidden_points_are_behind_the_drawn_surface(cone: Cone) -> None:
    """Over the whole image, as the tracer sees it; edges of the row of spheres are rough."""
    traced = Tracer(CAMERA).trace([cone])
    assert traced is not None
    (x0, y0, x1, y1), _, index = traced
    drawn = np.zeros((30, 40), bool)
    drawn[y0:y1, x0:x1] = index == 0
    rays = CAMERA.rays(np.stack(np.meshgrid(np.arange(40), np.arange(30)), axis=-1)).reshape(-1, 3)
    found = covers(rays * 5.0, [cone]).reshape(30, 40)
    # a flat cone counts as round: it may hide more
    assert (drawn & ~found).sum() <= 0.03 * drawn.sum() + 1
    if cone.flatness == 1.0:
        assert (found != drawn).sum() <= 0.1 * drawn.sum() + 1
    assert not covers(rays * 1.0, [cone]).any()  # before it
