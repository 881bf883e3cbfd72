"""Names of gestures and rays on an image."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.gestures.pointing import Ray
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.skeletons import get
from pose_ros.core.types import Image, Poses
from pose_ros.viz.overlay import draw_gestures

CAMERA = Camera.from_hfov(320, 240, 60.0)
PINK = (255, 105, 180)


def poses() -> Poses:
    skeleton = get("blazepose33")
    keypoints = np.full((1, len(skeleton), 2), 100.0, np.float32)
    for name, place in (("left_shoulder", (120, 80)), ("left_wrist", (160, 100))):
        keypoints[0, skeleton.index(name)] = place
    return Poses(
        skeleton=skeleton,
        ids=np.array([4]),
        scores=np.ones(1, np.float32),
        boxes=np.array([[80, 40, 170, 200]], np.float32),
        keypoints=keypoints,
        keypoint_scores=np.ones((1, len(skeleton)), np.float32),
    )


def pointing(
    *, metric: bool = True, place: tuple[float, float, float] = (0.0, 0.0, 2.0)
) -> Gesture:
    direction = np.array([math.sqrt(0.5), math.sqrt(0.5), 0.0])
    ray = Ray(np.array(place), direction, 0.1, metric)
    return Gesture("point", "left", 4, "held", 0.9, 0.0, ray)


def drawn(gesture: Gesture, camera: Camera | None, channels: str = "rgb") -> Image:
    image = np.zeros((240, 320, 3), np.uint8)
    draw_gestures(image, poses(), [gesture], camera, channels=channels)
    return image


def pink(image: Image) -> np.ndarray:
    return np.argwhere(np.all(image == PINK, axis=2))


def test_metric_ray_is_drawn_where_the_camera_sees_it() -> None:
    found = pink(drawn(pointing(), CAMERA))
    # 1 m along it
    x, y = CAMERA.project(np.array([[math.sqrt(0.5), math.sqrt(0.5), 2.0]]))[0]
    assert np.linalg.norm(found - (y, x), axis=1).min() < 3


@pytest.mark.parametrize(
    ("gesture", "camera"),
    [
        (pointing(), None),
        (pointing(place=(math.nan, math.nan, math.nan)), CAMERA),
        (pointing(metric=False, place=(120.0, 80.0, 0.0)), CAMERA),
    ],
)
def test_ray_without_a_place_is_drawn_along_the_arm(
    gesture: Gesture, camera: Camera | None
) -> None:
    found = pink(drawn(gesture, camera))
    assert np.linalg.norm(found - (120, 200), axis=1).min() < 3  # beyond the wrist
    assert np.linalg.norm(found - (80, 120), axis=1).min() > 20  # not on the arm


def test_gesture_without_a_ray_is_drawn_as_its_name_only() -> None:
    image = drawn(replace(pointing(), name="raise_hand", ray=None), CAMERA)
    assert not len(pink(image))
    assert np.all(image == 255, axis=2).any()


@pytest.mark.parametrize("change", [{"event": "ended"}, {"person": 9}])
def test_gesture_ended_or_of_a_person_outside_the_image_is_left_out(
    change: dict[str, object],
) -> None:
    assert not drawn(replace(pointing(), **change), CAMERA).any()


def test_colors_follow_the_channel_order_of_the_image() -> None:
    np.testing.assert_array_equal(
        drawn(pointing(), CAMERA), drawn(pointing(), CAMERA, "bgr")[..., ::-1]
    )
