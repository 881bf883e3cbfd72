"""``pose-ros bag report``: pages from bags, by the command line."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from pose_ros.bags.message_types import types, typestore
from pose_ros.cli.main import main
from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_to_msg

COCO = skeletons.get("coco17")
START, STEP = 1_700_000_000_000_000_000, 100_000_000


def write(path, moved: float = 0.0, *, images: bool = False, count: int = 20, name="/pose/poses"):
    """Write a bag in which a person stands, all joints ``moved`` pixels to the right."""
    points = np.stack([np.linspace(20, 60, 17), np.linspace(10, 90, 17)], axis=1) + (moved, 0.0)
    poses = Poses(
        COCO,
        np.array([0]),
        np.array([0.75]),
        np.array([[20, 10, 60, 90]]),
        points[None],
        np.full((1, 17), 0.5),
    )
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {name: "pose_ros/msg/PoseArray", "/image_raw": "sensor_msgs/msg/Image"}
        made = {t: writer.add_connection(t, k, typestore=typestore()) for t, k in topics.items()}
        for i in range(count):
            stamp = START + i * STEP
            header = header_of(types, stamp, "camera")
            message = poses_to_msg(types, poses, header, "net", width=100, height=100)
            data = typestore().serialize_cdr(message, topics[name])
            if images:
                pixels = np.full((100, 100, 3), (60, 120, i), np.uint8)
                image = types("sensor_msgs/msg/Image")(
                    header=header, height=100, width=100, encoding="rgb8", is_bigendian=0,
                    step=300, data=pixels.ravel(),
                )  # fmt: skip
                raw = typestore().serialize_cdr(image, topics["/image_raw"])
                writer.write(made["/image_raw"], stamp, raw)
            writer.write(made[name], stamp + 30_000_000, data)
    return str(path)


def report(*arguments) -> int:
    """One joint: each takes its time to draw. A later option of that name counts."""
    return main(["bag", "report", "--joints", "elbow", *map(str, arguments), "--quiet"])


def test_report_of_a_bag_has_title_people_and_pictures(tmp_path) -> None:
    bag, out = write(tmp_path / "bag", images=True), tmp_path / "report.html"
    assert report(bag, "--out", out) == 0
    text = out.read_text(encoding="utf-8")
    assert "<title>bag</title>" in text
    assert "People found by net" in text
    assert "versions and options are unknown" in text
    assert "30 ms" in text  # latency of a live recording
    assert text.count("data:image/jpeg;base64,") >= 1
    assert report(bag, "--out", tmp_path / "two.html", "--no-pictures") == 0
    assert "data:image" not in (tmp_path / "two.html").read_text(encoding="utf-8")


def test_existing_report_stays_without_force(tmp_path, capsys) -> None:
    bag, out = write(tmp_path / "bag"), tmp_path / "report.html"
    out.write_text("mine")
    assert report(bag, "--out", out) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert report(bag, "--out", out, "--force", "--title", "A & B") == 0
    assert "<title>A &amp; B</title>" in out.read_text(encoding="utf-8")


def test_report_takes_pictures_from_another_bag(tmp_path) -> None:
    bag, images = write(tmp_path / "bag"), write(tmp_path / "images", images=True)
    out = tmp_path / "report.html"
    assert report(bag, "--out", out, "--images", images, "--topic", "/image_raw") == 0
    assert "data:image/jpeg;base64," in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", ["{a} --compare {b}", "--compare {a} {b}"])
def test_report_compares_two_bags_side_by_side(tmp_path, words) -> None:
    a = write(tmp_path / "one", images=True)
    b = write(tmp_path / "two", moved=4.0, count=15)
    out = tmp_path / "report.html"
    assert report(*words.format(a=a, b=b).split(), "--out", out) == 0
    text = out.read_text(encoding="utf-8")
    assert "A is one" in text
    assert "B is two" in text
    assert "5 images were looked at in A alone" in text
    # 4 pixels of a person whose box is 40 by 80
    assert "7.1%" in text
    assert "4.0 px" in text
    assert "data:image/jpeg;base64," in text


@pytest.mark.parametrize("words", ["", "{a} --compare {a} {a}", "--compare {a}"])
def test_wrong_number_of_bags_gives_a_one_line_error(tmp_path, capsys, words) -> None:
    a = write(tmp_path / "one", count=1)
    assert report(*words.format(a=a).split(), "--out", tmp_path / "report.html") == 1
    assert "--compare BAG OTHER_BAG" in capsys.readouterr().err


def test_impossible_arguments_give_a_one_line_error(tmp_path, capsys) -> None:
    bag, out = write(tmp_path / "one", count=1), tmp_path / "report.html"
    assert report(bag, "--out", out, "--joints", "elbow,nose") == 1
    assert "'nose'" in capsys.readouterr().err
    assert report(bag, "--out", out, "--poses", "/x") == 1
    assert "topics with poses: /pose/poses" in capsys.readouterr().err
    assert report(tmp_path / "nowhere", "--out", out) == 1
    assert not out.exists()


def test_report_of_a_truncated_bag_names_the_damaged_file(tmp_path, capsys) -> None:
    folder, out = tmp_path / "bag", tmp_path / "report.html"
    write(folder, count=200)
    (file,) = folder.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (folder / "metadata.yaml").unlink()
    assert report(folder, "--out", out) == 2
    said = capsys.readouterr().err
    assert file.name in said
    assert file.name in out.read_text(encoding="utf-8")
