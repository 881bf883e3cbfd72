"""How well scripted gestures are recognized, on true joints with noise and through BlazePose.

This prints the tables of docs/measurements/gestures.md. A gesture counts as recognized when it
starts while its step of the script is played; every other start is counted where it happens.
"""

from __future__ import annotations

import collections

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.commands.commander import Commander, State
from pose_ros.core.commands.config import CommandConfig
from pose_ros.core.commands.operator import people_from
from pose_ros.core.gestures import recognizer as tables
from pose_ros.core.gestures.recognizer import Gesture, GestureRecognizer
from pose_ros.core.lifting.lifter import Lifter, level_floor
from pose_ros.core.types import Poses
from pose_ros.settings.lifting import LiftOptions
from pose_ros.synthetic.actor import GESTURES, MOVING_GESTURES, TWO_ARMED, Step
from pose_ros.synthetic.raytrace import View
from pose_ros.synthetic.scene import ACTOR_TO_WALL, Actor, Path, Scene
from pose_ros.synthetic.scenes import walking
from pose_ros.synthetic.source import SyntheticSource

SKELETON = skeletons.get("blazepose33")
# Each posture of the actor and the gesture that it shows.
CALLED = {
    **dict.fromkeys(("point_left", "point_right", "point_down", "point_forward"), "point"),
    "raise_hand": "raise_hand",
    "raise_hands": "raise_hand",
    "wave": "wave",
    "t_pose": "t_pose",
    "cross_arms": "arms_crossed",
    "stop": "stop",
    "come_here": "come_here",
}
NO_GESTURE = {"stand", "walk"}  # of the actor; the tests of a walker have them
DISTANCES = (1.5, 2.7, 4.0)
LENSES = {1.5: 90.0, 2.7: 69.0, 4.0: 69.0}  # degrees: raised hands are in the picture
PITCHES = (-14.0, 0.0, 12.0)
NOISE, DROPPED = 0.02, 0.2  # meters a coordinate, drawn for each image; share of the joints


def script() -> tuple[Step, ...]:
    steps = []
    for gesture in GESTURES:
        if gesture in CALLED:
            for arm in ("right",) if gesture in TWO_ARMED else ("left", "right"):
                seconds = 2.6 if gesture in MOVING_GESTURES else 1.6
                steps += [Step("stand", 0.8), Step(gesture, seconds, arm)]
    return tuple(steps)


def scene(distance: float, turned_degrees: float = 0.0) -> Scene:
    path = Path.standing(distance, 0.0, 180.0 - turned_degrees)
    return Scene((Actor(path, script()),), distance + ACTOR_TO_WALL)


class Table:
    """Counts of the gestures recognized while each gesture was shown."""

    def __init__(self) -> None:
        self.made: collections.Counter[str] = collections.Counter()
        self.found: collections.Counter[str] = collections.Counter()
        self.others: collections.Counter[tuple[str, str]] = collections.Counter()

    def add(self, recognizer: GestureRecognizer, frames, steps: tuple[Step, ...], up) -> None:
        """Play frames of (stamp, poses) to a recognizer, and count."""
        ends = np.cumsum([step.seconds for step in steps])
        started = collections.defaultdict(set)
        for stamp, poses in frames:
            i = min(int(np.searchsorted(ends, stamp + 1e-9, side="right")), len(steps) - 1)
            for gesture in recognizer.update(poses, stamp, up=up):
                if gesture.event == "started":
                    started[i].add((gesture.name, gesture.side))
        for i, step in enumerate(steps):
            side = "both" if step.gesture in TWO_ARMED else step.arm
            expected = (CALLED.get(step.gesture, ""), side)
            self.made[step.gesture] += 1
            self.found[step.gesture] += expected in started[i]
            for name, its_side in started[i] - {expected}:
                self.others[step.gesture, f"{name} {its_side}"] += 1

    @property
    def recall(self) -> float:
        made = sum(self.made[g] for g in CALLED)
        return sum(self.found[g] for g in CALLED) / made

    def __str__(self) -> str:
        lines = [f"{'made':14}{'times':>6}{'found':>7}  anything else"]
        for gesture, times in self.made.items():
            others = [
                f"{what} {count}" for (when, what), count in self.others.items() if when == gesture
            ]
            found = self.found[gesture] if gesture in CALLED else ""
            lines.append(f"{gesture:14}{times:6}{found:>7}  {', '.join(others) or '-'}")
        return "\n".join([*lines, f"recall {100 * self.recall:.1f}%"])


