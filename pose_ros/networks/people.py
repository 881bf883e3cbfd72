"""Which regions and which bodies of a frame are the same person, and where to look twice.

All distances are in sides of the larger region, some 2.4 m.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.geometry import Region
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray

REGION_SCALE = 1.25
"""Side of a region in diameters of the circle around the body."""

SAME_REGION = 0.15
"""Two regions whose middles are nearer to each other hold one person."""

HIDDEN = 0.08
"""Nearer than this, a person is so far behind another that they cannot be found."""

SAME_BODY = 0.1
"""Two bodies whose joints lie nearer on average are one."""

NEW_BODY = 0.15
"""The same of a followed and a new one: a person who comes out from behind another is a mixture at
first."""

NEW_MOVED = 0.5
"""How far at most the landmarks of a new person are from where they were looked for."""

WHOLE_REACH = 0.85
"""From the hips to head and feet, in radii of the circle around the body."""

FAINT = 0.1
"""Least presence of a detected person that is worth a second look."""

PART_SIZE = 0.4
"""A body whose keypoints span less of those of another may be a part of it, such as a shoe."""

PART_REACH = 0.06
"""How far the pixels of a body reach from its bones, in spans of its keypoints; of a person who
stands, 10 cm."""

PART_SHARE = 0.7
"""Least share of the keypoints of a part that lie on the other body: of a shoe and of lower legs in
photos 0.79 and 1.0, of people behind and before others up to 0.48."""

GROWTH = 1.3
STEP = 0.1

_BODY = [0, 11, 12, 23, 24, 25, 26]  # nose, shoulders, hips, knees


@dataclass(frozen=True)
class Landmarks:
    """One person as the landmark network sees it, in image pixels.

    Attributes:
        presence: Score in [0, 1] that a person is there.
        points: (33, 3): x, y, and z at the scale of x, relative to the mid-hips.
        scores: (33,) visibility in [0, 1].
        alignment: (2, 2): mid-hips, and a point straight above them on the
            circle around the whole body.
        world: (33, 3) meters from the mid-hips, axes of the camera.
        body: The square that ``alignment`` spans.
        mask: (S, S) in [0, 1] of the region in which the network looked, or None: how sure each
            pixel is to show the person.
    """

    presence: float
    points: FloatArray
    scores: FloatArray
    alignment: FloatArray
    world: FloatArray
    body: Region
    mask: FloatArray | None = None


@dataclass(frozen=True)
class SearchRegion:
    """Where a person is looked for.

    Attributes:
        region: The square.
        origins: Ids of the people whose following leads here; none for a new person.
        detected: Whether the detector saw a person here just now.
    """

    region: Region
    origins: frozenset[int] = frozenset()
    detected: bool = False


@dataclass(frozen=True)
class FoundPerson:
    """One person in the present frame: the landmarks, and what led to them."""

    landmarks: Landmarks
    target: SearchRegion

    @property
    def moved(self) -> float:
        """How far the body is from where it was looked for, in place and in size."""
        region, body = self.target.region, self.landmarks.body
        distance = float(np.hypot(body.x - region.x, body.y - region.y)) / region.size
        return distance + abs(float(np.log(REGION_SCALE * body.size / region.size)))


@dataclass(frozen=True)
class SecondLooks:
    """Targets that call for a second look, and the people whose place theirs are to take."""

    targets: tuple[SearchRegion, ...]
    instead_of: FoundPerson | None = None


def same_person(a: Region, b: Region, limit: float = SAME_REGION) -> bool:
    """Return whether two regions are centered so near each other that they hold one person."""
    return float(np.hypot(a.x - b.x, a.y - b.y)) < limit * max(a.size, b.size)


def body_distance(a: Landmarks, b: Landmarks) -> float:
    """Return how far the joints of two bodies lie apart on average."""
    distance = float(np.hypot(*(a.points[_BODY, :2] - b.points[_BODY, :2]).T).mean())
    return distance / (REGION_SCALE * max(a.body.size, b.body.size))


def is_whole(region: Region, view: Region, width: int, height: int) -> bool:
    """Return whether a person is in a view from head to foot, as far as they are in the image.

    Of a body that is cut off the detector gets middle and size wrong.
    """
    reach = WHOLE_REACH * region.size / REGION_SCALE / 2
    up = np.array([np.sin(region.rotation), -np.cos(region.rotation)]) * reach
    middle = np.array([region.x, region.y])
    ends = np.clip([middle + up, middle - up], 0, (width, height))
    return bool(np.abs(ends - (view.x, view.y)).max() <= view.size / 2)


class Sighting(NamedTuple):
    """A person that a detector sees in a view of an image.

    Attributes:
        whole: Whether the view shows them from head to foot.
        score: In [0, 1].
        view: Its number; 0 is the whole image.
        region: The square around them.
    """

    whole: bool
    score: float
    view: int
    region: Region


def distinct_sightings(seen: Sequence[Sighting]) -> list[Sighting]:
    """Return each person once that several views of one image show, the surest first."""
    distinct: list[Sighting] = []
    for one in sorted(seen, key=lambda one: one[:2], reverse=True):
        # what one view shows apart are two people, however near
        if not any(
            one.view != other.view and same_person(one.region, other.region) for other in distinct
        ):
            distinct.append(one)
    return distinct


def bones(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Return pairs of keypoints between which there is body: the links, and across the trunk."""
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    trunk = [skeleton.index(name) for name in names if name in skeleton.keypoints]
    return sorted({*skeleton.links, *itertools.combinations(trunk, 2)})


