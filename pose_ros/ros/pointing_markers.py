"""Where people point, as markers: the line along the arm, how sure it is, and what it meets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.targets import Goal, Target
from pose_ros.pipeline import FoundGestures
from pose_ros.ros.markers import LIFETIME, person_color
from pose_ros.ros.messages import header_to_msg

RAY, CONE, TARGET = "ray", "cone", "target"
RAY_METERS, TARGET_METERS = 0.02, 0.12
# of a ray that meets nothing, or of which that is not known
OPEN_METERS = 2.0
CONE_SIDES = 24
CONE_ALPHA = 0.25


class PointingMarkers:
    """Makes the markers of each image, and deletes those of who no longer points."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._header = Header()

    def update(self, found: FoundGestures, header: Any) -> MarkerArray:
        """Return the markers of one image; a ray that has no place in meters has none.

        Args:
            found: Gestures, targets and goals of the image.
            header: The image's own: rays and cones are in its frame, targets in their goal's.
        """
        rays = {g.person: g.ray for g in found.gestures if g.event != "ended" and _is_placed(g.ray)}
        markers: list[Marker] = []
        for person, ray in rays.items():
            assert ray is not None  # noqa: S101
            target = found.targets.get(person)
            length = target.range if isinstance(target, Target) else OPEN_METERS
            markers += [_line(ray, length, person, header), _cone(ray, length, person, header)]
            goal = found.goals.get(person)
            if isinstance(goal, Goal):
                markers.append(_target(goal, person))
        shown = {(marker.ns, marker.id) for marker in markers}
        markers += _deletions(self._shown - shown, header)
        self._shown, self._header = shown, header
        return MarkerArray(markers=markers)

    def clear(self) -> MarkerArray:
        """Return what deletes all that is shown."""
        gone, self._shown = self._shown, set()
        return MarkerArray(markers=_deletions(gone, self._header))


def _is_placed(ray: Ray | None) -> bool:
    return ray is not None and ray.metric and bool(np.isfinite(ray.origin).all())


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


def _deletions(shown: Iterable[tuple[str, int]], header: Any) -> list[Marker]:
    return [
        Marker(header=header, ns=namespace, id=person, action=Marker.DELETE)
        for namespace, person in sorted(shown)
    ]
