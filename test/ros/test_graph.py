"""Traffic counters of a topic, and findings that need a slow or broken graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from pose_ros.core.camera import Calibration, Camera
from pose_ros.ros import doctor
from pose_ros.ros.doctor import GraphDoctor, Observation
from pose_ros.ros.graph import (
    CAMERA_INFO,
    COMPRESSED,
    GESTURES,
    IMAGE,
    POSES,
    Endpoint,
    Traffic,
    hearing_qos,
)
from pose_ros.ros.messages import camera_info_to_msg, header_to_msg, image_to_msg
from pose_ros.ros.qos import LATCHED_QOS
from pose_ros.ros.watch import find_chain

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
NOW = 1_000_000.0
WAIT_SECONDS = 60.0


def endpoint(topic: str, kind: str, node: str, side: Any, qos: QoSProfile = RELIABLE) -> Endpoint:
    return Endpoint(topic, kind, node, side, qos)


def images(*stamps: float) -> Traffic:
    traffic = Traffic(IMAGE)
    picture = np.zeros((48, 64, 3), np.uint8)
    for stamp in stamps:
        header = header_to_msg(stamp, "camera")
        traffic.take(serialize_message(image_to_msg(picture, "bgr", header)), NOW)
    return traffic


def camera(topic: str = "/image", **more: Any) -> Observation:
    """Return a graph of a driver and a pose node that listens to it."""
    found = [
        endpoint(topic, IMAGE, "/driver", "publisher"),
        endpoint(topic, IMAGE, "/pose", "subscriber"),
        endpoint("/pose/poses", POSES, "/pose", "publisher"),
    ]
    return Observation(endpoints=found, nodes=["/driver", "/pose"], **more)


def test_chain_of_several_cameras_is_that_of_the_fused_people() -> None:
    found = [
        endpoint("/a/pose/poses", POSES, "/a/pose", "publisher"),
        endpoint("/b/pose/poses", POSES, "/b/pose", "publisher"),
    ]
    assert find_chain(found).poses == "/a/pose/poses"
    heard = [endpoint(e.topic, POSES, "/fusion", "subscriber") for e in found]
    fused = endpoint("/fusion/poses", POSES, "/fusion", "publisher")
    assert find_chain([*found, *heard, fused]).poses == "/fusion/poses"
    assert find_chain([*found, *heard, fused], "/b").poses == "/b/pose/poses"


def test_stamps_are_read_from_the_serialized_message() -> None:
    traffic = images(NOW - 0.5, NOW - 0.4, NOW - 0.4, 0.0, NOW - 0.45, NOW + 1.0)
    assert (traffic.count, traffic.stamped, traffic.zero) == (6, 6, 1)
    assert (traffic.backwards, traffic.repeated) == (1, 1)
    np.testing.assert_allclose(traffic.ages, (0.5, 0.4, 0.4, 0.45, -1.0), atol=1e-6)
    assert (traffic.message.width, traffic.message.height) == (64, 48)


def test_messages_without_a_header_are_counted_without_stamps() -> None:
    traffic = Traffic("std_msgs/msg/String")
    traffic.take(serialize_message(String(data="hello")), NOW)
    assert (traffic.count, traffic.stamped, traffic.rate) == (1, 0, 0.0)
    assert traffic.message.data == "hello"


@pytest.mark.parametrize(
    ("qos", "reliability", "durability"),
    [
        ([RELIABLE, BEST_EFFORT], ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
        ([LATCHED_QOS], ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
        ([LATCHED_QOS, RELIABLE], ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    ],
)
def test_subscription_qos_matches_all_publishers(
    qos: list[QoSProfile], reliability: Any, durability: Any
) -> None:
    sources = [endpoint("/a", IMAGE, f"/n{i}", "publisher", q) for i, q in enumerate(qos)]
    found = hearing_qos(sources)
    assert (found.reliability, found.durability) == (reliability, durability)


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        ((NOW - 9000.0, NOW - 8999.9), "of another time, 2 hours ago"),
        ((NOW - 0.1, NOW - 0.1), "1 of 2 stamps are those of the image before"),
        ((NOW - 0.5, NOW - 0.4), "images are 0.45 s old when they come"),
        ((NOW + 0.1, NOW + 0.2), "the stamps are 0.15 s in the future"),
        ((NOW - 0.2, NOW - 0.1), "their stamps in order"),
    ],
)
def test_impossible_stamps_are_reported(stamps: tuple[float, ...], words: str) -> None:
    seen = camera(traffic={"/image": images(*stamps)})
    assert any(words in finding.message for finding in doctor.check_images(seen))


@pytest.mark.parametrize(("period", "is_slow"), [(0.25, True), (0.125, False)])
def test_images_that_are_too_slow_for_gestures_are_a_warning(
    period: float, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = iter(period * i for i in range(100))
    monkeypatch.setattr("pose_ros.ros.graph.time", SimpleNamespace(monotonic=arrivals.__next__))
    stamps = [NOW - 0.2 + 0.01 * i for i in range(5)]
    seen = camera(traffic={"/image": images(*stamps)})
    assert not [f for f in doctor.check_images(seen) if "too few for gestures" in f.message]
    gesture = endpoint("/pose/poses", POSES, "/gesture", "subscriber")
    state = endpoint("/gesture/gestures", GESTURES, "/gesture", "publisher")
    seen = replace(seen, endpoints=[*seen.endpoints, gesture, state])
    assert seen.gesture_nodes == ["/gesture"]
    slow = [f for f in doctor.check_images(seen) if "too few for gestures" in f.message]
    assert [f.severity for f in slow] == (["warning"] if is_slow else [])


def test_finding_for_compressed_images_names_the_parameter() -> None:
    found = [
        endpoint("/image/compressed", COMPRESSED, "/driver", "publisher"),
        endpoint("/image", IMAGE, "/pose", "subscriber"),
        endpoint("/pose/poses", POSES, "/pose", "publisher"),
    ]
    (finding,) = doctor.check_images(Observation(endpoints=found))
    assert "set image_transport to compressed" in finding.cure


def test_rectified_images_without_a_projection_have_no_meters() -> None:
    info = camera_info_to_msg(
        Calibration(Camera.from_hfov(64, 48, 60.0)), header_to_msg(NOW, "camera")
    )
    info.p = np.zeros(12)
    traffic = Traffic(CAMERA_INFO)
    traffic.take(serialize_message(info), NOW)
    seen = camera(
        "/image_rect", traffic={"/camera_info": traffic, "/image_rect": images(NOW - 0.1)}
    )
    (finding,) = doctor.check_camera_info(seen)
    assert (finding.severity, finding.subject) == ("warning", "/camera_info")
    assert "people have no meters" in finding.message


def test_network_on_a_cpu_beside_a_gpu_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [KeyValue(key="provider", value="cpu"), KeyValue(key="network", value="blazepose")]
    seen = camera(health={"/pose": DiagnosticStatus(values=values)})
    monkeypatch.setattr(doctor, "_GPU_DEVICES", (str(tmp_path / "none"),))
    assert [f.severity for f in doctor.check_providers(seen)] == ["ok"]
    monkeypatch.setattr(doctor, "_GPU_DEVICES", (str(tmp_path),))
    (finding,) = doctor.check_providers(seen)
    assert "a GPU is there" in finding.message
    assert "onnxruntime-gpu" in finding.cure


def test_stopped_clock_and_nodes_that_do_not_use_it_are_reported() -> None:
    clock = endpoint("/clock", "rosgraph_msgs/msg/Clock", "/player", "publisher")
    seen = Observation(endpoints=[clock], sim_time={"/pose": True, "/driver": False, "/old": None})
    still, mixed = doctor.check_clock(seen)
    assert (still.severity, "stands still" in still.message) == ("error", True)
    assert mixed.message.startswith("/driver do not use sim time, and /player publishes /clock")


@pytest.fixture
def alone() -> Iterator[SingleThreadedExecutor]:
    """An executor in a graph without a node."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    yield executor
    executor.shutdown()
    rclpy.shutdown()


