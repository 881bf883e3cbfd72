"""BlazeHand around networks that answer from a script: regions, tracks, options.

The real networks are measured in ``test/accuracy``; here stands the code around
them, with sessions that know where hands are drawn and answer as the networks would.
"""

import dataclasses

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region
from pose_ros.errors import ImageError
from pose_ros.networks import blazehand
from pose_ros.networks.blazehand import BlazeHand
from pose_ros.settings.estimation import EstimatorOptions

CONTRACT = Contract("blazehand-full", skeletons.get("blazehand21"))
WIDTH, HEIGHT = 640, 480
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
FINGERS = [[x, y] for x in (-20, 0, 20, 40) for y in (-20, -50, -70, -90)]
HAND = np.array([[0, 40], [-25, 25], [-40, 5], [-50, -10], [-60, -25], *FINGERS], np.float32)
"""An upright hand, 100 pixels wide and 130 high, around the middle of its palm."""


@dataclasses.dataclass
class Drawn:
    """A hand of the scene: the middle of its palm in pixels, and how it looks."""

    x: float
    y: float
    left: float = 0.9  # probability that it is the person's own left one
    presence: float = 0.8


class Detector:
    """Answers with the palms of ``scene``."""

    provider = "cpu"

    def __init__(self, scene):
        self.scene = scene
        self.runs = 0

    def run(self, tensor):
        assert tensor.shape[1:] == (3, 192, 192)
        self.runs += 1
        boxes = np.zeros((len(tensor), 2016, 18), np.float32)
        scores = np.full((len(tensor), 2016, 1), -100, np.float32)
        square = Region.letterbox(WIDTH, HEIGHT)
        corner = np.array([square.x, square.y]) - square.size / 2
        for i, hand in enumerate(self.scene):
            anchor = 100 + 300 * i
            center = blazehand.ANCHORS[anchor]
            points = np.array([hand.x, hand.y]) + HAND[[0, 5, 9, 13, 17, 1, 2]]
            middle = (np.array([hand.x, hand.y]) - corner) / square.size
            boxes[0, anchor, :2] = 192 * (middle - center)
            boxes[0, anchor, 2:4] = 192 * 80 / square.size
            boxes[0, anchor, 4:] = (192 * ((points - corner) / square.size - center)).ravel()
            scores[0, anchor] = 3 - i
        return [boxes, scores]


class Landmarks:
    """Sees in each region the hand nearest to its middle, if there is one within it."""

    provider = "cpu"

    def __init__(self, scene):
        self.scene = scene
        self.regions = []  # of the next run
        self.runs = 0

    def run(self, tensor):
        assert tensor.shape == (len(self.regions), 3, 224, 224)
        self.runs += 1
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
        raw = np.float32(np.c_[224 * unit[:, :2], np.full(21, 22.4)])
        return raw.ravel(), np.float32([hand.presence]), np.float32([1 - hand.left]), world


def record_regions(estimator, landmarks):
    """Let the scripted network know which regions its input was cut out of."""
    find = estimator.find_landmarks

    def recorded(image, channels, regions):
        landmarks.regions = list(regions)
        return find(image, channels, regions)

    estimator.find_landmarks = recorded


def make(scene, **options):
    """An estimator over a scripted scene, a list that the test may change between frames."""
    sessions = {"detector": Detector(scene), "landmarks": Landmarks(scene)}
    estimator = BlazeHand(CONTRACT, sessions, EstimatorOptions(**options))
    record_regions(estimator, sessions["landmarks"])
    return estimator, sessions["detector"], sessions["landmarks"]


def test_hand_is_found_where_it_is_drawn():
    estimator, _, _ = make([Drawn(300, 250)])
    poses = estimator.estimate(IMAGE, 0.0)
    (hand,) = poses
    assert poses.skeleton is estimator.skeleton
    assert poses.skeleton.name == "blazehand21"
    assert (hand.id, hand.label) == (0, "left")
    assert (hand.score, hand.label_score) == pytest.approx((0.8, 0.9))
    assert np.allclose(hand.keypoints, HAND + [300, 250], atol=0.01)
    assert np.allclose(hand.box, [240, 160, 340, 290], atol=0.01)
    assert np.allclose(hand.keypoint_scores, 0.8)
    # the palm's region has 2.6 times its size
    assert np.allclose(hand.depths, 0.1 / 0.4 * 2.6 * 80, atol=0.01)
    assert np.allclose(hand.world, [0.01, -0.02, 0.03], atol=1e-6)


def test_label_is_the_more_confident_side():
    estimator, _, _ = make([Drawn(200, 250, left=0.3), Drawn(450, 250, left=0.6)], max_people=2)
    poses = estimator.estimate(IMAGE, 0.0)
    assert poses.labels == ("right", "left")
    assert np.allclose(poses.label_scores, [0.7, 0.6])


def test_empty_image_gives_no_hands():
    estimator, _, landmarks = make([])
    poses = estimator.estimate(IMAGE, 0.0)
    assert len(poses) == 0
    assert poses.skeleton.name == "blazehand21"
    assert landmarks.runs == 0


