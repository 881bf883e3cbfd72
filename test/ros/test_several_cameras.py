"""Several cameras of one room: the nodes that the launch file and ``pose-ros up`` start."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from rclpy.parameter import Parameter

from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.fusion_node import FusionNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.launch_plan import LaunchPlan, Machine, NodePlan, launch_plan
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.source_parameters import camera_sources
from pose_ros.sources.camera_rig import write_rig
from pose_ros.synthetic.source import open_synthetic

DEVICES = "[/dev/video0, /dev/video2]"
HERE = Machine(has_module=lambda _name: True, has_setpriv=lambda: True, now=lambda: 1e9)
KINDS = {"camera": CameraNode, "pose": PoseNode, "fusion": FusionNode, "gesture": GestureNode}


def write_room(path: Path, *names: str) -> str:
    source = open_synthetic("synthetic", live=False)
    place = Extrinsics.from_pose(source.view.transform)
    write_rig(path, CameraRig(tuple(CameraView(name, source.camera, place) for name in names)))
    return str(path)


@pytest.fixture
def room(tmp_path: Path) -> str:
    """Return the path of a calibration of two cameras, ``left`` and ``right``."""
    return write_room(tmp_path / "room.yaml", "left", "right")


def planned(**arguments: str) -> LaunchPlan:
    plan = launch_plan(arguments, HERE)
    assert not plan.errors
    return plan


def nodes(**arguments: str) -> dict[str, NodePlan]:
    return {each.path or each.package: each for each in planned(**arguments).nodes}


def merged(node: NodePlan) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in node.parameters:
        found |= {} if isinstance(each, str) else each
    return found


@pytest.mark.parametrize("text", ["[0, a b.mp4]", "0,a b.mp4", "['0', \"a b.mp4\"]"])
def test_list_of_sources_is_read_with_and_without_brackets_and_quotes(text: str) -> None:
    assert camera_sources(text) == ["0", "a b.mp4"]


def test_several_cameras_have_namespaces_by_the_calibration_and_one_fusion(room: str) -> None:
    found = nodes(cameras=DEVICES, calibration=room)
    cameras = ("left/camera", "right/camera")
    assert set(found) == {"fusion", "left/pose", "right/pose", *cameras}
    assert [merged(found[path])["source"] for path in cameras] == ["/dev/video0", "/dev/video2"]
    assert merged(found["right/camera"])["frame_id"] == "right_camera_optical_frame"
    assert merged(found["left/pose"]) == {"smoothing": False, "publish_tf": False}
    expected = {"cameras": "left, right", "calibration": room, "publish_cameras": True}
    assert merged(found["fusion"]) == expected
    for path in cameras:
        assert found[path].activate_after == ("fusion", path.replace("camera", "pose"))
        name = path.partition("/")[0]
        assert merged(found[path])["camera_info_url"] == f"{room}#{name}"


@pytest.mark.safety
def test_gestures_of_several_cameras_come_from_the_fused_people(room: str) -> None:
    given = {"cameras": DEVICES, "calibration": room, "gesture": "true", "cmd_vel_topic": "/base"}
    gesture = nodes(**given)["gesture"]
    assert dict(gesture.remappings) == {
        "pose/poses": "fusion/poses",
        "pose/skeleton": "fusion/skeleton",
        "pose/hands": "fusion/hands",
        "pose/hands/skeleton": "fusion/hands/skeleton",
        "cmd_vel": "/base",
    }
    assert merged(gesture) == {}
    found = nodes(**given, hands="true")
    for path in ("left/pose", "right/pose", "fusion", "gesture"):
        assert merged(found[path])["hands"] is True


def test_arguments_of_several_cameras_reach_all_nodes_of_a_kind_and_the_fusion(room: str) -> None:
    given = {"cameras": DEVICES, "calibration": room, "namespace": "/room/", "max_people": "3"}
    found = nodes(**given, smoothing="false", rate="15", id_prefix="f", rviz="true")
    for name in ("left", "right"):
        assert merged(found[f"room/{name}/pose"])["max_people"] == 3
        assert merged(found[f"room/{name}/camera"])["rate"] == 15.0
        assert "id_prefix" not in merged(found[f"room/{name}/pose"])
    fusion = merged(found["room/fusion"])
    assert (fusion["smoothing"], fusion["id_prefix"]) == (False, "f")
    assert merged(nodes(**given)["room/fusion"])["id_prefix"] == "room_"
    rviz = found["rviz2"]
    assert ("/pose/markers", "/room/fusion/markers") in rviz.remappings
    assert ("/pose/overlay", "/room/left/pose/overlay") in rviz.remappings
    assert rviz.arguments[-1] == "room_left_camera_optical_frame"


def test_parameter_files_do_not_override_what_the_fusion_needs(room: str) -> None:
    files = {"params_file": "p", "camera_params_file": "c", "fusion_params_file": "f"}
    found = nodes(cameras=DEVICES, calibration=room, **files)
    default, file, asked = found["left/camera"].parameters
    assert (file, asked) == ("c", {"source": "/dev/video0"})
    assert "frame_id" in default
    assert found["left/pose"].parameters == ("p", {"smoothing": False, "publish_tf": False})
    assert found["fusion"].parameters == (
        {"publish_cameras": True},
        "f",
        {"cameras": "left, right", "calibration": room},
    )


def test_drawn_cameras_show_one_scene_side_by_side_without_a_calibration() -> None:
    found = nodes(cameras="[synthetic, synthetic]", gesture="true")
    names = ("camera_0", "camera_1")
    sources = [merged(found[f"{name}/camera"])["source"] for name in names]
    assert all(source.startswith("synthetic:commanding?") for source in sources)
    assert all("begin=1000000005.000" in source for source in sources)
    places = [open_synthetic(source).view.transform[:3, 3] for source in sources]
    assert places[0][1] == pytest.approx(-places[1][1])
    assert places[0][1] > 0.5
    assert merged(found["camera_0/pose"])["allow_still_images"]
    fusion = merged(found["fusion"])
    assert (fusion["cameras"], fusion["calibration"]) == ("camera_0, camera_1", "")
    assert "publish_cameras" not in fusion


def test_drawn_cameras_with_a_given_place_keep_it() -> None:
    places = ["synthetic?camera_y=0.5&yaw=-8", "synthetic?camera_y=-0.5&yaw=8"]
    found = nodes(cameras=f"[{', '.join(places)}]")
    for number, place in enumerate(places):
        assert merged(found[f"camera_{number}/camera"])["source"].startswith(f"{place}&fps=")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"cameras": "[0]"}, "cameras: expected two or more sources, got 0"),
        ({"cameras": "[]"}, "cameras: expected two or more sources, got none"),
        ({"cameras": "[0, 0]"}, "cameras: 0 stands there twice"),
        ({"calibration": ""}, "cameras need calibration, the file of .*"),
        ({"cameras": "[0, synthetic]"}, "cameras: 0 does not see the people of a drawn scene"),
        ({"cameras": "[synthetic, synthetic:jump]", "calibration": ""}, ".*'jump'.*"),
        ({"camera": "0"}, "cameras and camera are both given: .*"),
        ({"bag": "b"}, "cameras and bag are both given: .*"),
        ({"hfov": "60"}, "hfov is not for several cameras: leave it out"),
        ({"frame_id": "lens"}, "frame_id is not for several cameras: leave it out"),
        ({"image_topic": "/a/image"}, "image_topic is not for several cameras: leave it out"),
        ({"depth_topic": "/a/depth"}, "depth_topic is not for several cameras: leave it out"),
        ({"detect_palms": "true"}, "detect_palms is not for several cameras: leave it out"),
        ({"calibration": "/no/such.yaml"}, "cameras: .*/no/such.yaml.*"),
        ({"cameras": "[0, 1, 2]"}, "cameras: it is not clear which cameras of the .*"),
    ],
)
def test_options_that_conflict_with_several_cameras_give_a_one_line_error(
    room: str, arguments: dict[str, str], line: str
) -> None:
    given = {"cameras": DEVICES, "calibration": room} | arguments
    (found,) = launch_plan(given, HERE).errors
    assert re.fullmatch(line, found)


def test_parameter_file_of_a_fusion_needs_several_cameras() -> None:
    (line,) = launch_plan({"camera": "0", "fusion_params_file": "f.yaml"}, HERE).errors
    assert line.startswith("fusion_params_file is for the fusion node")


def test_camera_names_that_are_no_topic_names_become_numbers(tmp_path: Path) -> None:
    path = write_room(tmp_path / "room.yaml", "1", "2")
    assert "camera_1/pose" in nodes(cameras=DEVICES, calibration=path)
    (line,) = launch_plan({"cameras": "[2.mp4, 1.mp4]", "calibration": path}, HERE).errors
    assert line.startswith("cameras: the names in")


def test_python_that_lacks_a_package_for_calibrations_is_named(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_given: Any, **_more: Any) -> Any:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr("pose_ros.ros.launch_plan.several_cameras", missing)
    (line,) = launch_plan({"cameras": DEVICES, "calibration": room}, HERE).errors
    assert line.startswith("cameras need cv2, which the Python that runs ros2 does not have")


def test_parameter_of_an_outer_launch_file_is_not_overridden_by_several_cameras(room: str) -> None:
    machine = dataclasses.replace(HERE, set_outside=frozenset({"publish_cameras", "frame_id"}))
    plan = launch_plan({"cameras": DEVICES, "calibration": room}, machine)
    assert not any({"publish_cameras", "frame_id"} & set(merged(node)) for node in plan.nodes)


@pytest.mark.parametrize("drawn", [{}, {"cameras": "[synthetic, synthetic, synthetic]"}])
def test_nodes_accept_the_parameters_of_a_plan_of_several_cameras(
    ros: Any, room: str, drawn: dict[str, str]
) -> None:
    real = {"cameras": DEVICES, "calibration": room}
    given = {"gesture": "true", "namespace": "room"} | (drawn or real)
    for node in nodes(**given).values():
        values = merged(node)
        overrides = [Parameter(key, value=value) for key, value in values.items()]
        made = ros.add(KINDS[node.name](parameter_overrides=overrides, namespace=node.namespace))
        assert {key: made.get_parameter(key).value for key in values} == values
