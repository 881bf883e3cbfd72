"""Repetitions of a movement between two taught poses."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.gestures.recognizer import Gesture, GestureRecognizer
from pose_ros.core.gestures.repetitions import RepetitionCounter, movements
from pose_ros.core.gestures.taught import TaughtGestures
from pose_ros.core.types import Poses
from pose_ros.settings.gestures import GestureOptions
from tools.exercises import PERIOD, exercising

FPS = 10


def counted(names: list[str | None]) -> list[tuple[int, float]]:
    """Return the numbers of the images that complete a repetition, and when it began."""
    counter = RepetitionCounter("squat")
    found = [(i, counter.step(name, i / FPS)) for i, name in enumerate(names)]
    return [(i, begun) for i, begun in found if begun is not None]


def test_movement_needs_two_taught_poses() -> None:
    names = ["squat_up", "squat_down", "jack_up", "_up", "_down", "wave"]
    assert movements(names) == ("squat",)


def test_up_down_and_up_again_is_one_repetition() -> None:
    up, down = ["squat_up"] * 3, ["squat_down"] * 3
    assert counted([*up, None, *down, None, *up]) == [(9, 0.2)]
    assert len(counted((up + down) * 5 + up)) == 5


def test_half_of_a_repetition_is_not_counted() -> None:
    up, down = ["squat_up"] * 3, ["squat_down"] * 3
    assert counted([*down, *up]) == []  # begins below
    assert counted([*up, *down]) == []  # stays below
    assert counted([*up, None, None, *up]) == []  # half way
    assert counted([*up, "squat_down", *up]) == []  # one wrong image
    assert counted([*up, "wave", *up]) == []


def people(exercise: str, turn: float, held: float | None = None, repetitions: int = 6):
    """Yield the truth of a drawn person, with the errors of a network."""
    source = exercising(exercise, turn, repetitions=repetitions, held=held)
    rng = np.random.default_rng(3)
    for number in range(round((repetitions * PERIOD + 0.4) * FPS)):
        truth = source.truth(number / FPS)
        hips = truth.camera[[23, 24]].mean(axis=0)
        world = truth.camera - hips + rng.normal(0.0, 0.02, truth.camera.shape)
        yield (
            number / FPS,
            Poses(
                skeleton=truth.skeleton,
                ids=np.array([4]),
                scores=np.ones(1, np.float32),
                boxes=np.zeros((1, 4), np.float32),
                keypoints=truth.pixels[None].astype(np.float32),
                keypoint_scores=np.ones((1, 33), np.float32),
                world=world[None].astype(np.float32),
            ),
        )


@pytest.fixture(scope="module", params=["squat", "jack"])
def taught(request, tmp_path_factory):
    """Teach both poses of an exercise from the front and from aside; return the file."""
    made = TaughtGestures("blazepose33")
    for name, share in (("up", 0.0), ("down", 1.0)):
        for turn in (0.0, 50.0, -50.0):
            for _, poses in [*people(request.param, turn, share, 1)][:2]:
                made.add(f"{request.param}_{name}", poses[0].world)
    path = tmp_path_factory.mktemp("taught") / "body.yaml"
    made.save(path)
    return request.param, str(path)


@pytest.mark.parametrize("turn", [0.0, 35.0, -70.0])
def test_repetitions_of_a_drawn_person_are_counted_from_three_sides(taught, turn: float) -> None:
    exercise, path = taught
    recognizer = GestureRecognizer(GestureOptions(taught=path))
    found: list[tuple[float, Gesture]] = []
    for stamp, poses in people(exercise, turn):
        found += [(stamp, g) for g in recognizer.update(poses, stamp) if g.name == exercise]
    started = [(stamp, g) for stamp, g in found if g.event == "started"]
    assert len(started) == 6
    assert {g.person for _, g in started} == {4}
    assert all(0.5 < stamp - g.since < PERIOD for stamp, g in started)
    assert len([g for _, g in found if g.event == "ended"]) >= 5


def test_repetition_that_is_cut_off_is_not_counted(taught) -> None:
    exercise, path = taught
    recognizer = GestureRecognizer(GestureOptions(taught=path))
    gestures = []
    for stamp, poses in people(exercise, 0.0):
        seen = poses if stamp <= 0.8 * PERIOD else Poses.empty(poses.skeleton)
        gestures += [g for g in recognizer.update(seen, stamp) if g.name == exercise]
    assert not [g for g in gestures if g.event == "started"]
