from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.timeline import REWIND_SECONDS, Order, Rewinds, StampOrder
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
def test_order(stamps: list[float], expected: list[Order]) -> None:
    order = StampOrder()
    assert [order.take(stamp) for stamp in stamps] == expected


def test_it_says_by_how_much() -> None:
    order = StampOrder()
    order.take(5.0)
    assert order.back == 0.0
    order.take(4.75)
    assert order.back == 0.25
    order.take(2.0)
    assert order.back == 3.0
    order.take(2.5)
    assert order.back == 0.0


def test_what_is_late_is_refused() -> None:
    order = StampOrder()
    assert [order.check(stamp) for stamp in (1.0, 1.2)] == [N, N]
    with pytest.raises(ImageError, match="older than one that came before it"):
        order.check(1.1)
    assert [order.check(stamp) for stamp in (1.3, 0.2)] == [N, R]


def test_jitter_is_no_rewind() -> None:
    random = np.random.default_rng(0)
    order = StampOrder()
    taken = 1000.0 + np.arange(3000) / 30
    arrived = taken[np.argsort(taken + random.uniform(0.0, 0.06, len(taken)))]
    found = [order.take(stamp) for stamp in arrived]
    assert R not in found
    assert 0 < found.count(L) < len(found) / 2
    kept = arrived[[one is N for one in found]]
    assert np.all(np.diff(kept) > 0)


def test_a_jump_that_clock_and_stamps_show_is_told_once() -> None:
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


def test_stamps_alone_tell_of_each_jump() -> None:
    rewinds = Rewinds()
    told = [rewinds.stamp(stamp) for stamp in (1.0, 3.0, 1.0, 3.0, 2.9, 1.0)]
    assert told == [False, False, True, False, False, True]
