"""Bones of a body that is put together by hand: forearms forward, the left knee raised."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_ros.core.orientations import joint_orientations
from pose_ros.core.skeletons import get
from tools.drawn_results import poses_of

SKELETON = get("blazepose33")
# x forward, y left, z up of a body that faces the camera, in the axes of the camera
FACING = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
BODY = {
    "hip": (0.0, 0.1, 1.0), "shoulder": (0.0, 0.2, 1.5), "elbow": (0.0, 0.2, 1.2),
    "wrist": (0.25, 0.2, 1.2), "index": (0.35, 0.19, 1.2), "pinky": (0.35, 0.21, 1.2),
    "knee": (0.0, 0.1, 0.5), "ankle": (0.0, 0.1, 0.1), "heel": (-0.05, 0.1, 0.0),
    "foot_index": (0.15, 0.1, 0.0), "ear": (0.0, 0.08, 1.7),
}  # fmt: skip


def orientations(yaw=0.0, **moved):
    """Return the axes of each joint in those of the body, by name; columns x, y, z.

    Args:
        yaw: Degrees by which the whole body is turned to its left.
        moved: Keypoints elsewhere, in the axes of the body.
    """
    turn = Rotation.from_euler("z", yaw, degrees=True).as_matrix()
    points = np.zeros((1, 33, 3))
    points[0, SKELETON.index("nose")] = 0.1, 0.0, 1.7
    for name, (x, y, z) in BODY.items():
        points[0, SKELETON.index(f"left_{name}")] = x, y, z
        points[0, SKELETON.index(f"right_{name}")] = x, -y, z
    for name, place in moved.items():
        points[0, SKELETON.index(name)] = place
    shape = (points @ turn.T @ FACING.T).astype(np.float32)
    found = joint_orientations(poses_of(shape, np.zeros((1, 33, 2), np.float32), camera=False))
    assert found is not None
    return {
        name: (FACING @ turn).T @ Rotation.from_quat(quaternion).as_matrix()
        for name, quaternion in zip(SKELETON.keypoints, found[0], strict=True)
        if np.isfinite(quaternion).all()
    }


@pytest.mark.parametrize("yaw", [0.0, 60.0, 180.0])
def test_standing_body_has_rep155_axes_in_any_heading(yaw):
    found = orientations(yaw)
    for joint in ("shoulder", "hip", "knee", "ankle"):
        for side in ("left", "right"):
            np.testing.assert_allclose(found[f"{side}_{joint}"], np.eye(3), atol=1e-5)
    np.testing.assert_allclose(found["nose"], np.eye(3), atol=1e-5)


def test_forearm_that_points_forward_is_rotated_about_the_left_axis():
    found = orientations()
    for name in ("left_elbow", "right_elbow", "left_wrist", "right_wrist"):
        np.testing.assert_allclose(found[name][:, 2], (-1.0, 0.0, 0.0), atol=1e-5)
        np.testing.assert_allclose(found[name][:, 1], (0.0, 1.0, 0.0), atol=1e-5)


def test_raised_knee_rotates_the_thigh_and_not_the_shank():
    found = orientations(left_knee=(0.5, 0.1, 1.0), left_ankle=(0.5, 0.1, 0.6))
    np.testing.assert_allclose(found["left_hip"][:, 2], (-1.0, 0.0, 0.0), atol=1e-5)
    np.testing.assert_allclose(found["left_hip"][:, 0], (0.0, 0.0, 1.0), atol=1e-5)
    np.testing.assert_allclose(found["left_knee"], np.eye(3), atol=1e-5)


def test_unknown_bone_has_no_orientation():
    found = orientations(left_elbow=(np.nan, np.nan, np.nan))
    assert not {"left_shoulder", "left_elbow", "left_wrist", "left_eye"} & found.keys()
    assert {"right_shoulder", "right_elbow", "left_hip"} <= found.keys()
