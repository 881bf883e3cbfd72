"""The overlay with gestures, where it is shown, and its video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image as ImageMsg

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.types import Image
from pose_ros.errors import OptionError, OutputError
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros import overlay
from pose_ros.ros.messages import gestures_to_msg, header_to_msg, image_to_msg, poses_to_msg
from pose_ros.ros.overlay import OverlayInput, VideoRecorder
from pose_ros.sources.opening import open_source


def gray(value: int, width: int = 64) -> Image:
    return np.full((48, width, 3), value, np.uint8)


def written(path: Path) -> list[tuple[float, int]]:
    """Return stamps and brightness of the frames of a video."""
    source = open_source(str(path))
    frames = [frame for frame in iter(source.read, None) if frame is not None]
    source.close()
    return [(frame.stamp, round(float(frame.image.mean()))) for frame in frames]


def test_every_image_is_written_at_its_time(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "new" / "o.mp4") as recorder:
        for stamp, value in ((100.0, 20), (100.25, 90), (100.2, 0), (100.5, 160), (160.5, 230)):
            recorder.add(gray(value), "bgr", stamp)
    assert recorder.frames == 4
    stamps, values = zip(*written(recorder.path), strict=True)
    # one that is late is left out, and a long time without images is cut to 5 s
    np.testing.assert_allclose(stamps, (0.0, 0.25, 0.5, 5.5), atol=0.01)
    np.testing.assert_allclose(values, (20, 90, 160, 230), atol=6)


def test_more_images_than_may_wait_are_all_written(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.mp4") as recorder:
        for i in range(100):
            recorder.add(gray(2 * i), "rgb", 0.1 * i)
    assert recorder.frames == len(written(recorder.path)) == 100


def test_image_of_another_size_is_scaled(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.avi") as recorder:
        recorder.add(gray(50), "bgr", 0.0)
        recorder.add(gray(200, width=128), "bgr", 1.0)
    assert len(written(tmp_path / "o.avi")) == 2


def test_file_without_a_video_suffix_becomes_mp4(tmp_path: Path) -> None:
    assert VideoRecorder(tmp_path / "o.txt").path == tmp_path / "o.mp4"


def test_file_that_cannot_be_written_is_an_error_with_the_first_image(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").mkdir()
    recorder = VideoRecorder(tmp_path / "o.mp4")
    with pytest.raises(OutputError, match=r"o\.mp4"):
        add_many(recorder)
    with pytest.raises(OutputError):
        recorder.close()


def add_many(recorder: VideoRecorder) -> None:
    for i in range(1000):
        recorder.add(gray(0), "bgr", float(i))


def test_overlay_without_images_writes_no_file(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_overlay_waits_for_the_gestures_of_its_image(ros: Any, fake: Any) -> None:
    shown: list[tuple[float, bool]] = []
    make = ros.node.create_publisher
    overlays = make(ImageMsg, "pose/overlay", 10)
    poses = make(PoseArray, "pose/poses", 10)
    gestures = make(GestureArray, "gesture/gestures", 10)
    given = OverlayInput(
        ros.node,
        lambda image, _, stamp: shown.append((stamp, bool(image.any()))),
        overlay="pose/overlay",
        poses="pose/poses",
        gestures="gesture/gestures",
    )
    assert ros.spin_until(
        lambda: all(p.get_subscription_count() for p in (overlays, poses, gestures))
    )
    picture = np.zeros((96, 128, 3), np.uint8)
    people = fake.estimate(picture)
    for stamp in (1.0, 2.0, 3.0, 4.0):
        header = header_to_msg(stamp, "camera")
        poses.publish(poses_to_msg(people, header, "fake", width=128, height=96))
        overlays.publish(image_to_msg(picture, "bgr", header))
        if stamp == 4.0:
            wave = Gesture("wave", "right", 7, "held", 0.9, 0.0)
            gestures.publish(gestures_to_msg([wave], header))
    # those without gestures come when two more are there, in order; the last one is drawn into
    assert ros.spin_until(lambda: len(shown) == 4)
    assert [stamp for stamp, _ in shown] == [1.0, 2.0, 3.0, 4.0]
    assert [drawn for _, drawn in shown] == [False, False, False, True]
    given.close()


def test_picture_file_holds_the_latest_picture(tmp_path: Path) -> None:
    path = tmp_path / "now.png"
    view, _ = overlay.open_view(str(path))
    for value in (50, 200):
        view.show(np.full((8, 8, 3), (value, 0, 0), np.uint8), "rgb", 1.0)
        assert cv2.imread(str(path))[4, 4].tolist() == [0, 0, value]
    view.close()
    assert list(tmp_path.iterdir()) == [path]


def test_video_file_is_finished_on_close(tmp_path: Path) -> None:
    view, _ = overlay.open_view(str(tmp_path / "new" / "clip.mp4"))
    for i in range(10):
        view.show(np.full((48, 64, 3), 20 * i, np.uint8), "bgr", 0.1 * i)
    view.close()
    (path,) = (tmp_path / "new").iterdir()
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) >= 10


@pytest.mark.parametrize("where", ["film", "now.txt", ""])
def test_unknown_overlay_target_gives_a_one_line_error(where: str) -> None:
    with pytest.raises(OptionError, match="--overlay must be window, browser, a video"):
        overlay.open_view(where)


def test_window_that_cannot_open_names_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OptionError, match="^no window: .*--overlay browser"):
        overlay.open_view("window")
    # an OpenCV with windows, and no display for them
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "\n  GUI:                  QT5\n")
    with pytest.raises(OptionError, match="DISPLAY is not set"):
        overlay.open_view("window")
