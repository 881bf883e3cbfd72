"""Gestures that real people make, and gestures that are seen where no person makes one.

``.venv/bin/python -m tools.real_gestures`` prints the tables of
docs/measurements/real_people.md, from the public pictures and clips in ``../shared/data`` (or
POSE_ROS_DATA). A picture counts as a person who stands still for a second.
"""

from __future__ import annotations

import argparse
import collections
import csv
import dataclasses
import functools
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import pose_ros
from pose_ros.core.gestures.hand import view_hand, view_palm
from pose_ros.core.gestures.hold import JointReader
from pose_ros.core.gestures.recognizer import HANDS, ONE_ARMED, TWO_ARMED, GestureRecognizer
from pose_ros.core.lifting.lifter import Lifter
from pose_ros.core.types import Estimator, HandEstimator, Image, Pose, Poses

ARM_GESTURES = frozenset((*TWO_ARMED, *ONE_ARMED))
HAGRID = ("four", "rock", "call", "none")
"""One hand beside the head with four fingers or two, at the cheek like a phone, and others."""
FINGERS = {0: "fist", 1: "finger_point", 2: "victory", 5: "open_palm"}
"""The gestures of so many fingers; three and four are no gesture."""
DIGITS = {1: "finger_point", 2: "victory", 5: "open_palm", 9: "ok"}
"""The gestures of a sign language's digits; the others are no gesture."""
STILL_SECONDS, STILL_FPS = 1.0, 15
HANDS_FPS = 10
"""Of a hand by itself, which is looked for again in each image."""


@dataclass(frozen=True)
class Moment:
    """What a recognizer gets of one image; ``hands`` and ``up`` are None where they are unknown."""

    stamp: float
    poses: Poses
    hands: Poses | None = None
    up: tuple[float, float, float] | None = None


def still(poses: Poses, hands: Poses | None = None) -> list[Moment]:
    """Return a second of people who do not move."""
    images = int(STILL_SECONDS * STILL_FPS)
    return [Moment(i / STILL_FPS, poses, hands) for i in range(images)]


def starts(moments: Iterable[Moment]) -> list[tuple[str, str, int]]:
    """Return name, side and person of each gesture that starts."""
    recognizer = pose_ros.GestureRecognizer()
    return [
        (gesture.name, gesture.side, gesture.person)
        for moment in moments
        for gesture in recognizer.update(
            moment.poses, moment.stamp, hands=moment.hands, up=moment.up
        )
        if gesture.event == "started"
    ]


@dataclass(frozen=True)
class Networks:
    """The estimators of single pictures."""

    bodies: Estimator
    body_hands: HandEstimator
    palms: HandEstimator
    hands: Estimator

    @classmethod
    def load(cls, finder: str = "blazepose") -> Networks:
        """Load the networks of bodies, of hands at their wrists or not, and of hands alone."""
        bodies = pose_ros.create_estimator(
            "blazepose-full", static=True, max_people=10, detect_tiles=2, finder=finder
        )
        return cls(
            bodies,
            pose_ros.create_body_hands(static=True),
            pose_ros.create_body_hands(static=True, detect_palms=True),
            pose_ros.create_estimator("blazehand-full", max_people=2),
        )

    def people(self, picture: Path, *, hands: bool) -> list[Moment]:
        """Return the people of a picture, who do not move."""
        image = _read(picture)
        poses = self.bodies.estimate(image, channels="bgr")
        found = self.body_hands.estimate(image, poses, channels="bgr") if hands else None
        return still(poses, found)

    def hands_alone(self, picture: Path, *, scale: float = 1.0) -> list[Moment]:
        """Return the hands of a picture, shrunk as from farther away, on a gray border.

        They are looked for and followed for a second, as those of a stream.
        """
        shown = _on_gray(_read(picture), scale)
        self.hands.reset()
        stamps = np.arange(int(STILL_SECONDS * HANDS_FPS) + 1) / HANDS_FPS
        return [Moment(t, self.hands.estimate(shown, t, channels="bgr")) for t in stamps.tolist()]

    def raised_hand(self, picture: Path, *, scale: float = 1.0) -> tuple[int, float]:
        """Return what the higher hand of the first person of a shrunk picture shows.

        Returns:
            How many of its four fingers are stretched, -1 where no hand is found; its pixels.
        """
        image = _read(picture)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shown = np.asarray(small, np.uint8)
        poses = self.bodies.estimate(shown, channels="bgr")
        hands = self.body_hands.estimate(shown, poses, channels="bgr")
        if not len(hands):
            return -1, math.nan
        hand = min(hands, key=lambda pose: float(pose.box[1]))
        joints = JointReader("shape").read(hand, 0.0, min_score=0.5, seconds=0.0)
        view = view_hand(joints.points, joints.scores, np.array([0.0, -1.0, 0.0]))
        if view is None:
            return -1, math.nan
        return view_palm(view, "left").stretched, _pixels(hand)

    def close_up(self, picture: Path, *, palms: bool) -> list[Moment]:
        """Return the person of a close picture and their hands, with those without a body."""
        image = _on_gray(_read(picture), 1.0)
        options = self.bodies.options
        try:
            self.bodies.options = dataclasses.replace(options, max_people=1, detect_tiles=1)
            poses = self.bodies.estimate(image, channels="bgr")
            hands = self.palms if palms else self.body_hands
            hands.options = self.bodies.options
            return still(poses, hands.estimate(image, poses, channels="bgr"))
        finally:
            self.bodies.options = options


