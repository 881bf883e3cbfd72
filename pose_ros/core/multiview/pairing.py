"""Who is who in several cameras whose places are not known yet.

Of two cameras, each track of one is tried with each track of the other: were they one person, the
five-point method would give the places of the cameras. In the right places the rays of the other
people meet too, and all bodies have the size of a body; so each answer is judged by all tracks, and
the one under which most joints fit counts. Pairs of all cameras are then grouped, those that fit
best first, at most one track of a camera at a time in a group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import DEFAULT_HEIGHT
from pose_ros.core.multiview.calibration import (
    LEAST_FRAMES,
    LEAST_JOINTS,
    Cameras,
    PersonTrack,
    Sightings,
    distinct,
    five_point,
    heights_by_bones,
    misfits,
    pair_cameras,
    ray_angle,
    refined,
    samples,
    sightings_of,
    triangulated,
    unswapped,
)
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.skeletons import Skeleton
from pose_ros.errors import OptionError

MOST_TRACKS = 8
"""Of each camera, those that are seen longest."""

_FRAMES = 24  # instants of two tracks by which they are compared
_FAR = 0.03  # of the height: error of a joint that does not fit
_LEAST_SHARE = 0.7  # of the joints of two tracks of one person that fit
_CLOSE = 0.015  # of the height: error of a joint that fits well
_LEAST_CLOSE = 0.9  # of the joints of the only person that two cameras share
_LEAST_INSTANTS = 24  # in which cameras share that person
_LEAST_WAY = 0.10  # meters, standard deviation of where they are: others who stay fit as well
_MOST_RATIO = 1.35  # of the heights of two people
_INLIER = 0.02  # of the person's extent: error of an inlier of the five-point method
_DRAWS = 120  # of it: most pairs of tracks are two people, for which it never ends by itself
_TRIED = 3  # answers of a pair of cameras that are refined
_TOGETHER = 3  # images in which a camera sees two tracks that are not of one person
_RIVAL_ANGLE = 10.0  # degrees between two answers that are not one
_GOOD_ANGLE = 20.0  # degrees between rays, from which on depth is well known


@dataclass(frozen=True, eq=False)
class CameraPair:
    """Who is who in two cameras.

    Attributes:
        matches: Index of a track of the first, of one of the second, and the joints that fit.
        worth: How many joints fit, less where both cameras look from about the same place.
        rival: The worth of the best answer with other places, as a share.
    """

    matches: tuple[tuple[int, int, float], ...]
    worth: float
    rival: float = 0.0


@dataclass(frozen=True, eq=False)
class _TrackPairs:
    """Tracks of two cameras, each with each.

    Attributes:
        pairs: (n, 2) indices of their tracks.
        seen: Of both cameras; ``people`` is the index of the pair.
        together: Of each camera, whether two tracks are seen at once, and so are two people.
    """

    pairs: NDArray[np.intp]
    seen: Sightings
    together: tuple[NDArray[np.bool_], NDArray[np.bool_]]


def pair_tracks(
    first: Sequence[PersonTrack],
    second: Sequence[PersonTrack],
    skeleton: Skeleton,
    offset: float = 0.0,
) -> CameraPair | None:
    """Find who is who in two cameras.

    Args:
        first: The tracks of one camera, of the same stamps.
        second: Those of another one.
        skeleton: Of the keypoints.
        offset: Seconds to add to the second one's stamps.

    Returns:
        None where no two tracks share enough, or nothing fits.
    """
    compared = _compare(first, second, skeleton, offset)
    if compared is None:
        return None
    seen, found = compared.seen, list[tuple[float, Cameras, Sightings]]()
    both: NDArray[np.bool_] = np.logical_and.reduce(seen.known, axis=0)
    for label in np.unique(seen.people):
        own = np.flatnonzero(seen.people == label)
        answers = list[tuple[float, Cameras, Sightings]]()
        for frames, threshold in samples(own, (_INLIER,)):
            for turn, shift in five_point(seen, 0, 1, both, frames, threshold, _DRAWS):
                cameras = _sized(pair_cameras(2, 0, 1, turn, shift), seen.only(own))
                if cameras is not None:
                    fits = _fits(compared, cameras, {int(label)})
                    answers.append((-sum(fits.values()), cameras, seen))
        answers.sort(key=lambda answer: answer[0])
        for _, cameras, _ in distinct(answers)[:2]:
            matches = _matched(compared, _fits(compared, cameras))
            found.append((-sum(match[2] for match in matches), cameras, seen))
    found.sort(key=lambda answer: answer[0])
    tried = [_settled(compared, cameras) for _, cameras, _ in distinct(found)[:_TRIED]]
    answers_left = [entry for entry in tried if entry is not None]
    if not answers_left:
        return None
    answers_left.sort(key=lambda entry: -entry[0].worth)
    best, cameras = answers_left[0]
    rival = max(
        (
            other.worth / best.worth
            for other, places in answers_left[1:]
            if not _same(places, cameras)
        ),
        default=0.0,
    )
    return replace(best, rival=rival)


def _same(first: Cameras, second: Cameras) -> bool:
    cosine = (float(np.trace(first.rotations[1] @ second.rotations[1].T)) - 1.0) / 2.0
    return cosine > math.cos(math.radians(_RIVAL_ANGLE))


def matched_in(
    cameras: Sequence[Sequence[PersonTrack]],
    skeleton: Skeleton,
    offsets: Sequence[float],
    views: Sequence[CameraView],
) -> dict[tuple[int, int], CameraPair]:
    """Return who is who in cameras whose places are known, by the indices of two cameras."""
    found = {}
    for a, b in camera_pairs(len(cameras)):
        compared = _compare(cameras[a], cameras[b], skeleton, offsets[b] - offsets[a])
        if compared is None:
            continue
        places = [views[v].extrinsics for v in (a, b)]
        placed = Cameras(
            np.stack([place.rotation for place in places]),
            np.stack([place.translation for place in places]),
            np.ones(2, bool),
        )
        matches = _matched(compared, _fits(compared, placed))
        if matches:
            found[a, b] = CameraPair(matches, sum(match[2] for match in matches))
    return found


def _compare(
    first: Sequence[PersonTrack], second: Sequence[PersonTrack], skeleton: Skeleton, offset: float
) -> _TrackPairs | None:
    pairs = list(product(range(len(first)), range(len(second))))
    try:
        seen = sightings_of(
            [(first[a], second[b]) for a, b in pairs], skeleton, (0.0, offset), _FRAMES
        )
    except OptionError:
        return None
    return _TrackPairs(np.array(pairs), seen, (seen_together(first), seen_together(second)))


def seen_together(tracks: Sequence[PersonTrack]) -> NDArray[np.bool_]:
    """Return (n, n) whether a camera sees two of its tracks at once."""
    shown = np.array([np.isfinite(t.keypoints).all(axis=-1).sum(axis=1) for t in tracks])
    shown = (shown >= LEAST_JOINTS).astype(int)
    found: NDArray[np.bool_] = shown @ shown.T >= _TOGETHER
    return found


def _sized(cameras: Cameras, seen: Sightings) -> Cameras | None:
    """Return cameras so far apart that people have the height of people."""
    tall = heights_by_bones(triangulated(seen, cameras), seen.skeleton)
    if not np.isfinite(tall).any():
        return None
    return cameras.scaled(DEFAULT_HEIGHT / float(np.nanmedian(tall)))


def _fits(
    compared: _TrackPairs, cameras: Cameras, labels: set[int] | None = None
) -> dict[int, float]:
    """Return the joints that fit of those pairs of tracks that may be one person."""
    seen = compared.seen
    if labels is not None:
        seen = seen.only(np.flatnonzero(np.isin(seen.people, list(labels))))
    seen = unswapped(seen, cameras, DEFAULT_HEIGHT)
    points = triangulated(seen, cameras)
    errors, counts = misfits(seen, cameras, points, DEFAULT_HEIGHT)
    fitting = (counts & (errors < _FAR)).sum(axis=(0, 2))
    among = counts.sum(axis=(0, 2))
    found = {}
    for label in np.unique(seen.people).tolist():
        own = seen.people == label
        tall = heights_by_bones(points[own], seen.skeleton) / DEFAULT_HEIGHT
        known = tall[np.isfinite(tall)]
        if not len(known) or abs(math.log(float(np.median(known)))) > math.log(_MOST_RATIO):
            continue
        share = fitting[own].sum() / max(1, among[own].sum())
        if share >= _LEAST_SHARE:
            found[int(label)] = float(fitting[own].sum() * share)
    return found


def _matched(compared: _TrackPairs, fits: dict[int, float]) -> tuple[tuple[int, int, float], ...]:
    """Return pairs of tracks, those that fit best first, each person once at a time."""
    kept: list[tuple[int, int, float]] = []
    for label, worth in sorted(fits.items(), key=lambda item: -item[1]):
        a, b = compared.pairs[label].tolist()
        clash = any(
            (a == other_a and (b == other_b or compared.together[1][b, other_b]))
            or (b == other_b and compared.together[0][a, other_a])
            for other_a, other_b, _ in kept
        )
        if not clash:
            kept.append((a, b, worth))
    return tuple(kept)


def _settled(compared: _TrackPairs, cameras: Cameras) -> tuple[CameraPair, Cameras] | None:
    """Refine where two cameras stand by all people who match, and match them again."""
    for _ in range(2):
        matches = _matched(compared, _fits(compared, cameras))
        if not matches:
            return None
        labels = [
            int(np.flatnonzero((compared.pairs == (a, b)).all(axis=1))[0]) for a, b, _ in matches
        ]
        rows = np.flatnonzero(np.isin(compared.seen.people, labels))
        seen = unswapped(compared.seen.only(rows), cameras, DEFAULT_HEIGHT)
        better = refined(seen, cameras)
        sized = None if better is None else _sized(better[1], better[2])
        if sized is None:
            break
        cameras = sized
    matches = _matched(compared, _fits(compared, cameras))
    if not matches:
        return None
    points = triangulated(seen, cameras)
    angle = math.radians(ray_angle(cameras, 0, 1, points))
    bend = min(1.0, math.sin(angle) / math.sin(math.radians(_GOOD_ANGLE)))
    return CameraPair(matches, bend * sum(match[2] for match in matches)), cameras


def persons_of(
    cameras: Sequence[Sequence[PersonTrack]], pairs: dict[tuple[int, int], CameraPair]
) -> list[tuple[tuple[int, int], ...]]:
    """Group the tracks of all cameras by person.

    Args:
        cameras: The tracks of each.
        pairs: By the indices of two cameras.

    Returns:
        Of each person, pairs of a camera's index and one of its tracks'; first those who are seen
        by most tracks.
    """
    together = [seen_together(tracks) for tracks in cameras]
    group = {(v, i): {(v, i)} for v, tracks in enumerate(cameras) for i in range(len(tracks))}
    edges = [
        (worth * (1.0 - 0.5 * pair.rival), (a, i), (b, j))
        for (a, b), pair in pairs.items()
        for i, j, worth in pair.matches
    ]
    for _, one, other in sorted(edges, key=lambda edge: -edge[0]):
        first, second = group[one], group[other]
        if first is second:
            continue
        if any(v == w and together[v][i, j] for (v, i), (w, j) in product(first, second)):
            continue
        first |= second
        for key in second:
            group[key] = first
    found = {id(members): tuple(sorted(members)) for members in group.values()}
    people = [members for members in found.values() if len({v for v, _ in members}) > 1]
    return sorted(people, key=lambda members: (-len(members), members))


def is_sure(
    tracks: Sequence[PersonTrack],
    skeleton: Skeleton,
    offsets: Sequence[float],
    views: Sequence[CameraView],
    camera: int,
) -> bool:
    """Return whether a camera sees the same person as the others, with no one else to compare.

    Two strangers fit too, if less well: the places of cameras are what makes them fit. Real
    strangers had up to 88% of joints that fit well, once clocks and places were solved for; two
    men who both stayed where they were had more.

    Args:
        tracks: What each camera saw of the person.
        skeleton: Of the keypoints.
        offsets: Seconds to add to each camera's stamps.
        views: Where the cameras are found to be.
        camera: The index of the camera in question.
    """
    seen = sightings_of([tracks], skeleton, offsets)
    places = [view.extrinsics for view in views]
    cameras = Cameras(
        np.stack([place.rotation for place in places]),
        np.stack([place.translation for place in places]),
        np.ones(len(places), bool),
    )
    tall = heights_by_bones(triangulated(seen, cameras), skeleton)
    if not np.isfinite(tall).any():
        return False
    height = float(np.nanmedian(tall))
    seen = unswapped(seen, cameras, height)
    points = triangulated(seen, cameras)
    errors, counts = misfits(seen, cameras, points, height)
    own = counts[camera]
    instants = np.flatnonzero(own.sum(axis=1) >= LEAST_JOINTS)
    if len(instants) < _LEAST_INSTANTS:
        return False
    middles = np.nanmedian(points[instants], axis=1)
    way = math.sqrt(float(np.var(middles, axis=0).max()))
    close = float((errors[camera][own] < _CLOSE).mean())
    return way >= _LEAST_WAY and close >= _LEAST_CLOSE


def person_tracks(
    cameras: Sequence[Sequence[PersonTrack]], members: Sequence[tuple[int, int]]
) -> list[PersonTrack]:
    """Return what each camera saw of one person, by their tracks."""
    found = []
    for v, tracks in enumerate(cameras):
        keypoints = np.full_like(tracks[0].keypoints, np.nan)
        for camera, i in members:
            if camera == v:
                own = tracks[i].keypoints
                shown = np.isfinite(own).any(axis=(1, 2)) & ~np.isfinite(keypoints).any(axis=(1, 2))
                keypoints[shown] = own[shown]
        found.append(replace(tracks[0], keypoints=keypoints))
    return found


def camera_pairs(count: int) -> list[tuple[int, int]]:
    """Return the pairs of so many cameras."""
    return list(combinations(range(count), 2))


def longest(tracks: Sequence[PersonTrack]) -> list[PersonTrack]:
    """Return the tracks that are seen longest, those that last too short left out."""
    lengths = [int(_shown(t.keypoints).sum()) for t in tracks]
    order = sorted(range(len(tracks)), key=lambda i: (-lengths[i], i))
    return [tracks[i] for i in order[:MOST_TRACKS] if lengths[i] >= LEAST_FRAMES]


def _shown(keypoints: Float64Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isfinite(keypoints).all(axis=-1).sum(axis=1) >= LEAST_JOINTS
    return found
