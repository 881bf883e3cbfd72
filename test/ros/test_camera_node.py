"""The camera node in this process."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from pose_ros.core.camera import Calibration, Camera
from pose_ros.errors import OptionError
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import depth_from_msg, image_from_msg
from pose_ros.ros.camera_and_depth import calibration_path
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.qos import LATCHED_QOS
from pose_ros.synthetic.scene_bag import START_SECONDS, BagOptions, write_scene_bag
from pose_ros.synthetic.source import SyntheticSource, open_synthetic
from tools.bags import image, write_bag
from tools.calibrations import write_calibration
from tools.mjpeg_server import MjpegServer

SUCCESS = TransitionCallbackReturn.SUCCESS
ACTOR = "synthetic:stand?width=64&height=48&fps=20&hfov=60"
CLIP_FPS = 25.0
WAIT_SECONDS = 60.0


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of ten frames, each of one gray."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), CLIP_FPS, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


def camera(ros: Any, **parameters: Any) -> CameraNode:
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node: CameraNode = ros.add(CameraNode(parameter_overrides=overrides))
    return node


def activate(ros: Any, node: CameraNode) -> None:
    """Activate it after each subscriber has found it, before its first frame."""
    assert node.trigger_configure() == SUCCESS
    assert ros.spin_until_matched()
    assert node.trigger_activate() == SUCCESS


def ended(node: CameraNode) -> bool:
    return dict(node.report().values)["ended"] == "yes"


def stamps_of(messages: Sequence[Any]) -> set[float]:
    return {stamp_from_msg(msg.header.stamp) for msg in messages}


def test_a_live_source_keeps_its_stamps_and_truth(ros: Any) -> None:
    node = camera(ros, source=ACTOR, frame_id="eye")
    images = ros.collect(Image, "image", qos_profile_sensor_data)
    infos = ros.collect(CameraInfo, "camera_info")
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 3 and stamps_of(images) & stamps_of(infos))
    assert {msg.header.frame_id for msg in (*images, *infos)} == {"eye"}
    now = node.get_clock().now().nanoseconds * 1e-9
    for msg in images:
        stamp = stamp_from_msg(msg.header.stamp)
        assert stamp * 20 == pytest.approx(round(stamp * 20), abs=1e-3)
        assert abs(now - stamp) < 60
    assert image_from_msg(images[0])[0].shape == (48, 64, 3)
    # the actor's camera is known: nothing is made up
    assert camera_from_info(infos[0]).hfov_degrees == pytest.approx(60)


@pytest.fixture
def _never_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the spacing of a recording also where this machine stops for a moment."""
    monkeypatch.setattr("pose_ros.ros.capture.BEHIND_SECONDS", WAIT_SECONDS)


@pytest.mark.usefixtures("_never_behind")
def test_stamps_of_a_file_start_now_and_keep_its_frame_spacing(
    ros: Any, clip: Path, log: Any
) -> None:
    node = camera(ros, source=str(clip))
    health = ros.collect(DiagnosticArray, "/diagnostics")
    images = ros.collect(Image, "image", 20)
    activated = node.get_clock().now().nanoseconds * 1e-9
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 10)
    stamps = np.array([stamp_from_msg(msg.header.stamp) for msg in images])
    assert stamps[0] >= activated
    np.testing.assert_allclose(np.diff(stamps), 1 / CLIP_FPS, atol=1e-3)
    grays = [int(image_from_msg(msg)[0].mean()) for msg in images]
    np.testing.assert_allclose(grays, np.arange(10) * 20, atol=4)
    # it ends once, and the node stays
    last = lambda: {item.key: item.value for item in health[-1].status[0].values}  # noqa: E731
    assert ros.spin_until(lambda: health and last()["ended"] == "yes")
    assert last()["state"] == "active"
    assert log.count("has ended") == 1
    assert len(images) == 10
    # again from the start
    for transition in (node.trigger_deactivate, node.trigger_activate):
        assert transition() == SUCCESS
    assert ros.spin_until(lambda: len(images) >= 20)


def test_topic_option_chooses_among_the_image_topics_of_a_bag(
    ros: Any, tmp_path: Path, capfd: Any
) -> None:
    reported = [image(50 * i, name) for i in range(3) for name in ("/left/image", "/right/image")]
    path = write_bag(tmp_path / "bag", reported)
    node = camera(ros, source=str(path))
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() != SUCCESS
    assert "bag_topic of a node" in capfd.readouterr().err
    node = camera(ros, source=str(path), bag_topic="/right/image")
    images = ros.collect(Image, "image", 20)
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 3)


