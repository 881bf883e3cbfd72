"""Builds and pointing arms: proportions, and lines that meet what they should."""

import itertools

import numpy as np
import pytest

from pose_ros.core.geometry import angle_between
from pose_ros.core.skeletons import Side
from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import Step, posture_at, step_at
from pose_ros.synthetic.figure import AVERAGE, BROAD, SLIM, Build, Posture, body, joints, point_at
from pose_ros.synthetic.scene import Actor, Path, Waypoint

LONG_ARMED = Build(arms=1.1, legs=0.95)


def length(found: dict[str, np.ndarray], a: str, b: str) -> float:
    return float(np.linalg.norm(found[a] - found[b]))


@pytest.mark.parametrize(
    ("build", "a", "b", "ratio"),
    [
        (BROAD, "left_shoulder", "right_shoulder", BROAD.width),
        (SLIM, "left_hip", "right_hip", SLIM.width),
        (BROAD, "left_shoulder", "left_elbow", 1.0),
        (LONG_ARMED, "right_shoulder", "right_elbow", 1.1),
        (LONG_ARMED, "right_elbow", "right_wrist", 1.1),
        (LONG_ARMED, "left_hip", "left_knee", 0.95),
        (LONG_ARMED, "left_knee", "left_ankle", 0.95),
        (LONG_ARMED, "left_shoulder", "right_shoulder", 1.0),
    ],
)
def test_a_build_changes_its_own_bones(build: Build, a: str, b: str, ratio: float) -> None:
    found, average = joints(Posture(), build), joints(Posture())
    assert length(found, a, b) / length(average, a, b) == pytest.approx(ratio)


@pytest.mark.parametrize("build", [AVERAGE, SLIM, BROAD, LONG_ARMED, Build(legs=1.1)])
@pytest.mark.parametrize("height", [1.5, 2.0])
def test_every_build_has_the_requested_height(build: Build, height: float) -> None:
    cones = Actor(Path.standing(3.0), height=height, build=build).cones(0.0)
    top = max(max(c.a[2] + c.radius_a, c.b[2] + c.radius_b) for c in cones)
    bottom = min(min(c.a[2] - c.radius_a, c.b[2] - c.radius_b) for c in cones)
    assert top == pytest.approx(height, abs=0.015 * height)
    assert bottom == pytest.approx(0.0, abs=0.02)


def test_girth_makes_trunk_and_limbs_thicker_and_heads_not() -> None:
    found = joints(Posture())
    thick, average = body(found, Build(girth=1.3)), body(found)
    ratios = [a.radius_a / b.radius_a for a, b in zip(thick, average, strict=True)]
    assert {round(ratio, 6) for ratio in ratios} == {1.0, 1.3}


@pytest.mark.parametrize("build", [AVERAGE, BROAD, LONG_ARMED])
@pytest.mark.parametrize("arm", ["left", "right"])
def test_the_line_from_shoulder_to_wrist_meets_the_target(arm: Side, build: Build) -> None:
    for azimuth, height, bend in itertools.product(range(-180, 180, 30), (0.0, 1.2, 2.6), (0, 40)):
        turn = np.radians(azimuth)
        target = np.array([2 * np.cos(turn), 2 * np.sin(turn), height])
        found = joints(point_at(target, arm, bend, build), build)
        shoulder, wrist = found[f"{arm}_shoulder"], found[f"{arm}_wrist"]
        line, to_target = wrist - shoulder, target - shoulder
        np.testing.assert_allclose(
            line / np.linalg.norm(line), to_target / np.linalg.norm(to_target), atol=1e-9
        )
        upper, fore = found[f"{arm}_elbow"] - shoulder, wrist - found[f"{arm}_elbow"]
        assert angle_between(upper, fore) == pytest.approx(bend, abs=1e-5)
        if bend and abs(to_target[2]) < 1.0:
            # the elbow hangs below the line
            assert (upper - (upper @ line) / (line @ line) * line)[2] < 0


