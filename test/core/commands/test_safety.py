"""When a robot has to stand still: for each rule, what would break it."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest

from pose_ros.core.commands.commander import Command, State
from pose_ros.core.commands.operator import Person
from pose_ros.core.gestures.recognizer import Gesture

STEP = 0.05
TIMEOUT = 0.3
HERE = Person(3, (300.0, 200.0), 200.0, 2.5)
OTHER = Person(8, (700.0, 200.0), 150.0, 3.5)


def gesture(name: str, person: int = 3, event: Any = "held", **options: Any) -> Gesture:
    return Gesture(name, options.pop("side", "left"), person, event, 0.9, 0.0, **options)


def moves(commands: Iterable[Command]) -> bool:
    return any(c.linear or c.angular or c.kind in ("twist", "goal") for c in commands)


def is_zero(command: Command) -> bool:
    return command.kind == "stop" and command.linear == command.angular == 0.0


def zero_after(scene: Any) -> float:
    """Return for how long the robot still moved since the last image was taken."""
    taken = scene.now + scene.stamp_offset
    while not is_zero(scene.wait()):
        assert scene.now < taken + 10.0
    return float(scene.now - taken)


def test_zero_when_the_images_stop(scene: Any) -> None:
    scene.drive()
    assert zero_after(scene) <= TIMEOUT + STEP
    assert scene.commands[-1].state is State.STOPPED
    # 0.04 s of it is the delay, as the images come 0.04 s after they were taken
    assert re.fullmatch(
        r"poses are 0\.3\d s old \(0\.(2|3)\d s since they came \+ 0\.04 s from the image to "
        r"them\); timeout is 0\.3 s",
        scene.commander.reason,
    )
    assert scene.wait(1.0).state is State.DISENGAGED
    assert scene.commander.operator is None


def test_reason_for_old_poses_is_logged_once_each_time(scene: Any) -> None:
    """Poses that come every 0.1 s, each of an image of 0.21 s ago: too slow by a hair."""
    scene.stamp_offset = -0.21
    scene.drive()
    reasons = []
    for _ in range(30):
        for _ in range(3):
            scene.wait()
            reasons.append(scene.commander.reason)
        scene.show("come_here")
    stale = [reason for reason in reasons if "timeout is" in reason]
    parts = "(0.10 s since they came + 0.21 s from the image to them)"
    assert set(stale) == {f"poses are 0.31 s old {parts}; timeout is 0.3 s"}


def test_reason_distinguishes_missing_images_from_late_images(scene: Any) -> None:
    scene.stamp_offset = 0.0
    scene.drive()
    scene.wait(0.4)
    assert scene.commander.reason == "no poses for 0.3 s; timeout is 0.3 s"


def test_gesture_held_through_a_gap_does_not_resume(scene: Any) -> None:
    scene.drive()
    scene.wait(0.4)
    assert is_zero(scene.show("come_here", seconds=1.0))
    assert (scene.commander.state, scene.commander.operator) == (State.ENGAGED, 3)
    scene.show()
    assert scene.show("come_here", seconds=0.2).linear > 0.0


def test_zero_when_the_stamps_stand_still(scene: Any) -> None:
    scene.drive()
    taken = scene.now + scene.stamp_offset
    while not is_zero(scene.show("come_here", stamp=taken)):
        assert scene.now <= taken + TIMEOUT + STEP
    assert scene.commander.reason == "the stamps of the images stand still"


def test_gesture_in_repeated_image_commands_nothing(scene: Any) -> None:
    scene.engage()
    taken = scene.now + scene.stamp_offset
    assert is_zero(scene.show("come_here", stamp=taken))
    assert is_zero(scene.show("come_here", stamp=taken))
    assert scene.show("come_here").linear > 0.0


def test_zero_when_the_stamps_fall_behind(scene: Any) -> None:
    """A worker that is too slow, or a queue that fills up: images come, but old ones."""
    scene.drive()
    for _ in range(100):
        scene.stamp_offset -= 0.01
        command = scene.show("come_here")
        assert not command.linear or -scene.stamp_offset <= TIMEOUT + 1e-6
    assert scene.commander.operator is None


def test_images_that_are_old_from_the_start_command_nothing(scene: Any) -> None:
    scene.stamp_offset = -86400.0  # as those of a bag
    scene.show("raise_hand", seconds=2.0)
    scene.show("come_here", seconds=2.0)
    assert not moves(scene.commands)
    assert "old when their poses come" in scene.commander.reason
    assert {command.state for command in scene.commands} == {State.DISENGAGED}


def test_replay_commands_nothing_unless_allowed(make_scene: Any) -> None:
    scene = make_scene(compare_clock=False)
    scene.stamp_offset = -86400.0
    assert scene.drive().linear > 0.0
    scene.stamp_offset -= 86400.0  # and from its start again
    assert is_zero(scene.show("come_here"))
    assert scene.commander.operator is None


@pytest.mark.parametrize(
    ("jump", "operator"),
    [(-0.2, None), (-100.0, None), (100.0, None), (math.nan, None), (math.inf, None)],
)
def test_zero_when_the_stamps_jump(scene: Any, jump: float, operator: int | None) -> None:
    scene.drive()
    assert is_zero(scene.show("come_here", stamp=scene.now + jump))
    assert scene.commander.operator == operator
    assert ("is no number" in scene.commander.reason) == (not math.isfinite(jump))
    scene.show("come_here", seconds=1.0)
    assert not scene.commands[-1].linear


def test_zero_when_images_are_left_out_by_their_stamps(make_scene: Any) -> None:
    """Images that come in time by the clock but were taken far apart."""
    scene = make_scene(compare_clock=False)
    scene.drive()
    scene.stamp_offset += 0.4
    assert is_zero(scene.show("come_here"))
    assert is_zero(scene.show("come_here", seconds=1.0))
    assert scene.commander.operator == 3


def test_stamp_in_the_future_commands_nothing(scene: Any) -> None:
    scene.stamp_offset = 0.5
    scene.show("raise_hand", seconds=2.0)
    assert scene.commander.operator is None
    assert "in the future: set the clocks" in scene.commander.reason


@pytest.mark.parametrize("jump", [-0.1, -500.0, 500.0, math.nan, math.inf, -math.inf])
def test_zero_when_the_clock_jumps(scene: Any, jump: float) -> None:
    scene.drive()
    assert is_zero(scene.commander.tick(scene.now + jump))
    assert scene.commander.operator is None
    scene.now += jump if math.isfinite(jump) else 0.0
    assert not scene.show("come_here", seconds=1.0).linear
    # and the state can be left again
    scene.drive()


def test_zero_when_the_operator_is_lost(scene: Any) -> None:
    scene.drive()
    assert is_zero(scene.show("come_here", people=()))
    assert scene.commander.state is State.STOPPED
    assert scene.commander.reason == "operator 3 is out of sight"
    # back in time, and the operator has to make the gesture again
    assert is_zero(scene.show("come_here"))
    assert (scene.commander.state, scene.commander.operator) == (State.ENGAGED, 3)
    scene.show(people=(), seconds=1.2)
    assert (scene.commander.state, scene.commander.operator) == (State.DISENGAGED, None)


def test_zero_when_operator_gets_another_id(scene: Any) -> None:
    scene.drive()
    renamed = dataclasses.replace(HERE, id=4)
    assert is_zero(scene.show(gesture("come_here", 4), people=(renamed,)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"center": (500.0, 200.0)}, "has gone to another body"),
        ({"scale": 110.0}, "has gone to another body"),
        ({"center": (math.nan, 200.0)}, "has gone to another body"),
    ],
)
def test_zero_when_id_moves_to_another_person(
    scene: Any, change: dict[str, Any], reason: str
) -> None:
    scene.drive()
    swapped = dataclasses.replace(HERE, **change)
    assert is_zero(scene.show("come_here", people=(swapped,)))
    assert (scene.commander.state, scene.commander.operator) == (State.STOPPED, None)
    assert reason in scene.commander.reason


def test_zero_when_two_people_swap_ids(scene: Any) -> None:
    both = (HERE, OTHER)
    scene.engage(people=both)
    assert scene.show("come_here", seconds=1.0, people=both).linear > 0.0
    swapped = (dataclasses.replace(HERE, id=8), dataclasses.replace(OTHER, id=3))
    assert is_zero(scene.show("come_here", people=swapped))
    assert scene.commander.operator is None


def test_zero_while_another_person_overlaps_the_operator(scene: Any) -> None:
    scene.drive()
    near = Person(8, (340.0, 210.0), 220.0)
    assert is_zero(scene.show("come_here", people=(HERE, near)))
    assert scene.commander.operator is None
    assert "person 8 is before or behind operator 3" in scene.commander.reason


def test_zero_when_the_operator_is_there_twice(scene: Any) -> None:
    scene.drive()
    twin = dataclasses.replace(HERE, center=(700.0, 200.0))
    assert is_zero(scene.show("come_here", people=(HERE, twin)))
    assert scene.commander.operator is None
    # a person who is there twice does not engage either
    scene.commands.clear()
    scene.show("raise_hand", people=(HERE, twin), seconds=3.0)
    assert {command.state for command in scene.commands} == {State.STOPPED}


def test_walking_operator_stays_engaged(scene: Any) -> None:
    scene.drive()
    for step in range(100):  # 1.5 m/s, nearer and nearer
        place = (300.0 + 15.0 * step, 200.0)
        walking = dataclasses.replace(HERE, center=place, scale=200.0 * 1.01**step)
        assert scene.show("come_here", people=(walking,)).linear > 0.0


def test_gesture_without_its_person_commands_nothing(scene: Any) -> None:
    scene.show(gesture("raise_hand", 5), seconds=3.0)
    assert scene.commander.operator is None


def test_lock_overrides_all_commands(scene: Any) -> None:
    scene.drive()
    scene.commander.lock(True, scene.now)
    assert is_zero(scene.commander.tick(scene.now))
    assert (scene.commander.state, scene.commander.reason) == (State.STOPPED, "locked")
    scene.commands.clear()
    scene.show("raise_hand", seconds=3.0)
    scene.show("come_here", seconds=3.0)
    assert not moves(scene.commands)
    assert scene.commander.reason == "locked"
    scene.commander.lock(False, scene.now)
    assert not scene.show("come_here", seconds=1.0).linear
    scene.show()
    scene.drive()


def test_silent_lock_topic_locks(make_scene: Any) -> None:
    scene = make_scene(lock_timeout=0.5)
    scene.show("raise_hand", seconds=3.0)
    assert scene.commander.operator is None
    assert "nothing is heard of the lock" in scene.commander.reason
    for _ in range(60):
        scene.commander.lock(False, scene.now)
        scene.show("raise_hand")
    scene.show()
    assert scene.show("come_here", seconds=0.3).linear > 0.0
    assert is_zero(scene.show("come_here", seconds=0.3))
    assert scene.commander.operator is None


def test_stop_overrides_all_commands(scene: Any) -> None:
    scene.drive()
    scene.commander.stop("stop topic")
    assert is_zero(scene.commander.tick(scene.now))
    assert scene.commander.reason == "stop topic: engage again"
    scene.show("come_here", seconds=3.0)
    assert (scene.commander.state, scene.commander.operator) == (State.STOPPED, None)
    # while the stop repeats, no person engages
    for _ in range(100):
        scene.commander.stop("stop topic")
        scene.show("raise_hand")
    assert scene.commander.operator is None
    scene.drive()


def test_barred_robot_does_not_move(scene: Any) -> None:
    scene.drive()
    scene.commander.bar("the clock is a simulation's")
    assert is_zero(scene.commander.tick(scene.now))
    scene.show("raise_hand", seconds=3.0)
    assert (scene.commander.state, scene.commander.operator) == (State.STOPPED, None)
    scene.commander.bar("")
    scene.drive()


@pytest.mark.parametrize("seed", range(8))
def test_random_events_move_the_robot_only_while_allowed(make_scene: Any, seed: int) -> None:
    """Random images, gestures, people, gaps, jumps, locks: the rules hold at every tick."""
    draw = random.Random(seed)
    scene = make_scene(engage_time=0.2)
    limits = scene.commander.config.limits
    shown: tuple[str, ...] = ()
    last_image = seen_by = -math.inf
    locked = False
    moved = 0
    for _ in range(4000):
        scene.now += draw.choice([0.02, STEP, STEP, STEP, 0.1])
        if draw.random() < 0.1:
            shown = draw.choice([(), ("raise_hand",), ("come_here",), ("come_here", "stop")])
        if draw.random() < 0.01:
            locked = draw.random() < 0.3
            scene.commander.lock(locked, scene.now)
        if draw.random() < 0.9:
            people = () if draw.random() < 0.01 else (HERE,)
            last_image = scene.now + draw.uniform(-0.019, -0.001)
            seen_by = scene.now
            made = [gesture(name) for name in shown]
            visible, held = people, shown
            if draw.random() < 0.01:
                last_image -= 50.0
            scene.commander.observe(made, people, last_image, scene.now)
        elif draw.random() < 0.1:
            scene.now += draw.choice([0.2, 0.4, 2.0])
        command = scene.commander.tick(scene.now)
        assert math.isfinite(command.linear)
        assert -limits.max_reverse <= command.linear <= limits.max_linear
        if command.linear:
            moved += 1
            assert not locked
            assert visible
            assert held == ("come_here",)
            assert scene.now - max(last_image, seen_by) <= TIMEOUT
            assert command.state is State.COMMANDING
    assert moved > 20


def test_reason_of_missing_images_clears_when_they_return(scene: Any) -> None:
    assert scene.wait().reason == "no image yet"
    scene.show()
    assert scene.wait(STEP).reason == "no person has engaged"
