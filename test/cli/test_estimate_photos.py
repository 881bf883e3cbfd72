"""``pose-ros estimate`` over photos: each alone, or as the images of one stream."""

import json
import shutil

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.cli.main import main

PHOTOS = ["humans_0", "humans_8", "COCO_val2014_000000000536"]


def estimated(folder, capsys, *options):
    """Return the results of one run for each picture of a folder."""
    assert main(["estimate", str(folder), "--json", "-", "--quiet", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_photo_of_a_folder_is_found_as_by_a_new_estimator(data, tmp_path, capsys):
    for name in PHOTOS:
        shutil.copy(data / "images" / f"{name}.jpg", tmp_path)
    records = estimated(tmp_path, capsys, "--max-people", "3")
    assert len(records) == len(PHOTOS)
    for record in records:
        image = cv2.imread(str(tmp_path / record["source"]))
        estimator = pose_ros.create_estimator("blazepose-full", max_people=3)
        expected = estimator.estimate(image, channels="bgr")
        assert [pose["id"] for pose in record["poses"]] == expected.ids.tolist()
        for pose, keypoints in zip(record["poses"], expected.keypoints, strict=True):
            found = [(point["x"], point["y"]) for point in pose["keypoints"]]
            np.testing.assert_allclose(found, keypoints, atol=1e-2)


@pytest.mark.parametrize(("fps", "ids"), [(10.0, [0, 0, 0]), (0.8, [0, 0, 0]), (0.3, [0, 1, 2])])
def test_an_id_outlives_gaps_between_images_up_to_reid_timeout(data, tmp_path, capsys, fps, ids):
    for number in range(3):
        shutil.copy(data / "images" / "humans_0.jpg", tmp_path / f"{number}.jpg")
    records = estimated(tmp_path, capsys, "--fps", str(fps))
    assert [record["poses"][0]["id"] for record in records] == ids
