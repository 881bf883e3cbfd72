"""A recording in, a bag with its results out: whole, the same each time, and open to others."""

import csv
import json
import math
import resource
import shutil
from dataclasses import replace

import cv2
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability

from pose_ros.analysis.exports.writing import FORMATS
from pose_ros.analysis.run import run_task
from pose_ros.analysis.task import BagTask, Settings, TaskOutputs
from pose_ros.bags.message_types import typestore
from pose_ros.bags.reader import open_bag
from pose_ros.bags.writer import STORAGES, add_topic, open_bag_writer
from pose_ros.cli.main import main
from pose_ros.errors import OutputError, SourceError
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.messages.headers import nanoseconds_of
from pose_ros.messages.poses import poses_from_msg, skeleton_from_msg
from pose_ros.settings.estimation import HandOptions
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.outputs import ExportOptions, OverlayOptions
from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic

DEPTH, IMAGES = "/camera/depth/image_raw", "/camera/image_raw"
SETTINGS = Settings(depth=DEPTH, gestures=GestureOptions(hold_time=0.1))


@pytest.fixture(scope="module")
def results(scene_bag, tmp_path_factory):
    """All that is written of a recording."""
    folder = tmp_path_factory.mktemp("results")
    outputs = TaskOutputs(
        bag=str(folder / "results"),
        copy_images=True,
        foxglove=True,
        json=str(folder / "people.jsonl"),
        overlay=str(folder / "people.mp4"),
        drawing=OverlayOptions(overlay="links"),
        report=str(folder / "people.html"),
    )
    progress = []
    task = BagTask(
        str(scene_bag), Settings(**{**vars(SETTINGS), "hands": HandOptions(enabled=True)}), outputs
    )
    report = run_task(task, lambda *reported: progress.append(reported))
    return folder, report, progress


def read(path):
    """Return topic, type, time and message of all that a bag holds, by its own definitions."""
    with AnyReader([path]) as reader:
        assert reader.typestore.types.keys() >= {"pose_ros/msg/PoseArray"}
        return [
            (c.topic, c.msgtype, time, reader.deserialize(data, c.msgtype))
            for c, time, data in reader.messages()
        ]


def raw(path, *topics):
    with open_bag(path) as bag:
        return [(m.topic, m.nanoseconds, bytes(m.data)) for m in bag.messages(topics)]


def test_the_bag_has_the_nodes_topics_under_the_images_stamps(results, scene_bag):
    folder, report, progress = results
    assert (report.images, report.with_people, report.people) == (12, 12, 1)
    assert report.exit_code == 0
    assert progress == [(i, 12) for i in range(1, 13)]
    messages = read(folder / "results")
    images = {
        nanoseconds_of(m.header.stamp): (t, m.header.frame_id)
        for topic, _, t, m in read_images(scene_bag)
        if topic == IMAGES
    }
    kinds = {topic: kind for topic, kind, _, _ in messages}
    assert kinds == {
        "/pose/poses": "pose_ros/msg/PoseArray",
        "/pose/skeleton": "pose_ros/msg/Skeleton",
        "/pose/hands": "pose_ros/msg/PoseArray",
        "/pose/hands/skeleton": "pose_ros/msg/Skeleton",
        "/gesture/gestures": "pose_ros/msg/GestureArray",
        "/pose/image_annotations": "foxglove_msgs/msg/ImageAnnotations",
        "/pose/scene": "foxglove_msgs/msg/SceneUpdate",
        "/tf": "tf2_msgs/msg/TFMessage",
        "/tf_static": "tf2_msgs/msg/TFMessage",
        IMAGES: "sensor_msgs/msg/Image",
        "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
        DEPTH: "sensor_msgs/msg/Image",
    }
    for name in ("/pose/poses", "/pose/hands", "/gesture/gestures"):
        heard = {
            nanoseconds_of(m.header.stamp): (time, m.header.frame_id)
            for topic, _, time, m in messages
            if topic == name
        }
        assert heard == images
    (poses, *_) = (m for topic, _, _, m in messages if topic == "/pose/poses")
    assert (poses.network, poses.width, poses.height) == ("blazepose-full", 320, 240)
    (skeleton,) = (m for topic, _, _, m in messages if topic == "/pose/skeleton")
    (person,) = poses_from_msg(poses, skeleton_from_msg(skeleton))
    assert person.camera_sources.max() == 2
    gestures = [g for t, _, _, m in messages if t.startswith("/g") for g in gestures_from_msg(m)]
    assert [g.event for g in gestures if g.name == "raise_hand"][:2] == ["started", "held"]
    drawn = [m for topic, _, _, m in messages if topic == "/pose/image_annotations"]
    assert {nanoseconds_of(m.timestamp) for m in drawn} == set(images)
    texts = {text.text for m in drawn for text in m.texts}
    assert "p0" in texts
    assert any("raise_hand" in text for text in texts)
    (*_, scene) = (m for topic, _, _, m in messages if topic == "/pose/scene")
    nose = scene.entities[0].spheres[0].pose.position
    assert 1.0 < nose.z < 6.0
    frames = {f.child_frame_id for t, _, _, m in messages if t == "/tf" for f in m.transforms}
    assert frames >= {"base_link", "body_p0", "left_wrist_p0"}


