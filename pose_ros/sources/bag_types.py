"""Message types of rosbag2 files, those of this package among them; no ROS needed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pose_ros.share import share_path


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the standard types of ROS 2 Jazzy, and the package's own from their .msg files.

    Raises:
        PoseRosError: The installation lacks the .msg files.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for path in sorted(Path(share_path("msg")).glob("*.msg")):
        text = path.read_text(encoding="utf-8")
        types.update(get_types_from_msg(text, f"pose_ros/msg/{path.stem}"))
    store.register(types)
    return store
