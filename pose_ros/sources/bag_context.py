"""What goes with the images of a bag: the camera, the depth image, and where up is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.frames import MEMORY_SECONDS, FrameTree
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import ImageError, OptionError, SourceError, TransformError
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.cdr import read_image, read_stamp
from pose_ros.messages.images import depth_from_msg
from pose_ros.messages.transforms import add_transform
from pose_ros.sources.bag import Bag, BagMessage
from pose_ros.sources.bag_types import types

_KEPT = 16  # depth images; one comes a little before or after its color image

TF_TOPICS = {"/tf": False, "/tf_static": True}
"""Whether what is said there holds at any time."""

# what goes with an image is recorded so much later at most, in nanoseconds
_LOOK_AHEAD = NANOSECONDS // 4
_MEMORY = int(MEMORY_SECONDS * NANOSECONDS)

Say = Callable[[str, str], None]
"""Takes a kind of trouble and its text; each kind is said once."""


class BagCamera:
    """Keeps the camera of the newest camera_info.

    Args:
        topic: Of the camera_info, for what is said.
        rectified: Whether the images are.
        say: Called with what is wrong.
    """

    def __init__(self, topic: str, rectified: bool, say: Say) -> None:
        self._topic, self._rectified, self._say = topic, rectified, say
        self._data = b""
        self._camera: Camera | None = None

    def take(self, message: BagMessage) -> None:
        """Take a camera_info; one that says the same as the last costs next to nothing."""
        data = message.data[12:]  # behind the stamp, which differs always
        if data == self._data:
            return
        self._data, self._camera = data, None
        try:
            camera = camera_from_info(message.read(), rectified=self._rectified)
            camera.undistort((0.0, 0.0))  # it knows the lens model, or says so now
            self._camera = camera
        except (OptionError, SourceError) as error:
            self._say("camera", f"no meters from {self._topic}: {error}")

    @property
    def camera(self) -> Camera | None:
        """The newest; None where it is not known."""
        return self._camera

    def fitting(self, camera: Camera | None, width: int, height: int) -> Camera | None:
        """Return a camera if it is one of images of that size, in pixels."""
        if camera is None or (camera.width, camera.height) == (width, height):
            return camera
        self._say(
            "size",
            f"no meters: {self._topic} is for {camera.width}x{camera.height} pixels, the images "
            f"have {width}x{height}",
        )
        return None


class BagDepth:
    """Keeps the last depth images, and finds the one nearest to an image.

    Args:
        topic: Of the depth images, for what is said.
        max_skew: Seconds by which a depth image may be older or newer than the image.
        say: Called with what is wrong.
    """

    def __init__(self, topic: str, max_skew: float, say: Say) -> None:
        self._topic, self._max_skew, self._say = topic, max_skew, say
        self._kept: deque[tuple[int, BagMessage]] = deque(maxlen=_KEPT)

    def take(self, message: BagMessage) -> None:
        """Take a depth image; it is decoded when it is needed."""
        try:
            nanoseconds, _ = read_stamp(message.data)
        except ImageError as error:
            self._say("depth", f"{self._topic}: {error}")
            return
        self._kept.append((nanoseconds, message))

    def nearest(self, nanoseconds: int, width: int, height: int) -> DepthImage | None:
        """Return the depth image nearest in time to an image; None where none will do.

        Args:
            nanoseconds: The image's stamp.
            width: Of the image, pixels; a depth image that is registered to it has the same.
            height: Of the image, pixels.
        """
        best = min(self._kept, key=lambda kept: abs(kept[0] - nanoseconds), default=None)
        if best is None or abs(best[0] - nanoseconds) > self._max_skew * NANOSECONDS:
            self._say("skew", f"{self._topic}: some images have no depth within {self._max_skew} s")
            return None
        try:
            depth = depth_from_msg(read_image(types, best[1].data))
        except ImageError as error:
            self._say("depth", f"{self._topic}: {error}")
            return None
        if depth.size == (width, height):
            return depth
        self._say(
            "depth size",
            f"{self._topic} has {depth.size[0]}x{depth.size[1]} pixels, the images have "
            f"{width}x{height}, and it is not used: give the depth that is registered to them",
        )
        return None


class BagFrames:
    """Keeps what /tf and /tf_static tell.

    Args:
        say: Called with what is wrong.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._tree = FrameTree()

    def take(self, message: BagMessage, *, static: bool) -> None:
        """Take a message of /tf or /tf_static."""
        try:
            transforms = message.read().transforms
        except SourceError as error:
            self._say("tf", str(error))
            return
        for item in transforms:
            self._add(item, static=static)

    def lookup(self, target: str, frame: str, stamp: float) -> Float64Array:
        """Return (4, 4) that takes points of a frame to the target.

        Raises:
            TransformError: It is not known.
        """
        return self._tree.lookup(target, frame, stamp)

    def _add(self, item: Any, *, static: bool) -> None:
        try:
            add_transform(self._tree, item, static=static)
        except TransformError as error:
            self._say("transform", str(error))


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
        self._info = BagCamera(options.camera_info, options.rectified, say)
        self._depth = BagDepth(options.depth, options.max_skew, say) if options.depth else None
        self._frames = BagFrames(say)
        self._tf = [name for name in TF_TOPICS if bag.topic(name)]
        self.topics = {*self._tf, *filter(None, (options.camera_info, options.depth))}
        self.margin = _LOOK_AHEAD if self._tf or self._depth else 0

    @property
    def camera(self) -> Camera | None:
        """That of the newest camera_info."""
        return self._info.camera

    def begin(self, start: int) -> None:
        """Take in what is known at some time, in nanoseconds."""
        if self._options.camera_info and (message := self._info_at(start)) is not None:
            self._info.take(message)
        for name in self._tf:
            since = None if TF_TOPICS[name] else start - _MEMORY
            for message in self._bag.messages([name], since, start):
                self._frames.take(message, static=TF_TOPICS[name])

    def take(self, message: BagMessage) -> None:
        """Take a message of one of the topics."""
        if message.topic == self._options.camera_info:
            self._info.take(message)
        elif message.topic in TF_TOPICS:
            self._frames.take(message, static=TF_TOPICS[message.topic])
        elif self._depth:
            self._depth.take(message)

    def camera_for(self, camera: Camera | None, width: int, height: int) -> Camera | None:
        """Return a camera if it is one of images of that size, in pixels."""
        return self._info.fitting(camera, width, height)

    def depth_for(self, nanoseconds: int, width: int, height: int) -> DepthImage | None:
        """Return the depth image of an image, by its stamp and its size in pixels."""
        return self._depth.nearest(nanoseconds, width, height) if self._depth else None

    def place(self, frame: str, stamp: float) -> Float64Array | str:
        """Return (4, 4) that takes points of a frame to the target frame, or why it is unknown."""
        if not self._tf or not frame:
            return f"nothing on /tf says where {frame or 'no frame'} is"
        try:
            return self._frames.lookup(self._options.target_frame, frame, stamp)
        except TransformError as error:
            return str(error)

    def _info_at(self, start: int) -> BagMessage | None:
        """Return the last camera_info before some time; where there is none, the next."""
        topics = [self._options.camera_info]
        for since, until in ((start - _MEMORY, start), (None, start - _MEMORY)):
            newest = deque(self._bag.messages(topics, since, until), maxlen=1)
            if newest:
                return newest[0]
        return next(self._bag.messages(topics, start), None)
