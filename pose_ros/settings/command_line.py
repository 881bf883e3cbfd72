"""Options as flags of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pose_ros.settings.option import Option, options_of
from pose_ros.settings.parameters import parameters_of

Settings = TypeVar("Settings")

_METAVARS = {"seconds": "S", "meters": "M", "degrees": "DEGREES", "megapixels": "MP"}


def add_to_parser(
    kind: type[Any],
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    *,
    leave_out: Collection[str] = (),
) -> None:
    """Add the options of a dataclass to a parser, or to a group of one.

    Args:
        kind: The dataclass.
        parser: Of a command.
        leave_out: Fields that are no flags of this command.
    """
    for name, found in options_of(kind).items():
        if found.flag and name not in leave_out:
            parser.add_argument(flag_of(found), **_arguments(found))


def from_args(kind: type[Settings], args: argparse.Namespace, **given: Any) -> Settings:
    """Return the dataclass that the flags of a command ask for.

    Args:
        kind: The dataclass.
        args: What the parser found; options without a flag in it keep their defaults.
        given: Fields that are known otherwise.

    Raises:
        OptionError: An option is out of its range.
    """
    for name, found in options_of(kind).items():
        value = getattr(args, _destination(found), None) if found.flag else None
        if value is not None:
            given.setdefault(name, value)
    return kind(**given)


def add_parameters_to_parser(
    table: type[Any], parser: argparse.ArgumentParser, flags: Mapping[str, str]
) -> None:
    """Add flags that set parameters of a node; without a flag a parameter keeps its value.

    Args:
        table: Parameters of the node.
        parser: Of a command.
        flags: Names of parameters, by the flags without their dashes.
    """
    for flag, name in flags.items():
        found = parameters_of(table)[name].option
        known: dict[str, Any] = {"type": found.kind, "metavar": _metavar(found)}
        if found.kind is bool:
            known = TRUTH
        parser.add_argument(f"--{flag}", help=_help(found), **known)


def truth(text: str) -> bool:
    """Read true or false as ROS writes them.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() == "true"


TRUTH: dict[str, Any] = {"type": truth, "nargs": "?", "const": True, "metavar": "true|false"}
"""What argparse wants to know of a flag that may stand alone, or say true or false."""


def flag_of(found: Option) -> str:
    """Return the flag as a user types it: ``--max-people``, ``--no-smoothing``."""
    return f"--no-{found.flag}" if found.default is True else f"--{found.flag}"


def _destination(found: Option) -> str:
    return found.flag.replace("-", "_")


def _arguments(found: Option) -> dict[str, Any]:
    """Return what argparse wants to know of a flag."""
    known: dict[str, Any] = {"dest": _destination(found)}
    if found.kind is bool:
        action = "store_false" if found.default else "store_true"
        return known | {"action": action, "help": _sentence(found.off or found.help)}
    known |= {"type": found.kind, "default": found.default, "help": _help(found)}
    if found.choices:
        return known | {"choices": found.choices}
    return known | {"metavar": _metavar(found)}


def _metavar(found: Option) -> str:
    if found.metavar is not None:
        return found.metavar
    by_type = {int: "N", float: "X", str: "NAME"}
    return _METAVARS.get(found.unit) or by_type.get(found.kind, "")


def _help(found: Option) -> str:
    notes = [found.allowed if found.range else ""]
    if found.default is None:
        notes.append(f"default: {found.meaning_of_unset}")
    elif found.default != "":
        shown = f"{found.default:g}" if found.kind is float else f"{found.default}"
        notes.append(f"default: {shown.lower() if found.kind is bool else shown}")
    noted = "; ".join(filter(None, notes))
    text = _sentence(found.help)
    return (f"{text} ({noted})" if noted else text).replace("%", "%%")


def _sentence(text: str) -> str:
    """Return a sentence as it stands beside a flag: without a capital and a full stop."""
    is_name = text[:2].isupper()
    return (text if is_name else text[:1].lower() + text[1:]).rstrip(".")
