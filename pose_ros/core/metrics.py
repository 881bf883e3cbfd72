"""How near a pose is to the true one, or to another network's: object keypoint similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons

Array = NDArray[np.float64]

COCO_KEYPOINTS = skeletons.get("coco17").keypoints
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
