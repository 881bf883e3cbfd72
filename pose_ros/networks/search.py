"""Where in a stream's images people are looked for, and when, so that no image waits for long.

A search is several looks: of the finder, or BlazePose's own detector, at the whole image and, with
``detect_tiles``, at each tile. While people are followed the looks are spread over
``SEARCH_PERIOD``; after a loss there is one an image. When which look is due, the images' stamps
say, so that the same recording gives the same people.

BlazePose's own detector sees the image at 224 pixels and was made for one person who fills it: in
a crowd it finds one in three. A ``Finder`` is a network that finds everybody in one look: any
``OneShot`` with shoulders and hips. ``finder_card`` in ``build.py`` decides which one it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.geometry import Region, image_views
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, FloatArray, Image, Session
from pose_ros.errors import ModelError
from pose_ros.networks import ssd
from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.people import (
    REGION_SCALE,
    Sighting,
    distinct_sightings,
    is_whole,
    same_person,
)
from pose_ros.settings.estimation import EstimatorOptions

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
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            threshold: Least score, in [0, 1]; None for the network's own, of which
                ``THRESHOLD_SHARE`` is enough in the whole image.
            tiles: Along the image's longer side, in which to look too; 1 for none.
            views: Numbers of those that are looked at; 0 is the whole image.
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


DETECTOR_SIZE = 224

SEARCH_PERIOD = 0.5
"""Seconds from one search to the next while some people are followed."""

LOSS_PERIOD = 0.1
"""Least seconds from one search to the next, however often people are lost."""

ANCHORS = ssd.anchors(DETECTOR_SIZE, strides=(8, 16, 32, 32, 32))


def detect(raw_boxes: FloatArray, raw_scores: FloatArray, threshold: float) -> ssd.Detections:
    """Decode the outputs of BlazePose's person detector.

    Args:
        raw_boxes: (2254, 12): the box around the face, then mid-hips, circle
            top, mid-shoulders and their circle's top.
        raw_scores: (2254,) before the sigmoid.
        threshold: Least score, in [0, 1].

    Returns:
        Detections, best first, in the unit square around the letterboxed image.
    """
    return ssd.decode(raw_boxes, raw_scores, ANCHORS, DETECTOR_SIZE, threshold)


def person_detector(session: Session) -> ssd.Detector:
    """Take over the loaded network that finds people."""
    return ssd.Detector(session, DETECTOR_SIZE, detect, low=-1.0)


def detect_people(
    detector: ssd.Detector, image: Image, channels: Channels, threshold: float, tiles: int = 1
) -> list[Region]:
    """Run the detector on a whole image and, with ``tiles``, on parts of it.

    Returns:
        The square around each person, the surest person first.
    """
    views = range(len(image_views(image.shape[1], image.shape[0], tiles)))
    seen = _sightings(detector, image, channels, threshold, tiles=tiles, views=views)
    return [one.region for one in distinct_sightings(seen)]


def _sightings(
    detector: ssd.Detector,
    image: Image,
    channels: Channels,
    threshold: float,
    *,
    tiles: int,
    views: Sequence[int],
) -> list[Sighting]:
    """Return the people that BlazePose's detector sees in some views of an image, in one run."""
    height, width = image.shape[:2]
    # one of many looks is asked for more, or many would find a person anywhere
    least = threshold**0.5
    seen = detector(image, channels, threshold, tiles, tile_threshold=least, only=views)
    found = []
    for i, (view, people) in zip(views, seen, strict=True):
        for score, points in zip(people.scores, people.points, strict=True):
            region = Region.upright(points[0], points[1], REGION_SCALE)
            if region is not None:
                whole = i == 0 or is_whole(region, view, width, height)
                found.append(Sighting(whole, float(score), i, region))
    return found


@dataclass(frozen=True)
class DetectorRun:
    """One run of a network on one view of an image.

    Attributes:
        own: Whether BlazePose's own detector looks, beside a finder.
        view: Number of the view; 0 is the whole image.
    """

    own: bool
    view: int


class SearchMemory:
    """What is remembered of the search in a stream."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget all: the next search does all of its looks in one image."""
        self.began = -np.inf
        self.left: list[DetectorRun] = []
        self.count = 0  # looks of the search
        self.tiles = 1  # of the search
        self.hurried = False
        self.looked = False  # in the last image
        self.wanted = False  # a search, after a loss
        self.seen: list[Sighting] = []
        self.stamp = -np.inf  # of the last image
        self.elapsed = np.inf  # seconds between the last two

    def take(self, stamp: float) -> None:
        """Note the next image by its stamp."""
        self.elapsed, self.stamp = stamp - self.stamp, stamp
        self.looked = False

    def may_begin(self, period: float) -> bool:
        """Return whether a search may begin that many seconds after the last one."""
        return self.stamp - self.began >= period

    def due(self) -> list[DetectorRun]:
        """Return the looks to do in this image, and take them off those that are left."""
        done = self.count - len(self.left)
        number = min(1, len(self.left)) if self.hurried else 0
        while number < len(self.left):
            at = self.began + (done + number) * SEARCH_PERIOD / self.count
            if at >= self.stamp + self.elapsed:  # the next image is soon enough
                break
            number += 1
        now, self.left = self.left[:number], self.left[number:]
        return now


