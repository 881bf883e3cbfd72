"""Who the people of an instant are, and which side of them is left.

People are those of a moment ago where they are seen by where their joints are predicted; a camera's
own ids help, and bring back who was out of sight. Left and right that a camera swapped are undone
by the same prediction; of a person newly seen, by what most cameras say and where the face is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import NO_PERSON, SIZE_SPREAD, SWAP_GAIN, Crowd
from pose_ros.core.multiview.body import Motion, bone_lengths_of
from pose_ros.core.multiview.clocks import WATCH_SECONDS
from pose_ros.core.multiview.triangulation import BoolArray, axes_first, cross, dot, unit
from pose_ros.core.skeletons import SIDES, Skeleton, parts_of
from pose_ros.core.timeline import FOLLOW_SECONDS
from pose_ros.core.tracking import best_pairs

# Costs are mean squares in sigmas, bounded: a person where they are predicted has about 1.
_MAIN_COST = 4.0  # above it a person is none that is remembered
_FOLLOWED_COST = 8.0  # the same, of one that their camera follows: it may go wrong about a body
_STEADY_COST = 2.0  # up to it a person is where they are expected
_BOUND = 9.0
_CLEARLY = 1.0  # sigmas by which one of two bodies fits less
_PREDICTED = 0.06  # meters, one sigma of where a joint is predicted, by what a filter cannot know
_ASTRAY_SECONDS = 1.0  # for which a camera may show a person elsewhere before they are two
_SAME_ID = 1.0  # what it is worth that the camera gives the same id as before
# For so long left and right of a part seem swapped before they are: by most cameras, and by where
# the chest is against the face, and hips and ears against the shoulders.
_SIDE_SECONDS, _SIDE_WEIGHT = 0.5, 1.5
_LONGEST_STEP = 0.2  # seconds
_TRUNK = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
_SIDED = ("shoulder", "hip", "ear")  # joints on both sides, by part of the body


@dataclass(eq=False)
class FusedPerson:
    """What is remembered of one person: K joints, C kinds of bones.

    Attributes:
        id: The fusion's own.
        motion: Of the joints, at ``seen``.
        logs: (C,) logarithms of the lengths of bones in meters.
        variances: (C,) of them.
        entered: Stamp at which they were first seen, seconds.
        seen: The same at which any camera saw them last.
        fused: The same of two cameras.
        learned: The same at which bones and scales were last learned.
        camera_ids: By index of the camera, its own id of them.
        scales: By index of the camera, logarithm of by how much it has them too near, and its
            variance.
        sides: (S,) by part of the body, for how long left and right seem to be swapped, seconds.
        misses: Sum of the squares by which rays of their joints missed each other lately, in
            sigmas.
        free: How many of them do not fit of themselves.
        judged: Stamp at which both were last learned.
    """

    id: int
    motion: Motion
    logs: Float64Array
    variances: Float64Array
    entered: float
    seen: float
    fused: float = -math.inf
    learned: float = -math.inf
    camera_ids: dict[int, int] = field(default_factory=dict)
    scales: dict[int, tuple[float, float]] = field(default_factory=dict)
    sides: Float64Array = field(default_factory=lambda: np.zeros(1))
    misses: float = 0.0
    free: float = 0.0
    judged: float = -math.inf

    def is_of(self, view: int, id_: int) -> bool:
        """Return whether a camera's id is this person's."""
        return self.camera_ids.get(view) == id_

    def is_due(self, stamp: float) -> bool:
        """Return whether bones and scales are to be learned."""
        return stamp - self.learned >= WATCH_SECONDS


def learn_sides(
    people: Sequence[FusedPerson],
    skeleton: Skeleton,
    swaps: Float64Array,
    cosines: Float64Array,
    stamp: float,
) -> None:
    """Learn on which side the parts of bodies are; mirror those that are on the wrong one.

    Args:
        people: G of them.
        skeleton: Theirs, with S parts.
        swaps: (G, S) share of the cameras that have to be swapped to fit to the person.
        cosines: (G, S) of ``side_cosines``; NaN unknown.
        stamp: Seconds.
    """
    known = np.where(np.isfinite(cosines), np.minimum(np.maximum(cosines, -1.0), 1.0), 0.0)
    steps = [min(max(stamp - person.seen, 0.0), _LONGEST_STEP) for person in people]
    wrong = 2.0 * swaps - 1.0 - _SIDE_WEIGHT * known
    sides = np.array([person.sides for person in people]) + np.array(steps)[:, None] * wrong
    sides = np.maximum(sides, -_SIDE_SECONDS)
    turned = sides > _SIDE_SECONDS
    for person, own in zip(people, np.where(turned, 0.0, sides), strict=True):
        person.sides = own
    for g in np.flatnonzero(turned.any(axis=1)).tolist():
        which = turned[g]
        if which[0]:  # and what agreed with the chest
            which = which | ~(cosines[g] < 0.0)
        people[g].sides = np.where(which, 0.0, people[g].sides)
        people[g].motion = people[g].motion.of(parts_of(skeleton).order(which))


class Room:
    """Who is in the room, and who was a moment ago; the ``Memory`` of a ``Stream``."""

    def __init__(self) -> None:
        self._next_id = 0
        self.forget()

    def lose_sight(self) -> None:
        """Do nothing: people are predicted for a short time, and known by their camera's ids."""

    def forget(self) -> None:
        """Forget everybody; no id is used again."""
        self.people: list[FusedPerson] = []
        # by camera and its id: who it may have gone over to, and since when
        self._moving: dict[tuple[int, int], tuple[int, float]] = {}
        # by camera and its id: since when it shows a body elsewhere than others see that person
        self.astray: dict[tuple[int, int], float] = {}
        # the same: since when it shows someone who may be no new person
        self.waiting: dict[tuple[int, int], float] = {}

    def keep(self, count: int, stamp: float, seconds: float) -> None:
        """Forget those not seen for so long, and those of another number of joints."""
        self.people = [
            person
            for person in self.people
            if stamp - person.seen <= seconds and person.motion.points.shape[1] == count
        ]

    def learn_ids(self, person: FusedPerson, ids: list[tuple[int, int]], stamp: float) -> None:
        """Learn which ids cameras give a person; one of another person only if it stays so."""
        for v, id_ in ids:
            own = (v, id_)
            if person.is_of(v, id_):  # and no one else's: an id has one owner
                self._moving.pop(own, None)
                continue
            other = next((p for p in self.people if p is not person and p.is_of(v, id_)), None)
            if other is None:
                person.camera_ids[v] = id_
                self._moving.pop(own, None)
                continue
            who, since = self._moving.setdefault(own, (person.id, stamp))
            if who != person.id:
                self._moving[own] = person.id, stamp
            elif stamp - since > FOLLOW_SECONDS:
                del other.camera_ids[v], self._moving[own]
                person.camera_ids[v] = id_

    def enter(self, skeleton: Skeleton, stamp: float) -> FusedPerson:
        """Return a new person."""
        bones = bone_lengths_of(skeleton)
        motion = Motion.unknown(len(skeleton))
        person = FusedPerson(
            self._next_id, motion, bones.logs.copy(), bones.variances.copy(), stamp, stamp
        )
        person.sides = np.zeros(max(1, parts_of(skeleton).count))
        self._next_id += 1
        self.people.append(person)
        return person


