"""Matching people across cameras, on bodies whose pixels are computed."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core.multiview.association import (
    NO_PERSON,
    Crowd,
    group,
    join_doubles,
    overlaps,
    pair_costs,
    settle,
    without_doubtful,
)
from pose_ros.core.skeletons import parts_of
from pose_ros.core.types import Poses
from tools.seen_bodies import SKELETON, body, looking_at, seen_by

PLACES = ((-1.0, -0.8), (0.9, -0.5), (0.1, 0.9), (-0.9, 0.6), (1.2, 0.7))


def associate(views, people, known=None):
    """Return a group for each person in the room: the row of the person by the camera's name.

    ``known``: by camera and its own id of a person, their common id a moment ago.
    """
    names = [view.name for view in views]
    crowd = Crowd.of(views, [people.get(name) for name in names])
    if crowd is None:
        return []
    before = np.full(len(crowd), NO_PERSON)
    for i, (view, id_) in enumerate(zip(crowd.views, crowd.ids, strict=True)):
        before[i] = (known or {}).get(names[view], {}).get(int(id_), NO_PERSON)
    costs = pair_costs(views, crowd).total
    groups = settle(crowd, costs, group(crowd, costs, before))
    groups, _ = join_doubles(views, crowd, groups)
    return [{names[crowd.views[i]]: int(crowd.rows[i]) for i in members} for members in groups]


def as_sets(groups):
    return {frozenset(group.items()) for group in groups}


@pytest.mark.parametrize("people", [1, 2, 3, 5])
@pytest.mark.parametrize("cameras", [2, 3, 4])
def test_people_are_found_again_in_each_camera(ring, people, cameras):
    views = ring(cameras)
    bodies = [body(*place, height=1.6 + 0.08 * i) for i, place in enumerate(PLACES[:people])]
    orders = [np.random.default_rng(i).permutation(people) for i in range(cameras)]
    seen = {
        view.name: seen_by(view, [bodies[i] for i in order], noise=2.0, seed=v)
        for v, (view, order) in enumerate(zip(views, orders, strict=True))
    }
    expected = {
        frozenset(
            (view.name, int(np.flatnonzero(order == i)[0]))
            for view, order in zip(views, orders, strict=True)
        )
        for i in range(people)
    }
    assert as_sets(associate(views, seen)) == expected


@pytest.mark.parametrize("baseline", [0.12, 0.5, 2.0])
def test_people_of_one_height_side_by_side_are_kept_apart(baseline):
    """Their joints lie on the same epipolar lines of cameras beside each other."""
    views = [
        looking_at("a", (-4.0, 0.0, 1.2), (0, 0, 1.2)),
        looking_at("b", (-4.0, -baseline, 1.2), (0, -baseline, 1.2)),
    ]
    bodies = [body(-1.5, 0.4), body(0.5, -0.4), body(1.5, 1.2)]
    seen = {view.name: seen_by(view, bodies, noise=0.3, seed=v) for v, view in enumerate(views)}
    assert as_sets(associate(views, seen)) == {frozenset({("a", i), ("b", i)}) for i in range(3)}


def test_person_that_one_camera_misses_is_a_group_of_the_others(ring):
    views = ring(3)
    bodies = [body(*place) for place in PLACES[:2]]
    seen = {view.name: seen_by(view, bodies) for view in views}
    seen["camera 1"] = seen_by(views[1], bodies[1:])
    assert as_sets(associate(views, seen)) == {
        frozenset({("camera 0", 0), ("camera 2", 0)}),
        frozenset({("camera 0", 1), ("camera 1", 0), ("camera 2", 1)}),
    }


def test_two_people_each_seen_by_a_different_camera_are_two(ring):
    views = ring(2)
    seen = {
        "camera 0": seen_by(views[0], [body(-1.0, -0.8)]),
        "camera 1": seen_by(views[1], [body(0.9, 0.9)]),
    }
    assert len(associate(views, seen)) == 2


def test_left_and_right_swapped_in_one_camera_do_not_split_the_person(ring):
    views = ring(2)
    seen = {
        "camera 0": seen_by(views[0], [body()]),
        "camera 1": seen_by(views[1], [body()], swapped=[0]),
    }
    assert associate(views, seen) == [{"camera 0": 0, "camera 1": 0}]


def doubted(views, bodies, groups, expected):
    """Return the groups of four cameras, whose people are in order, without those in doubt."""
    people = [seen_by(view, bodies, noise=2.0, seed=v) for v, view in enumerate(views)]
    crowd = Crowd.of(views, people)
    unknown = np.full((len(crowd), len(crowd)), np.nan)
    before, costs = np.full(len(crowd), NO_PERSON), pair_costs(views, crowd).total
    found = without_doubtful(crowd, costs, groups, unknown, before=before, within=overlaps(crowd))
    assert found == expected


def test_body_of_another_person_is_left_out_of_a_group(ring):
    """Bodies alternate: those of even index are the first person's."""
    views, bodies = ring(4), [body(-0.6, 0.0), body(0.6, 0.4, height=1.65)]
    doubted(views, bodies, [[0, 2, 4, 6], [1, 3, 5, 7]], [[0, 2, 4, 6], [1, 3, 5, 7]])
    doubted(views, bodies, [[0, 2, 4, 7], [1, 3, 5]], [[0, 2, 4], [1, 3, 5]])


