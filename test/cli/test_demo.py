"""``pose-ros demo --write-bag``: a scene as a bag, without ROS."""

from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from pose_ros.cli.main import main

SMALL = "width=64&height=48&camera_height=1.4"


def test_scene_is_written_as_a_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bag"
    options = ["--write-bag", str(path), "--seconds", "0.6", "--fps", "5", "--storage", "mcap"]
    assert main(["demo", "--scene", f"pointing?{SMALL}&seed=4", *options]) == 0
    assert f"{path}: 3 images, 0.6 s" in capsys.readouterr().out
    with Reader(path) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts["/camera/image_raw"] == counts["/truth/poses"] == 3
    assert counts["/camera/depth/image_raw"] == 3


def test_quiet_bag_without_depth_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bag"
    arguments = [f"--write-bag={path}", "--seconds=0.2", "--depth=none", "--quiet"]
    assert main(["demo", f"--scene=box?{SMALL}", *arguments]) == 0
    done = capsys.readouterr()
    assert not done.out + done.err
    with Reader(path) as reader:
        assert not [c.topic for c in reader.connections if "depth" in c.topic]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--scene", "moon"], "unknown scene 'moon'; known: gestures, pointing, walking, people"),
        (["--scene", "box?size=3"], "unknown option 'size'"),
        (["--scene", "box?live=1"], "live=0"),
        (["--fps", "0"], "fps must be above 0"),
        (["--seconds", "-1"], "seconds must be above 0"),
        (["--depth", "8UC1"], "depth must be one of 16UC1"),
        (["--storage", "zip"], "storage must be sqlite3 or mcap"),
    ],
)
def test_errors_are_printed_in_one_line(
    tmp_path: Path, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--write-bag", str(tmp_path / "bag"), *arguments]) == 1
    done = capsys.readouterr()
    assert text in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "bag").exists()


def test_demo_help_names_the_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["demo", "--write-bag", str(tmp_path), "--help"])
    assert end.value.code == 0
    assert "pillar" in capsys.readouterr().out
