"""Recordings of several cameras: one scene, drawn from two places, becomes skeletons in meters."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_ros.cli.main import main
from pose_ros.core.camera import Camera
from pose_ros.core.multiview.clocks import offsets_by_rays
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import choose_views, room_of, views_of_size
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.sources.camera_rig import write_rig
from pose_ros.synthetic.source import SyntheticSource, Truth, open_synthetic
from pose_ros.video_files import VideoWriter

PLACES = ("camera_y=0.7&yaw=-12", "camera_y=-0.7&yaw=12")
OPTIONS = "fps=10&width=320&height=240"


def sources(scene: str) -> list[SyntheticSource]:
    return [open_synthetic(f"synthetic:{scene}?{at}&{OPTIONS}", live=False) for at in PLACES]


def views(scene: str = "raise_hand", names: Sequence[str] = ("left", "right")) -> list[CameraView]:
    return [
        CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
        for name, source in zip(names, sources(scene), strict=True)
    ]


def people(truth: Truth) -> Poses:
    pixels = truth.pixels[None]
    box = [[*pixels[0].min(axis=0), *pixels[0].max(axis=0)]]
    return Poses(truth.skeleton, np.array([0]), np.ones(1), np.array(box), pixels, np.ones((1, 33)))


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    write_rig(tmp_path / "room.yaml", CameraRig(tuple(views())))
    return tmp_path / "room.yaml"


def estimate(rig: Path, out: Path, *options: str) -> list[dict[str, Any]]:
    specs = [f"synthetic:raise_hand?{at}&{OPTIONS}" for at in PLACES]
    given = ["--fuse", "--calibration", str(rig), "--json", str(out), "--frames", "12", "--quiet"]
    assert main(["estimate", *specs, *given, *options]) == 0
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_lines_of_json_have_meters_in_the_calibrations_world(rig: Path, tmp_path: Path) -> None:
    lines = estimate(rig, tmp_path / "a.jsonl", "--offset", "0")
    assert [line["index"] for line in lines] == list(range(12))
    truth = sources("raise_hand")[0].truth(0.0)
    off = []
    for line in lines:
        (pose,) = line["poses"]
        for point in pose["keypoints"]:
            if point["fused"] is not None:
                true = truth.world[truth.skeleton.index(point["name"])]
                off.append(np.linalg.norm(np.array(point["fused"]) - true))
    assert len(off) > 300
    assert np.median(off) < 0.08
    assert np.percentile(off, 90) < 0.2


def test_halves_of_one_video_are_two_cameras(rig: Path, tmp_path: Path) -> None:
    video, out = tmp_path / "pair.mp4", tmp_path / "a.jsonl"
    pair = sources("raise_hand")
    with contextlib.closing(VideoWriter(video, 10.0)) as writer:
        for number in range(6):
            frames = [source.read() for source in pair]
            image = np.hstack([frame.image for frame in frames if frame is not None])
            writer.write(image, number / 10.0)
    given = ["--fuse", "--calibration", str(rig), "--json", str(out), "--quiet"]
    assert main(["estimate", str(video), "--stereo", "side_by_side", *given]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(line["width"], line["height"]) for line in lines] == [(320, 240)] * 6
    known = [p["fused"] for p in lines[-1]["poses"][0]["keypoints"] if p["fused"] is not None]
    assert len(known) > 20


def test_images_of_cameras_side_by_side_are_matched_only_where_taken_at_once(
    tmp_path: Path,
) -> None:
    given = "distance=2.2&fps=10&width=640&height=480"
    specs = [f"synthetic:raise_hand?camera_y={y}&{given}" for y in (0.06, -0.06)]
    pair = [open_synthetic(spec, live=False) for spec in specs]
    seen = [
        CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
        for name, source in zip(("left", "right"), pair, strict=True)
    ]
    write_rig(tmp_path / "near.yaml", CameraRig(tuple(seen)))
    options = ["--fuse", "--calibration", str(tmp_path / "near.yaml"), "--frames", "3", "--quiet"]
    truth = pair[0].truth(0.2)
    off = {}
    for late in ("0", "0.05"):
        out = tmp_path / f"{late}.jsonl"
        assert main(["estimate", *specs, *options, "--offset", late, "--json", str(out)]) == 0
        last = json.loads(out.read_text(encoding="utf-8").splitlines()[-1])
        points = {p["name"]: np.array(p["fused"]) for p in last["poses"][0]["keypoints"]}
        names = [f"{truth.arm}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
        found = np.stack([points[name] for name in names])
        true = truth.world[[truth.skeleton.index(name) for name in names]]
        off[late] = np.linalg.norm(found - true, axis=1).max()
    assert off["0"] < 0.06
    assert off["0"] < 0.7 * off["0.05"]


def test_fusing_twice_gives_the_same_bytes(rig: Path, tmp_path: Path) -> None:
    estimate(rig, tmp_path / "a.jsonl")
    estimate(rig, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_offset_is_found_by_how_people_move() -> None:
    one, two = sources("walking")
    ours = [(i * 0.1, people(one.truth(i * 0.1))) for i in range(60)]
    # the second camera began to record 0.7 seconds later
    theirs = [(i * 0.1, people(two.truth(i * 0.1 + 0.7))) for i in range(60)]
    assert offsets_by_rays(views("walking"), [ours, theirs]) == pytest.approx([0.0, 0.7], abs=0.03)
    assert offsets_by_rays(views("walking"), [ours, ours[:1]]) == [0.0, 0.0]


def test_offset_of_people_who_stand_still_is_zero() -> None:
    one, two = sources("stand")
    samples = [[(i * 0.1, people(each.truth(0.0))) for i in range(40)] for each in (one, two)]
    assert offsets_by_rays(views("stand"), samples) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--fuse"], "needs --calibration"),
        (["--calibration", "room.yaml"], "only with --fuse"),
        (["--offset", "1"], "only with --fuse"),
        (["--fuse", "--calibration", "r", "--hfov", "60"], "--hfov is for one camera"),
        (["--fuse", "--calibration", "r", "--offset", "1", "2"], "each camera but the first"),
        (["--fuse", "--calibration", "r", "--static"], "leave out --static"),
        (["--fuse", "--calibration", "r", "--stereo", "side_by_side"], "takes one input"),
        (["--stereo", "side_by_side"], "--stereo works only with --fuse"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [f"synthetic:stand?{at}" for at in PLACES]
    assert main(["estimate", *specs, *options]) == 1
    assert reason in capsys.readouterr().err


def test_cameras_are_matched_by_name_then_by_order() -> None:
    rig = CameraRig(tuple(views(names=("cam_01", "cam_02"))))
    assert [v.name for v in choose_views(rig, ["cam02", "cam01"])] == ["cam_02", "cam_01"]
    assert [v.name for v in choose_views(rig, ["a", "b"])] == ["cam_01", "cam_02"]
    assert [v.name for v in choose_views(rig, ["cam1", "b"])] == ["cam_01", "cam_02"]
    for names in (["a"], ["cam2", "b"], ["cam1", "cam01"]):
        with pytest.raises(OptionError, match="not clear which"):
            choose_views(rig, names)


def test_camera_is_scaled_to_its_images_and_codec_padding_is_not() -> None:
    view = views()[0]
    (half,) = views_of_size([view], [(160, 120)])
    assert half.camera.matrix[0, 0] == pytest.approx(view.camera.matrix[0, 0] / 2)
    (padded,) = views_of_size([view], [(328, 240)])
    np.testing.assert_array_equal(padded.camera.matrix, view.camera.matrix)
    with pytest.raises(OptionError, match="320x240"):
        views_of_size([view], [(480, 240)])


def test_room_has_z_up_and_the_floor_at_zero() -> None:
    rig = CameraRig(tuple(views()), up=np.array([0.0, -1.0, 0.0]), floor=-1.2)
    room = room_of(rig)
    assert room is not None
    np.testing.assert_allclose(room @ [0.0, 1.2, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(room_of(CameraRig(tuple(views()))), np.eye(4))
    lying = CameraView("a", Camera.from_hfov(64, 48, 60.0), Extrinsics(np.eye(3), np.zeros(3)))
    assert room_of(CameraRig((lying,))) is None
