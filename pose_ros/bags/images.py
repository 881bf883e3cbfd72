"""The images of a bag with what goes with them, as the live nodes would take them."""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pose_ros.bags.message_types import types
from pose_ros.bags.reader import Bag, BagMessage, BagTopic, open_bag
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage, DepthMatcher
from pose_ros.core.encoded_images import DEFAULT_MAX_PIXELS
from pose_ros.core.frames import MEMORY_SECONDS
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Channels, Frame, Image, Say
from pose_ros.errors import ImageError, OptionError, SourceError, TransformError
from pose_ros.messages.cameras import CameraTracker, camera_info_topic, is_rectified
from pose_ros.messages.cdr import read_compressed, read_image, read_image_head, read_stamp
from pose_ros.messages.headers import seconds_of
from pose_ros.messages.images import (
    DEPTH_ENCODINGS,
    depth_from_msg,
    image_from_compressed,
    image_from_msg,
)
from pose_ros.messages.transforms import FrameTracker
from pose_ros.settings.gestures import TargetOptions
from pose_ros.settings.images import BY_NAME
from pose_ros.settings.lifting import LiftOptions

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Gives items in their order while the next ones are made; close it, or take them all.

    An exception comes through in its place.

    Args:
        items: It is used by the thread alone, and closed at the end if it is a generator.
        count: How many items wait at most.
    """

    def __init__(self, items: Iterator[T], count: int) -> None:
        self._items, self._count = items, count
        self._made: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._fetch, name="fetch_ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._made or self._ended or self._closed)
            if self._made and not self._closed:
                self._changed.notify_all()
                return self._made.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """End the thread; safe from any thread, and twice."""
        with self._changed:
            self._closed = True
            self._made.clear()
            self._changed.notify_all()
        self._thread.join()

    def _fetch(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or len(self._made) < self._count)
                    if self._closed:
                        break
                    self._made.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  it is raised where the items are taken
            self._error = error
        finally:
            if isinstance(self._items, Generator):
                self._items.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()


_KEPT = 16  # depth images; one comes a little before or after its color image

TF_TOPICS = {"/tf": False, "/tf_static": True}
"""Whether what is said there holds at any time."""

# what goes with an image is recorded so much later at most, in nanoseconds
_LOOK_AHEAD = NANOSECONDS // 4
_MEMORY = int(MEMORY_SECONDS * NANOSECONDS)


@dataclass(frozen=True)
class ContextOptions:
    """What goes with images.

    Attributes:
        camera_info: Topic; empty: none.
        depth: Topic; empty: none.
        rectified: Whether the images are.
        max_skew: Seconds by which a depth image may be older or newer than its image.
        target_frame: Frame of /tf whose z axis is against gravity.
    """

    camera_info: str
    depth: str
    rectified: bool
    max_skew: float
    target_frame: str


class BagContext:
    """Follows what goes with the images of a bag as its messages come.

    Attributes:
        topics: To be followed.
        margin: Nanoseconds by which an image waits for what is recorded after it.

    Args:
        bag: Where it is.
        options: What it is.
        say: Called with what is wrong.
    """

    def __init__(self, bag: Bag, options: ContextOptions, say: Say) -> None:
        self._bag, self._options = bag, options
        self._say = say
        self._info = CameraTracker(options.camera_info, options.rectified, say)
        self._depth: DepthMatcher[BagMessage] = DepthMatcher(options.depth, _KEPT, _depth_of, say)
        self._frames = FrameTracker(lambda _kind, text: say("transform", text))
        self._tf = [name for name in TF_TOPICS if bag.topic(name)]
        self.topics = {*self._tf, *filter(None, (options.camera_info, options.depth))}
        self.margin = _LOOK_AHEAD if self._tf or options.depth else 0

    @property
    def camera(self) -> Camera | None:
        """That of the newest camera_info."""
        return self._info.camera

    def begin(self, start: int) -> None:
        """Take in what is known at some time, in nanoseconds."""
        if self._options.camera_info and (message := self._info_at(start)) is not None:
            self._take_info(message)
        for name in self._tf:
            since = None if TF_TOPICS[name] else start - _MEMORY
            for message in self._bag.messages([name], since, start):
                take_frames(self._frames, message, self._say)

    def take(self, message: BagMessage) -> None:
        """Take a message of one of the topics."""
        if message.topic == self._options.camera_info:
            self._take_info(message)
        elif message.topic in TF_TOPICS:
            take_frames(self._frames, message, self._say)
        else:
            self._take_depth(message)

    def camera_for(self, camera: Camera | None, width: int, height: int) -> Camera | None:
        """Return a camera if it is one of images of that size, in pixels."""
        return self._info.fitting(camera, width, height)

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image of an image, by its stamp in seconds and its size in pixels."""
        topic, max_skew = self._options.depth, self._options.max_skew
        if not topic:
            return None
        if not self._depth.is_near(stamp, max_skew):
            self._say("skew", f"{topic}: some images have no depth within {max_skew} s")
        return self._depth.nearest(stamp, max_skew, width, height)

    def place(self, frame: str, stamp: float) -> Float64Array | str:
        """Return (4, 4) that takes points of a frame to the target frame, or why it is unknown."""
        if not self._tf or not frame:
            return f"nothing on /tf says where {frame or 'no frame'} is"
        try:
            return self._frames.lookup(self._options.target_frame, frame, stamp)
        except TransformError as error:
            return str(error)

    def _take_info(self, message: BagMessage) -> None:
        # behind the stamp, which differs always
        self._info.take(message.data[12:], message.read)

    def _take_depth(self, message: BagMessage) -> None:
        try:
            nanoseconds, _ = read_stamp(message.data)
        except ImageError as error:
            self._say("depth", f"{message.topic}: {error}")
            return
        self._depth.put(seconds_of(nanoseconds), message)

    def _info_at(self, start: int) -> BagMessage | None:
        """Return the last camera_info before some time; where there is none, the next."""
        topics = [self._options.camera_info]
        for since, until in ((start - _MEMORY, start), (None, start - _MEMORY)):
            newest = deque(self._bag.messages(topics, since, until), maxlen=1)
            if newest:
                return newest[0]
        return next(self._bag.messages(topics, start), None)


