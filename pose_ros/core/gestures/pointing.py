"""Where a person points: a ray with an angular uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.hold import Joints
from pose_ros.core.skeletons import Side
from pose_ros.errors import OptionError
from pose_ros.settings.gestures import RayKind

# Chosen on drawn people, as everything here: seed 1001 of draw_pointing.
_SHAPE_SIGMA = 0.48  # radians, of a ray of which only the body's shape is known
_IMAGE_SIGMA = 0.05  # radians, in the image
_LINE_SIGMA = 0.15  # radians, on top of what the joints' own errors come to
_MEASURED_SHARE = 0.55  # of the errors of measured joints; the rest is common to them
_MOST_SIGMA = 1.0


@dataclass(frozen=True, eq=False)
class Ray:
    """A half line along an arm, from the body outwards. Arrays are read-only.

    Attributes:
        origin: (3,) meters in the camera's optical frame; NaN where only the body's shape is
            known and not its place. If not ``metric``: x, y in pixels, and 0.
        direction: (3,) unit vector in the optical frame: x right, y down, z forward. If not
            ``metric``: in the image, z is 0.
        sigma: Radians, above 0: about two in three true lines are within it. That is of the
            line through the joints; whether the person means what that line meets is not in it.
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


def arm_ray(joints: Joints, side: Side, kind: RayKind) -> Ray | None:
    """Return the ray along an arm.

    Args:
        joints: Of the body.
        side: Of the arm.
        kind: From where it leads through the wrist.

    Returns:
        None where a joint is missing or both are one.
    """
    starts = {
        "shoulder_wrist": (f"{side}_shoulder",),
        "elbow_wrist": (f"{side}_elbow",),
        "eye_wrist": ("left_eye", "right_eye"),
    }[kind]
    points, sigmas, wrist = joints.points, joints.sigmas, f"{side}_wrist"
    if not all(name in points for name in (*starts, wrist)):
        return None
    origin = np.mean([points[name] for name in starts], axis=0)
    line = points[wrist] - origin
    length = float(np.linalg.norm(line))
    if not length > 0.0:
        return None
    origin_sigma = math.nan
    sigma = _IMAGE_SIGMA if joints.space == "image" else _SHAPE_SIGMA
    if joints.space == "camera":
        origin_sigma = max(sigmas[name] for name in starts)
        wrist_sigma = sigmas[wrist]
        if not math.isnan(wrist_sigma + origin_sigma):
            if joints.measured.intersection((*starts, wrist)):
                sigma = _MEASURED_SHARE * math.hypot(wrist_sigma, origin_sigma) / length
            else:
                # what is wrong with both moves the ray and does not turn it; nor does what is
                # wrong along the line of sight turn an arm that points along it
                turning = math.sqrt(max(0.0, wrist_sigma**2 - origin_sigma**2))
                across = np.linalg.norm(np.cross(origin, line)) / np.linalg.norm(origin) / length
                sigma = math.hypot(turning / length * float(across), _LINE_SIGMA)
    return Ray(
        origin=origin if joints.space != "world" else np.full(3, np.nan),
        direction=line / length,
        sigma=min(_MOST_SIGMA, sigma),
        metric=joints.space != "image",
        origin_sigma=origin_sigma,
    )
