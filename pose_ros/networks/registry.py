"""The families of networks, by the ``family`` of a model card."""

from __future__ import annotations

from pose_ros.networks import heatmap, keypoints, paf, posenet, simcc, yolo_pose
from pose_ros.networks.blazehand import BlazeHand
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.family import Family

FAMILIES: dict[str, Family] = {
    "blazehand": Family(BlazeHand),
    "blazepose": Family(BlazePose, takes_finder=True),
    "heatmap": Family(heatmap.estimator, needs_people=True, takes_finder=True),
    "keypoints": Family(keypoints.whole_image, finds_everybody=True),
    "keypoints-top-down": Family(keypoints.top_down, needs_people=True, takes_finder=True),
    "paf": Family(paf.make, finds_everybody=True),
    "posenet": Family(posenet.make, finds_everybody=True),
    "simcc": Family(simcc.estimator, needs_people=True, takes_finder=True),
    "yolo-pose": Family(yolo_pose.estimator, finds_everybody=True),
}
