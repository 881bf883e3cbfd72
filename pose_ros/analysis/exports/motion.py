"""One person's motion on an even clock: what BVH, TRC, MOT and C3D are made of.

Meters with Y up. Whose motion it is, and how often they were seen, is known at the end only:
until then what was seen of all people waits in a file without a name, 0.7 kB a person and image.
Memory holds a few numbers an image.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.settings.outputs import ExportOptions

Point = tuple[str, ...]
"""Keypoints whose middle it is."""

KEYPOINTS = (
    "nose",
    *(
        f"{side}_{name}"
        for name in (
            *("eye", "ear", "shoulder", "elbow", "wrist", "index", "pinky", "thumb"),
            *("hip", "knee", "ankle", "heel", "foot_index", "small_toe"),
        )
        for side in SIDES
    ),
)
"""Keypoints that a motion has, where the network has them."""

LONGEST_GAP = 0.5
"""Seconds between two sights through which a joint is taken to move evenly."""

_ALIASES = {f"{side}_foot_index": f"{side}_big_toe" for side in SIDES}
# rows: the image's right, up, towards the camera; of the camera's axes, x right, y down, z away
_OF_CAMERA = np.diag([1.0, -1.0, -1.0])
# the same of a frame with z up that looks along x, as a robot's does
_OF_ROOM = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
_LONE_PERIOD = NANOSECONDS // 30  # of a person who was seen once
_CHUNK = 1024  # frames that are worked on together
_Stream = tuple[int, int]  # number of the recording, id of the person
_SIGHT = np.dtype(
    [
        ("stream", "<i4"),
        ("person", "<i8"),
        ("nanoseconds", "<i8"),
        ("upright", "?"),
        ("place", "<f4", (len(KEYPOINTS), 3)),
        ("world", "<f4", (len(KEYPOINTS), 3)),
    ]
)


def point(keypoints: Float64Array, of: Point) -> Float64Array:
    """Return a point, (n, 3), of keypoints (n, len(KEYPOINTS), 3)."""
    found: Float64Array = keypoints[:, [KEYPOINTS.index(name) for name in of]].mean(axis=1)
    return found


def keypoint_indices(skeleton: Skeleton) -> list[int]:
    """Return where each of ``KEYPOINTS`` stands in a skeleton; -1 for those it lacks."""
    known = {name: i for i, name in enumerate(skeleton.keypoints)}
    return [known.get(name, known.get(_ALIASES.get(name, ""), -1)) for name in KEYPOINTS]


class Sights:
    """Collects what is seen of all people, in meters with Y up.

    People are placed where the cameras of a rig, else the one camera, see them
    (``Result.fused``, ``Poses.camera``), turned by ``Result.room`` where it is known; otherwise
    up is the camera's own. People without a place have the network's shape, on the spot.

    Args:
        folder: In which what was seen waits.
        wanted: Id of the person; None for the one who is seen in most images.
        needed: Keypoints without which a person does not count as seen; none: any will do.
    """

    def __init__(self, folder: Path, wanted: int | None, needed: Point = ()) -> None:
        self._wanted = wanted
        self._needed = [KEYPOINTS.index(name) for name in needed]
        with ExitStack() as stack:
            self._file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            self._stack = stack.pop_all()
        self._sources: list[str] = []
        # in how many images each was seen, had a place, and was turned upright
        self._seen: Counter[_Stream] = Counter()
        self._placed: Counter[_Stream] = Counter()
        self._upright: Counter[_Stream] = Counter()

    def write(self, result: Result) -> None:
        """Keep what was seen of all people who have a shape in meters."""
        if not self._sources or self._sources[-1] != result.source:
            self._sources.append(result.source)  # ids start again with each
        poses = result.poses
        places = poses.camera if result.fused is None else result.fused
        if not len(poses) or (places is None and poses.world is None):
            return
        turn, shift = _OF_CAMERA, np.zeros(3)
        if result.room is not None:
            turn, shift = _OF_ROOM @ result.room[:3, :3], _OF_ROOM @ result.room[:3, 3]
        indices = _indices(poses.skeleton)
        sights = np.zeros(len(poses), _SIGHT)
        stream = len(self._sources) - 1
        sights["stream"], sights["person"] = stream, poses.ids
        sights["nanoseconds"] = result.nanoseconds
        sights["upright"] = result.room is not None
        sights["place"] = _chosen(places, indices, len(poses)) @ turn.T + shift
        # of several cameras the shape has the axes of one of them, whose turn is not known here
        shape_turn = turn if result.fused is None else _OF_CAMERA
        sights["world"] = _chosen(poses.world, indices, len(poses)) @ shape_turn.T
        has_place, has_shape = self._is_seen(sights["place"]), self._is_seen(sights["world"])
        for person, place, shape in zip(
            poses.ids.tolist(), has_place.tolist(), has_shape.tolist(), strict=True
        ):
            self._seen[stream, person] += place or shape
            self._placed[stream, person] += place
            self._upright[stream, person] += (place or shape) and result.room is not None
        if self._wanted is not None:
            sights = sights[sights["person"] == self._wanted]
        self._file.write(sights.tobytes())

    def close(self) -> None:
        """Let go of what was seen; a second call does nothing."""
        self._stack.close()

    def track(self) -> EvenMotion | None:
        """Return the motion of the person, from the first sight to the last.

        Returns:
            None where no person that is asked for was seen.
        """
        who = max(
            (w for w, count in self._seen.items() if count and self._wanted in (None, w[1])),
            key=lambda w: self._seen[w],
            default=None,
        )
        if who is None:
            return None
        self._file.flush()
        sights = np.memmap(self._file, _SIGHT, "r")
        rows = np.flatnonzero((sights["stream"] == who[0]) & (sights["person"] == who[1]))
        # two ideas of where up is do not make one motion: the one of most images counts
        upright = 2 * self._upright[who] >= self._seen[who]
        kept = rows[sights["upright"][rows] == upright]
        space = "place" if 2 * self._placed[who] >= self._seen[who] else "world"
        seen = np.concatenate(
            [self._is_seen(sights[space][kept[part]]) for part in _slices(len(kept))]
        )
        if not seen.any():
            return None
        first, last = np.flatnonzero(seen)[[0, -1]]
        return EvenMotion(
            sights, kept[first : last + 1], space, who[1], other_up=len(rows) - len(kept)
        )

    def missing(self) -> str:
        """Return in words that no track was found."""
        name = "no person" if self._wanted is None else f"no person {self._wanted}"
        what = " with hips and shoulders" if self._needed else ""
        return f"not written: {name}{what} in meters was seen"

    def _is_seen(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Return in which sights, (n, len(KEYPOINTS), 3), the person is seen, (n,)."""
        finite = np.isfinite(points).all(axis=2)
        needed = finite[:, self._needed] if self._needed else finite
        among: Any = np.all if self._needed else np.any
        seen: NDArray[np.bool_] = among(needed, axis=1)
        return seen


