"""Bags that are whole: both storages, alone and in folders, against what rosbags reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from pose_ros.bags.images import BagImages
from pose_ros.bags.reader import open_bag
from pose_ros.errors import OptionError, SourceError
from pose_ros.sources.opening import expand_inputs, open_source
from pose_ros.synthetic.scene_bag import START_SECONDS, BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic

SPEC = "synthetic:people?width=160&height=120&fps=10&camera_x=0.1&pitch=5&seed=2"
START = START_SECONDS * 10**9
DEPTH = "/camera/depth/image_raw"


@pytest.fixture(scope="module", params=["sqlite3", "mcap"])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("bags") / request.param
    source = open_synthetic(SPEC, live=False, loop=True)
    write_scene_bag(path, source, BagOptions(storage=request.param, seconds=1.5))
    return path


def reference(path: Path) -> list[tuple[str, str, int, bytes]]:
    with AnyReader([path]) as reader:
        return [(c.topic, c.msgtype, stamp, bytes(data)) for c, stamp, data in reader.messages()]


def storage_file(path: Path) -> Path:
    (found,) = (file for file in path.iterdir() if file.suffix in (".db3", ".mcap"))
    return found


def test_messages_equal_those_that_rosbags_reads(bag: Path) -> None:
    expected = reference(bag)
    for path in (bag, storage_file(bag), bag / "metadata.yaml"):
        with open_bag(path) as opened:
            found = [(m.topic, m.kind, m.nanoseconds, m.data) for m in opened.messages()]
            assert found == expected
            assert opened.damage == ()
            assert (opened.start_nanoseconds, opened.end_nanoseconds) == (
                START,
                START + 1_400_000_000,
            )
            counts = {topic.name: topic.count for topic in opened.topics}
            assert counts["/tf_static"] == 1
            assert sum(counts.values()) == len(expected)
            assert opened.storage == bag.name


def test_time_range_and_topics_select_messages(bag: Path) -> None:
    expected = [m for m in reference(bag) if m[0] == "/camera/image_raw"]
    with open_bag(bag) as opened:
        window = ["/camera/image_raw"], START + 500_000_000, START + 900_000_000
        found = list(opened.messages(*window))
        assert [m.nanoseconds for m in found] == [START + i * 100_000_000 for i in range(5, 9)]
        assert [m.data for m in found] == [m[3] for m in expected[5:9]]
        assert opened.count("/camera/image_raw", *window[1:]) == 4
        heads = list(opened.messages(window[0], head=100))
        assert [m.data for m in heads] == [m[3][:100] for m in expected]
        assert {m.size for m in heads} == {len(expected[0][3])}


def test_message_is_read_with_its_fields(bag: Path) -> None:
    with open_bag(bag) as opened:
        poses: Any = next(opened.messages(["/truth/poses"])).read()
        assert poses.skeleton == "blazepose33"
        assert opened.knows("pose_ros/msg/PoseArray")
        assert not opened.knows("foo_msgs/msg/Foo")


def test_images_come_with_camera_depth_and_up(bag: Path) -> None:
    source = open_synthetic(SPEC, live=False, loop=True)
    with open_bag(bag) as opened:
        images = BagImages(opened, depth=DEPTH)
        assert (images.topic, images.camera_info) == ("/camera/image_raw", "/camera/camera_info")
        assert (images.length, images.live) == (15, False)
        assert images.fps == pytest.approx(10)
        found = list(images)
        assert images.refused == {}
        assert images.notes == ()
    assert len(found) == 15
    for i, each in enumerate(found):
        frame = source.read()
        assert frame is not None
        np.testing.assert_array_equal(each.frame.image, frame.image)
        assert (each.frame.index, each.frame.channels) == (i, "bgr")
        assert each.nanoseconds == each.recorded == START + i * 100_000_000
        assert each.frame.stamp == pytest.approx(START_SECONDS + i / 10, abs=1e-6)
        assert each.frame_id == "camera_optical_frame"
        assert each.camera is not None
        np.testing.assert_array_equal(each.camera.matrix, source.camera.matrix)
        assert each.depth is not None
        assert each.depth.stamp == each.frame.stamp
        np.testing.assert_allclose(each.up, source.view.transform[2, :3], atol=1e-9)


def test_slice_equals_its_part_of_the_whole(bag: Path) -> None:
    with open_bag(bag) as opened:
        every = list(BagImages(opened, depth=DEPTH))
        images = BagImages(opened, depth=DEPTH, start=0.35, end=1.3, every=4)
        found = list(images)
        assert [each.frame.index for each in found] == [4, 8, 12]
        assert images.length == 3
    for each in found:
        whole = every[each.frame.index]
        assert each.nanoseconds == whole.nanoseconds
        np.testing.assert_array_equal(each.frame.image, whole.frame.image)
        np.testing.assert_array_equal(each.up, whole.up)
        assert each.depth is not None
        assert whole.depth is not None
        np.testing.assert_array_equal(each.depth.values, whole.depth.values)


def test_bag_opens_as_a_source(bag: Path) -> None:
    for source in (open_source(str(bag)), *expand_inputs([str(storage_file(bag))])):
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        assert [frame.index for frame in frames] == list(range(15))
        source.close()
        with pytest.raises(SourceError, match="closed"):
            source.read()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"topic": "/nothing"}, SourceError, "no topic /nothing; topics of images: /camera/"),
        ({"topic": "/tf"}, SourceError, "holds tf2_msgs/msg/TFMessage"),
        ({"camera_info": "/tf"}, SourceError, "no camera_info /tf; those there: /camera/"),
        ({"depth": "/depth"}, SourceError, "is not there; depth images: /camera/depth/image_raw"),
        ({"every": 0}, OptionError, "every"),
        ({"start": -1.0}, OptionError, "start"),
        ({"start": 2.0, "end": 1.0}, OptionError, "after start"),
    ],
)
def test_impossible_option_is_refused_with_what_there_is(
    bag: Path, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with open_bag(bag) as opened, pytest.raises(error, match=text):
        BagImages(opened, **options)
