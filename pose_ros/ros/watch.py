"""What runs: topics, rates, people, gestures, the robot's state, and the overlay."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from pose_ros.errors import OptionError, PoseRosError, printable
from pose_ros.messages.cameras import camera_info_topic
from pose_ros.ros.graph_listener import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    Endpoint,
    message_class,
    publishers,
    subscribers,
)
from pose_ros.ros.live_line import CLEAR, Chain, LiveLine
from pose_ros.ros.node import stop_signals
from pose_ros.ros.overlay_input import OverlayInput
from pose_ros.ros.views import OverlayView, open_view
from pose_ros.viz.live_page import DEFAULT_PORT, LOOPBACK

TABLE_AFTER_SECONDS = 2.5  # discovery, and a rate
SPIN_SECONDS = 0.1

# Images cost more to hear than all else together, and markers are made for who listens alone.
_NOT_HEARD = (IMAGE, COMPRESSED, "visualization_msgs/msg/MarkerArray")
_NOT_COUNTED = "-"


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
        """Return a line for each topic: name, type, rate, who publishes and who subscribes."""
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
        help="address of the web page (%(default)s: this machine alone). Whoever reaches another "
        "one sees the camera: there is no password",
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
    table_at = began + TABLE_AFTER_SECONDS
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SPIN_SECONDS)
            now = time.monotonic()
            if options.seconds is not None and now - began > options.seconds:
                return
            if watch.step():
                table_at = now + TABLE_AFTER_SECONDS  # what has just come has no rate yet
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
