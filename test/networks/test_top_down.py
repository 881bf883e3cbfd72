"""People found by BlazePose's own detector, and then one by one by networks that see markers.

The networks run in onnxruntime; that they find what is drawn at an actor's joints tells that the
crop, the decoder and the way back into the image agree.
"""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.types import Session
from pose_ros.errors import ModelError
from pose_ros.models.card import load_card
from pose_ros.models.store import model_path
from pose_ros.networks import top_down
from pose_ros.networks.people import Sighting
from pose_ros.networks.registry import FAMILIES
from pose_ros.networks.search import region_of
from pose_ros.runtime.session import open_session
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.synthetic.scenes import crossing
from pose_ros.synthetic.source import SyntheticSource
from tools import markers
from tools.onnx_writer import save

SKELETON = skeletons.get("coco17")
PALETTE = markers.colors(len(SKELETON))
UNSEEN = [1, 2, 3, 4]
"""Eyes and ears: their markers would cover each other."""
WIDTH, HEIGHT = 192, 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BUILDERS = {
    "heatmap": FAMILIES["heatmap"].make,
    "simcc": FAMILIES["simcc"].make,
    "keypoints": FAMILIES["keypoints-top-down"].make,
}
OUTPUTS = {
    "heatmap": [("heatmaps", (1, 17, HEIGHT // 4, WIDTH // 4))],
    "simcc": [("simcc_x", (1, 17, 2 * WIDTH)), ("simcc_y", (1, 17, 2 * HEIGHT))],
    "keypoints": [("keypoints", (1, 17, 3))],
}


def contract(kind="heatmap", settings=None, threshold=0.5, outputs=None):
    colors = [tuple(255 * value for value in triple) for triple in (MEAN, STD)]
    image = ImageInput(WIDTH, HEIGHT, *colors)
    return Contract(
        "markers",
        SKELETON,
        threshold,
        inputs={"network": (Value("image", "image", (1, 3, HEIGHT, WIDTH), image=image),)},
        outputs={"network": tuple(Value(n, n, shape) for n, shape in outputs or OUTPUTS[kind])},
        settings=settings or {},
    )


@pytest.fixture(scope="module")
def detector():
    return open_session(model_path(load_card("blazepose-full"), "detector"), threads=1)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Make the session of a kind of network."""
    folder = tmp_path_factory.mktemp("networks")

    def make(kind, **options):
        path = folder / f"{kind}-{options}.onnx"
        if not path.exists():
            save(markers.network(kind, PALETTE, HEIGHT, WIDTH, mean=MEAN, std=STD, **options), path)
        return open_session(path, threads=1)

    return make


def picture(source, missing=(), radius=4):
    """Return a frame with markers at the actors' joints, and where these are, actor by actor."""
    frame = source.read()
    image = frame.image[..., ::-1].copy() if frame.channels == "bgr" else frame.image.copy()
    people = []
    for truth in source.truths(frame.stamp):
        points = np.array([truth.pixel(name) for name in SKELETON.keypoints], np.float32)
        hidden = [
            i
            for i, n in enumerate(SKELETON.keypoints)
            if not truth.visible[truth.skeleton.index(n)]
        ]
        points[[*UNSEEN, *missing, *hidden]] = np.nan
        markers.draw(image, points, PALETTE, radius)
        people.append(points)
    return image, frame.stamp, people


def actor(gesture="stand", **options):
    return SyntheticSource(gesture, live=False, fps=10, **options)


CASES = [
    ("heatmap", {}, 2.5),
    ("heatmap", {"refine": "dark"}, 0.8),
    ("heatmap", {"refine": "none", "padding": 1.5}, 5.0),
    ("simcc", {}, 2.0),
    ("keypoints", {}, 0.8),
    ("keypoints", {"unbiased": True}, 0.8),
]


@pytest.mark.parametrize(("kind", "settings", "worst"), CASES)
@pytest.mark.parametrize("gesture", ["stand", "raise_hands"])
def test_markers_are_found_where_they_are_drawn(kind, settings, worst, gesture, networks, detector):
    unbiased = settings.get("unbiased", False)
    sessions = {"network": networks(kind, unbiased=unbiased), "detector": detector}
    options = EstimatorOptions(static=True)
    estimator = BUILDERS[kind](contract(kind, settings), sessions, options)
    image, _, (points,) = picture(actor(gesture), missing=[9])
    (pose,) = estimator.estimate(image)
    assert pose.skeleton == estimator.skeleton == SKELETON
    assert (pose.id, estimator.provider, estimator.network) == (0, "cpu", "markers")
    found = np.isfinite(points[:, 0])
    assert np.isfinite(pose.keypoints[:, 0]).tolist() == found.tolist()
    assert np.hypot(*(pose.keypoints - points)[found].T).max() < worst
    assert pose.score > 0.9
    assert np.all(pose.keypoint_scores[~found] == 0)
    (other,) = estimator.estimate(image[..., ::-1], channels="bgr")
    assert np.allclose(pose.keypoints, other.keypoints, equal_nan=True)


@pytest.mark.parametrize("free_batch", [True, False])
def test_people_in_one_batch_equal_people_one_by_one(free_batch, networks, detector):
    source = SyntheticSource(scene=crossing(), live=False, fps=10)
    sessions = {"network": networks("keypoints", free_batch=free_batch), "detector": detector}
    estimator = BUILDERS["keypoints"](
        contract("keypoints"), sessions, EstimatorOptions(static=True, max_people=3)
    )
    image, _, people = picture(source)
    poses = estimator.estimate(image)
    assert len(poses) == len(people) > 1
    for points in people:
        seen = np.isfinite(points[:, 0])
        distance = np.hypot(*(poses.keypoints - points)[:, seen].transpose(2, 0, 1))
        assert np.nanmean(distance, axis=1).min() < 2.0
    estimator.options = EstimatorOptions(static=True, max_people=1)
    assert len(estimator.estimate(image)) == 1


def test_people_are_searched_where_the_finder_sees_them(networks, detector):
    sessions = {"network": networks("keypoints"), "detector": detector}
    estimator = BUILDERS["keypoints"](
        contract("keypoints"), sessions, EstimatorOptions(static=True)
    )
    image, _, (points,) = picture(actor())
    region = region_of(points, SKELETON)
    assert region
    dark = np.zeros_like(image)  # in which the detector finds no person
    seen = np.isfinite(points[:, 0])
    markers.draw(dark, points, PALETTE, 4)
    assert len(estimator.estimate(dark)) == 0
    finder = SimpleNamespace(
        tiles=lambda width, height, tiles: tiles,
        look=lambda *_: [Sighting(True, 0.9, 0, region)],
    )
    cast("Any", estimator).search.finder = finder
    (pose,) = estimator.estimate(dark)
    assert np.hypot(*(pose.keypoints - points)[seen].T).max() < 2.0


class Counted:
    """A session that counts its runs and the images in them."""

    def __init__(self, session):
        self.session, self.runs, self.images = session, 0, 0
        self.provider = session.provider

    def run(self, *inputs):
        self.runs += 1
        self.images += len(inputs[0])
        return self.session.run(*inputs)


def test_person_is_tracked_without_the_detector(networks, detector):
    sessions = {"network": Counted(networks("keypoints")), "detector": Counted(detector)}
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, EstimatorOptions())
    source = actor("walk")
    ids = []
    for _ in range(15):
        image, stamp, (points,) = picture(source)
        (pose,) = estimator.estimate(image, stamp)
        ids.append(pose.id)
        assert np.nanmean(np.hypot(*(pose.keypoints - points).T)) < 12
    assert ids == [0] * 15
    assert sessions["detector"].runs == 1
    assert sessions["network"].images == 15
    # somewhere else at once: the detector looks again in the same image
    image = np.roll(image, 240, axis=1)
    assert len(estimator.estimate(image, stamp + 0.1)) == 1
    assert sessions["detector"].runs == 2
    # no person: searched in each image, and no id comes back after a jump
    assert len(estimator.estimate(np.zeros_like(image), stamp + 0.2)) == 0
    (pose,) = estimator.estimate(image, 0.0)
    assert pose.id > 0
    estimator.reset()
    (pose,) = estimator.estimate(image, 0.0)
    assert pose.id == 0


@pytest.mark.parametrize(("same_box", "looks"), [(top_down.SAME_BOX, 11), (1.1, 13)])
def test_other_people_are_searched_periodically(same_box, looks, networks, detector, monkeypatch):
    # a person that the detector finds again is the followed one: by the box, or else by the body
    monkeypatch.setattr(top_down, "SAME_BOX", same_box)
    sessions = {"network": Counted(networks("keypoints")), "detector": Counted(detector)}
    options = EstimatorOptions(max_people=2)
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, options)
    image, _, _ = picture(actor())
    for frame in range(11):
        assert estimator.estimate(image, frame / 10).ids.tolist() == [0]
    assert sessions["detector"].runs == 3
    assert sessions["network"].images == looks


def test_tracked_person_needs_a_lower_score(networks, detector):
    sessions: dict[str, Session] = {"network": networks("keypoints"), "detector": detector}
    settings = {"keypoint_threshold": 0.1}
    options = EstimatorOptions(min_tracking_confidence=0.2)
    estimator = BUILDERS["keypoints"](contract("keypoints", settings, 0.9), sessions, options)
    sure, unsure = picture(actor())[0], picture(actor(), radius=2)[0]
    assert len(estimator.estimate(unsure, 0.0)) == 0
    (pose,) = estimator.estimate(sure, 0.1)
    assert pose.score > 0.9
    (pose,) = estimator.estimate(unsure, 0.2)
    assert 0.2 < pose.score < 0.9


def test_person_with_too_few_keypoints_is_dropped(networks, detector):
    sessions: dict[str, Session] = {"network": networks("keypoints"), "detector": detector}
    image, _, _ = picture(actor(), missing=range(7, 17))
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, EstimatorOptions())
    assert len(estimator.estimate(image)) == 1
    image, _, _ = picture(actor(), missing=range(6, 17))
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, EstimatorOptions())
    assert len(estimator.estimate(image)) == 0


