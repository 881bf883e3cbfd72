"""BlazePose around networks that answer from a script: regions, tracks, options.

The real networks are measured in ``test/accuracy``; here stands the code around
them, with sessions that know where people are drawn and answer as the networks would.
"""

import dataclasses
from typing import Any, cast

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract
from pose_ros.core.geometry import Region
from pose_ros.errors import ImageError
from pose_ros.networks import blazepose, search
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.people import Sighting
from pose_ros.settings.estimation import EstimatorOptions

CONTRACT = Contract("blazepose-full", skeletons.get("blazepose33"))
WIDTH, HEIGHT = 640, 480
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
RADIUS = 120.0  # of the circle around a scripted person


class Detector:
    """Answers with the people of ``scene``: mid-hips (x, y) in pixels."""

    provider = "cpu"

    def __init__(self, scene):
        self.scene = scene
        self.runs = 0

    def run(self, tensor):
        assert tensor.shape == (1, 3, 224, 224)
        self.runs += 1
        boxes = np.zeros((1, 2254, 12), np.float32)
        scores = np.full((1, 2254, 1), -100, np.float32)
        square = Region.letterbox(WIDTH, HEIGHT)
        for i, (x, y) in enumerate(self.scene):
            anchor = 100 + 300 * i
            center = search.ANCHORS[anchor]
            points = np.array([[x, y], [x, y - RADIUS], [x, y - 90], [x, y - 140]], np.float32)
            corner = np.array([square.x, square.y]) - square.size / 2
            points = (points - corner) / square.size
            boxes[0, anchor, :4] = [*(224 * (points[3] - center)), 20, 20]
            boxes[0, anchor, 4:] = 224 * (points - center).ravel()
            scores[0, anchor] = 3 - i
        return [boxes, scores]


class LandmarkNetwork:
    """Sees the person nearest to the region's middle, if there is one within it."""

    provider = "cpu"

    def __init__(self, scene, estimator_regions):
        self.scene = scene
        self.regions = estimator_regions
        self.presence = 0.9
        self.runs = 0

    def run(self, tensor):
        assert tensor.shape == (len(self.regions), 3, 256, 256)
        self.runs += 1
        answers = [self._see(region) for region in self.regions]
        return [np.stack(values) for values in zip(*answers, strict=True)]

    def _see(self, region):
        raw = np.zeros((39, 5), np.float32)
        raw[:, 3:] = 4.0
        away = {np.hypot(x - region.x, y - region.y): (x, y) for x, y in self.scene}
        near = bool(away) and min(away) < 0.3 * region.size
        if near:
            x, y = away[min(away)]
            pixels = np.zeros((39, 2))
            pixels[:33] = np.array([x, y]) + np.linspace(-50, 50, 33)[:, None]
            pixels[33], pixels[34] = (x, y), (x, y - RADIUS)
            inverse = np.linalg.inv(np.vstack([region.matrix(), [0, 0, 1]]))
            unit = np.c_[pixels, np.ones(39)] @ inverse.T
            raw[:, :2] = 256 * unit[:, :2]
            raw[:, 2] = 25.6
        heatmaps = np.full((39, 64, 64), -20, np.float32)  # nowhere sure: no refinement
        world = np.tile(np.float32([0.1, -0.2, 0.3]), 39)
        presence = np.float32([self.presence if near else 0.01])
        return raw.ravel(), presence, heatmaps, world


def make(scene, **options):
    """An estimator over a scripted scene, a list that the test may change between frames."""
    regions: list[Region] = []

    class Recorded(BlazePose):
        def find_landmarks(self, image, channels, wanted):
            regions[:] = wanted
            return super().find_landmarks(image, channels, wanted)

    sessions = {"detector": Detector(scene), "landmarks": LandmarkNetwork(scene, regions)}
    estimator = Recorded(CONTRACT, sessions, EstimatorOptions(**options))
    return estimator, sessions["detector"], sessions["landmarks"]


def test_person_is_found_at_their_true_place():
    estimator, _, _ = make([(300, 250)])
    (pose,) = estimator.estimate(IMAGE, 0.0)
    assert pose.id == 0
    assert pose.score == pytest.approx(0.9)
    assert np.allclose(pose.keypoints[[0, 16, 32]], [[250, 200], [300, 250], [350, 300]], atol=0.01)
    assert np.allclose(pose.box, [250, 200, 350, 300], atol=0.01)
    assert np.allclose(pose.keypoint_scores, 1 / (1 + np.exp(-4)))
    # a tenth of the region, which is 1.25 of the circle's diameter
    assert np.allclose(pose.depths, 0.1 * 1.25 * 2 * RADIUS, atol=0.01)
    assert np.allclose(pose.world, [0.1, -0.2, 0.3], atol=1e-5)


def test_empty_image_gives_no_people():
    estimator, _, landmarks = make([])
    assert len(estimator.estimate(IMAGE, 0.0)) == 0
    assert landmarks.runs == 0


