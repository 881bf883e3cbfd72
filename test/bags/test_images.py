"""Images of bags: which ones, in which order, with their camera, depth and up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from pose_ros.bags.images import BagImages, Prefetcher, RecordedImage, choose_topic
from pose_ros.bags.reader import open_bag
from pose_ros.bags.writer import open_bag_writer
from pose_ros.errors import SourceError
from pose_ros.sources.opening import expand_inputs, open_source
from tools.bags import (
    HEIGHT,
    START,
    WIDTH,
    MessageToWrite,
    compressed,
    depth,
    header,
    image,
    info,
    picture,
    transform,
    write_bag,
)

HALF = 0.5**0.5


def recorded_images(path: Path, **options: object) -> tuple[list[RecordedImage], BagImages]:
    with open_bag(path) as bag:
        images = BagImages(bag, **options)
        return list(images), images


def values(found: list[RecordedImage]) -> list[int]:
    return [int(each.frame.image[0, 0, 0]) for each in found]


def test_images_come_in_the_order_in_which_they_were_recorded(tmp_path: Path) -> None:
    # the stamps go back in between: that is for who takes them to heed
    messages = [image(0), image(10, head=header(40)), image(20), image(30)]
    found, images = recorded_images(write_bag(tmp_path / "bag", messages))
    assert values(found) == [0, 10, 20, 30]
    assert [each.frame.index for each in found] == [0, 1, 2, 3]
    assert [each.nanoseconds - START for each in found] == [0, 40_000_000, 20_000_000, 30_000_000]
    assert [each.recorded - START for each in found] == [0, 10_000_000, 20_000_000, 30_000_000]
    assert [each.frame_id for each in found] == ["cam"] * 4
    assert [each.message.nanoseconds for each in found if each.message] == [
        each.recorded for each in found
    ]
    assert images.refused == {}
    assert {(each.camera, each.depth, each.up) for each in found} == {(None, None, None)}


def test_images_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    short = image(30)
    short.message.data = short.message.data[:-1]
    messages = [
        image(0), image(10, head=header(None)), image(20, encoding="rgb9"), short, image(40),
        image(50, head=header(None)),
    ]  # fmt: skip
    found, images = recorded_images(write_bag(tmp_path / "bag", messages))
    assert values(found) == [0, 40]
    assert [each.frame.index for each in found] == [0, 4]
    assert images.length == 6
    assert {reason.partition(" (")[0]: n for reason, n in images.refused.items()} == {
        "without a stamp": 2, "unreadable": 2,
    }  # fmt: skip
    assert "unknown image encoding 'rgb9'" in "".join(images.refused)
    with open_bag(tmp_path / "bag") as bag:  # and counted from zero when they are read again
        images = BagImages(bag)
        for _ in range(2):
            assert len(list(images)) == 2
            assert images.refused.total() == 4


def test_truncated_message_is_refused(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [image(0), image(10), image(20)], "mcap")
    file = path / "bag.mcap"
    data = file.read_bytes()
    end = data.rindex(bytes([20] * 100)) + 50
    file.write_bytes(data[:end])
    with open_bag(path) as bag:
        assert values(list(BagImages(bag))) == [0, 10]
        (damage,) = bag.damage
        assert damage.endswith("1 of 3 messages are lost")


def test_camera_is_the_newest_camera_info_before_the_image(tmp_path: Path) -> None:
    wide = np.zeros((HEIGHT, 32, 3), np.uint8)
    messages = [
        image(0), info(5), image(10), info(20, width=32), image(20, array=wide), info(25),
        image(30), info(35, zero=True), image(40),
    ]  # fmt: skip
    found, images = recorded_images(write_bag(tmp_path / "bag", messages))
    sizes = [each.camera and each.camera.width for each in found]
    assert sizes == [WIDTH, WIDTH, 32, WIDTH, None]  # the first one waits for the first camera_info
    assert "not calibrated" in "".join(images.notes)


def test_camera_of_another_size_is_reported(tmp_path: Path) -> None:
    found, images = recorded_images(
        write_bag(tmp_path / "bag", [info(0, width=32), image(0), image(10)])
    )
    assert [each.camera for each in found] == [None, None]
    (note,) = images.notes
    assert note == (
        "no meters: /cam/camera_info is for 32x12 pixels, the images have 16x12; let the driver "
        "publish the one that fits them"
    )


def test_camera_info_sent_once_long_before_is_used(tmp_path: Path) -> None:
    messages = [info(0), *(image(1000 * i) for i in range(20))]
    path = write_bag(tmp_path / "bag", messages)
    for start in (0.5, 15.0):
        found, _ = recorded_images(path, start=start)
        assert all(each.camera is not None for each in found)
    assert [each.frame.index for each in found] == [15, 16, 17, 18, 19]
    found, _ = recorded_images(path, camera_info="")
    assert all(each.camera is None for each in found)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_nearest_depth_image_before_or_after_is_used(tmp_path: Path, storage: str) -> None:
    messages = [
        depth(3), image(0), depth(70), image(100), depth(110), image(200), image(300), image(400),
        depth(405, head=header(301)),
    ]  # fmt: skip
    path = write_bag(tmp_path / "bag", messages, storage)
    found, images = recorded_images(path, depth="/cam/depth")
    depths = [None if each.depth is None else int(each.depth.values[0, 0]) for each in found]
    assert depths == [3, 110, None, 405, None]
    assert images.notes == ("/cam/depth: some images have no depth within 0.05 s",)
    wide, images = recorded_images(path, depth="/cam/depth", max_skew=0.2)
    depths = [None if each.depth is None else int(each.depth.values[0, 0]) for each in wide]
    assert depths == [3, 110, 110, 405, 405]
    assert images.notes == ()


def test_depth_of_another_size_is_reported(tmp_path: Path) -> None:
    small = np.zeros((3, 4), np.uint16)
    other = image(0, "/cam/depth", array=small, encoding="16UC1")
    found, images = recorded_images(
        write_bag(tmp_path / "bag", [image(0), other]), depth="/cam/depth"
    )
    assert found[0].depth is None
    assert "has 4x3 pixels" in images.notes[0]


def test_up_follows_tf_at_the_stamp(tmp_path: Path) -> None:
    looks_down = (HALF, 0.0, 0.0, HALF)  # turned by 90 degrees about x
    messages = [
        transform(0, "cam", "mast", topic="/tf_static"),
        image(-50, head=header(50)),  # before anything is known of then
        transform(0, "mast"), image(50), transform(100, "mast", quaternion=looks_down), image(100),
        image(220),
    ]  # fmt: skip
    path = write_bag(tmp_path / "bag", sorted(messages, key=lambda reported: reported.recorded))
    found, _ = recorded_images(path)
    assert found[0].up is not None
    np.testing.assert_allclose(found[0].up, found[1].up)
    np.testing.assert_allclose(found[1].up, [0, HALF, HALF], atol=1e-9)  # halfway
    np.testing.assert_allclose(found[2].up, [0, 1, 0], atol=1e-9)
    assert found[3].up is None  # there is no transform for that time
    assert recorded_images(path, target_frame="map")[0][1].up is None


def test_slice_uses_static_transforms_from_before_its_start(tmp_path: Path) -> None:
    static = transform(0, topic="/tf_static", quaternion=(1.0, 0.0, 0.0, 0.0))
    path = write_bag(tmp_path / "bag", [static, *(image(1000.0 * i) for i in range(30))])
    found, _ = recorded_images(path, start=25)
    assert len(found) == 5
    for each in found:
        np.testing.assert_allclose(each.up, [0, 0, -1], atol=1e-9)


def cases() -> Iterator[tuple[list[MessageToWrite], str | None, str]]:
    color, other = image(0), image(0, "/other/image")
    yield [color, depth(0), image(0, "/pose/overlay")], None, "/cam/image"
    yield [color, compressed(0)], None, "/cam/image"
    yield [compressed(0), depth(0)], None, "/cam/image/compressed"
    yield [compressed(0)], "/cam/image", "/cam/image/compressed"
    yield (
        [color, image(0, "/stereo", array=np.zeros((2, 2), np.float32), encoding="32FC1")],
        (None),
        "/cam/image",
    )
    yield [color, other], "/other/image", "/other/image"
    yield [color, other], None, "several topics; choose one of /cam/image, /other/image"
    yield [depth(0)], None, "no images of a camera; topics of images: /cam/depth"
    yield [depth(0)], "/cam/depth", "/cam/depth"
    yield [info(0)], None, "topics of images: none"


@pytest.mark.parametrize(("messages", "name", "expected"), list(cases()))
def test_image_topic_is_chosen_or_ambiguous_ones_are_named(
    tmp_path: Path, messages: list[MessageToWrite], name: str | None, expected: str
) -> None:
    with open_bag(write_bag(tmp_path / "bag", messages)) as bag:
        if expected.startswith("/"):
            assert choose_topic(bag, name).name == expected
        else:
            with pytest.raises(SourceError, match=expected):
                choose_topic(bag, name)


def test_compressed_pictures_have_the_camera_of_the_raw_ones(tmp_path: Path) -> None:
    messages = [info(0), compressed(10), compressed(20)]
    found, images = recorded_images(write_bag(tmp_path / "bag", messages))
    assert images.camera_info == "/cam/camera_info"
    assert values(found) == [10, 20]
    assert all(each.camera is not None for each in found)


def test_start_end_and_every_select_images(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [image(10 * i) for i in range(25)])
    for start, end, every, expected in [
        (None, None, 10, [0, 10, 20]),
        (0.055, None, 5, [10, 15, 20]),
        (None, 0.1, 3, [0, 3, 6, 9]),
        (0.1, 0.101, 1, [10]),
        (9.0, None, 1, []),
    ]:
        found, images = recorded_images(path, start=start, end=end, every=every)
        assert [each.frame.index for each in found] == expected
        assert images.length == len(expected)
        assert images.fps == pytest.approx(100 / every) or not len(expected) > 1


def test_many_large_images_wait_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose_ros.bags.images._WAITING_BYTES", 3000)
    messages = [transform(0, topic="/tf_static"), *(image(i) for i in range(30))]
    found, _ = recorded_images(write_bag(tmp_path / "bag", messages))
    assert [each.frame.index for each in found] == list(range(30))
    assert all(each.up is not None for each in found)


def test_bag_is_an_input_like_other_files(tmp_path: Path) -> None:
    for i in range(2):
        write_bag(tmp_path / f"run{i}", [image(10 * i)])
    sources = list(expand_inputs([str(tmp_path / "run*")]))
    assert [source.name for source in sources] == ["run0", "run1"]
    for source in sources:
        assert source.length == 1
        source.close()
    with pytest.raises(SourceError, match="no topic /x"):
        BagImages(open_bag(tmp_path / "run0"), "/x")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "metadata.yaml").write_text("of something else")
    with pytest.raises(SourceError, match="no picture"):
        open_source(str(tmp_path / "pictures"))


def test_reader_that_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [image(i) for i in range(100)])
    before = set(threading.enumerate())
    with open_bag(path) as bag:
        iterator = iter(BagImages(bag))
        next(iterator)
        assert set(threading.enumerate()) - before
        del iterator
        assert not set(threading.enumerate()) - before
    source = open_source(str(path))
    assert source.read() is not None
    assert set(threading.enumerate()) - before
    source.close()
    source.close()
    assert not set(threading.enumerate()) - before


def test_another_thread_can_close_a_waiting_reader() -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        began.set()
        go_on.wait(10)
        yield 1

    prefetcher = Prefetcher(slow(), 2)

    def close() -> None:
        began.wait(10)
        prefetcher.close()

    closing = threading.Thread(target=close)
    closing.start()
    assert next(prefetcher, None) is None  # it ends with the closing, not with the item
    go_on.set()
    closing.join()


def test_error_is_raised_after_the_images_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise SourceError("it broke")

    prefetcher = Prefetcher(broken(), 1)
    assert [next(prefetcher), next(prefetcher)] == [1, 2]
    with pytest.raises(SourceError, match="it broke"):
        next(prefetcher)
    assert list(prefetcher) == []
    prefetcher.close()


def test_raw_image_is_read_unchanged(tmp_path: Path) -> None:
    found, _ = recorded_images(write_bag(tmp_path / "bag", [image(7), compressed(7)]))
    np.testing.assert_array_equal(found[0].frame.image, picture(7))
    assert (found[0].frame.width, found[0].frame.height) == (WIDTH, HEIGHT)


def test_images_that_are_refused_say_why_in_one_line(tmp_path: Path) -> None:
    generic, jpeg_2000 = image(10, encoding="8UC3"), compressed(20, "/other/compressed")
    jpeg_2000.message.data = np.frombuffer(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), np.uint8)
    _, images = recorded_images(write_bag(tmp_path / "a", [image(0), generic]))
    (reason,) = images.refused
    assert "'8UC3' does not say which channel is which color; set the driver's" in reason
    _, images = recorded_images(write_bag(tmp_path / "b", [jpeg_2000]))
    (reason,) = images.refused
    assert "it is JPEG 2000, which is not decoded here; decoded are JPEG, PNG, WebP" in reason
    _, images = recorded_images(tmp_path / "a", max_pixels=WIDTH * HEIGHT - 1)
    assert any("megapixels, more than the" in reason for reason in images.refused)
    assert sum(images.refused.values()) == 2


def test_images_without_a_frame_id_are_noted_once(tmp_path: Path) -> None:
    messages = [image(10.0 * i, head=header(10.0 * i, "")) for i in range(3)]
    found, images = recorded_images(write_bag(tmp_path / "bag", messages))
    assert len(found) == 3
    (note,) = images.notes
    assert note.startswith("images have no frame_id, and nothing of /tf is known of them")


def test_topic_chooses_among_the_images_of_a_source(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [image(5), image(77, "/other/image")])
    with pytest.raises(SourceError, match="choose one of /cam/image, /other/image with --topic"):
        open_source(str(path))
    source = open_source(str(path), topic="/other/image")
    frame = source.read()
    assert frame is not None
    assert frame.image[0, 0, 0] == 77
    source.close()
    (source,) = expand_inputs([str(path)], topic="/cam/image")
    assert source.length == 1
    source.close()


def test_video_packets_are_named(tmp_path: Path) -> None:
    kind = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
    store = get_typestore(Stores.ROS2_HUMBLE)
    definition = "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint8[] data"
    store.register(get_types_from_msg(definition, kind))
    message = store.types[kind](
        header=store.types["std_msgs/msg/Header"](
            stamp=store.types["builtin_interfaces/msg/Time"](sec=1, nanosec=0), frame_id="cam"
        ),
        width=640, height=480, encoding="h264", data=np.zeros(9, np.uint8),
    )  # fmt: skip
    with open_bag_writer(tmp_path / "bag", "mcap") as writer:
        topic = writer.add_connection("/cam/image/ffmpeg", kind, typestore=store)
        writer.write(topic, START, store.serialize_cdr(message, kind))
    with pytest.raises(SourceError, match="/cam/image/ffmpeg holds FFMPEGPacket, video that is"):
        open_source(str(tmp_path / "bag"))
    with pytest.raises(SourceError, match="image_transport republish"):
        open_source(str(tmp_path / "bag"), topic="/cam/image/ffmpeg")
