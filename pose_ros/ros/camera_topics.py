"""Subscriptions to what a camera driver sends: as reliable as it is, and its losses counted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.timeline import LossCounter
from pose_ros.core.types import Channels, Frame, Image
from pose_ros.errors import ImageError, OptionError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_compressed, image_from_msg
from pose_ros.ros.graph import full_name, type_name
from pose_ros.ros.messages import read_image
from pose_ros.ros.middleware import larger_memory
from pose_ros.ros.neighbors import Debounced
from pose_ros.ros.node import ManagedNode
from pose_ros.settings.nodes import PoseParameters

LOOK_SECONDS = 0.5
"""How often the publishers are looked at: a look takes 30 microseconds."""
SILENT_SECONDS = 3.0
SHARE_TO_SAY = 0.1
"""Share of lost images from which there is a warning."""

_AS_PUBLISHED = "best_available"
_CHOICES = {
    _AS_PUBLISHED: None,
    "system_default": None,
    "reliable": ReliabilityPolicy.RELIABLE,
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
}


class DriverSubscription:
    """Subscribes reliable where all publishers of a topic offer that, best effort otherwise.

    A large image is sent in pieces. With best effort, one lost piece loses the image: of
    640x480 at 10 Hz, a third and more with Fast DDS as it comes. A reliable subscription has
    lost pieces sent again, but does not hear a best-effort publisher at all. So the publishers
    that are there decide, each time that they change. Before the first is there the
    subscription is reliable. ``qos_overrides./TOPIC.subscription.reliability`` forces it.

    Args:
        node: Whose subscription it is.
        kind: Of the messages.
        topic: Its full name.
        take: Gets each message.
        depth: How many messages wait.
        raw: Hand over serialized messages.

    Raises:
        OptionError: The QoS override is none of reliable, best_effort, best_available.
    """

    def __init__(
        self,
        node: ManagedNode[Any],
        kind: type,
        topic: str,
        take: Callable[[Any], float],
        *,
        depth: int = 1,
        raw: bool = False,
    ) -> None:
        self.topic = topic
        self.losses = LossCounter()
        self.publishers: list[str] = []
        """Full names of the nodes that publish, one for each publisher."""
        self._node, self._kind, self._take = node, kind, take
        self._depth, self._raw = depth, raw
        self._forced = self._override()
        self._other_type = ""
        self._debounced = Debounced()
        self._offers_best_effort = False
        self._reliability = self._forced or ReliabilityPolicy.RELIABLE
        self._subscription: Any = None
        self._look()
        if self._subscription is None:
            self._subscribe()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(LOOK_SECONDS, self._look, clock=steady)

    @property
    def reliable(self) -> bool:
        """Whether lost messages are sent again."""
        return bool(self._reliability == ReliabilityPolicy.RELIABLE)

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        kind = "reliable" if self.reliable else "best effort"
        forced = " by qos_overrides" if self._forced is not None else ""
        return f"{kind}{forced}, from {', '.join(self.publishers) or 'no publisher'}"

    def trouble(self) -> str:
        """Return in words what is wrong and how to cure it; empty where nothing is."""
        unheard = self._forced == ReliabilityPolicy.RELIABLE and self._offers_best_effort
        if unheard and self.publishers:
            return (
                f"{self.topic} is published best effort by {', '.join(self.publishers)}, and "
                "qos_overrides ask for reliable: nothing arrives; leave that override out"
            )
        if self._other_type:
            return f"{self.topic} is published as {self._other_type}: remap to the right topic"
        if several := self._debounced.of(self._several()):
            return several[0]
        share = self.losses.share
        silent = time.monotonic() - self._heard
        if not self.reliable and self.publishers and silent > SILENT_SECONDS:
            share = math.inf
        if share < SHARE_TO_SAY:
            return ""
        memory = larger_memory(get_rmw_implementation_identifier())
        if self._forced == ReliabilityPolicy.BEST_EFFORT and not self._offers_best_effort:
            cure = "leave out the qos_overrides that ask for best effort"
        elif self.reliable:
            cure = f"{memory}, or with a longer queue or a lower rate"
        else:
            cure = f"let its driver publish reliable, or {memory}"
        if share <= 1.0:
            return f"{share:.0%} of the images of {self.topic} are lost on the way: {cure}"
        return (
            f"nothing arrives of {self.topic}, which {', '.join(self.publishers)} publishes best "
            f"effort: where images are large, all may be lost on the way; {cure}"
        )

    def _several(self) -> list[str]:
        if len(self.publishers) < 2:
            return []
        text = (
            f"{self.topic} has {len(self.publishers)} publishers ({', '.join(self.publishers)}): "
            "what two cameras send must not mix; give each its own topic, as in a namespace each "
            "(--ros-args -r __ns:=/left)"
        )
        return [text]

    def close(self) -> None:
        """End it."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _override(self) -> ReliabilityPolicy | None:
        """Return what the user forces; declared here once, as the policy may change."""
        name = f"qos_overrides.{self.topic}.subscription.reliability"
        if not self._node.has_parameter(name):
            described = ParameterDescriptor(
                description="reliable, best_effort, or as the publishers are: best_available",
                read_only=True,
            )
            self._node.declare_parameter(name, _AS_PUBLISHED, described)
        parameter = self._node.get_parameter(name)
        if parameter.value not in _CHOICES:
            raise OptionError(
                f"{name} must be one of {', '.join(_CHOICES)}; got {parameter.value!r}"
            )
        return _CHOICES[parameter.value]

    def _look(self) -> None:
        """Subscribe again where the publishers ask for it."""
        found = self._node.get_publishers_info_by_topic(self.topic)
        names = sorted(full_name(info) for info in found)
        changed, self.publishers = names != self.publishers, names
        expected = type_name(self._kind)
        self._other_type = next((i.topic_type for i in found if i.topic_type != expected), "")
        if not found:
            return  # what was lost of a driver that has ended, as of a short bag, is still said
        if changed:
            self.losses.restart()
        self._offers_best_effort = any(
            info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for info in found
        )
        if self._forced is not None:
            return
        wanted = ReliabilityPolicy.RELIABLE
        if self._offers_best_effort:
            wanted = ReliabilityPolicy.BEST_EFFORT
        if wanted != self._reliability:
            self._reliability = wanted
            if self._subscription is not None:
                self._node.destroy_subscription(self._subscription)
                self._subscribe()

    def _subscribe(self) -> None:
        self.losses.restart()
        self._heard = time.monotonic()
        overrides = QoSOverridingOptions((QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH))
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._on_message,
            QoSProfile(depth=self._depth, reliability=self._reliability),
            qos_overriding_options=overrides,
            # what does not fit together is looked at here, and rclpy need not warn of it
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            raw=self._raw,
        )

    def _on_message(self, message: Any, info: Any) -> None:
        self._heard = time.monotonic()
        stamp = self._take(message)
        # CycloneDDS and Humble do not number messages, and two publishers count for themselves
        number = info.get("publication_sequence_number") if len(self.publishers) == 1 else None
        self.losses.take(stamp, number)


