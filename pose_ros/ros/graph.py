"""The running graph: publishers and subscribers, their rates, and the stamps of messages."""

from __future__ import annotations

import importlib
import math
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal, TypeAlias

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from pose_ros.core.timeline import StampStep, step_from

EndpointRole: TypeAlias = Literal["publisher", "subscriber"]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POSES = "pose_ros/msg/PoseArray"
GESTURES = "pose_ros/msg/GestureArray"
KEY_VALUE = "diagnostic_msgs/msg/KeyValue"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
TWIST, TWIST_STAMPED = "geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"

# what every node has
_COMMON_TOPICS = frozenset({"/rosout", "/parameter_events"})
_RECENT = 60
_CDR_ENCAPSULATION = 4


@dataclass(frozen=True)
class Endpoint:
    """A publisher or subscriber of a topic.

    Attributes:
        topic: Its full name.
        kind: Type of its messages, such as ``sensor_msgs/msg/Image``.
        node: Full name of the node that has it.
        side: Which of the two it is.
        qos: As the graph reports it; its depth is not known there.
    """

    topic: str
    kind: str
    node: str
    side: EndpointRole
    qos: QoSProfile


def full_name(info: Any) -> str:
    """Return the node's name with its namespace, of what the graph says of an endpoint."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def node_names(node: Any) -> list[str]:
    """Return the full names of all nodes; one that is there twice stands twice."""
    return [f"{space.rstrip('/')}/{name}" for name, space in node.get_node_names_and_namespaces()]


def type_name(kind: Any) -> str:
    """Return the name of a message's type, as the graph has it."""
    package, folder, *_ = kind.__module__.split(".")
    return f"{package}/{folder}/{kind.__name__}"


def endpoints(node: Any) -> list[Endpoint]:
    """Return all publishers and subscribers that are not the node's own, by topic.

    Nodes whose name begins with ``_``, as that of ``pose-ros watch`` does, are left out.
    """
    found: list[Endpoint] = []
    for topic, _ in sorted(node.get_topic_names_and_types()):
        if topic in _COMMON_TOPICS:
            continue
        lists: tuple[tuple[EndpointRole, Sequence[Any]], ...] = (
            ("publisher", node.get_publishers_info_by_topic(topic)),
            ("subscriber", node.get_subscriptions_info_by_topic(topic)),
        )
        for side, infos in lists:
            found += [
                Endpoint(topic, info.topic_type, full_name(info), side, info.qos_profile)
                for info in infos
                if not info.node_name.startswith("_") and info.node_name != node.get_name()
            ]
    return found


def publishers(found: Iterable[Endpoint], *kinds: str) -> list[Endpoint]:
    """Return the publishers of some types; of all types where none is named."""
    return [e for e in found if e.side == "publisher" and (not kinds or e.kind in kinds)]


def subscribers(found: Iterable[Endpoint], topic: str) -> list[Endpoint]:
    """Return the subscribers of a topic."""
    return [e for e in found if e.side == "subscriber" and e.topic == topic]


@lru_cache
def message_class(kind: str) -> Any:
    """Return the class of a type of messages; None where its package is not installed."""
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None


@lru_cache
def has_header(kind: str) -> bool:
    """Return whether the messages of a type begin with a std_msgs/Header."""
    found = message_class(kind)
    fields = found.get_fields_and_field_types() if found else {}
    return next(iter(fields.values()), "") == "std_msgs/Header"


