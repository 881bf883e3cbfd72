"""How fast a robot is asked to go, and where to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pose_ros.core.commands.commander import Command, State
from pose_ros.core.commands.config import Binding, TwistAction
from pose_ros.core.commands.operator import Person
from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.gestures.targets import Goal
from pose_ros.errors import OptionError
from pose_ros.settings.commands import VelocityLimits

STEP = 0.05
HERE = Person(3, (300.0, 200.0), 200.0, 2.5)


def gesture(name: str, person: int = 3, event: Any = "held", **options: Any) -> Gesture:
    return Gesture(name, options.pop("side", "left"), person, event, 0.9, 0.0, **options)


def point(x: float, z: float = 0.0, sigma: float = 0.1) -> Gesture:
    direction = np.array([x, 0.0, z]) / math.hypot(x, z)
    ray = Ray(np.array([0.0, 0.0, 2.5]), direction, sigma, metric=True)
    return gesture("point", ray=ray)


def is_zero(command: Command) -> bool:
    return command.kind == "stop" and command.linear == command.angular == 0.0


def test_speed_rises_and_falls_within_limits(make_scene: Any) -> None:
    limits = VelocityLimits()
    fast = TwistAction(linear=99.0, angular=-99.0)
    back = TwistAction(linear=-99.0, angular=99.0)
    scene = make_scene(bindings=(Binding("wave", "", fast), Binding("ok", "", back)))
    scene.engage()
    scene.commands.clear()
    scene.show("wave", seconds=3.0)
    end = scene.commands[-1]
    assert (end.linear, end.angular) == (limits.max_linear, -limits.max_angular)
    scene.show("ok", seconds=3.0)
    end = scene.commands[-1]
    assert (end.linear, end.angular) == (-limits.max_reverse, limits.max_angular)
    before = Command("stop", State.ENGAGED)
    for command in scene.commands:
        for name, rise, fall in (
            ("linear", limits.linear_acceleration, limits.linear_deceleration),
            ("angular", limits.angular_acceleration, limits.angular_deceleration),
        ):
            was, new = getattr(before, name), getattr(command, name)
            most = rise if abs(new) > abs(was) else fall
            assert abs(new - was) <= most * STEP + 1e-9
            assert was * new >= 0.0  # through zero, never past it
        before = command


def test_acceleration_limit_holds_after_a_late_tick(scene: Any) -> None:
    scene.engage()
    scene.show("come_here")
    slow = scene.commands[-1].linear
    scene.now += 0.25
    scene.commander.observe([gesture("come_here")], [HERE], scene.now, scene.now)
    assert scene.commander.tick(scene.now).linear <= slow + 0.04 + 1e-9


@pytest.mark.parametrize(
    ("x", "z", "linear", "angular"),
    [
        (-1.0, 0.0, 0.0, 0.8),  # to the image's left: the robot turns to its left
        (1.0, 0.0, 0.0, -0.8),
        (0.0, 1.0, 0.3, 0.0),  # away from the camera
        (0.0, -1.0, -0.15, 0.0),  # at it, as fast as it may go backward
        (-0.1, 1.0, 0.2985, 0.0),  # nearly straight is straight
        (-1.0, 1.0, 0.2121, 0.5657),
    ],
)
def test_twist_follows_pointing_direction(
    scene: Any, x: float, z: float, linear: float, angular: float
) -> None:
    command = scene.drive(point(x, z))
    assert (command.linear, command.angular) == pytest.approx((linear, angular), abs=1e-4)


def test_uncertain_direction_commands_nothing(scene: Any) -> None:
    scene.engage()
    assert is_zero(scene.show(point(-1.0, sigma=0.5), seconds=1.0))
    assert "0.50 radians" in scene.commander.reason
    assert is_zero(scene.show("point", seconds=1.0))


def test_each_side_has_its_own_command(make_scene: Any) -> None:
    left, right = TwistAction(angular=0.5), TwistAction(angular=-0.5)
    scene = make_scene(bindings=(Binding("point", "right", right), Binding("point", "", left)))
    assert scene.drive(gesture("point", side="left")).angular == 0.5
    scene.show()
    assert scene.show(gesture("point", side="right"), seconds=1.0).angular == -0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_speed_that_is_not_finite_is_refused_or_zero(make_scene: Any, value: float) -> None:
    action = TwistAction(linear=value)
    scene = make_scene(bindings=(Binding("wave", "", action),))
    scene.engage()
    assert is_zero(scene.show("wave", seconds=1.0))
    with pytest.raises(OptionError, match="finite"):
        Command("twist", State.COMMANDING, linear=value)
    with pytest.raises(OptionError, match="finite"):
        Goal((0.0, value, 0.0), 0.0, "map", 1000.0)
    with pytest.raises(OptionError, match="must be"):
        VelocityLimits(max_linear=value)
