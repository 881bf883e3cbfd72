"""Options of what images are taken in, the same for each command."""

from __future__ import annotations

import argparse

from pose_ros.core.encoded_images import DEFAULT_MAX_MEGAPIXELS


def add_input_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the options of all commands that read images to a parser."""
    parser.add_argument(
        "--topic", metavar="TOPIC", help="of the images in a bag with several (the only one)"
    )
    parser.add_argument(
        "--max-megapixels", type=float, default=DEFAULT_MAX_MEGAPIXELS, metavar="MP",
        help="refuse larger images, before they are decoded (%(default)g)",
    )  # fmt: skip
