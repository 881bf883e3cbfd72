"""PoseNet: people from heatmaps, short offsets and displacements from part to part.

Source: Papandreou et al., "PersonLab: Person Pose Estimation and Instance Segmentation
with a Bottom-Up, Part-Based, Geometric Embedding Model", 2018, in the forms of
google-coral/edgetpu ``posenet_decoder`` (bilinear samples, repeated refinement, scores
without the parts that others own) and tensorflow/tfjs-models ``posenet`` (its radius and
threshold of the first part).

Positions in the maps are complex numbers, x + iy, in cells: one sample of a complex map is a whole
vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError
from pose_ros.networks.family import read_settings
from pose_ros.networks.one_shot import ROLE, Decode, DecodedPeople

SKELETON = skeletons.get("coco17")
PARTS = len(SKELETON)

# Order of the displacement maps: google-coral/edgetpu, posenet_decoder; tfjs-models, poseChain.
EDGES = tuple(
    (SKELETON.index(parent), SKELETON.index(child))
    for parent, child in (
        *(("nose", "left_eye"), ("left_eye", "left_ear")),
        *(("nose", "right_eye"), ("right_eye", "right_ear")),
        *(("nose", "left_shoulder"), ("left_shoulder", "left_elbow")),
        *(("left_elbow", "left_wrist"), ("left_shoulder", "left_hip")),
        *(("left_hip", "left_knee"), ("left_knee", "left_ankle")),
        *(("nose", "right_shoulder"), ("right_shoulder", "right_elbow")),
        *(("right_elbow", "right_wrist"), ("right_shoulder", "right_hip")),
        *(("right_hip", "right_knee"), ("right_knee", "right_ankle")),
    )
)
"""The tree of parts, in the order of the displacement maps: parent and child."""

ARRIVED = 0.002
"""Cells; a correction that is smaller is the last, since the next ones are smaller still."""

Points: TypeAlias = NDArray[np.complex128]

NMS_RADIUS = 20.0
"""Pixels of the network's input, within which two parts of a kind are one person's."""

ROOT_THRESHOLD = 0.5
"""Least score, in [0, 1], of the part by which a person is found."""

REFINEMENTS = 5
"""How often a part's position is corrected by the short offsets."""

WAY_BACK = 0.5
"""Share of the way to a part by which the way back may miss, if it is more than the radius."""

MAX_CANDIDATES = 100
"""How many parts are followed at most: even flat maps are decoded in milliseconds."""

MIN_PART_SCORE = 0.1
"""A part with a lower score, in [0, 1], is missing in an estimator's result."""

STRIDES = (8, 16, 32)

_OUTPUTS = (
    {"heatmaps", "offsets"},
    {"heatmaps", "offsets", "displacements"},
    {"heatmaps", "offsets", "forward", "backward"},
)
_CHANNELS = {
    "heatmaps": PARTS,
    "offsets": 2 * PARTS,
    "forward": 2 * len(EDGES),
    "backward": 2 * len(EDGES),
    "displacements": 4 * len(EDGES),
}
_NEVER = -100.0  # log odds of a value that is not a number
_LEAST = 1e-6  # of a probability, whose log odds are to be finite


