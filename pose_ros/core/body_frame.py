"""Where a body is and which way it faces, from its joints in meters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.types import Pose

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float64Array = NDArray[np.float64]

# closer together than this, two joints name no direction
_LEAST_METERS = 0.02


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """A frame at the mid-hips: x out of the body, y to its left, z to the head.

    Attributes:
        origin: (3,) meters in the camera's optical frame.
        rotation: From the body's axes to the camera's.
    """

    origin: Float64Array
    rotation: Rotation

    def to_body(self, points: NDArray[np.floating]) -> Float64Array:
        """Return points of the camera's frame in this one, (n, 3) meters."""
        moved = np.asarray(points, np.float64) - self.origin
        return np.asarray(self.rotation.inv().apply(moved), np.float64)


def body_frame(pose: Pose) -> BodyFrame | None:
    """Return the frame of a body, as REP-155 has it.

    z points from the mid-hips to between the shoulders. Its left is that of hips and
    shoulders together, each by its width: a turned chest turns the frame half with it.

    Args:
        pose: A person with ``camera``; whether the network is sure of the joints is not
            asked, as those that are hidden have their place too.

    Returns:
        None where hips or shoulders have no meters, or lie so that they name no direction.
    """
    names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
    if pose.camera is None or not set(names) <= set(pose.skeleton.keypoints):
        return None
    indices = [pose.skeleton.index(name) for name in names]
    left_hip, right_hip, left_shoulder, right_shoulder = pose.camera[indices].astype(np.float64)
    origin = (left_hip + right_hip) / 2
    up = _unit((left_shoulder + right_shoulder) / 2 - origin)
    left = left_hip - right_hip + left_shoulder - right_shoulder
    left = _unit(left - (left @ up) * up)
    # NaN passes all comparisons and ends up here
    if not np.isfinite([origin, up, left]).all():
        return None
    from scipy.spatial.transform import Rotation  # late: SciPy takes long to load

    return BodyFrame(origin, Rotation.from_matrix(np.column_stack([np.cross(left, up), left, up])))


def _unit(vector: Float64Array) -> Float64Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length >= _LEAST_METERS else np.full(3, np.nan)
