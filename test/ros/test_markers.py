"""Markers of people: where their joints are, one color each, and deleted when they are gone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import yaml
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from pose_ros.core.types import Poses
from pose_ros.files import share_path
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.markers import SkeletonMarkers
from pose_ros.ros.messages import header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.source import SyntheticSource

HEADER = header_to_msg(100.25, "camera_optical_frame")
PICTURE = np.full((48, 64, 3), 90, np.uint8)

# needs foxglove_msgs
DRAWN_BY_FOXGLOVE = {"/pose/scene", "/pose/image_annotations"}

TruePoses = Callable[..., Poses]


@pytest.fixture
def truth() -> Any:
    return SyntheticSource("point_right", live=False).truth(0.0)


def points(marker: Any) -> np.ndarray[Any, Any]:
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def actions(array: Any) -> dict[tuple[str, int], int]:
    return {(marker.ns, marker.id): marker.action for marker in array.markers}


def test_lines_and_spheres_are_at_the_joints(truth: Any, true_poses: TruePoses) -> None:
    poses = true_poses([truth], [7])
    lines, spheres = SkeletonMarkers().update(poses, HEADER, 0.5).markers
    assert (lines.type, spheres.type) == (Marker.LINE_LIST, Marker.SPHERE_LIST)
    assert (lines.id, spheres.id) == (7, 7)
    np.testing.assert_allclose(points(spheres), truth.camera, atol=1e-6)
    ends = np.array(truth.skeleton.links).ravel()
    np.testing.assert_allclose(points(lines), truth.camera[ends], atol=1e-6)
    for marker in (lines, spheres):
        assert marker.header == HEADER
        assert marker.color.a == 1.0
        assert 0.005 < marker.scale.x < 0.1
        assert marker.pose.orientation.w == 1.0
        assert marker.lifetime.sec > 0


def test_each_person_has_their_own_color(truth: Any, true_poses: TruePoses) -> None:
    markers = SkeletonMarkers().update(true_poses([truth] * 3, [0, 1, 7]), HEADER, 0.5).markers
    colors = {m.id: (m.color.r, m.color.g, m.color.b) for m in markers}
    assert len(set(colors.values())) == 3


def test_invalid_joints_are_left_out_with_their_lines(truth: Any, true_poses: TruePoses) -> None:
    whole = true_poses([truth])
    wrist, nose = whole.skeleton.index("left_wrist"), whole.skeleton.index("nose")
    scores, camera = whole.keypoint_scores.copy(), np.array(whole.camera)
    scores[0, wrist], camera[0, nose] = 0.3, np.nan
    poses = whole.replace(keypoint_scores=scores, camera=camera, camera_sources=None)
    lines, spheres = SkeletonMarkers().update(poses, HEADER, 0.5).markers
    assert len(spheres.points) == 31
    bad = {wrist, nose}
    assert len(lines.points) == 2 * sum(not bad & set(ends) for ends in whole.skeleton.links)
    assert np.isfinite(points(lines)).all()


def test_markers_of_a_person_who_is_gone_are_deleted_once(
    truth: Any, true_poses: TruePoses
) -> None:
    markers = SkeletonMarkers()
    markers.update(true_poses([truth] * 2, [3, 4]), HEADER, 0.5)
    found = actions(markers.update(true_poses([truth], [4]), HEADER, 0.5))
    assert found == {
        **{(namespace, 3): Marker.DELETE for namespace in ("links", "joints")},
        **{(namespace, 4): Marker.ADD for namespace in ("links", "joints")},
    }
    assert set(actions(markers.clear())) == {("links", 4), ("joints", 4)}
    assert not markers.clear().markers


def test_no_markers_without_meters(truth: Any, true_poses: TruePoses) -> None:
    markers = SkeletonMarkers()
    assert not markers.update(true_poses([truth], meters=False), HEADER, 0.5).markers
    markers.update(true_poses([truth]), HEADER, 0.5)
    gone = markers.update(true_poses([truth], meters=False), HEADER, 0.5)
    assert set(actions(gone).values()) == {Marker.DELETE}


def test_joints_without_a_link_give_no_empty_line_marker(truth: Any, true_poses: TruePoses) -> None:
    whole = true_poses([truth])
    scores = np.zeros_like(whole.keypoint_scores)
    scores[0, whole.skeleton.index("nose")] = 1.0
    found = SkeletonMarkers().update(whole.replace(keypoint_scores=scores), HEADER, 0.5)
    assert actions(found) == {("links", 0): Marker.DELETE, ("joints", 0): Marker.ADD}


def test_node_deletes_markers_of_lost_people_and_all_when_it_stops(
    ros: Any, fake: Any, truth: Any, true_poses: TruePoses
) -> None:
    fake.find = lambda stamp: true_poses([truth] if stamp < 101 else [])
    still = Parameter("allow_still_images", value=True)
    node = ros.add(PoseNode(make_estimator=lambda _parameters: fake, parameter_overrides=[still]))
    assert node.autostart()
    found = ros.collect(MarkerArray, "pose/markers")
    images = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(images.get_subscription_count)
    assert ros.spin_until(lambda: node.count_subscribers("pose/markers"))

    def publish(stamp: float) -> Any:
        return images.publish(image_to_msg(PICTURE, "bgr", header_to_msg(stamp, HEADER.frame_id)))

    def reported(action: int, stamp: float) -> bool:
        publish(stamp)
        return any(set(actions(array).values()) == {action} for array in found)

    assert ros.spin_until(lambda: reported(Marker.ADD, 100.0))
    assert ros.spin_until(lambda: reported(Marker.DELETE, 102.0))
    found.clear()
    assert ros.spin_until(lambda: reported(Marker.ADD, 100.5))
    node.trigger_deactivate()
    # it is the last, though markers of images may still be on their way
    assert ros.spin_until(lambda: set(actions(found[-1]).values()) == {Marker.DELETE})
    node.set_parameters([Parameter("publish_markers", value=False)])
    node.trigger_activate()
    found.clear()
    done = node.health.done_total
    stamps = itertools.count(103)
    assert ros.spin_until(lambda: publish(next(stamps)) or node.health.done_total > done + 2)
    assert not found


def topics(tree: Any) -> set[str]:
    """Return every topic that is named anywhere in a configuration."""
    if isinstance(tree, dict):
        return {name for pair in tree.items() for part in pair for name in topics(part)}
    if isinstance(tree, list):
        return {name for part in tree for name in topics(part)}
    return {tree} if isinstance(tree, str) and tree.startswith("/") else set()


@pytest.mark.parametrize("name", ["pose.rviz", "foxglove.json"])
def test_viewer_configurations_name_the_topics_of_the_nodes(ros: Any, fake: Any, name: str) -> None:
    camera = ros.add(CameraNode())
    has_foxglove = find_spec("foxglove_msgs") is not None
    asked = [Parameter("publish_foxglove", value=has_foxglove)]
    pose = ros.add(PoseNode(make_estimator=lambda _parameters: fake, parameter_overrides=asked))
    gesture = ros.add(GestureNode())
    for node in (camera, pose, gesture):
        node.trigger_configure()
    # JSON is YAML, too
    shown = topics(yaml.safe_load(share_path("config", name).read_text(encoding="utf-8")))
    assert {"/pose/markers", "/gesture/markers"} <= shown
    published = {topic for topic in shown if pose.count_publishers(topic)}
    # foxglove_msgs may not be installed
    assert shown - published == (set() if has_foxglove else shown & DRAWN_BY_FOXGLOVE)
    assert shown >= DRAWN_BY_FOXGLOVE or name != "foxglove.json"


@pytest.mark.skipif(find_spec("foxglove_msgs") is None, reason="foxglove_msgs is not installed")
def test_foxglove_messages_have_the_people_and_delete_them_when_the_node_stops(
    ros: Any, fake: Any, truth: Any, true_poses: TruePoses
) -> None:
    from foxglove_msgs.msg import ImageAnnotations, SceneUpdate

    fake.find = lambda _stamp: true_poses([truth], [7])
    asked = [Parameter(name, value=True) for name in ("publish_foxglove", "allow_still_images")]
    node = ros.add(PoseNode(make_estimator=lambda _parameters: fake, parameter_overrides=asked))
    assert node.autostart()
    drawn = ros.collect(ImageAnnotations, "pose/image_annotations")
    scenes = ros.collect(SceneUpdate, "pose/scene")
    images = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(images.get_subscription_count)
    stamps = itertools.count(100)

    def reported() -> Any:
        stamp = float(next(stamps))
        images.publish(image_to_msg(PICTURE, "bgr", header_to_msg(stamp, HEADER.frame_id)))
        return drawn and scenes

    assert ros.spin_until(reported)
    assert [text.text for text in drawn[0].texts] == ["p7"]
    found = [(p.x, p.y) for p in drawn[0].points[1].points]
    np.testing.assert_allclose(found, truth.pixels, atol=1e-3)
    (person,) = scenes[0].entities
    assert (person.id, person.frame_id) == ("7", HEADER.frame_id)
    places = [(s.pose.position.x, s.pose.position.y, s.pose.position.z) for s in person.spheres]
    np.testing.assert_allclose(places, truth.camera, atol=1e-6)
    node.trigger_deactivate()
    assert ros.spin_until(lambda: [gone.id for gone in scenes[-1].deletions] == ["7"])
