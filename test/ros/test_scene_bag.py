"""Bags of scenes, read with ROS's own messages: what ``ros2 bag play`` would publish."""

import json
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from pose_ros.files import share_path
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import PoseArray
from pose_ros.synthetic.scene_bag import START_SECONDS, BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic

SPEC = "synthetic:crossing?width=64&height=48&fps=2"
KINDS = {
    "/camera/image_raw": Image,
    "/camera/camera_info": CameraInfo,
    "/camera/depth/image_raw": Image,
    "/truth/poses": PoseArray,
    "/truth/scene": String,
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "scene"
    write_scene_bag(path, open_synthetic(SPEC, live=False), BagOptions(seconds=1.0))
    return path


def test_rclpy_reads_a_written_scene_bag(bag: Path) -> None:
    source = open_synthetic(SPEC, live=False)
    frame = source.read()
    assert frame is not None
    with Reader(bag) as reader:
        first = {c.topic: raw for c, _, raw in reversed(list(reader.messages()))}
    found = {topic: deserialize_message(first[topic], kind) for topic, kind in KINDS.items()}
    image, channels = image_from_msg(found["/camera/image_raw"])
    np.testing.assert_array_equal(image, frame.image)
    assert channels == "bgr"
    assert stamp_from_msg(found["/camera/image_raw"].header.stamp) == START_SECONDS
    camera = camera_from_info(found["/camera/camera_info"])
    np.testing.assert_array_equal(camera.matrix, source.camera.matrix)
    depth = found["/camera/depth/image_raw"]
    assert (depth.encoding, len(depth.data)) == ("16UC1", 64 * 48 * 2)
    poses = poses_from_msg(found["/truth/poses"])
    assert poses.camera is not None
    for i, truth in enumerate(source.truths(0.0)):
        np.testing.assert_allclose(poses.camera[i], truth.camera, rtol=1e-6)
    assert len(json.loads(found["/truth/scene"].data)["actors"]) == 2


@pytest.mark.parametrize("name", ["PoseArray", "HumanPose", "Keypoint"])
def test_message_types_have_the_type_hashes_of_ros(name: str) -> None:
    """By it a player and a subscriber know that they mean the same type."""
    from pose_ros.bags.message_types import typestore

    described = json.loads(share_path("msg", f"{name}.json").read_text(encoding="utf-8"))
    hashes = {entry["type_name"]: entry["hash_string"] for entry in described["type_hashes"]}
    assert typestore().hash_rihs01(f"pose_ros/msg/{name}") == hashes[f"pose_ros/msg/{name}"]
