"""The launch file, where ros2 launch is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from pose_ros.share import share_path

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


def nodes(module: Any, **arguments: str) -> list[str]:
    """Return the programs that would be started."""
    context = launch.LaunchContext()
    for argument in module.ARGUMENTS:
        argument.visit(context)
    context.launch_configurations.update(arguments)
    actions = module.launch_nodes(context)
    return [a.node_executable for a in actions if hasattr(a, "node_executable")]


def test_every_argument_is_described(module: Any) -> None:
    found = {argument.name: argument.description for argument in module.ARGUMENTS}
    assert set(found) >= {
        *("camera", "image_topic", "network", "threshold", "upper_body_only", "smoothing"),
        *("hands", "gesture", "rviz", "person_height", "depth_topic"),
    }
    assert all(found.values())


def test_which_nodes_start(module: Any) -> None:
    assert nodes(module) == ["pose_node"]
    assert nodes(module, camera="/dev/video0") == ["pose_node", "camera_node"]
    assert nodes(module, rviz="true") == ["pose_node", "rviz2"]
    assert nodes(module, gesture="true") == ["pose_node", "gesture_node"]


def test_what_is_not_asked_for_is_left_to_the_parameter_file(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    managed_node = module.managed_node

    def recorded(name: str, parameters: list[Any], *topics: str) -> Any:
        given.append(parameters[-1])
        return managed_node(name, parameters, *topics)

    monkeypatch.setattr(module, "managed_node", recorded)
    nodes(module)
    nodes(module, hands="true", smoothing="false", threshold="0.25")
    nodes(module, person_height="1.8", depth_topic="/front/depth")
    assert given == [
        {},
        {"hands": True, "smoothing": False, "threshold": 0.25},
        {"person_height": 1.8, "use_depth": True},
    ]
    given.clear()
    nodes(module, gesture="true")
    nodes(module, gesture="true", hands="true")
    assert given == [{}, {}, {"hands": True}, {"hands": True}]


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("threshold", "high", "from 0 to 1"),
        ("person_height", "tall", "of meters"),
    ],
)
def test_what_is_refused(module: Any, argument: str, value: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        nodes(module, **{argument: value})
