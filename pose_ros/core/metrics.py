"""How good results are: OKS, PCK and id switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.assignment import best_pairs

Array = NDArray[np.float64]

COCO_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
# per-keypoint constants of the COCO keypoint evaluation, twice the annotators' deviation
COCO_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], np.float64)
    / 1000.0
)


def oks(found: Array, truth: Array, visible: NDArray[np.bool_], area: float) -> float:
    """Return the object keypoint similarity of COCO for one person.

    Args:
        found: (17, 2) pixels in COCO's order; NaN is missing and counts as far off.
        truth: (17, 2) pixels.
        visible: (17,) which keypoints are annotated; the others do not count.
        area: Of the person's segment in square pixels, above 0.

    Returns:
        In [0, 1]; NaN when nothing is annotated.
    """
    if not visible.any():
        return float("nan")
    squared = ((found - truth) ** 2).sum(axis=1)
    similarity = np.exp(-squared / (2 * area * (2 * COCO_SIGMAS) ** 2))
    return float(np.nan_to_num(similarity, nan=0.0)[visible].mean())


def matched_oks(similarity: Array) -> Array:
    """Return the similarity of each annotated person with the one found that is taken for it.

    Nobody is taken for two, and the sum is the greatest possible.

    Args:
        similarity: (N, M) the OKS of each found person with each annotated one.

    Returns:
        (M,) in [0, 1]; 0 for whom nobody is left.
    """
    rows, columns = best_pairs(similarity, maximize=True)
    matched = np.zeros(similarity.shape[1])
    matched[columns] = similarity[rows, columns]
    return matched


def pck(found: Array, truth: Array, scale: float, threshold: float = 0.2) -> float:
    """Return the share of keypoints found within ``threshold`` times ``scale``.

    Args:
        found: (K, 2) pixels; NaN is missing and counts as wrong.
        truth: (K, 2) pixels; NaN is not annotated and does not count.
        scale: Size of the person or hand in pixels.
        threshold: Share of it.
    """
    annotated = np.isfinite(truth).all(axis=1)
    if not annotated.any():
        return float("nan")
    distance = np.hypot(*(found - truth)[annotated].T)
    return float((distance <= threshold * scale).mean())


def id_switches(frames: Sequence[Mapping[str, int]]) -> int:
    """Count how often a person's id became another one.

    Args:
        frames: For each frame, the id that each true person, by name, was given;
            who was not found in a frame is absent from it.

    Returns:
        The number of changes from one frame in which a person was found to the
        next; 0 when everybody keeps one id throughout.
    """
    known: dict[str, int] = {}
    switches = 0
    for frame in frames:
        for person, found in frame.items():
            switches += known.get(person, found) != found
            known[person] = found
    return switches
