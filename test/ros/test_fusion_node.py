"""The fusion node: two cameras of one scene give one skeleton in meters, as a robot takes it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, KeyValue
from geometry_msgs.msg import PointStamped, TwistStamped
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from tf2_msgs.msg import TFMessage

from pose_ros.build import create_estimator
from pose_ros.core import skeletons
from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.fusion import CameraReport
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.types import Poses, PositionSource, hand_id
from pose_ros.errors import OptionError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.pipeline import PeopleStage
from pose_ros.ros.fusion_node import FusionNode, camera_names, knocked
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.messages import (
    camera_info_to_msg,
    header_to_msg,
    poses_to_msg,
    stamp_to_msg,
)
from pose_ros.ros.qos import LATCHED_QOS, TF_STATIC_QOS
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources.camera_rig import write_rig
from pose_ros.synthetic.source import SyntheticSource, Truth, open_synthetic

NAMES = ("left", "right")
PLACES = {"left": "camera_y=0.7&yaw=-12", "right": "camera_y=-0.7&yaw=12"}
HAND = skeletons.get("blazehand21")
HAND_SHAPE = np.random.default_rng(2).normal(0.0, 0.03, (len(HAND), 3))  # meters from the wrist
HAND_SHAPE[HAND.index("wrist")] = 0.0
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
PATIENCE_SECONDS = 240.0
PERIOD = 0.05  # seconds between the stamps of two images


def parameters(**values: Any) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


def spec(name: str, scene: str = "raise_hand", more: str = "") -> str:
    return f"synthetic:{scene}?{PLACES[name]}{more}"


def truths_of(scene: str) -> dict[str, Truth]:
    """Return where a drawn person is as each camera sees them."""
    return {name: open_synthetic(spec(name, scene), live=False).truth(0.5) for name in NAMES}


def is_by_several(msg: Any) -> bool:
    """Whether several cameras say where some joint is."""
    sources = poses_from_msg(msg).camera_sources
    return sources is not None and bool((sources == PositionSource.MULTIVIEW).any())


class Room:
    """Two cameras with people at their true places, and a fusion node that subscribes to them."""

    def __init__(self, ros: Any, true_poses: Callable[..., Poses], folder: Path) -> None:
        self.ros, self._true = ros, true_poses
        self.sources: dict[str, SyntheticSource] = {
            name: open_synthetic(spec(name), live=False) for name in NAMES
        }
        self.truths = {name: source.truth(0.0) for name, source in self.sources.items()}
        make = ros.node.create_publisher
        self.poses = {name: make(PoseArray, f"/{name}/pose/poses", RELIABLE) for name in NAMES}
        self.infos = {name: make(CameraInfo, f"/{name}/camera_info", RELIABLE) for name in NAMES}
        self.static = make(TFMessage, "/tf_static", TF_STATIC_QOS)
        self.fused = ros.collect(PoseArray, "fusion/poses")
        self.calibration = folder / "room.yaml"
        self.begin = float(round(time.time()))
        self.count = 0
        self.late = 0.0  # seconds, of the stamps of right
        self.hands = {name: make(PoseArray, f"/{name}/pose/hands", RELIABLE) for name in NAMES}
        self.clothes = np.full(6, 0.25, np.float32)

    def views(self) -> list[CameraView]:
        return [
            CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
            for name, source in self.sources.items()
        ]

    def up(self, *, offsets: Sequence[float] | None = None, **values: Any) -> FusionNode:
        known = None if offsets is None else np.array(offsets)
        write_rig(self.calibration, CameraRig(tuple(self.views()), offsets=known))
        # a machine that pauses for a moment does not make a camera silent
        patient = {"silent_after": 60.0}
        given = {"cameras": "left, right", "calibration": str(self.calibration)} | patient | values
        node: FusionNode = self.ros.add(FusionNode(parameter_overrides=parameters(**given)))
        assert node.autostart()
        heard = lambda: all(p.get_subscription_count() for p in self.poses.values())  # noqa: E731
        assert self.ros.spin_until(heard)
        assert self.ros.spin_until_matched()
        return node

    @property
    def stamp(self) -> float:
        return self.begin + self.count * PERIOD

    def show(self, *names: str, pixels: float = 0.0) -> None:
        """Send the next image's people of some cameras, one of them off by some pixels."""
        self.count += 1
        for name in names or NAMES:
            poses = self._true([self.truths[name]]).replace(clothes=self.clothes[None])
            if name == "left" and pixels:
                poses = poses.replace(keypoints=poses.keypoints + np.array([0.0, pixels]))
            stamp = self.stamp + (self.late if name == "right" else 0.0)
            header = header_to_msg(stamp, f"{name}_optical")
            self.poses[name].publish(poses_to_msg(poses, header, "fake", width=640, height=480))
            hand = self.true_hand(name)
            self.hands[name].publish(poses_to_msg(hand, header, "fake", width=640, height=480))

    def true_hand(self, name: str) -> Poses:
        """Return the right hand of the person as a camera sees it."""
        left, own = self.views()[0], self.views()[NAMES.index(name)]
        wrist = self.truths["left"].camera[skeletons.get("blazepose33").index("right_wrist")]
        points = own.extrinsics.to_camera(left.extrinsics.to_world(wrist + HAND_SHAPE))
        pixels = own.camera.project(points)
        return Poses(
            skeleton=HAND,
            ids=np.array([hand_id(0, 1)]),
            scores=np.ones(1, np.float32),
            boxes=np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])[None],
            keypoints=pixels[None],
            keypoint_scores=np.ones((1, len(HAND)), np.float32),
            world=(points - points.mean(axis=0))[None],
            labels=("right",),
            label_scores=np.ones(1, np.float32),
        )

    def until(self, condition: Callable[[], Any], *names: str, pixels: float = 0.0) -> bool:
        """Send images until the condition holds."""

        def shown() -> Any:
            self.show(*names, pixels=pixels)
            # what came of both cameras, before the next image takes its place
            end, turns = time.monotonic() + 0.03, 0
            while turns < 8 or time.monotonic() < end:
                self.ros.executor.spin_once(timeout_sec=0.004)
                turns += 1
            return condition()

        return bool(self.ros.spin_until(shown))

    def error(self, msg: Any, frame: str = "camera") -> float:
        """Return meters, the largest error of a joint of the one person."""
        poses = poses_from_msg(msg)
        assert len(poses) == 1
        truth = self.truths["left"]
        true = truth.world if frame == "world" else truth.camera
        off = np.linalg.norm(poses.camera[0] - true, axis=1)
        return float(off.max())


