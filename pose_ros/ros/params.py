"""Every parameter of the nodes, declared once: default, range or choices, meaning, live or not.

A node's parameters are one frozen dataclass. Its fields are the table that is
declared with ROS and checked on every change, and an instance of it is what the
node reads: there is no second place to keep in step.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)

from pose_ros.core.options import MAX_PEOPLE, MAX_REID_TIMEOUT, MAX_TILES
from pose_ros.errors import OptionError
from pose_ros.runtime.providers import PRECISIONS, PROVIDERS
from pose_ros.viz.overlay import parse_parts

Value = bool | int | float | str
Table = TypeVar("Table")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


@dataclass(frozen=True)
class Rule:
    """What a parameter may be and when it may change.

    Attributes:
        description: One line, with the unit.
        low: Least value, with ``high``; None where there is no range.
        high: Greatest value.
        choices: The allowed words; empty where any text will do.
        parse: Reads a text that is more than one word of ``choices``; OptionError when it cannot.
        live: It may change at any time and applies to the next frame.
        fixed: It may never change once the node runs.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    live: bool = False
    fixed: bool = False


def _parameter(default: Any, description: str, **rule: Any) -> Any:
    # Any: the annotation beside each field states its type, and mypy checks uses against it
    return dataclasses.field(default=default, metadata={"rule": Rule(description, **rule)})


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


_AUTOSTART = _parameter(
    False,
    "Configure and activate by itself, where neither a launch file nor a manager does it.",
    fixed=True,
)


