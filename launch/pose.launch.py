"""The nodes, brought up to active: ros2 launch pose_ros pose.launch.py camera:=0.

What starts with which parameters is decided in ``pose_ros/ros/launch_plan.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
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
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription
from pose_ros.ros.launch_plan import (
    ARGUMENTS,
    LaunchPlan,
    Machine,
    NodePlan,
    PlayerPlan,
    launch_plan,
)

LAST_RESULT_SECONDS = 2.0


def launch_nodes(context: LaunchContext) -> list[Any]:
    """Return the actions for the arguments of this launch.

    Raises:
        RuntimeError: Arguments are wrong, or do not go together.
    """
    texts = {each.name: LaunchConfiguration(each.name).perform(context) for each in ARGUMENTS}
    plan = launch_plan(texts, Machine(set_outside=set_outside(context)))
    if plan.errors:
        raise RuntimeError("; ".join(plan.errors))
    return [LogInfo(msg=note) for note in plan.notes] + actions_of(plan)


def set_outside(context: LaunchContext) -> frozenset[str] | None:
    """Return the parameters that a launch file around this one sets; None: a file with any."""
    found = context.launch_configurations.get("global_params", [])
    if not all(isinstance(each, tuple) for each in found):
        return None
    return frozenset(name for name, _ in found)


def actions_of(plan: LaunchPlan) -> list[Any]:
    """Return the actions of a plan."""
    prefix = [f"{plan.prefix} ", LaunchConfiguration("launch-prefix", default="")]
    with_prefix = {"prefix": prefix} if plan.prefix else {}
    nodes = [(node, node_action(node, with_prefix)) for node in plan.nodes]
    managed = {node.path: action for node, action in nodes if node.managed}
    actions: list[Any] = []
    # handlers come before what they listen to
    for node, action in nodes:
        if node.managed:
            activate = change(action, Transition.TRANSITION_ACTIVATE)
            actions += once_all(managed, [node.path], node.activate_after, activate)
    if plan.player is not None:
        play = player_action(plan.player, with_prefix)
        actions += once_all(managed, [], plan.player.start_after, play)
    actions += [action for _, action in nodes]
    return actions + [change(each, Transition.TRANSITION_CONFIGURE) for each in managed.values()]


def node_action(node: NodePlan, with_prefix: dict[str, Any]) -> Node:
    """Return the action that starts a node; with a managed one what is launched ends."""
    given: dict[str, Any] = {
        "package": node.package,
        "executable": node.executable,
        "exec_name": node.executable,  # else it is that of the prefix
        "parameters": list(node.parameters),
        "remappings": list(node.remappings),
        "arguments": list(node.arguments),
        **with_prefix,
    }
    if not node.managed:
        return Node(**given)
    named = {"name": node.name, "namespace": node.namespace}
    return LifecycleNode(**given, **named, output="screen", on_exit=end_all)


def player_action(player: PlayerPlan, with_prefix: dict[str, Any]) -> ExecuteProcess:
    """Return the action that plays a recording."""

    def end(event: Any, context: LaunchContext) -> list[Any]:
        if context.is_shutdown:
            return []
        if event.returncode:
            return [Shutdown(reason=f"ros2 bag play has failed with code {event.returncode}")]
        if not player.ends_launch:
            return [LogInfo(msg="the bag has been played; Ctrl-C ends the rest")]
        played = Shutdown(reason="the bag has been played")
        return [TimerAction(period=LAST_RESULT_SECONDS, actions=[played])]

    return ExecuteProcess(
        name="bag_player",
        cmd=list(player.command),
        additional_env=dict(player.environment),
        output="screen",
        on_exit=end,
        **with_prefix,
    )


def end_all(_event: Any, context: LaunchContext) -> list[Any]:
    """Return what ends the launch with one of its nodes, unless it is ending already."""
    return [] if context.is_shutdown else [Shutdown(reason="a node has ended")]


def change(node: LifecycleNode, transition: int) -> EmitEvent:
    """Return the action that asks a node for a transition."""
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )


def once_all(
    nodes: dict[str, LifecycleNode],
    configured: Collection[str],
    active: Collection[str],
    action: Any,
) -> list[RegisterEventHandler]:
    """Return the handlers that act once, when some nodes are configured and others are active.

    Later transitions are those that a user asks for.
    """
    states = [(name, "configuring", "inactive") for name in configured]
    states += [(name, "activating", "active") for name in active]
    waiting = set(states)

    def reached(state: tuple[str, str, str]) -> Callable[[LaunchContext], list[Any]]:
        def act(_context: LaunchContext) -> list[Any]:
            waiting.discard(state)
            return [] if waiting else [action]

        return act

    return [
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=nodes[state[0]],
                start_state=state[1],
                goal_state=state[2],
                entities=[OpaqueFunction(function=reached(state))],
                handle_once=True,
            )
        )
        for state in states
    ]


def generate_launch_description() -> LaunchDescription:
    """Return what ros2 launch runs."""
    declared = [
        DeclareLaunchArgument(each.name, default_value=each.default, description=each.description)
        for each in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=launch_nodes)])
