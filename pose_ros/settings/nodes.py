"""The parameters of each node: one table a node.

A table holds the options of its subjects (``group``), which the command line and Python have too,
and those that the node alone has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from pose_ros.errors import OptionError
from pose_ros.settings import documented, group, option
from pose_ros.settings.commands import CommandOptions, VelocityLimits
from pose_ros.settings.estimation import (
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    network_option,
)
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.images import (
    BY_NAME,
    OPTICAL_FRAME,
    ImageOptions,
    LensOptions,
    StereoOptions,
)
from pose_ros.settings.lifting import LiftOptions, MountOptions
from pose_ros.settings.multiview import FusionOptions
from pose_ros.settings.outputs import OverlayOptions

# fields that several tables have
_autostart = partial(
    option,
    False,
    help="Configure and activate without a launch file or a manager.",
    fixed=True,
    flag="",
)
_wait_for_camera = partial(
    option,
    True,
    help="Wait for a camera or stream that is not there yet, and take it when it comes; otherwise "
    "the node does not become active.",
    flag="",
)
_camera_info_url = partial(
    option,
    "",
    help="Calibration of the node's own source, as camera_calibration writes it: the path or "
    "file:// address of a YAML file; empty for none.",
    flag="calibration",
)
_frame_id = partial(
    option,
    OPTICAL_FRAME,
    help="Optical frame of the images of the node's own source: x right, y down, z forward.",
)

DEFAULT_COMMANDS = """\
stop: stop
come_here: {do: twist, linear: 0.2}
point: {do: twist, linear: 0.3, angular: 0.8, proportional: true}
wave: {do: event, name: wave}
"""


def parse_prefix(text: str) -> str:
    """Check what a name on /tf and a topic may begin with.

    Raises:
        OptionError: It may not.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", text):
        raise OptionError(
            "id_prefix must be a lower-case letter, then letters, digits or underscores; "
            f"got {text!r}"
        )
    return text


def _id_prefix(which: str) -> str:
    field: str = option(
        "p",
        help="Text before the number of a person in the names of frames and of the topics of "
        f"REP-155; {which}",
        parse=parse_prefix,
    )
    return field


def _rep155(what: str) -> bool:
    field: bool = option(False, help=f"{what}, as REP-155 asks; needs hri_msgs.", flag="")
    return field


def _publish_markers() -> bool:
    field: bool = option(
        True,
        help="Publish ~/markers for RViz and Foxglove while they have a subscriber.",
        live=True,
        flag="",
    )
    return field


def _publish_foxglove(topics: str) -> bool:
    field: bool = option(
        False,
        help=f"Publish {topics} for Lichtblick and Foxglove while they have a subscriber; needs "
        "foxglove_msgs.",
        flag="",
    )
    return field


def _min_joint_score(meaning_of_unset: str) -> float | None:
    field: float | None = option(
        None,
        help="Least score of a joint that has a frame on /tf and a marker.",
        minimum=0.0,
        maximum=1.0,
        unset=0.0,
        meaning_of_unset=meaning_of_unset,
        live=True,
        flag="",
    )
    return field