@pytest.fixture
def room(ros: Any, true_poses: Callable[..., Poses], tmp_path: Path) -> Room:
    return Room(ros, true_poses, tmp_path)


def test_people_of_two_cameras_are_fused_in_meters_with_the_stamp_of_an_image(room: Room) -> None:
    room.up()
    frames = room.ros.collect(TFMessage, "/tf")
    assert room.until(lambda: len(room.fused) > 3 and is_by_several(room.fused[-1]) and frames)
    msg = room.fused[-1]
    assert (msg.network, msg.header.frame_id) == ("multiview", "left_optical")
    assert (stamp_from_msg(msg.header.stamp) - room.begin) / PERIOD == pytest.approx(
        round((stamp_from_msg(msg.header.stamp) - room.begin) / PERIOD), abs=1e-3
    )
    poses = poses_from_msg(msg)
    assert (poses.camera_sources == PositionSource.MULTIVIEW).all()
    assert room.error(msg) < 0.03
    assert any(t.child_frame_id.startswith("body_p") for t in frames[-1].transforms)
    assert len({stamp_from_msg(each.header.stamp) for each in room.fused}) == len(room.fused)


def test_fused_people_have_a_velocity_clothes_and_hands(room: Room) -> None:
    room.up(hands=True)
    hands = room.ros.collect(PoseArray, "fusion/hands")
    assert room.until(lambda: any(is_by_several(msg) for msg in hands) and len(room.fused) > 3)
    people = poses_from_msg(room.fused[-1])
    np.testing.assert_allclose(people.clothes, room.clothes[None], atol=1e-6)
    assert people.velocities is not None
    assert np.abs(people.velocities).max() < 0.05  # the person stands
    stamps = {stamp_from_msg(msg.header.stamp) for msg in room.fused}
    assert {stamp_from_msg(msg.header.stamp) for msg in hands} <= stamps
    found = poses_from_msg([msg for msg in hands if is_by_several(msg)][-1])
    assert found.ids.tolist() == [hand_id(int(people.ids[0]), 1)]
    assert found.labels == ("right",)
    wrist = room.truths["left"].camera[people.skeleton.index("right_wrist")]
    np.testing.assert_allclose(found.camera[0], wrist + HAND_SHAPE, atol=0.01)


