"""Images of other packages' drivers: reliability, losses, and faults of a stream."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pose_ros.errors import OptionError
from pose_ros.msg import PoseArray
from pose_ros.ros.messages import header_to_msg, image_to_msg
from pose_ros.ros.middleware import PROFILE_VARIABLES
from pose_ros.ros.neighbors import missing_images
from pose_ros.ros.pose_node import PoseNode

pytestmark = pytest.mark.slow

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
PROCESS_SECONDS = 120.0
RANDOM = np.random.default_rng(1)

Make = Callable[..., PoseNode]


def image(stamp: float, frame_id: str = "camera", shape: tuple[int, int] = (48, 64)) -> Image:
    """Return an image with noise, as a camera's."""
    picture = RANDOM.integers(80, 90, (*shape, 3), np.uint8)
    return image_to_msg(picture, "bgr", header_to_msg(stamp, frame_id))


@pytest.fixture
def make(ros: Any, fake: Any) -> Make:
    def made(name: str = "", **parameters: Any) -> PoseNode:
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        arguments = ["--ros-args", "-r", f"__ns:=/{name}"] if name else []
        node: PoseNode = ros.add(
            PoseNode(
                make_estimator=lambda _parameters: fake,
                parameter_overrides=overrides,
                cli_args=arguments,
            )
        )
        assert node.autostart()
        return node

    return made


def publisher(ros: Any, node: PoseNode, reliability: Any = RELIABLE, topic: str = "image") -> Any:
    """Return a publisher that a pose node hears."""
    qos = QoSProfile(depth=10, reliability=reliability)
    made = ros.node.create_publisher(Image, topic, qos)
    assert ros.spin_until(lambda: made.get_subscription_count() and heard(node, reliability))
    return made


def heard(node: PoseNode, reliability: Any) -> bool:
    images = node.images
    return images is not None and images.reliable == (reliability == RELIABLE)


def show(ros: Any, node: PoseNode, send: Any, images: list[Image]) -> None:
    """Publish images, each after something has come of the one before."""
    health = node.health
    for msg in images:
        before = health.done_total + health.refused_total + health.repeated_total
        send.publish(msg)
        assert ros.spin_until(
            lambda n=before: health.done_total + health.refused_total + health.repeated_total > n
        )


