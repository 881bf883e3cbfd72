"""Who commands a robot, and the command of each gesture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from pose_ros.core.commands.commander import Command, State
from pose_ros.core.commands.config import Binding, EventAction, StopAction, TwistAction
from pose_ros.core.commands.operator import Person
from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.types import NO_BODY, hand_id, person_of_hand

STEP = 0.05
TIMEOUT = 0.3
HERE = Person(3, (300.0, 200.0), 200.0, 2.5)
OTHER = Person(8, (700.0, 200.0), 150.0, 3.5)
GOAL = Goal((1.0, 2.0, 0.0), 0.5, "map", 1000.0)


def gesture(name: str, person: int = 3, event: Any = "held", **options: Any) -> Gesture:
    return Gesture(name, options.pop("side", "left"), person, event, 0.9, 0.0, **options)


def point(x: float, z: float = 0.0, sigma: float = 0.1) -> Gesture:
    direction = np.array([x, 0.0, z]) / math.hypot(x, z)
    ray = Ray(np.array([0.0, 0.0, 2.5]), direction, sigma, metric=True)
    return gesture("point", ray=ray)


def moves(commands: Iterable[Command]) -> bool:
    return any(c.linear or c.angular or c.kind in ("twist", "goal") for c in commands)


def is_zero(command: Command) -> bool:
    return command.kind == "stop" and command.linear == command.angular == 0.0


EVERYTHING = ("come_here", point(-1.0), "t_pose", "thumb_up", "wave", "stop")


@pytest.mark.parametrize("name", EVERYTHING)
def test_robot_stands_until_a_person_engages(scene: Any, name: Any) -> None:
    scene.show(name, seconds=5.0, goals={3: GOAL})
    assert not moves(scene.commands)
    assert not any(command.events for command in scene.commands)
    assert scene.commander.state is State.DISENGAGED
    assert {command.kind for command in scene.commands} == {"none"}  # others may drive the robot


def test_person_engages_only_after_engage_time(scene: Any) -> None:
    assert scene.show("raise_hand", seconds=1.0).state is State.ENGAGING
    assert scene.commander.reason == "person 3 holds raise_hand"
    assert scene.show("raise_hand", seconds=0.1).state is State.ENGAGED
    assert scene.commander.operator == 3


def test_hand_lowered_in_between_restarts_engaging(scene: Any) -> None:
    for _ in range(5):
        scene.show("raise_hand", seconds=0.9)
        scene.show()
        assert scene.commander.state is State.DISENGAGED
    scene.show("raise_hand", seconds=0.9)
    scene.wait(TIMEOUT + 2 * STEP)  # nor does time without images count
    scene.show("raise_hand", seconds=0.9)
    assert scene.commander.operator is None


def test_two_people_who_raise_a_hand_in_turn_do_not_engage(scene: Any) -> None:
    for _ in range(10):
        for person in (3, 8):
            scene.show(gesture("raise_hand", person), seconds=0.5, people=(HERE, OTHER))
    assert scene.commander.operator is None


def test_gesture_started_before_engaging_commands_nothing(scene: Any) -> None:
    scene.show("come_here", "raise_hand", "wave", seconds=2.0)
    scene.show("come_here", "wave", seconds=2.0)
    assert scene.commander.state is State.ENGAGED
    assert not moves(scene.commands)
    assert not any(command.events for command in scene.commands)
    scene.show()
    assert scene.show("come_here", seconds=0.5).linear > 0.0


@pytest.mark.parametrize(("operator", "expected"), [("nearest", 3), ("first", 8)])
def test_operator_is_the_nearest_or_the_first_by_option(
    make_scene: Any, operator: Any, expected: int
) -> None:
    scene = make_scene(operator=operator)
    both = (HERE, OTHER)
    raised = [gesture("raise_hand", 8), gesture("raise_hand", 3)]
    scene.show(raised[0], seconds=0.5, people=both)
    scene.show(*raised, seconds=2.0, people=both)
    assert scene.commander.operator == expected


def test_nearest_person_is_the_largest_if_a_distance_is_unknown(make_scene: Any) -> None:
    scene = make_scene()
    far = dataclasses.replace(OTHER, distance=math.nan)
    raised = [gesture("raise_hand", 8), gesture("raise_hand", 3)]
    scene.show(*raised, seconds=2.0, people=(far, HERE))
    assert scene.commander.operator == 3


def test_command_lasts_while_its_gesture_is_held(scene: Any) -> None:
    assert scene.drive().linear == pytest.approx(0.2)
    assert scene.show("come_here", seconds=20.0).linear == pytest.approx(0.2)
    assert is_zero(scene.show())
    assert scene.commander.state is State.ENGAGED


def test_a_gesture_that_has_ended_commands_nothing(scene: Any) -> None:
    scene.drive()
    assert is_zero(scene.show(gesture("come_here", event="ended")))


def test_stop_gesture_overrides_the_others(scene: Any) -> None:
    scene.drive()
    assert is_zero(scene.show("come_here", "stop"))
    assert scene.commander.state is State.STOPPED
    assert is_zero(scene.show("come_here", seconds=1.0))
    assert scene.commander.reason == "let come_here go and make it again"
    scene.show()
    assert scene.show("come_here", seconds=1.0).linear > 0.0


def test_two_different_commands_at_once_command_nothing(scene: Any) -> None:
    scene.drive()
    assert is_zero(scene.show("come_here", point(-1.0)))
    assert "at once" in scene.commander.reason


def test_latency_from_the_gesture_to_the_first_command_is_one_image(scene: Any) -> None:
    scene.engage()
    command = scene.show(gesture("come_here", event="started"))
    assert command.kind == "twist"
    assert command.linear > 0.0


def test_goal_is_sent_once_and_again_when_it_moves(scene: Any) -> None:
    scene.engage()
    scene.commands.clear()
    scene.show("t_pose", seconds=1.0, goals={3: GOAL})
    near = dataclasses.replace(GOAL, position=(1.2, 2.0, 0.0))
    scene.show("t_pose", seconds=1.0, goals={3: near})
    sent = [c.goal for c in scene.commands if c.kind == "goal"]
    assert sent == [GOAL]
    assert {c.kind for c in scene.commands} == {"goal", "none"}  # the robot drives to its goal
    far = dataclasses.replace(GOAL, position=(2.0, 2.0, 0.0))
    scene.show("t_pose", seconds=1.0, goals={3: far})
    assert [c.goal for c in scene.commands if c.kind == "goal"] == [GOAL, far]
    assert is_zero(scene.show())


def test_unknown_goal_is_not_sent(scene: Any) -> None:
    scene.engage()
    assert is_zero(scene.show("t_pose", goals={3: "it points at the sky", 8: GOAL}))
    assert scene.commander.reason == "t_pose: it points at the sky"
    assert is_zero(scene.show("t_pose"))


def test_goal_without_hold_lasts_until_a_command_or_stop(scene: Any) -> None:
    scene.engage()
    scene.show("thumb_up", goals={3: GOAL})
    assert scene.show(seconds=5.0).kind == "none"
    assert scene.commander.state is State.COMMANDING
    # until a command, a stop, or any reason why the operator cannot stop it
    assert is_zero(scene.show("stop"))
    scene.show()
    assert scene.show("thumb_up", goals={3: GOAL}).kind == "goal"
    assert is_zero(scene.show(people=()))
    scene.show()
    assert scene.show("thumb_up", goals={3: GOAL}).kind == "goal"
    assert is_zero(scene.wait(0.4))
    scene.show()
    assert scene.show("thumb_up", goals={3: GOAL}).kind == "goal"
    assert scene.show("come_here").kind == "twist"
    assert is_zero(scene.show())


def test_finished_goal_returns_to_engaged_and_is_not_repeated(scene: Any) -> None:
    scene.engage()
    scene.show("t_pose", goals={3: GOAL})
    scene.commander.finish_goal("the goal is reached")
    assert scene.commander.state is State.ENGAGED
    assert is_zero(scene.show("t_pose", goals={3: GOAL}, seconds=2.0))  # not once more


def test_event_is_sent_once_per_gesture(scene: Any) -> None:
    scene.engage()
    for _ in range(3):
        scene.show("wave", seconds=1.0)
        scene.show(seconds=0.5)
    sent = [event for command in scene.commands for event in command.events]
    assert sent == [EventAction("hello")] * 3


def test_event_does_not_end_a_running_movement(scene: Any) -> None:
    scene.drive()
    assert scene.show("come_here", "wave").linear == pytest.approx(0.2)


def test_zero_speed_is_sent_for_a_while_and_then_nothing(scene: Any) -> None:
    scene.drive()
    scene.commander.stop("stop topic")
    scene.commands.clear()
    scene.show(seconds=3.0)
    kinds = [command.kind for command in scene.commands]
    assert kinds[:15] == ["stop"] * 15
    assert kinds[-15:] == ["none"] * 15


def test_stop_is_sent_even_after_a_late_tick(scene: Any) -> None:
    scene.drive()
    scene.commander.stop("stop topic")
    scene.now += 60.0
    assert is_zero(scene.commander.tick(scene.now))


def test_an_engaged_operator_keeps_the_robot_at_zero(scene: Any) -> None:
    scene.engage()
    assert is_zero(scene.show(seconds=10.0))


def test_others_are_ignored_until_the_operator_lets_go(scene: Any) -> None:
    both = (HERE, OTHER)
    scene.engage(people=both)
    theirs = [gesture(name, 8) for name in ("raise_hand", "come_here", "arms_crossed", "wave")]
    scene.commands.clear()
    scene.show(*theirs, seconds=3.0, people=both)
    assert (scene.commander.state, scene.commander.operator) == (State.ENGAGED, 3)
    assert not moves(scene.commands)
    assert not any(command.events for command in scene.commands)
    # nor do they disturb what the operator commands
    assert scene.show("come_here", *theirs, seconds=0.5, people=both).linear > 0.0
    assert is_zero(scene.show("come_here", "arms_crossed", *theirs, people=both))
    assert (scene.commander.state, scene.commander.operator) == (State.DISENGAGED, None)
    scene.show(gesture("raise_hand", 8), seconds=2.0, people=both)
    assert scene.commander.operator == 8


def test_others_are_ignored_until_the_operator_is_gone(scene: Any) -> None:
    scene.engage(people=(HERE, OTHER))
    other = gesture("raise_hand", 8)
    scene.show(other, seconds=0.9, people=(OTHER,))
    assert (scene.commander.state, scene.commander.operator) == (State.STOPPED, 3)
    scene.show(other, seconds=0.2, people=(OTHER,))
    assert scene.commander.operator is None
    scene.show(other, seconds=2.0, people=(OTHER,))
    assert scene.commander.operator == 8


def test_a_hand_without_a_body_stops_and_commands_nothing_else(make_scene: Any) -> None:
    bindings = (
        Binding("open_palm", "", StopAction()),
        Binding("fist", "", TwistAction(linear=0.2)),
        Binding("come_here", "", TwistAction(linear=0.2)),
    )
    scene = make_scene(bindings=bindings, engage="victory")

    def alone(name: str) -> Gesture:
        return Gesture(name, "left", person_of_hand(hand_id(NO_BODY, 0)), "held", 0.9, 0.0)

    scene.show(alone("victory"), seconds=3.0)
    assert scene.commander.state is State.DISENGAGED
    scene.show("victory", seconds=1.2)
    assert scene.commander.operator == 3
    scene.show()
    assert scene.show(alone("fist"), seconds=1.0).linear == 0.0
    assert scene.show("come_here", alone("victory"), seconds=1.0).linear == 0.2
    assert is_zero(scene.show("come_here", alone("open_palm")))
    assert scene.commander.reason == "a hand without a body shows open_palm"


def test_any_person_may_stop(scene: Any) -> None:
    both = (HERE, OTHER)
    scene.engage(people=both)
    assert scene.show("come_here", seconds=1.0, people=both).linear > 0.0
    assert is_zero(scene.show("come_here", gesture("stop", 8), people=both))
    assert scene.commander.state is State.STOPPED
    assert scene.commander.reason == "person 8 shows stop"
    # and the gesture that was held all the while does not set it going again
    assert is_zero(scene.show("come_here", seconds=2.0, people=both))


def test_event_of_a_posture_needs_no_operator_and_moves_nothing(make_scene: Any) -> None:
    scene = make_scene(bindings=(Binding("fallen", "", EventAction("help", "/call")),))
    begun = gesture("fallen", 8, "started", side="")
    assert scene.show(begun, people=(HERE, OTHER)).events == (EventAction("help", "/call"),)
    assert scene.show(gesture("fallen", 8, side="")).events == ()
    scene.commander.lock(True, scene.now)
    assert scene.show(begun).events == (EventAction("help", "/call"),)  # a lock is not a reason
    scene.commander.bar("a replay")
    assert scene.show(begun).events == ()
    assert not moves(scene.commands)
