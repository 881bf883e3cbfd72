"""OpenPose's keypoints: their orders, names and arrays, from the people of our networks."""

from __future__ import annotations

from enum import Enum

import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray, Image, Poses, hand_id

_MADE_OF = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "left_big_toe": ("left_foot_index",),
    "right_big_toe": ("right_foot_index",),
}
"""Keypoints of ``BODY_25`` that lie in the middle of others of BlazePose."""


class PoseModel(Enum):
    """The orders of keypoints."""

    BODY_25 = "openpose_body25"
    COCO_18 = "openpose_coco18"


def keypoints_of(poses: Poses, skeleton: Skeleton) -> FloatArray:
    """Return people as OpenPose has them.

    Args:
        poses: N people of BlazePose, or of the skeleton itself.
        skeleton: One of OpenPose's, of K keypoints.

    Returns:
        (N, K, 3) float32: x and y in pixels and the score, 0 where a keypoint is missing.
    """
    result = np.zeros((len(poses), len(skeleton), 3), np.float32)
    for i, name in enumerate(skeleton.keypoints):
        parts = (name,) if name in poses.skeleton.keypoints else _MADE_OF.get(name, ())
        columns = [poses.skeleton.index(part) for part in parts if part in poses.skeleton.keypoints]
        if columns:
            there = poses.found[:, columns].all(axis=1)
            result[there, i, :2] = poses.keypoints[there][:, columns].mean(axis=1)
            result[there, i, 2] = poses.keypoint_scores[there][:, columns].min(axis=1)
    return result


def hand_of(poses: Poses, hands: Poses, side: int) -> FloatArray:
    """Return one hand of each person, (N, 21, 3); 0 where it was not found."""
    result = np.zeros((len(poses), len(hands.skeleton), 3), np.float32)
    rows = {id_: row for row, id_ in enumerate(hands.ids.tolist())}
    for i, person in enumerate(poses.ids.tolist()):
        row = rows.get(hand_id(person, side))
        if row is not None:
            result[i, :, :2], result[i, :, 2] = hands.keypoints[row], hands.keypoint_scores[row]
    return result


def scaled(keypoints: FloatArray, image: Image, scale: int) -> FloatArray:
    """Return keypoints by ``keypoint_scale``: pixels, or 0 to 1 (3) or -1 to 1 (4) of the image."""
    if scale in (3, 4):
        size = np.array(image.shape[1::-1], np.float32)
        there = keypoints[..., 2:] > 0
        unit = keypoints[..., :2] / size
        keypoints[..., :2] = np.where(there, unit if scale == 3 else 2 * unit - 1, 0)
    return keypoints


def getPoseBodyPartMapping(model: PoseModel) -> dict[int, str]:
    """Return the names of keypoints, such as ``RShoulder``, by their index."""
    names = skeletons.get(model.value).keypoints
    sides = {"left": "L", "right": "R"}
    parts = ("".join(sides.get(w, w.capitalize()) for w in name.split("_")) for name in names)
    return dict(enumerate([*parts, "Background"]))


def getPoseNumberBodyParts(model: PoseModel) -> int:
    """Return how many keypoints there are."""
    return len(skeletons.get(model.value))
