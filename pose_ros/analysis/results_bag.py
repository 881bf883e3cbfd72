"""Results as a rosbag2, written and read: the live nodes' topics, under the images' own stamps.

========================  ===========================================================
``/pose/poses``           pose_ros/PoseArray, the people of each image
``/pose/skeleton``        pose_ros/Skeleton, latched
``/pose/hands``           pose_ros/PoseArray, where hands were looked for
``/pose/hands/skeleton``  pose_ros/Skeleton, latched
``/gesture/gestures``     pose_ros/GestureArray, where gestures were looked for
``/gesture/target``       geometry_msgs/PointStamped, where the first person points who does
``/gesture/goal_pose``    geometry_msgs/PoseStamped, the goal of a robot there
``/tf``                   tf2_msgs/TFMessage, the people's frames, where meters are known
========================  ===========================================================

With ``foxglove`` there are ``/pose/image_annotations``, foxglove_msgs/ImageAnnotations, and, where
meters are known, ``/pose/scene``, foxglove_msgs/SceneUpdate.

People of several cameras are on ``/fusion/poses`` and so on, as those of the fusion node, and
``/tf_static`` says where their cameras stand.

The goal is not on ``/goal_pose``, the topic of Nav2: results that are played move no robot.
What is copied from the recording stands beside them, under its own topics. A message's recorded
time is that of its image. The bag's metadata holds how it was made, ``RunInfo`` as JSON.

``ResultsBag`` reads them back, of a bag that an analysis wrote or of one of live nodes.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection

from pose_ros.analysis.outputs import CUSTOM_KEY, RECORD, RESULTS
from pose_ros.bags.images import IMAGE_KINDS, TF_TOPICS, take_frames
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import Bag, BagMessage, open_bag
from pose_ros.bags.writer import add_topic, open_bag_writer
from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import shown_goal
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses, Say
from pose_ros.documents import parse_json
from pose_ros.errors import DocumentError, OptionError, PoseRosError, SourceError, TransformError
from pose_ros.messages.cdr import read_stamp
from pose_ros.messages.foxglove import SceneUpdates, annotations_to_msg, names_of
from pose_ros.messages.gestures import (
    gestures_from_msg,
    gestures_to_msg,
    goal_to_msg,
    target_to_msg,
)
from pose_ros.messages.headers import header_of, nanoseconds_of
from pose_ros.messages.poses import poses_from_msg, poses_to_msg, skeleton_from_msg, skeleton_to_msg
from pose_ros.messages.transforms import FrameTracker, transform_to_msg, transforms
from pose_ros.report import STAYING_FRAMES, CameraPlacement, RecordingFacts

POSES, HANDS, GESTURES, TF = "/pose/poses", "/pose/hands", "/gesture/gestures", "/tf"
TARGET, GOAL = "/gesture/target", "/gesture/goal_pose"
ANNOTATIONS, SCENE = "/pose/image_annotations", "/pose/scene"
SKELETON, HAND_SKELETON, TF_STATIC = "/pose/skeleton", "/pose/hands/skeleton", "/tf_static"

_ID_PREFIX = "p"
_ARRAY, _SKELETON = "pose_ros/msg/PoseArray", "pose_ros/msg/Skeleton"
_POINT, _POSE = "geometry_msgs/msg/PointStamped", "geometry_msgs/msg/PoseStamped"
_GESTURES, _FRAMES = "pose_ros/msg/GestureArray", "tf2_msgs/msg/TFMessage"
_ANNOTATIONS, _SCENE = "foxglove_msgs/msg/ImageAnnotations", "foxglove_msgs/msg/SceneUpdate"
# topic -> how many messages are kept for who subscribes late
_LATCHED = {SKELETON: 1, HAND_SKELETON: 1, TF_STATIC: 100}
_DEPTHS = {TF: 100}
_OF_PEOPLE = (POSES, HANDS, SKELETON, HAND_SKELETON, ANNOTATIONS, SCENE)
_BODY = re.compile(re.escape(f"body_{_ID_PREFIX}") + r"\d+")


class BagWriter:
    """Writes the results of one recording; a context manager that finishes the bag.

    An error while it is open leaves a bag that cannot be used.

    Args:
        path: The bag's folder, which must not exist.
        storage: ``sqlite3`` or ``mcap``.
        info: What ran.
        gestures: Whether they were looked for.
        node: Whose topics the people are on: ``/pose`` or ``/fusion``.
        foxglove: Whether people are written as Lichtblick and Foxglove draw them, too.
    """

    def __init__(
        self,
        path: Path,
        storage: str,
        info: RunInfo,
        *,
        gestures: bool = True,
        node: str = "/pose",
        foxglove: bool = False,
    ) -> None:
        self._info, self._gestures, self._node = info, gestures, node
        self._scene = SceneUpdates(types) if foxglove else None
        self._writer = open_bag_writer(path, storage)
        self._writer.set_custom_data(CUSTOM_KEY, json.dumps(asdict(info), sort_keys=True))
        self._connections: dict[str, Connection] = {}
        self._sent_skeletons: dict[str, Skeleton] = {}

    def __enter__(self) -> BagWriter:
        self._writer.open()
        self._connect(POSES, _ARRAY)  # it is there even where there is nothing to say
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def write(self, result: Result, recorded: int) -> None:
        """Write what was found in an image.

        Args:
            result: Of the next image.
            recorded: When the image was recorded, nanoseconds.
        """
        nanoseconds, frame_id = result.nanoseconds, result.frame_id
        least = result.poses.skeleton.least_score
        header = header_of(types, nanoseconds, frame_id)
        frames = transforms(types, result.poses, header, _ID_PREFIX, least)
        if frames:  # first, so that who gets the poses can look the frames up
            self._put(TF, _FRAMES, types(_FRAMES)(transforms=frames), recorded)
        self._tell(SKELETON, result.poses.skeleton, recorded)
        network = self._info.network if result.fused is None else "multiview"
        self._put_poses(POSES, result.poses, network, result, recorded)
        if result.hands is not None:
            self._tell(HAND_SKELETON, result.hands.skeleton, recorded)
            self._put_poses(HANDS, result.hands, self._info.hand_network, result, recorded)
        if self._scene is not None:
            self._put_drawn(self._scene, result, recorded)
        if self._gestures:
            message = gestures_to_msg(types, result.gestures, header)
            self._put(GESTURES, _GESTURES, message, recorded)
            self._put_goal(result, recorded)

    def place_cameras(
        self, world: str, poses: Mapping[str, Float64Array], nanoseconds: int, recorded: int
    ) -> None:
        """Write where cameras stand.

        Args:
            world: The frame that stays.
            poses: (4, 4) that takes meters of each camera's frame to it, by the frame.
            nanoseconds: Stamp.
            recorded: When, nanoseconds.
        """
        from scipy.spatial.transform import Rotation  # a photo needs none of it

        header = header_of(types, nanoseconds, world)
        frames = [
            transform_to_msg(
                types, header, frame, p[:3, 3], Rotation.from_matrix(p[:3, :3]).as_quat()
            )
            for frame, p in poses.items()
        ]
        self._put(TF_STATIC, _FRAMES, types(_FRAMES)(transforms=frames), recorded)

    def copy(self, message: BagMessage, recorded: int | None = None) -> None:
        """Write a message of the recording as it is.

        Of frames on ``/tf`` those are left out that an earlier run has made of people.

        Args:
            message: Of a type that ROS knows.
            recorded: When; the message's own time when None.
        """
        data: Any = message.data
        if message.kind == _FRAMES and f"body_{_ID_PREFIX}".encode() in data:
            kept = [frame for frame in message.read().transforms if not _is_ours(frame)]
            if not kept:
                return
            data = _serialized(types(_FRAMES)(transforms=kept), _FRAMES)
        connection = self._connect(message.topic, message.kind)
        self._writer.write(connection, message.nanoseconds if recorded is None else recorded, data)

    def _tell(self, topic: str, skeleton: Skeleton, recorded: int) -> None:
        """Write a skeleton where it is another one than before."""
        if skeleton != self._sent_skeletons.get(topic):
            self._sent_skeletons[topic] = skeleton
            self._put(topic, _SKELETON, skeleton_to_msg(types, skeleton), recorded)

    def _put_poses(
        self, topic: str, poses: Poses, network: str, result: Result, recorded: int
    ) -> None:
        header = header_of(types, result.nanoseconds, result.frame_id)
        size = {"width": result.width, "height": result.height}
        self._put(topic, _ARRAY, poses_to_msg(types, poses, header, network, **size), recorded)

    def _put_drawn(self, scene: SceneUpdates, result: Result, recorded: int) -> None:
        poses, hands, least = result.poses, result.hands, result.poses.skeleton.least_score
        header = header_of(types, result.nanoseconds, result.frame_id)
        names = names_of(poses, _ID_PREFIX, result.gestures)
        size = {"width": result.width, "height": result.height}
        drawn = annotations_to_msg(
            types, poses, header, names, min_score=least, hands=hands, **size
        )
        self._put(ANNOTATIONS, _ANNOTATIONS, drawn, recorded)
        update = scene.update(poses, header, names, least, hands)
        if update.entities or update.deletions:
            self._put(SCENE, _SCENE, update, recorded)

    def _put_goal(self, result: Result, recorded: int) -> None:
        goal = shown_goal(result.goals)
        if goal is None:
            return
        header = header_of(types, result.nanoseconds, goal.frame_id)
        self._put(TARGET, _POINT, target_to_msg(types, goal, header), recorded)
        self._put(GOAL, _POSE, goal_to_msg(types, goal, header), recorded)

    def _put(self, topic: str, kind: str, message: Any, recorded: int) -> None:
        self._writer.write(self._connect(topic, kind), recorded, _serialized(message, kind))

    def _connect(self, topic: str, kind: str) -> Connection:
        if topic not in self._connections:
            depth = _LATCHED.get(topic) or _DEPTHS.get(topic, 10)
            name = topic
            if topic in _OF_PEOPLE:
                name = f"{self._node}{topic.removeprefix('/pose')}"
            self._connections[topic] = add_topic(
                self._writer, name, kind, latched=topic in _LATCHED, depth=depth
            )
        return self._connections[topic]


def _serialized(message: Any, kind: str) -> memoryview:
    return typestore().serialize_cdr(message, kind)


def _is_ours(frame: Any) -> bool:
    """Return whether a frame is a person's, or a joint's below one."""
    return bool(_BODY.fullmatch(frame.child_frame_id) or _BODY.fullmatch(frame.header.frame_id))


LOOK_AHEAD = 3 * NANOSECONDS // 10
"""Nanoseconds for which an image waits for transforms of its frames that come after it."""

PLACES = (*STAYING_FRAMES, "base_link", "base_footprint")
"""Frames in which a camera is placed, the best first."""


class Placements:
    """Places the camera in the first of these frames that /tf has, and in that alone.

    Args:
        say: Called with what is wrong.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._frames = FrameTracker(lambda _kind, text: say("transform", text))
        self._frame = ""

    def take(self, message: BagMessage) -> None:
        """Take a message of ``TF_TOPICS``."""
        take_frames(self._frames, message, self._say)

    def at(self, frame_id: str, stamp: float) -> CameraPlacement | None:
        """Return where the camera was; None where that is not known.

        Args:
            frame_id: Of its images.
            stamp: Seconds.
        """
        for target in (self._frame,) if self._frame else PLACES:
            try:
                place = self._frames.lookup(target, frame_id, stamp)
            except TransformError:
                continue
            self._frame = target
            return CameraPlacement(target, place)
        return None


