"""Four thousand mutated messages of all that the pose node takes: it lives, and works on.

The gesture node's two thousand are in ``test_gesture_safety``.
"""

from __future__ import annotations

import random
import time
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pose_ros.msg import PoseArray
from pose_ros.ros.messages import header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode
from tools.mutation import mutated

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 32, 24


def picture(number: int) -> Any:
    return np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def image(number: int, stamp: float) -> Image:
    return image_to_msg(picture(number), "bgr", header_to_msg(stamp, "camera"))


def compressed(number: int, stamp: float) -> CompressedImage:
    kind = ("jpeg", "png", "webp")[number % 3]
    data = cv2.imencode(f".{kind}", picture(number))[1].tobytes()
    return CompressedImage(header=header_to_msg(stamp, "camera"), format=kind, data=data)


def camera_info(stamp: float) -> CameraInfo:
    return CameraInfo(
        header=header_to_msg(stamp, "camera"),
        width=WIDTH,
        height=HEIGHT,
        distortion_model="plumb_bob",
        d=[0.1, -0.2, 0.0, 0.0, 0.0],
        k=[30.0, 0.0, 16.0, 0.0, 30.0, 12.0, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[30.0, 0.0, 16.0, 0.0, 0.0, 30.0, 12.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def depth(number: int, stamp: float) -> Image:
    encoding, kind = (("16UC1", np.uint16), ("32FC1", np.float32))[number % 2]
    return Image(
        header=header_to_msg(stamp, "camera"),
        width=WIDTH,
        height=HEIGHT,
        encoding=encoding,
        step=WIDTH * np.dtype(kind).itemsize,
        data=np.full((HEIGHT, WIDTH), 2, kind).tobytes(),
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that no camera gives
@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_mutated_messages_end_no_pose_node(transport: str, ros: Any, fake: Any) -> None:
    draw = random.Random(5)
    overrides = [Parameter("use_depth", value=True)]
    if transport == "compressed":
        overrides = [Parameter("image_transport", value="compressed")]
    node = ros.add(PoseNode(make_estimator=lambda _: fake, parameter_overrides=overrides))
    poses = ros.collect(PoseArray, "pose/poses", 1000)
    make = ros.node.create_publisher
    topic, kind, new = ("image", Image, image) if transport == "raw" else (
        "image/compressed", CompressedImage, compressed
    )  # fmt: skip
    images, infos = make(kind, topic, 10), make(CameraInfo, "camera_info", 10)
    depths = make(Image, "depth", 10)
    assert node.autostart()
    wanted = [images, infos, *([depths] if transport == "raw" else [])]
    for publisher in wanted:
        assert ros.spin_until(publisher.get_subscription_count)
    for i in range(2000):
        stamp = time.time()
        publisher, message = draw.choice(
            [(images, new(i, stamp)), (images, new(i, stamp)), (infos, camera_info(stamp))]
            + ([(depths, depth(i, stamp))] if transport == "raw" else [])
        )
        publisher.publish(mutated(serialize_message(message), draw))
        if i % 4 == 0:
            ros.spin_for(0.001)
    ros.spin_for(0.2)
    assert node.state == "active"
    assert len(fake.stamps) > 100, "they do not get through"
    # and it is as ready as before
    found, numbers = len(poses), iter(range(10_000, 20_000))

    def works() -> bool:
        infos.publish(camera_info(time.time()))
        images.publish(new(next(numbers), time.time()))
        return len(poses) > found + 3

    assert ros.spin_until(works)


def test_mutated_clock_ends_no_node(ros: Any, fake: Any) -> None:
    draw = random.Random(6)
    overrides = [Parameter("use_sim_time", value=True)]
    node = ros.add(PoseNode(make_estimator=lambda _: fake, parameter_overrides=overrides))
    clock = ros.node.create_publisher(Clock, "/clock", 10)
    assert node.autostart()
    assert ros.spin_until(clock.get_subscription_count)
    for i in range(300):
        message = Clock(clock=header_to_msg(100.0 + 0.1 * i, "").stamp)
        clock.publish(mutated(serialize_message(message), draw))
        ros.spin_for(0.001)
    assert node.state == "active"
