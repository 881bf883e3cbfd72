"""Looks at the running nodes for `pose-ros doctor`, and prints what it finds as JSON.

First the checks, each a function of what was observed; then what observes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSCompatibility, qos_check_compatible
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from pose_ros.errors import Finding, PoseRosError, TransformError
from pose_ros.messages.cameras import camera_from_info, camera_info_topic, is_rectified
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.ros.diagnostics import Level
from pose_ros.ros.frames import FrameLookup, listen
from pose_ros.ros.graph import (
    CAMERA_INFO,
    COMPRESSED,
    GESTURES,
    IMAGE,
    POSES,
    TWIST,
    TWIST_STAMPED,
    Endpoint,
    GraphListener,
    Traffic,
    endpoint_names,
    has_header,
    node_names,
    publishers,
    subscribers,
    values_of,
)
from pose_ros.ros.node import ANOTHER_TIME_SECONDS

DISCOVERY_SECONDS = 1.5  # for which a graph that is known has not changed
ANSWER_SECONDS = 2.0  # for which a node may take to say whether it uses sim time
REFRESH_SECONDS = 0.5
SPIN_SECONDS = 0.05

_MADE_ON_DEMAND = ("visualization_msgs/msg/MarkerArray",)
_CLOCK = "rosgraph_msgs/msg/Clock"

LATE_SECONDS = 0.3
FUTURE_SECONDS = 0.05
LEAST_RATE = 5.0
"""Images a second under which gestures are hardly seen, and a robot stands still in between."""
LEAST_SHARE = 0.8
"""Of the images that a pose node has to keep up with."""

_MOST_NAMES = 3
_GPU_DEVICES = ("/dev/nvidia0", "/dev/nvhost-gpu")
_SET_CLOCKS = "set the machines' clocks (chrony, PTP)"


@dataclass(frozen=True)
class Observation:
    """What was seen of a graph in a few seconds.

    Attributes:
        endpoints: Its publishers and subscribers.
        traffic: What came, by topic.
        health: The last DiagnosticStatus of each node, by its full name.
        nodes: Full names of all nodes, one that is there twice stands twice.
        sim_time: Whether a node uses sim time, by its full name; None: it does not answer.
        frames: A target and a source frame that /tf has to connect; None: none is asked for.
        frames_trouble: Why it does not; empty where it does.
        load: Processes that want a core, in the last minute.
        cores: Of this machine.
    """

    endpoints: Sequence[Endpoint] = ()
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    nodes: Sequence[str] = ()
    sim_time: Mapping[str, bool | None] = field(default_factory=dict)
    frames: tuple[str, str] | None = None
    frames_trouble: str = ""
    load: float = 0.0
    cores: int = 1

    @property
    def pose_nodes(self) -> list[str]:
        """Full names of the nodes that publish people."""
        return sorted({e.node for e in publishers(self.endpoints, POSES)})

    @property
    def gesture_nodes(self) -> list[str]:
        """Full names of the nodes that publish gestures."""
        return sorted({e.node for e in publishers(self.endpoints, GESTURES)})

    @property
    def image_topics(self) -> list[str]:
        """Topics of images that a pose node listens to; where there is none, all."""
        images = [e for e in self.endpoints if e.kind in (IMAGE, COMPRESSED)]
        nodes = self.pose_nodes
        heard = {e.topic for e in images if e.side == "subscriber" and e.node in nodes}
        own = {e.topic for e in images if e.side == "publisher" and e.node in nodes}
        depth = {e.topic for e in images if "depth" in e.topic}
        return sorted(heard or {e.topic for e in images} - own - depth)

    def info_topic(self, image_topic: str) -> str:
        """Return the topic of the camera_info that goes with a topic of images."""
        nodes = {e.node for e in subscribers(self.endpoints, image_topic)} & set(self.pose_nodes)
        heard = [
            e.topic
            for e in self.endpoints
            if e.kind == CAMERA_INFO and e.side == "subscriber" and e.node in nodes
        ]
        return heard[0] if heard else camera_info_topic(image_topic.removesuffix("/compressed"))


Frame = tuple[str, str]
Check = Callable[[Observation], Iterable[Finding]]


def check_nodes(seen: Observation) -> Iterator[Finding]:
    """Which nodes are there, and in which state."""
    if not seen.nodes:
        yield Finding(
            "warning",
            "graph",
            "no other node is there",
            "start one, and see that ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE are the same "
            "here and there",
        )
        return
    yield Finding("ok", "graph", f"nodes: {', '.join(sorted(set(seen.nodes)))}")
    for node in sorted({n for n in seen.nodes if list(seen.nodes).count(n) > 1}):
        yield Finding(
            "error",
            node,
            "two nodes have this name: services and parameters reach either",
            "give each robot a namespace (-r __ns:=/robot1) or each node a name (-r __node:=name)",
        )
    if not seen.pose_nodes:
        yield Finding(
            "warning",
            "people",
            "no node publishes pose_ros/PoseArray",
            "start one: pose-ros up --camera /dev/video0",
        )
    yield from _health(seen)


def _health(seen: Observation) -> Iterator[Finding]:
    for node, status in sorted(seen.health.items()):
        state = values_of(status).get("state", "")
        level = status.level[0]
        if state and state != "active":
            cure = "see its log; then configure and activate it (ros2 lifecycle set)"
            severity: Any = "error" if level >= Level.ERROR else "warning"
            words = state if status.message == state else f"{state}: {status.message}"
            yield Finding(severity, node, words, cure)
        elif level > Level.OK:
            yield Finding("error" if level >= Level.ERROR else "warning", node, status.message)


def check_types(seen: Observation) -> Iterator[Finding]:
    """Whether publishers and subscribers of a topic mean the same type."""
    for topic in _topics(seen):
        sources = {e.kind for e in seen.endpoints if e.topic == topic and e.side == "publisher"}
        readers = [e for e in subscribers(seen.endpoints, topic) if e.kind not in sources]
        if not sources or not readers:
            continue
        kinds = ", ".join(sorted(map(_short, sources)))
        for reader in readers:
            yield Finding(
                "error",
                topic,
                f"{reader.node} subscribes to {_short(reader.kind)}, and what is published is "
                f"{kinds}: it hears nothing",
                _type_cure(sources, reader.kind),
            )


def _type_cure(sources: set[str], wanted: str) -> str:
    if wanted == TWIST and TWIST_STAMPED in sources:
        return "set stamped to false in gesture_node, or let the base take TwistStamped"
    if wanted == TWIST_STAMPED and TWIST in sources:
        return "set stamped to true in gesture_node, or let the base take Twist"
    return "remap one of the two to another topic"


def check_qos(seen: Observation) -> Iterator[Finding]:
    """Whether the QoS that is offered is that which is asked for."""
    wrong = 0
    for topic in _topics(seen):
        for source in publishers(e for e in seen.endpoints if e.topic == topic):
            for reader in subscribers(seen.endpoints, topic):
                if reader.kind != source.kind or _heard(seen, source, reader.node):
                    continue
                _, reason = qos_check_compatible(source.qos, reader.qos)
                wrong += 1
                yield Finding(
                    "error",
                    topic,
                    f"{reader.node} hears nothing of {source.node}: QoS does not go together "
                    f"({_words(reason)})",
                    _qos_cure(source, reader),
                )
    if not wrong and seen.nodes:
        yield Finding("ok", "QoS", "all publishers and subscribers of a topic go together")


def _heard(seen: Observation, source: Endpoint, node: str) -> bool:
    """Whether one of a node's subscriptions hears a publisher: a lock is subscribed to twice."""
    own = [e for e in subscribers(seen.endpoints, source.topic) if e.node == node]
    return any(
        qos_check_compatible(source.qos, e.qos)[0] != QoSCompatibility.ERROR
        for e in own
        if e.kind == source.kind
    )


