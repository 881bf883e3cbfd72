"""A camera's intrinsics to messages and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pose_ros.core.camera import Calibration, Camera
from pose_ros.core.types import Say
from pose_ros.errors import OptionError, SourceError
from pose_ros.messages.headers import HeaderMsg, Types


def camera_info_to_msg(types: Types, calibration: Calibration, header: HeaderMsg) -> Any:
    """Return the CameraInfo that goes with an image.

    Args:
        types: Of messages.
        calibration: Of the camera.
        header: The image's own.
    """
    camera = calibration.camera
    region = types("sensor_msgs/msg/RegionOfInterest")
    return types("sensor_msgs/msg/CameraInfo")(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=camera.distortion_model,
        d=camera.distortion.tolist(),
        k=camera.matrix.ravel(),
        r=calibration.rectification.ravel(),
        p=np.asarray(calibration.projection).ravel(),
        binning_x=0,
        binning_y=0,
        roi=region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def camera_info_topic(image_topic: str) -> str:
    """Return the topic of the camera_info of images: their sibling, as image_transport has it.

    Args:
        image_topic: Of the images, without the transport that may end it, as ``/compressed``.
    """
    namespace, slash, _ = image_topic.rpartition("/")
    return f"{namespace}{slash}camera_info"


def is_rectified(kind: str, image_topic: str) -> bool:
    """Return whether images are rectified: K and D do not hold for them, but P does.

    No message says so. By convention the name of the topic does, such as image_rect_color.

    Args:
        kind: ``raw``, ``rectified``, or ``auto`` to go by the topic.
        image_topic: Where the images come from.
    """
    return kind == "rectified" or (kind == "auto" and "rect" in re.split("[/_]", image_topic))


def camera_from_info(msg: Any, *, rectified: bool = False) -> Camera:
    """Return the intrinsics of the images that a CameraInfo goes with.

    Binning and the region that the driver cut out are taken into account.

    Args:
        msg: The CameraInfo.
        rectified: Whether the images are rectified: P holds for them, and no lens distortion.

    Raises:
        OptionError: It is not calibrated (K is zero), or its values make no camera.
    """
    if not any(msg.k):
        raise OptionError(
            "the camera is not calibrated (K is zero); calibrate it, as with camera_calibration's "
            "cameracalibrator, and let its driver publish that"
        )
    matrix = np.array(msg.k, np.float64).reshape(3, 3)
    if rectified:
        if not any(msg.p):
            raise OptionError(
                "the images are rectified, and P is zero; let what rectifies them publish its "
                "camera_info, or set image_kind:=raw where they are not"
            )
        # without the baseline in P's last column: what is seen is seen from this very camera
        matrix = np.array(msg.p, np.float64).reshape(3, 4)[:, :3]
    matrix[:2, 2] -= (msg.roi.x_offset, msg.roi.y_offset)
    binning_x, binning_y = max(1, msg.binning_x), max(1, msg.binning_y)
    matrix[0] /= binning_x
    matrix[1] /= binning_y
    return Camera(
        width=(msg.roi.width or msg.width) // binning_x,
        height=(msg.roi.height or msg.height) // binning_y,
        matrix=matrix,
        distortion_model=msg.distortion_model,
        distortion=np.array([] if rectified else msg.d, np.float64),
    )


class CameraTracker:
    """Follows the camera of a stream of images by its camera_info.

    Args:
        topic: Of the camera_info, for what is said.
        rectified: Whether the images are.
        say: Takes what is wrong, each kind of trouble once.
        lost: What there is not while the camera is not known, such as ``no meters``.
    """

    def __init__(self, topic: str, rectified: bool, say: Say, *, lost: str = "no meters") -> None:
        self._topic, self._rectified, self._say, self._lost = topic, rectified, say, lost
        self._content: Any = None
        self.camera: Camera | None = None
        """That of the newest camera_info; None where it is not known."""
        self.trouble = f"nothing on {topic}"
        """Why there is no camera, or none of the images' size; empty while there is one."""

    @property
    def heard(self) -> bool:
        """Whether there was a camera_info."""
        return self._content is not None

    def take(self, content: Any, read: Callable[[], Any]) -> None:
        """Take a camera_info; one that is equal to the last costs next to nothing.

        Args:
            content: What it holds but for its stamp, in any form that can be compared.
            read: Returns the CameraInfo.
        """
        if self.heard and content == self._content:
            return
        self._content, self.camera = content, None
        try:
            camera = camera_from_info(read(), rectified=self._rectified)
            camera.undistort((0.0, 0.0))  # an unknown lens model is refused now
        except (OptionError, SourceError) as error:
            self._fail("camera", f"{self._lost}: {self._topic}: {error}")
        else:
            self.camera, self.trouble = camera, ""

    def fitting(self, camera: Camera | None, width: int, height: int) -> Camera | None:
        """Return a camera if it is one of images of that size, in pixels; None otherwise."""
        if camera is None:
            return None
        if (camera.width, camera.height) == (width, height):
            self.trouble = ""
            return camera
        self._fail(
            "size",
            f"{self._lost}: {self._topic} is for {camera.width}x{camera.height} pixels, the "
            f"images have {width}x{height}; let the driver publish the one that fits them",
        )
        return None

    def _fail(self, kind: str, text: str) -> None:
        self.trouble = text
        self._say(kind, text)
