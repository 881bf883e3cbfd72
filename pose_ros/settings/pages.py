"""Pages that list options: parameter files with their comments, and tables for the docs."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from pose_ros.settings.command_line import flag_of
from pose_ros.settings.option import Option, Plain, options_of
from pose_ros.settings.parameters import Parameter, parameters_of

COLUMNS = 100
_INDENT = "    "


def parameter_file(table: type[Any], head: str, *, leave_out: tuple[str, ...] = ()) -> str:
    """Return a ROS parameter file with every parameter of a table at its default.

    Args:
        table: Parameters of a node.
        head: What the file says first, without comment signs.
        leave_out: Names of parameters that are not in it.
    """
    lines = _comment(head, "")
    lines += ["/**:", "  ros__parameters:"]
    for name, parameter in parameters_of(table).items():
        if name in leave_out:
            continue
        if parameter.section:
            lines += ["", *_comment(f"--- {parameter.section}", _INDENT)]
        lines += [
            *_comment(sentence_of(parameter), _INDENT),
            f"{_INDENT}{name}: {_yaml(parameter)}",
        ]
    return "\n".join(lines) + "\n"


def sentence_of(parameter: Parameter) -> str:
    """Return what a parameter means, with its range, its choices and whether it is live."""
    found = parameter.option
    notes = [found.allowed]
    if found.default is None:
        notes.append(f"{_plain(found.unset) or 'empty'}: {found.meaning_of_unset}")
    notes.append("live" if found.live else "")
    said = "; ".join(filter(None, notes))
    return f"{found.help.rstrip('.')} ({said})." if said else f"{found.help.rstrip('.')}."


def option_table(kind: type[Any]) -> str:
    """Return the options of a dataclass as a table in Markdown."""
    return "\n".join([*_HEAD, *(_row(name, found) for name, found in options_of(kind).items())])


def parameter_table(table: type[Any]) -> str:
    """Return the parameters that a node alone has as a table in Markdown."""
    own = {found.parameter: name for name, found in options_of(table).items()}
    rows = [_row(own[name], p.option) for name, p in parameters_of(table).items() if name in own]
    return "\n".join([*_HEAD, *rows])


_HEAD = (
    "| option | flag | ROS parameter | default | range | what it means |",
    "|---|---|---|---|---|---|",
)


def _row(name: str, found: Option) -> str:
    flag = f"`{flag_of(found)}`" if found.flag else ""
    parameter = f"`{found.parameter}`" if found.parameter else ""
    if found.live:
        parameter += ", live"
    if found.default is None:
        default = found.meaning_of_unset
        if found.parameter:
            default += f" (None; as a parameter `{_plain(found.unset) or repr('')}`)"
    else:
        default = f"`{_plain(found.default)}`" if found.default != "" else "empty"
    if "\n" in default:
        default = "in the parameter file"
    allowed = ", ".join(f"`{choice}`" for choice in found.choices) or found.allowed
    cells = (f"`{name}`", flag, parameter, default, allowed, found.help.rstrip("."))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(value: Plain | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _yaml(parameter: Parameter) -> str:
    value = parameter.default
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if "\n" in value:
        return f"|\n{textwrap.indent(value.rstrip(), _INDENT + '  ')}"
    return value or '""'


def _comment(text: str, indent: str) -> list[str]:
    sign = f"{indent}# "
    return textwrap.wrap(
        text, COLUMNS, initial_indent=sign, subsequent_indent=sign, break_on_hyphens=False
    )
