"""Every parameter of the gesture node, and what the core makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import get_args

from pose_ros.core.command_config import Binding, CommandConfig, read_bindings
from pose_ros.core.gestures import NAMES, GestureOptions, StopKind
from pose_ros.core.pointing import RayKind
from pose_ros.core.velocity import VelocityLimits
from pose_ros.documents import DocumentError, parse_yaml
from pose_ros.errors import OptionError, short
from pose_ros.ros.params import parameter

COMMANDS = """\
stop: stop
come_here: {do: twist, linear: 0.2}
point: {do: twist, linear: 0.3, angular: 0.8, proportional: true}
wave: {do: event, name: wave}
"""

MAX_COMMANDS_BYTES = 64 * 1024


def parse_commands(text: str) -> tuple[Binding, ...]:
    """Return what each gesture commands.

    Args:
        text: YAML, a mapping as ``read_bindings`` takes it.

    Raises:
        OptionError: It is no YAML, too large, or says what cannot be.
    """
    try:
        commands = parse_yaml(text, "commands", MAX_COMMANDS_BYTES)
    except DocumentError as error:
        raise OptionError(f"{error}") from None
    return read_bindings({} if commands is None else commands, NAMES)


def _gesture(parameter_name: str) -> Callable[[str], str]:
    """Return what checks the gesture that a parameter names; empty is none."""

    def check(name: str) -> str:
        if name and name not in NAMES:
            raise OptionError(
                f"{parameter_name}: {short(name)} is no gesture; known: {', '.join(NAMES)}"
            )
        return name

    return check


@dataclass(frozen=True)
class GestureParameters:
    """Parameters of ``gesture_node``."""

    hands: bool = parameter(
        False, "Take gestures of hands too, from pose/hands; the pose node has to give them."
    )
    hold_time: float = parameter(
        GestureOptions.hold_time,
        "Seconds for which a gesture has to be seen before it starts.",
        low=0.0,
        high=5.0,
    )
    min_score: float = parameter(
        GestureOptions.min_score,
        "Least score of a joint that a gesture is seen by.",
        low=0.0,
        high=1.0,
    )
    ray: str = parameter(
        GestureOptions.ray,
        "What a pointing arm points along.",
        choices=get_args(RayKind),
    )
    stop_gesture: str = parameter(
        GestureOptions.stop,
        "What means stop: a palm held out in front, both hands up, or either.",
        choices=get_args(StopKind),
    )
    commands: str = parameter(
        COMMANDS,
        "YAML: which gesture is which command (docs/reference/commands.md).",
        parse=parse_commands,
    )
    engage: str = parameter(
        "raise_hand", "Gesture of whoever wants to command the robot.", parse=_gesture("engage")
    )
    release: str = parameter(
        "arms_crossed",
        "Gesture by which the operator lets go; empty: none.",
        parse=_gesture("release"),
    )
    engage_time: float = parameter(
        1.0, "Seconds for which engage has to be held.", low=0.0, high=10.0
    )
    operator: str = parameter(
        "nearest",
        "Who is the operator when several people engage.",
        choices=("nearest", "first"),
    )
    timeout: float = parameter(
        0.3, "Seconds after which the last image is too old to move by.", low=0.05, high=2.0
    )
    lost_time: float = parameter(
        1.0, "Seconds out of sight after which the operator is let go.", low=0.0, high=10.0
    )
    lock_timeout: float = parameter(
        0.0,
        "Seconds without a message on ~/lock after which it counts as locked; 0: it need not say "
        "anything.",
        low=0.0,
        high=60.0,
    )
    max_linear: float = parameter(0.3, "Most m/s forward.", low=0.01, high=5.0)
    max_reverse: float = parameter(0.15, "Most m/s backward.", low=0.0, high=5.0)
    max_angular: float = parameter(0.8, "Most rad/s to either side.", low=0.01, high=10.0)
    linear_acceleration: float = parameter(
        0.4, "m/s² by which the speed may rise.", low=0.01, high=10.0
    )
    linear_deceleration: float = parameter(
        1.0, "m/s² by which it falls while a command lives; its end is zero.", low=0.01, high=100.0
    )
    angular_acceleration: float = parameter(
        1.5, "rad/s² by which the turn may rise.", low=0.01, high=50.0
    )
    angular_deceleration: float = parameter(
        3.0, "rad/s² by which it falls while a command lives.", low=0.01, high=500.0
    )
    max_sigma: float = parameter(
        0.35, "Radians; a direction that is less certain moves nothing.", low=0.01, high=1.5
    )
    dead_zone: float = parameter(
        0.2, "What a direction has less of than this, in [0, 0.9], is 0.", low=0.0, high=0.9
    )
    goal_step: float = parameter(
        0.5, "Meters by which a target has to move for a new goal.", low=0.05, high=10.0
    )
    zero_time: float = parameter(
        1.0,
        "Seconds for which zero is sent on when nobody is engaged any more; then others may drive.",
        low=0.1,
        high=60.0,
    )
    rate: float = parameter(20.0, "Commands a second.", low=5.0, high=100.0)
    stamped: bool = parameter(True, "cmd_vel is a TwistStamped; otherwise a Twist.")
    base_frame: str = parameter("base_link", "Frame of the speeds: x forward, z up.")
    target_frame: str = parameter(
        "base_link", "Frame of targets and goals, z up; where they point meets its plane z = 0."
    )
    max_range: float = parameter(
        6.0, "Meters from the person beyond which nothing is pointed at.", low=0.5, high=50.0
    )
    goal_action: bool = parameter(
        False, "Send goals to Nav2's action navigate_to_pose, not to goal_pose; needs nav2_msgs."
    )
    allow_replay: bool = parameter(
        False, "Command a robot by the clock of a simulation or the images of a bag, too."
    )
    autostart: bool = parameter(
        False,
        "Configure and activate by itself, where neither a launch file nor a manager does it.",
        fixed=True,
    )


def command_config_from(parameters: GestureParameters, *, compare_clock: bool) -> CommandConfig:
    """Return the rules of the commander.

    Args:
        parameters: Of the node.
        compare_clock: Whether the images' stamps are of the node's clock.

    Raises:
        OptionError: Two parameters do not go together.
    """
    own = {"limits", "bindings", "compare_clock"}
    names = [field.name for field in fields(CommandConfig) if field.name not in own]
    limits = {field.name: getattr(parameters, field.name) for field in fields(VelocityLimits)}
    return CommandConfig(
        **{name: getattr(parameters, name) for name in names},
        limits=VelocityLimits(**limits),
        bindings=parse_commands(parameters.commands),
        compare_clock=compare_clock,
    )


def gesture_options_from(parameters: GestureParameters) -> GestureOptions:
    """Return the options of the recognizer.

    Raises:
        OptionError: Two parameters do not go together.
    """
    return GestureOptions(
        hold_time=parameters.hold_time,
        min_score=parameters.min_score,
        ray=parameters.ray,  # type: ignore[arg-type]  # one of its choices
        stop=parameters.stop_gesture,  # type: ignore[arg-type]
    )
