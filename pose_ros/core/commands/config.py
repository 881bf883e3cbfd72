"""Which gesture is which command, and the rules that a robot is commanded by."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.errors import OptionError, short
from pose_ros.settings.commands import CommandOptions, VelocityLimits


@dataclass(frozen=True)
class TwistAction:
    """Drive while the gesture is held.

    Attributes:
        linear: m/s forward, backward below 0.
        angular: rad/s to the left, to the right below 0.
        proportional: Both are those of an arm that points straight away from the camera
            (``linear``) and straight to the image's left (``angular``); in between they go
            with the direction.
    """

    linear: float = 0.0
    angular: float = 0.0
    proportional: bool = False


@dataclass(frozen=True)
class GoalAction:
    """Drive to where the person points.

    Attributes:
        hold: The goal is canceled when the gesture ends.
    """

    hold: bool = True


@dataclass(frozen=True)
class StopAction:
    """Stand still while the gesture is held; any person may make it."""


@dataclass(frozen=True)
class EventAction:
    """Send an event, once for each time that the gesture is made.

    Attributes:
        name: What to say.
        service: Of std_srvs/Trigger, to call as well; empty: none.
    """

    name: str
    service: str = ""


FollowMode: TypeAlias = Literal["twist", "goal"]
FOLLOW_DISTANCES = (0.5, 10.0)
FOLLOW_LOST_TIMES = (0.0, 30.0)


@dataclass(frozen=True)
class FollowAction:
    """Keep a distance from the person and face them, until another gesture ends it.

    Attributes:
        distance: Meters to keep from the robot's base, 0.5 to 10.
        mode: ``twist``: drive by speeds; ``goal``: send goals, for Nav2.
        lost_time: Seconds for which a person who is lost may come back, 0 to 30. The robot
            stands still meanwhile.
    """

    distance: float = 1.5
    mode: str = "twist"
    lost_time: float = 5.0

    def __post_init__(self) -> None:
        for name, (low, high) in (
            ("distance", FOLLOW_DISTANCES),
            ("lost_time", FOLLOW_LOST_TIMES),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f"{name} must be in [{low:g}, {high:g}], got {value:g}")
        if self.mode not in get_args(FollowMode):
            allowed = ", ".join(get_args(FollowMode))
            raise OptionError(f"mode must be one of {allowed}; got {short(self.mode)}")


Motion: TypeAlias = TwistAction | GoalAction | FollowAction
Action: TypeAlias = Motion | StopAction | EventAction


def drives_by_speeds(action: Action) -> bool:
    """Return whether a command sends speeds on ``cmd_vel``, beside zero."""
    if isinstance(action, FollowAction):
        return action.mode == "twist"
    return isinstance(action, TwistAction)


_ACTIONS: dict[str, type[Any]] = {
    "twist": TwistAction,
    "goal": GoalAction,
    "follow": FollowAction,
    "stop": StopAction,
    "event": EventAction,
}
MAX_NUMBER = 1e6
"""No robot goes so fast, and an int beyond it may be too large for a float."""

_SIDES = ("left", "right", "both")


@dataclass(frozen=True)
class Binding:
    """A gesture and what it commands.

    Attributes:
        gesture: Its name.
        side: The person's ``left``, ``right`` or ``both``; empty: whichever.
        action: What to do.
    """

    gesture: str
    side: str
    action: Action

    def fits(self, gesture: str, side: str) -> bool:
        """Whether this is the gesture."""
        return self.gesture == gesture and self.side in ("", side)


@dataclass(frozen=True)
class CommandConfig(CommandOptions):
    """The rules of a ``Commander``: its options, and what they are about.

    Attributes:
        compare_clock: Whether the stamps of the images are of the clock that is passed in;
            False for a replay.
        limits: Of speed and acceleration.
        bindings: What each gesture commands; the first that fits counts.
    """

    compare_clock: bool = True
    limits: VelocityLimits = field(default_factory=VelocityLimits)
    bindings: tuple[Binding, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.engage:
            raise OptionError("engage must name a gesture: without one nothing would ever move")
        if self.engage == self.release:
            raise OptionError(f"engage and release must differ, both are {self.engage!r}")
        for binding in self.bindings:
            if binding.gesture in (self.engage, self.release):
                raise OptionError(
                    f"commands: {binding.gesture} engages or releases and can be no command"
                )

    @property
    def follows(self) -> bool:
        """Whether a gesture makes the robot follow a person."""
        return any(isinstance(binding.action, FollowAction) for binding in self.bindings)

    def action(self, gesture: str, side: str) -> Action | None:
        """Return what a gesture commands, if anything."""
        fitting = (b.action for b in self.bindings if b.fits(gesture, side))
        return next(fitting, None)


def read_bindings(commands: Any, gestures: Collection[str] | None) -> tuple[Binding, ...]:
    """Return the bindings of a mapping, such as YAML gives it.

    Args:
        commands: From a gesture, with a side before it or not (``left point``), to its
            command: ``{do: twist, linear: 0.2}``, or the word alone (``stop``).
        gestures: The names that are known; None: any.

    Raises:
        OptionError: A gesture or a setting is unknown, missing or of another kind.
    """
    if not isinstance(commands, Mapping):
        raise OptionError(f"commands must map gestures to commands, got {short(commands)}")
    # a side of its own goes before any side
    bindings = [_binding(key, value, gestures) for key, value in commands.items()]
    return tuple(sorted(bindings, key=lambda binding: not binding.side))


def _binding(key: Any, value: Any, gestures: Collection[str] | None) -> Binding:
    words = key.split() if isinstance(key, str) else []
    side, name = (words[0], words[1]) if len(words) == 2 else ("", key)
    if not words or (gestures is not None and name not in gestures):
        known = f"; known: {', '.join(gestures)}" if gestures is not None else ""
        raise OptionError(f"commands: {short(key)} is no gesture{known}")
    if side and side not in _SIDES:
        raise OptionError(
            f"commands: {short(key)}: expected {', '.join(_SIDES)} before the gesture"
        )
    settings = {"do": value} if isinstance(value, str) else value
    if not isinstance(settings, Mapping) or settings.get("do") not in tuple(_ACTIONS):
        allowed = ", ".join(_ACTIONS)
        raise OptionError(f"commands: {key}: do must be one of {allowed}; got {short(value)}")
    kind = _ACTIONS[settings["do"]]
    settable = {f.name: f for f in fields(kind)}
    given = {setting: chosen for setting, chosen in settings.items() if setting != "do"}
    for setting, chosen in given.items():
        if setting not in settable:
            raise OptionError(
                f"commands: {key}: no setting {short(setting)}; "
                f"known: {', '.join(settable) or 'none'}"
            )
        given[setting] = _checked(f"commands: {key}: {setting}", chosen, settable[setting].type)
    missing = [f.name for f in settable.values() if f.default is MISSING and f.name not in given]
    if missing:
        raise OptionError(f"commands: {key}: {missing[0]} is missing")
    if name in POSTURE_NAMES and kind is not EventAction:
        raise OptionError(f"commands: {key}: a posture moves nothing: do must be event")
    try:
        return Binding(name, side, kind(**given))
    except OptionError as error:
        raise OptionError(f"commands: {key}: {error}") from None


def _checked(what: str, value: Any, kind: Any) -> Any:
    """Return a setting in its field's type; annotations are texts."""
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "float" and type(value) in (int, float) and abs(value) <= MAX_NUMBER:
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    words = {"bool": "true or false", "float": "a finite number", "str": "a text"}[kind]
    if kind == "float" and type(value) in (int, float) and abs(value) < math.inf:
        words = f"in [{-MAX_NUMBER:g}, {MAX_NUMBER:g}]"
    raise OptionError(f"{what} must be {words}, got {short(value)}")
