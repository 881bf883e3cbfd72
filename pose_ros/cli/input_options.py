"""Options of what images are taken in, the same for each command."""

from __future__ import annotations

import argparse

from pose_ros.settings.command_line import add_to_parser
from pose_ros.settings.images import ImageOptions


def add_input_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the options of all commands that read images to a parser."""
    add_to_parser(ImageOptions, parser)