class PeopleSearch:
    """Looks for people in the images of a stream.

    Attributes:
        finder: What looks beside BlazePose's own detector; None: the detector alone.
    """

    def __init__(self, detector: ssd.Detector, threshold: float) -> None:
        """``threshold``: the detector's least score, where the options set none."""
        self.finder: Finder | None = None
        self.detector = detector
        self._threshold = threshold

    def look(
        self,
        image: Image,
        channels: Channels,
        memory: SearchMemory,
        options: EstimatorOptions,
        followed: int,
    ) -> list[Region]:
        """Do the looks that are due in an image, before those who are followed are looked at.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            memory: Of the stream, which has taken the image.
            options: Of the estimator.
            followed: How many are followed into the image.

        Returns:
            The square around each person who is seen and was not before in this search, those of
            the finder first, then the surest.
        """
        if followed >= options.max_people or memory.tiles != options.detect_tiles:
            memory.left = []
        if not followed:
            if not memory.left:
                self._begin(image, memory, options, hurried=True)
            return self._step(image, channels, memory, options, whole=True)
        if followed >= options.max_people:
            return []
        after_loss = memory.wanted and memory.may_begin(LOSS_PERIOD)
        if after_loss or memory.may_begin(SEARCH_PERIOD):
            self._begin(image, memory, options, hurried=after_loss)
        return self._step(image, channels, memory, options, whole=False)

    def look_again(
        self,
        image: Image,
        channels: Channels,
        memory: SearchMemory,
        options: EstimatorOptions,
        there: int,
    ) -> list[Region]:
        """Look at once for people who were lost in an image, or in the next one.

        Args:
            image: As for ``look``; so are the others.
            channels: Order of its color channels.
            memory: Of the stream.
            options: Of the estimator.
            there: How many are still there.
        """
        if there and (memory.looked or not memory.may_begin(LOSS_PERIOD)):
            memory.wanted = True
            return []
        self._begin(image, memory, options, hurried=True)
        return self._step(image, channels, memory, options, whole=not there)

    def _begin(
        self, image: Image, memory: SearchMemory, options: EstimatorOptions, *, hurried: bool
    ) -> None:
        """Begin a search, with at least one look an image if it is hurried."""
        memory.left = self._looks(image, options)
        memory.count, memory.hurried, memory.wanted = len(memory.left), hurried, False
        memory.tiles = options.detect_tiles
        memory.began, memory.seen = memory.stamp, []

    def _step(
        self,
        image: Image,
        channels: Channels,
        memory: SearchMemory,
        options: EstimatorOptions,
        *,
        whole: bool,
    ) -> list[Region]:
        """Do the looks that are due in an image, and if asked all that are at the whole image."""
        looks = memory.due()
        if whole:
            every = [look for look in self._looks(image, options) if look.view == 0]
            memory.left = [look for look in memory.left if look.view]
            looks = [*every, *(look for look in looks if look.view)]
        if not looks:
            return []
        memory.looked = True
        views = [look.view for look in looks if not look.own]
        memory.seen = [one for one in memory.seen if one.view not in views]
        if views:
            memory.seen += self._see(image, channels, options, views)
        distinct = distinct_sightings(memory.seen)
        # a person that a tile cuts may yet be whole in another
        found = [
            one.region
            for one in distinct
            if (one.view in views and one.whole) or not (one.whole or memory.left)
        ]
        if any(look.own for look in looks):
            threshold = options.threshold_or(self._threshold)
            first = [one.region for one in distinct]
            found += [
                region
                for region in detect_people(self.detector, image, channels, threshold)
                if not any(same_person(region, known) for known in first)
            ]
        return found

    def _looks(self, image: Image, options: EstimatorOptions) -> list[DetectorRun]:
        """Return the looks of a search, those at the whole image first."""
        height, width = image.shape[:2]
        tiles = options.detect_tiles
        if self.finder is None:
            views = range(len(image_views(width, height, tiles)))
            return [DetectorRun(False, view) for view in views]
        views = range(len(image_views(width, height, self.finder.tiles(width, height, tiles))))
        in_tiles = [DetectorRun(False, view) for view in views[1:]]
        return [DetectorRun(False, 0), DetectorRun(True, 0), *in_tiles]

    def _see(
        self, image: Image, channels: Channels, options: EstimatorOptions, views: Sequence[int]
    ) -> list[Sighting]:
        if self.finder is not None:
            return self.finder.look(image, channels, options.threshold, options.detect_tiles, views)
        threshold = options.threshold_or(self._threshold)
        tiles = options.detect_tiles
        return _sightings(self.detector, image, channels, threshold, tiles=tiles, views=views)
