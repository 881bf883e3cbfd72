"""BVH: the motion of one person, for programs that animate.

What a BVH cannot hold is made up for: its clock is even, its bones do not change their length,
and there is no missing value in it. docs/reference/exports.md says how.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.bvh_motion import BvhChannels
from pose_ros.analysis.exports.bvh_skeleton import (
    KEYPOINTS,
    Bones,
    Point,
    hierarchy,
    keypoint_indices,
    measure_bones,
    point,
)
from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import FloatArray
from pose_ros.settings.outputs import ExportOptions

CENTIMETERS = 100.0
"""In a meter: what motion capture is mostly written in."""
LONGEST_GAP = 0.5
"""Seconds between two sights through which a joint is taken to move evenly."""

_AXES = np.array([CENTIMETERS, -CENTIMETERS, -CENTIMETERS])  # x right, y down, z away, to Y up
_LONE_PERIOD = NANOSECONDS // 30  # of a person who was seen once
_CHUNK = 1024  # frames that are worked on together
_HIPS = [KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip")]

_Stream = tuple[int, int]  # number of the recording, id of the person
_SIGHT = np.dtype(
    [
        ("stream", "<i4"),
        ("person", "<i8"),
        ("nanoseconds", "<i8"),
        ("camera", "<f4", (len(KEYPOINTS), 3)),
        ("world", "<f4", (len(KEYPOINTS), 3)),
    ]
)


class BvhMotion:
    """Writes a person's motion as BVH.

    A BVH says first how many frames it has, and how long bones are is known at the end: until
    then what was seen of everybody waits in a file without a name, 0.5 kB a person and image.
    Memory holds a few numbers an image.
    """

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` is one; a BVH has no room for ``info``."""
        del info
        (self._path,) = paths
        self._wanted = options.person
        with ExitStack() as stack:
            self._file = stack.enter_context(self._path.open("w", encoding="ascii"))
            self._sights = stack.enter_context(tempfile.TemporaryFile(dir=self._path.parent))
            self._stack = stack.pop_all()
        self._sources: list[str] = []
        # in how many images each was seen in meters of the body, and in those of the camera
        self._seen: Counter[_Stream] = Counter()
        self._placed: Counter[_Stream] = Counter()

    def write(self, result: Result) -> None:
        """Keep what was seen of everybody who has a shape in meters."""
        if not self._sources or self._sources[-1] != result.source:
            self._sources.append(result.source)  # ids start again with each
        poses = result.poses
        if not len(poses) or (poses.camera is None and poses.world is None):
            return
        indices = _indices(poses.skeleton)
        sights = np.zeros(len(poses), _SIGHT)
        stream = len(self._sources) - 1
        sights["stream"], sights["person"] = stream, poses.ids
        sights["nanoseconds"] = result.nanoseconds
        for name, points in (("camera", poses.camera), ("world", poses.world)):
            sights[name] = _chosen(points, indices, len(poses))
        has_place = np.isfinite(sights["camera"][:, _HIPS]).all(axis=(1, 2))
        has_shape = np.isfinite(sights["world"][:, _HIPS]).all(axis=(1, 2))
        for person, place, shape in zip(
            poses.ids.tolist(), has_place.tolist(), has_shape.tolist(), strict=True
        ):
            self._seen[stream, person] += place or shape
            self._placed[stream, person] += place
        if self._wanted is not None:
            sights = sights[sights["person"] == self._wanted]
        self._sights.write(sights.tobytes())

    def finish(self) -> tuple[str, ...]:
        """Write the motion of the person; no file where no person has one."""
        try:
            return self._write()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()

    def _write(self) -> tuple[str, ...]:
        who = self._choose()
        track = None if who is None else self._track(who)
        bones = None if track is None else measure_bones(track.length)
        if who is None or track is None or bones is None:
            self._path.unlink()
            name = "no person" if self._wanted is None else f"no person {self._wanted}"
            return (f"not written: {name} with hips and shoulders in meters was seen",)
        self._file.write(hierarchy(bones))
        track.write_motion(bones, self._file)
        return track.notes(who[1])

    def _choose(self) -> _Stream | None:
        """Return who of those that are asked for was seen in most images, the first of several."""
        seen = {
            who: count
            for who, count in self._seen.items()
            if count and self._wanted in (None, who[1])
        }
        return max(seen, key=lambda who: seen[who], default=None)

    def _track(self, who: _Stream) -> _PersonTrack | None:
        """Return what was seen of a person, from the first place of the hips to the last."""
        self._sights.flush()
        sights = np.memmap(self._sights, _SIGHT, "r")
        rows = np.flatnonzero((sights["stream"] == who[0]) & (sights["person"] == who[1]))
        space = "camera" if 2 * self._placed[who] >= self._seen[who] else "world"
        stamps = np.asarray(sights["nanoseconds"][rows])
        # time that goes back, as in a recording that was played twice, has no place in a motion
        rising = stamps > np.maximum.accumulate(np.concatenate([[stamps[0] - 1], stamps[:-1]]))
        track = _PersonTrack(sights, rows[rising], stamps[rising], space, int((~rising).sum()))
        return track.trimmed()


