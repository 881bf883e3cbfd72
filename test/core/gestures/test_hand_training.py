"""The program that trains the metric of hands: its slopes, its repeatability, what it writes."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.hand_metric import (
    draw_episode,
    drawn_source,
    loss_and_slopes,
    train,
    written,
)
from pose_ros.core.gestures import hand_metric
from pose_ros.core.gestures.hand_metric import DIMENSIONS, FEATURES, HIDDEN


@pytest.fixture(scope="module")
def source():
    return drawn_source(np.random.default_rng(1), shapes=12, hands=30)


@pytest.mark.parametrize("seed", range(4))
def test_slopes_of_the_loss_are_those_of_small_steps(source, seed):
    rng = np.random.default_rng(seed)
    p = {
        "straight": rng.normal(0.0, 0.08, (FEATURES, DIMENSIONS)),
        "inner": rng.normal(0.0, 0.08, (FEATURES, HIDDEN)),
        "bias": rng.normal(0.0, 0.3, HIDDEN),
        "outer": rng.normal(0.0, 0.3, (HIDDEN, DIMENSIONS)),
        "evidence": np.array([6.0, -1.0]),
    }
    episode = draw_episode(rng, source)
    _, slopes = loss_and_slopes(p, episode)
    for name, values in p.items():
        place = tuple(rng.integers(n) for n in values.shape)
        losses = []
        for step in (1e-5, -2e-5):
            values[place] += step
            losses.append(loss_and_slopes(p, episode)[0])
        values[place] += 1e-5
        assert slopes[name][place] == pytest.approx(
            (losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-6
        )


def test_training_is_repeatable_and_lowers_the_loss(source):
    short, again = (train([source], [1.0], steps=5) for _ in range(2))
    assert np.array_equal(short.straight, again.straight)
    assert (short.one_example, short.more_examples) == (again.one_example, again.more_examples)
    trained = train([source], [1.0], steps=200)

    def loss(constants):
        p = {name: getattr(constants, name) for name in ("straight", "inner", "bias", "outer")}
        p["evidence"] = np.array([constants.one_example, constants.more_examples])
        rng = np.random.default_rng(7)
        return np.mean([loss_and_slopes(p, draw_episode(rng, source))[0] for _ in range(40)])

    assert loss(trained) < 0.6 * loss(short)


def test_what_is_installed_is_what_the_program_writes(checkout):
    path = Path(checkout) / "pose_ros" / "core" / "gestures" / "hand_metric.py"
    text = path.read_text(encoding="utf-8")
    assert written(text, hand_metric.CONSTANTS) == text
    other = written(text, train([drawn_source(np.random.default_rng(2), 12, 30)], [1.0], steps=1))
    assert other != text
    assert written(other, hand_metric.CONSTANTS) == text
