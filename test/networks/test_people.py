"""Which regions and bodies are one person, and where a second look is worth while."""

from types import SimpleNamespace

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.geometry import Region
from pose_ros.networks.people import (
    REGION_SCALE,
    SearchRegion,
    Sighting,
    body_distance,
    bones,
    distinct_sightings,
    is_whole,
    merge,
    same_person,
    settle,
    without_parts,
)
from pose_ros.synthetic.source import SyntheticSource

SIZE = 200.0


def landmarks(x, y=200.0, size=SIZE, presence=0.9):
    """A body as the landmark network would see it: joints around the mid-hips."""
    points = np.zeros((33, 3), np.float32)
    points[:, :2] = np.array([x, y]) + np.linspace(-0.3, 0.3, 33)[:, None] * size
    body = Region(x, y, size / REGION_SCALE)
    return SimpleNamespace(presence=presence, points=points, body=body)


def target(x, y=200.0, size=SIZE, origins=(), detected=True):
    return SearchRegion(Region(x, y, size), frozenset(origins), detected and not origins)


def test_distance_between_people_is_in_units_of_their_size():
    assert same_person(Region(0, 0, 100), Region(20, 0, 200))
    assert not same_person(Region(0, 0, 100), Region(20, 0, 100))
    assert body_distance(landmarks(100), landmarks(120)) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Region(500, 500, 300), True),
        (Region(500, 320, 300), False),  # the head is in the next tile
        (Region(500, 680, 300), False),  # the feet are
        (Region(500, 650, 300, np.pi / 2), True),  # lying
        (Region(320, 500, 300, np.pi / 2), False),
        (Region(500, 500, 600), False),  # larger than the tile
    ],
)
def test_person_in_the_tile_from_head_to_foot_is_whole(region, expected):
    assert is_whole(region, Region(500, 500, 400), 1000, 1000) == expected


def test_person_cut_by_the_image_counts_as_whole():
    assert is_whole(Region(200, 380, 300), Region(200, 200, 400), 400, 400)


def test_two_bodies_apart_in_one_view_are_two_people():
    near = [
        Sighting(True, 0.9, 0, Region(300, 200, SIZE)),
        Sighting(True, 0.8, 0, Region(320, 200, SIZE)),
    ]
    assert [one.region.x for one in distinct_sightings(near)] == [300, 320]
    tile = Sighting(True, 0.85, 1, Region(318, 200, SIZE))
    # the tile's is one of the two, whichever
    assert [one.region.x for one in distinct_sightings([*near, tile])] == [300, 320]


def test_whole_person_precedes_a_more_confident_one():
    cut = Sighting(False, 0.99, 1, Region(310, 200, SIZE))
    whole = Sighting(True, 0.6, 0, Region(300, 200, SIZE))
    alone = Sighting(False, 0.7, 2, Region(800, 200, SIZE))
    assert [one.region.x for one in distinct_sightings([cut, whole, alone])] == [300, 800]


def test_each_person_is_returned_once():
    targets = [target(100), target(400), target(130)]
    people, doubts = merge(targets, [landmarks(100), landmarks(400), None], 0.5)
    assert [p.target for p in people] == targets[:2]
    assert doubts == []


def test_better_placed_region_of_one_body_keeps_both_origins():
    targets = [target(150, origins=[3]), target(204, origins=[5])]
    people, doubts = merge(targets, [landmarks(202), landmarks(200)], 0.5)
    (one,) = people
    assert one.target.region.x == 204
    assert one.target.origins == {3, 5}
    assert doubts == []


def test_new_person_too_near_a_tracked_one_is_dropped():
    for distance, count in ((24, 1), (35, 2)):
        targets = [target(200, origins=[0]), target(200 + distance, detected=False)]
        found = [landmarks(200), landmarks(200 + distance)]
        assert len(merge(targets, found, 0.5)[0]) == count
    # two who are new may stand closer
    assert len(merge([target(200), target(224)], [landmarks(200), landmarks(224)], 0.5)[0]) == 2


def test_body_far_from_its_search_region_is_not_a_new_person():
    assert merge([target(200)], [landmarks(200, size=SIZE / 2)], 0.5) == ([], [])
    (one,), _ = merge([target(200, origins=[0])], [landmarks(200, size=SIZE / 2)], 0.5)
    assert one.moved == pytest.approx(np.log(2), abs=1e-3)


