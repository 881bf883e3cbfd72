"""The frame of a body against the synthetic actor, whose heading is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.body_frame import body_frame
from pose_ros.core.types import Pose
from pose_ros.synthetic.source import SyntheticSource

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
