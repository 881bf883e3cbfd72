"""From pixels to meters in the node: the camera, the depth image, and what is known of people."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.lift import Lifter, floor_below
from pose_ros.core.protocols import Source
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.messages.cameras import is_rectified, sibling
from pose_ros.ros.camera_info import CameraWatch, OwnCamera, read_calibration_url
from pose_ros.ros.depth import DepthBuffer
from pose_ros.ros.driver_subscription import DriverSubscription
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.parameter_tables import PoseParameters

_DEPTH_QUEUE = 5


class Meters:
    """Gives people their places in meters while the node is active.

    Args:
        node: For its parameters, subscriptions and log.
        source: The node's own; None where the images come from elsewhere, and camera_info
            and depth from topics.

    Raises:
        OptionError: The parameters do not go together, or the calibration cannot be read.
    """

    def __init__(self, node: ManagedNode[PoseParameters], source: Source | None) -> None:
        parameters = node.parameters
        self._node = node
        self._subscriptions: list[DriverSubscription] = []
        self._lifter = Lifter(parameters.lift)
        self._floor = floor_below(parameters.mount)
        self._camera: CameraWatch | OwnCamera
        self._depth: DepthBuffer | None = None
        warn = node.get_logger().warning
        if source is not None:
            if parameters.use_depth:
                raise OptionError("use_depth needs images from a topic; leave out source")
            given = read_calibration_url(parameters.camera_info_url)
            self._camera = OwnCamera(source, given, parameters.lens.hfov, warn)
        else:
            self._camera = self._watch_camera(warn)
            self._depth = self._watch_depth(warn) if parameters.use_depth else None

    def lift(self, poses: Poses, stamp: float, width: int, height: int) -> Poses:
        """Return the poses of an image with ``camera``, as far as that can be known.

        Args:
            poses: In pixels.
            stamp: Of the image, seconds.
            width: Of the image, pixels.
            height: Of the image, pixels.
        """
        camera = self._camera.camera_for(width, height)
        if camera is None:
            return poses
        options = self._node.parameters.lift
        if options != self._lifter.options:
            self._lifter.options = options
        if self._node.parameters.estimator.static:
            self._lifter.reset()  # an id says nothing about who it was in another image
        depth = None
        if self._depth:
            depth = self._depth.nearest(stamp, options.max_depth_skew, width, height)
        return self._lifter.lift(poses, camera, stamp, floor=self._floor, depth=depth)

    def values(self) -> list[tuple[str, str]]:
        """Return what the diagnostics tell."""
        values = [("camera", self._camera.describe())]
        if self._depth:
            values.append(("depth", self._depth.describe()))
        return values

    def troubles(self) -> list[str]:
        """Return in words what is wrong with the topics, each with its cure."""
        return [text for text in (each.trouble() for each in self._subscriptions) if text]

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._subscriptions.pop().close()

    def _watch_camera(self, warn: Callable[[str], None]) -> CameraWatch:
        node, images = self._node, self._node.resolve_topic_name("image")
        topic = node.resolve_topic_name("camera_info")
        if topic == node.resolve_topic_name("camera_info", only_expand=True):
            topic = sibling(images)  # nobody has remapped it by itself
        rectified = is_rectified(node.parameters.image_kind, images)
        watch = CameraWatch(topic, rectified, warn)
        self._subscribe(DriverSubscription(node, CameraInfo, topic, watch.take))
        return watch

    def _watch_depth(self, warn: Callable[[str], None]) -> DepthBuffer:
        topic = self._node.resolve_topic_name("depth")
        buffer = DepthBuffer(topic, warn)
        self._subscribe(
            DriverSubscription(self._node, Image, topic, buffer.take, depth=_DEPTH_QUEUE, raw=True)
        )
        self._node.get_logger().info(f"depth from {topic}")
        return buffer

    def _subscribe(self, subscription: DriverSubscription) -> None:
        self._subscriptions.append(subscription)
