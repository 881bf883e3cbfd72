"""Every parameter of the nodes: what ``params`` declares with ROS and checks on every change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pose_ros.core.encoded_images import DEFAULT_MAX_MEGAPIXELS
from pose_ros.core.lift import LiftOptions
from pose_ros.core.options import AUTO_FINDER, MAX_PEOPLE, MAX_REID_TIMEOUT, MAX_TILES
from pose_ros.errors import OptionError
from pose_ros.ros.params import parameter
from pose_ros.runtime.providers import PRECISIONS, PROVIDERS
from pose_ros.viz.overlay import parse_parts

_IMAGE_KINDS = ("auto", "raw", "rectified")


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


def check_height(meters: float) -> float:
    """Check a height of people; 0 is unknown.

    Raises:
        OptionError: Nobody is that tall.
    """
    try:
        return LiftOptions(height=meters or None).height or 0.0
    except OptionError as error:
        raise OptionError(f"person_height: {error}; 0 where it is unknown") from None


_AUTOSTART = parameter(
    False,
    "Configure and activate by itself, where neither a launch file nor a manager does it.",
    fixed=True,
)

_MAX_MEGAPIXELS = parameter(
    DEFAULT_MAX_MEGAPIXELS,
    "Largest image that is taken in, in millions of pixels; a larger one is refused before it is "
    "decoded.",
    low=0.01,
    high=1000.0,
)

_BAG_TOPIC = parameter(
    "", "Topic of the images, where the source is a bag with several; empty: the only one."
)


_WAIT_FOR_CAMERA = parameter(
    True,
    "Wait for a camera or stream that is not there yet, and take it when it comes; otherwise the "
    "node does not become active.",
)


@dataclass(frozen=True)
class PoseParameters:
    """Parameters of ``pose_node``."""

    network: str = parameter(
        "blazepose-full",
        "Network that finds the people: a name of pose-ros models list, or the path of your own, "
        ".onnx or its card, .yaml.",
    )
    threshold: float = parameter(
        0.0,
        "Least score at which a person is newly found; 0: the network's own, such as 0.5.",
        low=0.0,
        high=1.0,
        live=True,
    )
    min_tracking_confidence: float = parameter(
        0.5, "Least score at which a found person is kept.", low=0.0, high=1.0, live=True
    )
    upper_body_only: bool = parameter(
        False, "Give the keypoints of the upper body only, without z.", live=True
    )
    hands: bool = parameter(
        False, "Find the hands of the people too, on ~/hands; needs a BlazePose network."
    )
    hand_network: str = parameter(
        "blazehand-full", "Network that finds the hands: blazehand-full or, quicker, -lite."
    )
    detect_palms: bool = parameter(
        False,
        "With hands: find hands without a body too, by their palms. They may stop a robot, "
        "and command nothing else.",
    )
    smoothing: bool = parameter(True, "Filter keypoints over time, by stamps.", live=True)
    static_image_mode: bool = parameter(
        False, "Treat every image by itself: no tracking, no smoothing."
    )
    max_people: int = parameter(1, "Most people to look for.", low=1, high=MAX_PEOPLE)
    reid_timeout: float = parameter(
        2.0,
        "Seconds for which somebody out of sight keeps the id.",
        low=0.0,
        high=MAX_REID_TIMEOUT,
        live=True,
    )
    detect_tiles: int = parameter(
        1,
        "Tiles along the longer side in which small people are looked for too; 1 for none.",
        low=1,
        high=MAX_TILES,
        live=True,
    )
    finder: str = parameter(
        AUTO_FINDER,
        "What looks for people, for networks that see one at a time: a network that finds "
        "everybody in one look, by name or path; blazepose: its own detector alone; auto: the best "
        "that is in the cache, and blazepose where max_people is 1.",
    )
    provider: str = parameter(
        "auto",
        "What runs the network; auto takes the fastest that is there.",
        choices=PROVIDERS,
    )
    require_gpu: bool = parameter(
        False, "Refuse to configure when the network would not run on a GPU."
    )
    threads: int = parameter(2, "CPU threads of the network.", low=1, high=64)
    precision: str = parameter(
        "fp32",
        "Numbers that the network computes in; quicker and less exact: fp16 on a GPU, int8 on a "
        "CPU.",
        choices=PRECISIONS,
    )
    models_dir: str = parameter("", "Folder of model files; empty: the user's cache folder.")
    image_transport: str = parameter(
        "raw",
        "Images come as image (raw) or as image/compressed (compressed).",
        choices=("raw", "compressed"),
    )
    max_megapixels: float = _MAX_MEGAPIXELS
    allow_still_images: bool = parameter(
        False,
        "Take images that repeat the one before, pixel for pixel, as drawn or recorded ones may; "
        "of a camera they mean that it is frozen, and no poses are sent.",
        live=True,
    )
    source: str = parameter(
        "",
        "Capture by itself from this device, file, folder, stream or synthetic, with no image "
        "topic; empty: take images from the topic.",
    )
    wait_for_camera: bool = _WAIT_FOR_CAMERA
    bag_topic: str = _BAG_TOPIC
    frame_id: str = parameter(
        "camera_optical_frame", "Optical frame of the images of the node's own source."
    )
    camera_info_url: str = parameter(
        "", "Calibration YAML of the node's own source: a path or file:// address."
    )
    hfov: float = parameter(
        0.0,
        "Horizontal field of view in degrees of the node's own source, where there is no "
        "calibration; 0: unknown.",
        low=0.0,
        high=179.0,
    )
    image_kind: str = parameter(
        "auto",
        "Whether the images are raw or rectified, which camera_info does not say; auto: as the "
        "name of their topic says (image_rect).",
        choices=_IMAGE_KINDS,
    )
    person_height: float = parameter(
        0.0,
        "Height of the people in meters, 0.5 to 2.5; 0: unknown. Distances are as good as it is.",
        low=0.0,
        high=2.5,
        parse=check_height,
        live=True,
    )
    camera_height: float = parameter(
        0.0,
        "Meters from a level floor to a camera that stays as it is mounted; 0: unknown.",
        low=0.0,
        high=10.0,
    )
    camera_pitch: float = parameter(
        0.0,
        "Degrees by which that camera looks down; used with camera_height alone.",
        low=-80.0,
        high=80.0,
    )
    use_depth: bool = parameter(
        False, "Measure distances in the topic depth, which is registered to the images."
    )
    max_depth_skew: float = parameter(
        0.05,
        "Seconds by which a depth image may be older or newer than its image.",
        low=0.0,
        high=1.0,
        live=True,
    )
    overlay: str = parameter(
        "box,links,keypoints",
        "What to draw on ~/overlay: box, links, keypoints with commas between them, or none.",
        parse=parse_parts,
        live=True,
    )
    publish_overlay: bool = parameter(
        True, "Publish ~/overlay while somebody subscribes to it.", live=True
    )
    publish_tf: bool = parameter(
        True, "Send people as frames on /tf, where their meters are known."
    )
    publish_markers: bool = parameter(
        True, "Publish ~/markers while somebody subscribes to it.", live=True
    )
    min_joint_score: float = parameter(
        0.0,
        "Least score of a joint that has a frame on /tf and a marker; 0: what suits the "
        "network, 0.5 for BlazePose and all that it finds for one that leaves joints out.",
        low=0.0,
        high=1.0,
        live=True,
    )
    id_prefix: str = parameter(
        "p",
        "Before a person's number in the names of frames and of REP-155's topics; where several "
        "nodes run, give each its own.",
        parse=parse_prefix,
    )
    rep155: bool = parameter(
        False, "Publish people on /humans/bodies too, as REP-155 asks; needs hri_msgs."
    )
    autostart: bool = _AUTOSTART


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of ``camera_node``."""

    source: str = parameter(
        "synthetic",
        "Device (/dev/video0, 0), video file, bag, image folder, stream or synthetic.",
    )
    wait_for_camera: bool = _WAIT_FOR_CAMERA
    bag_topic: str = _BAG_TOPIC
    rate: float = parameter(
        0.0, "Frames a second; 0: as many as the source has.", low=0.0, high=1000.0
    )
    width: int = parameter(
        0, "Pixels to ask of a camera or the synthetic actor; 0: its own.", low=0, high=16384
    )
    height: int = parameter(
        0, "Pixels to ask of a camera or the synthetic actor; 0: its own.", low=0, high=16384
    )
    loop: bool = parameter(
        False, "Play a file or folder again from its start when it ends; not a bag."
    )
    max_megapixels: float = _MAX_MEGAPIXELS
    frame_id: str = parameter(
        "camera_optical_frame", "Optical frame of the images: x right, y down, z forward."
    )
    camera_info_url: str = parameter(
        "", "Calibration YAML, as camera_calibration writes it: a path or file:// address."
    )
    hfov: float = parameter(
        0.0,
        "Horizontal field of view in degrees to make up a camera_info from, where there is no "
        "calibration; 0: none.",
        low=0.0,
        high=179.0,
    )
    autostart: bool = _AUTOSTART
