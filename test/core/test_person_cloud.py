"""Points of people: the measured depths inside their masks, with the person's number."""

import numpy as np
import pytest

from pose_ros.bags.message_types import types
from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage, person_cloud
from pose_ros.core.types import Poses
from pose_ros.messages.people import cloud_to_msg, mask_to_msg
from tools.bags import header

CAMERA = Camera.from_hfov(8, 6, 60.0)


@pytest.fixture
def poses():
    """Two people side by side; the second one's mask reaches weakly into the first."""
    masks = np.zeros((2, 6, 8), np.float32)
    masks[0, 1:5, 1:4] = 0.9
    masks[1, 1:5, 3:7] = 0.7
    keypoints = np.zeros((2, 17, 2), np.float32)
    return Poses(
        skeletons.get("coco17"),
        ids=np.array([5, 9]),
        scores=np.ones(2, np.float32),
        boxes=np.zeros((2, 4), np.float32),
        keypoints=keypoints,
        keypoint_scores=np.ones((2, 17), np.float32),
        masks=masks,
    )


def depths(**holes):
    values = np.full((6, 8), 2000, np.uint16)
    values[:, :4] = 1500
    values[1, 1] = holes.get("hole", 1500)
    return DepthImage(values, "16UC1", 0.0)


def test_points_are_the_depths_of_masks_in_the_optical_frame(poses):
    points, ids = person_cloud(poses, CAMERA, depths())
    assert len(points) == 12 + 12  # the column that both masks hold is of the surer one
    assert set(ids[points[:, 2] == 1.5]) == {5}
    assert set(ids[points[:, 2] == 2.0]) == {9}
    pixels = CAMERA.project(points)
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-4)
    assert pixels[ids == 5].min(axis=0).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert pixels[ids == 9].max(axis=0).tolist() == pytest.approx([6, 4], abs=1e-4)


def test_pixels_without_depth_give_no_points(poses):
    assert len(person_cloud(poses, CAMERA, depths(hole=0)).ids) == 23
    meters = DepthImage(np.full((6, 8), np.nan, np.float32), "32FC1", 0.0)
    assert len(person_cloud(poses, CAMERA, meters).ids) == 0
    assert len(person_cloud(poses.replace(masks=None), CAMERA, depths()).ids) == 0


def test_distortion_of_the_lens_is_taken_out(poses):
    lens = Camera(8, 6, CAMERA.matrix, (0.1, 0.0, 0.0, 0.0, 0.0))
    points, _ = person_cloud(poses, lens, depths())
    pixels = lens.project(points)
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-3)


def test_mask_and_points_are_put_into_messages(poses):
    cloud = person_cloud(poses, CAMERA, depths())
    msg = cloud_to_msg(types, cloud, header(0))
    assert (msg.width, msg.height, msg.point_step, msg.row_step) == (24, 1, 16, 384)
    assert [(f.name, f.offset, f.datatype) for f in msg.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("id", 12, 6),
    ]
    rows = np.frombuffer(bytes(msg.data), [("xyz", "<f4", 3), ("id", "<u4")])
    np.testing.assert_array_equal(rows["xyz"], cloud.points)
    np.testing.assert_array_equal(rows["id"], cloud.ids)
    mask = mask_to_msg(types, poses, header(0), 8, 6)
    assert (mask.encoding, mask.width, mask.height) == ("mono8", 8, 6)
    values = np.asarray(mask.data).reshape(6, 8)
    assert values[2, 1] == 230
    assert values[2, 6] == 178
    assert values[0].max() == 0
    empty = mask_to_msg(types, Poses.empty(poses.skeleton), header(0), 8, 6)
    assert not np.asarray(empty.data).any()
