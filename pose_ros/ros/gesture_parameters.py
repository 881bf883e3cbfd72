"""Every parameter of the gesture node, and what the core makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pose_ros.errors import OptionError, short
from pose_ros.ros.parameter_tables import autostart_option
from pose_ros.settings import group, option
from pose_ros.settings.commands import CommandOptions, VelocityLimits
from pose_ros.settings.gestures import GestureOptions, TargetOptions

if TYPE_CHECKING:
    # late otherwise: the launch file reads the table, and its Python may lack NumPy and PyYAML
    from pose_ros.core.commands.config import Binding, CommandConfig

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
    from pose_ros.core.commands.config import read_bindings
    from pose_ros.core.gestures.recognizer import NAMES
    from pose_ros.documents import DocumentError, parse_yaml

    try:
        commands = parse_yaml(text, "commands", MAX_COMMANDS_BYTES)
    except DocumentError as error:
        raise OptionError(f"{error}") from None
    return read_bindings({} if commands is None else commands, NAMES)


def _gesture(parameter_name: str) -> Callable[[str], str]:
    """Return what checks the gesture that a parameter names; empty is none."""

    def check(name: str) -> str:
        from pose_ros.core.gestures.recognizer import NAMES

        if name and name not in NAMES:
            raise OptionError(
                f"{parameter_name}: {short(name)} is no gesture; known: {', '.join(NAMES)}"
            )
        return name

    return check


@dataclass(frozen=True)
class GestureParameters:
    """Parameters of ``gesture_node``."""

    commands: str = option(
        COMMANDS,
        help="Which gesture is which command, in YAML: twist, goal, stop or event (see "
        "docs/reference/commands.md). A side goes before the name (left point); what is not listed "
        "commands nothing.",
        parse=parse_commands,
    )
    command: CommandOptions = group(
        CommandOptions,
        "Who commands.",
        parse={"engage": _gesture("engage"), "release": _gesture("release")},
    )
    allow_replay: bool = option(
        False,
        help="Command a robot by the clock of a simulation or the images of a bag, too.",
    )
    limits: VelocityLimits = group(
        VelocityLimits, "How fast it may go. These limits hold for every command above."
    )
    rate: float = option(
        20.0, help="Commands a second.", minimum=5.0, maximum=100.0, section="What is sent."
    )
    stamped: bool = option(
        True,
        help="Whether cmd_vel is a TwistStamped; otherwise it is a Twist.",
    )
    base_frame: str = option("base_link", help="Frame of the speeds: x forward, z up.")
    target_frame: str = option(
        "base_link",
        help="Frame of targets and goals, z up; a person points at its plane z = 0.",
    )
    targets: TargetOptions = group(TargetOptions)
    goal_action: bool = option(
        False,
        help="Send goals to Nav2's action navigate_to_pose, not to goal_pose; needs nav2_msgs.",
    )
    hands: bool = option(
        False,
        help="Take gestures of hands too, from pose/hands; the pose node has to give them.",
        section="What is a gesture.",
    )
    gestures: GestureOptions = group(GestureOptions)
    autostart: bool = autostart_option()


def command_config_from(parameters: GestureParameters, *, compare_clock: bool) -> CommandConfig:
    """Return the rules of the commander.

    Args:
        parameters: Of the node.
        compare_clock: Whether the images' stamps are of the node's clock.

    Raises:
        OptionError: Two parameters do not go together.
    """
    from pose_ros.core.commands.config import CommandConfig

    return CommandConfig(
        **vars(parameters.command),
        limits=parameters.limits,
        bindings=parse_commands(parameters.commands),
        compare_clock=compare_clock,
    )
