"""Dictionaries as tfjs's ``posenet`` gives them, with what our PoseNet finds."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.compat import posenet
from pose_ros.errors import ImageError, OptionError


@pytest.fixture(scope="module")
def net(posenet_models) -> posenet.PoseNet:
    return posenet.load({"inputResolution": {"width": 480, "height": 350}, "multiplier": 0.75},
                        models_dir=posenet_models)  # fmt: skip


@pytest.fixture(scope="module")
def photo(data) -> np.ndarray:
    image = cv2.imread(str(data / "images" / "humans_4.jpg"))
    return np.ascontiguousarray(image[..., ::-1])


def test_single_pose_is_a_score_and_17_keypoints(net, photo, posenet_models) -> None:
    pose = net.estimateSinglePose(photo, {"flipHorizontal": False})
    truth = pose_ros.create_estimator(
        "posenet-mobilenet", static=True, models_dir=posenet_models
    ).estimate(photo)[0]
    assert pose["score"] == pytest.approx(truth.score)
    assert [point["part"] for point in pose["keypoints"]][:2] == ["nose", "leftEye"]
    assert pose["keypoints"][10]["part"] == "rightWrist"
    for i, point in enumerate(pose["keypoints"]):
        assert set(point) == {"part", "position", "score"}
        assert point["score"] == pytest.approx(float(truth.keypoint_scores[i]))
        x, y = truth.keypoints[i]
        assert (point["position"]["x"], point["position"]["y"]) == pytest.approx(
            (x, y), nan_ok=True
        )


def test_several_poses_are_sorted_by_score(net, photo) -> None:
    poses = net.estimateMultiplePoses(photo, {"maxDetections": 10})
    surest = [max(point["score"] for point in pose["keypoints"]) for pose in poses]
    assert len(poses) >= 5
    assert surest == sorted(surest, reverse=True)
    assert len(net.estimateMultiplePoses(photo, {"maxDetections": 2})) == 2
    sure = net.estimateMultiplePoses(photo, {"maxDetections": 10, "scoreThreshold": 0.95})
    assert len(sure) == sum(score >= 0.95 for score in surest) < len(poses)


def test_flipped_poses_count_x_from_the_right(net, photo) -> None:
    plain, flipped = (
        net.estimateSinglePose(photo, {"flipHorizontal": flip}) for flip in (False, True)
    )
    for a, b in zip(plain["keypoints"], flipped["keypoints"], strict=True):
        assert b["position"]["x"] == pytest.approx(
            photo.shape[1] - 1 - a["position"]["x"], nan_ok=True
        )


def test_picture_without_people_gives_one_single_pose_of_score_0_and_no_multiple_poses(net) -> None:
    blank = np.full((200, 300, 3), 255, np.uint8)
    pose = net.estimateSinglePose(blank)
    assert pose["score"] == 0.0
    assert len(pose["keypoints"]) == 17
    assert all(math.isnan(point["position"]["x"]) for point in pose["keypoints"])
    assert net.estimateMultiplePoses(blank) == []
    net.dispose()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "ResNet50"}, "architecture must be 'MobileNetV1' here, got 'ResNet50'"),
        ({"outputStride": 8}, "outputStride must be 16 here, got 8"),
        ({"inputResolution": "large"}, "inputResolution: expected a number, or width and height"),
        ({"outputStrid": 16}, r"unknown outputStrid \(did you mean 'outputStride'\?\)"),
    ],
)
def test_unsupported_architecture_is_refused(config, message) -> None:
    with pytest.raises(OptionError, match=message):
        posenet.load(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"maxDetections": 0}, r"maxDetections must be in \[1, 10\], got 0"),
        ({"nmsRadius": 30}, "nmsRadius must be 20 here"),
        ({"scoreThreshold": 0.1}, r"scoreThreshold must be in \[0.5, 1\], got 0.1"),
        ({"minScore": 0.1}, "unknown minScore"),
    ],
)
def test_unsupported_setting_is_refused(net, photo, config, message) -> None:
    with pytest.raises(OptionError, match=message):
        net.estimateMultiplePoses(photo, config)
    with pytest.raises(ImageError):
        net.estimateSinglePose(photo[..., 0])