class CloseStream:
    """A close picture as a stream of itself: the person and the hands are followed."""

    def __init__(self) -> None:
        self._bodies = pose_ros.create_estimator("blazepose-full", finder="blazepose")
        self._hands = pose_ros.create_body_hands(detect_palms=True)

    def watch(self, picture: Path) -> list[Moment]:
        """Return the person and the hands of each image, with those without a body."""
        image = _on_gray(_read(picture), 1.0)
        self._bodies.reset()
        self._hands.reset()
        moments = []
        for i in range(int(STILL_SECONDS * HANDS_FPS) + 1):
            stamp = i / HANDS_FPS
            poses = self._bodies.estimate(image, stamp, channels="bgr")
            hands = self._hands.estimate(image, poses, stamp, channels="bgr")
            moments.append(Moment(stamp, poses, hands))
        return moments


def _on_gray(image: Image, scale: float) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    down, right = height - small.shape[0], width - small.shape[1]
    if width < 200:  # a palm that fills the picture is not found
        down, right = down + height, right + width
    border = (down // 2, down - down // 2, right // 2, right - right // 2)
    shown = cv2.copyMakeBorder(small, *border, cv2.BORDER_CONSTANT, value=(128,) * 3)
    return np.asarray(shown, np.uint8)


def people_pictures(data: Path) -> dict[str, list[Path]]:
    """Return pictures of people by what they do: HaGRID's by name, and those who mean nothing."""
    pictures = {
        name: sorted((data / "hand_gestures" / "hagrid" / name).iterdir()) for name in HAGRID
    }
    nobody = [*data.glob("images/*.jpg"), *data.glob("coco_keypoints/*.jpg")]
    return {**pictures, "photos": sorted(nobody)}


def hand_pictures(data: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield set, what is shown and path of each picture of a hand, or of two that do the same."""
    folder = data / "hand_gestures"
    for path in sorted((folder / "digits").iterdir()):
        digit = int(path.name[0])
        yield "digits", DIGITS.get(digit, f"digit {digit}"), path
    counts = collections.defaultdict(set)
    with (folder / "fingers_labels.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts[row["filename"]].add(int(row["class"][0]))
    for path in sorted((folder / "fingers").iterdir()):
        shown = counts[path.name]
        if len(shown) == 1:
            (count,) = shown
            yield "fingers", FINGERS.get(count, f"{count} fingers"), path


@dataclass(frozen=True)
class Clip:
    """A clip in which no person commands anything."""

    name: str
    path: Path
    stamps: Sequence[float]
    camera: pose_ros.Camera | None = None
    up: tuple[float, float, float] | None = None

    def watch(self) -> Iterator[Moment]:
        """Yield its moments, as a robot sees them: followed, and in meters if calibrated."""
        estimator = pose_ros.create_estimator("blazepose-full", max_people=5, finder="blazepose")
        lifter, video = Lifter(), cv2.VideoCapture(str(self.path))
        for stamp in self.stamps:
            read, image = video.read()
            if not read:
                return
            poses = estimator.estimate(image, stamp, channels="bgr")
            if self.camera is not None:
                poses = lifter.lift(poses, self.camera, stamp)
            yield Moment(stamp, poses, up=self.up)


def clips(data: Path) -> Iterator[Clip]:
    """Yield the public clips: a dance, a man who balances, and a man at a desk."""
    yield Clip("dance", data / "video" / "dance.avi", [i / 50 for i in range(205)])
    balance, desk = data / "real3d" / "pose2sim", data / "real3d" / "caliscope"
    for path in sorted(balance.glob("*.mp4")):
        yield _calibrated(path, path.stem, [i / 60 for i in range(100)])
    times = collections.defaultdict(list)
    with (desk / "timestamps.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            times[f"cam_{row['cam_id']}"].append(float(row["frame_time"]))
    for path in sorted(desk.glob("*.mp4")):
        yield _calibrated(path, path.stem, sorted(times[path.stem]))


def _calibrated(path: Path, name: str, stamps: Sequence[float]) -> Clip:
    it = json.loads((path.parent / "cameras.json").read_text(encoding="utf-8"))[name]
    camera = pose_ros.Camera(it["width"], it["height"], np.array(it["K"]), "plumb_bob", it["D"])
    up = np.array(it["R"])[:, 2]  # the world's z
    return Clip(f"{path.parent.name} {name}", path, stamps, camera, tuple(up.tolist()))


def person_seconds(moments: Sequence[Moment]) -> float:
    """Return the seconds of people in a clip: two who are seen for a second are two."""
    stamps = [moment.stamp for moment in moments]
    return float(sum(len(moment.poses) for moment in moments) * np.median(np.diff(stamps)))


PARTS = ("people", "hands", "clips", "distance", "cost")
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)


def main() -> None:
    """Print gestures of pictures of people, of pictures of hands, and of clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="say what each picture gives")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="default: all")
    parser.add_argument("--finder", default="blazepose", help="who finds people in pictures")
    parser.add_argument(
        "--more", type=Path, metavar="DIR",
        help="pictures of hands in folders that are named by their gesture, alone",
    )  # fmt: skip
    args = parser.parse_args()
    checkout = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("POSE_ROS_DATA") or checkout.parent / "shared" / "data")
    networks = Networks.load(args.finder)
    if args.more is not None:
        more = [("more", path.parent.name, path) for path in sorted(args.more.glob("*/*"))]
        for line in _hands(networks.hands_alone, more, verbose=args.verbose):
            print(f"  {line}")
        return
    for hands in (False, True) if "people" in args.only else ():
        print(f"\nPictures of people, {'with' if hands else 'without'} hands")
        for name, paths in people_pictures(data).items():
            print(f"  {name:10} {_people(networks, paths, hands=hands, verbose=args.verbose)}")
    ways: dict[str, Callable[[Path], list[Moment]]] = {
        "a network of hands alone": networks.hands_alone,
        "hands at the wrists of a body": functools.partial(networks.close_up, palms=False),
        "the same, and palms": functools.partial(networks.close_up, palms=True),
        "the same, and palms, in a stream": CloseStream().watch,
    }
    for way, look in ways.items() if "hands" in args.only else ():
        print(f"\nPictures of hands, {way}: right / found / pictures, and what is wrong")
        for line in _hands(look, hand_pictures(data), verbose=args.verbose):
            print(f"  {line}")
    if "clips" in args.only:
        _print_clips(data)
    if "distance" in args.only:
        _print_distances(networks, data)
    if "cost" in args.only:
        _print_cost(data)


