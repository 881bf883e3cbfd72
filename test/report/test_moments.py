"""Which pictures of a recording are shown."""

from __future__ import annotations

import cv2
import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.results import Result
from pose_ros.core.types import Poses
from pose_ros.report.moments import SHOWN, Moments, Seen
from pose_ros.report.statistics import GestureSpan

COCO = skeletons.get("coco17")


def image_at(time: float, value: int = 90) -> Seen:
    result = Result(round(10 * time), 0, 960, 540, Poses.empty(COCO))
    return Seen(result, np.full((540, 960, 3), (value, 0, 0), np.uint8), "rgb", time)


def look(moments: Moments, time: float, people: dict[int, float], new=(), started=()) -> None:
    moments.look(
        image_at(time),
        new=[(1, key) for key in new],
        started=list(started),
        people={(1, key): score for key, score in people.items()},
    )


def test_pictures_are_small_with_unchanged_colors() -> None:
    moments = Moments()
    look(moments, 0.0, {0: 0.9}, new=[0])
    (moment,) = moments.chosen("first", [(1, 0)])
    picture = cv2.imdecode(np.frombuffer(moment.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert (picture.shape, moment.size) == ((270, 480, 3), (480, 270))
    assert np.allclose(picture.reshape(-1, 3).mean(axis=0), (0, 0, 90), atol=3)  # BGR


def test_people_who_stay_are_shown_when_many_pass_by() -> None:
    moments = Moments()
    for i in range(200):
        people = {1000 + i: 0.9} | ({7: 0.9} if i >= 100 else {})
        look(moments, i / 10, people, new=[1000 + i, *([7] if i == 100 else [])])
    assert len(moments.found["first"]) == 24
    chosen = moments.chosen("first", [(1, 7), *((1, 1000 + i) for i in range(200))])
    assert len(chosen) == SHOWN["first"]
    assert (10.0, (1, 7)) in [(m.time, m.person) for m in chosen]


def test_every_gesture_is_shown_once_before_any_is_shown_twice() -> None:
    moments = Moments()
    for i in range(60):
        name = "stop" if i == 50 else "wave"
        look(moments, i, {0: 0.9}, started=[GestureSpan((1, 0), name, "left", i, i, 0.5)])
    chosen = moments.chosen("gesture", [])
    assert len(chosen) == SHOWN["gesture"]
    assert [m.time for m in chosen if m.gesture[0] == "stop"] == [50]


def test_least_certain_pictures_are_at_least_a_second_apart() -> None:
    moments = Moments()
    scores = np.full(400, 0.85)
    scores[100:105] = (0.5, 0.4, 0.3, 0.4, 0.5)
    scores[300] = 0.35
    for i, score in enumerate(scores):
        look(moments, i / 10, {0: float(score)})
    chosen = moments.chosen("unsure", [])
    assert {10.2, 30.0} <= {m.time for m in chosen}
    assert len(chosen) == 3
    times = [m.time for m in chosen]
    assert np.diff(times).min() >= 1.0


def test_well_found_person_has_one_least_certain_picture() -> None:
    moments = Moments()
    for i in range(100):
        look(moments, i, {0: 0.95 + i / 10_000})
    assert [m.time for m in moments.chosen("unsure", [])] == [0]