def test_upper_body_only_gives_its_keypoints(networks, detector):
    sessions: dict[str, Session] = {"network": networks("simcc"), "detector": detector}
    estimator = BUILDERS["simcc"](
        contract("simcc"), sessions, EstimatorOptions(upper_body_only=True)
    )
    poses = estimator.estimate(picture(actor())[0])
    assert poses.skeleton.name == "coco17_upper_body"
    assert poses.keypoints.shape == (1, 13, 2)


@pytest.mark.parametrize(
    ("kind", "settings", "outputs", "message"),
    [
        ("heatmap", {"refien": "dark"}, None, "markers: decoder.refien: no such setting; known"),
        ("heatmap", {"refine": "sharp"}, None, "expected quarter or dark or none, got 'sharp'"),
        ("heatmap", {"blur": 4}, None, "decoder: blur must be odd"),
        ("heatmap", {"blur": 1.5}, None, "decoder.blur: expected a whole number, got 1.5"),
        ("heatmap", {"padding": True}, None, "decoder.padding: expected a number, got True"),
        ("heatmap", {"padding": 0.5}, None, r"padding must be in \[1, 4\], got 0.5"),
        ("heatmap", {"unbiased": 1}, None, "decoder.unbiased: expected true or false, got 1"),
        ("simcc", {"keypoint_threshold": 2}, None, r"keypoint_threshold must be in \[0, 1\]"),
        (
            "heatmap",
            {},
            [("maps", (1, 18, 64, 48))],
            r"expected 17 heatmaps .* coco17 as output of 'network', got maps \[1, 18, 64, 48\]",
        ),
        (
            "simcc",
            {"split_ratio": 3.0},
            None,
            r"x \[1, 17, 576\] and y \[1, 17, 768\] .*, got simcc_x \[1, 17, 384\], simcc_y",
        ),
        ("simcc", {"split_ratio": np.nan}, None, "decoder.split_ratio: expected a finite number"),
        ("keypoints", {}, [("xy", (1, 21, 3))], r"expected 17 keypoints .*, got xy \[1, 21, 3\]"),
    ],
)
def test_wrong_cards_are_refused(kind, settings, outputs, message):
    sessions: dict[str, Session] = {}
    with pytest.raises(ModelError, match=message):
        BUILDERS[kind](contract(kind, settings, outputs=outputs), sessions, EstimatorOptions())


