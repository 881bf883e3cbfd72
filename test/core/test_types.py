"""Frames and Poses are validated at construction."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.types import Frame, Poses, PositionSource
from pose_ros.errors import ImageError, OptionError

SKELETON = skeletons.get("blazepose33")


def make_poses(people=2, **changes):
    points = len(SKELETON)
    rng = np.random.default_rng(0)
    fields = {
        "skeleton": SKELETON,
        "ids": np.arange(people),
        "scores": np.full(people, 0.5),
        "boxes": np.zeros((people, 4)),
        "keypoints": rng.uniform(0, 100, (people, points, 2)),
        "keypoint_scores": np.ones((people, points)),
    }
    return Poses(**{**fields, **changes})


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "NoneType"),
        (np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
    ],
)
def test_frame_of_invalid_image_is_refused(image, message):
    with pytest.raises(ImageError, match=message):
        Frame(image, 0.0)


@pytest.mark.parametrize("stamp", [float("nan"), float("inf")])
def test_frame_with_stamp_that_is_not_finite_is_refused(stamp):
    with pytest.raises(ImageError, match="stamp"):
        Frame(np.zeros((1, 1, 3), np.uint8), stamp)


def test_a_frame_of_one_pixel_is_an_image():
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 0.0)
    assert (frame.width, frame.height) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.zeros(3)}, r"scores: expected shape \(2,\), got \(3,\)"),
        ({"keypoints": np.zeros((2, 32, 2))}, r"keypoints: expected shape \(2, 33, 2\)"),
        ({"world": np.zeros((2, 33, 2))}, r"world: expected shape \(2, 33, 3\)"),
        ({"ids": [3, 3]}, "distinct ids"),
        ({"labels": ("left",)}, "labels: expected 2 labels"),
        ({"label_scores": [0.5]}, r"label_scores: expected shape \(2,\)"),
        ({"label_scores": [0.5, np.nan]}, r"label_scores: expected values in \[0, 1\]"),
        ({"masks": np.zeros((2, 9))}, r"masks: expected shape \(2, 9, 0\), got \(2, 9\)"),
        ({"masks": np.zeros((1, 6, 9))}, r"masks: expected shape \(2, 6, 9\), got \(1, 6, 9\)"),
        ({"masks": np.full((2, 6, 9), 1.5)}, r"masks: expected values in \[0, 1\]"),
        ({"scores": [0.5, 1.5]}, r"scores: expected values in \[0, 1\]"),
        ({"keypoint_scores": np.full((2, 33), np.nan)}, "keypoint_scores"),
    ],
)
def test_poses_refuse_arrays_that_do_not_fit(changes, message):
    with pytest.raises(OptionError, match=message):
        make_poses(**changes)


def test_poses_are_read_only_and_the_given_array_stays_writable():
    keypoints = np.zeros((2, 33, 2), np.float32)
    poses = make_poses(keypoints=keypoints)
    with pytest.raises(ValueError, match="read-only"):
        poses.keypoints[0, 0] = 1
    keypoints[0, 0] = 1


def test_a_pose_gives_its_keypoints_by_name_and_the_links_that_were_found():
    poses = make_poses()
    keypoints = poses.keypoints.copy()
    wrist = SKELETON.index("left_wrist")
    keypoints[1, wrist] = np.nan
    pose = make_poses(keypoints=keypoints)[1]
    assert np.isnan(pose.keypoint("left_wrist")).all()
    assert np.array_equal(pose.keypoint("nose"), keypoints[1, 0].astype(np.float32))
    missing = set(SKELETON.links) - set(pose.links())
    assert missing
    assert all(wrist in link for link in missing)
    with pytest.raises(OptionError, match="no keypoint 'left_hand'"):
        pose.keypoint("left_hand")


def test_each_pose_has_its_own_mask():
    masks = np.zeros((2, 6, 9), np.float32)
    masks[1, 2:4] = 0.7
    first, second = make_poses(masks=masks)
    assert first.mask.max() == 0
    assert np.array_equal(second.mask, masks[1])
    assert make_poses()[0].mask is None


def test_each_pose_has_its_own_label():
    poses = make_poses(labels=("left", "right"), label_scores=[0.5, 1.0])
    assert [(pose.label, pose.label_score) for pose in poses] == [("left", 0.5), ("right", 1.0)]
    assert [(pose.label, pose.label_score) for pose in make_poses()] == [(None, None)] * 2


def test_poses_without_people_have_length_zero():
    nobody = Poses.empty(SKELETON)
    assert len(nobody) == 0
    assert list(nobody) == []


def known_camera(**changes):
    camera = np.ones((2, len(SKELETON), 3))
    camera[0, 3] = np.nan
    known = np.isfinite(camera[..., 0])
    return {
        "camera": camera,
        "camera_sources": np.where(known, PositionSource.MODEL, PositionSource.NONE),
        "camera_sigmas": np.where(known, 0.1, np.nan),
        **changes,
    }


def test_meters_carry_their_source_and_sigma():
    poses = make_poses(**known_camera())
    assert poses.camera_sources.dtype == np.uint8
    assert not poses.camera_sources.flags.writeable
    assert poses[0].camera_sources[3] == PositionSource.NONE
    assert np.isnan(poses[0].camera_sigmas[3])
    assert poses[1].camera_sigmas[3] == np.float32(0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera": None}, "camera_sources: expected NONE"),
        ({"camera": None, "camera_sources": None}, "camera_sigmas: expected 0 or more"),
        ({"camera_sources": np.ones((2, 33))}, "camera_sources: expected NONE where"),
        ({"camera_sources": np.zeros((2, 33))}, "camera_sources: expected NONE where"),
        ({"camera_sources": np.ones((2, 32))}, "camera_sources: expected shape"),
        ({"camera_sigmas": np.ones((2, 33))}, "camera_sigmas: expected 0 or more, and NaN"),
        ({"camera_sigmas": -known_camera()["camera_sigmas"]}, "camera_sigmas: expected 0"),
        ({"camera_sources": known_camera()["camera_sources"] * 7}, "values up to 3"),
    ],
)
def test_sources_and_sigmas_that_contradict_meters_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        make_poses(**known_camera(**changes))


def test_field_that_no_person_has_is_none():
    nowhere = np.full((2, len(SKELETON)), np.nan)
    poses = make_poses(
        depths=nowhere,
        world=np.stack([nowhere] * 3, axis=2),
        camera=np.stack([nowhere] * 3, axis=2),
        camera_sources=np.zeros_like(nowhere),
        camera_sigmas=nowhere,
        labels=("", ""),
        label_scores=np.full(2, np.nan),
    )
    fields = ("depths", "world", "camera", "camera_sources", "camera_sigmas", "labels")
    assert {getattr(poses, name) for name in (*fields, "label_scores")} == {None}


def test_meters_without_a_source_count_as_from_the_model():
    camera = np.ones((1, len(SKELETON), 3))
    camera[0, 3] = np.nan
    sources = make_poses(1, camera=camera).camera_sources
    assert sources[0, 3] == PositionSource.NONE
    assert set(np.delete(sources[0], 3)) == {PositionSource.MODEL}
