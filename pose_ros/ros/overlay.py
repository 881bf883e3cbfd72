"""The overlay: taken from its topic, with gestures drawn in, to a window, a file or a browser."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Camera
from pose_ros.core.timeline import StampStep, step_from
from pose_ros.core.types import Channels
from pose_ros.core.types import Image as ImageArray
from pose_ros.errors import OptionError, OutputError, PoseRosError
from pose_ros.messages.cameras import camera_from_info
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import GestureArray, PoseArray
from pose_ros.ros.qos import ANY_NEWEST_QOS, RESULT_QOS
from pose_ros.video_files import VIDEO_SUFFIXES, VideoWriter
from pose_ros.viz.live_page import DEFAULT_PORT, LOOPBACK, LivePage
from pose_ros.viz.overlay import draw_gestures

_WAITING = 2  # images that wait for their gestures
_KEPT = 30  # poses and gestures that wait for their images

Show = Callable[[ImageArray, Channels, float], None]
"""Called with an image, the order of its channels and its stamp in seconds."""

WINDOW, BROWSER = "window", "browser"
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")

_TITLE = "pose_ros"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

_SUFFIX = ".mp4"
_LONGEST_GAP_SECONDS = 5.0
_QUEUE = 30
"""Images that wait to be encoded; ``add`` waits for a place."""


class OverlayInput:
    """Subscribes to an overlay, and hands it on once the gestures of its image are known.

    An overlay waits for them no longer than until the one after the next comes.

    Args:
        node: For its subscriptions.
        show: Called for each overlay.
        overlay: Topic of the overlay.
        poses: Topic of the people.
        gestures: Topic of their gestures; empty: none.
        camera_info: Topic of the camera; empty: none.
    """

    def __init__(
        self,
        node: Any,
        show: Show,
        *,
        overlay: str,
        poses: str,
        gestures: str = "",
        camera_info: str = "",
    ) -> None:
        self._node, self._show = node, show
        self._waits = bool(gestures)
        self._camera: Camera | None = None
        self._overlays: OrderedDict[float, Any] = OrderedDict()
        self._poses: OrderedDict[float, Any] = OrderedDict()
        self._gestures: OrderedDict[float, Any] = OrderedDict()
        self._subscriptions = [
            node.create_subscription(kind, topic, take, qos)
            for kind, topic, take, qos in (
                (Image, overlay, self._on_overlay, RESULT_QOS),
                (PoseArray, poses, self._on_poses, RESULT_QOS),
                (GestureArray, gestures, self._on_gestures, RESULT_QOS),
                (CameraInfo, camera_info, self._on_info, ANY_NEWEST_QOS),
            )
            if topic
        ]

    def close(self) -> None:
        """End the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _on_overlay(self, msg: Any) -> None:
        stamp = stamp_from_msg(msg.header.stamp)
        self._overlays[stamp] = msg
        self._hand_on_known(stamp)
        if len(self._overlays) > _WAITING:
            self._hand_on(next(iter(self._overlays)))

    def _on_poses(self, msg: Any) -> None:
        self._hand_on_known(_keep(self._poses, msg))

    def _on_gestures(self, msg: Any) -> None:
        self._hand_on_known(_keep(self._gestures, msg))

    def _hand_on_known(self, stamp: float) -> None:
        """Hand an overlay on if all is there that is drawn into it; topics come in any order."""
        if not self._waits or (stamp in self._gestures and stamp in self._poses):
            self._hand_on(stamp)

    def _on_info(self, msg: Any) -> None:
        try:
            self._camera = camera_from_info(msg)
        except PoseRosError:
            self._camera = None  # uncalibrated: rays are drawn in the image

    def _hand_on(self, last: float) -> None:
        """Hand on the overlays up to one, in their order."""
        while last in self._overlays:
            stamp, msg = self._overlays.popitem(last=False)
            image, channels = image_from_msg(msg)
            poses, gestures = self._poses.get(stamp), self._gestures.get(stamp)
            if poses is not None and gestures is not None and gestures.gestures:
                image = np.array(image)  # the message's own memory may be read-only
                draw_gestures(
                    image,
                    poses_from_msg(poses),
                    gestures_from_msg(gestures),
                    self._camera,
                    channels=channels,
                )
            self._show(image, channels, stamp)


def _keep(kept: OrderedDict[float, Any], msg: Any) -> float:
    stamp = stamp_from_msg(msg.header.stamp)
    kept[stamp] = msg
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return stamp


class OverlayView(ABC):
    """Something that shows pictures."""

    @abstractmethod
    def show(self, image: ImageArray, channels: Channels, stamp: float) -> None:
        """Show an image, (H, W, 3) uint8, with its stamp in seconds.

        Raises:
            OutputError: It cannot be shown or written.
        """

    def say(self, line: str) -> None:  # noqa: B027
        """Show the live line, where there is a place for it."""

    def close(self) -> None:  # noqa: B027
        """Finish."""


