from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from std_msgs.msg import Header

from pose_ros.core import skeletons
from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.poses import poses_from_msg, skeleton_from_msg
from pose_ros.msg import Keypoint
from pose_ros.ros.messages import (
    camera_info_to_msg,
    header_to_msg,
    poses_to_msg,
    skeleton_to_msg,
    stamp_to_msg,
)

BLAZEPOSE = skeletons.get("blazepose33")


def some_poses(people: int = 2, *, full: bool = True) -> Poses:
    random = np.random.default_rng(1)
    shape = (people, len(BLAZEPOSE))
    keypoints = random.uniform(-10, 700, (*shape, 2)).astype(np.float32)
    scores = random.uniform(0, 1, shape).astype(np.float32)
    world = random.normal(0, 1, (*shape, 3)).astype(np.float32)
    camera = world + 3
    if people:
        keypoints[0, 3] = world[0, 3] = camera[0, 3] = np.nan
        scores[0, 3] = 0
    return Poses(
        skeleton=BLAZEPOSE,
        ids=np.arange(people) + 5,
        scores=random.uniform(0, 1, people),
        boxes=random.uniform(0, 600, (people, 4)),
        keypoints=keypoints,
        keypoint_scores=scores,
        depths=random.normal(0, 50, shape) if full else None,
        world=world if full else None,
        camera=camera if full else None,
        camera_sources=np.where(np.isnan(camera[..., 0]), 0, random.integers(1, 3, shape))
        if full
        else None,
        camera_sigmas=np.where(np.isnan(camera[..., 0]), np.nan, random.uniform(0, 1, shape))
        if full
        else None,
    )


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("people", [0, 1, 2])
def test_poses_are_unchanged_after_a_round_trip_through_a_message(people: int, full: bool) -> None:
    poses = some_poses(people, full=full)
    header = Header(frame_id="camera_optical_frame")
    msg = poses_to_msg(poses, header, "blazepose-full", width=640, height=480)
    assert (msg.header, msg.network, msg.skeleton) == (header, "blazepose-full", "blazepose33")
    assert (msg.width, msg.height, len(msg.poses)) == (640, 480, people)
    back = poses_from_msg(msg)
    for name in ("ids", "scores", "boxes", "keypoints", "keypoint_scores"):
        np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))
    for name in ("depths", "world", "camera", "camera_sources", "camera_sigmas"):
        if full and people:
            np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))
        else:
            assert getattr(back, name) is None


def test_labels_are_unchanged_after_a_round_trip_through_a_message() -> None:
    poses = some_poses().replace(labels=("left", "right"), label_scores=[0.5, 0.75])
    msg = poses_to_msg(poses, Header(), "n", width=1, height=1)
    assert [(person.label, person.label_score) for person in msg.poses] == [
        ("left", 0.5),
        ("right", 0.75),
    ]
    back = poses_from_msg(msg)
    assert back.labels == ("left", "right")
    np.testing.assert_array_equal(back.label_scores, poses.label_scores)
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    assert [person.label for person in msg.poses] == ["", ""]
    assert all(math.isnan(person.label_score) for person in msg.poses)
    assert (poses_from_msg(msg).labels, poses_from_msg(msg).label_scores) == (None, None)


def test_clothes_are_unchanged_after_a_round_trip_through_a_message() -> None:
    poses = some_poses().replace(clothes=[[0.5] * 6, [0.25] * 3 + [math.nan] * 3])
    msg = poses_to_msg(poses, Header(), "n", width=1, height=1)
    np.testing.assert_array_equal(poses_from_msg(msg).clothes, poses.clothes)
    msg.poses[0].clothes = np.zeros(6, np.float32)  # of a sender that does not fill them in
    assert np.isnan(poses_from_msg(msg).clothes[0]).all()
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    assert np.isnan(msg.poses[0].clothes).all()
    assert poses_from_msg(msg).clothes is None


def test_missing_values_are_nan_and_never_zero() -> None:
    missing = poses_to_msg(some_poses(), Header(), "n", width=1, height=1).poses[0].keypoints[3]
    values = (missing.x, missing.y, missing.world.x, missing.position.z)
    assert all(math.isnan(value) for value in values)
    assert missing.score == 0
    assert missing.position_source == Keypoint.SOURCE_NONE
    unknown = (
        poses_to_msg(some_poses(full=False), Header(), "n", width=1, height=1).poses[0].keypoints[0]
    )
    values = (unknown.z, unknown.world.y, unknown.position.x)
    assert all(math.isnan(value) for value in values)
    assert unknown.position_source == Keypoint.SOURCE_NONE


def test_keypoints_have_names_and_sources() -> None:
    person = poses_to_msg(some_poses(), Header(), "n", width=1, height=1).poses[1]
    assert tuple(point.name for point in person.keypoints) == BLAZEPOSE.keypoints
    assert {point.position_source for point in person.keypoints} == {
        Keypoint.SOURCE_MODEL,
        Keypoint.SOURCE_DEPTH,
    }