def test_doctor_waits_for_nodes_that_start_late(
    alone: SingleThreadedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_ros.ros.doctor.DISCOVERY_SECONDS", 0.2)
    observer = GraphDoctor(alone)
    assert not observer.observe(0.1, wait=0.0).nodes
    late: list[Any] = []

    def start() -> None:
        timer.cancel()
        late.append(rclpy.create_node("late"))

    timer = observer.node.create_timer(0.5, start)
    seen = observer.observe(0.1, wait=WAIT_SECONDS)
    timer.destroy()
    assert seen.nodes == ["/late"]
    observer.close()
    late[0].destroy_node()


def test_connected_frames_are_found_connected(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pose_ros.ros.doctor.ANSWER_SECONDS", WAIT_SECONDS)
    mounting = TransformStamped(child_frame_id="camera_optical_frame")
    mounting.header.frame_id = "base_link"
    publisher = ros.node.create_publisher(TFMessage, "/tf_static", LATCHED_QOS)
    publisher.publish(TFMessage(transforms=[mounting]))
    infos = ros.node.create_publisher(CameraInfo, "camera_info", 1)
    ros.node.create_publisher(Image, "image", 1)
    header = header_to_msg(NOW, "camera_optical_frame")
    ros.node.create_timer(0.1, lambda: infos.publish(CameraInfo(header=header)))
    observer = GraphDoctor(ros.executor, ("base_link", "camera_optical_frame"))
    seen = observer.observe(0.5, wait=WAIT_SECONDS)
    observer.close()
    (finding,) = doctor.check_frames(seen)
    assert finding.severity == "ok", finding.line()
    assert seen.sim_time == {"/test": False}
    assert list(seen.nodes) == ["/test"]
