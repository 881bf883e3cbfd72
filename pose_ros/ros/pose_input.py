"""Poses and hands of the pose node, put together by their stamps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.messages.poses import poses_from_msg, skeleton_from_msg
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import LATCHED_QOS, NEWEST_QOS
from pose_ros.ros.senders import FirstSender, Sender, SenderSubscription

PROCESS_BYTES = 12
"""Of a publisher's id, by DDS: the same for all publishers of a process."""

MAX_SKELETONS = 20
MAX_PEOPLE = 100
"""In an image; more would hold the node up, and no pose node finds so many."""

Take: TypeAlias = Callable[[Any, Poses, Poses | None], None]
"""Called with the image's header, its people, and their hands where they are known."""


class PoseInput:
    """Subscribes to ``pose/poses``, and to ``pose/hands`` where they are asked for.

    Poses wait for the hands of the same image, which the pose node sends right after them, no
    longer than until the next poses come.

    Each topic has one publisher, the first that sends: poses of another one could command a
    robot in the operator's place.

    Args:
        node: For its subscriptions.
        take: Called for each image.
        damaged: Called with what is wrong with a message of that publisher: it cannot be read.
        refuse: Called with what is wrong and who is refused, for each message of another one.
        hands: Whether hands are asked for.
    """

    def __init__(
        self,
        node: ManagedNode[Any],
        take: Take,
        *,
        damaged: Callable[[str], None],
        refuse: Callable[[str, str], None],
        hands: bool,
    ) -> None:
        self._node, self._take, self._damaged, self._refuse = node, take, damaged, refuse
        self._wants_hands = hands
        self._skeletons: dict[str, dict[bytes, Skeleton]] = {}  # by topic and publisher
        self._waiting: tuple[Any, Sender] | None = None
        self._subscriptions: list[SenderSubscription] = []
        self._source = self._subscribe("pose/poses", self._on_poses)
        if hands:
            self._subscribe("pose/hands", self._on_hands)

    @property
    def changes(self) -> int:
        """How often poses have begun to come from another publisher."""
        return self._source.changes

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._subscriptions.pop().destroy()

    def _subscribe(self, topic: str, take: Callable[[Any, Sender], None]) -> FirstSender:
        """Subscribe to what the first publisher of a topic sends, and to all skeletons for it."""
        skeleton_topic = "pose/skeleton" if topic == "pose/poses" else f"{topic}/skeleton"
        first = FirstSender(self._node, topic, self._refuse)

        def take_first(msg: Any, sender: Sender) -> None:
            if first.accepts(sender):
                take(msg, sender)

        def damaged(reason: str, sender: Sender) -> None:
            if first.accepts(sender):
                self._damaged(reason)

        def damaged_skeleton(reason: str, _sender: Sender) -> None:
            self._refuse(reason, skeleton_topic)

        make, node = SenderSubscription, self._node
        learn = partial(self._on_skeleton, topic)
        self._subscriptions += [
            make(
                *(node, SkeletonMsg, skeleton_topic, learn),
                damaged=damaged_skeleton,
                qos=LATCHED_QOS,
            ),
            make(*(node, PoseArray, topic, take_first), damaged=damaged, qos=NEWEST_QOS),
        ]
        return first

    def _on_skeleton(self, topic: str, msg: Any, sender: Sender) -> None:
        try:
            skeleton = skeleton_from_msg(msg)
        except Exception as error:  # noqa: BLE001 - whatever a message holds
            self._refuse(f"the skeleton of {topic} cannot be read: {_line(error)}", topic)
            return
        known = self._skeletons.setdefault(topic, {})
        known.pop(sender.gid, None)
        known[sender.gid] = skeleton
        if len(known) > MAX_SKELETONS:
            del known[next(iter(known))]

    def _on_poses(self, msg: Any, sender: Sender) -> None:
        if self._waiting is not None:
            self._pass_on(*self._waiting)  # without the hands, which did not come
        self._waiting = (msg, sender) if self._wants_hands else None
        if not self._wants_hands:
            self._pass_on(msg, sender)

    def _on_hands(self, msg: Any, sender: Sender) -> None:
        if self._waiting is not None and self._waiting[0].header.stamp == msg.header.stamp:
            poses, of_poses = self._waiting
            self._waiting = None
            self._pass_on(poses, of_poses, msg, sender)

    def _pass_on(
        self, poses: Any, sender: Sender, hands: Any = None, of_hands: Sender | None = None
    ) -> None:
        try:
            people = self._people("pose/poses", poses, sender)
            found = None
            if of_hands is not None:
                found = self._people("pose/hands", hands, of_hands)
        except Exception as error:  # noqa: BLE001 - whatever a message holds
            self._damaged(f"poses cannot be read: {_line(error)}")
            return
        self._take(poses.header, people, found)

    def _people(self, topic: str, msg: Any, sender: Sender) -> Poses:
        """Return the people or hands of a message.

        Raises:
            OptionError: They are too many, or cannot be.
        """
        if len(msg.poses) > MAX_PEOPLE:
            raise OptionError(f"{len(msg.poses)} on {topic}, more than {MAX_PEOPLE}")
        return poses_from_msg(msg, self._skeleton(topic, msg, sender))

    def _skeleton(self, topic: str, msg: Any, sender: Sender) -> Skeleton | None:
        """Return the skeleton that the sender's process sent, if it is the message's.

        None: one of that name that is known.
        """
        known = self._skeletons.get(topic, {})
        own = [
            skeleton
            for gid, skeleton in known.items()
            # not every middleware's ids begin with the process: one publisher is the sender's
            if (gid[:PROCESS_BYTES] == sender.gid[:PROCESS_BYTES] or len(known) == 1)
            and skeleton.name == msg.skeleton
        ]
        return own[-1] if own else None


def _line(error: Exception) -> str:
    """Return an error in one line; what a message holds may be long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
