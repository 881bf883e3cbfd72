"""The cameras of a calibration that took some images: by their names, and for the images' size."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.errors import OptionError

_CODEC_BLOCK = 16  # pixels
_UPRIGHT = 0.5  # cosine between the images' down and the world's


def choose_views(rig: CameraRig, names: Sequence[str]) -> list[CameraView]:
    """Return the camera of each recording, by the recordings' names.

    Names decide where each finds a camera of its own: ``cam1`` finds ``cam_01``. The order does
    where there are as many cameras as names and no name says otherwise.

    Raises:
        OptionError: It is not clear which camera belongs to which name.
    """
    known = {view.name: view for view in rig.views}
    plain = {tuple(_words(view.name)): view for view in rig.views}
    found = [known.get(name) or plain.get(tuple(_words(name))) for name in names]
    if None not in found and len({id(view) for view in found}) == len(names):
        return [view for view in found if view is not None]
    # an order that a name contradicts is no order
    if len(names) == len(rig.views) and all(
        by_name in (None, view) for by_name, view in zip(found, rig.views, strict=True)
    ):
        return list(rig.views)
    raise OptionError(
        f"it is not clear which cameras of the calibration ({', '.join(known)}) took "
        f"{', '.join(names)}: name the files as the cameras, or give as many as there are cameras"
    )


def _words(name: str) -> list[str]:
    """Return the words and numbers of a name."""
    parts = re.findall(r"[^\W\d_]+|\d+", name.lower())
    return [part.lstrip("0") or "0" if part.isdigit() else part for part in parts]


def room_of(rig: CameraRig) -> Float64Array | None:
    """Return (4, 4) that takes meters of the calibration's world to a frame with z up.

    The floor is at z = 0 where it is known. Where the calibration does not say where up is, and
    the cameras' images have their lower edges towards the world's minus z, the world is taken as
    it is: cameras stand upright, as a rule.

    Returns:
        None where up is not known.
    """
    room = np.eye(4)
    if rig.up is None:
        down = np.mean([view.extrinsics.rotation[1] for view in rig.views], axis=0)
        return room if -down[2] > _UPRIGHT else None
    up = rig.up
    side = np.eye(3)[int(np.argmin(np.abs(up)))]
    y = np.cross(up, side)
    y /= math.sqrt(float(y @ y))
    if up[2] < 1.0 - 1e-9:
        room[:3, :3] = np.stack([np.cross(y, up), y, up])
    room[2, 3] = -(rig.floor or 0.0)
    return room


def views_of_size(
    views: Sequence[CameraView], sizes: Sequence[tuple[int, int]]
) -> list[CameraView]:
    """Return the cameras for images of these sizes, width and height in pixels.

    An image that is larger or smaller as a whole than what was calibrated has its camera scaled.
    One that lacks or has a few pixels at the right and lower edges, with which codecs fill their
    blocks, keeps its camera.

    Raises:
        OptionError: The images have another shape than what was calibrated.
    """
    return [
        replace(view, camera=camera_of_size(view.camera, view.name, size))
        for view, size in zip(views, sizes, strict=True)
    ]


def camera_of_size(camera: Camera, name: str, size: tuple[int, int]) -> Camera:
    """Return the camera for images of a size, as ``views_of_size`` does.

    Args:
        camera: As it was calibrated.
        name: Of the camera, for the error.
        size: Width and height of its images, pixels.

    Raises:
        OptionError: The images have another shape than what was calibrated.
    """
    width, height = size
    matrix, scale = np.array(camera.matrix), width / camera.width
    if max(abs(camera.width - width), abs(camera.height - height)) >= _CODEC_BLOCK:
        if abs(camera.height * scale - height) > 1.0:
            raise OptionError(
                f"the camera {name!r} is calibrated for {camera.width}x{camera.height} pixels, "
                f"its images have {width}x{height}"
            )
        matrix[:2] *= scale
        matrix[:2, 2] += (scale - 1.0) / 2.0  # a pixel's center is a whole number
    return Camera(width, height, matrix, camera.distortion_model, camera.distortion)
