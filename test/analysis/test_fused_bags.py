"""``pose-ros bag run --topics``: cameras in one bag, or in a bag each, become one skeleton."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_ros.analysis.results_bag import ResultsBag
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import open_bag
from pose_ros.bags.writer import add_topic, open_bag_writer
from pose_ros.cli.main import main
from pose_ros.core.camera import Calibration
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.types import PositionSource
from pose_ros.messages.cameras import camera_info_to_msg
from pose_ros.messages.headers import header_of
from pose_ros.messages.images import image_to_msg
from pose_ros.messages.transforms import transform_to_msg
from pose_ros.sources.camera_rig import write_rig
from pose_ros.sources.videos import VideoSource
from pose_ros.synthetic.source import SyntheticSource, open_synthetic

NAMES = ("left", "right")
PLACES = ("camera_y=0.7&yaw=-12", "camera_y=-0.7&yaw=12")
IMAGES, FPS = 8, 10
START = 1_700_000_000 * 10**9
KINDS = {
    "image": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}


def camera(number: int) -> SyntheticSource:
    spec = f"synthetic:raise_hand?{PLACES[number]}&fps={FPS}&width=320&height=240"
    return open_synthetic(spec, live=False)


def write_bag(path: Path, numbers: Sequence[int], *, tf: bool, late: float = 0.0) -> Path:
    """Write the images of some of the cameras, and where they stand over ``base_link``.

    Args:
        path: Of the bag.
        numbers: Of the cameras.
        tf: Whether /tf_static says where they stand.
        late: Seconds by which all but the first camera's stamps are late.
    """
    with open_bag_writer(path, "mcap") as writer:
        known: dict[str, Any] = {}

        def put(topic: str, kind: str, message: Any, nanoseconds: int) -> None:
            if topic not in known:
                known[topic] = add_topic(writer, topic, kind, latched=topic == "/tf_static")
            data = typestore().serialize_cdr(message, kind)
            writer.write(known[topic], nanoseconds, data)

        for number in numbers if tf else ():
            pose = camera(number).view.transform
            turn = Rotation.from_matrix(pose[:3, :3]).as_quat()
            header = header_of(types, START, "base_link")
            frame = transform_to_msg(types, header, f"{NAMES[number]}_lens", pose[:3, 3], turn)
            message = types(KINDS["/tf_static"])(transforms=[frame])
            put("/tf_static", KINDS["/tf_static"], message, START)
        sources = [(number, camera(number)) for number in numbers]
        for image in range(IMAGES):
            for number, source in sources:
                frame = source.read()
                recorded = START + image * 10**9 // FPS + number
                now = recorded + (round(late * 1e9) if number else 0)
                header = header_of(types, now, f"{NAMES[number]}_lens")
                calibration = Calibration(source.camera)
                for topic, message in (
                    ("camera_info", camera_info_to_msg(types, calibration, header)),
                    ("image", image_to_msg(types, frame.image, frame.channels, header)),
                ):
                    put(f"/cam_{NAMES[number]}/{topic}", KINDS[topic], message, recorded)
    return path


def write_room(path: Path, **known: Any) -> str:
    views = [
        CameraView(name, camera(i).camera, Extrinsics.from_pose(camera(i).view.transform))
        for i, name in enumerate(NAMES)
    ]
    write_rig(path, CameraRig(tuple(views), **known))
    return str(path)


TOPICS = ["--topics", "/cam_left/image", "/cam_right/image"]


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """One bag of both cameras with /tf, and all outputs of it."""
    folder = tmp_path_factory.mktemp("event")
    bag = write_bag(folder / "room", (0, 1), tf=True)
    paths = SimpleNamespace(
        bag=bag, out=folder / "results", json=folder / "a.jsonl", csv=folder / "a.csv",
        bvh=folder / "a.bvh", overlay=folder / "a.mp4", report=folder / "a.html",
    )  # fmt: skip
    options = [
        f"--{name}={getattr(paths, name)}"
        for name in ("out", "json", "csv", "bvh", "overlay", "report")
    ]
    assert main(["bag", "run", str(bag), *TOPICS, *options, "--quiet"]) == 0
    return paths


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def off_meters(lines: Sequence[dict[str, Any]]) -> list[float]:
    """Return how far joints are from the truth in ``base_link``."""
    truth = camera(0).truth(0.0)
    return [
        float(np.linalg.norm(np.array(point["fused"]) - truth.world[truth.skeleton.index(name)]))
        for line in lines
        for pose in line["poses"]
        for point in pose["keypoints"]
        if point["fused"] is not None
        for name in [point["name"]]
    ]


def test_meters_are_in_the_frame_of_tf_that_all_cameras_are_in(event: SimpleNamespace) -> None:
    lines = lines_of(event.json)
    assert [line["index"] for line in lines] == list(range(IMAGES))
    off = off_meters(lines)
    assert len(off) > 150
    assert np.median(off) < 0.08
    assert any(gesture["name"] == "raise_hand" for line in lines for gesture in line["gestures"])


def test_bag_of_results_has_the_topics_of_the_fusion_node(event: SimpleNamespace) -> None:
    with ResultsBag(event.out) as results:
        assert results.poses_topic == "/fusion/poses"
        found = list(results.results())
        assert len(found) == IMAGES
        poses = found[-1].result.poses
        assert found[-1].result.frame_id == "left_lens"
        assert poses.camera_sources is not None
        assert (poses.camera_sources == PositionSource.MULTIVIEW).mean() > 0.7
        assert found[-1].placement is not None
    assert main(["bag", "report", str(event.out), "--out", str(event.out) + ".html"]) == 0


def test_tables_have_the_fused_meters(event: SimpleNamespace) -> None:
    with event.csv.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = lines_of(event.json)
    point = lines[-1]["poses"][0]["keypoints"][11]
    row = next(
        row for row in rows if row["index"] == str(IMAGES - 1) and row["joint"] == point["name"]
    )
    found = [float(row[f"fused_{axis}_m"]) for axis in "xyz"]
    np.testing.assert_allclose(found, point["fused"], atol=2e-4)
    assert event.bvh.read_text(encoding="utf-8").startswith("HIERARCHY")


def test_overlay_has_the_cameras_side_by_side(event: SimpleNamespace) -> None:
    video = VideoSource(event.overlay)
    frame = video.read()
    video.close()
    assert frame is not None
    assert (frame.width, frame.height) == (640, 240)
    drawn = camera(1).read()
    assert drawn is not None
    # the actor of the second image is drawn over, and the rest is as it was
    changed = np.abs(frame.image[:, 320:].astype(int) - drawn.image).max(axis=2) > 60
    truth = camera(1).truth(0.0).pixels
    inside = changed[int(truth[:, 1].min()) : int(truth[:, 1].max())]
    assert inside.sum() > 100
    assert changed[:, :40].mean() < 0.02


def test_report_has_the_cameras_and_how_far_they_are_off(event: SimpleNamespace) -> None:
    page = event.report.read_text(encoding="utf-8")
    assert 'id="cameras"' in page
    assert "0.00, -0.70, 1.10" in page
    # on the map
    assert "camera</text>" not in page
    assert all(f"{name}</text>" in page for name in ("cam_left", "cam_right"))
    assert "base_link" in page


def test_a_bag_for_each_camera_and_a_calibration_give_the_same(
    event: SimpleNamespace, tmp_path: Path
) -> None:
    bags = [str(write_bag(tmp_path / NAMES[i], (i,), tf=False)) for i in (0, 1)]
    room = write_room(tmp_path / "room.yaml")
    given = ["--calibration", room, "--json", str(tmp_path / "b.jsonl"), "--quiet"]
    assert main(["bag", "run", *bags, *TOPICS, *given]) == 0
    lines = lines_of(tmp_path / "b.jsonl")
    for line, other in zip(lines, lines_of(event.json), strict=True):
        ours, theirs = ([point["fused"] for point in each["poses"][0]["keypoints"]]
                        for each in (line, other))  # fmt: skip
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_estimate_accepts_bags_and_assumes_a_common_clock(
    event: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = [str(write_bag(tmp_path / NAMES[i], (i,), tf=False)) for i in (0, 1)]
    room = write_room(tmp_path / "room.yaml")
    given = ["--fuse", "--calibration", room, "--json", str(tmp_path / "c.jsonl")]
    assert main(["estimate", *bags, *given]) == 0
    assert "begins" not in capsys.readouterr().err
    assert np.median(off_meters(lines_of(tmp_path / "c.jsonl"))) < 0.08


def test_offsets_of_the_calibration_are_added_to_the_stamps_of_a_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "late", (0, 1), tf=False, late=0.3)
    room = write_room(tmp_path / "room.yaml", offsets=[0.0, -0.3])
    given = ["--calibration", room, "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["bag", "run", str(bag), *TOPICS, *given]) == 0
    with ResultsBag(tmp_path / "out") as results:
        sources = [each.result.poses.camera_sources for each in results.results()]
    assert (sources[-1] == PositionSource.MULTIVIEW).mean() > 0.7
    with open_bag(tmp_path / "out") as written:
        (message,) = written.messages(["/tf_static"])
        frames = {each.child_frame_id: each.header.frame_id for each in message.read().transforms}
    assert frames == {"left_lens": "world", "right_lens": "world"}


def test_many_bags_of_several_cameras_are_done_once(
    event: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--workers", "1", "--out", str(tmp_path / "out"), "--json", "a.jsonl"]
    assert main(["bag", "run", str(event.bag), *TOPICS, *given]) == 0
    assert (tmp_path / "out" / "room" / "a.jsonl").read_bytes() == event.json.read_bytes()
    assert main(["bag", "run", str(event.bag), *TOPICS, *given]) == 0
    assert "1 of 1 were done before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--topics", "/cam_left/image"], "--topic takes one"),
        ([*TOPICS, "--topic", "/a"], "--topic is for one camera"),
        ([*TOPICS, "--offset", "1", "2"], "each camera but the first"),
        (["--offset", "1"], "--offset works only with --topics"),
        ([*TOPICS, "--static"], "leave out --static"),
        (["--topics", "/cam_left/image", "/nothing"], "has no topic /nothing"),
    ],
)
def test_impossible_options_of_several_cameras_give_a_one_line_error(
    event: SimpleNamespace, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bag", "run", str(event.bag), *options, "--json", "-"]) == 1
    error = capsys.readouterr().err.strip()
    assert reason in error
    assert "\n" not in error


def test_camera_data_missing_in_a_bag_gives_a_one_line_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / "bare", (0, 1), tf=False)
    assert main(["bag", "run", str(bag), *TOPICS, "--json", "-"]) == 1
    error = capsys.readouterr().err.strip()
    assert "does not say where the cameras are" in error
    assert "--calibration" in error
    bags = [str(bag)] * 3
    assert main(["bag", "run", *bags, *TOPICS, "--json", "-"]) == 1
    assert "3 bags and 2 topics" in capsys.readouterr().err


def write_pair(path: Path) -> Path:
    """Write a bag whose one topic has both cameras' images side by side."""
    pair, topic = [camera(number) for number in (0, 1)], "/pair/image"
    with open_bag_writer(path, "mcap") as writer:
        connection = add_topic(writer, topic, KINDS["image"])
        for number in range(IMAGES):
            frames = [frame for source in pair if (frame := source.read()) is not None]
            image = np.hstack([frame.image for frame in frames])
            now = START + number * 10**9 // FPS
            header = header_of(types, now, "left_lens")
            message = image_to_msg(types, image, frames[0].channels, header)
            writer.write(connection, now, typestore().serialize_cdr(message, KINDS["image"]))
    return path


