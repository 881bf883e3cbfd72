"""Drawn people before several cameras, through the real BlazePose: pointing and ids."""

from __future__ import annotations

import numpy as np
import pytest

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.geometry import angle_between
from pose_ros.core.multiview.fusion import Fusion, common_stamp
from pose_ros.synthetic import scenes
from tools.drawn_cameras import DrawnCameras, Placed
from tools.several_cameras import pointing, pointing_figures

SKELETON = skeletons.get("blazepose33")
HIPS = [SKELETON.index("left_hip"), SKELETON.index("right_hip")]
DELAY = 0.02
PLACES = {
    "one": [Placed("left")],
    "12 cm": [Placed("left"), Placed("right", y=-0.12, delay=DELAY)],
    "2 m": [Placed("left"), Placed("right", y=-2.0, yaw_degrees=30.0, delay=DELAY)],
}


def fuse(scene, places, *, fps, seconds, people):
    """Yield for each instant the fused people and the truth."""
    cameras = DrawnCameras(scene, places)
    options = pose_ros.EstimatorOptions(max_people=people, smoothing=False)
    estimators = [pose_ros.create_estimator("blazepose-full", options=options) for _ in places]
    lifters, fusion = [pose_ros.Lifter() for _ in places], Fusion(cameras.views)
    seen = {}
    for i, stamp, image in cameras.frames(fps, seconds):
        poses = estimators[i].estimate(image, stamp, channels="bgr")
        poses = lifters[i].lift(poses, cameras.views[i].camera, stamp)
        seen[places[i].name] = stamp, poses
        if i == len(places) - 1:
            at = common_stamp([own for own, _ in seen.values()], fusion.options.max_skew)
            yield fusion.update(at, seen), cameras.truths(at)


@pytest.mark.slow
def test_pointing_error_falls_as_cameras_are_farther_apart(capsys):
    rows = {}
    for name, places in PLACES.items():
        angles, targets, joints = [], [], []
        scene = scenes.pointing(7, 2.5, targets=6, heading_degrees=165.0)
        for people, (truth,) in fuse(scene, places, fps=5, seconds=15.6, people=1):
            if len(people.poses) != 1 or truth.gesture != "point_at" or not truth.held:
                continue
            points = people.points[0]
            start, end = (SKELETON.index(f"{truth.arm}_{j}") for j in ("shoulder", "wrist"))
            line = points[end] - points[start]
            angles.append(angle_between(line, truth.world[end] - truth.world[start]))
            hit = points[start] - line * points[start][2] / min(line[2], -1e-3)
            feet = truth.world[[27, 28]].mean(axis=0)
            reach = np.linalg.norm((truth.target - feet)[:2])
            targets.append(np.linalg.norm(hit - truth.target) / reach)
            joints.append(np.nanmedian(np.linalg.norm(points - truth.world, axis=1)))
        rows[name] = {
            "n": len(angles),
            "joint median cm": 100 * np.median(joints),
            "arm median deg": np.median(angles),
            "arm 90th deg": np.percentile(angles, 90),
            "target median %": 100 * np.median(targets),
        }
        with capsys.disabled():
            print(f"\n{name}: " + ", ".join(f"{k} {v:.1f}" for k, v in rows[name].items()), end="")
    assert rows["2 m"]["arm 90th deg"] <= 5.0
    assert rows["2 m"]["target median %"] <= 8.0
    assert rows["2 m"]["joint median cm"] <= 4.0
    # of 12 cm the distance of the body is known, and not yet which way an arm points
    assert rows["12 cm"]["joint median cm"] <= rows["one"]["joint median cm"]


@pytest.mark.slow
def test_arms_before_a_stereo_camera_are_read_within_8_degrees(capsys):
    places = [Placed("left"), Placed("right", y=-0.12)]
    row = pointing_figures(pointing(2.5).match(places))
    with capsys.disabled():
        print("\n12 cm, matched: " + ", ".join(f"{k} {v:.1f}" for k, v in row.items()), end="")
    assert row["n"] > 20
    assert row["arm 90th deg"] <= 8.0
    assert row["target median %"] <= 8.0


@pytest.mark.slow
def test_five_people_seen_by_two_cameras_are_fused_to_five(capsys):
    twice, missed, count = 0, 0, 0
    ids = set()
    places = [Placed("left"), Placed("right", y=-0.5, yaw_degrees=4.0, delay=DELAY)]
    for people, truths in fuse(scenes.five(), places, fps=5, seconds=5.0, people=5):
        count += 1
        ids |= set(people.poses.ids.tolist())
        hips = people.points[:, HIPS].mean(axis=1)
        near = [
            int((np.linalg.norm(hips - truth.world[HIPS].mean(axis=0), axis=1) < 0.4).sum())
            for truth in truths
        ]
        twice += sum(n > 1 for n in near)
        missed += sum(n == 0 for n in near)
    with capsys.disabled():
        print(f"\nfive people, {count} instants: {twice} twice, {missed} missed, {len(ids)} ids")
    assert twice == 0
    assert missed <= 0.1 * 5 * count
    assert len(ids) == 5
