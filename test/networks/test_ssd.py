"""Anchors, decoding and merging of the detectors."""

import numpy as np
import pytest

from pose_ros.networks import ssd

STRIDES = (8, 16, 32, 32, 32)


def logit(p):
    return np.log(p / (1 - p))


def decode(people, centers, threshold=0.5, size=224):
    """Decode the output of a detector that sees ``people``: (anchor, score, box, points)."""
    boxes = np.zeros((len(centers), 12), np.float32)
    scores = np.full(len(centers), -100, np.float32)
    for anchor, score, (x0, y0, x1, y1), points in people:
        x, y = centers[anchor]
        boxes[anchor, :4] = (x0 + x1) / 2 - x, (y0 + y1) / 2 - y, x1 - x0, y1 - y0
        boxes[anchor, 4:] = (np.asarray(points) - (x, y)).ravel()
        scores[anchor] = logit(score)
    return ssd.decode(boxes * size, scores, centers, size, threshold)


def test_anchors_are_two_for_each_cell_and_layer_in_rows():
    centers = ssd.anchors(224, STRIDES)
    assert centers.shape == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2)
    assert np.allclose(centers[0], 0.5 / 28)
    assert np.allclose(centers[2], [1.5 / 28, 0.5 / 28])
    assert np.allclose(centers[-1], 6.5 / 7)


def test_one_person_is_decoded_at_their_place():
    centers = ssd.anchors(224, STRIDES)
    points = [(0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.7, 0.8)]
    people = [(700, 0.9, (0.2, 0.3, 0.4, 0.6), points)]
    found = decode(people, centers)
    assert found.scores == pytest.approx([0.9], abs=1e-5)
    assert np.allclose(found.boxes, [[0.2, 0.3, 0.4, 0.6]], atol=1e-5)
    assert np.allclose(found.points[0], points, atol=1e-5)


def test_overlapping_detections_are_averaged_by_score_and_keep_the_best_score():
    centers = ssd.anchors(224, STRIDES)
    people = [
        (10, 0.6, (0.20, 0.2, 0.40, 0.4), np.full((4, 2), 0.1)),
        (11, 0.9, (0.23, 0.2, 0.43, 0.4), np.full((4, 2), 0.4)),
        (900, 0.7, (0.60, 0.6, 0.80, 0.8), np.full((4, 2), 0.7)),
    ]
    found = decode(people, centers)
    assert found.scores == pytest.approx([0.9, 0.7], abs=1e-5)
    assert found.points[0] == pytest.approx((0.6 * 0.1 + 0.9 * 0.4) / 1.5, abs=1e-5)
    assert found.boxes[0, 0] == pytest.approx((0.6 * 0.20 + 0.9 * 0.23) / 1.5, abs=1e-5)


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 1), (0.95, 0), (0.0, 1)])
def test_detections_below_the_threshold_are_dropped(threshold, count):
    centers = ssd.anchors(224, STRIDES)[:1]
    found = decode([(0, 0.9, (0, 0, 1, 1), np.zeros((4, 2)))], centers, threshold)
    assert len(found.scores) == count
    assert found.points.shape == (count, 4, 2)


def test_boxes_without_area_are_not_merged():
    found = ssd.Detections(
        np.array([0.9, 0.8]), np.zeros((2, 4), np.float32), np.zeros((2, 4, 2), np.float32)
    )
    assert len(ssd.merge_overlapping(found).scores) == 2


def test_most_confident_detections_are_kept_above_the_limit():
    count = 4 * ssd.MOST
    scores = np.linspace(0.9, 0.1, count, dtype=np.float32)
    corners = np.arange(count, dtype=np.float32)[:, None].repeat(2, axis=1)
    boxes = np.concatenate([corners, corners + 0.9], axis=1)
    found = ssd.merge_overlapping(ssd.Detections(scores, boxes, boxes.reshape(-1, 2, 2)))
    assert np.array_equal(found.scores, scores[: ssd.MOST])


@pytest.mark.filterwarnings("error")
def test_scores_of_zero_are_averaged_without_error():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.8]], np.float32)
    points = np.array([[[0.2, 0.4]], [[0.4, 0.4]]], np.float32)
    found = ssd.merge_overlapping(ssd.Detections(np.zeros(2, np.float32), boxes, points))
    assert np.allclose(found.boxes, [[0, 0, 1, 0.9]])
    assert np.allclose(found.points, [[[0.3, 0.4]]])


def test_sigmoid_of_extreme_values_gives_no_warning():
    assert ssd.sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]
