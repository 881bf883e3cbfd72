"""The model of a person by REP-155: with its angles, its URDF is where the person is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import pose_ros
from benchmarks import real_people
from pose_ros.core.camera import Float64Array
from pose_ros.core.geometry import body_frame
from pose_ros.core.human_model import BoneTracker, HumanLengths, joint_positions, urdf
from pose_ros.core.types import Pose
from tools.drawn_results import drawn_results

LINKS = {
    f"{side[0]}_{part}": f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
}
"""Keypoints by the links that are there."""


def places(text: str, positions: dict[str, float], person: str) -> dict[str, Float64Array]:
    """Return (4, 4) of each link in the root's axes, by its name without the id."""
    robot = ElementTree.fromstring(text)
    suffix = f"_{person}"
    found = {f"body{suffix}": np.eye(4)}
    for joint in robot.iter("joint"):
        parent, child, origin, axis = (
            joint.find(name) for name in ("parent", "child", "origin", "axis")
        )
        assert parent is not None
        assert child is not None
        assert origin is not None
        place = np.eye(4)
        place[:3, 3] = [float(value) for value in origin.attrib["xyz"].split()]
        assert origin.attrib["rpy"] == "0 0 0"
        name = joint.attrib["name"].removesuffix(suffix)
        if joint.attrib["type"] == "fixed":
            assert name not in positions
        else:
            assert axis is not None
            line = np.array([float(value) for value in axis.attrib["xyz"].split()])
            place[:3, :3] = Rotation.from_rotvec(positions.get(name, 0.0) * line).as_matrix()
        found[child.attrib["link"]] = found[parent.attrib["link"]] @ place
    assert found.keys() == {link.attrib["name"] for link in robot.iter("link")}
    return {name.removesuffix(suffix): place for name, place in found.items()}


def all_found(pose: Pose) -> NDArray[np.bool_]:
    return np.ones(len(pose.skeleton), bool)


def lengths_of(pose: Pose) -> HumanLengths:
    found = BoneTracker().update(pose, all_found(pose))
    assert found is not None
    return found


def errors(pose: Pose, lengths: HumanLengths) -> dict[str, float]:
    """Return how far the joints of the model are from the person's, in meters."""
    positions, frame = joint_positions(pose, all_found(pose)), body_frame(pose)
    assert positions is not None
    assert frame is not None
    assert pose.camera is not None
    model = places(urdf(lengths, "p7"), positions, "p7")
    true = frame.to_body(pose.camera)
    return {
        link: float(np.linalg.norm(model[link][:3, 3] - true[pose.skeleton.index(name)]))
        for link, name in LINKS.items()
    }


@pytest.mark.parametrize("scene", ["gestures", "walking", "crossing", "directing"])
def test_model_with_its_angles_is_where_a_drawn_person_is(scene: str) -> None:
    for result in list(drawn_results(scene, 200))[::20]:
        for pose in result.poses:
            assert max(errors(pose, lengths_of(pose)).values()) < 0.01


def test_model_with_its_angles_is_where_a_real_person_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As BlazePose finds and the lifter places them; lengths are those of the images before."""
    estimator = pose_ros.create_estimator("blazepose-full", static=True, threads=2)
    found: list[float] = []
    bones, lengths = BoneTracker(), None
    for seen in real_people.look(estimator, data / "real3d", 25):
        if seen.clip == "pose2sim":
            lifter = pose_ros.Lifter(pose_ros.LiftOptions(height=seen.height))
            (pose,) = lifter.lift(seen.poses, seen.camera)
            lengths = bones.update(pose, all_found(pose)) or lengths
            assert lengths is not None
            found += errors(pose, lengths).values()
    with capsys.disabled():
        middle, most = 100 * np.median(found), 100 * np.percentile(found, 90)
        images = len(found) // len(LINKS)
        print(f"\n{images} images: median {middle:.1f} cm, 9 of 10 below {most:.1f} cm")
    assert np.median(found) <= 0.035
    assert np.percentile(found, 90) <= 0.06


def arm_of(pose: Pose, elbow: Sequence[float], wrist: Sequence[float]) -> Pose:
    """Return a person whose left arm goes these meters on from its shoulder, in the body's axes."""
    frame = body_frame(pose)
    assert frame is not None
    assert pose.camera is not None
    camera = np.array(pose.camera, np.float64)
    place = camera[pose.skeleton.index("left_shoulder")]
    for name, step in (("left_elbow", elbow), ("left_wrist", wrist)):
        place = place + frame.rotation.apply(step)
        camera[pose.skeleton.index(name)] = place
    return replace(pose, camera=camera.astype(np.float32))


@pytest.fixture(scope="module")
def stands() -> Pose:
    """A person who stands with hanging arms."""
    return next(drawn_results("walking", 1)).poses[0]