def _print_clips(data: Path) -> None:
    print("\nClips: gestures that start")
    seconds, total = 0.0, collections.Counter[str]()
    for clip in clips(data):
        moments = list(clip.watch())
        begun = collections.Counter(name for name, _, _ in starts(moments))
        seconds, total = seconds + person_seconds(moments), total + begun
        print(f"  {clip.name:16} {person_seconds(moments):5.1f} person-seconds: {_counts(begun)}")
    rates = {name: count * 60 / seconds for name, count in total.items()}
    print(f"  all {seconds:.0f} person-seconds: {_counts(total)}; a person-minute:", end=" ")
    print(", ".join(f"{name} {rate:.1f}" for name, rate in rates.items()) or "none")


def _print_distances(networks: Networks, data: Path) -> None:
    """Print what is right of pictures that are shrunk: hands alone, and hands of bodies."""
    print("\nHands alone, fists and open palms of one man: median pixels, right / pictures")
    shown = [
        (name, path)
        for kind, name, path in hand_pictures(data)
        if kind == "fingers" and name in ("fist", "open_palm")
    ]
    sizes = dict.fromkeys(SCALES, 0.0)
    for scale in SCALES:
        right, pixels = 0, []
        for name, path in shown:
            moments = networks.hands_alone(path, scale=scale)
            right += {gesture for gesture, _, _ in starts(moments)} == {name}
            pixels += [_pixels(pose) for pose in moments[-1].poses]
        sizes[scale] = float(np.median(pixels)) if scale == 1.0 else sizes[1.0] * scale
        print(f"  {sizes[scale]:4.0f} px  {right:3} / {len(shown)}")
    print("\nHands at wrists, raised hands of HaGRID's people: median pixels; found, same fingers")
    pictures = people_pictures(data)
    paths = [path for name in ("four", "rock", "none") for path in pictures[name]]
    known = {path: networks.raised_hand(path) for path in paths}
    for scale in (*SCALES, 0.18, 0.125):
        found, same, of = 0, 0, 0
        for path, (fingers, _) in known.items():
            if fingers < 0:
                continue
            seen, _ = networks.raised_hand(path, scale=scale)
            of, found, same = of + 1, found + (seen >= 0), same + (seen == fingers)
        whole = [pixels for fingers, pixels in known.values() if fingers >= 0]
        print(f"  {np.median(whole) * scale:4.0f} px  {found:3}, {same:3} / {of}")