@pytest.fixture
def driver(checkout: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a driver of another package: a process with Fast DDS as it comes."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        # as a script: with -m it would import the package of the checkout, which has no messages
        command = [sys.executable, str(checkout / "tools" / "driver_images.py"), *arguments]
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_every_image_of_a_reliable_driver_arrives(ros: Any, make: Make, driver: Any) -> None:
    node = make()
    # the node keeps the newest image alone: the driver waits until it is done with one
    process = driver("--size=640x480", "--count=30", "--in-step=pose/poses")
    assert ros.spin_until(lambda: process.poll() is not None, PROCESS_SECONDS)
    assert process.returncode == 0
    health = node.health
    assert (health.arrived_total, health.done_total, health.dropped_total) == (30, 30, 0)
    assert node.images is not None
    assert node.images.losses.lost_total == 0


def test_losses_of_a_best_effort_driver_are_counted_and_logged_with_a_fix(
    ros: Any, make: Make, driver: Any, log: Any
) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make()
    # a hundred fragments; the shared memory of Fast DDS holds eight; few or none arrive
    driver("--size=1920x1080", "--count=0", "--offer=best_effort")
    some = "of the images of /image are lost on the way: let its driver publish reliable, or start"
    all_ = "nothing arrives of /image, which /driver publishes best effort"
    for holder in (lambda: [m.status[0].message for m in health], lambda: [log.text]):
        said = lambda get=holder: any(some in text or all_ in text for text in get())  # noqa: E731
        assert ros.spin_until(said, PROCESS_SECONDS)
    images = node.images
    assert images is not None
    assert not images.reliable
    assert images.losses.lost_total or all_ in log
    assert log.count(some) <= 1
    assert log.count(all_) <= 1
    assert "fastdds.xml" in log


def test_losses_of_an_ended_driver_are_kept_until_the_next_one_starts(ros: Any, make: Make) -> None:
    node = make()
    first = publisher(ros, node, BEST_EFFORT)
    images = node.images
    assert images is not None
    for number in range(0, 60, 2):
        images.losses.take(100.0 + number, number)
    words = "49% of the images of /image are lost on the way: let its driver publish reliable"
    assert words in images.trouble()
    ros.node.destroy_publisher(first)
    assert ros.spin_until(lambda: not images.publishers)
    assert words in images.trouble()
    publisher(ros, node, RELIABLE)
    assert images.trouble() == ""
    assert images.losses.lost_total == 29


def test_subscription_adapts_its_qos_to_the_publishers(ros: Any, make: Make) -> None:
    node = make()
    first = publisher(ros, node, RELIABLE)
    show(ros, node, first, [image(100.0), image(100.1)])
    # with a best-effort publisher besides, both are heard
    second = publisher(ros, node, BEST_EFFORT)
    show(ros, node, second, [image(100.2)])
    show(ros, node, first, [image(100.3)])
    ros.node.destroy_publisher(second)
    assert ros.spin_until(lambda: heard(node, RELIABLE))
    ros.node.destroy_publisher(first)
    assert ros.spin_until(lambda: node.images is not None and not node.images.publishers)
    third = publisher(ros, node, BEST_EFFORT)
    show(ros, node, third, [image(100.4)])
    assert dict(node.report().values)["subscription"] == "best effort, from /test"
    assert node.health.done_total == 5


@pytest.mark.parametrize("forced", [RELIABLE, BEST_EFFORT])
def test_qos_overrides_force_the_reliability(ros: Any, make: Make, forced: Any, log: Any) -> None:
    other = {RELIABLE: BEST_EFFORT, BEST_EFFORT: RELIABLE}[forced]
    name = "qos_overrides./image.subscription.reliability"
    node = make(**{name: forced.name.lower()})
    qos = QoSProfile(depth=10, reliability=other)
    made = ros.node.create_publisher(Image, "image", qos)
    images = node.images
    assert images is not None
    assert ros.spin_until(lambda: images.publishers)
    assert heard(node, forced)
    if forced == RELIABLE:
        words = "nothing arrives; leave that override out"
        assert ros.spin_until(lambda: words in log)
        ros.spin_for(1.5)
        assert log.count(words) == 1
    else:
        assert ros.spin_until(made.get_subscription_count)
        show(ros, node, made, [image(100.0)])


def test_invalid_qos_override_gives_a_one_line_error(ros: Any, fake: Any, capfd: Any) -> None:
    name = "qos_overrides./image.subscription.reliability"
    override = Parameter(name, value="surely")
    node = ros.add(PoseNode(make_estimator=lambda _p: fake, parameter_overrides=[override]))
    assert not node.autostart()
    said = capfd.readouterr().err
    assert "must be one of best_available, system_default, reliable, best_effort" in said
    assert "Traceback" not in said
    assert OptionError.__name__ not in said


def test_frozen_camera_gives_no_poses_and_is_logged_once(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make()
    poses = ros.collect(PoseArray, "pose/poses")
    send = publisher(ros, node)
    last = image(100.0)
    show(ros, node, send, [image(99.0), last])
    shown = 0

    def reported() -> bool:
        nonlocal shown
        shown += 1
        last.header.stamp.nanosec = shown * 10_000_000 % 10**9
        last.header.stamp.sec = 100 + shown // 100
        show(ros, node, send, [last])
        return any("camera or its driver is frozen" in m.status[0].message for m in health)

    assert ros.spin_until(lambda: reported() and shown >= 30)
    assert fake.stamps == [99.0, 100.0]
    assert node.health.repeated_total == shown
    assert capfd.readouterr().err.count("is frozen, and no poses are sent") == 1
    show(ros, node, send, [image(1e6)])
    assert ros.spin_until(lambda: len(poses) == 3)


def test_repeated_images_give_poses_where_they_are_allowed(ros: Any, make: Make, fake: Any) -> None:
    node = make(allow_still_images=True)
    send = publisher(ros, node)
    still = [image(100.0) for _ in range(3)]
    for number, msg in enumerate(still):
        msg.data = still[0].data
        msg.header.stamp.nanosec = number * 100_000_000
    show(ros, node, send, still)
    assert len(fake.stamps) == 3


def test_images_of_two_cameras_on_one_topic_are_never_mixed(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make()
    send = publisher(ros, node)
    frames = ["left", "right"] * 5
    show(ros, node, send, [image(100.0 + 0.1 * n, name) for n, name in enumerate(frames)])
    assert fake.stamps == pytest.approx([100.0, 100.2, 100.4, 100.6, 100.8])
    said = capfd.readouterr().err
    assert said.count("two cameras need a topic and a pose node each") == 1
    assert "'right', and images of 'left' come on the same topic" in said


@pytest.mark.parametrize("stamps", [[100.0] * 6, [100.0, 100.0, 100.1, 100.1, 100.2, 100.2]])
def test_stamps_that_stand_still_or_repeat_are_logged_once(
    ros: Any, make: Make, fake: Any, capfd: Any, stamps: list[float]
) -> None:
    node = make()
    send = publisher(ros, node)
    show(ros, node, send, [image(stamp) for stamp in stamps])
    assert fake.stamps == sorted(set(stamps))
    assert capfd.readouterr().err.count("its stamp is that of the image before it") == 1


def test_flood_of_images_is_logged(ros: Any, make: Make, fake: Any, capfd: Any) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make(name="flood")
    send = publisher(ros, node, topic="/flood/image")
    slow = threading.Event()
    fake.act = lambda: slow.wait(0.1) and None
    stamps = iter(np.arange(100.0, 1000.0, 0.002))

    def flooded() -> bool:
        for _ in range(2):
            send.publish(image(next(stamps)))
            ros.executor.spin_once(timeout_sec=0.0)
        return any("lower the driver's rate" in m.status[0].message for m in health)

    assert ros.spin_until(flooded)
    assert node.health.dropped_total > node.health.done_total


def test_images_of_any_size_follow_each_other(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    send = publisher(ros, node)
    shapes = [(48, 64), (1, 1), (1, 200), (200, 1), (3, 5), (480, 640), (2, 2)]
    show(ros, node, send, [image(100.0 + n, "camera", shape) for n, shape in enumerate(shapes)])
    assert [seen.shape[:2] for seen in fake.images] == shapes
    assert node.health.refused_total == 0


@pytest.mark.parametrize(
    ("kind", "topic", "words"),
    [
        (CompressedImage, "image/compressed", "set image_transport:=compressed"),
        (Image, "image/theora", "/image/theora is there, which is not read"),
        (Image, "front/image_raw", "remap image to it (-r image:=/front/image_raw)"),
    ],
)
def test_log_names_the_topic_that_has_images_when_ours_has_none(
    ros: Any, make: Make, capfd: Any, kind: type, topic: str, words: str
) -> None:
    ros.node.create_publisher(kind, topic, 10)
    node = make()
    health = ros.collect(DiagnosticArray, "/diagnostics")
    assert ros.spin_until(lambda: any(words in m.status[0].message for m in health))
    ros.spin_for(1.2)
    assert capfd.readouterr().err.count(words) == 1
    assert node.state == "active"


def test_new_publisher_is_not_reported_as_missing(ros: Any) -> None:
    other = rclpy.create_node("camera_driver")
    for topic in ("/front/depth", "/front/image"):
        other.create_publisher(Image, topic, 10)
    assert ros.spin_until(lambda: ros.node.count_publishers("/front/image"))
    assert "images are on /front/depth, /front/image" in missing_images(ros.node, "/image")
    assert missing_images(ros.node, "/front/image") == ""
    other.destroy_node()


def test_topic_of_another_type_is_named_in_the_log(ros: Any, make: Make, log: Any) -> None:
    # as of another process: one process knows a topic by one type alone
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=int(os.environ["ROS_DOMAIN_ID"]))
    other = rclpy.create_node("other", context=context)
    other.create_publisher(CompressedImage, "image", 10)
    make()
    words = "/image is published as sensor_msgs/msg/CompressedImage"
    assert ros.spin_until(lambda: words in log)
    ros.spin_for(1.5)
    other.destroy_node()
    rclpy.shutdown(context=context)
    assert log.count(words) == 1


def test_frame_id_with_a_slash_is_logged_once_and_frames_omit_it(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make()
    poses = ros.collect(PoseArray, "pose/poses")
    send = publisher(ros, node)
    show(ros, node, send, [image(100.0, "/camera"), image(100.1, "/camera")])
    assert ros.spin_until(lambda: len(poses) == 2)
    assert poses[0].header.frame_id == "/camera"
    assert capfd.readouterr().err.count("begins with a slash") == 1


@pytest.mark.parametrize(
    ("field", "words"),
    [("k", "the camera is not calibrated (K is zero)"), ("p", "P is zero")],
)
def test_camera_infos_with_zeros_are_logged_in_one_line(
    ros: Any, make: Make, log: Any, field: str, words: str
) -> None:
    make(image_kind="rectified")
    infos = ros.node.create_publisher(CameraInfo, "camera_info", 10)
    assert ros.spin_until(infos.get_subscription_count)
    msg = CameraInfo(width=64, height=48)
    msg.k = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
    msg.p = [60.0, 0.0, 32.0, 0.0, 0.0, 60.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    setattr(msg, field, np.zeros_like(getattr(msg, field)))
    assert ros.spin_until(lambda: infos.publish(msg) or words in log)
    for _ in range(3):
        infos.publish(msg)
        ros.spin_for(0.1)
    assert log.count(words) == 1
    assert "Traceback" not in log


def test_two_pose_nodes_with_the_same_frame_names_are_logged_once(
    ros: Any, make: Make, log: Any
) -> None:
    make("left")
    make("right", id_prefix="q")
    make("back")
    words = "/back/pose sends body_p0 on /tf as this node does"
    others = "/left/pose sends body_p0 on /tf as this node does"
    health = ros.collect(DiagnosticArray, "/diagnostics")
    assert ros.spin_until(lambda: any(words in m.status[0].message for m in health))
    assert ros.spin_until(lambda: words in log and others in log)
    ros.spin_for(2.2)
    assert (log.count(words), log.count(others)) == (1, 1)
    assert "/right/pose sends" not in log
    assert "body_q0" not in log


def test_two_nodes_of_one_name_are_logged_only_if_both_stay(
    ros: Any, make: Make, log: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pose_ros.ros.neighbors.GONE_SECONDS", 0.0)
    make("twins")
    make("twins")
    words = "nodes are called /twins/pose: give each its own name or namespace"
    assert ros.spin_until(lambda: words in log)
