"""Joint angles by the definitions of the International Society of Biomechanics (ISB).

Wu et al., J Biomech 35 (2002) 543 for hip, knee and ankle; Wu et al., J Biomech 38 (2005) 981 for
shoulder and elbow. Axes of a segment: x forward, y up, z to the right. A left side is mirrored, so
that the same motion has the same sign on both sides. Keypoints are no bony landmarks: what cannot
be known from them is left out, and docs/reference/angles.md says what stands in for what.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.joint_angles import Basis, metric_spaces
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.types import Pose

Find = Callable[[str], Float64Array]
"""Returns a keypoint by name, (n, 3); NaN where it is missing."""

SIDED = (
    *("hip_flexion", "hip_adduction", "hip_rotation", "knee_flexion", "ankle_dorsiflexion"),
    *("shoulder_plane", "shoulder_elevation", "shoulder_rotation", "elbow_flexion"),
)
"""Angles of a side of the body."""

NAMES = (*(f"{side}_{name}" for name in SIDED for side in SIDES), "trunk_bending", "trunk_rotation")
"""All angles; A of them."""

LEG = ("hip", "knee", "ankle")
"""Joints of a leg from the trunk on, without their side."""
ARM = ("shoulder", "elbow", "wrist")
"""Those of an arm."""

# sine of the bend of elbow or knee below which it does not say how the bone above is turned
_LEAST_BEND = 0.34
# sine of an arm's elevation below which it has no plane
_LEAST_ELEVATION = 0.17
_LEAST_METERS = 1e-3


def angles_of(find: Find) -> Float64Array:
    """Return the ``NAMES`` in degrees, (n, A); NaN where a keypoint is missing.

    Args:
        find: Returns keypoints, (n, 3) meters, in any axes that are right-handed.
    """
    pelvis, thorax = trunk_frames(find)
    found: dict[str, Float64Array] = {}
    for side in SIDES:
        y, x = limb_axes(find, side, LEG, pelvis)
        leg = turns_zxy(y, -x)  # a knee bends backward
        y, x = limb_axes(find, side, ARM, thorax)
        arm = _turns_yxy(y, x)
        shank = find(f"{side}_knee") - find(f"{side}_ankle")
        foot = find(f"{side}_foot_index") - find(f"{side}_heel")
        values = (
            *(*leg, bend(find, side, LEG), 90.0 - angle_between(foot, shank)),
            *(*arm, bend(find, side, ARM)),
        )
        found |= {f"{side}_{name}": value for name, value in zip(SIDED, values, strict=True)}
    trunk = np.einsum("nij,nik->njk", pelvis, thorax)
    _, found["trunk_bending"], found["trunk_rotation"] = turns_zxy(trunk[..., 1], trunk[..., 0])
    return np.stack([found[name] for name in NAMES], axis=1)


def anatomical_angles(
    pose: Pose, found: NDArray[np.bool_]
) -> tuple[Float64Array, list[Basis | None]]:
    """Return the ``NAMES`` of one person, and what each was measured in.

    Args:
        pose: The person.
        found: (K,) which keypoints were found.

    Returns:
        (A,) degrees, -180 to 180, NaN where a keypoint is missing; and A bases, None there. The
        image is no basis: these are angles in space.
    """
    degrees = np.full(len(NAMES), np.nan)
    bases: list[Basis | None] = [None] * len(NAMES)
    for basis, points in metric_spaces(pose):
        known = np.where(found[:, None], points, np.nan)
        measured = angles_of(finder(known[None], pose.skeleton))[0]
        for i in np.flatnonzero(np.isnan(degrees) & np.isfinite(measured)).tolist():
            degrees[i], bases[i] = measured[i], basis
    return degrees, bases


def anatomical_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Return ``NAMES`` where a skeleton has the joints of a trunk, none otherwise."""
    trunk = {f"{side}_{joint}" for side in SIDES for joint in ("shoulder", "hip")}
    return NAMES if trunk <= set(skeleton.keypoints) else ()


def finder(points: Float64Array, skeleton: Skeleton) -> Find:
    """Return what finds keypoints by their names among (n, K, 3) of a skeleton."""
    known = {name.replace("big_toe", "foot_index"): i for i, name in enumerate(skeleton.keypoints)}
    nowhere = np.full((len(points), 3), np.nan)
    return lambda name: points[:, known[name]] if name in known else nowhere