def test_group_of_two_people_with_two_cameras_each_is_parted(ring):
    views, bodies = ring(4), [body(-0.6, 0.0), body(0.6, 0.4, height=1.65)]
    doubted(views, bodies, [[0, 2, 5, 7]], [[0, 2], [5, 7]])


@pytest.mark.parametrize("apart", [0.3, 0.4])
def test_body_under_the_id_of_another_person_belongs_to_the_person_that_it_shows(ring, apart):
    """A camera whose network slides from one body to another keeps the id of the one it lost."""
    views = ring(3)
    bodies = [body(0.0, -apart / 2), body(0.0, apart / 2, height=1.65)]
    seen = {view.name: seen_by(view, bodies, noise=2.0, seed=v) for v, view in enumerate(views)}
    seen["camera 2"] = seen_by(views[2], bodies[1:], noise=2.0, seed=2)
    known = {"camera 0": {0: 7, 1: 8}, "camera 1": {0: 7, 1: 8}, "camera 2": {0: 7}}
    assert as_sets(associate(views, seen, known)) == {
        frozenset({("camera 0", 0), ("camera 1", 0)}),
        frozenset({("camera 0", 1), ("camera 1", 1), ("camera 2", 0)}),
    }


def test_missing_keypoints_and_empty_images_do_no_harm(ring):
    views = ring(2)
    one = seen_by(views[0], [body()])
    pixels, scores = np.array(one.keypoints), np.array(one.keypoint_scores)
    pixels[0, 10:20], scores[0, 10:20] = np.nan, 0.0
    seen = {"camera 0": one.replace(keypoints=pixels, keypoint_scores=scores)}
    assert associate(views, seen) == [{"camera 0": 0}]
    seen["camera 1"] = Poses.empty(SKELETON)
    assert associate(views, seen) == [{"camera 0": 0}]
    seen["camera 1"] = seen_by(views[1], [body()])
    assert associate(views, seen) == [{"camera 0": 0, "camera 1": 0}]
    assert associate(views, {}) == []


def test_body_parts_pair_left_with_right_and_omit_the_nose():
    parts = parts_of(SKELETON)
    assert parts.parts[SKELETON.index("nose")] == -1
    assert parts.mirrored[SKELETON.index("left_wrist")] == SKELETON.index("right_wrist")
    assert (
        parts.parts[SKELETON.index("left_knee")] == parts.parts[SKELETON.index("right_foot_index")]
    )
    assert parts.parts[SKELETON.index("left_ear")] != parts.parts[SKELETON.index("left_elbow")]