class PendingImage(NamedTuple):
    """An image on its way to the worker, which decodes it: a dropped one never is."""

    header: Any
    decode: Callable[[], tuple[Image, Channels]]


def picture_of(header: Any, frame: Frame) -> PendingImage:
    """Return a frame in memory as what the worker takes."""
    return PendingImage(header, lambda: (frame.image, frame.channels))


def subscribe_images(
    node: ManagedNode[PoseParameters],
    take: Callable[[PendingImage], None],
    refuse: Callable[[ImageError], None],
) -> DriverSubscription:
    """Take images from the topic.

    Args:
        node: For its parameters and its subscription.
        take: Called with each image.
        refuse: Called with why a message is no image.

    Raises:
        OptionError: The subscription's QoS override is none.
    """
    topic = node.resolve_topic_name("image")
    compressed = node.parameters.image_transport == "compressed"
    if compressed:
        topic += "/compressed"  # of the topic as it was remapped, as image_transport does

    max_pixels = max_pixels_from(node.parameters.images.max_megapixels)

    def take_compressed(msg: Any) -> float:
        take(PendingImage(msg.header, partial(image_from_compressed, msg, max_pixels)))
        return stamp_from_msg(msg.header.stamp)

    def take_serialized(message: bytes) -> float:
        try:
            msg = read_image(message)
        except ImageError as error:
            refuse(error)
            return math.nan
        take(PendingImage(msg.header, partial(image_from_msg, msg, max_pixels)))
        return stamp_from_msg(msg.header.stamp)

    node.get_logger().info(f"images from {topic}")
    return DriverSubscription(
        node,
        CompressedImage if compressed else ImageMsg,
        topic,
        take_compressed if compressed else take_serialized,
        # rclpy would copy the pixels into an array of its own: a sixth of the cost of a message
        raw=not compressed,
    )
