"""The annotated people of COCO's pictures, found by every network that we have: OKS and recall."""

from __future__ import annotations

import json
import os
import shutil
import time

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.core.skeletons import COCO_KEYPOINTS, oks
from pose_ros.models import store
from pose_ros.models.card import load_card
from tools.scores import matched_oks

CACHES = {"openpose-mobilenet": "openpose_models", "posenet-mobilenet": "posenet_models"}
OPTIONAL = ("posenet-mobilenet-641x481", "posenet-mobilenet-1281x721")


@pytest.fixture(scope="module")
def annotated(data):
    """COCO's photos and in each the people with annotated keypoints."""
    path = data / "coco_keypoints" / "test_coco.json"
    if not path.is_file():
        pytest.skip(f"no test data: {path} is missing")
    coco = json.loads(path.read_text(encoding="utf-8"))
    photos = []
    for image in coco["images"]:
        mine = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        mine = [a for a in mine if a["num_keypoints"]]
        photos.append((cv2.imread(str(data / "coco_keypoints" / image["file_name"])), mine))
    return photos


def meet(estimator, photos):
    """Return the OKS of each annotated person, how many more are found, and ms a photo."""
    order = [estimator.skeleton.index(name) for name in COCO_KEYPOINTS]
    similarities, extra = [], 0
    seconds = -time.process_time()
    for image, people in photos:
        poses = estimator.estimate(image, channels="bgr")
        table = [
            oks(points.astype(np.float64), truth[:, :2], truth[:, 2] > 0, annotation["area"])
            for points in poses.keypoints[:, order]
            for annotation in people
            for truth in [np.array(annotation["keypoints"], float).reshape(17, 3)]
        ]
        matched = matched_oks(np.array(table).reshape(len(poses), len(people)))
        similarities.append(matched)
        extra += len(poses) - int((matched >= 0.1).sum())
    seconds += time.process_time()
    return np.concatenate(similarities), extra, 1000 * seconds / len(photos)


@pytest.mark.parametrize(
    ("network", "tiles", "least_found", "least_well", "least_oks"),
    [
        ("openpose-mobilenet", 1, 10, 5, 0.7),
        ("posenet-mobilenet", 1, 11, 4, 0.68),
        ("posenet-mobilenet-641x481", 1, 11, 9, 0.73),
        ("posenet-mobilenet-1281x721", 1, 9, 7, 0.68),
        ("blazepose-full", 1, 4, 2, 0.23),
        ("blazepose-full", 2, 6, 4, 0.44),
        ("blazepose-full", 3, 7, 5, 0.48),
    ],
)
def test_coco_people_are_found_accurately_by_each_network(
    request, annotated, user_cache, network, tiles, least_found, least_well, least_oks
):
    folder = request.getfixturevalue(CACHES[network]) if network in CACHES else None
    if network in OPTIONAL:
        folder = user_cache
        if any(state.state == "missing" for state in store.status(load_card(network), folder)):
            pytest.skip(f"not there and never fetched by tests: pose-ros models get {network}")
    estimator = pose_ros.create_estimator(
        network,
        max_people=10,
        detect_tiles=tiles,
        static=True,
        threads=1,
        finder="blazepose",
        models_dir=folder,
    )
    similarity = measure(estimator, annotated, f"{network}, {tiles} tiles")
    assert len(similarity) == 12
    assert (similarity >= 0.5).sum() >= least_found
    assert (similarity >= 0.75).sum() >= least_well
    assert similarity.mean() >= least_oks


@pytest.mark.parametrize("finder", ["posenet-mobilenet", "openpose-mobilenet"])
def test_coco_people_found_by_another_network_are_accurate_with_blazepose(
    annotated, finder_models, openpose_models, finder
):
    for file in openpose_models.iterdir():
        shutil.copy(file, finder_models)
    estimator = pose_ros.create_estimator(
        max_people=10, static=True, threads=1, finder=finder, models_dir=finder_models
    )
    similarity = measure(estimator, annotated, f"blazepose-full, finder {finder}")
    assert (similarity >= 0.5).mean() >= 0.8
    assert (similarity >= 0.75).mean() >= 0.6
    assert similarity.mean() >= 0.7


def measure(estimator, photos, name):
    """Print how well the people are found, and return the OKS of each."""
    meet(estimator, photos[:1])
    similarity, extra, milliseconds = meet(estimator, photos)
    found = similarity >= 0.5
    of_found = similarity[found].mean() if found.any() else np.nan
    print(
        f"{name}: OKS {similarity.mean():.3f}, of the found {of_found:.3f}; "
        f"found {found.sum()} of {len(found)} at 0.5, {(similarity >= 0.75).sum()} at 0.75; "
        f"{extra} more; {milliseconds:.0f} ms"
    )
    return similarity


@pytest.mark.parametrize("tiles", [1, 3])
def test_coco_people_are_found_by_networks_of_the_user(annotated, tiles):
    networks = os.environ.get("POSE_ROS_OWN_NETWORKS", "")
    if not networks:
        pytest.skip("POSE_ROS_OWN_NETWORKS names none, as paths with : between them")
    for network in networks.split(":"):
        estimator = pose_ros.create_estimator(
            network, max_people=10, detect_tiles=tiles, static=True, threads=1
        )
        assert measure(estimator, annotated, f"{network}, {tiles} tiles").max() > 0.5