@dataclass(frozen=True, eq=False)
class Maps:
    """The outputs of a network for one image, in cells.

    Attributes:
        heatmaps: (17, h, w) log odds of each part.
        short: (17, h, w) complex, from a cell to the part near it.
        middle: (32, h, w) complex, from a part to the next one: along all edges, then
            back along all of them; (0, h, w) where there are none.
    """

    heatmaps: FloatArray
    short: Points
    middle: Points

    @classmethod
    def of(
        cls, heatmaps: FloatArray, offsets: FloatArray, *displacements: FloatArray, stride: int
    ) -> Maps:
        """Take a network's outputs, in pixels.

        Args:
            heatmaps: (17, h, w).
            offsets: (34, h, w): y of all, then x; so are the others.
            *displacements: None, or two of (32, h, w): forward and backward.
            stride: Pixels from cell to cell.

        Raises:
            ModelError: The shapes do not fit each other.
        """
        if heatmaps.ndim != 3 or heatmaps.shape[0] != PARTS or heatmaps.size == 0:
            raise ModelError(f"expected heatmaps of shape ({PARTS}, h, w), got {heatmaps.shape}")
        cells = heatmaps.shape[1:]
        wanted = [("offsets", 2 * PARTS, offsets)]
        for name, maps in zip(("forward", "backward"), displacements, strict=False):
            wanted.append((f"{name} displacements", 2 * len(EDGES), maps))
        for name, channels, maps in wanted:
            if maps.shape != (channels, *cells):
                raise ModelError(
                    f"heatmaps of shape {heatmaps.shape} need {name} of shape "
                    f"{(channels, *cells)}, got {maps.shape}"
                )
        middle = [_vectors(maps, stride) for maps in displacements]
        return cls(
            np.nan_to_num(heatmaps, nan=_NEVER, posinf=_NEVER, neginf=_NEVER),
            _vectors(offsets, stride),
            np.concatenate(middle) if middle else np.zeros((0, *cells), np.complex128),
        )

    def maxima(self, least: float) -> list[list[int]]:
        """Return part, row and column of each local maximum, the highest first.

        Args:
            least: Log odds from which on one counts.
        """
        planes = np.ascontiguousarray(self.heatmaps.transpose(1, 2, 0))
        around = cv2.dilate(planes, np.ones((3, 3), np.uint8)).transpose(2, 0, 1)
        parts, ys, xs = np.nonzero((self.heatmaps >= least) & (self.heatmaps >= around))
        order = np.argsort(-self.heatmaps[parts, ys, xs], kind="stable")
        maxima: list[list[int]] = np.stack([parts, ys, xs], axis=1)[order].tolist()
        return maxima

    def at_cell(self, part: int, y: int, x: int) -> complex:
        """Return where a part is that shows at a cell."""
        return self._inside(complex(x, y) + self.short.item(part, y, x))

    def body(self, part: int, point: complex, refinements: int) -> Points:
        """Return (17,) the position of every part of the body to which one belongs.

        Args:
            part: Of which the position is known.
            point: That position.
            refinements: How often each other one is corrected by the short offsets.
        """
        points = [0j] * PARTS
        points[part] = point
        for source, target, field in _steps(part):
            points[target] = self._follow(points[source], field, target, refinements)
        return np.array(points)

    def astray(
        self, part: int, points: Points, refinements: int, radius: float, share: float
    ) -> NDArray[np.bool_]:
        """Return (17,) which parts do not lead back to where their way came from.

        They are another person's, or of none, and so are all that were reached through
        them.

        Args:
            part: From which the others were reached.
            points: (17,) from ``body``.
            refinements: As for ``body``.
            radius: Cells by which the way back may always miss.
            share: Share of the way by which it may.
        """
        lost = np.zeros(PARTS, bool)
        for source, target, field in _steps(part):
            start, end = points.item(source), points.item(target)
            if not lost[source]:
                back = (field + len(EDGES)) % (2 * len(EDGES))
                miss = abs(self._follow(end, back, source, refinements) - start)
                lost[target] = miss > max(radius, share * abs(end - start))
            else:
                lost[target] = True
        return lost

    def _follow(self, point: complex, field: int, target: int, refinements: int) -> complex:
        """Return where a displacement leads, corrected by the short offsets there."""
        point = self._inside(point + _sample(self.middle[field], point))
        for _ in range(refinements):
            step = _sample(self.short[target], point)
            point = self._inside(point + step)
            if abs(step) < ARRIVED:
                break
        return point

    def scores(self, points: Points) -> NDArray[np.float64]:
        """Return (17,) the score of each part at its position, in [0, 1]."""
        odds = [_sample(self.heatmaps[k], point).real for k, point in enumerate(points.tolist())]
        scores: NDArray[np.float64] = 1 / (1 + np.exp(-np.array(odds)))
        return scores

    def _inside(self, point: complex) -> complex:
        _, height, width = self.heatmaps.shape
        x, y = point.real, point.imag
        if 0 <= x <= width - 1 and 0 <= y <= height - 1:
            return point
        return complex(min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0))


def _vectors(maps: FloatArray, stride: int) -> Points:
    """Return maps of all y, then all x, in pixels as complex ones in cells."""
    count = len(maps) // 2
    # a value that is not a number leads nowhere: the part is then where the way began
    maps = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
    vectors: Points = maps[count:] + 1j * maps[:count].astype(np.complex128)
    vectors /= stride
    return vectors


@cache
def _steps(root: int) -> tuple[tuple[int, int, int], ...]:
    """Return the way from a part through the tree: from, to and number of the middle map."""
    edges = [(parent, child, e) for e, (parent, child) in enumerate(EDGES)]
    edges += [(child, parent, e + len(EDGES)) for parent, child, e in edges]
    reached, steps = [root], []
    for part in reached:  # which grows on the way
        for source, target, field in edges:
            if source == part and target not in reached:
                reached.append(target)
                steps.append((source, target, field))
    return tuple(steps)


def _sample(field: NDArray[Any], point: complex) -> complex:
    """Return the bilinear value of a map (h, w) at a point within it."""
    x, y = int(point.real), int(point.imag)
    right, down = point.real - x, point.imag - y
    # on the last column and row there is no next one, and it would not count
    next_x, next_y = x + (right > 0), y + (down > 0)
    at = field.item
    above = at(y, x) * (1 - right) + at(y, next_x) * right
    below = at(next_y, x) * (1 - right) + at(next_y, next_x) * right
    value: complex = above * (1 - down) + below * down
    return value


