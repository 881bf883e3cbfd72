"""SimCC: a keypoint's x and y, each as a row of classes, such as RTMPose's.

Sources: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose
Estimation", 2022; Jiang et al., "RTMPose", 2023, and open-mmlab/mmpose's ``SimCCLabel``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_ros.core.contract import Contract
from pose_ros.core.types import FloatArray
from pose_ros.networks.family import output_error, read_settings
from pose_ros.networks.one_shot import ROLE
from pose_ros.networks.top_down import DecodeCrops, TopDownSettings


@dataclass(frozen=True)
class SimccSettings(TopDownSettings):
    """What a card's ``decoder`` may say of SimCC.

    Attributes:
        split_ratio: Classes a pixel of the input.
    """

    split_ratio: float = 2.0


def decoder(contract: Contract) -> tuple[DecodeCrops, SimccSettings]:
    """Return what decodes two outputs, (N, K, X) and (N, K, Y), and the card's settings.

    Raises:
        ModelError: The card's outputs or settings are others.
    """
    settings = read_settings(contract, SimccSettings)
    image = contract.image(ROLE)
    points = len(contract.skeleton)
    bins = [round(size * settings.split_ratio) for size in (image.width, image.height)]
    if [value.shape[1:] for value in contract.outputs[ROLE]] != [(points, n) for n in bins]:
        raise output_error(
            contract,
            f"x [1, {points}, {bins[0]}] and y [1, {points}, {bins[1]}] for "
            f"{contract.skeleton.name}, split_ratio {settings.split_ratio:g} and an image of "
            f"{image.width} x {image.height}",
        )
    divisor = np.float32(settings.split_ratio) * settings.span(image)

    def in_box(outputs: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        places, scores = decode(outputs[0], outputs[1])
        return places / divisor, scores

    return in_box, settings


def decode(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Find the likeliest class of each keypoint along x and along y.

    Args:
        x: (N, K, X).
        y: (N, K, Y).

    Returns:
        Places (N, K, 2), x y in classes; and scores (N, K), those of the less sure of the
        two, cut to [0, 1].
    """
    places = np.stack([x.argmax(axis=2), y.argmax(axis=2)], axis=2).astype(np.float32)
    return places, np.clip(np.minimum(x.max(axis=2), y.max(axis=2)), 0.0, 1.0)
