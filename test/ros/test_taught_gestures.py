"""Taught gestures in a robot's commands: the file is read when the gesture node is configured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.types import Poses, hand_id
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros.gesture_node import recognizer_from
from pose_ros.ros.messages import header_to_msg, poses_to_msg
from pose_ros.synthetic.actor import hold, posture_at
from pose_ros.synthetic.figure import joints
from tools.gesture_stage import SUCCESS, Stage, one_person

pytestmark = pytest.mark.safety

CLOSED, POINTER = 1, 2  # classes of the real hands
PEOPLE = (7, 8)
COMMANDS = "one_finger: {do: event, name: one}"


@pytest.fixture(scope="module")
def hands(data: Path) -> dict[int, Any]:
    """Real hands by class, each (N, 21, 2) relative to the wrist."""
    rows = np.loadtxt(data / "taught_gestures" / "hand_landmarks.csv", delimiter=",")
    return {kind: rows[rows[:, 0] == kind, 1:].reshape(-1, 21, 2) for kind in (CLOSED, POINTER)}


@pytest.fixture
def file(hands: dict[int, Any], tmp_path: Path) -> Path:
    made = pose_ros.TaughtGestures("blazehand21")
    for landmarks in hands[POINTER][:10]:
        made.add("one_finger", landmarks)
    made.save(tmp_path / "gestures.yaml")
    return tmp_path / "gestures.yaml"


def hand_of(person: int, landmarks: Any) -> Poses:
    """Return the right hand of a person, 100 pixels large."""
    pixels = 100.0 * landmarks + (320.0, 240.0)
    return Poses(
        skeleton=skeletons.get("blazehand21"),
        ids=np.array([hand_id(person, 1)]),
        scores=np.array([0.9]),
        boxes=np.array([[*pixels.min(axis=0), *pixels.max(axis=0)]]),
        keypoints=pixels[None],
        keypoint_scores=np.full((1, 21), 0.9),
        labels=("right",),
    )


def test_taught_gesture_of_real_hands_is_published_and_other_hands_are_not(
    ros: Any, hands: dict[int, Any], file: Path
) -> None:
    stage = Stage(
        ros, make_recognizer=recognizer_from, hands=True, taught=str(file), commands=COMMANDS
    )
    publisher = ros.node.create_publisher(PoseArray, "pose/hands", 10)
    found = ros.collect(GestureArray, "gesture/gestures", 100)
    stage.up()
    assert ros.spin_until(publisher.get_subscription_count)

    def show(landmarks: Any) -> None:
        header = header_to_msg(time.time(), "camera")
        for topic, poses in (
            (stage.poses, one_person()),
            (publisher, hand_of(7, landmarks)),
        ):
            topic.publish(poses_to_msg(poses, header, "real hands", width=640, height=480))
        ros.spin_for(0.03)

    def until(kind: int, condition: Any) -> bool:
        """Show hands that were not examples, each for five images, until the condition holds."""
        shown = 0

        def tried() -> bool:
            nonlocal shown
            show(hands[kind][10 + shown // 5 % 20])
            shown += 1
            return bool(condition())

        return bool(ros.spin_until(tried))

    def made() -> list[Any]:
        return [g for array in found for g in array.gestures if g.name == "one_finger"]

    assert until(CLOSED, lambda: len(found) >= 20)
    assert made() == []
    assert until(POINTER, made)
    assert (made()[0].person, made()[0].side) == (7, "right")


def bodies(*raised: int) -> Poses:
    """Return persons 7 and 8 side by side; some raise the right hand, the arms of others hang."""
    skeleton, pixels = skeletons.get("blazepose33"), []
    for number, person in enumerate(PEOPLE):
        found = joints(posture_at(hold("raise_hand" if person in raised else "stand"), 0.9))
        body = np.array([found[name] for name in skeleton.keypoints])
        right, up = -body[:, 1], body[:, 2]  # they face the camera
        pixels.append(np.column_stack([180.0 + 280 * number - 180 * right, 440.0 - 180 * up]))
    points = np.array(pixels)
    return Poses(
        skeleton=skeleton,
        ids=np.array(PEOPLE),
        scores=np.full(2, 0.9),
        boxes=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        keypoints=points,
        keypoint_scores=np.full(points.shape[:2], 0.9),
    )


def test_taught_gesture_of_the_operator_moves_the_robot_and_that_of_another_person_does_not(
    ros: Any, hands: dict[int, Any], file: Path
) -> None:
    operator, other = PEOPLE
    stage = Stage(
        ros,
        make_recognizer=recognizer_from,
        hands=True,
        taught=str(file),
        commands="one_finger: {do: twist, linear: 0.2}",
    )
    publisher = ros.node.create_publisher(PoseArray, "pose/hands", 10)
    found = ros.collect(GestureArray, "gesture/gestures", 100)
    stage.up()
    assert ros.spin_until(publisher.get_subscription_count)
    shown = 0

    def until(raised: int, hand: bool, condition: Any) -> bool:
        """Show who raises a hand, the taught one or none, until the condition holds."""

        def tried() -> bool:
            nonlocal shown
            shown += 1
            header = header_to_msg(time.time(), "camera")
            one = hand_of(raised, hands[POINTER][10 + shown // 5 % 20])
            seen = one if hand else Poses.empty(one.skeleton)
            for topic, poses in ((stage.poses, bodies(raised)), (publisher, seen)):
                topic.publish(poses_to_msg(poses, header, "drawn", width=640, height=480))
            ros.spin_for(0.03)
            return bool(condition())

        return bool(ros.spin_until(tried))

    def made_by(person: int) -> int:
        made = [g for array in found for g in array.gestures if g.name == "one_finger"]
        return sum(g.person == person for g in made)

    assert until(operator, False, stage.is_in("engaged")), stage.states
    assert until(other, True, lambda: made_by(other) >= 10)
    assert all(speed.twist.linear.x == 0.0 for speed in stage.speeds)
    assert made_by(operator) == 0

    def drives() -> bool:
        return bool(stage.speeds) and stage.linear() > 0.1

    engaged = stage.is_in("engaged")
    assert engaged() or until(operator, False, engaged), stage.states
    assert until(operator, True, drives), stage.states
    assert until(other, True, lambda: stage.linear() == 0.0), stage.states


@pytest.mark.parametrize("known", ["nothing is taught", "another is taught"])
def test_unknown_gesture_in_commands_is_refused_at_configure_in_one_line(
    ros: Any, file: Path, capfd: pytest.CaptureFixture[str], known: str
) -> None:
    taught = str(file) if known == "another is taught" else ""
    stage = Stage(ros, make_recognizer=recognizer_from, taught=taught, commands="two_fingers: stop")
    assert stage.node.trigger_configure() != SUCCESS
    said = [line for line in capfd.readouterr().err.splitlines() if "two_fingers" in line]
    assert len(said) == 1
    assert "commands: 'two_fingers' is no gesture; known: " in said[0]
    assert ("one_finger" in said[0]) == (known == "another is taught")
    assert stage.node.state == "unconfigured"
