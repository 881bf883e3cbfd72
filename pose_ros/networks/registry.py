"""The families of networks, by the ``family`` of a model card."""

from __future__ import annotations

from pose_ros.networks import heatmap, keypoints, paf, posenet, simcc, yolo_pose
from pose_ros.networks.blazehand import BlazeHand
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.family import Family
from pose_ros.networks.one_shot import one_shot
from pose_ros.networks.top_down import top_down

FAMILIES: dict[str, Family] = {
    "blazehand": Family(BlazeHand),
    "blazepose": Family(BlazePose, takes_finder=True),
    "heatmap": top_down(heatmap.decoder),
    "keypoints": one_shot(keypoints.decoder),
    "keypoints-top-down": top_down(keypoints.crop_decoder),
    "paf": one_shot(paf.decoder),
    "posenet": one_shot(posenet.decoder),
    "simcc": top_down(simcc.decoder),
    "yolo-pose": one_shot(yolo_pose.decoder),
}
