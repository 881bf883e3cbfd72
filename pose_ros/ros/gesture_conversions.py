"""Gestures to messages and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
from geometry_msgs.msg import Point, Vector3

from pose_ros.core.gestures import Event, Gesture, Ray, Side
from pose_ros.errors import OptionError
from pose_ros.msg import Gesture as GestureMsg
from pose_ros.msg import GestureArray
from pose_ros.ros.conversions import stamp_from_msg, stamp_to_msg

_EVENTS: dict[Event, int] = {
    "started": GestureMsg.STARTED,
    "held": GestureMsg.HELD,
    "ended": GestureMsg.ENDED,
}


def gestures_to_msg(gestures: Iterable[Gesture], header: Any) -> GestureArray:
    """Return the message of the gestures in one image.

    Args:
        gestures: Of all people.
        header: The image's own.
    """
    return GestureArray(header=header, gestures=[_gesture_to_msg(gesture) for gesture in gestures])


def gestures_from_msg(msg: Any) -> tuple[Gesture, ...]:
    """Return the gestures of a GestureArray.

    Raises:
        OptionError: One has an event, a side or a ray that there is not.
    """
    return tuple(_gesture_from_msg(gesture) for gesture in msg.gestures)


def _gesture_to_msg(gesture: Gesture) -> GestureMsg:
    ray = gesture.ray
    msg = GestureMsg(
        name=gesture.name,
        side=gesture.side,
        person=gesture.person,
        event=_EVENTS[gesture.event],
        confidence=gesture.confidence,
        since=stamp_to_msg(gesture.since),
        ray=GestureMsg.RAY_NONE,
    )
    unknown = np.full(3, np.nan)
    origin, direction = (unknown, unknown) if ray is None else (ray.origin, ray.direction)
    msg.origin = Point(**dict(zip("xyz", origin.tolist(), strict=True)))
    msg.direction = Vector3(**dict(zip("xyz", direction.tolist(), strict=True)))
    msg.sigma = math.nan if ray is None else ray.sigma
    msg.origin_sigma = math.nan if ray is None else ray.origin_sigma
    if ray is not None:
        msg.ray = GestureMsg.RAY_METRIC if ray.metric else GestureMsg.RAY_IMAGE
    return msg


def _gesture_from_msg(msg: Any) -> Gesture:
    event = next((event for event, number in _EVENTS.items() if number == msg.event), None)
    if event is None:
        raise OptionError(f"gesture {msg.name}: unknown event {msg.event}")
    if msg.side not in get_args(Side):
        raise OptionError(f"gesture {msg.name}: unknown side {msg.side!r}")
    if msg.ray not in (GestureMsg.RAY_NONE, GestureMsg.RAY_IMAGE, GestureMsg.RAY_METRIC):
        raise OptionError(f"gesture {msg.name}: unknown ray {msg.ray}")
    ray = None
    if msg.ray != GestureMsg.RAY_NONE:
        ray = Ray(
            origin=np.array([msg.origin.x, msg.origin.y, msg.origin.z]),
            direction=np.array([msg.direction.x, msg.direction.y, msg.direction.z]),
            sigma=msg.sigma,
            metric=msg.ray == GestureMsg.RAY_METRIC,
            origin_sigma=msg.origin_sigma,
        )
    return Gesture(
        name=msg.name,
        side=msg.side,
        person=int(msg.person),
        event=event,
        confidence=msg.confidence,
        since=stamp_from_msg(msg.since),
        ray=ray,
    )
