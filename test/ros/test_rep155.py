"""What REP-155 asks for: skeletons, regions, gestures, postures, engagement; and hri_msgs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.types import Poses
from pose_ros.ros.messages import header_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.ros.rep155 import (
    engagement_constant,
    gesture_constants,
    posture_constant,
    region,
    skeleton2d,
)
from pose_ros.synthetic.source import SyntheticSource
from tools.gesture_stage import LATCHED, SUCCESS, Stage

pytestmark = pytest.mark.safety

TruePoses = Callable[..., Poses]
needs_messages = pytest.mark.skipif(find_spec("hri_msgs") is None, reason="no hri_msgs")


@pytest.fixture
def poses(true_poses: TruePoses) -> Poses:
    return true_poses([SyntheticSource("point_right", live=False).truth(0.0)], [7])


def test_keypoints_are_in_the_order_of_the_message(poses: Poses) -> None:
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


def test_region_of_a_person_is_clipped_to_the_image(poses: Poses) -> None:
    def boxed(*box: float) -> Any:
        return region(poses.replace(boxes=np.array([box], np.float32))[0], 640, 480)

    assert boxed(64, 48, 320, 240) == pytest.approx((0.1, 0.1, 0.5, 0.5))
    assert boxed(-64, -48, 700, 240) == pytest.approx((0, 0, 1, 0.5))
    assert boxed(700, 0, 800, 100) is None
    assert boxed(*[np.nan] * 4) is None


def done(name: str, side: Any = "both", event: Any = "held") -> Gesture:
    return Gesture(name, side, 7, event, 0.9, 0.0)


@pytest.mark.parametrize(
    ("gestures", "constants"),
    [
        ([], set()),
        ([done("wave", "left")], {"WAVING"}),
        ([done("raise_hand", "left")], {"LEFT_HAND_RAISED"}),
        ([done("raise_hand", "left"), done("raise_hand", "right")], {"BOTH_HANDS_RAISED"}),
        ([done("arms_crossed"), done("sitting")], {"ARMS_CROSSED"}),
        ([done("point", "right"), done("mine", "")], {"OTHER"}),
    ],
)
def test_gestures_have_the_constants_of_the_messages(gestures: Any, constants: Any) -> None:
    assert gesture_constants(gestures) == constants


def test_posture_is_the_lowest_one_seen_and_unknown_without_any() -> None:
    assert posture_constant([done("wave", "left"), done("looking")]) is None
    assert posture_constant([done("walking")]) == "STANDING"
    assert posture_constant([done("sitting"), done("facing")]) == "SITTING"
    assert posture_constant([done("standing"), done("fallen"), done("lying")]) == "LAYING"


def test_operator_is_engaged_and_person_who_looks_or_raises_a_hand_is_engaging() -> None:
    def level(*names: str, commands: bool = False, sees_looks: bool = True) -> str:
        return engagement_constant(
            [done(name) for name in names],
            commands=commands,
            engage="raise_hand",
            sees_looks=sees_looks,
        )

    assert level(commands=True) == "ENGAGED"
    assert level("looking") == level("raise_hand", sees_looks=False) == "ENGAGING"
    assert level("facing") == "DISENGAGED"
    assert level("wave", sees_looks=False) == "UNKNOWN"


@pytest.mark.skipif(find_spec("hri_msgs") is not None, reason="hri_msgs is installed")
def test_rep155_output_without_its_messages_is_refused(ros: Any, fake: Any, capfd: Any) -> None:
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


@needs_messages
def test_tracked_person_has_topics_until_they_are_gone(ros: Any, fake: Any, poses: Poses) -> None:
    from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D
    from sensor_msgs.msg import Image, JointState
    from std_msgs.msg import String

    from pose_ros.ros.messages import image_to_msg

    fake.find = lambda stamp: poses if stamp < 110 else Poses.empty(poses.skeleton)
    node = ros.add(
        PoseNode(
            make_estimator=lambda _parameters: fake,
            parameter_overrides=[
                Parameter("rep155", value=True),
                Parameter("allow_still_images", value=True),
            ],
        )
    )
    assert node.autostart()
    tracked = ros.collect(IdsList, "/humans/bodies/tracked")
    joints = ros.collect(JointState, "/humans/bodies/p7/joint_states")
    models = ros.collect(String, "/humans/bodies/p7/urdf", LATCHED)
    found = ros.collect(Skeleton2D, "/humans/bodies/p7/skeleton2d")
    regions = ros.collect(NormalizedRegionOfInterest2D, "/humans/bodies/p7/roi")
    images = ros.node.create_publisher(Image, "image", 10)
    picture = np.zeros((480, 640, 3), np.uint8)

    def publish(stamp: float) -> Any:
        return images.publish(image_to_msg(picture, "bgr", header_to_msg(stamp, "camera")))

    assert ros.spin_until(lambda: publish(100.0) or (tracked and found and regions and joints))
    assert list(tracked[0].ids) == ["p7"]
    assert tracked[0].header == found[0].header == header_to_msg(100.0, "camera")
    rows = [(p.x, p.y, p.c) for p in found[0].skeleton]
    np.testing.assert_allclose(rows, skeleton2d(poses[0], 640, 480), rtol=1e-6)
    assert regions[0].c == 1.0
    assert 0 <= regions[0].xmin < regions[0].xmax <= 1
    assert joints[0].header == header_to_msg(100.0, "camera")
    positions = dict(zip(joints[0].name, joints[0].position, strict=True))
    assert positions["r_p_shoulder_p7"] > 1.0  # they point to their right
    assert abs(positions["l_p_shoulder_p7"]) < 0.5
    assert ros.spin_until(lambda: models)
    turning = ElementTree.fromstring(models[0].data).findall("joint[@type='revolute']")
    assert positions.keys() == {joint.attrib["name"] for joint in turning}
    # the person is gone, and some time later so are their topics
    tracked.clear()
    assert ros.spin_until(lambda: publish(111.0) or any(not msg.ids for msg in tracked))
    assert ros.spin_until(lambda: not node.count_publishers("/humans/bodies/p7/roi"))
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.count_publishers("/humans/bodies/tracked") == 0


@pytest.mark.skipif(find_spec("hri_msgs") is not None, reason="hri_msgs is installed")
def test_gesture_node_without_the_messages_is_refused(ros: Any, capfd: Any) -> None:
    stage = Stage(ros, rep155=True)
    assert stage.node.trigger_configure() != SUCCESS
    assert "rep155 needs ROS's package hri_msgs" in capfd.readouterr().err


@needs_messages
def test_people_have_gesture_posture_and_engagement(ros: Any) -> None:
    from hri_msgs.msg import BodyPosture, EngagementLevel, IdsList
    from hri_msgs.msg import Gesture as GestureMsg
    from std_msgs.msg import String

    stage = Stage(ros, rep155=True, id_prefix="q", postures=True)
    tracked = ros.collect(IdsList, "/humans/persons/tracked")
    bodies = ros.collect(String, "/humans/persons/q7/body_id", LATCHED)
    gestures = ros.collect(GestureMsg, "/humans/bodies/q7/gesture")
    postures = ros.collect(BodyPosture, "/humans/bodies/q7/posture")
    levels = ros.collect(EngagementLevel, "/humans/persons/q7/engagement_status")
    stage.up()
    assert stage.until(lambda: gestures, "raise_hand")
    assert gestures[-1].gesture == GestureMsg.LEFT_HAND_RAISED
    assert stage.until(lambda: postures, "sitting")
    assert postures[-1].posture == BodyPosture.SITTING
    assert postures[-1].header.frame_id == "camera"
    stage.engage()
    assert stage.until(lambda: levels and levels[-1].level == EngagementLevel.ENGAGED)
    assert list(tracked[-1].ids) == ["q7"]
    assert [msg.data for msg in bodies] == ["q7"]
    stage.node.trigger_deactivate()
    assert ros.spin_until(lambda: list(tracked[-1].ids) == [])