def test_target_frame_of_the_calibration_needs_no_tf(room: Room) -> None:
    room.up(target_frame="world", publish_cameras=True)
    static = room.ros.collect(TFMessage, "/tf_static", TF_STATIC_QOS)
    assert room.until(lambda: len(room.fused) > 3 and static)
    assert room.fused[-1].header.frame_id == "world"
    assert room.error(room.fused[-1], "world") < 0.03
    named = {t.child_frame_id: t.header.frame_id for t in static[-1].transforms}
    assert named == {"left_optical": "world", "right_optical": "world"}


def test_silent_camera_is_reported_and_the_other_continues_with_larger_sigmas(
    room: Room, capfd: Any
) -> None:
    room.up(silent_after=3.0)
    assert room.until(lambda: len(room.fused) > 5)
    sigmas = poses_from_msg(room.fused[-1]).camera_sigmas
    seen = len(room.fused)
    health = room.ros.collect(DiagnosticArray, "/diagnostics")
    said = lambda: any("right is silent" in s.message for m in health for s in m.status)  # noqa: E731
    assert room.until(lambda: said() and len(room.fused) > seen + 5, "left")
    alone = poses_from_msg(room.fused[-1])
    assert not is_by_several(room.fused[-1])
    known = np.isfinite(alone.camera_sigmas)
    assert known.any()
    assert (alone.camera_sigmas[known] > sigmas[known]).mean() > 0.9
    assert room.until(lambda: len(room.fused) > seen + 20, "left")
    assert room.until(lambda: is_by_several(room.fused[-1]))
    assert capfd.readouterr().err.count("right is silent") == 1


def test_camera_that_has_not_started_is_not_reported_as_silent_at_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_ros.ros.fusion_node.START_SECONDS", 1000.0)  # however slow this is
    node = room.up(silent_after=0.1)
    assert room.until(lambda: len(room.fused) > 3, "left")
    assert not any("silent" in notice for notice in node.report().notices)
    monkeypatch.setattr("pose_ros.ros.fusion_node.START_SECONDS", 0.0)
    (notice,) = (notice for notice in node.report().notices if "silent" in notice)
    assert notice == (
        "right is silent: nothing comes on right/pose/poses yet: does its pose node run?"
    )


@pytest.mark.skipif(find_spec("foxglove_msgs") is not None, reason="foxglove_msgs is installed")
def test_scene_for_foxglove_is_refused_without_its_messages(ros: Any, capfd: Any) -> None:
    asked = parameters(cameras="left, right", publish_foxglove=True)
    node = ros.add(FusionNode(parameter_overrides=asked))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "publish_foxglove needs ROS's package foxglove_msgs" in capfd.readouterr().err


@pytest.mark.skipif(find_spec("foxglove_msgs") is None, reason="foxglove_msgs is not installed")
def test_scene_for_foxglove_has_the_fused_person_where_they_are(room: Room) -> None:
    from foxglove_msgs.msg import SceneUpdate

    node = room.up(publish_foxglove=True)
    scenes = room.ros.collect(SceneUpdate, "fusion/scene")
    assert room.until(lambda: scenes and scenes[-1].entities)
    (person,) = scenes[-1].entities
    assert person.frame_id == "left_optical"
    nose = person.spheres[0].pose.position
    np.testing.assert_allclose((nose.x, nose.y, nose.z), room.truths["left"].camera[0], atol=0.05)
    node.trigger_deactivate()
    assert room.ros.spin_until(lambda: [gone.id for gone in scenes[-1].deletions] == [person.id])


def test_offsets_of_the_calibration_are_added_to_the_stamps(room: Room) -> None:
    room.late = 0.4
    room.up(offsets=[0.0, -0.4])
    assert room.until(lambda: room.fused and is_by_several(room.fused[-1]))
    stamp = stamp_from_msg(room.fused[-1].header.stamp)
    steps = (stamp - room.begin) / PERIOD  # the clock is that of the first camera
    assert steps == pytest.approx(round(steps), abs=1e-3)


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (25.0, "left or right is turned by about 3 degrees"),
        (45.0, "left or right is turned by about [45] degrees|left and right do not agree by"),
        (80.0, "left and right see people, and none of them together"),
    ],
)
def test_camera_that_was_moved_is_named_in_the_diagnostics(
    room: Room, pixels: float, text: str
) -> None:
    room.up()
    health = room.ros.collect(DiagnosticArray, "/diagnostics")
    said = lambda: [  # noqa: E731
        s.message for m in health for s in m.status if "was moved" in s.message
    ]
    assert room.until(lambda: len(room.fused) > 3)
    assert not said()
    assert room.until(lambda: any(re.match(text, each) for each in said()), pixels=pixels)