def header_stamp(serialized: bytes) -> float:
    """Return the stamp of a serialized message that begins with a header, in seconds."""
    order = "<" if serialized[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", serialized, _CDR_ENCAPSULATION)
    return float(seconds + nanoseconds * 1e-9)


@dataclass
class Traffic:
    """What has come on a topic.

    Attributes:
        kind: Type of its messages.
        count: Messages so far.
        last: The last one, serialized.
        stamped: Messages that have a header, with their stamps counted here.
        zero: Those whose stamp is zero.
        backwards: Those whose stamp is before that of the message before.
        repeated: Those whose stamp is that of the message before.
        damaged: Messages that cannot be read.
        ages: Seconds from stamp to arrival, of the last ones with a stamp.
    """

    kind: str
    count: int = 0
    last: bytes = b""
    stamped: int = 0
    zero: int = 0
    backwards: int = 0
    repeated: int = 0
    damaged: int = 0
    ages: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _stamp: float = -math.inf

    def take(self, serialized: bytes, now: float) -> None:
        """Count a message that arrives.

        Args:
            serialized: The message.
            now: ROS time, seconds.
        """
        self.count += 1
        self.last = serialized
        self._arrivals.append(time.monotonic())
        if not has_header(self.kind):
            return
        stamp = header_stamp(serialized)
        self.stamped += 1
        if stamp == 0.0:
            self.zero += 1
            return
        step = step_from(self._stamp, stamp)
        self.backwards += step is StampStep.BACK
        self.repeated += step is StampStep.SAME
        self._stamp = stamp
        self.ages.append(now - stamp)

    @property
    def rate(self) -> float:
        """Messages a second of late; 0 once they have stopped."""
        arrivals = self._arrivals
        if len(arrivals) < 2:
            return 0.0
        period = (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
        silent = time.monotonic() - arrivals[-1]
        if silent > max(1.0, 5.0 * period):
            return 0.0
        return 1.0 / max(period, 1e-6)

    @property
    def message(self) -> Any:
        """The last message; None where none has come, or its package is not installed."""
        kind = message_class(self.kind)
        return deserialize_message(self.last, kind) if self.last and kind else None


class GraphListener:
    """Keeps up with the graph, and counts what comes on the topics that are wanted.

    Messages are counted as they are, without being taken apart.

    Args:
        node: For its subscriptions and its view of the graph.
        wanted: Whether to listen to the topic that an endpoint publishes.
    """

    def __init__(self, node: Any, wanted: Callable[[Endpoint], bool]) -> None:
        self._node, self._wanted = node, wanted
        self._subscriptions: dict[str, Any] = {}
        self.endpoints: list[Endpoint] = []
        self.traffic: dict[str, Traffic] = {}
        self.health: dict[str, Any] = {}
        """The last DiagnosticStatus of each node, by its full name."""

    def refresh(self) -> bool:
        """Look at the graph again; return whether it has changed."""
        before, self.endpoints = self.endpoints, endpoints(self._node)
        sources: dict[str, list[Endpoint]] = {}
        for endpoint in publishers(self.endpoints):
            if endpoint.kind == DIAGNOSTICS or self._wanted(endpoint):
                sources.setdefault(endpoint.topic, []).append(endpoint)
        for topic in self._subscriptions.keys() - sources.keys():
            self._unsubscribe(topic)
        for topic in sources.keys() - self._subscriptions.keys():
            self._subscribe(topic, sources[topic])
        return endpoint_names(before) != endpoint_names(self.endpoints)

    def close(self) -> None:
        """End the subscriptions."""
        for topic in list(self._subscriptions):
            self._unsubscribe(topic)

    def _unsubscribe(self, topic: str) -> None:
        subscription = self._subscriptions.pop(topic)
        if subscription is not None:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, topic: str, sources: Sequence[Endpoint]) -> None:
        kind = message_class(sources[0].kind)
        if kind is None:
            return
        traffic = self.traffic.setdefault(topic, Traffic(sources[0].kind))
        take = partial(self._take, traffic)
        try:
            self._subscriptions[topic] = self._node.create_subscription(
                kind, topic, take, hearing_qos(sources), raw=True
            )
        except RuntimeError:
            # a node of this process has the topic with another type: DDS allows one a process
            self._subscriptions[topic] = None

    def _take(self, traffic: Traffic, serialized: bytes) -> None:
        try:
            traffic.take(serialized, self._node.get_clock().now().nanoseconds * 1e-9)
            if traffic.kind == DIAGNOSTICS:
                for status in traffic.message.status:
                    self.health[f"/{status.name.partition(':')[0]}"] = status
        except Exception:  # noqa: BLE001
            # a message of another node must not end the nodes of this process
            traffic.damaged += 1


def hearing_qos(sources: Sequence[Endpoint]) -> QoSProfile:
    """Return the QoS under which all of some publishers are heard, as well as they offer it."""
    reliable = all(e.qos.reliability == ReliabilityPolicy.RELIABLE for e in sources)
    latched = all(e.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for e in sources)
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def values_of(status: Any) -> dict[str, str]:
    """Return the values of a DiagnosticStatus by name; none where there is no status."""
    return {item.key: item.value for item in status.values} if status else {}


def endpoint_names(found: Iterable[Endpoint]) -> set[tuple[str, str, str, str]]:
    """Return topic, type, node and side of each endpoint: what a change of the graph changes."""
    return {(e.topic, e.kind, e.node, e.side) for e in found}
