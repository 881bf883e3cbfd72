"""Several real people before several cameras, of recordings that show one person each.

No recording at hand shows several real people to several calibrated cameras. So each person of a
crowd is one of a real clip: their joints in meters, moved and turned about as a whole, are
projected into the cameras of the crowd. Each keypoint is off by what the network was off in the
recorded camera that saw them from most nearly there, in meters at the body. Scores and the
network's shape are transferred the same way.

What networks do where a body hides another is added by rule: the keypoints of the one behind slide
to the one in front, one of the two bodies is dropped, and who comes back may have another id.

    python -m tools.real_crowds ../shared/data/real3d
    python -m tools.real_crowds --crowds others ../shared/data/real3d
    python -m tools.real_crowds ../shared/data/real3d --calibrate
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.multiview.association import NO_PERSON
from pose_ros.core.multiview.calibration import PersonTrack, turned_by
from pose_ros.core.multiview.clock_offset import calibrate_from_people
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.fusion import Fusion, common_stamp
from pose_ros.core.skeletons import parts_of
from pose_ros.core.types import Poses
from tools.seen_bodies import looking_at
from tools.several_cameras import REAL_FPS, Clip, count_switches, real_clip

Array = NDArray[np.float64]
SKELETON = skeletons.get("blazepose33")
HIPS = [SKELETON.index(f"{side}_hip") for side in skeletons.SIDES]
MAIN = [
    SKELETON.index(f"{side}_{joint}")
    for joint in ("shoulder", "elbow", "wrist", "hip")
    for side in skeletons.SIDES
]
FPS = 10.0
_HIDDEN = 0.6  # share of a body in the box of one in front, from which on it is hidden
_MIXED, _SLID = 2, 2  # images in which keypoints are between two bodies, and on the wrong one
_NEW_ID = 0.3  # how often who was hidden comes back with another id
_LEAST_PIXELS = 40.0  # of a body that a network finds


@dataclass(frozen=True, eq=False)
class Recorded:
    """One real person: F images a clip, C cameras that saw them.

    Attributes:
        fps: Images a second.
        joints: (F, 33, 3) meters from the place where they are, the floor under the mid-hips.
        known: (F, 33) whether a joint is true, and not of the fusion of the clip's cameras.
        bearings: (C,) radians, from where each camera saw them.
        errors: (C, F, 33, 2) meters at the body, right and down.
        scores: (C, F, 33) of keypoints; 0 where the person was not found.
        shapes: (C, F, 33, 3) by what the network's shape is off in the camera's axes, in meters.
        shrinks: (C, F) by how much that shape is smaller than the person.
        orders: (C, F, 33) which keypoint the network gives as each: another one where it swaps left
            and right.
    """

    fps: float
    joints: Array
    known: NDArray[np.bool_]
    bearings: Array
    errors: Array
    scores: Array
    shapes: Array
    shrinks: Array
    orders: NDArray[np.intp]

    def at(self, seconds: float) -> tuple[int, int, float]:
        """Return two images and the share of the second: clips go forth and back."""
        last = len(self.joints) - 1
        place = abs((seconds * self.fps + last) % (2 * last) - last)
        first = min(int(place), last - 1)
        return first, first + 1, place - first


def recorded(clip: Clip) -> Recorded:
    """Return the person of a clip."""
    fusion, joints = Fusion(clip.views), clip.truth.copy()
    for frame, truth in enumerate(joints):
        stamp = frame / clip.fps
        people = fusion.update(
            stamp,
            {v.name: (stamp, own[frame]) for v, own in zip(clip.views, clip.poses, strict=True)},
        )
        off = np.linalg.norm(people.points - truth, axis=2)
        best = people.points[int(np.nanargmin(np.nanmean(off, axis=1)))]
        joints[frame] = np.where(np.isfinite(truth), truth, best)
    joints = _filled(joints)
    count = len(joints), 33
    errors, scores = np.zeros((len(clip.views), *count, 2)), np.zeros((len(clip.views), *count))
    shapes = np.zeros((len(clip.views), *count, 3))
    shrinks = np.ones((len(clip.views), len(joints)))
    orders = np.tile(np.arange(33), (len(clip.views), len(joints), 1))
    middle = joints[:, HIPS].mean(axis=(0, 1))
    bearings = []
    for c, (view, own) in enumerate(zip(clip.views, clip.poses, strict=True)):
        away = view.extrinsics.center - middle
        bearings.append(math.atan2(away[1], away[0]))
        for frame, poses in enumerate(own):
            if not len(poses):
                continue
            if poses.world is None:
                raise SystemExit("expected a network that gives meters")
            camera = view.extrinsics.to_camera(joints[frame])
            pixels = view.project(joints[frame])
            order = orders[c, frame] = _order(poses.keypoints[0], pixels)
            off = (poses.keypoints[0, order] - pixels) * camera[:, 2:] / view.focal
            scores[c, frame], errors[c, frame] = poses.keypoint_scores[0, order], off
            body, shape = camera - camera[HIPS].mean(axis=0), poses.world[0, order].astype(float)
            shrinks[c, frame] = (body * shape).sum() / (body * body).sum()
            shapes[c, frame] = shape - shrinks[c, frame] * body
    floor = np.array([middle[0], middle[1], joints[..., 2].min()])
    return Recorded(
        clip.fps,
        joints - floor,
        np.logical_and.reduce(np.isfinite(clip.truth), axis=2),
        np.array(bearings),
        errors,
        scores,
        shapes,
        shrinks,
        orders,
    )


def _order(found: NDArray[Any], true: Array) -> NDArray[np.intp]:
    """Return (33,) the keypoint that is each joint: arms, legs or head may be swapped."""
    parts = parts_of(SKELETON)
    order = np.arange(33)
    for s in range(parts.count):
        of = np.flatnonzero(parts.parts == s)
        own, other = (
            np.median(np.linalg.norm(found[index] - true[of], axis=1))
            for index in (of, parts.mirrored[of])
        )
        if other < own:
            order[of] = parts.mirrored[of]
    return order


def _filled(values: Array) -> Array:
    """Return values (F, 33, 3) of images with those that are missing between their neighbors."""
    frames, found = np.arange(len(values)), values.copy()
    for one in found.reshape(len(values), -1).T:
        known = np.isfinite(one)
        one[:] = np.interp(frames, frames[known], one[known])
    return found


@dataclass(frozen=True, eq=False)
class Member:
    """A person of a crowd.

    Attributes:
        person: Who was recorded.
        start: Seconds of the clip at which they begin.
        turn: Radians to the left by which they are turned.
        size: Factor on their joints.
        ways: (W, 3) seconds, x and y of where they go.
    """

    person: Recorded
    start: float
    turn: float
    size: float
    ways: Array

    def joints(self, seconds: float) -> Array:
        """Return (33, 3) meters in the world."""
        first, second, share = self.person.at(self.start + seconds)
        body = (1.0 - share) * self.person.joints[first] + share * self.person.joints[second]
        c, s = math.cos(self.turn), math.sin(self.turn)
        x, y = (np.interp(seconds, self.ways[:, 0], self.ways[:, i]) for i in (1, 2))
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        found: Array = self.size * body @ turn + [x, y, 0.0]
        return found


@dataclass
class Sight:
    """One camera's people at its own stamp: N bodies.

    Attributes:
        stamp: Seconds.
        poses: As the network and the lifter give them.
        shown: (N,) the person that each body shows; ``NO_PERSON`` where it is between two.
    """

    stamp: float
    poses: Poses
    shown: list[int]


class CrowdCamera:
    """What one camera of a crowd sees, image by image."""

    def __init__(self, view: CameraView, members: Sequence[Member], delay: float, seed: int):
        self.view, self.members, self.delay = view, members, delay
        self._random = np.random.default_rng(seed)
        self._lifter = pose_ros.Lifter(is_alone=False)
        self._ids = self._random.permutation(len(members)).tolist()
        self._next = len(members)
        self._hidden = [0] * len(members)

    def look(self, seconds: float) -> Sight:
        """Return the people that it sees; seconds rise."""
        stamp = seconds + self.delay
        bodies = [self._body(member, stamp) for member in self.members]
        boxes = [np.concatenate([b[0][MAIN].min(axis=0), b[0][MAIN].max(axis=0)]) for b in bodies]
        rows, shown = list[tuple[int, Array, Array, Array]](), list[int]()
        gone = set[int]()
        for i, body in enumerate(bodies):
            front = self._front(i, boxes, [b[3] for b in bodies])
            if front is None:
                if self._hidden[i] > _MIXED and self._random.random() < _NEW_ID:
                    self._ids[i], self._next = self._next, self._next + 1
                self._hidden[i] = 0
                continue
            self._hidden[i] += 1
            share = self._hidden[i] / (_MIXED + 1)
            if share < 1.0:
                pixels, shape, scores = (
                    (1.0 - share) * own + share * other
                    for own, other in zip(body[:3], bodies[front][:3], strict=True)
                )
                rows.append((self._ids[i], pixels, shape, scores))
                shown.append(NO_PERSON)
            elif self._hidden[i] <= _MIXED + _SLID and front not in gone:
                # the network finds the one in front, once
                rows.append((self._ids[i], *bodies[front][:3]))
                shown.append(front)
                gone.add(front)
            gone.add(i)
        for i, body in enumerate(bodies):
            tall = boxes[i][3] - boxes[i][1]
            if i not in gone and body[3] > 0 and body[2].any() and tall > _LEAST_PIXELS:
                rows.append((self._ids[i], *body[:3]))
                shown.append(i)
        order = self._random.permutation(len(rows)).tolist()
        return Sight(stamp, self._poses([rows[i] for i in order], stamp), [shown[i] for i in order])

    def _front(self, i: int, boxes: list[Array], depths: list[float]) -> int | None:
        """Return who hides a person."""
        low, high = boxes[i][:2], boxes[i][2:]
        for j, box in enumerate(boxes):
            both = np.minimum(high, box[2:]) - np.maximum(low, box[:2])
            inside = np.prod(np.maximum(both, 0.0)) / np.prod(high - low)
            if j != i and 0.0 < depths[j] < depths[i] and inside > _HIDDEN:
                return j
        return None

    def _body(self, member: Member, stamp: float) -> tuple[Array, Array, Array, float]:
        """Return keypoints, shape, scores and distance of a person."""
        person, points = member.person, member.joints(stamp)
        camera = self.view.extrinsics.to_camera(points)
        depth = float(camera[HIPS, 2].mean())
        away = self.view.extrinsics.center - points[HIPS].mean(axis=0)
        bearing = math.atan2(away[1], away[0]) - member.turn
        c = int(np.argmax(np.cos(person.bearings - bearing)))
        first, second, share = person.at(member.start + stamp)
        f = first if share < 0.5 else second  # what swaps sides does so from image to image
        off = member.size * person.errors[c, f] * self.view.focal
        pixels = self.view.project(points) + off / np.maximum(camera[:, 2:], 0.1)
        shape = person.shrinks[c, f] * (camera - camera[HIPS].mean(axis=0))
        shape += member.size * person.shapes[c, f]
        order = person.orders[c, f]
        return pixels[order], shape[order], person.scores[c, f][order], depth

    def _poses(self, rows: list[tuple[int, Array, Array, Array]], stamp: float) -> Poses:
        if not rows:
            return Poses.empty(SKELETON)
        ids, pixels, shapes, scores = (list(values) for values in zip(*rows, strict=True))
        at = np.array(pixels)
        poses = Poses(
            skeleton=SKELETON,
            ids=np.array(ids),
            scores=np.full(len(ids), 0.9, np.float32),
            boxes=np.concatenate([at.min(axis=1), at.max(axis=1)], axis=1).astype(np.float32),
            keypoints=at.astype(np.float32),
            keypoint_scores=np.array(scores, np.float32),
            world=np.array(shapes, np.float32),
        )
        return self._lifter.lift(poses, self.view.camera, stamp)


@dataclass
class CrowdFigures:
    """How a crowd was fused.

    Attributes:
        instants: How many there were.
        merged: In how many two people were one.
        twice: In how many one person was two.
        more: In how many there were more people than there are.
        found: Share of people who were found.
        switches: How often the id of a person became another one.
        errors: Meters of joints whose true places are known.
        within: Share of them within the stated sigma.
    """

    instants: int
    merged: int
    twice: int
    more: int
    found: float
    switches: int
    errors: Array
    within: float


def crowd(people: Sequence[Recorded], count: int, seed: int, seconds: float) -> list[Member]:
    """Return people who walk past each other on a floor of 3 m by 3 m, or stay where they are."""
    random, members = np.random.default_rng(seed), []
    for i in range(count):
        person = people[i % len(people)]
        stays = i % 3 == 2
        ways, at = [], random.uniform(-1.5, 1.5, 2)
        for t in np.arange(0.0, seconds + 2.0, 2.0):
            ways.append((t, *at))
            at = at if stays else np.clip(at + random.uniform(-2.0, 2.0, 2), -1.5, 1.5)
        turn, size = random.uniform(-np.pi, np.pi), random.uniform(0.92, 1.06)
        start = random.uniform(0.0, 2.0 * len(person.joints) / person.fps)
        members.append(Member(person, start, turn, size, np.array(ways)))
    return members


def ring(count: int, radius: float) -> list[CameraView]:
    """Return cameras around the floor, 72 degrees apart."""
    angles = np.radians(72.0) * np.arange(count)
    return [
        looking_at(f"camera {i}", (radius * np.cos(a), radius * np.sin(a), 1.5))
        for i, a in enumerate(angles)
    ]


def look(
    views: Sequence[CameraView], members: Sequence[Member], seconds: float, seed: int
) -> list[list[Sight]]:
    """Return what each camera sees at each instant; up to five, which are not synchronized."""
    delays = (0.0, 0.013, 0.027, 0.008, 0.021)
    cameras = [
        CrowdCamera(view, members, delay, 100 * seed + i)
        for i, (view, delay) in enumerate(zip(views, delays, strict=False))
    ]
    return [[camera.look(k / FPS) for camera in cameras] for k in range(round(seconds * FPS))]


def figures(
    views: Sequence[CameraView], members: Sequence[Member], instants: Sequence[Sequence[Sight]]
) -> CrowdFigures:
    """Return how well a crowd is fused, as the first of the cameras see it."""
    merged = twice = more = found = switches = 0
    ids: dict[int, int] = {}
    errors, within = list[Array](), list[NDArray[np.bool_]]()
    fusion, seen = Fusion(views), [list[Sight]() for _ in views]
    for instant in instants:
        sights = instant[: len(views)]
        for last, sight in zip(seen, sights, strict=True):
            if sight not in last:
                last[:] = [*last[-2:], sight]
        stamp = common_stamp([sight.stamp for sight in sights], fusion.options.max_skew)
        given = {v.name: (own.stamp, own.poses) for v, own in zip(views, sights, strict=True)}
        people = fusion.update(stamp, given)
        shown = [
            [
                _shown(seen[v], id_, people.stamp)
                for v, id_ in enumerate(own.tolist())
                if id_ != NO_PERSON
            ]
            for own in people.camera_ids
        ]
        sure = [[i for i in who if i != NO_PERSON] for who in shown]
        merged += any(len(set(who)) > 1 for who in sure)
        owners = [i for who in sure for i in set(who)]
        twice += len(owners) != len(set(owners))
        more += len(shown) > len(members)
        found += len(set(owners))
        switches += count_switches(ids, people.poses.ids.tolist(), sure)
        for row, who in enumerate(sure):
            if len(set(who)) != 1:
                continue
            member = members[who[0]]
            off = np.linalg.norm(people.points[row] - member.joints(people.stamp), axis=1)
            known = member.person.known[member.person.at(member.start + people.stamp)[0]]
            known = known & np.isfinite(off)
            errors.append(off[known])
            if people.poses.camera_sigmas is not None:
                within.append(off[known] < people.poses.camera_sigmas[row][known])
    return CrowdFigures(
        len(instants),
        merged,
        twice,
        more,
        found / (len(instants) * len(members)),
        switches,
        np.concatenate(errors),
        float(np.concatenate(within).mean()),
    )


def _shown(sights: Sequence[Sight], id_: int, stamp: float) -> int:
    """Return the person that a camera's id shows in its image nearest to a stamp."""
    for sight in sorted(sights, key=lambda own: abs(own.stamp - stamp)):
        rows = np.flatnonzero(sight.poses.ids == id_)
        if len(rows):
            return sight.shown[int(rows[0])]
    return NO_PERSON


