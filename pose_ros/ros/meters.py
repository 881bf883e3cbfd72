"""What pose_node knows beside the pixels: the camera, and the depth image of an image."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage
from pose_ros.core.protocols import Source
from pose_ros.errors import OptionError
from pose_ros.messages.cameras import camera_info_topic, is_rectified
from pose_ros.ros.camera_info import CameraWatch, OwnCamera, read_calibration_url
from pose_ros.ros.depth import DepthBuffer
from pose_ros.ros.driver_subscription import DriverSubscription
from pose_ros.ros.node import ManagedNode
from pose_ros.settings.nodes import PoseParameters

_DEPTH_QUEUE = 5


class Meters:
    """Follows the camera and the depth of the images while the node is active.

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

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of that size, in pixels; None where it is not known."""
        return self._camera.camera_for(width, height)

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image of an image, by its stamp in seconds and its size in pixels."""
        if self._depth is None:
            return None
        return self._depth.nearest(stamp, self._node.parameters.lift.max_depth_skew, width, height)

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
            topic = camera_info_topic(images)  # it is not remapped by itself
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
