"""pose_node: images in, people out; one worker, the newest image wins."""

from __future__ import annotations

import dataclasses
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from rclpy.lifecycle import LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from pose_ros.core.protocols import Estimator, HandEstimator
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, Frame
from pose_ros.core.types import Image as ImageArray
from pose_ros.errors import ImageError, PoseRosError
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.networks.body_hands import hand_joints
from pose_ros.ros.capture import Capture, CaptureEvents
from pose_ros.ros.cdr import read_image
from pose_ros.ros.conversions import (
    header_to_msg,
    poses_to_msg,
    skeleton_to_msg,
    stamp_from_msg,
)
from pose_ros.ros.diagnostics import Report, StreamHealth
from pose_ros.ros.estimators import estimator_from, hands_from, options_from
from pose_ros.ros.images import image_from_compressed, image_from_msg, image_to_msg
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.params import PoseParameters
from pose_ros.ros.worker import Worker
from pose_ros.sources import open_source
from pose_ros.viz.overlay import draw, parse_parts

IMAGE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RESULT_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
WARN_EVERY_SECONDS = 5.0

MakeEstimator = Callable[[PoseParameters], Estimator]
MakeHands = Callable[[PoseParameters], HandEstimator]
Network = TypeVar("Network", Estimator, HandEstimator)
Subscribe = Callable[[Callable[[Any, Frame], None]], Callable[[], None]]


class Picture(NamedTuple):
    """An image on its way to the worker, which decodes it: a dropped one never is."""

    header: Any
    decode: Callable[[], tuple[ImageArray, Channels]]


@dataclass(frozen=True)
class HandOutfit:
    """What a node that finds hands holds besides."""

    estimator: HandEstimator
    poses: LifecyclePublisher
    skeleton: LifecyclePublisher


@dataclass(frozen=True)
class Outfit:
    """What a configured node holds."""

    estimator: Estimator
    poses: LifecyclePublisher
    skeleton: LifecyclePublisher
    overlay: LifecyclePublisher
    hands: HandOutfit | None


