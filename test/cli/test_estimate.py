"""``pose-ros estimate`` over pictures, videos and the synthetic actor, with the real network."""

import json
import os
import re

import cv2
import numpy as np
import pytest

from pose_ros.cli.main import main
from pose_ros.sources.opening import open_source
from pose_ros.video_files import VideoWriter
from pose_ros.viz.image_writers import fill_pattern


@pytest.fixture(scope="module")
def actor_frames():
    source = open_source("synthetic:stand", fps=10, live=False)
    frames = [source.read() for _ in range(3)]
    source.close()
    return [
        f.image if f.channels == "bgr" else cv2.cvtColor(f.image, cv2.COLOR_RGB2BGR) for f in frames
    ]


@pytest.fixture
def pictures(actor_frames, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, image in zip(("b.png", "a10.png", "a2.png"), actor_frames, strict=True):
        cv2.imwrite(str(folder / name), image)
    return folder


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_pictures_give_json_lines_and_overlays(pictures, tmp_path, capsys):
    out, lines = tmp_path / "out" / "%s.jpg", tmp_path / "deep" / "out.jsonl"
    assert main(["estimate", str(pictures), "--json", str(lines), "--out", str(out)]) == 0
    records = read_lines(lines)
    assert [r["source"] for r in records] == ["a2.png", "a10.png", "b.png"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["a10.jpg", "a2.jpg", "b.jpg"]
    for record in records:
        assert (record["width"], record["height"]) == (640, 480)
        assert (record["network"], record["skeleton"]) == ("blazepose-full", "blazepose33")
        (person,) = record["poses"]
        assert person["id"] == 0
        assert len(person["keypoints"]) == 33
        assert person["keypoints"][0]["camera"] is None
        assert len(person["keypoints"][0]["world"]) == 3
    drawn = cv2.imread(str(out.parent / "b.jpg")).astype(int)
    plain = cv2.imread(str(pictures / "b.png")).astype(int)
    assert (np.abs(drawn - plain).max(axis=2) > 60).sum() > 500
    assert "3 frames, 3 with people" in capsys.readouterr().err


def test_video_gives_a_video_and_json_with_its_stamps(actor_frames, tmp_path):
    clip, out, lines = (tmp_path / name for name in ("in.avi", "out.mp4", "out.jsonl"))
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for image in actor_frames:
        writer.write(image)
    writer.release()
    assert main(["estimate", str(clip), "--out", str(out), "--json", str(lines), "--quiet"]) == 0
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    stamps = [r["stamp"] for r in read_lines(lines)]
    assert stamps == pytest.approx([0, 0.1, 0.2], abs=1e-3)
    assert [r["poses"][0]["id"] for r in read_lines(lines)] == [0, 0, 0]


def test_upper_body_is_written_as_json_to_stdout(capsys):
    arguments = ["estimate", "synthetic:wave", "--frames", "2", "--json", "-", "--quiet"]
    assert main([*arguments, "--upper-body-only"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 2
    assert records[0]["skeleton"] == "blazepose33_upper_body"
    assert len(records[0]["poses"][0]["keypoints"]) == 25
    assert records[0]["poses"][0]["keypoints"][0]["z"] is None


def test_another_network_gives_json_and_overlays_too(data, posenet_models, tmp_path):
    picture, lines = data / "images" / "humans_4.jpg", tmp_path / "out.jsonl"
    words = ["--network", "posenet-mobilenet", "--models-dir", str(posenet_models), "--quiet"]
    words += ["--max-people", "10", "--json", str(lines), "--out", str(tmp_path / "%s.jpg")]
    assert main(["estimate", str(picture), *words]) == 0
    (record,) = read_lines(lines)
    assert (record["network"], record["skeleton"]) == ("posenet-mobilenet", "coco17")
    assert len(record["poses"]) == 5
    drawn = cv2.imread(str(tmp_path / "humans_4.jpg")).astype(int)
    plain = cv2.imread(str(picture)).astype(int)
    for person in record["poses"]:
        assert [k["name"] for k in person["keypoints"][:2]] == ["nose", "left_eye"]
        assert all(k["world"] is None for k in person["keypoints"])
        seen = [k for k in person["keypoints"] if k["score"] >= 0.5]
        assert len(seen) > 8
        changed = [np.abs(drawn - plain)[round(k["y"]), round(k["x"])].max() for k in seen]
        assert np.mean(np.array(changed) > 20) > 0.9


def test_hands_are_written_and_drawn_at_the_wrists_of_their_people(data, tmp_path, capsys):
    picture, lines = data / "images" / "peds_3.jpg", tmp_path / "out.jsonl"
    arguments = ["estimate", str(picture), "--hands", "--json", str(lines)]
    assert main([*arguments, "--out", str(tmp_path / "%s.png")]) == 0
    (record,) = read_lines(lines)
    (person,) = record["poses"]
    image = cv2.imread(str(tmp_path / "peds_3.png"))
    wrists = {p["name"]: (p["x"], p["y"]) for p in person["keypoints"]}
    assert [(h["person"], h["id"], h["label"]) for h in record["hands"]] == [
        (0, 0, "left"), (0, 1, "right"),
    ]  # fmt: skip
    for hand in record["hands"]:
        wrist = hand["keypoints"][0]
        away = np.subtract((wrist["x"], wrist["y"]), wrists[f"{hand['label']}_wrist"])
        assert np.hypot(*away) < 20
        assert hand["label_score"] > 0.5
        # drawn in the color of its side, orange or cyan, at the tips that no body has
        tip = hand["keypoints"][12]
        blue, _, red = (int(v) for v in image[round(tip["y"]), round(tip["x"])])
        assert (red > blue) == (hand["label"] == "left")
    assert "1 with people (1 pose in all, 2 hands)" in capsys.readouterr().err


def test_broken_picture_is_reported_and_the_others_are_estimated(pictures, tmp_path, capsys):
    (pictures / "a5.png").write_bytes(b"this is no picture")
    lines = tmp_path / "out.jsonl"
    assert main(["estimate", str(pictures), "--json", str(lines), "--quiet"]) == 1
    assert [r["source"] for r in read_lines(lines)] == ["a2.png", "a10.png", "b.png"]
    error = capsys.readouterr().err
    assert "a5.png" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "1.5"], "threshold must be in [0, 1], got 1.5"),
        (["--max-people", "0"], "max_people"),
        (["--threads", "0"], "threads"),
        (["--network", "nothing"], "blazepose-full"),
        (["--network", "blazehand-full", "--hands"], "blazehand21 has no left_wrist"),
        (["--hands", "--hand-network", "blazepose-full"], "finds no hands at the wrists"),
        (["--hand-network", "blazehand-lite"], "--hand-network works only with --hands"),
        (["--overlay", "bones"], "box,links,keypoints"),
        (["--keypoint-scale", "0"], "keypoint_scale must be in [0.0001, 1]"),
        (["--link-scale", "2"], "link_scale must be in [0.0001, 1] of the image's longer side"),
        (["--provider", "cuda"], "has no cuda"),
        (["--provider", "cpu", "--require-gpu"], "require_gpu"),
        (["--require-gpu"], "this onnxruntime has no provider for a GPU (it has cpu)"),
        (["--provider", "cpu", "--precision", "fp16"], "precision 'fp16' contradicts"),
        (["--frames", "0"], "--frames"),
        (["--out", "same.jpg"], "written twice"),
        (["--json", "/dev/null/x"], "/dev/null"),
    ],
)
def test_impossible_arguments_give_a_one_line_error(
    pictures, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    if "has no" in message and "CUDAExecutionProvider" in _providers():
        pytest.skip("this onnxruntime has CUDA")
    assert main(["estimate", str(pictures), "--quiet", *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def _providers():
    import onnxruntime

    return onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("out/%s.jpg", "out/a b.jpg"),
        ("%i.png", "7.png"),
        ("%04i.png", "0007.png"),
        ("%s_%03d.png", "a b_007.png"),
        ("100%.png", "100%.png"),
    ],
)
def test_output_pattern_is_filled_with_name_and_number(pattern, name):
    assert fill_pattern(pattern, "folder/a b.png", 7) == name


def test_pattern_advised_for_pictures_with_the_same_name_works(
    pictures, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    twice = ["estimate", *[str(pictures / "b.png")] * 2, "--quiet", "--out"]
    assert main([*twice, "out/%s.jpg"]) == 1
    (advised,) = re.findall(r"--out (\S*%\S*),", capsys.readouterr().err)
    assert main([*twice, advised]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0000.jpg", "0001.jpg"]


def test_pictures_are_numbered_through_all_inputs(pictures, tmp_path):
    """As jetson-inference numbers them: ``humans_*.jpg`` to ``humans_%i.jpg``."""
    arguments = ["estimate", str(pictures / "a*.png"), str(pictures / "b.png"), "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "pose_%i.png")]) == 0
    for number, name in enumerate(("a2.png", "a10.png", "b.png")):
        drawn = cv2.imread(str(tmp_path / f"pose_{number}.png")).astype(int)
        plain = cv2.imread(str(pictures / name)).astype(int)
        assert np.mean(np.abs(drawn - plain).max(axis=2) > 60) < 0.1


def test_scales_change_the_size_of_keypoints_and_links(pictures, tmp_path):
    changed = []
    for scale in ("0.002", "0.02"):
        out = tmp_path / f"{scale}.png"
        scales = ["--keypoint-scale", scale, "--link-scale", scale]
        arguments = ["estimate", str(pictures / "b.png"), "--quiet", "--out", str(out)]
        assert main([*arguments, "--overlay", "default", *scales]) == 0
        difference = cv2.absdiff(cv2.imread(str(out)), cv2.imread(str(pictures / "b.png")))
        changed.append((difference.max(axis=2) > 60).sum())
    assert changed[1] > 4 * changed[0] > 0


def test_camera_of_a_bag_is_used(scene_bag, tmp_path, capsys):
    lines, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    words = ["--json", str(lines), "--csv", str(table), "--gestures", "--hold-time", "0.1"]
    words += ["--report", str(tmp_path / "out.html")]
    assert main(["estimate", str(scene_bag), *words]) == 0
    records = read_lines(lines)
    assert [r["stamp"] for r in records][:2] == [1_700_000_000.0, 1_700_000_000.1]
    assert len(records) == 12
    nose = records[5]["poses"][0]["keypoints"][0]
    assert nose["camera_source"] == "model"
    assert nose["camera"][2] > 1
    gestures = [(g["name"], g["event"]) for r in records for g in r["gestures"]]
    assert gestures[:2] == [("raise_hand", "started"), ("raise_hand", "held")]
    assert "raise_hand" in (tmp_path / "out.gestures.csv").read_text()
    assert "raise hand" in (tmp_path / "out.html").read_text()
    capsys.readouterr()
    assert main(["estimate", str(scene_bag), *words, "--quiet"]) == 1
    assert "is there already" in capsys.readouterr().err


def test_damaged_bag_ends_with_exit_code_2(scene_bag, tmp_path, capsys):
    whole = next(scene_bag.glob("*.mcap")).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) // 3])
    words = ["--json", str(tmp_path / "out.jsonl"), "--quiet"]
    assert main(["estimate", str(tmp_path / "cut.mcap"), *words]) == 2
    assert "cut.mcap" in capsys.readouterr().err
    assert read_lines(tmp_path / "out.jsonl")


def test_camera_option_gives_meters(pictures, tmp_path, caplog):
    def distance(*words):
        lines = ["--json", "x", "--force", "--quiet"]
        assert main(["estimate", str(pictures / "b.png"), *lines, *words]) == 0
        point = read_lines(tmp_path / "x")[0]["poses"][0]["keypoints"][0]["camera"]
        return point and point[2]

    from pose_ros.core.camera import Calibration, Camera
    from tools.calibrations import write_calibration

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        write_calibration(tmp_path / "c.yaml", Calibration(Camera.from_hfov(640, 480, 60.0)))
        assert distance() is None
        reported = distance("--camera-info", "c.yaml")
        assert distance("--hfov", "60") == pytest.approx(reported)
        tall = distance("--hfov", "60", "--person-height", "2.2")
        small = distance("--hfov", "60", "--person-height", "1.2")
        assert small < reported < tall
        write_calibration(tmp_path / "c.yaml", Calibration(Camera.from_hfov(320, 240, 60.0)))
        assert distance("--camera-info", "c.yaml") is None
        assert "no meters" in caplog.text


def test_file_names_that_are_not_utf8_are_read_and_written(pictures, tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9")
    (pictures / "b.png").rename(tmp_path / f"{odd}.png")
    outputs = [f"--{kind}={tmp_path / odd}.{kind}" for kind in ("csv", "report", "json")]
    outputs[1] = outputs[1].removesuffix("report") + "html"
    video, folder = tmp_path / f"{odd}.mp4", tmp_path / f"{odd}_out"
    assert main(["estimate", f"{tmp_path / odd}.png", *outputs, "--out", str(video)]) == 0
    assert main(["estimate", f"{tmp_path / odd}.png", "--out", f"{folder}/"]) == 0
    assert [path.name for path in folder.iterdir()] == [r"caf\xe9.jpg"]
    (record,) = read_lines(tmp_path / f"{odd}.json")
    assert record["source"] == r"caf\xe9.png"
    assert r"caf\xe9.png" in (tmp_path / f"{odd}.csv").read_text(encoding="utf-8")
    assert r"caf\xe9.png" in (tmp_path / f"{odd}.html").read_text(encoding="utf-8")
    source = open_source(str(video))
    assert source.read() is not None
    source.close()
    assert r"caf\xe9.mp4" in capsys.readouterr().err


def test_overlay_of_uneven_frames_lasts_as_long_as_they_do(actor_frames, tmp_path):
    times = [0.0, 0.03, 0.5, 0.53, 2.0]
    writer = VideoWriter(tmp_path / "clip.mkv")
    for i, time in enumerate(times):
        writer.write(actor_frames[i % 3], 3600.0 + time)
    writer.close()
    out = tmp_path / "out.mp4"
    assert main(["estimate", str(tmp_path / "clip.mkv"), "--out", str(out), "--quiet"]) == 0
    source = open_source(str(out))
    stamps = [frame.stamp for _ in range(9) if (frame := source.read())]
    source.close()
    np.testing.assert_allclose(stamps, times, atol=1.1e-3)


def test_truncated_video_ends_with_exit_code_2(actor_frames, tmp_path, caplog):
    writer = VideoWriter(tmp_path / "clip.avi")
    for i in range(6):
        writer.write(actor_frames[i % 3], i / 30)
    writer.close()
    data = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(data[: len(data) * 2 // 3])
    lines = tmp_path / "out.jsonl"
    assert main(["estimate", str(tmp_path / "clip.avi"), "--json", str(lines), "--quiet"]) == 2
    assert 3 <= len(read_lines(lines)) <= 4
    assert "of its 6 frames cannot be read" in caplog.text
