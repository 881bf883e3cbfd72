"""Camera, depth and frames of an image, as nodes and recordings track them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pose_ros.bags.message_types import types
from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.depth import DepthImage, DepthMatcher
from pose_ros.errors import ImageError, TransformError
from pose_ros.messages.cameras import CameraTracker, camera_info_to_msg
from pose_ros.messages.headers import header_of, seconds_of
from pose_ros.messages.transforms import FrameTracker, transform_to_msg

START = 1_700_000_000_000_000_000  # nanoseconds


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def say(said: list[tuple[str, str]]) -> Any:
    return lambda kind, text: said.append((kind, text))


def info(width: int = 640) -> Any:
    camera = Camera.from_hfov(width, 480, 60.0)
    return camera_info_to_msg(types, Calibration(camera), header_of(types, START, "lens"))


def test_camera_info_that_is_equal_to_the_last_is_not_read_again(say: Any) -> None:
    tracker = CameraTracker("/camera_info", False, say)
    assert not tracker.heard
    tracker.take(b"a", info)
    camera = tracker.camera
    assert camera is not None
    tracker.take(b"a", lambda: pytest.fail("it was read again"))
    assert tracker.camera is camera
    tracker.take(b"b", info)
    assert tracker.camera is not camera


def test_camera_of_another_size_is_reported_and_not_used(say: Any, said: list[Any]) -> None:
    tracker = CameraTracker("/camera_info", False, say, lost="no meters and no /tf")
    assert tracker.fitting(tracker.camera, 640, 480) is None
    assert said == []
    assert tracker.trouble == "nothing on /camera_info"
    tracker.take(b"a", info)
    assert tracker.fitting(tracker.camera, 320, 240) is None
    assert [kind for kind, _ in said] == ["size"]
    assert said[0][1].startswith("no meters and no /tf: /camera_info is for 640x480 pixels")
    assert tracker.trouble == said[0][1]
    assert tracker.fitting(tracker.camera, 640, 480) is tracker.camera
    assert tracker.trouble == ""


def test_uncalibrated_camera_is_unknown_until_it_is_calibrated(say: Any, said: list[Any]) -> None:
    tracker = CameraTracker("/camera_info", False, say)
    tracker.take(
        b"a", lambda: types("sensor_msgs/msg/CameraInfo")(**{**vars(info()), "k": [0] * 9})
    )
    assert tracker.camera is None
    assert tracker.heard
    assert [kind for kind, _ in said] == ["camera"]
    tracker.take(b"b", info)
    assert tracker.camera is not None
    assert tracker.trouble == ""


def depth(value: float, width: int = 8) -> DepthImage:
    return DepthImage(np.full((6, width), value, np.float32), "32FC1", 0.0)


def test_depth_is_matched_up_to_max_skew_despite_rounding(say: Any) -> None:
    matcher = DepthMatcher("/depth", 4, depth, say)
    assert matcher.nearest(seconds_of(START), 0.05, 8, 6) is None
    for milliseconds in (0, 33, 67, 100):
        matcher.put(seconds_of(START + milliseconds * 1_000_000), float(milliseconds))
    for asked, expected in ((-50, 0), (16, 0), (17, 33), (150, 100)):
        found = matcher.nearest(seconds_of(START + asked * 1_000_000), 0.05, 8, 6)
        assert found is not None
        assert found.values[0, 0] == expected
    for asked in (-51, 151):
        assert matcher.nearest(seconds_of(START + asked * 1_000_000), 0.05, 8, 6) is None
    matcher.put(seconds_of(START + 133_000_000), 133.0)
    assert len(matcher.stamps) == 4, "the oldest is gone"
    assert matcher.skew(seconds_of(START)) == pytest.approx(0.033, abs=1e-6)


def test_damaged_depth_or_depth_of_another_size_is_reported(say: Any, said: list[Any]) -> None:
    def load(value: float) -> DepthImage:
        if value < 0.0:
            raise ImageError("it is cut off")
        return depth(value, width=4)

    matcher = DepthMatcher("/depth", 4, load, say)
    matcher.put(1.0, -1.0)
    assert matcher.nearest(1.0, 0.05, 8, 6) is None
    matcher.put(2.0, 1.0)
    assert matcher.nearest(2.0, 0.05, 8, 6) is None
    assert [kind for kind, _ in said] == ["depth", "depth size"]
    assert said[0][1] == "/depth: it is cut off"
    assert "4x6 pixels, the images have 8x6" in said[1][1]


def test_frames_follow_messages_and_invalid_transforms_are_ignored(
    say: Any, said: list[Any]
) -> None:
    def frame(child: str, turn: list[float]) -> Any:
        header = header_of(types, START, "base_link")
        return transform_to_msg(types, header, child, np.array([1.0, 2.0, 3.0]), np.array(turn))

    tracker = FrameTracker(say)
    message = types("tf2_msgs/msg/TFMessage")(
        transforms=[frame("bad", [0.0, 0.0, 0.0, 0.0]), frame("camera", [0.0, 0.0, 0.0, 1.0])]
    )
    tracker.take(message, "/tf", static=False)
    place = tracker.lookup("base_link", "camera", seconds_of(START))
    np.testing.assert_allclose(place[:3, 3], (1.0, 2.0, 3.0))
    with pytest.raises(TransformError, match="nothing on /tf says where bad is"):
        tracker.lookup("base_link", "bad", seconds_of(START))
    assert [kind for kind, _ in said] == ["frame base_link bad"]
    assert said[0][1].startswith("/tf: bad in base_link has no place")
