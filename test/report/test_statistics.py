"""Numbers of a report, compared with numbers computed by hand."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.joint_angles import joint_angles, triples
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.smoothing import Slopes, fit_lines
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses, PositionSource
from pose_ros.report import CameraPlacement
from pose_ros.report.comparison import Agreement, match_gestures, similarity
from pose_ros.report.page import scale_known
from pose_ros.report.places import CHAIN_SHARE, body_height, floor_axes
from pose_ros.report.statistics import GestureLog, GestureSpan, Statistics, Tracks
from pose_ros.report.tables import clock_text, flat_options, percent

COCO, BLAZE = skeletons.get("coco17"), skeletons.get("blazepose33")
FOCAL = 500.0


def people(skeleton, points, ids=None, *, scores=0.75, **more) -> Poses:
    """People from (N, K, 2) pixels."""
    points = np.asarray(points, np.float64)
    count, joints = points.shape[:2]
    table = np.broadcast_to(np.asarray(scores, np.float32), (count, joints)).copy()
    table[np.isnan(points).any(axis=2)] = 0.0
    return Poses(
        skeleton=skeleton,
        ids=np.arange(count) if ids is None else np.array(ids),
        scores=np.full(count, 0.5),
        boxes=np.zeros((count, 4)),
        keypoints=points,
        keypoint_scores=table,
        **more,
    )


def somewhere(count: int, skeleton=COCO) -> np.ndarray:
    return np.random.default_rng(3).uniform(100, 300, (count, len(skeleton), 2))


def result(seconds: float, poses: Poses, gestures=(), *, index: int = 0, source="a") -> Result:
    stamp = round(seconds * NANOSECONDS)
    return Result(index, stamp, 640, 480, poses, None, tuple(gestures), "camera", source)


def standing(x: float, z: float, height: float = 1.7, source=PositionSource.DEPTH) -> Poses:
    """A person upright in meters, whose trunk, thighs and shanks are those of the body model."""
    hip = 0.5 * height
    shape = {"shoulder": hip - 0.288 * height, "hip": hip, "knee": hip + 0.24 * height}
    shape["ankle"] = shape["knee"] + 0.247 * height
    camera = np.zeros((1, 33, 3))
    camera[...] = (x, 0.0, z)
    for i, name in enumerate(BLAZE.keypoints):
        side, _, part = name.partition("_")
        if part in shape:
            camera[0, i] = (x + (0.1 if side == "left" else -0.1), shape[part], z)
    pixels = FOCAL * camera[..., :2] / camera[..., 2:] + (320.0, 240.0)
    return people(
        BLAZE,
        pixels,
        camera=camera,
        camera_sources=np.full((1, 33), source),
        camera_sigmas=np.full((1, 33), 0.02 * z),
    )


class TestTime:
    def test_images_people_and_rate_are_counted(self) -> None:
        statistics = Statistics()
        for i in range(10):
            statistics.add(result(100 + i / 5, people(COCO, somewhere(i % 3)), index=i))
        assert statistics.clock.images == 10
        assert statistics.clock.now == pytest.approx(1.8)
        assert statistics.clock.interval == pytest.approx(0.2, rel=0.03)
        assert statistics.counts.with_people == 6
        assert statistics.counts.people == 9
        assert statistics.tracks.people == 2

    def test_time_jump_back_continues_the_statistics(self) -> None:
        statistics = Statistics()
        for i in range(20):
            statistics.add(result(5 + (i % 10) / 10, Poses.empty(COCO), index=i))
        assert statistics.clock.rounds == 2
        assert statistics.clock.now == pytest.approx(1.9, abs=0.01)

    def test_pictures_without_stamps_have_no_rate(self) -> None:
        statistics = Statistics()
        for name in "abc":
            statistics.add(result(0.0, people(COCO, somewhere(1)), source=name))
        assert statistics.clock.pictures
        # the same id in another picture is another person
        assert statistics.tracks.people == 3

    def test_image_rate_is_known_when_every_third_image_is_taken(self) -> None:
        statistics = Statistics()
        for i in (0, 3, 6, 12, 15):
            statistics.add(result(i / 30, Poses.empty(COCO), index=i))
        assert (statistics.clock.every, statistics.clock.skipped) == (3, 1)


class TestTracks:
    def test_track_has_the_spans_in_which_the_person_was_seen(self) -> None:
        statistics = Statistics()
        there = [True, True, False, False, True, True, True, False]
        for i, seen in enumerate(there):
            poses = people(COCO, somewhere(int(seen)), ids=[7] if seen else None)
            statistics.add(result(i / 10, poses))
        (track,) = statistics.tracks
        assert np.allclose(track.spans, [[0.0, 0.1], [0.4, 0.6]])
        assert (track.images, track.first) == (5, 0.0)
        assert track.last == pytest.approx(0.6)
        assert track.score / track.images == 0.5

    def test_people_seen_longest_are_kept(self) -> None:
        tracks = Tracks(most=3)
        for image in range(50):
            ids = [0, 100 + image]
            for pose in people(COCO, somewhere(2), ids=ids):
                tracks.see(1, pose, image, image / 10, 0.5)
        assert tracks.people == 51
        assert len(list(tracks)) == 3
        assert tracks.longest(1)[0].key == (1, 0)
        assert tracks.forgotten == 48

    def test_number_of_spans_is_bounded(self) -> None:
        tracks = Tracks()
        (pose,) = people(COCO, somewhere(1))
        for image in range(0, 1000, 2):
            track = tracks.see(1, pose, image, image / 10, 0.5)
        assert len(track.spans) == 64
        assert track.spans[-1][1] == pytest.approx(99.8)


class TestJoints:
    def test_detection_rates_of_keypoints_are_counted(self) -> None:
        statistics = Statistics()
        points = somewhere(1)
        points[0, 3] = np.nan
        statistics.add(result(0.0, people(COCO, points, scores=0.2)))
        statistics.add(result(0.1, people(COCO, somewhere(1), scores=0.6)))
        rates = statistics.main_rates
        assert rates is not None
        # of a network that leaves out what it does not find, all that is there counts
        assert rates.rates[3] == 0.5
        assert rates.rates[4] == 1.0
        assert rates.score_quantiles(1.0)[0, 4] == pytest.approx(0.6, abs=0.011)

    def test_blazepose_keypoint_below_its_least_score_is_not_detected(self) -> None:
        statistics = Statistics()
        scores = np.full((1, 33), 0.9)
        scores[0, 15] = 0.4
        statistics.add(result(0.0, people(BLAZE, somewhere(1, BLAZE), scores=scores)))
        assert statistics.main_rates.rates[15] == 0.0
        assert statistics.main_rates.rates[16] == 1.0

    def test_keypoints_outside_the_image_are_counted(self) -> None:
        statistics = Statistics()
        points = somewhere(1)
        points[0, 0], points[0, 1] = (-3, 10), (10, 480)
        statistics.add(result(0.0, people(COCO, points)))
        assert statistics.main_rates.outside[:3].tolist() == [1, 1, 0]


class TestAngles:
    def test_joint_angles_equal_those_worked_out_by_hand(self) -> None:
        points = np.full((1, 17, 2), np.nan)
        place = {
            "left_shoulder": (0, 0), "left_elbow": (0, 10), "left_wrist": (10, 10),
            "left_hip": (0, 30), "right_shoulder": (50, 0), "right_elbow": (50, 10),
            "right_wrist": (50, 30),
        }  # fmt: skip
        for name, xy in place.items():
            points[0, COCO.index(name)] = xy
        (pose,) = people(COCO, points)
        corners = triples(COCO, ("elbow", "left_shoulder"))
        assert list(corners) == ["left_elbow", "right_elbow", "left_shoulder"]
        found = np.isfinite(points[0]).all(axis=1)
        angles, bases = joint_angles(pose, found, np.array(list(corners.values())))
        assert angles == pytest.approx([90.0, 180.0, 0.0], abs=1e-3)
        assert bases == ["image"] * 3

    def test_angles_use_the_best_known_positions(self) -> None:
        """Depth for the left elbow, the shape for the right one, whose wrist is not measured."""
        world = np.zeros((1, 33, 3))
        camera = np.zeros((1, 33, 3))
        sources = np.full((1, 33), PositionSource.DEPTH)
        for side in ("left", "right"):
            rows = [BLAZE.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist")]
            world[0, rows] = [(0, 0, 0), (0, 1, 0), (1, 1, 0)]
            camera[0, rows] = [(0, 0, 3), (0, 1, 3), (0, 2, 3)]
        sources[0, BLAZE.index("right_wrist")] = PositionSource.MODEL
        (pose,) = people(BLAZE, somewhere(1, BLAZE), world=world, camera=camera,
                         camera_sources=sources, camera_sigmas=np.full((1, 33), 0.1))  # fmt: skip
        corners = np.array(list(triples(BLAZE, ("elbow",)).values()))
        angles, bases = joint_angles(pose, np.ones(33, bool), corners)
        assert angles == pytest.approx([180.0, 90.0])
        assert bases == ["camera", "world"]

    def test_speed_is_a_slope(self) -> None:
        slopes = Slopes(seconds=0.2)
        for i in range(20):
            middle, speed, sigma = slopes.add(i / 20, np.array([100.0 * i / 20, np.nan]))
        assert middle == pytest.approx(0.85)
        assert speed == pytest.approx([100.0, np.nan], nan_ok=True)
        assert sigma[0] == pytest.approx(0.0, abs=1e-9)
        _, speed, _ = slopes.add(5.0, np.array([0.0, 0.0]))  # after a gap it is unknown
        assert np.isnan(speed).all()

    def test_slopes_of_fitted_lines_have_their_sigmas(self) -> None:
        times = np.array([0.0, 1.0, 2.0, 3.0])
        table = np.array([[0.0, 1.0], [1.2, np.nan], [1.8, 5.0], [3.0, np.nan]])
        slopes, sigmas = fit_lines(times, table)
        # by the textbook: the second has two values, which lie on a line anyway
        assert slopes == pytest.approx([0.96, 2.0])
        assert sigmas[0] == pytest.approx(math.sqrt(0.072 / 2 / 5.0))
        assert np.isnan(sigmas[1])


class TestPlaces:
    def test_body_height_needs_meters_of_known_scale(self) -> None:
        assert pytest.approx(0.775) == CHAIN_SHARE
        (pose,) = standing(0.0, 3.0, 1.62)
        known = np.ones(33, bool)
        assert body_height(pose, known, scale_known=False) == pytest.approx(1.62, abs=1e-4)
        (pose,) = standing(0.0, 3.0, 1.62, PositionSource.MODEL)
        assert math.isnan(body_height(pose, known, scale_known=False))
        assert body_height(pose, known, scale_known=True) == pytest.approx(1.62, abs=1e-4)
        known[[BLAZE.index("left_knee"), BLAZE.index("right_ankle")]] = False
        assert math.isnan(body_height(pose, known, scale_known=True))

    def test_scale_is_known_where_the_camera_height_is_given(self) -> None:
        def reported(**options):
            return scale_known(RunInfo("a", "n", "cpu", options=options))

        assert reported(camera_height=1.1)
        assert reported(lift={"camera_height": 1.1})
        assert not reported(camera_height=None)
        assert not scale_known(None)

    def test_walking_speed_distance_and_height_are_measured(self) -> None:
        statistics = Statistics()
        for i in range(60):  # 0.9 m/s to the left for 4 s, then nothing
            x = 2.0 - 0.09 * min(i, 40)
            statistics.add(result(i / 10, standing(x, 3.0)))
        (motion,) = statistics.motions.values()
        walk = motion.walk
        assert walk.speed is not None
        assert walk.speed.value == pytest.approx(0.9, abs=0.02)
        # places are off by 2% of the distance, and all speeds with them
        assert 0.016 < walk.speed.sigma < 0.08
        assert walk.distance == pytest.approx(3.6, abs=0.4)
        assert walk.height is not None
        assert walk.height.value == pytest.approx(1.7, abs=0.005)
        assert walk.nearest == pytest.approx(math.hypot(3.0, 0.85), abs=0.01)

    def test_standing_person_does_not_walk(self) -> None:
        statistics = Statistics()
        rng = np.random.default_rng(2)
        for i in range(200):
            statistics.add(result(i / 10, standing(rng.normal(0, 0.05), 3 + rng.normal(0, 0.1))))
        (motion,) = statistics.motions.values()
        assert motion.walk.speed is None

    def test_camera_that_moves_with_a_person_gives_their_speed(self) -> None:
        """The robot drives along with a person who walks: in odom, the person walks."""
        still, moving = Statistics(), Statistics()
        axes = floor_axes(None).transform
        for i in range(60):
            transform = axes.copy()
            transform[0, 3] = 0.08 * i
            moving.add(
                result(i / 10, standing(0.0, 3.0)), placement=CameraPlacement("odom", transform)
            )
            still.add(result(i / 10, standing(0.0, 3.0)))
        (motion,) = moving.motions.values()
        assert motion.walk.speed is not None
        assert motion.walk.speed.value == pytest.approx(0.8, abs=0.02)
        (motion,) = still.motions.values()
        assert motion.walk.speed is None

    def test_floor_is_below_the_camera_by_its_height(self) -> None:
        level = floor_axes(None).transform[:3, :3]
        assert level @ (0, 0, 1) == pytest.approx([1, 0, 0])  # ahead
        assert level @ (1, 0, 0) == pytest.approx([0, -1, 0])  # right
        pitched = floor_axes((0.0, -math.cos(0.5), -math.sin(0.5))).transform[:3, :3]
        assert pitched @ (0, math.cos(0.5), math.sin(0.5)) == pytest.approx([0, 0, -1])
        assert (pitched @ (0, 0, 1))[0] == pytest.approx(math.cos(0.5))
        down = floor_axes((0.0, 0.0, -1.0)).transform[:3, :3]
        assert down @ (0, -1, 0) == pytest.approx([1, 0, 0])

    def test_cone_of_view_contains_all_people(self) -> None:
        statistics = Statistics()
        for i in range(10):
            statistics.add(result(i / 10, standing(-1.0 + i / 5, 3.0)))
        assert statistics.cone.angles == pytest.approx((math.atan(0.64), math.atan(0.64)), abs=0.01)


class TestGestures:
    def test_gesture_lasts_from_its_start_to_its_last_image(self) -> None:
        log = GestureLog()

        def tell(time: float, event: str, confidence: float = 0.5) -> None:
            gesture = Gesture("wave", "left", 3, event, confidence, 0.0)
            log.add(1, [gesture], time)

        tell(1.0, "started")
        tell(1.1, "held", 0.75)
        tell(1.2, "held")
        tell(1.3, "ended")
        tell(2.0, "held")  # whose start is missing
        held, other = log.held
        assert (held.start, held.end, held.confidence) == (1.0, 1.2, 0.75)
        assert other.start == 2.0
        assert log.counts["wave", "left"] == 2

    def test_number_of_kept_gestures_is_bounded_and_all_are_counted(self) -> None:
        log = GestureLog(most=5)
        for i in range(20):
            for event in ("started", "ended"):
                log.add(1, [Gesture("stop", "", 0, event, 0.5, 0.0)], i)
        assert len(log.held) == 5
        assert log.counts.total() - len(log.held) == 15


class TestAgreement:
    def test_equal_people_agree_completely(self) -> None:
        agreement = Agreement(("elbow",))
        poses = people(COCO, somewhere(2))
        assert agreement.add(0.0, poses, poses) == pytest.approx(1.0)
        assert (agreement.matched, agreement.only_a, agreement.only_b) == (2, 0, 0)
        assert agreement.joints["nose"].both == 2
        assert agreement.angles["left_elbow"].quantiles(1.0)[0, 0] == 0.5  # a bin's width

    def test_people_are_matched_whatever_their_order(self) -> None:
        agreement = Agreement(("elbow",))
        points = somewhere(1) + np.array([0, 300, 600])[:, None, None]
        agreement.add(0.0, people(COCO, points), people(COCO, points[[2, 0]] + 1.0))
        assert (agreement.matched, agreement.only_a, agreement.only_b) == (2, 1, 0)
        assert agreement.joints["nose"].pixels.quantiles(0.5)[0, 0] == pytest.approx(1.41, abs=0.05)

    def test_other_skeletons_are_compared_by_name(self) -> None:
        agreement = Agreement(("elbow",))
        points = somewhere(1, BLAZE)
        order = [BLAZE.index(name) for name in COCO.keypoints]
        a, b = people(BLAZE, points, scores=0.9), people(COCO, points[:, order])
        assert agreement.add(0.0, a, b) == pytest.approx(1.0)
        assert set(agreement.joints) == set(COCO.keypoints)

    def test_similarity_equals_cocos_oks(self) -> None:
        """All joints of an (s, s) box off by d: exp of -d^2 over 2 area (2 sigma)^2."""
        names = ["left_shoulder", "right_shoulder", "left_hip"]
        a = np.array([(0.0, 0.0), (100.0, 0.0), (0.0, 100.0)])
        off = np.array([10.0, 0.0])
        sigmas = 2 * np.array([0.079, 0.079, 0.107])
        expected = np.exp(-100 / (2 * 0.53 * 100**2 * sigmas**2)).mean()
        assert similarity(names, a, a + off, np.ones(3, bool)) == pytest.approx(expected)
        assert similarity(names, a, a, np.array([True, True, False])) == 0.0

    def test_images_without_people_count_as_agreement(self) -> None:
        agreement = Agreement(("elbow",))
        nobody = Poses.empty(COCO)
        assert agreement.add(0.0, nobody, nobody) == 1.0
        assert agreement.add(0.1, nobody, people(COCO, somewhere(1))) == 0.0
        assert (agreement.images, agreement.same_count, agreement.only_b) == (2, 1, 1)

    def test_gestures_that_overlap_are_matched(self) -> None:
        def held(name: str, start: float, end: float) -> GestureSpan:
            return GestureSpan((1, 0), name, "left", start, end, 0.5)

        a = [held("wave", 1, 2), held("wave", 5, 6), held("stop", 1, 2)]
        b = [held("wave", 1.5, 3), held("wave", 8, 9), held("point", 1, 2)]
        assert match_gestures(a, b) == {
            ("wave", "left"): {"both": 1, "a": 1, "b": 1},
            ("stop", "left"): {"a": 1},
            ("point", "left"): {"b": 1},
        }


def test_memory_is_bounded() -> None:
    """A new person every half a second, who waves: after a while the new ones take room of old."""
    statistics = Statistics()
    sizes = []
    for i in range(3600):
        poses = standing(math.sin(i / 20), 3.0).replace(ids=np.array([i // 5]))
        event = ("started", "held", "held", "held", "ended")[i % 5]
        gesture = Gesture("wave", "left", i // 5, event, 0.5, 0.0)
        statistics.add(result(i / 10, poses, [gesture], index=i), latency=0.05)
        if i in (1799, 3599):
            sizes.append(len(pickle.dumps(statistics)))
    assert statistics.tracks.people == 720
    assert statistics.gestures.counts["wave", "left"] == 720
    assert sizes[1] < min(1.1 * sizes[0], 8e6)


def test_numbers_are_printed_as_percent_time_and_flat_options() -> None:
    shares = {0.0: "0%", 1.0: "100%", 0.5: "50%", 0.9999: "99.9%", 0.0001: "0.1%", 0.004: "0.4%"}
    assert {share: percent(share) for share in shares} == shares
    assert percent(math.nan) == "\N{EN DASH}"
    assert [clock_text(s) for s in (7, 187, 3765)] == ["0:07", "3:07", "1:02:45"]
    assert list(flat_options({"b": {"c": 1, "a": 2}, "a": 3})) == [("a", 3), ("b.a", 2), ("b.c", 1)]
