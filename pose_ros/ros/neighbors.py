"""What is around a node on the graph: missing images, a second node of its kind, a deaf robot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Bool, Empty

from pose_ros.core.commands.config import Action, drives_by_speeds
from pose_ros.errors import printable
from pose_ros.ros.diagnostics import Notices
from pose_ros.ros.graph import (
    CAMERA_INFO,
    COMPRESSED,
    GESTURES,
    IMAGE,
    POSES,
    full_name,
    node_names,
    type_name,
)
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import ANY_NEWEST_QOS
from pose_ros.settings.nodes import GestureParameters

GONE_SECONDS = 25.0
"""A killed process stays on the graph for up to 20 s, beside the one that replaced it: what only
the graph shows has to last longer."""

_NAMED = 3
"""Topics that are named at most in one line."""
_SUFFIX = "/compressed"
_TWO_NODES = (
    "give each its own name or namespace (--ros-args -r __node:=NAME, or -r __ns:=/NAMESPACE)"
)

PATIENCE_LOOKS = 5
"""Looks, one a second, for which others may still be about to start."""


def missing_images(node: Any, topic: str) -> str:
    """Return where the images are that nothing publishes on a topic; empty where nowhere.

    Args:
        node: Who looks.
        topic: On which it waits, with ``/compressed`` where it waits for such.
    """
    base = topic.removesuffix(_SUFFIX)
    nothing = f"nothing publishes {topic}"
    if topic == base and node.count_publishers(base + _SUFFIX):
        return f"{nothing}, but {base}{_SUFFIX} is there: set image_transport:=compressed"
    if topic != base and node.count_publishers(base):
        return f"{nothing}, but {base} is there: set image_transport:=raw"
    others, transports = [], []
    own = node.get_fully_qualified_name()
    for name, types in node.get_topic_names_and_types():
        publishers = [full_name(info) for info in node.get_publishers_info_by_topic(name)]
        if not publishers or own in publishers:
            continue
        if name == topic:
            return ""  # its publisher came since the caller looked
        if name.startswith(f"{base}/"):
            transports.append(name)
        elif {IMAGE, COMPRESSED} & set(types) and not name.endswith("/overlay"):
            others.append(name)
    if transports:
        return (
            f"{nothing}, but {transports[0]} is there, which is not read: let the driver publish "
            "it raw or compressed, or run image_transport's republish"
        )
    if others:
        named = ", ".join(sorted(others)[:_NAMED])
        return f"{nothing}; images are on {named}: remap image to it (-r image:={min(others)})"
    return ""


class Debounced:
    """Lets pass what has been so for longer than a killed process stays on the graph."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def of(self, texts: Sequence[str]) -> list[str]:
        """Return those of the texts that were there each time for so long."""
        now = time.monotonic()
        self._since = {text: self._since.get(text, now) for text in texts}
        return [text for text, since in self._since.items() if now - since >= GONE_SECONDS]


def _others_on(node: Any, kind: str) -> dict[str, set[str]]:
    """Return the topics of a type that other nodes publish, by the full name of the node."""
    own = node.get_fully_qualified_name()
    found: dict[str, set[str]] = {}
    for topic, types in node.get_topic_names_and_types():
        if kind in types:
            for info in node.get_publishers_info_by_topic(topic):
                if full_name(info) != own:
                    found.setdefault(full_name(info), set()).add(topic)
    return found


def _collisions(node: Any, topic: str) -> list[str]:
    """Return in words that another node has this one's name, or publishes its topic."""
    own = node.get_fully_qualified_name()
    same = node_names(node).count(own)
    if same > 1:
        return [f"{same} nodes are called {own}: {_TWO_NODES}"]
    publishers = {full_name(info) for info in node.get_publishers_info_by_topic(topic)} - {own}
    return [f"{name} publishes {topic} too: {_TWO_NODES}" for name in sorted(publishers)]