@documented
@dataclass(frozen=True)
class PoseParameters:
    """Parameters of ``pose_node``."""

    network: str = network_option()
    estimator: EstimatorOptions = group(EstimatorOptions)
    hands: HandOptions = group(HandOptions, "Hands.")
    engine: EngineOptions = group(EngineOptions, "What runs the networks.")
    image_transport: str = option(
        "raw",
        help="Transport of the images: raw, topic image; or compressed, topic image/compressed.",
        choices=("raw", "compressed"),
        section="Where images come from.",
        flag="",
    )
    images: ImageOptions = group(ImageOptions)
    allow_still_images: bool = option(
        False,
        help="Take images that repeat the one before, pixel for pixel, as drawn or recorded ones "
        "may; of a camera they mean that it is frozen, and no poses are sent.",
        live=True,
        flag="",
    )
    source: str = option(
        "",
        help="Device, file, folder, stream or synthetic that the node captures from by itself; "
        "empty: images come from the topic.",
        flag="",
    )
    wait_for_camera: bool = _wait_for_camera()
    frame_id: str = _frame_id(flag="")
    camera_info_url: str = _camera_info_url(flag="")
    lens: LensOptions = group(LensOptions)
    image_kind: str = option(
        BY_NAME,
        help="Whether the images are raw or rectified, which camera_info does not say; auto: as "
        "the name of their topic says (image_rect).",
        choices=(BY_NAME, "raw", "rectified"),
        section="Where people are in meters: with a camera_info beside the images, or the above.",
        flag="",
    )
    lift: LiftOptions = group(LiftOptions)
    mount: MountOptions = group(MountOptions)
    use_depth: bool = option(
        False,
        help="Measure distances in the topic depth, which is registered to the images.",
        flag="",
    )
    publish_overlay: bool = option(
        True,
        help="Publish ~/overlay while it has a subscriber.",
        live=True,
        section="What is drawn on ~/overlay.",
        flag="",
    )
    drawing: OverlayOptions = group(OverlayOptions)
    publish_tf: bool = option(
        True,
        help="Send people as frames on /tf, body_p0, left_wrist_p0 and so on, where their meters "
        "are known.",
        section="How people are published; in meters, nothing without a camera_info.",
        flag="",
    )
    publish_markers: bool = _publish_markers()
    publish_foxglove: bool = _publish_foxglove("~/image_annotations and ~/scene")
    min_joint_score: float | None = _min_joint_score(
        "what suits the network, 0.5 for BlazePose and all that it finds for one "
        "that leaves joints out"
    )
    people_frame: str = option(
        "",
        help="Frame that stands still, such as odom or map, in which people are published on "
        "/people for the social layer of a costmap; empty: they are not. Needs people_msgs.",
        flag="",
    )
    publish_detections: bool = option(
        False,
        help="Publish the boxes of people on ~/detections too; needs vision_msgs.",
        flag="",
    )
    publish_cloud: bool = option(
        False,
        help="Publish ~/cloud, the measured points of people, while it has a subscriber; needs "
        "masks and use_depth.",
        flag="",
    )
    id_prefix: str = _id_prefix("where several nodes run, give each its own.")
    rep155: bool = _rep155("Publish people on /humans/bodies too")
    autostart: bool = _autostart()


@documented
@dataclass(frozen=True)
class CameraParameters:
    """Parameters of ``camera_node``."""

    source: str = option(
        "synthetic",
        help="Device (/dev/video0, 0), video file, bag, image folder, rtsp or http stream, or "
        "synthetic.",
        flag="",
    )
    wait_for_camera: bool = _wait_for_camera()
    images: ImageOptions = group(ImageOptions)
    rate: float | None = option(
        None,
        help="Most frames a second.",
        minimum=0.001,
        maximum=1000.0,
        unset=0.0,
        meaning_of_unset="all that the source has",
    )
    width: int | None = option(
        None,
        help="Width to ask of a camera or of the synthetic actor.",
        minimum=1,
        maximum=16384,
        unit="pixels",
        unset=0,
        meaning_of_unset="its own",
    )
    height: int | None = option(
        None,
        help="Height to ask of a camera or of the synthetic actor.",
        minimum=1,
        maximum=16384,
        unit="pixels",
        unset=0,
        meaning_of_unset="its own",
    )
    loop: bool = option(
        False,
        help="Play a file or folder again from its start when it ends; not a bag.",
        flag="",
    )
    frame_id: str = _frame_id()
    camera_info_url: str = _camera_info_url(
        help="Calibration of the camera, as camera_calibration writes it: the path or file:// "
        "address of a YAML file; room.yaml#left: of the camera left in a file of pose-ros "
        "calibrate; empty for none."
    )
    lens: LensOptions = group(LensOptions)
    two_lenses: StereoOptions = group(StereoOptions)
    autostart: bool = _autostart()


