"""Where people are, from their poses."""

from __future__ import annotations

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.commands.operator import people_from
from pose_ros.core.types import NO_BODY, Poses

NAMES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def poses(places: dict[str, tuple[float, float]], distance: float | None = None) -> Poses:
    skeleton = skeletons.get("coco17")
    points = np.full((1, len(skeleton), 2), np.nan, np.float32)
    for name, place in places.items():
        points[0, skeleton.index(name)] = place
    camera = None
    if distance is not None:
        camera = np.full((1, len(skeleton), 3), np.nan, np.float32)
        camera[0, :4] = (0.0, 0.0, distance)
    return Poses(
        skeleton=skeleton,
        ids=[5],
        scores=[0.9],
        boxes=[(100, 50, 200, 390)],
        keypoints=points,
        keypoint_scores=np.isfinite(points).all(axis=2).astype(np.float32),
        camera=camera,
    )


FRONT = dict(zip(NAMES, [(190, 100), (110, 100), (175, 220), (125, 220)], strict=True))


def test_person_seen_from_the_front_has_center_and_scale() -> None:
    (person,) = people_from(poses(FRONT, 2.5))
    assert (person.id, person.center, person.distance) == (5, (150.0, 100.0), 2.5)
    assert person.scale == pytest.approx(240.0)


def test_person_seen_from_the_side_has_the_same_scale() -> None:
    turned = FRONT | {"left_shoulder": (155, 100), "right_shoulder": (145, 100)}
    assert people_from(poses(turned))[0].scale == pytest.approx(240.0)


def test_scale_without_hips_is_from_shoulders_and_without_shoulders_from_box() -> None:
    upper = {name: FRONT[name] for name in NAMES[:2]}
    assert people_from(poses(upper))[0].scale == pytest.approx(80 / 0.36)
    (person,) = people_from(poses({}))
    assert person.center == (150.0, 220.0)
    assert person.scale == pytest.approx(200.0)
    assert np.isnan(person.distance)


def test_hand_without_a_body_is_not_a_person() -> None:
    assert people_from(poses(FRONT, 2.5).replace(ids=[NO_BODY])) == ()


def test_person_without_keypoints_or_box_is_left_out() -> None:
    assert people_from(poses({}).replace(boxes=[[np.nan] * 4])) == ()
    assert people_from(Poses.empty(skeletons.get("coco17"))) == ()
