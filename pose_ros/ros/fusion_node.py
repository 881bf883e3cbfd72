"""fusion_node: poses of several cameras in, one skeleton in meters for each person out."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

# the core loads it when it is first needed: in a node that must not be in the middle of a stream
import scipy.optimize  # noqa: F401
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.fusion import CameraReport, FusedPeople, Fusion, common_stamp
from pose_ros.core.multiview.hands import HandFusion
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import choose_views, views_of_size
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import StampStep, step_from, went_back
from pose_ros.core.types import Poses, PositionSource
from pose_ros.errors import ImageError, OptionError, PoseRosError, TransformError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.poses import poses_from_msg, skeleton_from_msg
from pose_ros.messages.transforms import transform_to_msg
from pose_ros.msg import PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.ros.camera_and_depth import CameraWatch
from pose_ros.ros.diagnostics import Notices, Report, StreamHealth
from pose_ros.ros.frames import FrameLookup, listen, make_broadcaster
from pose_ros.ros.markers import FoxgloveTopics, SkeletonMarkers
from pose_ros.ros.messages import (
    poses_to_msg,
    skeleton_to_msg,
    stamp_to_msg,
    transforms_to_msg,
    types,
)
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.qos import ANY_NEWEST_QOS, LATCHED_QOS, NEWEST_QOS, RESULT_QOS, TF_STATIC_QOS
from pose_ros.settings.nodes import FusionParameters
from pose_ros.sources.camera_rig import read_rig

NETWORK = "multiview"
KNOCKED_SIGMAS = 3.0
"""A camera whose keypoints are so far off what all say stands elsewhere than it is said to."""
APART_SECONDS = 2.0
"""Cameras that see people for so long, and none of them together, stand elsewhere than is said."""
START_SECONDS = 10.0
"""For so long a camera may take to send its first poses before it is said to be silent."""
_CURE = "calibrate again if one was moved"


def camera_names(text: str) -> tuple[str, ...]:
    """Return the names of cameras in a text, with commas or spaces between them.

    Raises:
        OptionError: There are less than two, a name stands twice, or it cannot be part of a topic.
    """
    names = tuple(re.split(r"[\s,]+", text.strip("[] \t\n"))) if text.strip("[] \t\n") else ()
    for name in names:
        if not re.fullmatch(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*", name):
            raise OptionError(f"cameras: {name!r} can be no part of a topic's name")
    if len(names) < 2 or len(set(names)) < len(names):
        raise OptionError(
            f"cameras: expected the names of two or more cameras, such as left, right; got {text!r}"
        )
    return names


@dataclass(eq=False)
class _FusedInput:
    """What came of one camera.

    Attributes:
        name: Of the camera.
        stamp: Seconds, of the newest image.
        poses: The people in it.
        message: As they came.
        is_new: Whether it was not fused yet.
        heard: Monotonic seconds of the last message.
        shift: Seconds to add to its stamps for the clock of the first camera.
        skeletons: By name.
        hands: The stamp of the newest hands, as ``stamp``, and these; None before the first.
        hand_skeletons: By name.
        watch: Of its camera_info; None where a calibration says it.
    """

    name: str
    watch: CameraWatch | None = None
    stamp: float = -math.inf
    poses: Poses | None = None
    message: Any = None
    is_new: bool = False
    heard: float = -math.inf
    shift: float = 0.0
    skeletons: dict[str, Skeleton] = field(default_factory=dict)
    hands: tuple[float, Poses] | None = None
    hand_skeletons: dict[str, Skeleton] = field(default_factory=dict)

    @property
    def has_hands(self) -> bool:
        """Whether the hands of the newest image have come."""
        return self.hands is not None and step_from(self.hands[0], self.stamp) is StampStep.SAME

    @property
    def frame_id(self) -> str:
        """Of its images; empty before the first."""
        return "" if self.message is None else str(self.message.header.frame_id).removeprefix("/")


@dataclass(frozen=True, eq=False)
class _Published:
    """People that left, and whose hands may come: header and place are those of their message."""

    people: FusedPeople
    header: Header
    place: Float64Array | None


class FusionNode(ManagedNode[FusionParameters]):
    """Publishes the people that several cameras see, once, in meters.

    Poses wait for those of the other cameras, but for cameras that are late by more than twice
    ``max_skew``. The stamp of what leaves is the common one, made from the images' own. Hands
    follow their people when those of all cameras have come, or before the next people.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; ``options`` are those of rclpy's node."""
        super().__init__("fusion", FusionParameters, {"cameras": _check_cameras}, **options)
        self._health = StreamHealth()
        self._notices = Notices(self.get_logger())
        self._rig: CameraRig | None = None
        self._inputs: list[_FusedInput] = []
        self._fusion: Fusion | None = None
        self._views: list[CameraView] = []
        self._sizes: list[tuple[int, int]] = []
        self._frames: FrameLookup | None = None
        self._subscriptions_made: list[Any] = []
        self._stamp = -math.inf
        self._reports: dict[str, CameraReport] = {}
        self._sent_skeleton: Skeleton | None = None
        self._sent_hand_skeleton: Skeleton | None = None
        self._hand_fusion: HandFusion | None = None
        self._without_hands: _Published | None = None
        self._silent: set[str] = set()
        self._apart_since = math.inf  # stamp from which on no person was seen by two cameras
        self._made_markers = SkeletonMarkers()
        self._waiting_for = ""

    def acquire(self) -> None:
        """Read the calibration and make the publishers."""
        parameters, make = self.parameters, self.make_publisher
        names = camera_names(parameters.cameras)
        self._rig = read_rig(parameters.calibration) if parameters.calibration else None
        if self._rig is not None:
            choose_views(self._rig, [_last(name) for name in names])
        elif parameters.publish_cameras:
            raise OptionError("publish_cameras needs a calibration: name its file too")
        self._poses = make(PoseArray, "~/poses", RESULT_QOS)
        self._skeleton = make(SkeletonMsg, "~/skeleton", LATCHED_QOS)
        self._markers = make(MarkerArray, "~/markers", RESULT_QOS)
        if parameters.hands:
            self._hands = make(PoseArray, "~/hands", RESULT_QOS)
            self._hand_skeleton = make(SkeletonMsg, "~/hands/skeleton", LATCHED_QOS)
        self._foxglove = FoxgloveTopics(self) if parameters.publish_foxglove else None
        self._send_frames = make_broadcaster(self) if parameters.publish_tf else None
        self._static = None
        if parameters.publish_cameras:
            from tf2_msgs.msg import TFMessage

            self._static = self.adopt(self.create_publisher(TFMessage, "/tf_static", TF_STATIC_QOS))

    def start(self) -> None:
        """Let poses in."""
        parameters = self.parameters
        self._notices.clear()
        self._health.restart()
        self._fusion, self._reports, self._sent_skeleton = None, {}, None
        self._hand_fusion = self._sent_hand_skeleton = self._without_hands = None
        self._stamp, self._silent, self._sizes = -math.inf, set(), []
        self._apart_since = math.inf
        if self._rig is None or parameters.target_frame not in ("", parameters.world_frame):
            self._frames = listen(self)
        self._inputs = [_FusedInput(name) for name in camera_names(parameters.cameras)]
        began = time.monotonic()
        for each, shift in zip(self._inputs, self._shifts(), strict=True):
            each.heard, each.shift = began, shift
            self._subscribe(each)

    def _shifts(self) -> list[float]:
        """Return the offsets that the calibration has of the clocks, against the first camera."""
        names = [_last(each.name) for each in self._inputs]
        if self._rig is None or self._rig.offsets is None:
            return [0.0] * len(names)
        known = {
            view.name: float(o) for view, o in zip(self._rig.views, self._rig.offsets, strict=True)
        }
        views = choose_views(self._rig, names)
        return [known[view.name] - known[views[0].name] for view in views]

    def stop(self) -> None:
        """Let no more poses in."""
        while self._subscriptions_made:
            self.destroy_subscription(self._subscriptions_made.pop())
        if self._inputs and self._state == "active":
            self._markers.publish(self._made_markers.clear())
            if self._foxglove is not None:
                self._foxglove.clear()
        self._inputs = []
        if self._frames is not None:
            self._frames.close()
            self._frames = None
        self._fusion = None

    def release(self) -> None:
        """Forget the calibration."""
        self._rig = None

    def hardware_id(self) -> str:
        """Return the names of the cameras."""
        return self.parameters.cameras

    def report(self) -> Report:
        """Return the health of the fusion, and of each camera."""
        self._look()
        report = self._health.report(self.clock_trouble())
        values = []
        for each in self._inputs:
            found = self._reports.get(each.name)
            values.append((f"{each.name}: poses", self._age(each)))
            if found is not None:
                values += [
                    (f"{each.name}: people", str(found.people)),
                    (f"{each.name}: skew ms", _number(1e3 * found.skew)),
                    (f"{each.name}: off by px", _number(found.error_px)),
                    (f"{each.name}: off by sigmas", _number(found.error_sigmas)),
                    (f"{each.name}: clock offset ms", _number(1e3 * found.offset)),
                ]
        return replace(report, values=[*values, *report.values], notices=self._notices.recent())

    def _look(self) -> None:
        """Note what is wrong with the cameras now."""
        if self._waiting_for:
            self._notices.note(self._waiting_for)
        for each in self._inputs:
            self._notice_silence(each)
        skewed = [
            name
            for name, found in self._reports.items()
            if not found.used and name not in self._silent
        ]
        for name in skewed:
            self._notices.note(
                f"{name} is late by {1e3 * self._reports[name].skew:.0f} ms, more than max_skew: "
                "its people do not count; synchronize the cameras or set max_skew"
            )
        text = knocked(self._reports)
        if self._stamp - self._apart_since > APART_SECONDS:
            seeing = [name for name, found in self._reports.items() if found.people]
            text = f"{' and '.join(seeing)} see people, and none of them together: {_CURE}"
        if text:
            self._notices.note(text)

    def _notice_silence(self, each: _FusedInput) -> None:
        patience, rest = self.parameters.silent_after, "; the other cameras go on"
        if each.message is None:  # networks take a moment to load
            patience, rest = max(patience, START_SECONDS), " yet: does its pose node run?"
        if time.monotonic() - each.heard > patience:
            self._silent.add(each.name)
            topic = self._topic(each, "poses")
            text = f"{each.name} is silent: nothing comes on {topic}{rest}"
            self._notices.warn(("silent", each.name), text)
        elif each.name in self._silent:
            self._silent.discard(each.name)
            self._notices.end(("silent", each.name))
            self.get_logger().info(f"{each.name} is back")

    def _age(self, each: _FusedInput) -> str:
        if each.poses is None:
            return "none yet"
        return f"{time.monotonic() - each.heard:.1f} s ago"

    def _topic(self, each: _FusedInput, kind: str) -> str:
        pattern = getattr(self.parameters, f"{kind}_topic")
        return str(pattern.replace("{camera}", each.name))

    def _subscribe(self, each: _FusedInput) -> None:
        topic = self._topic(each, "poses")
        make = self.create_subscription
        skeleton = f"{topic.rpartition('/')[0]}/skeleton"
        self._subscriptions_made += [
            make(SkeletonMsg, skeleton, partial(self._on_skeleton, each.skeletons), LATCHED_QOS),
            make(PoseArray, topic, partial(self._on_poses, each), NEWEST_QOS),
        ]
        if self.parameters.hands:
            hands = f"{topic.rpartition('/')[0]}/hands"
            learn = partial(self._on_skeleton, each.hand_skeletons)
            self._subscriptions_made += [
                make(SkeletonMsg, f"{hands}/skeleton", learn, LATCHED_QOS),
                make(PoseArray, hands, partial(self._on_hands, each), NEWEST_QOS),
            ]
        if self._rig is None:
            info = self._topic(each, "camera_info")
            each.watch = CameraWatch(info, False, self.get_logger().warning)
            self._subscriptions_made.append(make(CameraInfo, info, each.watch.take, ANY_NEWEST_QOS))

    def _on_skeleton(self, known: dict[str, Skeleton], msg: Any) -> None:
        try:
            skeleton = skeleton_from_msg(msg)
        except PoseRosError as error:
            self._notices.note(f"a skeleton cannot be read: {error}")
            return
        known[skeleton.name] = skeleton

    def _on_hands(self, each: _FusedInput, msg: Any) -> None:
        stamp = stamp_from_msg(msg.header.stamp)
        try:
            if stamp == 0.0:
                raise ImageError(f"the hands of {each.name} have no stamp (0.0)")
            hands = poses_from_msg(msg, each.hand_skeletons.get(msg.skeleton))
        except PoseRosError as error:
            self._refuse(str(error))
            return
        each.hands = stamp + each.shift, hands
        self._publish_hands()

    def _on_poses(self, each: _FusedInput, msg: Any) -> None:
        began = time.perf_counter()
        self._health.arrived()
        each.heard = time.monotonic()
        if each.name in self._silent:
            self._notice_silence(each)
        stamp = stamp_from_msg(msg.header.stamp)
        try:
            if stamp == 0.0:
                raise ImageError(f"the poses of {each.name} have no stamp (0.0)")
            stamp += each.shift
            poses = poses_from_msg(msg, each.skeletons.get(msg.skeleton))
        except PoseRosError as error:
            self._refuse(str(error))
            return
        if went_back(each.stamp, stamp):
            self.get_logger().info(f"time went back by {each.stamp - stamp:.1f} s: all starts over")
            for other in self._inputs:
                other.stamp, other.poses, other.is_new = -math.inf, None, False
                other.hands = None
            self._stamp = -math.inf
        elif step_from(each.stamp, stamp) in (StampStep.SAME, StampStep.BACK):
            self._health.dropped()
            return
        each.stamp, each.poses, each.message, each.is_new = stamp, poses, msg, True
        try:
            self._fuse(began)
        except PoseRosError as error:
            self._refuse(str(error))

    def _refuse(self, reason: str) -> None:
        self._health.refused(reason)
        self._notices.note(f"poses refused: {reason}")

    def _fuse(self, began: float) -> None:
        """Fuse what there is, where no camera is worth waiting for."""
        there = [each for each in self._inputs if each.poses is not None]
        max_skew = self.parameters.fusion.max_skew
        newest = max(each.stamp for each in there)
        waited = [each for each in there if each.stamp >= newest - 2.0 * max_skew]
        stamp = common_stamp([each.stamp for each in there], max_skew)
        if not all(each.is_new for each in waited) or stamp <= self._stamp:
            return
        fusion = self._ready_fusion()
        if fusion is None:
            return
        given = {e.name: (e.stamp, e.poses) for e in there if e.poses is not None}
        people = fusion.update(stamp, given)
        self._stamp = stamp
        for each in there:
            each.is_new = False
        self._reports = dict(people.cameras)
        self._watch_apart(people)
        owner = next(each for each in there if each.stamp == stamp)
        # the stamp is an image's own, to the nanosecond, where its clock is that of the first
        exact = stamp_to_msg(stamp) if owner.shift else owner.message.header.stamp
        self._publish(people, exact)
        self._health.done(self.age(stamp), time.perf_counter() - began)

    def _watch_apart(self, people: FusedPeople) -> None:
        """Note since when cameras see people, and none of them together."""
        seeing = [each for each in people.cameras.values() if each.used and each.people]
        sources = people.poses.camera_sources
        together = sources is not None and bool((sources == PositionSource.MULTIVIEW).any())
        if len(seeing) < 2 or together:
            self._apart_since = math.inf
        else:
            self._apart_since = min(self._apart_since, people.stamp)

    def _ready_fusion(self) -> Fusion | None:
        """Return what fuses: made when all is known of the cameras, and when images change size."""
        sizes = [
            (0, 0) if each.message is None else (each.message.width, each.message.height)
            for each in self._inputs
        ]
        if self._fusion is None or any(
            new not in (old, (0, 0)) for new, old in zip(sizes, self._sizes, strict=True)
        ):
            try:
                self._views = self._find_views(sizes)
            except _UnknownYetError as error:
                self._waiting_for = str(error)
                return None
            self._waiting_for = ""
            self._fusion, self._sizes = Fusion(self._views, self.parameters.fusion), sizes
            self._hand_fusion = HandFusion(self._views)
            if self._static is not None:
                self._static.publish(self._places_to_msg())
        self._fusion.options = self.parameters.fusion
        return self._fusion

    def _find_views(self, sizes: list[tuple[int, int]]) -> list[CameraView]:
        """Return the cameras.

        Raises:
            _UnknownYetError: One of them has not been heard of for long enough to go on without.
        """
        missing = [each for each in self._inputs if each.message is None]
        patience = self.parameters.silent_after
        if missing and (
            self._rig is None
            or missing[0] is self._inputs[0]
            or any(time.monotonic() - each.heard <= patience for each in missing)
        ):
            text = ", ".join(each.name for each in missing)
            raise _UnknownYetError(f"there are no poses of {text} yet: nothing is fused")
        names = [each.name for each in self._inputs]
        if self._rig is None:
            return [
                self._view_by_tf(each, *size)
                for each, size in zip(self._inputs, sizes, strict=True)
            ]
        views = choose_views(self._rig, [_last(name) for name in names])
        known = [
            (view.camera.width, view.camera.height) if size == (0, 0) else size
            for view, size in zip(views, sizes, strict=True)
        ]
        views = views_of_size(views, known)
        return [replace(view, name=name) for view, name in zip(views, names, strict=True)]

    def _view_by_tf(self, each: _FusedInput, width: int, height: int) -> CameraView:
        camera = each.watch.camera_for(width, height) if each.watch is not None else None
        if camera is None:
            topic = self._topic(each, "camera_info")
            raise _UnknownYetError(f"there is no camera_info of {each.name} on {topic} yet")
        first = self._inputs[0]
        if each is first:
            return CameraView(each.name, camera, Extrinsics(np.eye(3), np.zeros(3)))
        try:
            pose = self._lookup(first.frame_id, each.message.header)
        except TransformError as error:
            raise _UnknownYetError(f"/tf does not say where {each.name} is: {error}") from None
        return CameraView(each.name, camera, Extrinsics.from_pose(pose))

    def _places_to_msg(self) -> Any:
        """Return the places of the cameras in the calibration's world, for /tf_static."""
        from tf2_msgs.msg import TFMessage

        frames = []
        for each, view in zip(self._inputs, self._views, strict=True):
            if each.message is None:
                continue
            pose = view.extrinsics.pose
            header = Header(stamp=each.message.header.stamp, frame_id=self.parameters.world_frame)
            turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
            frames.append(transform_to_msg(types, header, each.frame_id, pose[:3, 3], turn))
        return TFMessage(transforms=frames)

    def _lookup(self, target: str, header: Any) -> Float64Array:
        if self._frames is None:
            raise TransformError("frames are not listened to")
        return self._frames.lookup(target, header)

    def _place(self, header: Any) -> Float64Array | None:
        """Return (4, 4) from the reference's frame to the target frame; None: they are one."""
        target = self.parameters.target_frame
        if target in ("", header.frame_id):
            return None
        if self._rig is not None and target == self.parameters.world_frame:
            return self._views[0].extrinsics.pose
        return self._lookup(target, header)

    def _publish(self, people: FusedPeople, stamp: Any) -> None:
        parameters = self.parameters
        header = Header(stamp=stamp, frame_id=self._inputs[0].frame_id)
        try:
            place = self._place(header)
        except TransformError as error:
            self._refuse(f"their place in {parameters.target_frame} is not known: {error}")
            return
        self._publish_hands(at_once=True)  # those of the people before go before these people
        poses = people.poses
        if place is not None:
            header.frame_id = parameters.target_frame
            poses = moved(poses, place)
        if poses.skeleton != self._sent_skeleton:
            self._sent_skeleton = poses.skeleton
            self._skeleton.publish(skeleton_to_msg(poses.skeleton))
        width, height = self._sizes[0]
        msg = poses_to_msg(poses, header, NETWORK, width=width, height=height)
        least = parameters.min_joint_score or poses.skeleton.least_score
        if self._send_frames is not None:
            frames = transforms_to_msg(poses, header, parameters.id_prefix, least)
            if frames:
                self._send_frames(frames)
        self._poses.publish(msg)
        if parameters.publish_markers and self._markers.get_subscription_count():
            markers = self._made_markers.update(poses, header, least)
        else:
            markers = self._made_markers.clear()
        if markers.markers:
            self._markers.publish(markers)
        if self._foxglove is not None:
            self._foxglove.publish(poses, header, least, width=width, height=height)
        if parameters.hands:
            self._without_hands = _Published(people, header, place)
            self._publish_hands()

    def _publish_hands(self, *, at_once: bool = False) -> None:
        """Publish the hands of the people that left last, once, when all cameras' have come.

        Args:
            at_once: Do not wait for those that have not.
        """
        published, fusion = self._without_hands, self._hand_fusion
        used = [e for e in self._inputs if published and published.people.cameras[e.name].used]
        if published is None or fusion is None:
            return
        if not at_once and not all(each.has_hands for each in used):
            return
        self._without_hands = None
        given = {each.name: each.hands for each in self._inputs if each.hands is not None}
        try:
            hands = fusion.update(published.people, given, self.parameters.fusion.max_skew)
        except PoseRosError as error:
            self._refuse(str(error))
            return
        if hands is None:
            return
        if published.place is not None:
            hands = moved(hands, published.place)
        if hands.skeleton != self._sent_hand_skeleton:
            self._sent_hand_skeleton = hands.skeleton
            self._hand_skeleton.publish(skeleton_to_msg(hands.skeleton))
        width, height = self._sizes[0]
        self._hands.publish(
            poses_to_msg(hands, published.header, NETWORK, width=width, height=height)
        )


