"""The people as REP-155 has them on topics: who is tracked, and each one's skeleton and region."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from pose_ros.core import skeletons
from pose_ros.core.types import FloatArray, Pose, Poses
from pose_ros.errors import OptionError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.transforms import body_id

BODIES = "/humans/bodies"
# so long do the topics of a person who is out of sight stay
KEEP_SECONDS = 5.0

_COCO18 = skeletons.get("openpose_coco18")


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


class Humans:
    """Publishes what REP-155 names, under its own names.

    Args:
        node: A ``ManagedNode``.
        prefix: Of the ids, which are those of the frames on /tf.

    Raises:
        OptionError: hri_msgs is not installed.
    """

    def __init__(self, node: Any, prefix: str) -> None:
        try:
            from hri_msgs import msg
        except ImportError:
            raise OptionError(
                "rep155 needs ROS's package hri_msgs, which is not installed: install it "
                "(apt install ros-$ROS_DISTRO-hri-msgs), or set rep155 to false"
            ) from None
        self._node, self._prefix, self._msg = node, prefix, msg
        self._qos = QoSProfile(depth=10)
        self._tracked = node.adopt(
            node.create_publisher(msg.IdsList, f"{BODIES}/tracked", self._qos)
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
                make(self._msg.Skeleton2D, f"{topic}/skeleton2d", self._qos),
                make(self._msg.NormalizedRegionOfInterest2D, f"{topic}/roi", self._qos),
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
