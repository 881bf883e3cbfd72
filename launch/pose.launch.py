"""The nodes, brought up to active: ros2 launch pose_ros pose.launch.py camera:=0."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription

CLOCK_HZ = 100
DISCOVERY_SECONDS = 2.0  # the player's topics have to be found before the first image is sent
LAST_RESULT_SECONDS = 2.0

# ros2 launch ends at SIGTERM without a word to what it has started. The kernel passes it on.
END_WITH_LAUNCH = "setpriv --pdeathsig TERM"

TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def argument(name: str, description: str, default: str = "") -> DeclareLaunchArgument:
    """Return an argument; an empty one leaves its parameter to the file and to the node."""
    return DeclareLaunchArgument(name, default_value=default, description=description)


ARGUMENTS = [
    argument(
        "camera",
        "Device (/dev/video0, 0), video file, image folder, rtsp or http stream, or synthetic; "
        "empty: no camera node, images come from image_topic or bag",
    ),
    argument(
        "calibration",
        "Calibration YAML of the camera, as camera_calibration writes it: a path or file:///...; "
        "without it and without hfov there are no meters and no /tf",
    ),
    argument(
        "hfov", "Horizontal field of view of the camera in degrees, where it has no calibration"
    ),
    argument("frame_id", "Optical frame of the camera; empty: camera_optical_frame"),
    argument("rate", "Frames a second of the camera; empty: all that it has"),
    argument("width", "Pixels to ask of the camera; empty: its own"),
    argument("height", "Pixels to ask of the camera; empty: its own"),
    argument("loop", "Play a file or folder again when it ends: true or false"),
    argument(
        "camera_params_file",
        "Parameter file of the camera node, such as your copy of config/camera.yaml; the "
        "arguments above go before it; empty: none",
    ),
    argument(
        "bag",
        "Recording to play and to analyze: docs/how-to/recording.md; empty: none",
    ),
    argument("bag_rate", "How much faster the bag is played", "1.0"),
    argument("bag_loop", "Play the bag again and again: true or false", "false"),
    argument(
        "image_topic",
        "Topic of the images; camera_info is its sibling; empty: image, or that of the bag",
    ),
    argument("depth_topic", "Topic of depth images that are registered to the images; empty: none"),
    argument(
        "namespace",
        "Namespace of all nodes and of their topics with relative names; each of several cameras "
        "needs its own, with its own frame_id and id_prefix; empty: none",
    ),
    argument("network", "Network that finds the people; empty: blazepose-full"),
    argument(
        "threshold",
        "Least score at which a person is newly found, 0 to 1; empty: the network's own",
    ),
    argument("max_people", "Most people to look for, 1 to 10; empty: 1"),
    argument(
        "upper_body_only",
        "Give the keypoints of the upper body only: true or false; empty: false",
    ),
    argument("hands", "Find the hands of the people too: true or false; empty: false"),
    argument("smoothing", "Filter keypoints over time: true or false; empty: true"),
    argument("person_height", "Height of the people in meters; empty: unknown"),
    argument(
        "id_prefix",
        "Before a person's number in the names of frames, such as p in body_p0; empty: p",
    ),
    argument(
        "params_file",
        "Parameter file of the pose node, such as your copy of config/pose.yaml; the arguments "
        "above go before it; empty: none",
    ),
    argument(
        "gesture",
        "Gestures, and robot commands from them: true or false; docs/reference/commands.md",
        "false",
    ),
    argument("cmd_vel_topic", "Topic to which the gesture node sends speeds", "cmd_vel"),
    argument("stamped", "Speeds are a TwistStamped (true) or a Twist (false); empty: true"),
    argument(
        "gesture_params_file",
        "Parameter file of the gesture node, such as your copy of config/gestures.yaml; the "
        "arguments above go before it; empty: none",
    ),
    argument("rviz", "Show people and the overlay in RViz (package rviz2): true or false", "false"),
]

# Which parameter of which node an argument sets, and of what kind; what is empty sets none.
CAMERA = {
    "camera": ("source", str),
    "calibration": ("camera_info_url", str),
    "hfov": ("hfov", float),
    "frame_id": ("frame_id", str),
    "rate": ("rate", float),
    "width": ("width", int),
    "height": ("height", int),
    "loop": ("loop", bool),
}
POSE = {
    "network": ("network", str),
    "threshold": ("threshold", float),
    "max_people": ("max_people", int),
    "upper_body_only": ("upper_body_only", bool),
    "hands": ("hands", bool),
    "smoothing": ("smoothing", bool),
    "person_height": ("person_height", float),
    "id_prefix": ("id_prefix", str),
}
GESTURE = {"hands": ("hands", bool), "stamped": ("stamped", bool)}
KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def convert(name: str, text: str, kind: type) -> Any:
    """Return what an argument says, in the kind of its parameter.

    Raises:
        RuntimeError: It says something else.
    """
    if kind is bool and text.lower() in TRUE + FALSE:
        return text.lower() in TRUE
    try:
        if kind is not bool:
            return kind(text)
    except ValueError:
        pass
    raise RuntimeError(f"{name} must be {KINDS[kind]}, got {text!r}")


def change(node: LifecycleNode, transition: int) -> EmitEvent:
    """Return the action that asks a node for a transition."""
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )


def when(node: LifecycleNode, start: str, goal: str, action: Any) -> RegisterEventHandler:
    """Return the handler that acts the first time that a node comes from one state to another.

    Only then: later transitions are those that somebody asks for.
    """
    return RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state=start,
            goal_state=goal,
            entities=[action],
            handle_once=True,
        )
    )


def end_all(_event: Any, context: LaunchContext) -> list[Any]:
    """Return what ends the launch with one of its nodes, unless it is ending already."""
    return [] if context.is_shutdown else [Shutdown(reason="a node has ended")]


def managed_node(
    name: str,
    value: Callable[[str], str],
    parameters: list[Any],
    remappings: list[tuple[str, str]],
) -> LifecycleNode:
    """Return a node of this package; what is launched ends with it."""
    return LifecycleNode(
        package="pose_ros",
        executable=f"{name}_node",
        exec_name=f"{name}_node",  # else it is that of the prefix
        name=name,
        namespace=value("namespace"),
        output="screen",
        prefix=prefix(),
        # a file that is not named must not undo what a launch file around this one sets
        parameters=[given for given in parameters if given],
        remappings=remappings,
        on_exit=end_all,
    )


def prefix() -> list[Any] | None:
    """Return what a program of ours is started with, so that none is left behind."""
    if shutil.which("setpriv") is None:
        return None
    return [f"{END_WITH_LAUNCH} ", LaunchConfiguration("launch-prefix", default="")]


def parameters_asked(
    value: Callable[[str], str], arguments: dict[str, tuple[str, type]]
) -> dict[str, Any]:
    """Return the parameters that the arguments of a node set.

    What is not set is left to the parameter file, then to the node.
    """
    return {
        parameter: convert(argument, value(argument), kind)
        for argument, (parameter, kind) in arguments.items()
        if value(argument)
    }


def once_all(names: Collection[str], action: Any) -> Callable[[str], OpaqueFunction]:
    """Return what to do when each of several is ready: with the last of them the action."""
    waiting = set(names)

    def note(_context: LaunchContext, name: str) -> list[Any]:
        waiting.discard(name)
        return [] if waiting else [action]

    return lambda name: OpaqueFunction(function=note, args=[name])


def images_of_bag(path: Path, asked: str) -> tuple[str, bool]:
    """Return the topic of a bag's images, and whether they are compressed.

    Args:
        path: Of the bag.
        asked: Topic that the user names; empty: the only one there is.

    Raises:
        RuntimeError: There is no such bag or topic, or several that could be meant.
    """
    if importlib.util.find_spec("rosbags") is None:
        raise RuntimeError(
            "bag needs rosbags, which the Python that runs ros2 does not have: "
            "in the virtual environment say python3 $(which ros2) launch ..."
        )
    from pose_ros.errors import PoseRosError
    from pose_ros.sources.bag import open_bag
    from pose_ros.sources.bag_images import COMPRESSED, base_topic, choose_topic

    name = f"/{asked.lstrip('/')}" if asked else None
    try:
        with open_bag(path) as bag:
            topic = choose_topic(bag, name)
    except PoseRosError as error:
        raise RuntimeError(f"bag: {error}") from None
    return base_topic(topic), topic.kind == COMPRESSED


def play(path: Path, value: Callable[[str], str], topics: Collection[str]) -> ExecuteProcess:
    """Return what plays a bag: images and what they need, and no command of its robot.

    Raises:
        RuntimeError: ``ros2 bag`` is not there, or bag_rate is no rate.
    """
    if importlib.util.find_spec("ros2bag") is None:
        raise RuntimeError(
            "bag needs ros2 bag, which is not installed (apt install ros-$ROS_DISTRO-rosbag2); "
            f"without it: pose-ros up --camera {path}"
        )
    rate = convert("bag_rate", value("bag_rate"), float)
    if not 0.0 < rate < math.inf:
        raise RuntimeError(f"bag_rate must be a number above 0, got {value('bag_rate')!r}")
    from pose_ros.ros import transport

    stays = convert("rviz", value("rviz"), bool)

    def end(event: Any, context: LaunchContext) -> list[Any]:
        if context.is_shutdown:
            return []
        if event.returncode:
            return [Shutdown(reason=f"ros2 bag play has failed with code {event.returncode}")]
        if stays:
            return [LogInfo(msg="the bag has been played; Ctrl-C ends the rest")]
        played = Shutdown(reason="the bag has been played")
        return [TimerAction(period=LAST_RESULT_SECONDS, actions=[played])]

    loop = ["--loop"] if convert("bag_loop", value("bag_loop"), bool) else []
    environment = dict(os.environ)
    transport.prepare(environment)  # who publishes large images needs the memory for them
    return ExecuteProcess(
        name="bag_player",
        prefix=prefix(),
        cmd=[
            *("ros2", "bag", "play", str(path), "--clock", str(CLOCK_HZ), "--rate", f"{rate:g}"),
            *("--delay", str(DISCOVERY_SECONDS), "--disable-keyboard-controls", *loop),
            *("--topics", *topics),
        ],
        additional_env={name: text for name, text in environment.items() if name not in os.environ},
        output="screen",
        on_exit=end,
    )


def check_together(value: Callable[[str], str]) -> None:
    """Refuse arguments that do not go together.

    Raises:
        RuntimeError: There are some.
    """
    if value("camera"):
        if value("bag"):
            raise RuntimeError("camera and bag are both given: images come from one of them")
        return
    for name in (*CAMERA, "camera_params_file"):
        if value(name):
            raise RuntimeError(f"{name} is for the camera node: name its source with camera:=...")


def remappings(images: str, depth: str) -> list[tuple[str, str]]:
    """Return where the nodes find images, their camera_info, and depth where there is some."""
    parent, slash, _ = images.rpartition("/")
    found = [("image", images), ("camera_info", f"{parent}{slash}camera_info")]
    return [*found, ("depth", depth)] if depth else found


def is_drawn_or_recorded(camera: str) -> bool:
    """Return whether a source is no camera, so that its pictures may repeat.

    ``pose_ros.sources.opening`` knows it too, but imports what the Python of ros2 may not have.
    """
    device = camera.isdecimal() or (camera.startswith("/dev/") and not Path(camera).is_dir())
    stream = "://" in camera and not camera.lower().startswith("file:")
    return not device and not stream


def start_camera(camera: LifecycleNode, pose: LifecycleNode) -> list[Any]:
    """Return the actions that bring up a camera once the pose node waits for its images.

    Of a file, not even the first image is missed.
    """
    ready = once_all(("camera", "pose"), change(camera, Transition.TRANSITION_ACTIVATE))
    return [
        when(pose, "activating", "active", ready("pose")),
        when(camera, "configuring", "inactive", ready("camera")),
        camera,
        change(camera, Transition.TRANSITION_CONFIGURE),
    ]


def launch_nodes(context: LaunchContext) -> list[Any]:
    """Return the actions for these arguments.

    Raises:
        RuntimeError: Arguments are wrong, or do not go together.
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    check_together(value)
    bag = Path(value("bag")).expanduser() if value("bag") else None
    every: dict[str, Any] = {"use_sim_time": True} if bag else {}
    source: dict[str, Any] = {"use_depth": True} if value("depth_topic") else {}
    images, compressed = value("image_topic") or "image", False
    if bag or (value("camera") and is_drawn_or_recorded(value("camera"))):
        source["allow_still_images"] = True
    if bag:
        images, compressed = images_of_bag(bag, value("image_topic"))
        source["image_transport"] = "compressed" if compressed else "raw"
    topics = remappings(images, value("depth_topic"))
    asked = parameters_asked(value, POSE) | source | every
    pose = managed_node("pose", value, [value("params_file"), asked], topics)
    managed = {"pose": pose}
    if convert("gesture", value("gesture"), bool):
        # it takes the hands that the pose node is asked for here; else each file's own holds
        asked = parameters_asked(value, GESTURE) | every
        speeds = [("cmd_vel", value("cmd_vel_topic"))]
        parameters = [value("gesture_params_file"), asked]
        managed["gesture"] = managed_node("gesture", value, parameters, topics + speeds)
    actions: list[Any] = []
    for node in managed.values():
        activate = change(node, Transition.TRANSITION_ACTIVATE)
        actions += [when(node, "configuring", "inactive", activate), node]
    actions += [change(node, Transition.TRANSITION_CONFIGURE) for node in managed.values()]
    if value("camera"):
        parameters = [value("camera_params_file"), parameters_asked(value, CAMERA)]
        actions += start_camera(managed_node("camera", value, parameters, topics), pose)
    if bag:
        sent = [f"{images}/compressed" if compressed else images]
        sent += [topic for name, topic in topics if name != "image"]
        ready = once_all(managed, play(bag, value, [*sent, "/tf", "/tf_static"]))
        actions += [
            when(node, "activating", "active", ready(name)) for name, node in managed.items()
        ]
    if convert("rviz", value("rviz"), bool):
        actions.append(rviz(value, every))
    return actions


def rviz(value: Callable[[str], str], parameters: dict[str, Any]) -> Node:
    """Return RViz with the people, their frames and the overlay of these nodes."""
    config = PathJoinSubstitution([FindPackageShare("pose_ros"), "config", "pose.rviz"])
    frame = ["-f", value("frame_id")] if value("frame_id") else []
    own = value("namespace").strip("/")
    topics = ("/pose/markers", "/pose/overlay", "/gesture/markers") if own else ()
    return Node(
        package="rviz2",
        executable="rviz2",
        exec_name="rviz2",
        prefix=prefix(),
        arguments=["-d", config, *frame],
        parameters=[parameters],
        remappings=[(topic, f"/{own}{topic}") for topic in topics],
    )


def generate_launch_description() -> LaunchDescription:
    """Return what ros2 launch runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=launch_nodes)])
