"""BVH: read back by a reader and forward kinematics that know nothing of how it was written."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from pose_ros.analysis.exports import open_exports
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, START, drawn_results, result_of

MID = {
    "Hips": "hip",
    "Spine": "hip",
    "Neck": "shoulder",
    "LeftShoulder": "shoulder",
    "RightShoulder": "shoulder",
    "Head": "ear",
}
ONE = {"Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist", "UpLeg": "hip", "Leg": "knee"}


class Bvh(NamedTuple):
    """Content of a file: J joints and ends of chains, F frames."""

    names: list[str]
    parents: list[int]
    offsets: np.ndarray
    channels: list[list[str]]
    period: float
    motion: np.ndarray


def read_bvh(path) -> Bvh:
    """Parse a BVH file."""
    head, tail = path.read_text(encoding="ascii").split("MOTION\n")
    words = iter(head.split())
    assert next(words) == "HIERARCHY"
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    open_joints: list[int] = []
    for word in words:
        if word in ("ROOT", "JOINT", "End"):
            name = next(words)
            names.append(name if word != "End" else f"{names[open_joints[-1]]} end")
            parents.append(open_joints[-1] if open_joints else -1)
            channels.append([])
            open_joints.append(len(names) - 1)
        elif word == "OFFSET":
            offsets.append([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            channels[-1] = [next(words) for _ in range(int(next(words)))]
        elif word == "}":
            open_joints.pop()
        else:
            assert word == "{"
    assert not open_joints
    frames, time, *lines = tail.splitlines()
    motion = np.array([[float(number) for number in line.split()] for line in lines])
    assert motion.shape == (int(frames.split()[-1]), sum(map(len, channels)))
    assert frames.startswith("Frames: ")
    assert time.startswith("Frame Time: ")
    return Bvh(names, parents, np.array(offsets), channels, float(time.split()[-1]), motion)


def about(axis: str, degrees: np.ndarray) -> np.ndarray:
    """Return turns about an axis, (F, 3, 3)."""
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    turns = np.tile(np.eye(3), (len(degrees), 1, 1))
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turns[:, i, i] = turns[:, j, j] = cosine
    turns[:, j, i], turns[:, i, j] = sine, -sine
    return turns


def places(bvh: Bvh) -> dict[str, np.ndarray]:
    """Return where each joint and end is, (F, 3), by the channels in the order that they stand."""
    turns: list[np.ndarray] = []
    found: list[np.ndarray] = []
    column = 0
    for parent, offset, channels in zip(bvh.parents, bvh.offsets, bvh.channels, strict=True):
        place = np.tile(offset, (len(bvh.motion), 1))
        turn = np.tile(np.eye(3), (len(bvh.motion), 1, 1))
        for channel in channels:
            values = bvh.motion[:, column]
            column += 1
            if channel.endswith("position"):
                place[:, "XYZ".index(channel[0])] += values
            else:
                turn = turn @ about(channel[0], values)
        if parent >= 0:
            place = found[parent] + np.einsum("fij,fj->fi", turns[parent], place)
            turn = turns[parent] @ turn
        found.append(place)
        turns.append(turn)
    return dict(zip(bvh.names, found, strict=True))


def seen(results, space="camera") -> dict[str, np.ndarray]:
    """Return where the joints of a BVH were, (F, 3) centimeters, Y up."""
    points = np.array([getattr(r.poses, space)[0] for r in results], np.float64)
    points *= (100.0, -100.0, -100.0)
    index = results[0].poses.skeleton.index

    def middle(*names):
        return points[:, [index(name) for name in names]].mean(axis=1)

    found = {joint: middle(f"left_{part}", f"right_{part}") for joint, part in MID.items()}
    found["Head end"] = middle("nose")
    for side in ("left", "right"):
        name = side.capitalize()
        found |= {f"{name}{joint}": middle(f"{side}_{part}") for joint, part in ONE.items()}
        if "left_ankle" in results[0].poses.skeleton.keypoints:
            found[f"{name}Foot"] = middle(f"{side}_ankle")
            found[f"{name}Foot end"] = middle(f"{side}_foot_index")
        found[f"{name}Hand end"] = middle(f"{side}_index", f"{side}_pinky")
    return found


def write(tmp_path, results, **options):
    """Write a BVH; returns its path and the reported lines."""
    path = tmp_path / "person.bvh"
    with open_exports(ExportOptions({"bvh": str(path)}, **options), INFO) as exports:
        for result in results:
            exports.write(result)
    return path, " ".join(exports.close())


def errors(path, results, space="camera") -> dict[str, np.ndarray]:
    """Return how far each joint of a BVH is from where it was, centimeters."""
    found, true = places(read_bvh(path)), seen(results, space)
    assert found.keys() == true.keys()
    return {name: np.linalg.norm(found[name] - true[name], axis=1) for name in true}


@pytest.mark.parametrize("scene", ["gestures", "walking", "directing"])
def test_joints_of_the_file_are_at_their_original_places(tmp_path, scene):
    results = list(drawn_results(scene, 150, first=60))
    path, said = write(tmp_path, results)
    bvh = read_bvh(path)
    assert len(bvh.motion) == 150
    assert bvh.period == pytest.approx(1 / 30, abs=1e-8)
    assert "person 0, 150 frames, 5.0 s" in said
    for name, distances in errors(path, results).items():
        assert distances.max() < 0.1, name


def test_bones_keep_their_lengths_and_joints_stay_within_what_that_costs(tmp_path):
    noise = np.random.default_rng(0).normal(0.0, 0.02, (90, 1, 33, 3))
    results = [
        replace(result, poses=result.poses.replace(camera=np.array(result.poses.camera) + error))
        for result, error in zip(drawn_results("gestures", 90), noise, strict=True)
    ]
    path, _ = write(tmp_path, results)
    bvh, true = read_bvh(path), seen(results)
    slack = {"Hips": np.zeros(90)}
    found = places(bvh)
    for name, parent, offset in zip(bvh.names[1:], bvh.parents[1:], bvh.offsets[1:], strict=True):
        above = bvh.names[parent]
        lengths = np.linalg.norm(true[name] - true[above], axis=1)
        length = np.linalg.norm(offset)
        assert length == pytest.approx(np.median(lengths), abs=1e-3)
        slack[name] = slack[above] + np.abs(lengths - length)
        assert np.all(np.linalg.norm(found[name] - true[name], axis=1) <= slack[name] + 0.01)


def test_the_body_is_upright_and_faces_the_camera(tmp_path):
    path, _ = write(tmp_path, drawn_results("gestures", 20))
    bvh = read_bvh(path)
    found = places(bvh)
    up = found["Neck"] - found["Hips"]
    left = found["LeftArm"] - found["RightArm"]
    assert np.all(up[:, 1] > 40.0)
    assert np.all(left[:, 0] > 25.0)
    assert np.all(np.cross(left, up)[:, 2] > 0.0)
    # 3 m ahead of the camera
    assert found["Hips"][:, 2] == pytest.approx(-300.0, abs=15.0)
    # the actor stands: only arms are rotated out of the rest pose
    columns = np.cumsum([0, *map(len, bvh.channels)])
    for name in ("Hips", "Spine", "Neck", "Head", "LeftUpLeg", "LeftLeg", "LeftFoot"):
        at = bvh.names.index(name)
        turns = bvh.motion[:, columns[at] : columns[at + 1]][:, -3:]
        assert np.abs(turns).max() < 25.0, name


def test_person_with_their_back_to_the_camera_has_exact_joints(tmp_path):
    """The least turn of the hips would be a half one, about any axis."""
    results = []
    for result in drawn_results("gestures", 30):
        turned = np.array(result.poses.camera) * (-1.0, 1.0, -1.0) + (0.0, 0.0, 6.0)
        results.append(replace(result, poses=result.poses.replace(camera=turned)))
    path, _ = write(tmp_path, results)
    assert max(distances.max() for distances in errors(path, results).values()) < 0.1
    steps = np.abs(np.diff(read_bvh(path).motion[:, 3:], axis=0))
    assert steps.max() < 20.0


def test_rotations_do_not_jump_between_frames(tmp_path):
    path, _ = write(tmp_path, drawn_results("gestures", 600))
    steps = np.abs(np.diff(read_bvh(path).motion[:, 3:], axis=0))
    assert steps.max() < 90.0


def test_motion_without_a_place_stays_on_the_spot(tmp_path):
    results = list(drawn_results("walking", 60, camera=False))
    path, said = write(tmp_path, results)
    assert "on the spot" in said
    assert np.abs(read_bvh(path).motion[:, :3]).max() == pytest.approx(0.0, abs=1e-4)
    assert max(d.max() for d in errors(path, results, "world").values()) < 0.1


def test_uneven_stamps_are_resampled_evenly(tmp_path):
    even = list(drawn_results("gestures", 120, first=30))
    generator = np.random.default_rng(1)
    kept = [r for i, r in enumerate(even) if i in (0, 119) or generator.random() > 0.3]
    path, said = write(tmp_path, kept)
    bvh = read_bvh(path)
    assert len(bvh.motion) == 120
    assert "out of sight" not in said
    # dropped images are between their neighbors
    assert max(np.median(d) for d in errors(path, even).values()) < 0.7


def test_a_long_gap_holds_the_pose(tmp_path):
    before, after = (
        list(drawn_results("gestures", 30)),
        list(drawn_results("walking", 30, first=75)),
    )
    path, said = write(tmp_path, before + after)
    bvh = read_bvh(path)
    assert len(bvh.motion) == 105
    assert "out of sight 1 times, up to 1.5 s" in said
    assert np.array_equal(bvh.motion[30:74], bvh.motion[[29] * 44])
    assert not np.array_equal(bvh.motion[75], bvh.motion[29])


def test_missing_joint_holds_its_rotation(tmp_path):
    results = list(drawn_results("gestures", 60))
    wrist = results[0].poses.skeleton.index("left_wrist")
    for i in range(20, 60):
        camera = results[i].poses.camera.copy()
        camera[0, wrist] = np.nan
        results[i] = replace(results[i], poses=results[i].poses.replace(
            camera=camera, camera_sources=None, camera_sigmas=None))  # fmt: skip
    path, _ = write(tmp_path, results)
    bvh = read_bvh(path)
    assert np.isfinite(bvh.motion).all()
    first = int(np.cumsum([0, *map(len, bvh.channels)])[bvh.names.index("LeftForeArm")])
    held = bvh.motion[20:, first : first + 3]
    assert np.array_equal(held, held[[0] * 40])


def test_person_seen_in_most_images_is_written_unless_another_is_chosen(tmp_path):
    results = list(drawn_results("crossing", 40))
    results[30:] = [
        replace(r, poses=Poses.empty(r.poses.skeleton)) if i % 2 else r
        for i, r in enumerate(results[30:])
    ]
    only_second = [
        replace(r, poses=r.poses.replace(ids=np.array([7, 3])))
        for r in results[:-1]
        if len(r.poses)
    ]
    alone = replace(results[0], index=39, nanoseconds=only_second[-1].nanoseconds + 33_333_333)
    pose = alone.poses[1]
    single = Poses(
        pose.skeleton, [3], [pose.score], [pose.box], [pose.keypoints], [pose.keypoint_scores],
        camera=[pose.camera],
    )  # fmt: skip
    _, said = write(tmp_path, [*only_second, replace(alone, poses=single)])
    assert "person 3, " in said
    _, said = write(tmp_path, only_second, person=7)
    assert "person 7, " in said


def test_people_of_two_recordings_are_not_mixed(tmp_path):
    first = list(drawn_results("gestures", 10))
    second = [replace(r, source="other.mcap") for r in drawn_results("walking", 15)]
    path, said = write(tmp_path, first + second)
    assert "15 frames" in said
    assert max(d.max() for d in errors(path, second).values()) < 0.1


def test_images_after_a_time_jump_back_are_left_out_and_reported(tmp_path):
    results = list(drawn_results("gestures", 10))
    path, said = write(tmp_path, results + results[:4])
    assert len(read_bvh(path).motion) == 10
    assert "4 images left out" in said


@pytest.mark.parametrize(
    ("skeleton", "ends"),
    [
        ("blazepose33_upper_body", {"Head end", "LeftHand end", "RightHand end"}),
        ("coco17", {"Head end", "LeftForeArm end", "LeftLeg end"}),
        ("openpose_body25", {"Head end", "LeftForeArm end", "LeftFoot end"}),
    ],
)
def test_bvh_of_another_skeleton_has_its_joints(tmp_path, skeleton, ends):
    kind = skeletons.get(skeleton)
    alias = {"left_big_toe": "left_foot_index", "right_big_toe": "right_foot_index"}
    results = []
    for result in drawn_results("gestures", 20):
        whole = result.poses
        names = [alias.get(name, name) for name in kind.keypoints]
        known = {name: i for i, name in enumerate(whole.skeleton.keypoints)}
        at = [known.get(name, 0) for name in names]
        lacking = [name not in known for name in names]
        camera = whole.camera[:, at]
        camera[:, lacking] = np.nan
        poses = Poses(
            kind, whole.ids, whole.scores, whole.boxes, whole.keypoints[:, at],
            whole.keypoint_scores[:, at], camera=camera,
        )  # fmt: skip
        results.append(result_of(result.index, poses))
    path, _ = write(tmp_path, results)
    bvh = read_bvh(path)
    assert ends <= set(bvh.names)
    assert np.isfinite(bvh.motion).all()
    true = seen(list(drawn_results("gestures", 20)))
    found = places(bvh)
    for name in ("Head", "LeftArm", "LeftHand", "RightForeArm"):
        if name in found:
            assert np.linalg.norm(found[name] - true[name], axis=1).max() < 1.0


def test_person_in_one_image_gives_one_frame(tmp_path):
    path, _ = write(tmp_path, drawn_results("gestures", 1))
    assert len(read_bvh(path).motion) == 1


@pytest.mark.parametrize("options", [{}, {"person": 5}])
def test_results_without_meters_give_no_file(tmp_path, options):
    results = list(drawn_results("gestures", 3, camera=bool(options), world=bool(options)))
    path, said = write(tmp_path, results, **options)
    assert "not written: no" in said
    assert list(tmp_path.iterdir()) == []
    assert not path.exists()


@pytest.mark.parametrize("unit", [1, 1_000_000])
def test_frame_rate_is_that_of_the_images(tmp_path, unit):
    """No round number, and Unix time, in whole milliseconds too: no frame too few or too many."""
    period = 33_366_700
    results = [
        replace(r, nanoseconds=(START + i * period) // unit * unit)
        for i, r in enumerate(drawn_results("gestures", 200))
    ]
    path, _ = write(tmp_path, results)
    bvh = read_bvh(path)
    # of 200 stamps, the first and the last may be off by a unit
    assert bvh.period == pytest.approx(period / 1e9, abs=unit / 1e9 / 100)
    assert len(bvh.motion) == 200
