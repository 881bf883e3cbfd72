"""What a recording holds and what is wrong with it, from the heads of its messages alone."""

from __future__ import annotations

import contextlib
import math
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pose_ros.bags.images import (
    COMPRESSED,
    DEFAULT_MAX_SKEW,
    HEAD_BYTES,
    IMAGE_KINDS,
    INFO,
    base_topic,
    is_depth,
)
from pose_ros.bags.message_types import types
from pose_ros.bags.reader import Bag, BagMessage, BagTopic
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import ImageError, OptionError, SourceError
from pose_ros.messages.cameras import camera_from_info, camera_info_topic, is_rectified
from pose_ros.messages.cdr import read_compressed, read_image_head, read_stamp
from pose_ros.messages.images import image_from_compressed

RESULTS = "pose_ros/msg/PoseArray"

# a stamp that is farther than that from when it was recorded is of another clock
_SAME_CLOCK_SECONDS = 3600.0


@dataclass(frozen=True)
class TopicSurvey:
    """A topic, whatever it holds.

    Attributes:
        name: Its name.
        kind: Of its messages.
        count: How many can be read.
        rate: Messages a second as they were recorded; NaN of fewer than two.
        size: Bytes of all.
        known: Whether it is known what the messages consist of.
    """

    name: str
    kind: str
    count: int
    rate: float
    size: int
    known: bool


@dataclass(frozen=True)
class ImageSurvey:
    """A topic of images. NaN is what is not known.

    Attributes:
        name: Its name.
        count: Images that can be read.
        width: Pixels, of the first; 0 when unknown.
        height: Pixels, of the first; 0 when unknown.
        encoding: Of the first, or how it is compressed.
        frame_id: Of the first.
        depth: Whether they are depth images.
        rate: Images a second, by the median of the times between their stamps.
        largest_gap: Seconds, between two stamps.
        gaps: How many times between two stamps are above one and a half of the usual one.
        long_gaps: How many are above two.
        latency: Seconds from the stamp to the record, the median.
        latency_95: Seconds, that of 95 in 100 is at most so much.
        camera_info: Its topic; empty where there is none.
        depth_topics: Topics of depth images of the same size, and the share of images with a
            depth image near enough in time.
        problems: What is wrong, in words.
    """

    name: str
    count: int
    width: int
    height: int
    encoding: str
    frame_id: str
    depth: bool
    rate: float
    largest_gap: float
    gaps: int
    long_gaps: int
    latency: float
    latency_95: float
    camera_info: str
    depth_topics: dict[str, float]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ResultSurvey:
    """A topic of people that were found, live or in an earlier run.

    Attributes:
        name: Its name.
        count: Messages that can be read.
        network: That found the people of the first.
        skeleton: Of the first.
    """

    name: str
    count: int
    network: str
    skeleton: str


@dataclass(frozen=True)
class Survey:
    """What a recording holds.

    Attributes:
        path: Where it is, as it was given.
        storage: ``mcap`` or ``sqlite3``.
        distro: Of the ROS that recorded it; empty when unknown.
        start_nanoseconds: When the first message was recorded, Unix time.
        seconds: From the first message to the last.
        topics: All of them.
        images: Those of images.
        results: Those of people that were found.
        damage: What is lost, a line each.
    """

    path: str
    storage: str
    distro: str
    start_nanoseconds: int
    seconds: float
    topics: tuple[TopicSurvey, ...]
    images: tuple[ImageSurvey, ...]
    results: tuple[ResultSurvey, ...]
    damage: tuple[str, ...]


@dataclass
class _TopicStatistics:
    """What has been seen of a topic."""

    count: int = 0
    size: int = 0
    first: int = 0
    last: int = 0
    messages: list[BagMessage] = field(default_factory=list)  # the first of each content

    def take(self, message: BagMessage) -> None:
        self.first = message.nanoseconds if not self.count else self.first
        self.last = message.nanoseconds
        self.count += 1
        self.size += message.size
        if not self.messages or self.differs(message):
            self.messages.append(message)

    def differs(self, message: BagMessage) -> bool:
        """Return whether a camera_info says something else than the last; its stamp is new."""
        return message.kind == INFO and message.data[12:] != self.messages[-1].data[12:]


