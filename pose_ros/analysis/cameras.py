"""The camera that a user tells of, where a recording does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pose_ros.core.camera import Calibration, Camera


class GivenCamera:
    """Chooses the camera of images: of a calibration file, else their own, else made up.

    Args:
        given: From the user's file, which goes before all else; None where there is none.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called once with what is wrong.
        rectified: Whether the images are.

    Raises:
        OptionError: No lens is that wide.
    """

    def __init__(
        self,
        given: Calibration | None,
        hfov_degrees: float | None,
        warn: Callable[[str], None],
        *,
        rectified: bool = False,
    ) -> None:
        if hfov_degrees is not None:
            Camera.from_hfov(2, 2, hfov_degrees)  # what is refused is refused at once
        self._hfov, self._warn = hfov_degrees, warn
        self._told = False
        self._made: Camera | None = None
        self._given: Camera | None = None
        if given is not None:
            self._given = _rectified(given) if rectified else given.camera

    def camera_for(self, width: int, height: int, own: Camera | None) -> Camera | None:
        """Return the camera of images of a size; None where it is not known.

        Args:
            width: Pixels.
            height: Pixels.
            own: What the images' source knows.
        """
        camera = self._given or own
        if camera is None and self._hfov is not None:
            if self._made is None or (self._made.width, self._made.height) != (width, height):
                self._made = Camera.from_hfov(width, height, self._hfov)
            camera = self._made
        if camera is not None and (camera.width, camera.height) != (width, height):
            if not self._told:
                self._told = True
                self._warn(
                    f"the camera is known for {camera.width}x{camera.height} pixels, the images "
                    f"have {width}x{height}: no meters there"
                )
            return None
        return camera


def _rectified(calibration: Calibration) -> Camera:
    """Return the camera whose images were rectified by a calibration: P holds, and no D."""
    camera = calibration.camera
    matrix = np.asarray(calibration.projection, np.float64)[:, :3]
    return Camera(camera.width, camera.height, matrix, camera.distortion_model, np.zeros(0))
