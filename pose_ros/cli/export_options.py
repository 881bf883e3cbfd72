"""The options that say what is exported of a run, shared by all commands that analyze one."""

from __future__ import annotations

import argparse

from pose_ros.analysis.exports import ExportOptions
from pose_ros.analysis.exports.writing import FORMATS
from pose_ros.analysis.whole import check_suffix


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export_options`` to a parser."""
    group = parser.add_argument_group("exports", "docs/reference/exports.md says what is in them")
    for name, kind in FORMATS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="FILE", help=kind.help)
    group.add_argument(
        "--person", type=int, metavar="ID",
        help="whose motion the BVH is of (who is seen in most images)",
    )  # fmt: skip
    group.add_argument(
        "--wide", action="store_true",
        help="tables of joints and angles with one row a person and image, for --csv, --parquet",
    )  # fmt: skip
    group.add_argument(
        "--coco17", action="store_true",
        help="COCO's 17 keypoints in the data set, in place of the network's",
    )  # fmt: skip
    group.add_argument(
        "--coco-ids", choices=("index", "name"), default="index",
        help="ids of images in COCO's files: their index, or the number in a picture's name "
        "(%(default)s)",
    )  # fmt: skip


def export_options(args: argparse.Namespace) -> ExportOptions:
    """Return what is to be exported.

    Raises:
        OptionError: An option is out of its range, or a file's name is that of another format.
    """
    files = {name: getattr(args, name) for name in FORMATS}
    for name, file in files.items():
        if file is not None:
            check_suffix(f"--{name.replace('_', '-')}", file, FORMATS[name].suffixes)
    return ExportOptions(
        files={name: file for name, file in files.items() if file is not None},
        person=args.person,
        coco17=args.coco17,
        wide=args.wide,
        coco_ids=args.coco_ids,
    )