@dataclass(frozen=True, eq=False)
class Instant:
    """What is seen now, and who is expected: n people by camera, T who are followed, K joints.

    Attributes:
        stamp: Seconds.
        crowd: The people.
        centers: (V, 3) meters: where the cameras are.
        followed: Those who were seen a moment ago.
        motion: Of their T * K joints, as it is expected.
        predicted: (3, T, K) meters: where they are by that.
        costs: (n, T) how badly people fit to them.
    """

    stamp: float
    crowd: Crowd
    centers: Float64Array
    followed: list[FusedPerson]
    motion: Motion
    predicted: Float64Array
    costs: Float64Array

    @classmethod
    def of(cls, room: Room, crowd: Crowd, centers: Float64Array, stamp: float) -> Instant:
        """Return the instant of a stamp in seconds."""
        followed = [p for p in room.people if stamp - p.seen <= FOLLOW_SECONDS]
        count = len(crowd.skeleton)
        motion = _predict(followed, stamp, count)
        points = motion.points.reshape(3, -1, count)
        spread = np.einsum("iim->m", motion.spread).reshape(-1, count) / 3.0
        costs = _costs(crowd, centers, points, spread)
        return cls(stamp, crowd, centers, followed, motion, points, costs)

    def expect(self, people: list[FusedPerson]) -> Motion:
        """Return the motion of the G * K joints of people, as it is expected."""
        if people == self.followed:
            return self.motion
        count = len(self.crowd.skeleton)
        places = {person.id: t for t, person in enumerate(self.followed)}
        if not all(person.id in places for person in people):
            return _predict(people, self.stamp, count)
        rows = np.array([places[person.id] for person in people], np.intp)
        return self.motion.of((rows[:, None] * count + np.arange(count)).ravel())

    def before(self, room: Room) -> NDArray[np.intp]:
        """Return (n,) who each was a moment ago, by place and by their camera's id."""
        crowd = self.crowd
        before = np.full(len(crowd), NO_PERSON)
        costs = self.costs.copy()
        owners = {own: p.id for p in room.people for own in p.camera_ids.items()}
        owner = [owners.get(own, NO_PERSON) for own in crowd.keys]
        names = np.array([person.id for person in self.followed], np.intp)
        costs -= _SAME_ID * np.equal(np.array(owner)[:, None], names)
        for own in crowd.by_camera:
            lines, columns = best_pairs(costs[own])
            fine = self.costs[own][lines, columns] <= _MAIN_COST
            before[own][lines[fine]] = names[columns[fine]]
        # a camera that goes wrong about a body still follows it, or finds it again
        views = crowd.views.tolist()
        taken = set(zip(views, before.tolist(), strict=True))
        for i in np.flatnonzero(before == NO_PERSON).tolist():
            if (views[i], owner[i]) not in taken:
                before[i] = owner[i]
        return before

    def steady(self, before: NDArray[np.intp]) -> list[list[int]] | None:
        """Return people by who they were a moment ago; None where that needs a closer look.

        All of them have to be where they are expected, and their cameras have to agree.
        """
        places = {person.id: t for t, person in enumerate(self.followed)}
        found: dict[int, list[int]] = {}
        crowd = self.crowd
        nearest = self.costs.min(axis=1, initial=_BOUND).tolist()
        for i, (id_, (v, own)) in enumerate(zip(before.tolist(), crowd.keys, strict=True)):
            t = places.get(id_)
            costs = self.costs[i]
            if t is None or not self.followed[t].is_of(v, own) or costs[t] > _STEADY_COST:
                return None
            if nearest[i] < costs[t]:
                return None  # nearer to where another one is
            found.setdefault(t, []).append(i)
        late = any(
            len(members) > 1 and self.stamp - self.followed[t].fused > FOLLOW_SECONDS
            for t, members in found.items()
        )
        return None if late else list(found.values())

    def places(self, before: NDArray[np.intp]) -> Float64Array:
        """Return (n, n) how badly each is where the person that another one was is expected.

        NaN where the other one is none of those who are followed.
        """
        rows = {person.id: t for t, person in enumerate(self.followed)}
        own = np.array([rows.get(id_, len(rows)) for id_ in before.tolist()], np.intp)
        unknown = np.full((len(before), 1), np.nan)
        return np.concatenate([self.costs, unknown], axis=1)[:, own]

    def known_apart(self, room: Room, before: NDArray[np.intp]) -> BoolArray:
        """Return (n, n) whether two people were two for a while, each seen by several cameras."""
        fused = [p.id for p in room.people if p.fused - p.entered >= FOLLOW_SECONDS]
        sure = np.isin(before, fused)
        found: BoolArray = sure[:, None] & sure & np.not_equal(before[:, None], before)
        return found

    def join_astray(
        self, room: Room, groups: list[list[int]], before: NDArray[np.intp]
    ) -> tuple[list[list[int]], list[int]]:
        """Return the groups with those joined that one camera follows as who others see elsewhere.

        A network goes wrong about a body that it still follows: it is no second person. One that
        stays where it is becomes one after a while: the camera's tracker went over to them.

        Args:
            room: Who is in it.
            groups: Of people.
            before: (n,) who each was a moment ago.

        Returns:
            The groups, and the people that were joined to others.
        """
        crowd, since = self.crowd, room.astray
        room.astray = {}
        kept, joined = [list(members) for members in groups], list[int]()
        for members in sorted(groups, key=len):
            if len(members) > 1:
                break
            (i,) = members
            if members not in kept:
                continue  # another camera's body was joined to it
            own = crowd.keys[i]
            others = [
                group
                for group in kept
                if i not in group
                and own[0] not in crowd.views[group]
                and 2 * int(np.equal(before[group], before[i]).sum()) > len(group)
            ]
            if before[i] == NO_PERSON or not others:
                continue
            room.astray[own] = since.get(own, self.stamp)
            if self.stamp - room.astray[own] <= _ASTRAY_SECONDS:
                kept.remove(members)
                max(others, key=len).append(i)
                joined.append(i)
        return kept, joined

    def name(
        self,
        room: Room,
        groups: list[list[int]],
        reference: int,
        before: NDArray[np.intp],
        doubtful: set[int],
    ) -> tuple[list[list[int]], list[FusedPerson]]:
        """Return the groups, and who each is: someone who is remembered, or a new person.

        A group that may be no new person is left out until it stays.

        Args:
            room: Who is in it.
            groups: Of people.
            reference: The camera whose ids count most where those of cameras contradict each other.
            before: (n,) who each was a moment ago.
            doubtful: Of ``doubtful_births``.
        """
        keys = self.crowd.keys
        ids = [[keys[i] for i in members] for members in groups]
        costs = self._group_costs(room, groups, ids, reference)
        named = {
            int(g): self.followed[t]
            for g, t in zip(*best_pairs(costs), strict=True)
            if costs[g, t] < _BOUND
        }
        taken = {person.id for person in named.values()}
        waiting = self._waiting(room, groups, named, before, doubtful)
        for g, own in enumerate(ids):
            if g not in named:
                others = [person for person in room.people if person.id not in taken]
                back = _of_camera(others, own)
                if back is None and g in waiting:
                    continue
                named[g] = back or room.enter(self.crowd.skeleton, self.stamp)
                taken.add(named[g].id)
        for g, person in named.items():
            room.learn_ids(person, ids[g], self.stamp)
        order = sorted(named)
        return [groups[g] for g in order], [named[g] for g in order]

    def _waiting(
        self,
        room: Room,
        groups: list[list[int]],
        named: dict[int, FusedPerson],
        before: NDArray[np.intp],
        doubtful: set[int],
    ) -> set[int]:
        """Return which groups are no new person yet: those in doubt, for a while.

        Who was one does not become two: bodies of someone who others show are wrong, or mixed of
        two people.
        """
        since, room.waiting, found = room.waiting, {}, set()
        present = [person.id for person in named.values()]
        for g, members in enumerate(groups):
            split = 2 * int(np.isin(before[members], present).sum()) >= len(members)
            if g in named or not (split or g in doubtful):
                continue
            ids = [self.crowd.keys[i] for i in members]
            start = min(since.get(own, room.astray.get(own, self.stamp)) for own in ids)
            room.waiting.update((own, since.get(own, start)) for own in ids)
            if self.stamp - start <= _ASTRAY_SECONDS:
                found.add(g)
        return found if len(found) < len(groups) else set()

    def stay(
        self, room: Room, groups: list[list[int]], before: NDArray[np.intp]
    ) -> list[FusedPerson]:
        """Return who each group of ``steady`` is: the person that they were a moment ago."""
        known = {person.id: person for person in self.followed}
        people = [known[int(before[members[0]])] for members in groups]
        for members, person in zip(groups, people, strict=True):
            room.learn_ids(person, [self.crowd.keys[i] for i in members], self.stamp)
        return people

    def _group_costs(
        self,
        room: Room,
        groups: list[list[int]],
        ids: list[list[tuple[int, int]]],
        reference: int,
    ) -> Float64Array:
        """Return (G, T) how badly groups fit to those who are followed."""
        costs = np.full((len(groups), len(self.followed)), 2.0 * _BOUND)
        places = {person.id: t for t, person in enumerate(self.followed)}
        owners = {own: p.id for p in self.followed for own in p.camera_ids.items()}
        claims = self._claims(room, ids)
        one = np.zeros((len(groups), len(self.crowd)))
        for g, members in enumerate(groups):
            one[g, members] = 1.0 / len(members)
        means, own = one @ self.costs, self.costs.tolist()
        most, same = np.full_like(costs, _MAIN_COST), np.zeros_like(costs)
        for g, members in enumerate(groups):
            contradict = len({owners[key] for key in ids[g] if key in owners}) > 1
            for view, id_ in ids[g]:
                t = places.get(owners.get((view, id_), NO_PERSON))
                if t is not None:
                    # of cameras that contradict each other, the reference is as good as two
                    same[g, t] += 1.0 / len(members) + (contradict and view == reference)
                    most[g, t] = _FOLLOWED_COST
        near = np.where(means <= most, means - _SAME_ID * same, costs)
        for g, members in enumerate(groups):
            back = claims[g]
            if back is not None and back.id not in places:
                continue  # who was out of sight is there again: their camera knows their clothes
            costs[g] = near[g]
            # all cameras that know them agree, and one has them about where they should be
            if back is not None:
                t = places[back.id]
                if min(own[i][t] for i in members) <= _FOLLOWED_COST:
                    costs[g, t] = -_BOUND
        return costs

    def _claims(self, room: Room, ids: list[list[tuple[int, int]]]) -> list[FusedPerson | None]:
        """Return who each group is by the ids of its cameras; None where they do not agree.

        Of groups that are the same person by that, the one of more cameras is.
        """
        owners = {own: person for person in room.people for own in person.camera_ids.items()}
        votes = [[owners[own] for own in group if own in owners] for group in ids]
        counts: dict[int, list[int]] = {}  # by person, of each group
        for g, own in enumerate(votes):
            for person in own:
                counts.setdefault(person.id, [0] * len(ids))[g] += 1
        found: list[FusedPerson | None] = []
        for g, own in enumerate(votes):
            alike = bool(own) and all(person is own[0] for person in own)
            others = [n for h, n in enumerate(counts[own[0].id]) if h != g] if alike else []
            found.append(own[0] if alike and len(own) > max(others, default=0) else None)
        return found

    def wrong(
        self, joined: list[int], groups: list[list[int]], people: list[FusedPerson]
    ) -> list[int]:
        """Return who of people that were ``joined`` to others is wrong about the body.

        Of two, the one whose body fits less to where it is predicted, by place and by size; none
        where that is not clear.
        """
        found = []
        places = {person.id: t for t, person in enumerate(self.followed)}
        for members, person in zip(groups, people, strict=True):
            late = [i for i in members if i in joined]
            if len(members) != 2 or not late:
                found += late
            elif person.id in places:
                off = [self._misfit(i, places[person.id]) for i in members]
                if abs(off[0] - off[1]) > _CLEARLY:
                    found.append(members[int(np.argmax(off))])
        return found

    def _misfit(self, i: int, t: int) -> float:
        """Return how badly a person fits to who is followed, by place and size, in sigmas."""
        v = int(self.crowd.views[i])
        main = parts_of(self.crowd.skeleton).main
        away = self.predicted[:, t, main] - self.centers[v][:, None]
        rays = self.crowd.rays[i][main].T
        depth = float(np.nanmedian(dot(away, rays) / dot(rays, rays)))
        scale = self.followed[t].scales.get(v, (0.0, 0.0))[0]
        size = float(self.crowd.distances[i]) * math.exp(scale)
        fine = depth > 0.0 and size > 0.0
        off = math.log(size / depth) / SIZE_SPREAD if fine else math.sqrt(_BOUND)
        return math.sqrt(float(self.costs[i, t])) + abs(off)

    def compare(self, rows: list[int], people: NDArray[np.intp]) -> tuple[BoolArray, Float64Array]:
        """Return how people fit to those that they are.

        Args:
            rows: m indices of people by camera.
            people: m indices of who each is among those who are followed.

        Returns:
            (m, S) which parts of them have left and right swapped, and (m, K) squares in sigmas
            by which joints are off where they are predicted, NaN where unknown, with that undone.
        """
        crowd, parts = self.crowd, parts_of(self.crowd.skeleton)
        centers = self.centers.take(crowd.views[rows], axis=0)
        offsets = self.predicted.take(people, axis=1) - centers.T[..., None]
        rays = axes_first(crowd.rays.take(rows, axis=0))
        sigmas, scores = crowd.sigmas.take(rows, axis=0), crowd.scores.take(rows, axis=0)
        squares, other = _squares(offsets, rays, sigmas, parts.mirrored, 0.0)
        if not parts.count:
            return np.zeros((len(rows), 1), bool), squares

        def by_part(squares: Float64Array, scores: Float64Array) -> Float64Array:
            """Return (m, S) means; 0 where nothing has a weight."""
            values, weights = _bounded(squares, scores)
            total = weights @ parts.members
            found: Float64Array = (values @ parts.members) / np.where(total > 0.0, total, 1.0)
            return found

        swapped = by_part(other, scores.take(parts.mirrored, axis=1))
        swaps: BoolArray = swapped + SWAP_GAIN < by_part(squares, scores)
        return swaps, np.where(swaps[:, parts.parts] & (parts.parts >= 0), other, squares)


