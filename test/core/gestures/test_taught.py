"""Gestures taught by examples: real hands of public sets, drawn hands, files that are wrong."""

import math

import numpy as np
import pytest

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.gestures.taught import FORMAT
from pose_ros.errors import DocumentError, OptionError

from .test_hand import drawn_hand

HAND = skeletons.get("blazehand21")


def turned(points, degrees):
    """Rotate points in the image."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ turn.T


def seen(shape, rng, *, roll=0.0, noise=0.002):
    """A drawn right hand in an image, with fingers up and y down: (21, 2) in no unit."""
    joints = drawn_hand(shape)
    points = np.array([joints[name] for name in HAND.keypoints])[:, :2] * (1, -1)
    return 1000 * turned(points + rng.normal(scale=noise, size=points.shape), roll) + (320, 240)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def taught(rng):
    """Three gestures of five examples each."""
    gestures = pose_ros.TaughtGestures()
    for shape in ("victory", "fist", "ok"):
        for roll in (-10, -5, 0, 5, 10):
            gestures.add(shape, seen(shape, rng, roll=roll))
    return gestures


@pytest.fixture(scope="module")
def real_hands(data):
    """(2225, 21, 2) real hands and their classes: open, closed and pointing."""
    path = data / "taught_gestures" / "hand_landmarks.csv"
    if not path.is_file():
        pytest.skip(f"no test data: {path} is missing (POSE_ROS_DATA names the folder)")
    rows = np.loadtxt(path, delimiter=",")
    return rows[:, 1:].reshape(-1, 21, 2), rows[:, 0].astype(int)


def teach(hands, classes, rng, count, left_out=None):
    """Teach some examples of each class, chosen at random; return them and the rest."""
    gestures, used = pose_ros.TaughtGestures(), []
    for label in sorted(set(classes.tolist()) - {left_out}):
        chosen = rng.choice(np.flatnonzero(classes == label), count, replace=False)
        used += chosen.tolist()
        for i in chosen:
            gestures.add(str(label), hands[i])
    return gestures, np.setdiff1d(np.arange(len(hands)), used)


def test_taught_shapes_are_named_and_others_are_not(taught, rng):
    for shape in ("victory", "fist", "ok"):
        name, confidence = taught.classify(seen(shape, rng))
        assert name == shape
        assert confidence > 0.9
    for shape in ("open_palm", "finger_point", "four"):
        name, confidence = taught.classify(seen(shape, rng))
        assert name is None
        assert confidence < 0.5


@pytest.mark.parametrize(("count", "least"), [(5, 0.95), (20, 0.98)])
def test_few_examples_of_real_hands_suffice(real_hands, count, least):
    hands, classes = real_hands
    rng = np.random.default_rng(count)
    right = []
    for _ in range(8):
        gestures, rest = teach(hands, classes, rng, count)
        asked = rng.choice(rest, 100, replace=False)
        right += [gestures.classify(hands[i])[0] == str(classes[i]) for i in asked]
    assert np.mean(right) >= least


def test_real_hands_that_were_not_taught_are_refused(real_hands):
    hands, classes = real_hands
    rng = np.random.default_rng(1)
    kept, refused = [], []
    for draw in range(12):
        gestures, rest = teach(hands, classes, rng, 5, left_out=draw % 3)
        for i in rng.choice(rest, 100, replace=False):
            named = gestures.classify(hands[i])[0] is not None
            if classes[i] == draw % 3:
                refused.append(not named)
            else:
                kept.append(named)
    assert np.mean(refused) >= 0.9
    assert np.mean(kept) >= 0.97


def test_position_size_unit_and_side_do_not_change_the_name(taught, rng):
    hand = seen("victory", rng)
    name, confidence = taught.classify(hand)
    for same in (hand * 0.01 - 5.0, hand * (-1, 1), np.c_[hand, rng.normal(size=21)]):
        again, sure = taught.classify(same)
        assert again == name == "victory"
        assert sure == pytest.approx(confidence, abs=1e-6)


def test_small_tilt_keeps_the_name_and_thumb_up_is_not_thumb_down(rng):
    gestures = pose_ros.TaughtGestures()
    for roll in (-8, -4, 0, 4, 8):
        gestures.add("up", seen("thumb_up", rng, roll=roll - 90))
    assert gestures.classify(seen("thumb_up", rng, roll=-65))[0] == "up"
    down = seen("thumb_up", rng, roll=-90) * (1, -1)
    name, confidence = gestures.classify(down)
    assert name is None
    assert confidence == pytest.approx(0.0, abs=0.3)


def test_examples_in_all_directions_make_the_direction_irrelevant(rng):
    gestures = pose_ros.TaughtGestures()
    for roll in range(0, 360, 72):
        gestures.add("fist", seen("fist", rng, roll=roll))
    for roll in range(36, 396, 72):
        assert gestures.classify(seen("fist", rng, roll=roll))[0] == "fist"


def test_one_wrong_example_among_many_changes_no_name(rng):
    gestures = pose_ros.TaughtGestures()
    for _ in range(19):
        gestures.add("fist", seen("fist", rng))
    gestures.add("fist", seen("open_palm", rng))
    assert gestures.classify(seen("open_palm", rng))[0] is None
    assert gestures.classify(seen("fist", rng))[0] == "fist"


def test_hand_with_missing_landmarks_has_no_name(taught, rng):
    hand = seen("fist", rng)
    hand[7] = np.nan
    assert taught.classify(hand) == (None, 0.0)
    assert taught.classify(np.zeros((21, 2))) == (None, 0.0)
    assert pose_ros.TaughtGestures().classify(seen("fist", rng)) == (None, 0.0)


def test_saved_gestures_are_loaded_unchanged(taught, rng, tmp_path):
    path = tmp_path / "mine.yaml"
    taught.save(path)
    loaded = pose_ros.TaughtGestures.load(path)
    assert loaded.counts == {"victory": 5, "fist": 5, "ok": 5}
    for shape in ("victory", "fist", "ok", "four"):
        hand = seen(shape, rng)
        assert loaded.classify(hand) == taught.classify(hand)
    other = pose_ros.TaughtGestures("coco17")
    assert other.load(path) is other
    assert other.counts == taught.counts


def test_a_gesture_can_be_removed(taught, rng):
    taught.remove("fist")
    assert taught.classify(seen("fist", rng))[0] is None
    with pytest.raises(OptionError, match="was not taught; known: victory, ok"):
        taught.remove("fist")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no taught gestures"),
        ("- 1\n", "holds no taught gestures"),
        ("\x00\x01", "is not valid YAML"),
        (f"{FORMAT}: 2\n", "is of version 2; this pose_ros reads version 1"),
        (f"{FORMAT}: 1\njoints: blazehand21\n", "expected names with examples"),
        (f"{FORMAT}: 1\njoints: hand9\ngestures: {{}}\n", "unknown skeleton 'hand9'"),
        (f"{FORMAT}: 1\njoints: blazehand21\ngestures: {{a: [1 2]}}\n", "expected landmarks"),
        (f"{FORMAT}: 1\njoints: blazehand21\ngestures: {{a: {{b: c}}}}\n", "expected landmarks"),
        (f"{FORMAT}: 1\njoints: blazehand21\ngestures: {{a: [x y]}}\n", "expected landmarks"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(content)
    with pytest.raises(DocumentError, match=message) as raised:
        pose_ros.TaughtGestures.load(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "landmarks", "message"),
    [
        ("", np.zeros((21, 2)), "expected a gesture's name"),
        ("two\nlines", np.zeros((21, 2)), "expected a gesture's name"),
        ("mine", np.zeros((20, 2)), r"expected landmarks of blazehand21 as \(21, 2\) or"),
        ("mine", "nothing", "expected landmarks"),
        ("mine", np.full((21, 2), np.nan), "joints are NaN, or all are one point"),
        ("mine", np.zeros((21, 2)), "joints are NaN, or all are one point"),
    ],
)
def test_invalid_example_is_refused(name, landmarks, message):
    with pytest.raises(OptionError, match=message):
        pose_ros.TaughtGestures().add(name, landmarks)


def body(rng, arms, missing=()):
    """A body of coco17 that stands, with its arms ``up``, ``down`` or at one side; y down."""
    skeleton = skeletons.get("coco17")
    points = np.full((17, 2), np.nan)
    rise = {"left": arms in ("up", "left"), "right": arms in ("up", "right")}
    for sign, side in ((1, "left"), (-1, "right")):
        way = -1 if rise[side] else 1
        for joint, x, y in (
            *(("shoulder", 20, 0), ("elbow", 25, 28 * way), ("wrist", 27, 54 * way)),
            *(("hip", 12, 55), ("knee", 13, 97), ("ankle", 14, 138)),
        ):
            points[skeleton.index(f"{side}_{joint}")] = sign * x, y
    points += rng.normal(scale=1.0, size=points.shape)
    for joint in missing:
        points[skeleton.index(joint)] = np.nan
    return points


def test_body_keeps_left_and_right_and_may_lack_joints_that_examples_lack(rng):
    legs = ("left_knee", "right_knee", "left_ankle", "right_ankle")
    gestures = pose_ros.TaughtGestures(joints="coco17")
    for _ in range(5):
        gestures.add("left", body(rng, "left", legs))
        gestures.add("up", body(rng, "up"))
    assert gestures.classify(body(rng, "left"))[0] == "left"
    assert gestures.classify(body(rng, "left", legs))[0] == "left"
    assert gestures.classify(body(rng, "right"))[0] is None
    assert gestures.classify(body(rng, "up"))[0] == "up"
    assert gestures.classify(body(rng, "up", ("left_wrist",))) == (None, 0.0)


def moments(hand, score=0.8, side="right"):
    """One hand without a body, as an estimator of hands finds it."""
    return pose_ros.Poses(
        skeleton=HAND,
        ids=[7],
        scores=[0.9],
        boxes=np.zeros((1, 4)),
        keypoints=hand[None],
        keypoint_scores=np.full((1, 21), score),
        labels=(side,),
    )


def test_a_recognizer_holds_and_releases_a_taught_gesture(rng, tmp_path):
    path = tmp_path / "mine.yaml"
    gestures = pose_ros.TaughtGestures()
    for _ in range(5):
        gestures.add("three", seen("three", rng))
    gestures.save(path)
    recognizer = pose_ros.GestureRecognizer(pose_ros.GestureOptions(taught=str(path)))
    events = []
    for i in range(40):
        hand = seen("three" if i < 20 else "open_palm", rng)
        for gesture in recognizer.update(moments(hand), i * 0.1):
            if gesture.name == "three":
                events.append((i, gesture.event, gesture.side, gesture.person))
                assert gesture.confidence > 0.5
                assert gesture.since == 0.0
    assert events[0] == (4, "started", "right", 7)
    assert [event for _, event, *_ in events[1:-1]] == ["held"] * (len(events) - 2)
    assert events[-1] == (21, "ended", "right", 7)


def test_taught_gesture_may_not_have_the_name_of_a_built_in_one(rng, tmp_path):
    gestures = pose_ros.TaughtGestures()
    gestures.add("fist", seen("three", rng))
    gestures.save(tmp_path / "mine.yaml")
    options = pose_ros.GestureOptions(taught=str(tmp_path / "mine.yaml"))
    with pytest.raises(OptionError, match="fist is the name of a gesture that is built in"):
        pose_ros.GestureRecognizer(options)
    missing = pose_ros.GestureOptions(taught=str(tmp_path / "none.yaml"))
    with pytest.raises(DocumentError, match="cannot read .*none.yaml"):
        pose_ros.GestureRecognizer(missing)
