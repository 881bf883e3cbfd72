"""What runs: topics, rates, people, gestures, the robot's state, and the overlay."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from pose_ros.errors import OptionError, PoseRosError, printable
from pose_ros.messages.cameras import camera_info_topic
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.ros.diagnostics import Level
from pose_ros.ros.graph import (
    CAMERA_INFO,
    COMPRESSED,
    GESTURES,
    IMAGE,
    KEY_VALUE,
    POSES,
    TWIST,
    TWIST_STAMPED,
    Endpoint,
    GraphListener,
    Traffic,
    message_class,
    publishers,
    subscribers,
    values_of,
)
from pose_ros.ros.node import stop_signals
from pose_ros.ros.overlay import OverlayInput, OverlayView, open_view
from pose_ros.viz.live_page import DEFAULT_PORT, LOOPBACK

TABLE_SECONDS = 2.5  # until the table: discovery, and a rate
SPIN_SECONDS = 0.1

# Images cost more to receive than all else together, and markers are made for a subscriber only.
_NOT_HEARD = (IMAGE, COMPRESSED, "visualization_msgs/msg/MarkerArray")
_NOT_COUNTED = "-"


KINDS = frozenset({POSES, GESTURES, KEY_VALUE, TWIST, TWIST_STAMPED})
"""Types of the topics that the live line reads."""
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
    # several cameras: the node that fuses their people hears pose nodes, and tells of them all
    hearing = {e.node for e in found if e.kind == POSES and e.side == "subscriber"}
    pose = next((e for e in poses if e.node in hearing), poses[0])
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


class Watch:
    """Looks at a graph from a node of its own.

    Args:
        view: What shows the overlay; None: it is not subscribed to.
        namespace: Full names of the nodes begin so.
    """

    def __init__(self, view: OverlayView | None, namespace: str) -> None:
        self._view = view
        self._line = LiveLine(self._wants, namespace=namespace)
        self._listener = self._line.listener
        self._chain = Chain()
        self._overlay: OverlayInput | None = None

    @property
    def node(self) -> Any:
        """What an executor has to spin."""
        return self._line.node

    def step(self) -> bool:
        """Show what there is to show; return whether the graph has changed."""
        changed = self._line.refresh()
        if self._line.chain != self._chain:
            self._chain = self._line.chain
            self._watch_overlay(self._chain)
        line = self._line.step()
        if line and self._view is not None:
            self._view.say(line)
        return changed

    def table(self) -> list[str]:
        """Return a line for each topic: name, type, rate, publishers and subscribers."""
        found = self._listener.endpoints
        rows = [("topic", "type", "per second", "from", "to")]
        for topic in sorted({e.topic for e in found}):
            sources = publishers(e for e in found if e.topic == topic)
            readers = subscribers(found, topic)
            kinds = {e.kind.replace("/msg/", "/") for e in (*sources, *readers)}
            rows.append(
                (
                    topic,
                    " or ".join(sorted(kinds)),
                    self._rate(topic, sources),
                    _names(sources),
                    _names(readers),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
        return [
            printable(
                "  ".join(
                    [*(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)), row[-1]]
                )
            )
            for row in rows
        ]

    def close(self) -> None:
        """Leave the graph."""
        if self._overlay is not None:
            self._overlay.close()
        self._line.close()

    def _wants(self, endpoint: Endpoint) -> bool:
        return endpoint.kind not in _NOT_HEARD

    def _rate(self, topic: str, sources: Sequence[Endpoint]) -> str:
        if topic in self._listener.traffic:
            return f"{self._listener.traffic[topic].rate:.1f}"
        info = self._listener.traffic.get(camera_info_topic(topic))
        if info is not None and info.kind == CAMERA_INFO and sources:
            return f"{info.rate:.1f}"  # of the camera_info that goes with each image
        if sources and message_class(sources[0].kind) is None:
            return "not installed"
        return _NOT_COUNTED

    def _watch_overlay(self, chain: Chain) -> None:
        if self._overlay is not None:
            self._overlay.close()
            self._overlay = None
        if self._view is None or not chain.overlay:
            return
        self._overlay = OverlayInput(
            self.node,
            self._view.show,
            overlay=chain.overlay,
            poses=chain.poses,
            gestures=chain.gestures,
            camera_info=self._camera_info(chain.pose_node),
        )

    def _camera_info(self, pose_node: str) -> str:
        """Return the topic of the camera that a pose node listens to; empty: none."""
        found = self._listener.endpoints
        heard = [e.topic for e in found if e.node == pose_node and e.side == "subscriber"]
        infos = [e.topic for e in publishers(found, CAMERA_INFO)]
        near = [topic for topic in infos if topic in heard]
        return next(iter(near or infos), "")


def _names(found: Sequence[Endpoint]) -> str:
    return ", ".join(sorted({e.node.removeprefix("/") for e in found})) or _NOT_COUNTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="pose-ros watch",
        description="Show what the running nodes do: topics with their rates once, then a live "
        "line of people, gestures, the robot's state and its speed. Ctrl-C ends it.",
    )
    made.add_argument("--namespace", default="", metavar="NS", help="of one robot among several")
    made.add_argument(
        "--overlay",
        "--view",
        metavar="window|browser|FILE",
        help="show the image with the people: in a window, on a web page, as a video "
        "(FILE.mp4), or as a picture that is always the last (FILE.jpg)",
    )
    made.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="of the web page (%(default)s); 0: any"
    )
    made.add_argument(
        "--bind",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="address of the web page (%(default)s: this machine alone). There is no password: any "
        "host that reaches another address sees the camera",
    )
    made.add_argument("--seconds", type=float, metavar="S", help="how long; for ever if unsaid")
    return made


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parser().parse_args(args)
    with stop_signals() as stop:
        view: OverlayView | None = None
        try:
            if options.seconds is not None and not options.seconds > 0:
                raise OptionError(f"--seconds must be above 0, got {options.seconds:g}")
            if options.overlay:
                view, place = open_view(options.overlay, host=options.bind, port=options.port)
                print(f"overlay: {place}", flush=True)
            _watch(options, view, stop)
        except PoseRosError as error:
            print(f"pose-ros watch: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            if view is not None:
                view.close()
    return 0


def _watch(options: argparse.Namespace, view: OverlayView | None, stop: Any) -> None:
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    watch = Watch(view, options.namespace)
    executor.add_node(watch.node)
    began = time.monotonic()
    table_at = began + TABLE_SECONDS
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SPIN_SECONDS)
            now = time.monotonic()
            if options.seconds is not None and now - began > options.seconds:
                return
            if watch.step():
                table_at = now + TABLE_SECONDS  # what has just come has no rate yet
            if now >= table_at:
                table_at = float("inf")
                lines = watch.table()
                if len(lines) > 1:
                    print(CLEAR if sys.stdout.isatty() else "", *lines, sep="\n", flush=True)
    finally:
        watch.close()
        executor.shutdown()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
