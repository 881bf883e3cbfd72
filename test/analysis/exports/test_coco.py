"""COCO: valid JSON by COCO's conventions, also with missing values."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pose_ros.analysis.exports import open_exports
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.errors import OutputError
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, drawn_results, hand_of, result_of

COCO17 = skeletons.get("coco17").keypoints


def write(tmp_path, results, kind="coco", **options):
    """Write COCO's JSON; returns it read."""
    path = tmp_path / "poses.json"
    with open_exports(ExportOptions({kind: str(path)}, **options), INFO) as exports:
        for result in results:
            exports.write(result)
    return json.loads(path.read_text(encoding="utf-8"))


def triples(annotation):
    """Return the keypoints of an annotation, (K, 3)."""
    return np.array(annotation["keypoints"]).reshape(-1, 3)


def test_data_set_has_images_categories_and_annotations(tmp_path, varied):
    found = write(tmp_path, varied)
    assert found["info"]["pose_ros"]["network"] == "blazepose-full"
    assert [image["id"] for image in found["images"]] == [0, 1, 2, 5]
    assert found["images"][3] == {
        "id": 5,
        "file_name": "run 1_000005.jpg",
        "width": 640,
        "height": 480,
        "source": INFO.source,
        "index": 5,
        "nanoseconds": varied[3].nanoseconds,
    }
    person, hand, half = found["categories"]
    assert (person["id"], person["name"]) == (1, "person")
    assert person["keypoints"] == [*skeletons.get("blazepose33").keypoints]
    assert min(map(min, person["skeleton"])) == 1
    assert max(map(max, person["skeleton"])) == 33
    assert (hand["id"], hand["name"], half["name"]) == (2, "hand", "person_blazepose33_upper_body")
    annotations = found["annotations"]
    # 0 means "no match" to COCO's evaluation
    assert [a["id"] for a in annotations] == list(range(1, 8))
    assert [a["image_id"] for a in annotations] == [0, 0, 0, 2, 2, 5, 5]
    assert [a["category_id"] for a in annotations] == [1, 1, 2, 3, 3, 1, 1]
    assert [a["track_id"] for a in annotations] == [0, 1, 1, 0, 1, 0, 1]
    assert [a.get("side") for a in annotations] == [None, None, "right", *[None] * 4]


def test_annotation_has_keypoints_box_and_area(tmp_path, varied):
    first = write(tmp_path, varied)["annotations"][0]
    poses = varied[0].poses
    points = triples(first)
    assert points[15].tolist() == [0, 0, 0]  # COCO's value for a missing keypoint
    seen = np.arange(33) != 15
    assert np.all(points[seen, 2] == 2)
    assert points[seen, :2] == pytest.approx(poses.keypoints[0, seen], abs=0.006)
    assert first["num_keypoints"] == 32
    assert first["keypoint_scores"][:16] == [0.75] * 15 + [0.0]
    x0, y0, x1, y1 = poses.boxes[0].tolist()
    assert first["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.006)
    assert first["area"] == pytest.approx(first["bbox"][2] * first["bbox"][3], abs=0.006)
    assert (first["score"], first["iscrowd"]) == (0.875, 0)


def test_unsure_keypoints_are_labeled_as_hidden(tmp_path):
    hands = write(tmp_path, [result_of(0, hand_of(0))])
    assert set(triples(hands["annotations"][0])[:, 2]) == {1}


@pytest.mark.parametrize(
    "skeleton",
    ["blazepose33", "blazepose33_upper_body", "openpose_body25", "openpose_coco18", "trt_body18"],
)
@pytest.mark.parametrize("kind", ["coco", "coco_results"])
def test_other_skeletons_are_exported_as_17_coco_keypoints(tmp_path, skeleton, kind):
    names = skeletons.get(skeleton).keypoints
    points = np.stack([np.arange(1.0, len(names) + 1)] * 2, axis=1)[None]
    ones = np.ones((1, len(names)))
    box = [[0.0, 0.0, 40.0, 40.0]]
    poses = Poses(skeletons.get(skeleton), [0], [1.0], box, points, ones)
    found = write(tmp_path, [result_of(0, poses)], kind, coco17=kind == "coco")
    expected = [
        [names.index(name) + 1, names.index(name) + 1, 2] if name in names else [0, 0, 0]
        for name in COCO17
    ]
    if kind == "coco":
        (category,) = found["categories"]
        assert category["keypoints"] == [*COCO17]
        found = found["annotations"]
    assert triples(found[0]).tolist() == expected


def test_results_have_the_form_of_cocos_evaluation(tmp_path, varied):
    """People only, one category, in order, and with boxes: without, they come from the zeros."""
    found = write(tmp_path, varied, "coco_results")
    assert [entry["image_id"] for entry in found] == [0, 0, 2, 2, 5, 5]
    assert {tuple(entry) for entry in found} == {
        ("image_id", "category_id", "keypoints", "score", "bbox")
    }
    assert {entry["category_id"] for entry in found} == {1}
    assert {len(entry["keypoints"]) for entry in found} == {51}


def test_images_are_named_by_their_number(tmp_path):
    names = ["coco/000000000785.jpg", "COCO_val2014_000000000192.png"]
    results = [
        replace(r, index=0, source=name)
        for r, name in zip(drawn_results("gestures", 2), names, strict=True)
    ]
    found = write(tmp_path, results, coco_ids="name")
    assert [image["id"] for image in found["images"]] == [785, 192]
    assert [image["file_name"] for image in found["images"]] == names
    with pytest.raises(OutputError, match="no number at its end"):
        write(tmp_path, [replace(results[0], source="clip.mp4")], coco_ids="name")


def test_images_of_many_sources_have_ids_of_their_own(tmp_path):
    images = list(drawn_results("gestures", 6))
    indices = [0, 3, 0, 1, 0, 4]
    results = [
        replace(r, index=i, source=f"{n // 2}.mp4")
        for n, (r, i) in enumerate(zip(images, indices, strict=True))
    ]
    found = write(tmp_path, results)
    assert [image["id"] for image in found["images"]] == [0, 3, 4, 5, 6, 10]


def test_person_without_keypoints_is_left_out(tmp_path):
    skeleton = skeletons.get("coco17")
    keypoints = np.full((2, 17, 2), np.nan)
    keypoints[1, 3:5] = [[10.0, 20.0], [14.0, 28.0]]
    boxes = np.full((2, 4), np.nan)
    poses = Poses(skeleton, [0, 1], [1.0, 1.0], boxes, keypoints, np.zeros((2, 17)))
    (annotation,) = write(tmp_path, [result_of(0, poses)])["annotations"]
    assert annotation["track_id"] == 1
    assert annotation["bbox"] == [10, 20, 4, 8]


def test_hands_alone_are_not_exported_as_people(tmp_path):
    with pytest.raises(OutputError, match="blazehand21 has none of COCO's 17 keypoints"):
        write(tmp_path, [result_of(0, hand_of(0))], "coco_results")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["coco", "coco_results"])
def test_data_set_without_images_is_valid(tmp_path, kind):
    found = write(tmp_path, [], kind)
    parts = [found] if kind == "coco_results" else [found["images"], found["annotations"]]
    assert parts == [[]] * len(parts)


@pytest.mark.parametrize("kind", ["coco", "coco_results"])
def test_same_results_give_the_same_bytes(tmp_path, varied, kind):
    contents = []
    for _ in range(2):
        write(tmp_path, varied, kind)
        contents.append((tmp_path / "poses.json").read_bytes())
    assert contents[0] == contents[1]
