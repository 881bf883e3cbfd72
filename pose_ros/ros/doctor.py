"""Looks at the running nodes for `pose-ros doctor`, and prints what it finds as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from pose_ros.core.findings import Finding
from pose_ros.errors import TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.ros.frames import FrameLookup, listen
from pose_ros.ros.graph import (
    COMPRESSED,
    IMAGE,
    Endpoint,
    GraphListener,
    endpoint_names,
    has_header,
    node_names,
)
from pose_ros.ros.graph_checks import CHECKS, Observation

DISCOVERY_SECONDS = 1.5  # for which a graph that is known has not changed
ANSWER_SECONDS = 2.0  # for which a node may take to say whether it uses sim time
REFRESH_SECONDS = 0.5
SPIN_SECONDS = 0.05

_MADE_ON_DEMAND = ("visualization_msgs/msg/MarkerArray",)
_CLOCK = "rosgraph_msgs/msg/Clock"

Frame = tuple[str, str]


class GraphDoctor:
    """Observes a graph from a node of its own.

    Args:
        executor: What spins; the node is added to it.
        frames: A target and a source frame that /tf has to connect.
    """

    def __init__(self, executor: Any, frames: Frame | None = None) -> None:
        self._executor, self._frames = executor, frames
        self.node = rclpy.create_node(f"_pose_ros_doctor_{os.getpid()}")
        executor.add_node(self.node)
        self._listener = GraphListener(self.node, self._wants)
        self._tree: FrameLookup | None = listen(self.node) if frames else None

    def observe(self, seconds: float, wait: float = 0.0) -> Observation:
        """Watch the graph for a time, and return what was seen.

        Args:
            seconds: How long to listen, once the graph is known.
            wait: How long to wait until there are nodes and all of them are known, seconds.
        """
        self._discover(wait)
        nodes = self._names()
        if not nodes:
            return Observation()
        self._spin(seconds)
        listener = self._listener
        return Observation(
            endpoints=listener.endpoints,
            traffic=listener.traffic,
            health=listener.health,
            nodes=self._names(),
            sim_time=self._sim_time(sorted(set(nodes))),
            frames=self._frames,
            frames_trouble=self._frames_trouble(),
            load=os.getloadavg()[0],
            cores=os.cpu_count() or 1,
        )

    def close(self) -> None:
        """Leave the graph."""
        self._listener.close()
        if self._tree is not None:
            self._tree.close()
        self._executor.remove_node(self.node)
        self.node.destroy_node()

    def _wants(self, endpoint: Endpoint) -> bool:
        if endpoint.kind in _MADE_ON_DEMAND:
            return False
        if endpoint.kind in (IMAGE, COMPRESSED):
            seen = Observation(self._listener.endpoints)
            return endpoint.topic in seen.image_topics
        return endpoint.kind == _CLOCK or has_header(endpoint.kind)

    def _discover(self, wait: float) -> None:
        """Spin until nodes are there and the graph has not changed for a while."""
        end = time.monotonic() + max(wait, DISCOVERY_SECONDS)
        seen, since = self._graph(), time.monotonic()

        def quiet() -> bool:
            nonlocal seen, since
            if (now := self._graph()) != seen:
                seen, since = now, time.monotonic()
            return bool(seen[0]) and time.monotonic() - since >= DISCOVERY_SECONDS

        self._spin(end - time.monotonic(), quiet)

    def _graph(self) -> tuple[list[str], set[tuple[str, str, str, str]]]:
        return sorted(self._names()), endpoint_names(self._listener.endpoints)

    def _spin(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        end, refresh_at = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < end and not done():
            if now >= refresh_at:
                refresh_at = now + REFRESH_SECONDS
                self._listener.refresh()
            self._executor.spin_once(timeout_sec=SPIN_SECONDS)

    def _names(self) -> list[str]:
        """Return the full names of all nodes, without those that are hidden."""
        return [n for n in node_names(self.node) if not n.rpartition("/")[2].startswith("_")]

    def _sim_time(self, nodes: Sequence[str]) -> dict[str, bool | None]:
        """Ask each node whether it uses sim time; one that does not answer has None."""
        asked = {}
        clients = [
            (node, self.node.create_client(GetParameters, f"{node}/get_parameters"))
            for node in nodes
        ]
        self._spin(ANSWER_SECONDS, lambda: all(c.service_is_ready() for _, c in clients))
        for node, client in clients:
            if client.service_is_ready():
                request = GetParameters.Request(names=["use_sim_time"])
                asked[node] = client.call_async(request)
        self._spin(ANSWER_SECONDS, lambda: all(future.done() for future in asked.values()))
        found = {node: _truth(asked.get(node)) for node in nodes}
        for _, client in clients:
            self.node.destroy_client(client)
        return found

    def _frames_trouble(self) -> str:
        if self._tree is None or self._frames is None:
            return ""
        target, source = self._frames
        header = self._newest_header(source)
        try:
            self._tree.lookup(target, header)
        except TransformError as error:
            return str(error)
        return ""

    def _newest_header(self, frame: str) -> Any:
        """Return the header of the last message in a frame; with the time where there is none."""
        headers = [
            traffic.message.header
            for traffic in self._listener.traffic.values()
            if traffic.last and has_header(traffic.kind)
        ]
        own = [header for header in headers if header.frame_id == frame]
        if own:
            return max(own, key=lambda header: stamp_from_msg(header.stamp))
        return Header(stamp=self.node.get_clock().now().to_msg(), frame_id=frame)


def _truth(future: Any) -> bool | None:
    if future is None or not future.done() or future.result() is None:
        return None
    values = future.result().values
    if not values or values[0].type != ParameterType.PARAMETER_BOOL:
        return None
    return bool(values[0].bool_value)


def examine(seen: Observation) -> list[Finding]:
    """Return what all checks find, errors first."""
    order = ("error", "warning", "ok")
    found = [finding for check in CHECKS for finding in check(seen)]
    return sorted(found, key=lambda finding: order.index(finding.severity))


def main(args: Sequence[str] | None = None) -> int:
    """Print the findings as JSON; return 0."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--tf", nargs=2, metavar=("TARGET", "SOURCE"))
    options = parser.parse_args(args)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    doctor = GraphDoctor(executor, tuple(options.tf) if options.tf else None)
    try:
        seen = doctor.observe(options.seconds, options.wait)
    except KeyboardInterrupt:
        return 130
    finally:
        doctor.close()
        executor.shutdown()
        rclpy.try_shutdown()
    print(json.dumps([dataclasses.asdict(finding) for finding in examine(seen)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
