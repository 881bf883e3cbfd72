"""What happens to a memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pose_ros.core.timeline import (
    FOLLOW_SECONDS,
    REWIND_SECONDS,
    Arrival,
    Freshness,
    LossCounter,
    Order,
    Rewinds,
    StampOrder,
    StampStep,
    StillWatch,
    Stream,
    Timeline,
    step_from,
)
from pose_ros.errors import ImageError

N, L, R = Order.NEXT, Order.LATE, Order.REWIND


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0.0, 0.1, 0.2, 5.0, 100.0], [N] * 5),
        ([7.0, 7.0, 7.1], [N, N, N]),
        # two that overtook each other, and one that was long on its way
        ([1.0, 1.2, 1.1, 1.3, 1.0, 1.4], [N, N, L, N, L, N]),
        ([1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 1.0], [N, N, N, N, R, N, R]),
        ([100.0, 0.0, 0.1], [N, R, N]),
        # a recording shorter than what may be late, played again
        ([0.0, 0.1, 0.2, 0.3, 0.0, 0.1, 0.2, 0.25, 0.3], [N, N, N, N, L, L, L, R, N]),
        ([10.0, 10.0 - REWIND_SECONDS, 9.0], [N, L, R]),
    ],
)
def test_stamp_is_new_late_or_a_jump_back_by_the_stamps_before(
    stamps: list[float], expected: list[Order]
) -> None:
    order = StampOrder()
    assert [order.take(stamp) for stamp in stamps] == expected


def test_length_of_a_jump_back_is_reported_in_seconds() -> None:
    order = StampOrder()
    order.take(5.0)
    assert order.back == 0.0
    order.take(4.75)
    assert order.back == 0.25
    order.take(2.0)
    assert order.back == 3.0
    order.take(2.5)
    assert order.back == 0.0


def test_late_stamp_is_refused() -> None:
    order = StampOrder()
    assert [order.check(stamp) for stamp in (1.0, 1.2)] == [N, N]
    with pytest.raises(ImageError, match="older than one that came before it"):
        order.check(1.1)
    assert [order.check(stamp) for stamp in (1.3, 0.2)] == [N, R]


def test_jitter_of_stamps_is_no_jump_back() -> None:
    random = np.random.default_rng(0)
    order = StampOrder()
    taken = 1000.0 + np.arange(3000) / 30
    arrived = taken[np.argsort(taken + random.uniform(0.0, 0.06, len(taken)))]
    found = [order.take(stamp) for stamp in arrived]
    assert R not in found
    assert 0 < found.count(L) < len(found) / 2
    kept = arrived[[one is N for one in found]]
    assert np.all(np.diff(kept) > 0)


def test_jump_in_clock_and_stamps_is_reported_once() -> None:
    rewinds = Rewinds()
    assert not rewinds.clock(0.0)
    assert not rewinds.clock(100.0)
    assert not rewinds.clock(98.0), "a player sets its clock before the first image"
    assert not rewinds.stamp(98.0)
    for _ in range(2):
        assert not rewinds.clock(102.0)
        assert not rewinds.stamp(102.0)
        assert rewinds.clock(98.0)
        assert rewinds.back == 4.0
        assert not rewinds.stamp(98.1)
    assert not rewinds.clock(102.0)
    assert not rewinds.stamp(102.0)
    assert rewinds.stamp(97.0), "or the other way about"
    assert rewinds.back == 5.0
    assert not rewinds.clock(97.0)


def test_each_jump_back_of_stamps_is_reported_once() -> None:
    rewinds = Rewinds()
    reported = [rewinds.stamp(stamp) for stamp in (1.0, 3.0, 1.0, 3.0, 2.9, 1.0)]
    assert reported == [False, False, True, False, False, True]


class Remembered:
    """What happens to a memory."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def lose_sight(self) -> None:
        self.events.append("lost")

    def forget(self) -> None:
        self.events.append("forgot")


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0.0, 0.1, 0.6], []),
        ([0.0, FOLLOW_SECONDS + 0.01], ["lost"]),
        ([-5.0, 3600.0, 3600.1], ["lost"]),
        ([10.0, 9.99, 10.1], ["forgot"]),
        ([10.0, 1.0, 5.0], ["forgot", "lost"]),
    ],
)
def test_gap_or_jump_back_of_stamps_resets_a_stream(
    stamps: list[float], expected: list[str]
) -> None:
    stream = Stream(Remembered)
    memories = [stream.take((480, 640), stamp) for stamp in stamps]
    assert [stamp for _, stamp in memories] == stamps
    assert len({id(memory) for memory, _ in memories}) == 1
    assert memories[0][0].events == expected


