"""What is on the ROS graph around a node: missing images, and nodes that collide with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from pose_ros.ros.senders import full_name

POSES_TYPE = "pose_ros/msg/PoseArray"
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

GONE_SECONDS = 25.0
"""A killed process stays on the graph for up to 20 s, beside the one that replaced it: what only
the graph shows has to last longer."""

_NAMED = 3
"""Topics that are named at most in one line."""
_COMPRESSED = "/compressed"
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_TWO_NODES = (
    "give each its own name or namespace (--ros-args -r __node:=NAME, or -r __ns:=/NAMESPACE)"
)


def missing_images(node: Any, topic: str) -> str:
    """Return where the images are that nothing publishes on a topic; empty where nowhere.

    Args:
        node: Who looks.
        topic: On which it waits, with ``/compressed`` where it waits for such.
    """
    base = topic.removesuffix(_COMPRESSED)
    nothing = f"nothing publishes {topic}"
    if topic == base and node.count_publishers(base + _COMPRESSED):
        return f"{nothing}, but {base}{_COMPRESSED} is there: set image_transport:=compressed"
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
        elif set(types) & set(IMAGE_TYPES) and not name.endswith("/overlay"):
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


class Lasting:
    """Lets pass what has been so for longer than a killed process stays on the graph.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def of(self, texts: Sequence[str]) -> list[str]:
        """Return those of the texts that were there each time for so long."""
        now = self._clock()
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
    names = [f"{space.rstrip('/')}/{name}" for name, space in node.get_node_names_and_namespaces()]
    if names.count(own) > 1:
        return [f"{names.count(own)} nodes are called {own}: {_TWO_NODES}"]
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
        self._lasting = Lasting()
        self._asked: dict[str, dict[str, Any]] = {}
        self._clients: list[Any] = []

    def troubles(self) -> list[str]:
        """Return in words which nodes collide with this one, each with its cure."""
        own_poses = self._node.resolve_topic_name("~/poses")
        found = self._lasting.of(_collisions(self._node, own_poses))
        others = _others_on(self._node, POSES_TYPE)
        self._asked = {name: said for name, said in self._asked.items() if name in others}
        own = self._node.parameters
        for name in sorted(others):
            if name not in self._asked:
                self._ask(name)
            said = self._asked[name]
            if said.get("id_prefix") != own.id_prefix:
                continue
            first = f"body_{own.id_prefix}0"
            if own.publish_tf and said.get("publish_tf"):
                found.append(
                    f"{name} sends {first} on /tf as this node does: give each pose node its own "
                    "id_prefix, and each camera its own frame_id"
                )
            elif own.rep155 and said.get("rep155"):
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
        self._lasting = Lasting()
        self._frames: dict[str, str | None] = {}
        self._subscriptions: dict[str, Any] = {}

    def troubles(self) -> list[str]:
        """Return in words which nodes collide with this one, each with its cure."""
        node = self._node
        own_image = node.resolve_topic_name("image")
        found = self._lasting.of(_collisions(node, own_image))
        # who subscribes to the images republishes them, cut or scaled, in the same frame
        followers = {full_name(info) for info in node.get_subscriptions_info_by_topic(own_image)}
        own = node.resolve_topic_name("camera_info")
        others = {
            topic: name
            for name, topics in _others_on(node, CAMERA_INFO_TYPE).items()
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
            CameraInfo, topic, take, _NEWEST
        )

    def _take(self, topic: str, msg: Any) -> None:
        self._frames[topic] = msg.header.frame_id
        self._drop(topic)

    def _drop(self, topic: str) -> None:
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self._node.destroy_subscription(subscription)
