"""Named skeletons: keypoint names, the links between them, left-right pairs, and COCO's measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.errors import OptionError

Side: TypeAlias = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
"""Of a person. An id of a hand counts them in this order."""

FOUND_SCORE = 0.5
"""Least score of a keypoint that was found, of a network that guesses hidden ones too."""

PEOPLE_COLORS = (
    *((46, 204, 113), (155, 89, 182), (241, 196, 15), (231, 76, 60), (52, 152, 219)),
    *((230, 126, 34), (26, 188, 156), (236, 112, 199), (149, 165, 166), (127, 140, 255)),
)
"""Red, green and blue of 0 to 255 by id, over and over: in pictures, viewers and reports."""


_HEAD = ("eye", "ear", "mouth")
_LOWER = ("hip", "knee", "ankle", "heel", "toe", "foot")
_LEAST_MAIN = 4
_MAIN = ("nose", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a body or a hand, in the order of a network's output.

    >>> import pose_ros
    >>> skeleton = pose_ros.create_estimator("blazepose-full").skeleton
    >>> skeleton.name, len(skeleton), skeleton.index("left_wrist")
    ('blazepose33', 33, 15)

    Attributes:
        name: Unique name, such as ``blazepose33``.
        keypoints: Keypoint names, in order; K of them.
        links: Pairs of keypoint indices that a person draws as a line.
        left_right: Pairs of indices (left, right) that a mirror image swaps.
        subsets: Named selections of indices, such as ``upper_body``.
        colors: What each keypoint is drawn in, red, green and blue of 0 to 255; none
            where the drawing may choose. Skeletons of other colors are the same.
        hidden_joints_are_guessed: Whether networks place hidden keypoints too, so that only
            the score says whether a keypoint can be seen; skeletons that differ in this
            alone are the same.
        images_are_stretched: Whether the networks of this skeleton were trained on images that
            are stretched to their input, with colors scaled as ImageNet's; likewise.
    """

    name: str
    keypoints: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    left_right: tuple[tuple[int, int], ...] = ()
    subsets: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    colors: tuple[tuple[int, int, int], ...] = field(default=(), compare=False)
    hidden_joints_are_guessed: bool = field(default=False, compare=False)
    images_are_stretched: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        count = len(self.keypoints)
        if len(set(self.keypoints)) != count:
            raise OptionError(f"skeleton {self.name}: keypoint names repeat")
        for pair in (*self.links, *self.left_right):
            if not all(0 <= i < count for i in pair):
                raise OptionError(
                    f"skeleton {self.name}: expected indices below {count}, got {pair}"
                )
        if len(self.colors) not in (0, count):
            raise OptionError(
                f"skeleton {self.name}: expected {count} colors, got {len(self.colors)}"
            )

    def __len__(self) -> int:
        return len(self.keypoints)

    def __hash__(self) -> int:
        return hash(self.name)  # caches ask for it all the time, and few names repeat

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.keypoints)}

    @property
    def least_score(self) -> float:
        """Score, in [0, 1], from which on a keypoint counts as found.

        MediaPipe's networks guess where every keypoint is. Other networks leave out what they do
        not find.
        """
        return FOUND_SCORE if self.hidden_joints_are_guessed else 0.0

    @property
    def is_hand(self) -> bool:
        """Whether it is of one hand, whose wrist is neither left nor right."""
        return "wrist" in self.keypoints

    def index(self, keypoint: str) -> int:
        """Return the index of a keypoint by name.

        Raises:
            OptionError: The skeleton has no keypoint of that name.
        """
        try:
            return self._index[keypoint]
        except KeyError:
            known = ", ".join(self.keypoints)
            raise OptionError(f"{self.name} has no keypoint {keypoint!r}; it has {known}") from None

    def subset(self, name: str) -> Skeleton:
        """Return the skeleton of a named selection, called ``<skeleton>_<name>``.

        Links and left-right pairs are kept where both ends are in the selection.

        Raises:
            OptionError: There is no selection of that name.
        """
        try:
            kept = self.subsets[name]
        except KeyError:
            known = ", ".join(self.subsets) or "none"
            raise OptionError(f"{self.name} has no subset {name!r}; known: {known}") from None
        new = {old: i for i, old in enumerate(kept)}

        def pairs(old: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
            return tuple((new[a], new[b]) for a, b in old if a in new and b in new)

        return Skeleton(
            name=f"{self.name}_{name}",
            keypoints=tuple(self.keypoints[i] for i in kept),
            links=pairs(self.links),
            left_right=pairs(self.left_right),
            colors=tuple(self.colors[i] for i in kept) if self.colors else (),
            hidden_joints_are_guessed=self.hidden_joints_are_guessed,
        )


@dataclass(frozen=True, eq=False)
class Parts:
    """Which keypoints of a skeleton are swapped together: K keypoints, S parts of a body.

    Attributes:
        mirrored: (K,) the keypoint of the other side; its own index for those in the middle.
        parts: (K,) index of the part that a keypoint belongs to; -1 for those in the middle.
        main: (m,) indices of the keypoints by which people are compared.
        main_mirrored: (m,) the index in ``main`` of the other side of each.
    """

    mirrored: NDArray[np.intp]
    parts: NDArray[np.intp]
    main: NDArray[np.intp]
    main_mirrored: NDArray[np.intp]

    @cached_property
    def count(self) -> int:
        """How many parts there are."""
        return int(self.parts.max(initial=-1)) + 1

    @cached_property
    def members(self) -> NDArray[np.float64]:
        """(K, S) 1 where a keypoint belongs to a part, else 0."""
        return np.equal(self.parts[:, None], np.arange(self.count)).astype(np.float64)

    def order(self, swapped: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return (..., K) which keypoint each one is where parts (..., S) are swapped."""
        turned = swapped[..., self.parts] & (self.parts >= 0)
        order: NDArray[np.intp] = np.where(turned, self.mirrored, np.arange(len(self.mirrored)))
        return order


@lru_cache(maxsize=16)
def parts_of(skeleton: Skeleton) -> Parts:
    """Return the parts of a skeleton: arms, legs and head, where it has them."""
    mirrored = np.arange(len(skeleton))
    parts = np.full(len(skeleton), -1)
    for pair in skeleton.left_right:
        name = skeleton.keypoints[pair[0]]
        for keypoint, other in (pair, pair[::-1]):
            mirrored[keypoint] = other
            is_head, is_lower = (any(word in name for word in words) for words in (_HEAD, _LOWER))
            parts[keypoint] = 2 if is_head else int(is_lower)
    main = [i for i, name in enumerate(skeleton.keypoints) if name.split("_")[-1] in _MAIN]
    if len(main) < _LEAST_MAIN:
        main = list(range(len(skeleton)))
    where = {keypoint: i for i, keypoint in enumerate(main)}
    main_mirrored = [where.get(int(mirrored[keypoint]), i) for i, keypoint in enumerate(main)]
    return Parts(mirrored, parts, np.array(main, np.intp), np.array(main_mirrored, np.intp))


# Order and connections: MediaPipe, pose_landmark_topology.svg and pose_connections.
_BLAZEPOSE33 = Skeleton(
    name="blazepose33",
    keypoints=(
        "nose",
        "left_eye_inner",
        "left_eye",
        "left_eye_outer",
        "right_eye_inner",
        "right_eye",
        "right_eye_outer",
        "left_ear",
        "right_ear",
        "mouth_left",
        "mouth_right",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_pinky",
        "right_pinky",
        "left_index",
        "right_index",
        "left_thumb",
        "right_thumb",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
        "left_heel",
        "right_heel",
        "left_foot_index",
        "right_foot_index",
    ),
    links=(
        *((0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10)),
        *((11, 12), (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19)),
        *((12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20)),
        *((11, 23), (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28)),
        *((27, 29), (28, 30), (29, 31), (30, 32), (27, 31), (28, 32)),
    ),
    left_right=(
        *((1, 4), (2, 5), (3, 6), (7, 8), (9, 10)),
        *((left, left + 1) for left in range(11, 33, 2)),
    ),
    subsets={"upper_body": tuple(range(25))},
    hidden_joints_are_guessed=True,
)

# Order and connections: MediaPipe, hand_landmark and hands_connections.
_BLAZEHAND21 = Skeleton(
    name="blazehand21",
    keypoints=(
        *("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
        *(
            f"{finger}_{joint}"
            for finger in ("index", "middle", "ring", "pinky")
            for joint in ("mcp", "pip", "dip", "tip")
        ),
    ),
    links=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8)),
        *((5, 9), (9, 10), (10, 11), (11, 12), (9, 13), (13, 14), (14, 15), (15, 16)),
        *((13, 17), (17, 18), (18, 19), (19, 20), (0, 17)),
    ),
    hidden_joints_are_guessed=True,
)

# Order and links: COCO's person_keypoints annotations.
_COCO17 = Skeleton(
    name="coco17",
    keypoints=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
        *("left_wrist", "right_wrist", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    links=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6)),
        *((5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4)),
        *((3, 5), (4, 6)),
    ),
    left_right=tuple((left, left + 1) for left in range(1, 17, 2)),
    subsets={"upper_body": tuple(range(13))},
)

# Order and links: trt_pose, tasks/human_pose/human_pose.json. Link k is that of its maps.
_TRT_BODY18 = Skeleton(
    name="trt_body18",
    keypoints=(*_COCO17.keypoints, "neck"),
    links=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10)),
        *((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
        *((17, 0), (17, 5), (17, 6), (17, 11), (17, 12)),
    ),
    left_right=_COCO17.left_right,
    subsets={"upper_body": (*range(13), 17)},
    images_are_stretched=True,
)

# Order and links: trt_pose_hand, preprocess/hand_pose.json, whose fingers run from the tip
# (1) to the base (4) and whose "palm" is the wrist. Link k is that of its maps.
_TRT_HAND21 = Skeleton(
    name="trt_hand21",
    keypoints=(
        *("wrist", "thumb_tip", "thumb_ip", "thumb_mcp", "thumb_cmc"),
        *(
            f"{finger}_{joint}"
            for finger in ("index", "middle", "ring", "pinky")
            for joint in ("tip", "dip", "pip", "mcp")
        ),
    ),
    links=(
        *((0, base) for base in range(4, 21, 4)),
        *((joint, joint + 1) for tip in range(1, 21, 4) for joint in range(tip, tip + 3)),
    ),
    images_are_stretched=True,
)

# Order and links: OpenPose, poseParameters.cpp, POSE_COCO. Link k is its pair k.
_OPENPOSE_COCO18 = Skeleton(
    name="openpose_coco18",
    keypoints=(
        *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee"),
        *("right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ),
    links=(
        *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
        *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
        *((2, 16), (5, 17)),
    ),
    left_right=((5, 2), (6, 3), (7, 4), (11, 8), (12, 9), (13, 10), (15, 14), (17, 16)),
    subsets={"upper_body": (*range(9), 11, *range(14, 18))},
)

# Order and links: OpenPose, poseParameters.cpp, POSE_BODY_25. Link k is its pair k.
_OPENPOSE_BODY25 = Skeleton(
    name="openpose_body25",
    keypoints=(
        *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
        *("left_shoulder", "left_elbow", "left_wrist", "mid_hip", "right_hip"),
        *("right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    ),
    links=(
        *((1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11)),
        *((8, 12), (12, 13), (13, 14), (1, 0), (0, 15), (15, 17), (0, 16), (16, 18)),
        *((2, 17), (5, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24)),
    ),
    left_right=(
        *((5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11), (16, 15), (18, 17)),
        *((19, 22), (20, 23), (21, 24)),
    ),
    subsets={"upper_body": (*range(10), 12, *range(15, 19))},
)

_ALL = (
    _BLAZEPOSE33,
    _BLAZEHAND21,
    _COCO17,
    _TRT_BODY18,
    _TRT_HAND21,
    _OPENPOSE_COCO18,
    _OPENPOSE_BODY25,
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s for whole in _ALL for s in (whole, *(whole.subset(name) for name in whole.subsets))
}


def get(name: str) -> Skeleton:
    """Return a skeleton by name.

    Raises:
        OptionError: No skeleton has that name.
    """
    try:
        return SKELETONS[name]
    except KeyError:
        known = ", ".join(SKELETONS)
        raise OptionError(f"unknown skeleton {name!r}; known: {known}") from None


COCO_KEYPOINTS = SKELETONS["coco17"].keypoints
# per-keypoint constants of the COCO keypoint evaluation, twice the annotators' deviation
COCO_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], np.float64)
    / 1000.0
)


def oks(
    found: NDArray[np.float64], truth: NDArray[np.float64], visible: NDArray[np.bool_], area: float
) -> float:
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