def test_positions_without_source_or_sigma_are_unknown() -> None:
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    hidden = msg.poses[0].keypoints[3]
    hidden.position_source, hidden.position_sigma = Keypoint.SOURCE_MODEL, 0.0  # NaN has neither
    back = poses_from_msg(msg)
    assert back.camera_sources is not None
    assert back.camera_sigmas is not None
    assert back.camera_sources[0, 3] == Keypoint.SOURCE_NONE
    assert np.isnan(back.camera_sigmas[0, 3])
    msg.poses[1].keypoints[5].position_sigma = math.nan
    back = poses_from_msg(msg)
    assert back.camera is not None
    assert back.camera_sigmas is None


def test_poses_of_an_unknown_skeleton_are_refused_unless_it_is_given() -> None:
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    msg.skeleton = "octopus8"
    with pytest.raises(OptionError, match="octopus8"):
        poses_from_msg(msg)
    assert len(poses_from_msg(msg, BLAZEPOSE)) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda person: person.keypoints.pop(),
        lambda person: person.keypoints.append(Keypoint()),
        lambda person: person.keypoints.reverse(),
    ],
)
def test_keypoints_that_do_not_match_the_skeleton_are_refused(spoil: Callable[[Any], None]) -> None:
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    spoil(msg.poses[1])
    with pytest.raises(OptionError, match="33 keypoints of blazepose33"):
        poses_from_msg(msg)


def test_meters_without_a_source_count_as_from_the_model() -> None:
    msg = poses_to_msg(some_poses(), Header(), "n", width=1, height=1)
    msg.poses[0].keypoints[5].position_source = Keypoint.SOURCE_NONE
    sources = poses_from_msg(msg).camera_sources
    assert sources is not None
    assert sources[0, 5] == Keypoint.SOURCE_MODEL


def test_skeleton_with_half_a_link_is_refused() -> None:
    msg = skeleton_to_msg(BLAZEPOSE)
    msg.links.pop()
    with pytest.raises(OptionError, match="pairs of indices"):
        skeleton_from_msg(msg)


@pytest.mark.parametrize("name", sorted(skeletons.SKELETONS))
def test_skeleton_is_unchanged_after_a_round_trip_through_a_message(name: str) -> None:
    skeleton = skeletons.get(name)
    back = skeleton_from_msg(skeleton_to_msg(skeleton))
    assert (back.name, back.keypoints) == (skeleton.name, skeleton.keypoints)
    assert (back.links, back.left_right) == (skeleton.links, skeleton.left_right)
    assert back.least_score == skeleton.least_score


@pytest.mark.parametrize(
    ("seconds", "sec", "nanosec"),
    [
        (0.0, 0, 0),
        (1.5, 1, 500_000_000),
        (1_700_000_000.25, 1_700_000_000, 250_000_000),
        (1.9999999999, 2, 0),
        (-0.25, -1, 750_000_000),
    ],
)
def test_stamp_survives_a_message_to_the_nanosecond(seconds: float, sec: int, nanosec: int) -> None:
    stamp = stamp_to_msg(seconds)
    assert (stamp.sec, stamp.nanosec) == (sec, nanosec)
    assert stamp_from_msg(stamp) == pytest.approx(seconds, abs=1e-9)
    assert header_to_msg(seconds, "camera").frame_id == "camera"


def test_calibration_survives_a_camera_info() -> None:
    camera = Camera(
        640, 480, np.array([[500.0, 0, 319], [0, 510, 239], [0, 0, 1]]),
        "plumb_bob", np.array([0.1, -0.2, 0.001, 0.002, 0.05]),
    )  # fmt: skip
    info = camera_info_to_msg(Calibration(camera), header_to_msg(2.0, "camera"))
    assert (info.width, info.height, info.distortion_model) == (640, 480, "plumb_bob")
    assert info.header.frame_id == "camera"
    assert info.k.tolist() == [500, 0, 319, 0, 510, 239, 0, 0, 1]
    assert info.p.tolist() == [500, 0, 319, 0, 0, 510, 239, 0, 0, 0, 1, 0]
    assert info.r.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    back = camera_from_info(info)
    np.testing.assert_array_equal(back.matrix, camera.matrix)
    np.testing.assert_array_equal(back.distortion, camera.distortion)


def test_uncalibrated_camera_info_gives_no_camera() -> None:
    from sensor_msgs.msg import CameraInfo

    with pytest.raises(OptionError, match="not calibrated"):
        camera_from_info(CameraInfo(width=640, height=480))


def test_binning_and_region_of_interest_change_the_intrinsics() -> None:
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(width=640, height=480, binning_x=2, binning_y=2)
    info.k = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 40, 400, 300
    camera = camera_from_info(info)
    assert (camera.width, camera.height) == (200, 150)
    whole = Camera(640, 480, np.array(info.k).reshape(3, 3))
    point = np.array([0.2, -0.1, 2.0])
    expected = (whole.project(point) - (100, 40)) / 2
    np.testing.assert_allclose(camera.project(point), expected)


def test_rectified_images_use_the_projection_matrix_and_no_distortion() -> None:
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[0.1, 0, 0, 0, 0])
    info.k = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    # of the right eye: the last column is its distance to the left one
    info.p = np.array([450.0, 0, 310, -54, 0, 450, 230, 0, 0, 0, 1, 0])
    camera = camera_from_info(info, rectified=True)
    np.testing.assert_array_equal(camera.matrix, [[450, 0, 310], [0, 450, 230], [0, 0, 1]])
    assert not camera.distorted
    assert camera_from_info(info).distorted
