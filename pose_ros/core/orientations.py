"""How the bones of people are turned, by REP-103: x forward, y left, z up.

A person who stands with hanging arms and looks ahead has the axes of the body at every joint.
"""

from __future__ import annotations

import numpy as np

from pose_ros.core.anatomical_angles import ARM, LEG, Find, beside, finder, trunk_frames, unit
from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Poses

# Sine of the bend of an elbow or a knee: below the first it does not say how the bone above is
# turned about itself, above the second it says all; in between it does in part.
_BLIND, _CLEAR = 0.15, 0.5
_LEAST_METERS = 1e-3
# x forward, y up, z right of the ISB, as x forward, y left, z up
_FROM_ISB = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def joint_orientations(poses: Poses) -> Float64Array | None:
    """Return how the bone that begins at each joint is turned.

    Shoulders have the upper arm, elbows the forearm, wrists the hand, hips the thigh, knees the
    shank, ankles the foot, the nose the head. A bone's z points against it, from its end to the
    joint; a foot's and the head's x points to the toes and out of the face. Forearm, hand and shank
    have the twist of the bone above: no keypoint tells theirs. A straight arm or leg has the twist
    of the trunk.

    Args:
        poses: N people of K keypoints; ``camera`` is taken, else ``world``.

    Returns:
        (N, K, 4) quaternions x, y, z, w that turn the axes of a bone to the camera's; NaN where
        one is not known. None where nothing is.
    """
    points = poses.world if poses.camera is None else poses.camera
    if points is None or not len(poses):
        return None
    find = finder(points.astype(np.float64), poses.skeleton)
    found = np.full((*poses.keypoint_scores.shape, 4), np.nan)
    names = {name: i for i, name in enumerate(poses.skeleton.keypoints)}
    for name, axes in _bones(find).items():
        if name in names:
            found[:, names[name]] = _quaternions(axes)
    return None if np.isnan(found).all() else found


def _bones(find: Find) -> dict[str, Float64Array]:
    """Return axes by the ISB, (n, 3, 3), by the names of joints."""
    pelvis, thorax = trunk_frames(find)
    found: dict[str, Float64Array] = {}
    for side in SIDES:
        thigh = _limb(find, side, LEG, pelvis, -1.0)
        shank = _swung(thigh, find(f"{side}_knee") - find(f"{side}_ankle"))
        foot = unit(find(f"{side}_foot_index") - find(f"{side}_heel"))
        up = unit(beside(shank[..., 1], foot))
        arm = _limb(find, side, ARM, thorax, 1.0)
        forearm = _swung(arm, find(f"{side}_elbow") - find(f"{side}_wrist"))
        knuckles = (find(f"{side}_index") + find(f"{side}_pinky")) / 2.0
        found |= {
            f"{side}_hip": thigh,
            f"{side}_knee": shank,
            f"{side}_ankle": np.stack([foot, up, np.cross(foot, up)], axis=2),
            f"{side}_shoulder": arm,
            f"{side}_elbow": forearm,
            f"{side}_wrist": _swung(forearm, find(f"{side}_wrist") - knuckles),
        }
    right = unit(find("right_ear") - find("left_ear"))
    ahead = find("nose") - (find("left_ear") + find("right_ear")) / 2.0
    ahead = unit(beside(ahead, right))
    found["nose"] = np.stack([ahead, np.cross(right, ahead), right], axis=2)
    return found


def _limb(
    find: Find, side: str, joints: tuple[str, str, str], parent: Float64Array, bends: float
) -> Float64Array:
    """Return the axes of a thigh or an upper arm; ``bends``: 1 forward, -1 backward."""
    top, middle, end = (find(f"{side}_{joint}") for joint in joints)
    hanging = _swung(parent, top - middle)
    y = hanging[..., 1]
    bend = bends * beside(unit(end - middle), y)
    sine = np.linalg.norm(bend, axis=1, keepdims=True)
    weight = np.clip((sine - _BLIND) / (_CLEAR - _BLIND), 0.0, 1.0)
    # without the next joint the bone has the twist of the trunk
    weight, bend = np.nan_to_num(weight), np.nan_to_num(bend)
    x = (1.0 - weight) * hanging[..., 0] + weight * bend / np.maximum(sine, _LEAST_METERS)
    x = unit(np.where(np.isfinite(x), x, hanging[..., 0]))
    return np.stack([x, y, np.cross(x, y)], axis=2)


def _swung(axes: Float64Array, up: Float64Array) -> Float64Array:
    """Return axes, (n, 3, 3), after the least turn that takes their y to ``up``, (n, 3)."""
    start, end = axes[..., 1], unit(up)
    cosine = np.sum(start * end, axis=1, keepdims=True)
    # of a half turn every axis will do: x stays
    behind = cosine < -0.9999
    share = np.sum(axes[..., 0] * end, axis=1, keepdims=True) / np.where(behind, 1.0, 1.0 + cosine)
    x = unit(beside(axes[..., 0] - np.where(behind, 0.0, share) * (start + end), end))
    return np.stack([x, end, np.cross(x, end)], axis=2)


def _quaternions(axes: Float64Array) -> Float64Array:
    """Return quaternions, (n, 4), of axes by the ISB, (n, 3, 3); NaN where those are."""
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    found = np.full((len(axes), 4), np.nan)
    known = np.isfinite(axes).all(axis=(1, 2))
    if known.any():
        found[known] = Rotation.from_matrix(axes[known] @ _FROM_ISB).as_quat()
    return found
