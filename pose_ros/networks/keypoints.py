"""Networks that give keypoints as numbers, such as MoveNet's single pose and DeepPose.

Sources: tensorflow.org, "MoveNet: Ultra fast and accurate pose detection model": (1, 1, 17, 3)
of y, x, score in [0, 1] of the letterboxed input; Toshev and Szegedy, "DeepPose", 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pose_ros.core.contract import Contract
from pose_ros.core.types import FloatArray
from pose_ros.networks.family import output_error, read_settings
from pose_ros.networks.one_shot import LEAST_COMMON, ROLE, Decode, DecodedPeople
from pose_ros.networks.top_down import KEYPOINT_THRESHOLD, DecodeCrops, TopDownSettings

Order: TypeAlias = Literal["xy", "yx"]
Units: TypeAlias = Literal["normalized", "pixels"]


@dataclass(frozen=True)
class KeypointSettings:
    """What a card's ``decoder`` may say of keypoints in the whole image.

    Attributes:
        order: Which of x and y comes first; a score, where there is one, is third.
        units: ``normalized``: 1 is the size of the input; or its ``pixels``.
        keypoint_threshold: Least score, in [0, 1], of a keypoint that is found.
    """

    order: Order = "xy"
    units: Units = "normalized"
    keypoint_threshold: float = KEYPOINT_THRESHOLD

    def __post_init__(self) -> None:
        if not 0.0 <= self.keypoint_threshold <= 1.0:
            raise ValueError(f"keypoint_threshold must be in [0, 1], got {self.keypoint_threshold}")


@dataclass(frozen=True)
class CropKeypointSettings(TopDownSettings):
    """The same for a network that sees one person at a time."""

    order: Order = "xy"
    units: Units = "normalized"


def decoder(contract: Contract) -> Decode:
    """Return what decodes a network that sees the whole image, and in it one person.

    Raises:
        ModelError: The card's output or settings are others.
    """
    settings = read_settings(contract, KeypointSettings)
    _check_output(contract)
    image = contract.image(ROLE)
    size = np.array([image.width, image.height], np.float32)
    points = len(contract.skeleton)

    def find(outputs: Sequence[FloatArray], threshold: float) -> DecodedPeople:
        unit, scores = decode(outputs[0], points, settings.order, settings.units, size)
        # edges are at 0 and 1, and the centers of pixels at whole numbers
        keypoints = unit * size - np.float32(0.5)
        return select(keypoints, scores, threshold, settings.keypoint_threshold)

    return find


def crop_decoder(contract: Contract) -> tuple[DecodeCrops, CropKeypointSettings]:
    """Return what decodes a network that sees one person at a time, and the card's settings.

    Raises:
        ModelError: The card's output or settings are others.
    """
    settings = read_settings(contract, CropKeypointSettings)
    _check_output(contract)
    size = settings.span(contract.image(ROLE))
    points = len(contract.skeleton)

    def in_box(outputs: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        return decode(outputs[0], points, settings.order, settings.units, size)

    return in_box, settings


def decode(
    values: FloatArray, points: int, order: Order, units: Units, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Split a network's numbers into places and scores.

    Args:
        values: N times K times 2 or 3 numbers, in whatever shape.
        points: K.
        order: See ``KeypointSettings``; as is ``units``.
        units: Of the numbers.
        size: (2,) width and height of the input, pixels.

    Returns:
        Places (N, K, 2), x y in the unit square of the input; scores (N, K) in [0, 1], all
        1 where the network gives none.
    """
    numbers = values.reshape(values.shape[0], points, -1)
    unit = numbers[..., :2] if order == "xy" else numbers[..., 1::-1]
    if units == "pixels":
        unit = unit / size
    if numbers.shape[2] == 2:
        return unit, np.ones(unit.shape[:2], np.float32)
    return unit, np.clip(numbers[..., 2], 0.0, 1.0)


def select(
    keypoints: FloatArray, scores: FloatArray, threshold: float, keypoint_threshold: float
) -> DecodedPeople:
    """Return those of N people whose found keypoints are sure enough in the mean.

    Args:
        keypoints: (N, K, 2).
        scores: (N, K) in [0, 1].
        threshold: Least mean score of a person, in [0, 1].
        keypoint_threshold: Least score of a keypoint that is found, in [0, 1].
    """
    known = (scores >= keypoint_threshold) & np.isfinite(keypoints).all(axis=2)
    count = known.sum(axis=1)
    mean = np.where(known, scores, 0.0).sum(axis=1) / np.maximum(count, 1)
    kept = (count >= LEAST_COMMON) & (mean >= threshold)
    return DecodedPeople.of(keypoints[kept], scores[kept], mean[kept], known[kept])


def _check_output(contract: Contract) -> None:
    points = len(contract.skeleton)
    shapes = [value.shape for value in contract.outputs[ROLE]]
    if len(shapes) != 1 or int(np.prod(shapes[0])) not in (2 * points, 3 * points):
        raise output_error(
            contract,
            f"{points} keypoints [1, {points}, 2 or 3] for {contract.skeleton.name}",
        )
