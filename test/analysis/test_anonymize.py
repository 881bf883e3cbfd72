"""Anonymized bags: no face is left in any image, and all else is byte for byte what it was."""

from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.interfaces import Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, Writer

from pose_ros.analysis.anonymize import anonymize_bag
from pose_ros.bags.finding import find_files
from pose_ros.bags.mcap import chunk_compression
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import open_bag
from pose_ros.bags.writer import STORAGES, add_topic, open_bag_writer
from pose_ros.build import create_estimator
from pose_ros.cli.main import main
from pose_ros.core import skeletons
from pose_ros.core.covering import GRAY
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.messages.images import ENCODINGS, image_from_compressed, image_from_msg
from pose_ros.settings.outputs import AnonymizeOptions
from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic
from tools.bags import START, MessageToWrite, header, image, write_bag

IMAGES = "/camera/image_raw"
SKELETON = skeletons.get("coco17")


class Seen:
    """Finds one person in some images, their nose at (32, 24) and their head 20 pixels wide."""

    skeleton, network, name = SKELETON, "drawn", "drawn"

    def __init__(self, *milliseconds):
        self._seen = {START / 1e9 + value / 1e3 for value in milliseconds}

    def estimate(self, _image, stamp, *, channels):
        assert channels in ("rgb", "bgr")
        if not any(abs(stamp - seen) < 1e-4 for seen in self._seen):
            return Poses.empty(SKELETON)
        points = np.full((1, 17, 2), np.nan, np.float32)
        for i, name in enumerate(SKELETON.keypoints):
            if name in ("nose", "left_ear", "right_ear"):
                points[0, i] = 32 + 10 * (name == "left_ear") - 10 * (name == "right_ear"), 24
        return Poses(
            SKELETON,
            ids=np.array([4]),
            scores=np.ones(1, np.float32),
            boxes=np.array([[12, 10, 52, 60]], np.float32),
            keypoints=points,
            keypoint_scores=np.isfinite(points[..., 0]).astype(np.float32),
        )


def estimators(*made) -> Any:
    return made


def pixels(encoding="bgr8", value=0):
    shape = (int(96 * ENCODINGS[encoding].rows), 64, ENCODINGS[encoding].samples)
    kind = np.dtype(ENCODINGS[encoding].sample)
    return np.random.default_rng(value).integers(0, 256, shape).astype(kind).squeeze()


def jpeg(recorded, suffix=".jpg"):
    kind = "sensor_msgs/msg/CompressedImage"
    smooth = cv2.GaussianBlur(pixels(value=3), (0, 0), 3)
    data = cv2.imencode(suffix, smooth)[1]
    text = f"bgr8; {suffix[1:]} compressed bgr8"
    return MessageToWrite(
        "/cam/image/compressed",
        kind,
        recorded,
        types(kind)(header=header(recorded), format=text, data=data),
    )


def read(data, kind) -> Any:
    return typestore().deserialize_cdr(data, kind)


def contents(path):
    with Reader(path) as reader:
        return [(c.topic, c.msgtype, stamp, data) for c, stamp, data in reader.messages()]


def anonymize(source, target, *seen, **options):
    taken = {key: options.pop(key) for key in ("drop", "keep") if key in options}
    return anonymize_bag(
        source, target, lambda: estimators(Seen(*seen)), AnonymizeOptions(**options), **taken
    )


def test_every_drawn_head_is_covered_and_the_rest_is_unchanged(tmp_path):
    """The real network, on a drawn person whose true nose is known."""
    spec = "come_here?width=320&height=240"
    source = open_synthetic(spec, fps=10, loop=True, live=False)
    write_scene_bag(tmp_path / "bag", source, BagOptions("mcap", seconds=1.0))
    options = AnonymizeOptions(style="fill")
    done = anonymize_bag(
        tmp_path / "bag", tmp_path / "out", lambda: [create_estimator(smoothing=False)], options
    )
    counts = done[IMAGES]
    assert (counts.images, counts.covered, counts.empty) == (10, 10, 0)
    assert not counts.left_out
    assert list(done) == [IMAGES]  # depths are kept
    before, after = contents(tmp_path / "bag"), contents(tmp_path / "out")
    assert [row[:3] for row in after] == [row[:3] for row in before]
    number = 0
    for (topic, kind, _, old), (_, _, _, new) in zip(before, after, strict=True):
        if topic != IMAGES:
            assert new == old
            continue
        was, now = (read(data, kind) for data in (old, new))
        assert now.header == was.header
        covered, _ = image_from_msg(now)
        x, y = source.truths(number / 10)[0].pixels[0].round().astype(int)
        assert np.all(covered[y - 6 : y + 7, x - 6 : x + 7] == GRAY)
        changed = (covered != image_from_msg(was)[0]).any(axis=2)
        assert changed.mean() < 0.15
        number += 1


