"""How a camera_info is judged: fitting, uncalibrated, for other images, of an unknown lens."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo

from pose_ros.core.camera import Calibration, Camera
from pose_ros.messages.cameras import camera_info_topic, is_rectified
from pose_ros.ros.camera_and_depth import CameraWatch, OwnCamera
from pose_ros.ros.messages import camera_info_to_msg, header_to_msg
from pose_ros.sources.pictures import PictureSource
from pose_ros.synthetic.source import SyntheticSource


def info(width: int = 640, height: int = 480, stamp: float = 1.0) -> CameraInfo:
    camera = Camera.from_hfov(width, height, 60)
    return camera_info_to_msg(Calibration(camera), header_to_msg(stamp, "camera"))


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def watch(warnings: list[str]) -> CameraWatch:
    return CameraWatch("/front/camera_info", False, warnings.append)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("/image", "/camera_info"),
        ("/front/image_raw", "/front/camera_info"),
        ("/a/b/c/image_rect_color", "/a/b/c/camera_info"),
    ],
)
def test_camera_info_topic_is_sibling_of_image_topic(image: str, expected: str) -> None:
    assert camera_info_topic(image) == expected


@pytest.mark.parametrize(
    ("kind", "topic", "expected"),
    [
        ("auto", "/front/image_raw", False),
        ("auto", "/front/image_rect", True),
        ("auto", "/front/image_rect_color", True),
        ("auto", "/zed/rgb/color/rect/image", True),
        ("auto", "/director/image", False),
        ("raw", "/front/image_rect", False),
        ("rectified", "/front/image", True),
    ],
)
def test_rectified_images_are_recognized_by_their_topic(
    kind: str, topic: str, expected: bool
) -> None:
    assert is_rectified(kind, topic) == expected


def test_camera_info_that_fits_gives_calibration(watch: CameraWatch, warnings: list[str]) -> None:
    assert watch.camera_for(640, 480) is None
    assert "nothing on /front/camera_info" in watch.describe()
    watch.take(info())
    camera = watch.camera_for(640, 480)
    assert camera is not None
    assert camera.hfov_degrees == pytest.approx(60)
    watch.take(info(stamp=2.0))
    assert watch.camera_for(640, 480) is camera, "only the stamp has changed"
    changed = info()
    changed.k[0] *= 2  # it zooms
    watch.take(changed)
    assert watch.camera_for(640, 480) is not camera
    assert warnings == []
    assert "640x480, " in watch.describe()


def test_rectified_images_have_no_distortion(warnings: list[str]) -> None:
    msg = info()
    msg.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    for rectified in (False, True):
        watch = CameraWatch("/front/camera_info", rectified, warnings.append)
        watch.take(msg)
        camera = watch.camera_for(640, 480)
        assert camera is not None
        assert camera.distorted != rectified


def zero_matrix() -> CameraInfo:
    return CameraInfo(width=640, height=480)


def other_size() -> CameraInfo:
    return info(1280, 720)


def unknown_lens() -> CameraInfo:
    msg = info()
    msg.distortion_model, msg.d = "bent", [0.1, 0.0, 0.0, 0.0, 0.0]
    return msg


def not_a_number() -> CameraInfo:
    msg = info()
    msg.k[0] = np.nan
    return msg


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (zero_matrix, "not calibrated (K is zero)"),
        (other_size, "is for 1280x720 pixels, the images have 640x480"),
        (unknown_lens, "bent"),
        (not_a_number, "finite camera matrix"),
    ],
)
def test_unusable_camera_info_is_logged_once_and_cleared_by_a_usable_one(
    watch: CameraWatch, warnings: list[str], make: Any, words: str
) -> None:
    for _ in range(3):
        watch.take(make())
        assert watch.camera_for(640, 480) is None
    assert len(warnings) == 1
    assert words in warnings[0]
    assert "no meters and no /tf" in warnings[0]
    assert words in watch.describe()
    watch.take(info())
    assert watch.camera_for(640, 480) is not None
    assert words not in watch.describe()


def test_missing_camera_info_is_logged_once(watch: CameraWatch, warnings: list[str]) -> None:
    for _ in range(100):
        assert watch.camera_for(640, 480) is None
    assert warnings == ["nothing on /front/camera_info yet: no meters and no /tf"]


def test_source_with_a_known_camera_is_calibrated_without_a_warning(warnings: list[str]) -> None:
    source = SyntheticSource("stand", width=320, height=240)
    own = OwnCamera(source, None, None, warnings.append)
    assert own.camera_for(320, 240) is source.camera
    other = Calibration(Camera.from_hfov(320, 240, 90))
    assert OwnCamera(source, other, None, warnings.append).camera_for(320, 240) is other.camera
    assert warnings == []


def test_source_without_a_camera_gives_one_warning_and_hfov_replaces_it(
    warnings: list[str], data: Any
) -> None:
    source = PictureSource([data / "images" / "peds_3.jpg"], name="a picture")
    own = OwnCamera(source, None, None, warnings.append)
    for _ in range(2):
        assert own.camera_for(320, 240) is None
    assert warnings == ["no meters and no /tf: not calibrated: set camera_info_url or hfov"]
    assert "set camera_info_url or hfov" in own.describe()
    made_up = OwnCamera(source, None, 70.0, warnings.append).camera_for(320, 240)
    assert made_up is not None
    assert made_up.hfov_degrees == pytest.approx(70)
    wrong = OwnCamera(source, Calibration(Camera.from_hfov(640, 480, 60)), None, warnings.append)
    assert wrong.camera_for(320, 240) is None
    assert "is for 640x480 pixels" in warnings[-1]


def test_the_first_image_waits_for_a_camera_info_that_it_overtook(
    watch: CameraWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_ros.ros.camera_and_depth._FIRST_SECONDS", 60.0)
    asked = threading.Event()
    found: list[Camera | None] = []

    def ask() -> None:
        asked.set()
        found.append(watch.camera_for(640, 480))

    worker = threading.Thread(target=ask)
    worker.start()
    assert asked.wait(60.0)
    watch.take(info())
    worker.join()
    assert found[0] is not None