def trunk_frames(find: Find) -> tuple[Float64Array, Float64Array]:
    """Return the axes of pelvis and thorax, two of (n, 3, 3) with x, y, z as columns.

    Both have the line from between the hips to between the shoulders for what is up: there is no
    keypoint on the spine, so that the trunk has no flexion of its own.
    """
    left_hip, right_hip = find("left_hip"), find("right_hip")
    left_shoulder, right_shoulder = find("left_shoulder"), find("right_shoulder")
    up = (left_shoulder + right_shoulder - left_hip - right_hip) / 2.0
    across = unit(right_hip - left_hip)
    y = unit(beside(up, across))
    pelvis = np.stack([np.cross(y, across), y, across], axis=2)
    y = unit(up)
    z = unit(beside(right_shoulder - left_shoulder, y))
    return pelvis, np.stack([np.cross(y, z), y, z], axis=2)


def limb_axes(
    find: Find, side: str, joints: tuple[str, str, str], parent: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the axes of a thigh or an upper arm in those of what it hangs on.

    Args:
        find: Returns keypoints.
        side: Of the body; a left limb comes out mirrored.
        joints: ``LEG`` or ``ARM``.
        parent: (n, 3, 3) axes of pelvis or thorax.

    Returns:
        y, (n, 3) of length 1, from the middle to the top; x, where the next bone bends to: NaN
        where the limb is too straight to say.
    """
    top, middle, end = joints
    mirror = np.array([1.0, 1.0, -1.0 if side == "left" else 1.0])
    joint = find(f"{side}_{middle}")
    y = np.einsum("nji,nj->ni", parent, unit(find(f"{side}_{top}") - joint)) * mirror
    next_ = np.einsum("nji,nj->ni", parent, unit(find(f"{side}_{end}") - joint)) * mirror
    x = beside(next_, y)
    bent = np.linalg.norm(x, axis=1, keepdims=True) >= _LEAST_BEND
    return y, np.where(bent, unit(x), np.nan)


def turns_zxy(y: Float64Array, x: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return a segment's turns about z, x and y, three of (n,) degrees, one after the other.

    Args:
        y: (n, 3) its y axis in the axes of its parent.
        x: (n, 3) its x axis; NaN leaves the last turn open.
    """
    about_z = np.arctan2(-y[:, 0], y[:, 1])
    about_x = np.arcsin(np.clip(y[:, 2], -1.0, 1.0))
    sine, cosine = np.sin(about_z), np.cos(about_z)
    ahead = cosine * x[:, 0] + sine * x[:, 1]
    up = cosine * x[:, 1] - sine * x[:, 0]
    aside = np.cos(about_x) * x[:, 2] - np.sin(about_x) * up
    about_y = np.arctan2(-aside, ahead)
    return np.degrees(about_z), np.degrees(about_x), np.degrees(about_y)


def bend(find: Find, side: str, joints: tuple[str, str, str]) -> Float64Array:
    """Return how far a knee (``LEG``) or an elbow (``ARM``) is bent, (n,) degrees; 0: straight."""
    top, middle, end = joints
    joint = find(f"{side}_{middle}")
    between: Float64Array = angle_between(
        find(f"{side}_{top}") - joint, find(f"{side}_{end}") - joint
    )
    return 180.0 - between


def _turns_yxy(y: Float64Array, x: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return an arm's plane of elevation, elevation and axial rotation, three of (n,) degrees."""
    sine = np.hypot(y[:, 0], y[:, 2])
    elevation = np.arctan2(sine, y[:, 1])
    plane = np.where(sine >= _LEAST_ELEVATION, np.arctan2(-y[:, 0], -y[:, 2]), np.nan)
    # x with the plane and the elevation undone
    ahead = np.cos(plane) * x[:, 0] - np.sin(plane) * x[:, 2]
    aside = np.sin(plane) * x[:, 0] + np.cos(plane) * x[:, 2]
    aside = np.cos(elevation) * aside + np.sin(elevation) * x[:, 1]
    rotation = np.arctan2(-aside, ahead)
    return np.degrees(plane), np.degrees(elevation), np.degrees(rotation)


def unit(vectors: Float64Array) -> Float64Array:
    """Return vectors (..., 3) of length 1; NaN where one has no length."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Float64Array = vectors / np.where(lengths > _LEAST_METERS, lengths, np.nan)
    return found


def beside(vectors: Float64Array, axis: Float64Array) -> Float64Array:
    """Return vectors' parts at right angles to a unit axis."""
    found: Float64Array = vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis
    return found
