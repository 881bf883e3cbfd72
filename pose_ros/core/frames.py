"""Coordinate frames that hang on each other, over time: what /tf tells."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation, Slerp

from pose_ros.core.camera import Float64Array
from pose_ros.core.timeline import REWIND_SECONDS
from pose_ros.errors import TransformError

MEMORY_SECONDS = 10.0


@dataclass(eq=False)
class _Link:
    """A frame over its parent: once for all, or at rising stamps."""

    parent: str
    stamps: list[float] = field(default_factory=list)
    places: list[Float64Array] = field(default_factory=list)  # (4, 4)

    def at(self, stamp: float, frame: str) -> Float64Array:
        if not self.stamps:
            return self.places[0]
        first, last = self.stamps[0], self.stamps[-1]
        if not first <= stamp <= last:
            late = stamp > last
            raise TransformError(
                f"the {'newest' if late else 'oldest'} place of {frame} in {self.parent} is "
                f"{abs(stamp - (last if late else first)):.2f} s {'older' if late else 'newer'} "
                "than the image"
            )
        i = bisect.bisect_left(self.stamps, stamp)
        if self.stamps[i] == stamp:
            return self.places[i]
        return _between(
            self.places[i - 1],
            self.places[i],
            (stamp - self.stamps[i - 1]) / (self.stamps[i] - self.stamps[i - 1]),
        )


class FrameTree:
    """Remembers the frames of the last ten seconds."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def add(
        self,
        parent: str,
        child: str,
        translation: ArrayLike,
        quaternion: ArrayLike,
        stamp: float | None,
    ) -> None:
        """Take in where a frame is.

        Args:
            parent: Frame that it hangs on.
            child: Its name.
            translation: (3,) meters, of its origin in the parent's axes.
            quaternion: (4,) x, y, z, w: turns its axes to the parent's; of any length but 0.
            stamp: Seconds; None: at any time.

        Raises:
            TransformError: The numbers are no place.
        """
        place = np.eye(4)
        place[:3, 3] = translation
        turn = np.array(quaternion, np.float64)
        if not np.isfinite([*place[:3, 3], *turn]).all() or not turn.any() or parent == child:
            raise TransformError(
                f"{child} in {parent} has no place: {translation!r}, {quaternion!r}"
            )
        place[:3, :3] = Rotation.from_quat(turn).as_matrix()
        link = self._links.get(child)
        # a time that went back begins anew, and so does a frame that hangs on another one: what
        # a simulation said before it was reset is no place of now
        if (
            link is None
            or stamp is None
            or link.parent != parent
            or not link.stamps
            or stamp < link.stamps[-1] - REWIND_SECONDS
        ):
            link = self._links[child] = _Link(parent)
        if stamp is None:
            link.places = [place]
            return
        i = bisect.bisect_left(link.stamps, stamp)
        if i < len(link.stamps) and link.stamps[i] == stamp:
            link.places[i] = place
            return
        link.stamps.insert(i, stamp)
        link.places.insert(i, place)
        old = bisect.bisect_left(link.stamps, link.stamps[-1] - MEMORY_SECONDS)
        del link.stamps[:old], link.places[:old]

    def lookup(self, target: str, source: str, stamp: float) -> Float64Array:
        """Return the (4, 4) transform that takes points of ``source`` to ``target``.

        Raises:
            TransformError: They do not hang together, or not at that time.
        """
        ways = [list(self._way_up(frame)) for frame in (source, target)]
        common = next((frame for frame in ways[0] if frame in ways[1]), None)
        if common is None:
            for frame in (source, target):
                if frame not in self._known():
                    raise TransformError(f"nothing on /tf says where {frame} is")
            raise TransformError(f"nothing on /tf connects {source} with {target}")
        up, down = (self._place(way[: way.index(common)], stamp) for way in ways)
        found: Float64Array = np.linalg.inv(down) @ up
        return found

    def _known(self) -> set[str]:
        return {*self._links, *(link.parent for link in self._links.values())}

    def _way_up(self, frame: str) -> Iterator[str]:
        """Yield a frame, its parent, and so on; a ring ends where it closes."""
        seen: set[str] = set()
        while frame not in seen:
            yield frame
            seen.add(frame)
            if frame not in self._links:
                return
            frame = self._links[frame].parent

    def _place(self, way: list[str], stamp: float) -> Float64Array:
        """Return where the first frame is in the parent of the last."""
        place = np.eye(4)
        for frame in way:
            place = self._links[frame].at(stamp, frame) @ place
        return place


def _between(a: Float64Array, b: Float64Array, share: float) -> Float64Array:
    place = np.eye(4)
    place[:3, 3] = (1.0 - share) * a[:3, 3] + share * b[:3, 3]
    turns = Rotation.from_matrix(np.stack([a[:3, :3], b[:3, :3]]))
    place[:3, :3] = Slerp([0.0, 1.0], turns)(share).as_matrix()
    return place
