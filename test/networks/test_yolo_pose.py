"""Rows of boxes, scores and keypoints, in each of their forms."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.networks import yolo_pose
from pose_ros.networks.registry import FAMILIES
from pose_ros.settings.estimation import EstimatorOptions

POINTS = 17
RNG = np.random.default_rng(0)
BOXES = np.array([[10, 20, 110, 220], [300, 40, 380, 240], [14, 22, 114, 218]], np.float32)
SCORES = np.array([0.9, 0.6, 0.7], np.float32)
KEYPOINTS = np.concatenate(
    [RNG.uniform(0, 300, (3, POINTS, 2)), RNG.uniform(0.3, 1, (3, POINTS, 1))], axis=2
).astype(np.float32)


def raw(classes=1, values=3, transposed=False):
    half = (BOXES[:, 2:] - BOXES[:, :2]) / 2
    scores = np.full((3, classes), 0.01, np.float32)
    scores[:, -1] = SCORES
    parts = [BOXES[:, :2] + half, 2 * half, scores, KEYPOINTS[..., :values].reshape(3, -1)]
    rows = np.concatenate(parts, axis=1)[None]
    return [rows if transposed else np.ascontiguousarray(rows.transpose(0, 2, 1))]


def final(values=3):
    parts = [BOXES, SCORES[:, None], np.zeros((3, 1)), KEYPOINTS[..., :values].reshape(3, -1)]
    return [np.concatenate(parts, axis=1, dtype=np.float32)[None]]


def pair():
    return [np.concatenate([BOXES, SCORES[:, None]], axis=1)[None], KEYPOINTS[None]]


@pytest.mark.parametrize(
    ("outputs", "form", "classes", "values"),
    [
        (raw(), "raw", 1, 3),
        (raw(transposed=True), "raw", 1, 3),
        (raw(values=2), "raw", 1, 2),
        (raw(classes=3), "raw", 3, 3),
        (final(), "final", 1, 3),
        (final(values=2), "final", 1, 2),
        (pair(), "pair", 1, 3),
    ],
)
def test_each_output_form_is_read(outputs, form, classes, values):
    assert yolo_pose.form_of([o.shape for o in outputs], POINTS, classes) == form
    boxes, scores, keypoints = yolo_pose.split(outputs, POINTS, form, classes)
    assert np.allclose(boxes, BOXES, atol=1e-4)
    assert np.allclose(scores, SCORES)
    assert np.allclose(keypoints, KEYPOINTS[..., :values])


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 84, 8400)],  # a detector of boxes
        [(1, 55, 8400)],
        [(1, 17, 64, 48)],
        [(1, 100, 5), (1, 100, 16, 3)],
        [(1, 56, 8400), (1, 56, 8400)],
        [],
    ],
)
def test_output_shapes_of_other_forms_are_not_recognized(shapes):
    assert yolo_pose.form_of(shapes, POINTS) is None


def test_overlapping_boxes_keep_the_most_confident():
    order = np.argsort(-SCORES)
    kept = order[yolo_pose.suppress(BOXES[order], SCORES[order], 0.7)]
    assert kept.tolist() == [0, 1]
    assert yolo_pose.suppress(BOXES[order], SCORES[order], 0.95) == [0, 1, 2]
    assert yolo_pose.suppress(BOXES[:0], SCORES[:0], 0.7) == []


class Rows:
    """A network that gives the same rows for every image."""

    provider = "cpu"

    def __init__(self, outputs):
        self.outputs = outputs

    def run(self, *_):
        return self.outputs


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_keypoint_that_is_not_finite_is_missing(value):
    outputs = final()
    outputs[0][0, 0, 6 + 3 * 9] = value
    image = ImageInput(640, 640, (0.0,) * 3, (255.0,) * 3)
    contract = Contract(
        "rows",
        skeletons.get("coco17"),
        0.8,
        inputs={"network": (Value("image", "image", (1, 3, 640, 640), image=image),)},
        outputs={"network": (Value("rows", "rows", outputs[0].shape),)},
        settings={"keypoint_threshold": 0.1},
    )
    estimator = FAMILIES["yolo-pose"].make(contract, {"network": Rows(outputs)}, EstimatorOptions())
    (pose,) = estimator.estimate(np.zeros((480, 640, 3), np.uint8))
    assert np.flatnonzero(np.isnan(pose.keypoints).any(axis=1)).tolist() == [9]
    assert pose.keypoint_scores[9] == 0
