"""Gestures from true joints: their events, their ends, and unknown joints."""

import math
import re

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.gestures.body import swings, view_body
from pose_ros.core.gestures.hold import Hold, JointMemory, Joints
from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import NAMES, GestureRecognizer
from pose_ros.core.types import Poses, PositionSource, hand_id
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import GestureOptions
from pose_ros.synthetic.actor import GESTURES
from pose_ros.synthetic.figure import joints

SKELETON = skeletons.get("blazepose33")
PERIOD = 1 / 15
# from the axes of the actor (out of the chest, left, up) to those of a camera 3 m ahead
TO_CAMERA = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])


def person(gesture, arm="right", seconds=0.0, *, id_=7, missing=(), score=0.9, space="camera"):
    found = joints(GESTURES[gesture](seconds, arm))
    points = np.array([found[name] for name in SKELETON.keypoints]) @ TO_CAMERA.T
    points += (0.0, 1.0, 3.0)
    pixels = 500.0 * points[:, :2] / points[:, 2:] + (320.0, 240.0)
    scores = np.full(33, score)
    for name in missing:
        i = SKELETON.index(name)
        points[i] = pixels[i] = np.nan
        scores[i] = 0.0
    metric = {} if space == "image" else {space: points[None]}
    return Poses(
        skeleton=SKELETON,
        ids=[id_],
        scores=[0.9],
        boxes=np.zeros((1, 4)),
        keypoints=pixels[None],
        keypoint_scores=scores[None],
        **metric,
    )


def play(recognizer, seconds, make, start=0.0):
    """Show a person at 15 Hz; return (stamp, gesture) of each gesture event."""
    reported = []
    for i in range(round(seconds / PERIOD)):
        stamp = start + i * PERIOD
        reported += [(stamp, gesture) for gesture in recognizer.update(make(stamp), stamp)]
    return reported


@pytest.mark.parametrize("space", ["camera", "world", "image"])
@pytest.mark.parametrize("arm", ["left", "right"])
def test_pointing_arm_gives_started_held_and_ended_events(arm, space):
    recognizer = GestureRecognizer()
    gesture = f"point_{arm}"
    reported = play(recognizer, 1.0, lambda _: person(gesture, arm, score=0.8, space=space))
    assert {(g.name, g.side, g.person) for _, g in reported} == {("point", arm, 7)}
    assert [g.event for _, g in reported] == ["started"] + ["held"] * (len(reported) - 1)
    stamp, first = reported[0]
    # what rests is seen from the moment on at which its speed is known
    assert first.since == pytest.approx(4 * PERIOD)
    assert stamp - first.since == pytest.approx(0.4)
    assert first.confidence == pytest.approx(0.8)
    reported = play(recognizer, 1.0, lambda _: person("stand"), start=1.0)
    assert reported[-1][1].event == "ended"
    assert reported[-1][0] <= 1.0 + 0.15 + PERIOD
    assert reported[-1][1].ray is None


def test_ray_points_away_from_the_body():
    reported = play(GestureRecognizer(), 1.0, lambda _: person("point_left", "left"))
    ray = reported[0][1].ray
    assert ray.metric
    assert ray.direction[0] > 0.95  # their left is the camera's right, as they face it
    reported = play(GestureRecognizer(), 1.0, lambda _: person("point_forward"))
    assert reported[0][1].ray.direction[2] < -0.9
    for kind in ("elbow_wrist", "eye_wrist"):
        options = GestureOptions(ray=kind)
        reported = play(GestureRecognizer(options), 1.0, lambda _: person("point_down"))
        assert reported[0][1].ray.direction[1] > 0.5
    reported = play(GestureRecognizer(), 1.0, lambda _: person("point_left", "left", space="image"))
    ray = reported[0][1].ray
    assert not ray.metric
    assert ray.direction[0] > 0.95
    assert ray.direction[2] == ray.origin[2] == 0.0
    reported = play(GestureRecognizer(), 1.0, lambda _: person("point_left", "left", space="world"))
    assert np.isnan(reported[0][1].ray.origin).all()


@pytest.mark.parametrize("joint", ["shoulder", "elbow", "wrist"])
@pytest.mark.parametrize(
    "gesture", ["point_left", "raise_hand", "t_pose", "cross_arms", "stop", "wave", "come_here"]
)
def test_gesture_without_a_needed_joint_does_not_start(gesture, joint):
    missing = [f"left_{joint}"]
    reported = play(GestureRecognizer(), 3.0, lambda t: person(gesture, "left", t, missing=missing))
    assert [g for _, g in reported if g.side != "right"] == []


def test_joints_below_the_score_threshold_count_as_missing():
    make = lambda _: person("point_left", "left", score=0.4)  # noqa: E731
    assert play(GestureRecognizer(), 1.0, make) == []
    assert play(GestureRecognizer(GestureOptions(min_score=0.3)), 1.0, make) != []