class ScriptedFinder:
    """A detector whose result is a function of the threshold; it records each search."""

    def __init__(self, regions):
        self.regions = regions
        self.views = []

    def tiles(self, width, height, tiles):
        return tiles

    def look(self, image, channels, threshold, tiles, views):
        self.views.append(list(views))
        return [Sighting(True, 0.9, 0, region) for region in self.regions(threshold) if 0 in views]


def test_detector_does_not_run_while_a_person_is_tracked():
    scene = [(300, 250)]
    estimator, detector, _ = make(scene)
    for i in range(20):
        scene[0] = (300 + 3 * i, 250)
        poses = estimator.estimate(IMAGE, i / 30)
        assert poses.ids.tolist() == [0]
    assert detector.runs == 1


def test_lost_person_is_searched_at_once_and_gets_a_new_id():
    scene = [(200, 250)]
    estimator, detector, _ = make(scene)
    estimator.estimate(IMAGE, 0.0)
    scene[0] = (500, 250)
    assert estimator.estimate(IMAGE, 0.1).ids.tolist() == [1]
    assert detector.runs == 2
    scene.clear()
    assert len(estimator.estimate(IMAGE, 0.2)) == 0
    assert len(estimator.estimate(IMAGE, 0.3)) == 0
    assert detector.runs == 4


def test_two_people_keep_their_ids():
    scene = [(150, 250), (450, 250)]
    estimator, _, _ = make(scene, max_people=2)
    for i in range(10):
        scene[:] = [(150 + 5 * i, 250), (450 - 5 * i, 250)]
        poses = estimator.estimate(IMAGE, i / 30)
        assert poses.ids.tolist() == [0, 1]
        assert poses[0].keypoints[16, 0] < poses[1].keypoints[16, 0]


def test_person_who_appears_later_is_found_within_the_search_period():
    scene = [(150, 250)]
    estimator, detector, _ = make(scene, max_people=2)
    estimator.estimate(IMAGE, 0.0)
    scene.append((450, 250))
    found = [len(estimator.estimate(IMAGE, 0.1 * i)) for i in range(1, 8)]
    assert found == [1, 1, 1, 1, 2, 2, 2]
    assert detector.runs == 2


def test_people_keep_their_ids_where_the_finder_disagrees_with_blazepose():
    scene = [(150, 250), (450, 250)]
    estimator, _, _ = make(scene, max_people=5)
    looks: list[float | None] = []

    def finder(threshold):
        looks.append(threshold)
        # up to 70 pixels, a fifth of a region, beside the hips, and now this side, now that
        beside = (-1) ** len(looks) * 70
        return [Region(x + beside, y - 20, 2.0 * RADIUS) for x, y in scene]

    estimator.search.finder = cast("Any", ScriptedFinder(finder))
    for i in range(40):
        poses = estimator.estimate(IMAGE, i / 20)
        assert poses.ids.tolist() == [0, 1]
    assert looks == [None] * 4


def test_finder_supplies_people_that_the_detector_misses():
    scene = [(300, 250)]
    estimator, detector, _ = make(scene, threshold=0.6)
    detector.scene = []
    assert len(estimator.estimate(IMAGE, 0.0)) == 0
    finder = ScriptedFinder(lambda least: [Region(300, 250, 300.0)] if least == 0.6 else [])
    estimator.search.finder = cast("Any", finder)
    assert len(estimator.estimate(IMAGE, 0.1)) == 1


def test_person_who_reappears_from_behind_another_is_found_without_the_detector():
    scene = [(100, 250), (300, 250)]
    estimator, detector, _ = make(scene, max_people=2, smoothing=False)
    late = 0
    for i in range(23):
        walker = (100 + 20 * i, 250)  # 400 pixels a second, behind the one who stands
        hidden = abs(walker[0] - 300) < 90
        scene[:] = [(300, 250)] if hidden else [walker, (300, 250)]
        runs = detector.runs
        poses = estimator.estimate(IMAGE, i / 20)
        middles = dict(zip(poses.ids.tolist(), poses.keypoints[:, 16, 0].tolist(), strict=True))
        if hidden:
            assert middles == pytest.approx({1: 300}, abs=1)
        elif 0 in middles:
            assert middles == pytest.approx({0: walker[0], 1: 300}, abs=1)
        else:
            late += 1
            assert detector.runs == runs
    assert late <= 2
    assert walker[0] > 500


def test_max_people_limits_the_number_of_people():
    estimator, _, _ = make([(100, 250), (300, 250), (500, 250)], max_people=2)
    assert len(estimator.estimate(IMAGE, 0.0)) == 2
    estimator.options = dataclasses.replace(estimator.options, max_people=1)
    assert estimator.estimate(IMAGE, 0.1).ids.tolist() == [0]


