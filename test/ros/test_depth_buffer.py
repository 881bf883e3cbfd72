"""Depth images are matched by stamp, and others are not used."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from pose_ros.ros import camera_and_depth
from pose_ros.ros.camera_and_depth import DepthBuffer
from pose_ros.ros.messages import header_to_msg


def depth_message(stamp: float, millimeters: int = 1000, width: int = 8, height: int = 6) -> bytes:
    msg = Image(header=header_to_msg(stamp, "camera"), encoding="16UC1", width=width, height=height)
    msg.step = 2 * width
    msg.data.frombytes(np.full((height, width), millimeters, "<u2").tobytes())
    return bytes(serialize_message(msg))


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def buffer(warnings: list[str]) -> DepthBuffer:
    return DepthBuffer("/depth", warnings.append)


def test_depth_nearest_in_time_is_used(buffer: DepthBuffer, warnings: list[str]) -> None:
    for stamp in (10.0, 10.033, 10.066):
        buffer.take(depth_message(stamp, round(stamp * 100)))
    for asked, expected in ((10.03, 10.033), (10.0, 10.0), (10.09, 10.066), (9.99, 10.0)):
        got = buffer.nearest(asked, 0.05, 8, 6)
        assert got is not None
        assert got.stamp == pytest.approx(expected, abs=1e-6)
        assert np.all(got.values == round(expected * 100))
    assert warnings == []
    assert "for 4 images, not for 0" in buffer.describe()


def test_depth_too_old_or_too_new_is_not_used_and_logged_once(
    buffer: DepthBuffer, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 0.0)
    assert buffer.nearest(10.0, 0.05, 8, 6) is None
    buffer.take(depth_message(10.0))
    for stamp in (10.06, 9.94):
        assert buffer.nearest(stamp, 0.05, 8, 6) is None
    assert buffer.nearest(10.04, 0.05, 8, 6) is not None
    assert warnings == [], "some may be lost"
    for _ in range(7):
        assert buffer.nearest(10.06, 0.05, 8, 6) is None
    assert len(warnings) == 1
    assert "max_depth_skew is 0.05 s" in warnings[0]


def test_depth_of_another_size_is_not_used_and_logged_once(
    buffer: DepthBuffer, warnings: list[str]
) -> None:
    buffer.take(depth_message(10.0))
    for _ in range(2):
        assert buffer.nearest(10.0, 0.05, 16, 12) is None
    assert len(warnings) == 1
    assert "8x6 pixels, the images have 16x12" in warnings[0]


def test_image_that_is_not_depth_is_logged_once(buffer: DepthBuffer, warnings: list[str]) -> None:
    picture = Image(header=header_to_msg(10.0, "camera"), encoding="rgb8", width=1, height=1)
    picture.step = 3
    picture.data.frombytes(b"123")
    for _ in range(2):
        buffer.take(bytes(serialize_message(picture)))
    buffer.take(b"")
    assert buffer.nearest(10.0, 0.05, 1, 1) is None
    assert len(warnings) == 1
    assert "unknown depth encoding 'rgb8'" in warnings[0]


def test_few_depth_images_are_kept_and_time_may_jump_back(buffer: DepthBuffer) -> None:
    for stamp in np.arange(10.0, 20.0, 0.1):
        buffer.take(depth_message(float(stamp)))
    assert buffer.nearest(10.0, 0.05, 8, 6) is None
    buffer.take(depth_message(10.0, 1234))
    got = buffer.nearest(10.0, 0.05, 8, 6)
    assert got is not None
    assert got.values[0, 0] == 1234


def seek(buffer: DepthBuffer, found: list[Any], stamp: float = 10.0) -> threading.Thread:
    """Look for a depth in a thread of its own."""
    thread = threading.Thread(
        target=lambda: found.append(buffer.nearest(stamp, 0.05, 8, 6)), daemon=True
    )
    thread.start()
    return thread


def test_buffer_waits_briefly_for_depth_that_comes_later(
    buffer: DepthBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 60.0)
    buffer.take(depth_message(9.0))
    found: list[Any] = []
    seeker = seek(buffer, found)
    seeker.join(0.1)
    buffer.take(depth_message(9.5))
    seeker.join(0.1)
    assert seeker.is_alive(), "these are too old"
    buffer.take(depth_message(10.0))
    seeker.join()
    assert found[0].stamp == 10.0


def test_wait_for_depth_ends_after_its_limit(
    buffer: DepthBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 60.0)
    assert buffer.nearest(10.0, 0.05, 8, 6) is None, "no depth at all: no wait"
    buffer.take(depth_message(0.0))
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 0.0)
    for _ in range(5):
        assert buffer.nearest(10.0, 0.05, 8, 6) is None
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 60.0)
    for _ in range(5):
        assert buffer.nearest(10.0, 0.05, 8, 6) is None
    found: list[Any] = []
    for stamp in (10.0, 20.0):  # the tenth tries again; and as it came, so does the next
        seeker = seek(buffer, found, stamp)
        seeker.join(0.1)
        assert seeker.is_alive()
        buffer.take(depth_message(stamp))
        seeker.join()
        assert found[-1].stamp == stamp


def test_buffer_waits_for_depth_of_the_same_stamp_although_the_one_before_would_fit(
    buffer: DepthBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a camera that gives both at 30 Hz, the depth before, 33 ms old, is within the skew."""
    monkeypatch.setattr(camera_and_depth, "_WAIT_SECONDS", 60.0)
    buffer.take(depth_message(10.0))
    found: list[Any] = []
    for stamp in (10.033, 10.067, 10.1):
        seeker = seek(buffer, found, stamp)
        seeker.join(0.05)
        assert seeker.is_alive()
        buffer.take(depth_message(stamp))
        seeker.join()
        assert found[-1].stamp == pytest.approx(stamp, abs=1e-6)
    # one was lost, and the next is there
    buffer.take(depth_message(10.167))
    got = buffer.nearest(10.135, 0.05, 8, 6)
    assert got is not None
    assert got.stamp == pytest.approx(10.167, abs=1e-6)


def test_buffer_does_not_wait_for_depth_whose_stamps_never_match(
    buffer: DepthBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    wait_for = threading.Condition.wait_for

    def watched(self: Any, predicate: Any, timeout: float | None = None) -> Any:
        if timeout and not predicate():
            waits.append(timeout)
        return wait_for(self, predicate, 0.0)

    monkeypatch.setattr(threading.Condition, "wait_for", watched)
    for number in range(40):
        buffer.take(depth_message(10.0 + number / 30 - 0.015))
        got = buffer.nearest(10.0 + number / 30, 0.05, 8, 6)
        assert got is not None
    assert 3 <= len(waits) <= 7, "at first, and now and then"
