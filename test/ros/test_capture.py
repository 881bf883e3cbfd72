from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from pose_ros.core.types import Frame
from pose_ros.errors import SourceError
from pose_ros.ros.capture import BEHIND_SECONDS, CaptureEvents, CaptureThread, Pacer, RateLimiter

IMAGE = np.zeros((2, 2, 3), np.uint8)
WAIT_SECONDS = 60.0


@pytest.mark.parametrize(
    ("rate", "fps", "expected"),
    [
        (0, 30, list(range(60))),
        (30, 30, list(range(60))),
        (100, 30, list(range(60))),
        (15, 30, list(range(0, 60, 2))),
        (10, 30, list(range(0, 60, 3))),
        (1, 30, [0, 30]),
        (30, float("nan"), list(range(60))),
    ],
)
def test_limiter_passes_images_at_the_requested_rate(
    rate: float, fps: float, expected: list[int]
) -> None:
    limiter = RateLimiter(rate, fps)
    assert [i for i in range(60) if limiter.keep(100 + i / 30)] == expected


def test_limiter_keeps_a_rate_that_does_not_divide_the_input_rate() -> None:
    limiter = RateLimiter(20, 30)
    assert sum(limiter.keep(i / 30) for i in range(300)) == pytest.approx(200, abs=2)


def test_limiter_keeps_the_rate_of_images_that_jitter() -> None:
    random = np.random.default_rng(0)
    limiter = RateLimiter(30, 30)
    stamps = np.arange(300) / 30 + random.uniform(-0.012, 0.012, 300)
    assert sum(limiter.keep(stamp) for stamp in stamps) > 290


def test_stamps_of_a_recording_start_now_and_keep_its_frame_spacing() -> None:
    now = [1000.0]
    pacer = Pacer(lambda: now[0])
    assert pacer.due(0.5) == 1000.0
    now[0] = 1000.2
    assert pacer.due(0.54) == pytest.approx(1000.04)
    assert not pacer.behind


def test_a_recording_that_falls_behind_goes_on_from_now() -> None:
    now = [1000.0]
    pacer = Pacer(lambda: now[0])
    pacer.due(0.0)
    now[0] = 1000.1 + BEHIND_SECONDS + 0.01
    assert pacer.due(0.1) == pytest.approx(now[0])
    assert pacer.behind
    assert pacer.due(0.2) == pytest.approx(now[0] + 0.1)


class ListSource:
    """A source of given stamps; a stamp that is an error is raised."""

    name, fps, length = "list", 1000.0, None

    def __init__(self, stamps: list[float | Exception], live: bool) -> None:
        self._stamps, self.live = stamps, live
        self.closed = False

    def read(self) -> Frame | None:
        if not self._stamps:
            return None
        stamp = self._stamps.pop(0)
        if isinstance(stamp, Exception):
            raise stamp
        return Frame(IMAGE, stamp)

    def close(self) -> None:
        self.closed = True


class SeenEvents:
    """Collects the events of a capture."""

    def __init__(self) -> None:
        self.stamps: list[float] = []
        self.said: list[str] = []
        self.over = threading.Event()
        self.events = CaptureEvents(
            frame=lambda _frame, stamp: self.stamps.append(stamp),
            ended=lambda: self._end("ended"),
            broke=lambda error: self._end(f"broke: {error}"),
            behind=lambda: self.said.append("behind"),
        )

    def _end(self, text: str) -> None:
        self.said.append(text)
        self.over.set()


@pytest.mark.parametrize(
    ("live", "stamps", "expected", "said"),
    [
        (True, [5.0, 6.0], [5.0, 6.0], ["ended"]),
        (False, [2.0, 2.01, 2.03], [1000.0, 1000.01, 1000.03], ["ended"]),
        (True, [5.0, SourceError("unplugged")], [5.0], ["broke: unplugged"]),
        (True, [5.0, ValueError("a defect")], [5.0], ["broke: a defect"]),
    ],
)
def test_stamps_are_passed_on_and_each_end_of_a_source_is_reported(
    live: bool, stamps: list[float | Exception], expected: list[float], said: list[str]
) -> None:
    reported, source = SeenEvents(), ListSource(list(stamps), live)
    capture = CaptureThread(source, reported.events, 0.0, lambda: 1000.0)
    assert reported.over.wait(WAIT_SECONDS)
    assert capture.stop()
    assert reported.stamps == pytest.approx(expected)
    assert reported.said == said
    assert source.closed