def _qos_cure(source: Endpoint, reader: Endpoint) -> str:
    parts = []
    if source.qos.reliability != reader.qos.reliability:
        parts.append("subscribe best effort, or publish reliable")
    if source.qos.durability != reader.qos.durability:
        parts.append("subscribe volatile, or publish transient local")
    parts = parts or ["give both the same deadline, lifespan and liveliness"]
    return f"{'; '.join(parts)} (a node's qos_overrides)"


def check_images(seen: Observation) -> Iterator[Finding]:
    """Whether images come, how often, and under which stamps."""
    for topic in seen.image_topics:
        sources = publishers(e for e in seen.endpoints if e.topic == topic)
        traffic = seen.traffic.get(topic)
        if not sources:
            yield Finding("error", topic, "it has no publisher", _image_cure(seen, topic))
        elif traffic is None or traffic.count == 0:
            yield Finding(
                "error",
                topic,
                f"{_nodes(sources)} publishes it, and no image comes",
                "see whether the driver is activated and its camera is plugged in",
            )
        else:
            troubles = list(_stamp_troubles(seen, topic, traffic))
            yield from troubles
            yield from _rate(seen, topic, traffic, well=not troubles)


def _image_cure(seen: Observation, topic: str) -> str:
    others = sorted(
        {e.topic for e in publishers(seen.endpoints, IMAGE) if e.node not in seen.pose_nodes}
    )
    packed = f"{topic}/compressed"
    if publishers(e for e in seen.endpoints if e.topic == packed):
        return f"only {packed} is there: set image_transport to compressed"
    if others:
        return f"remap image to one that is there: {', '.join(others)} (-r image:={others[0]})"
    return "start the camera's driver, or pose-ros up --camera /dev/video0"


