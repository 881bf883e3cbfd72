"""One device with two lenses: its halves go through the nodes as two cameras."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Camera
from pose_ros.core.geometry import angle_between
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.types import Poses, PositionSource
from pose_ros.errors import ImageError, OptionError
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import PoseArray
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.launch_plan import Machine, launch_plan
from pose_ros.ros.up import find_cameras, make_nodes, parser
from pose_ros.sources.camera_rig import write_rig
from pose_ros.sources.stereo import half_of
from pose_ros.synthetic.source import SyntheticSource, open_synthetic
from pose_ros.video_files import VideoWriter

PLACES = {"left": "camera_y=0.2&yaw=-4", "right": "camera_y=-0.2&yaw=4"}
NEAR = {"left": "camera_y=0.06", "right": "camera_y=-0.06"}
IMAGES, FPS = 10, 10.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a video with both halves side by side, and the file that says where they stand."""
    return record(tmp_path_factory.mktemp("pair"), PLACES)


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the same of two lenses that are 12 cm apart and look the same way."""
    return record(tmp_path_factory.mktemp("near"), NEAR, 640, 480)


def record(
    folder: Path, places: Mapping[str, str], width: int = 320, height: int = 240
) -> tuple[str, str]:
    scenes = {n: f"raise_hand?{p}&width={width}&height={height}" for n, p in places.items()}
    sources = {n: open_synthetic(scene, fps=FPS, live=False) for n, scene in scenes.items()}
    with contextlib.closing(VideoWriter(folder / "pair.mp4", FPS)) as video:
        for number in range(IMAGES):
            frames = [source.read() for source in sources.values()]
            halves = [frame.image for frame in frames if frame is not None]
            video.write(np.hstack(halves), number / FPS)
    write_rig(folder / "pair.yaml", rig_of(sources))
    return str(folder / "pair.mp4"), str(folder / "pair.yaml")


def is_by_several(msg: Any) -> bool:
    """Whether several cameras say where some joint is."""
    sources = poses_from_msg(msg).camera_sources
    return sources is not None and bool((sources == PositionSource.MULTIVIEW).any())


def rig_of(sources: Mapping[str, SyntheticSource]) -> CameraRig:
    """Return where the cameras of drawn scenes stand."""
    views = (
        CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
        for name, source in sources.items()
    )
    return CameraRig(tuple(views))


def bring_up(ros: Any, files: tuple[str, str]) -> None:
    """Start the nodes; the video repeats, and a slow machine may lack images of either half."""
    video, rig = files
    options = ["--camera", video, "--stereo", "side_by_side", "--calibration", rig]
    asked = parser().parse_args(options)
    more = {"camera": Parameter("loop", value=True), "fusion": Parameter("max_skew", value=1.0)}
    for node in [ros.add(node) for node in make_nodes(asked, find_cameras(asked))]:
        if node.get_name() in more:
            assert node.set_parameters([more[node.get_name()]])[0].successful
        assert node.autostart()


def test_halves_of_a_stereo_image_give_one_fused_skeleton(ros: Any, pair: tuple[str, str]) -> None:
    fused = ros.collect(PoseArray, "fusion/poses")
    images = ros.collect(Image, "right/image")
    infos = ros.collect(CameraInfo, "left/camera_info")
    bring_up(ros, pair)
    assert ros.spin_until(lambda: any(is_by_several(msg) for msg in fused) and images and infos)
    assert (images[0].width, images[0].height) == (320, 240)
    assert images[0].header.frame_id == "right_camera_optical_frame"
    assert (infos[0].width, infos[0].header.frame_id) == (320, "left_camera_optical_frame")
    assert fused[0].header.frame_id == "left_camera_optical_frame"
    assert infos[0].k[0] == pytest.approx(160 / np.tan(np.radians(63 / 2)), rel=0.02)


def test_near_lenses_measure_depth_that_the_left_pose_node_takes(
    ros: Any, near: tuple[str, str]
) -> None:
    depths = ros.collect(Image, "left/depth")
    left = ros.collect(PoseArray, "left/pose/poses")
    right = ros.collect(PoseArray, "right/pose/poses")
    fused = ros.collect(PoseArray, "fusion/poses")
    bring_up(ros, near)

    def several() -> list[Any]:
        return [msg for msg in fused if is_by_several(msg)]

    def measured(sent: list[Any]) -> list[Poses]:
        """Return the people of a camera of which some joint has its place by depth."""
        people = [poses_from_msg(msg) for msg in sent]
        return [
            poses
            for poses in people
            if poses.camera_sources is not None
            and (poses.camera_sources == PositionSource.DEPTH).any()
        ]

    assert ros.spin_until(lambda: depths and measured(left) and right and len(several()) > 9)
    assert not measured(right)
    meters = np.frombuffer(bytes(depths[0].data), "<f4").reshape(480, 640)
    assert depths[0].header.frame_id == "left_camera_optical_frame"
    truth = open_synthetic(f"raise_hand?{NEAR['left']}&width=640&height=480", live=False)
    true = truth.depth(0.0)
    known = np.isfinite(meters) & np.isfinite(true)
    assert known.mean() > 0.02
    assert np.median(np.abs(meters - true)[known]) < 0.05
    hips = [people.camera[0, people.skeleton.index("left_hip"), 2] for people in measured(left)]
    person = truth.truth(0.5)
    expected = person.camera[measured(left)[0].skeleton.index("left_hip"), 2]
    assert np.nanmedian(hips) == pytest.approx(expected, rel=0.05)
    # the left arm rises at last; the right one keeps still after the first two images
    arm = [person.skeleton.index(f"right_{joint}") for joint in ("shoulder", "wrist")]
    everybody = [poses_from_msg(msg) for msg in several()]
    arms = [np.diff(people.camera[0, arm], axis=0)[0] for people in everybody]
    errors = angle_between(np.array(arms), np.diff(person.camera[arm], axis=0))
    print(f"arm of fused people: {np.nanmedian(errors):.1f} degrees, n {len(errors)}")
    assert np.nanmedian(errors) < 10.0


def test_halves_without_a_calibration_are_published_without_depth(
    ros: Any, near: tuple[str, str]
) -> None:
    given = {"source": near[0], "stereo": "side_by_side", "loop": True}
    values = [Parameter(name, value=value) for name, value in given.items()]
    node = ros.add(CameraNode(parameter_overrides=values))
    images = ros.collect(Image, "right/image")
    assert node.autostart()
    assert ros.spin_until(lambda: images)
    assert ros.node.count_publishers("left/depth") == 0


@pytest.mark.parametrize(("apart", "is_near"), [(0.12, True), (2.0, False)])
def test_pixels_are_matched_where_both_lenses_are_near_each_other(
    tmp_path: Path, apart: float, is_near: bool
) -> None:
    sides = {"left": apart / 2, "right": -apart / 2}
    drawn = {name: open_synthetic(f"stand?camera_y={y}", live=False) for name, y in sides.items()}
    write_rig(tmp_path / "pair.yaml", rig_of(drawn))
    given = {"camera": "0", "stereo": "side_by_side", "calibration": str(tmp_path / "pair.yaml")}
    plan = launch_plan(given, Machine(has_module=lambda _: True, has_setpriv=lambda: False))
    assert not plan.errors
    poses = [node for node in plan.nodes if node.name == "pose"]
    asked = [{"use_depth": True} in node.parameters for node in poses]
    assert asked == [is_near, False]


def test_launch_starts_one_camera_node_and_the_nodes_of_both_halves(pair: tuple[str, str]) -> None:
    video, rig = pair
    plan = launch_plan(
        {"camera": video, "stereo": "side_by_side", "calibration": rig},
        Machine(has_module=lambda _: True, has_setpriv=lambda: False),
    )
    assert not plan.errors
    assert [node.path for node in plan.nodes] == ["fusion", "left/pose", "right/pose", "camera"]
    camera = plan.nodes[-1]
    assert camera.activate_after == ("fusion", "left/pose", "right/pose")
    last = camera.parameters[-1]
    assert isinstance(last, dict)
    assert (last["stereo"], last["source"]) == ("side_by_side", video)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--camera", "0"], "stereo needs calibration"),
        (["--camera", "0", "--camera", "1", "--calibration", "r"], "stereo is for one device"),
        (["--camera", "synthetic", "--calibration", "r"], "stereo is for one device"),
    ],
)
def test_options_that_conflict_with_stereo_give_a_one_line_error(
    options: list[str], line: str
) -> None:
    with pytest.raises(OptionError, match=line):
        find_cameras(parser().parse_args([*options, "--stereo", "side_by_side"]))


def test_camera_info_is_read_from_a_calibration_of_several_cameras(
    ros: Any, pair: tuple[str, str], tmp_path: Path
) -> None:
    bent = Camera(1280, 480, np.diag([500.0, 500.0, 1.0]), "plumb_bob", [-0.2, 0.0, 0.0, 0.0, 0.0])
    place = Extrinsics(np.eye(3), np.zeros(3))
    write_rig(tmp_path / "room.yaml", CameraRig((CameraView("left", bent, place),)))
    given = {"source": pair[0], "camera_info_url": f"{tmp_path}/room.yaml#left"}
    infos = ros.collect(CameraInfo, "camera_info")
    values = [Parameter(name, value=value) for name, value in given.items()]
    node = ros.add(CameraNode(parameter_overrides=values))
    assert node.autostart()
    assert ros.spin_until(lambda: infos)
    assert infos[0].d[0] == pytest.approx(-0.2)
    assert infos[0].k[0] == pytest.approx(250.0)  # the images are half as large


def test_image_without_two_halves_is_refused() -> None:
    frame = open_synthetic("stand?width=65&height=48", live=False).read()
    assert frame is not None
    with pytest.raises(ImageError, match="no two halves"):
        half_of(frame, "left")
