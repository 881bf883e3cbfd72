"""Angles between edges, a body's own axes, and regions and their crops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.geometry import (
    MAX_WARP_SIDE,
    Region,
    angle_between,
    body_frame,
    crop_batch,
    extent,
    fill_tensor,
    iou,
)
from pose_ros.core.types import Pose
from pose_ros.errors import ImageError
from pose_ros.synthetic.source import SyntheticSource


def test_angle_between_parallel_vectors_is_exactly_zero():
    vectors = (
        np.random.default_rng(0).normal(size=(2000, 3))
        * 10.0 ** np.arange(-5, 5).repeat(200)[:, None]
    )
    with np.errstate(all="raise"):
        assert np.all(angle_between(vectors, 3.0 * vectors) < 1e-6)
        assert np.all(angle_between(vectors, -0.1 * vectors) > 180.0 - 1e-6)
    # the arc cosine of their product has no value for some of them
    lengths = np.linalg.norm(vectors, axis=1)
    assert ((vectors * vectors).sum(axis=1) / lengths / lengths > 1.0).any()


def test_angle_between_vectors_is_between_0_and_180_degrees():
    a, b = (
        np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0]]),
        np.array([[1.0, 1, 0], [0, 5, 0], [0, 0, 0]]),
    )
    assert angle_between(a, b) == pytest.approx([45.0, 90.0, np.nan], nan_ok=True)
    assert angle_between(np.array([0.0, 2.0]), np.array([0.0, -1.0])) == 180.0
    tiny = np.array([1.0, 1e-9])  # too small for an arc cosine to distinguish from 0
    assert angle_between(np.array([1.0, 0.0]), tiny) == pytest.approx(np.degrees(1e-9), rel=1e-6)


def test_a_region_maps_its_corners_and_center_to_the_image():
    region = Region(x=100, y=50, size=40, rotation=np.pi / 2)
    points = np.array([[0.5, 0.5], [0.5, 0.0], [0, 0]], np.float32)
    # turned clockwise by a quarter: its top is at the image's right
    expected = [[100, 50], [120, 50], [120, 30]]
    assert np.allclose(region.to_image(points), expected, atol=1e-4)


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 7))
def test_an_upright_region_has_its_top_point_straight_above_its_center(angle):
    center = np.array([200, 150], np.float32)
    top = center + 60 * np.array([np.sin(angle), -np.cos(angle)], np.float32)
    region = Region.upright(center, top, scale=1.0)
    assert region.size == pytest.approx(120, rel=1e-5)
    assert region.rotation == pytest.approx(angle, abs=1e-5)
    assert np.allclose(region.to_image(np.array([0.5, 0.0], np.float32)), top, atol=1e-3)


@pytest.mark.parametrize("top", [(200, 150), (np.nan, 150), (np.inf, 0)])
def test_coinciding_points_give_no_region(top):
    assert Region.upright(np.array([200, 150]), np.array(top), scale=1.0) is None


@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0, np.pi])
def test_a_region_around_a_turned_box_reaches_up_along_it(angle):
    region = Region.around(
        np.array([200, 150]), np.array([40.0, 60.0]), angle, shift=0.5, scale=2.0
    )
    up = np.array([np.sin(angle), -np.cos(angle)])
    assert (region.x, region.y) == pytest.approx(tuple([200, 150] + 30 * up))
    assert (region.size, region.rotation) == pytest.approx((120, angle))


@pytest.mark.parametrize(
    ("center", "size"),
    [((1, 1), (0, 0)), ((np.nan, 1), (9, 9)), ((1, 1), (9, np.nan)), ((1, 1), (np.inf, 9))],
)
def test_a_box_without_extent_gives_no_region(center, size):
    found = Region.around(np.array(center), np.array(size), 0.0, shift=0.0, scale=1.0)
    assert found is None


def test_crop_at_scale_one_is_a_copy():
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    crop = Region(x=40, y=30, size=20).crop(image, 20)
    assert np.array_equal(crop, image[20:40, 30:50])


def test_rotated_crop_is_the_rotated_image():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    crop = Region(x=31.5 + 0.5, y=31.5 + 0.5, size=64, rotation=np.pi / 2).crop(image, 64)
    # the region's up is the image's right
    assert np.array_equal(crop[1:, 1:], np.rot90(image)[:-1, 1:])


@pytest.mark.parametrize(("width", "height"), [(80, 60), (60, 80), (1, 1), (1, 50)])
def test_a_letterbox_holds_the_whole_image_in_its_middle(width, height):
    image = np.full((height, width, 3), 255, np.uint8)
    box = Region.letterbox(width, height)
    crop = box.crop(image, box.size, border=0)
    assert (crop > 0).all(axis=2).sum() == pytest.approx(width * height, abs=width + height)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_a_tensor_is_rgb_in_the_wanted_range(channels):
    crop = np.zeros((2, 2, 3), np.uint8)
    crop[..., 0 if channels == "rgb" else 2] = 255  # red
    tensor = np.empty((3, 2, 2), np.float32)
    fill_tensor(tensor, crop, channels, -1.0, 1.0)
    assert np.allclose(tensor[:, 0, 0], [1, -1, -1], atol=1e-6)
    fill_tensor(tensor, crop, channels, 0.0, 1.0)
    assert np.allclose(tensor[:, 1, 1], [1, 0, 0], atol=1e-6)


def test_a_batch_holds_each_region_and_leaves_the_rest_of_the_memory():
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8:, 2] = 255  # the right half is blue
    memory = np.full((3, 3, 4, 4), 7, np.float32)
    regions = [Region(4, 4, 4), Region(12, 4, 4)]
    batch = crop_batch(memory, image, "rgb", regions, low=-1.0)
    assert np.shares_memory(batch, memory)
    assert np.allclose(batch[0], -1)
    assert np.allclose(batch[1], np.reshape([-1, -1, 1], (3, 1, 1)), atol=1e-6)
    assert (memory[2] == 7).all()
    outside = crop_batch(memory, image, "bgr", [Region(30, 4, 4)], border=0)
    assert np.allclose(outside, 0)
    assert np.allclose(crop_batch(memory, image, "bgr", [Region(30, 4, 4)])[0, 0], 1)


@pytest.mark.parametrize("rotation", [0.0, 0.4, np.pi])
def test_pasting_a_crop_restores_the_image(rotation):
    y, x = np.mgrid[:90, :120]
    image = np.repeat((x + y).astype(np.uint8)[..., None], 3, axis=2)
    region = Region(x=50, y=40, size=50, rotation=rotation)
    pasted = region.paste(region.crop(image, 64)[..., 0].astype(np.float32), 120, 90)
    distance = np.hypot(x - 50, y - 40)
    assert np.abs(pasted - image[..., 0])[distance < 23].max() < 1.5
    assert pasted[distance > 37].max() == 0


def test_region_outside_the_image_pastes_nothing():
    values = np.ones((8, 8), np.float32)
    assert Region(x=-90, y=40, size=50).paste(values, 120, 90).max() == 0
    assert Region(x=0, y=0, size=50).paste(values, 120, 90)[:15, :15].min() == 1


def test_extent_ignores_missing_points():
    points = np.array([[1, 5], [np.nan, np.nan], [3, 2]], np.float32)
    assert extent(points).tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 2, 2), 1.0), ((1, 0, 3, 2), 1 / 3), ((5, 5, 6, 6), 0.0), ((1, 1, 1, 1), 0.0)],
)
def test_iou_is_intersection_over_union(other, expected):
    result = iou(np.array([0, 0, 2, 2], float), np.array([other], float))
    assert result == pytest.approx([expected])


@pytest.mark.parametrize("shape", [(1, MAX_WARP_SIDE + 1, 3), (MAX_WARP_SIDE + 1, 1, 3)])
def test_an_image_too_long_for_opencv_is_refused_in_one_line(shape):
    with pytest.raises(ImageError, match="no side may be longer than 32766"):
        Region(5.0, 5.0, 10.0).crop(np.zeros(shape, np.uint8), 8)
    fits = tuple(min(side, MAX_WARP_SIDE) for side in shape)
    assert Region(5.0, 5.0, 10.0).crop(np.zeros(fits, np.uint8), 8).shape == (8, 8, 3)


SKELETON = skeletons.get("coco17")
FULL = skeletons.get("blazepose33")
# a person 2 m ahead who faces the camera: their left is the camera's right
JOINTS = {
    "left_hip": (0.1, 0.3, 2.0),
    "right_hip": (-0.1, 0.3, 2.0),
    "left_shoulder": (0.2, -0.2, 2.0),
    "right_shoulder": (-0.2, -0.2, 2.0),
}


def person(joints, skeleton=SKELETON):
    camera = np.full((len(skeleton), 3), np.nan, np.float32)
    for name, point in joints.items():
        camera[skeleton.index(name)] = point
    points = np.zeros((len(skeleton), 2), np.float32)
    return Pose(skeleton, 0, 1.0, np.zeros(4, np.float32), points, points[:, 0] + 1, camera=camera)


def test_person_who_faces_the_camera_has_x_towards_it_and_z_up():
    frame = body_frame(person(JOINTS))
    np.testing.assert_allclose(frame.origin, [0, 0.3, 2], atol=1e-6)
    axes = frame.rotation.as_matrix().T
    np.testing.assert_allclose(axes, [[0, 0, -1], [1, 0, 0], [0, -1, 0]], atol=1e-6)


@pytest.mark.parametrize("turn_degrees", [0, 30, 90, 180, 250])
@pytest.mark.parametrize("lean_degrees", [0, 40])
def test_frame_turns_and_leans_with_the_body(turn_degrees, lean_degrees):
    turn, lean = math.radians(turn_degrees), math.radians(lean_degrees)
    about_y = np.array(
        [[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]]
    )
    about_x = np.array(
        [[1, 0, 0], [0, math.cos(lean), -math.sin(lean)], [0, math.sin(lean), math.cos(lean)]]
    )
    move = about_y @ about_x
    middle = np.array([0, 0.3, 2])
    moved = {name: middle + move @ (np.array(p) - middle) for name, p in JOINTS.items()}
    frame = body_frame(person(moved))
    axes = frame.rotation.as_matrix()
    np.testing.assert_allclose(axes[:, 0], move @ [0, 0, -1], atol=1e-6)
    np.testing.assert_allclose(axes[:, 2], move @ [0, -1, 0], atol=1e-6)
    assert np.linalg.det(axes) == pytest.approx(1)
    point = np.array([[0.4, 0.1, 1.5]])
    np.testing.assert_allclose(frame.origin + frame.to_body(point) @ axes.T, point, atol=1e-9)


def test_turned_chest_turns_frame_in_part():
    chest = dict(JOINTS, left_shoulder=(0.0, -0.2, 1.8), right_shoulder=(0.0, -0.2, 2.2))
    forward = body_frame(person(chest)).rotation.as_matrix()[:, 0]
    angle = math.degrees(math.atan2(forward[0], -forward[2]))
    assert -80 < angle < -10


@pytest.mark.parametrize("missing", JOINTS)
def test_body_without_hips_or_shoulders_has_no_frame(missing):
    assert body_frame(person({k: v for k, v in JOINTS.items() if k != missing})) is None


def test_body_without_direction_has_no_frame():
    assert body_frame(person(dict.fromkeys(JOINTS, (0.0, 0.0, 2.0)))) is None
    edge_on = {name: (0.0, point[1], 2.0) for name, point in JOINTS.items()}
    assert body_frame(person(edge_on)) is None


def test_hand_or_body_without_meters_has_no_frame():
    assert body_frame(person({}, skeletons.get("blazehand21"))) is None
    bare = person(JOINTS)
    assert (
        body_frame(Pose(SKELETON, 0, 1.0, bare.box, bare.keypoints, bare.keypoint_scores)) is None
    )


def test_actor_who_points_aside_faces_the_camera():
    truth = SyntheticSource("point_right", distance=3.0, live=False).truth(0.0)
    frame = body_frame(person(dict(zip(truth.skeleton.keypoints, truth.camera, strict=True)), FULL))
    hips = truth.joint("left_hip") + truth.joint("right_hip")
    np.testing.assert_allclose(frame.origin, hips / 2, atol=1e-6)
    wrist, nose, heel = (
        frame.to_body(truth.joint(name)[None])[0] for name in ("right_wrist", "nose", "left_heel")
    )
    assert wrist[1] < -0.3, "to their right"
    assert nose[0] > 0.05, "in front of the hips"
    assert nose[2] > 0.4
    assert heel[2] < -0.6