@pytest.mark.parametrize(
    ("elbow", "wrist", "expected"),
    [
        ((0, 0, -0.3), (0.25, 0, 0), {"l_p_shoulder": 0.0, "l_elbow": 90.0}),
        ((0, 0.3, 0), (0.25, 0, 0), {"l_p_shoulder": 90.0, "l_y_shoulder": 0.0, "l_elbow": 90.0}),
        ((0, 0.3, 0), (0, 0, 0.25), {"l_p_shoulder": 90.0, "l_r_shoulder": -90.0}),
        ((0.3, 0, 0), (0.25, 0, 0), {"l_p_shoulder": 90.0, "l_y_shoulder": 90.0, "l_elbow": 0.0}),
        ((0, 0, 0.3), (0.25, 0, 0), {"l_p_shoulder": 180.0, "l_elbow": 90.0}),
        ((0, 0, 0.3), (0, 0, 0.25), {"l_p_shoulder": 180.0, "l_elbow": 0.0}),
    ],
    ids=["bent", "aside", "aside, up", "ahead", "up, bent", "up"],
)
def test_angles_of_an_arm_in_known_poses(
    stands: Pose, elbow: Sequence[float], wrist: Sequence[float], expected: dict[str, float]
) -> None:
    pose = arm_of(stands, elbow, wrist)
    positions = joint_positions(pose, all_found(pose))
    assert positions is not None
    for name, degrees in expected.items():
        assert abs(np.degrees(positions[name])) == pytest.approx(abs(degrees), abs=0.1), name
    found = errors(pose, replace(lengths_of(pose), upper_arm=0.3, forearm=0.25))
    assert max(found["l_elbow"], found["l_wrist"]) < 0.01


def test_hanging_arms_and_straight_legs_have_small_angles(stands: Pose) -> None:
    positions = joint_positions(stands, all_found(stands))
    assert positions is not None
    assert positions["waist"] == 0.0
    for name in ("l_p_shoulder", "r_p_shoulder", "l_knee", "r_knee", "p_head", "l_r_hip"):
        assert abs(positions[name]) < 0.6, name


def test_knee_that_seems_to_bend_forward_does_not_turn_the_thigh(stands: Pose) -> None:
    frame = body_frame(stands)
    assert frame is not None
    assert stands.camera is not None
    camera = np.array(stands.camera, np.float64)
    hip, knee, ankle = (stands.skeleton.index(f"left_{name}") for name in ("hip", "knee", "ankle"))
    camera[knee] = camera[hip] + frame.rotation.apply((0, 0, -0.4))
    camera[ankle] = camera[knee] + frame.rotation.apply((0.1, 0, -0.4))
    pose = replace(stands, camera=camera.astype(np.float32))
    positions = joint_positions(pose, all_found(pose))
    assert positions is not None
    assert abs(positions["l_y_hip"]) < 0.01
    assert np.degrees(positions["l_knee"]) == pytest.approx(14.0, abs=0.1)


def test_joints_that_are_not_found_have_no_angle(stands: Pose) -> None:
    found = all_found(stands)
    found[[stands.skeleton.index(name) for name in ("left_wrist", "right_elbow", "nose")]] = False
    positions = joint_positions(stands, found)
    assert positions is not None
    assert {"l_p_shoulder", "l_knee", "waist"} <= positions.keys()
    assert not {"l_elbow", "r_elbow", "r_p_shoulder", "y_head"} & positions.keys()
    assert joint_positions(replace(stands, camera=None, camera_sources=None), found) is None


def test_another_model_is_made_when_a_length_changes_and_not_before(stands: Pose) -> None:
    bones, found = BoneTracker(), all_found(stands)
    found[[stands.skeleton.index(f"{side}_ankle") for side in ("left", "right")]] = False
    first = bones.update(stands, found)
    assert first is not None
    assert 0.3 < first.shank < 0.55  # as in a person of this size
    assert bones.update(stands, found) is None
    larger = replace(stands, camera=np.asarray(stands.camera) * np.float32(1.2))
    # one image that is off changes nothing
    assert bones.update(larger, found) is None
    made = [bones.update(larger, found) for _ in range(4)]
    *_, again = (lengths for lengths in made if lengths is not None)
    assert again.trunk == pytest.approx(1.2 * first.trunk, rel=1e-3)
    assert again.shank == pytest.approx(1.2 * first.shank, rel=1e-3)
    assert made[-1] is None


def test_names_end_with_the_id_and_are_those_of_the_rep() -> None:
    robot = ElementTree.fromstring(urdf(HumanLengths(), "p12"))
    names = {joint.attrib["name"] for joint in robot.iter("joint")}
    of_a_side = ["y_shoulder", "p_shoulder", "r_shoulder", "elbow", "wrist"]
    of_a_side += ["y_hip", "p_hip", "r_hip", "knee", "ankle"]
    assert names == {
        *(f"{name}_p12" for name in ("waist", "torso", "r_head", "y_head", "p_head", "head")),
        *(f"{side}_{name}_p12" for side in "lr" for name in of_a_side),
    }
    assert {f"{side}_{name}_p12" for side in "lr" for name in ("shoulder", "hip", "elbow")} <= {
        link.attrib["name"] for link in robot.iter("link")
    }
