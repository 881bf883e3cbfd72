"""Hands at the wrists of bodies, around networks that answer from a script."""

import dataclasses

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region
from pose_ros.core.types import Poses
from pose_ros.errors import ImageError, OptionError
from pose_ros.networks import body_hands
from pose_ros.networks.body_hands import BodyHands, hand_regions
from pose_ros.settings.estimation import EstimatorOptions

CONTRACT = Contract("blazehand-full", skeletons.get("blazehand21"))
BODY = skeletons.get("blazepose33")
IMAGE = np.zeros((480, 640, 3), np.uint8)
KNUCKLES = np.array([[-20, -20], [0, -20], [20, -20], [40, -20]])
HAND = np.vstack(
    [[[0, 40], [-25, 25], [-40, 5], [-50, -10], [-60, -25]]]
    + [[knuckle, knuckle - [0, 30], knuckle - [0, 50], knuckle - [0, 70]] for knuckle in KNUCKLES]
).astype(np.float32)
"""An upright hand around the middle of its palm."""


def make_bodies(*people, ids=None, skeleton=BODY):
    """People with upright hands: a pair of palms each, in pixels, left one first."""
    count = len(people)
    keypoints = np.full((count, len(skeleton), 2), 5.0, np.float32)
    for person, palms in enumerate(people):
        for side, palm in zip(("left", "right"), palms, strict=True):
            for joint, offset in (("wrist", (0, 40)), ("pinky", (40, -20)), ("index", (-20, -20))):
                index = skeleton.index(f"{side}_{joint}")
                keypoints[person, index] = np.add(palm, offset)
    return Poses(
        skeleton,
        np.arange(count) if ids is None else ids,
        np.ones(count),
        np.zeros((count, 4)),
        keypoints,
        np.full((count, len(skeleton)), 0.9, np.float32),
    )


@dataclasses.dataclass
class Drawn:
    """A hand of the scene: the middle of its palm in pixels, and how it looks."""

    x: float
    y: float
    left: float  # probability that it is the person's own left one
    presence: float = 0.8


class Recrop:
    """Answers with the middle of its input and a point straight below."""

    provider = "cpu"
    counts: list[int]

    def __init__(self):
        self.counts = []

    def run(self, tensor):
        assert tensor.shape[1:] == (3, 256, 256)
        self.counts.append(len(tensor))
        points = np.float32([128, 128, 128, 228])
        return [np.tile(points, (len(tensor), 1)).reshape(-1, 4, 1, 1)]


class Landmarks:
    """Sees in each region the hand nearest to its middle, if there is one within it."""

    provider = "cpu"

    def __init__(self, scene):
        self.scene = scene
        self.regions = []  # of the next run

    def run(self, tensor):
        assert tensor.shape == (len(self.regions), 3, 224, 224)
        answers = [self._see(region) for region in self.regions]
        return [np.stack(values) for values in zip(*answers, strict=True)]

    def _see(self, region):
        away = {np.hypot(h.x - region.x, h.y - region.y): h for h in self.scene}
        world = np.tile(np.float32([0.01, -0.02, 0.03]), 21)
        if not away or min(away) > 0.4 * region.size:
            return np.zeros(63, np.float32), np.float32([0.01]), np.float32([0.5]), world
        hand = away[min(away)]
        inverse = np.linalg.inv(np.vstack([region.matrix(), [0, 0, 1]]))
        unit = np.c_[HAND + [hand.x, hand.y], np.ones(21)] @ inverse.T
        raw = np.float32(np.c_[224 * unit[:, :2], np.zeros(21)])
        return raw.ravel(), np.float32([hand.presence]), np.float32([1 - hand.left]), world


def make(scene, **options):
    """An estimator over a scripted scene, a list that the test may change between frames."""
    recrop, landmarks = Recrop(), Landmarks(scene)
    sessions = {"recrop": recrop, "landmarks": landmarks}
    estimator = BodyHands(CONTRACT, sessions, EstimatorOptions(**options))
    find = estimator.find_landmarks

    def recorded(image, channels, regions):
        landmarks.regions = list(regions)
        return find(image, channels, regions)

    estimator.find_landmarks = recorded
    return estimator, recrop, landmarks


