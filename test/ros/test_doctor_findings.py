"""Findings of `pose-ros doctor` in a graph with each fault that it knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Calibration, Camera
from pose_ros.errors import Finding
from pose_ros.ros import doctor
from pose_ros.ros.doctor import GraphDoctor, Observation, examine
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.graph import values_of
from pose_ros.ros.messages import camera_info_to_msg, header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.watch import NOTHING_RUNS, LiveLine, describe, find_chain

WIDTH, HEIGHT = 64, 48
PERIOD = 0.1
SECONDS = 3.0
WAIT_SECONDS = 60.0

# Fast enough on any machine; the faults are larger by the same factor.
THRESHOLDS = {"LATE_SECONDS": 10.0, "FUTURE_SECONDS": 1.0, "LEAST_RATE": 0.01}
FAR_SECONDS = 30.0


@dataclass
class Driver:
    """A camera's driver with the faults that its fields set."""

    name: str
    age: float = 0.0
    zero: bool = False
    swapped: bool = False
    info_size: tuple[int, int] | None = (WIDTH, HEIGHT)
    calibrated: bool = True
    best_effort: bool = False
    silent: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    def start(self) -> Node:
        node = rclpy.create_node(
            f"driver_{self.name}",
            parameter_overrides=[Parameter(n, value=v) for n, v in self.parameters.items()],
        )
        reliability = ReliabilityPolicy.RELIABLE
        if self.best_effort:
            reliability = ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=5, reliability=reliability)
        images = node.create_publisher(Image, f"{self.name}/image", qos)
        infos = node.create_publisher(CameraInfo, f"{self.name}/camera_info", 5)
        noise = np.random.default_rng(0)

        def publish() -> None:
            self.count += 1
            stamp = 0.0 if self.zero else time.time() - self.age
            if self.swapped and self.count % 2:
                stamp -= FAR_SECONDS
            header = header_to_msg(stamp, "camera_optical_frame")
            if self.info_size:
                infos.publish(self._info(header))
            if not self.silent:
                picture = noise.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
                images.publish(image_to_msg(picture, "bgr", header))

        node.create_timer(PERIOD, publish)
        return node

    def _info(self, header: Any) -> CameraInfo:
        assert self.info_size
        if not self.calibrated:
            return CameraInfo(header=header, width=WIDTH, height=HEIGHT)
        camera = Camera.from_hfov(*self.info_size, 60.0)
        return camera_info_to_msg(Calibration(camera), header)


DRIVERS = (
    Driver("good"),
    Driver("zero", zero=True, info_size=(640, 480)),
    Driver("swapped", swapped=True, calibrated=False),
    Driver("future", age=-FAR_SECONDS, info_size=None),
    Driver("late", age=FAR_SECONDS, parameters={"use_sim_time": False}),
    Driver("silent", silent=True),
    Driver("unheard", best_effort=True),
)


def pose_node(name: str, estimator: Any) -> PoseNode:
    arguments = ["--ros-args", "-r", f"__node:=pose_{name}", "-r", f"image:=/{name}/image"]
    if name == "unheard":
        # a setting of users who read that images are lost
        reliability = "qos_overrides./unheard/image.subscription.reliability"
        arguments += ["-p", f"{reliability}:=reliable"]
    node = PoseNode(make_estimator=lambda _: estimator, cli_args=arguments)
    if name != "idle":
        assert node.autostart()
    return node


def rude_node() -> Node:
    """Return a node whose text has escape codes that clear a terminal."""
    node = rclpy.create_node("rude")
    publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    status = DiagnosticStatus(level=b"\x01", name="rude: rude", message="\x1b[2J\nerror   gone")
    node.create_timer(PERIOD, lambda: publisher.publish(DiagnosticArray(status=[status])))
    return node


def skip_images(driver: Driver) -> None:
    """Take until four more images have been published."""
    until, end = driver.count + 4, time.monotonic() + WAIT_SECONDS
    while driver.count < until and time.monotonic() < end:
        time.sleep(PERIOD / 10)


def is_complete(seen: Observation) -> bool:
    """Whether something has come from all that sends something, and all have answered."""
    heard = {f"/{d.name}/image" for d in DRIVERS if not (d.silent or d.best_effort)}
    return (
        all(topic in seen.traffic and seen.traffic[topic].count > 3 for topic in heard)
        and {"/pose_idle", "/pose_zero", "/pose_good", "/gesture", "/rude"} <= seen.health.keys()
        and {"/simulated", "/driver_late"}
        <= {n for n, sim in seen.sim_time.items() if sim is not None}
        and {"/base", "/teleop"} <= {e.node for e in seen.endpoints if e.topic == "/cmd_vel"}
        and values_of(seen.health["/pose_good"]).get("images dropped", "0") != "0"
    )


LIVE_WORDS = ("poses/s", "people 1", "disengaged: ", r"[/rude: \x1b[2J\nerror   gone]")


