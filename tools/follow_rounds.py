"""Rounds in which a robot with a camera follows a drawn person, among others who get in the way.

python -m tools.follow_rounds --rounds 20            # with what BlazePose finds in drawn images
python -m tools.follow_rounds --rounds 20 --true     # with true joints, and ids that may be swapped
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import pose_ros
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.commands.commander import Commander, State
from pose_ros.core.commands.config import Binding, CommandConfig, FollowAction, StopAction
from pose_ros.core.commands.follow import find_spots
from pose_ros.core.commands.operator import people_from
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.lifting.lifter import Lifter, level_floor
from pose_ros.core.types import Poses
from pose_ros.settings.commands import VelocityLimits
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.synthetic.actor import Step
from pose_ros.synthetic.figure import Look
from pose_ros.synthetic.raytrace import View
from pose_ros.synthetic.renderer import Renderer
from pose_ros.synthetic.robot import BaseState, moved
from pose_ros.synthetic.scene import Actor, Path, Scene, Waypoint
from pose_ros.synthetic.scenes import BLUE, GREEN, RED
from pose_ros.synthetic.source import Truth, truths

FPS, TICKS, DELAY = 10, 2, 0.1  # images a second, commands an image, seconds until poses come
CAMERA_HEIGHT, PITCH = 1.0, 3.0
ENGAGED_BY, STARTED_BY = "raise_hand", "t_pose"
STARTS = 5.0
"""Seconds from the beginning until the robot may follow: a hand is raised, then the T is made."""
_TRUNK = [11, 12, 23, 24]  # shoulders and hips of blazepose33
SCRIPT = (Step("stand", 0.6), Step(ENGAGED_BY, 2.4), Step("stand", 0.6), Step(STARTED_BY, 1.4))


class Ridden:
    """An actor as a camera sees them that rides on a robot.

    Args:
        actor: In the world.
        place: Where the robot is; it is read again for each image.
    """

    def __init__(self, actor: Actor, place: RobotPlace) -> None:
        self._actor, self._place = actor, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._actor, name)

    def joints(self, seconds: float) -> dict[str, Float64Array]:
        """Return the joints in the axes of the robot."""
        turn, origin = self._place.axes()
        found = self._actor.joints(seconds)
        return {name: turn @ (point - origin) for name, point in found.items()}

    def cones(self, seconds: float) -> list[Any]:
        """Return the body in the axes of the robot."""
        turn, origin = self._place.axes()
        return [
            cone._replace(
                a=turn @ (cone.a - origin),
                b=turn @ (cone.b - origin),
                flat_axis=turn @ cone.flat_axis,
            )
            for cone in self._actor.cones(seconds)
        ]


@dataclass
class RobotPlace:
    """Where a robot is on the floor."""

    state: BaseState = field(default_factory=BaseState)

    def axes(self) -> tuple[Float64Array, Float64Array]:
        """Return (3, 3) that turns the world's axes to the robot's, and its (3,) origin."""
        c, s = math.cos(self.state.yaw), math.sin(self.state.yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return turn, np.array([self.state.x, self.state.y, 0.0])


@dataclass(frozen=True)
class Moment:
    """One image of a round.

    Attributes:
        seconds: Since it began.
        state: Of the commander, with ``reason``.
        driven: Whether the robot was asked to move.
        followed: Which actor the followed id is on; None where it is on no actor.
        seen: Whether the trunk of the person to follow is in sight.
        range: True meters from the robot to the person to follow.
    """

    seconds: float
    state: State
    reason: str
    driven: bool
    followed: int | None
    seen: bool
    range: float


def walker(rng: np.random.Generator, seconds: float, speed: float, look: Look = BLUE) -> Actor:
    """Return a person who starts the robot, then walks away in bends and turns round at times."""
    # by a hair toward the robot: people look where they go
    points = [Waypoint(0.0, 2.3, 0.0), Waypoint(STARTS + 0.5, 2.2, 0.0)]
    points.append(Waypoint(STARTS + 1.0, 2.2, 0.0))
    x, y, now = 2.2, 0.0, STARTS + 1.0
    while now < seconds:
        leg = rng.uniform(2.0, 3.5)
        now += leg
        if rng.random() < 0.75:  # else they stand
            x += leg * speed * 0.9
            y += leg * speed * rng.uniform(-0.45, 0.45)
        points.append(Waypoint(now, x, y))
    points += [Waypoint(now + 100.0, x, y), Waypoint(now + 200.0, 2.3, 0.0)]
    script = (*SCRIPT, Step("stand", now + 195.0))
    return Actor(Path(tuple(points)), script, height=1.75, look=look, name="operator")


def crosser(
    operator: Actor, rng: np.random.Generator, begin: float, stay: float, look: Look
) -> Actor:
    """Return a person who comes between robot and operator, stays for seconds and goes on."""
    middle = operator.path.place(begin)
    x, side = max(1.1, middle.x - 0.75), float(rng.choice([-1.0, 1.0]))
    near, far = middle.y + side * 0.05, middle.y + side * 3.0
    way = 3.0 / rng.uniform(0.8, 1.2)
    start = begin - way
    points = [
        Waypoint(0.0, x, far),
        Waypoint(start, x, far),
        Waypoint(begin, x, near),
        Waypoint(begin + stay + 0.01, x, near),
        Waypoint(begin + stay + way, x, 2 * middle.y - far),
        Waypoint(begin + 200.0, x, 2 * middle.y - far),
        Waypoint(begin + 260.0, x, far),
    ]
    return Actor(Path(tuple(points)), height=1.7, look=look, name="other")


class RobotRound:
    """A robot, its camera, and the people before it.

    Args:
        actors: The first one is to be followed.
        seed: Of noise and swaps.
        estimator: What finds people in drawn images; None: true joints with noise.
        swaps: Whether true ids may change to the other person in a crossing.
        action: How to follow.
    """

    def __init__(
        self,
        actors: Sequence[Actor],
        *,
        seed: int = 0,
        estimator: Any = None,
        swaps: bool = True,
        action: FollowAction | None = None,
    ) -> None:
        self._place = RobotPlace()
        self._actors = tuple(actors)
        scene = Scene.__new__(Scene)
        ridden = tuple(Ridden(actor, self._place) for actor in actors)
        object.__setattr__(scene, "actors", ridden)
        object.__setattr__(scene, "depth", 8.0)
        object.__setattr__(scene, "furniture", ())
        self._scene = scene
        self._view = View(Camera.from_hfov(640, 480, 75.0), CAMERA_HEIGHT, PITCH)
        self._rng = np.random.default_rng(seed)
        self._renderer = Renderer(scene, self._view, seed) if estimator else None
        self._estimator, self._swaps = estimator, swaps
        self._ids = {i: i for i in range(len(actors))}
        self._touching = False
        limits = VelocityLimits(max_linear=0.8, max_angular=1.2, linear_acceleration=0.8)
        bindings = (
            Binding(STARTED_BY, "", action or FollowAction()),
            Binding("stop", "", StopAction()),
        )
        self.commander = Commander(CommandConfig(bindings=bindings, limits=limits))

    def run(self, seconds: float) -> Iterator[Moment]:
        """Yield the images of the round."""
        recognizer = GestureRecognizer()
        lifter, floor = Lifter(LiftOptions(height=1.75)), level_floor(CAMERA_HEIGHT, PITCH)
        begin, speeds = 1000.0, (0.0, 0.0)
        waiting: list[tuple[float, Poses, Float64Array]] = []
        for number in range(round(seconds * FPS)):
            stamp = number / FPS
            found = truths(self._scene, self._view, stamp)
            if self._renderer is None:
                poses = self._true_poses(found)
            else:
                image = self._renderer.frame(stamp, number, number)
                poses = self._estimator.estimate(image, stamp, channels="bgr")
                poses = lifter.lift(poses, self._view.camera, stamp, floor=floor)
            waiting.append((stamp, poses, self._to_world()))
            if len(waiting) > round(DELAY * FPS):
                taken, poses, world = waiting.pop(0)
                now, gestures = begin + stamp, recognizer.update(poses, taken)
                people, to_base = people_from(poses), self._view.transform
                spots = find_spots(poses, to_base, world @ to_base, "map", begin + taken)
                self.commander.observe(gestures, people, begin + taken, now, spots=spots)
            driven = False
            for tick in range(TICKS):
                command = self.commander.tick(begin + stamp + (tick + 0.5) / FPS / TICKS)
                speeds = (command.linear, command.angular)
                driven |= any(speeds)
                self._place.state = moved(self._place.state, *speeds, 1 / FPS / TICKS)
            yield self._moment(stamp, found, poses, driven)

    def _moment(self, stamp: float, found: Sequence[Truth], poses: Poses, driven: bool) -> Moment:
        operator, followed = self.commander.operator, None
        for pose in poses:
            if pose.id == operator and pose.camera is not None:
                trunk = pose.camera[_TRUNK][np.isfinite(pose.camera[_TRUNK]).all(axis=1)]
                place = trunk.mean(axis=0) if len(trunk) else np.full(3, np.inf)
                away = [float(np.linalg.norm(_trunk(truth) - place)) for truth in found]
                nearest = int(np.argmin(away))
                followed = nearest if away[nearest] < 0.6 else None
        x, y, _ = (self._view.transform @ np.append(_trunk(found[0]), 1.0))[:3]
        seen = bool(found[0].visible[_TRUNK].mean() >= 0.5)
        return Moment(
            *(stamp, self.commander.state, self.commander.reason, driven, followed, seen),
            range=math.hypot(x, y),
        )

    def _to_world(self) -> Float64Array:
        turn, origin = self._place.axes()
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = turn.T, origin
        return world

    def _true_poses(self, found: Sequence[Truth]) -> Poses:
        """Return who is in sight, with noise; ids are swapped at random where two meet."""
        self._swap_ids(found)
        seen = [t for t in found if t.visible[_TRUNK].mean() >= 0.5]
        if not seen:
            return Poses.empty(found[0].skeleton)
        noise = self._rng.normal(size=(len(seen), len(seen[0].skeleton), 3)).astype(np.float32)
        pixels = np.array([t.pixels for t in seen], np.float32) + 0.5 * noise[..., :2]
        depth = 1.0 + 0.02 * self._rng.normal(size=(len(seen), 1, 1)).astype(np.float32)
        clothes = np.array([_colors(self._actors[t.id].look) for t in seen])
        clothes += 0.03 * self._rng.normal(size=clothes.shape)
        return Poses(
            skeleton=seen[0].skeleton,
            ids=np.array([self._ids[t.id] for t in seen], np.int64),
            scores=np.ones(len(seen), np.float32),
            boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
            keypoints=pixels,
            keypoint_scores=np.ones(pixels.shape[:2], np.float32),
            camera=np.array([t.camera for t in seen], np.float32) * depth + 0.005 * noise,
            clothes=np.clip(clothes, 0.0, 1.0).astype(np.float32),
        )

    def _swap_ids(self, found: Sequence[Truth]) -> None:
        if len(found) < 2:
            return
        a, b = (_trunk(truth) for truth in found[:2])
        touching = abs(a[0] / a[2] - b[0] / b[2]) < 0.3 / min(a[2], b[2])
        if self._swaps and self._touching and not touching and self._rng.random() < 0.5:
            self._ids[0], self._ids[1] = self._ids[1], self._ids[0]
        self._touching = touching


def _trunk(truth: Truth) -> Float64Array:
    return np.asarray(truth.camera[_TRUNK].mean(axis=0))


def _colors(look: Look) -> Float64Array:
    """Return the colors of chest and thighs, as a renderer without light has them."""
    return np.array([*look.shirt, *look.trousers], np.float64) / 255.0


def scene_of(number: int, speed: float = 0.45) -> tuple[tuple[Actor, ...], float]:
    """Return the actors and the length in seconds of one of the rounds.

    By turns another person crosses in front, and stands in front for 2 s.
    """
    rng = np.random.default_rng(number)
    seconds = 15.0
    operator = walker(rng, seconds, speed)
    begin, stay = rng.uniform(8.0, 9.5), (0.0, 2.0)[number % 2]
    other = crosser(operator, rng, begin, stay, (RED, GREEN)[number // 2 % 2])
    return (operator, other), seconds


def main() -> None:
    """Print each round, and what came of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how many (20)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (0)")
    parser.add_argument("--true", action="store_true", help="true joints, without a network")
    parser.add_argument("--same-ids", action="store_true", help="true joints keep their ids")
    parser.add_argument("--verbose", action="store_true", help="print each change of the state")
    options = parser.parse_args()
    wrong = images = 0
    for number in range(options.first, options.first + options.rounds):
        actors, seconds = scene_of(number)
        estimator = None
        if not options.true:
            # the same whatever finder this machine has fetched
            people = EstimatorOptions(max_people=3, finder="blazepose")
            estimator = pose_ros.create_estimator("blazepose-full", options=people)
        moments, last = [], ""
        swaps = not options.same_ids
        robot = RobotRound(actors, seed=number, estimator=estimator, swaps=swaps)
        for moment in robot.run(seconds):
            moments.append(moment)
            if options.verbose and moment.reason != last:
                print(f"  {moment.seconds:5.1f} {moment.state.value}: {moment.reason}")
                last = moment.reason
        following = [m for m in moments if m.state is State.COMMANDING]
        wrong += sum(m.driven and m.followed not in (0, None) for m in moments)
        images += len(following)
        ranges = [m.range for m in following if m.seconds > STARTS + 4.0]
        print(
            f"round {number}: followed in {len(following) / FPS:.1f} s; "
            f"range {min(ranges, default=math.nan):.2f} to {max(ranges, default=math.nan):.2f} m; "
            f"at the end {moments[-1].state.value}: {moments[-1].reason}"
        )
    print(f"{wrong} of {images} images in which it drove after another person")


if __name__ == "__main__":
    main()
