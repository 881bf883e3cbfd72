"""The pose node's overlay with the gestures of the same image drawn in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Camera
from pose_ros.core.types import Channels
from pose_ros.core.types import Image as ImageArray
from pose_ros.errors import PoseRosError
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros.outputs import RESULT_QOS
from pose_ros.viz.gesture_overlay import draw_gestures

# heard from a publisher of either kind
INFO_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_WAITING = 2  # images that wait for their gestures
_KEPT = 30  # poses and gestures that wait for their images

Show = Callable[[ImageArray, Channels, float], None]
"""Called with an image, the order of its channels and its stamp in seconds."""


class OverlayInput:
    """Subscribes to an overlay, and hands it on once the gestures of its image are known.

    An overlay waits for them no longer than until the one after the next comes.

    Args:
        node: For its subscriptions.
        show: Called for each overlay.
        overlay: Topic of the overlay.
        poses: Topic of the people.
        gestures: Topic of their gestures; empty: none.
        camera_info: Topic of the camera; empty: none.
    """

    def __init__(
        self,
        node: Any,
        show: Show,
        *,
        overlay: str,
        poses: str,
        gestures: str = "",
        camera_info: str = "",
    ) -> None:
        self._node, self._show = node, show
        self._waits = bool(gestures)
        self._camera: Camera | None = None
        self._overlays: OrderedDict[float, Any] = OrderedDict()
        self._poses: OrderedDict[float, Any] = OrderedDict()
        self._gestures: OrderedDict[float, Any] = OrderedDict()
        self._subscriptions = [
            node.create_subscription(kind, topic, take, qos)
            for kind, topic, take, qos in (
                (Image, overlay, self._on_overlay, RESULT_QOS),
                (PoseArray, poses, self._on_poses, RESULT_QOS),
                (GestureArray, gestures, self._on_gestures, RESULT_QOS),
                (CameraInfo, camera_info, self._on_info, INFO_QOS),
            )
            if topic
        ]

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _on_overlay(self, msg: Any) -> None:
        stamp = stamp_from_msg(msg.header.stamp)
        self._overlays[stamp] = msg
        self._hand_on_known(stamp)
        if len(self._overlays) > _WAITING:
            self._hand_on(next(iter(self._overlays)))

    def _on_poses(self, msg: Any) -> None:
        self._hand_on_known(_keep(self._poses, msg))

    def _on_gestures(self, msg: Any) -> None:
        self._hand_on_known(_keep(self._gestures, msg))

    def _hand_on_known(self, stamp: float) -> None:
        """Hand an overlay on if all is there that is drawn into it; topics come in any order."""
        if not self._waits or (stamp in self._gestures and stamp in self._poses):
            self._hand_on(stamp)

    def _on_info(self, msg: Any) -> None:
        try:
            self._camera = camera_from_info(msg)
        except PoseRosError:
            self._camera = None  # uncalibrated: rays are drawn in the image

    def _hand_on(self, last: float) -> None:
        """Hand on the overlays up to one, in their order."""
        while last in self._overlays:
            stamp, msg = self._overlays.popitem(last=False)
            image, channels = image_from_msg(msg)
            poses, gestures = self._poses.get(stamp), self._gestures.get(stamp)
            if poses is not None and gestures is not None and gestures.gestures:
                image = np.array(image)  # the message's own memory may be read-only
                draw_gestures(
                    image,
                    poses_from_msg(poses),
                    gestures_from_msg(gestures),
                    self._camera,
                    channels=channels,
                )
            self._show(image, channels, stamp)


def _keep(kept: OrderedDict[float, Any], msg: Any) -> float:
    stamp = stamp_from_msg(msg.header.stamp)
    kept[stamp] = msg
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return stamp