class PoseNode(ManagedNode[PoseParameters]):
    """Publishes the people of each image, and their hands, with the image's own header.

    An image without a stamp is refused, as nothing could be made of the result
    over time; one without a frame_id is taken, and warned about once.
    """

    def __init__(
        self,
        *,
        make_estimator: MakeEstimator | None = None,
        make_hands: MakeHands | None = None,
        subscribe: Subscribe | None = None,
        **options: Any,
    ) -> None:
        """Declare the parameters.

        Args:
            make_estimator: Makes what finds the people; the network of the
                parameters when None.
            make_hands: Makes what finds their hands, when they are asked for.
            subscribe: Gives frames in memory, as ``CameraNode.subscribe``, in
                place of the image topic.
            options: Of rclpy's node.
        """
        super().__init__("pose", PoseParameters, **options)
        self._make_estimator = make_estimator or estimator_from
        self._make_hands = make_hands or hands_from
        self._subscribe = subscribe
        self._health = StreamHealth()
        self._outfit: Outfit | None = None
        self._worker: Worker[Picture] | None = None
        self._end_input: Callable[[], Any] | None = None
        self._told_skeleton: Skeleton | None = None
        self._told_frame_id = False

    def acquire(self) -> None:
        """Load the network and make the publishers."""
        estimator = self._load(self._make_estimator)
        hands = None
        if self.parameters.hands:
            hand_joints(estimator.skeleton)
            hands = HandOutfit(
                self._load(self._make_hands),
                poses=self.make_publisher(PoseArray, "~/hands", RESULT_QOS),
                skeleton=self.make_publisher(SkeletonMsg, "~/hands/skeleton", LATCHED_QOS),
            )
        self._outfit = Outfit(
            estimator,
            poses=self.make_publisher(PoseArray, "~/poses", RESULT_QOS),
            skeleton=self.make_publisher(SkeletonMsg, "~/skeleton", LATCHED_QOS),
            overlay=self.make_publisher(Image, "~/overlay", RESULT_QOS),
            hands=hands,
        )

    def _load(self, make: Callable[[PoseParameters], Network]) -> Network:
        began = time.monotonic()
        network = make(self.parameters)
        self.get_logger().info(
            f"{network.network} on {network.provider}, loaded in {time.monotonic() - began:.1f} s"
        )
        return network

    def start(self) -> None:
        """Start the worker, then let images in."""
        outfit = self.outfit
        outfit.estimator.reset()
        outfit.estimator.options = options_from(self.parameters)
        self._told_skeleton = None
        self._told_frame_id = False
        self._tell_skeleton(outfit)
        if outfit.hands:
            outfit.hands.estimator.reset()
            outfit.hands.skeleton.publish(skeleton_to_msg(outfit.hands.estimator.skeleton))
        self._health.restart()
        self._worker = Worker(partial(self._work, outfit), self._failed, "pose")
        if self._subscribe is not None:
            self._end_input = self._subscribe(self._take_frame)
        elif self.parameters.source:
            self._end_input = self._start_capture(self.parameters.source)
        else:
            self._end_input = self._start_subscription()

    def stop(self) -> None:
        """Let no more images in, and wait for the one in work."""
        if self._end_input is not None:
            self._end_input()
            self._end_input = None
        if self._worker is not None:
            if not self._worker.stop():
                self.get_logger().error("the network does not end; it is left behind")
            self._worker = None

    def release(self) -> None:
        """Free the network."""
        self._outfit = None

    @property
    def outfit(self) -> Outfit:
        """What the node holds while it is configured.

        Raises:
            RuntimeError: It is not configured.
        """
        if self._outfit is None:
            raise RuntimeError("the node is not configured")
        return self._outfit

    def report(self) -> Report:
        """Return rates, drops, latency, and what runs the network."""
        report, estimator = self._health.report(), self.outfit.estimator
        values = [("network", estimator.network), ("provider", estimator.provider)]
        return dataclasses.replace(report, values=[*values, *report.values])

    def hardware_id(self) -> str:
        """Return the topic or source of the images."""
        return self.parameters.source or self.resolve_topic_name("image")

    def _start_subscription(self) -> Callable[[], Any]:
        topic = self.resolve_topic_name("image")
        compressed = self.parameters.image_transport == "compressed"
        if compressed:
            topic += "/compressed"  # of the topic as it was remapped, as image_transport does
        subscription = self.create_subscription(
            CompressedImage if compressed else Image,
            topic,
            self._take_compressed if compressed else self._take_serialized,
            IMAGE_QOS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            # rclpy would copy the pixels into an array of its own: a sixth of the cost of a message
            raw=not compressed,
        )
        self.get_logger().info(f"images from {topic}")
        return lambda: self.destroy_subscription(subscription)

    def _start_capture(self, spec: str) -> Callable[[], Any]:
        source = open_source(spec)
        events = CaptureEvents(
            frame=lambda frame, stamp: self._take_frame(
                header_to_msg(stamp, self.parameters.frame_id), frame
            ),
            ended=lambda: self._say_end(f"{source.name} has ended"),
            broke=self._failed,
            behind=lambda: self.get_logger().warning(
                f"{source.name} cannot be read as fast as it was recorded; it plays slower"
            ),
        )
        self.get_logger().info(f"images from {source.name}")
        return Capture(source, events, 0.0, self._now).stop

    def _say_end(self, text: str) -> None:
        self._health.ended(text)
        self.get_logger().info(text)

    def _take_compressed(self, msg: CompressedImage) -> None:
        self._take(Picture(msg.header, partial(image_from_compressed, msg)))

    def _take_serialized(self, message: bytes) -> None:
        try:
            msg = read_image(message)
        except ImageError as error:
            self._health.arrived()
            self._refuse(error)
            return
        self._take(Picture(msg.header, partial(image_from_msg, msg)))

    def _take_frame(self, header: Any, frame: Frame) -> None:
        self._take(Picture(header, lambda: (frame.image, frame.channels)))

    def _take(self, picture: Picture) -> None:
        self._health.arrived()
        if self._worker is not None and not self._worker.put(picture):
            self._health.dropped()

    def _work(self, outfit: Outfit, picture: Picture) -> None:
        """Find the people of one image and publish them; in the worker's thread."""
        estimator, hands, header = outfit.estimator, outfit.hands, picture.header
        found = None
        options = options_from(self.parameters)
        if options != estimator.options:
            estimator.options = options
        try:
            self._check_header(header)
            stamp = stamp_from_msg(header.stamp)
            image, channels = picture.decode()
            began = time.perf_counter()
            poses = estimator.estimate(image, stamp, channels=channels)
            if hands:
                hands.estimator.options = options
                found = hands.estimator.estimate(image, poses, stamp, channels=channels)
            duration = time.perf_counter() - began
        except ImageError as error:
            self._refuse(error)
            return
        height, width = image.shape[:2]
        self._tell_skeleton(outfit)
        outfit.poses.publish(poses_to_msg(poses, header, estimator.network, width, height))
        if hands and found is not None:
            network = hands.estimator.network
            hands.poses.publish(poses_to_msg(found, header, network, width, height))
        self._health.done(self._now() - stamp, duration)
        if self.parameters.publish_overlay and outfit.overlay.get_subscription_count():
            canvas = image.copy()  # the image may be a message's memory, or another node's
            parts = parse_parts(self.parameters.overlay)
            draw(canvas, poses, parts, hands=found, channels=channels)
            outfit.overlay.publish(image_to_msg(canvas, channels, header))

    def _refuse(self, error: ImageError) -> None:
        self._health.refused(str(error))
        self.get_logger().warning(
            f"image refused: {error}", throttle_duration_sec=WARN_EVERY_SECONDS
        )

    def _check_header(self, header: Any) -> None:
        """Raise ImageError for an image without a stamp; warn of one without a frame, once."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            raise ImageError(
                "it has no stamp (0.0); have its driver stamp images when it captures them"
            )
        if not header.frame_id and not self._told_frame_id:
            self._told_frame_id = True
            self.get_logger().warning(
                "the images have no frame_id, nor will the poses; set it in the camera's driver"
            )

    def _tell_skeleton(self, outfit: Outfit) -> None:
        """Publish the skeleton, latched, when it is another than before."""
        skeleton = outfit.estimator.skeleton
        if skeleton != self._told_skeleton:
            self._told_skeleton = skeleton
            outfit.skeleton.publish(skeleton_to_msg(skeleton))

    def _failed(self, error: Exception) -> None:
        if isinstance(error, PoseRosError):
            self._health.failed(str(error))
            self.get_logger().error(str(error), throttle_duration_sec=WARN_EVERY_SECONDS)
        else:
            self._health.failed(repr(error))
            told = "".join(traceback.format_exception(error))
            self.get_logger().error(told, throttle_duration_sec=WARN_EVERY_SECONDS)

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds * 1e-9)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [PoseNode()], args)


if __name__ == "__main__":
    sys.exit(main())
