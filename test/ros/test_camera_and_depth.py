"""From images and camera_info to frames on /tf: against the actor's true joints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.types import Poses
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import Keypoint, PoseArray
from pose_ros.ros.camera_and_depth import CameraAndDepth
from pose_ros.ros.messages import camera_info_to_msg, header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode
from pose_ros.synthetic.depth_camera import to_millimeters
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.source import SyntheticSource

FRAME_ID = "camera_optical_frame"
START = 1000.0  # a stamp of zero means none

TruePoses = Callable[..., Poses]


@pytest.fixture
def make(ros: Any) -> Callable[..., PoseNode]:
    def made(*arguments: str, make_estimator: Any = None, **parameters: Any) -> PoseNode:
        node: PoseNode = ros.add(
            PoseNode(
                make_estimator=make_estimator,
                parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
                cli_args=["--ros-args", *arguments],
            )
        )
        return node

    return made


class Robot:
    """Publishes the topics of a camera driver and collects the results."""

    def __init__(self, ros: Any, node: PoseNode, source: SyntheticSource, front: str = "") -> None:
        self._ros, self._source = ros, source
        make = ros.node.create_publisher
        self._images = make(Image, f"{front}image", 5)
        self._infos = make(CameraInfo, f"{front}camera_info", 5)
        self._depths = make(Image, f"{front}depth", 5)
        # what comes here has come to the node too, which is in the same process
        self._sent_infos = ros.collect(CameraInfo, f"{front}camera_info")
        self._sent_depths = ros.collect(Image, f"{front}depth")
        self.poses = ros.collect(PoseArray, "pose/poses")
        self.frames = ros.collect(TFMessage, "/tf", 100)
        calibration = Calibration(source.camera)
        self.info = camera_info_to_msg(calibration, header_to_msg(START, FRAME_ID))
        topics = [self._images, self._infos] + [self._depths] * node.parameters.use_depth
        # the node's subscriptions and our own
        wanted = {self._images: 1, self._infos: 2, self._depths: 1 + node.parameters.use_depth}
        assert ros.spin_until(
            lambda: all(topic.get_subscription_count() >= n for topic, n in wanted.items())
        )
        assert ros.spin_until(lambda: all(node.count_publishers(t.topic_name) for t in topics))
        assert ros.spin_until(lambda: node.count_subscribers("/tf"))

    def send_info(self) -> None:
        """Publish the camera_info, and let it arrive: nothing orders two topics."""
        before = len(self._sent_infos)
        self._infos.publish(self.info)
        assert self._ros.spin_until(lambda: len(self._sent_infos) > before)
        self._ros.spin_for(0.1)

    def rewind(self) -> None:
        """Begin with the first image again, as a bag in a loop does."""
        self._source = standing()

    def send(self, count: int, *, depth: bool = False) -> list[float]:
        """Publish some frames one after the other; return their stamps in the source."""
        sent = []
        for _ in range(count):
            frame = self._source.read()
            assert frame is not None
            header = header_to_msg(START + frame.stamp, FRAME_ID)
            if depth:
                before = len(self._sent_depths)
                self._depths.publish(depth_image(self._source.measured_depth(frame.stamp), header))
                assert self._ros.spin_until(lambda n=before: len(self._sent_depths) > n)
                self._ros.spin_for(0.05)
            before = len(self.poses)
            self._images.publish(image_to_msg(frame.image, frame.channels, header))
            assert self._ros.spin_until(lambda n=before: len(self.poses) > n)
            sent.append(frame.stamp)
        return sent


def depth_image(meters: Any, header: Any) -> Image:
    height, width = meters.shape
    msg = Image(header=header, encoding="16UC1", width=width, height=height, step=2 * width)
    msg.data.frombytes(to_millimeters(meters).tobytes())
    return msg


def joints(msg: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return where each joint's frame is in the image's frame, by its name."""
    found = {}
    (root,) = [f for f in msg.transforms if f.header.frame_id == FRAME_ID]
    turn, place = root.transform.rotation, root.transform.translation
    rotation = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w])
    for frame in msg.transforms:
        if frame.header.frame_id == root.child_frame_id:
            offset = frame.transform.translation
            found[frame.child_frame_id] = rotation.apply([offset.x, offset.y, offset.z]) + [
                place.x, place.y, place.z,
            ]  # fmt: skip
    return found


