"""The families of networks: the ``family`` of a model card, and what builds its estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pose_ros.core.contract import Contract
from pose_ros.core.protocols import Estimator, Session
from pose_ros.networks import heatmap, keypoints, paf, posenet, simcc, yolo_pose
from pose_ros.networks.blazehand import BlazeHand
from pose_ros.networks.blazepose import BlazePose
from pose_ros.settings.estimation import EstimatorOptions

FAMILIES: dict[str, Callable[[Contract, Mapping[str, Session], EstimatorOptions], Estimator]] = {
    "blazehand": BlazeHand,
    "blazepose": BlazePose,
    "heatmap": heatmap.estimator,
    "keypoints": keypoints.whole_image,
    "keypoints-top-down": keypoints.top_down,
    "paf": paf.make,
    "posenet": posenet.make,
    "simcc": simcc.estimator,
    "yolo-pose": yolo_pose.estimator,
}

TOP_DOWN = frozenset({"heatmap", "keypoints-top-down", "simcc"})
"""Families that see one person at a time: besides their own they take the session that finds
people, as ``detector``."""
