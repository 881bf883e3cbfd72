"""Squats and jumping jacks of a drawn person, counted by what BlazePose finds, from three sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import pose_ros
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.gestures.taught import TaughtGestures
from pose_ros.core.types import Estimator
from pose_ros.settings.gestures import GestureOptions
from tools.exercises import EXERCISES, exercising

REPETITIONS = 3


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return pose_ros.create_estimator("blazepose-full")


@pytest.fixture(scope="module")
def taught(estimator: Estimator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teach both ends of both exercises from the front and from half aside."""
    made = TaughtGestures(estimator.skeleton)
    for exercise in EXERCISES:
        for name, share in (("up", 0.0), ("down", 1.0)):
            for turn in (0.0, 50.0, -50.0):
                source = exercising(exercise, turn, repetitions=1, held=share)
                estimator.reset()
                for number in range(4):
                    frame = source.read()
                    assert frame is not None
                    poses = estimator.estimate(frame.image, frame.stamp, channels="bgr")
                    if number % 3 == 0:
                        made.add(f"{exercise}_{name}", poses[0].world)
    path = tmp_path_factory.mktemp("taught") / "body.yaml"
    made.save(path)
    return path


@pytest.mark.parametrize("turn", [0.0, 45.0, -70.0])
@pytest.mark.parametrize("exercise", EXERCISES)
def test_repetitions_are_counted_without_error(
    estimator: Estimator, taught: Path, exercise: str, turn: float
) -> None:
    recognizer = GestureRecognizer(GestureOptions(taught=str(taught)))
    source = exercising(exercise, turn, repetitions=REPETITIONS)
    estimator.reset()
    counts: Counter[str] = Counter()
    while (frame := source.read()) is not None:
        poses = estimator.estimate(frame.image, frame.stamp, channels="bgr")
        gestures = recognizer.update(poses, frame.stamp)
        counts.update(g.name for g in gestures if g.event == "started" and g.name in EXERCISES)
    assert counts == {exercise: REPETITIONS}