def true_joints(of: Scene, fps: float, seconds: float) -> np.ndarray:
    """Return (frames, 33, 3) meters in the world."""
    (actor,) = of.actors
    every = [actor.joints(i / fps) for i in range(round(seconds * fps))]
    return np.array([[joints[name] for name in SKELETON.keypoints] for joints in every])


def seen(joints: np.ndarray, view: View, fps: float, seed: int, space: str = "camera"):
    """Yield (stamp, poses) as a camera might see true joints: with noise, and some missing."""
    random = np.random.default_rng(seed)
    for i, world in enumerate(joints):
        points = view.optical(world) + random.normal(0.0, NOISE, world.shape)
        missing = random.random(len(points)) < DROPPED
        pixels = view.camera.project(points)
        points[missing] = pixels[missing] = np.nan
        metric = {"camera": points[None]} if space == "camera" else {}
        yield (
            i / fps,
            Poses(
                skeleton=SKELETON,
                ids=[0],
                scores=[0.9],
                boxes=np.zeros((1, 4)),
                keypoints=pixels[None],
                keypoint_scores=np.where(missing, 0.0, 0.9)[None],
                **metric,
            ),
        )


def found(of: Scene, fps: float, *, pitch: float, hfov: float, seconds: float):
    """Yield (stamp, poses) that BlazePose finds in a drawn scene, in meters."""
    source = SyntheticSource(
        scene=of,
        width=480,
        height=360,
        fps=fps,
        camera_height=1.1,
        camera_pitch_degrees=pitch,
        hfov_degrees=hfov,
        live=False,
        name="gestures",
    )
    estimator = pose_ros.create_estimator("blazepose-full", threads=2)
    lifter = Lifter(LiftOptions(height=of.actors[0].height))
    for _ in range(round(seconds * fps)):
        frame = source.read()
        if frame is None:
            return
        poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
        yield frame.stamp, lifter.lift(poses, source.camera, frame.stamp)


@pytest.fixture
def say(capsys):
    def print_it(*words: object) -> None:
        with capsys.disabled():
            print("\n", *words, sep="")

    return print_it


def view_from(pitch: float, distance: float = 2.7) -> View:
    return View(Camera.from_hfov(640, 480, LENSES[distance]), 1.1, pitch)


def test_table_covers_every_posture_of_the_actor_and_every_gesture_of_arms():
    assert set(GESTURES) == set(CALLED) | NO_GESTURE
    assert set(CALLED.values()) == {*tables.TWO_ARMED, *tables.ONE_ARMED}


def test_gestures_of_noisy_true_joints_are_recognized(say):
    steps, near = script(), DISTANCES[0]
    joints = true_joints(scene(near), 15.0, sum(step.seconds for step in steps))
    table = Table()
    for seed, (distance, pitch) in enumerate((d, p) for d in DISTANCES for p in PITCHES):
        view = view_from(pitch, distance)
        frames = seen(joints + (distance - near, 0.0, 0.0), view, 15.0, seed)
        table.add(GestureRecognizer(), frames, steps, level_floor(1.1, pitch).up)
    say(f"true joints, {100 * NOISE:g} cm of noise, {DROPPED:.0%} missing\n{table}")
    assert table.recall >= 0.95
    assert all(table.found[g] >= 0.9 * table.made[g] for g in CALLED)
    assert sum(table.others.values()) <= 2


@pytest.mark.parametrize("space", ["camera", "image"])
def test_walking_person_makes_no_gesture_in_ten_minutes(space):
    for seed, pitch in enumerate((-14.0, 12.0)):
        joints = true_joints(walking(seed), 15.0, 300.0)
        recognizer = GestureRecognizer()
        events: list[Gesture] = []
        for stamp, poses in seen(joints, view_from(pitch), 15.0, seed, space):
            events += recognizer.update(poses, stamp, up=level_floor(1.1, pitch).up)
        assert events == []


