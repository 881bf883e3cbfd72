"""What is wrong with a gesture node's surroundings: a robot that does not listen, a second node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from std_msgs.msg import Bool, Empty

from pose_ros.core.commands.config import Action, TwistAction
from pose_ros.errors import printable
from pose_ros.ros.diagnostics import Notices
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.senders import full_name
from pose_ros.settings.nodes import GestureParameters

PATIENCE_LOOKS = 5
"""Looks, one a second, for which others may still be about to start."""

GESTURES_TYPE = "pose_ros/msg/GestureArray"


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        cause: By which it is known again.
        text: What it is and what to do.
        bars: Nothing may move while it is so.
    """

    cause: str
    text: str
    bars: bool = False


class RobotWatch:
    """Looks at the ROS graph around an active gesture node, and says what is wrong once each.

    Args:
        node: The gesture node.
        actions: What gestures command.
    """

    def __init__(self, node: ManagedNode[GestureParameters], actions: Iterable[Action]) -> None:
        self._node = node
        self._notices = Notices(node.get_logger())
        self._looks = 0
        self._known: set[str] = set()
        self._drives = any(isinstance(action, TwistAction) for action in actions)

    def look(self) -> tuple[list[Trouble], str]:
        """Return what is wrong now, and who listens to the speeds."""
        self._looks += 1
        speeds, listeners = self._speeds()
        troubles = [*self._unheard(), *speeds, *self._second_nodes()]
        found = {trouble.cause for trouble in troubles}
        for cause in self._known - found:
            self._notices.end(cause)
        self._known = found
        for trouble in troubles:
            self._notices.warn(trouble.cause, trouble.text)
        return troubles, listeners

    def _unheard(self) -> list[Trouble]:
        """Return the publishers of lock and stop that ROS cannot connect with this node."""
        found = []
        for topic, kind in (("~/lock", Bool), ("~/stop", Empty)):
            name = self._node.resolve_topic_name(topic)
            expected = type_name(kind)
            for info in self._node.get_publishers_info_by_topic(name):
                if info.topic_type != expected:
                    text = (
                        f"{full_name(info)} publishes {name} as {info.topic_type} and cannot be "
                        f"heard: it has to be {expected}; nothing moves while it is there"
                    )
                    found.append(Trouble(f"unheard {full_name(info)} {name}", text, bars=True))
        return found

    def _speeds(self) -> tuple[list[Trouble], str]:
        topic = self._node.resolve_topic_name("cmd_vel")
        stamped = self._node.parameters.stamped
        sent, other = (type_name(kind) for kind in (TwistStamped, Twist)[:: 1 if stamped else -1])
        # hidden nodes, such as ros2 topic echo, only look on
        infos = [
            info
            for info in self._node.get_subscriptions_info_by_topic(topic)
            if not info.node_name.startswith("_")
        ]
        names = printable(", ".join(sorted({full_name(info) for info in infos})))
        deaf = sorted({full_name(info) for info in infos if info.topic_type == other})
        if deaf:
            return [
                Trouble(
                    "type of cmd_vel",
                    f"{' and '.join(deaf)} takes {topic} as {other} and hears nothing of this "
                    f"node, which sends {sent}: set stamped to {str(not stamped).lower()}",
                )
            ], names
        if not infos and self._drives and self._looks >= PATIENCE_LOOKS:
            text = f"nothing listens to {topic}: start the base, or remap cmd_vel to its topic"
            return [Trouble("no subscriber", text)], names
        return [], names

    def _second_nodes(self) -> list[Trouble]:
        """Return other gesture nodes that would command the same robot."""
        node = self._node
        own = node.get_fully_qualified_name()
        cure = "give each its own namespace, and remap cmd_vel for each robot"
        everybody = Counter(
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in node.get_node_names_and_namespaces()
        )
        if everybody[own] > 1:
            text = f"{everybody[own]} nodes are named {own} and share their topics: {cure}"
            return [Trouble("same name", text)]
        topic = node.resolve_topic_name("cmd_vel")
        others = {
            full_name(info)
            for info in node.get_publishers_info_by_topic(topic)
            if full_name(info) != own and self._recognizes(info)
        }
        if not others:
            return []
        text = f"{' and '.join(sorted(others))} commands by gestures on {topic} too: {cure}"
        return [Trouble("second gesture node", text)]

    def _recognizes(self, info: Any) -> bool:
        """Return whether the node of an endpoint publishes gestures."""
        try:
            topics = self._node.get_publisher_names_and_types_by_node(
                info.node_name, info.node_namespace
            )
        except Exception:  # noqa: BLE001 - it has gone, or its name is not known yet
            return False
        return any(GESTURES_TYPE in types for _, types in topics)


def type_name(kind: Any) -> str:
    """Return the name of a message's type, as the graph has it."""
    package, folder, *_ = kind.__module__.split(".")
    return f"{package}/{folder}/{kind.__name__}"
