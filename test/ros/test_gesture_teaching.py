"""Gestures that are taught over ROS while the gesture node runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pose_ros
from pose_ros.core.types import Poses
from pose_ros.msg import GestureArray, GestureExamples
from pose_ros.ros.gesture_node import recognizer_from
from pose_ros.srv import RemoveGesture, TeachGesture
from tools.gesture_stage import LATCHED, SUCCESS, Stage, one_person
from tools.seen_bodies import body, looking_at, seen_by

pytestmark = pytest.mark.safety

BODY, HAND = TeachGesture.Request.BODY, TeachGesture.Request.HAND
CAMERA = looking_at("camera", (3.0, 0.0, 1.2))


def standing() -> Poses:
    return seen_by(CAMERA, [body()])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "taught.yaml"


@pytest.fixture
def make(ros: Any, file: Path) -> Callable[..., Stage]:
    def made(**parameters: Any) -> Stage:
        given = {"teach": True, "taught": str(file), **parameters}
        stage = Stage(ros, make_recognizer=recognizer_from, **given)
        stage.people = standing
        return stage

    return made


TEACH, REMOVE = (TeachGesture, "gesture/teach"), (RemoveGesture, "gesture/remove")


def call(stage: Stage, service: tuple[Any, str], /, **fields: Any) -> Any:
    """Call a service of the node while images come in; return its response."""
    kind, topic = service
    client = stage.ros.node.create_client(kind, topic)
    assert stage.ros.spin_until(client.service_is_ready)
    future = client.call_async(kind.Request(**fields))
    assert stage.until(future.done)
    stage.ros.node.destroy_client(client)
    return future.result()


def names(found: list[Any]) -> set[str]:
    return {gesture.name for array in found for gesture in array.gestures}


def test_taught_gesture_is_recognized_until_it_is_removed(ros: Any, make: Any, file: Path) -> None:
    stage = make()
    taught = ros.collect(GestureExamples, "gesture/taught", LATCHED)
    gestures = ros.collect(GestureArray, "gesture/gestures")
    stage.up()
    response = call(stage, TEACH, name="at_ease", kind=BODY, examples=3)
    assert response.success, response.message
    assert response.message == "up to 3 examples of at_ease are taken for 30 s"
    assert stage.until(lambda: taught and taught[-1].message), taught
    assert taught[-1].message == "at_ease: 3 examples taken, 3 in all"
    assert (taught[-1].joints, taught[-1].teaching) == ("blazepose33", "")
    assert (list(taught[-1].names), list(taught[-1].counts)) == (["at_ease"], [3])
    assert "at_ease" in [each.teaching for each in taught]
    assert pose_ros.TaughtGestures.load(file).counts == {"at_ease": 3}
    assert stage.until(lambda: "at_ease" in names(gestures)), gestures[-1:]
    response = call(stage, REMOVE, name="at_ease")
    assert response.success, response.message
    gestures.clear()
    assert stage.until(lambda: len(gestures) > 20)
    assert "at_ease" not in names(gestures[10:])
    assert stage.until(lambda: list(taught[-1].names) == [])
    assert pose_ros.TaughtGestures.load(file).counts == {}


def test_robot_does_not_move_while_a_gesture_is_taught(ros: Any, make: Any, file: Path) -> None:
    stage = make()
    taught = ros.collect(GestureExamples, "gesture/taught", LATCHED)
    stage.up()
    assert call(stage, TEACH, name="at_ease", kind=BODY).success
    assert stage.until(lambda: "at_ease is being taught" in stage.states[-1].value)
    assert stage.states[-1].key == "stopped"
    assert stage.until(lambda: taught and 1 in taught[-1].counts)
    # examples are kept when the node stops
    assert stage.node.trigger_deactivate() == SUCCESS
    assert pose_ros.TaughtGestures.load(file).counts["at_ease"] >= 1
    assert stage.node.trigger_activate() == SUCCESS
    assert stage.until(lambda: "being taught" not in stage.states[-1].value)


def test_teaching_ends_by_itself_when_no_person_is_seen(ros: Any, make: Any, file: Path) -> None:
    stage = make()
    stage.people = lambda: Poses.empty(one_person().skeleton)
    taught = ros.collect(GestureExamples, "gesture/taught", LATCHED)
    stage.up()
    assert call(stage, TEACH, name="at_ease", kind=BODY, seconds=0.5).success
    assert stage.until(lambda: taught and taught[-1].message)
    assert taught[-1].message.startswith("at_ease: 0 examples taken, 0 in all; nothing was found")
    assert taught[-1].joints == ""
    assert not file.exists()


def test_impossible_teaching_request_is_refused_in_one_line(
    ros: Any, make: Any, file: Path
) -> None:
    kept = pose_ros.TaughtGestures("blazepose33")
    kept.add("at_ease", standing().world[0])
    kept.save(file)
    stage = make()
    stage.up()
    for fields, words in (
        ({"name": ""}, "expected a gesture's name"),
        ({"name": "wave"}, "wave is the name of a gesture that is built in"),
        ({"name": "mine", "kind": HAND}, "holds gestures of bodies (blazepose33)"),
        ({"name": "mine", "side": "left"}, "a side is for hands"),
        ({"name": "mine", "kind": 7}, "a kind is HAND (0) or BODY (1), got 7"),
        ({"name": "mine", "seconds": -1.0}, "seconds have to be in 0 to 600, got -1"),
        ({"name": "mine", "seconds": float("nan")}, "seconds have to be in 0 to 600, got nan"),
    ):
        response = call(stage, TEACH, **{"kind": BODY, **fields})
        assert not response.success
        assert words in response.message
        assert "\n" not in response.message
    response = call(stage, REMOVE, name="mine")
    assert not response.success
    assert response.message == "'mine' was not taught; known: at_ease"
    assert call(stage, TEACH, name="mine", kind=BODY).success
    for service in (TEACH, REMOVE):
        response = call(stage, service, name="at_ease")
        assert response.message == "mine is being taught: wait until it is over"
    assert stage.node.trigger_deactivate() == SUCCESS
    response = call(stage, TEACH, name="mine", kind=BODY)
    assert response.message == "the node is not active"


def test_teaching_without_a_file_is_refused(ros: Any, make: Any, log: Any) -> None:
    stage = make(taught="")
    assert stage.node.trigger_configure() != SUCCESS
    assert "teach needs taught: the file that examples go to" in log
