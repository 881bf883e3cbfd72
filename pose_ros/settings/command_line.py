"""Options as flags of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any, TypeVar

from pose_ros.settings.option import Option, options_of

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
    metavar = found.metavar
    if metavar is None:
        by_type = {int: "N", float: "X", str: "NAME"}
        metavar = _METAVARS.get(found.unit, by_type[found.kind])
    return known | {"metavar": metavar}


def _help(found: Option) -> str:
    text = _sentence(found.help)
    if found.range:
        text += f", {found.minimum:g} to {found.maximum:g} {found.unit}".rstrip()
    if found.default is None:
        return f"{text} ({found.meaning_of_unset})".replace("%", "%%")
    shown = f"{found.default:g}" if found.kind is float else found.default
    return f"{text} ({shown})".replace("%", "%%") if shown != "" else text.replace("%", "%%")


def _sentence(text: str) -> str:
    """Return a sentence as it stands beside a flag: without a capital and a full stop."""
    is_name = text[:2].isupper()
    return (text if is_name else text[:1].lower() + text[1:]).rstrip(".")
