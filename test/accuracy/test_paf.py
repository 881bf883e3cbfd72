"""Part affinity fields on drawn scenes: the same as trt_pose's parser, then better than it."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_ros.core import skeletons
from pose_ros.networks.paf import decode

TOLERANCE = 2.0  # cells: how far a part may be from the true one
ALIKE = 0.5  # share of parts, of a found and a true person's together, that must agree


@pytest.fixture(scope="module")
def scenes(data):
    paths = sorted((data / "paf_scenes").glob("scene_*.npz"))
    if not paths:
        pytest.skip("no test data: paf_scenes is empty or missing")
    loaded = {}
    for path in paths:
        with np.load(path) as file:
            scene = {name: file[name] for name in file.files}
        kind = "trt_body18" if path.stem.endswith("body") else "trt_hand21"
        scene["skeleton"] = skeletons.get(kind)
        loaded[path.stem] = scene
    return loaded


def find(scene, **options):
    threshold = float(scene["threshold"])
    return decode(scene["cmap"], scene["paf"], scene["skeleton"], threshold, **options)


def test_the_same_objects_as_trt_poses_parser(scenes):
    assert len(scenes) >= 20
    worst = 0.0
    for name, scene in scenes.items():
        expected = scene["expected_xy"]
        found = find(scene)
        assert found.shape == expected.shape, name
        # in the same order too
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=name)
        worst = max(worst, float(np.nanmax(np.abs(found - expected), initial=0)))
    print(f"{len(scenes)} scenes, largest difference {worst:.1e}")


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


def test_more_people_than_trt_poses_parser(scenes, capsys):
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