class Broken:
    """A network that breaks down: sure of a value that is not finite."""

    provider = "cpu"

    def __init__(self, value):
        self.value = value

    def run(self, *inputs):
        keypoints = np.full((len(inputs[0]), 17, 3), 0.9, np.float32)
        keypoints[:, :, 0] = np.linspace(0.2, 0.8, 17)
        keypoints[:, 5, 1] = self.value
        return [keypoints]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_keypoint_that_is_not_finite_is_missing(value, detector):
    sessions: dict[str, Session] = {"network": Broken(value), "detector": detector}
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, EstimatorOptions())
    for _ in range(2):
        (pose,) = estimator.estimate(picture(actor())[0])
        assert np.flatnonzero(~np.isfinite(pose.keypoints).all(axis=1)).tolist() == [5]
        assert np.isnan(pose.keypoints[5]).all()
        assert pose.keypoint_scores[5] == 0


def test_registry_shows_which_families_need_the_detector():
    needing = {family.make for family in FAMILIES.values() if family.needs_people}
    assert needing == set(BUILDERS.values())


def test_person_half_missed_in_one_image_is_whole_in_the_next(networks, detector):
    sessions = {"network": networks("keypoints"), "detector": Counted(detector)}
    estimator = BUILDERS["keypoints"](contract("keypoints"), sessions, EstimatorOptions())
    for frame, missing in enumerate([(), range(11, 17), (), range(5), ()]):
        (pose,) = estimator.estimate(picture(actor(), missing)[0], frame / 10)
        assert np.isfinite(pose.keypoints[:, 0]).sum() == 13 - len(set(missing) - set(UNSEEN))
    assert sessions["detector"].runs == 1
