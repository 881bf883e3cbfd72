"""Named scenes: their actors, their truth, and refused options."""

import numpy as np
import pytest

from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import GESTURES, TWO_ARMED
from pose_ros.synthetic.figure import SLIM
from pose_ros.synthetic.raytrace import View
from pose_ros.synthetic.scenes import SCENES, make_scene, pointing, walking
from pose_ros.synthetic.source import SyntheticSource, Truth, open_synthetic, scene_spec


def track(name: str, fps: float = 5.0) -> list[tuple[Truth, ...]]:
    """Return the truths of one round of a scene."""
    source = open_synthetic(f"synthetic:{name}?width=320&height=240", fps=fps, live=False)
    assert source.length is not None
    return [source.truths(i / fps) for i in range(source.length)]


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_opens_and_shows_its_actors(name: str) -> None:
    source = open_synthetic(f"synthetic:{name}?width=160&height=120", live=False)
    frame, truths = source.read(), source.truths(0.0)
    assert frame is not None
    assert (frame.width, frame.height) == (160, 120)
    assert [truth.id for truth in truths] == list(range(len(truths)))
    assert all(truth.visible.mean() > 0.5 for truth in truths)
    # they are where the truth says: something of every body is nearer than the room behind it
    depth = source.depth(0.0)
    for truth in truths:
        x, y = np.rint(truth.pixel("nose")).astype(int)
        assert depth[y, x] < truth.joint("nose")[2] + 0.05


def test_actor_points_at_all_targets_with_both_arms() -> None:
    truths = [found[0] for found in track("pointing")]
    pointed = [truth for truth in truths if truth.gesture == "point_at" and truth.held]
    assert {truth.arm for truth in pointed} == {"left", "right"}
    assert len({truth.target.tobytes() for truth in pointed}) == 8
    for truth in pointed:
        assert truth.arm is not None
        shoulder = truth.world[truth.skeleton.index(f"{truth.arm}_shoulder")]
        wrist = truth.world[truth.skeleton.index(f"{truth.arm}_wrist")]
        # the ray meets the floor at the target
        share = shoulder[2] / (shoulder[2] - wrist[2])
        np.testing.assert_allclose(shoulder + share * (wrist - shoulder), truth.target, atol=1e-6)
        feet = truth.world[[27, 28]].mean(axis=0)
        assert 0.9 < np.hypot(*(truth.target - feet)[:2]) < 3.1
    rest = [truth for truth in truths if truth.gesture == "stand"]
    assert rest
    assert all(np.isnan(truth.target).all() and truth.arm is None for truth in rest)


def test_every_gesture_is_made_with_each_arm() -> None:
    made = {(found[0].gesture, found[0].arm) for found in track("gestures", 2.0) if found[0].held}
    for gesture in set(GESTURES) - {"walk"}:
        arms = {None} if gesture in TWO_ARMED else {"left", "right"}
        assert {arm for name, arm in made if name == gesture} == arms, gesture


def test_the_seed_chooses_the_targets() -> None:
    def targets(seed: int) -> list[object]:
        return [step.target for step in pointing(seed).actors[0].script]

    assert targets(1) == targets(1)
    assert targets(1) != targets(2)
    by_name = make_scene("pointing", seed=2, distance=2.5).actors[0]
    assert by_name.path.waypoints[0].x == 2.5
    small = SyntheticSource(scene=pointing(height=1.5, build=SLIM)).truth(0.0)
    assert small.height == 1.5
    assert 1.35 < small.world[:, 2].max() < 1.5
    assert SyntheticSource(scene=walking(height=1.9)).truth(0.0).height == 1.9
    assert len({step.target for step in pointing(targets=3).actors[0].script} - {None}) == 3


def test_actor_of_the_walking_scene_makes_no_gesture() -> None:
    truths = [found[0] for found in track("walking")]
    assert {truth.gesture for truth in truths} == {"walk", "stand"}
    assert all(truth.arm is None for truth in truths)
    hips = np.array([truth.world[[23, 24]].mean(axis=0) for truth in truths])
    assert np.ptp(hips[:, 0]) > 1.5
    assert np.ptp(hips[:, 1]) > 1.0
    steps = np.linalg.norm(np.diff(hips, axis=0), axis=1) * 5.0
    assert steps.max() < 1.8  # meters a second
    for truth in truths:
        for side in ("left", "right"):
            wrist = truth.world[truth.skeleton.index(f"{side}_wrist")]
            elbow = truth.world[truth.skeleton.index(f"{side}_elbow")]
            assert wrist[2] < elbow[2]
    assert SyntheticSource(scene=walking(3)).seconds != SyntheticSource(scene=walking(4)).seconds


def test_people_are_of_several_sizes() -> None:
    for truths in track("people", 2.0):
        assert [truth.height for truth in truths] == [1.5, 1.75, 2.0]
        widths = [float(np.linalg.norm(t.world[11] - t.world[12]) / t.height) for t in truths]
        assert widths[1] > 1.15 * max(widths[0], widths[2])
        tops = [truth.world[:, 2].max() for truth in truths]
        assert all(top > 0.87 * t.height for top, t in zip(tops, truths, strict=True))


