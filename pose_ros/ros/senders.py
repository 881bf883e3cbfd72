"""Subscriptions that know who sent each message.

DDS says with each message which publisher sent it. rclpy passes that on since Kilted
(https://github.com/ros2/rclpy/issues/1465). Before, the message is taken here through rcl itself,
which has it. Where neither can be done, the sender is known only while there is one publisher.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import rclpy.subscription
from rclpy.callback_groups import CallbackGroup
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

from pose_ros.ros.graph import full_name

GID_BYTES = 16
"""What all versions of ROS 2 have of a publisher's id; Humble adds zeros."""

UNKNOWN = b""

KEEP_SECONDS = 2.0
_CURE = "give each pose node its own namespace, or stop one of them"


@dataclass(frozen=True)
class Sender:
    """Who sent a message.

    Attributes:
        gid: Of the publisher; empty where it is not known.
        order: Rises from one message of a publisher to its next.
    """

    gid: bytes
    order: int


Take = Callable[[Any, Sender], None]


def publishers(node: Any, topic: str) -> dict[bytes, str]:
    """Return the full node name of each publisher of a topic, by id."""
    name = node.resolve_topic_name(topic)
    return {
        bytes(info.endpoint_gid[:GID_BYTES]): full_name(info)
        for info in node.get_publishers_info_by_topic(name)
    }


class SenderSubscription:
    """A subscription that calls with each message and who sent it.

    Args:
        node: Whose it is.
        kind: Of the messages.
        topic: Its name.
        take: Called in the executor's thread.
        damaged: Called with what is wrong with a message that cannot be read, and its sender.
        qos: Of the subscription.
        options: Of ``create_subscription``.
    """

    def __init__(
        self,
        node: Any,
        kind: type,
        topic: str,
        take: Take,
        *,
        damaged: Callable[[str, Sender], None],
        qos: QoSProfile,
        **options: Any,
    ) -> None:
        self._node, self._topic, self._take_message = node, topic, take
        self._waitable: _Taker | None = None
        rcl = _rcl()
        if rcl is None:
            self._subscription = node.create_subscription(
                kind, topic, self._take_with_info, qos, **options
            )
            return

        def read(data: bytes, sender: Sender) -> None:
            try:
                msg = deserialize_message(data, kind)
            except Exception as error:  # noqa: BLE001 - whatever the type support raises
                reason = " ".join(str(error).split()) or type(error).__name__
                damaged(f"a message on {topic} cannot be read: {reason}", sender)
                return
            take(msg, self._known(sender))

        # of a group that the executor runs nothing of: the waitable takes the messages
        self._subscription = node.create_subscription(
            kind, topic, _nothing, qos, callback_group=_OtherTakes(), **options
        )
        self._waitable = _Taker(node.default_callback_group, self._subscription, rcl, read)
        node.add_waitable(self._waitable)

    def destroy(self) -> None:
        """End it."""
        if self._waitable is not None:
            self._node.remove_waitable(self._waitable)
            self._waitable = None
        self._node.destroy_subscription(self._subscription)

    def _take_with_info(self, msg: Any, info: Any) -> None:
        order = info.get("publication_sequence_number") or info.get("source_timestamp") or 0
        self._take_message(msg, self._known(Sender(_gid(info), order)))

    def _known(self, sender: Sender) -> Sender:
        """Return the sender, with the only publisher's id where the message has none."""
        if sender.gid:
            return sender
        there = publishers(self._node, self._topic)
        return Sender(next(iter(there)), sender.order) if len(there) == 1 else sender


class FirstSender:
    """Keeps to the first publisher of a topic, and refuses all others while it speaks.

    Another one takes its place when it is gone, or has been silent for ``KEEP_SECONDS``.

    Args:
        node: For what is known of the publishers.
        topic: Its name.
        refuse: Called with what is wrong and who is refused, for each message.
    """

    def __init__(self, node: Any, topic: str, refuse: Callable[[str, str], None]) -> None:
        self._node, self._topic, self._refuse = node, topic, refuse
        self._first: bytes | None = None
        self._name = ""
        self._heard = 0.0
        self.changes = 0
        """How often another publisher has taken the place of the first."""

    def accepts(self, sender: Sender) -> bool:
        """Return whether a message may be used."""
        now = time.monotonic()
        if sender.gid and sender.gid == self._first:
            self._heard = now
            return True
        there = publishers(self._node, self._topic)
        name = there.get(sender.gid, "a node that has gone")
        if not sender.gid:
            names = " and ".join(sorted(there.values()))
            self._refuse(
                f"{names} publish {self._topic}, and it is not known which of them sent a "
                f"message: all are refused; {_CURE}",
                names,
            )
            return False
        if self._first in there and now - self._heard <= KEEP_SECONDS:
            self._refuse(
                f"{name} publishes {self._topic} too and is refused, as {self._name} was first; "
                f"{_CURE}",
                name,
            )
            return False
        self.changes += self._first is not None
        self._first, self._name, self._heard = sender.gid, name, now
        return True


