"""The launch file, where ros2 launch is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pose_ros.ros.transport import USER_VARIABLES, profile_variable
from pose_ros.share import share_path
from pose_ros.sources.opening import open_synthetic
from pose_ros.sources.scene_bag import BagOptions, write_scene_bag

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
    for argument in module.ARGUMENTS:
        argument.visit(context)
    context.launch_configurations.update(arguments)
    found: list[Any] = module.launch_nodes(context)
    return found


def nodes(module: Any, **arguments: str) -> list[str]:
    """Return the programs that would be started."""
    found = actions(module, **arguments)
    return [a.node_executable for a in found if hasattr(a, "node_executable")]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "scene"
    source = open_synthetic("synthetic:crossing?width=64&height=48&fps=2", live=False)
    write_scene_bag(path, source, BagOptions(seconds=1.0))
    return path


@pytest.fixture
def player(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """As if ros2 bag were there; what is made of it gathers in the list."""
    found: list[Any] = []
    find_spec, make = importlib.util.find_spec, module.ExecuteProcess
    there = lambda name: True if name == "ros2bag" else find_spec(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", there)

    def made(**arguments: Any) -> Any:
        found.append(arguments)
        return make(**arguments)

    monkeypatch.setattr(module, "ExecuteProcess", made)
    return found


def test_every_argument_is_described(module: Any) -> None:
    found = {argument.name: argument.description for argument in module.ARGUMENTS}
    assert set(found) >= {
        *("camera", "image_topic", "network", "threshold", "upper_body_only", "smoothing"),
        *("hands", "gesture", "rviz", "person_height", "depth_topic"),
        *("bag", "bag_rate", "bag_loop"),
        *("calibration", "hfov", "frame_id", "rate", "width", "height", "loop"),
        *("camera_params_file", "params_file", "gesture_params_file"),
        *("max_people", "namespace", "id_prefix", "cmd_vel_topic", "stamped"),
    }
    assert all(found.values())


def test_which_nodes_start(module: Any) -> None:
    assert nodes(module) == ["pose_node"]
    assert nodes(module, camera="/dev/video0") == ["pose_node", "camera_node"]
    assert nodes(module, rviz="true") == ["pose_node", "rviz2"]
    assert nodes(module, gesture="true") == ["pose_node", "gesture_node"]


@pytest.fixture
def given(module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[list[Any], Any]]:
    """Parameters and remappings of each node that the next ``nodes()`` makes, by its name."""
    found: dict[str, tuple[list[Any], Any]] = {}
    managed_node = module.managed_node

    def recorded(name: str, value: Any, parameters: list[Any], topics: Any) -> Any:
        found[name] = ([each for each in parameters if each], dict(topics))
        return managed_node(name, value, parameters, topics)

    monkeypatch.setattr(module, "managed_node", recorded)
    return found


def test_what_is_not_asked_for_is_left_to_the_parameter_file_and_the_node(
    module: Any, given: dict[str, Any]
) -> None:
    """A launch file around this one can set it too: SetParameter comes before both."""
    nodes(module, camera="0", gesture="true")
    assert {name: parameters for name, (parameters, _) in given.items()} == {
        "pose": [],
        "gesture": [],
        "camera": [{"source": "0"}],
    }
    nodes(module, params_file="/my/pose.yaml", hands="true", smoothing="false", threshold="0.25")
    assert given["pose"][0] == [
        "/my/pose.yaml",
        {"hands": True, "smoothing": False, "threshold": 0.25},
    ]
    nodes(module, person_height="1.8", depth_topic="/front/depth", max_people="4", id_prefix="a")
    assert given["pose"][0] == [
        {"person_height": 1.8, "use_depth": True, "max_people": 4, "id_prefix": "a"}
    ]
    assert given["pose"][1]["depth"] == "/front/depth"


def test_camera_node_gets_what_meters_need(module: Any, given: dict[str, Any]) -> None:
    asked = {"calibration": "/my/camera.yaml", "frame_id": "front_optical", "rate": "15"}
    nodes(module, camera="/dev/video0", width="1280", height="720", loop="True", **asked)
    assert given["camera"][0] == [
        {
            "source": "/dev/video0",
            "camera_info_url": "/my/camera.yaml",
            "frame_id": "front_optical",
            "rate": 15.0,
            "width": 1280,
            "height": 720,
            "loop": True,
        }
    ]
    nodes(module, camera="0", camera_params_file="/my/lens.yaml", hfov="62.5")
    assert given["camera"][0] == ["/my/lens.yaml", {"source": "0", "hfov": 62.5}]


def test_gesture_node_gets_its_file_its_topic_and_the_hands(
    module: Any, given: dict[str, Any]
) -> None:
    nodes(
        module,
        gesture="True",
        hands="1",
        stamped="no",
        cmd_vel_topic="/base/cmd_vel",
        gesture_params_file="/my/gestures.yaml",
    )
    parameters, topics = given["gesture"]
    assert parameters == ["/my/gestures.yaml", {"hands": True, "stamped": False}]
    assert topics["cmd_vel"] == "/base/cmd_vel"
    assert given["pose"][0] == [{"hands": True}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("True", True), ("YES", True), ("0", False), ("Off", False), ("False", False)],
)
def test_every_spelling_of_a_bool_is_taken(
    module: Any, given: dict[str, Any], text: str, expected: bool
) -> None:
    nodes(module, smoothing=text)
    assert given["pose"][0] == [{"smoothing": expected}]


def test_nodes_are_in_the_namespace(module: Any) -> None:
    found = actions(module, camera="0", gesture="true", namespace="front")
    made = [action for action in found if hasattr(action, "node_executable")]
    context = launch.LaunchContext()
    assert len(made) == 3
    for action in made:
        action._perform_substitutions(context)
        assert action.expanded_node_namespace == "/front"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"threshold": "high"}, "threshold must be a number, got 'high'"),
        ({"person_height": "tall"}, "person_height must be a number, got 'tall'"),
        ({"max_people": "2.5"}, "max_people must be a whole number, got '2.5'"),
        ({"smoothing": "maybe"}, "smoothing must be true or false, got 'maybe'"),
        ({"rviz": "maybe"}, "rviz must be true or false, got 'maybe'"),
        ({"hfov": "60"}, "hfov is for the camera node: name its source with camera:="),
        ({"camera_params_file": "/my/lens.yaml"}, "camera_params_file is for the camera node"),
    ],
)
def test_what_is_refused(module: Any, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        nodes(module, **arguments)


def test_a_bag_is_played_once_the_nodes_are_active_by_its_own_time(
    module: Any,
    bag: Path,
    player: list[Any],
    given: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in USER_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pose_ros.ros.transport._shared_memory_fits", lambda: True)
    started = actions(module, bag=str(bag), gesture="true", depth_topic="/camera/depth/image_raw")
    assert [a.node_executable for a in started if hasattr(a, "node_executable")] == [
        "pose_node",
        "gesture_node",
    ]
    images = {"image": "/camera/image_raw", "camera_info": "/camera/camera_info"}
    images["depth"] = "/camera/depth/image_raw"
    sim, still = {"use_sim_time": True}, {"allow_still_images": True}
    assert given == {
        "pose": ([{"use_depth": True, **still, "image_transport": "raw", **sim}], images),
        # and allow_replay stays as it is
        "gesture": ([sim], {**images, "cmd_vel": "cmd_vel"}),
    }
    (made,) = player
    command = made["cmd"]
    assert command[:4] == ["ros2", "bag", "play", str(bag)]
    assert {"--clock", "--delay", "--disable-keyboard-controls"} <= set(command)
    assert "--loop" not in command
    assert made["additional_env"] == {profile_variable(): str(share_path("config", "fastdds.xml"))}
    assert command[command.index("--topics") + 1 :] == [
        *("/camera/image_raw", "/camera/camera_info", "/camera/depth/image_raw"),
        *("/tf", "/tf_static"),
    ]
    # it is none of those that start at once
    assert not any(type(action).__name__ == "ExecuteProcess" for action in started)
    actions(module, bag=str(bag), bag_rate="0.5", bag_loop="true", image_topic="camera/image_raw")
    command = player[-1]["cmd"]
    assert "--loop" in command
    assert command[command.index("--rate") + 1] == "0.5"


@pytest.mark.parametrize(
    ("rviz", "code", "expected"),
    [("false", 0, "TimerAction"), ("true", 0, "LogInfo"), ("true", 1, "Shutdown")],
)
def test_when_the_bag_has_ended(
    module: Any, bag: Path, player: list[Any], rviz: str, code: int, expected: str
) -> None:
    """Without RViz it ends; with it, it stays for whoever looks."""
    actions(module, bag=str(bag), rviz=rviz)

    class Ended:
        returncode = code

    (action,) = player[0]["on_exit"](Ended(), launch.LaunchContext())
    assert type(action).__name__ == expected


def test_the_last_of_several_that_are_ready_begins(module: Any) -> None:
    action = object()
    ready = module.once_all(("pose", "gesture"), action)
    context = launch.LaunchContext()
    assert ready("pose").execute(context) == []
    assert ready("pose").execute(context) == []
    assert ready("gesture").execute(context) == [action]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bag": "/no/such/bag"}, "there is no bag /no/such/bag"),
        ({"camera": "0"}, "camera and bag are both given"),
        ({"bag_rate": "quick"}, "bag_rate must be a number, got 'quick'"),
        ({"bag_rate": "0"}, "bag_rate must be a number above 0"),
        ({"image_topic": "/front"}, "no topic /front; topics of images: /camera/depth/image_raw"),
    ],
)
@pytest.mark.usefixtures("player")
def test_what_cannot_be_played(
    module: Any, bag: Path, arguments: dict[str, str], words: str
) -> None:
    with pytest.raises(RuntimeError, match=words):
        nodes(module, **{"bag": str(bag), **arguments})


def test_a_bag_needs_ros2_bag_and_rosbags(
    module: Any, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    for name, words in (
        ("ros2bag", "needs ros2 bag, .*pose-ros up --camera"),
        ("rosbags", r"needs rosbags, .*python3 \$\(which ros2\) launch"),
    ):
        there = lambda asked, name=name: None if asked == name else find_spec(asked)  # noqa: E731
        monkeypatch.setattr(importlib.util, "find_spec", there)
        with pytest.raises(RuntimeError, match=words):
            nodes(module, bag=str(bag))
