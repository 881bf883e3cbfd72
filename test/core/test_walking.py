"""Speeds of people who walk, and when none is known."""

import numpy as np
import pytest

from pose_ros.core.walking import WalkingSpeeds


def walk(speeds, person, start, velocity, stamps):
    return [speeds.update(person, np.add(start, np.multiply(velocity, t)), t) for t in stamps]


def test_speed_is_known_after_a_fifth_of_a_second():
    found = walk(WalkingSpeeds(), 1, (3.0, 1.0, 0.0), (0.5, -1.0, 0.0), np.arange(10) / 10)
    assert all(np.isnan(speed).all() for speed in found[:2])
    np.testing.assert_allclose(found[2:], [(0.5, -1.0, 0.0)] * 8, atol=1e-9)


def test_each_person_has_their_own_speed_and_noise_is_averaged():
    speeds, noise = WalkingSpeeds(), np.random.default_rng(3)
    for t in np.arange(20) / 30:
        still = speeds.update(1, noise.normal(0, 0.01, 3), t)
        moves = speeds.update(2, (0.8 * t, 0, 0) + noise.normal(0, 0.01, 3), t)
    assert np.linalg.norm(still) < 0.05
    assert moves[0] == pytest.approx(0.8, abs=0.05)


def test_after_a_long_absence_or_a_jump_back_the_speed_is_unknown():
    speeds = WalkingSpeeds()
    walk(speeds, 1, (0, 0, 0), (1, 0, 0), [0.0, 0.3])
    assert np.isnan(speeds.update(1, (9, 0, 0), 5.0)).all()
    assert np.isnan(speeds.update(1, (9, 0, 0), 1.0)).all()