def _rows(poses: Poses, rows: Sequence[int]) -> Poses:
    """Return some of the people of a camera of a crowd."""
    if not rows:
        return Poses.empty(poses.skeleton)
    names = ("ids", "scores", "boxes", "keypoints", "keypoint_scores", "depths", "world", "camera")
    given = {name: getattr(poses, name) for name in (*names, "camera_sources", "camera_sigmas")}
    index = np.array(rows, np.intp)
    return poses.replace(**{k: None if v is None else v[index] for k, v in given.items()})


def seen_by_one(instants: Sequence[Sequence[Sight]]) -> list[list[Sight]]:
    """Return the instants with the first person in the image of the first camera alone."""

    def without(sight: Sight) -> Sight:
        rows = [i for i, who in enumerate(sight.shown) if who != 0]
        return Sight(sight.stamp, _rows(sight.poses, rows), [sight.shown[i] for i in rows])

    return [[sights[0], *map(without, sights[1:])] for sights in instants]


def seen_seldom(instants: Sequence[Sequence[Sight]]) -> list[list[Sight]]:
    """Return the instants with the second camera at a third of the rate of the others."""
    return [[sights[0], instants[k - k % 3][1], *sights[2:]] for k, sights in enumerate(instants)]


def seen_double(instants: Sequence[Sequence[Sight]], seed: int = 0) -> list[list[Sight]]:
    """Return the instants with someone found twice by the second camera, every other second.

    The second body is off by an eighth of the body's extent in the image, in one direction.
    """
    random, found = np.random.default_rng(seed), list[list[Sight]]()
    who, way, id_ = 0, np.zeros(2), 1000
    for k, sights in enumerate(instants):
        first, sight, *others = sights
        if k % 20 == 0:
            angle = random.uniform(-np.pi, np.pi)
            who, way, id_ = int(random.integers(3)), np.array([np.cos(angle), np.sin(angle)]), k
        rows = [i for i, own in enumerate(sight.shown) if own == who]
        if rows and k % 20 < 10:
            poses = _rows(sight.poses, [*range(len(sight.shown)), rows[0]])
            pixels, ids, boxes = poses.keypoints.copy(), poses.ids.copy(), poses.boxes.copy()
            shift = 0.125 * float(np.ptp(pixels[-1, :, 1])) * way
            pixels[-1] += shift + random.normal(0.0, 0.01, pixels[-1].shape) * np.ptp(pixels[-1])
            ids[-1], boxes[-1] = 1000 + id_, boxes[-1] + np.tile(shift, 2)
            poses = poses.replace(keypoints=pixels, ids=ids, boxes=boxes)
            sight = Sight(sight.stamp, poses, [*sight.shown, who])
        found.append([first, sight, *others])
    return found