def _of_camera(people: list[FusedPerson], ids: list[tuple[int, int]]) -> FusedPerson | None:
    """Return who was out of sight and has these ids of cameras: they know them by their clothes."""
    votes = [sum(person.is_of(*own) for own in ids) for person in people]
    return people[int(np.argmax(votes))] if max(votes, default=0) > 0 else None


def _predict(people: list[FusedPerson], stamp: float, count: int) -> Motion:
    """Return where the K joints of people are expected: T * K of them."""
    if not people:
        return Motion.unknown(0)
    elapsed = np.repeat([stamp - person.seen for person in people], count)
    return Motion.join([person.motion for person in people]).predicted(elapsed)


def facing(skeleton: Skeleton, points: Float64Array) -> Float64Array:
    """Return (G,) how much the nose is on the side of the chest; NaN unknown.

    About the cosine between where the chest faces and the way from between the shoulders to the
    nose, across the trunk: below 0 left and right of the trunk are likely swapped.
    """
    trunk = _trunk_of(skeleton)
    if not trunk:
        return np.full(len(points), np.nan)
    nose, left, right, left_hip, right_hip = points[:, trunk].transpose(1, 2, 0)
    across, middle = left - right, (left + right) / 2.0
    up = middle - (left_hip + right_hip) / 2.0
    front = cross(across, up)
    way = nose - middle
    height = dot(up, up)
    way = way - dot(way, up) / np.where(height > 0, height, np.nan) * up
    # half a shoulder's breadth is as far before it as a nose ever is
    size = np.sqrt(dot(front, front) * dot(across, across)) / 2.0
    found: Float64Array = dot(front, way) / np.where(size > 0, size, np.nan)
    return found