def test_detector_does_not_run_while_all_hands_are_tracked():
    scene = [Drawn(200, 250), Drawn(450, 250, left=0.1)]
    estimator, detector, landmarks = make(scene, max_people=2)
    for i in range(20):
        scene[0].x, scene[1].y = 200 + 3 * i, 250 - 3 * i
        poses = estimator.estimate(IMAGE, i / 30)
        assert poses.ids.tolist() == [0, 1]
        assert poses.labels == ("left", "right")
    assert detector.runs == 1
    assert landmarks.runs == 20  # both hands in one run


def test_lost_hand_is_searched_at_once():
    scene = [Drawn(150, 250), Drawn(500, 250, left=0.1)]
    estimator, detector, _ = make(scene, max_people=2)
    estimator.estimate(IMAGE, 0.0)
    scene[1].x = 350
    assert estimator.estimate(IMAGE, 0.1).ids.tolist() == [0, 1]  # the same one, so soon and near
    assert detector.runs == 2
    scene.pop()
    for i in range(2, 5):
        assert estimator.estimate(IMAGE, i / 10).ids.tolist() == [0]
    assert detector.runs == 3  # once for the loss; then the search period counts


def test_hand_that_appears_later_is_found_within_the_search_period():
    scene = [Drawn(150, 250)]
    estimator, detector, _ = make(scene, max_people=2)
    estimator.estimate(IMAGE, 0.0)
    scene.append(Drawn(450, 250))
    found = [len(estimator.estimate(IMAGE, 0.1 * i)) for i in range(1, 8)]
    assert found == [1, 1, 1, 1, 2, 2, 2]
    assert detector.runs == 2


def test_right_hand_does_not_take_the_id_of_a_left_one():
    scene = [Drawn(300, 250, left=0.95)]
    estimator, _, _ = make(scene)
    estimator.estimate(IMAGE, 0.0)
    scene.clear()
    estimator.estimate(IMAGE, 0.1)
    scene.append(Drawn(310, 250, left=0.05))
    assert estimator.estimate(IMAGE, 0.2).ids.tolist() == [1]
    scene[0].left = 0.9
    # one in sight keeps its id even where the network wavers
    assert estimator.estimate(IMAGE, 0.3).ids.tolist() == [1]


def test_one_hand_is_returned_once():
    """Regions that come upon one hand, from the detector or in the course of time, become one."""
    scene = [Drawn(250, 250), Drawn(450, 250, presence=0.7)]
    estimator, _, _ = make(scene, max_people=2)
    assert estimator.estimate(IMAGE, 0.0).ids.tolist() == [0, 1]
    scene[:] = [Drawn(350, 250)]
    assert len(estimator.estimate(IMAGE, 0.1)) == 1
    assert len(estimator.estimate(IMAGE, 0.2)) == 1


def test_palm_detected_twice_is_cropped_once():
    estimator, _, landmarks = make([Drawn(300, 250), Drawn(320, 250)], max_people=2)
    assert len(estimator.estimate(IMAGE, 0.0)) == 1
    assert len(landmarks.regions) == 1


def test_max_people_limits_the_number_of_hands():
    estimator, _, landmarks = make([Drawn(x, 250) for x in (100, 320, 540)], max_people=2)
    assert len(estimator.estimate(IMAGE, 0.0)) == 2
    assert len(landmarks.regions) == 2
    estimator.options = dataclasses.replace(estimator.options, max_people=1)
    assert estimator.estimate(IMAGE, 0.1).ids.tolist() == [0]


def test_time_jump_back_resets_tracks_and_reuses_no_id():
    scene = [Drawn(300, 250)]
    estimator, detector, _ = make(scene)
    estimator.estimate(IMAGE, 10.0)
    scene[0].x = 310
    (hand,) = estimator.estimate(IMAGE, 1.0)
    assert hand.id == 1
    assert detector.runs == 2
    assert np.allclose(hand.keypoints[0], [310, 290], atol=0.01)  # not smoothed with the old


def test_reset_begins_a_new_stream():
    estimator, _, _ = make([Drawn(300, 250)])
    estimator.estimate(IMAGE, 10.0)
    estimator.reset()
    assert estimator.estimate(IMAGE, 0.0).ids.tolist() == [0]


def test_static_treats_every_image_by_itself():
    scene = [Drawn(300, 250)]
    estimator, detector, _ = make(scene, static=True)
    for i in range(3):
        scene[0].x = 300 + 20 * i
        (hand,) = estimator.estimate(IMAGE, i / 30)
        assert hand.id == 0
        assert np.allclose(hand.keypoints[0, 0], 300 + 20 * i, atol=0.01)
    assert detector.runs == 3


def test_smoothing_lags_behind_a_move_and_can_be_turned_off():
    for smoothing in (True, False):
        scene = [Drawn(300, 250)]
        estimator, _, _ = make(scene, smoothing=smoothing)
        estimator.estimate(IMAGE, 0.0)
        scene[0].x = 310
        (hand,) = estimator.estimate(IMAGE, 1 / 30)
        lag = 310 - hand.keypoints[0, 0]
        assert (0.05 < lag < 9) if smoothing else lag == pytest.approx(0, abs=0.01)