SITUATIONS: dict[str, Callable[[list[list[Sight]]], list[list[Sight]]]] = {
    "usual": list,
    "one camera alone sees a person": seen_by_one,
    "one camera is slow": seen_seldom,
    "one camera finds a person twice": seen_double,
}


def tracks_of(
    views: Sequence[CameraView], instants: Sequence[Sequence[Sight]]
) -> list[list[PersonTrack]]:
    """Return a track of each id of each camera."""
    found = []
    for v, view in enumerate(views):
        sights = [instant[v] for instant in instants]
        stamps = np.array([sight.stamp for sight in sights])
        each: dict[int, Array] = {}
        for i, sight in enumerate(sights):
            poses = sight.poses
            for row, id_ in enumerate(poses.ids.tolist()):
                own = each.setdefault(id_, np.full((len(sights), 33, 2), np.nan))
                own[i] = np.where(poses.found[row][:, None], poses.keypoints[row], np.nan)
        found.append([PersonTrack(view.name, view.camera, stamps, own) for own in each.values()])
    return found


def calibrated(
    people: Sequence[Recorded], count: int, radius: float, seed: int, cameras: int
) -> str:
    """Return how far off cameras are that are calibrated with a crowd, in words."""
    views, members = ring(5, radius), crowd(people, count, seed, SECONDS)
    tracks = tracks_of(views[:cameras], look(views, members, SECONDS, seed))
    height = float(
        np.mean([m.size * HEIGHTS[[p is m.person for p in people].index(True)] for m in members])
    )
    found = calibrate_from_people(tracks, SKELETON, height=height, max_offset=1.0)
    turns, shares = [], []
    for i, j in itertools.combinations(range(cameras), 2):
        a, b, c, d = (v.extrinsics for v in (views[i], views[j], found.views[i], found.views[j]))
        turns.append(math.degrees(turned_by(b.rotation @ a.rotation.T, d.rotation @ c.rotation.T)))
        far = np.linalg.norm(c.center - d.center) / np.linalg.norm(a.center - b.center)
        shares.append(abs(float(far) - 1.0))
    stated = [
        f"{math.degrees(f.rotation_sigma):.1f}/{100 * f.baseline_sigma:.0f}%"
        for f in found.fits[1:]
    ]
    return (
        f"rotations within {max(turns):.1f} degrees, baselines within {100 * max(shares):.1f}%, "
        f"stated {', '.join(stated)}; {found.notes[0]}"
    )


