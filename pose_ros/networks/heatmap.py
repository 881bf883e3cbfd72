"""Heatmaps of one person's keypoints, such as HRNet's, SimpleBaseline's and ViTPose's.

Sources: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", 2018 (the
quarter of a cell towards the second highest neighbor); Zhang et al., "Distribution-Aware
Coordinate Representation for Human Pose Estimation" (DARK), 2020; Huang et al., "The Devil
is in the Details: Delving into Unbiased Data Processing" (UDP), 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.contract import Contract
from pose_ros.core.types import FloatArray
from pose_ros.networks.family import output_error, read_settings
from pose_ros.networks.one_shot import ROLE
from pose_ros.networks.top_down import DecodeCrops, TopDownSettings

Refine: TypeAlias = Literal["quarter", "dark", "none"]


@dataclass(frozen=True)
class HeatmapSettings(TopDownSettings):
    """What a card's ``decoder`` may say of heatmaps.

    Attributes:
        refine: How places within a cell are found: ``quarter`` of a cell towards the
            higher neighbor, ``dark``, or ``none``.
        blur: Side in cells, odd, of the Gaussian that ``dark`` smooths maps with: as wide
            as the one that the network was trained on. 11 for a deviation of 2 cells,
            17 for 3.
    """

    refine: Refine = "quarter"
    blur: int = 11

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blur < 1 or self.blur % 2 == 0:
            raise ValueError(f"blur must be odd, 1 or more, got {self.blur}")


def decoder(contract: Contract) -> tuple[DecodeCrops, HeatmapSettings]:
    """Return what decodes (N, K, h, w), one map a keypoint, and the card's settings.

    Raises:
        ModelError: The card's output or settings are others.
    """
    settings = read_settings(contract, HeatmapSettings)
    shapes = [value.shape for value in contract.outputs[ROLE]]
    points = len(contract.skeleton)
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != points:
        raise output_error(
            contract, f"{points} heatmaps [1, {points}, h, w] for {contract.skeleton.name}"
        )
    # what of the box a map spans: from the first cell's center to the last one's with UDP
    height, width = shapes[0][2:]
    span = np.array([width, height], np.float32) - (1 if settings.unbiased else 0)

    def in_box(outputs: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
        cells, scores = decode(outputs[0], settings.refine, settings.blur)
        return cells / span, scores

    return in_box, settings


def decode(
    maps: FloatArray, refine: Refine = "quarter", blur: int = 11
) -> tuple[FloatArray, FloatArray]:
    """Find the peak of each map.

    Args:
        maps: (N, K, h, w), h and w at least 3.
        refine: See ``HeatmapSettings``; as is ``blur``.
        blur: Side of a Gaussian in cells, odd.

    Returns:
        Places (N, K, 2), x y in cells, whose centers lie at whole numbers; and the values
        at the highest cells (N, K), cut to [0, 1].
    """
    people, points, height, width = maps.shape
    flat = maps.reshape(people, points, height * width)
    best = flat.argmax(axis=2)
    scores = np.take_along_axis(flat, best[..., None], axis=2)[..., 0]
    peaks = np.stack([best % width, best // width], axis=2)
    cells = peaks.astype(np.float32)
    if refine != "none":
        # a peak at the edge has no neighbors on both sides: its own cell is the best guess
        inner = np.clip(peaks, 1, (width - 2, height - 2))
        sharp = _log_blurred(maps, blur) if refine == "dark" else maps
        around = _neighbors(sharp, inner)
        step = _newton_step(around) if refine == "dark" else _quarter_step(around)
        cells += np.where(inner == peaks, step, 0.0)
    return cells, np.clip(scores, 0.0, 1.0)


def _neighbors(maps: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
    """Return the 3 x 3 values around a cell of each map, (N, K, 3, 3) by row and column."""
    offsets = np.arange(-1, 2)
    people, points = maps.shape[:2]
    values: FloatArray = maps[
        np.arange(people)[:, None, None, None],
        np.arange(points)[:, None, None],
        (cells[..., 1, None] + offsets)[..., :, None],
        (cells[..., 0, None] + offsets)[..., None, :],
    ]
    return values


def _quarter_step(around: FloatArray) -> FloatArray:
    """Return a quarter of a cell towards the higher neighbor, along x and y."""
    slope = np.stack(
        [around[..., 1, 2] - around[..., 1, 0], around[..., 2, 1] - around[..., 0, 1]], axis=-1
    )
    return cast("FloatArray", np.float32(0.25) * np.sign(slope))


def _newton_step(around: FloatArray) -> FloatArray:
    """Return the way to the top of the paraboloid through the logarithms, at most a cell."""
    dx = (around[..., 1, 2] - around[..., 1, 0]) / 2
    dy = (around[..., 2, 1] - around[..., 0, 1]) / 2
    middle = 2 * around[..., 1, 1]
    dxx = around[..., 1, 2] + around[..., 1, 0] - middle
    dyy = around[..., 2, 1] + around[..., 0, 1] - middle
    dxy = (around[..., 2, 2] + around[..., 0, 0] - around[..., 2, 0] - around[..., 0, 2]) / 4
    determinant = dxx * dyy - dxy * dxy
    # where the logarithms are no hill there is no top to go to
    hill = (determinant > 1e-9) & (dxx < 0)
    divisor = np.where(hill, determinant, 1.0)
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=-1) / divisor[..., None]
    return cast("FloatArray", np.where(hill[..., None], np.clip(step, -1, 1), 0.0))


def _log_blurred(maps: FloatArray, blur: int) -> FloatArray:
    """Return the logarithm of maps smoothed with a Gaussian."""
    smooth = np.empty_like(maps)
    for person in range(maps.shape[0]):
        for point, values in enumerate(maps[person]):
            smooth[person, point] = cv2.GaussianBlur(
                values, (blur, blur), 0, borderType=cv2.BORDER_CONSTANT
            )
    return cast("FloatArray", np.log(np.maximum(smooth, 1e-3)))