def take_frames(tracker: FrameTracker, message: BagMessage, say: Say) -> None:
    """Let a tracker take a message of ``TF_TOPICS``; say what is wrong with one that is damaged."""
    try:
        fields = message.read()
    except SourceError as error:
        say("tf", str(error))
        return
    tracker.take(fields, message.topic, static=TF_TOPICS[message.topic])


def _depth_of(message: BagMessage) -> DepthImage:
    return depth_from_msg(read_image(types, message.data))


RAW, COMPRESSED, INFO = (
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo")
)
IMAGE_KINDS = (RAW, COMPRESSED)
DEFAULT_MAX_SKEW = LiftOptions.max_depth_skew
DEFAULT_TARGET_FRAME = TargetOptions.target_frame

HEAD_BYTES = 1024
"""Of a message of an image: its header and what else stands before the pixels."""

_WAITING_BYTES = 64 << 20
_DECODED = 3  # images that wait for the consumer


@dataclass(frozen=True, eq=False)
class RecordedImage:
    """An image of a bag, and what is known with it.

    Attributes:
        frame: The image; its stamp is the header's in seconds, its index counts all images of
            the topic from the bag's beginning on.
        nanoseconds: The header's stamp, exactly.
        recorded: When the message was recorded, nanoseconds.
        frame_id: TF frame of the image.
        camera: Of images of this size; None where it is not known.
        depth: Nearest in time; None where there is none within the greatest skew.
        place: (4, 4) that takes meters of the image's frame to ``target_frame`` at its stamp; or
            in words why it is not known.
        target_frame: Frame whose z axis is against gravity.
        message: The image's own.
    """

    frame: Frame
    nanoseconds: int
    recorded: int
    frame_id: str
    camera: Camera | None = None
    depth: DepthImage | None = None
    place: Float64Array | str = "the place of the camera is not known"
    target_frame: str = DEFAULT_TARGET_FRAME
    message: BagMessage | None = None

    @property
    def up(self) -> Float64Array | None:
        """(3,) against gravity in the image's frame; None where /tf does not say it."""
        return None if isinstance(self.place, str) else self.place[2, :3]


@dataclass(frozen=True)
class _Waiting:
    index: int
    message: BagMessage
    camera: Camera | None