class _UnknownYetError(PoseRosError):
    """What is needed of the cameras has not come yet."""


def moved(poses: Poses, place: Float64Array) -> Poses:
    """Return people in another frame.

    Args:
        poses: In meters.
        place: (4, 4) that takes meters of their frame to the other one.
    """
    turn, shift = place[:3, :3], place[:3, 3]
    camera = None if poses.camera is None else poses.camera @ turn.T + shift
    world = None if poses.world is None else poses.world @ turn.T
    velocities = None if poses.velocities is None else poses.velocities @ turn.T
    return poses.replace(camera=camera, world=world, velocities=velocities)


def knocked(reports: Mapping[str, CameraReport]) -> str:
    """Return in words which camera does not stand where it is said to; empty: none.

    Of two cameras it cannot be known which one; of more it is the one that is off the most.
    """
    off = {
        name: report
        for name, report in reports.items()
        if report.used and report.error_sigmas >= KNOCKED_SIGMAS
    }
    if not off:
        return ""
    if len(reports) == 2:
        turn = min(report.turned_degrees for report in reports.values())
        if turn > 0.0:
            return f"{' or '.join(reports)} is turned by about {turn:.0f} degrees: {_CURE}"
        most = max(report.error_px for report in off.values())
        return f"{' and '.join(reports)} do not agree by {most:.0f} px: {_CURE}"
    name = max(off, key=lambda each: off[each].error_sigmas)
    if off[name].turned_degrees > 0.0:
        far = f"turned by about {off[name].turned_degrees:.0f} degrees"
    else:
        far = f"off by {off[name].error_px:.0f} px against the other cameras"
    return f"{name} is {far}: {_CURE}"


def _check_cameras(text: str) -> None:
    if text:  # none are declared, so that the node can be made and set
        camera_names(text)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _number(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else ""


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [FusionNode()], args)


if __name__ == "__main__":
    sys.exit(main())