def test_joint_may_be_missing_only_for_a_short_time():
    recognizer = GestureRecognizer()
    assert play(recognizer, 1.0, lambda _: person("point_left", "left"))
    gone = person("point_left", "left", missing=["left_wrist"])
    events = [g.event for _, g in play(recognizer, 0.4, lambda _: gone, start=1.0)]
    assert events[:2] == ["held", "held"]
    assert events[-1] == "ended"
    assert len(events) <= 4


def test_gestures_end_when_person_is_gone():
    recognizer = GestureRecognizer()
    play(recognizer, 1.0, lambda _: person("point_left", "left"))
    reported = play(recognizer, 1.0, lambda _: Poses.empty(SKELETON), start=1.0)
    assert [g.event for _, g in reported] == ["ended"]
    assert reported[0][0] <= 1.0 + 0.2 + PERIOD


@pytest.mark.parametrize("stamp", [0.2, 3.0])
def test_stamp_jump_ends_all_gestures(stamp):
    recognizer = GestureRecognizer()
    play(recognizer, 1.0, lambda _: person("point_left", "left"))
    reported = recognizer.update(person("point_left", "left"), stamp)
    assert [g.event for g in reported] == ["ended"]


def test_raised_hand_follows_gravity_and_not_the_image():
    recognizer = GestureRecognizer()
    lying = [0.0, 0.0, 1.0]  # the camera looks at the ceiling
    reported = [recognizer.update(person("raise_hand"), i * PERIOD, up=lying) for i in range(15)]
    assert "raise_hand" not in {gesture.name for gestures in reported for gesture in gestures}
    with pytest.raises(OptionError, match="up"):
        recognizer.update(person("stand"), 1.0, up=[0.0, 0.0, 0.0])


def test_two_raised_hands_mean_what_the_option_says():
    def reported(stop, gesture):
        found = play(GestureRecognizer(GestureOptions(stop=stop)), 1.0, lambda _: person(gesture))
        return {(g.name, g.side) for _, g in found}

    assert reported("palm", "raise_hands") == {("raise_hand", "both")}
    assert reported("both_up", "raise_hands") == {("stop", "both")}
    assert reported("either", "raise_hands") == {("stop", "both")}
    assert reported("palm", "stop") == {("stop", "right")}
    assert reported("both_up", "stop") == set()
    assert reported("either", "stop") == {("stop", "right")}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"hold_time": -0.1}, "hold_time"),
        ({"min_score": math.nan}, "min_score"),
        ({"max_gap": 0.0}, "max_gap"),
        ({"ray": "nose"}, "ray"),
        ({"stop": "never"}, "stop"),
    ],
)
def test_out_of_range_options_are_refused(options, expected):
    with pytest.raises(OptionError, match=expected):
        GestureOptions(**options)


def test_hold_bridges_contradiction_but_not_missing_joints():
    hold = Hold()
    steps = [hold.step(seen, i * 0.1, 0.2, 0.1) for i, seen in enumerate([1, 0, 1, 0, 1, 0, 0])]
    assert steps == [None, None, "started", "held", "held", "held", "ended"]
    hold = Hold()
    assert [hold.step(True, 0.0, 0.0, 1.0), hold.step(None, 0.1, 0.0, 1.0)] == ["started", "ended"]
    assert math.isnan(hold.since)


def test_movement_that_does_not_return_is_no_wave():
    stamps = [0.1 * i for i in range(9)]
    values = [0, 10, 20, 18, 30, 10, 0, 12, 25]
    found = swings(stamps, values, 10.0)
    assert [(round(s.start, 1), round(s.end, 1), s.size) for s in found] == [
        (0.0, 0.4, 30),
        (0.4, 0.6, -30),
        (0.6, 0.8, 25),
    ]
    assert swings(stamps, [0, 1, 0, 2, 0, 3, 0, 4, 0], 10.0) == []
    assert swings([], [], 1.0) == []


def test_missing_joint_is_assumed_to_move_with_the_body():
    memory = JointMemory()
    points, values = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 3.0]]), np.ones((2, 1))
    memory.fill(points, values, 0.0, 0.2)
    moved = points + (0.1, 0.0, 0.0)
    moved[1] = np.nan
    filled, _ = memory.fill(moved, 0 * values, 0.1, 0.2)
    np.testing.assert_allclose(filled[1], (1.1, 0.0, 3.0))
    filled, _ = memory.fill(moved, 0 * values, 0.3, 0.2)
    assert np.isnan(filled[1]).all()


def test_direction_towards_the_camera_is_unknown_without_meters():
    points = {
        "left_shoulder": np.array([340.0, 100.0, 0.0]),
        "left_elbow": np.array([340.0, 150.0, 0.0]),
        "left_wrist": np.array([340.0, 190.0, 0.0]),
    }
    joints = Joints(points, dict.fromkeys(points, 1.0), {}, frozenset(), "image")
    up = np.array([0, -1.0, 0])
    view = view_body(joints, joints, joints, stamp=0.0, up=up, palms={})
    assert view.right is None
    # one shoulder alone does not show which way is outwards
    assert np.isnan(view.left.line[:2]).all()
    assert view.left.line[2] == pytest.approx(-1.0)


