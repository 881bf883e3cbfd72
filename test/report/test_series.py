"""Numbers over time in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.report.series import Histogram, Series


def test_short_series_keeps_each_sample() -> None:
    series = Series(2, capacity=8)
    for i in range(5):
        series.add(i / 10, [i, np.nan if i == 2 else -i])
    assert series.stride == 1
    assert series.times.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert series.mean[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert series.low[:, 1] == pytest.approx([0, -1, np.nan, -3, -4], nan_ok=True)


@pytest.mark.parametrize("count", [8, 9, 17, 1000, 4096])
def test_long_series_merges_neighboring_samples(count) -> None:
    series = Series(1, capacity=8)
    values = np.sin(np.arange(count))
    for i, value in enumerate(values):
        series.add(float(i), [value])
    stride = series.stride
    assert len(series) <= 8
    assert stride * len(series) >= count > stride * (len(series) - 1)
    for row in range(len(series)):
        part = values[row * stride : (row + 1) * stride]
        assert series.low[row, 0] == part.min()
        assert series.high[row, 0] == part.max()
        assert series.mean[row, 0] == pytest.approx(part.mean())
        assert series.starts[row] == row * stride
        assert series.ends[row] == min(count, (row + 1) * stride) - 1


def test_value_never_known_stays_missing() -> None:
    series = Series(1, capacity=4)
    for i in range(64):
        series.add(i, [np.nan])
    assert np.isnan([series.low, series.mean, series.high]).all()


def test_series_uses_bounded_memory() -> None:
    series = Series(8, capacity=64)
    for i in range(5000):
        series.add(i / 30, np.arange(8))
    assert series.nbytes < 64 * (8 * 4 + 2) * 8 + 1


def test_histogram_gives_quantiles_and_ignores_nan() -> None:
    histogram = Histogram(np.linspace(0.0, 1.0, 101), 2)
    for value in np.random.default_rng(1).permutation(1000) / 1000:
        histogram.add([value, np.nan])
    found = histogram.quantiles(0.0, 0.25, 0.5, 0.95, 1.0)
    assert found[:, 0] == pytest.approx([0.0, 0.25, 0.5, 0.95, 1.0], abs=0.011)
    assert np.isnan(found[:, 1]).all()
    assert histogram.counts.tolist() == [1000, 0]


def test_values_outside_the_bins_count_in_the_outer_ones() -> None:
    histogram = Histogram([0.0, 1.0, 2.0, 3.0])
    histogram.add(1.5)
    assert histogram.quantiles(0.0, 0.5, 1.0)[:, 0].tolist() == [1.0, 1.5, 2.0]
    histogram.add(-7.0)
    histogram.add(99.0)
    assert histogram.quantiles(0.01, 0.99)[:, 0] == pytest.approx([0.03, 2.97])
