"""``pose-ros calibrate`` on real people: intrinsics from the file, places forgotten."""

import itertools
import json
import math

import numpy as np
import pytest

from pose_ros.cli.main import main
from pose_ros.core.camera import Camera
from pose_ros.core.multiview.calibration import turned_by
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.sources.camera_rig import read_rig, write_rig


def truth(folder):
    views = []
    for name, entry in json.loads((folder / "cameras.json").read_text("utf-8")).items():
        camera = Camera(
            entry["width"], entry["height"], np.array(entry["K"]), distortion=np.array(entry["D"])
        )
        left, _, right = np.linalg.svd(entry["R"])  # to the last bit a rotation
        views.append(CameraView(name, camera, Extrinsics(left @ right, np.array(entry["t"]))))
    return CameraRig(tuple(views))


def errors(found, true):
    """Return the largest errors of a rotation, in degrees, and of a baseline, as a share."""
    places = {view.name: view.extrinsics for view in found.views}
    turns, shares = [], []
    for first, second in itertools.combinations(true.views, 2):
        a, b, c, d = first.extrinsics, second.extrinsics, places[first.name], places[second.name]
        turned = turned_by(b.rotation @ a.rotation.T, d.rotation @ c.rotation.T)
        turns.append(math.degrees(turned))
        far = np.linalg.norm(c.center - d.center) / np.linalg.norm(a.center - b.center)
        shares.append(abs(float(far) - 1.0))
    return max(turns), max(shares)


def calibrate(data, tmp_path, clip, capsys, *options):
    folder = data / "real3d" / clip
    true = truth(folder)
    write_rig(tmp_path / "known.yaml", true)
    videos = [str(folder / f"{view.name}.mp4") for view in true.views]
    output = tmp_path / "room.yaml"
    code = main(
        ["calibrate", *videos, "--intrinsics", str(tmp_path / "known.yaml"), *options]
        + ["--output", str(output)]
    )
    with capsys.disabled():
        print(f"\n{capsys.readouterr().out}")
    assert code == 0
    turn, share = errors(read_rig(output), true)
    with capsys.disabled():
        print(f"{clip}: rotations within {turn:.2f} degrees, baselines within {100 * share:.1f}%")
    return turn, share


def test_two_cameras_that_face_each_other_are_calibrated_with_a_man_of_known_height(
    data, tmp_path, capsys
):
    turn, share = calibrate(data, tmp_path, "pose2sim", capsys, "--person-height", "1.72")
    assert turn <= 1.5
    assert share <= 0.03


@pytest.mark.slow
def test_four_cameras_around_a_desk_are_calibrated_with_a_man_who_sits(data, tmp_path, capsys):
    places = {view.name: view.extrinsics.center for view in truth(data / "real3d/caliscope").views}
    meters = math.dist(places["cam_1"], places["cam_3"])
    turn, share = calibrate(
        data, tmp_path, "caliscope", capsys, "--baseline", "cam_1", "cam_3", f"{meters:.4f}"
    )
    # 1.5 degrees and 3% are not reached: docs/measurements/multiview.md
    assert turn <= 2.5
    assert share <= 0.06
