"""What the pose node knows of an image beside its pixels: the camera, and the depth image."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from pose_ros.core.camera import Calibration, Camera, choose_camera
from pose_ros.core.depth import DepthImage, DepthMatcher
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.views import choose_views
from pose_ros.core.types import Source
from pose_ros.errors import ImageError, OptionError
from pose_ros.messages.cameras import CameraTracker, camera_info_topic, is_rectified
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import depth_from_msg
from pose_ros.ros.camera_topics import DriverSubscription
from pose_ros.ros.diagnostics import once
from pose_ros.ros.messages import read_image
from pose_ros.ros.node import ManagedNode
from pose_ros.settings.nodes import PoseParameters
from pose_ros.sources.calibration import read_calibration
from pose_ros.sources.camera_rig import read_rig

_IMAGES_WITHOUT = 30
"""Images without any camera_info before a warning."""
_FIRST_SECONDS = 0.25
"""How long the first image waits for a camera_info: it may overtake one that was sent before it."""
_LOST = "no meters and no /tf"
_NO_HEADER = Header()

_KEPT = 8
"""Depth images that are kept: each comes a little before or after its color image."""
_WAIT_SECONDS = 0.1
"""How long an image waits for its depth image."""
_IN_VAIN = 5
"""After so many waits in a row without success, only one image in ``_RETRY`` waits."""
_RETRY = 10
_OWN_SECONDS = 1e-4
"""A camera that gives both takes them at once: their stamps differ by rounding alone."""
_DEPTH_QUEUE = 5
"""Messages of depth that wait in the subscription."""


class CameraWatch:
    """Follows the camera of a topic of camera_info, and says once why there is none.

    ``take`` and ``camera_for`` may be called from two threads.

    Args:
        topic: Of the camera_info, for the messages.
        rectified: Whether the images are.
        warn: Takes what is wrong, each kind of trouble once.
    """

    def __init__(self, topic: str, rectified: bool, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._say = once(warn)
        self._tracker = CameraTracker(topic, rectified, self._say, lost=_LOST)
        self._arrived = threading.Event()
        self._waited = 0

    def take(self, msg: Any) -> float:
        """Take a camera_info, and return its stamp in seconds."""
        stamp = stamp_from_msg(msg.header.stamp)
        msg.header = _NO_HEADER  # it differs always, and says nothing about the lens
        self._tracker.take(msg, lambda: msg)
        self._arrived.set()
        return stamp

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of a size, or None where it is not known.

        The first image waits for a moment, so that it has its meters as all others.

        Args:
            width: Pixels.
            height: Pixels.
        """
        if self._waited == 0:
            self._arrived.wait(_FIRST_SECONDS)
        if not self._tracker.heard:
            self._waited += 1
            if self._waited == _IMAGES_WITHOUT:
                self._say("silence", f"nothing on {self._topic} yet: {_LOST}")
        return self._tracker.fitting(self._tracker.camera, width, height)

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        camera = self._tracker.camera
        trouble = self._tracker.trouble
        return trouble if camera is None or trouble else _describe(camera)


