"""``pose-ros calibrate``: options, errors, and two cameras that see a board."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pose_ros.analysis.rig_calibration import SeenPeople
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.writer import add_topic, open_bag_writer
from pose_ros.cli.main import main
from pose_ros.core import skeletons
from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.multiview.boards import CalibrationBoard
from pose_ros.core.multiview.calibration import CameraFit, PersonTrack, RigCalibration
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.messages.cameras import camera_info_to_msg
from pose_ros.messages.headers import header_of
from pose_ros.messages.images import image_to_msg
from pose_ros.sources.camera_rig import read_rig, write_rig
from pose_ros.video_files import VideoWriter

BOARD = "charuco:5x7:0.04:0.03"
CAMERA = Camera.from_hfov(640, 480, hfov_degrees=60.0)
TURN = cv2.Rodrigues(np.array([0.0, 0.35, 0.0]))[0]
PAIR = (
    CameraView("left", CAMERA, Extrinsics(np.eye(3), np.zeros(3))),
    CameraView("right", CAMERA, Extrinsics(TURN, -TURN @ np.array([0.30, 0.0, 0.05]))),
)


def drawn_board(name=BOARD, count=10):
    """Yield what two cameras see of a board that is turned before them: view, number, image."""
    board = CalibrationBoard.parse(name)
    scale = 3000.0
    flat = board.draw(scale)
    margin = round(0.02 * scale)
    generator = np.random.default_rng(0)
    poses = [
        (cv2.Rodrigues(generator.uniform(-0.4, 0.4, 3))[0],
         np.array([-0.1, -0.14, 0.75]) + generator.uniform(-0.06, 0.06, 3))
        for _ in range(count)
    ]  # fmt: skip
    pixels = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, scale]]) / scale
    for view in PAIR:
        matrix = view.camera.matrix @ view.extrinsics.rotation
        offset = view.camera.matrix @ view.extrinsics.translation
        for number, (turn, shift) in enumerate(poses):
            # meters of the board, z = 0, to pixels
            homography = np.column_stack([matrix @ turn[:, :2], matrix @ shift + offset])
            image = cv2.warpPerspective(
                flat, homography @ pixels, (640, 480), flags=cv2.INTER_AREA, borderValue=[128]
            )
            yield view, number, np.repeat(image[..., None], 3, axis=2)


def draw_videos(folder, board=BOARD, count=10):
    with contextlib.ExitStack() as stack:
        videos = {
            view.name: stack.enter_context(
                contextlib.closing(VideoWriter(folder / f"{view.name}.mp4", 10.0))
            )
            for view in PAIR
        }
        for view, number, image in drawn_board(board, count):
            videos[view.name].write(image, number / 10.0)
    return [str(folder / f"{view.name}.mp4") for view in PAIR]


def write_bag(path):
    """Write both cameras into one bag, each with its camera_info, and an overlay of one."""
    kinds = {"image": "sensor_msgs/msg/Image", "camera_info": "sensor_msgs/msg/CameraInfo"}
    with open_bag_writer(path, "mcap") as writer:
        topics = {
            f"/{name}/{topic}": (add_topic(writer, f"/{name}/{topic}", kind), kind)
            for name in ("left", "right", "pose/overlay")
            for topic, kind in kinds.items()
        }
        for view, number, image in drawn_board():
            now = (1_700_000_000 * 10 + number) * 100_000_000
            header = header_of(types, now, view.name)
            info = camera_info_to_msg(types, Calibration(view.camera), header)
            picture = image_to_msg(types, image, "bgr", header)
            for name in (view.name, *(["pose/overlay"] if view.name == "left" else [])):
                for topic, message in (("camera_info", info), ("image", picture)):
                    connection, kind = topics[f"/{name}/{topic}"]
                    writer.write(connection, now, typestore().serialize_cdr(message, kind))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return draw_videos(tmp_path_factory.mktemp("videos"))


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


def test_two_cameras_are_calibrated_by_a_checkerboard_and_their_field_of_view(tmp_path, capsys):
    board = "checkerboard:8x6:0.025"
    videos, output = draw_videos(tmp_path, board, 5), tmp_path / "room.yaml"
    arguments = ["calibrate", *videos, "--board", board, "--hfov", "60", "--output", str(output)]
    assert main(arguments) == 0
    assert "guess" not in capsys.readouterr().err
    found = read_rig(output)
    np.testing.assert_allclose(found.views[1].extrinsics.center, [0.30, 0.0, 0.05], atol=0.003)


def test_halves_of_one_video_are_calibrated_as_two_cameras(tmp_path, capsys):
    halves: dict[int, dict[str, np.ndarray]] = {}
    for view, number, image in drawn_board():
        halves.setdefault(number, {})[view.name] = image
    video, output = tmp_path / "pair.mp4", tmp_path / "pair.yaml"
    with contextlib.closing(VideoWriter(video, 10.0)) as writer:
        for number, both in sorted(halves.items()):
            writer.write(np.hstack([both["left"], both["right"]]), number / 10.0)
    write_rig(tmp_path / "known.yaml", CameraRig(PAIR))
    arguments = [
        *("calibrate", str(video), "--stereo", "side_by_side", "--board", BOARD),
        *("--intrinsics", str(tmp_path / "known.yaml"), "--output", str(output)),
    ]
    assert main(arguments) == 0
    found = read_rig(output)
    assert [view.name for view in found.views] == ["left", "right"]
    assert found.views[0].camera.width == 640
    np.testing.assert_allclose(found.views[1].extrinsics.center, [0.30, 0.0, 0.05], atol=0.003)
    assert main(["calibrate", str(video), *arguments[1:], "--force"]) == 1
    assert "--stereo takes one input with both halves" in capsys.readouterr().err


def test_guessed_intrinsics_are_stated_and_offsets_of_videos_are_not_kept(
    videos, tmp_path, capsys, monkeypatch
):
    seen: list[Camera] = []

    def look(_source, name, *_):
        track = PersonTrack(name, CAMERA, np.arange(2.0), np.ones((2, 33, 2)))
        return SeenPeople(track, (track,), 0.0, (640, 480), None)

    def solve(tracks, *_, **__):
        seen.extend(track.camera for track in tracks)
        fits = tuple(CameraFit(view.name, 9, 1.0, 2.0, 0.01, 0.01, 0.5, 0.02) for view in PAIR)
        ground = {"up": [0.0, 0.0, 1.0], "floor": 0.0, "up_sigma": 0.02, "floor_sigma": 0.07}
        return RigCalibration(
            PAIR, fits, np.zeros((1, 33, 3)), offsets=np.array([0.0, 0.35]), **ground
        )

    body = SimpleNamespace(skeleton=skeletons.get("blazepose33"))
    monkeypatch.setattr("pose_ros.cli.calibrate.look_for_people", look)
    monkeypatch.setattr("pose_ros.cli.calibrate.build_estimator", lambda _args: body)
    monkeypatch.setattr("pose_ros.cli.calibrate.calibrate_with_clocks", solve)
    output = tmp_path / "room.yaml"
    arguments = ["calibrate", *videos, "--no-hands", "--output", str(output), "--force"]
    for options, hfov in (([], 65.0), (["--hfov", "80"], 80.0)):
        assert main([*arguments, *options]) == 0
        printed = capsys.readouterr()
        said = "the intrinsics of left are not known: a guess of 65 degrees" in printed.err
        assert said == (not options)
        assert seen[-1].matrix[0, 0] == pytest.approx(320 / np.tan(np.radians(hfov / 2)))
        assert "+0.350 ± 0.020" in printed.out
        assert "z points up ± 1.1° from the floor ± 7 cm below left" in printed.out
        # when a video began says nothing of the next one
        assert read_rig(output).offsets is None


def test_two_topics_of_a_bag_are_calibrated_by_a_board_and_their_camera_info(tmp_path, capsys):
    write_bag(tmp_path / "bag")
    output = tmp_path / "room.yaml"
    arguments = ["calibrate", str(tmp_path / "bag"), "--board", BOARD, "--output", str(output)]
    assert main(arguments) == 0
    assert "guess" not in capsys.readouterr().err
    found = read_rig(output)
    assert [view.name for view in found.views] == ["left", "right"]
    np.testing.assert_allclose(found.views[1].extrinsics.center, [0.30, 0.0, 0.05], atol=0.003)
    arguments += ["--force", "--topics", "/left/image"]
    assert main(arguments) == 1
    assert "two or more cameras are needed" in capsys.readouterr().err


def test_intrinsics_of_another_shape_give_a_one_line_error(videos, tmp_path, capsys):
    square = Camera.from_hfov(480, 480, hfov_degrees=60.0)
    rig = CameraRig(tuple(replace(view, camera=square) for view in PAIR))
    write_rig(tmp_path / "known.yaml", rig)
    arguments = ["calibrate", *videos, "--board", BOARD, "--output", str(tmp_path / "room.yaml")]
    assert main([*arguments, "--intrinsics", str(tmp_path / "known.yaml")]) == 1
    error = capsys.readouterr().err
    assert "'left' is calibrated for 480x480 pixels, its images have 640x480" in error


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "two or more cameras are needed, got left"),
        (["--board", "disc:8x6:1"], "a board is charuco:"),
        (["--board", BOARD, "--person-height", "1.7"], "--person-height is not of --board"),
        (["--offsets", "0", "1", "2"], "--offsets takes a number for each of 2 cameras"),
        (["--baseline", "left", "rihgt", "2"], "there is no camera rihgt (did you mean 'right'?)"),
        (["--baseline", "left", "left", "2"], "takes two different cameras"),
        (["--topics", "/a"], "--topics is for a bag"),
        (["--person-height", "17"], "must be in [0.5, 2.5]"),
    ],
)
def test_options_that_do_not_fit_give_a_one_line_error(videos, tmp_path, capsys, options, expected):
    code = main(
        ["calibrate", *videos[: 2 if options else 1], *options]
        + ["--output", str(tmp_path / "room.yaml")]
    )
    error = capsys.readouterr().err.strip()
    assert code == 1
    assert expected in error
    assert "\n" not in error
    assert not (tmp_path / "room.yaml").exists()
