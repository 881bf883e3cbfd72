"""A recording played over ROS to the live nodes gives the results of the offline pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import PointStamped
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from pose_ros.bags.images import BagImages
from pose_ros.bags.reader import open_bag
from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.gestures.targets import shown_goal
from pose_ros.core.results import Result
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import PositionSource
from pose_ros.errors import TransformError
from pose_ros.messages.headers import header_of
from pose_ros.models import store
from pose_ros.models.card import load_card
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.messages import (
    gestures_to_msg,
    poses_to_msg,
    target_to_msg,
    transforms_to_msg,
    types,
)
from pose_ros.ros.pose_node import PoseNode
from pose_ros.settings.lifting import LiftOptions
from pose_ros.synthetic.scene_bag import START_SECONDS, BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic
from tools.bag_player import BagPlayer, stamp_of_message

IMAGES, DEPTH = "/camera/image_raw", "/camera/depth/image_raw"
SCENE = "synthetic:pointing?width=320&height=240&fps=10"
SECONDS = 2.5
"""The actor points at the end of it: a gesture that still holds when the replay restarts."""
KINDS = {
    "/pose/poses": PoseArray,
    "/pose/hands": PoseArray,
    "/gesture/gestures": GestureArray,
    "/gesture/target": PointStamped,
    "/tf": TFMessage,
}

Messages = dict[int, dict[str, str]]
"""By stamp in nanoseconds, then by topic; each written out, with all digits of its numbers."""


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "pointing"
    source = open_synthetic(SCENE, live=False)
    write_scene_bag(path, source, BagOptions(seconds=SECONDS))
    return path


@pytest.fixture(scope="module")
def finder_and_hand_models(finder_models: Path) -> Path:
    """A cache with the networks of people, of hands, and of the finder."""
    path = store.get(load_card("blazehand-full"))["detector"]
    for file in path.parent.glob("blazehand-*"):
        shutil.copy(file, finder_models)
    return finder_models


def analyzed(bag: Path, pipeline: Pipeline, depth: str | None = None) -> list[Result]:
    """Return the offline results."""
    with open_bag(bag) as opened:
        return [pipeline.run(shot) for shot in BagImages(opened, depth=depth)]


def written(data: bytes, kind: type) -> str:
    """Return a serialized message as text: NaN equals NaN, and padding is left out."""
    return repr(deserialize_message(data, kind))


def messages_of(results: list[Result]) -> Messages:
    """Return the messages that the nodes would send of results."""
    found: Messages = {}
    for result in results:
        header = header_of(types, result.nanoseconds, result.frame_id)
        poses = result.poses
        least = poses.skeleton.least_score
        size = {"width": result.width, "height": result.height}
        frames = transforms_to_msg(poses, header, "p", least)
        messages: dict[str, Any] = {
            "/pose/poses": poses_to_msg(poses, header, "blazepose-full", **size),
            "/gesture/gestures": gestures_to_msg(result.gestures, header),
        }
        if frames:
            messages["/tf"] = TFMessage(transforms=frames)
        goal = shown_goal(result.goals)
        if goal is not None:
            at = header_of(types, result.nanoseconds, goal.frame_id)
            messages["/gesture/target"] = target_to_msg(goal, at)
        if result.hands is not None:
            messages["/pose/hands"] = poses_to_msg(result.hands, header, "blazehand-full", **size)
        found[result.nanoseconds] = {
            topic: written(serialize_message(msg), KINDS[topic]) for topic, msg in messages.items()
        }
    return found


def knows(frames: Any, target: str, header: Header) -> bool:
    """Return whether a node has heard where a frame is."""
    try:
        frames.lookup(target, header)
    except TransformError:
        return False
    return True


class Stage:
    """The real nodes under the clock of a bag, and what they send."""

    def __init__(self, ros: Any, bag: Path, *, hands: bool = False, **parameters: Any) -> None:
        self.ros = ros
        self.heard: Messages = {}
        replay = [Parameter("use_sim_time", value=True)]
        given = {"threads": 1, "hands": hands, **parameters}
        self.nodes: list[Any] = [
            ros.add(GestureNode(parameter_overrides=[*replay, Parameter("hands", value=hands)])),
            ros.add(
                PoseNode(
                    cli_args=["--ros-args", "-r", f"image:={IMAGES}", "-r", f"depth:={DEPTH}"],
                    parameter_overrides=[
                        *replay,
                        *(Parameter(name, value=value) for name, value in given.items()),
                    ],
                )
            ),
        ]
        self.player = BagPlayer(
            ros.node, bag, lambda seconds: ros.executor.spin_once(timeout_sec=seconds)
        )
        for topic, kind in KINDS.items():
            ros.node.create_subscription(kind, topic, self._take(topic), 100, raw=True)
        for node in self.nodes:
            assert node.autostart()
        wanted = {IMAGES: 1, "/camera/camera_info": 1, "/clock": 2, "/tf_static": 1, "/tf": 2}
        found = lambda: all(  # noqa: E731
            self.player.subscribers(topic) >= count for topic, count in wanted.items()
        )
        assert ros.spin_until(found)
        assert ros.spin_until(lambda: ros.node.count_subscribers("/pose/poses") == 2)
        # a machine that stops for a moment may let an image overtake where the camera is
        self.player.send_first("/tf_static")
        frames = self.nodes[0].frames
        optical = Header(frame_id="camera_optical_frame")
        assert ros.spin_until(lambda: knows(frames, "base_link", optical))

    def depth_received(self) -> bool:
        """Return whether the pose node has a depth image."""
        return ": 0 received" not in dict(self.nodes[1].report().values)["depth"]

    def _take(self, topic: str) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            if topic == "/tf" and b"body_p" not in data:
                return  # where the robot is: the bag's own
            at = 4 if topic == "/tf" else 0  # behind the count of transforms
            stamp = stamp_of_message(data, at)
            self.heard.setdefault(stamp, {})[topic] = written(data, KINDS[topic])

        return take

    def answered(self, stamp: int) -> bool:
        """Whether the nodes have said all that they say of an image."""
        heard = self.heard.get(stamp, {})
        return "/pose/poses" in heard and "/gesture/gestures" in heard

    def round(self, expected: Messages) -> Messages:
        """Play the bag, each image after the one before is done; return the nodes' messages."""
        self.heard.clear()
        assert len(list(self.player.play(rate=float("inf"), answered=self.answered))) > 0
        self.ros.spin_until(lambda: self.heard == expected)  # frames may come behind poses
        self.ros.spin_for(0.2)
        return dict(self.heard)


