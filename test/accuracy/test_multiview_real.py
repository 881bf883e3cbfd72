"""Real people before two and more calibrated cameras, through the real BlazePose.

One man who balances (pose2sim, 2 cameras, joints as published) and one at a desk (caliscope, 4
cameras); docs/measurements/multiview.md has the figures and what they mean.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.geometry import angle_between
from pose_ros.core.multiview.fusion import Fusion
from pose_ros.core.skeletons import FOUND_SCORE, SIDES
from tools.real_crowds import CROWDS, SECONDS, crowd, look, recorded, ring
from tools.real_crowds import figures as crowd_figures
from tools.several_cameras import REAL_FPS, real_clip

SKELETON = skeletons.get("blazepose33")
UPPER = [
    SKELETON.index(name)
    for name in ("nose", *(f"{s}_{j}" for j in ("shoulder", "elbow", "wrist") for s in SIDES))
]


@dataclass
class Fused:
    """Of each frame: joints (frames, 33, 3), sigmas, ids of the person, and how many there are."""

    points: np.ndarray
    sigmas: np.ndarray
    ids: list[int]
    counts: list[int]


@pytest.fixture(scope="module")
def clips(data):
    return {name: real_clip(data / "real3d" / name, fps) for name, fps in REAL_FPS.items()}


def fuse(clip, cameras):
    fusion = Fusion([clip.views[i] for i in cameras])
    points, sigmas = (
        np.full((len(clip.truth), 33, 3), np.nan),
        np.full((len(clip.truth), 33), np.nan),
    )
    ids, counts = [], []
    for frame, truth in enumerate(clip.truth):
        stamp = frame / clip.fps
        people = fusion.update(
            stamp, {clip.views[i].name: (stamp, clip.poses[i][frame]) for i in cameras}
        )
        counts.append(len(people.poses))
        if len(people.poses):
            far = np.nanmean(np.linalg.norm(people.points - truth, axis=2), axis=1)
            best = int(np.nanargmin(far))
            points[frame], sigmas[frame] = people.points[best], people.poses.camera_sigmas[best]
            ids.append(int(people.poses.ids[best]))
    return Fused(points, sigmas, ids, counts)


def arms(points, truth):
    """Degrees between found and true lines from shoulder to wrist."""
    found = []
    for side in SIDES:
        start, end = SKELETON.index(f"{side}_shoulder"), SKELETON.index(f"{side}_wrist")
        found.append(
            angle_between(points[:, end] - points[:, start], truth[:, end] - truth[:, start])
        )
    angles = np.concatenate(found)
    return angles[np.isfinite(angles)]


def figures(fused, truth):
    far = np.linalg.norm(fused.points - truth, axis=2)
    known = np.isfinite(far)
    angles = arms(fused.points, truth)
    return {
        "joints": int(known.sum()),
        "joint median cm": 100 * np.percentile(far[known], 50),
        "joint 90th cm": 100 * np.percentile(far[known], 90),
        "in sigma %": 100 * np.mean(far[known] < fused.sigmas[known]),
        "arms": len(angles),
        "arm median deg": np.percentile(angles, 50),
        "arm 90th deg": np.percentile(angles, 90),
        "frames with 2": sum(count > 1 for count in fused.counts),
    }


def show(capsys, name, row):
    with capsys.disabled():
        print(f"\n{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in row.items()), end="")


def test_two_cameras_place_a_man_who_balances(clips, capsys):
    clip = clips["pose2sim"]
    fused = fuse(clip, (0, 1))
    row = figures(fused, clip.truth)
    show(capsys, "pose2sim, both cameras", row)
    assert row["joint median cm"] <= 5.0
    assert row["joint 90th cm"] <= 12.0
    assert row["arm median deg"] <= 6.0
    assert row["arm 90th deg"] <= 15.0
    assert 55.0 <= row["in sigma %"] <= 80.0
    assert set(fused.ids) == {0}
    assert set(fused.counts) == {1}


def test_pairs_of_cameras_point_arms_as_all_four_do(clips, capsys):
    clip = clips["caliscope"]
    rows = {}
    assert set(fuse(clip, range(4)).counts) == {1}  # camera 0 shows no second man
    for pair in itertools.combinations(range(4), 2):
        rows[pair] = figures(fuse(clip, pair), clip.truth)
        show(capsys, f"caliscope, cameras {pair}", rows[pair])
    assert all(row["frames with 2"] == 0 for row in rows.values())
    assert all(row["arm median deg"] <= 8.0 for row in rows.values())
    good = [row for pair, row in rows.items() if 0 not in pair]
    assert all(row["arm median deg"] <= 7.0 for row in good)
    assert all(row["arm 90th deg"] <= 18.0 for row in good)
    # the network loses the body in camera 0 in half of the frames, and is sure of it
    assert all(row["joint median cm"] <= 8.0 for row in rows.values())
    within = [row["in sigma %"] for row in rows.values()]
    assert 55.0 <= np.mean(within) <= 80.0
    # above 80 since the joints that count as true are of the same images: see below
    assert all(53.0 <= share <= 94.0 for share in within)


def test_two_pairs_of_cameras_differ_by_no_more_than_both_say(clips, capsys):
    """Whatever the true joints are: no image is in both pairs."""
    clip = clips["caliscope"]
    known = np.isfinite(clip.truth).all(axis=2)
    for first, second in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))):
        one, other = fuse(clip, first), fuse(clip, second)
        apart = np.linalg.norm(one.points - other.points, axis=2)
        both = known & np.isfinite(apart)
        within = 100 * np.mean(apart[both] < np.hypot(one.sigmas, other.sigmas)[both])
        row = {
            "joints": both.sum(),
            "median cm": 100 * np.median(apart[both]),
            "in sigma %": within,
        }
        show(capsys, f"caliscope, cameras {first} against {second}", row)
        assert 55.0 <= within <= 80.0


def test_each_camera_left_out_sees_the_body_where_the_others_put_it(clips, capsys):
    """As well as it sees the true joints: more than that no fusion can reach."""
    clip = clips["caliscope"]
    for left_out in range(4):
        fused = fuse(clip, [i for i in range(4) if i != left_out])
        view = clip.views[left_out]
        found: list[float] = []
        own: list[float] = []
        for frame, truth in enumerate(clip.truth):
            poses = clip.poses[left_out][frame]
            if not len(poses):
                continue
            sure = [k for k in UPPER if poses.keypoint_scores[0, k] >= FOUND_SCORE]
            pixels = poses.keypoints[0][sure]
            known = np.isfinite(truth[sure]).all(axis=1)
            for points, errors in ((fused.points[frame], found), (truth, own)):
                far = np.linalg.norm(view.project(points)[sure] - pixels, axis=1)
                errors.extend(far[known].tolist())
        row = {
            "joints": len(found),
            "median px": np.nanmedian(found),
            "of the truth": np.nanmedian(own),
        }
        show(capsys, f"caliscope, into camera {left_out}", row)
        assert row["median px"] <= 2.2 * row["of the truth"]
        assert set(fused.ids) == {0}


@pytest.mark.slow
def test_real_people_who_walk_past_each_other_are_hardly_ever_mixed_up(clips, capsys):
    """Three to five of them: none is to be two, and no two are to be one."""
    persons = [recorded(clips[name]) for name in REAL_FPS]
    rows = []
    for count, radius, seed in CROWDS:
        views, members = ring(5, radius), crowd(persons, count, seed, SECONDS)
        instants = look(views, members, SECONDS, seed)
        for cameras in (2, 3, 4, 5):
            row = crowd_figures(views[:cameras], members, instants)
            rows.append((cameras, row))
            with capsys.disabled():
                print(
                    f"\n{count} people, {radius:g} m, {cameras} cameras: of {row.instants} merged "
                    f"{row.merged}, twice {row.twice}, switches {row.switches}, found "
                    f"{100 * row.found:.0f}%, joints {100 * np.median(row.errors):.1f} cm, "
                    f"in sigma {100 * row.within:.0f}%",
                    end="",
                )
    several = [row for cameras, row in rows if cameras > 2]
    total = sum(row.instants for row in several)
    # with the instructions of another processor 8 instants with a mixed person became 14
    assert sum(row.merged for row in several) <= 0.02 * total
    assert sum(row.twice for row in several) <= 0.02 * total
    assert sum(row.more for row in several) <= 0.01 * total
    assert sum(row.switches for row in several) <= 6
    assert all(row.found >= 0.93 for row in several)
    assert all(np.median(row.errors) <= 0.05 for row in several)
    assert all(0.53 <= row.within <= 0.82 for row in several)
    pairs = [row for cameras, row in rows if cameras == 2]
    assert sum(row.merged for row in pairs) <= 0.07 * sum(row.instants for row in pairs)
    assert all(row.found >= 0.85 for row in pairs)
    assert all(0.45 <= row.within <= 0.82 for row in pairs)
    assert np.mean([row.within for row in pairs]) >= 0.53