def test_a_recording_waits_for_its_reader() -> None:
    reported, asked = SeenEvents(), threading.Semaphore(0)
    reading = threading.Event()

    def has_reader() -> bool:
        asked.release()
        return reading.is_set()

    capture = CaptureThread(
        ListSource([0.0], live=False), reported.events, 0.0, lambda: 1000.0, has_reader
    )
    for _ in range(3):
        assert asked.acquire(timeout=WAIT_SECONDS)
    assert reported.stamps == []
    reading.set()
    assert reported.over.wait(WAIT_SECONDS)
    assert reported.stamps == [1000.0]
    assert capture.stop()


def test_live_source_does_not_wait_for_its_reader() -> None:
    reported = SeenEvents()
    capture = CaptureThread(
        ListSource([5.0], live=True), reported.events, 0.0, lambda: 1000.0, lambda: False
    )
    assert reported.over.wait(WAIT_SECONDS)
    assert reported.stamps == [5.0]
    assert capture.stop()


def test_stop_does_not_wait_for_a_frame_that_is_not_yet_due() -> None:
    reported, source = SeenEvents(), ListSource([0.0, 3600.0, 3601.0], live=False)
    capture = CaptureThread(source, reported.events, 0.0, lambda: 1000.0)
    assert capture.stop()
    assert reported.stamps in ([], [1000.0])
    assert reported.said == []


class SimulatedClock:
    """A clock that advances each time that it is read."""

    def __init__(self, shows: list[float]) -> None:
        self.shows = shows

    def __call__(self) -> float:
        return self.shows.pop(0) if len(self.shows) > 1 else self.shows[0]


def played(stamps: list[float], clock: SimulatedClock, rewound: list[bool]) -> SeenEvents:
    reported = SeenEvents()
    events = dataclasses.replace(reported.events, rewound=lambda: rewound.append(True))
    source = ListSource(list(stamps), live=False)
    capture = CaptureThread(source, events, 0.0, clock, simulated=lambda: True)
    assert reported.over.wait(WAIT_SECONDS)
    assert capture.stop()
    assert reported.said == ["ended"]
    return reported


def test_a_recording_waits_for_a_simulated_clock_and_plays_by_it() -> None:
    rewound: list[bool] = []
    clock = SimulatedClock([0.0] * 5 + [50.0, 50.0, *([50.05] * 9), 50.1, *([50.15] * 9), 50.2])
    assert played([3.0, 3.1, 3.2], clock, rewound).stamps == pytest.approx([50.0, 50.1, 50.2])
    assert rewound == []


def test_a_recording_plays_on_when_the_clock_goes_back() -> None:
    """It does not wait until the clock is there again."""
    rewound: list[bool] = []
    clock = SimulatedClock([50.0, 50.0, 50.0, 50.05, 20.0])
    reported = played([3.0, 3.1], clock, rewound)
    assert reported.stamps == pytest.approx([50.0, 20.0])
    assert rewound == [True]


def test_a_capture_ends_while_it_waits_for_a_clock() -> None:
    reported, looked = SeenEvents(), threading.Semaphore(0)
    clock = SimulatedClock([0.0])

    def now() -> float:
        looked.release()
        return clock()

    capture = CaptureThread(
        ListSource([1.0], live=False), reported.events, 0.0, now, simulated=lambda: True
    )
    for _ in range(3):
        assert looked.acquire(timeout=WAIT_SECONDS)
    assert capture.stop()
    assert (reported.stamps, reported.said) == ([], [])
