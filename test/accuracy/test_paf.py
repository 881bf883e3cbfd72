"""Part affinity fields on drawn scenes: the same as trt_pose's parser, then better than it."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_ros.core import skeletons
from pose_ros.networks.paf import decode

TOLERANCE = 2.0  # cells: how far a part may be from the true one
ALIKE = 0.5  # share of parts, of a found and a true person's together, that must agree


def load(folder):
    """Return the scenes of a folder by name."""
    paths = sorted(folder.glob("scene_*.npz"))
    if not paths:
        pytest.skip(f"no test data: {folder.name} is empty or missing")
    loaded = {}
    for path in paths:
        with np.load(path) as file:
            scene = {name: file[name] for name in file.files}
        kind = "trt_body18" if path.stem.endswith("body") else "trt_hand21"
        scene["skeleton"] = skeletons.get(kind)
        loaded[path.stem] = scene
    return loaded


@pytest.fixture(scope="module")
def scenes(data):
    return load(data / "paf_scenes")


@pytest.fixture(scope="module")
def more_scenes(data):
    """A scene with noise below zero around a peak: its center of mass is cells away from it."""
    return load(data / "paf_scenes_more")


def find(scene, **options):
    threshold = float(scene["threshold"])
    return decode(scene["cmap"], scene["paf"], scene["skeleton"], threshold, **options).xy


def test_decoder_finds_the_same_objects_as_trt_poses_parser(scenes, more_scenes):
    assert len(scenes) >= 20
    scenes = scenes | more_scenes
    worst = 0.0
    for name, scene in scenes.items():
        expected = scene["expected_xy"]
        found = find(scene)
        assert found.shape == expected.shape, name
        # in the same order too
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=name)
        worst = max(worst, float(np.nanmax(np.abs(found - expected), initial=0)))
    print(f"{len(scenes)} scenes, largest difference {worst:.1e}")


def test_careful_decoding_puts_no_part_far_from_its_peak(more_scenes):
    scene = more_scenes["scene_31_body"]
    cells = np.array(scene["cmap"].shape[:0:-1])
    theirs = scene["expected_xy"][27, 12] * cells
    peak = 43.5, 55.5  # where the map of this part has its greatest value
    assert np.abs(theirs - peak).max() > 7

    def nearest(**options):
        away = np.abs(find(scene, **options)[:, 12] * cells - peak).max(axis=1)
        return np.nanmin(away)

    assert nearest() > 2
    assert nearest(careful=True) < 2.01


def people_found(scene, found):
    """Return how many true people are found, and how many objects and people there are."""
    true, visible = scene["true_xy"], scene["true_visible"]
    counts = np.array([0, len(found), len(true)])
    if counts[1:].all():
        size = np.array(scene["cmap"].shape[:0:-1])
        distance = np.hypot(*np.moveaxis((found[:, None] - true) * size, -1, 0))
        right = ((distance <= TOLERANCE) & visible).sum(axis=2)
        parts = np.isfinite(found[..., 0]).sum(axis=1)
        share = right / (parts[:, None] + visible.sum(axis=1) - right)
        rows, columns = linear_sum_assignment(-share)
        counts[0] = (share[rows, columns] >= ALIKE).sum()
    return counts


def test_decoder_finds_more_people_than_trt_poses_parser(scenes, capsys):
    ways = {
        "trt_pose": lambda scene: scene["expected_xy"],
        "ours": find,
        "ours, 5 parts": lambda scene: find(scene, min_parts=5),
        "ours, careful": lambda scene: find(scene, careful=True),
        "ours, careful, 3 parts": lambda scene: find(scene, careful=True, min_parts=3),
        "ours, careful, 5 parts": lambda scene: find(scene, careful=True, min_parts=5),
        "ours, careful, 5 parts, 0.3": lambda scene: find(
            scene, careful=True, min_parts=5, min_score=0.3
        ),
    }
    shares = {}
    for name, way in ways.items():
        found, objects, people = sum(people_found(s, way(s)) for s in scenes.values())
        shares[name] = found / objects, found / people
        with capsys.disabled():
            print(
                f"\n{name}: {found} of {people} people, {objects} objects: "
                f"precision {found / objects:.2f}, recall {found / people:.2f}",
                end="",
            )
    theirs, ours = shares["trt_pose"], shares["ours, careful, 5 parts"]
    assert ours[1] >= theirs[1] + 0.1
    assert ours[0] >= 2.5 * theirs[0]