def test_cameras_without_a_calibration_are_placed_by_camera_info_and_tf(room: Room) -> None:
    from scipy.spatial.transform import Rotation

    from pose_ros.messages.transforms import transform_to_msg
    from pose_ros.ros.messages import types

    room.up(calibration="", target_frame="base_link")
    frames = []
    for name, source in room.sources.items():
        pose = source.view.transform
        header = header_to_msg(room.begin, "base_link")
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
        frames.append(transform_to_msg(types, header, f"{name}_optical", pose[:3, 3], turn))
    room.static.publish(TFMessage(transforms=frames))

    def shown() -> bool:
        for name, source in room.sources.items():
            stamp = stamp_to_msg(room.stamp)
            info = camera_info_to_msg(Calibration(source.camera), header_to_msg(room.stamp, name))
            info.header.stamp = stamp
            room.infos[name].publish(info)
        return len(room.fused) > 3

    assert room.until(shown)
    assert room.fused[-1].header.frame_id == "base_link"
    assert room.error(room.fused[-1], "world") < 0.03


def test_time_that_goes_back_starts_over(room: Room, capfd: Any) -> None:
    room.up()
    assert room.until(lambda: len(room.fused) > 3)
    room.begin -= 100.0
    before = len(room.fused)
    assert room.until(lambda: len(room.fused) > before + 3)
    assert stamp_from_msg(room.fused[-1].header.stamp) < room.begin + 99.0
    assert "time went back" in capfd.readouterr().err


def test_poses_without_a_stamp_are_refused(room: Room) -> None:
    room.up()
    health = room.ros.collect(DiagnosticArray, "/diagnostics")
    room.begin, room.count = -PERIOD, 0
    said = lambda: any("no stamp" in s.message for m in health for s in m.status)  # noqa: E731

    def again() -> bool:
        room.count = 0
        return said()

    assert room.until(again)
    assert not room.fused


def _report(pixels: float, sigmas: float, turned: float = 0.0) -> CameraReport:
    return CameraReport(1, 0.0, True, pixels, sigmas, turned, 0.0, 0.001)


