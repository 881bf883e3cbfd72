"""Depth images: true ones agree with the scene, measured ones err as a stereo camera does."""

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.errors import OptionError
from pose_ros.synthetic.depth_camera import DepthSensor, to_millimeters
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.source import SyntheticSource, open_synthetic

CAMERA = Camera.from_hfov(200, 150, 70.0)
CLEAN = DepthSensor(disparity_error=0.0, disparity_step=1e-6, dropout=0.0, grazing_degrees=0.0)


def flat(meters: float) -> np.ndarray:
    return np.full((150, 200), meters, np.float32)


def measured(depth: np.ndarray, sensor: DepthSensor, seed: int = 0) -> np.ndarray:
    return sensor.measure(depth, CAMERA, np.random.default_rng(seed))


@pytest.mark.parametrize(("height", "pitch"), [(1.1, 2.0), (0.4, -10.0), (1.6, 20.0)])
def test_true_depth_equals_the_geometry_of_the_room(height: float, pitch: float) -> None:
    source = SyntheticSource(
        "stand", live=False, width=160, height=120, camera_height=height, camera_pitch_degrees=pitch
    )
    depth = source.depth(0.0)
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(120)), axis=-1)
    optical = source.camera.rays(grid) * depth[..., None]
    turn, origin = source.view.transform[:3, :3], source.view.transform[:3, 3]
    world = optical @ turn.T + origin
    # every pixel lies in the room, and those beside the actor on its walls
    assert world[..., 2].min() > -1e-3
    assert world[..., 0].max() < 4.7 + 1e-3
    beside = world[:, :25].reshape(-1, 3)
    gaps = np.abs(beside[:, [0, 1, 1, 2, 2]] - (4.7, 2.6, -2.6, 0.0, 2.8)).min(axis=1)
    assert gaps.max() < 1e-3


def test_a_joint_lies_behind_the_surface_that_the_camera_sees() -> None:
    source = SyntheticSource("point_left", arm="left", live=False)
    truth = source.truth(0.0)
    depth = source.depth(0.0)
    for name in ("left_wrist", "left_elbow", "left_shoulder", "right_hip", "right_knee"):
        x, y = np.rint(truth.pixel(name)).astype(int)
        assert 0.01 < truth.joint(name)[2] - depth[y, x] < 0.17, name


def test_the_depth_belongs_to_the_frame() -> None:
    source = SyntheticSource("wave", live=False, fps=4, width=320, height=240)
    empty = SyntheticSource(scene=Scene((Actor(Path.standing(3, 90)),), 4.7), live=False,
                            width=320, height=240)  # fmt: skip
    background = empty.read()
    assert background is not None
    for _ in range(3):
        frame = source.read()
        assert frame is not None
        body = source.depth(frame.stamp) < empty.depth(0.0) - 0.01
        changed = np.abs(frame.image.astype(int) - background.image).max(axis=2) > 25
        assert body.sum() > 2000
        assert (changed & body).sum() > 0.9 * body.sum()


def test_depth_is_the_same_whether_or_not_the_image_was_drawn() -> None:
    spec = "synthetic:crossing_three?fps=2&width=160&height=120"
    drawn, alone = open_synthetic(spec, live=False), open_synthetic(spec, live=False)
    for _ in range(4):
        frame = drawn.read()
        assert frame is not None
        depth = drawn.depth(frame.stamp)
        np.testing.assert_array_equal(depth, alone.depth(frame.stamp))
        depth[:] = 0.0
        np.testing.assert_array_equal(drawn.depth(frame.stamp), alone.depth(frame.stamp))
    np.testing.assert_array_equal(drawn.depth(0.5), alone.depth(0.5))


def test_noise_grows_with_the_square_of_the_distance() -> None:
    sensor = DepthSensor(disparity_step=1e-3)
    deviations = [float(np.nanstd(measured(flat(z), sensor))) for z in (1.0, 2.0, 4.0)]
    focal = CAMERA.matrix[0, 0] * 640 / CAMERA.width
    expected = np.array([1.0, 4.0, 16.0]) * sensor.disparity_error / (focal * sensor.baseline)
    np.testing.assert_allclose(deviations, expected, rtol=0.2)


