"""Rows of a box, a score and keypoints, such as those of YOLO-Pose and RTMO.

Sources: Maji et al., "YOLO-Pose", 2022; ultralytics' documentation of YOLOv8, YOLO11 and
YOLO26: (1, 4 + classes + 3 K, A) of x y width height, a score a class, then x y score of each
keypoint, in pixels of the input, before suppression; or (1, 300, 6 + 3 K) of x0 y0 x1 y1,
score, class, keypoints after it. open-mmlab/mmdeploy's export of RTMO and YOLOX-Pose has two
outputs: (1, N, 5) of x0 y0 x1 y1 score, and (1, N, K, 3) of x y score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from pose_ros.core.contract import Contract
from pose_ros.core.types import FloatArray
from pose_ros.networks.family import output_error, read_settings
from pose_ros.networks.keypoints import Units
from pose_ros.networks.one_shot import ROLE, Decode, DecodedPeople
from pose_ros.networks.top_down import KEYPOINT_THRESHOLD

Form: TypeAlias = Literal["raw", "final", "pair"]

MOST = 300
"""People who are looked at: as many as the makers' own programs keep."""


@dataclass(frozen=True)
class YoloPoseSettings:
    """What a card's ``decoder`` may say of rows.

    Attributes:
        classes: Of the network; a row's score is that of its likeliest.
        overlap: Of two boxes that overlap more than that, as intersection over union,
            the less sure one is dropped; where the network has not done it itself.
        units: ``pixels`` of the input; or ``normalized``: 1 is its size, as in networks
            that ultralytics exported to TFLite.
        keypoint_threshold: Least score, in [0, 1], of a keypoint that is found.
    """

    classes: int = 1
    overlap: float = 0.7
    units: Units = "pixels"
    keypoint_threshold: float = KEYPOINT_THRESHOLD

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise ValueError(f"classes must be 1 or more, got {self.classes}")
        for name in ("overlap", "keypoint_threshold"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")


def decoder(contract: Contract) -> Decode:
    """Return what decodes rows.

    Raises:
        ModelError: The card's outputs or settings are others.
    """
    settings = read_settings(contract, YoloPoseSettings)
    shapes = [value.shape for value in contract.outputs[ROLE]]
    points = len(contract.skeleton)
    form = form_of(shapes, points, settings.classes)
    if form is None:
        raw = f"[1, {4 + settings.classes + 3 * points}, rows]"
        final, pair = f"[1, rows, {6 + 3 * points}]", f"[1, rows, 5] and [1, rows, {points}, 3]"
        raise output_error(
            contract,
            f"{raw}, {final}, or {pair}, for {contract.skeleton.name} and "
            f"{settings.classes} classes",
        )
    image = contract.image(ROLE)
    scale = np.ones(2, np.float32)
    if settings.units == "normalized":
        scale = np.array([image.width, image.height], np.float32)

    def find(outputs: Sequence[FloatArray], threshold: float) -> DecodedPeople:
        boxes, scores, keypoints = split(outputs, points, form, settings.classes)
        kept = np.flatnonzero(scores >= threshold)
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        if form == "raw":
            kept = kept[suppress(boxes[kept], scores[kept], settings.overlap)]
        kept = kept[:MOST]
        return _found(keypoints[kept], scores[kept], scale, settings.keypoint_threshold)

    return find


def form_of(shapes: Sequence[tuple[int | None, ...]], points: int, classes: int = 1) -> Form | None:
    """Return how outputs of these shapes hold rows of K keypoints; None when they do not."""
    if len(shapes) == 2 and len(shapes[0]) == 3 and len(shapes[1]) == 4:
        return "pair" if (shapes[0][2], *shapes[1][2:]) == (5, points, 3) else None
    if len(shapes) != 1 or len(shapes[0]) != 3:
        return None
    for values in (3, 2):
        if 4 + classes + values * points in shapes[0][1:]:
            return "raw"
        if shapes[0][2] == 6 + values * points:
            return "final"
    return None


def split(
    outputs: Sequence[FloatArray], points: int, form: Form, classes: int = 1
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Take rows apart.

    Args:
        outputs: Of a network for one image.
        points: K.
        form: Of the rows; see ``form_of``.
        classes: Of the network, before suppression.

    Returns:
        Of A rows boxes (A, 4), x0 y0 x1 y1; scores (A,) and keypoints (A, K, 2 or 3), x y
        and, where there is one, the score.
    """
    if form == "pair":
        boxes, keypoints = outputs[0][0], outputs[1][0]
        return boxes[:, :4], boxes[:, 4], keypoints
    rows = outputs[0][0]
    head = 6 if form == "final" else 4 + classes
    if rows.shape[1] not in (head + 3 * points, head + 2 * points):
        rows = rows.T
    boxes, keypoints = rows[:, :4], rows[:, head:].reshape(len(rows), points, -1)
    if form == "final":
        return boxes, rows[:, 4], keypoints
    half = boxes[:, 2:] / 2
    corners = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    return corners, rows[:, 4:head].max(axis=1), keypoints


def suppress(boxes: FloatArray, scores: FloatArray, overlap: float) -> list[int]:
    """Return which boxes are left when each drops the less sure ones that it overlaps.

    Args:
        boxes: (N, 4), x0 y0 x1 y1.
        scores: (N,).
        overlap: Largest intersection over union of two that stay.
    """
    if not len(boxes):
        return []
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, overlap)
    return [int(i) for i in np.asarray(kept).ravel()]


def _found(
    keypoints: FloatArray, scores: FloatArray, scale: FloatArray, threshold: float
) -> DecodedPeople:
    """Return people with the keypoints that are sure enough, in pixels of the input."""
    if keypoints.shape[2] == 3:
        point_scores = np.clip(keypoints[..., 2], 0.0, 1.0)
    else:
        point_scores = np.repeat(scores[:, None], keypoints.shape[1], axis=1)
    known = (point_scores >= threshold) & np.isfinite(keypoints).all(axis=2)
    # edges of pixels lie at whole numbers there, their centers here
    places = keypoints[..., :2] * scale - np.float32(0.5)
    return DecodedPeople.of(places, point_scores, np.clip(scores, 0.0, 1.0), known)
