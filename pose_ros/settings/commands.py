"""Options of a robot that people command: who does, and how fast it may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pose_ros.settings.option import check, documented, option

Choice: TypeAlias = Literal["nearest", "first"]


@documented
@dataclass(frozen=True)
class VelocityLimits:
    """How fast a robot may go, and how fast that may change."""

    max_linear: float = option(
        0.3, help="Most speed forward.", minimum=0.01, maximum=5.0, unit="m/s", flag=""
    )
    max_reverse: float = option(
        0.15, help="Most speed backward.", minimum=0.0, maximum=5.0, unit="m/s", flag=""
    )
    max_angular: float = option(
        0.8, help="Most turn to either side.", minimum=0.01, maximum=10.0, unit="rad/s", flag=""
    )
    linear_acceleration: float = option(
        0.4,
        help="How fast the speed may rise, forward or backward.",
        minimum=0.01,
        maximum=10.0,
        unit="m/s²",
        flag="",
    )
    linear_deceleration: float = option(
        1.0,
        help="How fast the speed falls while a command lives; at its end the speed is zero at once",
        minimum=0.01,
        maximum=100.0,
        unit="m/s²",
        flag="",
    )
    angular_acceleration: float = option(
        1.5,
        help="How fast the turn may rise.",
        minimum=0.01,
        maximum=50.0,
        unit="rad/s²",
        flag="",
    )
    angular_deceleration: float = option(
        3.0,
        help="How fast the turn falls while a command lives.",
        minimum=0.01,
        maximum=500.0,
        unit="rad/s²",
        flag="",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class CommandOptions:
    """Who commands a robot, and when it stands still."""

    engage: str = option(
        "raise_hand", help="Gesture of a person who wants to command the robot.", flag=""
    )
    engage_time: float = option(
        1.0,
        help="Time for which engage has to be held, in images.",
        minimum=0.0,
        maximum=10.0,
        unit="seconds",
        flag="",
    )
    operator: Choice = option(
        "nearest",
        help="Who is the operator when several people engage.",
        choices=get_args(Choice),
        flag="",
    )
    release: str = option(
        "arms_crossed",
        help="Gesture by which the operator gives up command; empty for none.",
        flag="",
    )
    timeout: float = option(
        0.3,
        help="Age at which the last image is too old to move by.",
        minimum=0.05,
        maximum=2.0,
        unit="seconds",
        flag="",
        section="When it stands still: a value that is less safe than its default needs a reason.",
    )
    lost_time: float = option(
        1.0,
        help="Time out of sight, or without images, after which the operator loses command.",
        minimum=0.0,
        maximum=10.0,
        unit="seconds",
        flag="",
    )
    lock_timeout: float = option(
        0.0,
        help="Time without a message on ~/lock after which it counts as locked; 0 for never.",
        minimum=0.0,
        maximum=60.0,
        unit="seconds",
        flag="",
    )
    max_sigma: float = option(
        0.35,
        help="Direction that is less certain than this moves nothing.",
        minimum=0.01,
        maximum=1.5,
        unit="radians",
        flag="",
    )
    dead_zone: float = option(
        0.2,
        help="Part of a direction, ahead or to a side, below which it counts as 0: nearly straight "
        "is straight.",
        minimum=0.0,
        maximum=0.9,
        flag="",
    )
    goal_step: float = option(
        0.5,
        help="Distance by which a target has to move for a new goal.",
        minimum=0.05,
        maximum=10.0,
        unit="meters",
        flag="",
    )
    zero_time: float = option(
        1.0,
        help="Time for which zero is still sent after the last movement, when no person is "
        "engaged; then other nodes may drive.",
        minimum=0.1,
        maximum=60.0,
        unit="seconds",
        flag="",
    )

    def __post_init__(self) -> None:
        check(self)
