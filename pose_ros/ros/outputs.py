"""What the pose node publishes of an image: poses, frames, markers, overlay, people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, JointState, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pose_ros.core.anatomical_angles import anatomical_angles, anatomical_names
from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage, person_cloud
from pose_ros.core.joint_angles import JointMotion
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.smoothing import WalkingSpeeds
from pose_ros.core.types import Channels, Poses
from pose_ros.core.types import Image as ImageArray
from pose_ros.errors import OptionError, TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.people import PlacedPerson
from pose_ros.messages.transforms import body_id
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.diagnostics import Notices
from pose_ros.ros.frames import listen, make_broadcaster
from pose_ros.ros.markers import FoxgloveTopics, SkeletonMarkers
from pose_ros.ros.messages import (
    cloud_to_msg,
    detections_to_msg,
    image_to_msg,
    mask_to_msg,
    optional_messages,
    people_to_msg,
    poses_to_msg,
    skeleton_to_msg,
    transforms_to_msg,
)
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS
from pose_ros.ros.rep155 import HumanTopics
from pose_ros.settings.nodes import PoseParameters
from pose_ros.settings.outputs import parse_parts
from pose_ros.viz.overlay import draw


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
        camera: Of the image; None where it is not known.
        depth: Of the image; None where there is none.
    """

    header: Any
    image: ImageArray
    channels: Channels
    poses: Poses
    network: str
    hands: Poses | None = None
    hand_network: str = ""
    camera: Camera | None = None
    depth: DepthImage | None = None


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
        self._humans = HumanTopics(node, parameters.id_prefix) if parameters.rep155 else None
        self._on_map = PeopleOnMap(node) if parameters.people_frame else None
        self._detections: Any = None
        if parameters.publish_detections:
            messages = optional_messages("vision_msgs", "publish_detections to false")
            self._detections = make(messages.Detection2DArray, "~/detections", RESULT_QOS)
        self._foxglove: FoxgloveTopics | None = None
        if parameters.publish_foxglove:
            self._foxglove = FoxgloveTopics(node, annotations=True)
        self._send_frames = make_broadcaster(node) if parameters.publish_tf else None
        self._poses = make(PoseArray, "~/poses", RESULT_QOS)
        self._skeleton = make(SkeletonMsg, "~/skeleton", LATCHED_QOS)
        self._overlay = make(Image, "~/overlay", RESULT_QOS)
        self._markers = make(MarkerArray, "~/markers", RESULT_QOS)
        self._angles = make(JointState, "~/angles", RESULT_QOS)
        self._motions = Motions(parameters.id_prefix)
        if parameters.hands.enabled:
            self._hands = make(PoseArray, "~/hands", RESULT_QOS)
            self._hand_skeleton = make(SkeletonMsg, "~/hands/skeleton", LATCHED_QOS)
        self._mask = make(Image, "~/mask", RESULT_QOS) if parameters.estimator.masks else None
        self._cloud = None
        if parameters.publish_cloud:
            if not (parameters.estimator.masks and parameters.use_depth):
                raise OptionError("publish_cloud needs masks and use_depth: set both to true")
            self._cloud = make(PointCloud2, "~/cloud", RESULT_QOS)
        self._made_markers = SkeletonMarkers()
        self._sent_skeleton: Skeleton | None = None

    def start(self, skeleton: Skeleton, hand_skeleton: Skeleton | None) -> None:
        """Publish the skeletons, latched."""
        self._sent_skeleton = None
        self.publish_skeleton(skeleton)
        if hand_skeleton:
            self._hand_skeleton.publish(skeleton_to_msg(hand_skeleton))

    def close(self) -> None:
        """End what is subscribed to."""
        if self._on_map:
            self._on_map.close()

    def stop(self) -> None:
        """Take back what would stay on display."""
        self._markers.publish(self._made_markers.clear())
        if self._foxglove:
            self._foxglove.clear()
        if self._humans:
            self._humans.stop()

    def publish_skeleton(self, skeleton: Skeleton) -> None:
        """Publish the skeleton, latched, when it is another than before."""
        if skeleton != self._sent_skeleton:
            self._sent_skeleton = skeleton
            self._skeleton.publish(skeleton_to_msg(skeleton))

    def publish(self, result: PublishedResult) -> None:
        """Publish what programs read of one image: frames, poses, REP-155's topics."""
        self.publish_skeleton(result.poses.skeleton)
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
            # first, so that a node that gets the poses can look the frames up
            self._send_frames(frames)
        self._poses.publish(msg)
        if result.hands is not None:
            network = result.hand_network
            self._hands.publish(
                poses_to_msg(result.hands, header, network, width=width, height=height)
            )
        if self._humans:
            self._humans.publish(poses, header, width, height)
        if self._on_map:
            self._on_map.publish(poses, header)
        if self._detections:
            names = [body_id(pose.id, parameters.id_prefix) for pose in poses]
            self._detections.publish(detections_to_msg(poses, header, names))

    def show(self, result: PublishedResult) -> None:
        """Publish what has a subscriber: markers, angles, the overlay, masks, the cloud, scenes."""
        parameters = self._node.parameters
        if self._angles.get_subscription_count():
            self._angles.publish(self._motions.angles(result.poses, result.header))
        if parameters.publish_markers and self._markers.get_subscription_count():
            least = parameters.min_joint_score or result.poses.skeleton.least_score
            markers = self._made_markers.update(result.poses, result.header, least)
        else:
            markers = self._made_markers.clear()
        if markers.markers:
            self._markers.publish(markers)
        if self._foxglove:
            least = parameters.min_joint_score or result.poses.skeleton.least_score
            height, width = result.image.shape[:2]
            self._foxglove.publish(
                result.poses,
                result.header,
                least,
                hands=result.hands,
                width=width,
                height=height,
            )
        if parameters.publish_overlay and self._overlay.get_subscription_count():
            self._overlay.publish(self._drawn(result, parameters.drawing.overlay))

        height, width = result.image.shape[:2]
        if self._mask and self._mask.get_subscription_count():
            self._mask.publish(mask_to_msg(result.poses, result.header, width, height))
        if self._cloud and result.camera and result.depth and self._cloud.get_subscription_count():
            cloud = person_cloud(result.poses, result.camera, result.depth)
            self._cloud.publish(cloud_to_msg(cloud, result.header))

    def _drawn(self, result: PublishedResult, overlay: str) -> Image:
        canvas = result.image.copy()  # the image may be a message's memory, or another node's
        parts = parse_parts(overlay)
        draw(canvas, result.poses, parts, hands=result.hands, channels=result.channels)
        return image_to_msg(canvas, result.channels, result.header)


