"""``pose-ros up``, ``watch`` and ``demo``: ROS runs in processes of its own, never in this one."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pose_ros.cli.terminal import Parser
from pose_ros.errors import RuntimeUnavailableError
from pose_ros.files import node_executable

_WRITE_BAG = "--write-bag"


def write_bag(arguments: Sequence[str]) -> int:
    """Write a scene and its truth as a rosbag2; needs no ROS.

    Raises:
        OptionError: There is no such scene, or an option is out of its range.
        OutputError: The bag exists, or cannot be written.
    """
    from tqdm import tqdm

    from pose_ros.analysis.outputs import write_errors
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take every argument as it is, ``--help`` too: the node's process has the parser."""
    parser.prefix_chars = "\0"  # so that no argument looks like an option
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """Become the process of ``args.command``, and do not return; or write a bag for the demo."""
    if args.command == "demo" and any(
        text.partition("=")[0] == _WRITE_BAG for text in args.arguments
    ):
        return write_bag(args.arguments)
    return replace_process(args.command, args.arguments)


def replace_process(node: str, arguments: Sequence[str]) -> int:
    """Replace this process by a node's program; it takes the signals directly.

    Raises:
        RuntimeUnavailableError: There is no ROS 2, or pose_ros was built without it.
    """
    require_ros()
    program = str(node_executable(node))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell is what we want


def require_ros() -> None:
    """Check that rclpy and our messages can be imported, without importing them.

    Raises:
        RuntimeUnavailableError: They cannot; says what to do.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise RuntimeUnavailableError(
            "no ROS 2 here: source /opt/ros/DISTRO/setup.bash, or run `make setup` in a checkout"
        )
    if importlib.util.find_spec("pose_ros.msg") is None:
        raise RuntimeUnavailableError(
            "this pose_ros was installed without its nodes, as `pip install .` does: run "
            "`make setup` in a checkout, or build it with colcon for an apt ROS"
        )
