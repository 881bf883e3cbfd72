"""Everybody in an image at once, for the networks that look at one person at a time.

BlazePose's own detector sees the image at 224 pixels and was made for one person who fills it: in
a crowd it finds one in three. A network that finds everybody in one look says where to look, and
the exact network looks there. Any ``OneShot`` with shoulders will do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.geometry import Region, image_views
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, FloatArray, Image
from pose_ros.errors import ModelError
from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.people import REGION_SCALE, Sighting, distinct_regions, is_whole

THRESHOLD_SHARE = 0.75
"""Least score of a person, in least scores of the network's own results: the second network looks
again, and of half a body the score is low."""

# Lengths in radii of the circle that BlazePose draws around a body, on 34 real people: the
# trunk's is 0.56 (0.46 to 0.62), foreshortened or not.
TRUNK = 0.56
SHOULDERS = 0.4  # of people who face the camera
NECK = 0.2  # from the middle of eyes, ears and nose to that of the shoulders

_SHOULDERS = ("left_shoulder", "right_shoulder")
_HIPS = ("left_hip", "right_hip")
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


class Finder:
    """Where people are in an image, by a network that finds all of them in one look."""

    def __init__(self, network: OneShot) -> None:
        """Take over a loaded network.

        Raises:
            ModelError: Its skeleton has no shoulders and hips.
        """
        skeleton = network.whole_skeleton
        missing = [name for name in (*_SHOULDERS, *_HIPS) if name not in skeleton.keypoints]
        if missing:
            raise ModelError(
                f"{network.network} cannot be the finder: people are placed by shoulders and hips, "
                f"and {skeleton.name} has no {missing[0]}"
            )
        self.name = network.network
        self._network = network
        self._skeleton = skeleton

    def __call__(
        self, image: Image, channels: Channels, threshold: float | None = None, tiles: int = 1
    ) -> list[Region]:
        """Return the square around each person, the surest person first.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            threshold: Least score, in [0, 1]; None for the network's own, of which
                ``THRESHOLD_SHARE`` is enough in the whole image.
            tiles: Along the image's longer side, in which to look too; 1 for none.
        """
        height, width = image.shape[:2]
        views = range(len(image_views(width, height, self.tiles(width, height, tiles))))
        return distinct_regions(self.look(image, channels, threshold, tiles, views))

    def tiles(self, width: int, height: int, tiles: int) -> int:
        """Return in how many tiles along the longer side of an image it looks, 1 for none."""
        return max(tiles, 2) if self._fills_less_than_half(width, height) else tiles

    def look(
        self,
        image: Image,
        channels: Channels,
        threshold: float | None,
        tiles: int,
        views: Sequence[int],
    ) -> list[Sighting]:
        """Return who is seen in some of the views of an image.

        Args:
            image: As for a call; so are the others.
            channels: Order of its color channels.
            threshold: Least score.
            tiles: Of the views.
            views: Their numbers; 0 is the whole image.
        """
        height, width = image.shape[:2]
        every = image_views(width, height, self.tiles(width, height, tiles))
        seen: list[Sighting] = []
        for i in views:
            view = every[i]
            least = self._network.own_threshold if threshold is None else threshold
            if i == 0 and threshold is None:
                least *= THRESHOLD_SHARE
            x0, y0 = max(0, round(view.x - view.size / 2)), max(0, round(view.y - view.size / 2))
            x1, y1 = round(view.x + view.size / 2), round(view.y + view.size / 2)
            found = self._network.find(image[y0:y1, x0:x1], channels, least)
            for score, points in zip(found.scores, found.keypoints, strict=True):
                region = region_of(points + np.array([x0, y0], np.float32), self._skeleton)
                if region is not None:
                    whole = i == 0 or is_whole(region, view, width, height)
                    seen.append(Sighting(whole, float(score), i, region))
        return seen

    def _fills_less_than_half(self, width: int, height: int) -> bool:
        """Return whether an image is so wide or high that half of the network's input is empty."""
        shape = self._network.input
        place = shape.place(width, height)
        return place.width * place.height < 0.5 * shape.width * shape.height


def region_of(keypoints: FloatArray, skeleton: Skeleton) -> Region | None:
    """Return the square in which BlazePose looks for the person with these keypoints.

    As MediaPipe's detector gives it: the center at the middle of the hips, turned so that the
    trunk is upright, around a circle that holds the whole body.

    Args:
        keypoints: (K, 2) pixels of the image, NaN where one is missing.
        skeleton: What they are.

    Returns:
        None where the keypoints do not say it. Without hips, as of people that the edge of the
        image cuts, the trunk hangs down from the shoulders.
    """
    points = keypoints.astype(np.float64)

    def seen(names: tuple[str, ...]) -> NDArray[np.float64]:
        rows = points[[skeleton.index(name) for name in names if name in skeleton.keypoints]]
        return rows[np.isfinite(rows).all(axis=1)]

    shoulders, hips, head = seen(_SHOULDERS), seen(_HIPS), seen(_HEAD)
    if not len(shoulders):
        return None
    neck = shoulders.mean(axis=0)
    radius = 0.0
    if len(shoulders) == 2:
        radius = float(np.hypot(*(shoulders[0] - shoulders[1]))) / SHOULDERS
    if len(hips):
        middle = hips.mean(axis=0)
        reach = np.hypot(*(points[np.isfinite(points).all(axis=1)] - middle).T)
        # a trunk that leans toward the camera is short: the circle still holds all that is seen
        radius = max(radius, float(np.hypot(*(neck - middle))) / TRUNK, float(reach.max()))
    else:
        if len(head):
            radius = max(radius, float(np.hypot(*(head.mean(axis=0) - neck))) / NECK)
        middle = neck + (0.0, TRUNK * radius)
    if radius < 1.0:
        return None
    up = neck - middle
    rotation = float(np.arctan2(up[0], -up[1]))
    return Region(float(middle[0]), float(middle[1]), 2 * REGION_SCALE * radius, rotation)
