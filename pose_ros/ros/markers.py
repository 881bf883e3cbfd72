"""What viewers draw: markers of people and of where they point, Foxglove's scenes of people."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.targets import Goal, Target
from pose_ros.core.skeletons import PEOPLE_COLORS
from pose_ros.core.types import Pose, Poses
from pose_ros.messages.foxglove import (
    JOINT_METERS,
    LIFETIME_SECONDS,
    LINK_METERS,
    SceneUpdates,
    names_of,
)
from pose_ros.pipeline import FoundGestures
from pose_ros.ros.messages import annotations_to_msg, header_to_msg, optional_messages, types
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import RESULT_QOS
from pose_ros.settings.nodes import FusionParameters, PoseParameters

LINKS, JOINTS = "links", "joints"
RAY, CONE, TARGET = "ray", "cone", "target"
RAY_METERS, TARGET_METERS = 0.02, 0.12
OPEN_METERS = 2.0
"""Length of a ray that meets nothing, or of which that is not known."""
CONE_SIDES = 24
CONE_ALPHA = 0.25
LIFETIME = Duration(sec=LIFETIME_SECONDS)
"""After which a viewer deletes markers by itself, as when the node has died."""


class ShownMarkers:
    """Knows which markers a viewer shows, and deletes those that are no longer sent."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._header = Header()

    def clear(self) -> MarkerArray:
        """Return what deletes all that is shown."""
        return self._replace([], self._header)

    def _replace(self, markers: list[Marker], header: Any) -> MarkerArray:
        """Return the markers of an image, and what deletes those before it that are not there."""
        now = {(marker.ns, marker.id) for marker in markers}
        gone = [
            Marker(header=header, ns=namespace, id=person, action=Marker.DELETE)
            for namespace, person in sorted(self._shown - now)
        ]
        self._shown, self._header = now, header
        return MarkerArray(markers=[*markers, *gone])


class SkeletonMarkers(ShownMarkers):
    """Makes the markers of the people of each image: links as lines, joints as spheres."""

    def update(self, poses: Poses, header: Any, min_score: float) -> MarkerArray:
        """Return the markers of the people of one image, in meters in the image's frame.

        A person without a joint in meters has no markers.

        Args:
            poses: The people.
            header: The image's own.
            min_score: Joints below this score, in [0, 1], are left out.
        """
        return self._replace(
            [m for pose in poses for m in _person(pose, header, min_score)], header
        )


class PointingMarkers(ShownMarkers):
    """Makes the markers of where people point: the ray, how sure it is, and what it meets."""

    def update(self, found: FoundGestures, header: Any) -> MarkerArray:
        """Return the markers of one image; a ray that has no place in meters has none.

        Args:
            found: Gestures, targets and goals of the image.
            header: The image's own: rays and cones are in its frame, targets in their goal's.
        """
        rays = {
            gesture.person: gesture.ray
            for gesture in found.gestures
            if gesture.event != "ended" and gesture.ray is not None and _is_placed(gesture.ray)
        }
        markers: list[Marker] = []
        for person, ray in rays.items():
            target, goal = found.targets.get(person), found.goals.get(person)
            length = target.range if isinstance(target, Target) else OPEN_METERS
            markers += [_line(ray, length, person, header), _cone(ray, length, person, header)]
            if isinstance(goal, Goal):
                markers.append(_target(goal, person))
        return self._replace(markers, header)


def person_color(person: int, alpha: float = 1.0) -> ColorRGBA:
    """Return the color of a person, the same as in the overlay; ``alpha`` is in [0, 1]."""
    red, green, blue = PEOPLE_COLORS[person % len(PEOPLE_COLORS)]
    return ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=alpha)


def _person(pose: Pose, header: Any, min_score: float) -> list[Marker]:
    if pose.camera is None:
        return []
    valid = np.isfinite(pose.camera).all(axis=1) & (pose.keypoint_scores >= min_score)
    if not valid.any():
        return []
    points = [Point(x=x, y=y, z=z) for x, y, z in pose.camera.astype(np.float64).tolist()]
    ends = [points[i] for a, b in pose.skeleton.links if valid[a] and valid[b] for i in (a, b)]
    joints = [points[i] for i in np.flatnonzero(valid)]
    color = person_color(pose.id)
    made = []
    for namespace, kind, meters, places in (
        (LINKS, Marker.LINE_LIST, LINK_METERS, ends),
        (JOINTS, Marker.SPHERE_LIST, JOINT_METERS, joints),
    ):
        marker = Marker(header=header, ns=namespace, id=pose.id, type=kind, color=color)
        # a viewer may not take a list without points
        marker.action = Marker.ADD if places else Marker.DELETE
        marker.lifetime = LIFETIME
        marker.scale.x = marker.scale.y = marker.scale.z = meters
        marker.points = places
        made.append(marker)
    return made


