"""One network finds people and another looks there: squares from keypoints, and who looks."""

import logging
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.build import finder_card
from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.skeletons import COCO_KEYPOINTS
from pose_ros.errors import ModelError
from pose_ros.models import store
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.people import REGION_SCALE
from pose_ros.networks.search import Finder, region_of
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.synthetic.scenes import crossing
from pose_ros.synthetic.source import SyntheticSource

SKELETON = skeletons.get("coco17")


@pytest.fixture(scope="module")
def boy(data):
    """COCO keypoints of one person, and the circle that BlazePose draws around the body."""
    image = cv2.imread(str(data / "images" / "humans_0.jpg"))
    estimator = pose_ros.create_estimator(static=True)
    assert isinstance(estimator, BlazePose)
    (region,) = estimator.find_regions(image, "bgr", 0.5)[:1]
    (body,) = estimator.find_landmarks(image, "bgr", [region])
    rows = [estimator.skeleton.index(name) for name in COCO_KEYPOINTS]
    return body.points[rows, :2], body.body


def without(points, *parts):
    points = points.copy()
    for row, name in enumerate(SKELETON.keypoints):
        if any(part in name for part in parts):
            points[row] = np.nan
    return points


def test_square_of_a_body_equals_that_of_blazepose(boy):
    points, circle = boy
    region = region_of(points, SKELETON)
    assert np.hypot(region.x - circle.x, region.y - circle.y) < 0.05 * circle.size
    assert region.size == pytest.approx(REGION_SCALE * circle.size, rel=0.15)
    assert region.rotation == pytest.approx(circle.rotation, abs=0.1)


def test_the_square_turns_with_the_body(boy):
    points, _ = boy
    upright = region_of(points, SKELETON)
    turned = region_of(np.stack([-points[:, 1], points[:, 0]], axis=1), SKELETON)
    assert (turned.x, turned.y) == pytest.approx((-upright.y, upright.x), rel=1e-5)
    assert turned.size == pytest.approx(upright.size, rel=1e-5)
    assert turned.rotation == pytest.approx(upright.rotation + np.pi / 2, abs=1e-5)


def test_body_without_legs_gets_about_the_same_square(boy):
    points, circle = boy
    for parts in (("knee", "ankle"), ("left",), ("hip", "knee", "ankle")):
        region = region_of(without(points, *parts), SKELETON)
        assert np.hypot(region.x - circle.x, region.y - circle.y) < 0.35 * circle.size, parts
        assert 0.6 < region.size / REGION_SCALE / circle.size < 1.6, parts


def test_without_shoulders_or_a_size_there_is_no_square(boy):
    points, _ = boy
    assert region_of(without(points, "shoulder"), SKELETON) is None
    alone = np.full((17, 2), np.nan, np.float32)
    alone[SKELETON.index("left_shoulder")] = 50
    assert region_of(alone, SKELETON) is None


def test_auto_uses_the_cached_finder_and_logs_it(finder_models, lite_models, caplog):
    caplog.set_level(logging.INFO)

    def chosen(models_dir, network="blazepose-full", **options):
        caplog.clear()
        estimator = pose_ros.create_estimator(network, models_dir=models_dir, **options)
        return estimator.options.finder, [record.getMessage() for record in caplog.records]

    assert chosen(finder_models, max_people=2) == (
        "posenet-mobilenet",
        ["posenet-mobilenet looks for the people"],
    )
    assert chosen(finder_models, max_people=2, finder="blazepose") == ("blazepose", [])
    assert chosen(finder_models, max_people=1) == ("blazepose", [])
    name, lines = chosen(lite_models, "blazepose-lite", max_people=2)
    assert name == "blazepose"
    assert len(lines) == 1
    assert "pose-ros models get posenet-mobilenet" in lines[0]


def test_what_the_user_has_fetched_changes_nothing_in_tests(user_cache):
    names = {path.name.partition("-")[0] for path in store.cache_dir().iterdir()}
    assert names - {".lock"} <= {"blazepose", "blazehand"}
    assert store.cache_dir() != user_cache
    assert finder_card(EstimatorOptions(max_people=5)) is None


@pytest.mark.parametrize(
    ("finder", "line"),
    [
        ("blazehand-full", "blazehand-full cannot be the finder: it does not find all people"),
        ("blazepose-lite", "blazepose-lite cannot be the finder"),
        ("nonsense", "nonsense"),
    ],
)
def test_invalid_finder_is_an_error(finder, line):
    with pytest.raises(ModelError, match=line):
        pose_ros.create_estimator(finder=finder)


def test_network_of_hands_is_refused_as_finder():
    hand = skeletons.get("blazehand21")
    image = Value("image", "image", (1, 3, 240, 320), image=ImageInput(320, 240))
    contract = Contract("hands", hand, 0.3, inputs={"network": (image,)})
    sessions: dict[str, Any] = {"network": SimpleNamespace(provider="cpu")}
    network = OneShot(contract, sessions, EstimatorOptions(), lambda *_: pytest.fail("not run"))
    with pytest.raises(ModelError, match="hands cannot be the finder: .* has no left_shoulder"):
        Finder(network)


def test_named_finder_is_used_for_one_person_too(data, finder_models):
    image = cv2.imread(str(data / "coco_keypoints" / "000000196141.jpg"))
    estimator = pose_ros.create_estimator(
        finder="posenet-mobilenet", static=True, models_dir=finder_models
    )
    assert estimator.options.finder == "posenet-mobilenet"
    assert len(estimator.estimate(image, channels="bgr")) == 1


def test_same_images_give_the_same_bytes(finder_models):
    frames: list[Any] = []
    source = SyntheticSource(scene=crossing(), fps=10, live=False)
    while len(frames) < 12:
        frames.append(source.read())
    estimator = pose_ros.create_estimator(max_people=3, detect_tiles=2, models_dir=finder_models)
    rounds = []
    for _ in range(2):
        estimator.reset()
        poses = [estimator.estimate(f.image, f.stamp, channels=f.channels) for f in frames]
        rounds.append([(p.ids.tobytes(), p.keypoints.tobytes()) for p in poses])
    assert rounds[0] == rounds[1]
    assert len(np.frombuffer(rounds[0][-1][0], np.int64)) == 2
