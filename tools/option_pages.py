"""Writes the pages that list options: config/*.yaml, options.md and launch.md in docs/reference.

python -m tools.option_pages           # writes them: after each change of an option
python -m tools.option_pages --check   # says which are not as they would be written
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

from pose_ros.ros.launch_plan import ARGUMENTS
from pose_ros.settings.command_line import flag_of
from pose_ros.settings.commands import CommandOptions, VelocityLimits
from pose_ros.settings.estimation import (
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    NetworkOptions,
)
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.images import ImageOptions, LensOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions
from pose_ros.settings.multiview import FusionOptions
from pose_ros.settings.nodes import (
    CameraParameters,
    FusionParameters,
    GestureParameters,
    PoseParameters,
)
from pose_ros.settings.option import Option, Plain, options_of
from pose_ros.settings.outputs import (
    AnonymizeOptions,
    ExportOptions,
    OverlayOptions,
    ReportOptions,
)
from pose_ros.settings.parameters import Parameter, parameters_of

ROOT = Path(__file__).resolve().parents[1]
LAUNCH_PAGE = "docs/reference/launch.md"
_LAUNCH_HEAD = "| launch argument | default | meaning |"
_HEAD = (
    "Every parameter of {node} with its default: the node has these without this file. Copy what "
    "you change into a file of your own: ros2 launch pose_ros pose.launch.py {launch}. {when} "
    "Written by python -m tools.option_pages."
)
_CONFIGURED = "They are read when the node is configured."
FILES: dict[str, tuple[type[Any], str]] = {
    "config/pose.yaml": (
        PoseParameters,
        _HEAD.format(
            node="pose_node",
            launch="params_file:=mine.yaml",
            when="Those that are live may be changed while the node runs and apply to the next "
            "image, the others when it is configured.",
        ),
    ),
    "config/camera.yaml": (
        CameraParameters,
        _HEAD.format(
            node="camera_node", launch="camera:=0 camera_params_file:=mine.yaml", when=_CONFIGURED
        ),
    ),
    "config/gestures.yaml": (
        GestureParameters,
        _HEAD.format(
            node="gesture_node",
            launch="gesture:=true gesture_params_file:=mine.yaml",
            when=f"{_CONFIGURED} docs/reference/commands.md explains the rules.",
        ),
    ),
    "config/fusion.yaml": (
        FusionParameters,
        _HEAD.format(
            node="fusion_node",
            launch="cameras:=[0,2] calibration:=room.yaml fusion_params_file:=mine.yaml",
            when="docs/tutorials/two_cameras.md begins with two.",
        ),
    ),
}
SUBJECTS: dict[str, tuple[type[Any], ...]] = {
    "Finding people": (NetworkOptions, EstimatorOptions),
    "Hands": (HandOptions,),
    "Running the networks": (EngineOptions,),
    "Images and the lens": (ImageOptions, LensOptions),
    "People in meters": (LiftOptions, MountOptions),
    "Several cameras": (FusionOptions,),
    "Gestures": (GestureOptions,),
    "Places that people point at": (TargetOptions,),
    "Robot commands": (CommandOptions, VelocityLimits),
    "Drawing": (OverlayOptions,),
    "Exports": (ExportOptions,),
    "Report": (ReportOptions,),
    "Anonymized bags": (AnonymizeOptions,),
}
NODES: dict[str, type[Any]] = {
    "pose_node": PoseParameters,
    "camera_node": CameraParameters,
    "gesture_node": GestureParameters,
    "fusion_node": FusionParameters,
}
_PAGE_HEAD = """\
# Options

Every option, by subject, with its default and its range. Python takes it as a field of the class
that stands above its table, the command line as a flag, and a node as a ROS parameter; an empty
cell means that it is none. A parameter that is *live* may be changed while the node runs and
applies to the next image; the others are read when the node is configured.

`python -m tools.option_pages` writes this page from the code. Change nothing here by hand.
"""


def files() -> dict[str, str]:
    """Return what the pages hold, by their paths in the checkout."""
    written = {
        # a launch file brings the nodes up: autostart is none of a parameter file's
        path: parameter_file(table, head, leave_out=("autostart",))
        for path, (table, head) in FILES.items()
    }
    return written | {"docs/reference/options.md": options_page(), LAUNCH_PAGE: launch_page()}


def launch_page() -> str:
    """Return the page of the launch file with the table of its arguments."""
    before, rest = (ROOT / LAUNCH_PAGE).read_text(encoding="utf-8").split(_LAUNCH_HEAD)
    rows = ["|---|---|---|"]
    for argument in ARGUMENTS:
        meaning, _, empty = argument.description.partition("; empty: ")
        default = f"`{argument.default}`" if argument.default else empty
        rows.append(f"| `{argument.name}` | {default} | {meaning} |")
    return before + _LAUNCH_HEAD + "\n".join(["", *rows]) + "\n\n" + rest.partition("\n\n")[2]


def options_page() -> str:
    """Return the page of all options."""
    parts = [_PAGE_HEAD]
    for subject, kinds in SUBJECTS.items():
        tables = (
            f"`{kind.__module__}.{kind.__name__}`\n\n{option_table(kind)}\n" for kind in kinds
        )
        parts += [f"## {subject}\n", *tables]
    parts += (
        f"## Parameters of {node} alone\n\n{parameter_table(table)}\n"
        for node, table in NODES.items()
    )
    return "\n".join(parts)


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
    return "\n".join(
        [*_TABLE_HEAD, *(_row(name, found) for name, found in options_of(kind).items())]
    )


def parameter_table(table: type[Any]) -> str:
    """Return the parameters that a node alone has as a table in Markdown."""
    own = {found.parameter: name for name, found in options_of(table).items()}
    rows = [_row(own[name], p.option) for name, p in parameters_of(table).items() if name in own]
    return "\n".join([*_TABLE_HEAD, *rows])


_TABLE_HEAD = (
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
    return value if value and value[0] not in "{[" else json.dumps(value)


def _comment(text: str, indent: str) -> list[str]:
    sign = f"{indent}# "
    return textwrap.wrap(
        text, COLUMNS, initial_indent=sign, subsequent_indent=sign, break_on_hyphens=False
    )


def main() -> int:
    """Write the pages, or check them; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [
        path
        for path, text in files().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{path} {'differs' if check else 'written'}")
        if not check:
            (ROOT / path).write_text(files()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
