"""The nodes in one process, frames handed over in memory, for `pose-ros up`.

All topics are there too. It serves where there is no ros2 launch.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rclpy.parameter import Parameter

from pose_ros.errors import OptionError, PoseRosError
from pose_ros.messages.cameras import camera_info_topic
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.fusion_node import FusionNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.source_parameters import (
    FUSED_TOPICS,
    OF_ONE_CAMERA,
    SCENE_DELAY,
    SeveralCameras,
    gesture_scene,
    optical_frame,
    refuse_sources,
    several_cameras,
    stereo_camera,
)
from pose_ros.ros.watch import CLEAR, LiveLine
from pose_ros.settings.command_line import TRUTH, add_parameters_to_parser
from pose_ros.settings.nodes import CameraParameters, PoseParameters
from pose_ros.settings.parameters import parameters_of
from pose_ros.sources.names import is_synthetic, may_repeat

PIPED_LINE_SECONDS = 10.0
IMAGES = "image"
_LOG_FORMAT = "[{severity}] [{time}] [{name}]: {message}"  # rcutils' own


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
        action="append",
        default=[],
        metavar="SOURCE",
        help="device, video, bag, image folder, stream or synthetic; none: images from a topic. "
        "More than one --camera: each person gets one skeleton, by a --calibration of pose-ros "
        "calibrate that says where the cameras stand",
    )
    made.add_argument("--image-topic", metavar="TOPIC", help=f"topic of the images ({IMAGES})")
    made.add_argument(
        "--depth-topic", metavar="TOPIC", help="topic of depth images registered to the images"
    )
    made.add_argument(
        "--gesture",
        **TRUTH,
        help="run the gesture node too, which commands a robot",
    )
    camera, pose = flags_of(CameraParameters), flags_of(PoseParameters)
    add_parameters_to_parser(CameraParameters, made, camera)
    own = {flag: name for flag, name in pose.items() if flag not in camera}
    add_parameters_to_parser(PoseParameters, made, own)
    made.add_argument("--no-live", action="store_true", help="print no live line")
    return made


def flags_of(table: type[Any]) -> dict[str, str]:
    """Return the parameters of a node that have a flag, by the flags without their dashes."""
    parameters = parameters_of(table)
    return {p.option.flag: name for name, p in parameters.items() if p.option.flag}


def _asked(options: argparse.Namespace, table: type[Any]) -> dict[str, Any]:
    """Return the parameters of a node that flags set; what is not asked for is left to it."""
    flags = flags_of(table)
    given = {name: getattr(options, flag.replace("-", "_")) for flag, name in flags.items()}
    return {name: value for name, value in given.items() if value is not None}


def make_nodes(
    options: argparse.Namespace, several: SeveralCameras | None = None
) -> list[ManagedNode[Any]]:
    """Return the nodes that the options ask for, the receiver first.

    Args:
        options: Of the command line.
        several: What suits the nodes to the cameras, where there is more than one.
    """
    if several is not None:
        return _nodes_of_several(options, several)
    # what is not asked for is left to --ros-args and the defaults
    asked = _asked(options, PoseParameters)
    images = options.image_topic or IMAGES
    topics = [("image", images), ("camera_info", camera_info_topic(images))]
    if options.depth_topic:
        asked["use_depth"] = True
        topics.append(("depth", options.depth_topic))
    remap = _remappings(topics)
    others: list[ManagedNode[Any]] = []
    if options.gesture:
        hands = {name: asked[name] for name in ("hands",) if name in asked}
        others.append(GestureNode(parameter_overrides=_parameters(hands)))
    if not any(options.camera):
        return [*others, PoseNode(cli_args=remap, parameter_overrides=_parameters(asked))]
    (source,) = options.camera
    if may_repeat(source):
        asked["allow_still_images"] = True
    captured: dict[str, Any] = {"source": source, "wait_for_camera": False}
    captured |= _asked(options, CameraParameters)
    camera = CameraNode(cli_args=remap, parameter_overrides=_parameters(captured))
    pose = PoseNode(
        subscribe=camera.subscribe, cli_args=remap, parameter_overrides=_parameters(asked)
    )
    return [*others, pose, camera]


def find_cameras(options: argparse.Namespace) -> SeveralCameras | None:
    """Return what suits the nodes to several cameras; None where there is one or none.

    Raises:
        OptionError: The options do not go together, or the calibration is of other cameras.
    """
    stereo = (options.stereo or "none") != "none"
    if len(options.camera) < 2 and not stereo:
        return None
    ones = [name for name in OF_ONE_CAMERA if getattr(options, name, None)]
    lines = refuse_sources(options.camera, options.calibration or "", ones, stereo=stereo)
    if lines:
        raise OptionError(lines[0])
    if stereo:
        return stereo_camera(options.camera[0], options.calibration)
    return several_cameras(
        options.camera,
        options.calibration or "",
        begin=time.time() + SCENE_DELAY,
        commanding=options.gesture,
    )


def _nodes_of_several(
    options: argparse.Namespace, several: SeveralCameras
) -> list[ManagedNode[Any]]:
    """Return the nodes of several cameras, each receiver before those it hears."""
    asked, captured = _asked(options, PoseParameters), _asked(options, CameraParameters)
    captured.pop("camera_info_url", None)  # which is of one camera
    to_fusion = ("smoothing", "id_prefix")  # what leaves is smoothed and named once
    fused: dict[str, Any] = {name: asked.pop(name) for name in to_fusion if name in asked}
    hands = {name: asked[name] for name in ("hands",) if name in asked}
    fusion = _parameters({**fused, **hands, **several.fusion})
    nodes: list[ManagedNode[Any]] = [FusionNode(parameter_overrides=fusion)]
    if options.gesture:
        heard = _remappings(FUSED_TOPICS)
        nodes.insert(0, GestureNode(cli_args=heard, parameter_overrides=_parameters(hands)))
    poses: list[ManagedNode[Any]] = []
    cameras: list[ManagedNode[Any]] = []
    if several.is_stereo:
        (defaults,), (own_camera,) = several.camera_defaults, several.cameras
        both = {"wait_for_camera": False, **defaults, **captured, **own_camera}
        stereo = CameraNode(parameter_overrides=_parameters(both))
        each = zip(several.names, several.pose_defaults, several.poses, strict=True)
        for name, first, values in each:
            hear = partial(stereo.subscribe, side=name)
            own = _parameters({**first, **asked, **values})
            poses.append(PoseNode(subscribe=hear, namespace=name, parameter_overrides=own))
        return [*nodes, *poses, stereo]
    for number, name in enumerate(several.names):
        found = {
            "wait_for_camera": False,
            "frame_id": optical_frame(name),
            **several.camera_defaults[number],
            **captured,
            **several.cameras[number],
        }
        camera = CameraNode(namespace=name, parameter_overrides=_parameters(found))
        own = _parameters({**asked, **several.poses[number]})
        poses.append(PoseNode(subscribe=camera.subscribe, namespace=name, parameter_overrides=own))
        cameras.append(camera)
    return [*nodes, *poses, *cameras]


def _remappings(topics: Iterable[tuple[str, str]]) -> list[str]:
    return ["--ros-args", *(text for own, name in topics for text in ("-r", f"{own}:={name}"))]


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
    try:
        several = find_cameras(options)
        if several is not None:
            drawn = _ros_arguments({**several.pose, **several.fusion_defaults, **several.gesture})
        elif options.gesture and options.camera and is_synthetic(options.camera[0]):
            scene = gesture_scene(options.camera[0])
            options.camera = [scene.source]
            drawn = _ros_arguments({**scene.pose, **scene.gesture})
    except PoseRosError as error:
        print(f"pose-ros up: {error}", file=sys.stderr)
        return 1
    if not options.no_live and sys.stdout.isatty():
        # what is logged takes the place of the line, which is printed again below it
        os.environ.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", f"{CLEAR}{_LOG_FORMAT}")
    return run(
        lambda: make_nodes(options, several),
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