def test_upper_body_option_leaves_all_keypoints_of_a_hand():
    estimator, _, _ = make([Drawn(300, 250)], upper_body_only=True)
    assert estimator.estimate(IMAGE, 0.0).keypoints.shape == (1, 21, 2)


def test_min_tracking_confidence_ends_a_track():
    scene = [Drawn(300, 250, presence=0.9)]
    estimator, _, _ = make(scene, min_tracking_confidence=0.95)
    assert len(estimator.estimate(IMAGE, 0.0)) == 0
    scene[0].presence = 0.97
    assert len(estimator.estimate(IMAGE, 0.1)) == 1


@pytest.mark.parametrize("image", [IMAGE[..., :2], IMAGE.astype(np.float32), IMAGE[:0]])
def test_invalid_image_is_refused_and_leaves_the_tracks(image):
    estimator, _, _ = make([Drawn(300, 250)])
    estimator.estimate(IMAGE, 0.0)
    with pytest.raises(ImageError):
        estimator.estimate(image, 0.1)
    assert estimator.estimate(IMAGE, 0.2).ids.tolist() == [0]


def test_tiles_are_searched_in_one_run_of_the_network():
    estimator, detector, _ = make([Drawn(300, 250)], detect_tiles=2)
    assert len(estimator.estimate(IMAGE, 0.0)) == 1  # in the first view, the whole image
    assert detector.runs == 1


def test_landmarks_are_turned_back_into_the_image():
    """A quarter turn of the region rotates pixels and meters, but not depth."""
    region = Region(x=300, y=200, size=224, rotation=np.pi / 2)
    raw = np.tile(np.float32([212, 112, 4]), 21)  # 100 to the right of the middle
    world = np.tile(np.float32([1.0, 0.0, 0.5]), 21)
    found = blazehand.decode(raw, 1.0, 0.5, world, region)
    assert np.allclose(found.points, [300, 300, 10], atol=1e-3)
    assert np.allclose(found.world, [0, 1, 0.5], atol=1e-6)


def turned(points, angle):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.float32(points @ np.array([[cos, sin], [-sin, cos]]))


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, np.pi / 2, 3.0])
def test_the_region_of_landmarks_turns_with_the_hand(angle):
    points = turned(HAND, angle) + np.float32([300, 250])
    region = blazehand.region_of_landmarks(points)
    # of all but the fingers' ends: 90 x 90 around (-5, -5), moved up by a tenth of that
    center = turned(np.float32([[-5, -14]]), angle)[0] + [300, 250]
    assert np.allclose([region.x, region.y, region.size], [*center, 180], atol=1e-3)
    assert np.isclose(np.angle(np.exp(1j * (region.rotation - angle))), 0, atol=1e-6)


# What MediaPipe 0.10.21 makes of one hand's landmarks in a 640 x 480 image.
MEDIAPIPE_LANDMARKS = [
    [158.75, 281.85],
    [166.94, 254.14],
    [186.78, 239.79],
    [210.98, 239.74],
    [230.25, 239.05],
    [159.43, 252.35],
    [201.05, 252.65],
    [227.32, 254.35],
    [247.26, 256.17],
    [155.69, 279.21],
    [206.54, 278.60],
    [232.45, 274.41],
    [246.73, 272.73],
    [160.78, 300.70],
    [210.57, 297.95],
    [232.72, 290.75],
    [242.96, 286.08],
    [170.67, 316.80],
    [207.77, 310.98],
    [223.50, 301.35],
    [231.21, 293.17],
]
MEDIAPIPE_REGION = Region(x=185.65, y=270.31, size=148.01, rotation=-0.2106)


def test_region_of_landmarks_equals_that_of_mediapipe():
    found = blazehand.region_of_landmarks(np.float32(MEDIAPIPE_LANDMARKS))
    expected = MEDIAPIPE_REGION
    assert np.allclose(
        [found.x, found.y, found.size], [expected.x, expected.y, expected.size], atol=0.03
    )
    assert np.isclose(np.cos(found.rotation - expected.rotation), 1, atol=1e-6)


def test_the_region_of_a_palm_reaches_to_the_fingers():
    box = np.float32([260, 210, 340, 270])  # 80 x 60
    region = blazehand.region_of_palm(box, np.float32([[300, 270], [0, 0], [300, 210]]))
    assert (region.x, region.y) == pytest.approx((300, 240 - 30))
    assert (region.size, region.rotation) == pytest.approx((2.6 * 80, 0))


@pytest.mark.parametrize("points", [np.zeros((21, 2)), np.full((21, 2), np.nan)])
def test_hand_without_extent_has_no_region(points):
    assert blazehand.region_of_landmarks(np.float32(points)) is None


@pytest.mark.parametrize("box", [[5, 5, 5, 5], [0, 0, np.nan, 9], [0, 0, np.inf, 9]])
def test_a_palm_without_extent_has_no_region(box):
    assert blazehand.region_of_palm(np.float32(box), np.ones((7, 2), np.float32)) is None