class PoseNeighbors:
    """Finds other pose nodes that send people under the names of this one's.

    Each other node is asked once for its parameters.

    Args:
        node: A pose node.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._debounced = Debounced()
        self._asked: dict[str, dict[str, Any]] = {}
        self._clients: list[Any] = []

    def troubles(self) -> list[str]:
        """Return in words which nodes collide with this one, each with its cure."""
        own_poses = self._node.resolve_topic_name("~/poses")
        found = self._debounced.of(_collisions(self._node, own_poses))
        others = _others_on(self._node, POSES)
        self._asked = {name: answer for name, answer in self._asked.items() if name in others}
        own = self._node.parameters
        for name in sorted(others):
            if name not in self._asked:
                self._ask(name)
            answer = self._asked[name]
            if answer.get("id_prefix") != own.id_prefix:
                continue
            first = f"body_{own.id_prefix}0"
            if own.publish_tf and answer.get("publish_tf"):
                found.append(
                    f"{name} sends {first} on /tf as this node does: give each pose node its own "
                    "id_prefix, and each camera its own frame_id"
                )
            elif own.rep155 and answer.get("rep155"):
                found.append(
                    f"{name} publishes /humans/bodies/{own.id_prefix}0 as this node does: give "
                    "each pose node its own id_prefix"
                )
        return found

    def close(self) -> None:
        """Wait for no more answers."""
        while self._clients:
            self._node.destroy_client(self._clients.pop())
        self._asked.clear()

    def _ask(self, name: str) -> None:
        self._asked[name] = {}
        client = self._node.create_client(GetParameters, f"{name}/get_parameters")
        self._clients.append(client)
        names = ["id_prefix", "publish_tf", "rep155"]
        if not client.service_is_ready():
            del self._asked[name]  # discovery takes its time: again with the next look
            self._drop(client)
            return
        answer = client.call_async(GetParameters.Request(names=names))
        answer.add_done_callback(partial(self._take, name, names, client))

    def _take(self, name: str, names: list[str], client: Any, answer: Any) -> None:
        values = answer.result().values if answer.result() is not None else []
        if len(values) == len(names):
            prefix, publish_tf, rep155 = values
            self._asked[name] = {
                "id_prefix": prefix.string_value,
                "publish_tf": publish_tf.bool_value,
                "rep155": rep155.bool_value,
            }
        self._drop(client)

    def _drop(self, client: Any) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._node.destroy_client(client)


class CameraNeighbors:
    """Finds other cameras whose images claim the frame of this one's.

    One camera_info of each is read.

    Args:
        node: A camera node.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._debounced = Debounced()
        self._frames: dict[str, str | None] = {}
        self._subscriptions: dict[str, Any] = {}

    def troubles(self) -> list[str]:
        """Return in words which nodes collide with this one, each with its cure."""
        node = self._node
        own_image = node.resolve_topic_name("image")
        found = self._debounced.of(_collisions(node, own_image))
        # who subscribes to the images republishes them, cut or scaled, in the same frame
        followers = {full_name(info) for info in node.get_subscriptions_info_by_topic(own_image)}
        own = node.resolve_topic_name("camera_info")
        others = {
            topic: name
            for name, topics in _others_on(node, CAMERA_INFO).items()
            for topic in topics
            if name not in followers and topic != own
        }
        self._frames = {topic: frame for topic, frame in self._frames.items() if topic in others}
        for topic, name in sorted(others.items()):
            if topic not in self._frames:
                self._listen(topic)
            elif self._frames[topic] == node.parameters.frame_id:
                found.append(
                    f"the camera of {name} has the frame {node.parameters.frame_id!r} as this one "
                    "has: give each camera its own frame_id"
                )
        return found

    def close(self) -> None:
        """Listen to no more."""
        for topic in tuple(self._subscriptions):
            self._drop(topic)
        self._frames.clear()

    def _listen(self, topic: str) -> None:
        self._frames[topic] = None
        take: Callable[[Any], None] = partial(self._take, topic)
        self._subscriptions[topic] = self._node.create_subscription(
            CameraInfo, topic, take, ANY_NEWEST_QOS
        )

    def _take(self, topic: str, msg: Any) -> None:
        self._frames[topic] = msg.header.frame_id
        self._drop(topic)

    def _drop(self, topic: str) -> None:
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self._node.destroy_subscription(subscription)


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


class GestureNeighbors:
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
        self._drives = any(drives_by_speeds(action) for action in actions)

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
        same = node_names(node).count(own)
        if same > 1:
            text = f"{same} nodes are named {own} and share their topics: {cure}"
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
        return any(GESTURES in types for _, types in topics)
