"""Filters in seconds: the same at any rate, true to a constant, quick to follow."""

import numpy as np
import pytest

from pose_ros.core.smoothing import (
    BodyVelocities,
    LowPassFilter,
    OneEuroFilter,
    OneEuroSettings,
    WalkingSpeeds,
)
from tools.drawn_results import drawn_results

SETTINGS = OneEuroSettings(min_cutoff=0.05, beta=80.0)


def run(values, rate, settings=SETTINGS, scale=1.0):
    smooth = OneEuroFilter(settings)
    return np.array([smooth(np.array([v]), i / rate, scale)[0] for i, v in enumerate(values)])


def test_constant_signal_is_unchanged():
    assert np.allclose(run(np.full(50, 3.5), 30.0), 3.5)


def test_noise_of_a_resting_joint_is_damped():
    noise = np.random.default_rng(0).normal(0, 1e-4, 300)
    assert run(noise, 30.0)[50:].std() < 0.3 * noise.std()


def test_smoothed_joint_reaches_a_fast_move_within_a_tenth_of_a_second():
    step = np.r_[np.zeros(30), np.ones(10)]
    assert run(step, 30.0)[33] > 0.9


def test_filter_without_beta_is_a_low_pass_at_any_rate():
    settings = OneEuroSettings(min_cutoff=1.0, beta=0.0)
    for rate in (15.0, 240.0):
        step = np.r_[0.0, np.ones(int(rate))]
        # after a second, a first-order filter of 1 Hz has all but exp(-2 pi) of it
        assert run(step, rate, settings)[-1] == pytest.approx(1.0, abs=0.01)


def test_speed_is_relative_to_the_size_of_the_object():
    small = run(np.linspace(0, 1, 30), 30.0, scale=1.0)
    large = run(np.linspace(0, 100, 30), 30.0, scale=100.0)
    assert np.allclose(100 * small, large)


def test_stamp_that_does_not_rise_leaves_the_filter_unchanged():
    smooth = OneEuroFilter(SETTINGS)
    smooth(np.array([0.0]), 1.0)
    smooth(np.array([1.0]), 1.1)
    for stamp in (1.1, 0.5):
        assert smooth(np.array([9.0]), stamp) == 9.0
    untouched = OneEuroFilter(SETTINGS)
    untouched(np.array([0.0]), 1.0)
    untouched(np.array([1.0]), 1.1)
    assert smooth(np.array([1.0]), 1.2) == untouched(np.array([1.0]), 1.2)


def test_low_pass_starts_at_the_first_value():
    smooth = LowPassFilter(alpha=0.25)
    assert smooth(np.array([2.0])) == 2.0
    assert smooth(np.array([4.0])) == 2.5


def test_velocity_of_a_body_is_that_of_its_hips_and_begins_with_the_second_image():
    velocities = BodyVelocities()
    found = [
        velocities.add(result.poses, result.stamp).velocities
        for result in drawn_results("walking", 40)
    ]
    assert found[0] is None
    places = [
        result.poses.camera[0, [23, 24]].mean(axis=0) for result in drawn_results("walking", 40)
    ]
    expected = (places[39] - places[28]) * 30 / 11  # the mean over the last moment
    np.testing.assert_allclose(found[39][0], expected, atol=0.08)
    assert np.linalg.norm(found[39][0]) > 0.3


def walk(speeds, person, start, velocity, stamps):
    return [speeds.update(person, np.add(start, np.multiply(velocity, t)), t) for t in stamps]


def test_walking_speed_is_known_after_a_fifth_of_a_second():
    found = walk(WalkingSpeeds(), 1, (3.0, 1.0, 0.0), (0.5, -1.0, 0.0), np.arange(10) / 10)
    assert all(np.isnan(speed).all() for speed in found[:2])
    np.testing.assert_allclose(found[2:], [(0.5, -1.0, 0.0)] * 8, atol=1e-9)


def test_each_person_has_their_own_walking_speed_and_noise_is_averaged():
    speeds, noise = WalkingSpeeds(), np.random.default_rng(3)
    for t in np.arange(20) / 30:
        still = speeds.update(1, noise.normal(0, 0.01, 3), t)
        moves = speeds.update(2, (0.8 * t, 0, 0) + noise.normal(0, 0.01, 3), t)
    assert np.linalg.norm(still) < 0.05
    assert moves[0] == pytest.approx(0.8, abs=0.05)


def test_walking_speed_is_unknown_after_a_long_absence_or_a_jump_back():
    speeds = WalkingSpeeds()
    walk(speeds, 1, (0, 0, 0), (1, 0, 0), [0.0, 0.3])
    assert np.isnan(speeds.update(1, np.array([9.0, 0, 0]), 5.0)).all()
    assert np.isnan(speeds.update(1, np.array([9.0, 0, 0]), 1.0)).all()