def test_a_bag_keeps_its_stamps_and_its_camera(ros: Any, tmp_path: Path) -> None:
    """Old recordings do not count as live images: no robot moves by them."""
    path, spec = tmp_path / "bag", "synthetic:stand?width=64&height=48&fps=20&hfov=60"
    write_scene_bag(path, open_synthetic(spec, live=False), BagOptions(seconds=0.5, depth="none"))
    node = camera(ros, source=str(path))
    images = ros.collect(Image, "image", 20)
    infos = ros.collect(CameraInfo, "camera_info", 20)
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 10 and len(infos) >= 10)
    stamps = np.array([stamp_from_msg(msg.header.stamp) for msg in images])
    np.testing.assert_allclose(stamps, START_SECONDS + np.arange(10) / 20, atol=1e-6)
    assert camera_from_info(infos[0]).hfov_degrees == pytest.approx(60)
    values = dict(node.report().values)
    assert (values["images received"], values["latency ms"]) == ("10", "")


@pytest.mark.usefixtures("_never_behind")
def test_file_in_a_loop_repeats_with_rising_stamps(ros: Any, clip: Path) -> None:
    node = camera(ros, source=str(clip), loop=True)
    images = ros.collect(Image, "image", 20)
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 15)
    stamps = [stamp_from_msg(msg.header.stamp) for msg in images]
    np.testing.assert_allclose(np.diff(stamps), 1 / CLIP_FPS, atol=1e-3)


def test_rate_option_drops_frames_of_a_file(ros: Any, clip: Path) -> None:
    node = camera(ros, source=str(clip), rate=5.0)
    images = ros.collect(Image, "image", 20)
    activate(ros, node)
    assert ros.spin_until(lambda: len(images) >= 2 and ended(node))
    ros.spin_for(0.2)
    assert [int(image_from_msg(msg)[0].mean()) // 19 for msg in images] == [0, 5]


def calibration(tmp_path: Path, width: int) -> str:
    path = tmp_path / "camera.yaml"
    matrix = np.array([[70.0, 0, 31], [0, 71, 23], [0, 0, 1]])
    write_calibration(path, Calibration(Camera(width, 48, matrix)))
    return path.as_uri()


def test_camera_info_is_published_from_a_calibration(ros: Any, clip: Path, tmp_path: Path) -> None:
    node = camera(ros, source=str(clip), camera_info_url=calibration(tmp_path, 64), loop=True)
    infos = ros.collect(CameraInfo, "camera_info")
    ros.collect(Image, "image")  # a file waits for a subscriber
    assert node.autostart()
    assert ros.spin_until(lambda: infos)
    assert infos[0].k.tolist() == [70, 0, 31, 0, 71, 23, 0, 0, 1]


def test_a_calibration_of_another_size_is_an_error(
    ros: Any, clip: Path, tmp_path: Path, capfd: Any
) -> None:
    node = camera(ros, source=str(clip), camera_info_url=calibration(tmp_path, 32))
    health = ros.collect(DiagnosticArray, "/diagnostics")
    ros.collect(Image, "image")  # a file waits for a subscriber
    assert node.autostart()
    assert ros.spin_until(lambda: any(m.status[0].level == b"\x02" for m in health))
    reported = capfd.readouterr().err
    assert "32x48" in reported
    assert "64x48" in reported


def test_camera_info_from_hfov_is_warned_about(ros: Any, clip: Path, capfd: Any) -> None:
    node = camera(ros, source=str(clip), hfov=90, loop=True)
    infos = ros.collect(CameraInfo, "camera_info")
    ros.collect(Image, "image")  # a file waits for a subscriber
    assert node.autostart()
    assert ros.spin_until(lambda: len(infos) > 2)
    assert infos[0].k[0] == pytest.approx(32)
    assert capfd.readouterr().err.count("hfov 90 degrees") == 1


def test_camera_info_of_an_uncalibrated_camera(ros: Any, clip: Path) -> None:
    node = camera(ros, source=str(clip), loop=True)
    infos = ros.collect(CameraInfo, "camera_info")
    ros.collect(Image, "image")  # a file waits for a subscriber
    assert node.autostart()
    assert ros.spin_until(lambda: infos)
    # as CameraInfo itself says: K of zeros is an uncalibrated camera
    assert (infos[0].width, infos[0].height, infos[0].k[0]) == (64, 48, 0)


@pytest.mark.parametrize(
    ("parameters", "configures", "words"),
    [
        ({"source": "/dev/video99", "wait_for_camera": False}, True, "/dev/video99"),
        ({"source": "/no/such/file.mp4"}, True, "/no/such/file.mp4"),
        ({"source": "synthetic:dance"}, True, "dance"),
        ({"camera_info_url": "/no/such/camera.yaml"}, False, "/no/such/camera.yaml"),
        ({"camera_info_url": "http://server/camera.yaml"}, False, "file:///"),
    ],
)
def test_source_that_cannot_be_opened_is_logged(
    ros: Any, capfd: Any, parameters: dict[str, Any], configures: bool, words: str
) -> None:
    node = camera(ros, **parameters)
    assert not node.autostart()
    assert node.state == ("inactive" if configures else "unconfigured")
    assert words in capfd.readouterr().err


def test_frames_in_memory_are_not_copied(ros: Any) -> None:
    node = camera(ros, source=ACTOR)
    frames: list[Any] = []
    end = node.subscribe(lambda header, frame: frames.append((header, frame)))
    assert node.autostart()
    assert ros.spin_until(lambda: len(frames) >= 2)
    end()
    header, frame = frames[0]
    assert stamp_from_msg(header.stamp) == pytest.approx(frame.stamp, abs=1e-6)
    assert frame.image.base is None or frame.image.flags.owndata is False
    assert node.trigger_deactivate() == SUCCESS


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b.yaml", "/a/b.yaml"),
        ("file:///a/b%20c.yaml", "/a/b c.yaml"),
        ("file://localhost/a.yaml", "/a.yaml"),
        ("package://robot/camera.yaml", None),
    ],
)
def test_calibration_url_becomes_a_path_or_a_one_line_error(url: str, path: str | None) -> None:
    if path is None:
        with pytest.raises(OptionError, match="package://"):
            calibration_path(url)
    else:
        assert calibration_path(url) == path


