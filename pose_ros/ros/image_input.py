"""Where the pose node's images come from: a topic, another node's memory, or its own source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_ros.bags.images import BagImages
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.protocols import Source
from pose_ros.core.types import Channels, Frame, Image
from pose_ros.errors import ImageError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_compressed, image_from_msg
from pose_ros.ros.capture import CaptureEvents, CaptureThread
from pose_ros.ros.driver_subscription import DriverSubscription
from pose_ros.ros.messages import header_to_msg, read_image
from pose_ros.ros.node import ManagedNode
from pose_ros.settings.nodes import PoseParameters


class PendingImage(NamedTuple):
    """An image on its way to the worker, which decodes it: a dropped one never is."""

    header: Any
    decode: Callable[[], tuple[Image, Channels]]


@dataclass(frozen=True)
class InputEvents:
    """What an input tells its node, from whatever thread.

    Attributes:
        picture: An image.
        refused: What came is no image.
        ended: The source has no more; why, in words.
        failed: The source broke, or there is a defect.
    """

    picture: Callable[[PendingImage], None]
    refused: Callable[[ImageError], None]
    ended: Callable[[str], None]
    failed: Callable[[Exception], None]


def picture_of(header: Any, frame: Frame) -> PendingImage:
    """Return a frame in memory as what the worker takes."""
    return PendingImage(header, lambda: (frame.image, frame.channels))


def subscribe_images(node: ManagedNode[PoseParameters], events: InputEvents) -> DriverSubscription:
    """Take images from the topic.

    Raises:
        OptionError: The subscription's QoS override is none.
    """
    topic = node.resolve_topic_name("image")
    compressed = node.parameters.image_transport == "compressed"
    if compressed:
        topic += "/compressed"  # of the topic as it was remapped, as image_transport does

    max_pixels = max_pixels_from(node.parameters.images.max_megapixels)

    def take_compressed(msg: Any) -> float:
        events.picture(PendingImage(msg.header, partial(image_from_compressed, msg, max_pixels)))
        return stamp_from_msg(msg.header.stamp)

    def take_serialized(message: bytes) -> float:
        try:
            msg = read_image(message)
        except ImageError as error:
            events.refused(error)
            return math.nan
        events.picture(PendingImage(msg.header, partial(image_from_msg, msg, max_pixels)))
        return stamp_from_msg(msg.header.stamp)

    node.get_logger().info(f"images from {topic}")
    return DriverSubscription(
        node,
        CompressedImage if compressed else ImageMsg,
        topic,
        take_compressed if compressed else take_serialized,
        # rclpy would copy the pixels into an array of its own: a sixth of the cost of a message
        raw=not compressed,
    )


def is_bag_source(source: Source) -> bool:
    """Return whether a recording's stamps are those under which other things were recorded."""
    return isinstance(source, BagImages)


def say_rewind(node: ManagedNode[Any], source: Source) -> None:
    """Say that the clock went back while a recording plays."""
    node.get_logger().warning(f"the clock went back: {source.name} plays on from there")


def check_clock(node: ManagedNode[Any], source: Source) -> None:
    """Warn of a camera's images among nodes whose time is a simulation's or a bag's."""
    if source.live and node.simulated:
        node.get_logger().warning(
            f"use_sim_time is set, and the images of {source.name} carry the system's time all "
            "the same: leave use_sim_time out for whoever captures"
        )


def start_capture(
    node: ManagedNode[PoseParameters],
    source: Source,
    events: InputEvents,
) -> CaptureThread:
    """Capture from the node's own source.

    Args:
        node: For its parameters and its log.
        source: It is closed with the capture.
        events: What to call.
    """

    def take(frame: Frame, stamp: float) -> None:
        events.picture(picture_of(header_to_msg(stamp, node.parameters.frame_id), frame))

    captured = CaptureEvents(
        frame=take,
        ended=lambda: events.ended(f"{source.name} has ended"),
        broke=events.failed,
        behind=lambda: node.get_logger().warning(
            f"{source.name} cannot be read as fast as it was recorded; it plays slower"
        ),
        rewound=lambda: say_rewind(node, source),
    )
    node.get_logger().info(f"images from {source.name}")
    check_clock(node, source)
    return CaptureThread(
        source,
        captured,
        0.0,
        node.now,
        simulated=lambda: node.simulated,
        keep_stamps=is_bag_source(source),
    )