def side_cosines(skeleton: Skeleton, points: Float64Array) -> Float64Array:
    """Return (G, S) whether parts of bodies have left and right where they belong.

    Of the arms ``facing``; of legs and head the cosine between the line of hips or ears and that
    of the shoulders. Below 0 they are likely swapped; NaN unknown.
    """
    found = np.full((len(points), max(1, parts_of(skeleton).count)), np.nan)
    found[:, 0] = facing(skeleton, points)
    parts, ends = _lines_of(skeleton)
    if parts:
        both = points.take(ends, axis=1)  # (G, lines, 2, 3)
        lines = unit(axes_first(both[:, :, 0] - both[:, :, 1]))
        found[:, parts] = dot(lines[..., 1:], lines[..., :1])
    return found


@lru_cache(maxsize=16)
def _trunk_of(skeleton: Skeleton) -> list[int]:
    """Return the indices of ``_TRUNK``; none where a skeleton lacks one."""
    known = set(_TRUNK) <= set(skeleton.keypoints)
    return [skeleton.index(name) for name in _TRUNK] if known else []


@lru_cache(maxsize=16)
def _lines_of(skeleton: Skeleton) -> tuple[list[int], list[list[int]]]:
    """Return the parts after the first that have a line from side to side, and the lines' ends.

    Those of the shoulders come first; nothing where a skeleton has no shoulders.
    """
    pairs = {
        s: [skeleton.index(f"{side}_{joint}") for side in SIDES]
        for s, joint in enumerate(_SIDED[: max(1, parts_of(skeleton).count)])
        if {f"{side}_{joint}" for side in SIDES} <= set(skeleton.keypoints)
    }
    return (list(pairs)[1:], list(pairs.values())) if 0 in pairs else ([], [])


