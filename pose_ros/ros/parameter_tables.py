"""The parameters of the pose node and of the camera node, for ``params`` to declare.

What the command line and Python have too stands in ``pose_ros.settings``; the rest is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pose_ros.errors import OptionError
from pose_ros.settings import group, option
from pose_ros.settings.drawing import OverlayOptions
from pose_ros.settings.estimation import (
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    network_option,
)
from pose_ros.settings.images import BY_NAME, OPTICAL_FRAME, ImageOptions, LensOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions


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


def autostart_option() -> bool:
    """Return the field ``autostart``, which every node has."""
    field: bool = option(
        False,
        help="Configure and activate without a launch file or a manager.",
        fixed=True,
    )
    return field


def wait_option() -> bool:
    """Return the field ``wait_for_camera`` of a node that may have a source of its own."""
    field: bool = option(
        True,
        help="Wait for a camera or stream that is not there yet, and take it when it comes; "
        "otherwise the node does not become active.",
    )
    return field


def camera_info_option() -> str:
    """Return the field ``camera_info_url`` of a node that may have a source of its own."""
    field: str = option(
        "",
        help="Calibration of the node's own source, as camera_calibration writes it: the path or "
        "file:// address of a YAML file; empty for none.",
    )
    return field


def frame_option() -> str:
    """Return the field ``frame_id`` of a node that may have a source of its own."""
    field: str = option(
        OPTICAL_FRAME,
        help="Optical frame of the images of the node's own source: x right, y down, z forward.",
    )
    return field


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
    )
    images: ImageOptions = group(ImageOptions)
    allow_still_images: bool = option(
        False,
        help="Take images that repeat the one before, pixel for pixel, as drawn or recorded ones "
        "may; of a camera they mean that it is frozen, and no poses are sent.",
        live=True,
    )
    source: str = option(
        "",
        help="Device, file, folder, stream or synthetic that the node captures from by itself; "
        "empty: images come from the topic.",
    )
    wait_for_camera: bool = wait_option()
    frame_id: str = frame_option()
    camera_info_url: str = camera_info_option()
    lens: LensOptions = group(LensOptions)
    image_kind: str = option(
        BY_NAME,
        help="Whether the images are raw or rectified, which camera_info does not say; auto: as "
        "the name of their topic says (image_rect).",
        choices=(BY_NAME, "raw", "rectified"),
        section="Where people are in meters: with a camera_info beside the images, or the above.",
    )
    lift: LiftOptions = group(LiftOptions)
    mount: MountOptions = group(MountOptions)
    use_depth: bool = option(
        False,
        help="Measure distances in the topic depth, which is registered to the images.",
    )
    publish_overlay: bool = option(
        True,
        help="Publish ~/overlay while it has a subscriber.",
        live=True,
        section="What is drawn on ~/overlay.",
    )
    drawing: OverlayOptions = group(OverlayOptions)
    publish_tf: bool = option(
        True,
        help="Send people as frames on /tf, body_p0, left_wrist_p0 and so on, where their meters "
        "are known.",
        section="How people are published; in meters, nothing without a camera_info.",
    )
    publish_markers: bool = option(
        True,
        help="Publish ~/markers for RViz and Foxglove while they have a subscriber.",
        live=True,
    )
    min_joint_score: float | None = option(
        None,
        help="Least score of a joint that has a frame on /tf and a marker.",
        minimum=0.0,
        maximum=1.0,
        unset=0.0,
        meaning_of_unset="what suits the network, 0.5 for BlazePose and all that it finds for one "
        "that leaves joints out",
        live=True,
    )
    id_prefix: str = option(
        "p",
        help="Text before the number of a person in the names of frames and of the topics of "
        "REP-155; where several nodes run, give each its own.",
        parse=parse_prefix,
    )
    rep155: bool = option(
        False, help="Publish people on /humans/bodies too, as REP-155 asks; needs hri_msgs."
    )
    autostart: bool = autostart_option()


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of ``camera_node``."""

    source: str = option(
        "synthetic",
        help="Device (/dev/video0, 0), video file, bag, image folder, rtsp or http stream, or "
        "synthetic.",
    )
    wait_for_camera: bool = wait_option()
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
        False, help="Play a file or folder again from its start when it ends; not a bag."
    )
    frame_id: str = frame_option()
    camera_info_url: str = camera_info_option()
    lens: LensOptions = group(LensOptions)
    autostart: bool = autostart_option()
