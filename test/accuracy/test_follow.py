"""A robot follows a drawn person past others who cross and hide them: never another one."""

from __future__ import annotations

from collections.abc import Sequence

import pose_ros
from pose_ros.core.commands.commander import State
from pose_ros.settings.estimation import EstimatorOptions
from tools.follow_rounds import Moment, RobotRound, scene_of


def drives_after_another(moments: Sequence[Moment]) -> list[float]:
    return [m.seconds for m in moments if m.driven and m.followed not in (0, None)]


def settled_ranges(moments: Sequence[Moment]) -> list[float]:
    """Return the ranges since the robot has come to the distance, until it has to stop."""
    ranges, settled = [], False
    for moment in moments:
        following = moment.state is State.COMMANDING
        settled = following and (settled or abs(moment.range - 1.5) <= 0.2)
        if settled:
            ranges.append(moment.range)
    return ranges


def test_no_other_person_is_followed_in_20_rounds_where_ids_may_swap() -> None:
    followed = came_back = 0
    for number in range(20):
        actors, seconds = scene_of(number)
        moments = list(RobotRound(actors, seed=number).run(seconds))
        assert not drives_after_another(moments), number
        ranges = settled_ranges(moments)
        assert all(1.2 <= distance <= 1.8 for distance in ranges), number
        followed += bool(ranges)
        came_back += moments[-1].state is State.COMMANDING
    assert followed == 20  # each until the other person comes
    assert came_back >= 3  # where ids are not swapped, following continues


def test_robot_follows_a_person_found_by_blazepose() -> None:
    number = 1  # the other person stands in front for 2 s
    actors, seconds = scene_of(number)
    options = EstimatorOptions(max_people=3)
    estimator = pose_ros.create_estimator("blazepose-full", options=options)
    moments = list(RobotRound(actors, seed=number, estimator=estimator).run(seconds))
    assert not drives_after_another(moments)
    ranges = settled_ranges(moments)
    assert ranges
    assert all(1.2 <= distance <= 1.8 for distance in ranges)