def test_picture_without_a_stamp_has_a_separate_memory() -> None:
    stream = Stream(Remembered)
    memory, _ = stream.take((480, 640), 1.0)
    alone, _ = stream.take((48, 64), None)
    static, _ = stream.take((48, 64), 1.0, static=True)
    after, _ = stream.take((480, 640), 1.1)
    assert after is memory
    assert alone is not memory
    assert static not in (memory, alone)
    assert not memory.events


def test_repeated_stamp_is_refused_and_the_next_is_accepted() -> None:
    stream = Stream(Remembered)
    memory, _ = stream.take((480, 640), 7.0)
    for stamp in (7.0, float("nan"), float("inf")):
        with pytest.raises(ImageError):
            stream.take((480, 640), stamp)
    assert stream.take((480, 640), 7.1) == (memory, 7.1)
    assert not memory.events


def test_image_of_another_size_resets_people_and_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Stream(Remembered)
    for i, size in enumerate([(480, 640), (480, 640), (640, 480), (480, 640)]):
        memory, _ = stream.take(size, i / 10)
    assert memory.events == ["forgot", "forgot"]
    (record,) = caplog.records
    assert "from 640x480 to 480x640 pixels" in record.getMessage()


def test_stream_accepts_any_stamp_after_reset() -> None:
    stream = Stream(Remembered)
    memory, _ = stream.take((480, 640), 7.0)
    stream.reset()
    fresh, _ = stream.take((48, 64), 7.0)
    assert fresh is not memory
    assert not fresh.events


@pytest.mark.parametrize(
    ("before", "stamp", "expected"),
    [
        (-math.inf, 3.0, StampStep.FIRST),
        (3.0, 3.1, StampStep.NEXT),
        (3.0, 3.5, StampStep.NEXT),
        (3.0, 3.6, StampStep.GAP),
        (3.0, 3.0, StampStep.SAME),
        (3.0, 2.999, StampStep.BACK),
        (3.0, math.nan, StampStep.BACK),
        (math.nan, 3.0, StampStep.BACK),
        (1_700_000_000.0, math.nextafter(1_700_000_000.0, math.inf), StampStep.NEXT),
    ],
)
def test_how_a_stamp_follows_the_one_before_it(before, stamp, expected):
    assert step_from(before, stamp, 0.5) is expected


def test_reset_forgets_earlier_stamps():
    order, rewinds = StampOrder(), Rewinds()
    for part in (order.take, rewinds.stamp):
        part(100.0)
    order.reset()
    rewinds.reset()
    assert not order.began
    assert order.take(1.0) is Order.NEXT
    assert not rewinds.clock(0.5)
    assert not rewinds.stamp(1.0)


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([1.0, 1.1], [Arrival.NEXT, Arrival.NEXT]),
        ([1.0, 1.0], [Arrival.NEXT, Arrival.SAME]),
        ([1.0, 1.4], [Arrival.NEXT, Arrival.GAP]),
        ([1.0, 0.9], [Arrival.NEXT, Arrival.JUMP]),
        ([1.0, math.nan, 1.1], [Arrival.NEXT, Arrival.JUMP, Arrival.NEXT]),
    ],
)
def test_freshness_is_judged_by_stamps_alone(stamps, expected):
    fresh = Freshness(0.3, compare_clock=False)
    assert [fresh.take(stamp, 50.0)[0] for stamp in stamps] == expected


def test_stamp_ahead_of_its_own_clock_is_a_jump():
    fresh = Freshness(0.3)
    assert fresh.take(51.0, 50.0)[0] is Arrival.JUMP
    fresh.reset()
    assert fresh.stale(50.0) == "no image yet"
    assert fresh.take(50.2, 50.0)[0] is Arrival.NEXT
    assert fresh.stale(50.25) == ""
    assert fresh.stale(50.5) == "no poses for 0.5 s; timeout is 0.3 s"
    assert fresh.clock_jumped(50.6) == ""
    assert fresh.clock_jumped(50.5).startswith("the clock jumped back")


RANDOM = np.random.default_rng(5)


