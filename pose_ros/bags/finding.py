"""Finds the files of a rosbag2, and what it says of itself; none of what reads them is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pose_ros.documents import parse_yaml
from pose_ros.errors import DocumentError, RuntimeUnavailableError, SourceError
from pose_ros.files import natural_key, read_file

METADATA = "metadata.yaml"

MAX_METADATA_BYTES = 1 << 24
"""A recording in ten thousand files has a metadata.yaml of a few MiB."""
SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")

MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\x00"

PACKAGES = {"apsw": "apsw", "lz4": "lz4", "rosbags": "rosbags"}
"""What reads bags: modules, and what PyPI calls them. Nodes run without them."""
if sys.version_info < (3, 14):
    PACKAGES["backports"] = "backports.zstd"

_KEY = "rosbag2_bagfile_information"


@dataclass(frozen=True)
class BagFile:
    """One file of a bag.

    Attributes:
        path: Where it is, or should be.
        expected: How many messages it holds, as the metadata says; None when it does not.
    """

    path: Path
    expected: int | None = None


@dataclass(frozen=True)
class Metadata:
    """What a bag says of itself, as far as it does.

    Attributes:
        count: Of all messages; None when it is not said.
        custom: What programs have written there, by key.
        distro: Of the ROS that recorded it; empty when unknown.
    """

    count: int | None = None
    custom: Mapping[str, str] = field(default_factory=dict)
    distro: str = ""


def is_bag(path: Path) -> bool:
    """Return whether a path looks like that of a rosbag2: its folder, or one of its files."""
    try:
        if path.is_dir():
            return bool(_storage_files(path)) or _names_bag(path / METADATA)
    except OSError:  # opening it reports why it cannot be read
        return False
    return path.name.lower().endswith(SUFFIXES) or (path.name == METADATA and _names_bag(path))


def find_files(path: Path) -> tuple[list[BagFile], Metadata, list[str]]:
    """Return the files of a bag, what it says of itself, and what is wrong with that.

    Raises:
        SourceError: There is no bag.
    """
    if path.name == METADATA:
        path = path.parent
    try:
        there = _storages_at(path)
    except OSError as error:
        raise SourceError(f"cannot read the bag {path}: {error.strerror or error}") from None
    if path.is_file():
        return [BagFile(path)], Metadata(), []
    try:
        information = _load(read_file(path / METADATA, MAX_METADATA_BYTES))
    except DocumentError:
        trouble = "damaged" if os.path.lexists(path / METADATA) else "missing"
        if not there:
            raise SourceError(
                f"{path} is no bag that can be read: its {METADATA} is {trouble}, and it has no "
                ".mcap or .db3 files"
            ) from None
        return [BagFile(file) for file in there], Metadata(), [f"{METADATA} is {trouble}"]
    metadata = _metadata_from(information)
    files = _named_files(path, information, metadata.count)
    named = {file.path.name for file in files}
    damage = []
    for file in there:
        if file.name not in named:
            damage.append(f"{METADATA} does not name {file.name}, which is read too")
            files.append(BagFile(file))
    if not files:
        raise SourceError(f"{path} holds no recording: its {METADATA} names no file")
    return files, metadata, damage


def _named_files(folder: Path, information: dict[str, Any], total: int | None) -> list[BagFile]:
    """Return the files that a metadata.yaml names; its paths are those of where it was written."""
    names = [PurePath(str(name)).name for name in _list(information.get("relative_file_paths"))]
    counts = {
        PurePath(str(part.get("path", ""))).name: _count(part.get("message_count"))
        for part in _list(information.get("files"))
        if isinstance(part, dict)
    }
    if len(names) == 1:
        counts.setdefault(names[0], total)
    return [BagFile(folder / name, counts.get(name)) for name in names]


def parse_metadata(text: str) -> Metadata:
    """Return what a file holds of its bag's metadata; nothing where that is damaged."""
    try:
        return _metadata_from(_load(text))
    except DocumentError:
        return Metadata()


def reader_is_missing(name: str, error: ImportError) -> RuntimeUnavailableError:
    """Return the error for a bag that cannot be opened since a package is not installed.

    Args:
        name: Of the bag, or of what was to read it.
        error: What the import of the reader raised.

    Raises:
        ImportError: The same, where another module is missing than one of ``PACKAGES``.
    """
    if (error.name or "").partition(".")[0] not in PACKAGES:
        raise error
    packages = " ".join(PACKAGES.values())
    return RuntimeUnavailableError(
        f"{name} needs the packages that read bags, and {error.name} is not installed: "
        f"pip install {packages}"
    )


def _storages_at(path: Path) -> list[Path]:
    """Return the files of a bag's folder, or the file that it is.

    Raises:
        OSError: They cannot be looked at.
        SourceError: There is nothing, or a bag of ROS 1.
    """
    if not path.exists():
        raise SourceError(f"there is no bag {path}")
    if not path.is_file():
        return _storage_files(path)
    if path.suffix == ".bag":
        raise SourceError(
            f"{path} is a bag of ROS 1; convert it: rosbags-convert --src {path.name} --dst "
            f"{path.stem}"
        )
    return [path]


def _storage_files(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES))
    return sorted((path for path in files if path.is_file()), key=natural_key)


def _names_bag(metadata: Path) -> bool:
    try:
        return _KEY.encode() in read_file(metadata, MAX_METADATA_BYTES)
    except DocumentError:
        return False


def _load(text: str | bytes) -> dict[str, Any]:
    document = parse_yaml(text, METADATA, MAX_METADATA_BYTES, max_nodes=MAX_METADATA_BYTES)
    if isinstance(document, dict) and _KEY in document:
        document = document[_KEY]
    if not isinstance(document, dict):
        raise DocumentError(f"{METADATA} is not a mapping")
    return document


def _metadata_from(information: Mapping[str, Any]) -> Metadata:
    custom = information.get("custom_data")
    return Metadata(
        _count(information.get("message_count")),
        {str(k): str(v) for k, v in custom.items()} if isinstance(custom, dict) else {},
        str(information.get("ros_distro") or ""),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