class OwnCamera:
    """The camera of the node's own source.

    Args:
        source: Of the images; a synthetic one knows its camera.
        given: From the user's file, which goes before all else.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called once with what the calibration lacks.
    """

    def __init__(
        self,
        source: Source,
        given: Calibration | None,
        hfov_degrees: float | None,
        warn: Callable[[str], None],
    ) -> None:
        self._source, self._given, self._hfov, self._warn = source, given, hfov_degrees, warn
        self._size = (0, 0)
        self._camera: Camera | None = None
        self._trouble = "no image yet"

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of a size, or None where it is not known."""
        if self._size != (width, height):
            self._size = (width, height)
            try:
                found = calibration_of(
                    self._source, self._size, self._given, self._hfov, self._warn
                )
                self._camera = found.camera if found else None
                self._trouble = "not calibrated: set camera_info_url or hfov"
            except OptionError as error:
                self._camera, self._trouble = None, str(error)
            if self._camera is None:
                self._warn(f"no meters and no /tf: {self._trouble}")
        return self._camera

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        return _describe(self._camera) if self._camera else self._trouble


def _describe(camera: Camera) -> str:
    lens = camera.distortion_model if camera.distorted else "no distortion"
    return f"{camera.width}x{camera.height}, {camera.hfov_degrees:.0f} degrees wide, {lens}"


def calibration_of(
    source: Source,
    size: tuple[int, int],
    given: Calibration | None,
    hfov_degrees: float | None,
    warn: Callable[[str], None],
) -> Calibration | None:
    """Return the calibration of a node's own source, or None where nothing is known.

    Args:
        source: Of the images; a synthetic one knows its camera.
        size: Width and height of the images, pixels.
        given: From the user's file, which goes before all else.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called with what the calibration lacks.

    Raises:
        OptionError: The calibration is for another size.
    """
    known = getattr(source, "camera", None)
    own = known if isinstance(known, Camera) else None
    found = choose_camera(*size, given=given, own=own, hfov_degrees=hfov_degrees)
    if found is not None and given is None and own is None:
        warn(
            f"the camera is made up from hfov {hfov_degrees:g} degrees, as if the lens had no "
            "distortion; for measurements calibrate the camera and set camera_info_url"
        )
    return found


def read_calibration_url(url: str) -> Calibration | None:
    """Read what ``camera_info_url`` names; None where it is empty.

    Raises:
        OptionError: It is another kind of address, or the file is no calibration.
    """
    return read_calibration(calibration_path(url)) if url else None


def read_rig_cameras(url: str, sides: Sequence[str]) -> list[CameraView]:
    """Return the cameras that ``camera_info_url`` names in a file of several cameras.

    Args:
        url: Such as ``room.yaml#left``; with ``sides`` the file alone.
        sides: Of a device with several lenses; none: one lens.

    Returns:
        One, or one of each side; none where it is the file of one camera.

    Raises:
        OptionError: The file cannot be read, or has no such cameras.
    """
    path, mark, name = url.rpartition("#")
    if sides and url:
        return choose_views(read_rig(calibration_path(url)), sides)
    if not mark or Path(calibration_path(url)).exists():
        return []
    return choose_views(read_rig(calibration_path(path)), [name])


def calibration_path(url: str) -> str:
    """Return the path that ``camera_info_url`` names: a path, or a ``file://`` address.

    Raises:
        OptionError: It is another kind of address.
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise OptionError(f"camera_info_url must be a path or file:///..., got {url}")
    return unquote(parts.path)


