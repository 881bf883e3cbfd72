"""``pose-ros demo``: the whole chain over real ROS 2, in two processes; or a scene as a bag."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pose_ros.cli.node_process import add_passed_on, become
from pose_ros.cli.parsing import Parser

_WRITE_BAG = "--write-bag"

add_arguments = add_passed_on


def run(args: argparse.Namespace) -> int:
    """Write a bag where one is asked for; otherwise become the demo, and do not return."""
    if any(text.partition("=")[0] == _WRITE_BAG for text in args.arguments):
        return write_bag(args.arguments)
    return become("demo", args.arguments)


def write_bag(arguments: Sequence[str]) -> int:
    """Write a scene and its truth as a rosbag2; needs no ROS.

    Raises:
        OptionError: There is no such scene, or an option is out of its range.
        OutputError: The bag exists, or cannot be written.
    """
    from tqdm import tqdm

    from pose_ros.analysis.whole import write_errors
    from pose_ros.synthetic.depth_camera import DepthSensor
    from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
    from pose_ros.synthetic.source import open_synthetic, scene_spec

    args = _bag_parser().parse_args(arguments)
    spec = scene_spec(args.scene)
    options = BagOptions(
        storage=args.storage,
        depth=args.depth,
        sensor=None if args.perfect_depth else DepthSensor(),
        seconds=args.seconds,
    )
    source = open_synthetic(spec, fps=args.fps, loop=True, live=False)
    with tqdm(unit=" images", file=sys.stderr, disable=args.quiet or None) as bar:

        def progress(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        with write_errors(args.write_bag):
            count = write_scene_bag(args.write_bag, source, options, progress)
    if not args.quiet:
        print(f"{args.write_bag.resolve()}: {count} images, {count / source.fps:g} s")
    return 0


def _bag_parser() -> argparse.ArgumentParser:
    from pose_ros.bags.writer import STORAGES
    from pose_ros.synthetic.scene_bag import DEPTHS
    from pose_ros.synthetic.scenes import SCENES

    parser = Parser(
        prog="pose-ros demo",
        description="Write a synthetic scene as a rosbag2: images, depth images, camera_info, TF "
        "of the camera over base_link, and the truth. Needs no ROS.",
    )
    parser.add_argument(_WRITE_BAG, required=True, type=Path, metavar="FOLDER", help="a new one")
    parser.add_argument(
        "--scene",
        default="pointing",
        metavar="NAME[?OPTION=VALUE&...]",
        help=f"{', '.join(SCENES)}; options: width, height, fps, hfov, camera_height, camera_x, "
        "pitch, distance, seed (%(default)s)",
    )
    parser.add_argument("--seconds", type=float, help="how long; one round of the scene if unsaid")
    parser.add_argument("--fps", type=float, default=10.0, help="images a second (%(default)g)")
    parser.add_argument(
        "--storage", default="sqlite3", help=f"{' or '.join(STORAGES)} (%(default)s)"
    )
    parser.add_argument("--depth", default="16UC1", help=f"{', '.join(DEPTHS)} (%(default)s)")
    parser.add_argument(
        "--perfect-depth", action="store_true", help="depth without noise and holes"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    return parser
