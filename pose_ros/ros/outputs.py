"""All that the pose node says of an image: poses, frames, markers, the overlay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, Poses
from pose_ros.core.types import Image as ImageArray
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.frames import make_broadcaster
from pose_ros.ros.humans import Humans
from pose_ros.ros.markers import SkeletonMarkers
from pose_ros.ros.messages import image_to_msg, poses_to_msg, skeleton_to_msg, transforms_to_msg
from pose_ros.ros.node import ManagedNode
from pose_ros.settings.drawing import parse_parts
from pose_ros.settings.nodes import PoseParameters
from pose_ros.viz.overlay import draw

RESULT_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@dataclass(frozen=True)
class PublishedResult:
    """What was found in one image.

    Attributes:
        header: The image's own.
        image: (H, W, 3) uint8.
        channels: Order of its color channels.
        poses: The people.
        network: What found them.
        hands: Their hands, where they are looked for.
        hand_network: What found those.
    """

    header: Any
    image: ImageArray
    channels: Channels
    poses: Poses
    network: str
    hands: Poses | None = None
    hand_network: str = ""


class PosePublishers:
    """The publishers of a configured pose node.

    Args:
        node: Whose they are, by its parameters.

    Raises:
        OptionError: A parameter asks for messages that are not installed.
    """

    def __init__(self, node: ManagedNode[PoseParameters]) -> None:
        self._node = node
        parameters, make = node.parameters, node.make_publisher
        self._humans = Humans(node, parameters.id_prefix) if parameters.rep155 else None
        self._send_frames = make_broadcaster(node) if parameters.publish_tf else None
        self._poses = make(PoseArray, "~/poses", RESULT_QOS)
        self._skeleton = make(SkeletonMsg, "~/skeleton", LATCHED_QOS)
        self._overlay = make(Image, "~/overlay", RESULT_QOS)
        self._markers = make(MarkerArray, "~/markers", RESULT_QOS)
        if parameters.hands.enabled:
            self._hands = make(PoseArray, "~/hands", RESULT_QOS)
            self._hand_skeleton = make(SkeletonMsg, "~/hands/skeleton", LATCHED_QOS)
        self._made_markers = SkeletonMarkers()
        self._told: Skeleton | None = None

    def start(self, skeleton: Skeleton, hand_skeleton: Skeleton | None) -> None:
        """Tell the skeletons, latched."""
        self._told = None
        self.tell_skeleton(skeleton)
        if hand_skeleton:
            self._hand_skeleton.publish(skeleton_to_msg(hand_skeleton))

    def stop(self) -> None:
        """Take back what would stay on display."""
        self._markers.publish(self._made_markers.clear())
        if self._humans:
            self._humans.stop()

    def tell_skeleton(self, skeleton: Skeleton) -> None:
        """Publish the skeleton, latched, when it is another than before."""
        if skeleton != self._told:
            self._told = skeleton
            self._skeleton.publish(skeleton_to_msg(skeleton))

    def publish(self, result: PublishedResult) -> None:
        """Publish what programs read of one image: frames, poses, REP-155's topics."""
        self.tell_skeleton(result.poses.skeleton)
        poses, header = result.poses, result.header
        parameters = self._node.parameters
        height, width = result.image.shape[:2]
        # all is made before the first is sent, so that frames and poses leave together
        msg = poses_to_msg(poses, header, result.network, width=width, height=height)
        frames = []
        if self._send_frames:
            least = parameters.min_joint_score or poses.skeleton.least_score
            frames = transforms_to_msg(poses, header, parameters.id_prefix, least)
        if self._send_frames and frames:
            # first, so that who gets the poses can look the frames up
            self._send_frames(frames)
        self._poses.publish(msg)
        if result.hands is not None:
            network = result.hand_network
            self._hands.publish(
                poses_to_msg(result.hands, header, network, width=width, height=height)
            )
        if self._humans:
            self._humans.publish(poses, header, width, height)

    def show(self, result: PublishedResult) -> None:
        """Publish what people look at, while it has a subscriber: markers and the overlay."""
        parameters = self._node.parameters
        if parameters.publish_markers and self._markers.get_subscription_count():
            least = parameters.min_joint_score or result.poses.skeleton.least_score
            markers = self._made_markers.update(result.poses, result.header, least)
        else:
            markers = self._made_markers.clear()
        if markers.markers:
            self._markers.publish(markers)
        if parameters.publish_overlay and self._overlay.get_subscription_count():
            self._overlay.publish(self._drawn(result, parameters.drawing.overlay))

    def _drawn(self, result: PublishedResult, overlay: str) -> Image:
        canvas = result.image.copy()  # the image may be a message's memory, or another node's
        parts = parse_parts(overlay)
        draw(canvas, result.poses, parts, hands=result.hands, channels=result.channels)
        return image_to_msg(canvas, result.channels, result.header)
