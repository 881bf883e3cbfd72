from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Time

from pose_ros.core.timeline import ClockWatch
from pose_ros.ros.diagnostics import (
    STALE_ERROR_SECONDS,
    STALE_WARN_SECONDS,
    Level,
    StreamHealth,
    report_to_msg,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_healthy_stream_reports_ok_with_its_rate() -> None:
    clock = Clock()
    health = StreamHealth(clock)
    for _ in range(20):
        clock.now += 0.1
        health.arrived()
        health.done(0.03, 0.01)
    health.dropped()
    report = health.report()
    values = dict(report.values)
    assert report.level == Level.OK
    assert report.message == "10.0 results per second"
    assert values["images per second"] == "10.0"
    assert values["images dropped"] == "1"
    assert values["latency ms"] == "30.0"
    assert values["processing ms"] == "10.0"
    assert values["last error"] == ""


def test_each_report_starts_a_new_interval_and_totals_continue() -> None:
    clock = Clock()
    health = StreamHealth(clock)
    health.arrived()
    health.done(0.1, 0.1)
    clock.now += 1
    health.report()
    clock.now += 1
    values = dict(health.report().values)
    assert values["results per second"] == "0.0"
    assert values["latency ms"] == ""
    assert values["results"] == "1"


def test_missing_images_are_a_warning_and_then_an_error() -> None:
    clock = Clock()
    health = StreamHealth(clock)
    clock.now += STALE_WARN_SECONDS + 0.1
    assert health.report().level == Level.WARN
    clock.now += STALE_ERROR_SECONDS
    report = health.report()
    assert report.level == Level.ERROR
    assert "no image for 12 s" in report.message
    health.arrived()
    assert health.report().level == Level.OK


def test_paused_replay_is_not_an_error() -> None:
    clock = Clock()
    health = StreamHealth(clock)
    clock.now += STALE_ERROR_SECONDS + 2
    report = health.report("/clock stands still")
    assert report.level == Level.WARN
    assert report.message == "no image for 12 s: /clock stands still"
    health.failed("out of memory")
    assert health.report("/clock stands still").level == Level.ERROR


def test_latency_is_none_without_a_common_clock() -> None:
    health = StreamHealth(Clock())
    health.done(math.nan, 0.1)
    health.done(0.2, 0.1)
    assert dict(health.report().values)["latency ms"] == "200.0"


@pytest.mark.parametrize("shown", [0.0, 5.0])
def test_clock_that_stands_still_is_measured_in_wall_seconds(shown: float) -> None:
    times = [shown, 0.0]
    watch = ClockWatch(lambda: times[0], lambda: times[1])
    times[1] = 3.0
    assert watch.stands() == 3.0
    times[0] -= 4.0  # back is a move too
    assert watch.stands() == 0.0
    times[1] = 4.0
    assert watch.stands() == 1.0
    watch.restart()
    assert watch.stands() == 0.0


def test_error_is_reported_once_and_kept_as_last_error() -> None:
    health = StreamHealth(Clock())
    health.refused("bad step")
    report = health.report()
    assert (report.level, report.message) == (Level.WARN, "bad step")
    health.failed("out of memory")
    health.refused("bad step")
    assert (health.report().level, dict(report.values)["images refused"]) == (Level.ERROR, "1")
    report = health.report()
    assert report.level == Level.OK
    assert dict(report.values)["last error"] == "bad step"


def test_end_of_a_file_is_not_an_error() -> None:
    clock = Clock()
    health = StreamHealth(clock)
    health.ended("clip.mp4 has ended")
    clock.now += 100
    report = health.report()
    assert (report.level, report.message) == (Level.OK, "clip.mp4 has ended")
    assert dict(report.values)["ended"] == "yes"


def test_report_is_converted_to_a_diagnostics_message() -> None:
    health = StreamHealth(Clock())
    health.failed("broken")
    msg = report_to_msg(health.report(), "pose: pose", "/image", Time(sec=3))
    (status,) = msg.status
    assert (status.level, status.name, status.message) == (b"\x02", "pose: pose", "broken")
    assert status.hardware_id == "/image"
    assert msg.header.stamp.sec == 3
    assert {item.key: item.value for item in status.values}["last error"] == "broken"
