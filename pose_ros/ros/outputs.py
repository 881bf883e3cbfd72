"""What the pose node publishes of an image: poses, frames, markers, overlay, REP-155's topics."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, JointState, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pose_ros.core import skeletons
from pose_ros.core.anatomical_angles import anatomical_angles, anatomical_names
from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage, person_cloud
from pose_ros.core.joint_angles import JointMotion
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.smoothing import WalkingSpeeds
from pose_ros.core.types import Channels, FloatArray, Pose, Poses
from pose_ros.core.types import Image as ImageArray
from pose_ros.errors import OptionError, TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.people import PlacedPerson
from pose_ros.messages.transforms import body_id
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.diagnostics import Notices
from pose_ros.ros.frames import listen, make_broadcaster
from pose_ros.ros.markers import SkeletonMarkers
from pose_ros.ros.messages import (
    cloud_to_msg,
    detections_to_msg,
    image_to_msg,
    mask_to_msg,
    people_to_msg,
    poses_to_msg,
    skeleton_to_msg,
    transforms_to_msg,
)
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS
from pose_ros.settings.nodes import PoseParameters
from pose_ros.settings.outputs import parse_parts
from pose_ros.viz.overlay import draw

BODIES = "/humans/bodies"
# how long the topics of a person who is out of sight stay
KEEP_SECONDS = 5.0

_COCO18 = skeletons.get("openpose_coco18")


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
        """Publish what has a subscriber: markers, angles, the overlay, masks, the cloud."""
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


def skeleton2d(pose: Pose, width: int, height: int) -> FloatArray:
    """Return the 18 keypoints of a hri_msgs/Skeleton2D: OpenPose's COCO skeleton.

    Its neck is between the shoulders where the network finds none. What is missing or beyond
    the image, to which the message has no coordinates, is NaN with a confidence of 0.

    Args:
        pose: A person.
        width: Of the image, pixels.
        height: Of the image, pixels.

    Returns:
        (18, 3): x and y in [0, 1] of width and height, and the confidence in [0, 1].
    """
    found = np.full((len(_COCO18), 3), (np.nan, np.nan, 0.0), np.float32)
    size = np.array([width, height], np.float32)
    known = {name: i for i, name in enumerate(pose.skeleton.keypoints)}
    for row, name in enumerate(_COCO18.keypoints):
        of_two = name == "neck" and name not in known
        wanted = ("left_shoulder", "right_shoulder") if of_two else (name,)
        if not set(wanted) <= set(known):
            continue
        indices = [known[part] for part in wanted]
        point = pose.keypoints[indices].mean(axis=0) / size
        # written so that NaN is left out too
        if np.all((point >= 0) & (point <= 1)):
            found[row] = (*point, pose.keypoint_scores[indices].min())
    return found


def region(pose: Pose, width: int, height: int) -> tuple[float, float, float, float] | None:
    """Return a person's box cut to the image, or None where nothing of it is inside.

    Returns:
        xmin, ymin, xmax, ymax in [0, 1] of width and height.
    """
    size = np.array([width, height, width, height], np.float32)
    xmin, ymin, xmax, ymax = np.clip(pose.box / size, 0.0, 1.0).tolist()
    return (xmin, ymin, xmax, ymax) if xmax > xmin and ymax > ymin else None


def optional_messages(package: str, otherwise: str) -> Any:
    """Return the messages of a package of ROS that may be missing.

    Args:
        package: Its name.
        otherwise: The parameter that is then to be set, and to what.

    Raises:
        OptionError: It is not installed.
    """
    try:
        return import_module(f"{package}.msg")
    except ImportError:
        parameter = otherwise.partition(" ")[0]
        raise OptionError(
            f"{parameter} needs ROS's package {package}, which is not installed: install it "
            f"(apt install ros-$ROS_DISTRO-{package.replace('_', '-')}), or set {otherwise}"
        ) from None


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


class HumanTopics:
    """Publishes what REP-155 names, under its own names.

    Args:
        node: A ``ManagedNode``.
        prefix: Of the ids, which are those of the frames on /tf.

    Raises:
        OptionError: hri_msgs is not installed.
    """

    def __init__(self, node: Any, prefix: str) -> None:
        msg = optional_messages("hri_msgs", "rep155 to false")
        self._node, self._prefix, self._msg = node, prefix, msg
        self._tracked = node.adopt(
            node.create_publisher(msg.IdsList, f"{BODIES}/tracked", RESULT_QOS)
        )
        self._bodies: dict[str, tuple[Any, Any]] = {}
        self._seen: dict[str, float] = {}
        self._header = Header()

    def publish(self, poses: Poses, header: Any, width: int, height: int) -> None:
        """Publish the people of one image.

        Args:
            poses: The people.
            header: The image's own.
            width: Of the image, pixels.
            height: Of the image, pixels.
        """
        self._header = header
        stamp = stamp_from_msg(header.stamp)
        ids = [body_id(pose.id, self._prefix) for pose in poses]
        for body, pose in zip(ids, poses, strict=True):
            self._seen[body] = stamp
            skeletons_of, regions_of = self._publishers(body)
            skeletons_of.publish(self._skeleton_msg(pose, header, width, height))
            box = region(pose, width, height)
            if box:
                regions_of.publish(self._region_msg(box, pose.score, header))
        self._tracked.publish(self._msg.IdsList(header=header, ids=ids))
        # on either side: time jumps back when a recording is played again
        for body in [b for b, seen in self._seen.items() if abs(stamp - seen) > KEEP_SECONDS]:
            self._drop(body)

    def stop(self) -> None:
        """Say that no person is tracked any more, and leave the topics of each."""
        self._tracked.publish(self._msg.IdsList(header=self._header))
        for body in list(self._bodies):
            self._drop(body)

    def _publishers(self, body: str) -> tuple[Any, Any]:
        if body not in self._bodies:
            make, topic = self._node.create_publisher, f"{BODIES}/{body}"
            self._bodies[body] = (
                make(self._msg.Skeleton2D, f"{topic}/skeleton2d", RESULT_QOS),
                make(self._msg.NormalizedRegionOfInterest2D, f"{topic}/roi", RESULT_QOS),
            )
        return self._bodies[body]

    def _drop(self, body: str) -> None:
        del self._seen[body]
        for publisher in self._bodies.pop(body):
            self._node.destroy_publisher(publisher)

    def _skeleton_msg(self, pose: Pose, header: Any, width: int, height: int) -> Any:
        points = [
            self._msg.NormalizedPointOfInterest2D(x=x, y=y, c=c)
            for x, y, c in skeleton2d(pose, width, height).tolist()
        ]
        return self._msg.Skeleton2D(header=header, skeleton=points)

    def _region_msg(self, box: tuple[float, float, float, float], score: float, header: Any) -> Any:
        xmin, ymin, xmax, ymax = box
        return self._msg.NormalizedRegionOfInterest2D(
            header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=score
        )
