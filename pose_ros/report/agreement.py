"""How much two sets of results of the same images agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.assignment import best_pairs
from pose_ros.core.camera import Float64Array
from pose_ros.core.joint_angles import joint_angles, triples
from pose_ros.core.metrics import COCO_KEYPOINTS, oks
from pose_ros.core.types import Poses
from pose_ros.report.gesture_log import Held
from pose_ros.report.series import Histogram, Series

SAME_PERSON = 0.3
"""Least similarity of two people who are taken for the same one."""
SEGMENT_SHARE = 0.53
"""Of the box around a person that the person covers: what COCO's areas are on average."""
_DISTANCES = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 600)])  # of a size, 2% apart
_SHARES = np.linspace(0.0, 1.0, 201)
_DEGREES = np.arange(0.0, 181.0, 0.5)


@dataclass
class JointAgreement:
    """One joint of the people that both found.

    Attributes:
        both: In how many of them both found it.
        only_a: Only the first did.
        only_b: Only the second did.
        distances: Between the two, in sizes of the person.
        pixels: The same in pixels.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    distances: Histogram = field(default_factory=lambda: Histogram(_DISTANCES))
    pixels: Histogram = field(default_factory=lambda: Histogram(1000.0 * _DISTANCES))


class Agreement:
    """Compares results image by image, in bounded memory.

    Args:
        joints: Whose angles are compared, as in ``ReportOptions``.

    Attributes:
        images: In how many images both looked.
        matched: How many people both found, each counted in each image.
        only_a: People that only the first found, in images at which both looked.
        only_b: People that only the second found.
        same_count: In how many images both found the same number of people.
        joints: By name, those that both skeletons have.
        angles: By name, how far the two differ, degrees.
        similarity: OKS of the people of an image that both found, their mean, over time.
        counts: How many people each of the two found, over time.
    """

    def __init__(self, joints: tuple[str, ...]) -> None:
        self._asked = joints
        self.images = self.matched = self.only_a = self.only_b = self.same_count = 0
        self.joints: dict[str, JointAgreement] = {}
        self.angles: dict[str, Histogram] = {}
        self.similarity = Series(1)
        self.similarities = Histogram(_SHARES)
        self.counts = Series(2)

    def add(self, time: float, a: Poses, b: Poses) -> float:
        """Take in what both found in one image; returns the least OKS of who is in it.

        A person that only one of them found counts as 0; it is 1 where both found no person.
        """
        self.images += 1
        self.same_count += len(a) == len(b)
        self.counts.add(time, [len(a), len(b)])
        names = [name for name in a.skeleton.keypoints if name in b.skeleton.keypoints]
        ia = np.array([a.skeleton.index(name) for name in names], np.intp)
        ib = np.array([b.skeleton.index(name) for name in names], np.intp)
        found_a, found_b = a.found[:, ia], b.found[:, ib]
        xy_a = a.keypoints[:, ia].astype(np.float64)
        xy_b = b.keypoints[:, ib].astype(np.float64)
        table = np.array(
            [
                [
                    similarity(names, xy_a[i], xy_b[j], found_a[i] & found_b[j])
                    for j in range(len(b))
                ]
                for i in range(len(a))
            ]
        ).reshape(len(a), len(b))
        rows, columns = best_pairs(table, maximize=True)
        pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if table[i, j] >= SAME_PERSON]
        self.matched += len(pairs)
        self.only_a += len(a) - len(pairs)
        self.only_b += len(b) - len(pairs)
        for i, j in pairs:
            self.similarities.add(table[i, j])
            self._compare_joints(names, (xy_a[i], found_a[i]), (xy_b[j], found_b[j]))
            self._compare_angles(a, b, int(i), int(j))
        values = [float(table[i, j]) for i, j in pairs]
        self.similarity.add(time, [float(np.mean(values)) if values else np.nan])
        alone = len(pairs) < max(len(a), len(b))
        return 0.0 if alone else min(values, default=1.0)

    def _compare_joints(
        self,
        names: Sequence[str],
        a: tuple[Float64Array, NDArray[np.bool_]],
        b: tuple[Float64Array, NDArray[np.bool_]],
    ) -> None:
        (xy_a, in_a), (xy_b, in_b) = a, b
        size = person_size(xy_a, xy_b, in_a & in_b)
        apart = np.hypot(*(xy_a - xy_b).T)
        for k, name in enumerate(names):
            joint = self.joints.setdefault(name, JointAgreement())
            joint.both += bool(in_a[k] and in_b[k])
            joint.only_a += bool(in_a[k] and not in_b[k])
            joint.only_b += bool(in_b[k] and not in_a[k])
            if in_a[k] and in_b[k]:
                joint.distances.add(apart[k] / size)
                joint.pixels.add(apart[k])

    def _compare_angles(self, a: Poses, b: Poses, i: int, j: int) -> None:
        measured = []
        for poses, k in ((a, i), (b, j)):
            corners = triples(poses.skeleton, self._asked)
            indices = np.array(list(corners.values()), np.intp).reshape(-1, 3)
            values, _ = joint_angles(poses[k], poses.found[k], indices)
            measured.append(dict(zip(corners, values.tolist(), strict=True)))
        for name, value in measured[0].items():
            if name in measured[1]:
                self.angles.setdefault(name, Histogram(_DEGREES)).add(
                    abs(value - measured[1][name])
                )


def person_size(a: Float64Array, b: Float64Array, both: NDArray[np.bool_]) -> float:
    """Return the size of a person that both found, pixels: the root of the box's area.

    Args:
        a: (K, 2) pixels.
        b: The other's.
        both: (K,) joints that both found; the box is around these.
    """
    sides = [np.ptp(xy[both], axis=0) if both.any() else np.zeros(2) for xy in (a, b)]
    areas = [max(float(side[0] * side[1]), 1.0) for side in sides]
    return float((areas[0] * areas[1]) ** 0.25)


def similarity(
    names: Sequence[str], a: Float64Array, b: Float64Array, both: NDArray[np.bool_]
) -> float:
    """Return COCO's object keypoint similarity of two people over the joints that both have.

    Args:
        names: K joints.
        a: (K, 2) pixels.
        b: The other's.
        both: (K,) which joints both found; at least three, or the two are not alike.
    """
    known = {name: k for k, name in enumerate(names) if both[k]}
    common = [name for name in COCO_KEYPOINTS if name in known]
    if len(common) < 3:
        return 0.0
    rows = [COCO_KEYPOINTS.index(name) for name in common]
    columns = [known[name] for name in common]
    found, truth = np.full((2, len(COCO_KEYPOINTS), 2), np.nan)
    found[rows], truth[rows] = a[columns], b[columns]
    visible = np.zeros(len(COCO_KEYPOINTS), bool)
    visible[rows] = True
    area = SEGMENT_SHARE * person_size(a, b, both) ** 2
    return oks(found, truth, visible, area)


def match_gestures(a: Sequence[Held], b: Sequence[Held]) -> dict[tuple[str, str], Counter[str]]:
    """Count gestures that both, or only one of them, reported.

    Two are the same when name and side are, and they overlap in time; whose they are is not
    asked, since ids differ.

    Args:
        a: With times of the same clock as those of ``b``.
        b: The other's.

    Returns:
        By name and side: how many ``both``, ``a`` alone and ``b`` alone reported.
    """
    left = list(b)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for held in a:
        row = counts.setdefault((held.name, held.side), Counter())
        partner = next((other for other in left if _same(held, other)), None)
        row["a" if partner is None else "both"] += 1
        if partner is not None:
            left.remove(partner)
    for held in left:
        counts.setdefault((held.name, held.side), Counter())["b"] += 1
    return counts


def _same(a: Held, b: Held) -> bool:
    same = (a.name, a.side) == (b.name, b.side)
    return same and a.start <= b.end and b.start <= a.end
