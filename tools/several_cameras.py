"""How well several cameras do on drawn and real people: the figures of the measurements' page.

    python -m tools.several_cameras pointing --distances 1.8 2.5 4
    python -m tools.several_cameras matched --distances 2.5
    python -m tools.several_cameras people --scenes crossing five walking_4.5 walking_7
    python -m tools.several_cameras turned --real ../shared/data/real3d
    python -m tools.several_cameras videos /tmp/walking --radius 4.5 --cameras 3

Drawn people are rendered, found by ``blazepose-full`` without smoothing, and lifted by a ``Lifter``
without a known height.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import cv2
import numpy as np
from numpy.typing import NDArray

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.geometry import angle_between
from pose_ros.core.multiview.association import NO_PERSON
from pose_ros.core.multiview.disparity import NearPair
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.fusion import FusedPeople, Fusion, common_stamp
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.skeletons import SIDES
from pose_ros.core.tracking import best_pairs
from pose_ros.core.types import Image
from pose_ros.settings.estimation import OWN_FINDER
from pose_ros.sources.camera_rig import write_rig
from pose_ros.synthetic import scenes
from pose_ros.synthetic.scene import Actor, Path, Scene, Waypoint
from pose_ros.synthetic.source import Truth
from tools.drawn_cameras import DrawnCameras, Placed

Array = NDArray[np.float64]
Samples = list[tuple[float, pose_ros.Poses]]
"""Of one camera: stamps in seconds, and who it sees."""

SKELETON = skeletons.get("blazepose33")
TRUNK = [SKELETON.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in SIDES]
LEFT = Placed("left")
DELAY = 0.02
PAIRS = {
    "6 cm": Placed("6 cm", y=-0.06, delay=DELAY),
    "12 cm": Placed("12 cm", y=-0.12, delay=DELAY),
    "50 cm": Placed("50 cm", y=-0.5, yaw_degrees=4.0, delay=DELAY),
    "2 m": Placed("2 m", y=-2.0, yaw_degrees=30.0, delay=DELAY),
}
"""The second camera, by how far it is from the first."""
_NEAR = 1.0  # meters from the true trunk, within which a person is found
_CLEARLY = 2.0  # how many times nearer to one person than to another a camera's keypoints are
_TURN_DEGREES = 3.0
_TURNED = 3.0  # sigmas from which on a camera is named
REAL_FPS = {"pose2sim": 60.0, "caliscope": 6.0}


@dataclass(frozen=True)
class Watched:
    """A drawn scene, and how it is watched.

    Attributes:
        name: Of the scene.
        scene: What is drawn.
        fps: Images a second of each camera.
        seconds: For which it is watched.
        people: How many the network looks for.
        finder: What looks for them; never ``auto``: that depends on what this machine has fetched.
        kept: What cameras saw, by where they stand.
    """

    name: str
    scene: Scene
    fps: float
    seconds: float
    people: int
    finder: str = OWN_FINDER
    kept: dict[Placed, Samples] = field(default_factory=dict, repr=False, compare=False)

    def _options(self) -> pose_ros.EstimatorOptions:
        return pose_ros.EstimatorOptions(
            max_people=self.people, smoothing=False, finder=self.finder
        )

    def see(self, place: Placed) -> Samples:
        """Return the people that a camera sees."""
        if place in self.kept:
            return self.kept[place]
        cameras = DrawnCameras(self.scene, [place])
        options = self._options()
        estimator = pose_ros.create_estimator("blazepose-full", options=options)
        lifter, found = pose_ros.Lifter(), Samples()
        for _, stamp, image in cameras.frames(self.fps, self.seconds):
            poses = estimator.estimate(image, stamp, channels="bgr")
            found.append((stamp, lifter.lift(poses, cameras.views[0].camera, stamp)))
        self.kept[place] = found
        return found

    def fuse(
        self,
        places: Sequence[Placed],
        views: Sequence[CameraView] | None = None,
    ) -> Iterator[tuple[FusedPeople, tuple[Truth, ...]]]:
        """Yield the fused people of each instant, and what is true.

        Args:
            places: Where cameras stand.
            views: Where the fusion takes them to stand; None: where they do.
        """
        cameras = DrawnCameras(self.scene, places)
        views = cameras.views if views is None else views
        fusion = Fusion(views)
        for images in zip(*(self.see(place) for place in places), strict=True):
            stamp = common_stamp([own for own, _ in images], fusion.options.max_skew)
            seen = {view.name: image for view, image in zip(views, images, strict=True)}
            yield fusion.update(stamp, seen), cameras.truths(stamp)

    def match(self, places: Sequence[Placed]) -> Iterator[tuple[FusedPeople, tuple[Truth, ...]]]:
        """Yield the same for two cameras beside each other, whose pixels are matched."""
        cameras = DrawnCameras(self.scene, places)
        pair, fusion = NearPair(*cameras.views), Fusion(cameras.views)
        options = self._options()
        estimators = [pose_ros.create_estimator("blazepose-full", options=options) for _ in places]
        lifters, images = [pose_ros.Lifter() for _ in places], list[Image]()
        for i, stamp, image in cameras.frames(self.fps, self.seconds):
            images.append(image)
            if i == 0:
                continue
            depths = [pair.measure(images[0], images[1], stamp, channels="bgr"), None]
            parts = zip(cameras.views, estimators, lifters, images, depths, strict=True)
            seen = {
                view.name: (
                    stamp,
                    lifter.lift(
                        estimator.estimate(own, stamp, channels="bgr"),
                        view.camera,
                        stamp,
                        depth=depth,
                    ),
                )
                for view, estimator, lifter, own, depth in parts
            }
            images = []
            yield fusion.update(stamp, seen), cameras.truths(stamp)


def pointing(distance: float) -> Watched:
    """Return one person who points at six targets on the floor, at a distance in meters."""
    scene = scenes.pointing(7, distance, targets=6, heading_degrees=165.0)
    return Watched(f"pointing_{distance:g}", scene, 5.0, 15.6, 1)


def crossing() -> Watched:
    """Return three people, two of which walk past each other."""
    scene = scenes.crossing(looks=(scenes.BLUE, scenes.RED, scenes.GREEN))
    return Watched("crossing", scene, 10.0, 8.0, 3)


def five() -> Watched:
    """Return five people who stand beside each other."""
    return Watched("five", scenes.five(), 10.0, 5.5, 5)


def walking(radius: float) -> Watched:
    """Return three people who walk around each other, ``radius`` meters before the first camera."""
    actors = []
    for i, look in enumerate((scenes.BLUE, scenes.RED, scenes.GREEN)):
        way = []
        for k in range(17):
            angle = 2.0 * math.pi * (k / 16 + i / 3)
            x, y = radius + 1.2 * math.cos(angle), (0.8 + 0.3 * i) * math.sin(angle)
            way.append(Waypoint(0.5 * k, x, y))
        way[-1] = way[-1]._replace(x=way[0].x, y=way[0].y)
        actors.append(Actor(Path(tuple(way)), name=f"walker {i}", look=look, height=1.6 + 0.1 * i))
    return Watched(f"walking_{radius:g}", Scene(tuple(actors), 2.0 * radius), 10.0, 8.0, 3)


def around(radius: float, count: int) -> list[Placed]:
    """Return up to five cameras on a circle, 72 degrees apart, which are not synchronized."""
    places = []
    for i, delay in enumerate((0.0, 0.013, 0.027, 0.008, 0.021)[:count]):
        angle = math.radians(180.0 + 72.0 * i)
        places.append(
            Placed(
                f"around {i}",
                radius * (1.0 + math.cos(angle)),
                radius * math.sin(angle),
                (72.0 * i) % 360.0,
                delay,
            )
        )
    return places


def places_of(scene: Watched) -> dict[str, list[Placed]]:
    """Return the rigs that watch a scene, by name."""
    if scene.name.startswith("walking"):
        radius = float(scene.name.split("_")[1])
        return {f"{n} around them": around(radius, n) for n in (5, 4, 3)}
    return {
        "one": [LEFT],
        **{name: [LEFT, place] for name, place in PAIRS.items()},
        **({} if scene.people == 1 else {"0, 50 cm, 2 m": [LEFT, PAIRS["50 cm"], PAIRS["2 m"]]}),
    }


def pointing_figures(
    watched: Iterable[tuple[FusedPeople, tuple[Truth, ...]]],
) -> dict[str, float]:
    """Return how far joints, arms and targets are off while one person points."""
    angles, targets, joints, sigmas = [], [], [], []
    for people, (truth,) in watched:
        if len(people.poses) != 1 or truth.gesture != "point_at" or not truth.held:
            continue
        if people.poses.camera_sigmas is None or truth.target is None:
            raise SystemExit("expected people with sigmas who point at a target")
        points = people.points[0]
        start, end = (SKELETON.index(f"{truth.arm}_{joint}") for joint in ("shoulder", "wrist"))
        line = points[end] - points[start]
        angles.append(float(angle_between(line, truth.world[end] - truth.world[start])))
        hit = points[start] - line * points[start][2] / min(line[2], -1e-3)
        feet = truth.world[[27, 28]].mean(axis=0)
        reach = np.linalg.norm((truth.target - feet)[:2])
        targets.append(float(np.linalg.norm(hit - truth.target) / reach))
        joints.append(np.linalg.norm(points - truth.world, axis=1))
        sigmas.append(people.poses.camera_sigmas[0])
    far, stated = np.array(joints), np.array(sigmas)
    known = np.isfinite(far)
    return {
        "n": len(angles),
        "joint median cm": 100 * float(np.median(far[known])),
        "joint 90th cm": 100 * float(np.percentile(far[known], 90)),
        "in sigma %": 100 * float(np.mean(far[known] < stated[known])),
        "arm median deg": float(np.median(angles)),
        "arm 90th deg": float(np.percentile(angles, 90)),
        "target median %": 100 * float(np.median(targets)),
    }


def people_figures(watched: Watched, places: Sequence[Placed]) -> dict[str, float]:
    """Return how several people are kept apart and how far their joints are off."""
    cameras = DrawnCameras(watched.scene, places)
    samples = [dict(watched.see(place)) for place in places]
    joints, sigmas = [], []
    count = found = switches = more = shared = 0
    ids: dict[int, int] = {}
    for people, truths in watched.fuse(places):
        count += 1
        more += len(people.poses) > len(truths)
        shown = [whose(people, g, cameras, samples) - {NO_PERSON} for g in range(len(people.poses))]
        shared += any(len(who) > 1 for who in shown)
        switches += count_switches(ids, people.poses.ids.tolist(), shown)
        true = np.array([truth.world for truth in truths])
        far = np.linalg.norm(people.points - true[:, None], axis=3)
        trunks = np.where(np.isfinite(far[..., TRUNK]), far[..., TRUNK], np.inf).mean(axis=2)
        trunks = np.minimum(trunks, 10.0 * _NEAR)
        for i, best in zip(*(each.tolist() for each in best_pairs(trunks)), strict=True):
            if trunks[i, best] > _NEAR:
                continue
            found += 1
            joints.append(far[i, best])
            if people.poses.camera_sigmas is not None:
                sigmas.append(people.poses.camera_sigmas[best])
    off, stated = np.array(joints), np.array(sigmas)
    known = np.isfinite(off)
    return {
        "n": count,
        "joint median cm": 100 * float(np.median(off[known])),
        "joint 90th cm": 100 * float(np.percentile(off[known], 90)),
        "in sigma %": 100 * float(np.mean(off[known] < stated[known])),
        "found %": 100 * found / (count * len(watched.scene.actors)),
        "switches": switches,
        "more": more,
        "shared": shared,
    }


def count_switches(
    ids: dict[int, int], fused: Sequence[int], shown: Sequence[Iterable[int]]
) -> int:
    """Return how many true people have another id now; ``ids`` are theirs, and change.

    Who is who is what the cameras show: one camera alone may have the place of a person off by a
    meter, which makes no switch. Of someone who is there twice, the id of before counts.

    Args:
        ids: By true person.
        fused: Ids of fused people.
        shown: Of each fused person, one entry per camera: the true person that it shows.
    """
    candidates: dict[int, Counter[int]] = {}
    for id_, who in zip(fused, shown, strict=True):
        # of a mixture nothing is known
        for i in set(who) if len(set(who)) == 1 else ():
            candidates.setdefault(i, Counter())[id_] += len(list(who))
    switches = 0
    for i, found in candidates.items():
        best = max(found, key=lambda id_: (found[id_], id_ == ids.get(i)))
        switches += ids.get(i, best) != best
        ids[i] = best
    return switches


def whose(
    people: FusedPeople,
    row: int,
    cameras: DrawnCameras,
    samples: Sequence[Mapping[float, pose_ros.Poses]],
) -> set[int]:
    """Return which true people the cameras show of one fused person.

    Where a camera's trunk is not clearly nearer to one of them in its image, it is ``NO_PERSON``.
    """
    found = set()
    for v, view in enumerate(cameras.views):
        id_ = int(people.camera_ids[row, v])
        if id_ == NO_PERSON:
            continue
        stamp = min(samples[v], key=lambda own: abs(own - people.stamp))
        poses = samples[v][stamp]
        if id_ not in poses.ids:
            continue
        pixels = poses.keypoints[int(np.flatnonzero(poses.ids == id_)[0])][TRUNK]
        order = sorted(
            (float(np.median(np.linalg.norm(view.project(t.world[TRUNK]) - pixels, axis=1))), i)
            for i, t in enumerate(cameras.truths(stamp))
        )
        clear = len(order) < 2 or order[0][0] * _CLEARLY < order[1][0]
        found.add(order[0][1] if clear else NO_PERSON)
    return found


@dataclass
class Clip:
    """The people that the network finds in each camera's video, lifted, and the true joints.

    Attributes:
        fps: Images a second.
        views: V cameras.
        poses: By camera and frame.
        truth: (frames, 33, 3) meters in the world, NaN unknown.
    """

    fps: float
    views: list[CameraView]
    poses: list[list[pose_ros.Poses]]
    truth: Array


def real_clip(folder: FilePath, fps: float) -> Clip:
    """Return a real recording, of a folder with ``cameras.json``, ``truth.npz`` and videos."""
    with np.load(folder / "truth.npz") as data:
        names, world = data["joints"].tolist(), data["world"]
    truth = np.full((len(world), 33, 3), np.nan)
    truth[:, [SKELETON.index(name) for name in names]] = world
    views, found = [], []
    for name, entry in json.loads((folder / "cameras.json").read_text("utf-8")).items():
        lens = np.array(entry["D"])
        camera = pose_ros.Camera(
            entry["width"], entry["height"], np.array(entry["K"]), distortion=lens
        )
        extrinsics = Extrinsics(np.array(entry["R"]), np.array(entry["t"]))
        views.append(CameraView(name, camera, extrinsics))
        options = pose_ros.EstimatorOptions(smoothing=False)
        estimator = pose_ros.create_estimator("blazepose-full", options=options)
        lifter = pose_ros.Lifter()
        source = pose_ros.open_source(str(folder / f"{name}.mp4"), live=False)
        people = []
        for i in range(len(truth)):
            frame = source.read()
            if frame is None:
                raise SystemExit(f"{folder / name}.mp4 has fewer images than the truth: {i}")
            poses = estimator.estimate(frame.image, i / fps, channels=frame.channels)
            people.append(lifter.lift(poses, camera, i / fps))
        source.close()
        found.append(people)
    return Clip(fps, views, found, truth)


def turned(view: CameraView, axis: int) -> CameraView:
    """Return a camera that is turned by 3 degrees about one of its own axes."""
    turn, _ = cv2.Rodrigues(np.eye(3)[axis] * math.radians(_TURN_DEGREES))
    own = view.extrinsics
    return replace(view, extrinsics=Extrinsics(turn @ own.rotation, turn @ own.translation))


def named(people: FusedPeople) -> str | None:
    """Return the camera that stands elsewhere than its extrinsics say; None: there is none."""
    errors = {
        name: report.error_sigmas
        for name, report in people.cameras.items()
        if math.isfinite(report.error_sigmas)
    }
    worst = max(errors, key=errors.__getitem__, default=None)
    return worst if worst is not None and errors[worst] >= _TURNED else None


def _show(name: str, row: Mapping[str, float]) -> None:
    print(f"{name:34s}" + ", ".join(f"{key} {value:.1f}" for key, value in row.items()), flush=True)


def _pointing(args: argparse.Namespace) -> None:
    for distance in args.distances:
        watched = pointing(distance)
        for name, places in places_of(watched).items():
            _show(f"{distance:g} m, {name}", pointing_figures(watched.fuse(places)))


def _matched(args: argparse.Namespace) -> None:
    for distance, base in itertools.product(args.distances, (0.06, 0.12)):
        watched, places = pointing(distance), [LEFT, Placed("right", y=-base)]
        name = f"{distance:g} m, {100 * base:g} cm"
        _show(f"{name}, keypoints alone", pointing_figures(watched.fuse(places)))
        _show(f"{name}, matched", pointing_figures(watched.match(places)))


def _scene(name: str) -> Watched:
    plain = {"crossing": crossing, "five": five}
    return plain[name]() if name in plain else walking(float(name.split("_")[1]))


def _people(args: argparse.Namespace) -> None:
    for name in args.scenes:
        watched = replace(_scene(name), finder=args.finder)
        for rig, places in places_of(watched).items():
            _show(f"{name}, {rig}", people_figures(watched, places))


def _turned(args: argparse.Namespace) -> None:
    row = [LEFT, PAIRS["50 cm"], PAIRS["2 m"]]
    drawn = [
        (crossing(), row),
        (pointing(2.5), row),
        *((walking(radius), around(radius, 5)) for radius in (4.5, 7.0)),
    ]
    for watched, places in drawn:
        views = DrawnCameras(watched.scene, places).views
        answers = []
        for i in (None, *range(len(views))):
            own = [turned(view, 1) if j == i else view for j, view in enumerate(views)]
            *_, (people, _) = watched.fuse(places, own)
            answers.append((None if i is None else views[i].name, named(people)))
        _show_turned(watched.name, answers)
    for name, fps in REAL_FPS.items() if args.real else ():
        clip = real_clip(args.real / name, fps)
        answers = []
        choices = itertools.product(range(len(clip.views)), (0, 1))
        for choice in (None, *choices) if len(clip.views) > 2 else (None,):
            rig = list(clip.views)
            if choice is not None:
                rig[choice[0]] = turned(rig[choice[0]], choice[1])
            fusion = Fusion(rig)
            for frame in range(len(clip.truth)):
                stamp = frame / fps
                seen = {v.name: (stamp, own[frame]) for v, own in zip(rig, clip.poses, strict=True)}
                people = fusion.update(stamp, seen)
            answers.append((None if choice is None else rig[choice[0]].name, named(people)))
        _show_turned(name, answers)


def _videos(args: argparse.Namespace) -> None:
    """Write a video of each camera around the walking people, and the cameras' true places."""
    watched = walking(args.radius)
    cameras = DrawnCameras(watched.scene, around(args.radius, args.cameras))
    args.folder.mkdir(parents=True, exist_ok=True)
    views = [replace(v, name=f"camera_{i}") for i, v in enumerate(cameras.views)]
    for i, view in enumerate(views):
        size, code = (view.camera.width, view.camera.height), cv2.VideoWriter.fourcc(*"mp4v")
        video = cv2.VideoWriter(str(args.folder / f"{view.name}.mp4"), code, watched.fps, size)
        for k in range(round(args.seconds * watched.fps)):
            video.write(cameras.frame(i, k / watched.fps + cameras.places[i].delay))
        video.release()
    write_rig(args.folder / "true.yaml", CameraRig(tuple(views)))