@pytest.fixture
def stage(ros: Any, bag: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    # so long do images wait for what belongs to them: here for as long as it takes
    monkeypatch.setattr("pose_ros.ros.camera_and_depth._FIRST_SECONDS", 60.0)
    monkeypatch.setattr("pose_ros.ros.camera_and_depth._WAIT_SECONDS", 60.0)
    made: list[Stage] = []

    def make(**parameters: Any) -> Stage:
        made.append(Stage(ros, bag, **parameters))
        return made[-1]

    yield make
    for one in made:
        one.player.close()


@pytest.mark.parametrize("with_finder", [False, True], ids=["default", "finder and palms"])
def test_repeated_replays_give_the_results_of_the_pipeline(
    bag: Path, stage: Any, capfd: Any, request: Any, with_finder: bool
) -> None:
    """To the last bit, with tracking, smoothing, depth, hands and gestures; a loop is logged once.

    What a loop does to tracking is the same with every network: one of them plays it twice.
    """
    rounds = 1 if with_finder else 2
    people: dict[str, Any] = {}
    if with_finder:
        folder = request.getfixturevalue("finder_and_hand_models")
        people = {"max_people": 3, "detect_tiles": 2, "finder": "posenet-mobilenet"}
        people["models_dir"] = str(folder)
    played = stage(
        use_depth=True, hands=True, detect_palms=with_finder, person_height=1.8, **people
    )
    assert played.ros.spin_until(lambda: played.player.subscribers(DEPTH))
    played.player.send_first(DEPTH)
    assert played.ros.spin_until(played.depth_received)
    options = PipelineOptions(lift=LiftOptions(height=1.8))
    hands = create_body_hands(threads=1, detect_palms=with_finder)
    pipeline = Pipeline(create_estimator(threads=1, **people), hands, options)
    assert not with_finder or pipeline.estimator.options.finder == "posenet-mobilenet"
    # nothing is forgotten by hand between the rounds
    expected = [analyzed(bag, pipeline, DEPTH) for _ in range(rounds)]
    capfd.readouterr()
    heard = [played.round(messages_of(results)) for results in expected]
    said = capfd.readouterr().err.splitlines()
    events = [(g.name, g.event) for result in expected[0] for g in result.gestures]
    assert ("point", "started") in events
    assert "point" in {gesture.name for gesture in expected[0][-1].gestures}
    assert shown_goal(expected[0][-1].goals) is not None, "no target was compared"
    sources = expected[0][-1].poses.camera_sources
    assert sources is not None
    assert (sources == PositionSource.DEPTH).any()
    for live, results in zip(heard, expected, strict=True):
        assert live == messages_of(results)
    if with_finder:
        return
    # the second round is the first again: of a new person, who has not pointed yet
    first, second = expected
    ended = [(gesture.name, gesture.event) for gesture in second[0].gestures]
    assert ("point", "ended") in ended
    assert {event for _, event in ended} == {"ended"}
    for a, b in zip(first[1:], second[1:], strict=True):
        assert a.nanoseconds == b.nanoseconds
        for field in ("keypoints", "camera", "camera_sigmas"):
            assert getattr(a.poses, field).tobytes() == getattr(b.poses, field).tobytes(), field
        assert [(g.name, g.event) for g in a.gestures] == [(g.name, g.event) for g in b.gestures]
    ids = [{int(i) for result in results for i in result.poses.ids} for results in expected]
    assert ids[0].isdisjoint(ids[1])
    back = [line for line in said if "went back" in line]
    assert sorted(line.split("]: ")[0].split("[")[-1] for line in back) == ["gesture", "pose"]


def test_results_of_single_images_equal_the_pipeline_although_images_are_lost(
    bag: Path, stage: Any
) -> None:
    """At full speed the nodes see some of the images, with the same result for each."""
    played = stage(static_image_mode=True)
    expected = messages_of(analyzed(bag, Pipeline(create_estimator(static=True, threads=1))))
    poses = lambda: {  # noqa: E731
        stamp: said["/pose/poses"] for stamp, said in played.heard.items() if "/pose/poses" in said
    }

    def some() -> bool:
        """Play it once more: on a machine that pauses, only the last image may arrive."""
        assert len(list(played.player.play(rate=20.0))) == len(expected)
        return len(poses()) >= 3

    assert played.ros.spin_until(some)
    heard = poses()
    assert min(expected) == START_SECONDS * NANOSECONDS
    for stamp, said in heard.items():
        assert said == expected[stamp]["/pose/poses"]
