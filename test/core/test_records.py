"""Records are valid JSON whatever is missing."""

import json

import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.records import to_record
from pose_ros.core.types import Frame, Poses

SKELETON = skeletons.get("blazepose33")
FRAME = Frame(np.zeros((20, 30, 3), np.uint8), 1.25, index=4, source="a.jpg")


def test_missing_values_are_null():
    keypoints = np.full((1, 33, 2), 5.5, np.float32)
    keypoints[0, 1] = np.nan
    camera = np.full((1, 33, 3), 2.0, np.float32)
    camera[0, 1] = np.nan
    poses = Poses(SKELETON, [7], [0.5], [[0, 1, 2, 3]], keypoints, np.ones((1, 33)), camera=camera)
    record = json.loads(json.dumps(to_record(FRAME, poses, "blazepose-full"), allow_nan=False))
    assert record["source"] == "a.jpg"
    assert (record["index"], record["stamp"]) == (4, 1.25)
    assert (record["width"], record["height"]) == (30, 20)
    person = record["poses"][0]
    assert (person["id"], person["score"], person["box"]) == (7, 0.5, [0, 1, 2, 3])
    assert person["keypoints"][0] == {
        "name": "nose", "x": 5.5, "y": 5.5, "score": 1.0,
        "z": None, "world": None, "camera": [2.0, 2.0, 2.0],
        "camera_source": "model", "camera_sigma": None,
    }  # fmt: skip
    assert person["keypoints"][1]["x"] is None
    assert person["keypoints"][1]["camera"] is None


def test_record_has_source_and_sigma_of_meters():
    camera, sources, sigmas = np.ones((1, 33, 3)), np.ones((1, 33)), np.full((1, 33), 0.25)
    camera[0, 1], sources[0, :3], sigmas[0, 1] = np.nan, (2, 0, 1), np.nan
    poses = Poses(
        SKELETON, [7], [0.5], [[0, 1, 2, 3]], np.zeros((1, 33, 2)), np.ones((1, 33)),
        camera=camera, camera_sources=sources, camera_sigmas=sigmas,
    )  # fmt: skip
    points = to_record(FRAME, poses, "x")["poses"][0]["keypoints"]
    told = [(point["camera_source"], point["camera_sigma"]) for point in points[:3]]
    assert told == [("depth", 0.25), (None, None), ("model", 0.25)]


def test_record_has_label_and_label_score():
    skeleton = skeletons.get("blazehand21")
    poses = Poses(
        skeleton, [7], [0.5], [[0, 1, 2, 3]], np.zeros((1, 21, 2)), np.ones((1, 21)),
        labels=("left",), label_scores=[0.75],
    )  # fmt: skip
    (hand,) = to_record(FRAME, poses, "blazehand-full")["poses"]
    assert (hand["label"], hand["label_score"]) == ("left", 0.75)
    (hand,) = to_record(FRAME, poses.replace(labels=None, label_scores=None), "x")["poses"]
    assert (hand["label"], hand["label_score"]) == (None, None)


def test_hands_name_their_person_when_hands_are_searched():
    hands = Poses(
        skeletons.get("blazehand21"), [6, 7, 9], [0.5] * 3, np.zeros((3, 4)),
        np.zeros((3, 21, 2)), np.ones((3, 21)), labels=("left", "right", "right"),
    )  # fmt: skip
    people = Poses.empty(SKELETON)
    found = to_record(FRAME, people, "x", hands)["hands"]
    assert [(h["person"], h["id"], h["label"]) for h in found] == [
        (3, 6, "left"), (3, 7, "right"), (4, 9, "right"),
    ]  # fmt: skip
    assert [point["name"] for point in found[0]["keypoints"]][:2] == ["wrist", "thumb_cmc"]
    assert to_record(FRAME, people, "x", Poses.empty(hands.skeleton))["hands"] == []
    assert "hands" not in to_record(FRAME, people, "x")


def test_record_without_people_has_an_empty_list():
    assert to_record(FRAME, Poses.empty(SKELETON), "x")["poses"] == []