class Motions:
    """Follows how the joints of people move.

    Args:
        prefix: Of the ids, which are those of the frames on /tf.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._motions: dict[int, JointMotion] = {}

    def angles(self, poses: Poses, header: Header) -> JointState:
        """Return the joint angles of the people of the next image, in radians.

        Args:
            poses: The people.
            header: The image's own.

        Returns:
            Positions and velocities by names such as ``p0/left_elbow_flexion``; angles that are
            not known are left out, a velocity that is not known is NaN.
        """
        message = JointState(header=header)
        names = anatomical_names(poses.skeleton)
        stamp = stamp_from_msg(header.stamp)
        self._motions = {
            pose.id: self._motions.get(pose.id) or JointMotion(anatomical_angles)
            for pose in (poses if names else ())
        }
        for pose, found in zip(poses if names else (), poses.found, strict=False):
            now = self._motions[pose.id].add(stamp, pose, found)
            person = body_id(pose.id, self._prefix)
            known = np.flatnonzero(np.isfinite(now.degrees)).tolist()
            message.name += [f"{person}/{names[i]}" for i in known]
            message.position.extend(np.radians(now.degrees[known]).tolist())
            message.velocity.extend(np.radians(now.speeds[known]).tolist())
        return message


class PeopleOnMap:
    """Publishes people_msgs/People in a frame that stands still, for the layers of costmaps.

    An image whose place in that frame is not known at its stamp gives no message: an empty one
    would say that the way is free.

    Args:
        node: By whose parameters.

    Raises:
        OptionError: people_msgs is not installed.
    """

    def __init__(self, node: ManagedNode[PoseParameters]) -> None:
        messages = optional_messages("people_msgs", "people_frame to an empty text")
        self._frame, self._prefix = node.parameters.people_frame, node.parameters.id_prefix
        self._publisher = node.make_publisher(messages.People, "/people", RESULT_QOS)
        self._notices = Notices(node.get_logger())
        self._frames = listen(node)
        self._speeds = WalkingSpeeds()

    def publish(self, poses: Poses, header: Any) -> None:
        """Publish the people of one image whose hips are known in meters."""
        try:
            place = self._frames.lookup(self._frame, header)
        except TransformError as error:
            self._notices.note(f"no people on /people: {error}")
            return
        stamp, people = stamp_from_msg(header.stamp), []
        for pose in poses:
            if pose.camera is None:
                continue
            hips = [pose.camera_of(f"{side}_hip") for side in ("left", "right")]
            middle = place[:3, :3] @ np.mean(hips, axis=0) + place[:3, 3]
            if np.isfinite(middle).all():
                speed = self._speeds.update(pose.id, middle, stamp)
                name = body_id(pose.id, self._prefix)
                people.append(PlacedPerson(name, middle, speed, float(pose.score)))
        there = Header(stamp=header.stamp, frame_id=self._frame)
        self._publisher.publish(people_to_msg(people, there))

    def close(self) -> None:
        """End the subscriptions to /tf."""
        self._frames.close()
