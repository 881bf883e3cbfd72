"""Programs like OpenPose's Python tutorials run; keypoints are in the order of its models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.compat import openpose as op
from pose_ros.errors import ImageError, OptionError
from pose_ros.synthetic.source import SyntheticSource


def wrapper(params: dict[str, Any], **engine: Any) -> op.WrapperPython:
    made = op.WrapperPython(**engine)
    made.configure({"model_folder": "../../../models/", **params})
    made.start()
    return made


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """A picture of a drawn person, BGR."""
    found = SyntheticSource("wave", live=False).read()
    assert found is not None
    return found.image


def datum_of(image: np.ndarray) -> op.Datum:
    datum = op.Datum()
    datum.cvInputData = image
    return datum


def test_body_has_25_keypoints_and_hands_21_each(frame) -> None:
    """As of the tutorials of bodies and hands: parameters, start, datum, keypoints, picture."""
    before = frame.copy()
    datum = datum_of(frame)
    assert wrapper({"hand": True, "number_people_max": "1"}).emplaceAndPop(op.VectorDatum([datum]))
    assert np.array_equal(frame, before)
    assert datum.poseKeypoints.shape == (1, 25, 3)
    assert datum.poseKeypoints.dtype == np.float32
    assert datum.poseScores.shape == (1,)
    (truth,) = pose_ros.create_estimator("blazepose-full", static=True).estimate(
        frame, channels="bgr"
    )
    names = op.getPoseBodyPartMapping(op.PoseModel.BODY_25)
    rows = {names[i]: datum.poseKeypoints[0, i] for i in range(25)}
    assert rows["LWrist"][:2] == pytest.approx(truth.keypoint("left_wrist"))
    assert rows["RBigToe"][:2] == pytest.approx(truth.keypoint("right_foot_index"))
    shoulders = truth.keypoint("left_shoulder") + truth.keypoint("right_shoulder")
    assert rows["Neck"][:2] == pytest.approx(shoulders / 2, abs=1e-3)
    assert rows["MidHip"][2] > 0.5
    assert not rows["LSmallToe"].any()
    left, right = datum.handKeypoints
    assert left.shape == right.shape == (1, 21, 3)
    near = {
        "left": np.hypot(*(left[0, 0, :2] - truth.keypoint("left_wrist"))),
        "right": np.hypot(*(right[0, 0, :2] - truth.keypoint("right_wrist"))),
    }
    found = {side: near[side] for side, hand in (("left", left), ("right", right)) if hand.any()}
    assert found
    assert max(found.values()) < 40
    assert (datum.cvOutputData != frame).any()


def test_image_without_people_has_no_keypoints() -> None:
    datum = datum_of(np.full((200, 300, 3), 255, np.uint8))
    wrapper({"hand": "1"}).emplaceAndPop([datum])
    assert datum.poseKeypoints is None
    assert datum.poseScores is None
    assert datum.handKeypoints == [None, None]
    assert np.array_equal(datum.cvOutputData, datum.cvInputData)


def test_coco_model_uses_openpose_mobilenet(openpose_models, data) -> None:
    found = wrapper({"model_pose": "COCO"}, models_dir=openpose_models)
    datums = [
        datum_of(cv2.imread(path)) for path in op.get_images_on_directory(str(data / "images"))[:2]
    ]
    for datum in datums:  # as the tutorial of several images does it
        found.waitAndEmplace(op.VectorDatum([datum]))
    estimator = pose_ros.create_estimator(
        "openpose-mobilenet", static=True, max_people=10, models_dir=openpose_models
    )
    for datum in datums:
        ready = op.VectorDatum()
        assert found.waitAndPop(ready)
        assert ready == [datum]
        truth = estimator.estimate(datum.cvInputData, channels="bgr")
        assert datum.poseKeypoints.shape == (len(truth), 18, 3)
        there = datum.poseKeypoints[..., 2] > 0
        assert np.array_equal(there, np.isfinite(truth.keypoints).all(axis=2))
        assert datum.poseKeypoints[there][:, :2] == pytest.approx(truth.keypoints[there])
    assert not found.waitAndPop(op.VectorDatum())


@pytest.mark.parametrize("scale", [0, 3, 4])
def test_keypoints_are_scaled_as_asked(frame, scale) -> None:
    pixels, scaled = datum_of(frame), datum_of(frame)
    wrapper({}).emplaceAndPop([pixels])
    wrapper({"keypoint_scale": scale, "render_pose": 0}).emplaceAndPop([scaled])
    unit = pixels.poseKeypoints[..., :2] / (640, 480)
    expected = {0: pixels.poseKeypoints[..., :2], 3: unit, 4: 2 * unit - 1}[scale]
    there = pixels.poseKeypoints[..., 2] > 0
    assert scaled.poseKeypoints[there][:, :2] == pytest.approx(expected[there], abs=1e-3)
    assert not scaled.poseKeypoints[~there].any()
    assert np.array_equal(scaled.cvOutputData, frame)


def test_names_of_keypoints_are_openposes() -> None:
    names = op.getPoseBodyPartMapping(op.PoseModel.BODY_25)
    assert [names[i] for i in (0, 1, 4, 8, 17, 19, 24, 25)] == [
        *("Nose", "Neck", "RWrist", "MidHip", "REar", "LBigToe", "RHeel", "Background")
    ]
    assert op.getPoseNumberBodyParts(op.PoseModel.COCO_18) == 18


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"face": True}, "OpenPose's face has no meaning here; these have one: model_pose,"),
        ({"render_treshold": 0.1}, r"render_treshold has .* \(did you mean 'render_threshold'"),
        ({"hand": "maybe"}, "hand: expected bool, got 'maybe'"),
        ({"number_people_max": "many"}, "number_people_max: expected int, got 'many'"),
        ({"number_people_max": 11}, r"number_people_max must be -1 or in \[1, 10\], got 11"),
        ({"model_pose": "MPI"}, "model_pose must be BODY_25 or COCO, got 'MPI'"),
        ({"model_pose": "COCO", "hand": 1}, "hand needs model_pose BODY_25"),
        ({"keypoint_scale": 1}, "keypoint_scale must be 0 or 2"),
    ],
)
def test_parameter_without_meaning_or_out_of_range_is_refused(params, message) -> None:
    with pytest.raises(OptionError, match=message):
        wrapper(params)


def test_images_are_returned_once_the_wrapper_is_started(tmp_path: Path) -> None:
    idle = op.WrapperPython()
    with pytest.raises(OptionError, match=r"call start\(\) before"):
        idle.emplaceAndPop([datum_of(np.zeros((9, 9, 3), np.uint8))])
    started = wrapper({})
    with pytest.raises(ImageError, match="cannot read"):
        started.emplaceAndPop([datum_of(cv2.imread(str(tmp_path / "none.jpg")))])
    started.stop()
    with pytest.raises(OptionError, match=r"call start\(\) before"):
        started.emplaceAndPop([datum_of(np.zeros((9, 9, 3), np.uint8))])