def test_drawn_scene_publishes_depth_and_the_pose_of_its_camera(ros: Any) -> None:
    node = camera(ros, source=f"{ACTOR}&camera_height=1.2", frame_id="eye")
    mountings = ros.collect(TFMessage, "/tf_static", LATCHED_QOS)
    depths = ros.collect(Image, "depth", qos_profile_sensor_data)
    images = ros.collect(Image, "image", qos_profile_sensor_data)
    activate(ros, node)
    assert ros.spin_until(
        lambda: mountings and depths and stamps_of(depths[-1:]) <= stamps_of(images)
    )
    (mounting,) = mountings[0].transforms
    assert (mounting.header.frame_id, mounting.child_frame_id) == ("base_link", "eye")
    assert mounting.transform.translation.z == pytest.approx(1.2)
    depth = depth_from_msg(depths[-1])
    assert depths[-1].header.frame_id == "eye"
    source = open_synthetic(f"{ACTOR}&camera_height=1.2", live=False)
    assert isinstance(source, SyntheticSource)
    error = depth.values - source.depth(depth.stamp)
    source.close()
    # as a stereo camera measures it: holes, and centimeters of error, which grow with distance
    assert 0.5 < np.isfinite(error).mean() <= 1.0
    assert np.nanmedian(np.abs(error)) < 0.1


def test_source_that_is_not_synthetic_has_no_depth(ros: Any, clip: Path) -> None:
    node = camera(ros, source=str(clip))
    assert node.trigger_configure() == SUCCESS
    assert ros.spin_until(lambda: ros.node.count_publishers("image"))
    assert not ros.node.count_publishers("depth")


def test_node_waits_for_missing_camera_and_starts_when_it_comes(
    ros: Any, caplog: pytest.LogCaptureFixture, log: Any
) -> None:
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    health = ros.collect(DiagnosticArray, "/diagnostics")
    images = ros.collect(Image, "image", qos_profile_sensor_data)
    node = camera(ros, source=f"http://127.0.0.1:{port}/camera.mjpg")
    assert node.autostart()
    missing = f"no video comes from http://127.0.0.1:{port}/camera.mjpg; it is tried again"
    assert ros.spin_until(lambda: any(missing in m.status[0].message for m in health))
    assert [r.getMessage() for r in caplog.records].count(missing) == 1
    assert not images
    assert "images from" not in log
    server = MjpegServer(port, np.full((48, 64, 3), 120, np.uint8))
    try:
        assert ros.spin_until(lambda: len(images) > 2)
        assert (images[0].width, images[0].height) == (64, 48)
        assert log.count("images from") == 1
    finally:
        server.stop()


def test_two_cameras_with_the_same_frame_id_are_logged_once(ros: Any, log: Any) -> None:
    for name, frame_id in (("left", "eye"), ("right", "eye"), ("back", "back_eye")):
        overrides = [
            Parameter("source", value=ACTOR),
            Parameter("frame_id", value=frame_id),
        ]
        arguments = ["--ros-args", "-r", f"__ns:=/{name}"]
        node = ros.add(CameraNode(parameter_overrides=overrides, cli_args=arguments))
        assert node.autostart()
    health = ros.collect(DiagnosticArray, "/diagnostics")
    words = "the camera of /right/camera has the frame 'eye' as this one has"
    others = "the camera of /left/camera has the frame 'eye'"
    assert ros.spin_until(lambda: any(words in m.status[0].message for m in health))
    assert ros.spin_until(lambda: words in log and others in log)
    ros.spin_for(1.2)
    assert (log.count(words), log.count(others)) == (1, 1)
    assert "/back/camera has the frame" not in log
