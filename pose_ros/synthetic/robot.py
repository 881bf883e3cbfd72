"""A robot on two wheels that is only computed, and the floor from above with it and people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_ros.core.types import Image

MAX_LINEAR, MAX_ANGULAR = 0.7, 1.5  # m/s, rad/s
LINEAR_ACCELERATION, ANGULAR_ACCELERATION = 1.0, 4.0  # m/s2, rad/s2, of rising and falling
ARRIVED_METERS, ARRIVED_RADIANS = 0.03, 0.05

Place = tuple[float, float]

_FLOOR, _LINE, _TEXT = (40, 40, 40), (70, 70, 70), (200, 200, 200)
_PERSON, _SPOT, _GOAL, _ROBOT = (200, 160, 60), (180, 105, 255), (90, 220, 90), (60, 170, 250)
ROBOT_METERS = 0.2

_LEGEND = (
    ("robot", _ROBOT),
    ("person", _PERSON),
    ("where the person points", _SPOT),
    ("goal", _GOAL),
)
_MARKER, _RING = 18, 9  # pixels


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


@dataclass(frozen=True)
class FloorView:
    """What part of the floor is drawn: meters, x up in the picture and y to its left."""

    x_least: float = -0.6
    x_most: float = 4.0
    pixels: int = 480  # of the height

    @property
    def scale(self) -> float:
        """Pixels a meter."""
        return self.pixels / (self.x_most - self.x_least)

    def pixel(self, place: Place) -> tuple[int, int]:
        """Return where a place in meters is drawn; y = 0 is in the middle."""
        x, y = place
        return (
            round(self.pixels / 2 - y * self.scale),
            round((self.x_most - x) * self.scale),
        )


def draw_floor(
    view: FloorView,
    robot: tuple[float, float, float],
    trail: Sequence[Place] = (),
    *,
    people: Sequence[Place] = (),
    spot: Place | None = None,
    goal: Place | None = None,
    text: str = "",
    legend: bool = False,
) -> Image:
    """Return a square BGR picture of the floor from above.

    Args:
        view: What part of it.
        robot: x, y in meters and its yaw in radians.
        trail: Where it has been.
        people: Where they stand.
        spot: What the person truly points at.
        goal: Where the robot was sent.
        text: A line for the bottom.
        legend: Say at the top what each color is.
    """
    picture = np.full((view.pixels, view.pixels, 3), _FLOOR, np.uint8)
    for meter in range(-10, 11):
        for a, b in (((meter, -10.0), (meter, 10.0)), ((-10.0, meter), (10.0, meter))):
            cv2.line(picture, view.pixel(a), view.pixel(b), _LINE, 1, cv2.LINE_AA)
    for place in people:
        cv2.circle(picture, view.pixel(place), round(0.22 * view.scale), _PERSON, -1, cv2.LINE_AA)
    if spot is not None:
        _cross(picture, view.pixel(spot))
    if goal is not None:
        cv2.circle(picture, view.pixel(goal), _RING, _GOAL, 2, cv2.LINE_AA)
    if len(trail) > 1:
        way = np.array([view.pixel(place) for place in trail], np.int32)
        cv2.polylines(picture, [way], False, _ROBOT, 1, cv2.LINE_AA)
    x, y, yaw = robot
    center, nose = view.pixel((x, y)), (x + math.cos(yaw) * 0.3, y + math.sin(yaw) * 0.3)
    cv2.circle(picture, center, round(ROBOT_METERS * view.scale), _ROBOT, -1, cv2.LINE_AA)
    cv2.line(picture, center, view.pixel(nose), _TEXT, 3, cv2.LINE_AA)
    if legend:
        _draw_legend(picture)
    if text:
        at = (8, view.pixels - 10)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _TEXT, 1, cv2.LINE_AA)
    return picture


def _draw_legend(picture: Image) -> None:
    for row, (name, color) in enumerate(_LEGEND):
        x, y = 18, 18 + 22 * row
        if color == _SPOT:
            _cross(picture, (x, y))
        elif color == _GOAL:
            cv2.circle(picture, (x, y), _RING, color, 2, cv2.LINE_AA)
        else:
            cv2.circle(picture, (x, y), 7, color, cv2.FILLED, cv2.LINE_AA)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, name, (x + 16, y + 5), font, 0.45, _TEXT, 1, cv2.LINE_AA)


def _cross(picture: Image, at: tuple[int, int]) -> None:
    cv2.drawMarker(picture, at, _SPOT, cv2.MARKER_TILTED_CROSS, _MARKER, 2)
