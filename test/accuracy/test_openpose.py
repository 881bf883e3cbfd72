"""Part affinity fields of a real network: the clearly visible people of public pictures."""

import cv2
import numpy as np
import pytest

import pose_ros

FOUND = {
    "COCO_val2014_000000000192.jpg": 4,
    "COCO_val2014_000000000257.jpg": 3,  # one near, the others far
    "COCO_val2014_000000000328.jpg": 3,
    "COCO_val2014_000000000395.jpg": 4,  # of the nearest only the face
    "COCO_val2014_000000000428.jpg": 1,
    "COCO_val2014_000000000474.jpg": 1,
    "COCO_val2014_000000000536.jpg": 3,
    "COCO_val2014_000000000564.jpg": 1,
    "COCO_val2014_000000000589.jpg": 1,
    "humans_0.jpg": 2,
    "humans_2.jpg": 2,
    "humans_4.jpg": 5,
    "humans_6.jpg": 4,
    "humans_8.jpg": 1,
    "peds_2.jpg": 2,
    "peds_3.jpg": 5,
}
"""As many as docs/openpose.md says; each was looked at."""


@pytest.fixture(scope="module")
def estimator(openpose_models):
    return pose_ros.create_estimator(
        "openpose-mobilenet", static=True, max_people=10, models_dir=openpose_models
    )


def test_everybody_in_the_pictures(data, estimator):
    more = 0
    for name, count in FOUND.items():
        image = cv2.imread(str(data / "images" / name))
        poses = estimator.estimate(image, channels="bgr")
        assert len(poses) >= count, name
        more += len(poses) - count
        seen = np.isfinite(poses.keypoints[..., 0])
        assert (seen.sum(axis=1) >= 4).all()
        assert (poses.keypoint_scores[seen] >= 0.1).all()
        height, width = image.shape[:2]
        assert (poses.keypoints[seen] > -1).all()
        assert (poses.keypoints[seen] < (width, height)).all()
    # fragments of people far behind, all in one picture
    assert more <= 4


def test_a_mirror_image_has_the_mirrored_people(data, estimator):
    """Left and right, x and y, and the borders beside the image: all at once."""
    image = cv2.imread(str(data / "images" / "peds_3.jpg"))
    skeleton = estimator.skeleton
    swap = np.arange(len(skeleton))
    for left, right in skeleton.left_right:
        swap[[left, right]] = right, left
    poses = estimator.estimate(image, channels="bgr")
    mirrored = estimator.estimate(np.ascontiguousarray(image[:, ::-1]), channels="bgr")
    assert len(mirrored) >= 4
    back = mirrored.keypoints[:, swap] * (-1, 1) + (image.shape[1] - 1, 0)
    for person in poses.keypoints[:4]:
        distance = np.hypot(*np.moveaxis(back - person, -1, 0))
        both = np.isfinite(distance).sum(axis=1)
        same = np.nanmedian(np.where(both[:, None] >= 10, distance, np.inf), axis=1).argmin()
        assert np.nanmedian(distance[same]) < 8.0  # pixels; a cell of the maps is 12


def test_colors_in_either_order(data, estimator):
    image = cv2.imread(str(data / "images" / "humans_4.jpg"))
    bgr = estimator.estimate(image, channels="bgr")
    rgb = estimator.estimate(np.ascontiguousarray(image[..., ::-1]), channels="rgb")
    np.testing.assert_allclose(rgb.keypoints, bgr.keypoints, atol=1e-3)
