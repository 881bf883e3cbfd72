"""Plays a rosbag2 over ROS, where ``ros2 bag play`` is not: its messages and the time on /clock.

``.venv/bin/python tools/bag_player.py BAG --in-step pose/poses`` waits after each image for its
result, so that a machine of any speed sees all of them. As a script, and not with ``-m``: the
package that is installed has the messages, the one beside this file has not.
"""

from __future__ import annotations

import argparse
import math
import struct
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection, QosDurability, QosReliability
from rosbags.rosbag2 import Reader
from rosgraph_msgs.msg import Clock

from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import PoseRosError, SourceError
from pose_ros.messages.headers import stamp_of
from pose_ros.ros.messages import types
from pose_ros.ros.node import stop_signals

CLOCK = "/clock"
IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
DISCOVERY_SECONDS = 10.0
_CLOCK_SECONDS = 0.01
_ANSWER_SECONDS = 60.0

Spin = Callable[[float], None]
"""Lets the node's callbacks run for that many seconds at most."""
Answered = Callable[[int], bool]
"""Tells whether a subscriber is done with the image of that stamp, in nanoseconds."""


class BagPlayer:
    """Publishes what a bag holds with the quality of service that it was recorded with.

    Args:
        node: For its publishers.
        path: Of the bag's folder.
        spin: Lets the node work.

    Raises:
        SourceError: There is no such bag.
    """

    def __init__(self, node: Any, path: Path, spin: Spin) -> None:
        self._node, self._spin = node, spin
        try:
            self._reader = Reader(path)
            self._reader.open()
        except Exception as error:
            raise SourceError(f"{path} cannot be played: {error}") from error
        self._clock = node.create_publisher(Clock, CLOCK, 10)
        self._publishers: dict[str, Any] = {}
        self._told_time = 0
        for connection in self._reader.connections:
            if connection.topic != CLOCK and (kind := _message_type(connection.msgtype)):
                qos = _recorded_qos(connection)
                topic = connection.topic
                self._publishers[topic] = node.create_publisher(kind, topic, qos)

    def subscribers(self, topic: str) -> int:
        """Return how many have found what is published of a topic."""
        publisher = self._clock if topic == CLOCK else self._publishers[topic]
        return int(publisher.get_subscription_count())

    def is_heard(self) -> bool:
        """Return whether a subscriber has found its images."""
        images = {c.topic for c in self._reader.connections if c.msgtype in IMAGES}
        return any(self.subscribers(topic) for topic in images)

    def send_first(self, topic: str) -> None:
        """Send the first message of a topic by itself, so that subscribers know it beforehand."""
        wanted = [c for c in self._reader.connections if c.topic == topic]
        _, _, data = next(self._reader.messages(wanted))
        self._publishers[topic].publish(data)

    def play(
        self, *, rate: float = 1.0, start: float = 0.0, answered: Answered | None = None
    ) -> Iterator[int]:
        """Play one round; the time on /clock begins with it.

        Args:
            rate: How much faster than it was recorded; infinite: as quick as can be.
            start: Seconds to leave out.
            answered: Wait before each image until the one before is, and after the last.

        Yields:
            The stamp in nanoseconds of each image that was sent.

        Raises:
            SourceError: There is no answer.
        """
        first = self._reader.start_time + round(start * NANOSECONDS)
        wanted = [c for c in self._reader.connections if c.topic in self._publishers]
        began, self._told_time = time.monotonic(), 0
        asked: int | None = None
        for connection, recorded, data in self._reader.messages(wanted, start=first):
            elapsed = (recorded - first) / NANOSECONDS
            is_image = connection.msgtype in IMAGES and "depth" not in connection.topic
            if answered and is_image and asked is not None:
                self._wait_for(answered, asked)
                began = max(began, time.monotonic() - elapsed / rate)  # the bag's time stood still
            self._wait(began + elapsed / rate, lambda: first + self._since(began, rate))  # noqa: B023
            self._tell_time(recorded)
            self._publishers[connection.topic].publish(data)
            self._spin(0.0)
            if is_image:
                asked = stamp_of_message(data)
                yield asked
        if answered and asked is not None:
            self._wait_for(answered, asked)

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def _since(self, began: float, rate: float) -> int:
        seconds = (time.monotonic() - began) * rate
        return round(seconds * NANOSECONDS) if math.isfinite(seconds) else 0

    def _wait(self, due: float, now: Callable[[], int]) -> None:
        while (seconds := due - time.monotonic()) > 0:
            self._tell_time(now())
            self._spin(min(seconds, _CLOCK_SECONDS))

    def _wait_for(self, answered: Answered, stamp: int) -> None:
        end = time.monotonic() + _ANSWER_SECONDS
        while not answered(stamp):
            if time.monotonic() > end:
                raise SourceError(f"no answer to the image of {stamp} ns: are the nodes active?")
            self._spin(_CLOCK_SECONDS)

    def _tell_time(self, nanoseconds: int) -> None:
        if nanoseconds > self._told_time:
            self._told_time = nanoseconds
            self._clock.publish(Clock(clock=stamp_of(types, nanoseconds)))


