"""Small bags for tests: the times of messages are milliseconds after a start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.writer import open_bag_writer
from pose_ros.core.camera import Calibration, Camera
from pose_ros.messages.cameras import camera_info_to_msg
from pose_ros.messages.headers import header_of
from pose_ros.messages.images import array_to_msg

START = 1_700_000_000 * 10**9
"""When the bags begin, nanoseconds."""

MS = 1_000_000
WIDTH, HEIGHT = 16, 12


class MessageToWrite(NamedTuple):
    """A message of a bag.

    Attributes:
        topic: Its topic.
        kind: Its type.
        recorded: When it was recorded, milliseconds after the start.
        message: What it says.
    """

    topic: str
    kind: str
    recorded: float
    message: Any


def write_bag(path: Path, messages: Iterable[MessageToWrite], storage: str = "sqlite3") -> Path:
    """Write a bag; return its folder."""
    with open_bag_writer(path, storage) as writer:
        topics: dict[str, Any] = {}
        for topic, kind, recorded, message in messages:
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=typestore())
            data = typestore().serialize_cdr(message, kind)
            writer.write(topics[topic], START + round(recorded * MS), data)
    return path


def header(stamp: float | None, frame: str = "cam") -> Any:
    """Return a header; the stamp in milliseconds after the start, or zero for None."""
    return header_of(types, 0 if stamp is None else START + round(stamp * MS), frame)


def picture(value: int = 90, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Return a plain picture."""
    return np.full((height, WIDTH, 3), value, np.uint8)


def image(
    recorded: float,
    topic: str = "/cam/image",
    head: Any = None,
    array: NDArray[Any] | None = None,
    encoding: str = "bgr8",
) -> MessageToWrite:
    """Return an image; its header has the time of its record unless another one is given."""
    array = picture(round(recorded) % 256) if array is None else array
    message = array_to_msg(types, array, encoding, head or header(recorded))
    return MessageToWrite(topic, "sensor_msgs/msg/Image", recorded, message)


def depth(recorded: float, topic: str = "/cam/depth", head: Any = None) -> MessageToWrite:
    """Return a depth image whose values are the milliseconds of its record."""
    values = np.full((HEIGHT, WIDTH), round(recorded), np.uint16)
    return image(recorded, topic, head, values, "16UC1")


def compressed(recorded: float, topic: str = "/cam/image/compressed") -> MessageToWrite:
    """Return a picture as PNG."""
    kind = "sensor_msgs/msg/CompressedImage"
    data = cv2.imencode(".png", picture(round(recorded) % 256))[1]
    message = types(kind)(header=header(recorded), format="bgr8; png", data=data)
    return MessageToWrite(topic, kind, recorded, message)


def info(
    recorded: float, width: int = WIDTH, topic: str = "/cam/camera_info", *, zero: bool = False
) -> MessageToWrite:
    """Return a camera_info; ``zero``: of a camera that is not calibrated."""
    calibration = Calibration(Camera.from_hfov(width, HEIGHT, 60.0))
    message = camera_info_to_msg(types, calibration, header(recorded))
    if zero:
        message.k = np.zeros(9)
    return MessageToWrite(topic, "sensor_msgs/msg/CameraInfo", recorded, message)


def transform(
    recorded: float,
    child: str = "cam",
    parent: str = "base_link",
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0),
    topic: str = "/tf",
) -> MessageToWrite:
    """Return where a frame is."""
    make = types("geometry_msgs/msg/Transform")
    place = types("geometry_msgs/msg/Vector3")(x=0.0, y=0.0, z=1.0)
    turn = types("geometry_msgs/msg/Quaternion")(
        **dict(zip("xyzw", map(float, quaternion), strict=True))
    )
    stamped = types("geometry_msgs/msg/TransformStamped")(
        header=header(recorded, parent),
        child_frame_id=child,
        transform=make(translation=place, rotation=turn),
    )
    kind = "tf2_msgs/msg/TFMessage"
    return MessageToWrite(topic, kind, recorded, types(kind)(transforms=[stamped]))