def _stamp_troubles(seen: Observation, topic: str, traffic: Traffic) -> Iterator[Finding]:
    count = traffic.stamped
    if traffic.zero:
        yield Finding(
            "error",
            topic,
            f"{traffic.zero} of {count} stamps are zero: such images are refused",
            "let the driver stamp images when it captures them",
        )
    if traffic.backwards:
        sources = publishers(e for e in seen.endpoints if e.topic == topic)
        two = len(sources) > 1
        yield Finding(
            "error",
            topic,
            f"{traffic.backwards} of {count} stamps are before the one before them"
            + (f"; {_nodes(sources)} publish it" if two else ""),
            "give each camera a topic of its own" if two else "publish images in their order",
        )
    if traffic.repeated:
        yield Finding(
            "warning",
            topic,
            f"{traffic.repeated} of {count} stamps are those of the image before",
            "let the driver publish each image once, under its own stamp",
        )
    yield from _age_troubles(seen, topic, traffic)


def _age_troubles(seen: Observation, topic: str, traffic: Traffic) -> Iterator[Finding]:
    sources = publishers(e for e in seen.endpoints if e.topic == topic)
    if not traffic.ages or any(seen.sim_time.get(e.node) for e in sources):
        return  # by a simulation's clock an age says nothing here
    age = median(traffic.ages)
    if abs(age) > ANOTHER_TIME_SECONDS:
        yield Finding(
            "warning",
            topic,
            f"the stamps are of another time, {abs(age) / 3600:.0f} hours "
            f"{'ago' if age > 0 else 'ahead'}",
            "a recording is played with /clock and use_sim_time; a driver has to stamp with now",
        )
    elif age < -FUTURE_SECONDS:
        yield Finding(
            "error", topic, f"the stamps are {-age:.2f} s in the future", f"{_SET_CLOCKS}"
        )
    elif age > LATE_SECONDS:
        yield Finding(
            "warning",
            topic,
            f"images are {age:.2f} s old when they come",
            f"{_SET_CLOCKS}; send smaller or compressed images",
        )


def _rate(seen: Observation, topic: str, traffic: Traffic, *, well: bool) -> Iterator[Finding]:
    rate = traffic.rate
    if rate < LEAST_RATE and seen.gesture_nodes:
        yield Finding(
            "warning",
            topic,
            f"{rate:.1f} images a second: too few for gestures, a robot stands still in between",
            f"let the camera give {LEAST_RATE:g} or more",
        )
    elif well:
        yield Finding("ok", topic, f"{rate:.1f} images a second, their stamps in order")


def check_camera_info(seen: Observation) -> Iterator[Finding]:
    """Whether each topic of images has a calibration that fits."""
    for topic in seen.image_topics:
        name = seen.info_topic(topic)
        traffic = seen.traffic.get(name)
        if not publishers(e for e in seen.endpoints if e.topic == topic):
            continue
        if traffic is None or traffic.kind != CAMERA_INFO or not traffic.count:
            yield Finding(
                "warning",
                name,
                f"no camera_info goes with {topic}: people have no meters, and no frames on /tf",
                "let the driver publish it, remap camera_info, or set camera_info_url or hfov in "
                "camera_node",
            )
            continue
        yield from _calibration(seen, topic, name, traffic.message)


def _calibration(seen: Observation, topic: str, name: str, info: Any) -> Iterator[Finding]:
    rectified = is_rectified("auto", topic)
    try:
        camera_from_info(info, rectified=rectified)
    except PoseRosError as error:
        yield Finding(
            "warning",
            name,
            f"{error}: people have no meters" if any(info.k) else "the camera is not calibrated",
            "calibrate it (camera_calibration's cameracalibrator), and let the driver publish that",
        )
        return
    traffic = seen.traffic.get(topic)
    image = traffic.message if traffic and traffic.kind == IMAGE else None
    if image is not None and (image.width, image.height) != (info.width, info.height):
        yield Finding(
            "error",
            name,
            f"it is of {info.width}x{info.height}, and the images are {image.width}x{image.height}",
            "calibrate the camera at the size that it gives, or let it give that size",
        )
        return
    yield Finding("ok", name, f"calibrated, {info.width}x{info.height}")