def _message_type(kind: str) -> Any:
    package, _, name = kind.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        print(f"{kind} is not installed and is not played", file=sys.stderr)
        return None


def _recorded_qos(connection: Connection) -> QoSProfile:
    offered: Any = getattr(connection.ext, "offered_qos_profiles", ())
    latched = any(qos.durability is QosDurability.TRANSIENT_LOCAL for qos in offered)
    lossy = any(qos.reliability is QosReliability.BEST_EFFORT for qos in offered)
    return QoSProfile(
        depth=max([10, *(qos.depth for qos in offered)]),
        reliability=ReliabilityPolicy.BEST_EFFORT if lossy else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def stamp_of_message(data: bytes, at: int = 0) -> int:
    """Return the stamp in nanoseconds of a header in a serialized message.

    Args:
        data: The message.
        at: Where in it the header begins, in bytes.
    """
    seconds, rest = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4 + at)
    return int(seconds) * NANOSECONDS + int(rest)


def _answers(node: Any, topic: str) -> Answered:
    from pose_ros.msg import PoseArray

    seen: set[int] = set()
    node.create_subscription(
        PoseArray, topic, lambda data: seen.add(stamp_of_message(data)), 10, raw=True
    )

    def answered(stamp: int) -> bool:
        if stamp not in seen:
            return False
        seen.clear()
        return True

    return answered


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="tools/bag_player.py", description=__doc__)
    made.add_argument("bag", type=Path)
    made.add_argument("--rate", type=float, default=1.0, help="how much faster (1)")
    made.add_argument("--start", type=float, default=0.0, help="seconds to leave out")
    made.add_argument("--rounds", type=int, default=1, help="how many times (1)")
    made.add_argument("--delay", type=float, default=1.0, help="seconds before the first (1)")
    made.add_argument(
        "--in-step", metavar="TOPIC", help="wait after each image for its PoseArray on this topic"
    )
    return made


def main(args: list[str] | None = None) -> int:
    """Play a bag; return the exit code."""
    options = parser().parse_args(args)
    rclpy.init(args=[])
    node = rclpy.create_node("bag_player")

    def spin(seconds: float) -> None:
        rclpy.spin_once(node, timeout_sec=seconds)

    try:
        player = BagPlayer(node, options.bag, spin)
        answered = _answers(node, options.in_step) if options.in_step else None
        count = 0
        with stop_signals() as stop:
            end = time.monotonic() + DISCOVERY_SECONDS
            while not (player.is_heard() or stop.is_set() or time.monotonic() > end):
                spin(_CLOCK_SECONDS)
            stop.wait(options.delay)
            for _ in range(options.rounds):
                round_ = player.play(rate=options.rate, start=options.start, answered=answered)
                for _ in round_:
                    count += 1
                    if stop.is_set():
                        return 0
        print(f"played {count} images")
    except PoseRosError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
