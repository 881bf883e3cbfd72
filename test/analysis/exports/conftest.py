"""Results that have all that results may have, and lack all that they may lack."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.results import Result
from pose_ros.core.types import Poses, PositionSource
from tools.drawn_results import START, drawn_results, hand_of, result_of


@pytest.fixture
def varied() -> list[Result]:
    """Images with two people, a hand, gestures, missing joints, and no people."""
    first, second, third, fourth = drawn_results("crossing", 4)
    keypoints, scores = first.poses.keypoints.copy(), first.poses.keypoint_scores.copy()
    camera, sources = first.poses.camera.copy(), first.poses.camera_sources.copy()
    sigmas = first.poses.camera_sigmas.copy()
    keypoints[0, 15], scores[0, 15], camera[0, 15], sigmas[0, 15] = np.nan, 0.0, np.nan, np.nan
    sources[0, 15], sources[1] = PositionSource.NONE, PositionSource.DEPTH
    poses = first.poses.replace(
        keypoints=keypoints,
        keypoint_scores=scores,
        camera=camera,
        camera_sources=sources,
        camera_sigmas=sigmas,
    )
    metric = Ray((1.0, 2.0, 3.0), (0.0, 0.6, 0.8), 0.25, metric=True, origin_sigma=0.5)
    gestures = (
        Gesture("point", "left", 0, "started", 0.75, START / 1e9 - 0.5, metric),
        Gesture("stop", "both", 1, "ended", 0.5, 12.25),
    )
    upper = skeletons.get("blazepose33_upper_body")
    half = third.poses.replace(
        skeleton=upper,
        keypoints=third.poses.keypoints[:, :25],
        keypoint_scores=third.poses.keypoint_scores[:, :25],
        depths=None,
        world=None,
        camera=None,
        camera_sources=None,
        camera_sigmas=None,
    )
    return [
        result_of(
            0,
            poses,
            hands=hand_of(1),
            gestures=gestures,
            goals={0: Goal((1.5, -2.0, 0.0), -0.5, "base_link", 0.0), 1: "too far"},
        ),
        result_of(1, Poses.empty(second.poses.skeleton), hands=None),
        result_of(2, half),
        result_of(5, fourth.poses),
    ]
