"""What REP-155 asks for: normalized skeletons and regions, and a refusal without hri_msgs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pose_ros.core.types import Poses
from pose_ros.ros.messages import header_to_msg
from pose_ros.ros.outputs import region, skeleton2d
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.source import SyntheticSource

TruePoses = Callable[..., Poses]
needs_messages = pytest.mark.skipif(find_spec("hri_msgs") is None, reason="no hri_msgs")


@pytest.fixture
def poses(true_poses: TruePoses) -> Poses:
    return true_poses([SyntheticSource("point_right", live=False).truth(0.0)], [7])


def test_the_skeleton_in_the_messages_order(poses: Poses) -> None:
    found = skeleton2d(poses[0], 640, 480)
    assert found.shape == (18, 3)
    # RIGHT_WRIST=4, LEFT_WRIST=7, NECK=1 of hri_msgs/Skeleton2D
    for row, name in ((0, "nose"), (4, "right_wrist"), (7, "left_wrist"), (13, "left_ankle")):
        np.testing.assert_allclose(found[row, :2] * (640, 480), poses[0].keypoint(name), rtol=1e-5)
        assert found[row, 2] == 1.0
    neck = (poses[0].keypoint("left_shoulder") + poses[0].keypoint("right_shoulder")) / 2
    np.testing.assert_allclose(found[1, :2] * (640, 480), neck, rtol=1e-5)


def test_joint_missing_or_outside_image_has_no_coordinates(poses: Poses) -> None:
    points = poses.keypoints.copy()
    points[0, poses.skeleton.index("nose")] = np.nan
    points[0, poses.skeleton.index("left_ankle")] = (320, 500)
    points[0, poses.skeleton.index("left_shoulder")] = np.nan
    found = skeleton2d(poses.replace(keypoints=points)[0], 640, 480)
    for row in (0, 1, 5, 13):
        assert np.isnan(found[row, :2]).all()
        assert found[row, 2] == 0.0
    rest = np.delete(found, (0, 1, 5, 13), axis=0)
    assert np.all((rest >= 0) & (rest <= 1))


def test_the_region_is_cut_to_the_image(poses: Poses) -> None:
    def boxed(*box: float) -> Any:
        return region(poses.replace(boxes=np.array([box], np.float32))[0], 640, 480)

    assert boxed(64, 48, 320, 240) == pytest.approx((0.1, 0.1, 0.5, 0.5))
    assert boxed(-64, -48, 700, 240) == pytest.approx((0, 0, 1, 0.5))
    assert boxed(700, 0, 800, 100) is None
    assert boxed(*[np.nan] * 4) is None


@pytest.mark.skipif(find_spec("hri_msgs") is not None, reason="hri_msgs is installed")
def test_without_the_messages_it_is_refused(ros: Any, fake: Any, capfd: Any) -> None:
    node = ros.add(
        PoseNode(
            make_estimator=lambda _parameters: fake,
            parameter_overrides=[Parameter("rep155", value=True)],
        )
    )
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.state == "unconfigured"
    reported = capfd.readouterr().err
    assert "rep155 needs ROS's package hri_msgs" in reported
    assert "set rep155 to false" in reported
    node.set_parameters([Parameter("rep155", value=False)])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


@pytest.mark.skipif(find_spec("people_msgs") is not None, reason="people_msgs is installed")
@pytest.mark.parametrize(
    ("parameter", "value", "package"),
    [("people_frame", "odom", "people_msgs"), ("publish_detections", True, "vision_msgs")],
)
def test_output_without_its_package_is_refused(
    ros: Any, fake: Any, capfd: Any, parameter: str, value: Any, package: str
) -> None:
    asked = [Parameter(parameter, value=value)]
    node = ros.add(PoseNode(make_estimator=lambda _parameters: fake, parameter_overrides=asked))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert f"{parameter} needs ROS's package {package}" in capfd.readouterr().err


@needs_messages
def test_tracked_person_has_topics_until_they_are_gone(ros: Any, fake: Any, poses: Poses) -> None:
    from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D
    from sensor_msgs.msg import Image

    from pose_ros.ros.messages import image_to_msg

    fake.find = lambda stamp: poses if stamp < 110 else Poses.empty(poses.skeleton)
    node = ros.add(
        PoseNode(
            make_estimator=lambda _parameters: fake,
            parameter_overrides=[Parameter("rep155", value=True)],
        )
    )
    assert node.autostart()
    tracked = ros.collect(IdsList, "/humans/bodies/tracked")
    found = ros.collect(Skeleton2D, "/humans/bodies/p7/skeleton2d")
    regions = ros.collect(NormalizedRegionOfInterest2D, "/humans/bodies/p7/roi")
    images = ros.node.create_publisher(Image, "image", 10)
    picture = np.zeros((480, 640, 3), np.uint8)

    def publish(stamp: float) -> Any:
        return images.publish(image_to_msg(picture, "bgr", header_to_msg(stamp, "camera")))

    assert ros.spin_until(lambda: publish(100.0) or (tracked and found and regions))
    assert list(tracked[0].ids) == ["p7"]
    assert tracked[0].header == found[0].header == header_to_msg(100.0, "camera")
    rows = [(p.x, p.y, p.c) for p in found[0].skeleton]
    np.testing.assert_allclose(rows, skeleton2d(poses[0], 640, 480), rtol=1e-6)
    assert regions[0].c == 1.0
    assert 0 <= regions[0].xmin < regions[0].xmax <= 1
    # the person is gone, and some time later so are their topics
    tracked.clear()
    assert ros.spin_until(lambda: publish(111.0) or any(not msg.ids for msg in tracked))
    assert ros.spin_until(lambda: not node.count_publishers("/humans/bodies/p7/roi"))
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.count_publishers("/humans/bodies/tracked") == 0
