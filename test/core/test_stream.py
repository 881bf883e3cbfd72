"""A frozen camera, two cameras on one topic, and images lost on the way."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.timeline import LossCounter, StillWatch, Timeline
from pose_ros.errors import ImageError

RANDOM = np.random.default_rng(5)


def noisy(shape: tuple[int, int, int] = (72, 128, 3)) -> np.ndarray:
    return RANDOM.integers(80, 90, shape, np.uint8)


def test_repeated_picture_is_still_and_a_noisy_one_is_not() -> None:
    watch = StillWatch()
    picture = noisy()
    assert [watch.repeats(noisy(), stamp) for stamp in (1.0, 1.1, 1.2)] == [False] * 3
    assert not watch.repeats(picture, 2.0)
    assert watch.repeats(picture.copy(), 2.1)
    assert watch.repeats(picture.copy(), 2.4)
    assert watch.seconds == pytest.approx(0.4)
    assert not watch.repeats(noisy(), 2.5)
    assert watch.seconds == 0.0


def test_one_changed_pixel_off_the_grid_is_a_new_picture() -> None:
    watch = StillWatch()
    picture = noisy()
    watch.repeats(picture, 1.0)
    other = picture.copy()
    other[5, 7, 1] += 1
    assert not watch.repeats(other, 1.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (50, 1, 3)])
def test_other_sizes_are_compared_too(shape: tuple[int, int, int]) -> None:
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


def test_losses_by_number_are_exact_and_a_restarted_driver_loses_nothing() -> None:
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


def test_a_driver_that_pauses_loses_nothing() -> None:
    losses = LossCounter()
    for number in range(60):
        losses.take(0.1 * number + (30.0 if number > 40 else 0.0), None)
    assert (losses.lost_total, losses.share) == (0, 0.0)
