"""One line on what the nodes do: people, gestures, the state of the robot and its speed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import rclpy

from pose_ros.errors import printable
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.ros.diagnostics import Level
from pose_ros.ros.graph_listener import (
    GESTURES,
    IMAGE,
    KEY_VALUE,
    POSES,
    TWIST,
    TWIST_STAMPED,
    Endpoint,
    GraphListener,
    Traffic,
    publishers,
    values_of,
)

KINDS = frozenset({POSES, GESTURES, KEY_VALUE, TWIST, TWIST_STAMPED})
"""Types of the topics that the line reads."""
CLEAR = "\r\033[K"
"""What empties a terminal's line."""
REFRESH_SECONDS = 1.0
FIRST_LINE_SECONDS = 1.5  # until the nodes are found
LINE_SECONDS = 0.5
PIPED_LINE_SECONDS = 1.0

NOTHING_RUNS = "no pose node found: start one (pose-ros up), and check ROS_DOMAIN_ID"


@dataclass(frozen=True)
class Chain:
    """A pose node and the gesture node beside it, by the topics they publish; empty: none."""

    pose_node: str = ""
    poses: str = ""
    overlay: str = ""
    gestures: str = ""
    state: str = ""
    speeds: str = ""


def find_chain(found: list[Endpoint], namespace: str = "") -> Chain:
    """Return the first pose node of a namespace, and the gesture node that goes with it.

    They are found by the types of what they publish, whatever it is remapped to.

    Args:
        found: The graph.
        namespace: Full names of the nodes begin so.
    """
    inside = [e for e in publishers(found) if e.node.startswith(namespace)]
    poses = [e for e in inside if e.kind == POSES and not e.topic.endswith("/hands")]
    if not poses:
        return Chain()
    pose = poses[0]
    own = _published_by(inside, pose.node)
    near = pose.node.rpartition("/")[0]
    gestures = sorted(
        (e for e in inside if e.kind == GESTURES),
        key=lambda e: e.node.rpartition("/")[0] != near,
    )
    node = gestures[0].node if gestures else ""
    beside = _published_by(inside, node)
    return Chain(
        pose_node=pose.node,
        poses=pose.topic,
        overlay=own.get(IMAGE, ""),
        gestures=beside.get(GESTURES, ""),
        state=beside.get(KEY_VALUE, ""),
        speeds=beside.get(TWIST_STAMPED, "") or beside.get(TWIST, ""),
    )


def _published_by(found: list[Endpoint], node: str) -> dict[str, str]:
    """Return the topics of a node by the type of their messages."""
    return {e.kind: e.topic for e in found if node and e.node == node}


def describe(listener: GraphListener, chain: Chain) -> str:
    """Return the line.

    Args:
        listener: It listens to the types in ``KINDS``.
        chain: What of the graph the line is about.
    """
    if not chain.poses:
        return NOTHING_RUNS
    parts = [*_pose_parts(listener, chain), *_gesture_parts(listener, chain)]
    parts += [
        f"[{node}: {status.message}]"
        for node, status in sorted(listener.health.items())
        if status.level[0] > Level.OK
    ]
    return printable("  ".join(parts))  # others' words may hold what moves a terminal's cursor


def _pose_parts(listener: GraphListener, chain: Chain) -> list[str]:
    values = values_of(listener.health.get(chain.pose_node))
    poses = listener.traffic.get(chain.poses)
    if poses is None or not poses.rate:
        return ["no poses"]
    text = f"{poses.rate:.1f} poses/s"
    if (images := _number(values, "images per second")) > 1.2 * poses.rate:
        text += f" of {images:.0f} images"
    if (latency := _number(values, "latency ms")) > 0:
        text += f", {latency:.0f} ms (network {_number(values, 'processing ms'):.0f})"
    return [text, f"people {len(poses.message.poses)}"]


def _number(values: dict[str, str], name: str) -> float:
    """Return a value of a diagnostic status; 0 where it is not there."""
    try:
        return float(values.get(name, ""))
    except ValueError:
        return 0.0


def _gesture_parts(listener: GraphListener, chain: Chain) -> list[str]:
    parts = []
    gestures = listener.traffic.get(chain.gestures)
    if gestures and gestures.rate:
        held = [g for g in gestures_from_msg(gestures.message) if g.event != "ended"]
        parts += [" ".join(filter(None, [g.side, g.name])) for g in held]
    state = listener.traffic.get(chain.state)
    if state and state.last:
        parts.append(f"{state.message.key}: {state.message.value}")
    speeds = listener.traffic.get(chain.speeds)
    if chain.speeds:
        parts.append(_speed_text(speeds))
    return parts


def _speed_text(speeds: Traffic | None) -> str:
    if speeds is None or not speeds.rate:
        return "no speed"
    twist = getattr(speeds.message, "twist", speeds.message)
    return f"{twist.linear.x:+.2f} m/s {twist.angular.z:+.2f} rad/s"


class LiveLine:
    """Prints the line again and again, from a node of its own.

    The node is hidden from ``ros2 node list``. On a terminal the line stays in its place;
    elsewhere a new one is printed below.

    Args:
        wanted: Whether to listen to the topic that an endpoint publishes; None: to what the
            line reads.
        namespace: Full names of the nodes that it is about begin so.
        piped_seconds: From one line to the next where there is no terminal.
    """

    def __init__(
        self,
        wanted: Callable[[Endpoint], bool] | None = None,
        *,
        namespace: str = "",
        piped_seconds: float = PIPED_LINE_SECONDS,
    ) -> None:
        self.node = rclpy.create_node(f"_pose_ros_watch_{os.getpid()}")
        self.listener = GraphListener(self.node, wanted or (lambda e: e.kind in KINDS))
        self.chain = Chain()
        self._namespace = namespace
        self._live = sys.stdout.isatty()
        self._period = LINE_SECONDS if self._live else piped_seconds
        self._refresh_at = 0.0
        self._line_at = time.monotonic() + FIRST_LINE_SECONDS

    def refresh(self) -> bool:
        """Look at the graph when it is time; return whether it has changed."""
        now = time.monotonic()
        if now < self._refresh_at:
            return False
        self._refresh_at = now + REFRESH_SECONDS
        changed = self.listener.refresh()
        self.chain = find_chain(self.listener.endpoints, self._namespace)
        return changed

    def step(self) -> str:
        """Look at the graph and print the line, each when it is time; return the line printed."""
        self.refresh()
        now = time.monotonic()
        if now < self._line_at:
            return ""
        self._line_at = now + self._period
        try:
            line = describe(self.listener, self.chain)
        except Exception as error:  # noqa: BLE001
            # beside a node that commands a robot a line is no reason to end
            line = printable(f"what the nodes say cannot be read: {error}")
        if self._live:
            width = shutil.get_terminal_size().columns
            print(f"{CLEAR}{line[: max(1, width - 1)]}", end="", flush=True)
        else:
            print(line, flush=True)
        return line

    def close(self) -> None:
        """Leave the graph."""
        if self._live:
            print()
        self.listener.close()
        self.node.destroy_node()
