"""Furniture: where rays meet it, which people it hides, and that the picture shows so."""

import numpy as np
import pytest

from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import hold
from pose_ros.synthetic.scene import Actor, Cuboid, Path, Pillar, Scene, blocked, box, table
from pose_ros.synthetic.source import SyntheticSource

PIECES = [
    Cuboid((2.0, 0.3, 0.5), (0.4, 0.8, 1.0), 0.0),
    Cuboid((2.0, -0.2, 0.8), (0.6, 0.3, 0.5), 35.0),
    Pillar(2.2, 0.1, 0.3, 1.2),
    Pillar(2.2, 0.1, 0.2, 4.0),
]


def inside(piece: Cuboid | Pillar, points: np.ndarray) -> np.ndarray:
    """Return how far (..., 3) points are out of a piece, negative within."""
    if isinstance(piece, Pillar):
        around = np.hypot(points[..., 0] - piece.x, points[..., 1] - piece.y) - piece.radius
        return np.asarray(
            np.maximum.reduce([around, points[..., 2] - piece.height, -points[..., 2]])
        )
    angle = np.radians(piece.heading_degrees)
    offset = points - piece.center
    x = np.cos(angle) * offset[..., 0] + np.sin(angle) * offset[..., 1]
    y = -np.sin(angle) * offset[..., 0] + np.cos(angle) * offset[..., 1]
    own = np.abs(np.stack([x, y, offset[..., 2]], axis=-1)) - np.array(piece.size) / 2
    return np.asarray(own.max(axis=-1))


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("eye", [(0.0, 0.0, 1.1), (0.0, 0.4, 2.3)])
def test_rays_hit_furniture_at_its_surface(
    piece: Cuboid | Pillar, eye: tuple[float, float, float]
) -> None:
    y, z = np.meshgrid(np.linspace(-0.6, 0.6, 41), np.linspace(-1.0, 0.6, 41))
    rays = np.stack([np.ones_like(y), y, z], axis=-1)
    met, normals = piece.meet(np.array(eye), rays)
    hit = np.isfinite(met)
    assert 50 < hit.sum() < hit.size
    points = np.array(eye) + rays[hit] * met[hit][:, None]
    assert np.abs(inside(piece, points)).max() < 1e-9
    assert np.linalg.norm(normals[hit], axis=-1) == pytest.approx(1.0)
    # out along the normal is out of the piece, and toward the eye
    assert inside(piece, points + 1e-4 * normals[hit]).min() > 0
    assert inside(piece, points - 1e-4 * normals[hit]).max() < 0
    assert np.sum(rays[hit] * normals[hit], axis=-1).max() < 0
    for way in np.linspace(0.05, 4.0, 200):
        where = np.array(eye) + rays * way
        before = ~hit | (way < met - 1e-6)
        assert inside(piece, where[before]).min() > -1e-6


def test_point_behind_furniture_is_hidden() -> None:
    pieces = (Pillar(2.0, 0.0, 0.2), *box(2.0, 1.0, (0.4, 0.4, 0.5)))
    points = np.array([[3, 0, 1], [1, 0, 1], [3, 0.5, 1], [4, 2, 0], [4, 2, 1.5], [-3, 0, 1]])
    found = blocked(points.astype(float), np.array([0.0, 0, 1.0]), pieces)
    assert found.tolist() == [True, False, False, True, False, False]
    assert not blocked(points.astype(float), np.zeros(3), ()).any()


def test_a_box_hides_the_legs_and_a_table_what_is_behind_its_top() -> None:
    def visible(*pieces: Cuboid) -> np.ndarray:
        scene = Scene((Actor(Path.standing(3.0), hold("stand")),), 5.0, pieces)
        return SyntheticSource(scene=scene, live=False).truth(0.0).visible

    assert visible().all()
    boxed = visible(*box(2.2, 0.0, (0.3, 1.2, 0.75)))
    assert not boxed[25:].any()
    assert boxed[:25].all()
    tabled = visible(*table(2.2, 0.0))
    assert not tabled[23:27].all()
    assert tabled[:23].all()
    assert tabled[29:].all()


def test_picture_and_depth_agree_with_the_truth() -> None:
    pillar = Pillar(2.4, 0.03, 0.12, color=(40, 200, 60))
    scene = Scene((Actor(Path.standing(3.2), hold("raise_hands")),), 5.0, (pillar,))
    source = SyntheticSource(scene=scene, live=False)
    frame, truth, depth = source.read(), source.truth(0.0), source.depth(0.0)
    assert frame is not None
    assert 3 < (~truth.visible).sum() < 30
    for pixel, point, seen in zip(truth.pixels, truth.camera, truth.visible, strict=True):
        x, y = np.rint(pixel).astype(int)
        b, g, r = frame.image[y, x].astype(int)
        assert (g > 1.6 * max(b, r)) == (not seen)
        assert (point[2] - depth[y, x] > 0.4) == (not seen)


def test_furniture_throws_a_shadow() -> None:
    def floor(*pieces: Cuboid) -> np.ndarray:
        scene = Scene((Actor(Path.standing(4.0, 1.6), hold("stand")),), 5.0, pieces)
        view = {"camera_height": 2.0, "camera_pitch_degrees": 25.0}
        frame = SyntheticSource(scene=scene, live=False, **view).read()
        assert frame is not None
        return np.asarray(frame.image.mean(axis=2))

    bare, furnished = floor(), floor(*box(3.0, 0.0, (0.3, 0.3, 0.8)))
    shaded = np.abs(furnished / bare - 0.68) < 0.02
    assert shaded.sum() > 500


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Cuboid((0, 0, 0), (1, 0, 1)), "above 0"),
        (lambda: Cuboid((0, float("nan"), 0), (1, 1, 1)), "finite"),
        (lambda: Pillar(1.0, 0.0, -0.1), "above 0"),
        (lambda: Pillar(1.0, float("inf")), "finite"),
    ],
)
def test_impossible_furniture_is_refused(make, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()
