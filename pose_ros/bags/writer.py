"""What all rosbag2 files that are written here have in common: storages, versions, QoS."""

from __future__ import annotations

from pathlib import Path

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from pose_ros.bags.message_types import typestore

STORAGES = {"sqlite3": StoragePlugin.SQLITE3, "mcap": StoragePlugin.MCAP}
"""What a bag may be stored in."""

_FOREVER = QosTime(9223372036, 854775807)


def open_bag_writer(path: Path, storage: str) -> Writer:
    """Return what writes a bag; it is a context manager, and the folder must not exist.

    Args:
        path: The bag's folder.
        storage: One of ``STORAGES``.
    """
    # version 8 is read by every rosbag2 from Humble on
    return Writer(path, version=8, storage_plugin=STORAGES[storage])


def add_topic(
    writer: Writer, topic: str, kind: str, *, latched: bool = False, depth: int = 10
) -> Connection:
    """Add a topic with its message definition.

    Args:
        writer: Of an open bag.
        topic: Its name.
        kind: Of its messages, such as ``sensor_msgs/msg/Image``.
        latched: Whether who subscribes late gets the last messages too, as with ``/tf_static``.
        depth: How many messages a publisher that plays it keeps.
    """
    qos = Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        avoid_ros_namespace_conventions=False,
    )
    return writer.add_connection(topic, kind, typestore=typestore(), offered_qos_profiles=[qos])