POSES_KIND, GESTURES_KIND, SKELETON_KIND = (
    f"pose_ros/msg/{name}" for name in ("PoseArray", "GestureArray", "Skeleton")
)

_USUAL_POSES = "pose/poses"
_HANDS = "hands"
_OVERLAY = "overlay"
_HEAD_BYTES = 64  # of an image: its stamp
_WAIT = NANOSECONDS  # for the gestures and hands of an image, after its poses were recorded
_LONGEST_LATENCY = 60.0  # seconds; beyond it the recorder's clock is another one


@dataclass(frozen=True, eq=False)
class RecordedResult:
    """A result as a bag holds it.

    Attributes:
        result: What was found; its index counts the results of the bag.
        latency: Seconds after the image's stamp at which it was recorded; None of results
            that were not recorded live.
        placement: Where the camera was, as far as /tf tells.
    """

    result: Result
    latency: float | None = None
    placement: CameraPlacement | None = None


@dataclass
class _Pending:
    """The parts of one result, as far as they have come."""

    message: Any
    nanoseconds: int
    recorded: int
    hands: Any = None
    gestures: tuple[Gesture, ...] | None = None


class ResultsBag:
    """The results in a bag; a context manager that closes it.

    Attributes:
        name: What the bag is called.
        info: What ran; None where the bag does not say: it was recorded from live nodes.
        poses_topic: Of the people.

    Args:
        path: The bag: a folder, an ``.mcap`` or a ``.db3``; or a recording's folder among the
            results of many, which is what they are called then.
        poses_topic: Of the people; None: the only one there is, or ``pose/poses``.

    Raises:
        SourceError: The bag cannot be opened or holds no results, or several that could be
            meant.
    """

    def __init__(self, path: Path | str, poses_topic: str | None = None) -> None:
        path = Path(path)
        of_many = (path / RECORD).is_file()
        self._bag = open_bag(path / RESULTS if of_many else path)
        try:
            self.name = path.name if of_many else self._bag.name
            self.info = read_info(self._bag)
            self.poses_topic = choose_poses(self._bag, poses_topic)
            self._hands_topic = self._topic(
                POSES_KIND, f"{self.poses_topic.rpartition('/')[0]}/{_HANDS}"
            )
            self._gestures_topic = choose_gestures(self._bag, self.poses_topic)
            self._skeletons = self._read_skeletons()
        except BaseException:
            self._bag.close()
            raise
        self._lost: Counter[str] = Counter()
        self._images: dict[str, _Images] = {}
        self._network = ""

    def __enter__(self) -> ResultsBag:
        return self

    def __exit__(self, *_: object) -> None:
        self._bag.close()

    @property
    def bag(self) -> Bag:
        """Where the results are."""
        return self._bag

    def results(self) -> Iterator[RecordedResult]:
        """Yield the results in the order in which they were recorded."""
        self._lost.clear()
        self._images = {name: _Images() for name in image_topics(self._bag)}
        frames = Placements(lambda _kind, text: self._lose(text))
        with_frames = [name for name in TF_TOPICS if self._bag.topic(name)]
        topics = (self.poses_topic, self._hands_topic, self._gestures_topic, *with_frames)
        messages = heapq.merge(
            self._bag.messages([name for name in topics if name]),
            self._bag.messages(list(self._images), head=_HEAD_BYTES) if self._images else (),
            key=attrgetter("nanoseconds"),
        )
        wait = LOOK_AHEAD if with_frames else 0
        pending: dict[int, _Pending] = {}
        count = 0
        for message in messages:
            for ready in self._ready(pending, message.nanoseconds, wait):
                found = self._result(ready, count, frames)
                if found:
                    count += 1
                    yield found
            if message.topic in self._images:
                self._take_image(message)
            elif message.topic in with_frames:
                frames.take(message)
            else:
                self._take(message, pending)
        for ready in self._ready(pending, None, wait):
            found = self._result(ready, count, frames)
            if found:
                count += 1
                yield found

    def recording(self) -> RecordingFacts:
        """Return what is known of the recording; complete once all results have been read."""
        lost = [*self._bag.damage]
        lost += [
            f"{text} ({count} times)" if count > 1 else text for text, count in self._lost.items()
        ]
        images = max(
            (images for images in self._images.values() if images.with_result),
            key=lambda images: images.with_result + images.without_result,
            default=None,
        )
        if images is None:
            return RecordingFacts(lost=tuple(lost), network=self._network)
        return RecordingFacts(
            images=images.with_result + images.without_result,
            images_without_result=images.without_result,
            lost=tuple(lost),
            network=self._network,
        )

    def _ready(
        self, pending: dict[int, _Pending], now: int | None, wait: int
    ) -> Iterator[_Pending]:
        """Take out what need not wait any longer, in the order of its poses."""
        while pending:
            stamp, first = next(iter(pending.items()))
            waited = _WAIT if now is None else now - first.recorded
            whole = (first.gestures is not None or not self._gestures_topic) and (
                first.hands is not None or not self._hands_topic
            )
            if waited < (wait if whole else _WAIT):
                return
            del pending[stamp]
            yield first

    def _take(self, message: BagMessage, pending: dict[int, _Pending]) -> None:
        """Take a message of the results."""
        try:
            fields = message.read()
            stamp = nanoseconds_of(fields.header.stamp)
            part = pending.get(stamp)
            if message.topic == self.poses_topic:
                if part is not None:
                    self._lose("an image's poses stand twice in the bag: the second were left out")
                    return
                pending[stamp] = _Pending(fields, stamp, message.nanoseconds)
            elif part is None:
                what = _HANDS if message.topic == self._hands_topic else "gestures"
                self._lose(f"{what} without the poses of their image were left out")
            elif message.topic == self._hands_topic:
                part.hands = fields
            else:
                part.gestures = gestures_from_msg(fields)
        except PoseRosError as error:
            self._lose(str(error))

    def _take_image(self, message: BagMessage) -> None:
        try:
            stamp, _ = read_stamp(message.data)
        except PoseRosError as error:
            self._lose(f"{message.topic}: {error}")
            return
        self._images[message.topic].take(stamp)

    def _result(self, parts: _Pending, index: int, frames: Placements) -> RecordedResult | None:
        fields = parts.message
        try:
            poses = poses_from_msg(fields, self._skeleton(fields.skeleton))
            hands: Poses | None = None
            if parts.hands is not None:
                hands = poses_from_msg(parts.hands, self._skeleton(parts.hands.skeleton))
        except PoseRosError as error:
            self._lose(str(error))
            return None
        for images in self._images.values():
            images.take_result(parts.nanoseconds)
        frame_id, self._network = str(fields.header.frame_id), str(fields.network)
        result = Result(
            index=index,
            nanoseconds=parts.nanoseconds,
            width=int(fields.width),
            height=int(fields.height),
            poses=poses,
            hands=hands,
            gestures=parts.gestures or (),
            frame_id=frame_id,
            source=self.name,
        )
        latency: float | None = None
        if self.info is None:
            latency = (parts.recorded - parts.nanoseconds) / NANOSECONDS
            if abs(latency) > _LONGEST_LATENCY:
                latency = None
        return RecordedResult(result, latency, frames.at(frame_id, result.stamp))

    def _skeleton(self, name: str) -> Skeleton:
        """Return a skeleton by name: our own, which has its colors, or one that the bag tells."""
        if name in self._skeletons:
            return self._skeletons[name]
        try:
            return skeletons.get(name)
        except OptionError:
            raise SourceError(
                f"poses of the skeleton {name!r} were left out: the bag does not say what it is; "
                f"record {self.poses_topic.rpartition('/')[0]}/skeleton too"
            ) from None

    def _read_skeletons(self) -> dict[str, Skeleton]:
        topics = [topic.name for topic in self._bag.topics if topic.kind == SKELETON_KIND]
        found: dict[str, Skeleton] = {}
        for message in self._bag.messages(topics) if topics else ():
            try:
                recorded = skeleton_from_msg(message.read())
            except PoseRosError:
                continue  # what needs it reports that
            own = skeletons.SKELETONS.get(recorded.name)
            same = own is not None and own.keypoints == recorded.keypoints
            found[recorded.name] = own if own is not None and same else recorded
        return found

    def _topic(self, kind: str, name: str) -> str:
        """Return a topic's name; empty where the bag has no such topic of that kind."""
        topic = self._bag.topic(name)
        return name if topic is not None and topic.kind == kind else ""

    def _lose(self, text: str) -> None:
        self._lost[text] += 1