class EvenMotion:
    """What was seen of one person.

    Attributes:
        person: Their id.
        on_the_spot: Whether the place in the room is not known.
        period: Nanoseconds between two frames.
        frames: How many there are from the first sight to the last.
    """

    def __init__(
        self,
        sights: NDArray[Any],
        rows: NDArray[np.intp],
        space: str,
        person: int,
        *,
        other_up: int = 0,
    ) -> None:
        """Take what was seen.

        Args:
            sights: Of all people.
            rows: Those of the person.
            space: ``place`` or ``world``: in whose meters.
            person: Id of the person.
            other_up: How many sights were left out as up was another one in them.
        """
        stamps = np.asarray(sights["nanoseconds"][rows])
        # time that goes back, as in a recording that was played twice, has no place in a motion
        rising = stamps > np.maximum.accumulate(np.concatenate([[stamps[0] - 1], stamps[:-1]]))
        self.person, self.on_the_spot = person, space == "world"
        self._sights, self._space, self._rows = sights, space, rows[rising]
        self._stamps: NDArray[np.int64] = stamps[rising]
        self._not_rising, self._other_up = int((~rising).sum()), other_up
        self.period = _LONE_PERIOD
        if len(self._stamps) > 1:
            steps = np.diff(self._stamps)
            # without gaps; stamps of whole milliseconds have no step that is the rate's
            self.period = round(steps[steps <= 1.5 * np.median(steps)].mean())
        self._longest = max(int(LONGEST_GAP * NANOSECONDS), self.period * 5 // 2)
        duration = int(self._stamps[-1] - self._stamps[0])
        self.frames = (duration + self.period // 2) // self.period + 1

    @property
    def rate(self) -> float:
        """Frames a second."""
        return NANOSECONDS / self.period

    def length(self, start: Point, end: Point) -> float:
        """Return the median distance of two points, in meters; NaN where there is none."""
        found = np.concatenate(
            [
                np.linalg.norm(point(keypoints, end) - point(keypoints, start), axis=1)
                for keypoints in map(self._keypoints, _slices(len(self._rows)))
            ]
        )
        found = found[np.isfinite(found)]
        return float(np.median(found)) if len(found) else float("nan")

    def resampled(self) -> Iterator[tuple[int, Float64Array]]:
        """Yield the frames, some at a time, and the number of the first of these.

        Yields:
            Keypoints, (n, len(KEYPOINTS), 3) meters, Y up; NaN where they were not seen for
            longer than ``LONGEST_GAP`` (or 2.5 frames).
        """
        for part in _slices(self.frames):
            yield (
                part.start,
                self._at(self._stamps[0] + np.arange(part.start, part.stop) * self.period),
            )

    def note(self) -> str:
        """Return what a user should know of the motion, in one line."""
        gaps = np.diff(self._stamps) / NANOSECONDS
        long = gaps[gaps > self._longest / NANOSECONDS]
        seconds = self.period * self.frames / NANOSECONDS
        note = f"person {self.person}, {self.frames} frames, {seconds:.1f} s"
        if self.on_the_spot:
            note += ", on the spot: the place in the room is not known"
        if len(long):
            note += f"; out of sight {len(long)} times, up to {long.max():.1f} s"
        if self._not_rising:
            note += f"; {self._not_rising} images left out, whose stamps do not rise"
        if self._other_up:
            note += f"; {self._other_up} images left out, in which up was not known as in the rest"
        return note

    @property
    def has_gaps(self) -> bool:
        """Whether the person was out of sight for longer than joints are taken to move evenly."""
        return bool((np.diff(self._stamps) > self._longest).any())

    def _keypoints(self, part: slice) -> Float64Array:
        points: Float64Array = self._sights[self._space][self._rows[part]].astype(np.float64)
        return points

    def _at(self, stamps: NDArray[np.int64]) -> Float64Array:
        """Return the keypoints at other stamps; NaN in gaps that are too long."""
        near = slice(
            int(np.searchsorted(self._stamps, stamps[0] - self._longest)),
            int(np.searchsorted(self._stamps, stamps[-1] + self._longest, side="right")),
        )
        known, at = self._keypoints(near), self._stamps[near]
        found = np.full((len(stamps), *known.shape[1:]), np.nan)
        for i in range(known.shape[1]):
            seen = np.isfinite(known[:, i]).all(axis=1)
            if seen.any():
                found[:, i] = self._between(stamps, at[seen], known[seen, i])
        return found

    def _between(
        self, stamps: NDArray[np.int64], at: NDArray[np.int64], points: Float64Array
    ) -> Float64Array:
        """Return points (n, 3) between those that are known, moving evenly."""
        after = np.minimum(np.searchsorted(at, stamps), len(at) - 1)
        before = np.maximum(np.searchsorted(at, stamps, side="right") - 1, 0)
        gap = at[after] - at[before]
        share = np.clip((stamps - at[before]) / np.maximum(gap, 1), 0.0, 1.0)[:, None]
        between: Float64Array = points[before] + share * (points[after] - points[before])
        near = np.minimum(np.abs(stamps - at[before]), np.abs(stamps - at[after]))
        outside = (gap > self._longest) | (stamps < at[0]) | (stamps > at[-1])
        between[outside & (near > self.period // 2)] = np.nan
        return between


class MotionFile:
    """Writes the motion of one person to a file, once all of it is known.

    Args:
        paths: One: of the file.
        info: What ran; formats of motion have no room for it.
        options: Whose motion it is.
        write: Writes the motion; returns a line about it, empty where it has nothing to write.
        needed: As ``Sights`` takes it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        info: RunInfo,
        options: ExportOptions,
        *,
        write: Callable[[EvenMotion, IO[bytes]], str],
        needed: Point = (),
    ) -> None:
        del info
        (self._path,) = paths
        self._write = write
        with ExitStack() as stack:
            self._file = stack.enter_context(self._path.open("wb"))
            self._sights = Sights(self._path.parent, options.person, needed)
            stack.callback(self._sights.close)
            self._stack = stack.pop_all()

    def write(self, result: Result) -> None:
        """Keep what was seen of all people who have a shape in meters."""
        self._sights.write(result)

    def finish(self) -> tuple[str, ...]:
        """Write the motion of the person; no file where no person has one."""
        try:
            track = self._sights.track()
            note = "" if track is None else self._write(track, self._file)
            if not note:
                self._path.unlink()
            return (note or self._sights.missing(),)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()


@lru_cache(maxsize=16)
def _indices(skeleton: Skeleton) -> NDArray[np.intp]:
    """Return ``keypoint_indices`` as an array."""
    return np.array(keypoint_indices(skeleton))


def _chosen(
    points: NDArray[np.floating[Any]] | None, indices: NDArray[np.intp], people: int
) -> Float64Array:
    """Return points (N, K, 3) at indices; NaN at those below 0."""
    if points is None:
        return np.full((people, len(indices), 3), np.nan)
    chosen: Float64Array = points[:, indices].astype(np.float64)
    chosen[:, indices < 0] = np.nan
    return chosen


def _slices(count: int) -> Iterator[slice]:
    """Yield the parts of a length that are worked on one after the other."""
    return (slice(i, min(i + _CHUNK, count)) for i in range(0, count, _CHUNK))
