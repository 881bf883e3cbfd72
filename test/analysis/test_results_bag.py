"""Results come back out of a bag as they went in, with latency and drops where it was live."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from pose_ros.analysis.results_bag import RecordedResult, ResultsBag, pair_results
from pose_ros.bags.message_types import types, typestore
from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses
from pose_ros.errors import SourceError
from pose_ros.messages.gestures import gestures_to_msg
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_to_msg, skeleton_to_msg

COCO = skeletons.get("coco17")
START = 1_700_000_000 * NANOSECONDS
STEP = NANOSECONDS // 10
INFO = RunInfo("clip", "posenet-mobilenet", "cpu", options={"lift": {"height": None}})


def poses_of(count: int, skeleton=COCO) -> Poses:
    points = np.random.default_rng(count).uniform(10, 90, (count, len(skeleton), 2))
    return Poses(
        skeleton=skeleton,
        ids=np.arange(count),
        scores=np.full(count, 0.5, np.float32),
        boxes=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        keypoints=points,
        keypoint_scores=np.full((count, len(skeleton)), 0.75, np.float32),
    )


@dataclass
class Recorder:
    """Writes messages into a bag, in the order and at the times of the calls."""

    path: Path
    info: RunInfo | None = None
    messages: list[tuple[int, str, str, Any]] = field(default_factory=list)

    def add(self, recorded: int, topic: str, kind: str, message: Any) -> None:
        self.messages.append((recorded, topic, kind, message))

    def poses(
        self, stamp: int, poses: Poses, *, after: int = 0, topic: str = "/pose/poses"
    ) -> None:
        header = header_of(types, stamp, "camera")
        message = poses_to_msg(types, poses, header, "net", width=100, height=80)
        self.add(stamp + after, topic, "pose_ros/msg/PoseArray", message)

    def gestures(self, stamp: int, gestures, *, after: int = 0) -> None:
        message = gestures_to_msg(types, gestures, header_of(types, stamp, "camera"))
        self.add(stamp + after, "/gesture/gestures", "pose_ros/msg/GestureArray", message)

    def image(self, stamp: int, topic: str = "/camera/image_raw") -> None:
        message = types("sensor_msgs/msg/Image")(
            header=header_of(types, stamp, "camera"),
            height=8, width=10, encoding="bgr8", is_bigendian=0, step=30,
            data=np.full(240, 128, np.uint8),
        )  # fmt: skip
        self.add(stamp, topic, "sensor_msgs/msg/Image", message)

    def frame(self, stamp: int, parent: str, child: str, place, turn=(0.0, 0.0, 0.0, 1.0)) -> None:
        def xyz(kind: str, values, names: str = "xyz") -> Any:
            return types(f"geometry_msgs/msg/{kind}")(**dict(zip(names, values, strict=True)))

        moved = types("geometry_msgs/msg/Transform")(
            translation=xyz("Vector3", place), rotation=xyz("Quaternion", turn, "xyzw")
        )
        stamped = types("geometry_msgs/msg/TransformStamped")(
            header=header_of(types, stamp, parent), child_frame_id=child, transform=moved
        )
        message = types("tf2_msgs/msg/TFMessage")(transforms=[stamped])
        self.add(stamp, "/tf", "tf2_msgs/msg/TFMessage", message)

    def write(self) -> Path:
        with Writer(self.path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
            if self.info:
                writer.set_custom_data("pose_ros", json.dumps(asdict(self.info)))
            connections: dict[str, Any] = {}
            for recorded, topic, kind, message in sorted(self.messages, key=lambda m: m[0]):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=typestore())
                data = typestore().serialize_cdr(message, kind)
                writer.write(connections[topic], recorded, data)
        return self.path


@pytest.fixture
def recorder(tmp_path) -> Recorder:
    return Recorder(tmp_path / "results")


def read(path: Path, **options: Any) -> tuple[ResultsBag, list[RecordedResult]]:
    with ResultsBag(path, **options) as bag:
        return bag, list(bag.results())


def test_analysis_is_read_back_unchanged(recorder) -> None:
    recorder.info = INFO
    gesture = Gesture("wave", "left", 0, "started", 0.75, 1_700_000_000.0)
    for i in range(5):
        recorder.poses(START + i * STEP, poses_of(i % 3))
        recorder.gestures(START + i * STEP, [gesture] if i == 3 else [])
    bag, found = read(recorder.write())
    assert bag.info == INFO
    results = [one.result for one in found]
    assert [r.nanoseconds for r in results] == [START + i * STEP for i in range(5)]
    assert [r.index for r in results] == [0, 1, 2, 3, 4]
    assert [len(r.poses) for r in results] == [0, 1, 2, 0, 1]
    assert results[2].poses.skeleton is COCO
    assert np.array_equal(results[2].poses.keypoints, poses_of(2).keypoints)
    assert [len(r.gestures) for r in results] == [0, 0, 0, 1, 0]
    assert results[3].gestures[0] == gesture
    assert (results[0].width, results[0].height, results[0].frame_id) == (100, 80, "camera")
    # when it was recorded says when its image was, not how long the analysis took
    assert all(one.latency is None for one in found)


def test_live_recording_has_latency_and_dropped_images(recorder) -> None:
    for i in range(10):
        recorder.image(START + i * STEP)
        recorder.image(START + i * STEP, "/other/image_raw" if i < 2 else "/pose/overlay")
        if 2 <= i <= 7 and i not in (4, 5):
            recorder.poses(START + i * STEP, poses_of(1), after=40_000_000 + i * 1_000_000)
            # after the poses of the next image
            recorder.gestures(START + i * STEP, [], after=150_000_000)
    bag, found = read(recorder.write())
    assert bag.info is None
    assert [one.result.nanoseconds - START for one in found] == [i * STEP for i in (2, 3, 6, 7)]
    assert [one.latency for one in found] == pytest.approx([0.042, 0.043, 0.046, 0.047])
    recording = bag.recording()
    # images before the first result and after the last one are not missed
    assert (recording.images, recording.images_without_result) == (6, 2)
    assert recording.lost == ()
    assert recording.network == "net"


def test_a_recording_of_a_replay_has_no_latency(recorder) -> None:
    recorder.poses(START, poses_of(1), after=86400 * NANOSECONDS)
    _, (found,) = read(recorder.write())
    assert found.latency is None


def test_missing_gestures_do_not_delay_results(recorder) -> None:
    for i in range(20):
        recorder.poses(START + i * STEP, poses_of(1))
        if i != 5:
            recorder.gestures(START + i * STEP, [])
    _, found = read(recorder.write())
    assert [one.result.nanoseconds for one in found] == [START + i * STEP for i in range(20)]


def test_gestures_without_poses_are_left_out_and_reported(recorder) -> None:
    recorder.poses(START, poses_of(1))
    recorder.poses(START, poses_of(2), after=1)
    recorder.gestures(START + STEP, [])
    recorder.gestures(START + 2 * STEP, [])
    bag, found = read(recorder.write())
    assert len(found) == 1
    lost = " ".join(bag.recording().lost)
    assert "gestures without the poses of their image were left out (2 times)" in lost
    assert "twice" in lost


def test_skeleton_recorded_in_the_bag_is_used(recorder) -> None:
    own = skeletons.Skeleton("robot", ("head", "foot"), ((0, 1),))
    recorder.add(START, "/pose/skeleton", "pose_ros/msg/Skeleton", skeleton_to_msg(types, own))
    recorder.poses(START, poses_of(2, own))
    _, (found,) = read(recorder.write())
    assert found.result.poses.skeleton == own


def test_poses_of_an_unknown_skeleton_are_left_out_and_reported(recorder) -> None:
    recorder.poses(START, poses_of(2, skeletons.Skeleton("robot", ("head",), ())))
    bag, found = read(recorder.write())
    assert found == []
    assert "'robot'" in bag.recording().lost[0]
    assert "/pose/skeleton" in bag.recording().lost[0]


def test_place_of_the_camera_follows_tf(recorder) -> None:
    """It looks along the robot's x axis from 1 m above; the robot drives 1 m/s in odom."""
    optical = (-0.5, 0.5, -0.5, 0.5)
    for i in range(11):
        stamp = START + i * STEP
        recorder.frame(stamp, "odom", "base_link", (i / 10, 0.0, 0.0))
        recorder.frame(stamp, "base_link", "camera", (0.0, 0.0, 1.0), optical)
        recorder.poses(stamp + STEP // 2, poses_of(1))
    _, found = read(recorder.write())
    places = [one.placement for one in found if one.placement]
    assert len(places) == 10  # the last image is after all that /tf tells
    assert {place.frame for place in places} == {"odom"}
    assert places[4].transform[:3, 3] == pytest.approx([0.45, 0.0, 1.0])
    ahead = places[4].transform @ (0.0, 0.0, 2.0, 1.0)
    assert ahead[:3] == pytest.approx([2.45, 0.0, 1.0])


def test_poses_of_the_pose_node_are_preferred(recorder) -> None:
    recorder.poses(START, poses_of(1), topic="/truth/poses")
    recorder.poses(START, poses_of(2))
    recorder.poses(START, poses_of(1), topic="/pose/hands")
    path = recorder.write()
    bag, (found,) = read(path)
    assert bag.poses_topic == "/pose/poses"
    assert len(found.result.poses) == 2
    assert found.result.hands is not None
    bag, (found,) = read(path, poses_topic="/truth/poses")
    assert len(found.result.poses) == 1
    with pytest.raises(SourceError, match="no poses on /nowhere; topics with poses: /pose/hands"):
        ResultsBag(path, "/nowhere")


def test_ambiguous_topics_of_poses_are_an_error(recorder) -> None:
    recorder.poses(START, poses_of(1), topic="/left/pose/poses")
    recorder.poses(START, poses_of(1), topic="/right/pose/poses")
    with pytest.raises(SourceError, match="/left/pose/poses and /right/pose/poses.*--poses"):
        ResultsBag(recorder.write())


def test_bag_without_results_is_an_error(recorder) -> None:
    recorder.image(START)
    with pytest.raises(SourceError, match="holds no poses: `pose-ros bag run`"):
        ResultsBag(recorder.write())


def test_results_folder_opens_its_recording(recorder) -> None:
    recorder.poses(START, poses_of(1))
    path = recorder.write()
    (path.parent / "task.json").write_text("{}")
    bag, found = read(path.parent)
    assert (bag.name, len(found)) == (path.parent.name, 1)


def test_results_of_two_recordings_are_paired_by_stamp() -> None:
    def row(*numbers: int):
        empty = Poses.empty(COCO)
        return iter([RecordedResult(Result(0, n, 9, 9, empty)) for n in numbers])

    found = [
        tuple(one and one.result.nanoseconds for one in pair)
        for pair in pair_results(row(1, 2, 4, 6), row(2, 3, 4))
    ]
    assert found == [(1, None), (2, 2), (None, 3), (4, 4), (6, None)]
