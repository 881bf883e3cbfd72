"""Where people are, from their poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.commands.operator import ANYBODY, MAX_SENDERS, Locks, people_from
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


PANEL, DOCK, NEW = b"panel", b"dock", b"new"


class Scene:
    """Publishers that speak, each with rising numbers, once a tenth of a second."""

    def __init__(self) -> None:
        self.locks = Locks()
        self.there: list[bytes] = [PANEL, DOCK]
        self.now = 0.0
        self.orders: dict[bytes, int] = {}

    def says(self, sender: bytes, *words: bool) -> bool:
        """Return whether the robot is locked then."""
        for word in words:
            self.now += 0.1
            self.orders[sender] = self.orders.get(sender, 0) + 1
            self.locks.hear(sender, word, self.orders[sender], self.now, self.there)
        return bool(self.locks.holders)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_false_from_another_publisher_does_not_release_the_lock(scene: Scene) -> None:
    assert scene.says(PANEL, True)
    assert scene.says(DOCK, False, False)
    assert scene.locks.holders == (PANEL,)
    assert not scene.says(PANEL, False)


def test_robot_is_free_when_all_publishers_that_locked_have_unlocked(scene: Scene) -> None:
    assert scene.says(PANEL, True)
    assert scene.says(DOCK, True)
    assert scene.says(PANEL, False)
    assert not scene.says(DOCK, False)


def test_lock_of_a_dead_publisher_is_undone_only_by_a_new_publisher(scene: Scene) -> None:
    assert scene.says(DOCK, False) is False
    assert scene.says(PANEL, True)
    scene.there = [DOCK]
    assert scene.says(DOCK, False, False, False)
    # its successor, or a person at a terminal, undoes it
    scene.there = [DOCK, NEW]
    assert not scene.says(NEW, False)


def test_lock_of_a_publisher_that_left_the_graph_is_undone_by_another(scene: Scene) -> None:
    """As two ``ros2 topic pub --once`` do: neither is in the graph when it is heard."""
    scene.there = []
    assert scene.says(PANEL, True)
    assert not scene.says(NEW, False)


def test_successor_does_not_unlock_while_the_old_publisher_is_in_the_graph(scene: Scene) -> None:
    """A process that was killed stays there until its lease ends."""
    assert scene.says(PANEL, True)
    scene.there = [PANEL, DOCK, NEW]
    assert scene.says(NEW, False, False)
    scene.there = [DOCK, NEW]
    assert not scene.says(NEW, False)


def test_false_overtaken_by_a_true_does_not_unlock(scene: Scene) -> None:
    """The subscriptions that hear a reliable and any publisher bring one message twice."""
    locks = scene.locks
    locks.hear(PANEL, False, 7, 0.1, scene.there)
    locks.hear(PANEL, True, 8, 0.2, scene.there)
    locks.hear(PANEL, False, 7, 0.3, scene.there)
    assert locks.holders
    locks.hear(PANEL, False, 9, 0.4, scene.there)
    assert not locks.holders
    # both once more: the last word counts
    locks.hear(PANEL, True, 8, 0.5, scene.there)
    locks.hear(PANEL, False, 9, 0.5, scene.there)
    assert not locks.holders


def test_an_unknown_publisher_locks_and_does_not_unlock(scene: Scene) -> None:
    assert scene.says(ANYBODY, True)
    assert scene.says(ANYBODY, False)
    assert scene.says(PANEL, False)  # it may be the other who locked
    scene.there = [NEW]
    assert not scene.says(NEW, False)


@pytest.mark.parametrize("there", [(PANEL, DOCK), (DOCK,)])
def test_silent_publisher_locks_while_another_continues(
    scene: Scene, there: Sequence[bytes]
) -> None:
    scene.says(PANEL, False, False)
    scene.there = list(there)
    for _ in range(10):
        scene.says(DOCK, False)
        scene.locks.notice_silence(scene.now, 0.5)
    assert scene.locks.holders == (PANEL,)
    assert scene.says(DOCK, False)
    assert not scene.says(PANEL, False)


def test_publisher_of_one_message_need_not_repeat_it(scene: Scene) -> None:
    scene.says(PANEL, False)
    scene.locks.notice_silence(100.0, 0.5)
    assert not scene.locks.holders


def test_endless_publishers_lock_and_use_bounded_memory(scene: Scene) -> None:
    scene.there = []
    for i in range(5 * MAX_SENDERS):
        assert scene.says(b"%d" % i, True)
    assert len(scene.locks.holders) <= MAX_SENDERS + 1
    assert scene.locks.remembered <= MAX_SENDERS + 1