@pytest.mark.parametrize(
    ("name", "joints", "share"),
    [("box", range(25, 33), (0.99, 1.0)), ("table", range(25, 27), (0.4, 1.0)),
     ("pillar", range(33), (0.02, 0.5))],
)  # fmt: skip
def test_furniture_hides_joints(name: str, joints: range, share: tuple[float, float]) -> None:
    found = track(name)
    hidden = np.array([~truths[0].visible[list(joints)] for truths in found])
    assert share[0] <= hidden.mean() <= share[1]
    # the arm that points is in sight
    for (truth,) in found:
        if truth.gesture == "point_at":
            assert truth.visible[truth.skeleton.index(f"{truth.arm}_wrist")]


def test_own_body_hides_joints() -> None:
    # the actor walks away, too, and then the camera does not see their face
    found = [truths[0] for truths in track("walking")]
    ears = np.array([t.camera[[7, 8], 2].mean() for t in found])
    behind = np.array([t.joint("nose")[2] for t in found]) - ears
    facing, away = behind < -0.08, behind > 0.1
    nose = np.array([truth.self_hidden[0] for truth in found])
    assert facing.sum() > 10
    assert away.sum() > 10
    assert nose[away].all()
    assert not nose[facing].any()
    # of a person who stands before the camera, only heels are behind their own body
    truth = SyntheticSource("raise_hands").truth(0.0)
    hidden = {truth.skeleton.keypoints[i] for i in np.flatnonzero(truth.self_hidden)}
    assert hidden <= {"left_heel", "right_heel"}


def test_the_camera_is_on_the_robot() -> None:
    spec = "synthetic:pointing?camera_x=0.25&camera_height=1.3&pitch=12&width=64&height=48"
    source = open_synthetic(spec, live=False)
    truth, pose = source.truth(2.0), source.view.transform
    np.testing.assert_allclose(pose[:3, 3], [0.25, 0.0, 1.3])
    np.testing.assert_allclose(truth.camera @ pose[:3, :3].T + pose[:3, 3], truth.world, atol=1e-12)
    # the optical axis looks ahead and down
    np.testing.assert_allclose(
        pose[:3, 2], [np.cos(np.radians(12)), 0, -np.sin(np.radians(12))], atol=1e-12
    )
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


def test_cameras_at_two_places_see_one_actor_at_one_place_in_the_world() -> None:
    specs = [
        f"synthetic:pointing?camera_y={y}&yaw={yaw}&width=64&height=48"
        for y, yaw in ((0.8, -15), (-0.8, 15))
    ]
    left, right = (open_synthetic(spec, live=False) for spec in specs)
    for source, side in ((left, 1.0), (right, -1.0)):
        truth, pose = source.truth(2.0), source.view.transform
        np.testing.assert_allclose(pose[:3, 3], [0.0, side * 0.8, 1.1])
        np.testing.assert_allclose(truth.camera @ pose[:3, :3].T + pose[:3, 3], truth.world)
        assert np.sign(pose[1, 2]) == -side  # each is turned towards the middle
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)
        # it draws the actor there: without them the picture is another one
        depth = source.depth(2.0)
        x, y = np.rint(truth.pixel("left_hip")).astype(int)
        assert depth[y, x] == pytest.approx(truth.joint("left_hip")[2], abs=0.3)
    np.testing.assert_allclose(left.truth(2.0).world, right.truth(2.0).world)


def test_truth_arrays_are_read_only() -> None:
    truth = SyntheticSource("stand").truth(0.0)
    for array in (truth.world, truth.camera, truth.pixels, truth.visible, truth.target):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_scene_url_sets_its_options() -> None:
    assert scene_spec("pointing?seed=3&distance=2.5") == "synthetic:pointing?seed=3&distance=2.5"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: scene_spec("nowhere"),
            "'nowhere'; known: gestures, pointing, walking",
        ),
        (lambda: scene_spec("wave"), "unknown scene 'wave'"),
        (lambda: scene_spec("box?distance=2"), "box has its own distances"),
        (lambda: scene_spec("box?arm=left"), "its own arms"),
        (lambda: scene_spec("pointing?hfov=0"), "hfov"),
        (lambda: scene_spec("pointing?camera_x=3"), "camera x"),
        (lambda: scene_spec("pointing?camera_y=3"), "camera y"),
        (lambda: scene_spec("pointing?yaw=90"), "camera yaw"),
        (lambda: scene_spec("pointing?fps=0"), "fps"),
        (lambda: scene_spec("pointing?seed=-1"), "seed must be 0 or more"),
        (lambda: open_synthetic("synthetic", fps=0), "fps"),
        (lambda: make_scene("nowhere"), "unknown scene"),
        (lambda: pointing(targets=0), "1 target"),
        (lambda: walking(rounds=1), "2 places"),
        (lambda: View(SyntheticSource().camera, 0.0, 0.0), "camera height"),
    ],
)
def test_unknown_scene_or_option_is_refused(make, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()