class _OtherTakes(CallbackGroup):
    """A group whose entities the executor leaves alone."""

    def can_execute(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def beginning_execution(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing began."""


class _Taker(Waitable):  # type: ignore[misc,type-arg,unused-ignore]
    """Takes the messages of a subscription, and who sent them, in place of the executor."""

    def __init__(
        self,
        group: CallbackGroup,
        subscription: Subscription[Any],
        rcl: _Rcl,
        read: Callable[[bytes, Sender], None],
    ) -> None:
        super().__init__(group)
        self._subscription, self._rcl, self._read = subscription, rcl, read
        self._index = -1

    def __enter__(self) -> None:
        """Keep the subscription while the executor waits."""
        self._subscription.handle.__enter__()

    def __exit__(self, *error: object) -> None:
        """Let it go."""
        self._subscription.handle.__exit__(*error)

    def get_num_entities(self) -> NumberOfEntities:
        """Return that it is one subscription."""
        return NumberOfEntities(num_subs=1)

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Wait for a message."""
        self._index = wait_set.add_subscription(self._subscription.handle)

    def is_ready(self, wait_set: Any) -> bool:
        """Return whether there is one."""
        return bool(wait_set.is_ready("subscription", self._index))

    def take_data(self) -> tuple[bytes, Sender] | None:
        """Take it."""
        with self._subscription.handle:
            return self._rcl.take(self._subscription.handle.pointer)

    async def execute(self, taken_data: tuple[bytes, Sender] | None) -> None:
        """Read it."""
        if taken_data is not None:
            self._read(*taken_data)


def _nothing(_msg: Any) -> None:
    """Take nothing: the waitable does."""


class _Allocator(ctypes.Structure):  # rcutils_allocator_t
    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("allocate", "deallocate", "reallocate", "zero_allocate", "state")
    )


class _Serialized(ctypes.Structure):  # rcl_serialized_message_t
    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    )


class _Info(ctypes.Structure):  # rmw_message_info_t, since Humble; the rest is not read
    _fields_ = (
        ("source_timestamp", ctypes.c_int64),
        ("received_timestamp", ctypes.c_int64),
        ("publication_sequence_number", ctypes.c_uint64),
        ("reception_sequence_number", ctypes.c_uint64),
        ("implementation", ctypes.c_void_p),
        ("gid", ctypes.c_uint8 * GID_BYTES),
        ("rest", ctypes.c_uint8 * 512),
    )


_UNSUPPORTED = (1 << 64) - 1  # a sequence number that the middleware does not count


class _Rcl:
    """The few functions of rcl that are needed, of the libraries that rclpy has loaded.

    Raises:
        OSError: They are not there.
        AttributeError: They have other functions.
    """

    def __init__(self) -> None:
        self._rcl = ctypes.CDLL("librcl.so")
        self._take = self._rcl.rcl_take_serialized_message
        self._take.argtypes = [ctypes.c_void_p] * 4
        self._take.restype = ctypes.c_int
        # a look-up in a library finds the functions of those that it needs, too
        self._reset_error = self._rcl.rcutils_reset_error
        self._finish = self._rcl.rcutils_uint8_array_fini
        self._finish.argtypes = [ctypes.c_void_p]
        allocator = self._rcl.rcutils_get_default_allocator
        allocator.restype = _Allocator
        self._allocator = allocator()
        identifier = self._rcl.rmw_get_implementation_identifier
        identifier.restype = ctypes.c_void_p
        self._implementation = identifier()

    def take(self, subscription: int) -> tuple[bytes, Sender] | None:
        """Take a message, serialized, from the rcl_subscription_t at an address."""
        message = _Serialized(None, 0, 0, self._allocator)
        info = _Info()
        try:
            if self._take(subscription, ctypes.byref(message), ctypes.byref(info), None) != 0:
                self._reset_error()
                return None
            data = ctypes.string_at(message.buffer, message.length)
        finally:
            if message.buffer:
                self._finish(ctypes.byref(message))
        # were the struct another one, this would be no pointer to the middleware's name
        gid = bytes(info.gid) if info.implementation == self._implementation else UNKNOWN
        order = info.publication_sequence_number
        if order == _UNSUPPORTED:
            order = info.source_timestamp
        return data, Sender(gid if any(gid) else UNKNOWN, order)


def _gid(info: Any) -> bytes:
    """Return the publisher's id that rclpy gives with a message, since Kilted."""
    gid = bytes((info.get("publisher_gid") or {}).get("data", UNKNOWN))[:GID_BYTES]
    return gid if any(gid) else UNKNOWN


@cache
def _rcl() -> _Rcl | None:
    """Return what takes messages; None where rclpy says who sent them, or rcl is not found."""
    info = getattr(rclpy.subscription, "MessageInfo", None)
    if "publisher_gid" in getattr(info, "__annotations__", {}):
        return None
    try:
        return _Rcl()
    except (OSError, AttributeError):
        return None