def test_a_body_has_two_hands_where_its_wrists_are():
    found = hand_regions(
        make_bodies([(400, 200), (200, 210)], [(600, 100), (500, 100)], ids=[7, 3])
    )
    assert [(w.person, w.side, w.id) for w in found] == [
        (7, 0, 14),
        (7, 1, 15),
        (3, 0, 6),
        (3, 1, 7),
    ]
    # two thirds of the way from the little finger's knuckle to the index finger's: 60 up
    assert (found[0].region.x, found[0].region.y) == pytest.approx((400, 180 - 0.1 * 120))
    assert (found[0].region.size, found[0].region.rotation) == pytest.approx((2.7 * 120, 0))


def test_missing_wrist_has_no_hand():
    bodies = make_bodies([(400, 200), (200, 200)])
    scores = np.array(bodies.keypoint_scores)
    scores[0, BODY.index("left_wrist")] = 0.05
    assert [w.side for w in hand_regions(bodies.replace(keypoint_scores=scores))] == [1]
    keypoints = np.array(bodies.keypoints)
    keypoints[0, BODY.index("right_index")] = np.nan
    assert [w.side for w in hand_regions(bodies.replace(keypoints=keypoints))] == [0]
    keypoints[:] = 100  # all in one place
    assert hand_regions(bodies.replace(keypoints=keypoints)) == []


def test_upper_body_skeleton_is_accepted_and_a_hand_skeleton_is_refused():
    upper = skeletons.get("blazepose33_upper_body")
    assert len(hand_regions(make_bodies([(400, 200), (200, 200)], skeleton=upper))) == 2
    with pytest.raises(OptionError, match="left_wrist"):
        hand_regions(Poses.empty(skeletons.get("blazehand21")))


def test_recrop_turns_with_its_points():
    region = Region(x=300, y=200, size=256)
    found = body_hands.decode_recrop(np.float32([138, 128, 38, 128]), region)  # below: to the left
    assert found.size == pytest.approx(200)
    assert found.rotation == pytest.approx(np.pi / 2)
    assert (found.x, found.y) == pytest.approx((310 + 20, 200))
    assert body_hands.decode_recrop(np.float32([9, 9, 9, 9]), region) is None


def test_hands_have_side_and_id_of_their_body():
    scene = [Drawn(400, 200, left=0.9), Drawn(200, 200, left=0.3)]
    estimator, recrop, _ = make(scene)
    hands = estimator.estimate(IMAGE, make_bodies([(400, 200), (200, 200)], ids=[5]))
    assert hands.skeleton is estimator.skeleton
    assert hands.ids.tolist() == [10, 11]
    assert hands.labels == ("left", "right")
    assert np.allclose(hands.label_scores, [0.9, 0.7])
    assert np.allclose(hands.keypoints[0], HAND + [400, 200], atol=0.02)
    assert recrop.counts == [2]


def test_no_people_give_no_hands():
    estimator, recrop, _ = make([])
    hands = estimator.estimate(IMAGE, Poses.empty(BODY))
    assert len(hands) == 0
    assert hands.skeleton.name == "blazehand21"
    assert recrop.counts == []


def test_tracked_hands_are_not_searched_again():
    scene = [Drawn(400, 200, left=0.9), Drawn(200, 200, left=0.1)]
    estimator, recrop, _ = make(scene, smoothing=False)
    for i in range(10):
        scene[0].x = 400 + 5 * i
        bodies = make_bodies([(400 + 5 * i, 200), (200, 200)])
        hands = estimator.estimate(IMAGE, bodies, i / 30)
        assert hands.ids.tolist() == [0, 1]
        assert np.allclose(hands.keypoints[0], HAND + [scene[0].x, 200], atol=0.02)
    assert recrop.counts == [2]


def test_lost_hand_is_searched_in_the_same_frame():
    scene = [Drawn(400, 200, left=0.9), Drawn(200, 200, left=0.1)]
    estimator, recrop, _ = make(scene, smoothing=False)
    estimator.estimate(IMAGE, make_bodies([(400, 200), (200, 200)]), 0.0)
    scene[0].x = 600  # too far for the track; the body has it there
    hands = estimator.estimate(IMAGE, make_bodies([(600, 200), (200, 200)]), 0.1)
    assert hands.ids.tolist() == [0, 1]
    assert np.allclose(hands.keypoints[0], HAND + [600, 200], atol=0.02)
    assert recrop.counts == [2, 1]