def test_two_detections_on_one_body_are_searched_again_apart():
    targets = [target(200), target(220)]
    people, (doubt,) = merge(targets, [landmarks(210), landmarks(211)], 0.5)
    assert [t.region.x for t in doubt.targets] == pytest.approx([180, 240])
    both = settle(people, [doubt], [landmarks(185), landmarks(235)], 0.5)
    assert [p.landmarks.body.x for p in both] == [185, 235]
    # it was one after all
    for again in ([landmarks(205), landmarks(210)], [landmarks(200), None]):
        assert settle(people, [doubt], again, 0.5) == people


def test_faint_person_is_searched_again_in_a_wider_and_a_narrower_region():
    faint = landmarks(200, presence=0.3)
    people, doubts = merge([target(200), target(500)], [faint, None], 0.5)
    assert people == []
    sizes = [again.region.size for doubt in doubts for again in doubt.targets]
    assert sizes == pytest.approx([260, 200 / 1.3])
    for answers in (
        [landmarks(200), landmarks(200)],
        [landmarks(200), faint],
        [faint, landmarks(200)],
    ):
        (one,) = settle(people, doubts, answers, 0.5)
        assert one.landmarks.body.x == 200
    assert settle(people, doubts, [faint, faint], 0.5) == []


def test_narrower_search_finds_a_person_confused_with_a_neighbor():
    people, doubts = merge(
        [target(300), target(200)], [landmarks(300), landmarks(200, presence=0.2)], 0.5
    )
    both = settle(people, doubts, [landmarks(298), landmarks(200)], 0.5)
    assert [person.landmarks.body.x for person in both] == [300, 200]


def test_person_absent_or_only_tracked_gets_no_second_search():
    assert merge([target(200)], [landmarks(200, presence=0.02)], 0.5) == ([], [])
    faint = [landmarks(200, presence=0.3)]
    assert merge([target(200, origins=[0])], faint, 0.5) == ([], [])
    assert merge([target(200, detected=False)], faint, 0.5) == ([], [])


def test_second_search_returns_no_person_twice():
    targets = [target(400), target(200), target(220)]
    people, doubts = merge(targets, [landmarks(400), landmarks(210), landmarks(211)], 0.5)
    assert len(people) == 2
    # one of the two looks ends on the third person
    assert settle(people, doubts, [landmarks(185), landmarks(398)], 0.5) == people


BLAZEPOSE = skeletons.get("blazepose33")


@pytest.fixture(scope="module")
def standing():
    """The (33, 2) pixels of a person who stands, and their height."""
    truth = SyntheticSource("stand", live=False).truth(0.0)
    points = np.array([truth.pixel(name) for name in BLAZEPOSE.keypoints], np.float32)
    return points, float(np.ptp(points, axis=0).max())


def small(standing, share, keypoint, along=(0.0, 0.0)):
    """The same person at a share of the size, about a keypoint of the large one."""
    points, height = standing
    middle = points.mean(axis=0)
    place = points[BLAZEPOSE.index(keypoint)] + np.array(along, np.float32) * height
    return (points - middle) * np.float32(share) + place


@pytest.mark.parametrize("keypoint", ["left_foot_index", "left_elbow", "right_knee", "nose"])
def test_part_of_a_body_is_not_a_person(standing, keypoint):
    person, pairs = standing[0], bones(BLAZEPOSE)
    shoe = small(standing, 0.15, keypoint)
    assert without_parts([person, shoe], pairs) == [0]
    assert without_parts([shoe, person], pairs) == [1]
    unsure = shoe.copy()
    unsure[::3] = np.nan
    assert without_parts([unsure, person], pairs) == [1]


@pytest.mark.parametrize(
    ("share", "keypoint", "along"),
    [
        (0.5, "left_hip", (0.0, 0.1)),  # a child in front
        (0.3, "left_shoulder", (0.12, -0.1)),  # who looks over the shoulder from behind
        (0.2, "left_elbow", (0.12, 0.0)),  # far away, beside an arm
        (0.3, "left_ankle", (0.1, -0.1)),  # far away, behind a leg
        (0.3, "nose", (0.4, 0.0)),
    ],
)
def test_a_small_person_before_or_behind_another_stays(standing, share, keypoint, along):
    bodies = [standing[0], small(standing, share, keypoint, along)]
    assert without_parts(bodies, bones(BLAZEPOSE)) == [0, 1]


def test_bodies_without_keypoints_or_links_are_kept(standing):
    nothing = np.full((33, 2), np.nan, np.float32)
    half = standing[0].copy()
    half[11:] = np.nan
    bodies = [standing[0], nothing, half + 500]
    assert without_parts(bodies, bones(BLAZEPOSE)) == [0, 1, 2]
    assert without_parts([nothing, nothing], []) == [0, 1]
