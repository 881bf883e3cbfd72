"""The options of `pose-ros up`: what each node is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pose_ros.errors import OptionError
from pose_ros.ros.up import find_cameras, make_nodes, parser
from pose_ros.settings import options_of
from pose_ros.settings.command_line import flag_of
from pose_ros.settings.nodes import CameraParameters, GestureParameters, PoseParameters


def nodes(ros: Any, *options: str) -> dict[str, Any]:
    made = make_nodes(parser().parse_args(options))
    return {node.get_name(): ros.add(node) for node in made}


def test_options_reach_the_camera_and_pose_nodes(ros: Any, tmp_path: Path) -> None:
    lens = str(tmp_path / "lens.yaml")
    asked = ["--hfov", "62", "--calibration", lens, "--frame-id", "front", "--rate", "15"]
    size = ["--width", "1280", "--height", "720"]
    found = nodes(ros, "--camera", "0", *asked, *size, "--max-people", "4", "--id-prefix", "front_")
    camera, pose = found["camera"].parameters, found["pose"].parameters
    assert (camera.lens.hfov, camera.camera_info_url, camera.frame_id) == (62.0, lens, "front")
    assert (camera.rate, camera.width, camera.height) == (15.0, 1280, 720)
    assert (pose.estimator.max_people, pose.id_prefix) == (4, "front_")


def test_option_not_given_keeps_the_default_of_the_node(ros: Any) -> None:
    found = nodes(ros, "--camera", "0")["camera"].parameters
    assert found == CameraParameters(source="0", wait_for_camera=False)


def test_each_option_with_a_flag_reaches_its_node(ros: Any) -> None:
    options = ["--provider", "cpu", "--min-tracking-confidence", "0.3", "--max-megapixels", "2"]
    found = nodes(ros, "--camera", "0", *options)
    camera, pose = found["camera"].parameters, found["pose"].parameters
    assert (pose.engine.provider, pose.estimator.min_tracking_confidence) == ("cpu", 0.3)
    assert camera.images.max_megapixels == pose.images.max_megapixels == 2.0


@pytest.mark.parametrize("table", [PoseParameters, CameraParameters, GestureParameters])
def test_each_flag_of_a_node_is_a_flag_of_up(table: type) -> None:
    words = parser().format_help().split()
    flags = [flag_of(found) for found in options_of(table).values() if found.flag]
    assert flags
    assert [flag for flag in flags if flag not in words] == []


DRAWN = ("--camera", "synthetic", "--camera", "synthetic")


def test_two_cameras_have_nodes_of_their_own_and_one_fusion(ros: Any) -> None:
    asked = ["--max-people", "2", "--id-prefix", "f", "--gesture", "--hands"]
    options = parser().parse_args([*DRAWN, *asked])
    made = [ros.add(node) for node in make_nodes(options, find_cameras(options))]
    found = {node.get_fully_qualified_name(): node for node in made}
    names = ("camera_0", "camera_1")
    assert list(found) == [
        "/gesture",
        "/fusion",
        *(f"/{name}/pose" for name in names),
        *(f"/{name}/camera" for name in names),
    ]
    fusion = found["/fusion"].parameters
    assert (fusion.cameras, fusion.id_prefix) == ("camera_0, camera_1", "f")
    assert fusion.hands
    assert found["/gesture"].parameters.hands
    sources = []
    for name in names:
        pose, camera = (found[f"/{name}/{kind}"].parameters for kind in ("pose", "camera"))
        assert pose.estimator.max_people == 2
        assert (pose.estimator.smoothing, pose.publish_tf, pose.id_prefix) == (False, False, "p")
        assert camera.frame_id == f"{name}_camera_optical_frame"
        sources.append(camera.source)
    assert sources[0] != sources[1]
    assert all(source.startswith("synthetic:commanding?") for source in sources)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--camera", "0", "--camera", "1"], "cameras need calibration"),
        ([*DRAWN, "--hfov", "60"], "hfov is not for several cameras"),
        ([*DRAWN, "--image-topic", "/a/image"], "image_topic is not for several cameras"),
        ([*DRAWN, "--detect-palms"], "detect_palms is not for several cameras"),
        ([*DRAWN, "--camera", "0"], "cameras: 0 does not see the people of a drawn scene"),
    ],
)
def test_options_that_conflict_with_several_cameras_are_refused(
    options: list[str], line: str
) -> None:
    with pytest.raises(OptionError, match=line):
        find_cameras(parser().parse_args(options))


@pytest.mark.parametrize("options", [[], ["--camera", "0"], ["--camera", ""]])
def test_one_camera_or_none_needs_no_fusion(options: list[str]) -> None:
    assert find_cameras(parser().parse_args(options)) is None
