"""What a drawn scene gives besides its images: what a depth camera sees, and where it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image

from pose_ros.core.types import Frame
from pose_ros.synthetic.source import SyntheticSource

BASE = "base_link"

DEPTH_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
STATIC_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class SceneOutputs:
    """Publishes ``depth``, registered to the images, and the camera over ``base_link``.

    The depth is drawn only while it has a taker: it costs as much as the image itself.
    """

    def __init__(self, node: Any) -> None:
        """Make the publishers.

        Args:
            node: A ``ManagedNode``; they are destroyed when it is cleaned up.
        """
        self._node = node
        self._depth = node.make_publisher(Image, "depth", DEPTH_QOS)
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            self._static = None
            node.get_logger().warning("no /tf_static: ROS's package tf2_msgs is not installed")
            return
        self._message = TFMessage
        self._static = node.adopt(node.create_publisher(TFMessage, "/tf_static", STATIC_QOS))

    def place_camera(self, source: SyntheticSource, frame_id: str) -> None:
        """Say, latched, where the camera's optical frame is over ``base_link``."""
        if self._static is None:
            return
        pose = source.view.transform
        mounting = TransformStamped(child_frame_id=frame_id)
        mounting.header.stamp = self._node.get_clock().now().to_msg()
        mounting.header.frame_id = BASE
        place, turn = mounting.transform.translation, mounting.transform.rotation
        place.x, place.y, place.z = pose[:3, 3].tolist()
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        self._static.publish(self._message(transforms=[mounting]))

    def publish(self, source: SyntheticSource, frame: Frame, header: Any) -> None:
        """Publish the depth of a frame under the header of its image, as 32FC1."""
        if self._depth.get_subscription_count() == 0:
            return
        depth = source.measured_depth(frame.stamp)
        height, width = depth.shape
        msg = Image(header=header, height=height, width=width, encoding="32FC1", step=4 * width)
        msg.data.frombytes(np.ascontiguousarray(depth, "<f4").view(np.uint8).data)
        self._depth.publish(msg)