class _PersonTrack:
    """What was seen of one person: T sights."""

    def __init__(
        self,
        sights: NDArray[Any],
        rows: NDArray[np.intp],
        stamps: NDArray[np.int64],
        space: str,
        left_out: int = 0,
    ) -> None:
        """``space``: in whose meters; ``left_out``: sights whose stamps did not rise."""
        self._sights, self._rows, self._stamps = sights, rows, stamps
        self._space, self._left_out = space, left_out
        self._period = _LONE_PERIOD
        if len(stamps) > 1:
            steps = np.diff(stamps)
            # without gaps; stamps of whole milliseconds have no step that is the rate's
            self._period = round(steps[steps <= 1.5 * np.median(steps)].mean())
        self._longest = max(int(LONGEST_GAP * NANOSECONDS), self._period * 5 // 2)

    def trimmed(self) -> _PersonTrack | None:
        """Return the same from the first sight of the hips to the last."""
        seen = np.concatenate(
            [
                np.isfinite(self._keypoints(chunk)[:, _HIPS]).all(axis=(1, 2))
                for chunk in _slices(len(self._rows))
            ]
        )
        if not seen.any():
            return None
        first, last = np.flatnonzero(seen)[[0, -1]]
        kept = slice(first, last + 1)
        return _PersonTrack(
            self._sights, self._rows[kept], self._stamps[kept], self._space, self._left_out
        )

    def length(self, start: Point, end: Point) -> float:
        """Return the median distance of two points, in centimeters; NaN where there is none."""
        found = np.concatenate(
            [
                np.linalg.norm(point(keypoints, end) - point(keypoints, start), axis=1)
                for keypoints in map(self._keypoints, _slices(len(self._rows)))
            ]
        )
        found = found[np.isfinite(found)]
        return float(np.median(found)) if len(found) else float("nan")

    def write_motion(self, bones: Bones, file: TextIO) -> None:
        """Write the second part of a BVH."""
        count = self._frames
        file.write(f"MOTION\nFrames: {count}\nFrame Time: {self._period / NANOSECONDS:.9f}\n")
        motion = BvhChannels(bones)
        for frames in _slices(count):
            stamps = self._stamps[0] + np.arange(frames.start, frames.stop) * self._period
            channels = motion.channels(self._resampled(stamps))
            line = " ".join(["%.4f"] * channels.shape[1]) + "\n"
            # what is added makes 0 of -0
            file.writelines(line % tuple(row) for row in (channels.round(4) + 0.0).tolist())

    def notes(self, person: int) -> tuple[str, ...]:
        """Return what a user should know of the motion, in one line."""
        gaps = np.diff(self._stamps) / NANOSECONDS
        long = gaps[gaps > self._longest / NANOSECONDS]
        seconds = self._period * self._frames / NANOSECONDS
        note = f"person {person}, {self._frames} frames, {seconds:.1f} s"
        if self._space == "world":
            note += ", on the spot: the place in the room is not known"
        if len(long):
            note += f"; out of sight {len(long)} times, up to {long.max():.1f} s: the pose is held"
        if self._left_out:
            note += f"; {self._left_out} images left out, whose stamps do not rise"
        return (note,)

    @property
    def _frames(self) -> int:
        duration = int(self._stamps[-1] - self._stamps[0])
        return (duration + self._period // 2) // self._period + 1

    def _keypoints(self, part: slice) -> Float64Array:
        """Return ``KEYPOINTS`` of some sights in the BVH's axes, (n, len(KEYPOINTS), 3)."""
        points: Float64Array = self._sights[self._space][self._rows[part]].astype(np.float64)
        points *= _AXES
        return points

    def _resampled(self, stamps: NDArray[np.int64]) -> Float64Array:
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
        between[outside & (near > self._period // 2)] = np.nan
        return between


@lru_cache(maxsize=16)
def _indices(skeleton: Skeleton) -> NDArray[np.intp]:
    """Return ``keypoint_indices`` as an array."""
    return np.array(keypoint_indices(skeleton))


def _chosen(points: FloatArray | None, indices: NDArray[np.intp], people: int) -> FloatArray:
    """Return points (N, K, 3) at indices; NaN at those below 0."""
    if points is None:
        return np.full((people, len(indices), 3), np.nan, np.float32)
    chosen: FloatArray = points[:, indices]
    chosen[:, indices < 0] = np.nan
    return chosen


def _slices(count: int) -> Iterator[slice]:
    """Yield the parts of a length that are worked on one after the other."""
    return (slice(i, min(i + _CHUNK, count)) for i in range(0, count, _CHUNK))
