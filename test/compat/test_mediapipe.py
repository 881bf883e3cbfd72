"""Programs written for MediaPipe's ``solutions`` get MediaPipe's own answers from ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import pose_ros.compat.mediapipe as mp
from pose_ros.compat.mediapipe.framework.formats import landmark_pb2
from pose_ros.compat.mediapipe.solutions import drawing_styles, drawing_utils, hands, pose
from pose_ros.core import skeletons
from pose_ros.synthetic.source import SyntheticSource

PoseLandmark = mp.solutions.pose.PoseLandmark


@pytest.fixture(scope="module")
def actor() -> np.ndarray:
    """A picture of a drawn person, RGB."""
    frame = SyntheticSource("wave", live=False).read()
    assert frame is not None
    return np.ascontiguousarray(frame.image[..., ::-1])


def picture(data: Path, name: str) -> np.ndarray:
    (path,) = data.glob(f"*/{name}")
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def reference(data: Path, name: str) -> Any:
    path = data / "references" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no test data: {path} is missing")
    return json.loads(path.read_text(encoding="utf-8"))["images"]


def in_pixels(landmarks, image) -> np.ndarray:
    """Return (K, 4): x, y and z in pixels and the visibility."""
    height, width = image.shape[:2]
    return np.array(
        [[p.x * width, p.y * height, p.z * width, p.visibility] for p in landmarks.landmark]
    )


def in_meters(landmarks) -> np.ndarray:
    return np.array([[p.x, p.y, p.z] for p in landmarks.landmark])


def test_body_landmarks_match_those_of_mediapipe(data):
    """Within the limits of the parity tests, through the landmarks as a program reads them."""
    expected = reference(data, "mediapipe_pose_images")
    names = [name for name, found in expected.items() if found is None][:1]
    names += [name for name, found in expected.items() if found is not None][:5]
    rows = []
    with pose.Pose(static_image_mode=True, min_detection_confidence=0.5) as solution:
        for name in names:
            image, truth = picture(data, name), expected[name]
            results = solution.process(image)
            assert (results.pose_landmarks is None) == (truth is None), name
            if truth is None:
                assert results.pose_world_landmarks is None
                continue
            there = np.array(truth["landmarks"])
            away = np.abs(in_pixels(results.pose_landmarks, image) - there)
            diagonal = np.hypot(*np.ptp(there[:, :2], axis=0))
            world = np.linalg.norm(
                in_meters(results.pose_world_landmarks) - np.array(truth["world"]), axis=1
            )
            rows.append(
                [np.hypot(*away[:, :2].T) / diagonal, away[:, 2] / diagonal, away[:, 3], world]
            )
            assert results.segmentation_mask is None
    distance, depth, score, meters = np.concatenate(rows, axis=1)
    assert distance.mean() < 0.003
    assert np.percentile(distance, 99) < 0.02
    assert depth.mean() < 0.01
    assert score.mean() < 0.02
    assert meters.mean() < 0.005


def test_hand_landmarks_match_mediapipe_with_mirrored_handedness(data):
    expected = reference(data, "mediapipe_hands_images")
    distances = []
    with hands.Hands(static_image_mode=True) as solution:
        for name in sorted(expected, key=lambda one: not expected[one])[:7]:
            image, truth = picture(data, name), expected[name]
            results = solution.process(image)
            found = [
                (entry.label, entry.score, ("Left", "Right").index(entry.label) == entry.index)
                for hand in results.multi_handedness or ()
                for entry in hand.classification
            ]
            assert sorted(label for label, _, _ in found) == sorted(h["handedness"] for h in truth)
            assert all(fits for _, _, fits in found)
            if not truth:
                assert results == (None, None, None)
                continue
            for landmarks, world, (_, score, _) in zip(
                results.multi_hand_landmarks, results.multi_hand_world_landmarks, found, strict=True
            ):
                ours = in_pixels(landmarks, image)
                away = [np.abs(ours[:, :3] - np.array(hand["landmarks"])) for hand in truth]
                best = int(np.argmin([one[:, :2].mean() for one in away]))
                size = np.hypot(*np.ptp(np.array(truth[best]["landmarks"])[:, :2], axis=0))
                distances.append(np.hypot(*away[best][:, :2].T).mean() / size)
                assert away[best][:, 2].mean() < 0.01 * size
                assert abs(score - truth[best]["score"]) < 0.02
                assert np.abs(in_meters(world) - truth[best]["world"]).mean() < 0.005
    assert len(distances) == 6
    assert np.mean(distances) < 0.003


def test_video_is_tracked_and_smoothed_unless_static(actor):
    steps = []
    for static in (False, True):
        with pose.Pose(static_image_mode=static, model_complexity=1) as solution:
            first = in_pixels(solution.process(actor).pose_landmarks, actor)
            moved = np.roll(actor, 4, axis=1)
            second = in_pixels(solution.process(moved).pose_landmarks, moved)
            steps.append(np.median(second[:, 0] - first[:, 0]))
    followed, static = steps
    assert static == pytest.approx(4, abs=0.5)
    # the filter holds back what moves
    assert 0.3 < followed < static - 0.2


def test_each_model_complexity_is_a_network_of_its_size(lite_models, actor):
    with pose.Pose(True, 0, models_dir=lite_models) as solution:
        lite = in_pixels(solution.process(actor).pose_landmarks, actor)
    with pose.Pose(True, 1) as solution:
        full = in_pixels(solution.process(actor).pose_landmarks, actor)
    assert 0.1 < np.abs(lite - full)[:, :2].mean() < 20
    for wrong in (3, -1, "full"):
        with pytest.raises(ValueError, match="model_complexity must be 0 or 1 or 2, got"):
            pose.Pose(model_complexity=wrong)
    with pytest.raises(ValueError, match="model_complexity must be 0 or 1, got 2"):
        hands.Hands(model_complexity=2)
    with pytest.raises(ValueError, match=r"max_num_hands must be in \[1, 10\], got 11"):
        hands.Hands(max_num_hands=11)


def test_mask_is_the_person_and_only_where_it_was_asked_for(actor):
    with pose.Pose(static_image_mode=True, enable_segmentation=True) as solution:
        results = solution.process(actor)
        empty = solution.process(np.full((100, 100, 3), 255, np.uint8))
    mask = results.segmentation_mask
    assert mask.shape == actor.shape[:2]
    assert mask.dtype == np.float32
    nose = in_pixels(results.pose_landmarks, actor)[PoseLandmark.NOSE]
    assert mask[round(nose[1]), round(nose[0])] > 0.9
    assert mask[:, :40].max() < 0.1
    assert empty == (None, None, None)


def test_upper_body_has_25_landmarks(actor):
    with pose.Pose(static_image_mode=True, upper_body_only=True) as solution:
        results = solution.process(actor)
    assert len(results.pose_landmarks.landmark) == len(results.pose_world_landmarks.landmark) == 25
    assert {end for link in pose.UPPER_BODY_POSE_CONNECTIONS for end in link} == set(range(25))


@pytest.mark.parametrize("solution", [pose.Pose, hands.Hands])
@pytest.mark.parametrize(
    "image",
    [
        np.arange(36, dtype=np.uint8).reshape(3, 3, 4),
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 3), np.float32),
        None,
    ],
)
def test_wrong_image_is_a_value_error(solution, image):
    with solution() as open_one, pytest.raises(ValueError, match=r"three channel rgb|uint8"):
        open_one.process(image)
    with pytest.raises(ValueError, match="is closed"):
        open_one.process(np.zeros((9, 9, 3), np.uint8))


def test_names_of_landmarks_are_in_the_order_of_the_networks():
    names = [one.name.lower() for one in PoseLandmark]
    assert tuple(names) == skeletons.get("blazepose33").keypoints
    fingers = [one.name.lower().replace("_finger", "") for one in hands.HandLandmark]
    assert tuple(fingers) == skeletons.get("blazehand21").keypoints
    assert len(pose.POSE_CONNECTIONS) == 35
    assert len(hands.HAND_CONNECTIONS) == 21


def test_landmark_lists_can_be_built_extended_and_printed():
    made = landmark_pb2.NormalizedLandmarkList()
    made.landmark.extend([landmark_pb2.NormalizedLandmark(x=0.25, y=0.5)])
    made.landmark[0].z = -1.0
    assert str(made) == "landmark {\n  x: 0.25\n  y: 0.5\n  z: -1\n}\n"
    assert [one.x for one in made.landmark] == [0.25]


def landmarks_at(*points) -> landmark_pb2.NormalizedLandmarkList:
    return landmark_pb2.NormalizedLandmarkList(
        [landmark_pb2.NormalizedLandmark(*point) for point in points]
    )


def test_visible_landmarks_and_their_connections_are_drawn():
    image = np.zeros((100, 200, 3), np.uint8)
    one = landmarks_at((0.25, 0.5, 0, 0.9), (0.75, 0.5, 0, 0.9), (0.5, 0.1, 0, 0.4), (1.5, 0, 0, 1))
    drawing_utils.draw_landmarks(image, one, [(0, 1), (1, 2), (2, 3)])
    assert image[50, 100].tolist() == list(drawing_utils.WHITE_COLOR)
    assert image[50, 50 + 2].tolist() == list(drawing_utils.RED_COLOR)
    assert not image[:40].any()
    assert not image[:, 160:].any()
    drawing_utils.draw_landmarks(image, None, [(0, 1)])
    with pytest.raises(ValueError, match="index is out of range"):
        drawing_utils.draw_landmarks(image, one, [(0, 4)])
    with pytest.raises(ValueError, match="three channel"):
        drawing_utils.draw_landmarks(np.zeros((9, 9, 4), np.uint8), one)


def test_styles_have_a_spec_for_every_landmark_and_connection():
    image = np.zeros((100, 100, 3), np.uint8)
    body = landmarks_at(*((0.2 + i / 60, 0.5, 0, 1.0) for i in PoseLandmark))
    style = drawing_styles.get_default_pose_landmarks_style()
    drawing_utils.draw_landmarks(image, body, pose.POSE_CONNECTIONS, style)
    assert style[PoseLandmark.LEFT_WRIST] != style[PoseLandmark.RIGHT_WRIST]
    hand = landmarks_at(*((0.2 + i / 60, 0.5, 0) for i in range(21)))
    drawing_utils.draw_landmarks(
        image,
        hand,
        hands.HAND_CONNECTIONS,
        drawing_styles.get_default_hand_landmarks_style(),
        drawing_styles.get_default_hand_connections_style(),
    )
    lines = drawing_styles.get_default_hand_connections_style()
    assert lines[0, 5].thickness == 3  # in the palm
    assert lines[5, 6].color == lines[7, 8].color != lines[9, 10].color


def test_landmarks_are_plotted(monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    plt.switch_backend("agg")
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes[0]))
    meters = landmark_pb2.LandmarkList(
        [landmark_pb2.Landmark(0.1, -0.6, 0.2), landmark_pb2.Landmark(0.0, 0.0, 0.0)]
    )
    drawing_utils.plot_landmarks(meters, [(0, 1)])
    (axes,) = shown
    assert len(axes.lines) == 1
    assert axes.get_zlim()[1] > 0.6  # up is up
    plt.close("all")
