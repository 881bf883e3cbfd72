"""A stream of images, a clock and a timer, for the rules of robot commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pose_ros.core.commands.commander import Command, Commander, State
from pose_ros.core.commands.config import (
    Binding,
    CommandConfig,
    EventAction,
    GoalAction,
    StopAction,
    TwistAction,
)
from pose_ros.core.commands.operator import Person
from pose_ros.core.gestures.recognizer import Gesture

STEP = 0.05  # seconds between two images, and between two ticks
BINDINGS = (
    Binding("come_here", "", TwistAction(linear=0.2)),
    Binding("point", "", TwistAction(linear=0.3, angular=0.8, proportional=True)),
    Binding("t_pose", "", GoalAction()),
    Binding("thumb_up", "", GoalAction(hold=False)),
    Binding("stop", "", StopAction()),
    Binding("wave", "", EventAction("hello")),
)
BLUE = np.array([0.1, 0.2, 0.6, 0.3, 0.3, 0.3], np.float32)  # their clothes
HERE = Person(3, (300.0, 200.0), 200.0, 2.5, BLUE)


def held(name: str) -> Gesture:
    return Gesture(name, "left", HERE.id, "held", 0.9, 0.0)


class CommandScene:
    """A stream of images, a clock, and a timer that asks for commands."""

    def __init__(self, **config: Any) -> None:
        self.commander = Commander(CommandConfig(**{"bindings": BINDINGS, **config}))
        self.now = 1000.0
        self.stamp_offset = -0.04  # an image is that old when its poses come
        self.commands: list[Command] = []
        self.spots: dict[int, Any] = {}  # where people stand, by id

    def show(
        self,
        *gestures: Gesture | str,
        seconds: float = STEP,
        people: Sequence[Person] = (HERE,),
        goals: Any = None,
        stamp: float | None = None,
    ) -> Command:
        """Show images for a time; return the last command."""
        made = [
            Gesture(g, "left", 3, "held", 0.9, 0.0) if isinstance(g, str) else g for g in gestures
        ]
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            taken = self.now + self.stamp_offset if stamp is None else stamp
            self.commander.observe(made, people, taken, self.now, goals, spots=self.spots)
            self.commands.append(self.commander.tick(self.now))
        return self.commands[-1]

    def wait(self, seconds: float = STEP) -> Command:
        """Let time go by without an image."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.commands.append(self.commander.tick(self.now))
        return self.commands[-1]

    def engage(self, **options: Any) -> None:
        self.show(seconds=0.2, **options)
        self.show("raise_hand", seconds=1.2, **options)
        assert self.commander.state is State.ENGAGED
        self.show(**options)

    def drive(self, *gestures: Gesture | str, **options: Any) -> Command:
        """Engage and command until the robot is at full speed."""
        self.engage()
        command = self.show(*(gestures or ("come_here",)), seconds=1.0, **options)
        assert command.state is State.COMMANDING
        return command


@pytest.fixture
def make_scene() -> Callable[..., CommandScene]:
    return CommandScene


@pytest.fixture
def scene() -> CommandScene:
    return CommandScene()
