"""Where the heads of people are in images, so that none is seen, and covering them there.

Too much is covered rather than too little: keypoints of low score count, a region is larger than
what it is for, and a person stays covered before and after the images in which they are found.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Pose

Id = TypeVar("Id", bound=Hashable)

GRAY = 0x80
"""Every byte of what is filled: a middle gray in all encodings of color, gray, Bayer and YUV."""

_FACE = ("nose", "eye", "ear", "mouth")
_CELLS = 3  # averages along each side of what is blurred

# Radius of a head by what is seen of a person. With a margin of 1 each covers a head of 24 cm
# around its keypoints: they spread over 8 cm, shoulders over 38 cm, and a trunk is 50 cm long.
_OF_FACE, _OF_SHOULDERS, _OF_TRUNK, _OF_BOX = 1.8, 0.4, 0.3, 0.1


def face_keypoints(skeleton: Skeleton) -> list[int]:
    """Return the indices of the keypoints that lie on a face."""
    names = enumerate(skeleton.keypoints)
    return [i for i, name in names if any(part in name.split("_") for part in _FACE)]


def head_region(pose: Pose, margin: float) -> Float64Array:
    """Return the box around a person's head.

    Args:
        pose: A person.
        margin: Multiple of the head's size.

    Returns:
        (4,) x0, y0, x1, y1 in pixels; it may reach beyond the image. Without a keypoint of the
        face it is the upper half of the person's box.
    """
    face = pose.keypoints[face_keypoints(pose.skeleton)].astype(float)
    face = face[np.isfinite(face).all(axis=1)]
    x0, y0, x1, y1 = map(float, pose.box)
    if not len(face):
        return np.array([x0, y0, x1, (y0 + y1) / 2])
    center = (face.min(axis=0) + face.max(axis=0)) / 2
    shoulders, hips = (_pair(pose, part) for part in ("shoulder", "hip"))
    sizes = [
        _OF_FACE * np.linalg.norm(face - center, axis=1).max(),
        _OF_SHOULDERS * np.linalg.norm(shoulders[0] - shoulders[1]),
        _OF_TRUNK * np.linalg.norm(shoulders.mean(axis=0) - hips.mean(axis=0)),
        _OF_BOX * min(x1 - x0, y1 - y0),
    ]
    radius = margin * max(size for size in sizes if np.isfinite(size))
    return np.concatenate([center - radius, center + radius])


def _pair(pose: Pose, part: str) -> Float64Array:
    """Return (2, 2): the left and the right keypoint of a name; NaN where there is none."""
    names = [f"{side}_{part}" for side in ("left", "right")]
    if not set(names) <= set(pose.skeleton.keypoints):
        return np.full((2, 2), np.nan)
    return np.array([pose.keypoint(name) for name in names], float)


def person_region(pose: Pose, margin: float) -> Float64Array:
    """Return the box around a whole person: their own and that of their keypoints, enlarged.

    Returns:
        (4,) x0, y0, x1, y1 in pixels; it may reach beyond the image.
    """
    corners = np.concatenate([pose.keypoints, np.reshape(pose.box, (2, 2))]).astype(float)
    corners = corners[np.isfinite(corners).all(axis=1)]
    low, high = corners.min(axis=0), corners.max(axis=0)
    center, half = (low + high) / 2, (high - low) / 2 * margin
    return np.concatenate([center - half, center + half])


def hold_regions(
    stamps: Sequence[float], found: Sequence[Mapping[Id, Float64Array]], hold: float
) -> list[list[Float64Array]]:
    """Return what is covered in each image, with people who are not found for a while.

    Between two images in which a person is found, no more than twice ``hold`` apart, their region
    is as large as to hold both. Before, after and beyond that it stays for ``hold``, and grows to
    twice its size meanwhile: they may have moved.

    Args:
        stamps: (N,) Of the images, seconds, in any order.
        found: The region of each person in each image, by any id.
        hold: Seconds.
    """
    covered = [list(regions.values()) for regions in found]
    order = np.argsort(np.asarray(stamps), kind="stable").tolist()
    for person in {person for regions in found for person in regions}:
        seen = [place for place in order if person in found[place]]
        there = np.array([stamps[place] for place in seen])
        for place in order:
            if person in found[place]:
                continue
            after = int(np.searchsorted(there, stamps[place]))
            near = [i for i in (after - 1, after) if 0 <= i < len(seen)]
            near = [i for i in near if abs(stamps[place] - there[i]) <= hold]
            if len(near) == 2:
                covered[place].append(_around([found[seen[i]][person] for i in near]))
            elif near:
                late = abs(stamps[place] - float(there[near[0]])) / hold if hold else 0.0
                covered[place].append(_enlarged(found[seen[near[0]]][person], 1 + late))
    return covered


def _around(boxes: list[Float64Array]) -> Float64Array:
    rows = np.array(boxes)
    return np.concatenate([rows[:, :2].min(axis=0), rows[:, 2:].max(axis=0)])


def _enlarged(box: Float64Array, factor: float) -> Float64Array:
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    return np.concatenate([center - half * factor, center + half * factor])


def cover(pixels: NDArray[np.uint8], regions: Sequence[Float64Array], *, fill: bool) -> bool:
    """Cover regions of an image in place, whatever its encoding.

    A pixel has the same few bytes everywhere, as in color, gray, Bayer and YUV 4:2:2: pixels that
    are two apart, along each side, mean the same.

    Args:
        pixels: (H, W, bytes of a pixel), written to.
        regions: Boxes x0, y0, x1, y1 in pixels.
        fill: With plain gray, not by averages. Of samples of 16 bits no averages are made.

    Returns:
        Whether a pixel was covered.
    """
    height, width = pixels.shape[:2]
    boxes = [box for region in regions if (box := _inside(region, width, height))]
    for x0, y0, x1, y1 in boxes:
        part = pixels[y0:y1, x0:x1]
        if fill:
            part[:] = GRAY
            continue
        for row in range(2):
            for column in range(2):
                phase = part[row::2, column::2]
                phase[:] = _averages(phase)
    return bool(boxes)


def cover_planes(data: NDArray[np.uint8], height: int, regions: Sequence[Float64Array]) -> bool:
    """Cover regions of a planar 4:2:0 image, NV12 or NV21, in place with gray.

    Args:
        data: (1.5 H, W): the rows of brightness, then those of pairs of color.
        height: Rows of brightness, H.
        regions: Boxes x0, y0, x1, y1 in pixels.

    Returns:
        Whether a pixel was covered.
    """
    boxes = [box for region in regions if (box := _inside(region, data.shape[1], height))]
    for x0, y0, x1, y1 in boxes:
        data[y0:y1, x0:x1] = GRAY
        data[height + y0 // 2 : height + (y1 + 1) // 2, x0:x1] = GRAY
    return bool(boxes)


def _inside(region: Float64Array, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return a box cut to the image, from even pixels to even ones; None where nothing is left."""
    x0, y0 = (int(np.clip(v, 0, 1 << 20)) // 2 * 2 for v in np.floor(region[:2]))
    x1, y1 = (
        min(side, int(np.clip(v, 0, 1 << 20)) // 2 * 2 + 2)
        for v, side in zip(np.ceil(region[2:]), (width, height), strict=True)
    )
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 and region[2] > 0 and region[3] > 0 else None


def _averages(part: NDArray[Any]) -> NDArray[Any]:
    """Return an image of the same size that is made of a few averages."""
    if not part.size:
        return part
    height, width = part.shape[:2]
    cells = min(_CELLS, width), min(_CELLS, height)
    coarse = cv2.resize(np.ascontiguousarray(part), cells, interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth).reshape(part.shape)
