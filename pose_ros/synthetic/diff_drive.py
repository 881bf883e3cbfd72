"""A robot on two wheels that is only computed: it drives to a goal as a real base would."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_LINEAR, MAX_ANGULAR = 0.7, 1.5  # m/s, rad/s
LINEAR_ACCELERATION, ANGULAR_ACCELERATION = 1.0, 4.0  # m/s2, rad/s2, of rising and falling
ARRIVED_METERS, ARRIVED_RADIANS = 0.03, 0.05


@dataclass(frozen=True)
class BaseState:
    """Where the robot is and how it moves: meters, radians, seconds; z up, x ahead at yaw 0."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    linear: float = 0.0
    angular: float = 0.0


def moved(state: BaseState, linear: float, angular: float, seconds: float) -> BaseState:
    """Return the state some time later.

    Args:
        state: Now.
        linear: m/s that is asked for; the motors' limits hold for it.
        angular: rad/s, the same.
        seconds: 0 or more.
    """
    v = _toward(state.linear, linear, MAX_LINEAR, LINEAR_ACCELERATION * seconds)
    w = _toward(state.angular, angular, MAX_ANGULAR, ANGULAR_ACCELERATION * seconds)
    # along the middle of the arc
    heading = state.yaw + 0.5 * w * seconds
    x = state.x + v * seconds * math.cos(heading)
    y = state.y + v * seconds * math.sin(heading)
    return BaseState(x, y, _wrapped(state.yaw + w * seconds), v, w)


def speeds_to(state: BaseState, x: float, y: float, yaw: float) -> tuple[float, float]:
    """Return the m/s and rad/s that lead to a place in meters, and then to a yaw in radians."""
    dx, dy = x - state.x, y - state.y
    distance = math.hypot(dx, dy)
    if distance <= ARRIVED_METERS:
        error = _wrapped(yaw - state.yaw)
        return 0.0, 2.0 * error if abs(error) > ARRIVED_RADIANS else 0.0
    error = _wrapped(math.atan2(dy, dx) - state.yaw)
    # first the turn: it drives where it looks
    ahead = max(0.0, math.cos(error)) ** 4
    return min(MAX_LINEAR, 1.2 * distance) * ahead, 2.5 * error


def _toward(now: float, wanted: float, limit: float, step: float) -> float:
    wanted = min(limit, max(-limit, wanted))
    return min(now + step, max(now - step, wanted))


def _wrapped(angle: float) -> float:
    return math.remainder(angle, math.tau)