def read_images(path):
    with AnyReader([path], default_typestore=typestore()) as reader:
        return [
            (c.topic, c.msgtype, time, reader.deserialize(data, c.msgtype))
            for c, time, data in reader.messages()
        ]


def test_bag_records_its_options_and_which_topics_are_latched(results, scene_bag):
    folder, _, _ = results
    with open_bag(folder / "results") as bag:
        reported = json.loads(bag.custom["pose_ros"])
    assert (reported["source"], reported["network"], reported["provider"]) == (
        scene_bag.name, "blazepose-full", "cpu",
    )  # fmt: skip
    assert reported["options"]["gestures"]["hold_time"] == 0.1
    assert reported["options"]["topic"] == IMAGES
    assert set(reported["versions"]) >= {"pose_ros", "onnxruntime"}
    with AnyReader([folder / "results"]) as reader:
        latched = {
            c.topic
            for c in reader.connections
            if c.ext.offered_qos_profiles[0].durability == QosDurability.TRANSIENT_LOCAL
        }
    assert latched == {"/pose/skeleton", "/pose/hands/skeleton", "/tf_static"}


def test_a_person_who_points_has_a_target_and_a_goal_that_moves_no_robot(tmp_path):
    source = open_synthetic("synthetic:pointing?width=320&height=240&fps=10", live=False)
    write_scene_bag(tmp_path / "bag", source, BagOptions(seconds=2.5))
    outputs = TaskOutputs(
        bag=str(tmp_path / "out"), exports=ExportOptions({"csv": str(tmp_path / "p.csv")})
    )
    run_task(BagTask(str(tmp_path / "bag"), SETTINGS, outputs))
    messages = read(tmp_path / "out")
    assert not {topic for topic, *_ in messages} & {"/goal_pose", "/cmd_vel"}
    targets, goals, held = (
        [m for t, _, _, m in messages if t == f"/gesture/{name}"]
        for name in ("target", "goal_pose", "gestures")
    )
    pointing = [
        nanoseconds_of(m.header.stamp)
        for m in held
        if any(g.name == "point" and g.event != "ended" for g in gestures_from_msg(m))
    ]
    assert [nanoseconds_of(m.header.stamp) for m in targets] == pointing
    assert len(targets) == len(goals) >= 3
    with (tmp_path / "p.gestures.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["target_frame"]]
    lens = source.view.transform[:3, 3]
    for target, goal, row in zip(targets, goals, rows, strict=True):
        place, turn = goal.pose.position, goal.pose.orientation
        assert target.point == place
        assert {target.header.frame_id, goal.header.frame_id} == {"base_link"}
        yaw = 2.0 * math.atan2(turn.z, turn.w)
        assert yaw == pytest.approx(math.atan2(place.y - lens[1], place.x - lens[0]))
        assert row["gesture"] == "point"
        known = [float(row[f"target_{axis}_m"]) for axis in "xyz"] + [float(row["goal_yaw_rad"])]
        assert known == pytest.approx([place.x, place.y, place.z, yaw], abs=1e-3)
    near = replace(SETTINGS, targets=TargetOptions(max_range=0.5))
    run_task(BagTask(str(tmp_path / "bag"), near, TaskOutputs(bag=str(tmp_path / "near"))))
    assert "/gesture/target" not in {topic for topic, *_ in read(tmp_path / "near")}
    odom = replace(SETTINGS, targets=TargetOptions(target_frame="odom"))
    lines = tmp_path / "odom.jsonl"
    run_task(BagTask(str(tmp_path / "bag"), odom, TaskOutputs(json=str(lines))))
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    pointed = [target for record in records for target in record["targets"]]
    assert {target["frame_id"] for target in pointed} == {"odom"}
    assert len(pointed) == len(targets)


def test_copied_messages_are_unchanged(results, scene_bag):
    folder, _, _ = results
    for topic in (IMAGES, DEPTH, "/camera/camera_info", "/tf_static"):
        assert raw(folder / "results", topic) == raw(scene_bag, topic)
    robot = raw(scene_bag, "/tf")
    assert [m for m in raw(folder / "results", "/tf") if m in robot] == robot


def test_video_and_json_lines_have_every_image(results):
    folder, _, _ = results
    video = cv2.VideoCapture(str(folder / "people.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    lines = [json.loads(line) for line in (folder / "people.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(12))
    assert lines[0]["poses"][0]["keypoints"][11]["camera_source"] == "depth"
    assert all("hands" in line for line in lines)


@pytest.mark.parametrize("storage", STORAGES)
def test_the_same_run_writes_the_same_bytes(scene_bag, tmp_path, storage):
    def run(folder):
        # an .rrd is another one each time: its rows have random numbers
        formats = FORMATS.keys() - {"rrd"} if storage == "mcap" else ()
        exports = {name: str(folder / f"%s.{name}") for name in formats}
        outputs = TaskOutputs(
            str(folder / "bag"),
            storage,
            exports=ExportOptions(exports),
            json=str(folder / "j"),
            overlay=str(folder / "v.mp4"),
        )
        run_task(BagTask(str(scene_bag), SETTINGS, outputs, end=0.45))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    first, second = run(tmp_path / "a"), run(tmp_path / "b")
    assert first.keys() >= {"bag/metadata.yaml", "j", "v.mp4"}
    assert all(first.values())
    assert first == second


def test_part_of_a_recording_is_analyzed_with_camera_and_frames_from_before_it(scene_bag, tmp_path):
    outputs = TaskOutputs(str(tmp_path / "part"), json=str(tmp_path / "part.jsonl"))
    report = run_task(BagTask(str(scene_bag), Settings(every=2), outputs, start=0.55, end=1.0))
    lines = [json.loads(line) for line in (tmp_path / "part.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [6, 8]
    assert report.images == 2
    messages = read(tmp_path / "part")
    # the recording has the mounting of the camera once, at its start
    assert [topic for topic, *_ in messages].count("/tf_static") == 1
    assert min(time for _, _, time, _ in messages) >= 1_700_000_000_550_000_000


def test_people_found_by_an_earlier_run_are_not_copied(results, tmp_path):
    folder, _, _ = results
    settings = Settings(topic=IMAGES, camera_info="/camera/camera_info")
    outputs = TaskOutputs(str(tmp_path / "again"))
    run_task(BagTask(str(folder / "results"), settings, outputs, end=0.25))
    frames = [
        (nanoseconds_of(f.header.stamp), f.child_frame_id)
        for topic, _, _, m in read(tmp_path / "again")
        if topic == "/tf"
        for f in m.transforms
    ]
    assert len(frames) == len(set(frames)) > 30
    assert sum(name == "base_link" for _, name in frames) == 3


def test_calibration_file_overrides_the_camera_of_the_recording(scene_bag, tmp_path):
    from pose_ros.core.camera import Calibration, Camera
    from tools.calibrations import write_calibration

    def nose(**settings):
        lines = tmp_path / "x.jsonl"
        outputs = TaskOutputs(json=str(lines), force=True)
        report = run_task(BagTask(str(scene_bag), Settings(**settings), outputs, end=0.05))
        point = json.loads(lines.read_text())["poses"][0]["keypoints"][0]["camera"]
        return point, report

    write_calibration(tmp_path / "c.yaml", Calibration(Camera.from_hfov(320, 240, 20.0)))
    own, _ = nose()
    narrow, _ = nose(calibration=(tmp_path / "c.yaml").read_text())
    assert narrow[2] > 2 * own[2]
    assert nose(hfov=20.0)[0] == own, "made up although the recording tells of its camera"
    write_calibration(tmp_path / "c.yaml", Calibration(Camera.from_hfov(640, 480, 60.0)))
    assert nose(calibration=(tmp_path / "c.yaml").read_text())[0] is None


def test_report_of_a_run_equals_that_of_its_bag(results, tmp_path):
    folder, _, _ = results
    words = ["--out", str(tmp_path / "bag.html"), "--topic", IMAGES, "--quiet"]
    assert main(["bag", "report", str(folder / "results"), *words]) == 0
    pages = folder / "people.html", tmp_path / "bag.html"
    run, bag = (set(page.read_text().splitlines()) for page in pages)
    # the run alone knows how many images it was given
    assert len(run ^ bag) < 0.01 * len(run)
    assert any("<svg" in line for line in run & bag)


def test_images_that_cannot_be_used_are_counted(scene_bag, tmp_path):
    damaged = tmp_path / "damaged"
    kind = "sensor_msgs/msg/Image"
    with open_bag(scene_bag) as bag, open_bag_writer(damaged, "sqlite3") as writer:
        connection = add_topic(writer, IMAGES, kind)
        for number, message in enumerate(bag.messages([IMAGES])):
            image = message.read()
            if number == 1:
                image.header.stamp.sec = image.header.stamp.nanosec = 0
            if number in (2, 5):
                image.encoding = "yuv411_of_mine"
            writer.write(connection, message.nanoseconds, typestore().serialize_cdr(image, kind))
    report = run_task(BagTask(str(damaged), outputs=TaskOutputs(json=str(tmp_path / "x.jsonl"))))
    assert (report.images, sorted(report.refused.values()), report.exit_code) == (9, [1, 2], 2)


def test_recording_cut_off_gives_results_of_the_remaining_images(scene_bag, tmp_path):
    cut = tmp_path / "cut.mcap"
    whole = next(scene_bag.glob("*.mcap")).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    report = run_task(BagTask(str(cut), SETTINGS, TaskOutputs(str(tmp_path / "results"))))
    assert 0 < report.images < 12
    assert report.damage
    assert report.exit_code == 2
    assert len(raw(tmp_path / "results", "/pose/poses")) == report.images
    assert cut.read_bytes() == whole[: len(whole) // 2]


def test_run_that_fails_leaves_no_files(scene_bag, tmp_path):
    outputs = TaskOutputs(str(tmp_path / "results"), json=str(tmp_path / "x.jsonl"))

    def fail(done, _count):
        if done == 2:
            raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="disk is full"):
        run_task(BagTask(str(scene_bag), Settings(), outputs), fail)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError, match="/nope"):
        run_task(BagTask(str(scene_bag), Settings(topic="/nope"), outputs))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "outputs",
    [
        {"bag": "out", "storage": "sqlite3"},
        {"bag": "out", "storage": "mcap"},
        {"json": "out"},
        {"overlay": "out.mp4"},
        {"exports": ExportOptions({"csv": "out"})},
    ],
)
# rosbags leaves a database that it cannot write to the garbage collector, which closes it
@pytest.mark.filterwarnings("ignore:.*sqlite3.Connection:pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_gives_a_one_line_error_and_leaves_nothing(
    scene_bag, tmp_path, monkeypatch, outputs
):
    monkeypatch.chdir(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write (the video )?out"):
            run_task(BagTask(str(scene_bag), Settings(), TaskOutputs(**outputs), end=0.45))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_the_recording_itself_is_never_written_over(scene_bag, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(scene_bag, copy)
    for target in (copy, copy / "results", tmp_path):
        with pytest.raises(OutputError, match="only read"):
            run_task(BagTask(str(copy), outputs=TaskOutputs(str(target), force=True)))