class _Images:
    """Which images of one topic got a result; only those between the first and last result.

    Attributes:
        with_result: How many did.
        without_result: How many did not.
    """

    def __init__(self) -> None:
        self.with_result = self.without_result = 0
        self._waiting: set[int] = set()
        self._results: deque[int] = deque(maxlen=64)

    def take(self, stamp: int) -> None:
        """Take an image by its stamp."""
        if stamp in self._results:  # recorded after it
            self.with_result += 1
        else:
            self._waiting.add(stamp)

    def take_result(self, stamp: int) -> None:
        """Take a result by its stamp; older images got none, as results come in order."""
        self.with_result += stamp in self._waiting
        older = [waiting for waiting in self._waiting if waiting < stamp]
        if self._results:
            self.without_result += len(older)
        self._waiting.difference_update([*older, stamp])
        self._results.append(stamp)


def read_info(bag: Bag) -> RunInfo | None:
    """Return what ran, of a bag that an analysis wrote; None where it does not say."""
    text = bag.custom.get(CUSTOM_KEY, "")
    try:
        fields = parse_json(text, CUSTOM_KEY) if text else None
        return RunInfo(**fields) if fields else None
    except (DocumentError, TypeError):
        return None


def choose_poses(bag: Bag, wanted: str | None = None) -> str:
    """Return the topic of the people.

    Raises:
        SourceError: There is none, or several could be meant.
    """
    names = [topic.name for topic in bag.topics if topic.kind == POSES_KIND]
    if wanted is not None:
        if wanted in names:
            return wanted
        known = ", ".join(names) or "none"
        raise SourceError(f"{bag.name} has no poses on {wanted}; topics with poses: {known}")
    bodies = [name for name in names if name.rpartition("/")[2] != _HANDS]
    usual = [name for name in bodies if f"/{name}".endswith(f"/{_USUAL_POSES}")]
    found = usual or bodies
    if not found:
        raise SourceError(
            f"{bag.name} holds no poses: `pose-ros bag run` finds people in its images"
        )
    if len(found) > 1:
        raise SourceError(
            f"{bag.name} holds poses on {' and '.join(found)}: say which by --poses TOPIC"
        )
    return found[0]


