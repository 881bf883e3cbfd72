"""Bags of scenes: the data of the source, in standard messages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from scipy.spatial.transform import Rotation

from pose_ros.bags.message_types import typestore
from pose_ros.core import skeletons
from pose_ros.errors import OptionError, OutputError
from pose_ros.synthetic.depth_camera import to_millimeters
from pose_ros.synthetic.scene_bag import START_SECONDS, BagOptions, write_scene_bag
from pose_ros.synthetic.source import SyntheticSource, open_synthetic

SPEC = "synthetic:people?width=64&height=48&fps=4&camera_x=0.1&pitch=5&seed=2"


def opened(spec: str = SPEC, loop: bool = True) -> SyntheticSource:
    return open_synthetic(spec, live=False, loop=loop)


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return the messages of a bag by topic, with the times of their records."""
    found: dict[str, list[tuple[int, Any]]] = {}
    # its own definitions: nothing but the bag is known to who reads it
    with AnyReader([path]) as reader:
        for connection, stamp, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((stamp, message))
    return found


@pytest.fixture(scope="module", params=["sqlite3", "mcap"])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("bags") / "scene"
    assert write_scene_bag(path, opened(), BagOptions(storage=request.param, seconds=2.5)) == 10
    return read(path)


def test_all_topics_have_the_stamps_of_the_images(bag: Any) -> None:
    stamps = [START_SECONDS * 10**9 + i * 250_000_000 for i in range(10)]
    assert set(bag) == {
        "/camera/image_raw", "/camera/camera_info", "/camera/depth/image_raw",
        "/camera/depth/camera_info", "/tf", "/tf_static", "/truth/poses", "/truth/scene",
    }  # fmt: skip
    for topic, records in bag.items():
        assert [stamp for stamp, _ in records] == (stamps[:1] if topic == "/tf_static" else stamps)
        for stamp, message in records:
            if hasattr(message, "header"):
                header = message.header
                assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp
                assert header.frame_id == "camera_optical_frame"


def test_images_and_depth_are_those_of_the_source(bag: Any) -> None:
    source = opened()
    for i in range(3):
        frame = source.read()
        assert frame is not None
        image = bag["/camera/image_raw"][i][1]
        assert (image.encoding, image.step, image.is_bigendian) == ("bgr8", 64 * 3, 0)
        np.testing.assert_array_equal(image.data.reshape(48, 64, 3), frame.image)
        depth = bag["/camera/depth/image_raw"][i][1]
        assert (depth.encoding, depth.step) == ("16UC1", 64 * 2)
        found = depth.data.view("<u2").reshape(48, 64)
        np.testing.assert_array_equal(found, to_millimeters(source.measured_depth(frame.stamp)))


def test_camera_info_equals_the_camera_of_the_source(bag: Any) -> None:
    camera = opened().camera
    for topic in ("/camera/camera_info", "/camera/depth/camera_info"):
        info = bag[topic][0][1]
        assert (info.width, info.height, info.distortion_model) == (64, 48, "plumb_bob")
        np.testing.assert_array_equal(info.k.reshape(3, 3), camera.matrix)
        np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3], camera.matrix)
        np.testing.assert_array_equal(info.r.reshape(3, 3), np.eye(3))
        assert info.d.tolist() == [0.0] * 5


