"""People as markers for RViz and Foxglove: their links as lines, their joints as spheres."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_ros.core.types import Pose, Poses
from pose_ros.viz.overlay import PEOPLE_COLORS

LINKS, JOINTS = "links", "joints"
LINK_METERS, JOINT_METERS = 0.025, 0.05
# where no node deletes them any more, as when the node has died
LIFETIME = Duration(sec=2)


class SkeletonMarkers:
    """Makes the markers of each image, and deletes those of who is no longer there."""

    def __init__(self) -> None:
        self._shown: set[int] = set()
        self._header = Header()

    def update(self, poses: Poses, header: Any, min_score: float) -> MarkerArray:
        """Return the markers of the people of one image, in meters in the image's frame.

        Who has no joint in meters has no markers.

        Args:
            poses: The people.
            header: The image's own.
            min_score: Joints below this score, in [0, 1], are left out.
        """
        markers: list[Marker] = []
        shown = set()
        for pose in poses:
            made = _person(pose, header, min_score)
            if made:
                shown.add(pose.id)
                markers += made
        markers += _deletions(self._shown - shown, header)
        self._shown, self._header = shown, header
        return MarkerArray(markers=markers)

    def clear(self) -> MarkerArray:
        """Return what deletes all that is shown."""
        gone, self._shown = self._shown, set()
        return MarkerArray(markers=_deletions(gone, self._header))


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
        # a viewer need not take an empty list for nothing
        marker.action = Marker.ADD if places else Marker.DELETE
        marker.lifetime = LIFETIME
        marker.scale.x = marker.scale.y = marker.scale.z = meters
        marker.points = places
        made.append(marker)
    return made


def _deletions(people: Iterable[int], header: Any) -> list[Marker]:
    return [
        Marker(header=header, ns=namespace, id=person, action=Marker.DELETE)
        for person in sorted(people)
        for namespace in (LINKS, JOINTS)
    ]
