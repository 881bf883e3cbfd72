"""A drawn person who exercises: squats and jumping jacks, seen from any side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pose_ros.synthetic.actor import Step
from pose_ros.synthetic.figure import ArmAngles, Posture
from pose_ros.synthetic.scene import Actor, Path, Place, Scene
from pose_ros.synthetic.source import SyntheticSource

PERIOD = 2.0
"""Seconds of a repetition."""
_HANGING = ArmAngles()


def squat(share: float) -> Posture:
    """Return the posture of a squat; ``share`` of the way down, 0 to 1. The arms go forward."""
    arm = ArmAngles(8 + 77 * share, 80, 8 + 80 * share, 85)
    return Posture(
        *(arm, arm),
        left_thigh=2 + 88 * share,
        right_thigh=2 + 88 * share,
        left_knee=4 + 106 * share,
        right_knee=4 + 106 * share,
        bow=32 * share,
    )


def jumping_jack(share: float) -> Posture:
    """Return the posture of a jumping jack: the arms, 0 hanging to 1 above the head."""
    arm = ArmAngles(10 + 150 * share, 4, 12 + 158 * share, 6)
    return Posture(arm, arm)


EXERCISES = {"squat": squat, "jack": jumping_jack}


@dataclass(frozen=True)
class Exerciser(Actor):
    """A person who repeats an exercise, again and again.

    Attributes:
        exercise: Of ``EXERCISES``.
        held: The share of the way that they hold; None: they move.
    """

    exercise: str = "squat"
    held: float | None = None

    def _posture(self, seconds: float, place: Place) -> Posture:  # noqa: ARG002
        share = self.held
        if share is None:
            # a moment's rest at both ends
            share = min(1.0, max(0.0, 0.5 - 0.65 * math.cos(math.tau * seconds / PERIOD)))
        return EXERCISES[self.exercise](share)


def exercising(
    exercise: str, turn_degrees: float, *, repetitions: int, held: float | None = None
) -> SyntheticSource:
    """Return a recording of a person who exercises, turned from the camera by an angle."""
    seconds = repetitions * PERIOD + 0.4
    actor = Exerciser(
        Path.standing(3.2, 0.0, 180.0 + turn_degrees),
        (Step("walk", seconds),),  # of no use but its length: it moves
        exercise=exercise,
        held=held,
    )
    return SyntheticSource(scene=Scene((actor,)), fps=10, live=False, seed=round(turn_degrees) % 97)