@dataclass
class _ImageStatistics(_TopicStatistics):
    """What has been seen of a topic of images; 16 bytes an image are kept."""

    stamps: array[int] = field(default_factory=lambda: array("q"))
    recorded: array[int] = field(default_factory=lambda: array("q"))
    shapes: Counter[tuple[int, int, str]] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    broken: int = 0

    def take(self, message: BagMessage) -> None:
        super().take(message)
        try:
            nanoseconds, frame_id = read_stamp(message.data)
            if message.kind != COMPRESSED:
                head = read_image_head(message.data)
                self.shapes[head.width, head.height, head.encoding] += 1
        except ImageError:
            self.broken += 1
            return
        self.frames[frame_id] += 1
        self.stamps.append(nanoseconds)
        self.recorded.append(message.nanoseconds)


def survey(bag: Bag, progress: Callable[[int], None] = lambda _count: None) -> Survey:
    """Return what a recording holds; pixels are not read, and memory does not grow with them.

    Args:
        bag: Open.
        progress: Called now and then with how many messages have been seen.
    """
    by_topic = {
        topic: _ImageStatistics() if topic.kind in IMAGE_KINDS else _TopicStatistics()
        for topic in bag.topics
    }
    by_name = {(topic.name, topic.kind): statistics for topic, statistics in by_topic.items()}
    for seen, message in enumerate(bag.messages(head=HEAD_BYTES), start=1):
        by_name[message.topic, message.kind].take(message)
        if seen % 1000 == 0:
            progress(seen)
    infos = {topic.name: statistics for topic, statistics in by_topic.items() if topic.kind == INFO}
    pictures = {
        topic: statistics
        for topic, statistics in by_topic.items()
        if isinstance(statistics, _ImageStatistics)
    }
    depths = {
        topic.name: statistics for topic, statistics in pictures.items() if is_depth(bag, topic)
    }
    return Survey(
        str(bag.path),
        bag.storage,
        bag.distro,
        bag.start_nanoseconds,
        (bag.end_nanoseconds - bag.start_nanoseconds) / NANOSECONDS,
        tuple(_topic(bag, topic, statistics) for topic, statistics in by_topic.items()),
        tuple(
            _images(bag, topic, statistics, infos, depths) for topic, statistics in pictures.items()
        ),
        tuple(
            _results(bag, topic, statistics)
            for topic, statistics in by_topic.items()
            if topic.kind == RESULTS
        ),
        bag.damage,
    )


def _topic(bag: Bag, topic: BagTopic, statistics: _TopicStatistics) -> TopicSurvey:
    span = (statistics.last - statistics.first) / NANOSECONDS
    rate = (statistics.count - 1) / span if span > 0 else math.nan
    known = bag.knows(topic.kind)
    return TopicSurvey(topic.name, topic.kind, statistics.count, rate, statistics.size, known)


def _results(bag: Bag, topic: BagTopic, statistics: _TopicStatistics) -> ResultSurvey:
    network = skeleton = ""
    first = next(bag.messages([topic.name]), None)
    with contextlib.suppress(SourceError):
        if first is not None:
            message = first.read()
            network, skeleton = message.network, message.skeleton
    return ResultSurvey(topic.name, statistics.count, network, skeleton)


def _images(
    bag: Bag,
    topic: BagTopic,
    statistics: _ImageStatistics,
    infos: dict[str, _TopicStatistics],
    depths: dict[str, _ImageStatistics],
) -> ImageSurvey:
    stamps = np.array(statistics.stamps, np.int64)
    stamped = stamps > 0
    steps = np.diff(stamps[stamped]) / NANOSECONDS
    period = float(np.median(steps[steps > 0])) if np.any(steps > 0) else math.nan
    latency = (np.array(statistics.recorded, np.int64)[stamped] - stamps[stamped]) / NANOSECONDS
    same_clock = not len(latency) or abs(float(np.median(latency))) < _SAME_CLOCK_SECONDS
    shape = _shape(bag, topic, statistics)
    depth = topic.name in depths
    info, trouble = _camera_info(topic, shape[:2], infos)
    problems = _stamp_problems(stamps, steps, same_clock=same_clock)
    problems += _other_problems(statistics)
    if trouble and not depth:
        problems.append(trouble)
    return ImageSurvey(
        topic.name,
        statistics.count,
        *shape,
        statistics.frames.most_common(1)[0][0] if statistics.frames else "",
        depth,
        1.0 / period,
        float(steps.max()) if len(steps) else math.nan,
        int(np.sum(steps > 1.5 * period)),
        int(np.sum(steps > 2.0 * period)),
        float(np.median(latency)) if same_clock and len(latency) else math.nan,
        float(np.percentile(latency, 95)) if same_clock and len(latency) else math.nan,
        info,
        {} if depth else _depth_shares(stamps[stamped], shape[:2], depths),
        tuple(problems),
    )


