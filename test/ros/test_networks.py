"""Networks of other families through the same node: picture in, PoseArray out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from pose_ros.core import skeletons
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.msg import PoseArray, Skeleton
from pose_ros.ros.messages import header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.source import SyntheticSource
from tools import markers, paf_oracle
from tools.onnx_writer import endless, save

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WIDE, HIGH = 3 * paf_oracle.SIZE, paf_oracle.SIZE


@pytest.mark.parametrize("name", ["trt_body18", "trt_hand21"])
def test_people_or_hands_of_a_picture_are_published(ros: Any, tmp_path: Path, name: str) -> None:
    oracle = paf_oracle.write(tmp_path, name)
    places = [oracle.place(x, 0.5, size) for x, size in ((0.2, 0.22), (0.5, 0.2), (0.8, 0.24))]
    # three times as wide as the network's input: the node stretches it, and its results back
    picture = np.ascontiguousarray(oracle.picture(places, (1, 3))[..., ::-1])
    parameters = {"network": str(oracle.card), "max_people": 5, "provider": "cpu", "threads": 1}
    node = ros.add(
        PoseNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
    )
    assert node.autostart()
    found = ros.collect(PoseArray, "pose/poses")
    drawn = ros.collect(Image, "pose/overlay")
    described = ros.collect(Skeleton, "pose/skeleton", LATCHED)
    publisher = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(publisher.get_subscription_count)
    sent = image_to_msg(picture, "bgr", header_to_msg(100.5, "camera"))
    assert ros.spin_until(lambda: publisher.publish(sent) or (found and drawn and described))

    message = found[0]
    assert (message.header.frame_id, stamp_from_msg(message.header.stamp)) == ("camera", 100.5)
    assert (message.network, message.skeleton) == ("oracle", name)
    assert (message.width, message.height) == (WIDE, HIGH)
    skeleton = skeletons.get(name)
    assert tuple(described[0].keypoints) == skeleton.keypoints
    assert len(message.poses) == len(places)
    people = sorted(message.poses, key=lambda pose: sum(point.x for point in pose.keypoints))
    cell = np.array([WIDE, HIGH]) / paf_oracle.CELLS
    for pose, place in zip(people, places, strict=True):
        assert tuple(point.name for point in pose.keypoints) == skeleton.keypoints
        points = np.array([(point.x, point.y) for point in pose.keypoints])
        assert np.abs((points - (place * [WIDE, HIGH] - 0.5)) / cell).max() < 0.35
        # fields that this network does not give are unknown
        assert np.isnan([point.position.x for point in pose.keypoints]).all()
    overlay, channels = image_from_msg(drawn[0])
    assert overlay.shape == picture.shape
    difference = cv2.absdiff(overlay if channels == "bgr" else overlay[..., ::-1], picture)
    assert np.count_nonzero(difference.max(axis=2) > 60) > 500


def test_network_and_skeleton_of_the_user_are_published(ros: Any, tmp_path: Path) -> None:
    card = tmp_path / "seen.yaml"
    card.write_text(markers.CARD, encoding="utf-8")
    names = ("left_shoulder", "right_shoulder", "left_wrist", "right_wrist")
    palette = markers.colors(len(names))
    save(markers.network("keypoints", palette, 256, 192), tmp_path / "seen.onnx")
    source = SyntheticSource("raise_hands", live=False, fps=1)
    frame = source.read()
    assert frame
    assert frame.channels == "bgr"
    truth = source.truth(frame.stamp)
    places = np.array([truth.pixel(name) for name in names], np.float32)
    picture = frame.image.copy()
    markers.draw(picture, places, palette[:, ::-1], radius=4)
    parameters = {"network": str(card), "provider": "cpu", "threads": 1}
    node = ros.add(
        PoseNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
    )
    assert node.autostart()
    found = ros.collect(PoseArray, "pose/poses")
    described = ros.collect(Skeleton, "pose/skeleton", LATCHED)
    publisher = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(publisher.get_subscription_count)
    sent = image_to_msg(picture, "bgr", header_to_msg(7.25, "camera"))
    assert ros.spin_until(lambda: publisher.publish(sent) or (found and described))

    assert (described[0].name, tuple(described[0].keypoints)) == ("arms4", names)
    assert (found[0].network, found[0].skeleton) == ("seen", "arms4")
    (pose,) = found[0].poses
    assert tuple(point.name for point in pose.keypoints) == names
    points = np.array([(point.x, point.y) for point in pose.keypoints])
    assert np.hypot(*(points - places).T).max() < 1.0


def test_a_person_after_a_gap_between_images_gets_a_new_id(ros: Any, data: Path) -> None:
    photo = cv2.imread(str(data / "images" / "humans_0.jpg"))
    parameters: dict[str, Any] = {"network": "blazepose-full", "provider": "cpu", "threads": 1}
    parameters["allow_still_images"] = True  # it is the same photo each time
    node = ros.add(
        PoseNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
    )
    assert node.autostart()
    found = ros.collect(PoseArray, "pose/poses")
    publisher = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(publisher.get_subscription_count)
    # a gap below reid_timeout of 2 s, then 3 s, a minute and an hour without images
    stamps = (100.0, 100.1, 101.5, 104.5, 104.6, 164.6, 3764.6)
    for number, stamp in enumerate(stamps):
        publisher.publish(image_to_msg(photo, "bgr", header_to_msg(stamp, "camera")))
        assert ros.spin_until(lambda number=number: len(found) > number)
    # nor is an id used again where the node was inactive in between
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert ros.spin_until(publisher.get_subscription_count)
    publisher.publish(image_to_msg(photo, "bgr", header_to_msg(3770.0, "camera")))
    assert ros.spin_until(lambda: len(found) > len(stamps))
    ids = [
        (stamp_from_msg(message.header.stamp), pose.id)
        for message in found
        for pose in message.poses
    ]
    assert ids == list(zip((*stamps, 3770.0), (0, 0, 0, 1, 1, 2, 3, 4), strict=True))


def test_network_that_does_not_return_is_logged_and_aborted(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("pose_ros.ros.pose_node.STUCK_SECONDS", 0.5)
    card = tmp_path / "seen.yaml"
    card.write_text(markers.CARD, encoding="utf-8")
    network = markers.network("keypoints", markers.colors(4), 256, 192)
    save(endless(network), tmp_path / "seen.onnx")
    parameters = {"network": str(card), "provider": "cpu", "source": "synthetic?width=64&height=48"}
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node = ros.add(PoseNode(parameter_overrides=overrides))
    health = ros.collect(DiagnosticArray, "/diagnostics")
    words = "has not returned from an image for"
    for _ in range(2):
        assert node.autostart()
        health.clear()
        assert ros.spin_until(lambda: any(words in m.status[0].message for m in health))
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    said = capfd.readouterr().err
    assert said.count(words) == 2
    assert "since " in said
    assert "left behind" not in said
    assert "ERROR" not in said