def test_camera_that_was_moved_a_little_is_named_among_three() -> None:
    fine, off = _report(3.0, 1.0), _report(20.0, 4.0)
    assert knocked({"a": fine, "b": fine, "c": fine}) == ""
    assert "b is off by 20 px" in knocked({"a": fine, "b": off, "c": _report(15.0, 3.1)})
    assert "a and b do not agree by 20 px" in knocked({"a": off, "b": off})
    turned = _report(2.0, 4.0, 2.8)
    assert "b is turned by about 3 degrees" in knocked({"a": fine, "b": turned, "c": fine})
    assert "a or b is turned by about 3 degrees" in knocked({"a": turned, "b": turned})


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "two or more"), ("left", "two or more"), ("left, left", "two"), ("a, b c!", "no part")],
)
def test_impossible_camera_names_are_refused(text: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        camera_names(text)


def test_names_of_cameras_are_read_with_or_without_brackets() -> None:
    assert camera_names("[left, right]") == camera_names("left right") == NAMES
    assert camera_names("/room/a,/room/b") == ("/room/a", "/room/b")


@pytest.mark.safety
def test_robot_follows_a_person_that_two_cameras_see(ros: Any, room: Room) -> None:
    """The scene's world is the robot's base."""
    base = {"world_frame": "base_link", "target_frame": "base_link"}
    room.up(**base)
    gesture = GestureNode(
        cli_args=["--ros-args", "-r", "pose/poses:=fusion/poses", "-r",
                  "pose/skeleton:=fusion/skeleton"],
        parameter_overrides=parameters(
            commands="t_pose: {do: follow, distance: 1.0}", engage_time=0.0, hold_time=0.2,
            timeout=2.0, autostart=True,
        ),
    )  # fmt: skip
    ros.add(gesture)
    assert gesture.autostart()
    speeds = ros.collect(TwistStamped, "cmd_vel")
    states = ros.collect(KeyValue, "gesture/state", LATCHED_QOS)
    assert ros.spin_until_matched()
    poses = {scene: truths_of(scene) for scene in ("raise_hand", "t_pose", "stand")}

    def shown() -> None:
        """The next image has the stamp of now, however long the last one took."""
        room.begin = time.time() - (room.count + 1) * PERIOD

    def follows() -> bool:
        shown()
        engaged = bool(states) and states[-1].key in ("engaged", "commanding")
        room.truths = poses["t_pose" if engaged else "raise_hand"]
        return bool(speeds) and speeds[-1].twist.linear.x > 0.1

    shown()
    assert room.until(follows), [(s.key, s.value) for s in states]
    assert any(is_by_several(msg) for msg in room.fused)
    room.truths = poses["stand"]  # the gesture is over, and the robot drives on
    count = len(speeds)

    def drives_on() -> bool:
        shown()
        return len(speeds) > count + 20

    assert room.until(drives_on)
    assert speeds[-1].twist.linear.x > 0.1, [(s.key, s.value) for s in states]
    assert ros.spin_until(lambda: speeds[-1].twist.linear.x == 0.0)  # no camera sends anything


@pytest.mark.slow
def test_two_drawn_cameras_engage_a_gesture_node_that_points(ros: Any, tmp_path: Path) -> None:
    """Two networks, fusion, gestures, a place on the floor: in step, however long images take."""
    period, more = 0.125, "&fps=8&width=480&height=360"
    sources = {name: open_synthetic(spec(name, "commanding", more), live=False) for name in NAMES}
    lift = LiftOptions(height=sources["left"].truth(0.0).height)
    stages = {
        name: PeopleStage(
            create_estimator(options=EstimatorOptions(smoothing=False)), None, lift, is_alone=False
        )
        for name in NAMES
    }
    views = {
        name: CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
        for name, source in sources.items()
    }
    write_rig(tmp_path / "room.yaml", CameraRig(tuple(views.values())))
    simulated = {"use_sim_time": True, "autostart": True}
    fusion = FusionNode(
        parameter_overrides=parameters(
            cameras="left, right",
            calibration=str(tmp_path / "room.yaml"),
            world_frame="base_link",  # the scene's world is that of the robot
            publish_cameras=True,
            silent_after=60.0,
            **simulated,
        )
    )
    gesture = GestureNode(
        cli_args=["--ros-args", "-r", "pose/poses:=fusion/poses", "-r",
                  "pose/skeleton:=fusion/skeleton"],
        parameter_overrides=parameters(timeout=2.0, allow_replay=True, **simulated),
    )  # fmt: skip
    make = ros.node.create_publisher
    clock = make(Clock, "/clock", 10)
    senders = {name: make(PoseArray, f"/{name}/pose/poses", RELIABLE) for name in NAMES}
    states = ros.collect(KeyValue, "gesture/state", LATCHED_QOS)
    targets = ros.collect(PointStamped, "gesture/target")
    gestures = ros.collect(GestureArray, "gesture/gestures")
    fused = ros.collect(PoseArray, "fusion/poses")
    ros.collect(TwistStamped, "cmd_vel")  # a robot listens
    for node in (fusion, gesture):
        ros.add(node)
        assert node.autostart()
    assert ros.spin_until_matched()
    names = lambda: {g.name for m in gestures for g in m.gestures}  # noqa: E731
    for count in range(1, 161):
        stamp = 1000.0 + count * period
        clock.publish(Clock(clock=stamp_to_msg(stamp)))
        for name, source in sources.items():
            frame = source.read()
            assert frame is not None, (names(), [(s.key, s.value) for s in states])
            found = stages[name].run(
                frame.image, stamp, _Known(views[name]), channels=frame.channels
            )
            header = header_to_msg(stamp, f"{name}_optical")
            senders[name].publish(
                poses_to_msg(found.poses, header, "blazepose", width=480, height=360)
            )
        assert ros.spin_until(
            lambda: fused and stamp_from_msg(fused[-1].header.stamp) == stamp  # noqa: B023
        )
        if "point" in names() and targets:
            break
    assert any(s.key in ("engaged", "commanding") for s in states), (names(), len(fused))
    assert "point" in names()
    assert np.mean([is_by_several(msg) for msg in fused if msg.poses]) > 0.5
    assert targets[-1].header.frame_id == "base_link"


class _Known:
    """The camera of a view, and no depth."""

    def __init__(self, view: CameraView) -> None:
        self._view = view

    def camera_for(self, width: int, height: int) -> Camera | None:
        return self._view.camera

    def depth_for(self, stamp: float, width: int, height: int) -> None:
        """Return nothing."""
