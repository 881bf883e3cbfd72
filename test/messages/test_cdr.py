"""What is written at once as bytes is what rosbags makes of the same message, byte by byte."""

import numpy as np
import pytest

from pose_ros.bags.message_types import types, typestore
from pose_ros.core import skeletons
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.messages.cdr import frames_to_cdr, poses_to_cdr
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_to_msg
from pose_ros.messages.transforms import frames_of, transforms

STAMP = 1_700_000_000_123_456_789


def people(count, skeleton="blazepose33", *, meters=True, **fields):
    """Return people with some missing joints, with ids beyond what int32 holds."""
    made = skeletons.get(skeleton) if isinstance(skeleton, str) else skeleton
    rng, points = np.random.default_rng(count), len(made)
    missing = rng.random((count, points)) < 0.2
    if meters:
        camera = rng.normal(0.0, 1.0, (count, points, 3)) + (0.0, 0.0, 3.0)
        camera[missing] = np.nan
        fields["camera"] = camera
        fields["camera_sources"] = np.where(missing, 0, rng.integers(1, 3, missing.shape))
        fields["camera_sigmas"] = np.where(missing, np.nan, rng.random(missing.shape))
        fields["world"] = rng.normal(0.0, 1.0, (count, points, 3))
        fields["depths"] = rng.normal(0.0, 50.0, (count, points))
    return Poses(
        skeleton=made,
        ids=np.arange(count) + (2**32 - 1 - count),
        scores=rng.random(count),
        boxes=rng.normal(0.0, 300.0, (count, 4)),
        keypoints=rng.normal(0.0, 300.0, (count, points, 2)),
        keypoint_scores=rng.random((count, points)),
        **fields,
    )


@pytest.mark.parametrize("frame_id", ["", "c", "optical", "caméra_ü"])
@pytest.mark.parametrize(
    "poses",
    [
        people(0),
        people(1),
        people(3),
        people(2, "coco17", meters=False),
        people(2, "blazehand21", labels=("left", "right"), label_scores=np.array([0.25, 1.0])),
        people(3, "blazehand21", labels=("", "right", "l"), meters=False),
        people(2, Skeleton("one", ("a",), ())),
        people(1, camera=np.ones((1, 33, 3)), meters=False),
    ],
)
def test_people(poses, frame_id):
    header = header_of(types, STAMP, frame_id)
    message = poses_to_msg(types, poses, header, "a-network", width=640, height=480)
    expected = typestore().serialize_cdr(message, "pose_ros/msg/PoseArray")
    found = poses_to_cdr(poses, STAMP, frame_id, "a-network", width=640, height=480)
    assert found == bytes(expected)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_frames(count):
    poses = people(count)
    frames = frames_of(poses, "optical", "p", 0.3)
    assert bool(frames.children) == bool(count)
    made = transforms(types, poses, header_of(types, STAMP, "optical"), "p", 0.3)
    message = types("tf2_msgs/msg/TFMessage")(transforms=made)
    expected = typestore().serialize_cdr(message, "tf2_msgs/msg/TFMessage")
    assert frames_to_cdr(frames, STAMP) == bytes(expected)
    later = types("tf2_msgs/msg/TFMessage")(
        transforms=transforms(types, poses, header_of(types, 5, "optical"), "p", 0.3)
    )
    expected = typestore().serialize_cdr(later, "tf2_msgs/msg/TFMessage")
    assert frames_to_cdr(frames, 5) == bytes(expected), "a layout keeps nothing of an image"
