"""Reads rosbag2 recordings, whole or damaged: what can be read is read, what was lost is said.

Both storages, SQLite and MCAP, of ROS 2 Humble to Kilted, in one file or several, compressed or
not, with or without metadata.yaml; no ROS is needed, and nothing is written beside a recording.
"""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pose_ros.bags import mcap, sqlite
from pose_ros.bags.finding import (
    MCAP_MAGIC,
    METADATA,
    SQLITE_MAGIC,
    BagFile,
    Metadata,
    find_files,
    parse_metadata,
)
from pose_ros.bags.message_types import Definitions
from pose_ros.bags.records import ZSTD_MAGIC, BagRecord, Content, Storage, decompress, merge
from pose_ros.errors import SourceError, printable
from pose_ros.files import user_path


def open_storage(path: Path, name: str, expected: int | None) -> Storage:
    """Open a file by what it holds, whatever its name is.

    Raises:
        SourceError: It is empty, or nothing in it can be read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from None
    if not magic:
        raise SourceError(f"{name} is empty")
    if magic == SQLITE_MAGIC:
        return sqlite.SqliteFile(path, name, expected)
    if magic.startswith(MCAP_MAGIC):
        return mcap.McapFile(path, name, expected)
    kind = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
    if kind in ("image", "video"):
        what = {"image": "a picture", "video": "a video"}[kind]
        raise SourceError(f"{name} is {what} and no bag: pose-ros estimate finds the people in it")
    raise SourceError(f"{name} is neither an MCAP nor a SQLite file, or its beginning is damaged")


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed as a whole.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror}") from None


_ALWAYS = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag.

    Attributes:
        name: Its name, such as ``/camera/image_raw``.
        kind: Of its messages, such as ``sensor_msgs/msg/Image``.
        count: How many messages there are, as far as that is known before they are read.
    """

    name: str
    kind: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag.

    Attributes:
        topic: Its topic's name.
        kind: Its type.
        nanoseconds: When it was recorded, Unix time.
        data: Serialized; only its beginning if no more was asked for.
        size: Bytes of the whole as it was recorded.
    """

    topic: str
    kind: str
    nanoseconds: int
    data: bytes
    size: int
    _definitions: Definitions = field(repr=False)

    def read(self) -> Any:
        """Return the message with its fields as attributes.

        Raises:
            SourceError: It is damaged, or nothing defines such messages.
        """
        try:
            return self._definitions.read(self.kind, self.data)
        except SourceError as error:
            raise SourceError(f"{self.topic}: {error}") from None


class Bag:
    """A recording that is open; ``open_bag`` opens one, ``close`` or ``with`` closes it.

    Attributes:
        path: Where it is.
        name: What its folder or file is called.
        topics: What it holds, by name.
        start_nanoseconds: When the first message was recorded, Unix time; 0 if there is none.
        end_nanoseconds: When the last one was.
        storage: ``mcap`` or ``sqlite3``.
        custom: What programs have written into its metadata, by key.
        distro: Of the ROS that recorded it; empty where it does not say.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = printable(path.parent.name if path.name == METADATA else path.name)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        files, metadata, self._damage = find_files(path)
        self._files: list[Storage] = []
        try:
            for file in files:
                self._add(file)
        except BaseException:
            self.close()
            raise
        if not self._files:
            self.close()
            raise SourceError(f"nothing of {path} can be read: {'; '.join(self._damage)}")
        self._describe(metadata)

    @property
    def damage(self) -> tuple[str, ...]:
        """What is known to be lost, a line each; all of it once the messages have been read."""
        return (*self._damage, *(line for file in self._files for line in file.losses()))

    def messages(
        self,
        topics: Collection[str] | None = None,
        start: int | None = None,
        end: int | None = None,
        head: int | None = None,
    ) -> Iterator[BagMessage]:
        """Yield messages in the order in which they were recorded.

        Several iterations may go on at once, in several threads too. What is damaged is left
        out, and ``damage`` tells of it.

        Args:
            topics: Names; None for all.
            start: Nanoseconds, Unix time; None from the beginning on.
            end: Nanoseconds; messages from then on are not given. None to the end.
            head: So many bytes of each message are enough: large ones are not read as a whole.
        """
        names = {topic.name for topic in self.topics} if topics is None else set(topics)
        first = _ALWAYS[0] if start is None else start
        last = _ALWAYS[1] if end is None else end

        def read(file: Storage) -> Iterator[BagRecord]:
            return file.records(names, first, last, head)

        parts = [
            (file.span[0], partial(read, file))
            for file in self._files
            if file.span and file.span[0] < last and file.span[1] >= first
        ]
        for stamp, topic, kind, data, size in merge(parts):
            yield BagMessage(topic, kind, stamp, data, size, self._definitions)

    def count(self, topic: str, start: int | None = None, end: int | None = None) -> int:
        """Return how many messages of a topic were recorded from ``start`` to before ``end``."""
        first = _ALWAYS[0] if start is None else start
        last = _ALWAYS[1] if end is None else end
        return sum(file.count(topic, first, last) for file in self._files)

    def knows(self, kind: str) -> bool:
        """Return whether messages of a type can be read: the bag or ROS says what they are."""
        return self._definitions.knows(kind)

    def topic(self, name: str) -> BagTopic | None:
        """Return a topic by its name; None where the bag has none of that name."""
        return next((topic for topic in self.topics if topic.name == name), None)

    def close(self) -> None:
        """Remove what was decompressed."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, file: BagFile) -> None:
        """Open a file; one that cannot be read is reported."""
        path, name = file.path, printable(file.path.name)
        lost = "" if file.expected is None else f": {file.expected} messages are lost"
        if not path.exists():
            self._damage.append(f"{name} is missing{lost}")
            return
        try:
            if is_compressed(path):
                path = self._decompressed(path)
            self._files.append(open_storage(path, name, file.expected))
        except SourceError as error:
            self._damage.append(f"{error}{lost}")

    def _decompressed(self, path: Path) -> Path:
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="pose_ros_bag_")
        target = Path(self._folder.name) / f"{len(self._files)}_{path.stem}"
        try:
            if not decompress(path, target):
                self._damage.append(f"{path.name} is cut off or broken: it cannot be decompressed")
        except OSError as error:
            raise SourceError(
                f"{path.name} cannot be decompressed into {target.parent}: {error.strerror}; "
                "TMPDIR names another folder"
            ) from None
        return target

    def _describe(self, metadata: Metadata) -> None:
        kinds: dict[str, Content] = {}
        topics: dict[tuple[str, str], int] = {}
        for content in (content for file in self._files for content in file.contents):
            key = content.topic, content.kind
            topics[key] = topics.get(key, 0) + content.count
            known = kinds.setdefault(content.kind, content)
            if content.definition and not known.definition:
                kinds[content.kind] = content
        self.topics = tuple(BagTopic(*key, count) for key, count in sorted(topics.items()))
        self._definitions = Definitions(kinds)
        spans = [file.span for file in self._files if file.span]
        self.start_nanoseconds = min((span[0] for span in spans), default=0)
        self.end_nanoseconds = max((span[1] for span in spans), default=0)
        self.storage = self._files[0].kind
        found = metadata
        for file in self._files:
            if not found.custom and file.metadata:
                found = parse_metadata(file.metadata)
        self.custom: Mapping[str, str] = metadata.custom or found.custom
        self.distro = metadata.distro or found.distro


def open_bag(path: Path | str) -> Bag:
    """Open a recording for reading.

    Args:
        path: Its folder, its metadata.yaml, or a lone ``.mcap`` or ``.db3`` file.

    Raises:
        SourceError: There is no bag, or nothing of it can be read.
    """
    return Bag(user_path(path))
