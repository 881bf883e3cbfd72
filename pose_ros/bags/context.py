"""What goes with the images of a bag: the camera, the depth image, and where up is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pose_ros.bags.message_types import types
from pose_ros.bags.reader import Bag, BagMessage
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage, DepthMatcher
from pose_ros.core.frames import MEMORY_SECONDS
from pose_ros.core.protocols import Say
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import ImageError, SourceError, TransformError
from pose_ros.messages.cameras import CameraTracker
from pose_ros.messages.cdr import read_image, read_stamp
from pose_ros.messages.headers import seconds_of
from pose_ros.messages.images import depth_from_msg
from pose_ros.messages.transforms import FrameTracker

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
