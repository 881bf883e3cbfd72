"""`pose-ros watch`: the overlay with gestures, where it is shown, and what the command prints."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.errors import OptionError
from pose_ros.files import node_executable
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros import overlay
from pose_ros.ros.messages import gestures_to_msg, header_to_msg, image_to_msg, poses_to_msg
from pose_ros.ros.overlay import OverlayInput

PROCESS_SECONDS = 120.0


def test_overlay_waits_for_the_gestures_of_its_image(ros: Any, fake: Any) -> None:
    shown: list[tuple[float, bool]] = []
    make = ros.node.create_publisher
    overlays = make(Image, "pose/overlay", 10)
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


def test_picture_file_is_always_the_last_picture(tmp_path: Path) -> None:
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
def test_unknown_overlay_target_is_one_line(where: str) -> None:
    with pytest.raises(OptionError, match="--overlay must be window, browser, a video"):
        overlay.open_view(where)


def test_window_that_cannot_be_had_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OptionError, match="^no window: .*--overlay browser"):
        overlay.open_view("window")
    # an OpenCV with windows, and no display for them
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "\n  GUI:                  QT5\n")
    with pytest.raises(OptionError, match="DISPLAY is not set"):
        overlay.open_view("window")


def test_watch_without_nodes_says_what_to_do() -> None:
    done = _watch("--seconds", "2.5")
    assert done.returncode == 0
    assert "no pose node found: start one" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--overlay", "film"], "--overlay must be window, browser"),
        (["--seconds", "0"], "--seconds must be above 0"),
        (["--overlay", "browser", "--port", "99999"], "cannot listen on 127.0.0.1:99999"),
    ],
)
def test_thing_that_cannot_be_watched_is_one_line(arguments: list[str], words: str) -> None:
    done = _watch(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def _watch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(node_executable("watch")), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