def test_wrist_without_a_hand_is_searched_only_from_time_to_time():
    scene = [Drawn(400, 200, left=0.9)]
    estimator, recrop, _ = make(scene, smoothing=False)
    bodies = make_bodies([(400, 200), (200, 200)])
    runs = []
    for i in range(13):
        if i == 4:
            scene.append(Drawn(200, 200, left=0.1))
        found = estimator.estimate(IMAGE, bodies, i / 32).ids.tolist()
        runs.append(len(recrop.counts))
        # there from frame 4 on, looked for again in frame 7, at 0.21 s
        assert found == ([0] if i < 7 else [0, 1])
    assert runs == [1] * 7 + [2] * 6
    assert recrop.counts == [2, 1]
    # just lost: looked for at once, then no more for a while
    del scene[:]
    for i in range(13, 16):
        assert len(estimator.estimate(IMAGE, bodies, i / 32)) == 0
    assert recrop.counts == [2, 1, 2]


def test_wrist_that_appears_again_is_searched_at_once():
    scene = [Drawn(400, 200, left=0.9)]
    estimator, recrop, _ = make(scene)
    assert len(estimator.estimate(IMAGE, make_bodies([(100, 400), (5, 5)]), 0.0)) == 0
    estimator.estimate(IMAGE, Poses.empty(BODY), 0.03)
    assert len(estimator.estimate(IMAGE, make_bodies([(400, 200), (5, 5)]), 0.06)) == 1
    assert recrop.counts == [2, 2]


def test_static_searches_each_wrist_in_each_image():
    estimator, recrop, _ = make([], static=True)
    for i in range(3):
        estimator.estimate(IMAGE, make_bodies([(400, 200), (200, 200)]), i / 32)
    assert recrop.counts == [2, 2, 2]


def test_track_ends_on_a_hand_of_another_body():
    scene = [Drawn(400, 200, left=0.9)]
    estimator, _, _ = make(scene, smoothing=False)
    estimator.estimate(IMAGE, make_bodies([(400, 200), (5, 5)]), 0.0)
    hands = estimator.estimate(IMAGE, make_bodies([(100, 400), (5, 5)]), 0.1)
    assert len(hands) == 0


def test_two_wrists_at_the_same_hand_give_one_hand():
    """It goes to the side that it looks like."""
    for left, label in ((0.8, "left"), (0.2, "right")):
        estimator, _, _ = make([Drawn(300, 200, left=left)])
        hands = estimator.estimate(IMAGE, make_bodies([(290, 200), (310, 200)]))
        assert hands.labels == (label,)


def test_smoothing_is_off_for_static_and_after_a_time_jump_back():
    for options, stamp, lagging in (
        ({}, 1 / 30, True),
        ({"smoothing": False}, 1 / 30, False),
        ({"static": True}, 1 / 30, False),
        ({}, -1.0, False),
    ):
        scene = [Drawn(400, 200, left=0.9)]
        estimator, _, _ = make(scene, **options)
        estimator.estimate(IMAGE, make_bodies([(400, 200), (5, 5)]), 0.0)
        scene[0].x = 410
        hands = estimator.estimate(IMAGE, make_bodies([(410, 200), (5, 5)]), stamp)
        lag = 410 - hands.keypoints[0, 0, 0]
        assert (0.05 < lag < 9) if lagging else lag == pytest.approx(0, abs=0.02)


def test_hands_below_min_tracking_confidence_are_dropped():
    estimator, _, _ = make([Drawn(400, 200, left=0.9)], min_tracking_confidence=0.9)
    assert len(estimator.estimate(IMAGE, make_bodies([(400, 200), (5, 5)]))) == 0


def test_invalid_image_is_refused():
    estimator, _, _ = make([])
    with pytest.raises(ImageError):
        estimator.estimate(IMAGE[..., 0], Poses.empty(BODY))
