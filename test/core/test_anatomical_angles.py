"""Angles by the ISB's definitions: bodies are put together from known turns, then measured."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_ros.core.anatomical_angles import (
    NAMES,
    anatomical_angles,
    angles_of,
    finder,
)
from pose_ros.core.joint_angles import JointMotion
from pose_ros.core.skeletons import get
from tools.drawn_results import drawn_results

SKELETON = get("blazepose33")
TURNED = Rotation.from_euler("xyz", (20.0, 130.0, -40.0), degrees=True)


def body(*, thigh=(0, 0, 0), knee=0.0, ankle=0.0, arm=(0, 0, 0), elbow=0.0, trunk=0.0):
    """Return keypoints (1, 33, 3) of a body whose joints are turned by known degrees.

    Axes as the ISB has them: x forward, y up, z right. The left half mirrors the right one, and
    the shoulders are turned about the trunk by ``trunk``.
    """
    points = np.full((33, 3), np.nan)

    def put(name, place):
        points[SKELETON.index(f"right_{name}")] = place
        points[SKELETON.index(f"left_{name}")] = np.multiply(place, (1.0, 1.0, -1.0))

    hip, shoulder = np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.5, 0.2])
    put("hip", hip)
    put("shoulder", shoulder)
    leg = Rotation.from_euler("ZXY", thigh, degrees=True)
    shank = leg * Rotation.from_euler("Z", -knee, degrees=True)
    foot = shank * Rotation.from_euler("Z", ankle, degrees=True)
    knee_at = hip + leg.apply([0.0, -0.4, 0.0])
    ankle_at = knee_at + shank.apply([0.0, -0.4, 0.0])
    put("knee", knee_at)
    put("ankle", ankle_at)
    put("heel", ankle_at + foot.apply([-0.05, -0.08, 0.0]))
    put("foot_index", ankle_at + foot.apply([0.15, -0.08, 0.0]))
    plane, elevation, rotation = arm
    upper = Rotation.from_euler("YXY", (plane, -elevation, rotation), degrees=True)
    fore = upper * Rotation.from_euler("Z", elbow, degrees=True)
    elbow_at = shoulder + upper.apply([0.0, -0.3, 0.0])
    put("elbow", elbow_at)
    put("wrist", elbow_at + fore.apply([0.0, -0.25, 0.0]))
    above = [SKELETON.index(f"{s}_{p}") for s in ("left", "right") for p in ("shoulder", "elbow")]
    points[above] = Rotation.from_euler("Y", trunk, degrees=True).apply(points[above])
    return TURNED.apply(points)[None]


def measured(points):
    """Return the angles of a body by name."""
    return dict(zip(NAMES, angles_of(finder(points, SKELETON))[0].tolist(), strict=True))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("thigh", [(0, 0, 0), (60, 10, 15), (-15, -30, -20), (95, 5, 40)])
def test_hip_is_measured_as_it_was_turned_on_both_sides(side, thigh):
    found = measured(body(thigh=thigh, knee=70.0))
    names = ("hip_flexion", "hip_adduction", "hip_rotation")
    assert [found[f"{side}_{name}"] for name in names] == pytest.approx(thigh, abs=1e-6)
    assert found[f"{side}_knee_flexion"] == pytest.approx(70.0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("arm", [(0, 45, 0), (90, 80, 30), (40, 120, -50), (-30, 30, 60)])
def test_shoulder_is_measured_as_it_was_turned_on_both_sides(side, arm):
    found = measured(body(arm=arm, elbow=60.0))
    names = ("shoulder_plane", "shoulder_elevation", "shoulder_rotation")
    assert [found[f"{side}_{name}"] for name in names] == pytest.approx(arm, abs=1e-6)
    assert found[f"{side}_elbow_flexion"] == pytest.approx(60.0)


@pytest.mark.parametrize("ankle", [-30.0, 0.0, 15.0])
def test_toes_that_rise_are_dorsiflexion(ankle):
    found = measured(body(knee=20.0, ankle=ankle))
    assert found["left_ankle_dorsiflexion"] == pytest.approx(ankle)


def test_trunk_rotation_is_that_of_shoulders_against_hips():
    found = measured(body(trunk=25.0))
    assert found["trunk_rotation"] == pytest.approx(25.0)
    assert found["trunk_bending"] == pytest.approx(0.0, abs=1e-6)


def test_straight_limb_has_no_rotation_angle():
    found = measured(body(thigh=(10, 0, 0), knee=5.0, arm=(0, 2, 0), elbow=5.0))
    unknown = {name for name, value in found.items() if np.isnan(value)}
    parts = ("hip_rotation", "shoulder_plane", "shoulder_rotation")
    assert unknown == {f"{side}_{part}" for side in ("left", "right") for part in parts}


def test_missing_keypoint_leaves_out_its_angles_only():
    points = body(knee=30.0, elbow=30.0, arm=(0, 45, 0))
    points[0, SKELETON.index("left_ankle")] = np.nan
    unknown = {name for name, value in measured(points).items() if np.isnan(value)}
    assert unknown == {
        f"left_{part}" for part in ("knee_flexion", "hip_rotation", "ankle_dorsiflexion")
    }


def test_plane_of_elevation_goes_on_beyond_a_half_turn():
    (result,) = drawn_results("gestures", 1)
    motion, found = JointMotion(anatomical_angles), result.poses.found[0]
    planes = []
    for i, plane in enumerate(range(0, 540, 30)):
        points = body(arm=(plane, 60, 0), elbow=60.0)
        pose = result.poses.replace(
            world=np.nan_to_num(points), camera=None, camera_sources=None, camera_sigmas=None
        )[0]
        angles = motion.add(i / 30, pose, found)
        planes.append(angles.degrees[NAMES.index("right_shoulder_plane")])
    assert planes == pytest.approx(range(0, 540, 30), abs=1e-3)
    speed = angles.speeds[NAMES.index("right_shoulder_plane")]
    assert speed == pytest.approx(900.0, rel=1e-3)
