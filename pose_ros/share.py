"""Where files lie, beside the code or below a user's home, and the order of their names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pose_ros.errors import PoseRosError, printable


def share_path(*parts: str) -> Path:
    """Return a file or folder of the package's share folder.

    The same call serves a source tree, a virtual environment and a colcon or apt
    prefix, since each keeps ``share/pose_ros`` (or the sources) above the code.

    Args:
        parts: Path below the share folder, such as ``"models"``.

    Raises:
        PoseRosError: The installation lacks it.
    """
    package = Path(__file__).resolve().parent
    candidates = [package.parent] if (package.parent / "package.xml").is_file() else []
    return _first([*candidates, *_prefixed("share")], "/".join(parts))


def node_executable(name: str) -> Path:
    """Return the program that runs a node, such as ``pose_node``, as ``ros2 run`` finds it.

    ``python -m`` would not do: in a checkout it imports the sources, which have
    no generated messages.

    Raises:
        PoseRosError: The installation lacks it: it was made without ROS 2.
    """
    return _first(_prefixed("lib"), name)


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` filled in; unchanged where that home is unknown."""
    # Path.expanduser raises where there is no such home, or no home at all
    return Path(os.path.expanduser(text))  # noqa: PTH111


def natural_key(path: str | Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key by which ``frame_2`` comes before ``frame_10``."""
    text = printable(path)
    parts = re.split(r"([0-9]+)", text.casefold())
    # a number sorts before a word; the text itself settles what is left equal
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p], text


def _prefixed(top: str) -> list[Path]:
    return [parent / top / "pose_ros" for parent in Path(__file__).resolve().parents]


def _first(folders: list[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise PoseRosError(f"{name} is missing from this installation of pose_ros; install it again")
