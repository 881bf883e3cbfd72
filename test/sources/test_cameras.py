"""Cameras that are lost and come back, slow readers, stamps: with a scripted capture."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_ros.errors import OptionError, SourceError
from pose_ros.sources import cameras
from pose_ros.sources.cameras import (
    CameraSource,
    CaptureRequest,
    capture_time,
    check_device,
    retry_pauses,
)
from pose_ros.sources.opening import open_source

DEVICE = CaptureRequest("/dev/video7")
LOST, BACK = "is lost", "is back"


class FakeCapture:
    """A camera of 200 frames a second that can be unplugged."""

    def __init__(self, value: int, plugged: threading.Event) -> None:
        self.value, self.plugged = value, plugged
        self.released = False
        self.position_msec = 0.0

    def read(self) -> tuple[bool, Any]:
        assert not self.released
        time.sleep(0.005)
        if not self.plugged.is_set():
            return False, None
        self.position_msec = time.monotonic() * 1000.0
        return True, np.full((48, 64, 3), self.value, np.uint8)

    def get(self, property_id: int, /) -> float:
        return {cv2.CAP_PROP_FPS: 200.0, cv2.CAP_PROP_POS_MSEC: self.position_msec}[property_id]

    def release(self) -> None:
        self.released = True


class FakeDevice:
    """Opens captures while it is plugged in, and counts."""

    def __init__(self) -> None:
        self.plugged = threading.Event()
        self.plugged.set()
        self.captures: list[FakeCapture] = []
        self.attempts: list[float] = []

    def __call__(self, request: CaptureRequest) -> FakeCapture:
        self.attempts.append(time.monotonic())
        if not self.plugged.is_set():
            raise SourceError("there is no camera /dev/video7")
        self.captures.append(FakeCapture(len(self.captures), self.plugged))
        return self.captures[-1]


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def make(device: FakeDevice) -> Iterator[Callable[..., CameraSource]]:
    made: list[CameraSource] = []

    def make(request: CaptureRequest = DEVICE, **options: Any) -> CameraSource:
        times = {"first_retry_seconds": 0.02, "longest_retry_seconds": 0.05}
        made.append(CameraSource(request, opener=device, **{**times, **options}))
        return made[-1]

    yield make
    for source in made:
        source.close()


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_frames_come_with_the_time_of_capture(make: Callable[..., CameraSource]) -> None:
    before = time.time()
    source = make()
    found = [source.read() for _ in range(5)]
    after = time.time()
    stamps = [frame.stamp for frame in found if frame]
    assert len(stamps) == 5
    assert stamps == sorted(set(stamps))
    # Unix time, if the clock ticks coarsely or steps a little
    assert before - 0.5 <= stamps[0] <= stamps[-1] <= after + 0.5
    assert found[0] is not None
    assert (found[0].channels, found[0].source) == ("bgr", "/dev/video7")
    assert (source.live, source.fps, source.length, source.name) == (True, 200, None, "/dev/video7")


def test_a_slow_reader_gets_the_newest_frame(make: Callable[..., CameraSource]) -> None:
    source = make()
    first = source.read()
    time.sleep(0.3)
    second = source.read()
    assert first is not None
    assert second is not None
    assert second.index - first.index > 5
    assert second.stamp > first.stamp


def test_lost_camera_is_logged_once_and_images_go_on_when_it_returns(
    make: Callable[..., CameraSource], device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    source = make()
    assert source.read() is not None
    device.plugged.clear()
    wait_until(lambda: len(device.attempts) >= 5)
    assert not source.connected
    with caplog.at_level(logging.WARNING):
        assert [r.message for r in caplog.records] == [
            "/dev/video7 is lost; it is opened again as soon as it is back"
        ]
    assert device.captures[0].released
    device.plugged.set()
    wait_until(lambda: source.connected)
    found = source.read()
    assert found is not None
    wait_until(lambda: (frame := source.read()) is not None and frame.image[0, 0, 0] == 1)
    assert [r.message for r in caplog.records][1:] == ["/dev/video7 is back"]


def test_pauses_between_attempts_grow_to_a_bound() -> None:
    pauses = itertools.islice(retry_pauses(0.5, 3.0), 5)
    assert list(pauses) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_one_bad_frame_does_not_count_as_a_lost_camera(
    make: Callable[..., CameraSource],
    device: FakeDevice,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, count = FakeCapture.read, [0]

    def every_second(self: FakeCapture) -> tuple[bool, Any]:
        count[0] += 1
        if count[0] % 2:
            raise cv2.error("corrupt JPEG data")
        return good(self)

    monkeypatch.setattr(FakeCapture, "read", every_second)
    source = make()
    for _ in range(10):
        assert source.read() is not None
    assert len(device.attempts) == 1
    assert not caplog.records


def test_camera_that_opens_without_images_is_logged_once(
    make: Callable[..., CameraSource],
    device: FakeDevice,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeCapture, "read", lambda self: (False, None))
    make()
    wait_until(lambda: len(device.captures) >= 4)
    assert [LOST in r.message for r in caplog.records] == [True]


def test_close_ends_a_read_that_waits(
    make: Callable[..., CameraSource], device: FakeDevice
) -> None:
    source = make(first_retry_seconds=60.0, longest_retry_seconds=60.0)
    assert source.read() is not None
    device.plugged.clear()
    wait_until(lambda: not source.connected)
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.extend(iter(source.read, None)))
    reader.start()
    source.close()
    reader.join(5.0)
    assert not reader.is_alive()
    assert len(found) <= 1  # the frame that came before
    assert all(capture.released for capture in device.captures)
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_camera_missing_at_the_start_is_an_error(
    make: Callable[..., CameraSource], device: FakeDevice
) -> None:
    device.plugged.clear()
    with pytest.raises(SourceError, match="no camera"):
        make()
    assert len(device.attempts) == 1


def test_size_unlike_the_requested_one_is_logged_once(
    make: Callable[..., CameraSource], caplog: pytest.LogCaptureFixture
) -> None:
    source = make(CaptureRequest("/dev/video7", width=1280, height=720))
    for _ in range(3):
        source.read()
    assert [r.message for r in caplog.records] == [
        "/dev/video7 gives 64x48 pixels, not the 1280x720 asked for"
    ]


@pytest.mark.parametrize(
    ("position_msec", "expected"),
    [
        (999_990.0, 50_000.0 - 0.010),  # the monotonic clock, 10 ms ago
        (49_999_980.0, 50_000.0 - 0.020),  # the system's clock, 20 ms ago
        (1_000_000.4, 50_000.0),  # rounding: not from the future
        (0.0, 50_000.0),  # no stamp
        (-1.0, 50_000.0),
        (900_000.0, 50_000.0),  # 100 s ago: another clock
        (1_000_500.0, 50_000.0),  # the future: another clock
        (float("nan"), 50_000.0),
    ],
)
def test_capture_time_follows_the_clock_of_the_driver(
    position_msec: float, expected: float
) -> None:
    assert capture_time(position_msec, monotonic=1000.0, unix=50_000.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("stamp", "last", "expected"),
    [
        (10.0, -float("inf"), 10.0),
        (10.0, 9.9, 10.0),
        (10.0, 10.0, 10.000001),
        (10.0, 10.05, 10.050001),
        (10.0, 3610.0, 10.0),  # the clock was set back by an hour
    ],
)
def test_stamps_always_rise(stamp: float, last: float, expected: float) -> None:
    assert cameras.rising(stamp, last) == pytest.approx(expected, abs=1e-9)


def test_missing_device_lists_the_available_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"there is no camera /dev/video97; ") as error:
        open_source("97")
    there = sorted(str(path) for path in Path("/dev").glob("video*"))
    assert all(path in str(error.value) for path in there)
    monkeypatch.setattr(cameras, "devices_text", lambda: "there are /dev/video2")
    with pytest.raises(SourceError, match=r"/dev/video98; there are /dev/video2"):
        open_source("/dev/video98")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every device")
def test_device_without_permission_names_the_group(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    path.chmod(0)
    with pytest.raises(SourceError, match="video group"):
        check_device(str(path))


def test_a_forbidden_device_names_the_group_even_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video0").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceError, match=r"no permission to use .*video0.*video group"):
        check_device(str(tmp_path / "video0"))


def test_device_that_is_not_a_camera_is_an_error() -> None:
    with pytest.raises(SourceError, match="/dev/null gives no pictures"):
        open_source("/dev/null")


@pytest.mark.parametrize("value", [0, -1, float("nan")])
@pytest.mark.parametrize("name", ["width", "height", "fps"])
def test_invalid_capture_request_is_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"{name} must be above 0"):
        CaptureRequest("0", **{name: value})


@pytest.mark.parametrize(
    ("spec", "device"),
    [("0", "/dev/video0"), ("12", "/dev/video12"), ("/dev/v4l/by-id/x", "/dev/v4l/by-id/x")],
)
def test_source_name_is_resolved_to_its_device(spec: str, device: str) -> None:
    assert CaptureRequest(spec).device == device


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ("rtsp://user:secret@10.0.0.2:554/live", "rtsp://10.0.0.2:554/live"),
        ("rtsp://user:p@ss@cam/live", "rtsp://cam/live"),
        ("http://cam/@home", "http://cam/@home"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_passwords_are_hidden_in_messages(spec: str, shown: str) -> None:
    assert cameras.without_password(spec) == shown


def test_camera_missing_at_the_start_is_awaited_on_request(
    make: Callable[..., CameraSource], device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    device.plugged.clear()
    with caplog.at_level(logging.WARNING):
        source = make(wait=True)
        wait_until(lambda: len(device.attempts) >= 4)
        assert not source.connected
        assert source.trouble == "there is no camera /dev/video7"
        device.plugged.set()
        assert source.read() is not None
    assert (source.connected, source.trouble, source.fps) == (True, "", 200)
    assert [r.message for r in caplog.records] == [
        "there is no camera /dev/video7; it is tried again",
        "/dev/video7 is there",
    ]


def test_awaited_camera_can_be_closed(
    make: Callable[..., CameraSource], device: FakeDevice
) -> None:
    device.plugged.clear()
    source = make(wait=True, first_retry_seconds=60.0, longest_retry_seconds=60.0)
    source.close()
    with pytest.raises(SourceError, match="is closed"):
        source.read()
