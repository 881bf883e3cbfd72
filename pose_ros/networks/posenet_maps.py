"""PoseNet's maps: where parts are, and the ways from part to part.

Positions are complex numbers here, x + iy, in cells of the maps: one sample of a complex
map is a whole vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.types import FloatArray
from pose_ros.errors import ModelError

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


_NEVER = -100.0  # log odds of a value that is not a number


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
