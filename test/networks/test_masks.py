"""BlazePose's masks against the pixels that a drawn person really covers, and on a photo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.errors import ModelError
from pose_ros.synthetic.scene import Actor, Scene
from pose_ros.synthetic.scene import Path as Walk
from pose_ros.synthetic.source import SyntheticSource


@pytest.fixture(scope="module")
def estimator() -> pose_ros.Estimator:
    return pose_ros.create_estimator("blazepose-full", masks=True)


def test_mask_is_the_pixels_of_the_person(estimator: pose_ros.Estimator) -> None:
    source = SyntheticSource("stand", live=False, width=480, height=360)
    room = Scene((Actor(Walk.standing(3, 90)),), 4.7)
    empty = SyntheticSource(scene=room, live=False, width=480, height=360).depth(0.0)
    frame = source.read()
    assert frame is not None
    (pose,) = estimator.estimate(frame.image, channels=frame.channels)
    assert pose.mask is not None
    covered, seen = source.depth(frame.stamp) < empty - 0.01, pose.mask > 0.5
    assert pose.mask.shape == covered.shape
    assert (covered & seen).sum() / (covered | seen).sum() > 0.85


def test_each_person_of_a_photo_has_a_mask_of_their_own(data: Path) -> None:
    image = cv2.imread(str(data / "images" / "humans_0.jpg"))
    estimator = pose_ros.create_estimator("blazepose-full", masks=True, max_people=2)
    poses = estimator.estimate(image, channels="bgr")
    assert len(poses) == 2
    assert poses.masks is not None
    chest = [
        tuple(pose.keypoints[[11, 12, 23, 24]].mean(axis=0).round().astype(int)) for pose in poses
    ]
    for i, pose in enumerate(poses):
        assert pose.mask is not None
        own, other = chest[i], chest[1 - i]
        assert pose.mask[own[1], own[0]] > 0.9
        assert pose.mask[other[1], other[0]] < 0.5


def test_poses_and_masks_off_are_the_same_poses(estimator: pose_ros.Estimator) -> None:
    frame = SyntheticSource("wave", live=False).read()
    assert frame is not None
    plain = pose_ros.create_estimator("blazepose-full").estimate(
        frame.image, channels=frame.channels
    )
    masked = estimator.estimate(frame.image, channels=frame.channels)
    assert plain.masks is None
    np.testing.assert_allclose(plain.keypoints, masked.keypoints, atol=1e-3)


def test_image_without_people_has_no_masks(estimator: pose_ros.Estimator) -> None:
    assert estimator.estimate(np.full((90, 120, 3), 255, np.uint8)).masks is None


def test_network_without_masks_is_refused_before_its_files_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives no masks"):
        pose_ros.create_estimator("resnet18-body", masks=True, models_dir=tmp_path)