def decode(
    heatmaps: FloatArray,
    offsets: FloatArray,
    forward: FloatArray,
    backward: FloatArray,
    stride: int,
    *,
    threshold: float = 0.3,
    root_threshold: float = ROOT_THRESHOLD,
    nms_radius: float = NMS_RADIUS,
    refinements: int = REFINEMENTS,
    way_back: float | None = WAY_BACK,
) -> DecodedPeople:
    """Find the people in a network's outputs for one image.

    Every local maximum of a heatmap, the highest first, is a person's part unless that
    part of a person found before is near. From it the displacements lead to the next
    parts and so on through the whole body, each corrected by the short offsets there. A
    person's score is the mean of the parts' scores without those that lie on the same
    part of a person with a higher score, so a person found twice counts little.

    Beyond its sources, each way is followed back too: where it does not lead to where it
    came from, it has come to another person, and the parts from there on are missing.

    Args:
        heatmaps: (17, h, w) log odds of each part.
        offsets: (34, h, w) pixels from a cell to the part near it: y of all, then x.
        forward: (32, h, w) pixels from the parent of each edge to its child: y of all,
            then x.
        backward: (32, h, w) the same from child to parent.
        stride: Pixels of the network's input from cell to cell, above 0.
        threshold: Least score of a person, in [0, 1].
        root_threshold: Least score of the part by which a person is found, in [0, 1].
        nms_radius: Pixels of the network's input, above 0.
        refinements: How often a part's position is corrected.
        way_back: Share of the way to a part by which the way back may miss; at least
            ``nms_radius``. None does not look.

    Returns:
        The people, best first. Keypoints are pixels of the network's input, none beyond
        the outermost cells, however low their scores.

    Raises:
        ModelError: The shapes do not fit each other.
    """
    maps = Maps.of(heatmaps, offsets, forward, backward, stride=stride)
    radius = nms_radius / stride
    people: list[Points] = []
    scores: list[NDArray[np.float64]] = []
    followed = 0
    for part, y, x in maps.maxima(_log_odds(root_threshold)):
        root = maps.at_cell(part, y, x)
        if any(abs(root - person[part]) <= radius for person in people):
            continue
        followed += 1
        points = maps.body(part, root, refinements)
        own = maps.scores(points)
        if way_back is not None and own.mean() >= threshold:
            lost = maps.astray(part, points, refinements, radius, way_back)
            points[lost], own[lost] = np.nan, 0
        if own.mean() >= threshold:
            people.append(points)
            scores.append(own)
        if followed == MAX_CANDIDATES:
            break
    order = sorted(range(len(people)), key=lambda i: -scores[i].mean())
    totals = {}
    for rank, i in enumerate(order):
        taken = np.zeros(PARTS, bool)
        for better in order[:rank]:
            taken |= np.abs(people[i] - people[better]) <= radius
        totals[i] = float(scores[i][~taken].sum() / PARTS)
    kept = sorted((i for i in order if totals[i] >= threshold), key=lambda i: -totals[i])
    return _found([people[i] for i in kept], [scores[i] for i in kept], stride)._replace(
        scores=np.array([totals[i] for i in kept], np.float32)
    )


def decode_single(heatmaps: FloatArray, offsets: FloatArray, stride: int) -> DecodedPeople:
    """Find one person: each part where its heatmap is highest.

    It needs no displacements, but where there are several people the parts may be of
    different ones.

    Args:
        heatmaps: (17, h, w) log odds of each part.
        offsets: (34, h, w) pixels from a cell to the part near it: y of all, then x.
        stride: Pixels of the network's input from cell to cell, above 0.

    Returns:
        Always one person, be the score ever so low.

    Raises:
        ModelError: The shapes do not fit each other.
    """
    maps = Maps.of(heatmaps, offsets, stride=stride)
    ys, xs = np.unravel_index(heatmaps.reshape(PARTS, -1).argmax(axis=1), heatmaps.shape[1:])
    cells = list(zip(range(PARTS), ys.tolist(), xs.tolist(), strict=True))
    odds = np.array([heatmaps[cell] for cell in cells], np.float64)
    points = np.array([maps.at_cell(*cell) for cell in cells])
    return _found([points], [1 / (1 + np.exp(-odds))], stride)


def _found(
    people: Sequence[Points], scores: Sequence[NDArray[np.float64]], stride: int
) -> DecodedPeople:
    points = np.array(people, np.complex128).reshape(-1, PARTS) * stride
    parts = np.array(scores, np.float32).reshape(-1, PARTS)
    keypoints = np.stack([points.real, points.imag], axis=2).astype(np.float32)
    return DecodedPeople(keypoints, parts, parts.mean(axis=1))