def test_wrist_of_the_actor_is_found_at_its_true_place(ros: Any, make: Any) -> None:
    """The whole chain with the real network: image and camera_info in, frames on /tf out."""
    source = SyntheticSource("point_left", distance=3.0, live=False, fps=15.0)
    node = make("-r", "image:=/front/image", person_height=1.75)
    assert node.autostart()
    robot = Robot(ros, node, source, "/front/")
    robot.send_info()
    sent = robot.send(4)
    assert ros.spin_until(lambda: len(robot.frames) == 4)
    for stamp, msg, poses in zip(sent, robot.frames, robot.poses, strict=True):
        assert msg.transforms[0].header == poses.header
        truth = source.truth(stamp)
        found = joints(msg)
        for name in ("left_wrist", "right_wrist"):
            (there,) = [place for frame, place in found.items() if frame.startswith(name)]
            assert np.linalg.norm(there - truth.joint(name)) < 0.35
        (person,) = poses.poses
        sources = {point.position_source for point in person.keypoints}
        assert sources == {Keypoint.SOURCE_MODEL}
        assert all(0 < point.position_sigma < 2 for point in person.keypoints)


def test_mask_and_points_of_a_person_are_published_if_enabled(
    ros: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_ros.ros.camera_and_depth._WAIT_SECONDS", 60.0)
    source = SyntheticSource("stand", distance=3.0, live=False, fps=15.0, width=320, height=240)
    node = make(use_depth=True, masks=True, publish_cloud=True)
    assert node.autostart()
    masks, clouds = ros.collect(Image, "pose/mask"), ros.collect(PointCloud2, "pose/cloud")
    robot = Robot(ros, node, source)
    robot.send_info()
    assert ros.spin_until(lambda: robot.send(1, depth=True) and masks and clouds)
    cloud, truth = clouds[-1], source.truth(0.0)
    assert cloud.header.stamp in [poses.header.stamp for poses in robot.poses]
    assert cloud.header.frame_id == masks[-1].header.frame_id == FRAME_ID
    points = np.frombuffer(bytes(cloud.data), [("xyz", "<f4", 3), ("id", "<u4")])
    assert len(points) > 500
    assert set(points["id"].tolist()) == {robot.poses[-1].poses[0].id}
    assert abs(np.median(points["xyz"][:, 2]) - np.median(truth.camera[:, 2])) < 0.2
    mask = np.frombuffer(bytes(masks[-1].data), np.uint8).reshape(240, 320)
    x, y = truth.pixels[[11, 12, 23, 24]].mean(axis=0).astype(int)  # the middle of the trunk
    assert mask[y, x] > 200
    assert mask[:, :20].max() < 50


def test_cloud_without_masks_is_refused(make: Any, capfd: Any) -> None:
    node = make(use_depth=True, publish_cloud=True)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "publish_cloud needs masks and use_depth" in capfd.readouterr().err


def test_meters_come_from_depth_where_it_is_available(
    ros: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so long does an image wait for its depth: here for as long as it takes
    monkeypatch.setattr("pose_ros.ros.camera_and_depth._WAIT_SECONDS", 60.0)
    source = SyntheticSource("point_left", distance=3.0, live=False, fps=15.0)
    node = make(use_depth=True)
    assert node.autostart()
    robot = Robot(ros, node, source)
    robot.send_info()
    robot.send(2, depth=True)
    (person,) = robot.poses[-1].poses
    measured = {p.name for p in person.keypoints if p.position_source == Keypoint.SOURCE_DEPTH}
    assert len(measured) > 10
    truth = source.truth(stamp_from_msg(robot.poses[-1].header.stamp) - START)
    found = poses_from_msg(robot.poses[-1]).camera
    assert found is not None
    wrist = found[0, truth.skeleton.index("left_wrist")]
    assert np.linalg.norm(wrist - truth.joint("left_wrist")) < 0.15
    values = dict(node.report().values)
    assert values["depth"] == "/depth: 2 received, for 2 images, not for 0"
    assert values["camera"].startswith("640x480, 63 degrees wide")


def test_node_with_its_own_source_uses_the_camera_of_the_source(ros: Any, make: Any) -> None:
    node = make(source="synthetic:stand?fps=10")
    frames = ros.collect(TFMessage, "/tf", 100)
    assert node.autostart()
    assert ros.spin_until(lambda: len(frames) >= 2)
    truth = SyntheticSource("stand", fps=10.0).truth(
        stamp_from_msg(frames[-1].transforms[0].header.stamp)
    )
    (nose,) = [place for name, place in joints(frames[-1]).items() if name.startswith("nose")]
    assert np.linalg.norm(nose - truth.joint("nose")) < 0.5
    assert not node.get_subscriptions_info_by_topic("/camera_info")


def standing() -> SyntheticSource:
    return SyntheticSource("stand", live=False, fps=15.0, width=320, height=240)


@pytest.fixture
def seen(fake: Any, true_poses: TruePoses) -> Iterator[SyntheticSource]:
    """A scene, and an estimator that sees it without any error, in pixels and as a shape."""
    source = standing()
    (truth,) = source.truths(0.0)
    hips = (truth.joint("left_hip") + truth.joint("right_hip")) / 2
    world = (truth.camera - hips)[None]
    poses = true_poses([truth], meters=False).replace(world=world)
    fake.find = lambda _stamp: poses
    return source  # type: ignore[return-value]


def test_uncalibrated_camera_is_logged_once_and_gives_no_meters(
    ros: Any, make: Any, fake: Any, seen: Any, capfd: Any
) -> None:
    node = make(make_estimator=lambda _parameters: fake)
    assert node.autostart()
    robot = Robot(ros, node, seen)
    robot.info = CameraInfo(width=320, height=240)
    for _ in range(3):
        robot.send_info()
        robot.send(1)
    assert poses_from_msg(robot.poses[-1]).camera is None
    assert robot.frames == []
    assert capfd.readouterr().err.count("not calibrated (K is zero)") == 1
    robot.info = camera_info_to_msg(Calibration(seen.camera), header_to_msg(START, FRAME_ID))
    robot.send_info()
    robot.send(1)
    assert ros.spin_until(lambda: robot.frames)
    assert poses_from_msg(robot.poses[-1]).camera is not None


def test_camera_info_of_another_size_is_logged_once_and_gives_no_meters(
    ros: Any, make: Any, fake: Any, seen: Any, capfd: Any
) -> None:
    node = make(make_estimator=lambda _parameters: fake)
    assert node.autostart()
    robot = Robot(ros, node, seen)
    robot.info = camera_info_to_msg(
        Calibration(Camera.from_hfov(640, 480, 60)), header_to_msg(START, FRAME_ID)
    )
    robot.send_info()
    robot.send(3)
    assert poses_from_msg(robot.poses[-1]).camera is None
    reported = capfd.readouterr().err
    assert reported.count("/camera_info is for 640x480 pixels, the images have 320x240") == 1


def test_known_floor_or_height_gives_the_distance_of_a_person(
    ros: Any, make: Any, fake: Any, true_poses: TruePoses
) -> None:
    """A small person looks far away, unless the floor under their feet or their height is known."""
    scene = Scene((Actor(Path.standing(3.0), height=1.5),))
    source = SyntheticSource(scene=scene, live=False, camera_height=1.1, camera_pitch_degrees=5.0)
    (truth,) = source.truths(0.0)
    hips = (truth.joint("left_hip") + truth.joint("right_hip")) / 2
    # as networks give shapes: of a person of about average height
    shape = (truth.camera - hips)[None] * 1.7 / 1.5
    fake.find = lambda _stamp: true_poses([truth], meters=False).replace(world=shape)
    errors = {}
    for name, known in (
        ("nothing", {}),
        ("floor", {"camera_height": 1.1, "camera_pitch": 5.0}),
        ("height", {"person_height": 1.5}),
    ):
        node = make(make_estimator=lambda _parameters: fake, **known)
        assert node.autostart()
        robot = Robot(ros, node, source)
        robot.send_info()
        robot.send(1)
        found = poses_from_msg(robot.poses[-1]).camera
        assert found is not None
        errors[name] = np.linalg.norm(found[0, 23:25].mean(axis=0) - hips)
        node.close()
    assert errors["nothing"] > 0.2
    assert errors["floor"] < 0.15
    assert errors["height"] < 0.15


def test_lens_distortion_is_corrected(
    ros: Any, make: Any, fake: Any, seen: Any, true_poses: TruePoses
) -> None:
    """The same person through a fisheye's eye is in the same place."""
    import cv2

    node = make(make_estimator=lambda _parameters: fake, person_height=1.75)
    assert node.autostart()
    robot = Robot(ros, node, seen)
    robot.send_info()
    robot.send(1)
    straight = poses_from_msg(robot.poses[-1]).camera
    assert straight is not None
    lens = np.array([0.05, -0.01, 0.002, -0.001])
    plain = fake.find(0.0)
    rays = seen.camera.rays(plain.keypoints)[0, :, None, :2]
    bent = cv2.fisheye.distortPoints(np.ascontiguousarray(rays), seen.camera.matrix, lens).reshape(
        1, -1, 2
    )
    assert np.abs(bent - plain.keypoints).max() > 2.0
    fake.find = lambda _stamp: plain.replace(keypoints=bent)
    robot.info.distortion_model, robot.info.d = "equidistant", lens.tolist()
    robot.send_info()
    robot.send(1)
    again = poses_from_msg(robot.poses[-1]).camera
    np.testing.assert_allclose(again, straight, atol=0.02)


def test_time_jump_back_repeats_the_same_results(ros: Any, make: Any, fake: Any, seen: Any) -> None:
    """A bag in a loop: the same stamps again, with the same result."""
    node = make(make_estimator=lambda _parameters: fake)
    assert node.autostart()
    robot = Robot(ros, node, seen)
    robot.send_info()
    first = robot.send(10)
    robot.rewind()
    assert robot.send(10) == first
    assert ros.spin_until(lambda: len(robot.frames) == 20)
    for before, after in zip(robot.frames[:10], robot.frames[10:], strict=True):
        assert before == after


def test_missing_calibration_file_is_refused(make: Any, capfd: Any) -> None:
    node = make(source="synthetic:stand", camera_info_url="/no/such.yaml")
    node.trigger_configure()
    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert "/no/such.yaml" in capfd.readouterr().err


def test_depth_topic_with_an_own_source_is_refused(make: Any, capfd: Any) -> None:
    node = make(source="synthetic:stand", use_depth=True)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert "use_depth needs images from a topic" in capfd.readouterr().err


def test_camera_info_follows_the_images_unless_it_is_remapped_itself(make: Any) -> None:
    for arguments, topic in (
        (("-r", "image:=/front/image_raw"), "/front/camera_info"),
        (("-r", "image:=/front/image_raw", "-r", "camera_info:=/lens"), "/lens"),
        (("-r", "__ns:=/robot"), "/robot/camera_info"),
    ):
        node = make(*arguments, make_estimator=lambda _parameters: None, use_depth=True)
        found = CameraAndDepth(node, None)
        assert node.get_subscriptions_info_by_topic(topic)
        found.close()
        assert not node.get_subscriptions_info_by_topic(topic)
