"""Options of gestures, and of the places that people point at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pose_ros.settings.option import check, documented, option

RayKind: TypeAlias = Literal["shoulder_wrist", "elbow_wrist", "eye_wrist"]
StopKind: TypeAlias = Literal["palm", "both_up", "either"]


@documented
@dataclass(frozen=True)
class GestureOptions:
    """How gestures are recognized; applies from the next image on.

    >>> import pose_ros
    >>> recognizer = pose_ros.GestureRecognizer(pose_ros.GestureOptions(hold_time=1.0))
    >>> recognizer.options.hold_time
    1.0
    """

    hold_time: float = option(
        0.4,
        help="Time for which a gesture has to be seen before it starts.",
        minimum=0.0,
        maximum=5.0,
        unit="seconds",
    )
    release_time: float = option(
        0.15,
        help="Time for which a gesture that goes on may look otherwise.",
        minimum=0.0,
        maximum=2.0,
        unit="seconds",
        python_only=True,
    )
    joint_memory: float = option(
        0.2,
        help="Time for which a joint that is missing counts as where it was; after that all that "
        "needs it ends.",
        minimum=0.0,
        maximum=1.0,
        unit="seconds",
        python_only=True,
    )
    max_gap: float = option(
        0.5,
        help="Time between two images after which all gestures begin again.",
        minimum=0.01,
        maximum=5.0,
        unit="seconds",
        python_only=True,
    )
    min_score: float = option(
        0.5,
        help="Least score of a joint that a gesture is seen by.",
        minimum=0.0,
        maximum=1.0,
        flag="gesture-score",
    )
    ray: RayKind = option(
        "shoulder_wrist", help="What a pointing arm points along.", choices=get_args(RayKind)
    )
    stop: StopKind = option(
        "palm",
        help="What means stop: a palm held out in front, both hands up, or either.",
        choices=get_args(StopKind),
        parameter="stop_gesture",
        flag="stop-gesture",
    )
    taught: str = option(
        "",
        help="File of gestures that were taught, of hands or of bodies: pose-ros gesture teach "
        "makes it. Empty: none.",
        metavar="FILE",
    )

    postures: bool = option(
        False,
        help="Recognize postures of bodies too: standing, sitting, lying, walking, fallen, facing "
        "and looking; for events.",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class TargetOptions:
    """Where people point: in which frame, and which points are refused."""

    target_frame: str = option(
        "base_link",
        help="Frame of targets and goals, z up; a person points at its plane z = 0.",
        metavar="FRAME",
    )
    max_range: float = option(
        6.0,
        help="Distance from the person beyond which nothing is pointed at.",
        minimum=0.5,
        maximum=50.0,
        unit="meters",
    )
    min_grazing: float = option(
        math.radians(10.0),
        help="Least angle between the arm's ray and the plane; the horizon is at 0.",
        minimum=0.001,
        maximum=math.pi / 2,
        unit="radians",
        python_only=True,
    )
    max_sigma: float = option(
        1.5,
        help="How unsure a point may be: one sigma along the direction in which it is least sure.",
        minimum=0.001,
        maximum=100.0,
        unit="meters",
        python_only=True,
    )

    def __post_init__(self) -> None:
        check(self)