@dataclass(frozen=True)
class PoseParameters:
    """Parameters of ``pose_node``."""

    network: str = _parameter(
        "blazepose-full", "Network that finds the people; pose-ros models list names them."
    )
    threshold: float = _parameter(
        0.0,
        "Least score at which a person is newly found; 0: the network's own, such as 0.5.",
        low=0.0,
        high=1.0,
        live=True,
    )
    min_tracking_confidence: float = _parameter(
        0.5, "Least score at which a found person is kept.", low=0.0, high=1.0, live=True
    )
    upper_body_only: bool = _parameter(
        False, "Give the keypoints of the upper body only, without z.", live=True
    )
    hands: bool = _parameter(
        False, "Find the hands of the people too, on ~/hands; needs a BlazePose network."
    )
    hand_network: str = _parameter(
        "blazehand-full", "Network that finds the hands: blazehand-full or, quicker, -lite."
    )
    smoothing: bool = _parameter(True, "Filter keypoints over time, by stamps.", live=True)
    static_image_mode: bool = _parameter(
        False, "Treat every image by itself: no tracking, no smoothing."
    )
    max_people: int = _parameter(1, "Most people to look for.", low=1, high=MAX_PEOPLE)
    reid_timeout: float = _parameter(
        2.0,
        "Seconds for which somebody out of sight keeps the id.",
        low=0.0,
        high=MAX_REID_TIMEOUT,
        live=True,
    )
    detect_tiles: int = _parameter(
        1,
        "Tiles along the longer side in which small people are looked for too; 1 for none.",
        low=1,
        high=MAX_TILES,
        live=True,
    )
    provider: str = _parameter(
        "auto",
        "What runs the network; auto takes the fastest that is there.",
        choices=PROVIDERS,
    )
    require_gpu: bool = _parameter(
        False, "Refuse to configure when the network would not run on a GPU."
    )
    threads: int = _parameter(2, "CPU threads of the network.", low=1, high=64)
    precision: str = _parameter(
        "fp32",
        "Numbers that the network computes in; quicker and less exact: fp16 on a GPU, int8 on a "
        "CPU.",
        choices=PRECISIONS,
    )
    models_dir: str = _parameter("", "Folder of model files; empty: the user's cache folder.")
    image_transport: str = _parameter(
        "raw",
        "Images come as image (raw) or as image/compressed (compressed).",
        choices=("raw", "compressed"),
    )
    source: str = _parameter(
        "",
        "Capture by itself from this device, file, folder, stream or synthetic, with no image "
        "topic; empty: take images from the topic.",
    )
    frame_id: str = _parameter(
        "camera_optical_frame", "Optical frame of the images of the node's own source."
    )
    overlay: str = _parameter(
        "box,links,keypoints",
        "What to draw on ~/overlay: box, links, keypoints with commas between them, or none.",
        parse=parse_parts,
        live=True,
    )
    publish_overlay: bool = _parameter(
        True, "Publish ~/overlay while somebody subscribes to it.", live=True
    )
    publish_tf: bool = _parameter(
        True, "Send people as frames on /tf, where their meters are known."
    )
    publish_markers: bool = _parameter(
        True, "Publish ~/markers while somebody subscribes to it.", live=True
    )
    min_joint_score: float = _parameter(
        0.5,
        "Least score of a joint that has a frame on /tf and a marker.",
        low=0.0,
        high=1.0,
        live=True,
    )
    id_prefix: str = _parameter(
        "p",
        "Before a person's number in the names of frames and of REP-155's topics; where several "
        "nodes run, give each its own.",
        parse=parse_prefix,
    )
    rep155: bool = _parameter(
        False, "Publish people on /humans/bodies too, as REP-155 asks; needs hri_msgs."
    )
    autostart: bool = _AUTOSTART


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of ``camera_node``."""

    source: str = _parameter(
        "synthetic",
        "Device (/dev/video0, 0), video file, image folder, rtsp or http stream, or synthetic.",
    )
    rate: float = _parameter(
        0.0, "Frames a second; 0: as many as the source has.", low=0.0, high=1000.0
    )
    width: int = _parameter(
        0, "Pixels to ask of a camera or the synthetic actor; 0: its own.", low=0, high=16384
    )
    height: int = _parameter(
        0, "Pixels to ask of a camera or the synthetic actor; 0: its own.", low=0, high=16384
    )
    loop: bool = _parameter(False, "Play a file or folder again from its start when it ends.")
    frame_id: str = _parameter(
        "camera_optical_frame", "Optical frame of the images: x right, y down, z forward."
    )
    camera_info_url: str = _parameter(
        "", "Calibration YAML, as camera_calibration writes it: a path or file:// address."
    )
    hfov: float = _parameter(
        0.0,
        "Horizontal field of view in degrees to make up a camera_info from, where there is no "
        "calibration; 0: none.",
        low=0.0,
        high=179.0,
    )
    autostart: bool = _AUTOSTART


def rules(table: type[Any]) -> dict[str, tuple[Value, Rule]]:
    """Return default and rule of each parameter of a table, by name."""
    found: dict[str, tuple[Any, Rule]] = {
        field.name: (field.default, field.metadata["rule"]) for field in dataclasses.fields(table)
    }
    return found


def check(name: str, value: Any, default: Value, rule: Rule) -> Any:
    """Return the value in the parameter's type.

    A whole number is taken where a real one is asked, and as the text of a
    device (``source:=0``): a command line or YAML cannot tell them apart.

    Raises:
        OptionError: The type is wrong, or the value out of its range or choices.
    """
    kind = type(default)
    if type(value) is int and kind in (float, str):
        value = kind(value)
    # bool is an int to isinstance
    fits = type(value) is kind
    if not fits:
        given = "nothing" if value is None else f"{value!r}"
        raise OptionError(f"{name} must be {_KINDS[kind]}, got {given}")
    if rule.low is not None and rule.high is not None and not rule.low <= value <= rule.high:
        raise OptionError(f"{name} must be in [{rule.low:g}, {rule.high:g}], got {value}")
    if rule.parse is not None:
        rule.parse(value)
    elif rule.choices and value not in rule.choices:
        raise OptionError(f"{name} must be one of {', '.join(rule.choices)}; got {value!r}")
    return value


def descriptor(default: Value, rule: Rule) -> ParameterDescriptor:
    """Return what ROS tools show of a parameter and check of it."""
    described = ParameterDescriptor(description=rule.description, read_only=rule.fixed)
    described.type = _TYPES[type(default)]
    if rule.choices:
        described.additional_constraints = f"one of {', '.join(rule.choices)}"
    if rule.low is not None and rule.high is not None:
        if isinstance(default, float):
            described.floating_point_range = [
                FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
            ]
        else:
            described.integer_range = [
                IntegerRange(from_value=int(rule.low), to_value=int(rule.high))
            ]
    # lets a whole number through to check(), which knows where it may stand
    described.dynamic_typing = isinstance(default, (float, str))
    return described


def declare(node: Any, table: type[Table]) -> Table:
    """Declare all parameters of a table on a node and return their present values.

    Raises:
        OptionError: A value from the command line or a parameter file is refused.
    """
    for name, (default, rule) in rules(table).items():
        # of any type and range at first: ROS refuses without a word on what is allowed
        node.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True))
        check(name, node.get_parameter(name).value, default, rule)
        node.set_descriptor(name, descriptor(default, rule))
    return read(node, table)


def read(node: Any, table: type[Table]) -> Table:
    """Return the present values as one immutable struct.

    Raises:
        OptionError: A value is refused.
    """
    values = {
        name: check(name, node.get_parameter(name).value, default, rule)
        for name, (default, rule) in rules(table).items()
    }
    return table(**values)


def on_set(
    table: type[Any], configured: Callable[[], bool]
) -> Callable[[Iterable[Any]], SetParametersResult]:
    """Return the callback for ``add_on_set_parameters_callback``.

    It only judges; a node takes the values over after they are set.

    Args:
        table: The node's parameters; others (``use_sim_time``, QoS overrides) pass.
        configured: Whether the node holds what it made from its parameters.
    """
    known = rules(table)

    def judge(parameters: Iterable[Any]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name not in known:
                continue
            default, rule = known[parameter.name]
            try:
                check(parameter.name, parameter.value, default, rule)
            except OptionError as error:
                return SetParametersResult(successful=False, reason=str(error))
            if configured() and not rule.live:
                return SetParametersResult(
                    successful=False,
                    reason=f"{parameter.name} is read when the node is configured: "
                    "deactivate and clean up first",
                )
        return SetParametersResult(successful=True)

    return judge
