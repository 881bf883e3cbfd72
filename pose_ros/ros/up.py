"""The nodes in one process, frames handed over in memory, for `pose-ros up`.

All topics are there for whoever subscribes; it serves where ros2 launch is not.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rclpy.parameter import Parameter

from pose_ros.errors import PoseRosError
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.live_line import CLEAR, LiveLine
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.scene_parameters import gesture_scene
from pose_ros.sources.names import is_synthetic, may_repeat

_CAMERA = {
    "calibration": "camera_info_url",
    "topic": "bag_topic",
    **{name: name for name in ("hfov", "frame_id", "rate", "width", "height")},
}
"""Parameters of the camera node, by the options that set them."""

PIPED_LINE_SECONDS = 10.0
_LOG_FORMAT = "[{severity}] [{time}] [{name}]: {message}"  # rcutils' own


def truth(text: str) -> bool:
    """Read true or false as ROS writes them.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text.lower() == "true"


def parser() -> argparse.ArgumentParser:
    """Return the parser; the options are the launch file's arguments."""
    made = argparse.ArgumentParser(
        prog="pose-ros up",
        description="Run camera, pose and gesture node in one process. Options may be written as "
        "those of ros2 launch too (camera:=/dev/video0). Parameters and remappings follow "
        "--ros-args.",
    )
    made.add_argument(
        "--camera",
        default="",
        metavar="SOURCE",
        help="device, video, bag, image folder, stream or synthetic; none: images from a topic",
    )
    made.add_argument(
        "--image-topic", default="image", metavar="TOPIC", help="topic of the images (image)"
    )
    made.add_argument(
        "--topic", metavar="TOPIC", help="of the images, where --camera is a bag with several"
    )
    made.add_argument("--network", metavar="NAME", help="network that finds the people")
    made.add_argument("--hand-network", metavar="NAME", help="network that finds their hands")
    made.add_argument(
        "--finder", metavar="NAME", help="network that finds everybody for one that sees one person"
    )
    made.add_argument(
        "--threshold", type=float, metavar="SCORE", help="least score of a new person, 0 to 1"
    )
    made.add_argument("--person-height", type=float, metavar="METERS", help="height of the people")
    made.add_argument(
        "--depth-topic", metavar="TOPIC", help="topic of depth images registered to the images"
    )
    for name, text in (
        ("--upper-body-only", "give the upper body's keypoints only"),
        ("--hands", "find the hands of the people too"),
        ("--detect-palms", "with hands: find hands without a body too"),
        ("--smoothing", "filter keypoints over time"),
        ("--gesture", "run the gesture node too, which commands a robot"),
    ):
        made.add_argument(name, type=truth, nargs="?", const=True, metavar="true|false", help=text)
    made.add_argument(
        "--calibration", metavar="FILE", help="calibration YAML of the camera, for meters and /tf"
    )
    made.add_argument("--frame-id", metavar="FRAME", help="optical frame of the camera")
    made.add_argument("--id-prefix", metavar="LETTERS", help="of people in names of frames (p)")
    made.add_argument("--max-people", type=int, metavar="N", help="most people to look for (1)")
    for name, metavar, text in (
        ("--hfov", "DEGREES", "horizontal field of view of a camera without calibration"),
        ("--rate", "HZ", "frames a second of the camera"),
    ):
        made.add_argument(name, type=float, metavar=metavar, help=text)
    for name in ("--width", "--height"):
        made.add_argument(name, type=int, metavar="PIXELS", help="to ask of the camera")
    made.add_argument("--no-live", action="store_true", help="print no live line")
    return made


def _asked(options: argparse.Namespace, names: Iterable[str] | Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters that options set; what is not asked for is left to the node.

    Args:
        options: As the parser returns them.
        names: Of options; a mapping gives their parameters, which have the same names else.
    """
    named = names if isinstance(names, Mapping) else {name: name for name in names}
    given = {parameter: getattr(options, name) for name, parameter in named.items()}
    return {parameter: value for parameter, value in given.items() if value is not None}


def make_nodes(options: argparse.Namespace) -> list[ManagedNode[Any]]:
    """Return the nodes that the options ask for, the receiver first."""
    # what is not asked for is left to --ros-args and the defaults
    named = (
        *("network", "finder", "threshold", "upper_body_only", "hands", "hand_network"),
        *("detect_palms", "smoothing", "person_height", "max_people", "id_prefix"),
    )
    asked = _asked(options, named)
    parent, _, _ = options.image_topic.rpartition("/")
    info = f"{parent}/camera_info" if "/" in options.image_topic else "camera_info"
    remap = ["--ros-args", "-r", f"image:={options.image_topic}", "-r", f"camera_info:={info}"]
    if options.depth_topic:
        asked["use_depth"] = True
        remap += ["-r", f"depth:={options.depth_topic}"]
    others: list[ManagedNode[Any]] = []
    if options.gesture:
        hands = {name: asked[name] for name in ("hands",) if name in asked}
        others.append(GestureNode(parameter_overrides=_parameters(hands)))
    if not options.camera:
        return [*others, PoseNode(cli_args=remap, parameter_overrides=_parameters(asked))]
    if may_repeat(options.camera):
        asked["allow_still_images"] = True
    captured: dict[str, Any] = {"source": options.camera, "wait_for_camera": False}
    captured |= _asked(options, _CAMERA)
    camera = CameraNode(cli_args=remap, parameter_overrides=_parameters(captured))
    pose = PoseNode(
        subscribe=camera.subscribe, cli_args=remap, parameter_overrides=_parameters(asked)
    )
    return [*others, pose, camera]


def _ros_arguments(values: Mapping[str, Any]) -> list[str]:
    """Return values as ROS arguments, which those of the command line follow and override."""
    return ["--ros-args", *(text for name in values for text in ("-p", f"{name}:={values[name]}"))]


def _parameters(values: dict[str, Any]) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


def main(args: Sequence[str] | None = None) -> int:
    """Run the nodes until Ctrl-C; return the exit code.

    Args:
        args: Command line without the program's name; None takes the process's.
    """
    given = list(sys.argv[1:] if args is None else args)
    split = given.index("--ros-args") if "--ros-args" in given else len(given)
    # name:=value before --ros-args would be an old kind of remapping to rclpy
    own = [re.sub(r"^(\w+):=", _as_option, arg) for arg in given[:split]]
    options = parser().parse_args(own)
    drawn: list[str] = []
    if options.gesture and is_synthetic(options.camera):
        try:
            scene = gesture_scene(options.camera)
        except PoseRosError as error:
            print(f"pose-ros up: {error}", file=sys.stderr)
            return 1
        options.camera = scene.source
        drawn = _ros_arguments({**scene.pose, **scene.gesture})
    if not options.no_live and sys.stdout.isatty():
        # what is logged takes the place of the line, which is printed again below it
        os.environ.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", f"{CLEAR}{_LOG_FORMAT}")
    return run(
        lambda: make_nodes(options),
        ["pose-ros", *drawn, *given[split:]],
        autostart=True,
        make_companion=None if options.no_live else make_line,
    )


def make_line() -> LiveLine:
    """Return what prints a line on the nodes."""
    return LiveLine(piped_seconds=PIPED_LINE_SECONDS)


def _as_option(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')}="


if __name__ == "__main__":
    sys.exit(main())
