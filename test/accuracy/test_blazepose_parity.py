"""BlazePose against the answers of MediaPipe itself, on real pictures and a real clip."""

import json

import cv2
import numpy as np
import pytest

import pose_ros


@pytest.fixture(scope="module")
def estimator():
    return pose_ros.create_estimator("blazepose-full", static=True)


@pytest.fixture(scope="module")
def lite(lite_models):
    return pose_ros.create_estimator("blazepose-lite", static=True, models_dir=lite_models)


def read_reference(data, name):
    return json.loads((data / "references" / name).read_text(encoding="utf-8"))["images"]


def compare(estimator, data, reference):
    """Per picture in which both find somebody: figures as fractions of the box diagonal."""
    rows = {}
    differ = []
    for name, expected in reference.items():
        (path,) = data.glob(f"*/{name}")
        poses = estimator.estimate(cv2.imread(str(path)), channels="bgr")
        if (expected is None) != (len(poses) == 0):
            differ.append(name)
        if expected is None or len(poses) == 0:
            continue
        landmarks, world = np.array(expected["landmarks"]), np.array(expected["world"])
        diagonal = np.hypot(*np.ptp(landmarks[:, :2], axis=0))
        rows[name] = {
            "distance": np.hypot(*(poses.keypoints[0] - landmarks[:, :2]).T) / diagonal,
            "score": np.abs(poses.keypoint_scores[0] - landmarks[:, 3]),
            "depth": np.abs(poses.depths[0] - landmarks[:, 2]) / diagonal,
            "world": np.linalg.norm(poses.world[0] - world, axis=1),
        }
    return rows, differ


@pytest.mark.parametrize(
    ("size", "reference"),
    [("estimator", "mediapipe_pose_images.json"), ("lite", "mediapipe_pose_lite_images.json")],
    ids=["full", "lite"],
)
def test_pictures_match_mediapipe(size, reference, data, request):
    expected = read_reference(data, reference)
    rows, differ = compare(request.getfixturevalue(size), data, expected)
    joined = {
        key: np.concatenate([row[key] for row in rows.values()])
        for key in ("distance", "score", "depth", "world")
    }
    for name, row in rows.items():
        print(f"{name:34} mean {100 * row['distance'].mean():.3f}% of the box's diagonal")
    print(
        f"all: distance mean {100 * joined['distance'].mean():.3f}%, "
        f"99th percentile {100 * np.percentile(joined['distance'], 99):.3f}%; "
        f"score mean {joined['score'].mean():.5f}; depth mean {100 * joined['depth'].mean():.3f}%; "
        f"world mean {1000 * joined['world'].mean():.2f} mm"
    )
    assert not differ
    assert len(rows) == sum(found is not None for found in expected.values()) >= 16
    assert joined["distance"].mean() < 0.003
    assert np.percentile(joined["distance"], 99) < 0.02
    assert joined["score"].mean() < 0.02
    assert joined["depth"].mean() < 0.01
    assert joined["world"].mean() < 0.005


def test_rgb_and_bgr_give_the_same(estimator, data):
    image = cv2.imread(str(data / "images" / "humans_2.jpg"))
    bgr = estimator.estimate(image, channels="bgr")
    rgb = estimator.estimate(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), channels="rgb")
    assert np.allclose(bgr.keypoints, rgb.keypoints, atol=1e-3)


def test_the_dancer_is_followed_in_every_frame(data):
    estimator = pose_ros.create_estimator("blazepose-full")
    capture = cv2.VideoCapture(str(data / "video" / "dance.avi"))
    ids, centers = [], []
    for i in range(205):
        ok, image = capture.read()
        assert ok
        poses = estimator.estimate(image, i / 50, channels="bgr")
        ids.append(poses.ids.tolist())
        centers.append(poses.keypoints[0, 23:25].mean(axis=0) if len(poses) else (np.nan, np.nan))
    assert all(len(found) == 1 for found in ids)
    # the camera shakes, but nobody jumps half the picture within a fiftieth of a second
    assert np.hypot(*np.diff(centers, axis=0).T).max() < 200


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2)])
def test_an_image_without_content_has_nobody_and_no_error(estimator, shape):
    assert len(estimator.estimate(np.full((*shape, 3), 127, np.uint8))) == 0
