"""The nodes, brought up to active: ros2 launch pose_ros pose.launch.py camera:=0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription

TRUTH = ["true", "false"]

ARGUMENTS = [
    DeclareLaunchArgument(
        "camera",
        default_value="",
        description="Device (/dev/video0, 0), video file, image folder, rtsp or http stream, or "
        "synthetic; empty: no camera node, images come from image_topic",
    ),
    DeclareLaunchArgument(
        "image_topic",
        default_value="image",
        description="Topic of the images; camera_info is its sibling",
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


def launch_nodes(context: LaunchContext) -> list[Any]:
    """Return the actions for these arguments."""

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    share = FindPackageShare("pose_ros")
    parameters = [value("params_file"), parameters_asked(value)]
    pose = managed_node("pose", parameters, value("image_topic"), value("depth_topic"))
    actions: list[Any] = [
        when(pose, "configuring", "inactive", change(pose, Transition.TRANSITION_ACTIVATE)),
        pose,
        change(pose, Transition.TRANSITION_CONFIGURE),
    ]
    if value("camera"):
        camera = managed_node("camera", [{"source": value("camera")}], value("image_topic"))
        waiting = {"camera", "pose"}

        def start_camera(_context: LaunchContext, ready: str) -> list[Any]:
            # it waits for the pose node: of a file, not even the first image is missed
            waiting.discard(ready)
            return [] if waiting else [change(camera, Transition.TRANSITION_ACTIVATE)]

        def ready(name: str) -> OpaqueFunction:
            return OpaqueFunction(function=start_camera, args=[name])

        actions += [
            when(pose, "activating", "active", ready("pose")),
            when(camera, "configuring", "inactive", ready("camera")),
            camera,
            change(camera, Transition.TRANSITION_CONFIGURE),
        ]
    if value("gesture") == "true":
        asked = parameters_asked(value)
        # it takes the hands that the pose node is asked for here; else each file's own holds
        hands = {name: asked[name] for name in ("hands",) if name in asked}
        parameters = [value("gesture_params_file"), hands]
        gesture = managed_node("gesture", parameters, value("image_topic"))
        actions += [
            when(
                gesture, "configuring", "inactive", change(gesture, Transition.TRANSITION_ACTIVATE)
            ),
            gesture,
            change(gesture, Transition.TRANSITION_CONFIGURE),
        ]
    if value("rviz") == "true":
        config = PathJoinSubstitution([share, "config", "pose.rviz"])
        actions.append(Node(package="rviz2", executable="rviz2", arguments=["-d", config]))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Return what ros2 launch runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=launch_nodes)])