HEIGHTS = (1.72, 1.75)
"""Meters: of pose2sim's man by its makers, of caliscope's man a guess."""
CROWDS = ((3, 4.5, 20), (4, 7.0, 21), (5, 4.5, 22), (5, 7.0, 23))
"""How many people, how far the cameras are from their middle in meters, and a seed."""
OTHERS = ((3, 4.5, 40), (4, 7.0, 41), (3, 3.0, 42))
"""Crowds on which no constant was chosen."""
ALONE = ((1, 4.0, 50), (1, 4.0, 51))
"""One of the recorded people each, in their order."""
SECONDS = 8.0


def crowds_from(seed: int) -> list[tuple[int, float, int]]:
    """Return six crowds of three to five people at both distances, of seeds from one on."""
    kinds = itertools.product((3, 4, 5), (4.5, 7.0))
    return [(count, radius, seed + i) for i, (count, radius) in enumerate(kinds)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each crowd and number of cameras."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.real_crowds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="of pose2sim and caliscope")
    parser.add_argument("--seed", type=int, help="six other crowds, of seeds from this one on")
    parser.add_argument("--people", type=int, help="only crowds of so many")
    parser.add_argument("--cameras", nargs="+", type=int, default=[2, 3, 4, 5])
    parser.add_argument("--situation", choices=SITUATIONS, default="usual")
    sets = {"usual": CROWDS, "others": OTHERS, "alone": ALONE}
    parser.add_argument("--crowds", choices=sets, default="usual", help="which, without a seed")
    parser.add_argument("--calibrate", action="store_true", help="calibrate the cameras with them")
    args = parser.parse_args(arguments)
    people = [recorded(real_clip(args.folder / name, fps)) for name, fps in REAL_FPS.items()]
    total: dict[int, list[CrowdFigures]] = {cameras: [] for cameras in args.cameras}
    crowds = sets[args.crowds] if args.seed is None else crowds_from(args.seed)
    for i, (count, radius, seed) in enumerate(crowds):
        if args.people not in (None, count):
            continue
        if args.calibrate:
            for cameras in args.cameras:
                text = calibrated(people, count, radius, seed, cameras)
                print(f"{count} people, {radius:g} m, {cameras} cameras: {text}", flush=True)
            continue
        first = people[i:] if args.crowds == "alone" else people
        views, members = ring(5, radius), crowd(first, count, seed, SECONDS)
        instants = SITUATIONS[args.situation](look(views, members, SECONDS, seed))
        for cameras, rows in total.items():
            row = figures(views[:cameras], members, instants)
            rows.append(row)
            print(
                f"{count} people, {radius:g} m, {cameras} cameras: {row.instants} instants, "
                f"merged {row.merged}, twice {row.twice}, more {row.more}, switches "
                f"{row.switches}, found {100 * row.found:.0f}%, joints median "
                f"{100 * np.median(row.errors):.1f} cm, 90th "
                f"{100 * np.percentile(row.errors, 90):.1f} cm, in sigma {100 * row.within:.0f}%",
                flush=True,
            )
    if args.calibrate:
        return
    for cameras, rows in total.items():
        counts = {
            name: sum(getattr(row, name) for row in rows)
            for name in ("instants", "merged", "twice", "more", "switches")
        }
        print(f"all, {cameras} cameras: " + ", ".join(f"{k} {v}" for k, v in counts.items()))


if __name__ == "__main__":
    main()