def _show_turned(name: str, answers: Sequence[tuple[str | None, str | None]]) -> None:
    """Print whether the camera that was turned was named, by pairs of that and who was named."""
    turns = [pair for pair in answers if pair[0] is not None]
    row = {
        "turns": len(turns),
        "named": sum(true == answer for true, answer in turns),
        "another one": sum(answer not in (true, None) for true, answer in turns),
        "none": sum(answer is None for _, answer in turns),
        "named without a turn": sum(answer is not None for true, answer in answers if true is None),
    }
    _show(name, row)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print figures of one kind, a line for each rig of cameras."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.several_cameras",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("pointing", help="one person who points, before one and two cameras")
    one.add_argument("--distances", nargs="+", type=float, default=[1.8, 2.5, 4.0])
    one.set_defaults(run=_pointing)
    near = kinds.add_parser("matched", help="the same, of two cameras side by side, taken at once")
    near.add_argument("--distances", nargs="+", type=float, default=[1.8, 2.5])
    near.set_defaults(run=_matched)
    names = ["crossing", "five", "walking_4.5", "walking_7"]
    several = kinds.add_parser("people", help="several people: who is who")
    several.add_argument("--scenes", nargs="+", choices=names, default=names)
    several.add_argument("--finder", default=OWN_FINDER, help="what looks for people (%(default)s)")
    several.set_defaults(run=_people)
    knocked = kinds.add_parser("turned", help="one camera is turned by 3 degrees without notice")
    knocked.add_argument("--real", type=FilePath, help="folder of pose2sim and caliscope")
    knocked.set_defaults(run=_turned)
    videos = kinds.add_parser("videos", help="write videos of walking people, for other commands")
    videos.add_argument("folder", type=FilePath)
    videos.add_argument("--radius", type=float, default=4.5, help="meters (%(default)g)")
    videos.add_argument("--cameras", type=int, default=3, help="2 to 5 (%(default)s)")
    videos.add_argument("--seconds", type=float, default=10.0, help="of them (%(default)g)")
    videos.set_defaults(run=_videos)
    args = parser.parse_args(arguments)
    args.run(args)


if __name__ == "__main__":
    main()
