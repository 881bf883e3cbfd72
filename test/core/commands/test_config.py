"""What gestures.yaml may say of commands."""

from __future__ import annotations

from typing import Any

import pytest

from pose_ros.core.commands.config import (
    Binding,
    CommandConfig,
    EventAction,
    GoalAction,
    StopAction,
    TwistAction,
    read_bindings,
)
from pose_ros.errors import OptionError
from pose_ros.settings.commands import VelocityLimits

GESTURES = ("point", "stop", "wave", "raise_hand", "arms_crossed", "fallen")


def test_every_kind_of_command_is_read() -> None:
    found = read_bindings(
        {
            "point": {"do": "goal", "hold": False},
            "left point": {"do": "twist", "linear": 1, "angular": 0.5, "proportional": True},
            "stop": "stop",
            "both wave": {"do": "event", "name": "hello", "service": "/greet"},
        },
        GESTURES,
    )
    assert set(found) == {
        Binding("point", "", GoalAction(hold=False)),
        Binding("point", "left", TwistAction(1.0, 0.5, proportional=True)),
        Binding("stop", "", StopAction()),
        Binding("wave", "both", EventAction("hello", "/greet")),
    }
    config = CommandConfig(bindings=found)
    assert config.action("point", "left") == TwistAction(1.0, 0.5, proportional=True)
    assert config.action("point", "right") == GoalAction(hold=False)
    assert config.action("wave", "left") is None


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ("point", "commands must map gestures to commands, got 'point'"),
        ({"pont": "stop"}, "'pont' is no gesture; known: point, stop"),
        ({"upper point": "stop"}, "expected left, right, both before the gesture"),
        ({"left left point": "stop"}, "is no gesture"),
        ({"point": "go"}, "point: do must be one of twist, goal, follow, stop, event; got 'go'"),
        ({"point": 3}, "do must be one of"),
        ({"point": {"do": ["twist"]}}, "do must be one of"),
        ({"point": {"linear": 1.0}}, "do must be one of"),
        ({"point": {"do": "twist", "lin": 1}}, "no setting 'lin'; known: linear, angular, prop"),
        ({"point": {"do": "stop", "hold": True}}, "no setting 'hold'; known: none"),
        ({"point": {"do": "twist", "linear": "1"}}, "linear must be a finite number, got '1'"),
        ({"point": {"do": "twist", "linear": True}}, "linear must be a finite number, got True"),
        ({"point": {"do": "twist", "linear": float("nan")}}, "must be a finite number, got nan"),
        ({"point": {"do": "twist", "linear": float("inf")}}, "must be a finite number, got inf"),
        ({"point": {"do": "twist", "linear": 10**400}}, "linear must be in [-1e+06, 1e+06], got "),
        ({"point": {"do": "twist", "linear": 10**5000}}, "got an object of type int"),
        ({"point": {"do": "twist", "linear": [[1]] * 10**5}}, "must be a finite number, got [[1],"),
        ({7: "stop"}, "7 is no gesture"),
        ({"p" * 10**6: "stop"}, "is no gesture"),
        ({"point": "g" * 10**6}, "do must be one of"),
        ({"point": {"do": "goal", "hold": 1}}, "hold must be true or false, got 1"),
        ({"point": {"do": "event", "name": 1}}, "name must be a text, got 1"),
        ({"point": "event"}, "point: name is missing"),
        ({"point": {"do": "follow", "distance": 0.2}}, "distance must be in [0.5, 10], got 0.2"),
        ({"fallen": "stop"}, "fallen: a posture moves nothing: do must be event"),
        ({"point": {"do": "follow", "mode": "fly"}}, "mode must be one of twist, goal; got 'fly'"),
    ],
)
def test_invalid_value_is_named_in_the_error(commands: Any, words: str) -> None:
    with pytest.raises(OptionError, match="^commands") as caught:
        read_bindings(commands, GESTURES)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeout": 0.0}, "timeout must be in"),
        ({"timeout": float("nan")}, "timeout must be in"),
        ({"timeout": 10.0}, "timeout must be in"),
        ({"engage_time": -1.0}, "engage_time must be in"),
        ({"lost_time": float("inf")}, "lost_time must be in"),
        ({"operator": "loudest"}, "operator must be one of nearest, first; got 'loudest'"),
        ({"engage": ""}, "without one nothing would ever move"),
        ({"release": "raise_hand"}, "engage and release must differ"),
        ({"bindings": (Binding("raise_hand", "", StopAction()),)}, "can be no command"),
        ({"bindings": (Binding("arms_crossed", "left", StopAction()),)}, "can be no command"),
    ],
)
def test_contradicting_rules_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        CommandConfig(**settings)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["max_linear", "max_angular", "linear_acceleration"])
def test_limit_of_zero_or_less_is_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=rf"{name} must be in \[0.01, "):
        VelocityLimits(**{name: value})


def test_robot_without_reverse_is_accepted() -> None:
    assert VelocityLimits(max_reverse=0.0).max_reverse == 0.0