@documented
@dataclass(frozen=True)
class GestureParameters:
    """Parameters of ``gesture_node``."""

    commands: str = option(
        DEFAULT_COMMANDS,
        help="Which gesture is which command, in YAML: twist, goal, follow, stop or event (see "
        "docs/reference/commands.md). A side goes before the name (left point); what is not listed "
        "commands nothing.",
        flag="",
    )
    command: CommandOptions = group(CommandOptions, "Who commands.")
    allow_replay: bool = option(
        False,
        help="Command a robot by the clock of a simulation or the images of a bag, too.",
        flag="",
    )
    limits: VelocityLimits = group(
        VelocityLimits, "How fast it may go. These limits hold for every command above."
    )
    rate: float = option(
        20.0,
        help="Commands a second.",
        minimum=5.0,
        maximum=100.0,
        section="What is sent.",
        flag="",
    )
    stamped: bool = option(
        True,
        help="Whether cmd_vel is a TwistStamped; otherwise it is a Twist.",
        flag="",
    )
    base_frame: str = option("base_link", help="Frame of the speeds: x forward, z up.", flag="")
    targets: TargetOptions = group(TargetOptions)
    goal_action: bool = option(
        False,
        help="Send goals to Nav2's action navigate_to_pose, not to goal_pose; needs nav2_msgs.",
        flag="",
    )
    hands: bool = option(
        False,
        help="Take gestures of hands too, from pose/hands; the pose node has to give them.",
        section="What is a gesture.",
    )
    gestures: GestureOptions = group(GestureOptions)
    id_prefix: str = _id_prefix("as that of the pose node.")
    rep155: bool = _rep155("Publish gestures, postures and engagement of people below /humans too")
    teach: bool = option(
        False,
        help="Offer the services teach and remove, for gestures that go to the file of taught, "
        "which need not exist yet. While one is taught no command is given.",
        flag="",
    )
    autostart: bool = _autostart()


@documented
@dataclass(frozen=True)
class FusionParameters:
    """Parameters of ``fusion_node``."""

    cameras: str = option(
        "",
        help="Names of the cameras, with commas between them; the first one is the reference.",
        metavar="NAMES",
        section="Which cameras, and where they stand.",
        flag="",
    )
    poses_topic: str = option(
        "{camera}/pose/poses",
        help="Topic of the poses of a camera; {camera} stands for its name.",
        flag="",
    )
    camera_info_topic: str = option(
        "{camera}/camera_info",
        help="Topic of the camera_info of a camera; used only without a calibration.",
        flag="",
    )
    calibration: str = option(
        "",
        help="File that says how the cameras see and where they stand: .yaml of pose-ros "
        "calibrate, OpenCV or Kalibr, .toml of Pose2Sim or caliscope, or .json; empty: by "
        "camera_info and /tf.",
        flag="",
    )
    target_frame: str = option(
        "",
        help="Frame of the people; world_frame is that of the calibration, others are looked up "
        "on /tf. Empty: the optical frame of the first camera, as a gesture node takes it best.",
        flag="",
    )
    world_frame: str = option("world", help="Frame of the calibration's world.", flag="")
    fusion: FusionOptions = group(FusionOptions, "How people are fused.")
    hands: bool = option(
        False,
        help="Fuse the hands of these people too, from the topic hands beside a camera's poses; "
        "the pose nodes have to give them.",
        flag="",
    )
    silent_after: float = option(
        1.0,
        help="Time without poses after which a camera is said to be silent.",
        minimum=0.1,
        maximum=60.0,
        unit="seconds",
        live=True,
        section="What is said and published.",
        flag="",
    )
    publish_tf: bool = option(
        True,
        help="Send people as frames on /tf, body_p0, left_wrist_p0 and so on.",
        flag="",
    )
    publish_cameras: bool = option(
        False,
        help="Send the places of the cameras that the calibration says on /tf_static, below "
        "world_frame; only for cameras whose optical frames nothing else places.",
        flag="",
    )
    publish_markers: bool = _publish_markers()
    publish_foxglove: bool = _publish_foxglove("~/scene")
    min_joint_score: float | None = _min_joint_score("what suits the network")
    id_prefix: str = option(
        "p",
        help="Text before the number of a person in the names of frames; another one than that of "
        "pose nodes that send frames too.",
        parse=parse_prefix,
        flag="",
    )
    autostart: bool = _autostart()