def choose_gestures(bag: Bag, poses_topic: str) -> str:
    """Return the topic of the gestures, that whose name is most like the people's; or nothing."""
    names = [topic.name for topic in bag.topics if topic.kind == GESTURES_KIND]

    def alike(name: str) -> int:
        pairs = zip(name.split("/"), poses_topic.split("/"), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(name))

    return max(names, key=alike, default="")


def image_topics(bag: Bag) -> Sequence[str]:
    """Return the topics of images that people may have been looked for in."""
    return [
        topic.name
        for topic in bag.topics
        if topic.kind in IMAGE_KINDS
        and _OVERLAY not in topic.name.split("/")
        and "depth" not in topic.name
    ]


def pair_results(
    a: Iterator[RecordedResult], b: Iterator[RecordedResult]
) -> Iterator[tuple[RecordedResult | None, RecordedResult | None]]:
    """Yield the results of two bags side by side, matched by the exact stamps of their images.

    Both rise in time, as one that was recorded does; who has no partner comes alone.
    """
    one, other = next(a, None), next(b, None)
    while one is not None or other is not None:
        if one is None or other is None:
            before = one is not None
            yield one, other
            one, other = (next(a, None), None) if before else (None, next(b, None))
            continue
        first, second = one.result.nanoseconds, other.result.nanoseconds
        if first == second:
            yield one, other
            one, other = next(a, None), next(b, None)
        elif first < second:
            yield one, None
            one = next(a, None)
        else:
            yield None, other
            other = next(b, None)
