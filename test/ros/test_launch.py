"""The launch file, where ros2 launch is installed: what it makes of a plan."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from pose_ros.files import share_path
from pose_ros.ros.launch_plan import ARGUMENTS, LaunchPlan, NodePlan, PlayerPlan

launch = pytest.importorskip("launch", reason="ros2 launch is not installed")
pytest.importorskip("launch_ros", reason="ros2 launch is not installed")


@pytest.fixture
def module() -> Any:
    path = share_path("launch", "pose.launch.py")
    spec = importlib.util.spec_from_file_location("pose_launch", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def actions(module: Any, **arguments: str) -> list[Any]:
    """Return what would be done."""
    context = launch.LaunchContext()
    description = module.generate_launch_description()
    for argument in description.get_launch_arguments():
        argument.visit(context)
    context.launch_configurations.update(arguments)
    found: list[Any] = module.launch_nodes(context)
    return found


def started(found: list[Any]) -> list[Any]:
    """Return the nodes among some actions."""
    return [action for action in found if hasattr(action, "node_executable")]


def test_every_argument_of_the_table_is_declared(module: Any) -> None:
    declared = module.generate_launch_description().get_launch_arguments()
    assert [each.name for each in declared] == [each.name for each in ARGUMENTS]
    assert [each.description for each in declared] == [each.description for each in ARGUMENTS]


def test_nodes_of_the_plan_start_in_their_namespace(module: Any) -> None:
    found = actions(module, camera="0", gesture="true", namespace="front", rviz="true")
    names = [each.node_executable for each in started(found)]
    assert names == ["pose_node", "gesture_node", "camera_node", "rviz2"]
    context = launch.LaunchContext()
    for action in started(found)[:3]:
        action._perform_substitutions(context)
        assert action.expanded_node_namespace == "/front"


def test_notes_of_the_plan_are_logged(module: Any) -> None:
    found = actions(module, camera="0", namespace="front")
    assert [type(each).__name__ for each in found].count("LogInfo") == 2
    assert not any(type(each).__name__ == "LogInfo" for each in actions(module, camera="0"))


def test_errors_of_the_plan_are_printed_in_one_line(module: Any) -> None:
    with pytest.raises(RuntimeError, match="^threshold must be a number, got 'x'; hfov is for the"):
        actions(module, threshold="x", hfov="60")


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        ([], frozenset()),
        ([("id_prefix", "x"), ("hands", True)], frozenset({"id_prefix", "hands"})),
        ([("id_prefix", "x"), "/my/file.yaml"], None),
    ],
)
def test_parameters_of_an_outer_launch_file_are_read(
    module: Any, outside: list[Any], expected: frozenset[str] | None
) -> None:
    context = launch.LaunchContext()
    context.launch_configurations["global_params"] = outside
    assert module.set_outside(context) == expected


@pytest.mark.parametrize(
    ("ends_launch", "code", "expected"),
    [(True, 0, "TimerAction"), (False, 0, "LogInfo"), (False, 1, "Shutdown")],
)
def test_launch_ends_with_its_bag_unless_rviz_is_open(
    module: Any, monkeypatch: pytest.MonkeyPatch, ends_launch: bool, code: int, expected: str
) -> None:
    """Without RViz the launch ends; with it, it stays open."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(module, "ExecuteProcess", lambda **given: made.update(given))
    plan = PlayerPlan(("ros2", "bag", "play"), {"PROFILE": "file"}, ("pose",), ends_launch)
    module.player_action(plan, {})
    assert made["additional_env"] == {"PROFILE": "file"}

    class Ended:
        returncode = code

    (action,) = made["on_exit"](Ended(), launch.LaunchContext())
    assert type(action).__name__ == expected


def test_bag_player_starts_when_the_last_node_is_active(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "OnStateTransition", lambda **given: made.append(given))
    monkeypatch.setattr(module, "RegisterEventHandler", lambda handler: handler)
    action = object()
    nodes = {"pose": object(), "gesture": object()}
    module.once_all(nodes, [], ("pose", "gesture"), action)
    context = launch.LaunchContext()
    pose, gesture = (given["entities"][0] for given in made)
    assert pose.execute(context) == []
    assert pose.execute(context) == []
    assert gesture.execute(context) == [action]


def test_bag_player_does_not_start_together_with_the_nodes(module: Any) -> None:
    player = PlayerPlan(("ros2", "bag"), {}, ("pose",), ends_launch=True)
    plan = LaunchPlan(nodes=(NodePlan("pose_ros", "pose_node", "pose"),), player=player)
    found = module.actions_of(plan)
    assert [each.node_executable for each in started(found)] == ["pose_node"]
    assert not any(type(each).__name__ == "ExecuteProcess" for each in found)
