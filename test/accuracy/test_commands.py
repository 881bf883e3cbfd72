"""From pictures to commands: an actor engages, beckons, points at the floor and releases."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

import pose_ros
from pose_ros.core.commands.commander import Command, Commander, State
from pose_ros.core.commands.config import (
    Binding,
    CommandConfig,
    GoalAction,
    StopAction,
    TwistAction,
)
from pose_ros.core.commands.operator import people_from
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.gestures.targets import find_targets, goals_at
from pose_ros.core.lifting.lifter import Lifter, level_floor
from pose_ros.core.types import Poses
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.synthetic.actor import Step
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.source import SyntheticSource, Truth

FPS, TICKS = 10, 4  # images a second, and commands an image
HEIGHT, CAMERA_HEIGHT, PITCH = 1.75, 1.0, 5.0
TARGET = (1.8, 1.2, 0.0)
SCRIPT = (
    Step("stand", 0.5),
    Step("come_here", 2.2, "right"),  # without effect
    Step("stand", 0.8),
    Step("raise_hand", 2.3, "right"),
    Step("stand", 0.8),
    Step("come_here", 2.5, "right"),
    Step("stand", 0.8),
    Step("point_at", 2.2, "left", TARGET),
    Step("stop", 1.8, "right"),
    Step("stand", 0.8),
)
BINDINGS = (
    Binding("come_here", "", TwistAction(linear=0.2)),
    Binding("point", "", GoalAction()),
    Binding("stop", "", StopAction()),
)


@pytest.fixture
def source() -> SyntheticSource:
    actor = Actor(Path.standing(3.0), SCRIPT, height=HEIGHT)
    return SyntheticSource(
        scene=Scene((actor,)),
        fps=FPS,
        live=False,
        camera_height=CAMERA_HEIGHT,
        camera_pitch_degrees=PITCH,
    )


def true_poses(source: SyntheticSource) -> Iterator[tuple[float, Poses]]:
    for i in range(round(FPS * sum(step.seconds for step in SCRIPT))):
        truth = source.truth(i / FPS)
        yield (
            i / FPS,
            Poses(
                skeleton=truth.skeleton,
                ids=[4],
                scores=[1.0],
                boxes=[[*truth.pixels.min(axis=0), *truth.pixels.max(axis=0)]],
                keypoints=truth.pixels[None],
                keypoint_scores=np.ones((1, len(truth.skeleton))),
                camera=truth.camera[None],
            ),
        )


def found_poses(source: SyntheticSource) -> Iterator[tuple[float, Poses]]:
    estimator = pose_ros.create_estimator("blazepose-full")
    lifter = Lifter(LiftOptions(height=HEIGHT))
    floor = level_floor(CAMERA_HEIGHT, PITCH)
    for _ in range(round(FPS * sum(step.seconds for step in SCRIPT))):
        frame = source.read()
        assert frame is not None
        poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
        yield frame.stamp, lifter.lift(poses, source.view.camera, frame.stamp, floor=floor)


def commands(
    source: SyntheticSource, stream: Iterator[tuple[float, Poses]]
) -> Iterator[tuple[float, Truth, Command]]:
    """Yield the time, the true gesture and the command."""
    recognizer = GestureRecognizer(GestureOptions())
    commander = Commander(CommandConfig(bindings=BINDINGS))
    transform = source.view.transform
    for stamp, poses in stream:
        gestures = recognizer.update(poses, stamp, up=transform[2, :3])
        targets = find_targets(gestures, transform)
        goals = goals_at(targets, transform, "base_link", stamp)
        commander.observe(gestures, people_from(poses), stamp, stamp + 0.01, goals)
        truth = source.truth(stamp)
        for tick in range(TICKS):
            now = stamp + 0.02 + tick / FPS / TICKS
            yield now, truth, commander.tick(now)


@pytest.mark.parametrize(
    # a gesture that smoothing delays counts as found
    ("poses", "tolerance", "images"),
    [(true_poses, 0.01, 2), (found_poses, 0.25, 3)],
    ids=["true", "found"],
)
def test_robot_follows_the_gestures_of_the_script(
    source: SyntheticSource, poses, tolerance, images
) -> None:
    reported = list(commands(source, poses(source)))
    begins = np.cumsum([0.0, *(step.seconds for step in SCRIPT)])

    def during(step: int) -> list[Command]:
        return [command for now, _, command in reported if begins[step] <= now < begins[step + 1]]

    engaged = next(now for now, _, command in reported if command.state is State.ENGAGED)
    assert begins[3] + 1.0 < engaged < begins[4]
    assert not any(command.linear for now, _, command in reported if now < engaged)
    assert not any(c.kind == "goal" for now, _, c in reported if now < begins[7])
    # beckoned: ahead, within the limits, and not longer than the arm moves
    speeds = [command.linear for command in during(5)]
    assert max(speeds) == pytest.approx(0.2)
    assert np.diff([0.0, *speeds]).max() <= 0.4 / FPS / TICKS + 1e-9
    assert during(6)[-1].kind == "stop"
    # sent where the actor points, in time: the hold time, and a few images
    held = next(now for now, truth, _ in reported if begins[7] <= now and truth.held)
    sent = [(now, c.goal) for now, _, c in reported if c.kind == "goal" and now < begins[8]]
    assert sent[0][0] <= held + GestureOptions().hold_time + images / FPS + 0.02 + 1e-6
    away = math.dist(TARGET, sent[-1][1].position)
    reach = math.dist(TARGET, (3.0, 0.0, 0.0))
    print(f"first goal {sent[0][0] - held:.2f} s after the arm is there; last {away:.2f} m off")
    assert away <= tolerance * reach
    # the robot looks there as it does from the camera: the yaw errs as the place does
    x, y, _ = sent[-1][1].position
    lens = source.view.transform[:3, 3]
    assert sent[-1][1].yaw == pytest.approx(math.atan2(y - lens[1], x - lens[0]))
    off = sent[-1][1].yaw - math.atan2(TARGET[1] - lens[1], TARGET[0] - lens[0])
    print(f"yaw {math.degrees(off):.1f} degrees off")
    assert abs(off) <= tolerance
    # stopped, and not on its way again
    assert State.STOPPED in {command.state for command in during(8)}
    assert during(8)[-1].kind == "stop"
    assert not any(command.kind in ("goal", "twist") for command in during(9))
