"""The real BlazePose on what is drawn: people of all sizes who point all ways, and furniture.

What is drawn has to look enough like people that a network, trained on real ones, finds
their joints where they are: only then do the scenes measure what comes after it.
"""

import numpy as np
import pytest

import pose_ros
from pose_ros.synthetic.pointing import draw_pointing
from pose_ros.synthetic.source import open_synthetic

TRUNK = [11, 12, 23, 24]
PICTURES = 60


@pytest.fixture(scope="module")
def estimator():
    return pose_ros.create_estimator("blazepose-full", static=True, detect_tiles=2)


def errors(poses, truth, camera):
    """Centimeters at the body's distance, for each joint."""
    away = np.linalg.norm(poses.keypoints[0] - truth.pixels, axis=1)
    return 100 * away / camera.matrix[0, 0] * truth.camera[[23, 24], 2].mean()


def test_person_who_points_is_found_at_their_true_place(estimator, capsys):
    rows = []
    for picture in draw_pointing(PICTURES, seed=1):
        poses = estimator.estimate(picture.frame.image, channels="bgr")
        if len(poses):
            found = errors(poses, picture.truth, picture.camera)
            arm = [
                picture.truth.skeleton.index(f"{picture.truth.arm}_{j}") for j in ("elbow", "wrist")
            ]
            rows.append((found[TRUNK].mean(), *found[arm]))
    median, high = np.median(rows, axis=0), np.percentile(rows, 95, axis=0)
    with capsys.disabled():
        print(
            f"\n{len(rows)} of {PICTURES} found; cm across the view, median (95%): "
            f"trunk {median[0]:.1f} ({high[0]:.1f}), elbow {median[1]:.1f} ({high[1]:.1f}), "
            f"wrist {median[2]:.1f} ({high[2]:.1f})"
        )
    assert len(rows) >= 0.97 * PICTURES
    assert np.all(median < 3.0)
    assert np.all(high < 9.0)


@pytest.mark.parametrize(("name", "count"), [("gestures", 19), ("table", 2), ("box", 2)])
def test_all_people_are_found_in_every_gesture_and_behind_furniture(name, count, estimator):
    source = open_synthetic(f"synthetic:{name}?fps=1", live=False)
    made = set()
    while (frame := source.read()) is not None:
        truth = source.truth(frame.stamp)
        if truth.gesture == "stand" or not truth.held or (truth.gesture, truth.arm) in made:
            continue
        made.add((truth.gesture, truth.arm))
        poses = estimator.estimate(frame.image, channels="bgr")
        assert len(poses) == 1, truth.gesture
        seen = truth.visible & ~truth.self_hidden
        assert np.median(errors(poses, truth, source.camera)[seen]) < 4.0, truth.gesture
    assert len(made) == count