def without_parts(bodies: Sequence[FloatArray], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return which bodies are not a part of another, such as a shoe that a tile shows alone.

    A small body is a part of a large one when nearly all of its keypoints lie on the large
    one's bones. Someone small in front of or behind another is not: their keypoints lie beside it.

    Args:
        bodies: (K, 2) pixels each, NaN where a keypoint is missing.
        pairs: Of keypoints, from ``bones``.
    """
    known = [body[np.isfinite(body).all(axis=1)].astype(np.float64) for body in bodies]
    spans = [float(np.ptp(points, axis=0).max()) if len(points) else 0.0 for points in known]
    return [
        i
        for i, points in enumerate(known)
        if not any(
            0.0 < spans[i] < PART_SIZE * span
            and np.mean(_from_bones(points, other, pairs) <= PART_REACH * span) >= PART_SHARE
            for other, span in zip(bodies, spans, strict=True)
        )
    ]


def _from_bones(
    points: NDArray[np.float64], body: FloatArray, pairs: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Return how far each of (N, 2) points is from the nearest bone of a body, in pixels."""
    starts, ends = body[np.array(pairs).reshape(-1, 2).T].astype(np.float64)
    there = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    if not there.any():
        return np.full(len(points), np.inf)
    starts, along = starts[there], (ends - starts)[there]
    to_point = points[:, None] - starts
    squares = np.maximum((along**2).sum(axis=1), 1e-9)
    share = np.clip((to_point * along).sum(axis=2) / squares, 0.0, 1.0)
    nearest: NDArray[np.float64] = np.linalg.norm(to_point - share[:, :, None] * along, axis=2).min(
        axis=1
    )
    return nearest


def merge(
    targets: Sequence[SearchRegion], found: Sequence[Landmarks | None], min_presence: float
) -> tuple[list[FoundPerson], list[SecondLooks]]:
    """Return each person once, and what to look at again.

    Two detections may end on one body, and one may be too narrow for the landmark network.

    Args:
        targets: Followed people first.
        found: For each target.
        min_presence: Least score of a person.
    """
    people: list[FoundPerson] = []
    doubts: list[SecondLooks] = []
    for target, landmarks in zip(targets, found, strict=True):
        if landmarks is None or landmarks.presence < min_presence:
            if target.detected and landmarks is not None and landmarks.presence >= FAINT:
                for scale in (GROWTH, 1 / GROWTH):
                    other = replace(target.region, size=scale * target.region.size)
                    doubts.append(SecondLooks((replace(target, region=other),)))
            continue
        one = FoundPerson(landmarks, target)
        if not target.origins and one.moved > NEW_MOVED:
            continue
        same = next((other for other in people if _same_body(one, other)), None)
        if same is None:
            people.append(one)
        elif target.origins:
            # the one that was followed here; the other slid off a person who is hidden now
            better = min(one, same, key=lambda person: person.moved)
            origins = target.origins | same.target.origins
            merged = replace(better, target=replace(better.target, origins=origins))
            people[people.index(same)] = merged
        elif target.detected and same.target.detected:
            doubts.append(SecondLooks(_apart(same.target, target), instead_of=same))
    return people, doubts


def settle(
    people: Sequence[FoundPerson],
    doubts: Sequence[SecondLooks],
    found: Sequence[Landmarks | None],
    min_presence: float,
) -> list[FoundPerson]:
    """Return the people after a second look.

    Args:
        people: After the first one.
        doubts: What was looked at again.
        found: For all of their targets, one after the other.
        min_presence: Least score of a person.
    """
    people = list(people)
    rest = iter(found)
    for doubt in doubts:
        seen = [next(rest) for _ in doubt.targets]
        new, _ = merge(doubt.targets, seen, min_presence)
        others = [person for person in people if person is not doubt.instead_of]
        if len(new) == len(seen) and not any(_same_body(a, b) for a in new for b in others):
            people = [*others, *new]
    return people


def _same_body(a: FoundPerson, b: FoundPerson) -> bool:
    both = bool(a.target.origins) == bool(b.target.origins)
    return body_distance(a.landmarks, b.landmarks) < (SAME_BODY if both else NEW_BODY)


def _apart(a: SearchRegion, b: SearchRegion) -> tuple[SearchRegion, SearchRegion]:
    """Return two targets, each a step further away from the other."""
    way = np.array([b.region.x - a.region.x, b.region.y - a.region.y])
    step = STEP * way / max(float(np.hypot(*way)), 1e-6)

    def moved(target: SearchRegion, sign: float) -> SearchRegion:
        x, y = sign * step * target.region.size
        region = target.region
        return replace(target, region=replace(region, x=region.x + x, y=region.y + y))

    return moved(a, -1.0), moved(b, 1.0)