@pytest.fixture(scope="module")
def seen(make_fake: Any) -> Iterator[tuple[list[Finding], str]]:
    """Output of the doctor and the status line for a graph."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    slow = make_fake(act=lambda: skip_images(DRIVERS[0]))
    nodes: list[Any] = [driver.start() for driver in DRIVERS]
    nodes += [pose_node(d.name, slow if d.name == "good" else make_fake()) for d in DRIVERS]
    nodes += [pose_node(name, make_fake()) for name in ("nowhere", "idle")]
    gesture = GestureNode()
    assert gesture.autostart()
    # DDS allows a topic one type in a process' participant: a base of the wrong type has its own
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    base, teleop = rclpy.create_node("base", context=context), rclpy.create_node("teleop")
    base.create_subscription(Twist, "cmd_vel", lambda _: None, 5)
    teleop.create_publisher(TwistStamped, "cmd_vel", 5)
    twins = [rclpy.create_node("twin") for _ in range(2)]
    simulated = rclpy.create_node(
        "simulated", parameter_overrides=[Parameter("use_sim_time", value=True)]
    )
    nodes += [gesture, teleop, *twins, simulated, rude_node()]
    for node in nodes:
        executor.add_node(node)
    observer = GraphDoctor(executor, ("base_link", "camera_optical_frame"))
    line = LiveLine()
    executor.add_node(line.node)
    try:
        end = time.monotonic() + 2 * WAIT_SECONDS
        while True:
            line.refresh()
            found = observer.observe(SECONDS, wait=WAIT_SECONDS)
            good = replace(line.chain, pose_node="/pose_good", poses="/pose_good/poses")
            words = describe(line.listener, good)
            complete = is_complete(found) and all(word in words for word in LIVE_WORDS)
            if complete or time.monotonic() > end:
                break
        with pytest.MonkeyPatch.context() as patched:
            for name, value in THRESHOLDS.items():
                patched.setattr(doctor, name, value)
            findings = examine(found)
        yield findings, words
    finally:
        line.close()
        observer.close()
        for node in nodes:
            getattr(node, "close", node.destroy_node)()
        executor.shutdown()
        base.destroy_node()
        rclpy.shutdown(context=context)
        rclpy.shutdown()


@pytest.fixture(scope="module")
def findings(seen: tuple[list[Finding], str]) -> list[Finding]:
    return seen[0]


@pytest.mark.parametrize(
    ("severity", "subject", "message", "cure"),
    [
        ("ok", "graph", "/driver_good", ""),
        ("error", "/twin", "two nodes have this name", "__ns:="),
        ("ok", "/good/image", "their stamps in order", ""),
        ("ok", "/good/camera_info", "calibrated, 64x48", ""),
        ("error", "/zero/image", "stamps are zero", "stamp images when it captures"),
        ("error", "/zero/camera_info", "of 640x480, and the images are 64x48", "at the size"),
        ("error", "/swapped/image", "are before the one before them", "in their order"),
        ("warning", "/swapped/camera_info", "not calibrated", "cameracalibrator"),
        ("error", "/future/image", "s in the future", "chrony"),
        ("warning", "/future/camera_info", "no camera_info goes with /future/image", "hfov"),
        ("warning", "/late/image", "s old when they come", "chrony"),
        ("warning", "/pose_idle", "unconfigured", "configure and activate"),
        ("error", "/silent/image", "/driver_silent publishes it, and no image comes", "plugged in"),
        ("error", "/nowhere/image", "it has no publisher", "-r image:="),
        ("error", "/unheard/image", "/pose_unheard hears nothing of /driver_unheard", "reliable"),
        ("warning", "/pose_good", "images a second", "blazepose-lite"),
        ("ok", "/pose_zero", "fake on cpu", ""),
        ("error", "/cmd_vel", "/base subscribes to geometry_msgs/Twist", "stamped to false"),
        ("warning", "/cmd_vel", "/gesture and /teleop drive at once", "twist_mux"),
        ("error", "base_link <- camera_optical_frame", "nothing on /tf", "static_transform"),
        ("error", "/clock", "/simulated use sim time, and /clock has no publisher", "use_sim_time"),
        ("warning", "/rude", r"\x1b[2J\nerror   gone", ""),
        ("warning", "/clock", "/simulated use sim time, and /driver_future", "alike in all nodes"),
    ],
)
def test_each_fault_of_a_graph_is_found_with_its_fix(
    findings: list[Finding], severity: str, subject: str, message: str, cure: str
) -> None:
    about = [f for f in findings if (f.severity, f.subject) == (severity, subject)]
    assert any(message in f.message and cure in f.cure for f in about), "\n".join(
        f.line() for f in findings
    )
    assert all("\n" not in f.line() for f in findings)


def test_lock_with_two_subscriptions_is_not_a_fault(findings: list[Finding]) -> None:
    assert not [f for f in findings if f.subject in ("/gesture/lock", "/gesture/stop")]


def test_errors_come_first_and_name_a_fix_where_there_is_one(findings: list[Finding]) -> None:
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=("error", "warning", "ok").index)


def test_status_line_names_people_state_and_speed(seen: tuple[list[Finding], str]) -> None:
    assert [word for word in LIVE_WORDS if word not in seen[1]] == []


def test_status_line_says_when_there_is_no_pose_node() -> None:
    assert describe(None, find_chain([])) == NOTHING_RUNS
