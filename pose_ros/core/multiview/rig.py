"""Several cameras in one world: what a calibration of them says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.extrinsics import CameraView, check_views
from pose_ros.errors import OptionError


@dataclass(frozen=True, eq=False)
class CameraRig:
    """Calibrated cameras and what is known of the room.

    Attributes:
        views: The cameras, with distinct names; one or more.
        up: (3,) unit vector against gravity, in the world; None where it is not known.
        floor: Meters along ``up`` from the world's origin to the floor; None where not known.
        offsets: (V,) seconds to add to each camera's stamps for one clock; None: none are known.
    """

    views: tuple[CameraView, ...]
    up: Float64Array | None = None
    floor: float | None = None
    offsets: Float64Array | None = None

    def __post_init__(self) -> None:
        check_views(self.views)
        if self.up is not None:
            up = np.array(self.up, np.float64)
            if up.shape != (3,) or not abs(np.linalg.norm(up) - 1.0) < 1e-3:
                raise OptionError(f"up must be 3 numbers of length 1, got {self.up}")
            up /= np.linalg.norm(up)
            up.flags.writeable = False
            object.__setattr__(self, "up", up)
        if self.floor is not None and (self.up is None or not np.isfinite(self.floor)):
            raise OptionError("floor must be finite meters, and needs up")
        if self.offsets is not None:
            offsets = np.array(self.offsets, np.float64)
            if offsets.shape != (len(self.views),) or not np.isfinite(offsets).all():
                raise OptionError("offsets must be finite seconds, one a camera")
            offsets.flags.writeable = False
            object.__setattr__(self, "offsets", offsets)
