"""A camera driver of another package, with its middleware as it comes, and how much of it arrives.

python tools/driver_images.py --size 640x480 --subscribe reliable best_effort
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

_FIND_SECONDS = 60.0
_ANSWER_SECONDS = 60.0
_SETTLE_SECONDS = 1.5  # a subscription that has to be made again needs a moment


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--size", default="640x480", help="of the images (640x480)")
    made.add_argument("--count", type=int, default=60, help="images (60); 0: until it is ended")
    made.add_argument("--rate", type=float, default=10.0, help="images a second (10)")
    made.add_argument(
        "--in-step",
        metavar="TOPIC",
        help="publish an image when a PoseArray of the one before has come on this topic",
    )
    made.add_argument("--offer", choices=("reliable", "best_effort"), default="reliable")
    made.add_argument(
        "--subscribe",
        nargs="*",
        choices=("reliable", "best_effort"),
        help="count what arrives at such subscriptions, one after the other; none: only publish",
    )
    return made


def _qos(depth: int, kind: str) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[kind.upper()])


def publish(options: argparse.Namespace) -> None:
    """Publish noise on ``image``, once it has a subscriber."""
    width, height = map(int, options.size.split("x"))
    node = rclpy.create_node("driver")
    images = node.create_publisher(Image, "image", _qos(10, options.offer))
    answers: list[bytes] = []
    if options.in_step:
        from pose_ros.msg import PoseArray

        node.create_subscription(PoseArray, options.in_step, answers.append, 10, raw=True)

    def found() -> bool:
        answered = not options.in_step or node.count_publishers(options.in_step)
        return bool(images.get_subscription_count() and answered)

    end = time.monotonic() + _FIND_SECONDS
    while not found() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(_SETTLE_SECONDS)
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    msg = Image(width=width, height=height, encoding="bgr8", step=3 * width)
    msg.header.frame_id = "camera"
    for _ in range(options.count) if options.count else itertools.count():
        noise += 1
        msg.header.stamp = node.get_clock().now().to_msg()
        del msg.data[:]
        msg.data.frombytes(noise.tobytes())
        images.publish(msg)
        if options.in_step:
            _wait_for(node, answers)
        else:
            time.sleep(1.0 / options.rate)
    time.sleep(1.0)  # what was lost is sent again


def _wait_for(node: Node, answers: list[bytes]) -> None:
    end = time.monotonic() + _ANSWER_SECONDS
    while not answers and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    if not answers:
        sys.exit("no answer to an image")
    answers.clear()


def count(kind: str, arguments: list[str]) -> int:
    """Return how many images of a driver in another process arrive."""
    node = rclpy.create_node("counter")
    came: list[bytes] = []
    node.create_subscription(Image, "image", came.append, _qos(1, kind), raw=True)
    driver = subprocess.Popen([sys.executable, __file__, *arguments])
    while driver.poll() is None:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    return len(came)


def main() -> None:
    """Publish, or measure."""
    options = parser().parse_args()
    rclpy.init()
    if options.subscribe is None:
        publish(options)
    else:
        arguments = [f"--size={options.size}", f"--count={options.count}"]
        arguments += [f"--rate={options.rate}", f"--offer={options.offer}"]
        for kind in options.subscribe:
            came = count(kind, arguments)
            print(f"{options.size} at {options.rate:g} Hz, {kind}: {came} of {options.count}")
    rclpy.shutdown()


if __name__ == "__main__":
    main()