def _print_cost(data: Path) -> None:
    """Print the recognizer's time for each image and person, and the estimator's, in one run."""
    (clip,) = [clip for clip in clips(data) if clip.name == "caliscope cam_2"]
    watched, moments, recognizer = time.process_time(), list(clip.watch()), GestureRecognizer()
    begun = time.process_time()
    for moment in moments:
        recognizer.update(moment.poses, moment.stamp, up=moment.up)
    ended = time.process_time()
    people = sum(len(moment.poses) for moment in moments)
    mine, theirs = (1e3 * (ended - begun) / people, 1e3 * (begun - watched) / len(moments))
    print(f"\nGestures: {mine:.2f} ms of CPU time for each image and person; finding, lifting and")
    print(f"reading the image: {theirs:.1f} ms for each image, {mine / theirs:.1%}")


def _pixels(hand: Pose) -> float:
    x0, y0, x1, y1 = hand.box.tolist()
    return float(max(x1 - x0, y1 - y0))


def _people(networks: Networks, paths: Sequence[Path], *, hands: bool, verbose: bool) -> str:
    people, total, of_hands = 0, collections.Counter[str](), collections.Counter[str]()
    count = 0
    for path in paths:
        moments = networks.people(path, hands=hands)
        people += len(moments[0].poses)
        count += 0 if moments[0].hands is None else len(moments[0].hands)
        begun = [name for name, _, _ in starts(moments)]
        names = [name for name in begun if name in ARM_GESTURES]
        total.update(names)
        of_hands.update(name for name in begun if name in HANDS)
        if verbose and names:
            print(f"    {path.name}: {', '.join(names)}")
    extra = f"; {count} hands: {_counts(of_hands)}" if hands else ""
    return f"{len(paths):3} pictures, {people:3} people: {_counts(total)}{extra}"


def _hands(
    look: Callable[[Path], list[Moment]],
    pictures: Iterable[tuple[str, str, Path]],
    *,
    verbose: bool,
) -> Iterator[str]:
    made, found, right = (collections.Counter[str]() for _ in range(3))
    wrong: dict[str, list[str]] = collections.defaultdict(list)
    for kind, shown, path in pictures:
        moments = look(path)
        recognized = {name for name, _, _ in starts(moments)} & HANDS.keys()
        row = f"{kind} {shown}"
        made[row] += 1
        last = moments[-1]
        found[row] += bool(len(last.poses if last.hands is None else last.hands))
        right[row] += recognized == ({shown} & HANDS.keys())
        wrong[row] += sorted(recognized - {shown})
        if verbose and recognized != ({shown} & HANDS.keys()):
            print(f"    {path.name}, {shown}: {', '.join(sorted(recognized)) or 'nothing'}")
    for row, count in sorted(made.items()):
        extra = _counts(collections.Counter(wrong[row]))
        yield f"{row:22} {right[row]:3} / {found[row]:3} / {count:3}  {extra}"


def _counts(counter: collections.Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


def _read(picture: Path) -> Image:
    image = cv2.imread(str(picture))
    if image is None:
        raise FileNotFoundError(picture)
    return np.asarray(image, np.uint8)


if __name__ == "__main__":
    main()
