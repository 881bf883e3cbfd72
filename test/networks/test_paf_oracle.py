"""From a picture to people through a card, the real onnxruntime and a network that is an oracle."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import pose_ros
from pose_ros.cli.main import main
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.errors import ModelError
from pose_ros.networks import paf
from tools import paf_oracle
from tools.paf_oracle import CELLS, SIZE, PafOracle
from tools.trt_pose_networks import EXPORTED, PUBLISHED

SKELETONS = ("trt_body18", "trt_hand21")


@pytest.fixture(scope="module", params=SKELETONS)
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PafOracle:
    return paf_oracle.write(tmp_path_factory.mktemp("oracle"), request.param)


def by_x(poses: Poses) -> NDArray[np.float32]:
    """Return the keypoints, people from left to right."""
    return poses.keypoints[np.argsort(np.nanmean(poses.keypoints[..., 0], axis=1))]


def truth(people: list[NDArray[np.float32]], width: int, height: int) -> NDArray[np.float32]:
    # 0 and 1 are the edges of the picture, whole numbers of pixels their centers
    size = np.array([width, height], np.float32)
    return np.stack(people) * size - np.float32(0.5)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("times", [(1, 1), (1, 3), (3, 1)], ids=["square", "wide", "high"])
def test_people_are_found_where_the_picture_has_them(
    oracle: PafOracle, channels: str, times: tuple[int, int]
) -> None:
    people = [oracle.place(0.22, 0.5, 0.35), oracle.place(0.73, 0.4, 0.3)]
    image = oracle.picture(people, times)
    height, width = SIZE * times[0], SIZE * times[1]
    assert image.shape == (height, width, 3)
    if channels == "bgr":
        image = np.ascontiguousarray(image[..., ::-1])
    estimator = pose_ros.create_estimator(str(oracle.card), max_people=5, threads=1)
    poses = estimator.estimate(image, channels=channels)
    assert (estimator.network, poses.skeleton.name) == ("oracle", oracle.skeleton)
    assert len(poses) == 2
    # the center of mass over five cells draws a peak to the middle of its cell a little
    cell = np.array([width, height], np.float32) / CELLS
    away = (by_x(poses) - truth(people, width, height)) / cell
    assert np.abs(away).max() < 0.35
    assert poses.keypoint_scores.min() > 0.7


def test_image_with_swapped_colors_does_not_give_the_person(oracle: PafOracle) -> None:
    image = oracle.picture([oracle.place(0.5, 0.5, 0.4)])
    estimator = pose_ros.create_estimator(str(oracle.card), max_people=5, static=True, threads=1)
    (person,) = estimator.estimate(image)
    wrong = estimator.estimate(image, channels="bgr")
    assert not any(np.allclose(w.keypoints, person.keypoints, atol=8) for w in wrong)


def test_the_maps_of_scenes_give_the_people_of_the_decoder(data: Path, tmp_path: Path) -> None:
    for skeleton in SKELETONS:
        folder = tmp_path / skeleton
        folder.mkdir()
        oracle = paf_oracle.write(folder, skeleton)
        estimator = pose_ros.create_estimator(
            str(oracle.card), max_people=10, static=True, threshold=0.1, threads=1
        )
        kind = skeleton[4:8]
        names = sorted((data / "paf_scenes").glob(f"*_{kind}.npz"))
        scenes = [np.load(name) for name in names]
        fitting = [s for s in scenes if s["cmap"].shape[1:] == (CELLS, CELLS)]
        assert fitting
        for scene in fitting:
            maps = [np.rint(scene[k].astype(np.float32) * 60000) / 60000 for k in ("cmap", "paf")]
            cmap, field = np.clip(maps[0], 0, 1), np.clip(maps[1], -1, 1)
            found = estimator.estimate(oracle.picture_of(cmap, field))
            settings = {"careful": True, "min_parts": 4}
            wanted = paf.decode(cmap, field, skeletons.get(skeleton), 0.1, **settings)
            expected = wanted.xy * SIZE - 0.5
            assert len(found) == min(10, len(expected))
            for pose in found:
                differences = np.abs(expected - pose.keypoints)
                same = (np.isnan(expected) == np.isnan(pose.keypoints)).all(axis=(1, 2))
                assert (same & (np.nan_to_num(differences) < 0.05).all(axis=(1, 2))).any()


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_exported_network_has_the_names_of_its_card(skeleton: str, tmp_path: Path) -> None:
    oracle = paf_oracle.write(tmp_path, skeleton, EXPORTED)
    people = [oracle.place(0.5, 0.5, 0.4)]
    (person,) = pose_ros.create_estimator(str(oracle.card)).estimate(oracle.picture(people))
    assert np.allclose(person.keypoints, truth(people, SIZE, SIZE)[0], atol=0.35 * SIZE / CELLS)
    # the card of a network of other names says so, with both
    card = oracle.card.read_text()
    for wrong, right in zip(
        (PUBLISHED.cmap, PUBLISHED.paf), (EXPORTED.cmap, EXPORTED.paf), strict=True
    ):
        card = card.replace(f"tensor: {right}", f"tensor: {wrong}")
    oracle.card.write_text(card)
    with pytest.raises(ModelError, match=r"expected the outputs cmap \[.*got output_0 \["):
        pose_ros.create_estimator(str(oracle.card))


def test_command_line_writes_json_and_overlay_for_it(oracle: PafOracle, tmp_path: Path) -> None:
    people = [oracle.place(0.25, 0.5, 0.35), oracle.place(0.7, 0.5, 0.35)]
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), oracle.picture(people)[..., ::-1])
    lines, out = tmp_path / "out.jsonl", tmp_path / "out_%i.png"
    command = ["estimate", str(picture), "--network", str(oracle.card), "--max-people", "4"]
    options = ["--json", str(lines), "--out", str(out), "--overlay", "links,keypoints"]
    assert main([*command, *options, "--quiet"]) == 0
    (record,) = [json.loads(line) for line in lines.read_text().splitlines()]
    assert (record["network"], record["skeleton"]) == ("oracle", oracle.skeleton)
    assert len(record["poses"]) == 2
    for pose in record["poses"]:
        names = [point["name"] for point in pose["keypoints"]]
        assert names == list(skeletons.get(oracle.skeleton).keypoints)
        assert all(
            point["z"] is point["world"] is point["camera"] is None for point in pose["keypoints"]
        )
    drawn = cv2.imread(str(tmp_path / "out_0.png")).astype(int)
    plain = cv2.imread(str(picture)).astype(int)
    assert (np.abs(drawn - plain).max(axis=2) > 60).sum() > 300
