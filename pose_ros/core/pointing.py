"""Where somebody points: a ray with an angular uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.errors import OptionError


@dataclass(frozen=True, eq=False)
class Ray:
    """A half line along an arm, from the body outwards. Arrays are read-only.

    Attributes:
        origin: (3,) meters in the camera's optical frame; NaN where only the body's shape is
            known and not its place. If not ``metric``: x, y in pixels, and 0.
        direction: (3,) unit vector in the optical frame: x right, y down, z forward. If not
            ``metric``: in the image, z is 0.
        sigma: Radians, above 0: root mean square of the angle to the true line; about two in
            three true lines are within it.
        metric: Whether it is a ray in space; one in the image otherwise.
        origin_sigma: Meters, 1 sigma of the origin over all three axes; NaN: unknown.
    """

    origin: Float64Array
    direction: Float64Array
    sigma: float
    metric: bool
    origin_sigma: float = math.nan

    def __post_init__(self) -> None:
        for name in ("origin", "direction"):
            array = np.array(getattr(self, name), np.float64)
            if array.shape != (3,):
                raise OptionError(f"Ray.{name}: expected shape (3,), got {array.shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        # written so that NaN fails too
        if not abs(float(np.linalg.norm(self.direction)) - 1.0) < 1e-6:
            raise OptionError(f"Ray.direction: expected a unit vector, got {self.direction}")
        if not 0.0 < self.sigma < math.inf:
            raise OptionError(f"Ray.sigma: expected radians above 0, got {self.sigma}")
