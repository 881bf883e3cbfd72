"""People on /tf: every joint where it truly is, by composing the frames as tf2 does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import PoseArray
from pose_ros.ros.messages import header_to_msg, image_to_msg, transforms_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.actor import Step
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.source import SyntheticSource

HEADER = header_to_msg(100.25, "camera_optical_frame")
PICTURE = np.full((48, 64, 3), 90, np.uint8)
TWO = Scene(
    (
        Actor(Path.standing(2.5), (Step("point_right", 2.0),)),
        Actor(Path.standing(4.0), (Step("raise_hands", 2.0),), height=1.6),
    )
)

TruePoses = Callable[..., Poses]
Matrix = NDArray[np.float64]


def look_up(frames: Sequence[Any], name: str) -> Matrix:
    """Return (4, 4) from a frame to the one above all of these, by composition."""
    by_child = {frame.child_frame_id: frame for frame in frames}
    found = np.eye(4)
    while name in by_child:
        place, turn = by_child[name].transform.translation, by_child[name].transform.rotation
        step = np.eye(4)
        step[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
        step[:3, 3] = place.x, place.y, place.z
        found, name = step @ found, by_child[name].header.frame_id
    assert name == HEADER.frame_id
    return found


def test_frame_of_every_joint_is_at_its_true_place(true_poses: TruePoses) -> None:
    truths = SyntheticSource(scene=TWO, live=False).truths(0.0)
    frames = transforms_to_msg(true_poses(truths), HEADER, "p", 0.5)
    assert len({frame.child_frame_id for frame in frames}) == 2 * 34
    for truth in truths:
        for joint in ("left_wrist", "right_wrist", "nose", "right_foot_index"):
            there = look_up(frames, f"{joint}_p{truth.id}")[:3, 3]
            np.testing.assert_allclose(there, truth.joint(joint), atol=1e-5)


def test_root_is_at_the_hips_and_is_the_parent_of_all_other_frames(true_poses: TruePoses) -> None:
    (truth,) = SyntheticSource("stand", live=False, camera_pitch_degrees=0.0).truths(0.0)
    frames = transforms_to_msg(true_poses([truth], [7]), HEADER, "front_", 0.5)
    root = look_up(frames, "body_front_7")
    hips = (truth.joint("left_hip") + truth.joint("right_hip")) / 2
    np.testing.assert_allclose(root[:3, 3], hips, atol=1e-5)
    # the actor stands upright and faces the camera: x to it, y to its right, z up
    np.testing.assert_allclose(root[:3, :3].T, [[0, 0, -1], [1, 0, 0], [0, -1, 0]], atol=0.05)
    assert {frame.header.frame_id for frame in frames[1:]} == {"body_front_7"}
    assert all(frame.header.stamp == HEADER.stamp for frame in frames)


def test_invalid_joints_have_no_frame(true_poses: TruePoses) -> None:
    truths = SyntheticSource(scene=TWO, live=False).truths(0.0)
    whole = true_poses(truths)
    index = whole.skeleton.index
    scores, camera = whole.keypoint_scores.copy(), np.array(whole.camera)
    scores[0, index("left_wrist")] = 0.4
    camera[0, index("nose")] = np.nan
    scores[0, index("left_hip")] = 0.1  # the root stays where it is
    camera[1, index("left_hip")] = np.nan  # this one has no root
    frames = transforms_to_msg(
        whole.replace(keypoint_scores=scores, camera=camera, camera_sources=None), HEADER, "p", 0.5
    )
    names = {frame.child_frame_id for frame in frames}
    assert "right_wrist_p0" in names
    assert "body_p0" in names
    assert not {"left_wrist_p0", "nose_p0", "left_hip_p0"} & names
    assert not [name for name in names if name.endswith("_p1")]


def test_no_frames_are_sent_without_meters_or_a_frame_id(true_poses: TruePoses) -> None:
    truths = SyntheticSource(scene=TWO, live=False).truths(0.0)
    assert transforms_to_msg(true_poses(truths, meters=False), HEADER, "p", 0.5) == []
    assert transforms_to_msg(true_poses(truths), header_to_msg(100.25, ""), "p", 0.5) == []
    assert transforms_to_msg(true_poses([]), HEADER, "p", 0.5) == []


@pytest.fixture
def make(ros: Any, fake: Any) -> Callable[..., PoseNode]:
    def made(**parameters: Any) -> PoseNode:
        parameters["allow_still_images"] = True
        node: PoseNode = ros.add(
            PoseNode(
                make_estimator=lambda _parameters: fake,
                parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
            )
        )
        return node

    return made


def publisher(ros: Any, node: PoseNode) -> Callable[[float], None]:
    """Return what sends an image of a stamp to the node."""
    images = ros.node.create_publisher(Image, "image", 10)
    assert ros.spin_until(images.get_subscription_count)
    assert ros.spin_until(lambda: node.count_publishers("image"))

    def publish(stamp: float) -> Any:
        return images.publish(image_to_msg(PICTURE, "bgr", header_to_msg(stamp, HEADER.frame_id)))

    return publish


def stamps(messages: Sequence[Any]) -> list[float]:
    return [stamp_from_msg(msg.transforms[0].header.stamp) for msg in messages]


def test_frames_are_sent_with_their_poses_and_end_with_them(
    ros: Any, make: Any, fake: Any, true_poses: TruePoses
) -> None:
    truths = SyntheticSource(scene=TWO, live=False).truths(0.0)
    # one leaves after 101, the other after 102
    fake.find = lambda stamp: true_poses(truths[: sum(stamp <= end for end in (101, 102))])
    node = make()
    assert node.autostart()
    frames = ros.collect(TFMessage, "/tf", 100)
    poses = ros.collect(PoseArray, "pose/poses")
    publish = publisher(ros, node)
    (info,) = node.get_publishers_info_by_topic("/tf")
    assert info.topic_type == "tf2_msgs/msg/TFMessage"
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert ros.spin_until(lambda: node.count_subscribers("/tf"))
    # time jumps back at last, as in a bag that is played again
    sent = [100.0, 101.5, 103.0, 100.0]
    for count, stamp in enumerate(sent, start=1):
        publish(stamp)
        assert ros.spin_until(lambda n=count: len(poses) >= n)
    assert ros.spin_until(lambda: len(frames) >= 3)
    assert stamps(frames) == [100.0, 101.5, 100.0]
    people = [{f.child_frame_id.split("_")[-1] for f in msg.transforms} for msg in frames]
    assert people == [{"p0", "p1"}, {"p0"}, {"p0", "p1"}]
    assert [stamp_from_msg(msg.header.stamp) for msg in poses] == sent
    there = look_up(frames[0].transforms, "left_wrist_p1")[:3, 3]
    np.testing.assert_allclose(there, truths[1].joint("left_wrist"), atol=1e-5)


@pytest.mark.parametrize(("name", "joints"), [("blazepose33", 0), ("coco17", 17)])
def test_joints_of_low_score_are_guesses_of_some_networks_only(
    ros: Any, make: Any, fake: Any, true_poses: TruePoses, name: str, joints: int
) -> None:
    whole = true_poses(SyntheticSource(scene=TWO, live=False).truths(0.0)[:1])
    skeleton = skeletons.get(name)
    rows = [whole.skeleton.index(joint) for joint in skeleton.keypoints]
    fake.find = lambda _stamp: Poses(
        skeleton=skeleton,
        ids=whole.ids,
        scores=whole.scores,
        boxes=whole.boxes,
        keypoints=whole.keypoints[:, rows],
        keypoint_scores=np.full((1, len(rows)), 0.2),
        camera=None if whole.camera is None else whole.camera[:, rows],
    )
    node = make()
    assert node.autostart()
    frames = ros.collect(TFMessage, "/tf", 100)
    publish = publisher(ros, node)
    assert ros.spin_until(lambda: node.count_subscribers("/tf"))
    publish(100.0)
    assert ros.spin_until(lambda: frames)
    assert len(frames[0].transforms) == 1 + joints


def test_tf_topic_exists_only_while_the_node_is_active(ros: Any, make: Any) -> None:
    node = make()
    node.trigger_configure()
    assert node.count_publishers("/tf") == 1
    node.trigger_cleanup()
    assert node.count_publishers("/tf") == 0


def test_tf_topic_does_not_exist_if_publish_tf_is_false(make: Any) -> None:
    node = make(publish_tf=False)
    assert node.autostart()
    assert node.count_publishers("/tf") == 0


def test_id_prefix_that_gives_no_valid_frame_name_is_refused(make: Any) -> None:
    with pytest.raises(Exception, match="id_prefix must be a lower-case letter"):
        make(id_prefix="1")


def test_publish_tf_without_tf2_msgs_is_refused(
    make: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tf2_ros", "tf2_msgs.msg"):
        monkeypatch.setitem(sys.modules, name, None)
    node = make()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "publish_tf needs the message of /tf" in capfd.readouterr().err


def test_tf2_ros_sends_the_frames_where_it_is_installed(
    ros: Any, make: Any, fake: Any, true_poses: TruePoses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what every tf2_ros has: TransformBroadcaster(node, qos), sendTransform, pub_tf."""
    sent: list[Any] = []

    class TransformBroadcaster:
        def __init__(self, node: Any, qos: Any) -> None:
            self.pub_tf = node.create_publisher(TFMessage, "/tf", qos)

        def sendTransform(self, transform: Any) -> None:  # noqa: N802
            sent.append(transform)

    module: Any = ModuleType("tf2_ros")
    module.TransformBroadcaster = TransformBroadcaster
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    truths = SyntheticSource(scene=TWO, live=False).truths(0.0)
    fake.find = lambda _stamp: true_poses(truths)
    node = make()
    assert node.autostart()
    publish = publisher(ros, node)
    publish(100.0)
    assert ros.spin_until(lambda: sent)
    assert len(sent[0]) == 2 * 34
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.count_publishers("/tf") == 0
