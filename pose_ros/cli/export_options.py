"""The options that say what is exported of a run, shared by all commands that analyze one."""

from __future__ import annotations

import argparse

from pose_ros.analysis.exports.writing import FORMATS
from pose_ros.analysis.whole import check_suffix
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.outputs import ExportOptions


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export_options`` to a parser."""
    group = parser.add_argument_group("exports", "docs/reference/exports.md says what is in them")
    for name, kind in FORMATS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="FILE", help=kind.help)
    add_to_parser(ExportOptions, group)


def export_options(args: argparse.Namespace) -> ExportOptions:
    """Return what is to be exported.

    Raises:
        OptionError: An option is out of its range, or a file's name is that of another format.
    """
    files = {name: getattr(args, name) for name in FORMATS}
    for name, file in files.items():
        if file is not None:
            check_suffix(f"--{name.replace('_', '-')}", file, FORMATS[name].suffixes)
    named = {name: file for name, file in files.items() if file is not None}
    return from_args(ExportOptions, args, files=named)