def test_person_who_is_missed_in_an_image_is_covered_there(tmp_path):
    bag = write_bag(
        tmp_path / "bag", [image(t, array=pixels(value=t)) for t in (0, 100, 200, 3000)]
    )
    (counts,) = anonymize(bag, tmp_path / "out", 0, 200, style="fill").values()
    assert (counts.images, counts.covered, counts.empty) == (4, 3, 1)
    old, new = contents(bag), contents(tmp_path / "out")
    assert [a[3] == b[3] for a, b in zip(old, new, strict=True)] == [False, False, False, True]
    for _, kind, _, data in new[:3]:
        found, _ = image_from_msg(read(data, kind))
        assert np.all(found[18:31, 16:49] == GRAY)


@pytest.mark.parametrize("style", ["blur", "fill"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_image_of_any_encoding_is_covered(tmp_path, encoding, style):
    bag = write_bag(tmp_path / "bag", [image(0, array=pixels(encoding), encoding=encoding)])
    if ENCODINGS[encoding].rows != 1:  # the message says the rows of brightness
        with Reader(bag) as reader:
            ((connection, _, data),) = reader.messages()
            msg = read(data, connection.msgtype)
        msg.height, msg.step = 96, 64
        bag = write_bag(
            tmp_path / "planes", [MessageToWrite("/cam/image", connection.msgtype, 0, msg)]
        )
    (counts,) = anonymize(bag, tmp_path / "out", 0, style=style).values()
    assert (counts.images, counts.covered) == (1, 1)
    ((_, kind, _, old),) = contents(bag)
    ((_, _, _, new),) = contents(tmp_path / "out")
    was, now = (read(data, kind) for data in (old, new))
    assert (now.encoding, now.step, now.header) == (was.encoding, was.step, was.header)
    before, after = (image_from_msg(msg)[0].astype(float) for msg in (was, now))
    head = (slice(14, 34), slice(20, 44))
    assert after[head].std() < before[head].std() / 2
    np.testing.assert_array_equal(after[70:], before[70:])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_compressed_image_stays_of_its_format(tmp_path, suffix):
    bag = write_bag(tmp_path / "bag", [jpeg(0, suffix), jpeg(5000, suffix)])
    (counts,) = anonymize(bag, tmp_path / "out", 0, style="fill").values()
    assert (counts.images, counts.covered, counts.empty) == (2, 1, 1)
    old, new = contents(bag), contents(tmp_path / "out")
    assert new[1] == old[1]  # no person is in it: byte for byte
    was, now = (read(rows[0][3], rows[0][1]) for rows in (old, new))
    assert (now.format, now.header) == (was.format, was.header)
    assert bytes(now.data[:4]) == bytes(was.data[:4])
    before, after = image_from_compressed(was)[0], image_from_compressed(now)[0]
    assert np.abs(after[18:31, 20:45].astype(int) - GRAY).max() < 12
    assert np.abs(after[70:].astype(int) - before[70:]).max() < 12


@pytest.mark.parametrize(
    ("storage", "mode"),
    [
        *[(storage, mode) for storage in STORAGES for mode in ("NONE", "MESSAGE", "FILE")],
        ("mcap", "STORAGE"),  # its chunks; SQLite has none
    ],
)
def test_storage_compression_and_quality_of_service_are_kept(tmp_path, storage, mode):
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=STORAGES[storage])
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    writer.set_custom_data("robot", "seven")
    with writer:
        reported = image(0, array=pixels())
        latched = add_topic(writer, "/map", "std_msgs/msg/String", latched=True, depth=1)
        images = add_topic(writer, reported.topic, reported.kind)
        writer.write(images, START, typestore().serialize_cdr(reported.message, reported.kind))
        writer.write(latched, START + 1, b"\0\1\0\0\2\0\0\0a\0")
    anonymize(tmp_path / "bag", tmp_path / "out", 0)
    with Reader(tmp_path / "bag") as old, Reader(tmp_path / "out") as new:
        assert new.compression_mode == old.compression_mode
        assert new.compression_format == old.compression_format
        profiles = [
            {c.topic: c.ext.offered_qos_profiles for c in r.connections} for r in (old, new)
        ]
        assert isinstance(profiles[0]["/map"][0], Qos)
        assert profiles[0] == profiles[1]
        definitions = [{c.topic: (c.msgdef, c.digest) for c in r.connections} for r in (old, new)]
        assert definitions[0] == definitions[1]
    if mode == "STORAGE":
        files, _, _ = find_files(tmp_path / "out")
        assert chunk_compression(files[0].path) == "zstd"
    with open_bag(tmp_path / "out") as bag:
        assert bag.storage == storage
        assert bag.custom == {"robot": "seven"}
    assert contents(tmp_path / "out")[1] == contents(tmp_path / "bag")[1]


def test_image_that_cannot_be_read_is_left_out_and_counted(tmp_path):
    broken = image(100, array=pixels())
    broken.message.data = broken.message.data[:-1]
    bag = write_bag(tmp_path / "bag", [image(0, array=pixels()), broken])
    (counts,) = anonymize(bag, tmp_path / "out", 0).values()
    assert counts.images == 1
    assert sum(counts.left_out.values()) == 1
    assert len(contents(tmp_path / "out")) == 1


def test_topics_are_dropped_and_kept_as_asked(tmp_path):
    one, other, third = (image(0, f"/{name}", array=pixels()) for name in "abc")
    bag = write_bag(tmp_path / "bag", [one, other, third])
    done = anonymize(bag, tmp_path / "out", 0, drop=["/a"], keep=["/b"])
    assert list(done) == ["/c"]
    old, new = ({row[0]: row[3] for row in contents(p)} for p in (bag, tmp_path / "out"))
    assert set(new) == {"/b", "/c"}
    assert new["/b"] == old["/b"]
    assert new["/c"] != old["/c"]
    with pytest.raises(OptionError, match="has no topic /d"):
        anonymize(bag, tmp_path / "more", 0, drop=["/d"])


def test_topic_of_pictures_that_cannot_be_covered_stops_the_copy(tmp_path):
    with open_bag_writer(tmp_path / "bag", "mcap") as writer:
        kind = "foxglove_msgs/msg/CompressedVideo"
        video = writer.add_connection("/video", kind, msgdef="uint8[] data\n", rihs01="RIHS01_0")
        writer.write(video, START, b"\0\1\0\0\0\0\0\0")
    with pytest.raises(SourceError, match=r"/video is foxglove_msgs.*--drop /video"):
        anonymize(tmp_path / "bag", tmp_path / "out", 0)
    assert anonymize(tmp_path / "bag", tmp_path / "out", 0, keep=["/video"]) == {}
    assert contents(tmp_path / "out") == contents(tmp_path / "bag")


def test_nothing_is_left_of_a_copy_that_fails(tmp_path):
    bag = write_bag(tmp_path / "bag", [image(0, array=pixels())])
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="would be written over"):
        anonymize(bag, bag, 0)
    with pytest.raises(OutputError, match="exists already"):
        anonymize(bag, tmp_path / "there", 0)

    def fails():
        raise OptionError("no network")

    with pytest.raises(OptionError):
        anonymize_bag(bag, tmp_path / "out", fails, AnonymizeOptions())
    assert not (tmp_path / "out").exists()
    (bag / "bag.db3").write_bytes((bag / "bag.db3").read_bytes()[:-3000])
    with pytest.raises(SourceError, match="damaged, and only whole bags are copied"):
        anonymize(bag, tmp_path / "out", 0)


def test_network_without_faces_is_refused(tmp_path):
    class Hands(Seen):
        skeleton = skeletons.get("blazehand21")

    bag = write_bag(tmp_path / "bag", [image(0, array=pixels())])
    with pytest.raises(OptionError, match="finds no faces"):
        anonymize_bag(bag, tmp_path / "out", lambda: estimators(Hands()), AnonymizeOptions())


def test_command_prints_the_number_of_images_without_people(tmp_path, capsys):
    source = open_synthetic("stand?width=320&height=240", fps=5, live=False)
    write_scene_bag(tmp_path / "bag", source, BagOptions(depth="none", seconds=0.4))
    command = ["bag", "anonymize", str(tmp_path / "bag"), str(tmp_path / "out")]
    assert main([*command, "--cover", "people", "--detect-tiles", "1"]) == 0
    said = capsys.readouterr().err
    assert f"{IMAGES}: 2 images, something covered in 2, no person found in 0" in said
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
