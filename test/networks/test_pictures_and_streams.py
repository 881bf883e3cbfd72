"""Stamps in each network: single pictures, streams, and gaps between images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.core.types import Estimator, Image, Poses
from pose_ros.errors import ImageError
from tools import markers
from tools.onnx_writer import save

# one of each kind of code: openpose-mobilenet and posenet-mobilenet differ in their decoder alone
STREAMS = ["blazepose-full", "blazehand-full", "posenet-mobilenet", "seen"]
PHOTOS = ["humans_2", "humans_8", "COCO_val2014_000000000536"]
_COLORS = markers.colors(4)


class BodyAndHands:
    """The hands of the people in an image: as an estimator of hands."""

    def __init__(self) -> None:
        self.people = pose_ros.create_estimator("blazepose-full", max_people=2, threads=1)
        self.hands = pose_ros.create_body_hands("blazehand-full", threads=1)

    def estimate(self, image: Image, stamp: float | None = None) -> Poses:
        return self.hands.estimate(image, self.people.estimate(image, stamp), stamp)

    def reset(self) -> None:
        self.people.reset()
        self.hands.reset()


Make = Callable[[], Estimator | BodyAndHands]


@pytest.fixture(scope="module")
def seen_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that sees one person at a time: four colors that are painted on people."""
    folder = tmp_path_factory.mktemp("seen")
    save(markers.network("keypoints", _COLORS, 256, 192), folder / "seen.onnx")
    (folder / "seen.yaml").write_text(markers.CARD, encoding="utf-8")
    return folder / "seen.yaml"


@pytest.fixture(scope="module")
def make(
    request: pytest.FixtureRequest, openpose_models: Path, posenet_models: Path, seen_card: Path
) -> Make:
    """Make a new estimator of the network that the test is about."""
    folders = {"openpose-mobilenet": openpose_models, "posenet-mobilenet": posenet_models}
    name = request.param
    if name == "hands of bodies":
        return BodyAndHands
    network = str(seen_card) if name == "seen" else name
    return lambda: pose_ros.create_estimator(
        network, max_people=2, threads=1, models_dir=folders.get(name), provider="cpu"
    )


@pytest.fixture(scope="module")
def shared(make: Make) -> Estimator | BodyAndHands:
    """The one estimator that is made for all tests of a network."""
    return make()


@pytest.fixture
def estimator(shared: Estimator | BodyAndHands) -> Estimator | BodyAndHands:
    """An estimator at the beginning of a stream."""
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def photos(data: Path) -> dict[str, Image]:
    """Photos of several sizes, RGB, with four spots of color on a person in each."""
    bodies = pose_ros.create_estimator("blazepose-full", threads=1)
    found: dict[str, Image] = {}
    for name in PHOTOS:
        image = cv2.imread(str(data / "images" / f"{name}.jpg"))
        assert image is not None
        image = image[..., ::-1].astype(np.uint8)
        person = bodies.estimate(image)[0]
        joints = ("left_shoulder", "right_shoulder", "left_wrist", "right_wrist")
        places = np.array([person.keypoint(joint) for joint in joints])
        markers.draw(image, places, _COLORS, radius=4)
        found[name] = image
    return found


@pytest.fixture
def person(photos: dict[str, Image]) -> Image:
    return photos["humans_2"]


@pytest.fixture
def other(photos: dict[str, Image]) -> Image:
    return photos["COCO_val2014_000000000536"]


def assert_same(found: Poses, expected: Poses, *, but_ids: bool = False) -> None:
    if not but_ids:
        assert found.ids.tolist() == expected.ids.tolist()
    for name in ("scores", "boxes", "keypoints", "keypoint_scores", "world"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("make", [*STREAMS, "openpose-mobilenet", "hands of bodies"], indirect=True)
def test_photos_without_stamps_are_each_found_as_by_a_new_estimator(
    make: Make, estimator: Estimator | BodyAndHands, photos: dict[str, Image]
) -> None:
    counts = []
    for photo in photos.values():
        found = estimator.estimate(photo)
        assert_same(found, make().estimate(photo))
        counts.append(len(found))
    assert sum(count > 0 for count in counts) >= 2


@pytest.mark.parametrize("make", STREAMS, indirect=True)
def test_photo_does_not_change_a_parallel_stream(
    estimator: Estimator, person: Image, other: Image
) -> None:
    stamps = (5.0, 5.1, 5.2)
    undisturbed = [estimator.estimate(person, stamp) for stamp in stamps]
    estimator.reset()
    for stamp, expected in zip(stamps, undisturbed, strict=True):
        assert_same(estimator.estimate(person, stamp), expected)
        estimator.estimate(other)
    assert estimator.estimate(person, 5.3).ids.tolist() == undisturbed[0].ids.tolist()


@pytest.mark.parametrize("make", [*STREAMS, "hands of bodies"], indirect=True)
def test_a_second_image_of_the_same_stamp_is_refused(
    estimator: Estimator | BodyAndHands, person: Image, other: Image
) -> None:
    estimator.estimate(person, 0.0)
    with pytest.raises(ImageError, match="pictures that do not follow each other need no stamp"):
        estimator.estimate(other, 0.0)
    with pytest.raises(ImageError, match="expected a finite stamp"):
        estimator.estimate(other, float("nan"))


@pytest.mark.parametrize("make", STREAMS, indirect=True)
def test_image_of_another_size_resets_tracking(
    estimator: Estimator, person: Image, other: Image, caplog: pytest.LogCaptureFixture
) -> None:
    before = estimator.estimate(person, 1.0)
    assert not caplog.records
    found = estimator.estimate(other, 1.1)
    assert_same(found, estimator.estimate(other), but_ids=True)
    assert not set(found.ids.tolist()) & set(before.ids.tolist())
    (record,) = caplog.records
    height, width = person.shape[:2]
    assert f"from {width}x{height} to" in record.getMessage()


@pytest.mark.parametrize("make", STREAMS, indirect=True)
def test_a_person_after_a_gap_longer_than_reid_timeout_gets_a_new_id(
    estimator: Estimator, person: Image
) -> None:
    alone = estimator.estimate(person)
    assert len(alone)
    used: set[int] = set()
    stamp = 0.0
    for gap in (0.0, 2.5, 60.0, 3600.0):
        stamp += gap
        after = estimator.estimate(person, stamp)
        assert not used & set(after.ids.tolist())
        assert_same(after, alone, but_ids=True)  # nor filtered with those of before
        stamp += 0.1
        assert estimator.estimate(person, stamp).ids.tolist() == after.ids.tolist()
        used |= set(after.ids.tolist())


@pytest.mark.parametrize("make", STREAMS, indirect=True)
def test_a_person_after_a_gap_shorter_than_reid_timeout_keeps_the_id(
    estimator: Estimator, person: Image
) -> None:
    before = estimator.estimate(person, 0.0).ids.tolist()
    assert before
    assert estimator.estimate(person, 1.5).ids.tolist() == before


@pytest.mark.parametrize("make", ["blazepose-full"], indirect=True)
def test_another_person_at_the_same_place_after_a_short_gap_gets_a_new_id(
    estimator: Estimator, person: Image
) -> None:
    assert estimator.estimate(person, 0.0).ids.tolist() == [0, 1]
    # the same bodies in other clothes
    after = estimator.estimate(np.ascontiguousarray(255 - person), 1.5).ids.tolist()
    assert after
    assert not set(after) & {0, 1}