def test_time_jump_back_resets_tracks_and_reuses_no_id():
    scene = [(300, 250)]
    estimator, detector, _ = make(scene)
    estimator.estimate(IMAGE, 10.0)
    scene[0] = (310, 250)
    (pose,) = estimator.estimate(IMAGE, 1.0)
    assert pose.id == 1
    assert detector.runs == 2
    assert np.allclose(pose.keypoints[16], [310, 250], atol=0.01)  # not smoothed with the old


def test_reset_begins_a_new_stream():
    estimator, _, _ = make([(300, 250)])
    estimator.estimate(IMAGE, 10.0)
    estimator.reset()
    assert estimator.estimate(IMAGE, 0.0).ids.tolist() == [0]


def test_static_treats_every_image_by_itself():
    scene = [(300, 250)]
    estimator, detector, _ = make(scene, static=True)
    for i in range(3):
        scene[0] = (300 + 20 * i, 250)
        (pose,) = estimator.estimate(IMAGE, i / 30)
        assert pose.id == 0
        assert np.allclose(pose.keypoints[16, 0], 300 + 20 * i, atol=0.01)
    assert detector.runs == 3


def test_smoothing_lags_behind_a_move_and_can_be_turned_off():
    for smoothing in (True, False):
        scene = [(300, 250)]
        estimator, _, _ = make(scene, smoothing=smoothing)
        estimator.estimate(IMAGE, 0.0)
        scene[0] = (310, 250)
        (pose,) = estimator.estimate(IMAGE, 1 / 30)
        lag = 310 - pose.keypoints[16, 0]
        assert (0.05 < lag < 9) if smoothing else lag == pytest.approx(0, abs=0.01)


def test_upper_body_only_gives_25_keypoints_and_no_depths():
    estimator, _, _ = make([(300, 250)])
    estimator.options = dataclasses.replace(estimator.options, upper_body_only=True)
    poses = estimator.estimate(IMAGE, 0.0)
    assert estimator.skeleton is poses.skeleton
    assert poses.skeleton.name == "blazepose33_upper_body"
    assert poses.keypoints.shape == (1, 25, 2)
    assert poses.depths is None
    assert np.allclose(poses.boxes[0, 2:], poses.keypoints[0].max(axis=0))


def test_min_tracking_confidence_ends_a_track():
    estimator, _, landmarks = make([(300, 250)], min_tracking_confidence=0.95)
    assert len(estimator.estimate(IMAGE, 0.0)) == 0
    landmarks.presence = 0.97
    assert len(estimator.estimate(IMAGE, 0.1)) == 1


@pytest.mark.parametrize("image", [IMAGE[..., :2], IMAGE.astype(np.float32), IMAGE[:0]])
def test_invalid_image_is_refused_and_leaves_the_tracks(image):
    estimator, _, _ = make([(300, 250)])
    estimator.estimate(IMAGE, 0.0)
    with pytest.raises(ImageError):
        estimator.estimate(image, 0.1)
    assert estimator.estimate(IMAGE, 0.2).ids.tolist() == [0]


def test_landmarks_are_turned_back_into_the_image():
    """A quarter turn of the region rotates pixels and meters, but not depth."""
    region = Region(x=300, y=200, size=256, rotation=np.pi / 2)
    raw = np.zeros((39, 5), np.float32)
    raw[:, :3] = (228, 128, 10)  # 100 to the right of the middle
    raw[34, 1] = 28
    world = np.tile([1.0, 0.0, 0.5], 39).astype(np.float32)
    found = blazepose.decode(
        raw.ravel(), 1.0, np.full((39, 64, 64), -20, np.float32), world, region
    )
    assert np.allclose(found.points, [300, 300, 10], atol=1e-3)
    assert np.allclose(found.world, [0, 1, 0.5], atol=1e-6)


def heatmap_at(cells, values, size=64):
    heatmaps = np.full((1, size, size), -20, np.float32)
    for (x, y), value in zip(cells, values, strict=True):
        heatmaps[0, y, x] = value
    return heatmaps


@pytest.mark.parametrize(
    ("point", "cells", "values", "expected"),
    [
        ((0.5, 0.5), [(33, 30)], [5], (33 / 64, 30 / 64)),  # one sure cell within reach
        ((0.5, 0.5), [(33, 30), (31, 30)], [5, 5], (32 / 64, 30 / 64)),  # center of mass
        ((0.5, 0.5), [(40, 32)], [5], (0.5, 0.5)),  # out of reach
        ((0.5, 0.5), [(33, 30)], [-1], (0.5, 0.5)),  # not sure
        ((0.0, 0.0), [(2, 1)], [5], (2 / 64, 1 / 64)),  # at the border
        ((1.2, 0.5), [(63, 32)], [5], (1.2, 0.5)),  # outside
    ],
)
def test_refinement_moves_landmarks_to_their_heatmap_peak(point, cells, values, expected):
    refined = blazepose.refine(np.array([point], np.float32), heatmap_at(cells, values))
    assert np.allclose(refined, [expected], atol=1e-4)