def noisy(shape: tuple[int, int, int] = (72, 128, 3)) -> np.ndarray:
    return RANDOM.integers(80, 90, shape, np.uint8)


def test_repeated_picture_is_frozen_and_a_noisy_one_is_not() -> None:
    watch = StillWatch()
    picture = noisy()
    assert [watch.repeats(noisy(), stamp) for stamp in (1.0, 1.1, 1.2)] == [False] * 3
    assert not watch.repeats(picture, 2.0)
    assert watch.repeats(picture.copy(), 2.1)
    assert watch.repeats(picture.copy(), 2.4)
    assert watch.seconds == pytest.approx(0.4)
    assert not watch.repeats(noisy(), 2.5)
    assert watch.seconds == 0.0


def test_picture_with_one_changed_pixel_is_new() -> None:
    watch = StillWatch()
    picture = noisy()
    watch.repeats(picture, 1.0)
    other = picture.copy()
    other[5, 7, 1] += 1
    assert not watch.repeats(other, 1.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (50, 1, 3)])
def test_repeated_picture_of_any_size_is_noticed(shape: tuple[int, int, int]) -> None:
    watch = StillWatch()
    picture = noisy(shape)
    assert not watch.repeats(np.zeros((2, 2, 3), np.uint8), 0.9)
    assert not watch.repeats(picture, 1.0)
    assert watch.repeats(picture.copy(), 1.1)


def test_only_one_of_two_alternating_cameras_is_accepted() -> None:
    timeline = Timeline()
    for number in range(10):
        stamp = 100.0 + 0.1 * number
        assert timeline.check(stamp, "left", stamp, 2.0).camera_before == ""
        with pytest.raises(ImageError, match="'right', and images of 'left' come on the same"):
            timeline.check(stamp + 0.05, "right", stamp + 0.05, 2.0)


@pytest.mark.parametrize("remembered", [0.5, 2.0, 5.0])
def test_another_camera_is_accepted_once_people_of_the_first_are_forgotten(
    remembered: float,
) -> None:
    timeline = Timeline()
    timeline.check(100.0, "left", 0.0, remembered)
    keep = max(2.0, remembered)
    with pytest.raises(ImageError):
        timeline.check(100.0 + keep - 0.1, "right", keep - 0.1, remembered)
    with pytest.raises(ImageError):  # it came late: by its stamp a person is still remembered
        timeline.check(100.0 + keep - 0.1, "right", keep + 0.1, remembered)
    assert (
        timeline.check(100.0 + keep + 0.1, "right", keep + 0.1, remembered).camera_before == "left"
    )
    assert timeline.check(100.0 + keep + 0.2, "right", keep + 0.2, remembered).camera_before == ""


def test_stamp_of_the_previous_image_is_refused() -> None:
    timeline = Timeline()
    timeline.check(100.0, "camera", 0.0, 2.0)
    with pytest.raises(ImageError, match="its stamp is that of the image before it"):
        timeline.check(100.0, "camera", 0.1, 2.0)
    assert timeline.check(100.1, "camera", 0.1, 2.0).camera_before == ""


def test_losses_by_sequence_number_are_exact_and_a_restart_counts_none() -> None:
    losses = LossCounter()
    numbers = [7, 8, 11, *range(12, 40), 1, 2, 3, 5]
    for index, number in enumerate(numbers):
        losses.take(float(index), number)
    assert losses.lost_total == 3
    assert losses.share == pytest.approx(3 / (3 + len(numbers)))


@pytest.mark.parametrize("arrive", [0.25, 0.6, 1.0])
def test_losses_by_stamps_are_near_the_truth(arrive: float) -> None:
    random = np.random.default_rng(3)
    losses = LossCounter()
    sent = 400
    for number in range(sent):
        if random.random() < arrive:
            losses.take(100.0 + 0.1 * number + random.normal(0.0, 0.002), None)
    # the first twenty only show how far apart the images are
    lost = sent * (1.0 - arrive)
    assert losses.lost_total == pytest.approx(lost, abs=0.25 * sent * (1.0 - arrive))
    assert losses.share == pytest.approx(1.0 - arrive, abs=0.1)


def test_pause_of_a_driver_counts_no_losses() -> None:
    losses = LossCounter()
    for number in range(60):
        losses.take(0.1 * number + (30.0 if number > 40 else 0.0), None)
    assert (losses.lost_total, losses.share) == (0, 0.0)
