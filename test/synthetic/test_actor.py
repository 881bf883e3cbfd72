"""The actor's script and joints: what holds of a body at every instant."""

import itertools

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.skeletons import SIDES, Side
from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import (
    GESTURES,
    HELD_GESTURE_SECONDS,
    SCRIPT,
    Step,
    hold,
    posture_at,
)
from pose_ros.synthetic.figure import Joints, joints

BONES = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in SIDES
    for a, b in itertools.pairwise(("shoulder", "elbow", "wrist", "index"))
] + [
    (f"{side}_{a}", f"{side}_{b}")
    for side in SIDES
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "foot_index"))
]
PERIOD = sum(step.seconds for step in SCRIPT)


def script_joints(rate: float = 60.0) -> list[Joints]:
    return [joints(posture_at(SCRIPT, i / rate)) for i in range(round(PERIOD * rate))]


def held(gesture: str, arm: Side, seconds: float = 0.25) -> Joints:
    return joints(posture_at(hold(gesture, arm), seconds))


def test_script_points_and_raises_hands_with_each_arm_in_8_to_12_seconds() -> None:
    assert {step.gesture for step in SCRIPT} < set(GESTURES)
    shown = {(step.gesture, step.arm) for step in SCRIPT}
    one_armed = ("point_left", "point_right", "point_down", "point_forward", "raise_hand")
    assert shown.issuperset(itertools.product(one_armed, SIDES))
    assert 8.0 <= PERIOD <= 12.0 + 1e-9


def test_joints_have_the_names_of_the_skeleton() -> None:
    found = joints(posture_at(SCRIPT, 1.0))
    assert set(found) == set(skeletons.get("blazepose33").keypoints) | {"head"}


def test_bones_keep_their_length() -> None:
    track = script_joints(10.0)
    for a, b in BONES:
        lengths = [np.linalg.norm(found[a] - found[b]) for found in track]
        np.testing.assert_allclose(lengths, lengths[0], atol=1e-9)


def test_motion_is_smooth_and_repeats() -> None:
    track = script_joints(60.0)
    for name in track[0]:
        path = np.array([found[name] for found in [*track, track[0]]])
        speed = np.linalg.norm(np.diff(path, axis=0), axis=1) * 60.0
        assert speed.max() < 9.0, name  # meters a second; a jump would be far more


def test_feet_stand_on_the_floor() -> None:
    for found in script_joints(20.0):
        ankles = [found[f"{side}_ankle"][2] for side in SIDES]
        assert min(ankles) == pytest.approx(0.10, abs=1e-9)
        lowest = min(v[2] for v in found.values())
        assert 0.0 < lowest < 0.05


@pytest.mark.parametrize("gesture", GESTURES)
def test_one_arm_is_the_mirror_of_the_other(gesture: str) -> None:
    other = {"point_left": "point_right", "point_right": "point_left"}.get(gesture, gesture)
    skeleton = skeletons.get("blazepose33")
    swap = {skeleton.keypoints[a]: skeleton.keypoints[b] for a, b in skeleton.left_right}
    swap |= {b: a for a, b in swap.items()}
    # a stride begins with the left leg whatever the arm
    later = HELD_GESTURE_SECONDS / 4 if gesture == "walk" else 0.0
    left = held(gesture, "left", 0.25)
    right = held(other, "right", 0.25 + later)
    for name, position in left.items():
        mirrored = right[swap.get(name, name)] * (1.0, -1.0, 1.0)
        mirrored[0] += left["left_hip"][0] - right["left_hip"][0]
        np.testing.assert_allclose(position, mirrored, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("arm", SIDES)
@pytest.mark.parametrize(
    ("gesture", "direction", "least"),
    [
        ("point_left", (0, 1, 0), 0.25),
        ("point_right", (0, -1, 0), 0.25),
        ("point_forward", (1, 0, 0), 0.45),
        ("point_down", (0, 0, -1), 0.35),
        ("raise_hand", (0, 0, 1), 0.45),
        ("raise_hands", (0, 0, 1), 0.45),
    ],
)
def test_arm_points_in_the_requested_direction(
    gesture: str, direction: tuple[int, int, int], least: float, arm: Side
) -> None:
    found = held(gesture, arm)
    reach = found[f"{arm}_wrist"] - found[f"{arm}_shoulder"]
    assert reach @ np.array(direction) > least
    # the forearm tells the direction even across the body
    fore = found[f"{arm}_wrist"] - found[f"{arm}_elbow"]
    assert fore @ np.array(direction) / np.linalg.norm(fore) > 0.7


def test_pointing_down_differs_from_hanging() -> None:
    hanging, pointing = held("stand", "left"), held("point_down", "left")
    assert np.linalg.norm(hanging["left_wrist"] - pointing["left_wrist"]) > 0.2


def test_crossed_arms_cross_and_the_named_one_is_in_front() -> None:
    for arm, other in (SIDES, SIDES[::-1]):
        found = held("cross_arms", arm)
        inward = -1.0 if arm == "left" else 1.0
        assert inward * (found[f"{arm}_wrist"] - found[f"{other}_wrist"])[1] > 0.05
        middle = {s: (found[f"{s}_elbow"] + found[f"{s}_wrist"]) / 2 for s in SIDES}
        assert middle[arm][0] > middle[other][0] + 0.03


def test_stop_gesture_shows_the_palm() -> None:
    found = held("stop", "right")
    along = found["right_index"] - found["right_wrist"]
    thumbward = found["right_index"] - found["right_pinky"]
    assert along[2] > 0.08  # fingers up
    palm = np.cross(thumbward, along)
    assert palm[0] / np.linalg.norm(palm) > 0.8  # and the palm to the front


def test_wave_moves_the_hand_above_the_shoulder() -> None:
    track = [held("wave", "right", t) for t in np.arange(0, 2, 0.05)]
    wrists = np.array([found["right_wrist"] for found in track])
    assert np.ptp(wrists[:, 1]) > 0.15
    assert wrists[:, 2].min() > track[0]["right_shoulder"][2]


def test_walk_takes_steps_toward_the_camera_and_back() -> None:
    track = [held("walk", "right", t) for t in np.arange(0, 2, 0.05)]
    ahead = np.array([found["left_ankle"][0] - found["right_ankle"][0] for found in track])
    assert ahead.max() > 0.15
    assert ahead.min() < -0.15
    assert np.ptp([found["left_hip"][0] for found in track]) > 0.2


@pytest.mark.parametrize(
    ("gesture", "arm", "text"),
    [("jump", "left", "known: stand"), ("wave", "both", "left or right")],
)
def test_unknown_gesture_or_arm_is_refused(gesture: str, arm: Side, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        hold(gesture, arm)


def test_transition_begins_where_the_step_before_ended() -> None:
    script = (Step("stand", 1.0), Step("raise_hand", 1.0, "left"))
    before, after = (joints(posture_at(script, t)) for t in (1.0 - 1e-6, 1.0 + 1e-6))
    for name, position in before.items():
        np.testing.assert_allclose(position, after[name], atol=1e-5)
    reached = joints(posture_at(script, 1.5))
    np.testing.assert_allclose(reached["left_wrist"], held("raise_hand", "left")["left_wrist"])