def check_speeds(seen: Observation) -> Iterator[Finding]:
    """Whether one node drives the robot, and the robot listens."""
    for topic in _topics(seen):
        found = [e for e in seen.endpoints if e.topic == topic]
        drivers = publishers(found, TWIST, TWIST_STAMPED)
        if not {e.node for e in drivers} & set(seen.gesture_nodes):
            continue
        if not subscribers(found, topic):
            yield Finding(
                "warning",
                topic,
                "it has no subscriber: no robot moves",
                "remap cmd_vel to what the base listens to (-r cmd_vel:=/base/cmd_vel)",
            )
        if len({e.node for e in drivers}) > 1:
            yield Finding(
                "warning",
                topic,
                f"{_nodes(drivers)} drive at once",
                "give each a topic of its own, and put twist_mux before the base",
            )


def check_frames(seen: Observation) -> Iterator[Finding]:
    """Whether /tf connects the two frames that were asked for."""
    if seen.frames is None:
        return
    target, source = seen.frames
    subject = f"{target} <- {source}"
    if seen.frames_trouble:
        yield Finding(
            "error",
            subject,
            seen.frames_trouble,
            "publish where the camera is mounted (static_transform_publisher, or the robot's "
            "URDF), under the frame_id of the images",
        )
    else:
        yield Finding("ok", subject, "/tf connects them")


def check_providers(seen: Observation) -> Iterator[Finding]:
    """What runs the networks."""
    gpu = any(Path(device).exists() for device in _GPU_DEVICES)
    for node in seen.pose_nodes:
        values = values_of(seen.health.get(node))
        provider = values.get("provider", "")
        if not provider:
            continue
        text = f"{values.get('network', 'its network')} on {provider}"
        if gpu and provider.startswith("cpu"):
            cure = "install onnxruntime-gpu in place of onnxruntime; require_gpu makes sure"
            yield Finding("warning", node, f"{text}, and a GPU is there", cure)
        else:
            yield Finding("ok", node, text)


def check_clock(seen: Observation) -> Iterator[Finding]:
    """Whether all nodes go by one clock, and whether it runs."""
    simulated = sorted(node for node, sim in seen.sim_time.items() if sim)
    others = sorted(node for node, sim in seen.sim_time.items() if sim is False)
    sources = publishers(e for e in seen.endpoints if e.topic == "/clock")
    traffic = seen.traffic.get("/clock")
    if simulated and not sources:
        yield Finding(
            "error",
            "/clock",
            f"{_few(simulated)} use sim time, and /clock has no publisher: their time is 0",
            "set use_sim_time to false, or let the simulator or ros2 bag play --clock publish it",
        )
    elif simulated and (traffic is None or traffic.count < 2):
        yield Finding(
            "error", "/clock", f"{_nodes(sources)} publishes it, and it stands still", "let it run"
        )
    if sources and others:
        yield Finding(
            "warning",
            "/clock",
            f"{_few(others)} do not use sim time, and {_nodes(sources)} publishes /clock",
            "set use_sim_time to true in all nodes",
        )
    elif simulated and others:
        yield Finding(
            "warning",
            "/clock",
            f"{_few(simulated)} use sim time, and {_few(others)} do not",
            "set use_sim_time alike in all nodes",
        )


def check_load(seen: Observation) -> Iterator[Finding]:
    """Whether the pose nodes keep up with the images."""
    busy = f"{seen.load:.1f} processes want its {seen.cores} cores"
    for node in seen.pose_nodes:
        values = values_of(seen.health.get(node))
        try:
            images = float(values["images per second"])
            results = float(values["results per second"])
        except (KeyError, ValueError):
            continue
        if images > 0 and results < LEAST_SHARE * images:
            if values.get("images dropped", "0") == "0":
                continue  # they are refused, which is said elsewhere
            yield Finding(
                "warning",
                node,
                f"it finds people in {results:.1f} of {images:.1f} images a second"
                + (f"; {busy}" if seen.load > seen.cores else ""),
                "a lower rate of the camera, network blazepose-lite, precision int8, or a GPU",
            )
        elif images > 0:
            yield Finding("ok", node, f"it keeps up with {images:.1f} images a second")
    if seen.pose_nodes and seen.load > 1.5 * seen.cores:
        yield Finding("warning", "machine", busy, "end what else runs on it")


CHECKS: tuple[Check, ...] = (
    check_nodes,
    check_types,
    check_qos,
    check_images,
    check_camera_info,
    check_speeds,
    check_frames,
    check_providers,
    check_clock,
    check_load,
)


def _topics(seen: Observation) -> list[str]:
    return sorted({e.topic for e in seen.endpoints})


def _nodes(found: Iterable[Endpoint]) -> str:
    return " and ".join(sorted({e.node for e in found}))


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _short(kind: str) -> str:
    return kind.replace("/msg/", "/")


def _words(reason: str) -> str:
    return reason.strip().rstrip(";").removeprefix("ERROR: ").rstrip(".")


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
