"""``pose-ros calibrate``: options, errors, and two cameras that see a board."""

import contextlib

import cv2
import numpy as np
import pytest

from pose_ros.cli.main import main
from pose_ros.core.camera import Camera
from pose_ros.core.multiview.boards import CalibrationBoard
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.sources.camera_rig import read_rig, write_rig
from pose_ros.video_files import VideoWriter

BOARD = "charuco:5x7:0.04:0.03"
CAMERA = Camera.from_hfov(640, 480, hfov_degrees=60.0)
TURN = cv2.Rodrigues(np.array([0.0, 0.35, 0.0]))[0]
PAIR = (
    CameraView("left", CAMERA, Extrinsics(np.eye(3), np.zeros(3))),
    CameraView("right", CAMERA, Extrinsics(TURN, -TURN @ np.array([0.30, 0.0, 0.05]))),
)


def draw_videos(folder):
    """Draw what two cameras see of a board that is turned before them."""
    board = CalibrationBoard.parse(BOARD)
    scale = 3000.0
    flat = board.draw(scale)
    margin = round(0.02 * scale)
    generator = np.random.default_rng(0)
    poses = [
        (cv2.Rodrigues(generator.uniform(-0.4, 0.4, 3))[0],
         np.array([-0.1, -0.14, 0.75]) + generator.uniform(-0.06, 0.06, 3))
        for _ in range(10)
    ]  # fmt: skip
    for view in PAIR:
        with contextlib.closing(VideoWriter(folder / f"{view.name}.mp4", 10.0)) as video:
            for i, (turn, shift) in enumerate(poses):
                # meters of the board, z = 0, to pixels
                matrix = view.camera.matrix @ view.extrinsics.rotation
                place = turn[:, [0, 1]], shift
                offset = view.camera.matrix @ view.extrinsics.translation
                homography = np.column_stack([matrix @ place[0], matrix @ place[1] + offset])
                pixels = np.array([[1 / scale, 0, -margin / scale], [0, 1 / scale, -margin / scale],
                                   [0, 0, 1]])  # fmt: skip
                image = cv2.warpPerspective(
                    flat, homography @ pixels, (640, 480), flags=cv2.INTER_AREA, borderValue=[128]
                )
                video.write(np.repeat(image[..., None], 3, axis=2), i / 10.0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    draw_videos(folder)
    return [str(folder / "left.mp4"), str(folder / "right.mp4")]


def test_two_cameras_are_calibrated_by_a_board(videos, tmp_path, capsys):
    write_rig(tmp_path / "known.yaml", CameraRig(PAIR))
    output = tmp_path / "room.yaml"
    arguments = [
        *("calibrate", *videos, "--board", BOARD),
        *("--intrinsics", str(tmp_path / "known.yaml"), "--output", str(output)),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "left" in printed
    assert "wrote" in printed
    found = read_rig(output)
    assert [view.name for view in found.views] == ["left", "right"]
    np.testing.assert_allclose(found.views[1].extrinsics.center, [0.30, 0.0, 0.05], atol=0.003)
    assert main(arguments) == 1
    assert "is there already: --force replaces it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "two or more cameras are needed, got left"),
        (["--board", "disc:8x6:1"], "a board is charuco:"),
        (["--board", BOARD, "--person-height", "1.7"], "--person-height is not of --board"),
        (["--offsets", "0", "1", "2"], "--offsets takes a number for each of 2 cameras"),
        (["--baseline", "left", "rihgt", "2"], "there is no camera rihgt (did you mean 'right'?)"),
        (["--baseline", "left", "left", "2"], "takes two different cameras"),
        (["--topics", "/a"], "--topics is of a bag"),
        (["--person-height", "17"], "must be in [0.5, 2.5]"),
    ],
)
def test_options_that_do_not_fit_are_one_line(videos, tmp_path, capsys, options, expected):
    code = main(
        ["calibrate", *videos[: 2 if options else 1], *options]
        + ["--output", str(tmp_path / "room.yaml")]
    )
    error = capsys.readouterr().err.strip()
    assert code == 1
    assert expected in error
    assert "\n" not in error
    assert not (tmp_path / "room.yaml").exists()
