"""Coordinate frames that hang on each other, over time: a tree built from /tf and /tf_static.

Any program on the network can publish a transform. So each one is checked before it enters
the tree, none may change what another publisher says, and the memory of the tree is bounded.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pose_ros.core.camera import Float64Array
from pose_ros.core.timeline import went_back
from pose_ros.errors import TransformError

MEMORY_SECONDS = 10.0
NEW_PARENT_SECONDS = 1.0
"""A moving frame gets another parent only when the old one has been silent for so long."""

MAX_FRAMES = 4000
"""No more than half of them are static: moving ones are forgotten, static ones never."""

MAX_PLACES = 200_000
"""All that a tree remembers: about 50 MB."""

MAX_NAME_LENGTH = 256
MAX_METERS = 1e9
"""Beyond any map's origin, and far from where float64 loses millimeters."""

QUATERNION_NORMS = (0.5, 2.0)
"""A rotation has norm 1; what differs that much is no rounding but another thing."""


@dataclass(eq=False)
class _Link:
    """A frame over its parent: once for all, or at rising stamps."""

    parent: str
    static: bool
    stamps: list[float] = field(default_factory=list)
    places: list[Float64Array] = field(default_factory=list)  # (4, 4)

    def at(self, stamp: float, frame: str) -> Float64Array:
        if self.static:
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
    """Remembers the frames of the last ten seconds.

    Names are taken as tf2 takes them: a leading slash is left out.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}  # the one that was silent for longest comes first
        self._places = 0  # in all links
        self._statics = 0
        self._needed: set[str] = set()  # frames of look-ups: these are never forgotten

    def __len__(self) -> int:
        return len(self._links)

    @property
    def places(self) -> int:
        """How many places of all frames it remembers, counted one frame after the other."""
        return sum(len(link.places) for link in self._links.values())

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
            quaternion: (4,) x, y, z, w: turns its axes to the parent's.
            stamp: Seconds; None: at any time.

        Raises:
            TransformError: It is refused, and the tree is as before: the names or numbers are
                wrong, it contradicts what the tree holds, or the tree is full.
        """
        parent, child = _name(parent), _name(child)
        place = _checked_place(parent, child, translation, quaternion)
        link = self._links.get(child)
        if link is None or link.parent != parent:
            self._check_parent(parent, child, link, stamp)
        # a time that went back starts again: what a simulation said before it was reset is no
        # place of now
        if (
            link is None
            or stamp is None
            or link.static
            or link.parent != parent
            or went_back(link.stamps[-1], stamp)
        ):
            if link is None:
                self._make_room(child, static=stamp is None)
            link = self._replace(child, _Link(parent, static=stamp is None))
        else:
            self._links[child] = self._links.pop(child)
        if stamp is None:
            link.places = [place]
            self._places += 1
            return
        i = bisect.bisect_left(link.stamps, stamp)
        if i < len(link.stamps) and link.stamps[i] == stamp:
            link.places[i] = place
            return
        link.stamps.insert(i, stamp)
        link.places.insert(i, place)
        old = bisect.bisect_left(link.stamps, link.stamps[-1] - MEMORY_SECONDS)
        old = max(old, len(link.stamps) - MAX_PLACES // 20)
        del link.stamps[:old], link.places[:old]
        self._places += 1 - old
        while self._places > MAX_PLACES and self._forget_one(keep=child):
            pass

    def lookup(self, target: str, source: str, stamp: float) -> Float64Array:
        """Return the (4, 4) transform that takes points of ``source`` to ``target``.

        Raises:
            TransformError: They do not hang together, or not at that time.
        """
        source, target = _name(source), _name(target)
        ways = [list(self._way_up(frame)) for frame in (source, target)]
        above_target = set(ways[1])
        common = next((frame for frame in ways[0] if frame in above_target), None)
        if common is None:
            for frame in (source, target):
                if not self._knows(frame):
                    raise TransformError(f"nothing on /tf says where {frame or 'no frame'} is")
            raise TransformError(f"nothing on /tf connects {source} with {target}")
        up, down = (self._place(way[: way.index(common)], stamp) for way in ways)
        self._needed.update(*ways)
        return inverse(down) @ up

    def _check_parent(
        self, parent: str, child: str, link: _Link | None, stamp: float | None
    ) -> None:
        """Raise TransformError where a parent, new to a frame, contradicts the tree."""
        if child in self._way_up(parent):
            raise TransformError(f"{child} in {parent} would close a ring of frames")
        if link is None or (link.static and stamp is None):
            return  # a static frame that is published again replaces the old one, as in tf2
        fresh = link.static or (
            # what is static has no stamp to compare: the moving frame may still be published
            stamp is None or abs(stamp - link.stamps[-1]) < NEW_PARENT_SECONDS
        )
        if fresh:
            raise TransformError(
                f"{child} in {parent} is refused: {child} hangs on {link.parent}; two nodes "
                "publish this frame"
            )

    def _make_room(self, child: str, *, static: bool) -> None:
        """Forget a frame where there are too many; those of look-ups and static ones stay."""
        fits = not static or self._statics < MAX_FRAMES // 2
        if fits and (len(self._links) < MAX_FRAMES or self._forget_one(keep=child)):
            return
        raise TransformError(f"{child} is refused: there are {len(self._links)} frames already")

    def _forget_one(self, keep: str) -> bool:
        for name, link in self._links.items():
            if not link.static and name not in self._needed and name != keep:
                self._places -= len(link.places)
                del self._links[name]
                return True
        return False

    def _replace(self, child: str, link: _Link) -> _Link:
        old = self._links.pop(child, None)
        if old is not None:
            self._places -= len(old.places)
            self._statics -= old.static
        self._statics += link.static
        self._links[child] = link
        return link

    def _knows(self, frame: str) -> bool:
        return frame in self._links or any(frame == link.parent for link in self._links.values())

    def _way_up(self, frame: str) -> Iterator[str]:
        """Yield a frame, its parent, and so on; there are no rings."""
        yield frame
        while frame in self._links:
            frame = self._links[frame].parent
            yield frame

    def _place(self, way: list[str], stamp: float) -> Float64Array:
        """Return where the first frame is in the parent of the last."""
        place = np.eye(4)
        for frame in way:
            place = self._links[frame].at(stamp, frame) @ place
        return place


def transform_matrix(translation: ArrayLike, quaternion: ArrayLike) -> Float64Array:
    """Return the (4, 4) matrix of a transform.

    Args:
        translation: (3,) meters.
        quaternion: (4,) x, y, z, w, of a norm near 1.

    Raises:
        TransformError: The numbers are no rotation and translation.
    """
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    shift, turn = np.array(translation, np.float64), np.array(quaternion, np.float64)
    least, most = QUATERNION_NORMS
    # written so that NaN is refused too
    if not (np.abs(shift) <= MAX_METERS).all():
        raise TransformError(f"its translation is {tuple(shift.tolist())} m")
    if not (np.abs(turn) <= most).all() or not least <= np.linalg.norm(turn) <= most:
        raise TransformError(f"its quaternion is {tuple(turn.tolist())}, and a rotation has norm 1")
    place = np.eye(4)
    place[:3, :3] = Rotation.from_quat(turn).as_matrix()
    place[:3, 3] = shift
    return place


def inverse(place: Float64Array) -> Float64Array:
    """Return the inverse of a rigid (4, 4) transform; there always is one."""
    found = np.eye(4)
    found[:3, :3] = place[:3, :3].T
    found[:3, 3] = -place[:3, :3].T @ place[:3, 3]
    return found


def _name(frame: str) -> str:
    return frame.removeprefix("/")


def _checked_place(
    parent: str, child: str, translation: ArrayLike, quaternion: ArrayLike
) -> Float64Array:
    """Return the matrix of a transform whose names and numbers can be used."""
    for name in (parent, child):
        if len(name) > MAX_NAME_LENGTH:
            raise TransformError(
                f"a transform is refused: the name {name[:20]}... has {len(name)} letters"
            )
    if not parent or not child:
        raise TransformError(
            f"the transform of {child!r} in {parent!r} is refused: a name is empty"
        )
    if parent == child:
        raise TransformError(f"{child} in {parent} is refused: a frame cannot hang on itself")
    try:
        return transform_matrix(translation, quaternion)
    except TransformError as error:
        raise TransformError(f"{child} in {parent} has no place: {error}") from None


def _between(a: Float64Array, b: Float64Array, share: float) -> Float64Array:
    from scipy.spatial.transform import Rotation, Slerp  # late: SciPy takes long to load

    place = np.eye(4)
    place[:3, 3] = (1.0 - share) * a[:3, 3] + share * b[:3, 3]
    turns = Rotation.from_matrix(np.stack([a[:3, :3], b[:3, :3]]))
    place[:3, :3] = Slerp([0.0, 1.0], turns)(share).as_matrix()
    return place