def matrix(transform: Any) -> np.ndarray:
    t, q = transform.translation, transform.rotation
    found = np.eye(4)
    found[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    found[:3, 3] = t.x, t.y, t.z
    return found


def test_tf_leads_from_the_robot_to_the_optical_frame(bag: Any) -> None:
    links = bag["/tf_static"][0][1].transforms
    names = [(link.header.frame_id, link.child_frame_id) for link in links]
    assert names == [("base_link", "camera_link"), ("camera_link", "camera_optical_frame")]
    body, optical = (matrix(link.transform) for link in links)
    np.testing.assert_allclose(body @ optical, opened().view.transform, atol=1e-9)
    # the camera's body looks along its x, pitched down about y (REP-103)
    np.testing.assert_allclose(body[:3, 3], [0.1, 0.0, 1.1])
    turn = Rotation.from_matrix(body[:3, :3]).as_euler("xyz", degrees=True)
    np.testing.assert_allclose(turn, [0, 5, 0], atol=1e-9)
    (robot,) = bag["/tf"][2][1].transforms
    assert (robot.header.frame_id, robot.child_frame_id) == ("odom", "base_link")
    np.testing.assert_allclose(matrix(robot.transform), np.eye(4))


def test_truth_equals_that_of_the_source(bag: Any) -> None:
    source = opened()
    for i in (0, 5):
        truths = source.truths(i / 4)
        message = bag["/truth/poses"][i][1]
        assert (message.network, message.skeleton) == ("truth", "blazepose33")
        assert (message.width, message.height) == (64, 48)
        assert [pose.id for pose in message.poses] == [0, 1, 2]
        names = skeletons.get("blazepose33").keypoints
        for pose, truth in zip(message.poses, truths, strict=True):
            assert tuple(point.name for point in pose.keypoints) == names
            points = pose.keypoints
            np.testing.assert_allclose(
                [(p.position.x, p.position.y, p.position.z) for p in points], truth.camera
            )
            np.testing.assert_allclose([(p.x, p.y) for p in points], truth.pixels, rtol=1e-5)
            hips = truth.camera[[23, 24]].mean(axis=0)
            np.testing.assert_allclose(
                [(p.world.x, p.world.y, p.world.z) for p in points], truth.camera - hips
            )
            focal = source.camera.matrix[0, 0]
            np.testing.assert_allclose(
                [p.z for p in points], (truth.camera - hips)[:, 2] * focal / hips[2], atol=1e-5
            )
            expected = np.where(truth.visible, np.where(truth.self_hidden, 0.5, 1.0), 0.25)
            np.testing.assert_allclose([p.score for p in points], expected)
            np.testing.assert_allclose(pose.box[:2], truth.pixels.min(axis=0), rtol=1e-5)
            np.testing.assert_allclose(pose.box[2:], truth.pixels.max(axis=0), rtol=1e-5)
        actors = json.loads(bag["/truth/scene"][i][1].data)["actors"]
        assert [a["gesture"] for a in actors] == [truth.gesture for truth in truths]
        assert [a["height"] for a in actors] == [1.5, 1.75, 2.0]
        assert [a["target"] is None for a in actors] == [t.gesture != "point_at" for t in truths]


def test_bag_alone_gives_the_target_of_a_pointing_person(bag: Any) -> None:
    base_from_optical = np.eye(4)
    for link in bag["/tf_static"][0][1].transforms:
        base_from_optical = base_from_optical @ matrix(link.transform)
    path = [json.loads(m.data)["actors"][1] for _, m in bag["/truth/scene"]]
    pointing = [i for i, a in enumerate(path) if a["gesture"] == "point_at" and a["held"]]
    assert pointing
    for i in pointing:
        points = {p.name: p.position for p in bag["/truth/poses"][i][1].poses[1].keypoints}
        shoulder, wrist = (
            (base_from_optical @ [p.x, p.y, p.z, 1.0])[:3]
            for p in (points["left_shoulder"], points["left_wrist"])
        )
        share = shoulder[2] / (shoulder[2] - wrist[2])
        on_floor = shoulder + share * (wrist - shoulder)
        np.testing.assert_allclose(on_floor, path[i]["target"], atol=1e-6)


def test_depth_in_meters_has_nan_where_it_is_missing(tmp_path: Path) -> None:
    options = BagOptions(depth="32FC1", seconds=0.5)
    write_scene_bag(tmp_path / "scene", opened(), options)
    depth = read(tmp_path / "scene")["/camera/depth/image_raw"][1][1]
    assert (depth.encoding, depth.step) == ("32FC1", 64 * 4)
    found = depth.data.view("<f4").reshape(48, 64)
    np.testing.assert_array_equal(found, opened().measured_depth(0.25))
    assert 0 < np.isnan(found).mean() < 0.6


def test_depth_is_exact_or_absent_on_request(tmp_path: Path) -> None:
    write_scene_bag(tmp_path / "a", opened(), BagOptions(depth="32FC1", sensor=None, seconds=0.25))
    found = read(tmp_path / "a")["/camera/depth/image_raw"][0][1].data.view("<f4")
    np.testing.assert_array_equal(found, opened().depth(0.0).ravel())
    write_scene_bag(tmp_path / "b", opened(), BagOptions(depth="none", seconds=0.25))
    assert not [topic for topic in read(tmp_path / "b") if "depth" in topic]


def test_one_round_is_written_by_default_and_no_more_than_the_scene_has(tmp_path: Path) -> None:
    spec = "synthetic:table?width=32&height=24&fps=2"
    assert write_scene_bag(tmp_path / "a", opened(spec), BagOptions(depth="none")) == 12
    endless = BagOptions(depth="none", seconds=100.0)
    assert write_scene_bag(tmp_path / "b", opened(spec, loop=False), endless) == 12


def test_latched_topics_are_offered_as_such(tmp_path: Path) -> None:
    write_scene_bag(tmp_path / "a", opened(), BagOptions(seconds=0.25))
    with Reader(tmp_path / "a") as reader:
        durability = {
            connection.topic: connection.ext.offered_qos_profiles[0].durability.name
            for connection in reader.connections
        }
    assert durability.pop("/tf_static") == "TRANSIENT_LOCAL"
    assert set(durability.values()) == {"VOLATILE"}


def test_progress_is_reported_for_each_image(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    options = BagOptions(seconds=0.75, depth="none")
    write_scene_bag(
        tmp_path / "a", opened(), options, lambda done, count: reported.append((done, count))
    )
    assert reported == [(1, 3), (2, 3), (3, 3)]


def test_existing_bag_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_scene_bag(path, opened())
    assert [p.name for p in path.iterdir()] == ["notes.txt"]


def test_unfinished_bag_is_removed(tmp_path: Path) -> None:
    def interrupt(_done: int, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scene_bag(tmp_path / "a", opened(), BagOptions(), interrupt)
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_scene_bag(tmp_path / "file" / "a", opened())


def test_message_definitions_equal_those_of_the_msg_files() -> None:
    fields = typestore().fielddefs["pose_ros/msg/HumanPose"][1]
    assert [name for name, _ in fields][:3] == ["id", "score", "box"]
    text, _ = typestore().generate_msgdef("pose_ros/msg/PoseArray", ros_version=2)
    assert "pose_ros/HumanPose[] poses" in text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: BagOptions(storage="zip"), "sqlite3 or mcap"),
        (lambda: BagOptions(depth="8UC1"), "16UC1, 32FC1, none"),
        (lambda: BagOptions(seconds=float("nan")), "seconds"),
        (lambda: write_scene_bag(Path("x"), open_synthetic("synthetic:box")), "live=0"),
    ],
)
def test_impossible_scene_bag_is_refused(make, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()
