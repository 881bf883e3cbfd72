"""What whole numbers cost in accuracy: both networks on the very same regions."""

import cv2
import numpy as np

import pose_ros


def test_int8_hand_landmarks_stay_near_those_in_full_precision(data, capsys):
    exact, whole = (
        pose_ros.create_estimator("blazehand-full", static=True, max_people=2, precision=precision)
        for precision in ("fp32", "int8")
    )
    paths = sorted([*data.glob("hands/*.jpg"), *data.glob("images/*.jpg")])
    distances, worlds = [], []
    for image in map(cv2.imread, map(str, paths)):
        a, b = (e.estimate(image, channels="bgr") for e in (exact, whole))
        assert a.labels == b.labels
        for one, other in zip(a, b, strict=True):
            away = np.hypot(*(one.keypoints - other.keypoints).T)
            distances.append(away / np.hypot(*np.ptp(one.keypoints, axis=0)))
            if one.world is not None and other.world is not None:
                worlds.append(np.linalg.norm(one.world - other.world, axis=1))
    with capsys.disabled():
        print(
            f"\n{len(distances)} hands in int8: mean {100 * np.mean(distances):.2f}% of the box's "
            f"diagonal, p99 {100 * np.percentile(distances, 99):.1f}%, "
            f"world {1000 * np.mean(worlds):.1f} mm"
        )
    assert len(distances) >= 6
    assert np.mean(distances) < 0.008
    assert np.mean(worlds) < 0.002


def test_int8_body_landmarks_stay_near_those_in_full_precision(data, capsys):
    exact = pose_ros.create_estimator(static=True)
    whole = pose_ros.create_estimator(static=True, precision="int8")
    paths = sorted([*data.glob("images/*"), *data.glob("coco_keypoints/*.jpg")])
    clip = cv2.VideoCapture(str(data / "video" / "dance.avi"))
    frames = [clip.read()[1] for _ in range(205)][::5]
    for name, images in (("photos", map(cv2.imread, map(str, paths))), ("dance clip", frames)):
        distances, scores, worlds = [], [], []
        for image in images:
            a, b = (e.estimate(image, channels="bgr") for e in (exact, whole))
            assert len(a) == len(b)
            if len(a) and a.world is not None and b.world is not None:
                away = np.hypot(*(a.keypoints[0] - b.keypoints[0]).T)
                distances.append(away / np.hypot(*np.ptp(a.keypoints[0], axis=0)))
                scores.append(np.abs(a.keypoint_scores[0] - b.keypoint_scores[0]))
                worlds.append(np.linalg.norm(a.world[0] - b.world[0], axis=1))
        with capsys.disabled():
            print(
                f"\n{name}, {len(distances)} people in int8: mean {100 * np.mean(distances):.2f}% "
                f"of the box's diagonal, p99 {100 * np.percentile(distances, 99):.1f}%, "
                f"score {np.mean(scores):.3f}, world {1000 * np.mean(worlds):.0f} mm"
            )
        assert np.mean(distances) < 0.012
        assert np.mean(worlds) < 0.035
