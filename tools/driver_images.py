"""A camera driver of another package, with its middleware as it comes, and how much of it arrives.

python -m tools.driver_images --size 640x480 --subscribe reliable best_effort
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

_FIND_SECONDS = 20.0
_SETTLE_SECONDS = 1.5  # a subscription that has to be made again needs a moment


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--size", default="640x480", help="of the images (640x480)")
    made.add_argument("--count", type=int, default=60, help="images (60)")
    made.add_argument("--rate", type=float, default=10.0, help="images a second (10)")
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
    end = time.monotonic() + _FIND_SECONDS
    while not images.get_subscription_count() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(_SETTLE_SECONDS)
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    msg = Image(width=width, height=height, encoding="bgr8", step=3 * width)
    msg.header.frame_id = "camera"
    for _ in range(options.count):
        noise += 1
        msg.header.stamp = node.get_clock().now().to_msg()
        del msg.data[:]
        msg.data.frombytes(noise.tobytes())
        images.publish(msg)
        time.sleep(1.0 / options.rate)
    time.sleep(1.0)  # what was lost is sent again


def count(kind: str, arguments: list[str]) -> int:
    """Return how many images of a driver in another process arrive."""
    node = rclpy.create_node("counter")
    came: list[bytes] = []
    node.create_subscription(Image, "image", came.append, _qos(1, kind), raw=True)
    driver = subprocess.Popen([sys.executable, "-m", "tools.driver_images", *arguments])
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
