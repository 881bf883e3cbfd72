"""When people are looked for: looks spread over images, by the images' stamps."""

from typing import Any, cast

import numpy as np
import pytest

from pose_ros.core.geometry import Region
from pose_ros.networks.people import Sighting
from pose_ros.networks.search import PeopleSearch, SearchMemory
from pose_ros.networks.ssd import Detections
from pose_ros.settings.estimation import EstimatorOptions

IMAGE = np.zeros((720, 1280, 3), np.uint8)
OPTIONS = EstimatorOptions(max_people=10, detect_tiles=3)
TILES = 6  # of three along the longer side of that image
HERE = Region(300, 300, 200)


class Detector:
    """Finds no people, and counts its runs."""

    def __init__(self):
        self.runs = 0

    def __call__(self, image, channels, threshold, tiles, tile_threshold, only):
        self.runs += 1
        nobody = Detections(*(np.empty(shape, np.float32) for shape in ((0,), (0, 4), (0, 4, 2))))
        return [(HERE, nobody) for _ in only]


class Finder:
    """Remembers the views that it looks at, and sees in each what it was given for it."""

    def __init__(self, seen=()):
        self.views: list[list[int]] = []
        self.seen = list(seen)

    def tiles(self, width, height, tiles):
        return tiles

    def look(self, image, channels, threshold, tiles, views):
        self.views.append(list(views))
        return [one for one in self.seen if one.view in views]


class Stream:
    """A search in a stream of images, each of so many people who are followed."""

    def __init__(self, rate, seen=()):
        self.rate, self.frame = rate, -1
        self.finder, self.detector = Finder(seen), Detector()
        self.search = PeopleSearch(cast("Any", self.detector), 0.5)
        self.search.finder = cast("Any", self.finder)
        self.memory, self.options = SearchMemory(), OPTIONS

    def image(self, followed, lost=0):
        """Return the views that the finder looks at in the next image, and who is found."""
        self.frame += 1
        before = len(self.finder.views)
        self.memory.take(self.frame / self.rate)
        given = (IMAGE, "bgr", self.memory, self.options)
        found = self.search.look(*given, followed)
        if lost:
            found += self.search.look_again(*given, followed - lost)
        return [view for views in self.finder.views[before:] for view in views], found


def test_first_image_is_searched_whole_and_in_all_tiles():
    views, _ = Stream(30).image(0)
    assert views == list(range(1 + TILES))


def test_each_image_is_searched_at_most_once_while_people_are_tracked():
    stream = Stream(30)
    stream.image(0)
    looks, own = [], []
    for _ in range(44):
        before = stream.detector.runs
        looks.append(stream.image(5)[0])
        own.append(stream.detector.runs - before)
    assert max(len(views) + runs for views, runs in zip(looks, own, strict=True)) == 1
    flat = [view for views in looks for view in views]
    assert flat == [*range(1 + TILES)] * 2  # each once in half a second
    assert sum(own) == 2


@pytest.mark.parametrize(("rate", "most"), [(10, 2), (5, 4), (2.5, 8), (2, 8)])
def test_whole_image_and_tiles_take_turns_at_any_image_rate(rate, most):
    stream = Stream(rate)
    stream.image(0)
    looks = [stream.image(5)[0] for _ in range(int(3 * rate))]
    flat = [view for views in looks for view in views]
    assert flat.count(0) >= 3
    assert abs(flat.count(0) - flat.count(TILES)) <= 1
    assert max(map(len, looks)) <= most


def test_lost_person_is_searched_in_the_same_image_and_then_one_tile_an_image():
    stream = Stream(30)
    for _ in range(40):
        stream.image(5 if stream.frame >= 0 else 0)
    stream.memory.left = []
    stream.image(5)
    assert stream.image(5, lost=1)[0] == [0]
    following = [stream.image(4)[0] for _ in range(TILES + 1)]
    assert following == [[], *([view] for view in range(1, TILES + 1))]  # the own detector first


def test_flickering_person_costs_one_whole_search_per_tenth_of_a_second_at_most():
    stream = Stream(30)
    stream.image(0)
    whole = sum(stream.image(5, lost=1)[0].count(0) for _ in range(60))
    assert 15 <= whole <= 20


def test_each_image_is_searched_whole_and_in_one_tile_when_all_people_are_lost():
    stream = Stream(30)
    stream.image(0)
    for _ in range(20):
        stream.image(1)
    assert stream.image(1, lost=1)[0].count(0) >= 1
    looks = [stream.image(0)[0] for _ in range(2 * TILES)]
    assert all(views.count(0) == 1 for views in looks)
    assert max(map(len, looks)) == 2
    assert {view for views in looks for view in views} == set(range(1 + TILES))


def test_no_search_runs_while_max_people_are_tracked():
    stream = Stream(30)
    stream.image(0)
    assert [stream.image(OPTIONS.max_people)[0] for _ in range(40)] == [[]] * 40


def test_change_of_tiles_ends_a_search():
    stream = Stream(30)
    stream.image(0)
    for _ in range(16):
        stream.image(5)
    stream.options = EstimatorOptions(max_people=10, detect_tiles=1)
    assert {view for _ in range(40) for view in stream.image(5)[0]} == {0}


def test_person_cut_by_one_tile_and_whole_in_another_is_returned_once():
    cut = Sighting(False, 0.9, 1, Region(310, 300, 190))
    whole = Sighting(True, 0.5, 2, HERE)
    only_cut = Sighting(False, 0.8, 3, Region(900, 300, 200))
    stream = Stream(30, [cut, whole, only_cut])
    assert stream.image(0)[1] == [HERE, only_cut.region]
    found = [region for _ in range(44) for region in stream.image(5)[1]]
    assert found == [HERE, only_cut.region] * 2
