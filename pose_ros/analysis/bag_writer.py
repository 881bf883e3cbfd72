"""Results as a rosbag2: the live nodes' topics, under the images' own stamps.

========================  ===========================================================
``/pose/poses``           pose_ros/PoseArray, the people of each image
``/pose/skeleton``        pose_ros/Skeleton, latched
``/pose/hands``           pose_ros/PoseArray, where hands were looked for
``/pose/hands/skeleton``  pose_ros/Skeleton, latched
``/gesture/gestures``     pose_ros/GestureArray, where gestures were looked for
``/gesture/target``       geometry_msgs/PointStamped, where the first person points who does
``/gesture/goal_pose``    geometry_msgs/PoseStamped, the goal of a robot there
``/tf``                   tf2_msgs/TFMessage, the people's frames, where meters are known
========================  ===========================================================

The goal is not on ``/goal_pose``, the topic of Nav2: results that are played move no robot.
What is copied from the recording stands beside them, under its own topics. A message's recorded
time is that of its image. The bag's metadata holds how it was made, ``RunInfo`` as JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection

from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import BagMessage
from pose_ros.bags.writer import add_topic, open_bag_writer
from pose_ros.core.gestures.targets import shown_goal
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.messages.gestures import gestures_to_msg, goal_to_msg, target_to_msg
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_to_msg, skeleton_to_msg
from pose_ros.messages.transforms import transforms

POSES, HANDS, GESTURES, TF = "/pose/poses", "/pose/hands", "/gesture/gestures", "/tf"
TARGET, GOAL = "/gesture/target", "/gesture/goal_pose"
SKELETON, HAND_SKELETON, TF_STATIC = "/pose/skeleton", "/pose/hands/skeleton", "/tf_static"
CUSTOM_KEY = "pose_ros"
"""Of the bag's custom data: the ``RunInfo``."""

_ID_PREFIX = "p"
_ARRAY, _SKELETON = "pose_ros/msg/PoseArray", "pose_ros/msg/Skeleton"
_POINT, _POSE = "geometry_msgs/msg/PointStamped", "geometry_msgs/msg/PoseStamped"
_GESTURES, _FRAMES = "pose_ros/msg/GestureArray", "tf2_msgs/msg/TFMessage"
# topic -> how many messages are kept for who subscribes late
_LATCHED = {SKELETON: 1, HAND_SKELETON: 1, TF_STATIC: 100}
_DEPTHS = {TF: 100}
_BODY = re.compile(re.escape(f"body_{_ID_PREFIX}") + r"\d+")


class BagWriter:
    """Writes the results of one recording; a context manager that finishes the bag.

    An error while it is open leaves a bag that cannot be used.

    Args:
        path: The bag's folder, which must not exist.
        storage: ``sqlite3`` or ``mcap``.
        info: What ran.
        gestures: Whether they were looked for.
    """

    def __init__(self, path: Path, storage: str, info: RunInfo, *, gestures: bool = True) -> None:
        self._info, self._gestures = info, gestures
        self._writer = open_bag_writer(path, storage)
        self._writer.set_custom_data(CUSTOM_KEY, json.dumps(asdict(info), sort_keys=True))
        self._connections: dict[str, Connection] = {}
        self._told: dict[str, Skeleton] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        self._connect(POSES, _ARRAY)  # it is there even where there is nothing to say
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def write(self, result: Result, recorded: int) -> None:
        """Write what was found in an image.

        Args:
            result: Of the next image.
            recorded: When the image was recorded, nanoseconds.
        """
        nanoseconds, frame_id = result.nanoseconds, result.frame_id
        least = result.poses.skeleton.least_score
        header = header_of(types, nanoseconds, frame_id)
        frames = transforms(types, result.poses, header, _ID_PREFIX, least)
        if frames:  # first, so that who gets the poses can look the frames up
            self._put(TF, _FRAMES, types(_FRAMES)(transforms=frames), recorded)
        self._tell(SKELETON, result.poses.skeleton, recorded)
        self._put_poses(POSES, result.poses, self._info.network, result, recorded)
        if result.hands is not None:
            self._tell(HAND_SKELETON, result.hands.skeleton, recorded)
            self._put_poses(HANDS, result.hands, self._info.hand_network, result, recorded)
        if self._gestures:
            message = gestures_to_msg(types, result.gestures, header)
            self._put(GESTURES, _GESTURES, message, recorded)
            self._put_goal(result, recorded)

    def copy(self, message: BagMessage, recorded: int | None = None) -> None:
        """Write a message of the recording as it is.

        Of frames on ``/tf`` those are left out that an earlier run has made of people.

        Args:
            message: Of a type that ROS knows.
            recorded: When; the message's own time when None.
        """
        data: Any = message.data
        if message.kind == _FRAMES and f"body_{_ID_PREFIX}".encode() in data:
            kept = [frame for frame in message.read().transforms if not _is_ours(frame)]
            if not kept:
                return
            data = _serialized(types(_FRAMES)(transforms=kept), _FRAMES)
        connection = self._connect(message.topic, message.kind)
        self._writer.write(connection, message.nanoseconds if recorded is None else recorded, data)

    def _tell(self, topic: str, skeleton: Skeleton, recorded: int) -> None:
        """Write a skeleton where it is another one than before."""
        if skeleton != self._told.get(topic):
            self._told[topic] = skeleton
            self._put(topic, _SKELETON, skeleton_to_msg(types, skeleton), recorded)

    def _put_poses(
        self, topic: str, poses: Poses, network: str, result: Result, recorded: int
    ) -> None:
        header = header_of(types, result.nanoseconds, result.frame_id)
        size = {"width": result.width, "height": result.height}
        self._put(topic, _ARRAY, poses_to_msg(types, poses, header, network, **size), recorded)

    def _put_goal(self, result: Result, recorded: int) -> None:
        goal = shown_goal(result.goals)
        if goal is None:
            return
        header = header_of(types, result.nanoseconds, goal.frame_id)
        self._put(TARGET, _POINT, target_to_msg(types, goal, header), recorded)
        self._put(GOAL, _POSE, goal_to_msg(types, goal, header), recorded)

    def _put(self, topic: str, kind: str, message: Any, recorded: int) -> None:
        self._writer.write(self._connect(topic, kind), recorded, _serialized(message, kind))

    def _connect(self, topic: str, kind: str) -> Connection:
        if topic not in self._connections:
            depth = _LATCHED.get(topic) or _DEPTHS.get(topic, 10)
            self._connections[topic] = add_topic(
                self._writer, topic, kind, latched=topic in _LATCHED, depth=depth
            )
        return self._connections[topic]


def _serialized(message: Any, kind: str) -> memoryview:
    return typestore().serialize_cdr(message, kind)


def _is_ours(frame: Any) -> bool:
    """Return whether a frame is a person's, or a joint's below one."""
    return bool(_BODY.fullmatch(frame.child_frame_id) or _BODY.fullmatch(frame.header.frame_id))