def _log_odds(score: float) -> float:
    score = min(max(score, _LEAST), 1 - _LEAST)
    return float(np.log(score / (1 - score)))


@dataclass(frozen=True)
class PosenetSettings:
    """The ``decoder`` of a card.

    Attributes:
        stride: Pixels of the network's input from cell to cell, one of ``STRIDES``; None
            goes by the sizes.
        scores: What the heatmaps hold.
        nms_radius: Pixels of the network's input, above 0.
    """

    stride: int | None = None
    scores: Literal["log_odds", "probabilities"] = "log_odds"
    nms_radius: float = NMS_RADIUS

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride not in STRIDES:
            raise ValueError(f"expected a stride of {STRIDES}, got {self.stride}")
        if not self.nms_radius > 0:
            raise ValueError(f"expected an nms_radius above 0 pixels, got {self.nms_radius}")


def decoder(contract: Contract) -> Decode:
    """Return what makes people of the outputs of one network.

    The card calls them ``heatmaps``, ``offsets`` and, for several people, ``forward``
    and ``backward``, or ``displacements`` for both in one; each is (1, C, h, w) or
    (1, h, w, C). Its ``decoder`` is ``PosenetSettings``.

    Raises:
        ModelError: An output is missing, or a shape or a setting is wrong.
    """
    image, values = contract.image(ROLE), contract.outputs.get(ROLE, ())
    names = [value.name for value in values]
    if set(names) not in _OUTPUTS:
        raise ModelError(
            f"{contract.network}: expected the outputs heatmaps, offsets and, for several "
            f"people, forward and backward, or displacements; got {', '.join(names) or 'none'}"
        )
    if contract.skeleton.keypoints != SKELETON.keypoints:
        raise ModelError(
            f"{contract.network}: PoseNet finds {SKELETON.name}, not {contract.skeleton.name}"
        )
    axes, shapes = [], {}
    for value in values:
        axes.append(_order(contract.network, value))
        shapes[value.name] = tuple(value.shape[1:][axis] for axis in axes[-1])
    settings = read_settings(contract, PosenetSettings)
    stride = settings.stride or _stride(contract.network, image, shapes["heatmaps"][1:])

    def people(outputs: Sequence[FloatArray], threshold: float) -> DecodedPeople:
        maps = {
            name: output[0].transpose(order)
            for name, output, order in zip(names, outputs, axes, strict=True)
        }
        heatmaps, offsets = maps["heatmaps"], maps["offsets"]
        if settings.scores == "probabilities":
            odds = np.clip(heatmaps, _LEAST, 1 - _LEAST)
            heatmaps = np.log(odds / (1 - odds))
        if len(maps) == 2:
            return _clear(decode_single(heatmaps, offsets, stride), threshold)
        if "displacements" in maps:
            forward, backward = np.split(maps["displacements"], 2)
        else:
            forward, backward = maps["forward"], maps["backward"]
        found = decode(
            heatmaps, offsets, forward, backward, stride,
            threshold=threshold, nms_radius=settings.nms_radius,
        )  # fmt: skip
        return _clear(found, threshold)

    # shapes that do not fit each other are an error now, and not with the first image
    people([np.zeros(value.shape, np.float32) for value in values], 1.0)
    return people


def _order(network: str, value: Value) -> tuple[int, int, int]:
    """Return the order of axes that makes an output (C, h, w)."""
    channels = _CHANNELS[value.name]
    if len(value.shape) == 4 and value.shape[1] == channels:
        return 0, 1, 2
    if len(value.shape) == 4 and value.shape[3] == channels:
        return 2, 0, 1
    raise ModelError(
        f"{network}: expected {value.name} of shape (1, {channels}, h, w) or "
        f"(1, h, w, {channels}), got {value.shape}"
    )


def _stride(network: str, image: ImageInput, cells: Sequence[int]) -> int:
    """Return the pixels of the input from cell to cell."""
    for stride in STRIDES:
        if (-(-image.height // stride), -(-image.width // stride)) == tuple(cells):
            return stride
    raise ModelError(
        f"{network}: maps of {cells[1]} x {cells[0]} cells for an image of "
        f"{image.width} x {image.height} pixels have none of the strides "
        f"{', '.join(map(str, STRIDES))}"
    )


def _clear(found: DecodedPeople, threshold: float) -> DecodedPeople:
    """Return people of at least a score, with NaN for parts that are not seen.

    The network says of every part where it would be.
    """
    people = found.scores >= threshold
    points, scores = found.keypoints[people], found.keypoint_scores[people]
    return DecodedPeople.of(points, scores, found.scores[people], scores >= MIN_PART_SCORE)
