"""Results as plain values: valid JSON, also with missing values."""

import json

import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.gestures.targets import Goal, Refused, Target
from pose_ros.core.results import Result
from pose_ros.core.types import Poses

SKELETON = skeletons.get("blazepose33")


def record_of(poses, **fields):
    """Return an image's result as JSON gives it back."""
    result = Result(4, 1_250_000_000, 30, 20, poses, source="a.jpg", **fields)
    return json.loads(json.dumps(result.to_dict(), allow_nan=False))


def test_missing_values_are_null():
    keypoints = np.full((1, 33, 2), 5.5, np.float32)
    keypoints[0, 1] = np.nan
    camera = np.full((1, 33, 3), 2.0, np.float32)
    camera[0, 1] = np.nan
    poses = Poses(SKELETON, [7], [0.5], [[0, 1, 2, 3]], keypoints, np.ones((1, 33)), camera=camera)
    record = record_of(poses)
    assert (record["source"], record["frame_id"]) == ("a.jpg", None)
    assert (record["index"], record["stamp_s"], record["stamp_ns"]) == (4, 1.25, 1_250_000_000)
    assert (record["width_px"], record["height_px"]) == (30, 20)
    person = record["poses"][0]
    assert (person["id"], person["score"], person["box_px"]) == (7, 0.5, [0, 1, 2, 3])
    assert person["keypoints"]["nose"] == {
        "x_px": 5.5, "y_px": 5.5, "z_px": None, "score": 1.0,
        "world_m": None, "camera_m": [2.0, 2.0, 2.0],
        "camera_source": "model", "camera_sigma_m": None,
    }  # fmt: skip
    missing = person["keypoints"][SKELETON.keypoints[1]]
    assert missing["x_px"] is missing["camera_m"] is missing["camera_source"] is None


def test_meters_have_their_source_and_sigma():
    camera, sources, sigmas = np.ones((1, 33, 3)), np.ones((1, 33)), np.full((1, 33), 0.25)
    camera[0, 1], sources[0, :3], sigmas[0, 1] = np.nan, (2, 0, 1), np.nan
    poses = Poses(
        SKELETON, [7], [0.5], [[0, 1, 2, 3]], np.zeros((1, 33, 2)), np.ones((1, 33)),
        camera=camera, camera_sources=sources, camera_sigmas=sigmas,
    )  # fmt: skip
    points = list(record_of(poses)["poses"][0]["keypoints"].values())[:3]
    given = [(point["camera_source"], point["camera_sigma_m"]) for point in points]
    assert given == [("depth", 0.25), (None, None), ("model", 0.25)]


def test_labels_have_their_score():
    skeleton = skeletons.get("blazehand21")
    poses = Poses(
        skeleton, [7], [0.5], [[0, 1, 2, 3]], np.zeros((1, 21, 2)), np.ones((1, 21)),
        labels=("left",), label_scores=[0.75],
    )  # fmt: skip
    (hand,) = record_of(poses)["poses"]
    assert (hand["label"], hand["label_score"]) == ("left", 0.75)
    (hand,) = record_of(poses.replace(labels=None, label_scores=None))["poses"]
    assert (hand["label"], hand["label_score"]) == (None, None)


def test_hands_have_the_id_of_their_person():
    hands = Poses(
        skeletons.get("blazehand21"), [6, 7, 9], [0.5] * 3, np.zeros((3, 4)),
        np.zeros((3, 21, 2)), np.ones((3, 21)), labels=("left", "right", "right"),
    )  # fmt: skip
    people = Poses.empty(SKELETON)
    found = record_of(people, hands=hands)["hands"]
    assert [(h["person"], h["id"], h["label"]) for h in found] == [
        (3, 6, "left"), (3, 7, "right"), (4, 9, "right"),
    ]  # fmt: skip
    assert list(found[0]["keypoints"])[:2] == ["wrist", "thumb_cmc"]
    assert record_of(people, hands=Poses.empty(hands.skeleton))["hands"] == []
    assert record_of(people)["hands"] is None


def test_image_without_people_has_empty_lists():
    record = record_of(Poses.empty(SKELETON))
    assert record["poses"] == record["gestures"] == record["targets"] == []


def test_targets_have_a_goal_or_the_reason_why_there_is_none():
    target = Target(np.array([1.0, 2.0, 0.0]), np.diag([0.04, 0.01, 0.0]), 3.0)
    goals = {
        3: Goal((1.0, 2.0, 0.0), 0.5, "base_link", 1.25),
        5: str(Refused("horizon")),
        6: "nothing on /tf says where c is",
    }
    found = record_of(
        Poses.empty(SKELETON), targets={3: target, 5: Refused("horizon")}, goals=goals
    )["targets"]
    assert found[0] == {
        "person": 3, "frame_id": "base_link", "position_m": [1.0, 2.0, 0.0],
        "sigma_m": 0.2, "range_m": 3.0, "goal_yaw_rad": 0.5, "reason": None,
    }  # fmt: skip
    assert [(t["person"], t["position_m"], t["reason"]) for t in found[1:]] == [
        (5, None, "the ray is too close to the horizon of the plane"),
        (6, None, "nothing on /tf says where c is"),
    ]  # fmt: skip


def test_line_of_json_has_keypoints_as_a_list_and_short_names():
    people = Poses(SKELETON, [3], [0.5], [[0, 1, 2, 3]], np.full((1, 33, 2), 7.0), np.ones((1, 33)))
    result = Result(0, 1_500_000_000, 640, 480, people)
    line = json.loads(json.dumps(result.to_record("blazepose-full", gestures=True)))
    assert (line["stamp"], line["width"], line["height"]) == (1.5, 640, 480)
    assert line["gestures"] == line["targets"] == []
    assert "hands" not in line
    (pose,) = line["poses"]
    assert pose["box"] == [0, 1, 2, 3]
    assert [point["name"] for point in pose["keypoints"]] == list(SKELETON.keypoints)
    assert (pose["keypoints"][15]["x"], pose["keypoints"][15]["camera"]) == (7.0, None)
    assert "gestures" not in result.to_record("blazepose-full", gestures=False)
