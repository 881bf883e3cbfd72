"""People for Lichtblick and Foxglove: where they are, whose what is, and gone when they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pose_ros.bags.message_types import types, typestore
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.types import Poses
from pose_ros.messages.foxglove import SceneUpdates, annotations_to_msg, names_of
from pose_ros.messages.headers import header_of
from tools.drawn_results import drawn_results, hand_of

PACKAGE = "foxglove_msgs/msg"
HEADER = header_of(types, 1_700_000_000_123_456_789, "camera")
SIZE = {"width": 640, "height": 480}

# of the definitions of foxglove_msgs 3.4.3; ROS computes them from names and types of fields
PUBLISHED = {
    "ImageAnnotations": "bc4e578b1ef80953415d6f966a4cab305c8a44c8b64fc405312b6f06a08fc45e",
    "SceneUpdate": "48c640ae3c3c25188e497ddea0ea11c2e189b50db3ef425f2c518d2355e5ff60",
}


@pytest.fixture(scope="module")
def people() -> Poses:
    """Two people, all of whose joints are seen."""
    poses = next(drawn_results("crossing", 1)).poses
    return poses.replace(
        keypoint_scores=np.ones_like(poses.keypoint_scores), camera_sources=None, camera_sigmas=None
    )


def read_back(message: Any, kind: str) -> Any:
    """Return a message as who reads the bag has it."""
    store, name = typestore(), f"{PACKAGE}/{kind}"
    return store.deserialize_cdr(store.serialize_cdr(message, name), name)


def annotated(poses: Poses, least: float = 0.5, **more: Any) -> Any:
    names = names_of(poses, "p", more.pop("gestures", ()))
    message = annotations_to_msg(types, poses, HEADER, names, min_score=least, **SIZE, **more)
    return read_back(message, "ImageAnnotations")


def rgb(color: Any) -> tuple[float, float, float]:
    return color.r, color.g, color.b


def place(point: Any) -> list[float]:
    return [point.x, point.y, point.z]


@pytest.mark.parametrize("kind", PUBLISHED)
def test_fields_are_those_of_the_published_definitions(kind: str) -> None:
    assert typestore().hash_rihs01(f"{PACKAGE}/{kind}") == f"RIHS01_{PUBLISHED[kind]}"


def test_links_joints_and_names_are_at_each_person_in_their_color(people: Poses) -> None:
    found = annotated(people)
    assert len(people) == 2
    links, joints = found.points[::2], found.points[1::2]
    ends = np.array(people.skeleton.links).ravel()
    for i, (lines, dots, text) in enumerate(zip(links, joints, found.texts, strict=True)):
        assert (lines.type, dots.type) == (4, 1)  # LINE_LIST, POINTS
        where = np.array([(p.x, p.y) for p in dots.points])
        np.testing.assert_allclose(where, people.keypoints[i])
        np.testing.assert_allclose([(p.x, p.y) for p in lines.points], where[ends])
        assert text.text == f"p{people.ids[i]}"
        assert rgb(lines.outline_color) == rgb(dots.outline_color) == rgb(text.background_color)
        # a viewer goes by the stamp of each, or by that of all
        assert all(part.timestamp == HEADER.stamp for part in (found, lines, dots, text))
    assert rgb(links[0].outline_color) != rgb(links[1].outline_color)


def test_joint_that_is_missing_or_too_unsure_is_left_out_with_its_links(people: Poses) -> None:
    wrist, nose = people.skeleton.index("left_wrist"), people.skeleton.index("nose")
    scores, points = people.keypoint_scores.copy(), people.keypoints.copy()
    camera = np.array(people.camera)
    scores[0, wrist], points[0, nose], camera[0, nose] = 0.3, np.nan, np.nan
    poses = people.replace(
        keypoint_scores=scores, keypoints=points, camera=camera, camera_sources=None
    )
    lines, dots = annotated(poses).points[:2]
    bad = {wrist, nose}
    left = 2 * sum(not bad & set(ends) for ends in people.skeleton.links)
    assert (len(dots.points), len(lines.points)) == (31, left)
    entity = read_back(
        SceneUpdates(types).update(poses, HEADER, names_of(poses, "p"), 0.5), "SceneUpdate"
    ).entities[0]
    assert (len(entity.spheres), len(entity.lines[0].points)) == (31, left)
    assert np.isfinite(place(entity.texts[0].pose.position)).all()


def test_name_has_the_gestures_that_are_held(people: Poses) -> None:
    first, second = people.ids.tolist()
    gestures = [
        Gesture("wave", "left", first, "held", 0.9, 0.0),
        Gesture("stop", "", first, "started", 0.9, 0.0),
        Gesture("point", "right", second, "ended", 0.9, 0.0),
    ]
    texts = [text.text for text in annotated(people, gestures=gestures).texts]
    assert texts == [f"p{first}, left wave, stop", f"p{second}"]


def test_name_of_a_person_beyond_the_image_stays_in_it(people: Poses) -> None:
    boxes = np.array([[-40, -90, 100, 400], [np.nan] * 4], np.float32)
    (text,) = annotated(people.replace(boxes=boxes)).texts
    assert text.position.x == 0
    assert text.position.y >= text.font_size


def test_scene_has_the_people_in_meters_of_the_images_frame(people: Poses) -> None:
    assert people.camera is not None
    update = SceneUpdates(types).update(people, HEADER, names_of(people, "p"), 0.5)
    found = read_back(update, "SceneUpdate")
    assert not found.deletions
    ends = np.array(people.skeleton.links).ravel()
    for i, entity in enumerate(found.entities):
        assert (entity.frame_id, entity.timestamp) == ("camera", HEADER.stamp)
        assert entity.lifetime.sec > 0
        spheres = np.array([place(sphere.pose.position) for sphere in entity.spheres])
        np.testing.assert_allclose(spheres, people.camera[i])
        (line,) = entity.lines
        assert line.type == 2  # LINE_LIST
        np.testing.assert_allclose([place(p) for p in line.points], spheres[ends])
        for part in (line, *entity.spheres, *entity.texts):
            assert part.pose.orientation.w == 1.0
        (text,) = entity.texts
        # y points down: the name is over the head
        assert place(text.pose.position)[1] < spheres[:, 1].min()
    assert [entity.id for entity in found.entities] == [str(id_) for id_ in people.ids]


def test_who_is_gone_is_deleted_once(people: Poses) -> None:
    scene, names = SceneUpdates(types), names_of(people, "p")
    assert scene.clear() is None
    scene.update(people, HEADER, names, 0.5)
    first, second = map(str, people.ids)
    nowhere = np.array(people.camera)
    nowhere[0] = np.nan
    left = people.replace(camera=nowhere, camera_sources=None)
    found = read_back(scene.update(left, HEADER, names, 0.5), "SceneUpdate")
    # 0: MATCHING_ID
    assert [(gone.type, gone.id) for gone in found.deletions] == [(0, first)]
    assert [entity.id for entity in found.entities] == [second]
    assert not scene.update(left, HEADER, names, 0.5).deletions
    assert [gone.id for gone in scene.clear().deletions] == [second]
    assert scene.clear() is None


def test_people_without_meters_are_on_the_image_alone(people: Poses) -> None:
    flat = people.replace(camera=None, camera_sources=None, camera_sigmas=None)
    assert len(annotated(flat).texts) == 2
    assert not SceneUpdates(types).update(flat, HEADER, names_of(flat, "p"), 0.5).entities


def test_hands_have_their_persons_color_and_no_name(people: Poses) -> None:
    person = int(people.ids[1])
    hands = hand_of(person).replace(keypoint_scores=np.ones((1, 21), np.float32))
    found = annotated(people, hands=hands)
    assert len(found.texts) == 2
    lines, dots = found.points[4:]
    np.testing.assert_allclose([(p.x, p.y) for p in dots.points], hands.keypoints[0])
    assert rgb(lines.outline_color) == rgb(found.points[2].outline_color)
