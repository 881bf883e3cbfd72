"""The measured points of people: depth pixels that their masks hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage
from pose_ros.core.types import FloatArray, Poses

LEAST_MASK = 0.5
"""How sure a pixel has to be a person's."""


class PersonCloud(NamedTuple):
    """Points of all people of an image.

    Attributes:
        points: (N, 3) float32 meters in the camera's optical frame.
        ids: (N,) uint32, whose point each is.
    """

    points: FloatArray
    ids: NDArray[np.uint32]


def person_cloud(poses: Poses, camera: Camera, depth: DepthImage) -> PersonCloud:
    """Return the points of people; a pixel that two masks hold is of the surer one.

    Pixels at the edge of a mask may lie on what is behind the person.

    Args:
        poses: With ``masks``; without them or without people there are no points.
        camera: Of the images, with its distortion.
        depth: Registered to the image.
    """
    if poses.masks is None or not len(poses):
        return PersonCloud(np.zeros((0, 3), np.float32), np.zeros(0, np.uint32))
    whose = poses.masks.argmax(axis=0)
    meters = depth.meters()
    known = (poses.masks.max(axis=0) > LEAST_MASK) & np.isfinite(meters) & (meters > 0)
    rows, columns = np.nonzero(known)
    pixels = camera.undistort(np.stack([columns, rows], axis=1).astype(np.float64))
    points = camera.pinhole.rays(pixels) * meters[known][:, np.newaxis]
    ids = poses.ids[whose[known]].astype(np.uint32)
    seen = np.isfinite(points).all(axis=1)  # beyond what the distortion can be solved for
    return PersonCloud(points[seen].astype(np.float32), ids[seen])