@pytest.mark.parametrize(
    ("distance", "turned_degrees", "least"),
    # turned away, 16 or 17 of 19 are found: which ones depends on the last bit of a float
    [(1.5, 0.0, 0.95), (4.0, 0.0, 0.95), (2.7, 45.0, 15 / 19)],
)
def test_gestures_are_recognized_through_blazepose(distance, turned_degrees, least, say):
    steps, table = script(), Table()
    seconds = sum(step.seconds for step in steps)
    drawn = scene(distance, turned_degrees)
    frames = found(drawn, 10.0, pitch=2.0, hfov=LENSES[distance], seconds=seconds)
    table.add(GestureRecognizer(), frames, steps, level_floor(1.1, 2.0).up)
    say(f"BlazePose at {distance:g} m, turned away by {turned_degrees:g} degrees\n{table}")
    assert table.recall >= least
    assert sum(table.others.values()) <= 1


def test_walking_person_makes_no_gesture_through_blazepose():
    recognizer = GestureRecognizer()
    events: list[Gesture] = []
    for stamp, poses in found(walking(3), 10.0, pitch=2.0, hfov=69.0, seconds=40.0):
        events += recognizer.update(poses, stamp, up=level_floor(1.1, 2.0).up)
    assert events == []


def test_few_people_in_photos_make_a_gesture(data, say):
    """People of public pictures, as if they stood still for a second."""
    estimator = pose_ros.create_estimator("blazepose-full", static=True, max_people=5, threads=2)
    people, events = 0, set()
    pictures = sorted([*data.glob("images/*.jpg"), *data.glob("coco_keypoints/*.jpg")])
    for picture in pictures:
        poses = estimator.estimate(cv2.imread(str(picture)), channels="bgr")
        recognizer = GestureRecognizer()
        people += len(poses)
        for i in range(15):
            for gesture in recognizer.update(poses, i / 15):
                events.add((picture.stem, gesture.person, gesture.name, gesture.side))
    lines = "\n".join(" ".join(map(str, row)) for row in sorted(events))
    say(f"{len(pictures)} pictures, {people} people, {len(events)} gestures\n{lines}")
    assert len(pictures) == 21
    # sports: arms are out, and no person means it; a picture does not tell what moves
    assert len(events) <= 10


@pytest.mark.parametrize("static", [True, False], ids=["each frame by itself", "tracked"])
def test_dancer_makes_no_held_gesture_and_commands_nothing(data, say, static):
    """An arm that moves as for a wave may be one for a moment; nothing longer, nothing held.

    Which moments those are depends on the last bit of a float: tracking feeds each result into
    the next region (docs/measurements/parity.md). Of 12 runs with one pixel in 100,000 changed by
    one level, 3 have no gesture, and the others up to 2 waves and 1 ``come_here`` of 0.2 s. A
    recognizer that forgets its hold time finds pointing and crossed arms here.
    """
    estimator = pose_ros.create_estimator("blazepose-full", static=static, threads=2)
    clip, recognizer = cv2.VideoCapture(str(data / "video" / "dance.avi")), GestureRecognizer()
    commander = Commander(CommandConfig())
    events: list[Gesture] = []
    for i in range(205):
        read, image = clip.read()
        assert read
        poses, stamp = estimator.estimate(image, i / 50, channels="bgr"), i / 50
        found = recognizer.update(poses, stamp)
        events += found
        commander.observe(found, people_from(poses), stamp, stamp)
        command = commander.tick(stamp)
        assert command.state is State.DISENGAGED
        assert (command.linear, command.angular) == (0.0, 0.0)
    starts = [f"{gesture.name} {gesture.side}" for gesture in events if gesture.event == "started"]
    seconds = sum(gesture.event != "ended" for gesture in events) / 50
    say(f"dance of 4.1 s: {', '.join(starts) or 'no gesture'}, held for {seconds:.2f} s")
    assert {gesture.name for gesture in events} <= {"wave", "come_here"}
    assert len(starts) <= 6
    assert seconds <= 1.2
