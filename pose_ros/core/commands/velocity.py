"""Limits of speed and acceleration: what a robot may be asked for next."""

from __future__ import annotations

import math

from pose_ros.errors import OptionError
from pose_ros.settings.commands import VelocityLimits

MAX_STEP_SECONDS = 0.1
"""A speed rises by no more than in this time, however late the next step comes."""


class VelocityLimiter:
    """Follows the speeds that are wanted, within the limits."""

    def __init__(self, limits: VelocityLimits) -> None:
        self.limits = limits
        self.linear = self.angular = 0.0

    @property
    def moving(self) -> bool:
        """Whether the last speeds were not zero."""
        return self.linear != 0.0 or self.angular != 0.0

    def halt(self) -> None:
        """Be at zero, at once."""
        self.linear = self.angular = 0.0

    def step(self, linear: float, angular: float, seconds: float) -> tuple[float, float]:
        """Return the speeds to ask for next, in m/s and rad/s.

        Args:
            linear: m/s that are wanted.
            angular: rad/s that are wanted.
            seconds: Since the last step.

        Raises:
            OptionError: One of the three is not finite; the speeds are zero then.
        """
        # written so that NaN is refused too; after a long time a step is MAX_STEP_SECONDS long
        if not (math.isfinite(linear) and math.isfinite(angular) and seconds >= 0.0):
            self.halt()
            raise OptionError(
                f"expected finite speeds, got {linear} m/s, {angular} rad/s after {seconds} s"
            )
        limits = self.limits
        elapsed = min(seconds, MAX_STEP_SECONDS)
        self.linear = _approach(
            self.linear,
            min(max(linear, -limits.max_reverse), limits.max_linear),
            limits.linear_acceleration * elapsed,
            limits.linear_deceleration * elapsed,
        )
        self.angular = _approach(
            self.angular,
            min(max(angular, -limits.max_angular), limits.max_angular),
            limits.angular_acceleration * elapsed,
            limits.angular_deceleration * elapsed,
        )
        return self.linear, self.angular


def _approach(speed: float, wanted: float, rise: float, fall: float) -> float:
    """Return the next speed: away from zero by ``rise`` at most, towards it by ``fall``."""
    if speed < 0.0 or (speed == 0.0 and wanted < 0.0):
        return -_approach(-speed, -wanted, rise, fall) + 0.0  # no negative zero
    if wanted >= speed:
        return min(wanted, speed + rise)
    return max(wanted, speed - fall, 0.0)
