"""People that a network finds again in each image keep their ids and are filtered."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.types import Session
from pose_ros.errors import ImageError
from pose_ros.networks.one_shot import DecodedPeople, OneShot
from pose_ros.settings.estimation import EstimatorOptions

SKELETON = skeletons.get("coco17")
IMAGE = np.zeros((480, 640, 3), np.uint8)
PERSON = np.array(
    [(0, -80), (5, -85), (-5, -85), (10, -82), (-10, -82), (20, -60), (-20, -60)]
    + [(30, -25), (-30, -25), (32, 5), (-32, 5), (12, 10), (-12, 10)]
    + [(13, 50), (-13, 50), (13, 90), (-13, 90)],
    np.float32,
)
"""A person upright around the waist, 175 pixels high."""


class Script:
    """A network that finds the ``people`` given: x, y and score in image pixels."""

    provider = "cpu"

    def __init__(self):
        self.people = []

    def run(self, *inputs):
        (tensor,) = inputs
        assert tensor.shape == (1, 3, 240, 320)
        return []

    def decode(self, outputs, threshold):
        seen = [(points, score) for points, score in self.people if score >= threshold]
        keypoints = np.array([points for points, _ in seen], np.float32).reshape(-1, 17, 2)
        scores = np.array([score for _, score in seen], np.float32)
        known = np.isfinite(keypoints).all(axis=2)
        # half the image's size, and pixel centers at whole coordinates
        return DecodedPeople(
            (keypoints + 0.5) / 2 - 0.5, np.where(known, scores[:, None], 0), scores
        )


def make(**options):
    script = Script()
    image = Value("image", "image", (1, 3, 240, 320), image=ImageInput(320, 240))
    contract = Contract("script", SKELETON, 0.3, inputs={"network": (image,)})
    options = EstimatorOptions(**({"max_people": 5} | options))
    sessions: dict[str, Session] = {"network": script}
    return OneShot(contract, sessions, options, script.decode), script


def at(x, y, score=0.9, missing=()):
    points = PERSON + np.array([x, y], np.float32)
    points[list(missing)] = np.nan
    return points, score


def test_people_are_sorted_by_score_at_their_true_places():
    estimator, script = make()
    script.people = [at(100, 200, 0.5), at(400, 250, 0.8, missing=[9])]
    poses = estimator.estimate(IMAGE)
    assert (estimator.network, estimator.provider, poses.skeleton) == ("script", "cpu", SKELETON)
    assert np.allclose(poses.scores, [0.8, 0.5])
    assert np.allclose(poses.keypoints[1], PERSON + [100, 200], atol=1e-3)
    assert np.isnan(poses[0].keypoint("left_wrist")).all()
    assert poses.keypoint_scores[0, 9] == 0
    assert np.allclose(poses.boxes[1], [68, 115, 132, 290], atol=1e-3)


def test_empty_image_gives_no_people():
    estimator, script = make()
    assert len(estimator.estimate(IMAGE)) == 0
    script.people = [(np.full((17, 2), np.nan, np.float32), 0.9)]
    assert len(estimator.estimate(IMAGE)) == 0


def test_threshold_is_of_the_network_unless_set_by_the_user():
    estimator, script = make()
    script.people = [at(100, 200, 0.4), at(400, 200, 0.2)]
    assert len(estimator.estimate(IMAGE, 0.0)) == 1
    estimator.options = EstimatorOptions(threshold=0.1, max_people=5)
    assert len(estimator.estimate(IMAGE, 0.1)) == 2
    estimator.options = EstimatorOptions(threshold=0.5, max_people=5)
    assert len(estimator.estimate(IMAGE, 0.2)) == 0


def test_ids_follow_people_in_any_order():
    estimator, script = make()
    found = []
    for frame in range(30):
        people = [at(100 + 5 * frame, 200), at(500 - 5 * frame, 260)]
        script.people = people if frame % 2 else people[::-1]
        poses = estimator.estimate(IMAGE, frame / 30)
        order = np.argsort(poses.keypoints[:, 0, 1])  # the first is higher in the image
        found.append(poses.ids[order].tolist())
    assert found == [found[0]] * 30


def test_tracked_person_precedes_a_more_confident_one():
    estimator, script = make(max_people=1)
    script.people = [at(100, 200, 0.6)]
    (first,) = estimator.estimate(IMAGE, 0.0)
    script.people = [at(450, 200, 0.9), at(104, 200, 0.5)]
    (second,) = estimator.estimate(IMAGE, 0.1)
    assert second.id == first.id
    assert second.box[0] < 150


def test_nearer_person_precedes_a_slightly_more_confident_one():
    estimator, script = make(max_people=1)
    near = PERSON * 1.8 + np.array([200, 260], np.float32)
    script.people = [at(450, 200, 0.9), (near, 0.7)]
    (pose,) = estimator.estimate(IMAGE)
    assert np.allclose(pose.keypoints, near, atol=1e-3)


def test_person_cut_by_the_image_keeps_id():
    estimator, script = make()
    script.people = [at(300, 200)]
    (first,) = estimator.estimate(IMAGE, 0.0)
    script.people = [at(302, 200, missing=range(5, 17, 2))]
    (second,) = estimator.estimate(IMAGE, 0.1)
    assert second.id == first.id


def test_smoothing_damps_noise_and_restarts_for_a_keypoint_that_was_missing():
    rng = np.random.default_rng(0)
    spreads = []
    for smoothing in (True, False):
        estimator, script = make(smoothing=smoothing)
        found = []
        for frame in range(60):
            points, score = at(300, 240, missing=[10] if 20 <= frame < 40 else [])
            script.people = [(points + rng.normal(0, 1.5, points.shape), score)]
            (pose,) = estimator.estimate(IMAGE, frame / 30)
            found.append(pose.keypoints)
        points = np.stack(found)
        assert np.isnan(points[20:40, 10]).all()
        assert np.isfinite(points[:20]).all()
        assert np.isfinite(points[40:]).all()
        spreads.append(points[45:, 5].std(axis=0).mean())
    assert spreads[0] < 0.7 * spreads[1]


def test_static_images_do_not_affect_each_other():
    estimator, script = make(static=True)
    script.people = [at(100, 200)]
    estimator.estimate(IMAGE, 1.0)
    script.people = [at(110, 200)]
    (pose,) = estimator.estimate(IMAGE, 0.0)
    assert pose.id == 0
    assert np.allclose(pose.keypoints, PERSON + [110, 200], atol=1e-3)


def test_time_jump_back_reuses_no_id_and_reset_restarts_ids():
    estimator, script = make()
    script.people = [at(100, 200)]
    ids = [estimator.estimate(IMAGE, stamp).ids[0] for stamp in (5.0, 5.1, 1.0)]
    assert ids == [0, 0, 1]
    estimator.reset()
    assert estimator.estimate(IMAGE, 0.0).ids[0] == 0


def test_upper_body_only_gives_its_keypoints():
    estimator, script = make(upper_body_only=True)
    script.people = [at(100, 200), at(400, 200, missing=range(13))]
    poses = estimator.estimate(IMAGE)
    assert poses.skeleton == estimator.skeleton
    assert poses.skeleton.name == "coco17_upper_body"
    assert poses.keypoints.shape == (1, 13, 2)


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE.astype(np.float32), None])
def test_invalid_image_is_refused(image):
    with pytest.raises(ImageError, match="uint8"):
        make()[0].estimate(image)