def _costs(
    crowd: Crowd, centers: Float64Array, points: Float64Array, spread: Float64Array
) -> Float64Array:
    """Return (n, T) how badly people fit to where those who are followed are predicted."""
    if not points.size:
        return np.zeros((len(crowd), 0))
    parts = parts_of(crowd.skeleton)
    main, turned = parts.main, parts.main_mirrored
    places = centers.take(crowd.views, axis=0).T[..., None, None]
    offsets = points.take(main, axis=2)[:, None] - places
    rays = axes_first(crowd.rays.take(main, axis=1))[:, :, None]
    sigmas, scores = (v.take(main, axis=1)[:, None] for v in (crowd.sigmas, crowd.scores))
    # left and right may be swapped in this camera
    squares = np.fmin(*_squares(offsets, rays, sigmas, turned, spread.take(main, axis=1)))
    values, weights = _bounded(squares, scores)
    total = weights.sum(axis=2)
    costs = values.sum(axis=2) / np.where(total > 0, total, 1.0)
    return np.where(np.isfinite(squares).any(axis=2), costs, _BOUND)


def _squares(
    offsets: Float64Array,
    rays: Float64Array,
    sigmas: Float64Array,
    mirrored: NDArray[np.intp],
    spread: Float64Array | float,
) -> tuple[Float64Array, Float64Array]:
    """Return squared distances of points to rays in sigmas, NaN where unknown.

    Args:
        offsets: (3, ..., K) from the camera to the points.
        rays: (3, ..., K) of a depth of one meter.
        sigmas: (..., K) radians.
        mirrored: (K,) the keypoint of the other side of each.
        spread: (..., K) square meters, of where the points are along one axis.

    Returns:
        (..., K) of each ray, and of that of the other side.
    """
    wide, length = dot(rays, rays), dot(offsets, offsets)
    variance, base = sigmas**2, spread + _PREDICTED**2

    def of(rays: Float64Array, wide: Float64Array, variance: Float64Array) -> Float64Array:
        depth = dot(offsets, rays) / wide
        squared = depth**2
        off = np.maximum(length - squared * wide, 0.0)
        found: Float64Array = off / (variance * squared + base)
        return np.where(depth <= 0.0, _BOUND, found)

    given = (rays, wide, variance)
    return of(*given), of(*(values.take(mirrored, axis=-1) for values in given))


def _bounded(squares: Float64Array, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return weighted, bounded squares and their weights; both are 0 where nothing is known."""
    known = np.isfinite(squares)
    weights = np.where(known, weights, 0.0)
    return np.minimum(np.where(known, squares, 0.0), _BOUND) * weights, weights
