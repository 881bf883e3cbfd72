"""Copies a bag in which faces or people are covered; all else stays byte for byte.

Each topic of images is read twice: once to find the people, so that one who is missed in an image
is covered there by where they are in the images before and after; once to write.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.rosbag2.errors import ReaderError

from pose_ros.analysis.outputs import check_apart
from pose_ros.bags.finding import find_files
from pose_ros.bags.images import COMPRESSED, IMAGE_KINDS, is_depth
from pose_ros.bags.mcap import chunk_compression
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import Bag, open_bag
from pose_ros.core.camera import Float64Array
from pose_ros.core.covering import (
    cover,
    cover_planes,
    face_keypoints,
    head_region,
    hold_regions,
    person_region,
)
from pose_ros.core.encoded_images import image_format
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Channels, Estimator, Image
from pose_ros.errors import ImageError, OptionError, OutputError, SourceError
from pose_ros.messages.cdr import CompressedView, ImageView, read_compressed, read_image
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import ENCODINGS, image_from_compressed, image_from_msg
from pose_ros.settings.outputs import AnonymizeOptions

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp"}
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]

# Messages that may hold pictures which are not read here: video, and pictures of other packages.
_OTHER_PICTURES = re.compile(r"/(\w*Image|\w*Video|\w*Packet)$")


@dataclass
class Covered:
    """What was done with a topic of images.

    Attributes:
        images: How many there are in the new bag.
        empty: In how many of them no person was found, and none covered.
        covered: In how many something was covered.
        left_out: How many images are not in the new bag, by why.
    """

    images: int = 0
    empty: int = 0
    covered: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def anonymize_bag(
    source: Path,
    target: Path,
    make_estimators: Callable[[], Sequence[Estimator]],
    options: AnonymizeOptions,
    *,
    drop: Collection[str] = (),
    keep: Collection[str] = (),
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Covered]:
    """Write a copy of a bag in which heads or people are covered in all images but depth images.

    Args:
        source: The bag; whole.
        target: Folder of the new one, which must not exist.
        make_estimators: Makes what finds the people, for one topic; a person is covered if
            one of them finds them.
        options: What is covered, and how.
        drop: Topics that the copy does not have.
        keep: Topics that are copied as they are, whatever they show.
        progress: Called after each image, once as it is read and once as it is written.

    Returns:
        What was done, for each topic of images.

    Raises:
        SourceError: The bag is damaged, or has pictures that cannot be covered.
        OptionError: A topic is not there, or the network finds no faces.
        OutputError: The folder exists, or cannot be written.
    """
    check_apart([source], [target])
    if target.exists():
        raise OutputError(f"{target} exists already; name another folder, or remove it")
    with open_bag(source) as bag:
        if bag.damage:
            raise SourceError(
                f"{source} is damaged, and only whole bags are copied: {bag.damage[0]}"
            )
        if unknown := sorted({*drop, *keep} - {topic.name for topic in bag.topics}):
            raise OptionError(f"{source} has no topic {unknown[0]}")
        pictures = _pictures(bag, {*drop, *keep})
        storage, custom = StoragePlugin[bag.storage.upper()], bag.custom
    try:
        with Reader(source) as reader:
            regions = {
                topic: _find(reader, topic, make_estimators(), options, progress)
                for topic in pictures
            }
            with _open_writer(target, source, reader, storage) as writer:
                for key, value in custom.items():
                    writer.set_custom_data(key, value)
                return _copy(reader, writer, regions, options, drop=drop, progress=progress)
    except ReaderError as error:
        raise SourceError(f"{source} cannot be read: {error}") from None
    except BaseException as error:
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"{target} cannot be written: {error}") from error
        raise


def _pictures(bag: Bag, left_alone: Collection[str]) -> list[str]:
    """Return the topics of images that are covered.

    Raises:
        SourceError: Another topic may show people, in messages that cannot be covered.
    """
    topics = [topic for topic in bag.topics if topic.name not in left_alone]
    for topic in topics:
        if _OTHER_PICTURES.search(topic.kind) and topic.kind not in IMAGE_KINDS:
            raise SourceError(
                f"{topic.name} is {topic.kind}, which may show people and cannot be covered: "
                f"leave it out (--drop {topic.name}), or copy it as it is (--keep)"
            )
    return [t.name for t in topics if t.kind in IMAGE_KINDS and not is_depth(bag, t)]


def _find(
    reader: Reader,
    topic: str,
    estimators: Sequence[Estimator],
    options: AnonymizeOptions,
    progress: Callable[[], None],
) -> list[list[Float64Array]]:
    """Return what is covered in each image of a topic, in the order of the bag."""
    of_faces = options.cover == "faces"
    for estimator in estimators:
        if of_faces and not face_keypoints(estimator.skeleton):
            raise OptionError(
                f"{estimator.network} finds no faces: take another network, or cover people"
            )
    region = head_region if of_faces else person_region
    stamps: list[float] = []
    found: list[dict[tuple[int, int], Float64Array]] = []
    wanted = [c for c in reader.connections if c.topic == topic]
    for connection, recorded, data in reader.messages(wanted):
        stamp = recorded / NANOSECONDS
        people: dict[tuple[int, int], Float64Array] = {}
        try:
            image, channels, own = _picture(connection.msgtype, data)
        except ImageError:
            pass  # it is counted, and left out, when the bag is written
        else:
            stamp = own or stamp
            people = {
                (which, pose.id): region(pose, options.margin)
                for which, estimator in enumerate(estimators)
                for pose in estimator.estimate(image, stamp, channels=channels)
            }
        stamps.append(stamp)
        found.append(people)
        progress()
    return hold_regions(stamps, found, options.hold)


def _picture(kind: str, data: bytes) -> tuple[Image, Channels, float]:
    """Return the picture of a message, the order of its channels, and its stamp in seconds."""
    msg: Any = (read_compressed if kind == COMPRESSED else read_image)(types, data)
    image, channels = (image_from_compressed if kind == COMPRESSED else image_from_msg)(msg)
    return image, channels, stamp_from_msg(msg.header.stamp)


def _open_writer(target: Path, source: Path, reader: Reader, storage: StoragePlugin) -> Writer:
    writer = Writer(target, version=8, storage_plugin=storage)
    mode = CompressionMode[(reader.compression_mode or "none").upper()]
    if storage == StoragePlugin.MCAP and mode == CompressionMode.NONE:
        files, _, _ = find_files(source)
        if chunk_compression(files[0].path):
            mode = CompressionMode.STORAGE
    writer.set_compression(mode, CompressionFormat.ZSTD)
    return writer


def _add(writer: Writer, connection: Connection) -> Connection:
    ext: Any = connection.ext
    defined = bool(connection.msgdef.data and connection.digest)
    known = connection.msgtype in typestore().types
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        typestore=typestore() if known else None,
        # bags of Humble define no messages: those of unknown types are copied all the same
        msgdef=connection.msgdef.data if defined or not known else None,
        rihs01=connection.digest or "RIHS01_" + "0" * 64 if defined or not known else None,
        serialization_format=ext.serialization_format,
        offered_qos_profiles=ext.offered_qos_profiles,
    )


def _copy(
    reader: Reader,
    writer: Writer,
    regions: dict[str, list[list[Float64Array]]],
    options: AnonymizeOptions,
    *,
    drop: Collection[str],
    progress: Callable[[], None],
) -> dict[str, Covered]:
    kept = [c for c in reader.connections if c.topic not in drop]
    added = {connection.id: _add(writer, connection) for connection in kept}
    done = {topic: Covered() for topic in regions}
    left = {topic: iter(of_images) for topic, of_images in regions.items()}
    for connection, recorded, original in reader.messages(kept):
        data = original
        if connection.topic in regions:
            progress()
            counts, boxes = done[connection.topic], next(left[connection.topic])
            try:
                data, covered = _cover(connection.msgtype, original, boxes, options)
            except ImageError as error:
                counts.left_out[str(error)] += 1
                continue
            counts.images += 1
            counts.covered += covered
            counts.empty += not boxes
        writer.write(added[connection.id], recorded, data)
    return done


def _cover(
    kind: str, data: bytes, boxes: list[Float64Array], options: AnonymizeOptions
) -> tuple[bytes, bool]:
    """Return the message of an image in which boxes are covered, and whether anything was.

    Raises:
        ImageError: It cannot be read, or not be written again.
    """
    if not boxes:
        _picture(kind, data)  # what cannot be read was not looked at either
        return data, False
    if kind == COMPRESSED:
        return _cover_compressed(read_compressed(types, data), data, boxes, options)
    changed = bytearray(data)
    covered = _cover_raw(read_image(types, changed), boxes, options)
    return bytes(changed), covered


def _cover_raw(msg: ImageView, boxes: list[Float64Array], options: AnonymizeOptions) -> bool:
    image_from_msg(msg)  # raises where size, step and data do not agree
    encoding = ENCODINGS[msg.encoding]
    pixel = encoding.samples * np.dtype(encoding.sample).itemsize
    rows = np.frombuffer(msg.data, np.uint8).reshape(-1, msg.step)[:, : msg.width * pixel]
    if encoding.rows != 1:
        return cover_planes(rows, msg.height, boxes)
    pixels = rows.reshape(msg.height, msg.width, pixel)  # splits an axis: still a view
    return cover(pixels, boxes, fill=options.style == "fill" or encoding.sample != "u1")


def _cover_compressed(
    msg: CompressedView, data: bytes, boxes: list[Float64Array], options: AnonymizeOptions
) -> tuple[bytes, bool]:
    image_from_compressed(msg)  # raises where it is damaged, or too large
    name = image_format(bytes(msg.data[:16]))
    image = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or name not in _SUFFIXES:
        raise ImageError(f"{name or 'a picture'} that cannot be written again")
    pixels = image.view(np.uint8).reshape(*image.shape[:2], -1)
    if not cover(pixels, boxes, fill=options.style == "fill" or image.dtype != np.uint8):
        return data, False
    _, encoded = cv2.imencode(_SUFFIXES[name], image, _QUALITY)
    order = "<" if data[1] else ">"
    start = len(data) - len(msg.data) - 4
    if struct.unpack_from(f"{order}I", data, start)[0] != len(msg.data):
        raise ImageError("bytes behind the picture")
    return data[:start] + struct.pack(f"{order}I", len(encoded)) + encoded.tobytes(), True