class DepthBuffer:
    """Keeps the last depth images; ``take`` and ``nearest`` may be called from two threads.

    Args:
        topic: Of the depth images, for the messages.
        warn: Called with what is wrong, each kind of trouble once.
    """

    def __init__(self, topic: str, warn: Callable[[str], None]) -> None:
        self._topic = topic
        self._say = once(warn)
        self._matcher: DepthMatcher[DepthImage] = DepthMatcher(
            topic, _KEPT, lambda depth: depth, self._say
        )
        self._arrived = threading.Condition()
        self._in_vain = 0
        self._apart = self._skipped = 0
        self.used_total = 0
        self.missed_total = 0
        self.received_total = 0

    def take(self, message: bytes) -> float:
        """Take a serialized sensor_msgs/Image; return its stamp in seconds, NaN for a bad one."""
        try:
            depth = depth_from_msg(read_image(message))
        except ImageError as error:
            self._say("depth", f"{self._topic}: {error}")
            return math.nan
        with self._arrived:
            self._matcher.put(depth.stamp, depth)
            self.received_total += 1
            self._arrived.notify_all()
        return depth.stamp

    def nearest(self, stamp: float, max_skew: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image nearest in time to an image, or None where none will do.

        Where there is none yet, it waits for a moment: a depth image may be the later one. So it
        does for the one of the image's own stamp, though the one before would do, unless images
        and depth have stamps of their own.

        Args:
            stamp: Of the image, seconds.
            max_skew: Seconds by which the depth may be older or newer.
            width: Of the image, pixels; a depth image that is registered to it has the same.
            height: Of the image, pixels.
        """

        def near() -> bool:
            return self._matcher.is_near(stamp, max_skew)

        with self._arrived:
            # before the first has come there is nothing to wait for: discovery takes its time
            if self._matcher.stamps:
                self._wait_for_own(stamp)
                hopeful = self._in_vain < _IN_VAIN or self._in_vain % _RETRY == 0
                came = self._arrived.wait_for(near, _WAIT_SECONDS if hopeful else 0.0)
                self._in_vain = 0 if came else self._in_vain + 1
            best = self._matcher.nearest(stamp, max_skew, width, height)
            skew = self._matcher.skew(stamp)
        if best is None and self._in_vain >= _IN_VAIN and skew < math.inf:  # one may be lost
            self._say(
                "skew",
                f"{self._topic}: the nearest depth is {skew:.3f} s away from the image and "
                f"is not used; max_depth_skew is {max_skew:g} s",
            )
        self.used_total += best is not None
        self.missed_total += best is None
        return best

    def describe(self) -> str:
        """Return one line for the diagnostics."""
        return (
            f"{self._topic}: {self.received_total} received, for {self.used_total} images, "
            f"not for {self.missed_total}"
        )

    def _wait_for_own(self, stamp: float) -> None:
        """Wait for the depth image of an image's own stamp, where there is hope for one."""

        def own() -> bool:
            return self._matcher.skew(stamp) <= _OWN_SECONDS

        def decided() -> bool:
            return own() or max(self._matcher.stamps) > stamp

        there = own()
        self._skipped = self._skipped + 1 if self._apart >= _IN_VAIN and not there else 0
        if self._skipped % _RETRY == 0:
            self._arrived.wait_for(decided, _WAIT_SECONDS)
        if not own():
            self._apart = min(self._apart + 2, _RETRY)
        else:
            self._apart = max(0, self._apart - 1) if there else 0


class CameraAndDepth:
    """Follows the camera and the depth of the images while the node is active.

    Args:
        node: For its parameters, subscriptions and log.
        source: The node's own; None where the images come from elsewhere, and camera_info
            and depth from topics.

    Raises:
        OptionError: The parameters do not go together, or the calibration cannot be read.
    """

    def __init__(self, node: ManagedNode[PoseParameters], source: Source | None) -> None:
        parameters = node.parameters
        self._node = node
        self._subscriptions: list[DriverSubscription] = []
        self._camera: CameraWatch | OwnCamera
        self._depth: DepthBuffer | None = None
        warn = node.get_logger().warning
        if source is not None:
            if parameters.use_depth:
                raise OptionError("use_depth needs images from a topic; leave out source")
            given = read_calibration_url(parameters.camera_info_url)
            self._camera = OwnCamera(source, given, parameters.lens.hfov, warn)
        else:
            self._camera = self._watch_camera(warn)
            self._depth = self._watch_depth(warn) if parameters.use_depth else None

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of that size, in pixels; None where it is not known."""
        return self._camera.camera_for(width, height)

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image of an image, by its stamp in seconds and its size in pixels."""
        if self._depth is None:
            return None
        return self._depth.nearest(stamp, self._node.parameters.lift.max_depth_skew, width, height)

    def values(self) -> list[tuple[str, str]]:
        """Return values for the diagnostics."""
        values = [("camera", self._camera.describe())]
        if self._depth:
            values.append(("depth", self._depth.describe()))
        return values

    def troubles(self) -> list[str]:
        """Return in words what is wrong with the topics, each with its cure."""
        return [text for text in (each.trouble() for each in self._subscriptions) if text]

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._subscriptions.pop().close()

    def _watch_camera(self, warn: Callable[[str], None]) -> CameraWatch:
        node, images = self._node, self._node.resolve_topic_name("image")
        topic = node.resolve_topic_name("camera_info")
        if topic == node.resolve_topic_name("camera_info", only_expand=True):
            topic = camera_info_topic(images)  # it is not remapped by itself
        rectified = is_rectified(node.parameters.image_kind, images)
        watch = CameraWatch(topic, rectified, warn)
        self._subscribe(DriverSubscription(node, CameraInfo, topic, watch.take))
        return watch

    def _watch_depth(self, warn: Callable[[str], None]) -> DepthBuffer:
        topic = self._node.resolve_topic_name("depth")
        buffer = DepthBuffer(topic, warn)
        self._subscribe(
            DriverSubscription(self._node, Image, topic, buffer.take, depth=_DEPTH_QUEUE, raw=True)
        )
        self._node.get_logger().info(f"depth from {topic}")
        return buffer

    def _subscribe(self, subscription: DriverSubscription) -> None:
        self._subscriptions.append(subscription)
