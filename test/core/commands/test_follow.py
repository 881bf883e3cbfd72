"""A robot that follows the operator: how it drives, when it stops, and people it refuses."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from pose_ros.core.commands.commander import Command, State
from pose_ros.core.commands.config import Binding, FollowAction, StopAction, TwistAction
from pose_ros.core.commands.follow import FollowControl, Spot, find_spots, goal_beside
from pose_ros.core.commands.operator import Person
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.skeletons import get
from pose_ros.core.types import Poses
from pose_ros.synthetic.robot import BaseState, moved

STEP, TIMEOUT = 0.05, 0.3
BLUE = np.array([0.1, 0.2, 0.6, 0.3, 0.3, 0.3], np.float32)
RED = np.array([0.7, 0.2, 0.1, 0.2, 0.2, 0.2], np.float32)
HERE = Person(3, (300.0, 200.0), 200.0, 2.5, BLUE)
OTHER = Person(8, (700.0, 200.0), 150.0, 3.5, RED)
ACROSS = dataclasses.replace(OTHER, center=(310.0, 200.0), scale=220.0)
FAR = Spot(3.0, 0.5, (3.0, 0.5), (0.0, 0.0), "map", 1000.0)


def is_zero(command: Command) -> bool:
    return command.kind == "stop" and command.linear == command.angular == 0.0


DEFAULT = FollowAction()


def follow(make_scene: Any, action: FollowAction = DEFAULT, **options: Any) -> Any:
    """Return a scene whose operator is followed; the gesture that began it has ended."""
    bindings = (
        Binding("thumb_up", "", action),
        Binding("come_here", "", TwistAction(linear=0.2)),
        Binding("stop", "", StopAction()),
    )
    scene = make_scene(bindings=bindings, **options)
    scene.spots = {3: FAR, 8: FAR}
    scene.engage()
    scene.show("thumb_up", seconds=0.5)
    assert scene.show(seconds=0.5).state is State.COMMANDING
    return scene


def test_robot_drives_on_after_the_gesture_is_let_go(make_scene: Any) -> None:
    scene = follow(make_scene)
    command = scene.show(seconds=5.0)
    assert (command.kind, scene.commander.reason) == ("twist", "follows operator 3")
    assert command.linear == pytest.approx(0.3)  # the limit
    assert 0.0 < command.angular <= 0.8


@pytest.mark.parametrize("by", [3, 8])
def test_stop_gesture_of_any_person_ends_following(make_scene: Any, by: int) -> None:
    scene = follow(make_scene)
    stop = Gesture("stop", "left", by, "held", 0.9, 0.0)
    assert is_zero(scene.show(stop, people=(HERE, OTHER)))
    assert is_zero(scene.show(seconds=2.0))
    assert scene.commander.state is State.ENGAGED


@pytest.mark.parametrize("by", [3, 8])
def test_stop_gesture_while_the_person_is_lost_ends_following(make_scene: Any, by: int) -> None:
    scene = follow(make_scene)
    scene.show(people=())
    scene.show(Gesture("stop", "left", by, "held", 0.9, 0.0), people=(OTHER,))
    assert is_zero(scene.show(seconds=1.0))


def test_another_command_ends_following(make_scene: Any) -> None:
    scene = follow(make_scene)
    assert scene.show("come_here", seconds=2.0).linear == pytest.approx(0.2)
    assert is_zero(scene.show(seconds=1.0))


def test_lock_and_release_end_following(make_scene: Any) -> None:
    scene = follow(make_scene)
    scene.commander.lock(True, scene.now)
    assert is_zero(scene.show())
    scene.commander.lock(False, scene.now)
    scene.show(seconds=1.0)
    assert not any(command.linear for command in scene.commands[-20:])
    scene = follow(make_scene)
    assert is_zero(scene.show("arms_crossed"))
    assert scene.commander.operator is None


def test_lost_person_gives_zero_speed_at_once_and_disengages_after_lost_time(
    make_scene: Any,
) -> None:
    scene = follow(make_scene, FollowAction(lost_time=3.0))
    assert is_zero(scene.show(people=()))
    assert scene.commander.reason == "operator 3 is out of sight: looking for them"
    scene.show(people=(), seconds=2.8)
    assert scene.commander.operator == 3
    scene.show(people=(), seconds=0.3)
    assert (scene.commander.state, scene.commander.operator) == (State.DISENGAGED, None)
    assert not any(c.linear or c.angular for c in scene.commands[-60:])


def test_missing_images_give_zero_speed_within_timeout(make_scene: Any) -> None:
    scene = follow(make_scene)
    taken = scene.now + scene.stamp_offset
    while not is_zero(scene.wait()):
        assert scene.now <= taken + TIMEOUT + STEP
    # when images come again, it has to be sure that it is the same person
    assert is_zero(scene.show())
    assert scene.show(seconds=1.0).linear > 0.0


def test_person_who_returns_in_the_same_clothes_is_followed_again(make_scene: Any) -> None:
    scene = follow(make_scene)
    scene.show(people=(ACROSS,), seconds=1.0)
    near = dataclasses.replace(HERE, center=(340.0, 200.0))
    assert is_zero(scene.show(people=(near, OTHER)))  # not at the first sight
    assert scene.show(people=(near, OTHER), seconds=1.0).linear > 0.0
    assert scene.commander.operator == 3


def test_person_with_a_new_id_is_not_followed(make_scene: Any) -> None:
    """Uniforms: the same clothes at the same place do not make the same person."""
    scene = follow(make_scene)
    scene.show(people=(), seconds=2.0)
    scene.spots[12] = FAR
    assert is_zero(scene.show(people=(dataclasses.replace(HERE, id=12),), seconds=2.0))


def test_person_who_was_there_before_does_not_take_over(make_scene: Any) -> None:
    scene = follow(make_scene)
    scene.show(people=(HERE, OTHER), seconds=0.5)
    twin = dataclasses.replace(OTHER, center=HERE.center, scale=HERE.scale, clothes=BLUE)
    assert is_zero(scene.show(people=(twin,)))
    scene.show(people=(twin,), seconds=6.0)
    assert scene.commander.operator is None
    assert not any(c.linear for c in scene.commands[-120:])


def test_id_that_goes_to_other_clothes_is_not_followed(make_scene: Any) -> None:
    scene = follow(make_scene)
    scene.show(people=(HERE, ACROSS), seconds=0.5)
    swapped = dataclasses.replace(HERE, clothes=RED)
    commands = [scene.show(people=(swapped,)) for _ in range(60)]
    assert not any(c.linear or c.angular for c in commands)
    assert "wears other clothes" in scene.commander.reason


def test_change_of_clothes_in_sight_ends_following(make_scene: Any) -> None:
    """Two people who pass each other so fast that no image shows them near."""
    scene = follow(make_scene)
    swapped = dataclasses.replace(HERE, clothes=RED)
    scene.show(people=(swapped,), seconds=0.4)
    assert is_zero(scene.show(people=(swapped,), seconds=1.0))


def test_two_people_in_the_same_clothes_end_following(make_scene: Any) -> None:
    scene = follow(make_scene)
    alike = dataclasses.replace(OTHER, clothes=BLUE)
    scene.show(people=(dataclasses.replace(ACROSS, clothes=BLUE),), seconds=0.5)
    assert is_zero(scene.show(people=(HERE, alike)))
    assert scene.commander.reason == "the operator may be person 8: engage again"
    assert scene.commander.operator is None


@pytest.mark.parametrize(("hidden", "goes_on"), [(0.3, True), (1.0, False)])
def test_without_clothes_only_a_short_absence_is_bridged(
    make_scene: Any, hidden: float, goes_on: bool
) -> None:
    scene = follow(make_scene)
    scene.show(people=(), seconds=hidden)
    bare = dataclasses.replace(HERE, clothes=None)
    assert (scene.show(people=(bare,), seconds=1.0).linear > 0.0) == goes_on


def test_person_whose_clothes_are_unknown_is_not_followed(make_scene: Any) -> None:
    """Nothing would show that their id has gone to another person."""
    scene = make_scene(bindings=(Binding("thumb_up", "", FollowAction()),))
    scene.spots = {3: FAR}
    people = (dataclasses.replace(HERE, clothes=None),)
    scene.engage(people=people)
    scene.show("thumb_up", seconds=1.0, people=people)
    assert is_zero(scene.show(people=people))
    assert scene.commander.reason == "the colors of operator 3's clothes are not known"


def test_unknown_place_gives_zero_speed_and_a_reason(make_scene: Any) -> None:
    scene = follow(make_scene)
    scene.spots = {3: "it is not known in meters where the person is"}
    assert is_zero(scene.show())
    assert scene.commander.reason == "follow: it is not known in meters where the person is"
    scene.spots = {3: FAR}
    assert scene.show(seconds=0.5).linear > 0.0


def test_new_goal_is_sent_when_the_person_has_moved_far_enough(make_scene: Any) -> None:
    scene = follow(make_scene, FollowAction(distance=1.0, mode="goal"))
    goals = [c.goal for c in scene.commands if c.kind == "goal"]
    assert len(goals) == 1
    assert math.dist(goals[0].position[:2], (3.0, 0.5)) == pytest.approx(1.0)
    assert goals[0].yaw == pytest.approx(math.atan2(0.5, 3.0))
    for ahead in np.arange(3.0, 5.0, 0.05):
        scene.spots = {3: dataclasses.replace(FAR, ahead=ahead, point=(float(ahead), 0.5))}
        scene.show()
        scene.commander.finish_goal("there")
    goals = [c.goal for c in scene.commands if c.kind == "goal"]
    assert 4 <= len(goals) <= 5
    assert scene.show(people=()).kind == "stop"


def test_goal_is_where_the_robot_stands_when_the_person_is_nearer() -> None:
    goal = goal_beside(Spot(0.8, 0.0, (2.8, 1.0), (2.0, 1.0), "map", 1.0), 1.5)
    assert goal.position == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("walks", [-0.1, 0.0, 0.25, 0.5])
def test_distance_is_kept_within_0_3_m_behind_a_walking_person(walks: float) -> None:
    """Images come at 10 Hz and 0.2 s late, to a base that needs time to change its speed."""
    control, base = FollowControl(1.5), BaseState()
    ranges, spots, speeds = [], [], (0.0, 0.0)
    for i in range(200):
        x, y = 2.2 + walks * i * 0.1, 0.6 * math.sin(i * 0.02)
        c, s = math.cos(base.yaw), math.sin(base.yaw)
        ahead, left = c * (x - base.x) + s * (y - base.y), -s * (x - base.x) + c * (y - base.y)
        spots.append(Spot(ahead, left, (x, y), (base.x, base.y), "map", i * 0.1))
        ranges.append(math.hypot(ahead, left))
        if i >= 2:
            speeds = control.speeds(spots[i - 2], speeds[0])
            speeds = (min(max(speeds[0], -0.15), 0.7), min(max(speeds[1], -1.2), 1.2))
        base = moved(base, *speeds, 0.1)
        assert abs(spots[-1].bearing) < 0.4
    assert np.abs(np.array(ranges[60:]) - 1.5).max() <= 0.3


def test_spots_are_the_trunk_in_base_and_target_frame() -> None:
    skeleton = get("blazepose33")
    camera = np.full((1, 33, 3), np.nan, np.float32)
    camera[0, [11, 12, 23, 24]] = (0.5, -0.2, 2.0)
    poses = Poses.empty(skeleton).replace(
        ids=[4],
        scores=[1.0],
        boxes=[[0, 0, 1, 1]],
        keypoints=np.zeros((1, 33, 2)),
        keypoint_scores=np.ones((1, 33)),
        camera=camera,
    )
    to_base = np.array([[0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 1.0], [0, 0, 0, 1]], np.float64)
    to_target = np.eye(4)
    to_target[:2, 3] = (5.0, 7.0)
    spot = find_spots(poses, to_base, to_target @ to_base, "map", 1.0)[4]
    assert isinstance(spot, Spot)
    assert (spot.ahead, spot.left) == pytest.approx((2.1, -0.5))
    assert spot.point == pytest.approx((7.1, 6.5))
    assert spot.robot == pytest.approx((5.0, 7.0))
    unsure = poses.replace(camera_sigmas=np.where(np.isnan(camera[..., 0]), np.nan, 0.9))
    assert find_spots(unsure, to_base, to_base, "map", 1.0)[4] == (
        "their place is known to 0.9 m only"
    )
    assert find_spots(poses, "no frame", to_base, "map", 1.0)[4] == "no frame"
    assert "meters" in str(
        find_spots(
            poses.replace(camera=camera * np.nan, camera_sources=None), to_base, to_base, "m", 1.0
        )[4]
    )
