"""Nodes that the launch file starts, for every argument and combination, without launch."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pose_ros.files import share_path
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.launch_plan import (
    ARGUMENTS,
    END_WITH_LAUNCH,
    LaunchArgument,
    LaunchPlan,
    Machine,
    NodePlan,
    launch_plan,
)
from pose_ros.ros.middleware import USER_VARIABLES, profile_variable
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.up import flags_of
from pose_ros.ros.up import parser as up_parser
from pose_ros.settings.nodes import CameraParameters, GestureParameters, PoseParameters
from pose_ros.settings.parameters import parameters_of

TABLES: dict[str, type] = {
    "camera": CameraParameters,
    "pose": PoseParameters,
    "gesture": GestureParameters,
}
NODES = {"camera": CameraNode, "pose": PoseNode, "gesture": GestureNode}
FILES = {
    "camera": "camera_params_file",
    "pose": "params_file",
    "gesture": "gesture_params_file",
}
BY_NAME = {argument.name: argument for argument in ARGUMENTS}
SETS_A_PARAMETER = [
    (each, node)
    for each in ARGUMENTS
    for node in each.nodes
    if each.name != "stereo"  # which starts other nodes: test_stereo.py
]
TEXTS: dict[type, tuple[str, Any]] = {
    bool: ("True", True),
    int: ("7", 7),
    float: ("1.0", 1.0),
    str: ("some_text", "some_text"),
}
HERE = Machine(
    has_module=lambda _name: True,
    has_setpriv=lambda: True,
    images_of_bag=lambda _path, asked: (asked or "/bag/image_raw", False),
    image_environment=lambda: {"PROFILE": "file"},
)


def planned(machine: Machine = HERE, **arguments: str) -> LaunchPlan:
    plan = launch_plan(arguments, machine)
    assert not plan.errors
    return plan


def nodes(machine: Machine = HERE, **arguments: str) -> dict[str, NodePlan]:
    return {each.name or each.package: each for each in planned(machine, **arguments).nodes}


def merged(node: NodePlan) -> dict[str, Any]:
    """Return the values that a plan gives a node, the last ones where there are several."""
    found: dict[str, Any] = {}
    for each in node.parameters:
        found |= {} if isinstance(each, str) else each
    return found


def test_each_argument_has_a_description_of_its_own() -> None:
    assert len(BY_NAME) == len(ARGUMENTS) == 34
    assert all(len(each.description) > 20 for each in ARGUMENTS)


@pytest.mark.parametrize(("argument", "node"), SETS_A_PARAMETER)
def test_argument_has_the_type_of_its_parameter(argument: LaunchArgument, node: str) -> None:
    default = parameters_of(TABLES[node])[argument.parameter or argument.name].default
    assert type(default) is argument.kind


def test_the_launch_page_lists_every_launch_argument(checkout: Path) -> None:
    page = (checkout / "docs/reference/launch.md").read_text(encoding="utf-8")
    table = page.split("| launch argument | default | meaning |")[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(BY_NAME)


# what serves several processes, or is an argument of ros2 itself
LAUNCH_ALONE = {*FILES.values(), "namespace", "loop", "cmd_vel_topic", "stamped", "rviz"} | {
    "cameras",  # pose-ros up takes several --camera
    "fusion_params_file",
}
BAG_PLAYER = {"bag", "bag_rate", "bag_loop"}


def test_pose_ros_up_has_the_arguments_of_the_launch_file() -> None:
    options = set(vars(up_parser().parse_args([])))
    assert set(BY_NAME) - options == LAUNCH_ALONE | BAG_PLAYER
    flags = flags_of(PoseParameters) | flags_of(CameraParameters)
    own = {flag.replace("-", "_") for flag in flags}
    assert options - set(BY_NAME) - own == {"no_live"}


def test_with_no_argument_the_pose_node_takes_images_from_a_topic() -> None:
    plan = planned()
    assert plan == LaunchPlan(
        nodes=(
            NodePlan(
                "pose_ros",
                "pose_node",
                "pose",
                remappings=(("image", "image"), ("camera_info", "camera_info")),
            ),
        ),
        prefix=END_WITH_LAUNCH,
    )


@pytest.mark.parametrize(("argument", "node"), SETS_A_PARAMETER)
def test_argument_sets_its_parameter_and_no_other(argument: LaunchArgument, node: str) -> None:
    base = {"camera": "0", "gesture": "true", "stamped": "", "hands": ""}
    text, value = TEXTS[argument.kind]
    before, after = nodes(**base), nodes(**{**base, argument.name: text})
    changed = {argument.parameter or argument.name: value}
    if argument.name == "camera":  # a file in place of a device
        assert merged(after["pose"]) == {"allow_still_images": True}
    for name in before:
        expected = changed if name in argument.nodes else {}
        if (name, argument.name) != ("pose", "camera"):
            assert merged(after[name]) == {**merged(before[name]), **expected}
        same = {"parameters": before[name].parameters}
        assert dataclasses.replace(after[name], **same) == before[name]
    assert node in after


@pytest.mark.parametrize("node", FILES)
def test_parameter_file_comes_before_the_arguments(node: str) -> None:
    given = {"camera": "0", "gesture": "true", "hands": "true", FILES[node]: "/my/file.yaml"}
    found = nodes(**given)
    file, values = found[node].parameters
    assert file == "/my/file.yaml"
    assert isinstance(values, Mapping)
    assert all("/my/file.yaml" not in each.parameters for n, each in found.items() if n != node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("True", True), ("YES", True), ("0", False), ("Off", False), ("False", False)],
)
def test_every_spelling_of_a_bool_is_accepted(text: str, expected: bool) -> None:
    assert merged(nodes(smoothing=text)["pose"]) == {"smoothing": expected}


@pytest.mark.parametrize(
    ("arguments", "remappings"),
    [
        ({}, {"image": "image", "camera_info": "camera_info"}),
        (
            {"image_topic": "/front/image_raw"},
            {"image": "/front/image_raw", "camera_info": "/front/camera_info"},
        ),
        ({"image_topic": "front/raw"}, {"image": "front/raw", "camera_info": "front/camera_info"}),
        (
            {"depth_topic": "/depth/image"},
            {"image": "image", "camera_info": "camera_info", "depth": "/depth/image"},
        ),
    ],
)
def test_topics_are_the_same_for_all_nodes(
    arguments: dict[str, str], remappings: dict[str, str]
) -> None:
    found = nodes(camera="0", gesture="true", cmd_vel_topic="/base", **arguments)
    assert dict(found["pose"].remappings) == dict(found["camera"].remappings) == remappings
    assert dict(found["gesture"].remappings) == {**remappings, "cmd_vel": "/base"}
    assert merged(found["pose"]).get("use_depth", False) == ("depth" in remappings)


@pytest.mark.parametrize(
    ("camera", "may_repeat"),
    [
        *(("0", False), ("/dev/video0", False), ("rtsp://host/a", False), ("v4l2:///dev/v", False)),
        *(("clip.mp4", True), ("file:///clip.mp4", True), ("/dev/shm", True), ("synthetic", True)),
    ],
)
def test_drawn_and_recorded_images_may_repeat(camera: str, may_repeat: bool) -> None:
    found = merged(nodes(camera=camera)["pose"])
    assert found == ({"allow_still_images": True} if may_repeat else {})


SWITCHES = {
    "source": ({}, {"camera": "0"}, {"camera": "clip.mp4"}, {"camera": "synthetic"}, {"bag": "b"}),
    "gesture": ({}, {"gesture": "true"}),
    "rviz": ({}, {"rviz": "true"}),
    "hands": ({}, {"hands": "true"}),
    "depth": ({}, {"depth_topic": "/depth"}),
    "topic": ({}, {"image_topic": "/other/image"}),
    "namespace": ({}, {"namespace": "front"}, {"namespace": "/a/b/"}),
    "names": ({}, {"id_prefix": "x"}),
    "files": ({}, {"params_file": "p.yaml", "gesture_params_file": "g.yaml"}),
}
COMBINATIONS = [
    {name: text for part in parts for name, text in part.items()}
    for parts in itertools.product(*SWITCHES.values())
]


def test_every_combination_gives_one_consistent_plan() -> None:
    assert len(COMBINATIONS) == 5 * 2**7 * 3
    for given in COMBINATIONS:
        plan = planned(**given)
        found = {each.name or each.package: each for each in plan.nodes}
        has_gestures = "gesture" in given
        expected = {"pose"}
        expected |= {"gesture"} if has_gestures else set()
        expected |= {"camera"} if "camera" in given else set()
        expected |= {"rviz2"} if "rviz" in given else set()
        assert set(found) == expected, given
        assert len(found) == len(plan.nodes), given
        managed = {name: node for name, node in found.items() if node.managed}
        assert set(managed) == expected - {"rviz2"}, given
        check_managed(given, managed)
        check_player(given, plan, managed)
        for node in found.values():
            simulated = merged(node).get("use_sim_time", False)
            assert simulated == ("bag" in given), given


def check_managed(given: dict[str, str], managed: dict[str, NodePlan]) -> None:
    for name, node in managed.items():
        assert node.executable == f"{name}_node"
        assert node.namespace == given.get("namespace", "")
        # each value is of a parameter that the node has, and in its range
        known = parameters_of(TABLES[name])
        for parameter, value in merged(node).items():
            if parameter != "use_sim_time":
                assert known[parameter].check(value) == value
        file = given.get(FILES[name])
        assert [each for each in node.parameters if isinstance(each, str)] == (
            [file] if file else []
        )
        assert node.activate_after == ((managed["pose"].path,) if name == "camera" else ())
        assert dict(node.remappings)["image"] == managed["pose"].remappings[0][1]
    if "gesture" in managed:
        hands = (merged(managed[name]).get("hands", False) for name in ("pose", "gesture"))
        assert set(hands) == {"hands" in given}
    prefix = merged(managed["pose"]).get("id_prefix", "p")
    by_namespace = {"": "p", "front": "front_", "/a/b/": "a_b_"}[given.get("namespace", "")]
    assert prefix == given.get("id_prefix", by_namespace)


def check_player(given: dict[str, str], plan: LaunchPlan, managed: dict[str, NodePlan]) -> None:
    if "bag" not in given:
        assert plan.player is None
        return
    assert plan.player is not None
    assert set(plan.player.start_after) == {node.path for node in managed.values()}
    assert plan.player.ends_launch == ("rviz" not in given)
    played = plan.player.command[plan.player.command.index("--topics") + 1 :]
    topics = [topic for name, topic in managed["pose"].remappings]
    assert list(played) == [*topics, "/tf", "/tf_static"]
    assert not any("cmd_vel" in word for word in plan.player.command)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"threshold": "high"}, "threshold must be a number, got 'high'"),
        ({"person_height": "tall"}, "person_height must be a number, got 'tall'"),
        ({"max_people": "2.5"}, "max_people must be a whole number, got '2.5'"),
        ({"max_people": "11"}, "max_people must be in [1, 10], got 11"),
        ({"threshold": "nan"}, "threshold must be in [0, 1], got nan"),
        (
            {"id_prefix": "7"},
            "id_prefix must be a lower-case letter, then letters, digits or underscores; got '7'",
        ),
        ({"smoothing": "maybe"}, "smoothing must be true or false, got 'maybe'"),
        ({"gesture": ""}, "gesture must be true or false, got ''"),
        ({"cmd_vel_topic": ""}, "cmd_vel_topic must be a text, got ''"),
        ({"rviz": "maybe"}, "rviz must be true or false, got 'maybe'"),
        ({"hfov": "60"}, "hfov is for the camera node: name its source with camera:=..."),
        (
            {"camera_params_file": "/my/lens.yaml"},
            "camera_params_file is for the camera node: name its source with camera:=...",
        ),
        (
            {"bag": "b", "camera": "0"},
            "camera and bag are both given: images come from one of them",
        ),
        ({"bag": "b", "bag_rate": "quick"}, "bag_rate must be a number, got 'quick'"),
        ({"bag": "b", "bag_rate": "0"}, "bag_rate must be a number above 0, got '0'"),
        ({"bag": "b", "bag_rate": "nan"}, "bag_rate must be a number above 0, got 'nan'"),
        ({"bag": "b", "bag_rate": "inf"}, "bag_rate must be a number above 0, got 'inf'"),
    ],
)
def test_wrong_argument_gives_a_one_line_error_and_starts_nothing(
    arguments: dict[str, str], line: str
) -> None:
    assert launch_plan(arguments, HERE) == LaunchPlan(errors=(line,))


@pytest.mark.parametrize(
    "argument", [each for each in ARGUMENTS if each.kind is not str], ids=lambda each: each.name
)
def test_wrong_text_of_each_argument_is_named(argument: LaunchArgument) -> None:
    camera = {"camera": "0"} if "camera" in argument.nodes else {}
    (line,) = launch_plan({**camera, argument.name: "?"}, HERE).errors
    assert re.fullmatch(
        rf"{argument.name} must be (a number|a whole number|true or false), .*", line
    )


@pytest.mark.parametrize(
    "argument",
    [a for a in ARGUMENTS if "camera" in a.nodes and a.name not in ("camera", "stereo")],
    ids=lambda each: each.name,
)
def test_camera_argument_without_a_camera_is_refused(argument: LaunchArgument) -> None:
    (line,) = launch_plan({argument.name: TEXTS[argument.kind][0]}, HERE).errors
    assert line.startswith(f"{argument.name} is for the camera node")


def test_all_wrong_arguments_are_named_at_once() -> None:
    found = launch_plan({"threshold": "high", "rviz": "maybe", "hfov": "60"}, HERE).errors
    assert [line.split()[0] for line in found] == ["threshold", "rviz", "hfov"]


def test_bag_is_played_with_its_own_time_once_the_nodes_are_active(
    scene_bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in USER_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pose_ros.ros.middleware._shared_memory_fits", lambda: True)
    machine = Machine(has_module=lambda _name: True)
    topic = "/camera/depth/image_raw"
    plan = planned(machine, bag=str(scene_bag), gesture="true", depth_topic=topic)
    pose, gesture = plan.nodes
    assert merged(pose) == {
        "use_depth": True,
        "allow_still_images": True,
        "image_transport": "raw",
        "use_sim_time": True,
    }
    assert dict(pose.remappings) == {
        "image": "/camera/image_raw",
        "camera_info": "/camera/camera_info",
        "depth": topic,
    }
    assert merged(gesture) == {"use_sim_time": True}  # and allow_replay stays as it is
    assert plan.player is not None
    assert shlex.join(plan.player.command) == (
        f"ros2 bag play {scene_bag} --clock 100 --rate 1 --delay 2.0 --disable-keyboard-controls "
        f"--topics /camera/image_raw /camera/camera_info {topic} /tf /tf_static"
    )
    profile = str(share_path("config", "fastdds.xml"))
    assert plan.player.environment == {profile_variable(): profile}


def test_rate_loop_and_compressed_images_of_a_bag_reach_the_player() -> None:
    machine = dataclasses.replace(HERE, images_of_bag=lambda _path, _asked: ("/a/image", True))
    plan = planned(machine, bag="~/b", bag_rate="0.5", bag_loop="yes")
    assert plan.player is not None
    command = plan.player.command
    assert command[3] == str(Path("~/b").expanduser())
    assert command[command.index("--rate") + 1] == "0.5"
    assert "--loop" in command
    assert command[command.index("--topics") + 1] == "/a/image/compressed"
    assert merged(plan.nodes[0])["image_transport"] == "compressed"


@pytest.mark.parametrize(
    ("bag", "topic", "line"),
    [
        ("/no/such/bag", "", "bag: there is no bag /no/such/bag"),
        ("", "/front", "bag: .*no topic /front; topics of images: /camera/depth/image_raw"),
    ],
)
def test_bag_without_images_to_play_is_refused(
    scene_bag: Path, bag: str, topic: str, line: str
) -> None:
    machine = Machine(has_module=lambda _name: True)
    found = launch_plan({"bag": bag or str(scene_bag), "image_topic": topic}, machine)
    assert re.match(line, found.errors[0])


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("ros2bag", "bag needs ros2 bag, .*pose-ros up --camera b"),
        ("rosbags", r"bag needs rosbags, .*python3 \$\(which ros2\) launch"),
    ],
)
def test_a_bag_needs_ros2_bag_and_rosbags(missing: str, words: str) -> None:
    machine = dataclasses.replace(HERE, has_module=lambda name: name != missing)
    (line,) = launch_plan({"bag": "b"}, machine).errors
    assert re.match(words, line)


def test_without_setpriv_programs_start_with_no_prefix() -> None:
    assert not planned(dataclasses.replace(HERE, has_setpriv=lambda: False)).prefix


@pytest.mark.parametrize(
    ("camera", "shown"),
    [
        ("synthetic", "synthetic:commanding?fps="),
        ("synthetic?seed=3", "synthetic:commanding?seed=3&fps="),
        ("synthetic:directing", "synthetic:directing?fps="),
        ("synthetic?fps=10&begin=5", "synthetic:commanding?fps=10&begin=5"),
    ],
)
def test_default_drawn_scene_with_gestures_raises_a_hand_to_engage(camera: str, shown: str) -> None:
    found = nodes(camera=camera, gesture="true")
    source = merged(found["camera"])["source"]
    assert source.startswith(shown)
    assert "begin=" in source
    meters = {"person_height": 1.78, "camera_height": 1.1, "camera_pitch": 2.0}
    assert merged(found["pose"]) == {**meters, "allow_still_images": True}
    assert merged(found["gesture"]) == {"timeout": 1.0}
    # a parameter file and an argument of the user override what suits the scene
    own = nodes(camera=camera, gesture="true", params_file="p.yaml", person_height="1.9")["pose"]
    assert own.parameters[:2] == (meters, "p.yaml")
    assert merged(own)["person_height"] == 1.9


def test_drawn_scene_without_gestures_is_opened_as_given() -> None:
    found = nodes(camera="synthetic")
    assert merged(found["camera"]) == {"source": "synthetic"}
    assert merged(found["pose"]) == {"allow_still_images": True}


def test_unknown_scene_with_gestures_gives_a_one_line_error() -> None:
    (line,) = launch_plan({"camera": "synthetic:jump", "gesture": "true"}, HERE).errors
    assert line.startswith("camera: synthetic:jump")
    assert "unknown gesture or scene 'jump'" in line


def test_default_scene_is_chosen_without_opencv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_spec: str) -> Any:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr("pose_ros.ros.launch_plan.gesture_scene", missing)
    plan = planned(HERE, camera="synthetic", gesture="true")
    assert merged(plan.nodes[-1]) == {"source": "synthetic:commanding"}
    assert any("has no cv2" in note for note in plan.notes)


def test_two_cameras_in_two_namespaces_share_no_name_on_tf() -> None:
    front, rear = (nodes(camera=c, namespace=n) for c, n in (("0", "front"), ("2", "/rear/up")))
    assert merged(front["camera"])["frame_id"] == "front_camera_optical_frame"
    assert merged(front["pose"])["id_prefix"] == "front_"
    assert merged(rear["camera"])["frame_id"] == "rear_up_camera_optical_frame"
    assert merged(rear["pose"])["id_prefix"] == "rear_up_"
    assert [note.split(",")[0] for note in planned(camera="0", namespace="front").notes] == [
        "id_prefix is front_",
        "frame_id is front_camera_optical_frame",
    ]


@pytest.mark.parametrize("namespace", ["", "front", "/Robot1/", "_hidden"])
def test_names_made_from_a_namespace_are_valid_for_the_node(namespace: str) -> None:
    prefix = merged(nodes(camera="0", namespace=namespace)["pose"]).get("id_prefix", "p")
    assert parameters_of(PoseParameters)["id_prefix"].check(prefix) == prefix


def test_names_that_the_user_set_are_kept_in_a_namespace() -> None:
    given = {"camera": "0", "namespace": "front", "frame_id": "lens", "id_prefix": "f"}
    plan = planned(HERE, **given)
    found = {node.name: merged(node) for node in plan.nodes}
    assert (found["camera"]["frame_id"], found["pose"]["id_prefix"]) == ("lens", "f")
    assert not plan.notes
    files = {"params_file": "p.yaml", "camera_params_file": "c.yaml"}
    plan = planned(HERE, camera="0", namespace="front", **files)
    pose, camera = plan.nodes
    assert pose.parameters[-1] == "p.yaml"
    assert camera.parameters[1] == "c.yaml"
    assert not plan.notes


@pytest.mark.parametrize("outside", [frozenset({"frame_id", "id_prefix", "timeout"}), None])
def test_parameter_of_an_outer_launch_file_is_not_overridden(
    outside: frozenset[str] | None,
) -> None:
    machine = dataclasses.replace(HERE, set_outside=outside)
    given = {"camera": "synthetic", "gesture": "true", "namespace": "front"}
    plan = planned(machine, **given)
    assert [note.split()[0] for note in plan.notes] == ["the"]  # camera shows ...
    found = {node.name: merged(node) for node in plan.nodes}
    assert "frame_id" not in found["camera"]
    assert "id_prefix" not in found["pose"]
    assert "timeout" not in found["gesture"]
    assert ("person_height" in found["pose"]) == (outside is not None)


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        ({}, None),
        ({"namespace": "front"}, "front_camera_optical_frame"),
        ({"namespace": "front", "frame_id": "lens"}, "lens"),
        ({"namespace": "front", "camera_params_file": "c.yaml"}, None),
    ],
)
def test_rviz_shows_the_frame_and_the_topics_of_its_camera(
    arguments: dict[str, str], frame: str | None
) -> None:
    rviz = nodes(camera="0", rviz="true", **arguments)["rviz2"]
    config = str(share_path("config", "pose.rviz"))
    assert rviz.arguments == ("-d", config, *(("-f", frame) if frame else ()))
    assert all(topic == f"/front{name}" for name, topic in rviz.remappings)
    assert bool(rviz.remappings) == ("namespace" in arguments)


def test_nodes_accept_the_parameters_of_a_plan(ros: Any) -> None:
    from rclpy.parameter import Parameter

    given = {"network": "blazepose-full", "finder": "posenet-mobilenet", "max_people": "4"}
    given |= {"camera": "synthetic", "gesture": "true", "namespace": "front", "rate": "15"}
    for name, node in nodes(**given).items():
        overrides = [Parameter(key, value=value) for key, value in merged(node).items()]
        made = ros.add(NODES[name](parameter_overrides=overrides))
        for key, value in merged(node).items():
            assert made.get_parameter(key).value == value