class BagImages:
    """Yields the images of a topic with what goes with them: every one, in recorded order.

    It is a ``Source`` as well; then only the frames are given. Images are read and decoded in a
    thread of their own, ahead of the consumer. What comes out depends on the bag alone.

    Attributes:
        bag: Where the images are.
        topic: Of the images.
        camera_info: Topic of the CameraInfo; empty where there is none.
        depth: Topic of the depth images; empty where none are asked for.
        refused: How many images were left out, by what is wrong with them.
        camera: Of the frame that ``read`` gave last; None where it is not known.

    Args:
        bag: Open; it stays so for as long as this is used.
        topic: Of the images; None: the only one that is neither a depth image nor an overlay.
        camera_info: Topic; None: the images' sibling, if the bag has it. Empty: none.
        depth: Topic of depth images that are registered to the images; None: none.
        every: Give one image of so many, by index.
        start: Seconds from the bag's beginning, by when images were recorded.
        end: Seconds; what was recorded then and later is not given.
        max_skew: Seconds by which a depth image may be older or newer than its image.
        target_frame: Frame of /tf whose z axis is against gravity.
        image_kind: ``raw``, ``rectified``, or ``auto`` to go by the topic's name.
        max_pixels: Width times height above which an image is refused, before it is decoded.

    Raises:
        SourceError: The bag has no such topic, or several that could be meant.
        OptionError: A number is out of its range.
    """

    live = False  # it is a recording, though its stamps are Unix times
    keeps_stamps = True  # when it is played: other topics of the bag have the same ones

    def __init__(  # noqa: PLR0917
        self,
        bag: Bag,
        topic: str | None = None,
        camera_info: str | None = None,
        depth: str | None = None,
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
        *,
        max_skew: float = DEFAULT_MAX_SKEW,
        target_frame: str = DEFAULT_TARGET_FRAME,
        image_kind: str = BY_NAME,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> None:
        self.bag, self.name, self._every, self._max_pixels = bag, bag.name, every, max_pixels
        if every < 1:
            raise OptionError(f"every must be 1 or more, got {every}")
        self._start, self._end = _window(bag, start, end)
        chosen = choose_topic(bag, topic)
        self.topic = chosen.name
        base = base_topic(chosen)
        self.camera_info = _choose_info(bag, base, camera_info)
        self.depth = _choose_depth(bag, depth)
        self.refused: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._options = ContextOptions(
            self.camera_info, self.depth, is_rectified(image_kind, base), max_skew, target_frame
        )
        self.camera: Camera | None = None
        self._open: Prefetcher[RecordedImage] | None = None
        self._closed = False
        self._owns_bag = False

    @property
    def window(self) -> tuple[int, int]:
        """From when to when images are given, in nanoseconds of Unix time, as recorded."""
        return self._start, self._end

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with what goes with the images, as far as it is known by now."""
        return tuple(self._notes.values())

    @property
    def fps(self) -> float:
        """Images a second by their stamps, as they are given; NaN when unknown."""
        stamps = []
        for message in self.bag.messages([self.topic], self._start, self._end, HEAD_BYTES):
            try:
                stamps.append(read_stamp(message.data)[0])
            except ImageError:
                continue
            if len(stamps) >= 32:
                break
        periods = sorted(b - a for a, b in itertools.pairwise(stamps) if b > a)
        if not periods:
            return math.nan
        return NANOSECONDS / periods[len(periods) // 2] / self._every

    @property
    def length(self) -> int:
        """How many images there are to be given, those included that will be refused."""
        first = self.bag.count(self.topic, None, self._start)
        last = first + self.bag.count(self.topic, self._start, self._end)
        return -(-last // self._every) - -(-first // self._every)

    def __iter__(self) -> Iterator[RecordedImage]:
        prefetcher = Prefetcher(self._recorded_images(), _DECODED)
        try:
            yield from prefetcher
        finally:
            prefetcher.close()

    def read(self) -> Frame | None:
        """Return the next image, or None at the end.

        Raises:
            SourceError: This is closed.
        """
        if self._closed:
            raise SourceError(f"{self.name} is closed")
        self._open = self._open or Prefetcher(self._recorded_images(), _DECODED)
        recorded = next(self._open, None)
        if recorded is None:
            return None
        self.camera = recorded.camera
        return recorded.frame

    def close(self) -> None:
        """End the reading that ``read`` began; safe from any thread, and twice."""
        self._closed = True
        if self._open is not None:
            self._open.close()
        if self._owns_bag:
            self.bag.close()

    def _recorded_images(self) -> Generator[RecordedImage, None, None]:
        self.refused.clear()
        context = BagContext(self.bag, self._options, self._say)
        margin = context.margin
        context.begin(self._start)
        index = self.bag.count(self.topic, None, self._start)
        waiting: deque[_Waiting] = deque()
        topics = {self.topic, *context.topics}
        for message in self.bag.messages(topics, self._start - margin, self._end + margin):
            recorded = message.nanoseconds
            while waiting and waiting[0].message.nanoseconds + margin < recorded:
                yield from self._finish(waiting.popleft(), context)
            if message.topic != self.topic:
                context.take(message)
            elif self._start <= recorded < self._end:
                if index % self._every == 0:
                    waiting.append(_Waiting(index, message, context.camera))
                index += 1
            while sum(len(one.message.data) for one in waiting) > _WAITING_BYTES:
                yield from self._finish(waiting.popleft(), context)
        while waiting:
            yield from self._finish(waiting.popleft(), context)

    def _finish(self, one: _Waiting, context: BagContext) -> Iterator[RecordedImage]:
        """Yield the image that has waited; nothing if it is refused."""
        message = one.message
        try:
            nanoseconds, frame_id = read_stamp(message.data)
            if nanoseconds <= 0:
                self._refuse("without a stamp", "header.stamp is zero; let the driver set it")
                return
            image, channels = _decode(message, self._max_pixels)
            if not frame_id:
                self._say(
                    "frame_id",
                    "images have no frame_id, and nothing of /tf is known of them: set it in the "
                    "camera's driver",
                )
            stamp = seconds_of(nanoseconds)
            frame = Frame(image, stamp, one.index, self.name, channels)
        except ImageError as error:
            self._refuse("unreadable", str(error))
            return
        size = frame.width, frame.height
        yield RecordedImage(
            frame,
            nanoseconds,
            message.nanoseconds,
            frame_id,
            context.camera_for(one.camera, *size),
            context.depth_for(stamp, *size),
            context.place(frame_id, stamp),
            self._options.target_frame,
            message,
        )

    def _refuse(self, kind: str, text: str) -> None:
        self.refused[self._examples.setdefault(kind, f"{kind} ({text})")] += 1

    def _say(self, kind: str, text: str) -> None:
        self._notes.setdefault(kind, text)


def open_bag_images(
    path: Path | str, topic: str | None = None, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> BagImages:
    """Open a bag for its images alone; closing them closes it.

    Arguments are those of ``BagImages``.

    Raises:
        SourceError: There is no bag, nothing of it can be read, or it has no such topic.
    """
    bag = open_bag(path)
    try:
        images = BagImages(bag, topic, max_pixels=max_pixels)
    except BaseException:
        bag.close()
        raise
    images._owns_bag = True
    return images


def camera_names(names: Sequence[str]) -> list[str]:
    """Return short names of cameras: of topics the parts that differ.

    Raises:
        OptionError: Two are the same.
    """
    short = list(names)
    if all(name.startswith("/") for name in names):
        parts = [name.strip("/").split("/") for name in names]
        differ = [
            "_".join(p for p in own if any(p not in other for other in parts)) for own in parts
        ]
        short = [name or "_".join(own) for name, own in zip(differ, parts, strict=True)]
    if len(set(short)) < len(short):
        raise OptionError(
            f"two cameras are called the same: {', '.join(short)}; give each a name of its own"
        )
    return short


def image_topics(bag: Bag) -> list[BagTopic]:
    """Return the topics of a bag that hold images, depth images included."""
    return [topic for topic in bag.topics if topic.kind in IMAGE_KINDS]


def is_depth(bag: Bag, topic: BagTopic) -> bool:
    """Return whether a topic holds depth images, by its name or by its first image."""
    words = topic.name.replace("_", "/").lower().split("/")
    if "depth" in words or "compresseddepth" in words:
        return True
    if topic.kind != RAW:
        return False
    first = next(bag.messages([topic.name], head=HEAD_BYTES), None)
    try:
        encoding = read_image_head(first.data).encoding if first else ""
    except ImageError:
        return False
    return encoding in DEPTH_ENCODINGS and encoding != "mono16"


def base_topic(topic: BagTopic) -> str:
    """Return the name of the images before image_transport added to it how it sends them."""
    head, _, tail = topic.name.rpartition("/")
    return head if topic.kind == COMPRESSED and tail == "compressed" else topic.name


def choose_topic(bag: Bag, name: str | None = None) -> BagTopic:
    """Return the topic of images that is meant.

    Args:
        bag: Where it is.
        name: As it was given; None: the only one that is neither a depth image nor an overlay.

    Raises:
        SourceError: There is none of that name, or several that could be meant.
    """
    images = image_topics(bag)
    known = ", ".join(topic.name for topic in images) or "none"
    if name is not None:
        for wanted in (name, f"{name}/compressed"):
            if (topic := bag.topic(wanted)) is not None:
                if topic.kind not in IMAGE_KINDS:
                    raise SourceError(
                        f"{wanted} holds {topic.kind}; topics of images: {known}{_packets(bag)}"
                    )
                return topic
        raise SourceError(
            f"{bag.name} has no topic {name}; topics of images: {known}{_packets(bag)}"
        )
    names = {topic.name for topic in images}
    found = [
        topic
        for topic in images
        if not is_depth(bag, topic)
        and "overlay" not in topic.name.split("/")
        and (base_topic(topic) == topic.name or base_topic(topic) not in names)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SourceError(
            f"{bag.name} has no images of a camera; topics of images: {known}{_packets(bag)}"
        )
    several = ", ".join(topic.name for topic in found)
    raise SourceError(
        f"{bag.name} has images on several topics; choose one of {several} with --topic, or "
        "bag_topic of a node"
    )


def _packets(bag: Bag) -> str:
    """Return a clause on topics of video packets, which are no images yet; empty without any."""
    names = [topic.name for topic in bag.topics if topic.kind.endswith("/FFMPEGPacket")]
    if not names:
        return ""
    return (
        f"; {', '.join(names)} holds FFMPEGPacket, video that is not read: play the bag, decode it "
        "with `ros2 run image_transport republish --ros-args -p in_transport:=ffmpeg -p "
        "out_transport:=raw`, and record the images"
    )


def _choose_info(bag: Bag, base: str, name: str | None) -> str:
    wanted = camera_info_topic(base) if name is None else name
    topic = bag.topic(wanted) if wanted else None
    if topic is not None and topic.kind == INFO:
        return wanted
    if name:
        known = ", ".join(other.name for other in bag.topics if other.kind == INFO) or "none"
        raise SourceError(f"{bag.name} has no camera_info {name}; those there: {known}")
    return ""


def _choose_depth(bag: Bag, name: str | None) -> str:
    if not name:
        return ""
    topic = bag.topic(name)
    if topic is not None and topic.kind == RAW:
        return name
    known = ", ".join(t.name for t in image_topics(bag) if t.kind == RAW and is_depth(bag, t))
    what = "is not a sensor_msgs/Image" if topic else "is not there"
    raise SourceError(f"{bag.name}: depth topic {name} {what}; depth images: {known or 'none'}")


def _window(bag: Bag, start: float | None, end: float | None) -> tuple[int, int]:
    """Return from when to when, in nanoseconds of Unix time."""
    for name, value in (("start", start), ("end", end)):
        if value is not None and not 0 <= value < math.inf:
            raise OptionError(f"{name} must be 0 seconds or more, got {value}")
    if start is not None and end is not None and end <= start:
        raise OptionError(f"end must be after start, got {start} and {end} seconds")
    first, last = bag.start_nanoseconds, bag.end_nanoseconds + 1
    if start is not None:
        first += round(start * NANOSECONDS)
    if end is not None:
        last = min(last, bag.start_nanoseconds + round(end * NANOSECONDS))
    return first, max(first, last)


def _decode(message: BagMessage, max_pixels: int) -> tuple[Image, Channels]:
    """Return the picture of a message, and the order of its channels.

    Raises:
        ImageError: It is cut off, too large, or no picture.
    """
    if message.kind == RAW:
        return image_from_msg(read_image(types, message.data), max_pixels)
    return image_from_compressed(read_compressed(types, message.data), max_pixels)