def palm(of: Poses, side: int, *, turned: bool) -> Poses:
    """An open hand of the person, upright, that shows the camera its palm or its back."""
    skeleton = skeletons.get("blazehand21")
    points = {"wrist": (0.0, 0.0, 0.0)}
    points |= dict(
        zip(
            ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
            ((0.02, -0.02, 0.0), (0.05, -0.045, 0.0), (0.075, -0.06, 0.0), (0.1, -0.075, 0.0)),
            strict=True,
        )
    )
    for i, finger in enumerate(("index", "middle", "ring", "pinky")):
        x = 0.025 - 0.02 * i
        for joint, y in (("mcp", 0.09), ("pip", 0.135), ("dip", 0.16), ("tip", 0.185)):
            points[f"{finger}_{joint}"] = (x, -y, 0.0)
    world = np.array([points[name] for name in skeleton.keypoints])
    world[:, 0] *= -1.0 if turned else 1.0  # a right hand's thumb is to the right of its palm
    return Poses(
        skeleton=skeleton,
        ids=[hand_id(int(of.ids[0]), side)],
        scores=[0.9],
        boxes=np.zeros((1, 4)),
        keypoints=1000.0 * world[None, :, :2] + 300.0,
        keypoint_scores=np.ones((1, 21)),
        world=world[None],
        labels=("right",),
    )


def told_with_hand(gesture: str, *, turned: bool) -> set[tuple[str, str]]:
    recognizer, poses = GestureRecognizer(), person(gesture)
    hands = palm(poses, 1, turned=turned)
    return {
        (g.name, g.side)
        for i in range(15)
        for g in recognizer.update(poses, i / 15, hands=hands)
        if g.name in ("stop", "point", "raise_hand")
    }


def test_a_hand_held_out_means_stop_only_with_its_palm_to_the_camera():
    assert told_with_hand("stop", turned=False) == {("stop", "right")}
    assert told_with_hand("stop", turned=True) == set()


def test_stretched_arm_with_its_palm_to_the_camera_stops_and_does_not_point():
    assert told_with_hand("point_forward", turned=False) == {("stop", "right")}
    assert told_with_hand("point_forward", turned=True) == {("point", "right")}


def test_a_raised_hand_engages_only_while_the_other_arm_hangs():
    def reported(missing=()):
        frames = play(GestureRecognizer(), 1.0, lambda _: person("raise_hand", missing=missing))
        return {g.name for _, g in frames}

    assert reported() == {"raise_hand"}
    assert reported(["left_wrist"]) == set()


def seen_to_lift(shape: float, meters: float) -> set[str]:
    """Return the gestures of an arm whose shape and meters are raised by different degrees."""
    points = {}
    for space, lift in (("world", shape), ("camera", meters)):
        found = joints(GESTURES["stand"](0.0, "right"))
        aside = np.array([0.0, -np.sin(np.radians(lift)), -np.cos(np.radians(lift))])
        found["right_elbow"] = found["right_shoulder"] + 0.3 * aside
        found["right_wrist"] = found["right_shoulder"] + 0.55 * aside
        placed = np.array([found[name] for name in SKELETON.keypoints]) @ TO_CAMERA.T
        points[space] = (placed + (0.0, 1.0, 3.0))[None]
    poses = person("stand").replace(
        **points,
        camera_sources=np.full((1, 33), PositionSource.MODEL, np.uint8),
        camera_sigmas=np.full((1, 33), 0.05, np.float32),
    )
    return {gesture.name for _, gesture in play(GestureRecognizer(), 1.5, lambda _: poses)}


def test_pointing_direction_is_from_meters_where_they_are_known():
    assert seen_to_lift(40.0, 40.0) == {"point"}
    assert seen_to_lift(24.0, 30.0) == {"point"}
    assert seen_to_lift(30.0, 18.0) == set()


def test_an_arm_whose_meters_and_shape_disagree_does_not_point():
    assert seen_to_lift(15.0, 40.0) == set()


def test_every_gesture_is_on_the_reference_page_and_in_the_message(checkout):
    known = {*NAMES, *POSTURE_NAMES}
    page = (checkout / "docs/reference/gestures.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    assert {name for cell in cells for name in re.findall("`(.+?)`", cell)} == known
    message = (checkout / "msg/Gesture.msg").read_text(encoding="utf-8")
    comment = message[message.index("string name") : message.index("string side")]
    listed = re.findall(r"\w+(?=[,;\n])", re.sub("# of an arm:|of a hand:|of a body:", "", comment))
    assert set(listed) == known
