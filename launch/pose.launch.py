"""The nodes, brought up to active: ros2 launch pose_ros pose.launch.py camera:=0."""

from __future__ import annotations

import importlib.util
import math
import os
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
from pose_ros.sources.opening import may_repeat

TRUTH = ["true", "false"]

CLOCK_HZ = 100
DISCOVERY_SECONDS = 2.0  # the player's topics have to be found before the first image is sent
LAST_RESULT_SECONDS = 2.0

ARGUMENTS = [
    DeclareLaunchArgument(
        "camera",
        default_value="",
        description="Device (/dev/video0, 0), video file, image folder, rtsp or http stream, or "
        "synthetic; empty: no camera node, images come from image_topic or bag",
    ),
    DeclareLaunchArgument(
        "bag",
        default_value="",
        description="Recording to play with ros2 bag play, and to analyze: docs/recording.md; "
        "empty: none",
    ),
    DeclareLaunchArgument(
        "bag_rate", default_value="1.0", description="How much faster the bag is played"
    ),
    DeclareLaunchArgument(
        "bag_loop",
        default_value="false",
        choices=TRUTH,
        description="Play the bag again and again",
    ),
    DeclareLaunchArgument(
        "image_topic",
        default_value="",
        description="Topic of the images; camera_info is its sibling; empty: image, or that of "
        "the bag",
    ),
    DeclareLaunchArgument(
        "network",
        default_value="",
        description="Network that finds the people; empty: as in config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "threshold",
        default_value="",
        description="Least score at which a person is newly found, 0 to 1; empty: as in "
        "config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "upper_body_only",
        default_value="",
        choices=["", *TRUTH],
        description="Give the keypoints of the upper body only; empty: as in config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "hands",
        default_value="",
        choices=["", *TRUTH],
        description="Find the hands of the people too; empty: as in config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "smoothing",
        default_value="",
        choices=["", *TRUTH],
        description="Filter keypoints over time; empty: as in config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "person_height",
        default_value="",
        description="Height of the people in meters; empty: as in config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "depth_topic",
        default_value="",
        description="Topic of depth images that are registered to the images; empty: as in "
        "config/pose.yaml",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([FindPackageShare("pose_ros"), "config", "pose.yaml"]),
        description="Parameter file of the pose node; the arguments above go before it",
    ),
    DeclareLaunchArgument(
        "gesture",
        default_value="false",
        choices=TRUTH,
        description="Gestures, and robot commands from them: docs/commands.md",
    ),
    DeclareLaunchArgument(
        "gesture_params_file",
        default_value=PathJoinSubstitution(
            [FindPackageShare("pose_ros"), "config", "gestures.yaml"]
        ),
        description="Parameter file of the gesture node",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=TRUTH,
        description="Show people and the overlay in RViz (package rviz2)",
    ),
]


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
    name: str, parameters: list[Any], image_topic: str, depth_topic: str = ""
) -> LifecycleNode:
    """Return a node of this package; what is launched ends with it."""
    parent, slash, _ = image_topic.rpartition("/")
    remappings = [("image", image_topic), ("camera_info", f"{parent}{slash}camera_info")]
    if depth_topic:
        remappings.append(("depth", depth_topic))
    return LifecycleNode(
        package="pose_ros",
        executable=f"{name}_node",
        name=name,
        namespace="",
        output="screen",
        parameters=parameters,
        remappings=remappings,
        on_exit=end_all,
    )