def test_the_trunk_leans_bows_and_twists() -> None:
    def middle(found: dict[str, np.ndarray], joint: str) -> np.ndarray:
        return np.asarray((found[f"left_{joint}"] + found[f"right_{joint}"]) / 2)

    def spine(posture: Posture) -> np.ndarray:
        found = joints(posture)
        return np.asarray(middle(found, "shoulder") - middle(found, "hip"))

    assert spine(Posture(bow=20.0))[0] > 0.15
    assert spine(Posture(lean=20.0))[1] > 0.15
    found = joints(Posture(twist=30.0))
    across = found["left_shoulder"] - found["right_shoulder"]
    # the left shoulder goes back when they turn to the left
    assert np.degrees(np.arctan2(-across[0], across[1])) == pytest.approx(30.0)
    hips = found["left_hip"] - found["right_hip"]
    np.testing.assert_allclose(hips[[0, 2]], 0.0, atol=1e-12)


SLACK = Posture(bow=8.0, lean=-4.0, twist=15.0, left_thigh=12.0, left_knee=20.0)


@pytest.mark.parametrize("arm", ["left", "right"])
def test_actor_in_a_relaxed_pose_points_at_the_target(arm: Side) -> None:
    target = np.array([1.6, 0.7, 0.3])
    found = joints(point_at(target, arm, 15.0, AVERAGE, SLACK))
    line, to_target = (end - found[f"{arm}_shoulder"] for end in (found[f"{arm}_wrist"], target))
    assert angle_between(line, to_target) < 1e-3
    standing = joints(SLACK)
    for name in ("left_ankle", "right_knee", "left_hip", "right_shoulder"):
        np.testing.assert_allclose(found[name], standing[name], atol=1e-12)


def test_the_other_arm_hangs_and_the_head_turns_to_the_target() -> None:
    found = joints(point_at(np.array([1.0, 1.0, 0.0]), "left"))
    hanging = joints(Posture())
    np.testing.assert_allclose(found["right_wrist"], hanging["right_wrist"])
    gaze = found["nose"] - (found["left_ear"] + found["right_ear"]) / 2
    assert np.degrees(np.arctan2(gaze[1], gaze[0])) == pytest.approx(45.0)
    behind = joints(point_at(np.array([-1.0, -0.1, 0.0]), "right"))
    gaze = behind["nose"] - (behind["left_ear"] + behind["right_ear"]) / 2
    assert np.degrees(np.arctan2(gaze[1], gaze[0])) == pytest.approx(-60.0)


def test_arm_points_at_a_fixed_target_while_the_actor_walks() -> None:
    way = Path((Waypoint(0, 3, 1), Waypoint(2, 3, -1), Waypoint(4, 3, 1)), heading_degrees=200.0)
    target = (1.2, 0.3, 0.0)
    actor = Actor(way, (Step("point_at", 1.0, "right", target),), height=1.6, build=BROAD)
    for seconds in np.arange(0.0, 4.0, 0.37):
        found = actor.joints(float(seconds))
        line = found["right_wrist"] - found["right_shoulder"]
        to_target = np.array(target) - found["right_shoulder"]
        # a stride moves the legs alone, but they carry the shoulder up and down
        assert angle_between(line, to_target) < 3.0


def test_an_arm_moves_to_its_target_smoothly() -> None:
    script = (Step("stand", 1.0), Step("point_at", 1.0, "left", (1.0, 0.5, 0.0)))
    track = [joints(posture_at(script, i / 60)) for i in range(121)]
    wrists = np.array([found["left_wrist"] for found in track])
    assert np.linalg.norm(np.diff(wrists, axis=0), axis=1).max() * 60 < 6.0  # meters a second
    assert step_at(script, 1.25) == (1, 0.25)
    assert step_at(script, 2.5) == (0, 0.5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Build(width=2.0), "width must be in"),
        (lambda: Build(girth=float("nan")), "girth"),
        (lambda: Build(arms=0.5), "arms"),
        (lambda: Step("point_at"), "needs a target"),
        (lambda: Step("wave", target=(1, 0, 0)), "no other gesture"),
        (lambda: Step("point_at", target=(1, 0, float("inf"))), "finite"),
        (lambda: Step("wave", 0.0), "above 0 seconds"),
        (lambda: Step("point_at", 1.0, "left", (1, 0, 0), 150.0), "bend_degrees"),
        (lambda: Step("jump"), "known: stand"),
    ],
)
def test_impossible_build_is_refused(make, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()