def open_view(
    where: str, *, host: str = LOOPBACK, port: int = DEFAULT_PORT
) -> tuple[OverlayView, str]:
    """Open what ``--overlay`` names.

    Args:
        where: ``window``, ``browser``, or a file: a video, or a picture that is always the last.
        host: Address that a page is served on.
        port: Of that address.

    Returns:
        The view, and where to look, in words.

    Raises:
        OptionError: There can be no such view here.
    """
    if where == WINDOW:
        return _Window(), "a window; q in it ends"
    if where == BROWSER:
        page = _Page(_TITLE, host, port)
        return page, page.address
    path = Path(where)
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return _Video(path), f"{path}, finished when this ends"
    if suffix in PICTURE_SUFFIXES:
        return _PictureFile(path), f"{path}, always the last picture"
    raise OptionError(
        f"--overlay must be {WINDOW}, {BROWSER}, a video ({', '.join(sorted(VIDEO_SUFFIXES))}) or "
        f"a picture ({', '.join(PICTURE_SUFFIXES)}); got {where!r}"
    )


def why_no_window() -> str:
    """Return why OpenCV can open no window here; empty where it can."""
    found = re.search(r"^\s*GUI:\s*(.*)$", cv2.getBuildInformation(), re.MULTILINE)
    if found is None or found[1].strip() in ("", "NONE"):
        return (
            "this OpenCV has none (opencv-python-headless): take --overlay browser, or install "
            "opencv-python in its place"
        )
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAYS):
        return "there is no display here (DISPLAY is not set): take --overlay browser"
    return ""


def _bgr(image: ImageArray, channels: Channels) -> ImageArray:
    """Return an image as OpenCV takes it."""
    return np.ascontiguousarray(image if channels == "bgr" else image[..., ::-1])


class _Window(OverlayView):
    def __init__(self) -> None:
        if reason := why_no_window():
            raise OptionError(f"no window: {reason}")

    def show(self, image: ImageArray, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        cv2.imshow(_TITLE, _bgr(image, channels))
        if cv2.waitKey(1) & 0xFF == ord("q"):
            raise KeyboardInterrupt

    def close(self) -> None:
        cv2.destroyAllWindows()


class _Page(OverlayView):
    def __init__(self, title: str, host: str, port: int) -> None:
        self._page = LivePage(title, host, port)
        self.address = self._page.address

    def show(self, image: ImageArray, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        self._page.show(image, channels)

    def say(self, line: str) -> None:
        self._page.say(line)

    def close(self) -> None:
        self._page.close()


class _Video(OverlayView):
    def __init__(self, path: Path) -> None:
        self._recorder = VideoRecorder(path)

    def show(self, image: ImageArray, channels: Channels, stamp: float) -> None:
        self._recorder.add(image, channels, stamp)

    def close(self) -> None:
        self._recorder.close()


class _PictureFile(OverlayView):
    """A file that is replaced as a whole, so that a reader never sees half a picture."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, image: ImageArray, channels: Channels, stamp: float) -> None:  # noqa: ARG002
        done, data = cv2.imencode(self._path.suffix, _bgr(image, channels))
        if not done:
            raise OutputError(f"cannot write {self._path}: OpenCV cannot encode it")
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            part.write_bytes(data.tobytes())
            part.replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from None


class VideoRecorder:
    """A video in which an image is shown until the next one's stamp, and no longer than 5 s.

    Images are encoded in a thread, so that the thread that adds them goes on.

    Args:
        path: Of the video; with a suffix of no video it becomes MP4.
    """

    def __init__(self, path: Path) -> None:
        suffix = path.suffix.lower()
        self.path = path if suffix in VIDEO_SUFFIXES else path.with_suffix(_SUFFIX)
        self.frames = 0
        """Images written; all of them once it is closed."""
        self._writer = VideoWriter(self.path)
        self._images: queue.Queue[tuple[ImageArray, Channels, float] | None]
        self._images = queue.Queue(_QUEUE)
        self._error: PoseRosError | None = None
        self._seconds, self._stamp = 0.0, -np.inf
        self._thread: threading.Thread | None = None

    def __enter__(self) -> VideoRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, image: ImageArray, channels: Channels, stamp: float) -> None:
        """Have an image written at its place in time; one older than the last is left out.

        Args:
            image: (H, W, 3) uint8, which is not written to any more; another size than the
                first is scaled to it.
            channels: Of the image.
            stamp: Seconds.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._begin()
        self._images.put((image, channels, stamp))

    def close(self) -> None:
        """Wait until all is written, and finish the file.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._thread is None:
            return
        self._images.put(None)
        self._thread.join()
        self._thread = None
        self._writer.close()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _begin(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.path.parent}: {error.strerror}") from None
        self._thread = threading.Thread(target=self._run, name="video", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._images.get()) is not None:
            if self._error is not None:
                continue  # no reader shall wait for a place in the queue
            try:
                self._write(*item)
            except PoseRosError as error:
                self._error = error

    def _write(self, image: ImageArray, channels: Channels, stamp: float) -> None:
        if step_from(self._stamp, stamp) in (StampStep.SAME, StampStep.BACK):
            return
        if self.frames:
            self._seconds += min(stamp - self._stamp, _LONGEST_GAP_SECONDS)
        self._stamp = stamp
        picture = _bgr(image, channels)
        size = (image.shape[1], image.shape[0])
        if self.frames and size != self._writer.size:
            picture = np.asarray(cv2.resize(picture, self._writer.size), np.uint8)
        self._writer.write(picture, self._seconds)
        self.frames += 1