def _shape(bag: Bag, topic: BagTopic, statistics: _ImageStatistics) -> tuple[int, int, str]:
    """Return width and height in pixels of the first image, and its encoding."""
    if statistics.shapes:
        return next(iter(statistics.shapes))
    first = next(bag.messages([topic.name]), None)
    if first is None or topic.kind != COMPRESSED:
        return 0, 0, ""
    try:
        view = read_compressed(types, first.data)
        image, _ = image_from_compressed(view)
    except ImageError:
        return 0, 0, ""
    return image.shape[1], image.shape[0], view.format


def _camera_info(
    topic: BagTopic, size: tuple[int, int], infos: dict[str, _TopicStatistics]
) -> tuple[str, str]:
    """Return the topic of the camera_info of images, and what is wrong with it, in words."""
    base = base_topic(topic)
    name = camera_info_topic(base)
    statistics = infos.get(name)
    if statistics is None or not statistics.count:
        others = ", ".join(infos)
        others = f"; there is {others}: --camera-info names it" if others else ""
        return "", f"no camera_info on {name}, so no meters{others}"
    try:
        camera = camera_from_info(
            statistics.messages[0].read(), rectified=is_rectified("auto", base)
        )
        camera.undistort((0.0, 0.0))  # it knows the lens model, or says so now
    except (OptionError, SourceError) as error:
        return name, f"{name}: {error}"
    if size not in {(0, 0), (camera.width, camera.height)}:
        found = f"{camera.width}x{camera.height}"
        return name, f"{name} is for {found} pixels, the images have {size[0]}x{size[1]}"
    if len(statistics.messages) > 1:
        return name, f"{name} changes {len(statistics.messages) - 1} times"
    return name, ""


def _stamp_problems(
    stamps: NDArray[np.int64], steps: NDArray[np.float64], *, same_clock: bool
) -> list[str]:
    problems = []
    if zero := int(np.sum(stamps <= 0)):
        problems.append(f"{zero} of {len(stamps)} images have no stamp and will be left out")
    if back := int(np.sum(steps < 0)):
        problems.append(
            f"stamps go back {back} times, by {-steps.min():.3g} s at most: "
            "who is followed is forgotten there"
        )
    if same := int(np.sum(steps == 0)):
        problems.append(f"{same} stamps are the same as the one before")
    if not same_clock:
        problems.append("stamps are of another clock than the times of recording")
    return problems


def _other_problems(statistics: _ImageStatistics) -> list[str]:
    problems = []
    if statistics.broken:
        problems.append(f"{statistics.broken} of {statistics.count} images cannot be read")
    if statistics.frames[""]:
        problems.append(
            f"{statistics.frames['']} of {statistics.count} images have an empty frame_id"
        )
    frames = [frame for frame in statistics.frames if frame]
    if len(frames) > 1:
        problems.append(f"several frame_ids: {', '.join(frames[:4])}")
    if len(statistics.shapes) > 1:
        names = [f"{w}x{h} {encoding}" for w, h, encoding in list(statistics.shapes)[:4]]
        problems.append(f"images of several kinds: {', '.join(names)}")
    return problems


def _depth_shares(
    stamps: NDArray[np.int64], size: tuple[int, int], depths: dict[str, _ImageStatistics]
) -> dict[str, float]:
    """Return for topics of depth images of a size which share of stamps has one near by."""
    shares = {}
    for name, statistics in depths.items():
        found = np.sort(np.array(statistics.stamps, np.int64))
        if not len(found) or not len(stamps) or next(iter(statistics.shapes), (0, 0))[:2] != size:
            continue
        after = np.clip(np.searchsorted(found, stamps), 1, max(1, len(found) - 1))
        near = np.abs(found[np.minimum(after, len(found) - 1)] - stamps)
        near = np.minimum(near, np.abs(found[after - 1] - stamps))
        shares[name] = float(np.mean(near <= DEFAULT_MAX_SKEW * NANOSECONDS))
    return shares
