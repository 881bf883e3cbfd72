"""``pose-ros bag info``: what it tells of recordings, good and bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pose_ros.cli.bag_info import table
from pose_ros.cli.main import main
from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic
from tools.bags import MessageToWrite, compressed, depth, header, image, info, picture, write_bag


def reported(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["bag", "info", str(path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_scene_lists_its_topics_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_synthetic("synthetic:box?width=64&height=48&fps=10", live=False, loop=True)
    write_scene_bag(tmp_path / "bag", source, BagOptions(storage="mcap", seconds=0.5))
    found = reported(tmp_path / "bag", capsys)
    assert (found["storage"], found["seconds"], found["damage"]) == ("mcap", 0.4, [])
    topics = {topic["name"]: topic for topic in found["topics"]}
    assert topics["/tf"]["count"] == 5
    assert topics["/tf"]["rate"] == pytest.approx(10)
    assert topics["/tf_static"]["rate"] is None
    depth, color = found["images"]
    assert (depth["name"], depth["encoding"], depth["depth"]) == (
        "/camera/depth/image_raw", "16UC1", True,
    )  # fmt: skip
    assert (color["width"], color["height"], color["encoding"]) == (64, 48, "bgr8")
    assert color["rate"] == pytest.approx(10)
    assert (color["gaps"], color["latency"], color["problems"]) == (0, 0, [])
    assert color["camera_info"] == "/camera/camera_info"
    assert color["depth_topics"] == {"/camera/depth/image_raw": 1.0}
    (result,) = found["results"]
    assert (result["network"], result["skeleton"]) == ("truth", "blazepose33")
    assert main(["bag", "info", str(tmp_path / "bag")]) == 0
    text = capsys.readouterr().out
    assert "/camera/image_raw: calibrated by /camera/camera_info" in text
    assert "/truth/poses: people found by truth, as blazepose33" in text


def test_gaps_latency_and_wrong_stamps_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps = [0, 100, 200, 360, 460, 760, 760, 860, 500, 600, None]
    messages = [image(100 * i + 500, head=header(stamp)) for i, stamp in enumerate(stamps)]
    messages[3] = image(800, head=header(360, frame=""))
    (found,) = reported(write_bag(tmp_path / "bag", messages), capsys)["images"]
    assert found["rate"] == pytest.approx(10)
    assert found["largest_gap"] == pytest.approx(0.3)
    assert (found["gaps"], found["long_gaps"]) == (2, 1)
    assert 0.4 < found["latency"] < 0.6
    assert found["latency_95"] > found["latency"]
    problems = "\n".join(found["problems"])
    assert "1 of 11 images have no stamp" in problems
    assert "stamps go back 1 times, by 0.36 s" in problems
    assert "1 stamps are the same" in problems
    assert "1 of 11 images have an empty frame_id" in problems


@pytest.mark.parametrize(
    ("others", "text"),
    [
        ([], "no camera_info on /cam/camera_info, so no meters"),
        ([info(0, topic="/x/camera_info")], "there is /x/camera_info: --camera-info names it"),
        ([info(0, width=32)], "is for 32x12 pixels, the images have 16x12"),
        ([info(0, zero=True)], "K is zero"),
        ([info(0), info(5), info(10, width=20)], "changes 1 times"),
        ([image(5, array=picture(height=6))], "several kinds: 16x12 bgr8, 16x6 bgr8"),
        ([image(5, head=header(5, "other"))], "several frame_ids: cam, other"),
        ([image(5, head=header(-1e10)), image(6, head=header(-1e10))], "of another clock"),
    ],
)
def test_faults_of_images_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: list[MessageToWrite], text: str
) -> None:
    path = write_bag(tmp_path / "bag", [image(0), *others])
    (found,) = reported(path, capsys)["images"]
    assert any(text in problem for problem in found["problems"]), found["problems"]
    assert main(["bag", "info", str(path)]) == 0
    assert text in capsys.readouterr().out


def test_share_of_images_with_near_depth_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = [depth(10, "/cam/aligned"), depth(220, "/cam/aligned")]
    messages = [image(0), late[0], image(100), image(200), late[1]]
    found = {
        i["name"]: i for i in reported(write_bag(tmp_path / "bag", messages), capsys)["images"]
    }
    assert found["/cam/aligned"]["depth"]
    assert found["/cam/image"]["depth_topics"] == {"/cam/aligned": pytest.approx(2 / 3)}


def test_compressed_images_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [compressed(late) for late in (0, 50, 100)]
    (found,) = reported(write_bag(tmp_path / "bag", [info(0), *messages]), capsys)["images"]
    assert (found["width"], found["height"], found["encoding"]) == (16, 12, "bgr8; png")
    assert found["rate"] == pytest.approx(20)
    assert (found["camera_info"], found["problems"]) == ("/cam/camera_info", [])


def test_lost_messages_are_counted_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bag(tmp_path / "bag", [image(10 * i) for i in range(40)])
    file = path / "bag.db3"
    file.write_bytes(file.read_bytes()[:-20_000])
    assert main(["bag", "info", str(path)]) == 2
    assert "of 40 messages are lost" in capsys.readouterr().out
    file.unlink()
    assert main(["bag", "info", str(path)]) == 1
    assert "bag.db3 is missing: 40 messages are lost" in capsys.readouterr().err


def test_empty_recording_has_no_topics_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = reported(write_bag(tmp_path / "bag", []), capsys)
    assert (found["topics"], found["images"], found["seconds"]) == ([], [], 0)
    assert main(["bag", "info", str(tmp_path / "bag")]) == 0
    assert "0 messages" in capsys.readouterr().out


def test_table_columns_are_shortened_to_its_width() -> None:
    rows = [("/a/rather/long/name/of/a/topic", "1"), ("/b", "23")]
    assert table(("NAME", "N"), rows) == [
        "NAME                             N",
        "/a/rather/long/name/of/a/topic   1",
        "/b                              23",
    ]
    assert table(("NAME", "N"), rows, width=20) == [
        "NAME               N",
        "/a/rathe…a/topic   1",
        "/b                23",
    ]
