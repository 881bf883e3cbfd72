"""Poses and hands of the pose node, put together by their stamps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from rclpy.qos import QoSProfile, ReliabilityPolicy

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.messages.poses import poses_from_msg, skeleton_from_msg
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.outputs import LATCHED_QOS

NEWEST_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)

Take: TypeAlias = Callable[[Any, Poses, Poses | None], None]
"""Called with the image's header, its people, and their hands where they are known."""


class PoseInput:
    """Subscribes to ``pose/poses``, and to ``pose/hands`` where they are asked for.

    Poses wait for the hands of the same image, which the pose node sends right after them, no
    longer than until the next poses come.

    Args:
        node: For its subscriptions.
        take: Called for each image.
        refuse: Called with what is wrong with a message.
        hands: Whether hands are asked for.
    """

    def __init__(
        self,
        node: ManagedNode[Any],
        take: Take,
        refuse: Callable[[str], None],
        *,
        hands: bool,
    ) -> None:
        self._node, self._take, self._refuse = node, take, refuse
        self._wants_hands = hands
        self._skeletons: dict[str, Skeleton] = {}
        self._waiting: Any = None
        self._subscriptions: list[Any] = []
        self._subscribe("pose/poses", self._on_poses)
        if hands:
            self._subscribe("pose/hands", self._on_hands)

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _subscribe(self, topic: str, take: Callable[[Any], None]) -> None:
        make = self._node.create_subscription
        learn = partial(self._on_skeleton, topic)
        skeleton_topic = "pose/skeleton" if topic == "pose/poses" else f"{topic}/skeleton"
        self._subscriptions += [
            make(SkeletonMsg, skeleton_topic, learn, LATCHED_QOS),
            make(PoseArray, topic, take, NEWEST_QOS),
        ]

    def _on_skeleton(self, topic: str, msg: Any) -> None:
        try:
            self._skeletons[topic] = skeleton_from_msg(msg)
        except (OptionError, ValueError) as error:
            self._refuse(f"the skeleton of {topic} cannot be read: {error}")

    def _on_poses(self, msg: Any) -> None:
        if self._waiting is not None:
            self._pass_on(self._waiting, None)  # without the hands, which did not come
        self._waiting = msg if self._wants_hands else None
        if not self._wants_hands:
            self._pass_on(msg, None)

    def _on_hands(self, msg: Any) -> None:
        poses = self._waiting
        if poses is not None and poses.header.stamp == msg.header.stamp:
            self._waiting = None
            self._pass_on(poses, msg)

    def _pass_on(self, poses: Any, hands: Any) -> None:
        try:
            people = poses_from_msg(poses, self._skeleton("pose/poses", poses))
            found = None
            if hands is not None:
                found = poses_from_msg(hands, self._skeleton("pose/hands", hands))
        except (OptionError, ValueError) as error:
            self._refuse(f"poses cannot be read: {error}")
            return
        self._take(poses.header, people, found)

    def _skeleton(self, topic: str, msg: Any) -> Skeleton | None:
        """Return the skeleton that was told, if it is the message's; None: a known one."""
        told = self._skeletons.get(topic)
        return told if told is not None and told.name == msg.skeleton else None