def test_halves_of_one_topic_are_two_cameras(tmp_path: Path) -> None:
    bag, room = write_pair(tmp_path / "pair"), write_room(tmp_path / "pair.yaml")
    out, results = tmp_path / "a.jsonl", tmp_path / "results"
    given = ["--stereo", "side_by_side", "--calibration", room, "--hands", "--quiet"]
    outputs = ["--json", str(out), "--out", str(results), "--overlay", str(tmp_path / "a.mp4")]
    assert main(["bag", "run", str(bag), *given, *outputs]) == 0
    lines = lines_of(out)
    assert [(line["width"], line["height"]) for line in lines] == [(320, 240)] * IMAGES
    off = off_meters(lines)
    assert len(off) > 150
    assert np.median(off) < 0.08
    with ResultsBag(results) as found:
        assert found.poses_topic == "/fusion/poses"
        last = list(found.results())[-1].result
        assert last.frame_id == "left_lens"
        assert last.poses.camera_sources is not None
        assert (last.poses.camera_sources == PositionSource.MULTIVIEW).mean() > 0.7
    frame = VideoSource(tmp_path / "a.mp4").read()
    assert frame is not None
    assert (frame.width, frame.height) == (640, 240)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "--stereo needs --calibration"),
        (["--calibration", "x.yaml", "--topics", "/a", "/b"], "--topics does not go with --stereo"),
        (["--calibration", "x.yaml", "--offset", "0.1"], "--offset does not go with --stereo"),
    ],
)
def test_options_that_conflict_with_halves_of_a_topic_give_a_one_line_error(
    event: SimpleNamespace, options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--stereo", "side_by_side", "--json", "-", *options]
    assert main(["bag", "run", str(event.bag), *given]) == 1
    assert line in capsys.readouterr().err
