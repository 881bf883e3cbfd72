"""How often each joint was found, and how sure the network was of it."""

from __future__ import annotations

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.report.series import Histogram


class JointRates:
    """Counts of the K joints of one skeleton over all people of all images.

    Attributes:
        skeleton: Whose joints.
        people: How many people, each counted in each image.
        found: (K,) in how many of these each joint was found.
        outside: (K,) in how many of these it was said to be beyond the image.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.people = 0
        self.found = np.zeros(len(skeleton), np.int64)
        self.outside = np.zeros(len(skeleton), np.int64)
        self._scores = Histogram(np.linspace(0.0, 1.0, 101), len(skeleton))

    def add(self, poses: Poses, width: int, height: int) -> None:
        """Take in the people of one image of that size in pixels."""
        self.people += len(poses)
        self.found += poses.found.sum(axis=0)
        xy = poses.keypoints
        beyond = (xy < 0).any(axis=2) | (xy[..., 0] > width - 1) | (xy[..., 1] > height - 1)
        self.outside += beyond.sum(axis=0)
        for scores in poses.keypoint_scores:
            self._scores.add(scores)

    @property
    def least(self) -> float:
        """The score from which on a joint counts as found."""
        return self.skeleton.least_score

    @property
    def rates(self) -> Float64Array:
        """(K,) share of people in which each joint was found; NaN without people."""
        return self.found / self.people if self.people else np.full(len(self.skeleton), np.nan)

    def score_quantiles(self, *shares: float) -> Float64Array:
        """Return (Q, K) quantiles of the scores, those of missing joints, 0, included."""
        return self._scores.quantiles(*shares)
