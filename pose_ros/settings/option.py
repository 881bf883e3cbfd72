"""An option: a field of a frozen dataclass that also says its range and what it means."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pose_ros.errors import OptionError, did_you_mean, short

Plain: TypeAlias = bool | int | float | str
Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Option:
    """What an option may be, what it means, and where it appears.

    Attributes:
        name: Of the field.
        default: What it is unless given; None where that is unknown, or left to the network.
        help: What it means: a sentence without its default, range and unit.
        minimum: Least value of a number.
        maximum: Greatest value of a number.
        choices: The allowed words; empty where any text will do.
        unit: Of a number, such as ``seconds``; empty where it has none.
        unset: The value of a ROS parameter that stands for None, since a parameter is never
            empty.
        meaning_of_unset: What None means, such as ``unknown``.
        off: What the flag that turns it off does, where the default is True.
        live: As a ROS parameter, it may change at any time and applies to the next image.
        fixed: As a ROS parameter, it never changes once the node runs.
        parse: Raises an OptionError for a value that is wrong for another reason.
        parameter: Name as a ROS parameter; empty: it is none.
        flag: Name as a flag, without the dashes; empty: it is none.
        metavar: What stands for its value in the usage line; None: by its unit and type.
        section: Heading above it in the parameter file, where a section begins.
    """

    name: str
    default: Plain | None
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    unset: Plain | None = None
    meaning_of_unset: str = ""
    off: str = ""
    live: bool = False
    fixed: bool = False
    parse: Callable[[Any], Any] | None = None
    parameter: str = ""
    flag: str = ""
    metavar: str | None = None
    section: str = ""

    @property
    def kind(self) -> type:
        """Its type: bool, int, float or str."""
        return type(self.unset if self.default is None else self.default)

    @property
    def range(self) -> str:
        """Its range with the unit, such as ``[0, 60] seconds``; empty where it has none."""
        if self.minimum is None or self.maximum is None:
            return ""
        return f"[{_shown(self.minimum)}, {_shown(self.maximum)}] {self.unit}".rstrip()

    @property
    def allowed(self) -> str:
        """Its range or choices in words, such as ``0 to 60 seconds``; empty where it has none."""
        if self.minimum is None or self.maximum is None:
            return ", ".join(self.choices)
        return f"{_shown(self.minimum)} to {_shown(self.maximum)} {self.unit}".rstrip()


def _shown(number: float) -> str:
    """Return a limit of a range: a whole number with all its digits."""
    return f"{number:.0f}" if number == round(number) else f"{number:g}"


def option(
    default: Any,
    *,
    help: str,  # noqa: A002 - argparse's own word
    parameter: str | None = None,
    flag: str | None = None,
    python_only: bool = False,
    **rest: Any,
) -> Any:
    """Return the field of an option.

    Args:
        default: What it is unless given. None needs ``unset``.
        help: What it means.
        parameter: Name as a ROS parameter; that of the field unless given, empty for none.
        flag: Name as a flag; that of the field unless given, with dashes; empty for none.
        python_only: It is neither a parameter nor a flag.
        rest: What else an ``Option`` has.

    Raises:
        OptionError: A number has no range, or None no value that stands for it.
    """
    # Any: the annotation beside each field states its type, and mypy checks uses against it
    found = Option("", default, help, parameter="", flag="", **rest)
    if default is None and found.unset is None:
        raise OptionError("an option whose default is None needs unset")
    if found.kind in (int, float) and not found.range:
        raise OptionError("an option that is a number needs minimum and maximum")
    names = ("", "") if python_only else (parameter, flag)
    return dataclasses.field(default=default, metadata={"option": found, "names": names})


def group(
    kind: type[Any],
    section: str = "",
) -> Any:
    """Return the field of a table of parameters that holds all options of another dataclass.

    Args:
        kind: That dataclass.
        section: Heading above them in the parameter file.
    """
    return dataclasses.field(default_factory=kind, metadata={"group": kind, "section": section})


_OPTIONS: dict[type[Any], Mapping[str, Option]] = {}
"""Options by the dataclass that has them: a node reads them on each change of a parameter."""


def options_of(kind: type[Any]) -> Mapping[str, Option]:
    """Return the options of a dataclass by the names of their fields."""
    if kind in _OPTIONS:
        return _OPTIONS[kind]
    found = {}
    for field in dataclasses.fields(kind):
        if "option" not in field.metadata:
            continue
        parameter, flag = field.metadata["names"]
        found[field.name] = dataclasses.replace(
            field.metadata["option"],
            name=field.name,
            parameter=field.name if parameter is None else parameter,
            flag=field.name.replace("_", "-") if flag is None else flag,
        )
    _OPTIONS[kind] = found
    return found


def check(instance: Any) -> None:
    """Refuse an instance with an option out of its range; for ``__post_init__``.

    Raises:
        OptionError: Names the option, its range and what was given.
    """
    for name, found in options_of(type(instance)).items():
        value = getattr(instance, name)
        if value is None and found.default is None:
            continue
        numeric = {int: numbers.Integral, float: numbers.Real}.get(found.kind)
        if numeric is not None and (isinstance(value, bool) or not isinstance(value, numeric)):
            raise OptionError(f"{name} must be {_KINDS[found.kind]}, got {short(value)}")
        _check_allowed(name, value, found)


def check_value(name: str, value: Any, found: Option) -> Any:
    """Return a value from outside in the option's type.

    A whole number is taken where a real one is asked, and as the text of a
    device (``source:=0``): a command line or YAML cannot tell them apart.

    Args:
        name: What the user calls the option.
        value: As it came; ``found.unset`` stands for None.
        found: The option.

    Raises:
        OptionError: The type is wrong, or the value out of its range or choices.
    """
    kind = found.kind
    if type(value) is int and kind in (float, str):
        value = kind(value)
    # bool is an int to isinstance
    if type(value) is not kind:
        given = "nothing" if value is None else short(value)
        raise OptionError(f"{name} must be {_KINDS[kind]}, got {given}")
    if found.default is not None:
        _check_allowed(name, value, found)
    elif value != found.unset:
        _check_allowed(name, value, found, _unless(found))
    return value


def refuse_unknown(known: Collection[str], given: Iterable[str]) -> None:
    """Refuse names that are no options.

    Raises:
        OptionError: Names the first one, and the option that was probably meant.
    """
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}{did_you_mean(name, known)}")


def _unless(found: Option) -> str:
    """Return that a value outside of the range stands for None; empty where none does."""
    unset, low = found.unset, found.minimum
    if low is None or not isinstance(unset, int | float) or unset >= low:
        return ""
    return f", or {unset:g} for {found.meaning_of_unset}"


def _check_allowed(name: str, value: Any, found: Option, unless: str = "") -> None:
    low, high = found.minimum, found.maximum
    # written so that NaN is refused too
    if low is not None and high is not None and not low <= value <= high:
        raise OptionError(f"{name} must be in {found.range}{unless}, got {value}")
    if found.parse is not None:
        found.parse(value)
    elif found.choices and value not in found.choices:
        raise OptionError(f"{name} must be one of {', '.join(found.choices)}; got {short(value)}")


def documented(kind: Class) -> Class:
    """Add the options of a dataclass to its docstring, as ``help()`` and the reference show it."""
    lines = [f"    {name}: {line}" for name, line in describe(kind).items()]
    text = inspect.cleandoc(kind.__doc__ or "")
    kind.__doc__ = "\n".join([text, "", "Attributes:", *lines, ""])
    return kind


def takes_options_of(*kinds: type[Any]) -> Callable[[Function], Function]:
    """Show the options of dataclasses as keywords of a function that takes them as ``**keywords``.

    They stand in its signature, as ``help()`` and an editor show it.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        added = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.type,
            )
            for kind in kinds
            for field in dataclasses.fields(kind)
        ]
        shown = signature.replace(parameters=[*own, *added])
        function.__signature__ = shown  # type: ignore[attr-defined]
        return function

    return decorate


def describe(kind: type[Any]) -> dict[str, str]:
    """Return what each option of a dataclass means, with its range, for a reader of Python."""
    found = {}
    for name, entry in options_of(kind).items():
        words = [entry.help.rstrip(".")]
        if entry.range:
            words.append(f"in {entry.range}")
        if entry.choices:
            words.append(f"one of {', '.join(entry.choices)}")
        if entry.default is None:
            words.append(f"None: {entry.meaning_of_unset}")
        found[name] = "; ".join(words) + "."
    return found
