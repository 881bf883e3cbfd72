"""MediaPipe's single-shot detectors: their input, anchors, decoding and weighted suppression.

Source: google-ai-edge/mediapipe, ``ssd_anchors_calculator``,
``tensors_to_detections_calculator`` and ``non_max_suppression_calculator``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from pose_ros.core.geometry import Region, crop_batch, image_views, iou
from pose_ros.core.types import Channels, FloatArray, Image, Session
from pose_ros.settings.estimation import MAX_TILES

SUPPRESSION_IOU = 0.3
MAX_VIEWS = 1 + MAX_TILES * MAX_TILES

MOST = 50
"""Detections of one view that are kept, the surest: five times as many as are ever looked at.
Only a threshold near 0 has more, and would take seconds."""


@dataclass(frozen=True)
class Detections:
    """N detections, best first, in the unit square of the detector's input or in image pixels.

    Attributes:
        scores: (N,) in [0, 1].
        boxes: (N, 4), x0 y0 x1 y1.
        points: (N, P, 2), x y.
    """

    scores: FloatArray
    boxes: FloatArray
    points: FloatArray


class Detector:
    """A detector's network, with the memory for its input."""

    def __init__(
        self,
        session: Session,
        size: int,
        decode: Callable[[FloatArray, FloatArray, float], Detections],
        *,
        low: float = 0.0,
    ) -> None:
        """Take over a loaded network.

        Args:
            session: Its outputs are boxes and scores.
            size: Side of its input in pixels.
            decode: Makes detections of one image's boxes and scores, and the least score.
            low: What black is in its input.
        """
        self._session = session
        self._decode = decode
        self._low = low
        # memory that is never written to is not taken: only as many views as there are count
        self._views = np.empty((MAX_VIEWS, 3, size, size), np.float32)

    def __call__(
        self,
        image: Image,
        channels: Channels,
        threshold: float,
        tiles: int,
        tile_threshold: float,
        *,
        only: Sequence[int] | None = None,
    ) -> list[tuple[Region, Detections]]:
        """Look at a whole image and, with ``tiles``, at parts of it, all in one run.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of the image's color channels.
            threshold: Least score, in [0, 1], in the whole image.
            tiles: Along the image's longer side; 1 for none.
            tile_threshold: Least score, in [0, 1], in a tile.
            only: Numbers of the views that are looked at, 0 the whole image; None: all.

        Returns:
            Each view, the whole image first, with what was found in it, in image pixels.
        """
        every = image_views(image.shape[1], image.shape[0], tiles)
        numbers = range(len(every)) if only is None else only
        views = [every[number] for number in numbers]
        border = cv2.BORDER_CONSTANT
        batch = crop_batch(self._views, image, channels, views, low=self._low, border=border)
        raw_boxes, raw_scores = self._session.run(batch)
        found = []
        for i, (number, view) in enumerate(zip(numbers, views, strict=True)):
            least = tile_threshold if number else threshold
            unit = self._decode(raw_boxes[i], raw_scores[i, :, 0], least)
            boxes = view.to_image(unit.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
            found.append((view, Detections(unit.scores, boxes, view.to_image(unit.points))))
        return found


def anchors(input_size: int, strides: tuple[int, ...]) -> FloatArray:
    """Return the (A, 2) anchor centers, in the unit square, of a detector with fixed anchor sizes.

    Each layer has two anchors a cell; layers of equal stride that follow each
    other share their cells.

    Args:
        input_size: Side of the detector's input in pixels.
        strides: Pixels between two cells, one a layer.
    """
    groups: dict[int, int] = {}
    for stride in strides:
        groups[stride] = groups.get(stride, 0) + 2
    layers = []
    for stride, repeat in groups.items():
        cells = -(-input_size // stride)
        centers = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centers, centers, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeat, axis=0))
    return np.concatenate(layers)


def decode(
    raw_boxes: FloatArray,
    raw_scores: FloatArray,
    centers: FloatArray,
    input_size: int,
    threshold: float,
) -> Detections:
    """Decode a detector's outputs and merge what overlaps.

    Args:
        raw_boxes: (A, 4 + 2 P): x, y, width, height, then x, y of each point, in
            input pixels relative to the anchor's center.
        raw_scores: (A,) before the sigmoid.
        centers: (A, 2) from ``anchors``.
        input_size: Side of the detector's input in pixels.
        threshold: Least score, in [0, 1].
    """
    scores = sigmoid(np.clip(raw_scores, -100, 100))
    kept = np.flatnonzero(scores >= threshold)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    scores, raw, center = scores[kept], raw_boxes[kept] / input_size, centers[kept]
    middle, half = raw[:, :2] + center, raw[:, 2:4] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    points = raw[:, 4:].reshape(len(kept), (raw_boxes.shape[1] - 4) // 2, 2) + center[:, None]
    return merge_overlapping(Detections(scores, boxes, points.astype(np.float32)))


def merge_overlapping(found: Detections) -> Detections:
    """Merge each of the best ``MOST`` detections with all that overlap it, averaged by score."""
    best: list[float] = []
    boxes, points = [], []
    rest = np.arange(len(found.scores))
    while len(rest) and len(best) < MOST:
        overlap = iou(found.boxes[rest[0]], found.boxes[rest]) > SUPPRESSION_IOU
        overlap[0] = True  # a box without an area overlaps nothing, not even itself
        group = rest[overlap]
        # the least of scores are 0 after rounding, and count alike
        weights = np.maximum(found.scores[group], np.finfo(np.float32).tiny)
        weights /= weights.sum()
        best.append(found.scores[rest[0]])
        boxes.append(weights @ found.boxes[group])
        points.append(np.tensordot(weights, found.points[group], axes=1))
        rest = rest[~overlap]
    if not best:
        return found
    return Detections(
        np.array(best, np.float32),
        np.stack(boxes).astype(np.float32),
        np.stack(points).astype(np.float32),
    )


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-values))."""
    with np.errstate(over="ignore"):  # exp(-x) of a large -x is inf, and 1 / inf is right
        return cast("FloatArray", 1.0 / (1.0 + np.exp(-values)))
