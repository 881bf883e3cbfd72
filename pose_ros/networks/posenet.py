"""PoseNet: people from heatmaps, short offsets and displacements from part to part.

Source: Papandreou et al., "PersonLab: Person Pose Estimation and Instance Segmentation
with a Bottom-Up, Part-Based, Geometric Embedding Model", 2018, in the forms of
google-coral/edgetpu ``posenet_decoder`` (bilinear samples, repeated refinement, scores
without the parts that others own) and tensorflow/tfjs-models ``posenet`` (its radius and
threshold of the first part).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.protocols import Session
from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError
from pose_ros.networks.following import DecodedPeople
from pose_ros.networks.one_shot import ROLE, Decode, OneShot
from pose_ros.networks.posenet_maps import EDGES, PARTS, SKELETON, Maps, Points
from pose_ros.networks.settings import read_settings
from pose_ros.settings.estimation import EstimatorOptions

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
_LEAST = 1e-6  # of a probability, whose log odds are to be finite


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


def make(contract: Contract, sessions: Mapping[str, Session], options: EstimatorOptions) -> OneShot:
    """Return the estimator of a network of this family.

    Raises:
        ModelError: The card does not describe such a network.
    """
    return OneShot(contract, sessions, options, decoder(contract))


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
    unseen = scores < MIN_PART_SCORE
    return DecodedPeople(
        keypoints=np.where(unseen[..., None], np.float32(np.nan), points),
        keypoint_scores=np.where(unseen, np.float32(0), scores),
        scores=found.scores[people],
    )