def parameters_asked(value: Callable[[str], str]) -> dict[str, Any]:
    """Return the parameters of the pose node that the arguments set.

    What is not set is left to the parameter file.
    """
    asked: dict[str, Any] = {
        name: value(name) == "true"
        for name in ("upper_body_only", "hands", "smoothing")
        if value(name)
    }
    if value("network"):
        asked["network"] = value("network")
    for name, meaning in (("threshold", "from 0 to 1"), ("person_height", "of meters")):
        if value(name):
            try:
                asked[name] = float(value(name))
            except ValueError:
                raise RuntimeError(
                    f"{name} must be a number {meaning}, got {value(name)!r}"
                ) from None
    if value("depth_topic"):
        asked["use_depth"] = True
    return asked


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
    try:
        rate = float(value("bag_rate"))
    except ValueError:
        rate = math.nan
    if not 0.0 < rate < math.inf:
        raise RuntimeError(f"bag_rate must be a number above 0, got {value('bag_rate')!r}")
    from pose_ros.ros import transport

    stays = value("rviz") == "true"

    def end(event: Any, context: LaunchContext) -> list[Any]:
        if context.is_shutdown:
            return []
        if event.returncode:
            return [Shutdown(reason=f"ros2 bag play has failed with code {event.returncode}")]
        if stays:
            return [LogInfo(msg="the bag has been played; Ctrl-C ends the rest")]
        played = Shutdown(reason="the bag has been played")
        return [TimerAction(period=LAST_RESULT_SECONDS, actions=[played])]

    loop = ["--loop"] if value("bag_loop") == "true" else []
    environment = dict(os.environ)
    transport.prepare(environment)  # who publishes large images needs the memory for them
    return ExecuteProcess(
        name="bag_player",
        cmd=[
            *("ros2", "bag", "play", str(path), "--clock", str(CLOCK_HZ), "--rate", f"{rate:g}"),
            *("--delay", str(DISCOVERY_SECONDS), "--disable-keyboard-controls", *loop),
            *("--topics", *topics),
        ],
        additional_env={name: text for name, text in environment.items() if name not in os.environ},
        output="screen",
        on_exit=end,
    )


def launch_nodes(context: LaunchContext) -> list[Any]:
    """Return the actions for these arguments.

    Raises:
        RuntimeError: Arguments are wrong, or do not go together.
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    if value("bag") and value("camera"):
        raise RuntimeError("camera and bag are both given: images come from one of them")
    own: dict[str, Any] = {}  # of all nodes
    images = value("image_topic") or "image"
    asked = parameters_asked(value)
    bag = Path(value("bag")).expanduser() if value("bag") else None
    if bag or (value("camera") and may_repeat(value("camera"))):
        asked["allow_still_images"] = True  # what is drawn or recorded
    if bag:
        own["use_sim_time"] = True
        images, compressed = images_of_bag(bag, value("image_topic"))
        asked["image_transport"] = "compressed" if compressed else "raw"
    pose = managed_node("pose", [value("params_file"), asked | own], images, value("depth_topic"))
    managed = {"pose": pose}
    if value("gesture") == "true":
        # it takes the hands that the pose node is asked for here; else each file's own holds
        hands = {name: asked[name] for name in ("hands",) if name in asked}
        parameters = [value("gesture_params_file"), hands | own]
        managed["gesture"] = managed_node("gesture", parameters, images)
    actions: list[Any] = []
    for node in managed.values():
        activate = change(node, Transition.TRANSITION_ACTIVATE)
        actions += [when(node, "configuring", "inactive", activate), node]
    actions += [change(node, Transition.TRANSITION_CONFIGURE) for node in managed.values()]
    if value("camera"):
        camera = managed_node("camera", [{"source": value("camera")}], images)
        # it waits for the pose node: of a file, not even the first image is missed
        activate = change(camera, Transition.TRANSITION_ACTIVATE)
        ready = once_all(("camera", "pose"), activate)
        actions += [
            when(pose, "activating", "active", ready("pose")),
            when(camera, "configuring", "inactive", ready("camera")),
            camera,
            change(camera, Transition.TRANSITION_CONFIGURE),
        ]
    if bag:
        raw, slash, _ = images.rpartition("/")
        sent = f"{images}/compressed" if asked["image_transport"] == "compressed" else images
        depth = [value("depth_topic")] if value("depth_topic") else []
        topics = [sent, f"{raw}{slash}camera_info", *depth, "/tf", "/tf_static"]
        ready = once_all(managed, play(bag, value, topics))
        actions += [
            when(node, "activating", "active", ready(name)) for name, node in managed.items()
        ]
    if value("rviz") == "true":
        config = PathJoinSubstitution([FindPackageShare("pose_ros"), "config", "pose.rviz"])
        rviz = Node(package="rviz2", executable="rviz2", arguments=["-d", config], parameters=[own])
        actions.append(rviz)
    return actions


def generate_launch_description() -> LaunchDescription:
    """Return what ros2 launch runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=launch_nodes)])
