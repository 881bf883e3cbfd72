"""What of a hand or a body is compared with the examples of a taught gesture.

A shape does not depend on where it is, how large, how it is turned in the image, or which of two
mirror images it is; a leaning says which way up it is. Both are vectors, and their Euclidean
distance is what counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures import hand_metric
from pose_ros.core.skeletons import Skeleton

_FINGERS = ("index", "middle", "ring", "pinky")
_CHAINS = (
    ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *(("wrist", f"{f}_mcp", f"{f}_pip", f"{f}_dip", f"{f}_tip") for f in _FINGERS),
)
_TIPS = tuple(chain[-1] for chain in _CHAINS)
_KNUCKLES = tuple(f"{finger}_mcp" for finger in _FINGERS)

_BODY_JOINTS = tuple(
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in skeletons.SIDES
)
_LIMBS = (
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    *(
        (f"{side}_{start}", f"{side}_{end}")
        for side in skeletons.SIDES
        for start, end in (
            *(("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip")),
            *(("hip", "knee"), ("knee", "ankle")),
        )
    ),
)
BODY_SIGMA = 0.3
"""How much of a mean limb the joints of the same posture may lie elsewhere.

Of real people in photos, five who stand then refuse 95% of those who run or crouch, and all who
sit (docs/measurements/taught_gestures.md). A smaller one loses more of the others who stand.
"""


class ShapeMetric(Protocol):
    """What is compared, of one skeleton."""

    def __call__(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return what is compared.

        Args:
            points: (N, K, 2 or 3) in the skeleton's order, any unit, y down; NaN is missing.

        Returns:
            (N, D) shapes and (N, L) leanings; NaN where a joint is missing.
        """


@dataclass(frozen=True)
class HandMetric:
    """Compares hands in x and y: lengths and angles of their bones, in a learned projection."""

    skeleton: Skeleton

    @cached_property
    def _ways(self) -> dict[tuple[str, str], int]:
        """Ways between two joints, each with its number."""
        ways: list[tuple[str, str]] = []
        for chain in _CHAINS:
            ways += [
                *pairwise(chain),
                (chain[1], chain[4]),
                (chain[0], chain[4]),
            ]
        ways += [(a, b) for i, a in enumerate(_TIPS) for b in _TIPS[i + 1 :]]
        ways += [("thumb_tip", knuckle) for knuckle in _KNUCKLES]
        ways += [*pairwise(_KNUCKLES), ("pinky_mcp", "index_mcp")]
        return {way: i for i, way in enumerate(dict.fromkeys(ways))}

    @cached_property
    def _ends(self) -> NDArray[np.intp]:
        """(2, W) keypoints at both ends of each way."""
        index = self.skeleton.index
        return np.array([(index(a), index(b)) for a, b in self._ways]).T

    def _numbers(self, ways: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
        return np.array([self._ways[way] for way in ways])

    @cached_property
    def _bones(self) -> NDArray[np.intp]:
        bones = [way for chain in _CHAINS for way in pairwise(chain[1:])]
        bones += [("wrist", knuckle) for knuckle in _KNUCKLES]
        return self._numbers([*bones, *pairwise(_KNUCKLES)])

    @cached_property
    def _lengths(self) -> NDArray[np.intp]:
        ways = [way for c in _CHAINS for way in ((c[1], c[4]), (c[0], c[4]))]
        ways += [(a, b) for i, a in enumerate(_TIPS) for b in _TIPS[i + 1 :]]
        return self._numbers([*ways, *(("thumb_tip", knuckle) for knuckle in _KNUCKLES)])

    @cached_property
    def _angles(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        pairs = []
        for c in _CHAINS:
            bones = list(pairwise(c))
            pairs += [*pairwise(bones)]
            pairs += [(bones[0], (c[1], c[4])), (bones[0], (c[0], c[4]))]
        return self._numbers([a for a, _ in pairs]), self._numbers([b for _, b in pairs])

    @cached_property
    def _fingers(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The way from each finger's base to its tip, and its (5, 3) bones."""
        bones = [self._numbers([*pairwise(c[1:])]) for c in _CHAINS]
        return self._numbers([(c[1], c[4]) for c in _CHAINS]), np.array(bones)

    @cached_property
    def _leaning(self) -> NDArray[np.intp]:
        return self._numbers(
            [("wrist", "middle_mcp"), ("pinky_mcp", "index_mcp"), ("thumb_cmc", "thumb_tip")]
        )

    def features(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (N, 54) lengths, cosines and straightness, and the (N, 3) leanings."""
        plane = points[..., :2]
        ways = plane[:, self._ends[1]] - plane[:, self._ends[0]]
        lengths = np.sqrt(np.einsum("nwc,nwc->nw", ways, ways))
        scale = lengths[:, self._bones].sum(axis=1, keepdims=True) / 8.0
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = self._angles
            cosines = np.einsum("nwc,nwc->nw", ways[:, a], ways[:, b])
            cosines = cosines / np.maximum(lengths[:, a] * lengths[:, b], 1e-9 * scale**2)
            chords, bones = self._fingers
            straight = lengths[:, chords] / np.maximum(lengths[:, bones].sum(2), 1e-9 * scale)
            shapes = np.concatenate([lengths[:, self._lengths] / scale, cosines, straight], axis=1)
            return shapes, ways[:, self._leaning, 1] / scale

    def __call__(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (N, 12) and (N, 3)."""
        shapes, leanings = self.features(points)
        return hand_metric.project(shapes), leanings


@dataclass(frozen=True)
class BodyMetric:
    """Compares bodies by how their joints lie to each other and over each other.

    Shoulders, elbows, wrists, hips, knees and ankles count. In meters it does not matter which
    way a person faces.
    """

    skeleton: Skeleton

    @cached_property
    def _joints(self) -> list[int]:
        return [self.skeleton.index(j) for j in _BODY_JOINTS if j in self.skeleton.keypoints]

    @cached_property
    def _limbs(self) -> NDArray[np.intp]:
        index, known = self.skeleton.index, self.skeleton.keypoints
        return np.array([(index(a), index(b)) for a, b in _LIMBS if {a, b} <= set(known)]).T

    def __call__(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (N, J (J - 1)) and (N, 0)."""
        limbs = np.linalg.norm(points[:, self._limbs[1]] - points[:, self._limbs[0]], axis=2)
        known = np.isfinite(limbs)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(known, limbs, 0.0).sum(axis=1) / known.sum(axis=1)
            joints = points[:, self._joints] / scale[:, None, None]
            first, second = np.triu_indices(len(self._joints), 1)
            ways = joints[:, second] - joints[:, first]
            shapes = np.concatenate([np.linalg.norm(ways, axis=2), ways[..., 1]], axis=1)
        spread = BODY_SIGMA * np.sqrt(shapes.shape[1] / hand_metric.DIMENSIONS)
        return shapes / spread, np.zeros((len(points), 0))


@cache
def metric_of(skeleton: Skeleton) -> ShapeMetric:
    """Return what compares the hands or bodies of a skeleton."""
    return HandMetric(skeleton) if skeleton.is_hand else BodyMetric(skeleton)
