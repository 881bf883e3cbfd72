"""Hands of fused people, on bodies and hands whose pixels are computed."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.multiview.fusion import Fusion
from pose_ros.core.multiview.hands import HandFusion
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Poses, PositionSource, hand_id, person_of_hand
from pose_ros.errors import OptionError
from tools.seen_bodies import SKELETON, body, seen_by

HAND = skeletons.get("blazehand21")
SKEW = 0.05
SHAPE = np.random.default_rng(5).normal(0.0, 0.04, (len(HAND), 3))  # meters from the wrist
SHAPE[HAND.index("wrist")] = 0.0
PEOPLE = (body(-0.8, -0.5), body(0.7, 0.6))


def joints(person, side):
    """Return the (21, 3) meters of a hand in the world."""
    return person[SKELETON.index(f"{SIDES[side]}_wrist")] + SHAPE


def hands_in(view, people, sides=(0, 1), *, score=0.9):
    """Return the hands that a camera sees of people whose ids are their numbers."""
    keys = [(i, side) for i in range(len(people)) for side in sides]
    points = np.array([joints(people[i], side) for i, side in keys]).reshape(-1, len(HAND), 3)
    pixels = view.project(points)
    inside = view.extrinsics.to_camera(points)
    return Poses(
        skeleton=HAND,
        ids=np.array([hand_id(i, side) for i, side in keys], np.int64),
        scores=np.full(len(keys), score),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        keypoints=pixels,
        keypoint_scores=np.full(pixels.shape[:2], score),
        world=inside - inside.mean(axis=1, keepdims=True),
        labels=tuple(SIDES[side] for _, side in keys),
        label_scores=np.full(len(keys), score),
    )


def fused(views, bodies=PEOPLE, **keywords):
    seen = {view.name: (0.0, seen_by(view, bodies, **keywords)) for view in views}
    return Fusion(views).update(0.0, seen)


def test_hand_that_two_cameras_see_has_meters_and_the_fused_persons_id(ring):
    views = ring(3)
    people = fused(views)
    given = {view.name: (0.0, hands_in(view, PEOPLE)) for view in views[:2]}
    hands = HandFusion(views).update(people, given, SKEW)
    assert len(hands) == 4
    rows = {int(id_): i for i, id_ in enumerate(people.poses.ids)}
    for i, id_ in enumerate(hands.ids.tolist()):
        person = PEOPLE[people.members[rows[person_of_hand(id_)], 0]]
        true = views[0].extrinsics.to_camera(joints(person, id_ % 2))
        np.testing.assert_allclose(hands.camera[i], true, atol=0.002)
        assert hands.labels[i] == SIDES[id_ % 2]
    assert (hands.camera_sources == PositionSource.MULTIVIEW).all()
    assert np.max(hands.camera_sigmas) < 0.05


def test_hand_that_one_other_camera_sees_keeps_its_shape_in_the_references_axes(ring):
    views = ring(2)
    hands = HandFusion(views).update(
        fused(views), {"camera 1": (0.0, hands_in(views[1], PEOPLE, (1,)))}, SKEW
    )
    assert hands.labels == ("right", "right")
    assert hands.camera is None
    assert np.isnan(hands.keypoints).all()
    shape = SHAPE @ views[0].extrinsics.rotation.T
    np.testing.assert_allclose(hands.world[0], shape - shape.mean(axis=0), atol=1e-5)


def test_hands_of_a_camera_that_swapped_left_and_right_are_on_their_side(ring):
    views = ring(3)
    swapped = hands_in(views[1], PEOPLE[:1])
    swapped = swapped.replace(ids=swapped.ids[::-1])
    given = {"camera 0": (0.0, hands_in(views[0], PEOPLE[:1])), "camera 1": (0.0, swapped)}
    hands = HandFusion(views).update(fused(views, PEOPLE[:1]), given, SKEW)
    assert len(hands) == 2
    for i, id_ in enumerate(hands.ids.tolist()):
        true = views[0].extrinsics.to_camera(joints(PEOPLE[0], id_ % 2))
        np.testing.assert_allclose(hands.camera[i], true, atol=0.002)


def test_hands_of_people_who_are_not_fused_and_old_hands_are_left_out(ring):
    views = ring(2)
    fusion, people = HandFusion(views), fused(views, PEOPLE[:1])
    assert fusion.update(people, {}, SKEW) is None
    given = {"camera 0": (0.0, hands_in(views[0], PEOPLE))}
    assert {person_of_hand(i) for i in fusion.update(people, given, SKEW).ids.tolist()} == {0}
    old = {"camera 0": (-1.0, hands_in(views[0], PEOPLE))}
    assert len(HandFusion(views).update(people, old, SKEW)) == 0
    with pytest.raises(OptionError, match="there is no camera 'other'"):
        fusion.update(people, {"other": (0.0, hands_in(views[0], PEOPLE))}, SKEW)
