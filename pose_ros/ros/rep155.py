"""What REP-155 names: people, what they do and whether they deal with the robot, with hri_msgs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header, String

from pose_ros.core import skeletons
from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.human_model import BoneTracker, joint_positions, urdf
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import NO_BODY, FloatArray, Pose, Poses
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.transforms import body_id
from pose_ros.ros.messages import optional_messages
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS

BODIES, PERSONS = "/humans/bodies", "/humans/persons"
# how long the topics of a person who is out of sight stay
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


@dataclass
class _BodyTopics:
    """The publishers of one body, and how long its bones are."""

    skeleton: Any
    region: Any
    joints: Any
    urdf: Any
    bones: BoneTracker = field(default_factory=BoneTracker)


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
        self._bodies: dict[str, _BodyTopics] = {}
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
        for body, pose, found in zip(ids, poses, poses.found, strict=True):
            self._seen[body] = stamp
            publishers = self._publishers(body)
            publishers.skeleton.publish(self._skeleton_msg(pose, header, width, height))
            box = region(pose, width, height)
            if box:
                publishers.region.publish(self._region_msg(box, pose.score, header))
            lengths = publishers.bones.update(pose, found)
            if lengths is not None:
                publishers.urdf.publish(String(data=urdf(lengths, body)))
            heard = publishers.joints.get_subscription_count() > 0
            positions = joint_positions(pose, found) if heard else None
            if positions is not None:
                names = [f"{name}_{body}" for name in positions]
                joints = JointState(header=header, name=names, position=list(positions.values()))
                publishers.joints.publish(joints)
        self._tracked.publish(self._msg.IdsList(header=header, ids=ids))
        # on either side: time jumps back when a recording is played again
        for body in [b for b, seen in self._seen.items() if abs(stamp - seen) > KEEP_SECONDS]:
            self._drop(body)

    def stop(self) -> None:
        """Say that no person is tracked any more, and leave the topics of each."""
        self._tracked.publish(self._msg.IdsList(header=self._header))
        for body in list(self._bodies):
            self._drop(body)

    def _publishers(self, body: str) -> _BodyTopics:
        if body not in self._bodies:
            make, topic = self._node.create_publisher, f"{BODIES}/{body}"
            roi = self._msg.NormalizedRegionOfInterest2D
            self._bodies[body] = _BodyTopics(
                skeleton=make(self._msg.Skeleton2D, f"{topic}/skeleton2d", RESULT_QOS),
                region=make(roi, f"{topic}/roi", RESULT_QOS),
                joints=make(JointState, f"{topic}/joint_states", RESULT_QOS),
                urdf=make(String, f"{topic}/urdf", LATCHED_QOS),
            )
        return self._bodies[body]

    def _drop(self, body: str) -> None:
        del self._seen[body]
        gone = self._bodies.pop(body)
        for publisher in (gone.skeleton, gone.region, gone.joints, gone.urdf):
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


# hri_msgs/Gesture has a few by name; one arm raised and both differ in the side
_GESTURES = {
    ("arms_crossed", "both"): "ARMS_CROSSED",
    ("raise_hand", "left"): "LEFT_HAND_RAISED",
    ("raise_hand", "right"): "RIGHT_HAND_RAISED",
    ("raise_hand", "both"): "BOTH_HANDS_RAISED",
    ("wave", "left"): "WAVING",
    ("wave", "right"): "WAVING",
}
# of hri_msgs/BodyPosture, the first that holds
_POSTURES = {
    "fallen": "LAYING",
    "lying": "LAYING",
    "sitting": "SITTING",
    "standing": "STANDING",
    "walking": "STANDING",
}


def gesture_constants(gestures: Iterable[Gesture]) -> set[str]:
    """Return which constants of hri_msgs/Gesture say what a person does; postures are none.

    Args:
        gestures: Those of one person that are held.
    """
    done = [(g.name, g.side) for g in gestures if g.name not in POSTURE_NAMES]
    raised = {side for name, side in done if name == "raise_hand"}
    if set(SIDES) <= raised:
        done = [own for own in done if own[0] != "raise_hand"] + [("raise_hand", "both")]
    return {_GESTURES.get(own, "OTHER") for own in done}


def posture_constant(gestures: Iterable[Gesture]) -> str | None:
    """Return the constant of hri_msgs/BodyPosture of a person; None: it is not known.

    Args:
        gestures: Those of one person that are held.
    """
    held = {g.name for g in gestures}
    return next((constant for name, constant in _POSTURES.items() if name in held), None)


def engagement_constant(
    gestures: Iterable[Gesture], *, commands: bool, engage: str, sees_looks: bool
) -> str:
    """Return the constant of hri_msgs/EngagementLevel of a person.

    Args:
        gestures: Those of one person that are held.
        commands: Whether they are the operator.
        engage: Name of the gesture by which a person becomes that.
        sees_looks: Whether it is known who looks at the robot.
    """
    if commands:
        return "ENGAGED"
    if {g.name for g in gestures} & {engage, "looking"}:
        return "ENGAGING"
    return "DISENGAGED" if sees_looks else "UNKNOWN"


class HumanGestures:
    """Publishes what REP-155 names of a person's doing: gesture, posture and engagement.

    Args:
        node: A ``ManagedNode``.
        prefix: Of the ids, which are those of the pose node.
        engage: Name of the gesture by which a person becomes the operator.
        sees_looks: Whether it is known who looks at the robot.

    Raises:
        OptionError: hri_msgs is not installed.
    """

    def __init__(self, node: Any, prefix: str, *, engage: str, sees_looks: bool) -> None:
        self._msg = optional_messages("hri_msgs", "rep155 to false")
        self._node, self._prefix = node, prefix
        self._engage, self._sees_looks = engage, sees_looks
        self._tracked = node.adopt(
            node.create_publisher(self._msg.IdsList, f"{PERSONS}/tracked", RESULT_QOS)
        )
        self._people: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, float] = {}
        self._header = Header()

    def publish(
        self,
        ids: Iterable[int],
        gestures: Iterable[Gesture],
        operator: int | None,
        header: Any,
    ) -> None:
        """Publish what the people of one image do.

        Args:
            ids: Of all who are in it.
            gestures: Theirs.
            operator: Id of who commands the robot.
            header: The image's own.
        """
        self._header = header
        stamp = stamp_from_msg(header.stamp)
        held = [g for g in gestures if g.event != "ended" and g.person < NO_BODY]
        names = []
        for id_ in ids:
            own = [g for g in held if g.person == id_]
            name = body_id(id_, self._prefix)
            names.append(name)
            self._seen[name] = stamp
            publishers = self._publishers(name)
            for constant in sorted(gesture_constants(own)):
                publishers["gesture"].publish(self._said("Gesture", "gesture", constant))
            posture = posture_constant(own)
            if posture is not None:
                publishers["posture"].publish(self._said("BodyPosture", "posture", posture))
            level = engagement_constant(
                own, commands=id_ == operator, engage=self._engage, sees_looks=self._sees_looks
            )
            publishers["engagement"].publish(self._said("EngagementLevel", "level", level))
        self._tracked.publish(self._msg.IdsList(header=header, ids=names))
        # on either side: time jumps back when a recording is played again
        for name in [n for n, seen in self._seen.items() if abs(stamp - seen) > KEEP_SECONDS]:
            self._drop(name)

    def stop(self) -> None:
        """Say that no person is tracked any more, and leave the topics of each."""
        self._tracked.publish(self._msg.IdsList(header=self._header))
        for name in list(self._people):
            self._drop(name)

    def _said(self, kind: str, field: str, constant: str) -> Any:
        made = getattr(self._msg, kind)
        return made(header=self._header, **{field: getattr(made, constant)})

    def _publishers(self, name: str) -> dict[str, Any]:
        if name not in self._people:
            make, body, person = (
                self._node.create_publisher,
                f"{BODIES}/{name}",
                f"{PERSONS}/{name}",
            )
            known = make(String, f"{person}/body_id", LATCHED_QOS)
            known.publish(String(data=name))
            # who it is, is not known
            anonymous = make(Bool, f"{person}/anonymous", LATCHED_QOS)
            anonymous.publish(Bool(data=True))
            self._people[name] = {
                "gesture": make(self._msg.Gesture, f"{body}/gesture", RESULT_QOS),
                "posture": make(self._msg.BodyPosture, f"{body}/posture", RESULT_QOS),
                "engagement": make(
                    self._msg.EngagementLevel, f"{person}/engagement_status", RESULT_QOS
                ),
                "body_id": known,
                "anonymous": anonymous,
            }
        return self._people[name]

    def _drop(self, name: str) -> None:
        del self._seen[name]
        for publisher in self._people.pop(name).values():
            self._node.destroy_publisher(publisher)