def _is_placed(ray: Ray) -> bool:
    return ray.metric and bool(np.isfinite(ray.origin).all())


def _line(ray: Ray, length: float, person: int, header: Any) -> Marker:
    marker = _marker(RAY, Marker.LINE_LIST, person, header)
    marker.scale.x = RAY_METERS
    marker.points = [_point(ray.origin), _point(ray.origin + length * ray.direction)]
    return marker


def _cone(ray: Ray, length: float, person: int, header: Any) -> Marker:
    """Return all lines of that length that are off by one sigma."""
    marker = _marker(CONE, Marker.TRIANGLE_LIST, person, header, CONE_ALPHA)
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    # two axes across the ray, from that of the frame which is least along it
    axis = np.eye(3)[int(np.argmin(np.abs(ray.direction)))]
    across = np.cross(ray.direction, axis)
    across /= np.linalg.norm(across)
    turns = np.linspace(0.0, 2.0 * np.pi, CONE_SIDES + 1)[:, None]
    around = np.cos(turns) * across + np.sin(turns) * np.cross(ray.direction, across)
    rim = math.cos(ray.sigma) * ray.direction + math.sin(ray.sigma) * around
    tip, ends = _point(ray.origin), [_point(end) for end in ray.origin + length * rim]
    for i in range(CONE_SIDES):
        marker.points += [tip, ends[i], ends[i + 1]]
    return marker


def _target(goal: Goal, person: int) -> Marker:
    marker = _marker(TARGET, Marker.SPHERE, person, header_to_msg(goal.stamp, goal.frame_id))
    marker.scale.x = marker.scale.y = marker.scale.z = TARGET_METERS
    place = marker.pose.position
    place.x, place.y, place.z = goal.position
    return marker


def _marker(namespace: str, kind: int, person: int, header: Any, alpha: float = 1.0) -> Marker:
    marker = Marker(header=header, ns=namespace, id=person, type=kind, action=Marker.ADD)
    marker.color, marker.lifetime = person_color(person, alpha), LIFETIME
    return marker


def _point(place: Float64Array) -> Point:
    x, y, z = place.tolist()
    return Point(x=x, y=y, z=z)


class FoxgloveTopics:
    """Publishes people as Lichtblick and Foxglove draw them, while there is a subscriber.

    Args:
        node: By whose parameters.
        annotations: Whether on the image too, beside the scene in meters.

    Raises:
        OptionError: foxglove_msgs is not installed.
    """

    def __init__(
        self,
        node: ManagedNode[PoseParameters] | ManagedNode[FusionParameters],
        *,
        annotations: bool = False,
    ) -> None:
        messages = optional_messages("foxglove_msgs", "publish_foxglove to false")
        self._prefix, make = node.parameters.id_prefix, node.make_publisher
        self._annotations: Any = None
        if annotations:
            self._annotations = make(messages.ImageAnnotations, "~/image_annotations", RESULT_QOS)
        self._scene: Any = make(messages.SceneUpdate, "~/scene", RESULT_QOS)
        self._updates = SceneUpdates(types)

    def publish(
        self,
        poses: Poses,
        header: Any,
        min_score: float,
        *,
        width: int,
        height: int,
        hands: Poses | None = None,
    ) -> None:
        """Publish the people of one image.

        Args:
            poses: The people.
            header: Of the image, or of the frame that they are in.
            min_score: Joints of people below this score, in [0, 1], are left out.
            width: Of the image, pixels.
            height: Of the image, pixels.
            hands: Of these people.
        """
        names = names_of(poses, self._prefix)
        if self._annotations and self._annotations.get_subscription_count():
            size = {"width": width, "height": height}
            self._annotations.publish(
                annotations_to_msg(poses, header, names, min_score=min_score, hands=hands, **size)
            )
        if self._scene.get_subscription_count():
            self._scene.publish(self._updates.update(poses, header, names, min_score, hands))

    def clear(self) -> None:
        """Delete all people that viewers show."""
        gone = self._updates.clear()
        if gone is not None:
            self._scene.publish(gone)