def test_measured_depth_is_a_multiple_of_its_step() -> None:
    found = measured(flat(2.5), DepthSensor(dropout=0.0, disparity_step=0.25))
    disparity = CAMERA.matrix[0, 0] * 640 / CAMERA.width * 0.05 / found
    np.testing.assert_allclose(disparity * 4, np.rint(disparity * 4), atol=1e-4)


def test_nothing_is_measured_beyond_its_range() -> None:
    depth = flat(0.2)
    depth[50:] = 3.0
    depth[100:] = 7.0
    missing = np.isnan(measured(depth, CLEAN))
    assert missing[:49].all()
    assert not missing[52:98, 5:].any()
    assert missing[102:].all()


def test_region_to_the_left_of_a_near_object_has_no_depth() -> None:
    depth = flat(4.0)
    depth[:, 100:140] = 1.0
    missing = np.isnan(measured(depth, CLEAN))
    band = CAMERA.matrix[0, 0] * CLEAN.baseline * (1 / 1.0 - 1 / 4.0)
    columns = np.flatnonzero(missing[75])
    assert columns.max() == 99
    assert len(columns) == pytest.approx(band, abs=1.5)


def test_surfaces_at_a_grazing_angle_are_lost() -> None:
    # a floor 0.15 m below the camera, and a wall at 5 m
    rays = CAMERA.rays(np.stack(np.meshgrid(np.arange(200), np.arange(150)), axis=-1))
    with np.errstate(divide="ignore"):
        floor = np.where(rays[..., 1] > 0, 0.15 / rays[..., 1], np.inf)
    depth = np.minimum(floor, 5.0).astype(np.float32)
    strict = DepthSensor(disparity_error=0.0, dropout=0.0, grazing_degrees=8.0)
    missing = np.isnan(measured(depth, strict))
    sines = 0.15 / (np.linalg.norm(rays, axis=-1) * depth)
    on_floor = (floor < 4.5) & (floor > 0.35)
    assert missing[on_floor & (sines < np.sin(np.radians(7)))].mean() > 0.95
    assert missing[on_floor & (sines > np.sin(np.radians(9)))].mean() < 0.05
    assert missing[:70, 5:].mean() < 0.01


def test_lost_regions_cover_the_configured_share_of_the_image() -> None:
    missing = np.isnan(measured(flat(2.0), DepthSensor(dropout=0.1)))
    assert 0.05 < missing.mean() < 0.15
    # in blots, not in single pixels
    assert (missing[:, 1:] & missing[:, :-1]).mean() > 0.6 * missing.mean()


def test_measurement_repeats_at_the_same_stamp_and_differs_at_another() -> None:
    source = SyntheticSource("wave", live=False, fps=4, width=160, height=120, seed=7)
    again = SyntheticSource("wave", live=False, fps=4, width=160, height=120, seed=7)
    np.testing.assert_array_equal(source.measured_depth(0.5), again.measured_depth(0.5))
    assert np.any(source.measured_depth(0.5) != source.measured_depth(2.5))
    np.testing.assert_array_equal(source.depth(0.5), source.depth(2.5))
    true, found = source.depth(0.5), source.measured_depth(0.5)
    known = ~np.isnan(found)
    assert known.mean() > 0.7
    assert np.median(np.abs(found - true)[known]) < 0.1


def test_depth_that_millimeters_cannot_hold_is_0() -> None:
    depth = np.array([[1.2345, np.nan, 0.0, 70.0, np.inf, -1.0, 0.0004, 65.535]], np.float32)
    found = to_millimeters(depth)
    assert found.dtype == np.uint16
    assert found.tolist() == [[1234, 0, 0, 0, 0, 0, 0, 65535]]


@pytest.mark.parametrize(
    "options",
    [
        {"baseline": 0.0},
        {"near": 3.0, "far": 2.0},
        {"dropout": 1.0},
        {"disparity_error": float("nan")},
        {"near": float("nan")},
        {"far": float("inf")},
        {"grazing_degrees": float("nan")},
    ],
)
def test_impossible_depth_sensor_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="expected"):
        DepthSensor(**options)
